//===- BuildProgram.h - From the planned IR to a Program -----------------------===//
#ifndef FM_COMPILER_CODEGEN_BUILDPROGRAM_H
#define FM_COMPILER_CODEGEN_BUILDPROGRAM_H

#include "compiler/codegen/Program.h"
#include "compiler/codegen/Target.h"

#include "compiler/ir/Dialect.h"
#include "mlir/IR/BuiltinOps.h"

namespace fm::codegen {

/// Collects the program of a module that memory planning has seen. Fails, with
/// a diagnostic at the op, on IR that no kernel can be made of. `kernelOps`, if
/// given, receives for each kernel the first op it came from. With a `machine`,
/// operands that lie badly for their kernel are copied before it runs; to find
/// them takes up to `jobs` threads (0: one a core).
mlir::FailureOr<Program> buildProgram(mlir::ModuleOp module,
                                      std::vector<ir::KernelOp> *kernelOps = nullptr,
                                      const MachineModel *machine = nullptr,
                                      unsigned jobs = 1);

/// The KernelSpec of one kernel op; names are left empty.
mlir::FailureOr<KernelSpec> translateKernel(ir::KernelOp kernel, int64_t batch);

/// The scalar type of a tensor's elements.
ScalarType scalarTypeOf(mlir::Type element);

/// Dimensions of a tensor type, the sample dimension with its bound.
std::vector<Extent> extentsOf(mlir::RankedTensorType type, int64_t batch);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_BUILDPROGRAM_H
