//===- ElaboratorTest.cpp ------------------------------------------------===//
//
// What the recorder is told, call by call.
//
//===----------------------------------------------------------------------===//
#include "tests/frontend/LanguageTest.h"

using namespace fm::test;

namespace {

TEST(Elaborator, SeedModel) {
  EXPECT_EQ(logOf(R"fm(# Handwritten digits, LeNet style.
model mnist_cnn(batch = 64) {
  input  image : f32[batch, 28, 28, 1]
  target label : i32[batch]

  x = conv2d(image, 32, kernel = 3) |> relu |> max_pool2d(2)
  x = conv2d(x, 64, kernel = 3)     |> relu |> max_pool2d(2)
  x = conv2d(x, 64, kernel = 3)     |> relu |> flatten
  x = dense(x, 64) |> relu
  logits = dense(x, 10)

  output probs = softmax(logits)
  loss   cross_entropy(logits, label)
  metric accuracy(logits, label)
  train  adam(lr = 1e-3)
}
)fm"),
            R"fm(model mnist_cnn, batch 64
%0 = input image : f32[batch:64, 28, 28, 1]
%1 = target label : i32[batch:64]
%2 = conv2d(%0, 32, kernel = 3)
%3 = relu(%2)
%4 = max_pool2d(%3, 2)
%5 = conv2d(%4, 64, kernel = 3)
%6 = relu(%5)
%7 = max_pool2d(%6, 2)
%8 = conv2d(%7, 64, kernel = 3)
%9 = relu(%8)
%10 = flatten(%9)
%11 = dense(%10, 64)
%12 = relu(%11)
%13 = dense(%12, 10)
%14 = softmax(%13)
output probs = %14
%15 = cross_entropy(%13, %1)
loss loss = %15
%16 = accuracy(%13, %1)
metric accuracy = %16
train adam(lr = 0.001)
end
)fm");
}

TEST(Elaborator, BertMini) {
  EXPECT_EQ(logOf(R"fm(block encoder(x, heads, hidden) {
  x = x + (layer_norm(x) |> self_attention(heads = heads))
  return x + (layer_norm(x) |> dense(hidden) |> gelu |> dense(dim(x, -1)))
}
model bert_mini(batch = 8, length = 128, vocab = 8000, width = 256) {
  input tokens : i32[batch, length]
  x = embedding(tokens, vocab, width) + position_embedding(length, width)
  repeat 4 { x = encoder(x, heads = 4, hidden = 4 * width) }
  output hidden = x
}
)fm"),
            R"fm(model bert_mini, batch 8
%0 = input tokens : i32[batch:8, 128]
%1 = embedding(%0, 8000, 256)
%2 = position_embedding(128, 256)
%3 = add(%1, %2)
scope encoder '' {
%4 = layer_norm(%3)
%5 = self_attention(%4, heads = 4)
%6 = add(%3, %5)
%7 = layer_norm(%6)
%8 = dense(%7, 1024)
%9 = gelu(%8)
%10 = dense(%9, 128)
%11 = add(%6, %10)
}
scope encoder '' {
%12 = layer_norm(%11)
%13 = self_attention(%12, heads = 4)
%14 = add(%11, %13)
%15 = layer_norm(%14)
%16 = dense(%15, 1024)
%17 = gelu(%16)
%18 = dense(%17, 128)
%19 = add(%14, %18)
}
scope encoder '' {
%20 = layer_norm(%19)
%21 = self_attention(%20, heads = 4)
%22 = add(%19, %21)
%23 = layer_norm(%22)
%24 = dense(%23, 1024)
%25 = gelu(%24)
%26 = dense(%25, 128)
%27 = add(%22, %26)
}
scope encoder '' {
%28 = layer_norm(%27)
%29 = self_attention(%28, heads = 4)
%30 = add(%27, %29)
%31 = layer_norm(%30)
%32 = dense(%31, 1024)
%33 = gelu(%32)
%34 = dense(%33, 128)
%35 = add(%30, %34)
}
output hidden = %35
end
)fm");
}

TEST(Elaborator, Locations) {
  EXPECT_EQ(locatedLogOf(R"fm(model m(batch = 2) {
  input x : f32[batch, 3]
  y = dense(x, 4, kernel_init = ones)
    |> relu
  z = y + 2 * -y ** 2 |> concat(x, axis = 0)
  train only a.*
  loss sum(z)
})fm"),
            R"fm(model m, batch 2 @1:7+1
%0 = input x : f32[batch:2, 3] @2:9+1
%1 = dense(%0, 4, kernel_init = ones) @3:7+5
  %0 @3:13+1
  4 @3:16+1
  ones @3:19+18
%2 = relu(%1) @4:8+4
  %1 @3:7+31
%3 = pow(%2, 2) @5:18+2
  %2 @5:16+1
  2 @5:21+1
%4 = neg(%3) @5:15+7
  %3 @5:16+6
%5 = mul(2, %4) @5:13+1
  2 @5:11+1
  %4 @5:15+7
%6 = add(%2, %5) @5:9+1
  %2 @5:7+1
  %5 @5:11+11
%7 = concat(%6, %0, axis = 0) @5:26+6
  %6 @5:7+15
  %0 @5:33+1
  0 @5:36+8
train only a.* @6:14+3
%8 = sum(%7) @7:8+3
  %7 @7:12+1
loss loss = %8 @7:8+6
end @1:7+1
)fm");
}

TEST(Elaborator, IntegerArithmetic) {
  EXPECT_EQ(
      logOf(
          R"fm(model m(a = 7 + 3 * 2 - 1, b = 2 ** 3 ** 2, c = -7 % 3, d = 7 % -3, e = -2 ** 2, f = 12 / 4 / 3, g = (1 - 2) ** 63) {
 input x : f32
 y = dense(x, [a, b, c, d, e, f, g])
 output y })fm"),
      R"fm(model m, batch 1
%0 = input x : f32
%1 = dense(%0, [12, 512, 2, -2, -4, 1, -1])
output y = %1
end
)fm");
}

TEST(Elaborator, FloatArithmetic) {
  EXPECT_EQ(
      logOf(
          R"fm(model m(a = 1.0 / 4, b = 2 ** -1.0, c = 7.5 % 2, d = 1 + .5, e = -1e-3) {
 input x : f32
 y = dense(x, [a, b, c, d, e])
 output y })fm"),
      R"fm(model m, batch 1
%0 = input x : f32
%1 = dense(%0, [0.25, 0.5, 1.5, 1.5, -0.001])
output y = %1
end
)fm");
}

TEST(Elaborator, TensorArithmetic) {
  EXPECT_EQ(logOf(R"fm(model m {
 input x : f32
 y = -x + 1 - 2.5 * x / x ** 2
 output y })fm"),
            R"fm(model m, batch 1
%0 = input x : f32
%1 = neg(%0)
%2 = add(%1, 1)
%3 = mul(2.5, %0)
%4 = pow(%0, 2)
%5 = div(%3, %4)
%6 = sub(%2, %5)
output y = %6
end
)fm");
}

TEST(Elaborator, BatchKeepsItsMark) {
  EXPECT_EQ(logOf(R"fm(block same(n, x) { return dense(x, n) }
model m(batch = 8, a = batch, b = 2 * batch) {
 input x : f32[batch, a, b]
 n = a
 y = same(n, x) |> dense(dim(x, 0)) |> dense(dim(x, 2)) |> dense([batch, -1])
 output y })fm"),
            R"fm(model m, batch 8
%0 = input x : f32[batch:8, batch:8, 16]
scope same '' {
%1 = dense(%0, batch:8)
}
%2 = dense(%1, batch:8)
%3 = dense(%2, 16)
%4 = dense(%3, [batch:8, -1])
output y = %4
end
)fm");
}

TEST(Elaborator, ModelWithoutBatch) {
  EXPECT_EQ(logOf(R"fm(model m { input x : f32[2]
 output y = relu(x) })fm"),
            R"fm(model m, batch 1
%0 = input x : f32[2]
%1 = relu(%0)
output y = %1
end
)fm");
}

TEST(Elaborator, Overrides) {
  EXPECT_EQ(
      logOf(
          R"fm(model m(batch = 64, n = 3, rate = 0.5, flag = true, label = "a", pad = same, twice = 2 * n, free) {
 input x : f32[batch, n]
 y = concat(x, rate, flag, label, twice, free, axis = 0) |> conv2d(1, 2, padding = pad)
 output y })fm",
          {{"batch", "2"},
           {"n", "5"},
           {"rate", "1"},
           {"flag", "false"},
           {"label", "7"},
           {"pad", "valid"},
           {"free", "1.5"},
           {"n", "4"}}),
      R"fm(model m, batch 2
%0 = input x : f32[batch:2, 4]
%1 = concat(%0, 1.0, false, "7", 8, 1.5, axis = 0)
%2 = conv2d(%1, 1, 2, padding = valid)
output y = %2
end
)fm");
}

TEST(Elaborator, WordsAndInitializers) {
  EXPECT_EQ(logOf(R"fm(model m { input x : f32[2]
 y = conv2d(x, 3, 5, 1, same, kernel_init = he_normal, bias_init = constant(value = 0.5))
 mean = mean(y)
 loss mse(mean, y, reduction = mean)
 output y })fm"),
            R"fm(model m, batch 1
%0 = input x : f32[2]
%1 = conv2d(%0, 3, 5, 1, same, kernel_init = he_normal, bias_init = constant(value = 0.5))
%2 = mean(%1)
%3 = mse(%2, %1, reduction = mean)
loss loss = %3
output y = %1
end
)fm");
}

TEST(Elaborator, WordsThroughBlocks) {
  EXPECT_EQ(
      logOf(
          R"fm(block conv(x, padding = same, init = normal(stddev = 0.02), size = [3, 5]) {
 return conv2d(x, 8, size, padding = padding, kernel_init = init) }
model m(pad = valid) { input x : f32[2]
 output y = conv(x) |> conv(padding = pad, init = ones) |> conv(valid, size = 1) })fm"),
      R"fm(model m, batch 1
%0 = input x : f32[2]
scope conv '' {
%1 = conv2d(%0, 8, [3, 5], padding = same, kernel_init = normal(stddev = 0.02))
}
scope conv '' {
%2 = conv2d(%1, 8, [3, 5], padding = valid, kernel_init = ones)
}
scope conv '' {
%3 = conv2d(%2, 8, 1, padding = valid, kernel_init = normal(stddev = 0.02))
}
output y = %3
end
)fm");
}

TEST(Elaborator, NamedScopesAndNesting) {
  EXPECT_EQ(logOf(R"fm(block inner(x) { return dense(x, 3) }
block outer(x, n) { repeat n { x = inner(x) }
 return inner(x, name = "last") }
model m { input x : f32[2]
 x = outer(x, 2, name = "enc")
 x = outer(x, 1, name = "enc")
 output x })fm"),
            R"fm(model m, batch 1
%0 = input x : f32[2]
scope outer 'enc' {
scope inner '' {
%1 = dense(%0, 3)
}
scope inner '' {
%2 = dense(%1, 3)
}
scope inner 'last' {
%3 = dense(%2, 3)
}
}
scope outer 'enc' {
scope inner '' {
%4 = dense(%3, 3)
}
scope inner 'last' {
%5 = dense(%4, 3)
}
}
output x = %5
end
)fm");
}

TEST(Elaborator, SeveralResults) {
  EXPECT_EQ(logOf(R"fm(block split(x) { return relu(x), dense(x, 3), 4 }
model m { input x : f32[2]
 a, _, n = split(x)
 a, b, n = x |> relu |> split
 y = dense(a, n) + b
 output y })fm"),
            R"fm(model m, batch 1
%0 = input x : f32[2]
scope split '' {
%1 = relu(%0)
%2 = dense(%0, 3)
}
%3 = relu(%0)
scope split '' {
%4 = relu(%3)
%5 = dense(%3, 3)
}
%6 = dense(%4, 4)
%7 = add(%6, %5)
output y = %7
end
model.fm:3:2: warning: the value of 'a' is never used
    3 |  a, _, n = split(x)
      |  ^
model.fm:3:8: warning: the value of 'n' is never used
    3 |  a, _, n = split(x)
      |        ^
2 warnings generated.
)fm");
}

TEST(Elaborator, BlockDefaultsSeeEarlierParameters) {
  EXPECT_EQ(
      logOf(
          R"fm(block b(x, n, m = 2 * n, k = m + dim(x, -1)) { return dense(x, [n, m, k]) }
model m { input x : f32[10]
 output y = b(x, 3) + b(x, k = 1, n = 2) })fm"),
      R"fm(model m, batch 1
%0 = input x : f32[10]
scope b '' {
%1 = dense(%0, [3, 6, 16])
}
scope b '' {
%2 = dense(%0, [2, 4, 1])
}
%3 = add(%1, %2)
output y = %3
end
)fm");
}

TEST(Elaborator, RepeatReassignsOuterVariables) {
  EXPECT_EQ(logOf(R"fm(model m(n = 1) { input x : f32[2]
 n = n
 repeat 2 + 1 { n = 2 * n; repeat 2 { x = dense(x, n) } }
 repeat 0 { x = relu(x) }
 output x })fm"),
            R"fm(model m, batch 1
%0 = input x : f32[2]
%1 = dense(%0, 2)
%2 = dense(%1, 2)
%3 = dense(%2, 4)
%4 = dense(%3, 4)
%5 = dense(%4, 8)
%6 = dense(%5, 8)
output x = %6
end
)fm");
}

TEST(Elaborator, ShadowedInput) {
  EXPECT_EQ(logOf(R"fm(model m { input x : f32[2]
 x = dense(x, 3)
 x = relu(x)
 output x })fm"),
            R"fm(model m, batch 1
%0 = input x : f32[2]
%1 = dense(%0, 3)
%2 = relu(%1)
output x = %2
end
)fm");
}

TEST(Elaborator, OutputsLossesMetrics) {
  EXPECT_EQ(logOf(R"fm(model m { input x : f32[2]
 target t : f32[2]
 output a = relu(x)
 b = relu(a)
 output b
 loss mse(b, t)
 loss second = sum(a)
 metric accuracy(b, t)
 metric b |> sum
 metric own = sum(second)
 metric own
 metric a - t
})fm"),
            R"fm(model m, batch 1
%0 = input x : f32[2]
%1 = target t : f32[2]
%2 = relu(%0)
output a = %2
%3 = relu(%2)
output b = %3
%4 = mse(%3, %1)
loss loss = %4
%5 = sum(%2)
loss second = %5
%6 = accuracy(%3, %1)
metric accuracy = %6
%7 = sum(%3)
metric sum = %7
%8 = sum(%5)
metric own = %8
metric own = %8
%9 = sub(%2, %1)
metric metric = %9
end
)fm");
}

TEST(Elaborator, VariablesMayHaveNamesOfOps) {
  EXPECT_EQ(logOf(R"fm(model m { input x : f32[2]
 relu = relu(x)
 dense = dense(relu, 3)
 output dense })fm"),
            R"fm(model m, batch 1
%0 = input x : f32[2]
%1 = relu(%0)
%2 = dense(%1, 3)
output dense = %2
end
)fm");
}

TEST(Elaborator, DimIsKnownAtOnce) {
  EXPECT_EQ(logOf(R"fm(model m { input x : f32[2, 3, 5]
 output y = dense(x, dim(x, 0) * dim(x, -1)) |> dense(dim(axis = 1, x = x)) |> dense(x |> dim(2)) })fm"),
            R"fm(model m, batch 1
%0 = input x : f32[2, 3, 5]
%1 = dense(%0, 10)
%2 = dense(%1, 3)
%3 = dense(%2, 5)
output y = %3
end
)fm");
}

TEST(Elaborator, Training) {
  EXPECT_EQ(logOf(R"fm(model m { input x : f32[2] with gradient
 output y = dense(x, 1)
 train only a.*, *.b
 train sgd(lr = 1e-2, momentum = 0.9) })fm"),
            R"fm(model m, batch 1
%0 = input x : f32[2] with gradient
%1 = dense(%0, 1)
output y = %1
train only a.*
train only *.b
train sgd(lr = 0.01, momentum = 0.9)
end
)fm");
}

} // namespace
