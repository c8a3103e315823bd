//===- Candidates.cpp - Choices of a kernel that are worth measuring ------===//
#include "compiler/codegen/Candidates.h"

#include <algorithm>

#include "compiler/codegen/SplitReductions.h"
#include "compiler/codegen/TuneFile.h"

namespace fm::codegen {

namespace {

const Nest &nestOf(const Plan &plan, size_t number) {
  size_t group = 0;
  while (number >= plan.groups[group].nests.size())
    number -= plan.groups[group++].nests.size();
  return plan.groups[group].nests[number];
}

/// Changes of one nest's choice in one respect.
class Neighbours {
public:
  explicit Neighbours(const Nest &nest) : nest(nest), start(nest.choice) {}

  std::vector<NestChoice> run() {
    tiles();
    reduction();
    blocks();
    orders();
    NestChoice other = start;
    other.unrollTile = !other.unrollTile;
    list.push_back(other);
    return std::move(list);
  }

private:
  const Nest &nest;
  const NestChoice start;
  std::vector<NestChoice> list;

  int64_t extentOf(size_t l) const {
    return nest.stage >= 0 ? nest.region[l] : nest.loops[l].extent.size;
  }

  /// A block counts tiles: with other tiles, the old one need not divide.
  void add(NestChoice choice) {
    for (size_t l = 0; l < choice.block.size(); ++l) {
      const int64_t tiles = (extentOf(l) + choice.tile[l] - 1) / choice.tile[l];
      if (start.block[l] == nest.tiles(l))
        choice.block[l] = tiles;
      while (choice.block[l] > 1 && tiles % choice.block[l])
        --choice.block[l];
    }
    list.push_back(std::move(choice));
  }

  void tiles() {
    for (size_t l = 0; l < nest.loops.size(); ++l) {
      const bool isVector = static_cast<int>(l) == start.vectorLoop;
      const int64_t step = isVector ? start.lanes : 1, tile = start.tile[l];
      std::set<int64_t> sizes{tile - step, tile + step, tile / 2, 2 * tile};
      // The next sizes that divide the loop.
      for (int64_t t = tile + step; t <= 2 * tile + 8 * step; t += step)
        if (extentOf(l) % t == 0) {
          sizes.insert(t);
          break;
        }
      for (int64_t t = tile - step; t >= step; t -= step)
        if (extentOf(l) % t == 0) {
          sizes.insert(t);
          break;
        }
      for (int64_t t : sizes) {
        if (t < step || t % step || t == tile || t > extentOf(l) + step - 1)
          continue;
        NestChoice next = start;
        next.tile[l] = t;
        add(next);
        // The same number of registers, in another shape.
        for (size_t other = 0; other < nest.loops.size(); ++other) {
          const int64_t unit =
              static_cast<int>(other) == start.vectorLoop ? start.lanes : 1;
          const int64_t size = start.tile[other] * tile / t / unit * unit;
          if (other == l || size < unit || size == start.tile[other] ||
              size > extentOf(other) + unit - 1)
            continue;
          next = start;
          next.tile[l] = t;
          next.tile[other] = size;
          add(next);
        }
      }
    }
    if (start.vectorLoop >= 0 && start.lanes > 2) {
      NestChoice half = start;
      half.lanes /= 2;
      add(half);
    }
  }

  void reduction() {
    if (nest.reductions.empty())
      return;
    for (int unroll : {1, 2, 3, 4, 8}) {
      NestChoice next = start;
      next.unrollReduction = unroll;
      if (unroll != start.unrollReduction)
        list.push_back(next);
    }
  }

  void blocks() {
    if (!start.isBlocked())
      return;
    NestChoice next = start;
    next.block.clear();
    next.reductionOuter = 0;
    next.reductionSplit = 1;
    list.push_back(next);
    for (size_t l = 0; l < start.block.size(); ++l)
      for (int64_t block : {start.block[l] / 2, start.block[l] * 2}) {
        next = start;
        next.block[l] = block;
        list.push_back(next);
      }
    for (int64_t split : {start.reductionSplit / 2, start.reductionSplit * 2}) {
      next = start;
      next.reductionSplit = split;
      list.push_back(next);
    }
    for (int outer : {start.reductionOuter - 1, start.reductionOuter + 1}) {
      next = start;
      next.reductionOuter = outer;
      next.reductionSplit = 1;
      list.push_back(next);
    }
  }

  void orders() {
    for (size_t p = 0; p + 1 < start.order.size(); ++p) {
      NestChoice next = start;
      std::swap(next.order[p], next.order[p + 1]);
      list.push_back(next);
    }
  }
};

} // namespace

Candidates::Candidates(const KernelSpec &spec, const MachineModel &machine)
    : form(scheduledForm(spec, machine)), machine(machine),
      first(choiceOf(planKernel(form, machine))), best(first) {
  seen.insert(toString(first));
  addPromising();
  addNear();
}

std::optional<ScheduleChoice> Candidates::next() {
  turn = !turn;
  auto &list = (turn && !promising.empty()) || near.empty() ? promising : near;
  if (list.empty())
    return std::nullopt;
  ScheduleChoice choice = std::move(list.front());
  list.pop_front();
  return choice;
}

void Candidates::setBest(const ScheduleChoice &choice) {
  best = choice;
  seen.insert(toString(best));
  // What is left of the old neighbourhood may be tried at another time.
  for (const ScheduleChoice &left : near)
    seen.erase(toString(left));
  near.clear();
  addNear();
}

/// Adds it if it is legal and new. Nests after the one that was changed keep
/// their choice where that still fits, else get the machine model's.
void Candidates::consider(ScheduleChoice choice, size_t nest,
                          std::deque<ScheduleChoice> &list) {
  for (NestChoice &each : choice)
    each.parallelLoops = -1;
  Plan plan = planKernel(form, machine, choice);
  if (!plan.error.empty()) {
    choice.resize(nest + 1);
    plan = planKernel(form, machine, choice);
  }
  if (!plan.error.empty())
    return;
  choice = choiceOf(plan);
  if (!planKernel(form, machine, choice).error.empty())
    return;
  if (seen.insert(toString(choice)).second)
    list.push_back(std::move(choice));
}

void Candidates::addPromising() {
  for (size_t nest = 0; nest < best.size(); ++nest) {
    ChoiceQuery query;
    query.nest = nest;
    query.most = nest == 0 ? 20 : 8;
    planKernel(form, machine, best, &query);
    for (const NestChoice &found : query.found) {
      ScheduleChoice choice = best;
      choice[nest] = found;
      consider(choice, nest, promising);
    }
  }
}

void Candidates::addNear() {
  const Plan plan = planKernel(form, machine, best);
  for (size_t nest = 0; nest < best.size(); ++nest)
    for (const NestChoice &other : Neighbours(nestOf(plan, nest)).run()) {
      ScheduleChoice choice = best;
      choice[nest] = other;
      consider(choice, nest, near);
    }
}

} // namespace fm::codegen
