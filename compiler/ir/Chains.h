//===- Chains.h - Kernels that run sample by sample -------------------------------===//
#ifndef FM_COMPILER_IR_CHAINS_H
#define FM_COMPILER_IR_CHAINS_H

#include "compiler/ir/Dialect.h"
#include "compiler/ir/Parts.h"
#include "compiler/ir/Views.h"

namespace fm {

/// On kernels that stand one behind the other: the number of their chain. All of
/// them may run for some samples, in order, before they run for the next ones.
inline constexpr llvm::StringLiteral kChain = "fm.chain";

/// Or -1.
inline int64_t chainOf(ir::KernelOp kernel) {
  auto chain = kernel->getAttrOfType<mlir::IntegerAttr>(kChain);
  return chain ? chain.getInt() : -1;
}

/// On kernels of a chain that stand one behind the other: the number of their run,
/// and in how many strips of rows, a sample's outermost dimension, all of them may
/// run before they run for the next. What one of them reads of another's results
/// are rows at its own place.
inline constexpr llvm::StringLiteral kStrips = "fm.strips";
struct Strips {
  int64_t run = -1;
  int64_t count = 1;
};
inline Strips stripsOf(ir::KernelOp kernel) {
  auto strips = kernel ? kernel->getAttrOfType<mlir::DenseI64ArrayAttr>(kStrips) : mlir::DenseI64ArrayAttr();
  return strips ? Strips{strips[0], strips[1]} : Strips();
}

/// On a kernel of such a run: its result has no rows, and is the sum of what each
/// strip of a sample gives. It is there behind the last strip.
inline constexpr llvm::StringLiteral kSumsStrips = "fm.sums_strips";

/// Whether a value is made in a run of strips, strip by strip.
inline bool isMadeInStrips(mlir::Value value, int64_t run) {
  auto kernel = value.getDefiningOp<ir::KernelOp>();
  return run >= 0 && stripsOf(kernel).run == run && !kernel->hasAttr(kSumsStrips);
}

/// Whether a value is made in a run of strips, and read nowhere else: strips that
/// follow each other may then take the same memory.
inline bool passesInStrips(mlir::Value value) {
  const int64_t run = stripsOf(value.getDefiningOp<ir::KernelOp>()).run;
  return run >= 0 && llvm::all_of(value.getUsers(), [&](mlir::Operation *user) {
    auto kernel = llvm::dyn_cast<ir::KernelOp>(user);
    return kernel && stripsOf(kernel).run == run;
  });
}

/// Whether a value and its views are read by kernels of one chain only; being part
/// of another tensor counts if that is made in the chain.
inline bool isReadInChain(mlir::Value value, int64_t chain) {
  return llvm::all_of(value.getUsers(), [&](mlir::Operation *user) {
    if (isView(user))
      return isReadInChain(user->getResult(0), chain);
    auto kernel = llvm::dyn_cast<ir::KernelOp>(user);
    return kernel && chainOf(kernel) == chain;
  });
}

/// Whether a value, or what it is a view of, is written and read within one chain
/// only: samples that follow each other may then take the same memory. A tensor
/// that lies in another one does so if that does, and all that lies in it.
inline bool passesInChain(mlir::Value value) {
  value = viewRoot(value);
  if (ir::KernelOp holder = holderOf(value))
    value = holder->getResult(0);
  auto kernel = value.getDefiningOp<ir::KernelOp>();
  if (!kernel || chainOf(kernel) < 0 || !isReadInChain(value, chainOf(kernel)))
    return false;
  return !kernel->hasAttr(kHoldsInputs) || llvm::all_of(kernel.getInputs(), [&](mlir::Value input) {
    auto writer = input.getDefiningOp<ir::KernelOp>();
    return writer && chainOf(writer) == chainOf(kernel) && isReadInChain(input, chainOf(kernel));
  });
}

} // namespace fm

#endif // FM_COMPILER_IR_CHAINS_H
