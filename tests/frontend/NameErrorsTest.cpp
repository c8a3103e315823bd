//===- NameErrorsTest.cpp ------------------------------------------------===//
//
// Mistakes in names and in where statements stand: text, place, rendering.
//
//===----------------------------------------------------------------------===//
#include "tests/frontend/LanguageTest.h"

using namespace fm::test;

namespace {

TEST(NameErrors, UndefinedName) {
  EXPECT_EQ(
      errorsOf(R"fm(model m {
  input image : f32[2]
  output y = relu(imgae)
}
)fm"),
      R"fm(model.fm:3:19: error: undefined name 'imgae'; did you mean 'image'?
    3 |   output y = relu(imgae)
      |                   ^~~~~
model.fm:2:9: note: 'image' is defined here
    2 |   input image : f32[2]
      |         ^~~~~
1 error generated.
)fm");
}

TEST(NameErrors, UndefinedNameUnlikeAnyOther) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  output y = relu(something)
}
)fm"),
            R"fm(model.fm:2:19: error: undefined name 'something'
    2 |   output y = relu(something)
      |                   ^~~~~~~~~
1 error generated.
)fm");
}

TEST(NameErrors, UsedBeforeDefinition) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  input x : f32[2]
  y = relu(logits)
  logits = relu(x)
}
)fm"),
            R"fm(model.fm:3:12: error: 'logits' is used before it is defined
    3 |   y = relu(logits)
      |            ^~~~~~
model.fm:4:3: note: defined later, at line 4
    4 |   logits = relu(x)
      |   ^~~~~~
1 error generated.
)fm");
}

TEST(NameErrors, OwnValue) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  x = relu(x)
}
)fm"),
            R"fm(model.fm:2:12: error: undefined name 'x'
    2 |   x = relu(x)
      |            ^
1 error generated.
)fm");
}

TEST(NameErrors, OpAsValue) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  x = relu
}
)fm"),
            R"fm(model.fm:2:7: error: 'relu' is an op, not a value
    2 |   x = relu
      |       ^~~~
model.fm:2:7: note: call it: 'relu(...)'
1 error generated.
)fm");
}

TEST(NameErrors, BlockAsValue) {
  EXPECT_EQ(errorsOf(R"fm(block b(x) {
  return x
}
model m {
  y = b
}
)fm"),
            R"fm(model.fm:5:7: error: 'b' is a block, not a value
    5 |   y = b
      |       ^
model.fm:5:7: note: call it: 'b(...)'
1 error generated.
)fm");
}

TEST(NameErrors, UnknownOp) {
  EXPECT_EQ(
      errorsOf(R"fm(model m {
  input x : f32[2]
  y = conv2(x, 3, padding = same)
  z = x |> Relu |> atention
}
)fm"),
      R"fm(model.fm:3:7: error: unknown op or block 'conv2'; did you mean 'conv2d'?
    3 |   y = conv2(x, 3, padding = same)
      |       ^~~~~
model.fm:4:12: error: unknown op or block 'Relu'; did you mean 'relu'?
    4 |   z = x |> Relu |> atention
      |            ^~~~
model.fm:4:20: error: unknown op or block 'atention'
    4 |   z = x |> Relu |> atention
      |                    ^~~~~~~~
3 errors generated.
)fm");
}

TEST(NameErrors, UnknownOpLikeABlock) {
  EXPECT_EQ(
      errorsOf(R"fm(block encoder(x) {
  return x
}
model m {
  input x : f32[2]
  y = encodr(x)
}
)fm"),
      R"fm(model.fm:6:7: error: unknown op or block 'encodr'; did you mean 'encoder'?
    6 |   y = encodr(x)
      |       ^~~~~~
model.fm:1:7: note: 'encoder' is defined here
    1 | block encoder(x) {
      |       ^~~~~~~
1 error generated.
)fm");
}

TEST(NameErrors, CalledVariable) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  input x : f32[2]
  y = x(3)
}
)fm"),
            R"fm(model.fm:3:7: error: unknown op or block 'x'
    3 |   y = x(3)
      |       ^
model.fm:2:9: note: 'x' is a variable, which cannot be called
    2 |   input x : f32[2]
      |         ^
1 error generated.
)fm");
}

TEST(NameErrors, ArgumentsOfUnknownOps) {
  EXPECT_EQ(
      errorsOf(R"fm(model m {
  y = densee(foo, units = bar, 2 * baz)
}
)fm"),
      R"fm(model.fm:2:7: error: unknown op or block 'densee'; did you mean 'dense'?
    2 |   y = densee(foo, units = bar, 2 * baz)
      |       ^~~~~~
model.fm:2:14: error: undefined name 'foo'
    2 |   y = densee(foo, units = bar, 2 * baz)
      |              ^~~
model.fm:2:27: error: undefined name 'bar'
    2 |   y = densee(foo, units = bar, 2 * baz)
      |                           ^~~
model.fm:2:32: error: a positional argument follows a named one
    2 |   y = densee(foo, units = bar, 2 * baz)
      |                                ^~~~~~~
model.fm:2:36: error: undefined name 'baz'
    2 |   y = densee(foo, units = bar, 2 * baz)
      |                                    ^~~
5 errors generated.
)fm");
}

TEST(NameErrors, WordElsewhere) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  input x : f32[2]
  y = dense(x, same)
  z = same
}
)fm"),
            R"fm(model.fm:3:16: error: undefined name 'same'
    3 |   y = dense(x, same)
      |                ^~~~
model.fm:4:7: error: undefined name 'same'
    4 |   z = same
      |       ^~~~
2 errors generated.
)fm");
}

TEST(NameErrors, Redefinition) {
  EXPECT_EQ(errorsOf(R"fm(model m(n = 3) {
  input x : f32[2]
  target x : f32[2]
  y = relu(x)
  input y : f32[2]
  input n : f32
}
)fm"),
            R"fm(model.fm:3:10: error: 'x' is already defined
    3 |   target x : f32[2]
      |          ^
model.fm:2:9: note: defined first here
    2 |   input x : f32[2]
      |         ^
model.fm:5:9: error: 'y' is already defined
    5 |   input y : f32[2]
      |         ^
model.fm:4:3: note: defined first here
    4 |   y = relu(x)
      |   ^
model.fm:6:9: error: 'n' is already defined
    6 |   input n : f32
      |         ^
model.fm:1:9: note: defined first here
    1 | model m(n = 3) {
      |         ^
3 errors generated.
)fm");
}

TEST(NameErrors, AssignedBatch) {
  EXPECT_EQ(
      errorsOf(R"fm(model m(batch = 3) {
  batch = 4
}
)fm"),
      R"fm(model.fm:2:3: error: 'batch' is the number of samples and cannot be assigned
    2 |   batch = 4
      |   ^~~~~
model.fm:1:9: note: defined here
    1 | model m(batch = 3) {
      |         ^~~~~
1 error generated.
)fm");
}

TEST(NameErrors, TwoModels) {
  EXPECT_EQ(errorsOf(R"fm(model a { }
model b { }
)fm"),
            R"fm(model.fm:2:7: error: a file has one model; 'b' is another
    2 | model b { }
      |       ^
model.fm:1:7: note: the first one is here
    1 | model a { }
      |       ^
1 error generated.
)fm");
}

TEST(NameErrors, StatementsOfTheModel) {
  EXPECT_EQ(
      errorsOf(R"fm(block a(x) {
  input q : f32
  output x
  loss x
  train adam
  repeat 2 { return x }
  return x
}
model m {
  return 3
}
)fm"),
      R"fm(model.fm:2:3: error: 'input' belongs in the model, not in a block
    2 |   input q : f32
      |   ^~~~~
model.fm:3:3: error: 'output' belongs in the model, not in a block
    3 |   output x
      |   ^~~~~~
model.fm:4:3: error: 'loss' belongs in the model, not in a block
    4 |   loss x
      |   ^~~~
model.fm:5:3: error: 'train' belongs in the model, not in a block
    5 |   train adam
      |   ^~~~~
model.fm:6:14: error: 'return' cannot stand inside of 'repeat'
    6 |   repeat 2 { return x }
      |              ^~~~~~
model.fm:10:3: error: 'return' belongs in a block; a model has 'output NAME = ...'
   10 |   return 3
      |   ^~~~~~
6 errors generated.
)fm");
}

TEST(NameErrors, RepeatedStatements) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  x = 3
  repeat 2 {
    input y : f32
    output x
    metric x
    train only a.*
  }
}
)fm"),
            R"fm(model.fm:4:5: error: 'input' cannot be repeated
    4 |     input y : f32
      |     ^~~~~
model.fm:5:5: error: 'output' cannot be repeated
    5 |     output x
      |     ^~~~~~
model.fm:6:5: error: 'metric' cannot be repeated
    6 |     metric x
      |     ^~~~~~
model.fm:7:5: error: 'train' cannot be repeated
    7 |     train only a.*
      |     ^~~~~
4 errors generated.
)fm");
}

TEST(NameErrors, Optimizers) {
  EXPECT_EQ(
      errorsOf(R"fm(model m {
  train Adam
  train relu
  train momentum(lr = foo)
}
)fm"),
      R"fm(model.fm:2:9: error: unknown optimizer 'Adam'; did you mean 'adam'?
    2 |   train Adam
      |         ^~~~
model.fm:2:9: note: the optimizers are adam, sgd
model.fm:3:9: error: 'relu' is not an optimizer
    3 |   train relu
      |         ^~~~
model.fm:3:9: note: the optimizers are adam, sgd
model.fm:4:9: error: unknown optimizer 'momentum'
    4 |   train momentum(lr = foo)
      |         ^~~~~~~~
model.fm:4:9: note: the optimizers are adam, sgd
3 errors generated.
)fm");
}

TEST(NameErrors, ErrorsSilenceFollowers) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  input x : f32[2
  y = fail(x) |> relu
  z = unknown(y) + 3
  w = dense(z, dim(z, 0))
  output w
  loss sum(w)
}
)fm"),
            R"fm(model.fm:2:18: error: expected ',' or ']'
    2 |   input x : f32[2
      |                  ^
model.fm:2:16: note: to match this '['
    2 |   input x : f32[2
      |                ^
model.fm:4:7: error: unknown op or block 'unknown'
    4 |   z = unknown(y) + 3
      |       ^~~~~~~
2 errors generated.
)fm");
}

TEST(NameErrors, UnreadPartsSilenceNames) {
  EXPECT_EQ(
      errorsOf(R"fm(model m {
  inptu x : f32[2]
  output y = relu(x)
}
)fm"),
      R"fm(model.fm:2:3: error: unknown statement 'inptu'; did you mean 'input'?
    2 |   inptu x : f32[2]
      |   ^~~~~
1 error generated.
)fm");
}

TEST(NameErrors, TooMany) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  v0 = u0
  v1 = u1
  v2 = u2
  v3 = u3
  v4 = u4
  v5 = u5
  v6 = u6
  v7 = u7
  v8 = u8
  v9 = u9
  v10 = u10
  v11 = u11
  v12 = u12
  v13 = u13
  v14 = u14
  v15 = u15
  v16 = u16
  v17 = u17
  v18 = u18
  v19 = u19
  v20 = u20
  v21 = u21
  v22 = u22
  v23 = u23
  v24 = u24
}
)fm"),
            R"fm(model.fm:2:8: error: undefined name 'u0'
    2 |   v0 = u0
      |        ^~
model.fm:3:8: error: undefined name 'u1'
    3 |   v1 = u1
      |        ^~
model.fm:4:8: error: undefined name 'u2'
    4 |   v2 = u2
      |        ^~
model.fm:5:8: error: undefined name 'u3'
    5 |   v3 = u3
      |        ^~
model.fm:6:8: error: undefined name 'u4'
    6 |   v4 = u4
      |        ^~
model.fm:7:8: error: undefined name 'u5'
    7 |   v5 = u5
      |        ^~
model.fm:8:8: error: undefined name 'u6'
    8 |   v6 = u6
      |        ^~
model.fm:9:8: error: undefined name 'u7'
    9 |   v7 = u7
      |        ^~
model.fm:10:8: error: undefined name 'u8'
   10 |   v8 = u8
      |        ^~
model.fm:11:8: error: undefined name 'u9'
   11 |   v9 = u9
      |        ^~
model.fm:12:9: error: undefined name 'u10'
   12 |   v10 = u10
      |         ^~~
model.fm:13:9: error: undefined name 'u11'
   13 |   v11 = u11
      |         ^~~
model.fm:14:9: error: undefined name 'u12'
   14 |   v12 = u12
      |         ^~~
model.fm:15:9: error: undefined name 'u13'
   15 |   v13 = u13
      |         ^~~
model.fm:16:9: error: undefined name 'u14'
   16 |   v14 = u14
      |         ^~~
model.fm:17:9: error: undefined name 'u15'
   17 |   v15 = u15
      |         ^~~
model.fm:18:9: error: undefined name 'u16'
   18 |   v16 = u16
      |         ^~~
model.fm:19:9: error: undefined name 'u17'
   19 |   v17 = u17
      |         ^~~
model.fm:20:9: error: undefined name 'u18'
   20 |   v18 = u18
      |         ^~~
model.fm:21:9: error: undefined name 'u19'
   21 |   v19 = u19
      |         ^~~
fatal error: too many errors emitted, stopping now
20 errors generated.
)fm");
}

TEST(LanguageWarnings, Unused) {
  EXPECT_EQ(
      errorsOf(R"fm(block never(x) {
  return x
}
block partly(x, y) {
  return x
}
model m(batch = 3, width = 4) {
  input a : f32[batch]
  input b : f32[batch]
  target t : f32[batch]
  c = partly(a, 3)
  c = relu(c)
  d = relu(c)
  _ = relu(c)
  _e = relu(c)
  repeat 2 { c = relu(c) }
  output o = relu(a)
}
)fm"),
      R"fm(model.fm:1:7: warning: block 'never' is never called, so its inside is not checked
    1 | block never(x) {
      |       ^~~~~
model.fm:4:17: warning: parameter 'y' is never used
    4 | block partly(x, y) {
      |                 ^
model.fm:7:20: warning: parameter 'width' is never used
    7 | model m(batch = 3, width = 4) {
      |                    ^~~~~
model.fm:9:9: warning: input 'b' is never used
    9 |   input b : f32[batch]
      |         ^
model.fm:10:10: warning: target 't' is never used
   10 |   target t : f32[batch]
      |          ^
model.fm:13:3: warning: the value of 'd' is never used
   13 |   d = relu(c)
      |   ^
6 warnings generated.
)fm");
}

TEST(LanguageWarnings, BlockHidesOp) {
  EXPECT_EQ(
      errorsOf(R"fm(block relu(x) {
  return x
}
model m {
  input x : f32[2]
  output y = relu(x)
}
)fm"),
      R"fm(model.fm:1:7: warning: block 'relu' hides the op of the same name
    1 | block relu(x) {
      |       ^~~~
1 warning generated.
)fm");
}

} // namespace
