//===- CutStrips.h - A kernel for one strip of a sample's rows ------------===//
//
// Kernels of a chain whose samples fill the cache run strip by strip: all of
// them for a few rows of a sample, its outermost dimension, then for the next.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_CUTSTRIPS_H
#define FM_COMPILER_CODEGEN_CUTSTRIPS_H

#include <optional>
#include <vector>

#include "compiler/codegen/KernelSpec.h"

namespace fm::codegen {

/// The kernel of one strip in `strips`, of one sample. `own`, for inputs, then
/// outputs: what lies in that strip, and of such an input it must read nothing
/// else; of other inputs it gets, and may read, the whole sample. An output
/// that is not the strip's own is the sample's: a sum over rows, to which each
/// strip adds its part. Then the last input is that output, too, whose content
/// the first strip does not use. Nothing if rows of a stage are not in step
/// with the strips, or where an output takes the place of an input.
std::optional<KernelSpec> cutIntoStrips(const KernelSpec &spec, int64_t strips,
                                        const std::vector<bool> &own);

/// Bytes from one strip of a tensor of samples to the next; 0 if it has no rows
/// that are one dimension in memory.
int64_t stripPitch(const Buffer &buffer, int64_t strips);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_CUTSTRIPS_H
