//===- OrderKernels.h - In which order kernels run ------------------------===//
#ifndef FM_PASSES_ORDERKERNELS_H
#define FM_PASSES_ORDERKERNELS_H

#include "passes/FusionGroups.h"

namespace fm::passes {

/// Kernels in order, copies put in. `mustPrecede` and `violated`: see
/// `partition`.
Partition orderKernels(const FusionGroups &all,
                       const std::vector<std::pair<int, int>> &mustPrecede,
                       std::vector<std::pair<int, int>> &violated);

} // namespace fm::passes

#endif // FM_PASSES_ORDERKERNELS_H
