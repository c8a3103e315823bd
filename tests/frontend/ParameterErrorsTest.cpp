//===- ParameterErrorsTest.cpp -------------------------------------------===//
//
// Mistakes in a model's parameters and in -D: text, place, rendering.
//
//===----------------------------------------------------------------------===//
#include "tests/frontend/LanguageTest.h"

using namespace fm::test;

namespace {

TEST(ParameterErrors, BatchRange) {
  EXPECT_EQ(errorsOf(R"fm(model m(batch = 0) {
}
)fm"),
            R"fm(model.fm:1:17: error: 'batch' is from 1 to 2147483647, not 0
    1 | model m(batch = 0) {
      |                 ^
1 error generated.
)fm");
}

TEST(ParameterErrors, BatchKind) {
  EXPECT_EQ(errorsOf(R"fm(model m(batch = 2.5) {
}
)fm"),
            R"fm(model.fm:1:17: error: 'batch' is an integer, not a float
    1 | model m(batch = 2.5) {
      |                 ^~~
1 error generated.
)fm");
}

TEST(ParameterErrors, ParameterWithoutValue) {
  EXPECT_EQ(errorsOf(R"fm(model m(width) {
}
)fm"),
            R"fm(model.fm:1:9: error: parameter 'width' has no value
    1 | model m(width) {
      |         ^~~~~
model.fm:1:9: note: give it a default, or set it with -D width=...
1 error generated.
)fm");
}

TEST(ParameterErrors, ParameterTwice) {
  EXPECT_EQ(errorsOf(R"fm(model m(a = 1, a = 2) {
}
)fm"),
            R"fm(model.fm:1:16: error: parameter 'a' is defined twice
    1 | model m(a = 1, a = 2) {
      |                ^
model.fm:1:9: note: defined first here
    1 | model m(a = 1, a = 2) {
      |         ^
1 error generated.
)fm");
}

TEST(ParameterErrors, ParameterUsedTooEarly) {
  EXPECT_EQ(errorsOf(R"fm(model m(a = b, b = 2) {
  input x : f32[a, b]
}
)fm"),
            R"fm(model.fm:1:13: error: 'b' is used before it is defined
    1 | model m(a = b, b = 2) {
      |             ^
model.fm:1:16: note: defined later, at line 1
    1 | model m(a = b, b = 2) {
      |                ^
1 error generated.
)fm");
}

TEST(ParameterErrors, UnknownOverride) {
  EXPECT_EQ(
      errorsOf(R"fm(model m(batch = 3, width = 4) {
  input x : f32[batch, width]
  output x
}
)fm",
               {{"bach", "4"}, {"depth", "3"}}),
      R"fm(fmc: error: -D bach=4: model 'm' has no parameter 'bach'; did you mean 'batch'?
model.fm:1:7: note: its parameters are batch, width
    1 | model m(batch = 3, width = 4) {
      |       ^
fmc: error: -D depth=3: model 'm' has no parameter 'depth'
model.fm:1:7: note: its parameters are batch, width
    1 | model m(batch = 3, width = 4) {
      |       ^
2 errors generated.
)fm");
}

TEST(ParameterErrors, OverrideWithoutParameters) {
  EXPECT_EQ(errorsOf(R"fm(model m {
}
)fm",
                     {{"batch", "4"}}),
            R"fm(fmc: error: -D batch=4: model 'm' has no parameter 'batch'
model.fm:1:7: note: it has no parameters
    1 | model m {
      |       ^
1 error generated.
)fm");
}

TEST(ParameterErrors, OverrideKinds) {
  EXPECT_EQ(
      errorsOf(
          R"fm(model m(batch = 3, rate = 0.5, flag = true, word = same, pair = [1, 2]) {
}
)fm",
          {{"batch", "x"},
           {"rate", "fast"},
           {"flag", "1"},
           {"word", "a-b"},
           {"pair", "3"}}),
      R"fm(fmc: error: -D batch=x: expected an integer
model.fm:1:9: note: 'batch' is defined here
    1 | model m(batch = 3, rate = 0.5, flag = true, word = same, pair = [1, 2]) {
      |         ^~~~~
fmc: error: -D rate=fast: expected a number
model.fm:1:20: note: 'rate' is defined here
    1 | model m(batch = 3, rate = 0.5, flag = true, word = same, pair = [1, 2]) {
      |                    ^~~~
fmc: error: -D flag=1: expected true or false
model.fm:1:32: note: 'flag' is defined here
    1 | model m(batch = 3, rate = 0.5, flag = true, word = same, pair = [1, 2]) {
      |                                ^~~~
fmc: error: -D word=a-b: expected a word
model.fm:1:45: note: 'word' is defined here
    1 | model m(batch = 3, rate = 0.5, flag = true, word = same, pair = [1, 2]) {
      |                                             ^~~~
fmc: error: -D pair=3: this parameter cannot be set from outside
model.fm:1:58: note: 'pair' is defined here
    1 | model m(batch = 3, rate = 0.5, flag = true, word = same, pair = [1, 2]) {
      |                                                          ^~~~
5 errors generated.
)fm");
}

TEST(ParameterErrors, OverrideRange) {
  EXPECT_EQ(errorsOf(R"fm(model m(batch = 3) {
}
)fm",
                     {{"batch", "-1"}}),
            R"fm(fmc: error: -D batch: 'batch' is from 1 to 2147483647, not -1
1 error generated.
)fm");
}

} // namespace
