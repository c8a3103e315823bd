//===- Schedule.cpp - Which outputs share a loop nest ---------------------===//
//
// Grouping of outputs, and plans as text. What happens inside of a group is
// planned in GroupPlanner.cpp.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/GroupPlanner.h"

#include <algorithm>
#include <functional>
#include <set>

namespace fm::codegen {

int64_t NestChoice::vectors() const {
  int64_t count = 1;
  for (size_t l = 0; l < tile.size(); ++l)
    count *= vectors(l);
  return count;
}

int64_t NestChoice::stepsInside(const Stage &reducing) const {
  const bool isSplit =
      reductionSplit > 1 &&
      reductionOuter + 1 == static_cast<int>(reducing.reduction.size());
  return isSplit ? reductionSplit : reducing.reduction.back().size;
}

std::vector<int> Nest::outerLoops(const NestChoice &with) const {
  if (!with.isBlocked())
    return with.order;
  std::vector<int> list;
  for (int l : with.order)
    if (with.block[l] < tiles(l, with))
      list.push_back(l);
  if (list.empty())
    list.push_back(with.order[0]);
  return list;
}

ParallelLoops parallelLoopsOf(const Nest &nest, const NestChoice &choice,
                              bool keeps, int64_t enough) {
  ParallelLoops result;
  for (int l : choice.order) {
    const int64_t tiles = nest.tiles(l, choice);
    const int64_t block = choice.isBlocked() ? choice.block[l] : 1;
    if (choice.isBlocked() && block >= tiles)
      continue; // no loop around blocks
    const int64_t extent = (tiles + block - 1) / block;
    if (nest.isCarrying(l) && extent > 1)
      break;
    // A fused loop with a tail would pay for the tail in every iteration.
    if (result.tasks > 1 && nest.overhang(l, choice))
      break;
    if (result.loops > 0 && keeps && nest.loops[l].extent.isSamples)
      break;
    if (result.tasks == 1 && extent > 1)
      result.first = l;
    result.tasks *= extent;
    ++result.loops;
    if (result.tasks >= enough)
      break;
  }
  if (result.tasks < 2)
    result.loops = 0;
  return result;
}

namespace {

/// True if one loop nest can write both: equal domains, and loops that agree.
bool sameLoops(const Buffer &a, const Buffer &b) {
  if (a.shape != b.shape || a.dims.size() != b.dims.size())
    return false;
  auto parts = [](const Buffer &buffer) {
    std::multiset<std::vector<int64_t>> set;
    for (const PhysicalDim &dim : buffer.dims)
      set.insert({dim.logical, dim.divisor, dim.modulus, dim.extent.size});
    return set;
  };
  return parts(a) == parts(b);
}

/// An input that one group overwrites must not be read by another one.
void checkInPlace(const KernelSpec &spec,
                  const std::vector<std::vector<unsigned>> &groups,
                  Plan &plan) {
  for (size_t g = 0; g < groups.size(); ++g) {
    std::vector<bool> reads(spec.inputs.size(), false);
    std::vector<bool> seen(spec.stages.size(), false);
    std::function<void(unsigned)> visit = [&](unsigned s) {
      if (seen[s])
        return;
      seen[s] = true;
      for (const Result &result : spec.stages[s].results)
        for (const ExprRef &e : {result.init, result.update})
          if (e)
            forEachLoad(*e, [&](const Expr &load) {
              if (load.source.kind == TensorRef::Kind::Input) {
                reads[load.source.index] = true;
                return;
              }
              const int by =
                  plan.storedBy[load.source.index][load.source.result];
              if (by < 0 || by == static_cast<int>(g))
                visit(load.source.index);
            });
    };
    for (unsigned o : groups[g])
      visit(spec.outputs[o].stage);
    for (size_t other = 0; other < groups.size(); ++other)
      for (unsigned o : groups[other])
        if (other != g && spec.outputs[o].inPlace >= 0 &&
            reads[spec.outputs[o].inPlace])
          plan.error = "kernel '" + spec.name + "': output '" +
                       spec.outputs[o].buffer.name +
                       "' overwrites an input that outputs of another shape or "
                       "layout need";
  }
}

} // namespace

Plan planKernel(const KernelSpec &spec, const MachineModel &machine,
                const ScheduleChoice &choice, ChoiceQuery *query) {
  Plan plan;
  const size_t stages = spec.stages.size();
  for (const Stage &stage : spec.stages)
    plan.storedBy.emplace_back(stage.results.size(), -1);

  // Which stages each stage depends on.
  std::vector<std::vector<bool>> depends(stages,
                                         std::vector<bool>(stages, false));
  for (size_t s = 0; s < stages; ++s)
    for (const Result &result : spec.stages[s].results)
      for (const ExprRef &e : {result.init, result.update})
        if (e)
          forEachLoad(*e, [&](const Expr &load) {
            if (load.source.kind != TensorRef::Kind::Stage)
              return;
            depends[s][load.source.index] = true;
            for (size_t t = 0; t < stages; ++t)
              if (depends[load.source.index][t])
                depends[s][t] = true;
          });

  // Outputs in the order of their stages; each joins the last group it may.
  std::vector<unsigned> order(spec.outputs.size());
  for (size_t o = 0; o < order.size(); ++o)
    order[o] = o;
  std::stable_sort(order.begin(), order.end(), [&](unsigned a, unsigned b) {
    return spec.outputs[a].stage < spec.outputs[b].stage;
  });
  std::vector<std::vector<unsigned>> groups;
  for (unsigned o : order) {
    const unsigned s = spec.outputs[o].stage;
    int needs = -1; // the last group that must have run, or be the same
    for (size_t t = 0; t < stages; ++t)
      for (int by : plan.storedBy[t])
        if (depends[s][t])
          needs = std::max(needs, by);
    int target = -1;
    for (size_t g = std::max(0, needs); g < groups.size() && target < 0; ++g)
      if (sameLoops(spec.outputs[groups[g][0]].buffer, spec.outputs[o].buffer))
        target = g;
    if (target < 0) {
      target = groups.size();
      groups.emplace_back();
    }
    groups[target].push_back(o);
    plan.storedBy[s][spec.outputs[o].result] = target;
  }
  checkInPlace(spec, groups, plan);

  size_t choiceOffset = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    std::string error;
    plan.groups.push_back(planGroup(spec, machine, plan.storedBy, g, groups[g],
                                    choice, query, choiceOffset, plan.problem,
                                    error));
    if (plan.error.empty())
      plan.error = error;
  }
  ChoiceProblem &problem = plan.problem;
  if (problem.message.empty() && choice.size() > choiceOffset)
    problem = {static_cast<int>(choiceOffset), "",
               "the kernel has " + std::to_string(choiceOffset) + " nest" +
                   (choiceOffset == 1 ? "" : "s") + ", and the entry has " +
                   std::to_string(choice.size())};
  // What fits with the tiles of the machine model need not do so with others.
  if (problem.message.empty() && !choice.empty())
    problem.message = plan.error;
  if (plan.error.empty() && !problem.message.empty())
    plan.error = "kernel '" + spec.name + "', nest " +
                 std::to_string(problem.nest) + ": " + problem.message;
  return plan;
}

ScheduleChoice choiceOf(const Plan &plan) {
  ScheduleChoice choice;
  for (const Group &group : plan.groups)
    for (const Nest &nest : group.nests)
      choice.push_back(nest.choice);
  return choice;
}

std::string toString(const KernelSpec &spec, const Plan &plan) {
  std::string text;
  for (const Group &group : plan.groups)
    for (const Nest &nest : group.nests) {
      text += nest.stage >= 0 ? "  scratch " + spec.stages[nest.stage].name
                              : "nest";
      for (unsigned o : nest.outputs)
        text += " " + spec.outputs[o].buffer.name;
      text += ":";
      for (size_t l = 0; l < nest.loops.size(); ++l) {
        text += " " + std::to_string(nest.loops[l].extent.size);
        if (l < nest.choice.tile.size() && nest.choice.tile[l] > 1)
          text += "/" + std::to_string(nest.choice.tile[l]);
        if (static_cast<int>(l) == nest.choice.vectorLoop)
          text += "v" + std::to_string(nest.choice.lanes);
      }
      if (nest.choice.isBlocked()) {
        text += ", blocks of";
        for (int64_t block : nest.choice.block)
          text += " " + std::to_string(block);
        text += " inside of " + std::to_string(nest.choice.reductionOuter) +
                " reduction loops";
        if (nest.choice.reductionSplit > 1)
          text += " and parts of " + std::to_string(nest.choice.reductionSplit);
      }
      if (!nest.choice.order.empty() &&
          !std::is_sorted(nest.choice.order.begin(), nest.choice.order.end())) {
        text += ", order";
        for (int l : nest.choice.order)
          text += " " + std::to_string(l);
      }
      if (nest.choice.unrollReduction > 1)
        text += ", unroll " + std::to_string(nest.choice.unrollReduction);
      if (!nest.choice.unrollTile)
        text += ", straight off";
      if (nest.choice.parallelLoops)
        text += ", parallel " + std::to_string(nest.choice.parallelLoops);
      for (unsigned r : nest.reductions)
        text += ", in registers: " + spec.stages[r].name;
      if (nest.stage >= 0)
        text += nest.parent < 0
                    ? ", first"
                    : ", at loop " + std::to_string(nest.position) +
                          (nest.parentReduction >= 0 ? " of a reduction" : "") +
                          " of nest " + std::to_string(nest.parent);
      text += "\n";
    }
  return text;
}

} // namespace fm::codegen
