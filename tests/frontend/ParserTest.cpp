//===- ParserTest.cpp ----------------------------------------------------===//
//
// Trees of what is well formed; expected trees are literals.
//
//===----------------------------------------------------------------------===//
#include "tests/frontend/LanguageTest.h"

using namespace fm::test;

namespace {

TEST(Parser, SeedModel) {
  EXPECT_EQ(astOf(R"fm(# Handwritten digits, LeNet style.
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
            R"fm(Model mnist_cnn <2:7>
  Parameter batch <2:17>
    Integer 64 <2:25>
  Input image <3:3>
    Type f32 <3:18>
      Name batch <3:22>
      Integer 28 <3:29>
      Integer 28 <3:33>
      Integer 1 <3:37>
  Target label <4:3>
    Type i32 <4:18>
      Name batch <4:22>
  Assign x <6:3>
    Pipe <6:7>
      Call conv2d <6:7>
        Name image <6:14>
        Integer 32 <6:21>
        kernel = Integer 3 <6:34>
      |> Call relu <6:40>
      |> Call max_pool2d <6:48>
        Integer 2 <6:59>
  Assign x <7:3>
    Pipe <7:7>
      Call conv2d <7:7>
        Name x <7:14>
        Integer 64 <7:17>
        kernel = Integer 3 <7:30>
      |> Call relu <7:40>
      |> Call max_pool2d <7:48>
        Integer 2 <7:59>
  Assign x <8:3>
    Pipe <8:7>
      Call conv2d <8:7>
        Name x <8:14>
        Integer 64 <8:17>
        kernel = Integer 3 <8:30>
      |> Call relu <8:40>
      |> Call flatten <8:48>
  Assign x <9:3>
    Pipe <9:7>
      Call dense <9:7>
        Name x <9:13>
        Integer 64 <9:16>
      |> Call relu <9:23>
  Assign logits <10:3>
    Call dense <10:12>
      Name x <10:18>
      Integer 10 <10:21>
  Output probs <12:3>
    Call softmax <12:18>
      Name logits <12:26>
  Loss <13:3>
    Call cross_entropy <13:10>
      Name logits <13:24>
      Name label <13:32>
  Metric <14:3>
    Call accuracy <14:10>
      Name logits <14:19>
      Name label <14:27>
  Train <15:3>
    Call adam <15:10>
      lr = Float 0.001 <15:20>
)fm");
}

TEST(Parser, BlocksAndRepeat) {
  EXPECT_EQ(astOf(R"fm(block encoder(x, heads, hidden) {
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
            R"fm(Block encoder <1:7>
  Parameter x <1:15>
  Parameter heads <1:18>
  Parameter hidden <1:25>
  Assign x <2:3>
    Chain <2:7>
      Name x <2:7>
      + Pipe <2:12>
        Call layer_norm <2:12>
          Name x <2:23>
        |> Call self_attention <2:29>
          heads = Name heads <2:52>
  Return <3:3>
    Chain <3:10>
      Name x <3:10>
      + Pipe <3:15>
        Call layer_norm <3:15>
          Name x <3:26>
        |> Call dense <3:32>
          Name hidden <3:38>
        |> Call gelu <3:49>
        |> Call dense <3:57>
          Call dim <3:63>
            Name x <3:67>
            Negate <3:70>
              Integer 1 <3:71>
Model bert_mini <5:7>
  Parameter batch <5:17>
    Integer 8 <5:25>
  Parameter length <5:28>
    Integer 128 <5:37>
  Parameter vocab <5:42>
    Integer 8000 <5:50>
  Parameter width <5:56>
    Integer 256 <5:64>
  Input tokens <6:3>
    Type i32 <6:18>
      Name batch <6:22>
      Name length <6:29>
  Assign x <7:3>
    Chain <7:7>
      Call embedding <7:7>
        Name tokens <7:17>
        Name vocab <7:25>
        Name width <7:32>
      + Call position_embedding <7:41>
        Name length <7:60>
        Name width <7:68>
  Repeat <8:3>
    count: Integer 4 <8:10>
    Assign x <8:14>
      Call encoder <8:18>
        Name x <8:26>
        heads = Integer 4 <8:37>
        hidden = Chain <8:49>
          Integer 4 <8:49>
          * Name width <8:53>
  Output hidden <9:3>
    Name x <9:19>
)fm");
}

TEST(Parser, Literals) {
  EXPECT_EQ(
      astOf(
          R"fm(model m { x = f(1, 2.5, 1e-3, "a\"b", true, false, [3, 5], [], [[1, 2], [3],]) })fm"),
      R"fm(Model m <1:7>
  Assign x <1:11>
    Call f <1:15>
      Integer 1 <1:17>
      Float 2.5 <1:20>
      Float 0.001 <1:25>
      String "a\"b" <1:31>
      Bool true <1:39>
      Bool false <1:45>
      List <1:52>
        Integer 3 <1:53>
        Integer 5 <1:56>
      List <1:60>
      List <1:64>
        List <1:65>
          Integer 1 <1:66>
          Integer 2 <1:69>
        List <1:73>
          Integer 3 <1:74>
)fm");
}

TEST(Parser, PrecedenceOfOperators) {
  EXPECT_EQ(astOf(R"fm(model m { x = a + b * c - d / e % f
 y = -a ** -b ** c * d
 z = (a + b) * -(c) })fm"),
            R"fm(Model m <1:7>
  Assign x <1:11>
    Chain <1:15>
      Name a <1:15>
      + Chain <1:19>
        Name b <1:19>
        * Name c <1:23>
      - Chain <1:27>
        Name d <1:27>
        / Name e <1:31>
        % Name f <1:35>
  Assign y <2:2>
    Chain <2:6>
      Negate <2:6>
        Chain <2:7>
          Name a <2:7>
          ** Negate <2:12>
            Chain <2:13>
              Name b <2:13>
              ** Name c <2:18>
      * Name d <2:22>
  Assign z <3:2>
    Chain <3:6>
      Chain <3:7>
        Name a <3:7>
        + Name b <3:11>
      * Negate <3:16>
        Name c <3:18>
)fm");
}

TEST(Parser, PipesBindLoosest) {
  EXPECT_EQ(astOf(R"fm(model m { x = a + b |> f |> g(1, k = 2)
 y = f(a |> g) + (b |> h) })fm"),
            R"fm(Model m <1:7>
  Assign x <1:11>
    Pipe <1:15>
      Chain <1:15>
        Name a <1:15>
        + Name b <1:19>
      |> Call f <1:24>
      |> Call g <1:29>
        Integer 1 <1:31>
        k = Integer 2 <1:38>
  Assign y <2:2>
    Chain <2:6>
      Call f <2:6>
        Pipe <2:8>
          Name a <2:8>
          |> Call g <2:13>
      + Pipe <2:19>
        Name b <2:19>
        |> Call h <2:24>
)fm");
}

TEST(Parser, NewlinesEndStatements) {
  EXPECT_EQ(astOf(R"fm(model m {
  x = a
  y = f(a,
    b
  )
  z = [1,
    2]
  w = (a
    + b)
})fm"),
            R"fm(Model m <1:7>
  Assign x <2:3>
    Name a <2:7>
  Assign y <3:3>
    Call f <3:7>
      Name a <3:9>
      Name b <4:5>
  Assign z <6:3>
    List <6:7>
      Integer 1 <6:8>
      Integer 2 <7:5>
  Assign w <8:3>
    Chain <8:8>
      Name a <8:8>
      + Name b <9:7>
)fm");
}

TEST(Parser, PipesAndOperatorsContinueLines) {
  EXPECT_EQ(astOf(R"fm(model m {
  x = a
    |> f # comment

    # another
    |> g
  y = a +
    b
  z =
    c |>
    f
})fm"),
            R"fm(Model m <1:7>
  Assign x <2:3>
    Pipe <2:7>
      Name a <2:7>
      |> Call f <3:8>
      |> Call g <6:8>
  Assign y <7:3>
    Chain <7:7>
      Name a <7:7>
      + Name b <8:5>
  Assign z <9:3>
    Pipe <10:5>
      Name c <10:5>
      |> Call f <11:5>
)fm");
}

TEST(Parser, Semicolons) {
  EXPECT_EQ(astOf(R"fm(model m { x = a; y = b;; z = c; })fm"),
            R"fm(Model m <1:7>
  Assign x <1:11>
    Name a <1:15>
  Assign y <1:18>
    Name b <1:22>
  Assign z <1:26>
    Name c <1:30>
)fm");
}

TEST(Parser, Statements) {
  EXPECT_EQ(astOf(R"fm(model m {
  input x : f32[batch, 2 * 3] with gradient
  input s : f64
  input e : i64[]
  target t : bool[3]
  a, b = f(x)
  output a
  output o = b
  loss mse(a, b)
  loss total = a
  metric accuracy(a, b)
  metric m = a
  train adam
  train sgd(lr = 1)
})fm"),
            R"fm(Model m <1:7>
  Input x with gradient <2:3>
    Type f32 <2:13>
      Name batch <2:17>
      Chain <2:24>
        Integer 2 <2:24>
        * Integer 3 <2:28>
  Input s <3:3>
    Type f64 <3:13>
  Input e <4:3>
    Type i64 <4:13>
  Target t <5:3>
    Type bool <5:14>
      Integer 3 <5:19>
  Assign a, b <6:3>
    Call f <6:10>
      Name x <6:12>
  Output a <7:3>
  Output o <8:3>
    Name b <8:14>
  Loss <9:3>
    Call mse <9:8>
      Name a <9:12>
      Name b <9:15>
  Loss total <10:3>
    Name a <10:16>
  Metric <11:3>
    Call accuracy <11:10>
      Name a <11:19>
      Name b <11:22>
  Metric m <12:3>
    Name a <12:14>
  Train <13:3>
    Call adam <13:9>
  Train <14:3>
    Call sgd <14:9>
      lr = Integer 1 <14:18>
)fm");
}

TEST(Parser, TrainOnlyPatterns) {
  EXPECT_EQ(astOf(R"fm(model m {
  train only head.*, *.bias, encoder_1.**,
    a.0.b, "x y", **
})fm"),
            R"fm(Model m <1:7>
  TrainOnly <2:3>
    Pattern head.* <2:14>
    Pattern *.bias <2:22>
    Pattern encoder_1.** <2:30>
    Pattern a.0.b <3:5>
    Pattern x y <3:12>
    Pattern ** <3:19>
)fm");
}

TEST(Parser, StatementWordsAreNames) {
  EXPECT_EQ(astOf(R"fm(model m {
  input input : f32
  target target : f32
  x = f(loss, output = train)
  output output = input
  output x
  loss loss = only
  metric repeat = return
})fm"),
            R"fm(Model m <1:7>
  Input input <2:3>
    Type f32 <2:17>
  Target target <3:3>
    Type f32 <3:19>
  Assign x <4:3>
    Call f <4:7>
      Name loss <4:9>
      output = Name train <4:24>
  Output output <5:3>
    Name input <5:19>
  Output x <6:3>
  Loss loss <7:3>
    Name only <7:15>
  Metric repeat <8:3>
    Name return <8:19>
)fm");
}

TEST(Parser, DefinitionsInAnyOrder) {
  EXPECT_EQ(astOf(R"fm(block a { return 1 }
model m() { }
block b(x, y = 3,)
{ return x, y })fm"),
            R"fm(Block a <1:7>
  Return <1:11>
    Integer 1 <1:18>
Model m <2:7>
Block b <3:7>
  Parameter x <3:9>
  Parameter y <3:12>
    Integer 3 <3:16>
  Return <4:3>
    Name x <4:10>
    Name y <4:13>
)fm");
}

TEST(Parser, CarriageReturns) {
  EXPECT_EQ(astOf("model m {\r\n"
                  "  x = a\r\n"
                  "  y = b\r\n"
                  "}\r\n"),
            R"fm(Model m <1:7>
  Assign x <2:3>
    Name a <2:7>
  Assign y <3:3>
    Name b <3:7>
)fm");
}

TEST(Parser, ByteOrderMarkAndNoFinalNewline) {
  EXPECT_EQ(astOf("\uFEFFmodel m { x = a }"),
            R"fm(Model m <1:7>
  Assign x <1:11>
    Name a <1:15>
)fm");
}

} // namespace
