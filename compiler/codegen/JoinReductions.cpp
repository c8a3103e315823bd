//===- JoinReductions.cpp - Reductions of the same points in one pass -----===//
#include "compiler/codegen/JoinReductions.h"

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "compiler/codegen/IndexAnalysis.h"

namespace fm::codegen {

namespace {

using Places = std::vector<TensorRef>; // per given stage: its first result now

/// `e` with loads of stages redirected, and accumulators numbered from
/// `firstAccumulator` on; what is shared stays shared.
class Redirection {
public:
  Redirection(const Places &places, unsigned firstAccumulator)
      : places(places), firstAccumulator(firstAccumulator) {}

  ExprRef operator()(const ExprRef &e) {
    if (!e)
      return e;
    auto known = done.find(e.get());
    if (known != done.end())
      return known->second;
    auto copy = std::make_shared<Expr>(*e);
    if (copy->op == Op::Accumulator)
      copy->number += firstAccumulator;
    if (copy->op == Op::Load && copy->source.kind == TensorRef::Kind::Stage) {
      const TensorRef &place = places[copy->source.index];
      copy->source.index = place.index;
      copy->source.result += place.result;
    }
    for (ExprRef &operand : copy->operands)
      operand = (*this)(operand);
    return done[e.get()] = copy;
  }

private:
  const Places &places;
  const unsigned firstAccumulator;
  std::unordered_map<const Expr *, ExprRef> done;
};

/// What a stage reads: other stages, directly or not, and the kernel's inputs
/// that it reads itself or through pointwise stages.
struct Reads {
  std::set<unsigned> stages, inputs;
};

std::vector<Reads> readsOf(const KernelSpec &spec) {
  std::vector<Reads> reads(spec.stages.size());
  for (size_t s = 0; s < spec.stages.size(); ++s)
    for (const Result &result : spec.stages[s].results)
      for (const ExprRef &e : {result.init, result.update})
        if (e)
          forEachLoad(*e, [&](const Expr &load) {
            const unsigned from = load.source.index;
            if (load.source.kind == TensorRef::Kind::Input) {
              reads[s].inputs.insert(from);
              return;
            }
            reads[s].stages.insert(from);
            reads[s].stages.insert(reads[from].stages.begin(),
                                   reads[from].stages.end());
            if (!spec.stages[from].reduces())
              reads[s].inputs.insert(reads[from].inputs.begin(),
                                     reads[from].inputs.end());
          });
  return reads;
}

/// A tensor that is large compared with the result: worth reading once.
bool shareLargeInput(const KernelSpec &spec, const Reads &a, const Reads &b,
                     const Stage &stage) {
  auto volume = [](const std::vector<Extent> &extents) {
    double points = 1;
    for (const Extent &extent : extents)
      points *= extent.size;
    return points;
  };
  return std::any_of(a.inputs.begin(), a.inputs.end(), [&](unsigned input) {
    return b.inputs.count(input) && volume(spec.inputs[input].shape) >
                                        2 * volume(stage.domain);
  });
}

std::optional<std::pair<unsigned, unsigned>> findPair(const KernelSpec &spec) {
  const std::vector<Reads> reads = readsOf(spec);
  for (unsigned b = 0; b < spec.stages.size(); ++b)
    for (unsigned a = 0; a < b; ++a) {
      const Stage &first = spec.stages[a], &second = spec.stages[b];
      if (first.reduces() && first.domain == second.domain &&
          first.reduction == second.reduction && !reads[b].stages.count(a) &&
          shareLargeInput(spec, reads[a], reads[b], first))
        return std::pair(a, b);
    }
  return std::nullopt;
}

/// Stage `a` moves to `b`; what needs it alone and stands between moves behind.
KernelSpec join(const KernelSpec &given, unsigned a, unsigned b) {
  const std::vector<Reads> reads = readsOf(given);
  std::vector<unsigned> order;
  for (unsigned s = 0; s < b; ++s)
    if (s != a && !reads[s].stages.count(a))
      order.push_back(s);
  const unsigned joined = order.size();
  order.push_back(b);
  for (unsigned s = a + 1; s < given.stages.size(); ++s)
    if (s > b || (s < b && reads[s].stages.count(a)))
      order.push_back(s);

  Places places(given.stages.size());
  for (unsigned i = 0; i < order.size(); ++i)
    places[order[i]] = {TensorRef::Kind::Stage, i, 0};
  places[a] = {TensorRef::Kind::Stage, joined,
               static_cast<unsigned>(given.stages[b].results.size())};

  KernelSpec spec = given;
  spec.stages.clear();
  auto append = [&](Stage &to, const Stage &from) {
    Redirection redirect(places, to.results.size());
    for (const Result &result : from.results)
      to.results.push_back(
          {result.type, redirect(result.init), redirect(result.update)});
  };
  for (unsigned s : order) {
    Stage stage = given.stages[s];
    stage.results.clear();
    append(stage, given.stages[s]);
    if (s == b) {
      stage.name = given.stages[a].name + "_" + stage.name;
      append(stage, given.stages[a]);
    }
    spec.stages.push_back(std::move(stage));
  }
  for (Output &output : spec.outputs) {
    const TensorRef &place = places[output.stage];
    output.stage = place.index;
    output.result += place.result;
  }
  return spec;
}

} // namespace

KernelSpec joinReductions(KernelSpec spec) {
  while (auto pair = findPair(spec))
    spec = join(spec, pair->first, pair->second);
  return spec;
}

} // namespace fm::codegen
