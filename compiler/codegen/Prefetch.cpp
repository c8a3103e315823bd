//===- Prefetch.cpp - Operands that a reduction fetches ahead -------------===//
#include "compiler/codegen/Prefetch.h"

#include <algorithm>
#include <cmath>

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
  int64_t vectors = 1;
  for (size_t l = 0; l < choice.tile.size(); ++l)
    vectors *= static_cast<int>(l) == choice.vectorLoop
                   ? choice.tile[l] / choice.lanes
                   : choice.tile[l];
  const int64_t ahead =
      std::clamp<int64_t>(80 * machine.fmaPerCycle / vectors, 4, 16);
  return choice.stepsInside(reducing) < 8 * ahead ? 0 : ahead;
}

bool prefetchesEpilogue(const Nest &nest) {
  const int loops = static_cast<int>(nest.outerLoops().size());
  return nest.choice.parallelLoops < 2 || nest.choice.parallelLoops < loops;
}

bool isPrefetched(const KernelSpec &spec, const Nest &nest,
                  const Access &access, const MachineModel &machine) {
  const int64_t jump = access.strides.back();
  if (access.input < 0 || jump == irregular ||
      std::abs(jump) * access.bytes < lineBytes ||
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

} // namespace fm::codegen
