//===- SyntaxErrorsTest.cpp ----------------------------------------------===//
//
// What a syntax error says, where, and how it is shown; and that the rest of
// the file is still read.
//
//===----------------------------------------------------------------------===//
#include "tests/frontend/LanguageTest.h"

using namespace fm::test;

namespace {

TEST(SyntaxErrors, UnclosedCall) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  x = relu(1, 2
  y = ]
}
)fm"),
            R"fm(model.fm:2:16: error: expected ',' or ')'
    2 |   x = relu(1, 2
      |                ^
model.fm:2:11: note: to match this '('
    2 |   x = relu(1, 2
      |           ^
model.fm:3:7: error: expected an expression
    3 |   y = ]
      |       ^
2 errors generated.
)fm");
}

TEST(SyntaxErrors, UnclosedCallBeforeStatement) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  x = relu(
  output q
}
)fm"),
            R"fm(model.fm:2:12: error: expected an expression
    2 |   x = relu(
      |            ^
model.fm:3:10: error: undefined name 'q'
    3 |   output q
      |          ^
2 errors generated.
)fm");
}

TEST(SyntaxErrors, UnclosedList) {
  EXPECT_EQ(errorsOf(R"fm(model m { x = [1, 2 3] })fm"),
            R"fm(model.fm:1:21: error: expected ',' or ']'
    1 | model m { x = [1, 2 3] }
      |                     ^
model.fm:1:15: note: to match this '['
    1 | model m { x = [1, 2 3] }
      |               ^
1 error generated.
)fm");
}

TEST(SyntaxErrors, UnclosedParenthesis) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  x = (1 + 2
})fm"),
            R"fm(model.fm:2:13: error: expected ')'
    2 |   x = (1 + 2
      |             ^
model.fm:2:7: note: to match this '('
    2 |   x = (1 + 2
      |       ^
1 error generated.
)fm");
}

TEST(SyntaxErrors, EmptyArgument) {
  EXPECT_EQ(errorsOf(R"fm(model m { x = f(, 1) })fm"),
            R"fm(model.fm:1:17: error: expected an expression
    1 | model m { x = f(, 1) }
      |                 ^
1 error generated.
)fm");
}

TEST(SyntaxErrors, MissingOperand) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  x = 1 +
  y = 2 *
  z = -
})fm"),
            R"fm(model.fm:2:10: error: expected an expression after '+'
    2 |   x = 1 +
      |          ^
model.fm:3:10: error: expected an expression after '*'
    3 |   y = 2 *
      |          ^
model.fm:4:8: error: expected an expression after '-'
    4 |   z = -
      |        ^
3 errors generated.
)fm");
}

TEST(SyntaxErrors, MissingValue) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  x =
})fm"),
            R"fm(model.fm:2:6: error: expected an expression
    2 |   x =
      |      ^
1 error generated.
)fm");
}

TEST(SyntaxErrors, PositionalAfterNamed) {
  EXPECT_EQ(errorsOf(R"fm(model m { x = 1
 y = relu(a = x, x) })fm"),
            R"fm(model.fm:2:18: error: a positional argument follows a named one
    2 |  y = relu(a = x, x) }
      |                  ^
1 error generated.
)fm");
}

TEST(SyntaxErrors, PipeIntoNoCall) {
  EXPECT_EQ(
      errorsOf(R"fm(model m { x = 1 |> 3 })fm"),
      R"fm(model.fm:1:20: error: expected the name of an op or block after '|>'
    1 | model m { x = 1 |> 3 }
      |                    ^
1 error generated.
)fm");
}

TEST(SyntaxErrors, OperatorBehindPipe) {
  EXPECT_EQ(
      errorsOf(R"fm(model m {
  x = 1
  y = x |> relu + 1
})fm"),
      R"fm(model.fm:3:17: error: a pipe ends with a call; to go on with '+', put the pipe in parentheses
    3 |   y = x |> relu + 1
      |                 ^
1 error generated.
)fm");
}

TEST(SyntaxErrors, OperatorAtLineStart) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  x = 1
    + 2
})fm"),
            R"fm(model.fm:3:5: error: expected a statement, not '+'
    3 |     + 2
      |     ^
model.fm:3:5: note: an expression goes on in the next line behind an operator, inside of brackets, or with '|>'
1 error generated.
)fm");
}

TEST(SyntaxErrors, TwoStatementsOnALine) {
  EXPECT_EQ(errorsOf(R"fm(model m { x = 3 y = 4 })fm"),
            R"fm(model.fm:1:17: error: expected a new line or ';' before 'y'
    1 | model m { x = 3 y = 4 }
      |                 ^
1 error generated.
)fm");
}

TEST(SyntaxErrors, MisspelledStatement) {
  EXPECT_EQ(
      errorsOf(R"fm(model m {
  inptu x : f32[2]
  y = relu(x)
})fm"),
      R"fm(model.fm:2:3: error: unknown statement 'inptu'; did you mean 'input'?
    2 |   inptu x : f32[2]
      |   ^~~~~
1 error generated.
)fm");
}

TEST(SyntaxErrors, MissingEqual) {
  EXPECT_EQ(errorsOf(R"fm(model m { y 4 })fm"),
            R"fm(model.fm:1:13: error: expected '=' after 'y'
    1 | model m { y 4 }
      |             ^
1 error generated.
)fm");
}

TEST(SyntaxErrors, TypeWithoutStatement) {
  EXPECT_EQ(
      errorsOf(R"fm(model m { q : f32[3] })fm"),
      R"fm(model.fm:1:11: error: expected 'input' or 'target' before a name with a type
    1 | model m { q : f32[3] }
      |           ^
1 error generated.
)fm");
}

TEST(SyntaxErrors, UnusedExpression) {
  EXPECT_EQ(errorsOf(R"fm(model m { relu(1) })fm"),
            R"fm(model.fm:1:11: error: the value of this expression is not used
    1 | model m { relu(1) }
      |           ^~~~~~~
model.fm:1:11: note: write 'NAME = ...' to keep it
1 error generated.
)fm");
}

TEST(SyntaxErrors, AssignedStatementWord) {
  EXPECT_EQ(
      errorsOf(R"fm(model m {
  loss = 3
  input = 4
  output = 5
  repeat = 6
})fm"),
      R"fm(model.fm:2:3: error: 'loss' begins a statement and cannot be assigned
    2 |   loss = 3
      |   ^~~~
model.fm:2:3: note: write 'loss ...', or choose another name
model.fm:3:3: error: 'input' begins a statement and cannot be assigned
    3 |   input = 4
      |   ^~~~~
model.fm:3:3: note: write 'input NAME : TYPE', or choose another name
model.fm:4:3: error: 'output' begins a statement and cannot be assigned
    4 |   output = 5
      |   ^~~~~~
model.fm:4:3: note: write 'output NAME = ...', or choose another name
model.fm:5:3: error: 'repeat' begins a statement and cannot be assigned
    5 |   repeat = 6
      |   ^~~~~~
model.fm:5:3: note: choose another name
4 errors generated.
)fm");
}

TEST(SyntaxErrors, TrueIsNoName) {
  EXPECT_EQ(errorsOf(R"fm(model m { true = 3
 input false : f32 })fm"),
            R"fm(model.fm:1:11: error: 'true' cannot be a name
    1 | model m { true = 3
      |           ^~~~
model.fm:2:8: error: 'false' cannot be a name
    2 |  input false : f32 }
      |        ^~~~~
2 errors generated.
)fm");
}

TEST(SyntaxErrors, NamesWithoutValue) {
  EXPECT_EQ(errorsOf(R"fm(model m { a, b
 c, 3 = 4 })fm"),
            R"fm(model.fm:1:15: error: expected '='
    1 | model m { a, b
      |               ^
model.fm:2:5: error: expected a name
    2 |  c, 3 = 4 }
      |     ^
2 errors generated.
)fm");
}

TEST(SyntaxErrors, InputWithoutType) {
  EXPECT_EQ(
      errorsOf(R"fm(model m {
  input x f32[2]
  input
  input y :
  input z : 3
})fm"),
      R"fm(model.fm:2:11: error: expected ':' and a type, as in ': f32[batch, 10]'
    2 |   input x f32[2]
      |           ^~~
model.fm:3:8: error: expected a name after 'input'
    3 |   input
      |        ^
model.fm:4:12: error: expected a type, as in 'f32[batch, 10]'
    4 |   input y :
      |            ^
model.fm:5:13: error: expected a type, as in 'f32[batch, 10]'
    5 |   input z : 3
      |             ^
4 errors generated.
)fm");
}

TEST(SyntaxErrors, UnclosedType) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  input y : f32[2
  input z : f32[,]
})fm"),
            R"fm(model.fm:2:18: error: expected ',' or ']'
    2 |   input y : f32[2
      |                  ^
model.fm:2:16: note: to match this '['
    2 |   input y : f32[2
      |                ^
model.fm:3:17: error: expected an expression
    3 |   input z : f32[,]
      |                 ^
2 errors generated.
)fm");
}

TEST(SyntaxErrors, Gradient) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  input u : f32 with grad
  target t : f32 with gradient
})fm"),
            R"fm(model.fm:2:22: error: expected 'gradient' after 'with'
    2 |   input u : f32 with grad
      |                      ^~~~
model.fm:3:18: error: a target has no gradient
    3 |   target t : f32 with gradient
      |                  ^~~~
2 errors generated.
)fm");
}

TEST(SyntaxErrors, Output) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  output 3
  output relu(x)
  output
})fm"),
            R"fm(model.fm:2:10: error: expected the output's name
    2 |   output 3
      |          ^
model.fm:3:14: error: an output that is not a variable needs a name
    3 |   output relu(x)
      |              ^
model.fm:3:10: note: write 'output NAME = ...'
    3 |   output relu(x)
      |          ^~~~
model.fm:4:9: error: expected the output's name
    4 |   output
      |         ^
3 errors generated.
)fm");
}

TEST(SyntaxErrors, LossAndMetric) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  loss
  metric
  loss = 3
})fm"),
            R"fm(model.fm:2:7: error: expected an expression after 'loss'
    2 |   loss
      |       ^
model.fm:3:9: error: expected an expression after 'metric'
    3 |   metric
      |         ^
model.fm:4:3: error: 'loss' begins a statement and cannot be assigned
    4 |   loss = 3
      |   ^~~~
model.fm:4:3: note: write 'loss ...', or choose another name
3 errors generated.
)fm");
}

TEST(SyntaxErrors, Train) {
  EXPECT_EQ(
      errorsOf(R"fm(model m {
  train
  train 3
  train only
  train only ,
})fm"),
      R"fm(model.fm:2:8: error: expected an optimizer, as in 'train adam(lr = 1e-3)', or 'only'
    2 |   train
      |        ^
model.fm:3:9: error: expected an optimizer, as in 'train adam(lr = 1e-3)', or 'only'
    3 |   train 3
      |         ^
model.fm:4:13: error: expected a pattern of parameter names, as in 'head.*'
    4 |   train only
      |             ^
model.fm:5:14: error: expected a pattern of parameter names, as in 'head.*'
    5 |   train only ,
      |              ^
4 errors generated.
)fm");
}

TEST(SyntaxErrors, Repeat) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  repeat { x = ] }
  repeat 3
  repeat i in 4 { x = ) }
})fm"),
            R"fm(model.fm:2:10: error: expected a number after 'repeat'
    2 |   repeat { x = ] }
      |          ^
model.fm:2:16: error: expected an expression
    2 |   repeat { x = ] }
      |                ^
model.fm:3:11: error: expected '{'
    3 |   repeat 3
      |           ^
model.fm:4:12: error: 'repeat' has no loop variable
    4 |   repeat i in 4 { x = ) }
      |            ^~
model.fm:4:3: note: write 'repeat N { ... }'
    4 |   repeat i in 4 { x = ) }
      |   ^~~~~~
model.fm:4:23: error: expected an expression
    4 |   repeat i in 4 { x = ) }
      |                       ^
5 errors generated.
)fm");
}

TEST(SyntaxErrors, Return) {
  EXPECT_EQ(errorsOf(R"fm(block b(x) {
  return
}
model m { })fm"),
            R"fm(model.fm:2:9: error: expected an expression after 'return'
    2 |   return
      |         ^
1 error generated.
)fm");
}

TEST(SyntaxErrors, MissingBrace) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  x = 3
)fm"),
            R"fm(model.fm:2:8: error: expected '}' at the end of the file
    2 |   x = 3
      |        ^
model.fm:1:9: note: to match this '{'
    1 | model m {
      |         ^
1 error generated.
)fm");
}

TEST(SyntaxErrors, MissingBraceBeforeDefinition) {
  EXPECT_EQ(errorsOf(R"fm(block b(x) {
  return x
model m {
}
)fm"),
            R"fm(model.fm:3:1: error: expected '}' before 'model'
    3 | model m {
      | ^~~~~
model.fm:1:12: note: to match this '{'
    1 | block b(x) {
      |            ^
1 error generated.
)fm");
}

TEST(SyntaxErrors, ExtraBrace) {
  EXPECT_EQ(errorsOf(R"fm(model m { }
}
)fm"),
            R"fm(model.fm:2:1: error: unexpected '}'
    2 | }
      | ^
1 error generated.
)fm");
}

TEST(SyntaxErrors, Parameters) {
  EXPECT_EQ(errorsOf(R"fm(block a(x, 3) { return ] }
model m(b =) { x = ) })fm"),
            R"fm(model.fm:1:12: error: expected a parameter's name or ')'
    1 | block a(x, 3) { return ] }
      |            ^
model.fm:1:24: error: expected an expression
    1 | block a(x, 3) { return ] }
      |                        ^
model.fm:2:12: error: expected an expression
    2 | model m(b =) { x = ) }
      |            ^
model.fm:2:20: error: expected an expression
    2 | model m(b =) { x = ) }
      |                    ^
4 errors generated.
)fm");
}

TEST(SyntaxErrors, UnclosedParameters) {
  EXPECT_EQ(errorsOf(R"fm(model m(a = 3
{
  x = ]
})fm"),
            R"fm(model.fm:1:14: error: expected ',' or ')'
    1 | model m(a = 3
      |              ^
model.fm:1:8: note: to match this '('
    1 | model m(a = 3
      |        ^
model.fm:3:7: error: expected an expression
    3 |   x = ]
      |       ^
2 errors generated.
)fm");
}

TEST(SyntaxErrors, MisspelledDefinition) {
  EXPECT_EQ(
      errorsOf(R"fm(modle m { x = ] }
model n { x = ) })fm"),
      R"fm(model.fm:1:1: error: expected 'model' or 'block', not 'modle'; did you mean 'model'?
    1 | modle m { x = ] }
      | ^~~~~
model.fm:2:15: error: expected an expression
    2 | model n { x = ) }
      |               ^
2 errors generated.
)fm");
}

TEST(SyntaxErrors, StatementOutside) {
  EXPECT_EQ(
      errorsOf(R"fm(x = 3
model m { y = ] })fm"),
      R"fm(model.fm:1:1: error: a statement stands inside of a model or a block
    1 | x = 3
      | ^
model.fm:2:15: error: expected an expression
    2 | model m { y = ] }
      |               ^
2 errors generated.
)fm");
}

TEST(SyntaxErrors, DefinitionWithoutName) {
  EXPECT_EQ(errorsOf(R"fm(model { x = ] }
block b(x) { return ) }
)fm"),
            R"fm(model.fm:1:7: error: expected the model's name
    1 | model { x = ] }
      |       ^
model.fm:2:21: error: expected an expression
    2 | block b(x) { return ) }
      |                     ^
2 errors generated.
)fm");
}

TEST(SyntaxErrors, DefinitionInside) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  block
  model m
})fm"),
            R"fm(model.fm:2:3: error: a block cannot stand inside of another
    2 |   block
      |   ^~~~~
model.fm:3:3: error: a model cannot stand inside of another
    3 |   model m
      |   ^~~~~
2 errors generated.
)fm");
}

TEST(SyntaxErrors, StrayCharacters) {
  EXPECT_EQ(errorsOf(R"fm(model m {
  x = 3 $ 4
  y = @
  z = ]
})fm"),
            R"fm(model.fm:2:9: error: unexpected character '$'
    2 |   x = 3 $ 4
      |         ^
model.fm:3:7: error: unexpected character '@'
    3 |   y = @
      |       ^
model.fm:4:7: error: expected an expression
    4 |   z = ]
      |       ^
3 errors generated.
)fm");
}

TEST(SyntaxErrors, EmptyFile) {
  EXPECT_EQ(errorsOf(R"fm()fm"),
            R"fm(model.fm: error: the file is empty
model.fm: note: expected 'model NAME(batch = 64) { ... }'
1 error generated.
)fm");
}

TEST(SyntaxErrors, BlankFile) {
  EXPECT_EQ(errorsOf("\n"
                     "  \t\r\n"),
            R"fm(model.fm: error: the file is empty
model.fm: note: expected 'model NAME(batch = 64) { ... }'
1 error generated.
)fm");
}

TEST(SyntaxErrors, OnlyComments) {
  EXPECT_EQ(errorsOf(R"fm(# nothing
)fm"),
            R"fm(model.fm: error: the file has no model
model.fm: note: expected 'model NAME(batch = 64) { ... }'
1 error generated.
)fm");
}

TEST(SyntaxErrors, NoModel) {
  EXPECT_EQ(errorsOf(R"fm(block b(x) { return x }
)fm"),
            R"fm(model.fm: error: the file has no model
model.fm: note: expected 'model NAME(batch = 64) { ... }'
1 error generated.
)fm");
}

TEST(SyntaxErrors, AllInOneRun) {
  EXPECT_EQ(errorsOf(R"fm(model m(batch = 4) {
  input x : f32[batch, 10
  h = dense(x, 64 |> relu
  y = h +
  z = dense(y 3)
  repeat 3 { z = relu(z }
  output z z
  los mse(z, x)
}
)fm"),
            R"fm(model.fm:2:26: error: expected ',' or ']'
    2 |   input x : f32[batch, 10
      |                          ^
model.fm:2:16: note: to match this '['
    2 |   input x : f32[batch, 10
      |                ^
model.fm:3:26: error: expected ',' or ')'
    3 |   h = dense(x, 64 |> relu
      |                          ^
model.fm:3:12: note: to match this '('
    3 |   h = dense(x, 64 |> relu
      |            ^
model.fm:4:10: error: expected an expression after '+'
    4 |   y = h +
      |          ^
model.fm:5:15: error: expected ',' or ')'
    5 |   z = dense(y 3)
      |               ^
model.fm:5:12: note: to match this '('
    5 |   z = dense(y 3)
      |            ^
model.fm:6:25: error: expected ',' or ')'
    6 |   repeat 3 { z = relu(z }
      |                         ^
model.fm:6:22: note: to match this '('
    6 |   repeat 3 { z = relu(z }
      |                      ^
model.fm:7:12: error: an output that is not a variable needs a name
    7 |   output z z
      |            ^
model.fm:7:10: note: write 'output NAME = ...'
    7 |   output z z
      |          ^
model.fm:8:3: error: unknown statement 'los'; did you mean 'loss'?
    8 |   los mse(z, x)
      |   ^~~
7 errors generated.
)fm");
}

} // namespace
