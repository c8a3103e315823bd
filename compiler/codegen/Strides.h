//===- Strides.h - How loops walk through tensors -------------------------===//
//
// Measures, by evaluating index expressions at a few points, with which stride
// each loop of a nest walks through each tensor that its code reads.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_STRIDES_H
#define FM_COMPILER_CODEGEN_STRIDES_H

#include <cstdint>
#include <limits>
#include <vector>

#include "compiler/codegen/Schedule.h"

namespace fm::codegen {

/// The stride of a loop that does not walk evenly.
constexpr int64_t irregular = std::numeric_limits<int64_t>::max();

/// One load, as the innermost code executes it.
struct Access {
  int input = -1; ///< of the kernel; -1: scratch
  /// Nothing may be read behind the end of its rows: the application's memory,
  /// or panels.
  bool guarded = false;
  bool nearby = false; ///< lies in the L2 (see Buffer)
  int64_t bytes = 4;
  /// Per loop of the nest, then per loop of the reduction.
  std::vector<int64_t> strides;
  /// The same, along those dimensions only that may be read behind their end.
  std::vector<int64_t> overread;
};

/// Loads of the update of stage `reduction`, or of the nest's body if it is -1.
std::vector<Access> accessesOf(const KernelSpec &spec, const Group &group,
                               const Nest &nest, int reduction);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_STRIDES_H
