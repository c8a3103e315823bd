//===- Prefetch.cpp - Operands that a reduction fetches ahead -------------===//
#include "compiler/codegen/Prefetch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "compiler/codegen/Layouts.h"

namespace fm::codegen {

namespace {

constexpr int64_t lineBytes = 64;
/// That a step prefetches of one operand, at most.
constexpr double maxLines = 4;
/// Tiles that use what one of them prefetched, at most.
constexpr int64_t maxUses = 24;

} // namespace

int64_t stepsAhead(const NestChoice &choice, const Stage &reducing,
                   const MachineModel &machine) {
  if (!machine.prefetchesRows || choice.isBlocked())
    return 0;
  const int64_t ahead =
      std::clamp<int64_t>(80 * machine.fmaPerCycle / choice.vectors(), 4, 16);
  return choice.stepsInside(reducing) < 8 * ahead ? 0 : ahead;
}

bool prefetchesEpilogue(const Nest &nest, const NestChoice &choice,
                        int parallelLoops) {
  const int loops = static_cast<int>(nest.outerLoops(choice).size());
  return parallelLoops < 2 || parallelLoops < loops;
}

bool isPrefetched(const KernelSpec &spec, const Nest &nest,
                  const Access &access, const MachineModel &machine) {
  const int64_t jump = access.strides.back();
  if (access.input < 0 || jump == irregular ||
      std::abs(jump) * access.bytes <= lineBytes ||
      bytesOf(spec.inputs[access.input]) < machine.l1Bytes)
    return false;
  double lines = 1;
  int64_t uses = 1;
  for (size_t l = 0; l < nest.loops.size(); ++l) {
    const int64_t stride = access.strides[l];
    if (stride == irregular || (stride != 0 && nest.loops[l].extent.isSamples))
      return false;
    if (stride == 0)
      uses *= nest.tiles(l);
    else if (nest.choice.tile[l] > 1)
      lines *= std::max(1., nest.choice.tile[l] *
                                std::min(1., double(std::abs(stride)) *
                                                 access.bytes / lineBytes));
  }
  return lines <= maxLines && uses > 1 && uses <= maxUses;
}

namespace {

/// Passes and the next rows that they prefetch are not worth it in reductions
/// of fewer steps, nor where a prefetch goes with less arithmetic (depthwise
/// convolutions).
constexpr int64_t minSteps = 32;
constexpr int64_t minVectorsPerLine = 10;

/// Tiles along a loop that stand in one block, or all.
int64_t tilesInside(const Nest &nest, int l) {
  const NestChoice &choice = nest.choice;
  return choice.isBlocked() ? std::min(choice.block[l], nest.tiles(l))
                            : nest.tiles(l);
}

/// Points along a loop that all passes together compute.
int64_t pointsInside(const Nest &nest, int l, const std::vector<int> &passes) {
  const bool moves = std::find(passes.begin(), passes.end(), l) != passes.end();
  return std::min(nest.choice.tile[l] * (moves ? tilesInside(nest, l) : 1),
                  nest.loops[l].extent.size);
}

/// Lines of the contiguous row that all passes together read in each step of
/// the reduction; 0: it is not one.
int64_t linesOfRow(const Nest &nest, const Access &access,
                   const std::vector<int> &passes) {
  int64_t elements = 1;
  for (size_t l = 0; l < nest.loops.size(); ++l) {
    const int64_t points = pointsInside(nest, l, passes);
    const int64_t stride = access.strides[l];
    if (points == 1 || stride == 0)
      continue;
    if (stride != 1 || elements > 1)
      return 0;
    elements = points;
  }
  return elements == 1 ? 0
                       : (elements * access.bytes + lineBytes - 1) / lineBytes;
}

/// Whether `access` walks through rows in a reduction, and whether they are
/// others when `loop` (in order of its strides) moves on, and come from afar.
/// What belongs to no sample does not: other tasks have read it.
bool comesInRows(const KernelSpec &spec, const Access &access, size_t loop,
                 const MachineModel &machine) {
  const int64_t jump = access.strides.back();
  if (access.input < 0 || jump == irregular ||
      jump * access.bytes < lineBytes || access.strides[loop] == 0 ||
      access.strides[loop] == irregular)
    return false;
  const Buffer &buffer = spec.inputs[access.input];
  return bytesOf(buffer) >= machine.l2Bytes / 2 &&
         std::any_of(buffer.shape.begin(), buffer.shape.end(),
                     [](const Extent &extent) { return extent.isSamples; });
}

/// Fills in the operands of `next`, whose passes are known, that move with
/// `loop`.
void addOperands(const KernelSpec &spec, const Nest &nest,
                 const std::vector<Access> &accesses, size_t loop,
                 const MachineModel &machine, NextRows &next) {
  int64_t lines = 0, passes = 1;
  for (int l : next.passes)
    passes *= tilesInside(nest, l);
  if (passes < 2)
    return;
  for (const Access &access : accesses) {
    const bool known = std::any_of(
        next.operands.begin(), next.operands.end(),
        [&](const NextRows::Operand &o) { return o.input == access.input; });
    if (known || !comesInRows(spec, access, loop, machine))
      continue;
    // One prefetch goes through all of them, and counts in elements.
    if (!next.operands.empty() &&
        sizeOf(spec.inputs[next.operands[0].input].type) != access.bytes)
      continue;
    if (const int64_t row = linesOfRow(nest, access, next.passes)) {
      next.operands.push_back({access.input, row, access.strides.back()});
      lines += row;
    }
  }
  if (lines == 0)
    return;
  next.linesPerPass = (lines + passes - 1) / passes;
  next.passesPerLine =
      std::gcd(nest.choice.unrollReduction, // turns within an iteration
               std::bit_floor(static_cast<uint64_t>(
                   std::max<int64_t>(passes / lines, 1))));
  if (next.linesPerPass * minVectorsPerLine >
      nest.choice.vectors() * next.passesPerLine)
    next.operands.clear();
}

} // namespace

NextRows nextRowsOf(const KernelSpec &spec, const Group &group,
                    const Nest &nest, unsigned reduction,
                    const MachineModel &machine) {
  NextRows next;
  const NestChoice &choice = nest.choice;
  int64_t steps = 1;
  for (const Extent &extent : spec.stages[reduction].reduction)
    steps *= extent.size;
  if (nest.stage >= 0 || choice.vectorLoop < 0 || steps < minSteps)
    return next;
  const std::vector<Access> accesses = accessesOf(spec, group, nest, reduction);
  if (choice.isBlocked()) {
    next.inReduction = true;
    next.position = choice.reductionOuter - (choice.reductionSplit > 1 ? 0 : 1);
    for (int l : choice.order)
      if (tilesInside(nest, l) > 1)
        next.passes.push_back(l);
    if (next.position >= 0)
      addOperands(spec, nest, accesses, nest.loops.size() + next.position,
                  machine, next);
    return next;
  }
  // From the innermost loop on, to the one that tasks are made of.
  const std::vector<int> around = nest.outerLoops();
  for (next.position = static_cast<int>(around.size()) - 1;
       next.position >= std::max(choice.parallelLoops - 1, 0);
       --next.position) {
    const int l = around[next.position];
    if (nest.tiles(l) == 1)
      continue;
    addOperands(spec, nest, accesses, l, machine, next);
    if (!next.operands.empty())
      break;
    next.passes.insert(next.passes.begin(), l);
  }
  return next;
}

} // namespace fm::codegen
