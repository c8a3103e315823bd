//===- PartitionTest.cpp - Which ops run together as one kernel
//---------------===//

#include "passes/Partition.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <set>

using namespace fm::passes;

namespace {

using Kind = FusionNode::Kind;
using Copy = FusionNode::Copy;
using Access = FusionNode::Access;
using Kernels = std::vector<std::vector<int>>;
using Pairs = std::vector<std::pair<int, int>>;

/// Shape classes of the literal graphs.
enum { kScalar, kRow, kImage, kPooled };

FusionNode::Edge at(int producer) { return {producer, Access::Identity}; }
FusionNode::Edge row(int producer) { return {producer, Access::Row}; }
FusionNode::Edge reduced(int producer) { return {producer, Access::Reduced}; }
FusionNode::Edge elsewhere(int producer) { return {producer, Access::Other}; }

/// A node all of whose loops are over its result.
FusionNode node(Kind kind, int shape, std::vector<FusionNode::Edge> inputs = {},
                Copy copy = Copy::Never) {
  FusionNode result;
  result.kind = kind;
  result.copy = copy;
  result.loops = result.results = shape;
  result.inputs = std::move(inputs);
  return result;
}
FusionNode pointwise(int shape, std::vector<FusionNode::Edge> inputs = {},
                     Copy copy = Copy::Never) {
  return node(Kind::Pointwise, shape, std::move(inputs), copy);
}
FusionNode reduction(int loops, int results,
                     std::vector<FusionNode::Edge> inputs) {
  FusionNode result = node(Kind::Reduction, results, std::move(inputs));
  result.loops = loops;
  return result;
}
FusionNode rowSum(std::vector<FusionNode::Edge> inputs) {
  FusionNode result = reduction(kImage, kRow, std::move(inputs));
  result.sumsRows = true;
  return result;
}
FusionNode reducedRow(std::vector<FusionNode::Edge> inputs) {
  FusionNode result = reduction(kImage, kRow, std::move(inputs));
  result.reducesRow = true;
  return result;
}
FusionNode returned(FusionNode node) {
  node.returned = true;
  return node;
}

Kernels kernelsOf(const std::vector<FusionNode> &nodes,
                  const Pairs &mustPrecede = {}) {
  Pairs violated;
  Kernels result =
      partition(nodes, /*fuse=*/true, mustPrecede, violated).kernels;
  EXPECT_TRUE(violated.empty());
  return result;
}

TEST(Partition, LongChainsAreSeveralKernels) {
  // A chain of ops of 50 each: five fit.
  std::vector<FusionNode> chain = {pointwise(kImage)};
  chain[0].weight = 50;
  for (int v = 1; v < 12; ++v) {
    chain.push_back(pointwise(kImage, {at(v - 1)}));
    chain.back().weight = 50;
  }
  chain.back().returned = true;
  EXPECT_EQ(kernelsOf(chain),
            (Kernels{{0, 1, 2, 3, 4}, {5, 6, 7, 8, 9}, {10, 11}}));
}

TEST(Partition, LongChainsAreNotCopied) {
  // Copies of 80 each for two readers: three of them, then the fourth is
  // stored.
  std::vector<FusionNode> nodes = {pointwise(kRow, {}, Copy::Cheap)};
  nodes[0].weight = 80;
  for (int v = 1; v < 4; ++v) {
    nodes.push_back(pointwise(kRow, {at(v - 1)}, Copy::Cheap));
    nodes.back().weight = 80;
  }
  nodes.push_back(returned(pointwise(kImage, {elsewhere(3)})));
  nodes.push_back(returned(pointwise(kPooled, {elsewhere(3)})));
  EXPECT_EQ(kernelsOf(nodes), (Kernels{{0, 1, 2, 3}, {4}, {5}}));
}

TEST(Partition, EpilogueJoinsItsAnchor) {
  // conv, + bias, relu.
  EXPECT_EQ(
      kernelsOf({node(Kind::Contraction, kImage), pointwise(kImage, {at(0)}),
                 returned(pointwise(kImage, {at(1)}))}),
      (Kernels{{0, 1, 2}}));
}

TEST(Partition, TilesKeepTheirLoops) {
  // What is computed a tile at a time takes an epilogue in, but does not run in
  // the loops of a reduction.
  FusionNode tiles = pointwise(kImage);
  tiles.together = true;
  EXPECT_EQ(kernelsOf({tiles, pointwise(kImage, {at(0)}),
                       returned(reduction(kImage, kRow, {at(1)}))}),
            (Kernels{{0, 1}, {2}}));
}

TEST(Partition, EpilogueReadsItsOwnElementOnly) {
  // A transposed read of the convolution needs its whole result.
  EXPECT_EQ(kernelsOf({node(Kind::Contraction, kImage),
                       returned(pointwise(kImage, {elsewhere(0)}))}),
            (Kernels{{0}, {1}}));
  // So it does beside a read of the element itself.
  EXPECT_EQ(kernelsOf({node(Kind::Contraction, kImage),
                       returned(pointwise(kImage, {at(0), elsewhere(0)}))}),
            (Kernels{{0}, {1}}));
  // And through a copied change of indices.
  EXPECT_EQ(kernelsOf({node(Kind::Contraction, kImage),
                       pointwise(kImage, {elsewhere(0)}, Copy::Free),
                       returned(pointwise(kImage, {at(0), at(1)}))}),
            (Kernels{{0}, {1, 2}}));
}

TEST(Partition, EpilogueHasTheShapeOfTheResult) {
  // Broadcast into a larger shape: computed there, not behind the anchor.
  EXPECT_EQ(kernelsOf({node(Kind::Contraction, kRow),
                       returned(pointwise(kImage, {elsewhere(0)}))}),
            (Kernels{{0}, {1}}));
}

TEST(Partition, LatestAnchorIsPreferred) {
  // Two contractions feed a sum: it runs behind the second.
  EXPECT_EQ(kernelsOf({node(Kind::Contraction, kImage),
                       node(Kind::Contraction, kImage),
                       returned(pointwise(kImage, {at(0), at(1)}))}),
            (Kernels{{0}, {1, 2}}));
  // An anchor goes before a later chain of pointwise ops.
  EXPECT_EQ(
      kernelsOf({node(Kind::Contraction, kImage), returned(pointwise(kImage)),
                 returned(pointwise(kImage, {at(0), at(1)}))}),
      (Kernels{{1}, {0, 2}}));
}

TEST(Partition, WhatOneKernelNeedsIsComputedThere) {
  // Node 1 would be stored by the first kernel for the last one only.
  EXPECT_EQ(kernelsOf({returned(pointwise(kImage)), pointwise(kImage, {at(0)}),
                       node(Kind::Contraction, kImage, {elsewhere(0)}),
                       returned(pointwise(kImage, {at(1), at(2)}))}),
            (Kernels{{0}, {1, 2, 3}}));
  // Not where what it reads would have to be stored instead.
  EXPECT_EQ(
      kernelsOf({node(Kind::Contraction, kImage), pointwise(kImage, {at(0)}),
                 node(Kind::Contraction, kImage, {elsewhere(1)}),
                 returned(pointwise(kImage, {at(1), at(2)}))}),
      (Kernels{{0, 1}, {2, 3}}));
  // Nor where several kernels need it.
  EXPECT_EQ(kernelsOf({returned(pointwise(kImage)), pointwise(kImage, {at(0)}),
                       node(Kind::Contraction, kImage),
                       returned(pointwise(kImage, {at(1), at(2)})),
                       node(Kind::Contraction, kImage),
                       returned(pointwise(kImage, {at(1), at(4)}))}),
            (Kernels{{0, 1}, {2, 3}, {4, 5}}));
}

TEST(Partition, ReductionTakesWhatItAloneNeeds) {
  // The square is summed and nothing else; what is squared is needed again.
  EXPECT_EQ(kernelsOf({pointwise(kImage), pointwise(kImage, {at(0)}),
                       reduction(kImage, kRow, {at(1)}),
                       returned(pointwise(kImage, {at(0), elsewhere(2)}))}),
            (Kernels{{0}, {1, 2}, {3}}));
}

TEST(Partition, SumsOverOneTensorAreOnePass) {
  // The sums of dy and of dy * x: both read dy.
  EXPECT_EQ(kernelsOf({returned(pointwise(kImage)),
                       returned(reduction(kImage, kRow, {at(0)})),
                       pointwise(kImage, {at(0)}),
                       returned(reduction(kImage, kRow, {at(2)}))}),
            (Kernels{{0}, {1, 2, 3}}));
  // Not where they read nothing in common, ...
  EXPECT_EQ(kernelsOf({returned(pointwise(kImage)), returned(pointwise(kImage)),
                       returned(reduction(kImage, kRow, {at(0)})),
                       returned(reduction(kImage, kRow, {at(1)}))}),
            (Kernels{{0}, {2}, {1}, {3}}));
  // ... reduce to different shapes, ...
  EXPECT_EQ(kernelsOf({returned(pointwise(kImage)),
                       returned(reduction(kImage, kRow, {at(0)})),
                       returned(reduction(kImage, kPooled, {at(0)}))}),
            (Kernels{{0}, {1}, {2}}));
  // ... or where one needs the other, such as a variance its mean.
  EXPECT_EQ(kernelsOf({returned(pointwise(kImage)),
                       returned(reduction(kImage, kRow, {at(0)})),
                       pointwise(kImage, {at(0), elsewhere(1)}),
                       returned(reduction(kImage, kRow, {at(2)}))}),
            (Kernels{{0}, {1}, {2, 3}}));
}

TEST(Partition, SumsOfALayerAreNotThoseOfAllLayers) {
  // Each layer's gradient is the next one's and another: sums of neighbours
  // have one in common, those of the first and the last layer none.
  std::vector<FusionNode> nodes = {returned(pointwise(kImage))};
  std::vector<int> gradients = {0};
  for (int layer = 0; layer < 6; ++layer) {
    const int branch = int(nodes.size());
    nodes.push_back(
        node(Kind::Contraction, kImage, {elsewhere(gradients.back())}));
    nodes.push_back(
        returned(pointwise(kImage, {at(branch), at(gradients.back())})));
    gradients.push_back(branch + 1);
  }
  for (int gradient : gradients)
    nodes.push_back(reduction(kImage, kScalar, {at(gradient)}));
  for (const std::vector<int> &kernel : kernelsOf(nodes)) {
    const auto sums = std::count_if(kernel.begin(), kernel.end(), [&](int v) {
      return nodes[size_t(v)].kind == Kind::Reduction;
    });
    EXPECT_LE(sums, 2);
  }
}

TEST(Partition, SumsOfRowsAreTakenInPassing) {
  // A convolution that is stored, the sum of its rows, and of their squares.
  EXPECT_EQ(kernelsOf({node(Kind::Contraction, kImage), rowSum({at(0)}),
                       pointwise(kImage, {at(0)}), rowSum({at(2)}),
                       returned(pointwise(
                           kImage, {at(0), elsewhere(1), elsewhere(3)}))}),
            (Kernels{{0, 1, 2, 3}, {4}}));
  // Of distances from the beginning of a row: 1 is a change of indices, 2 is
  // copied, 3 comes along.
  EXPECT_EQ(
      kernelsOf(
          {node(Kind::Contraction, kImage),
           pointwise(kPooled, {row(0)}, Copy::Free),
           pointwise(kImage, {at(0), row(1)}, Copy::Cheap),
           pointwise(kImage, {at(2), at(2)}), rowSum({at(3)}), rowSum({at(2)}),
           returned(pointwise(kImage, {at(0), elsewhere(4), elsewhere(5)}))}),
      (Kernels{{0, 1, 2, 3, 4, 5}, {6}}));
  // Not where it is stored for the sum's sake only, ...
  EXPECT_EQ(
      kernelsOf({node(Kind::Contraction, kImage), returned(rowSum({at(0)}))}),
      (Kernels{{0}, {1}}));
  // ... of another row, ...
  EXPECT_EQ(kernelsOf({returned(node(Kind::Contraction, kImage)),
                       pointwise(kImage, {at(0), elsewhere(0)}),
                       returned(rowSum({at(1)}))}),
            (Kernels{{0}, {1, 2}}));
  // ... or where it needs what is computed later.
  EXPECT_EQ(kernelsOf({returned(node(Kind::Contraction, kImage)),
                       reduction(kImage, kScalar, {at(0)}),
                       pointwise(kImage, {at(0), elsewhere(1)}),
                       returned(rowSum({at(2)}))}),
            (Kernels{{0}, {1}, {2, 3}}));
}

/// softmax(scale * contraction): node 2 is the largest of a row, 3 its
/// exponentials, 4 their sum.
std::vector<FusionNode> softmaxOfContraction() {
  return {node(Kind::Contraction, kImage),
          pointwise(kImage, {at(0)}, Copy::Cheap),
          reducedRow({at(1)}),
          pointwise(kImage, {at(1), reduced(2)}),
          reducedRow({at(3)}),
          returned(pointwise(kImage, {at(3), reduced(4)}))};
}

TEST(Partition, ASoftmaxGoesByRows) {
  EXPECT_EQ(kernelsOf(softmaxOfContraction()), Kernels({{0}, {1, 2, 3, 4, 5}}));
}

TEST(Partition, RowsThatOthersReadStayApart) {
  auto nodes = softmaxOfContraction();
  nodes[2].returned = true;
  EXPECT_EQ(kernelsOf(nodes), Kernels({{0}, {1, 2}, {1, 3, 4, 5}}));
  // What is not copied is needed before both.
  nodes[1].copy = Copy::Never;
  EXPECT_EQ(kernelsOf(nodes), Kernels({{0, 1}, {2}, {3, 4, 5}}));
}

TEST(Partition, ElementsOfRowsMayBeStoredToo) {
  auto nodes = softmaxOfContraction();
  nodes[3].returned = true;
  EXPECT_EQ(kernelsOf(nodes), Kernels({{0}, {1, 2, 3, 4, 5}}));
}

TEST(Partition, ANormalisationGoesByRows) {
  // The root of the mean square has one element a row, of a shape of its own.
  enum { kColumn = kPooled };
  std::vector<FusionNode> nodes = {
      pointwise(kImage), reducedRow({at(0)}), pointwise(kColumn, {reduced(1)}),
      returned(pointwise(kImage, {at(0), row(2)}))};
  nodes[0].returned = true;
  EXPECT_EQ(kernelsOf(nodes), Kernels({{0, 1, 2, 3}}));
  // Read at another place, it is wanted for all rows first.
  nodes[3].inputs[1] = elsewhere(2);
  EXPECT_NE(kernelsOf(nodes), Kernels({{0, 1, 2, 3}}));
}

TEST(Partition, WhatIsReadElsewhereIsComputedBefore) {
  // A scalar, made of nothing that the softmax computes.
  auto nodes = softmaxOfContraction();
  nodes.insert(nodes.begin(), pointwise(kScalar));
  for (FusionNode &node : nodes)
    for (auto &edge : node.inputs)
      ++edge.producer;
  nodes.back().inputs.push_back(elsewhere(0));
  EXPECT_EQ(kernelsOf(nodes), Kernels({{0}, {1}, {2, 3, 4, 5, 6}}));
}

TEST(Partition, RowsDoNotWaitForEachOther) {
  // A contraction stands between the sum of a row and what is made of it.
  std::vector<FusionNode> nodes = {
      pointwise(kImage), reducedRow({at(0)}),
      node(Kind::Contraction, kImage, {elsewhere(0), elsewhere(1)}),
      returned(pointwise(kImage, {at(0), reduced(1), at(2)}))};
  const Kernels kernels = kernelsOf(nodes);
  EXPECT_EQ(kernels.back(), std::vector<int>({2, 3}));
}

TEST(Partition, PoolingJoinsConvolution) {
  auto pool = [](int u) {
    return returned(node(Kind::Window, kPooled, {elsewhere(u)}));
  };
  EXPECT_EQ(kernelsOf({node(Kind::Contraction, kImage),
                       pointwise(kImage, {at(0)}), pool(1)}),
            (Kernels{{0, 1, 2}}));
  // What follows the window follows in the same kernel.
  EXPECT_EQ(kernelsOf({node(Kind::Contraction, kImage),
                       node(Kind::Window, kPooled, {elsewhere(0)}),
                       returned(pointwise(kPooled, {at(1)}))}),
            (Kernels{{0, 1, 2}}));
  // Somebody else needs the convolution's result.
  EXPECT_EQ(kernelsOf({returned(node(Kind::Contraction, kImage)), pool(0)}),
            (Kernels{{0}, {1}}));
  EXPECT_EQ(kernelsOf({node(Kind::Contraction, kImage), pool(0),
                       returned(reduction(kImage, kScalar, {at(0)}))}),
            (Kernels{{0}, {1}, {2}}));
  // A second window does not.
  EXPECT_EQ(kernelsOf({node(Kind::Contraction, kImage),
                       node(Kind::Window, kPooled, {elsewhere(0)}), pool(1)}),
            (Kernels{{0, 1}, {2}}));
}

TEST(Partition, ReductionTakesInItsPrologue) {
  // sum((x - y)^2).
  EXPECT_EQ(kernelsOf({pointwise(kImage), pointwise(kImage, {at(0)}),
                       returned(reduction(kImage, kScalar, {at(1)}))}),
            (Kernels{{0, 1, 2}}));
  // Not what others read as well.
  EXPECT_EQ(kernelsOf({pointwise(kImage),
                       returned(reduction(kImage, kScalar, {at(0)})),
                       returned(reduction(kImage, kRow, {at(0)}))}),
            (Kernels{{0}, {1}, {2}}));
  // Nor what is stored anyway, nor an anchor.
  EXPECT_EQ(kernelsOf({returned(pointwise(kImage)),
                       returned(reduction(kImage, kScalar, {at(0)}))}),
            (Kernels{{0}, {1}}));
  EXPECT_EQ(kernelsOf({node(Kind::Contraction, kImage),
                       returned(reduction(kImage, kScalar, {at(0)}))}),
            (Kernels{{0}, {1}}));
}

TEST(Partition, CheapOpsAreCopied) {
  // x = relu(u), read by two kernels.
  std::vector<FusionNode> nodes = {
      node(Kind::Contraction, kImage), pointwise(kImage, {at(0)}, Copy::Cheap),
      returned(pointwise(kImage, {at(1)})),
      returned(reduction(kImage, kScalar, {at(1)}))};
  EXPECT_EQ(kernelsOf(nodes), (Kernels{{0, 1, 2}, {1, 3}}));
  // A contraction reads each element often: not copied, so stored.
  nodes[3].kind = Kind::Contraction;
  EXPECT_EQ(kernelsOf(nodes), (Kernels{{0, 1, 2}, {3}}));
  // A mere change of indices is copied there, too.
  nodes[1].copy = Copy::Free;
  EXPECT_EQ(kernelsOf(nodes), (Kernels{{0, 1, 2}, {1, 3}}));
  // What is returned has to exist.
  nodes[1].returned = true;
  EXPECT_EQ(kernelsOf(nodes), (Kernels{{0, 1, 2}, {3}}));
}

TEST(Partition, CheapOpIsNotCopiedIntoAContractionByWayOfAnother) {
  EXPECT_EQ(
      kernelsOf({pointwise(kImage), pointwise(kImage, {at(0)}, Copy::Cheap),
                 pointwise(kImage, {elsewhere(1)}, Copy::Free),
                 returned(node(Kind::Contraction, kImage, {at(2)}))}),
      (Kernels{{0, 1}, {2, 3}}));
}

TEST(Partition, NoCycleBetweenKernels) {
  // v reads u's element and what a reduction makes of u: it cannot run with u.
  EXPECT_EQ(kernelsOf({node(Kind::Contraction, kImage),
                       reduction(kImage, kRow, {at(0)}),
                       returned(pointwise(kImage, {at(0), elsewhere(1)}))}),
            (Kernels{{0}, {1}, {2}}));
}

TEST(Partition, WithoutFusionEachOpIsAKernel) {
  Pairs violated;
  auto result = partition({node(Kind::Contraction, kImage),
                           pointwise(kImage, {at(0)}, Copy::Free),
                           returned(pointwise(kImage, {at(1)}))},
                          /*fuse=*/false, {}, violated);
  EXPECT_EQ(result.kernels, (Kernels{{0}, {1}, {2}}));
  EXPECT_EQ(result.copied, (std::vector<bool>{false, false, false}));
}

TEST(Partition, ReadersComeBeforeTheWriter) {
  // 0 overwrites what 1 reads.
  std::vector<FusionNode> nodes = {returned(pointwise(kRow)),
                                   returned(pointwise(kRow))};
  EXPECT_EQ(kernelsOf(nodes), (Kernels{{0}, {1}}));
  EXPECT_EQ(kernelsOf(nodes, {{1, 0}}), (Kernels{{1}, {0}}));
  // Every kernel that has a copy of the reader comes first.
  EXPECT_EQ(
      kernelsOf({returned(pointwise(kRow)), pointwise(kImage, {}, Copy::Cheap),
                 returned(pointwise(kImage, {at(1)})),
                 returned(reduction(kImage, kScalar, {at(1)}))},
                {{1, 0}}),
      (Kernels{{1, 2}, {1, 3}, {0}}));
}

TEST(Partition, WhatCannotBeHonouredIsReported) {
  // 2 needs the new tensor (by way of 1) and the old one.
  std::vector<FusionNode> nodes = {returned(pointwise(kRow)),
                                   reduction(kRow, kScalar, {at(0)}),
                                   returned(pointwise(kRow, {elsewhere(1)}))};
  Pairs violated;
  partition(nodes, true, {{2, 0}}, violated);
  EXPECT_EQ(violated, (Pairs{{2, 0}}));
  // By way of a copy that runs apart, it can.
  nodes[0].returned = false;
  nodes.push_back(returned(pointwise(kRow, {at(0)}, Copy::Free)));
  nodes.back().apart = true;
  violated.clear();
  EXPECT_EQ(partition(nodes, true, {{2, 3}}, violated).kernels,
            (Kernels{{0}, {1}, {2}, {3}}));
  EXPECT_TRUE(violated.empty());
}

// What takes exponential time here, or cubic time with large graphs, does not
// end before ctest's TIMEOUT.
TEST(Partition, LongChainsOfScalarsTakeLittleTime) {
  // s = s + s, again and again: 2^200 ways lead through it.
  std::vector<FusionNode> nodes = {reduction(kImage, kScalar, {})};
  for (int i = 0; i < 200; ++i)
    nodes.push_back(pointwise(kScalar, {at(i), at(i)}, Copy::Cheap));
  nodes.push_back(returned(pointwise(kImage, {elsewhere(200)})));
  EXPECT_EQ(kernelsOf(nodes).size(), 2u);
}

TEST(Partition, LargeGraphsTakeLittleTime) {
  // 3000 layers of a contraction and a chain of two.
  std::vector<FusionNode> nodes;
  Kernels layers;
  for (int i = 0; i < 3000; ++i) {
    int last = int(nodes.size()) - 1;
    nodes.push_back(node(Kind::Contraction, kImage,
                         i ? std::vector{elsewhere(last)}
                           : std::vector<FusionNode::Edge>{}));
    nodes.push_back(pointwise(kImage, {at(last + 1)}));
    nodes.push_back(pointwise(kImage, {at(last + 2)}));
    layers.push_back({last + 1, last + 2, last + 3});
  }
  EXPECT_EQ(kernelsOf(nodes), layers);
}

//===----------------------------------------------------------------------===//
// Random graphs
//===----------------------------------------------------------------------===//

/// What a kernel reads of which node, through copies.
void readsThroughCopies(const std::vector<FusionNode> &nodes,
                        const std::vector<bool> &copied, int v, Access access,
                        std::set<std::pair<int, Access>> &reads) {
  for (const auto &edge : nodes[v].inputs) {
    Access composed = std::max(access, edge.access);
    if (access == Access::Reduced && edge.access != Access::Identity)
      composed = Access::Other;
    if (copied[edge.producer])
      readsThroughCopies(nodes, copied, edge.producer, composed, reads);
    else
      reads.insert({edge.producer, composed});
  }
}

/// Whether a kernel computes elements of a row from what the row is reduced to.
bool goesByRows(const std::vector<FusionNode> &nodes,
                const std::vector<bool> &copied,
                const std::vector<int> &kernel) {
  std::map<int, std::set<int>> depends; // on reductions of rows of these loops
  for (int v : kernel) {
    std::set<std::pair<int, Access>> reads;
    if (!copied[v])
      readsThroughCopies(nodes, copied, v, Access::Identity, reads);
    std::set<int> &rows = depends[v];
    for (auto [u, access] : reads)
      if (auto made = depends.find(u); made != depends.end())
        rows.insert(made->second.begin(), made->second.end());
    if (nodes[v].kind == Kind::Pointwise && rows.count(nodes[v].results))
      return true;
    if (nodes[v].reducesRow)
      rows.insert(nodes[v].loops);
  }
  return false;
}

/// Fails the test where the partition breaks a promise of the header.
void checkPartition(const std::vector<FusionNode> &nodes,
                    const Partition &result, const Pairs &mustPrecede,
                    const Pairs &violated) {
  std::vector<std::vector<int>> kernelsWith(nodes.size());
  for (int k = 0; k < int(result.kernels.size()); ++k) {
    EXPECT_TRUE(
        std::is_sorted(result.kernels[k].begin(), result.kernels[k].end()));
    for (int v : result.kernels[k])
      kernelsWith[v].push_back(k);
  }
  for (int v = 0; v < int(nodes.size()); ++v) {
    if (!result.copied[v]) {
      ASSERT_EQ(kernelsWith[v].size(), 1u) << "node " << v;
    } else {
      EXPECT_FALSE(nodes[v].returned);
      EXPECT_FALSE(kernelsWith[v].empty()) << "node " << v;
    }
    for (int k : kernelsWith[v])
      for (const auto &edge : nodes[v].inputs) {
        bool inside = std::count(kernelsWith[edge.producer].begin(),
                                 kernelsWith[edge.producer].end(), k);
        if (result.copied[edge.producer])
          EXPECT_TRUE(inside) << v << " lacks its copy of " << edge.producer;
        else if (!inside)
          EXPECT_LT(kernelsWith[edge.producer][0], k)
              << v << " runs before " << edge.producer;
      }
  }
  auto isIn = [](const std::vector<int> &kernel, int v) {
    return std::count(kernel.begin(), kernel.end(), v) > 0;
  };
  auto readersOf = [&](int u) {
    std::vector<int> readers;
    for (int v = 0; v < int(nodes.size()); ++v) {
      std::set<std::pair<int, Access>> reads;
      if (!result.copied[v])
        readsThroughCopies(nodes, result.copied, v, Access::Identity, reads);
      for (auto [read, access] : reads)
        if (read == u)
          readers.push_back(v);
    }
    return readers;
  };
  for (const auto &kernel : result.kernels) {
    // Sums of rows beside something of their loops that is stored are no
    // anchors; they, and what they alone need, may read the beginnings of rows.
    auto isPassing = [&](int v) {
      return nodes[v].sumsRows &&
             std::any_of(kernel.begin(), kernel.end(), [&](int u) {
               if (result.copied[u] || u == v ||
                   nodes[u].results != nodes[v].loops)
                 return false;
               auto readers = readersOf(u);
               return nodes[u].returned ||
                      std::any_of(readers.begin(), readers.end(),
                                  [&](int r) { return !isIn(kernel, r); });
             });
    };
    std::function<bool(int)> servesPassing = [&](int v) {
      auto readers = readersOf(v);
      return isPassing(v) ||
             (nodes[v].kind == Kind::Pointwise && !readers.empty() &&
              std::all_of(readers.begin(), readers.end(), servesPassing));
    };
    // One shape of rows; reads stay in the row; only its elements are stored.
    auto checkRows = [&](const std::vector<int> &kernel) {
      std::set<int> rows;
      for (int v : kernel) {
        EXPECT_TRUE(nodes[v].kind == Kind::Pointwise || nodes[v].reducesRow);
        EXPECT_FALSE(nodes[v].apart);
        if (nodes[v].reducesRow)
          rows.insert(nodes[v].loops);
      }
      ASSERT_EQ(rows.size(), 1u);
      for (int v : kernel) {
        if (result.copied[v])
          continue;
        std::set<std::pair<int, Access>> reads;
        readsThroughCopies(nodes, result.copied, v, Access::Identity, reads);
        for (auto [u, access] : reads)
          if (isIn(kernel, u))
            EXPECT_TRUE(access == Access::Identity
                            ? nodes[u].results == nodes[v].loops
                        : access == Access::Reduced
                            ? nodes[u].reducesRow
                            : access == Access::Row &&
                                  nodes[u].kind == Kind::Pointwise &&
                                  nodes[u].results != *rows.begin())
                << v << " reads " << u << " elsewhere";
        const auto readers = readersOf(v);
        if (nodes[v].returned ||
            std::any_of(readers.begin(), readers.end(),
                        [&](int r) { return !isIn(kernel, r); }))
          EXPECT_EQ(nodes[v].results, *rows.begin()) << v << " is stored";
      }
    };
    auto checkReads = [&](int v) {
      std::set<std::pair<int, Access>> reads;
      readsThroughCopies(nodes, result.copied, v, Access::Identity, reads);
      for (auto [u, access] : reads)
        if (isIn(kernel, u) && access != Access::Identity)
          EXPECT_TRUE(nodes[v].kind == Kind::Window ||
                      (access == Access::Row && servesPassing(v)))
              << v << " reads " << u << " elsewhere";
    };
    if (goesByRows(nodes, result.copied, kernel)) {
      checkRows(kernel);
      continue;
    }
    int anchors = 0, contractions = 0, windows = 0;
    std::set<std::pair<int, int>> reduced; // loops, results
    bool onlyReductions = true;
    for (int v : kernel) {
      if (isPassing(v) && kernel.size() > 1 && servesPassing(v)) {
        checkReads(v);
        continue;
      }
      if (nodes[v].kind == Kind::Reduction)
        reduced.emplace(nodes[v].loops, nodes[v].results);
      else
        onlyReductions &= nodes[v].kind == Kind::Pointwise;
      anchors += nodes[v].kind != Kind::Pointwise;
      contractions += nodes[v].kind == Kind::Contraction;
      windows += nodes[v].kind == Kind::Window;
      if (nodes[v].apart)
        EXPECT_EQ(kernel.size(), 1u);
      if (result.copied[v])
        continue;
      checkReads(v);
    }
    EXPECT_TRUE(anchors <= 1 ||
                (anchors == 2 && contractions == 1 && windows == 1) ||
                (onlyReductions && reduced.size() == 1));
  }
  for (auto [reader, writer] : mustPrecede) {
    if (std::count(violated.begin(), violated.end(),
                   std::make_pair(reader, writer)))
      continue;
    for (int k : kernelsWith[reader])
      EXPECT_LE(k, kernelsWith[writer][0])
          << reader << " runs after " << writer;
  }
}

TEST(Partition, RandomGraphsKeepEveryPromise) {
  std::mt19937 random(1);
  auto below = [&](int n) { return int(random() % n); };
  for (int round = 0; round < 3000; ++round) {
    int count = 1 + below(24), shapes = 1 + below(3);
    std::vector<FusionNode> nodes;
    for (int v = 0; v < count; ++v) {
      FusionNode made;
      int kind = below(8);
      made.kind = kind == 0   ? Kind::Contraction
                  : kind == 1 ? Kind::Window
                  : kind == 2 ? Kind::Reduction
                              : Kind::Pointwise;
      made.results = below(shapes);
      made.loops =
          made.kind == Kind::Pointwise ? made.results : below(shapes + 1);
      if (made.kind == Kind::Pointwise)
        made.copy = Copy(below(3));
      made.sumsRows = made.kind == Kind::Reduction &&
                      made.loops != made.results && below(3);
      made.reducesRow = made.kind == Kind::Reduction && !made.sumsRows &&
                        made.loops != made.results;
      for (int i = v == 0 ? 0 : below(4); i > 0; --i) {
        constexpr Access accesses[] = {Access::Identity, Access::Identity,
                                       Access::Identity, Access::Row,
                                       Access::Other};
        FusionNode::Edge edge{below(v), accesses[below(5)]};
        // An element at the loops' own indices exists in equal shapes only.
        if (nodes[edge.producer].results != made.loops &&
            edge.access == Access::Identity)
          edge.access = Access::Other;
        if (nodes[edge.producer].reducesRow &&
            nodes[edge.producer].loops == made.loops && below(4))
          edge.access = Access::Reduced;
        made.inputs.push_back(edge);
      }
      made.returned = below(5) == 0;
      nodes.push_back(made);
    }
    // Nothing is computed for nobody.
    std::set<int> read;
    for (const FusionNode &made : nodes)
      for (const auto &edge : made.inputs)
        read.insert(edge.producer);
    for (int v = 0; v < count; ++v)
      nodes[v].returned |= read.count(v) == 0;
    Pairs mustPrecede;
    for (int i = below(4); i > 0; --i) {
      int writer = below(count), reader = below(count);
      if (reader == writer)
        continue;
      nodes[writer].returned = true;
      mustPrecede.push_back({reader, writer});
    }
    Pairs violated;
    Partition result = partition(nodes, /*fuse=*/true, mustPrecede, violated);
    ASSERT_NO_FATAL_FAILURE(
        checkPartition(nodes, result, mustPrecede, violated));
    ASSERT_FALSE(HasFailure()) << "round " << round;
    // By way of a copy that runs apart, everything can be honoured.
    std::map<int, int> copyOf;
    for (auto &[reader, writer] : mustPrecede) {
      auto [it, isNew] = copyOf.try_emplace(writer, int(nodes.size()));
      if (isNew) {
        FusionNode copy =
            pointwise(nodes[writer].results, {at(writer)}, Copy::Free);
        copy.returned = copy.apart = true;
        nodes.push_back(copy);
        nodes[writer].returned = false;
      }
      writer = it->second;
    }
    violated.clear();
    result = partition(nodes, /*fuse=*/true, mustPrecede, violated);
    ASSERT_TRUE(violated.empty()) << "round " << round;
    ASSERT_NO_FATAL_FAILURE(
        checkPartition(nodes, result, mustPrecede, violated));
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
}

} // namespace
