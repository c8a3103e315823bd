//===- SplitReductions.cpp - Reductions along the contiguous dimension ----===//
#include "compiler/codegen/SplitReductions.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>

#include "compiler/codegen/ExprBuilder.h"
#include "compiler/codegen/IdleLoops.h"
#include "compiler/codegen/IndexAnalysis.h"
#include "compiler/codegen/JoinReductions.h"
#include "compiler/codegen/MergeLoops.h"
#include "compiler/codegen/PassingSums.h"

namespace fm::codegen {

namespace {

using Point = std::vector<int64_t>;

/// Where the loads of an expression go, looking through pointwise stages.
class Addresses {
public:
  explicit Addresses(const KernelSpec &spec)
      : spec(spec), samples(samplesBound(spec)) {}

  std::vector<std::optional<int64_t>> at(const Expr &e, const Point &point) {
    found.clear();
    done.clear();
    visit(e, point);
    return std::move(found);
  }

private:
  const KernelSpec &spec;
  const int64_t samples;
  std::vector<std::optional<int64_t>> found;
  /// Values used twice are looked at once.
  std::set<std::tuple<unsigned, unsigned, Point>> done;

  void visit(const Expr &e, const Point &point) {
    forEachLoad(e, [&](const Expr &load) {
      if (found.size() > 64)
        return;
      Point at;
      for (const ExprRef &operand : load.operands) {
        auto i = evaluate(*operand, point, samples);
        if (!i) {
          found.push_back(std::nullopt);
          return;
        }
        at.push_back(*i);
      }
      if (load.source.kind == TensorRef::Kind::Input) {
        found.push_back(offsetOf(spec.inputs[load.source.index], at));
        return;
      }
      const Stage &stage = spec.stages[load.source.index];
      if (!done.emplace(load.source.index, load.source.result, at).second)
        return;
      if (!stage.reduces())
        return visit(*stage.results[load.source.result].init, at);
      Buffer scratch;
      scratch.dims = rowMajor(stage.domain);
      found.push_back(offsetOf(scratch, at));
    });
  }
};

class Splitter {
public:
  Splitter(const KernelSpec &given, const MachineModel &machine)
      : given(given), machine(machine), spec(given) {
    spec.stages.clear();
  }

  KernelSpec run() {
    for (const Stage &stage : given.stages) {
      Stage moved = stage;
      for (Result &result : moved.results) {
        result.init = renumbered(result.init);
        if (result.update)
          result.update = renumbered(result.update);
      }
      if (const int64_t width = widthFor(stage))
        split(moved, width);
      else
        spec.stages.push_back(std::move(moved));
      numbers.push_back(spec.stages.size() - 1);
    }
    for (Output &output : spec.outputs)
      output.stage = numbers[output.stage];
    return std::move(spec);
  }

private:
  const KernelSpec &given;
  const MachineModel &machine;
  KernelSpec spec;
  std::vector<unsigned> numbers; ///< a given stage: its number now
  std::unordered_map<const Expr *, ExprRef> moved;

  ExprRef renumbered(const ExprRef &e) {
    auto known = moved.find(e.get());
    if (known != moved.end())
      return known->second;
    auto copy = std::make_shared<Expr>(*e);
    if (copy->op == Op::Load && copy->source.kind == TensorRef::Kind::Stage)
      copy->source.index = numbers[copy->source.index];
    for (ExprRef &operand : copy->operands)
      operand = renumbered(operand);
    return moved[e.get()] = copy;
  }

  /// Lanes of the partial reductions, or 0 to leave the stage alone.
  int64_t widthFor(const Stage &stage) const {
    if (!stage.reduces() || stage.reduction.back().isSamples)
      return 0;
    int64_t bytes = 1;
    for (unsigned r = 0; r < stage.results.size(); ++r) {
      if (!elementOf(stage.results[r], r))
        return 0;
      bytes = std::max(bytes, sizeOf(stage.results[r].type));
    }
    const int64_t lanes = machine.vectorBits / 8 / bytes;
    const int64_t extent = stage.reduction.back().size;
    if (lanes < 2 || extent < 2 * lanes || !walksAlongReduction(stage, lanes))
      return 0;
    int64_t points = 1;
    for (const Extent &e : stage.domain)
      points *= e.size;
    // Several accumulators hide the latency of an addition; where there are
    // rows enough, each of them has one.
    int64_t width = lanes;
    if (points < machine.fmaLatency)
      while (width < machine.fmaLatency * lanes && 4 * width <= extent)
        width *= 2;
    return width;
  }

  /// Whether the innermost reduction loop is the one to vectorise: contiguous
  /// or unused in all loads, while no loop of the domain is.
  bool walksAlongReduction(const Stage &stage, int64_t lanes) const {
    Addresses addresses(given);
    const size_t loops = stage.domain.size() + stage.reduction.size();
    auto extent = [&](size_t l) {
      return l < stage.domain.size()
                 ? stage.domain[l].size
                 : stage.reduction[l - stage.domain.size()].size;
    };
    Point base(loops);
    for (size_t l = 0; l < loops; ++l)
      base[l] = std::max<int64_t>(0, std::min(extent(l) - 2, extent(l) / 4));
    // Per load and loop.
    std::vector<std::vector<std::optional<int64_t>>> strides;
    for (const Result &result : stage.results) {
      const auto from = addresses.at(*result.update, base);
      const size_t first = strides.size();
      strides.resize(first + from.size());
      for (size_t l = 0; l < loops; ++l) {
        Point next = base;
        next[l] += extent(l) > 1;
        const auto to = addresses.at(*result.update, next);
        if (to.size() != from.size())
          return false;
        for (size_t i = 0; i < from.size(); ++i)
          strides[first + i].push_back(from[i] && to[i]
                                           ? std::optional(*to[i] - *from[i])
                                           : std::nullopt);
      }
    }
    auto along = [&](size_t l) {
      bool contiguous = false;
      for (const auto &load : strides) {
        if (!load[l] || (*load[l] != 0 && *load[l] != 1))
          return false;
        contiguous |= *load[l] == 1;
      }
      return contiguous;
    };
    if (!along(loops - 1))
      return false;
    for (size_t d = 0; d < stage.domain.size(); ++d)
      if (stage.domain[d].size * 2 > lanes && along(d))
        return false;
    return !isContraction(stage, strides);
  }

  /// Loads that each stay where another one moves: a register tile reuses them,
  /// and an operand in the wrong order is better copied.
  static bool isContraction(
      const Stage &stage,
      const std::vector<std::vector<std::optional<int64_t>>> &strides) {
    for (size_t a = 0; a < strides.size(); ++a)
      for (size_t b = 0; b < a; ++b) {
        bool onlyA = false, onlyB = false;
        for (size_t d = 0; d < stage.domain.size(); ++d) {
          if (stage.domain[d].size < 4)
            continue;
          const bool movesA = strides[a][d] != 0, movesB = strides[b][d] != 0;
          onlyA |= movesA && !movesB;
          onlyB |= movesB && !movesA;
        }
        if (onlyA && onlyB)
          return true;
      }
    return false;
  }

  void split(const Stage &stage, int64_t width) {
    const unsigned rank = stage.domain.size();
    const unsigned reduced = stage.reduction.size();
    const int64_t extent = stage.reduction.back().size;

    Stage partial;
    partial.name = stage.name + "_lanes";
    partial.domain = stage.domain;
    partial.domain.push_back({width, false});
    partial.reduction = stage.reduction;
    partial.reduction.back().size = extent / width;
    std::map<unsigned, ExprRef> toLanes;
    for (unsigned r = 0; r + 1 < reduced; ++r)
      toLanes[rank + r] = index(rank + 1 + r);
    toLanes[rank + reduced - 1] =
        node(Op::Add, ScalarType::I64,
             {node(Op::Mul, ScalarType::I64,
                   {index(rank + reduced), integer(width)}),
              index(rank)});
    Substitution lanes(toLanes);

    Stage whole;
    whole.name = stage.name;
    whole.domain = stage.domain;
    Substitution rest(
        {{rank + reduced - 1,
          node(Op::Add, ScalarType::I64,
               {index(rank + reduced - 1), integer(extent / width * width)})}});
    if (extent % width) {
      whole.reduction = stage.reduction;
      whole.reduction.back().size = extent % width;
    }
    for (unsigned r = 0; r < stage.results.size(); ++r) {
      const Result &result = stage.results[r];
      const Op op = result.update->op;
      const ExprRef identity = real(result.type, op == Op::Add   ? 0
                                                 : op == Op::Max ? -INFINITY
                                                                 : INFINITY);
      partial.results.push_back({result.type, identity, lanes(result.update)});

      std::vector<ExprRef> level;
      for (int64_t l = 0; l < width; ++l) {
        std::vector<ExprRef> at;
        for (unsigned d = 0; d < rank; ++d)
          at.push_back(index(d));
        at.push_back(integer(l));
        level.push_back(load({TensorRef::Kind::Stage,
                              static_cast<unsigned>(spec.stages.size()), r},
                             result.type, at));
      }
      while (level.size() > 1) {
        const size_t half = level.size() / 2;
        for (size_t i = 0; i < half; ++i)
          level[i] = node(op, result.type, {level[i], level[i + half]});
        level.resize(half);
      }
      ExprRef value = level[0];
      // The start may be any value; most often it is the identity.
      if (result.init->op != Op::Constant ||
          result.init->floatValue != identity->floatValue)
        value = node(op, result.type, {result.init, value});
      whole.results.push_back(
          {result.type, value,
           whole.reduces() ? rest(result.update) : nullptr});
    }
    spec.stages.push_back(std::move(partial));
    spec.stages.push_back(std::move(whole));
  }
};

} // namespace

KernelSpec splitReductions(const KernelSpec &spec,
                           const MachineModel &machine) {
  return Splitter(spec, machine).run();
}

namespace {

/// Where n can only be 1, it is a constant.
KernelSpec withoutTrivialSamples(KernelSpec spec) {
  if (samplesBound(spec) > 1)
    return spec;
  auto fix = [](std::vector<Extent> &extents) {
    for (Extent &extent : extents)
      extent.isSamples = false;
  };
  auto fixBuffer = [&](Buffer &buffer) {
    fix(buffer.shape);
    for (PhysicalDim &dim : buffer.dims)
      dim.extent.isSamples = false;
  };
  for (Buffer &buffer : spec.inputs)
    fixBuffer(buffer);
  for (Stage &stage : spec.stages) {
    fix(stage.domain);
    fix(stage.reduction);
  }
  for (Output &output : spec.outputs)
    fixBuffer(output.buffer);
  return spec;
}

} // namespace

KernelSpec scheduledForm(const KernelSpec &spec, const MachineModel &machine) {
  return sumsInPassing(splitReductions(
      joinReductions(mergeLoops(withoutIdleLoops(withoutTrivialSamples(spec)))),
      machine));
}

} // namespace fm::codegen
