//===- BlockErrorsTest.cpp -----------------------------------------------===//
//
// Mistakes in blocks and their calls: text, place, rendering.
//
//===----------------------------------------------------------------------===//
#include "tests/frontend/LanguageTest.h"

using namespace fm::test;

namespace {

TEST(BlockErrors, MissingArguments) {
  EXPECT_EQ(errorsOf(R"fm(block b(x, n, k = 3) {
  return dense(x, n * k)
}
model m {
  input x : f32[2]
  y = b()
  z = b(x)
}
)fm"),
            R"fm(model.fm:6:7: error: block 'b' needs the arguments 'x', 'n'
    6 |   y = b()
      |       ^
model.fm:1:7: note: block 'b' is defined here
    1 | block b(x, n, k = 3) {
      |       ^
model.fm:7:7: error: block 'b' needs the argument 'n'
    7 |   z = b(x)
      |       ^
model.fm:1:7: note: block 'b' is defined here
    1 | block b(x, n, k = 3) {
      |       ^
2 errors generated.
)fm");
}

TEST(BlockErrors, TooManyArguments) {
  EXPECT_EQ(errorsOf(R"fm(block b(x) {
  return x
}
model m {
  input x : f32[2]
  y = b(x, 3, 4)
  z = x |> b(3)
}
)fm"),
            R"fm(model.fm:6:12: error: block 'b' takes 1 argument
    6 |   y = b(x, 3, 4)
      |            ^
model.fm:1:7: note: block 'b' is defined here
    1 | block b(x) {
      |       ^
model.fm:7:14: error: block 'b' takes 1 argument, the piped value included
    7 |   z = x |> b(3)
      |              ^
model.fm:1:7: note: block 'b' is defined here
    1 | block b(x) {
      |       ^
2 errors generated.
)fm");
}

TEST(BlockErrors, UnknownArgument) {
  EXPECT_EQ(
      errorsOf(R"fm(block b(x, heads = 2) {
  return dense(x, heads)
}
model m {
  input x : f32[2]
  y = b(x, haeds = 3)
}
)fm"),
      R"fm(model.fm:6:12: error: block 'b' has no parameter 'haeds'; did you mean 'heads'?
    6 |   y = b(x, haeds = 3)
      |            ^~~~~
model.fm:1:7: note: block 'b' is defined here
    1 | block b(x, heads = 2) {
      |       ^
1 error generated.
)fm");
}

TEST(BlockErrors, ArgumentTwice) {
  EXPECT_EQ(errorsOf(R"fm(block b(x) {
  return x
}
model m {
  input x : f32[2]
  y = b(x, x = x)
}
)fm"),
            R"fm(model.fm:6:12: error: the argument 'x' is given twice
    6 |   y = b(x, x = x)
      |            ^~~~~
model.fm:6:9: note: given first here
    6 |   y = b(x, x = x)
      |         ^
1 error generated.
)fm");
}

TEST(BlockErrors, Name) {
  EXPECT_EQ(
      errorsOf(R"fm(block b(x) {
  return x
}
model m {
  input x : f32[2]
  y = b(x, name = 3)
  z = b(x, name = enc)
}
)fm"),
      R"fm(model.fm:6:19: error: a name is a string in quotes, not an integer
    6 |   y = b(x, name = 3)
      |                   ^
model.fm:7:19: error: undefined name 'enc'
    7 |   z = b(x, name = enc)
      |                   ^~~
2 errors generated.
)fm");
}

TEST(BlockErrors, ParameterName) {
  EXPECT_EQ(
      errorsOf(R"fm(block b(name) {
  return name
}
model m {
}
)fm"),
      R"fm(model.fm:1:9: error: a block cannot have a parameter 'name': that argument names the call's layers
    1 | block b(name) {
      |         ^~~~
1 error generated.
)fm");
}

TEST(BlockErrors, SeesOnlyItsParameters) {
  EXPECT_EQ(errorsOf(R"fm(block b(x) {
  return dense(x, width)
}
model m(width = 3) {
  input x : f32[2]
  y = b(x)
}
)fm"),
            R"fm(model.fm:2:19: error: undefined name 'width'
    2 |   return dense(x, width)
      |                   ^~~~~
model.fm:4:9: note: this 'width' belongs to the model: a block sees only its parameters, so add one and pass it
    4 | model m(width = 3) {
      |         ^~~~~
model.fm:6:7: note: in this call of block 'b'
    6 |   y = b(x)
      |       ^
1 error generated.
)fm");
}

TEST(BlockErrors, ErrorInsideABlock) {
  EXPECT_EQ(errorsOf(R"fm(block inner(x) {
  return fail(x)
}
block outer(x) {
  return inner(x)
}
model m {
  input x : f32[2]
  repeat 3 { x = outer(x) }
  y = relu(x)
}
)fm"),
            R"fm(model.fm:2:10: error: fail: always fails
    2 |   return fail(x)
      |          ^~~~
model.fm:5:10: note: in this call of block 'inner'
    5 |   return inner(x)
      |          ^~~~~
model.fm:9:18: note: in this call of block 'outer'
    9 |   repeat 3 { x = outer(x) }
      |                  ^~~~~
1 error generated.
)fm");
}

TEST(BlockErrors, CallsItself) {
  EXPECT_EQ(errorsOf(R"fm(block a(x) {
  return b(x)
}
block b(x) {
  return a(x)
}
block c(x) {
  return c(x)
}
model m {
  input x : f32[2]
  y = a(x)
  z = c(x)
}
)fm"),
            R"fm(model.fm:5:10: error: block 'a' calls itself: a -> b -> a
    5 |   return a(x)
      |          ^
model.fm:2:10: note: in this call of block 'b'
    2 |   return b(x)
      |          ^
model.fm:12:7: note: in this call of block 'a'
   12 |   y = a(x)
      |       ^
model.fm:8:10: error: block 'c' calls itself: c -> c
    8 |   return c(x)
      |          ^
model.fm:13:7: note: in this call of block 'c'
   13 |   z = c(x)
      |       ^
2 errors generated.
)fm");
}

TEST(BlockErrors, Twice) {
  EXPECT_EQ(errorsOf(R"fm(block a(x) {
  return x
}
block a(y) {
  return y
}
model m {
}
)fm"),
            R"fm(model.fm:4:7: error: block 'a' is defined twice
    4 | block a(y) {
      |       ^
model.fm:1:7: note: defined first here
    1 | block a(x) {
      |       ^
1 error generated.
)fm");
}

TEST(BlockErrors, WithoutReturn) {
  EXPECT_EQ(errorsOf(R"fm(block a(x) {
  y = x
}
model m {
}
)fm"),
            R"fm(model.fm:1:7: error: block 'a' returns nothing
    1 | block a(x) {
      |       ^
model.fm:3:1: note: expected 'return ...' before this '}'
    3 | }
      | ^
1 error generated.
)fm");
}

TEST(BlockErrors, BehindReturn) {
  EXPECT_EQ(
      errorsOf(R"fm(block a(x) {
  return x
  y = x
}
model m {
}
)fm"),
      R"fm(model.fm:3:3: error: this statement is never reached: it follows 'return'
    3 |   y = x
      |   ^
1 error generated.
)fm");
}

TEST(BlockErrors, ResultCounts) {
  EXPECT_EQ(errorsOf(R"fm(block two(x) {
  return x, x
}
model m {
  input x : f32[2]
  a = two(x)
  a, b, c = two(x)
  a, b = relu(x)
  d = two(x) |> relu
  e = x |> two |> relu
}
)fm"),
            R"fm(model.fm:6:7: error: block 'two' returns 2 values
    6 |   a = two(x)
      |       ^~~~~~
model.fm:6:7: note: give each a name: 'a, b = two(...)'
model.fm:7:3: error: 3 names are given 2 values
    7 |   a, b, c = two(x)
      |   ^
model.fm:8:3: error: 2 names are given 1 value
    8 |   a, b = relu(x)
      |   ^
model.fm:9:7: error: block 'two' returns 2 values
    9 |   d = two(x) |> relu
      |       ^~~~~~
model.fm:9:7: note: give each a name: 'a, b = two(...)'
model.fm:10:12: error: block 'two' returns 2 values, which cannot go through a pipe
   10 |   e = x |> two |> relu
      |            ^~~
5 errors generated.
)fm");
}

} // namespace
