//===- Layouts.h - Inputs that a kernel wants in another order ------------===//
//
// And what else moves data without computing: the border around a tensor.
//
// A contraction runs at full speed only if some loop walks with stride one
// through whatever it loads as vectors. Where an operand stands in the way (dX
// of a dense layer reads W along its rows, a convolution's input gradient reads
// the kernel across its channels), the operand is copied into the order that
// suits, by a kernel of its own that transposes blocks in registers.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_LAYOUTS_H
#define FM_COMPILER_CODEGEN_LAYOUTS_H

#include <optional>
#include <span>
#include <vector>

#include "compiler/codegen/KernelSpec.h"
#include "compiler/codegen/Target.h"

namespace fm::codegen {

struct LayoutWish {
  unsigned input = 0;
  std::vector<PhysicalDim> dims; ///< dense, outermost first
};

/// Inputs that reductions read, through changes of indices as well, and that
/// may lie elsewhere: nothing overwrites them.
std::vector<bool> readByReductions(const KernelSpec &spec);

/// Inputs worth a copy: what the kernel gains is more than the copy costs.
std::vector<LayoutWish> wishedLayouts(const KernelSpec &spec,
                                      const MachineModel &machine);

/// The same of many kernels, with up to `jobs` threads (0: one a core).
std::vector<std::vector<LayoutWish>>
wishedLayouts(const std::vector<const KernelSpec *> &specs,
              const MachineModel &machine, unsigned jobs);

/// The kernel that copies `from` into `dims`. Its output is fmc's own memory of
/// `bytesOf(output)` bytes.
KernelSpec copyKernel(const Buffer &from, const std::vector<PhysicalDim> &dims);
/// Bytes that fmc's own memory for `buffer` takes, with what may be read behind
/// its end.
int64_t bytesOf(const Buffer &buffer);

/// The kernel that fills a border inside of `padded` with `value`: `before` and
/// `after` elements along each dimension. It has no input, and an output for
/// each side.
KernelSpec borderKernel(const Buffer &padded, std::span<const int64_t> before,
                        std::span<const int64_t> after, double value);

/// A copy into another order of dimensions, as loops that transpose blocks.
struct CopyLoops {
  struct Dim {
    Extent extent;
    int64_t from = 0, to = 0; ///< strides in elements
  };
  std::vector<Dim> outer; ///< outermost first
  Dim read, written;      ///< stride one in what is read, in what is written
  int64_t elementBytes = 4;
  int64_t fromOffset = 0, toOffset = 0; ///< in elements
};
/// The loops, if the kernel is such a copy and nothing else.
std::optional<CopyLoops> asCopy(const KernelSpec &spec);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_LAYOUTS_H
