//===- ValueErrorsTest.cpp -----------------------------------------------===//
//
// Mistakes in numbers, types and kinds of values, and the bounds on what a
// text may unroll into: text, place, rendering.
//
//===----------------------------------------------------------------------===//
#include "tests/frontend/LanguageTest.h"

using namespace fm::test;

namespace {

TEST(ValueErrors, IntegerDivision) {
  EXPECT_EQ(errorsOf(R"fm(model m(a = 7 / 2) {
  b = 1 / 0
  c = 1 % 0
  d = 2 ** -1
  e = 1.0 / 0
}
)fm"),
            R"fm(model.fm:1:15: error: 7 / 2 is not an integer
    1 | model m(a = 7 / 2) {
      |               ^
model.fm:1:15: note: for a float, make one of them a float: '7.0 / 2'
model.fm:2:9: error: division by zero: 1 / 0
    2 |   b = 1 / 0
      |         ^
model.fm:3:9: error: division by zero: 1 % 0
    3 |   c = 1 % 0
      |         ^
model.fm:4:9: error: 2 ** (-1) is not an integer
    4 |   d = 2 ** -1
      |         ^~
model.fm:4:9: note: for a float, make the base a float: '2.0'
model.fm:5:11: error: division by zero: 1 / 0
    5 |   e = 1.0 / 0
      |           ^
5 errors generated.
)fm");
}

TEST(ValueErrors, Overflow) {
  EXPECT_EQ(
      errorsOf(R"fm(model m(a = 9223372036854775807) {
  b = a + 1
  c = -a - 2
  d = 4294967296 * 4294967296
  e = 2 ** 63
  f = 1e308 * 10.0
  g = (-a - 1) / -1
  h = -(-a - 1)
}
)fm"),
      R"fm(model.fm:2:9: error: 9223372036854775807 + 1 does not fit in 64 bits
    2 |   b = a + 1
      |         ^
model.fm:3:10: error: -9223372036854775807 - 2 does not fit in 64 bits
    3 |   c = -a - 2
      |          ^
model.fm:4:18: error: 4294967296 * 4294967296 does not fit in 64 bits
    4 |   d = 4294967296 * 4294967296
      |                  ^
model.fm:5:9: error: 2 ** 63 does not fit in 64 bits
    5 |   e = 2 ** 63
      |         ^~
model.fm:6:13: error: 1e+308 * 10 is not a finite number
    6 |   f = 1e308 * 10.0
      |             ^
model.fm:7:16: error: -9223372036854775808 / (-1) does not fit in 64 bits
    7 |   g = (-a - 1) / -1
      |                ^
model.fm:8:7: error: 0 - (-9223372036854775808) does not fit in 64 bits
    8 |   h = -(-a - 1)
      |       ^~~~~~~~~
7 errors generated.
)fm");
}

TEST(ValueErrors, OperandKinds) {
  EXPECT_EQ(
      errorsOf(R"fm(model m {
  input x : f32[2]
  a = x + "s"
  b = true * 2
  c = [1] - 1
  d = x % 2
  e = -"s"
}
)fm"),
      R"fm(model.fm:3:11: error: '+' takes numbers and tensors, not a string
    3 |   a = x + "s"
      |           ^~~
model.fm:4:7: error: '*' takes numbers and tensors, not a bool
    4 |   b = true * 2
      |       ^~~~
model.fm:5:7: error: '-' takes numbers and tensors, not a list
    5 |   c = [1] - 1
      |       ^~~
model.fm:6:9: error: '%' is for numbers, not for tensors
    6 |   d = x % 2
      |         ^
model.fm:7:8: error: '-' takes a number or a tensor, not a string
    7 |   e = -"s"
      |        ^~~
5 errors generated.
)fm");
}

TEST(ValueErrors, Dimensions) {
  EXPECT_EQ(errorsOf(R"fm(model m(n = 0) {
  input a : f32[0]
  input b : f32[-3, n]
  input c : f32[2147483648]
  input d : f32[1.5, "x"]
  input e : f32[2147483647, 2147483647, 2147483647]
  y = relu(a)
}
)fm"),
            R"fm(model.fm:2:17: error: a dimension is at least 1, not 0
    2 |   input a : f32[0]
      |                 ^
model.fm:3:17: error: a dimension is at least 1, not -3
    3 |   input b : f32[-3, n]
      |                 ^~
model.fm:3:21: error: a dimension is at least 1, not 0
    3 |   input b : f32[-3, n]
      |                     ^
model.fm:4:17: error: a dimension is at most 2147483647, not 2147483648
    4 |   input c : f32[2147483648]
      |                 ^~~~~~~~~~
model.fm:5:17: error: a dimension is an integer, not a float
    5 |   input d : f32[1.5, "x"]
      |                 ^~~
model.fm:5:22: error: a dimension is an integer, not a string
    5 |   input d : f32[1.5, "x"]
      |                      ^~~
model.fm:6:13: error: the tensor is too large: its size in bytes does not fit in 64 bits
    6 |   input e : f32[2147483647, 2147483647, 2147483647]
      |             ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
7 errors generated.
)fm");
}

TEST(ValueErrors, Types) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  input a : f33[2]
  input b : float[2]
  input c : tensor
}
)fm"),
            R"fm(model.fm:2:13: error: unknown type 'f33'; did you mean 'f32'?
    2 |   input a : f33[2]
      |             ^~~
model.fm:2:13: note: the types are f32, f64, i32, i64 and bool
model.fm:3:13: error: unknown type 'float'; did you mean 'f32'?
    3 |   input b : float[2]
      |             ^~~~~
model.fm:3:13: note: the types are f32, f64, i32, i64 and bool
model.fm:4:13: error: unknown type 'tensor'
    4 |   input c : tensor
      |             ^~~~~~
model.fm:4:13: note: the types are f32, f64, i32, i64 and bool
3 errors generated.
)fm");
}

TEST(ValueErrors, NotATensor) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  output a = 3
  loss 1.5
  metric true
  b = 2
  output b
}
)fm"),
            R"fm(model.fm:2:14: error: an output is a tensor, not an integer
    2 |   output a = 3
      |              ^
model.fm:3:8: error: a loss is a tensor, not a float
    3 |   loss 1.5
      |        ^~~
model.fm:4:10: error: a metric is a tensor, not a bool
    4 |   metric true
      |          ^~~~
model.fm:6:10: error: an output is a tensor, not an integer
    6 |   output b
      |          ^
4 errors generated.
)fm");
}

TEST(ValueErrors, RepeatCounts) {
  EXPECT_EQ(errorsOf(R"fm(model m(batch = 2) {
  repeat 1.5 { }
  repeat -1 { }
  repeat batch { x = y }
}
)fm"),
            R"fm(model.fm:2:10: error: 'repeat' takes an integer, not a float
    2 |   repeat 1.5 { }
      |          ^~~
model.fm:3:10: error: 'repeat' takes a number from 0 on, not -1
    3 |   repeat -1 { }
      |          ^~
model.fm:4:10: error: 'repeat' cannot depend on the number of samples, which is known only at run time
    4 |   repeat batch { x = y }
      |          ^~~~~
model.fm:4:22: error: undefined name 'y'
    4 |   repeat batch { x = y }
      |                      ^
4 errors generated.
)fm");
}

TEST(ValueErrors, Dim) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  input x : f32[2, 3]
  a = dim(x, 2)
  b = dim(x, -3)
  c = dim(x)
  d = dim(3, 0)
  e = dim(x, 1.5)
  f = dim(x, y = 1)
}
)fm"),
            R"fm(model.fm:3:14: error: there is no axis 2: the tensor has 2 axes
    3 |   a = dim(x, 2)
      |              ^
model.fm:3:14: note: axes count from 0 to 1, or from -2 to -1
model.fm:4:14: error: there is no axis -3: the tensor has 2 axes
    4 |   b = dim(x, -3)
      |              ^~
model.fm:4:14: note: axes count from 0 to 1, or from -2 to -1
model.fm:5:7: error: 'dim' takes a tensor and the number of an axis: dim(x, -1)
    5 |   c = dim(x)
      |       ^~~
model.fm:6:11: error: 'dim' takes a tensor, not an integer
    6 |   d = dim(3, 0)
      |           ^
model.fm:7:14: error: an axis is an integer, not a float
    7 |   e = dim(x, 1.5)
      |              ^~~
model.fm:8:7: error: 'dim' takes a tensor and the number of an axis: dim(x, -1)
    8 |   f = dim(x, y = 1)
      |       ^~~
6 errors generated.
)fm");
}

TEST(ValueErrors, ManyOps) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  input x : f32[2]
  repeat 1000000000 { x = relu(x) }
}
)fm"),
            R"fm(model.fm:3:27: error: the model has more than 100000 ops
    3 |   repeat 1000000000 { x = relu(x) }
      |                           ^~~~
model.fm:3:27: note: 'repeat' and calls of blocks are unrolled when the model is read
1 error generated.
)fm");
}

TEST(ValueErrors, ManySteps) {
  EXPECT_EQ(
      errorsOf(R"fm(model m {
  n = 1
  repeat 1000000000 { repeat 1000000000 { n = 1 } }
}
)fm"),
      R"fm(model.fm:3:43: error: the model takes too long to read: more than 2000000 steps
    3 |   repeat 1000000000 { repeat 1000000000 { n = 1 } }
      |                                           ^
model.fm:3:43: note: 'repeat' and calls of blocks are unrolled when the model is read
1 error generated.
)fm");
}

TEST(ValueErrors, EmptyRepeats) {
  EXPECT_EQ(
      errorsOf(R"fm(model m {
  repeat 1000000000 { repeat 1000000000 { } }
}
)fm"),
      R"fm(model.fm:2:30: error: the model takes too long to read: more than 2000000 steps
    2 |   repeat 1000000000 { repeat 1000000000 { } }
      |                              ^~~~~~~~~~
model.fm:2:30: note: 'repeat' and calls of blocks are unrolled when the model is read
1 error generated.
)fm");
}

TEST(ValueErrors, HugeLists) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  l = [1]
  repeat 100 { l = [l, l] }
}
)fm"),
            R"fm(model.fm:3:20: error: a list has at most 4096 elements
    3 |   repeat 100 { l = [l, l] }
      |                    ^~~~~~
1 error generated.
)fm");
}

} // namespace
