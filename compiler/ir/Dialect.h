//===- Dialect.h - The fm dialect ------------------------------------------===//
//
// Everything that code outside compiler/ir needs of the dialect: ops,
// attributes, interfaces, and the contexts that interfaces are called with.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_IR_DIALECT_H
#define FM_COMPILER_IR_DIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include <functional>

#include "compiler/ir/FmEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "compiler/ir/FmAttributes.h.inc"

namespace fm::ir {

/// See FmPointwiseOps.td.
template <typename ConcreteType>
class Pointwise : public mlir::OpTrait::TraitBase<ConcreteType, Pointwise> {};

/// A parameter or a state tensor that a layer needs.
struct ParameterSpec {
  std::string name; ///< within the layer: "kernel"
  mlir::RankedTensorType type;
  InitAttr init;
  int64_t fanIn = 0, fanOut = 0; ///< for the Glorot and He families
  bool state = false;            ///< running statistics, not learned
};

/// What a decomposition may use besides the builder.
struct DecomposeContext {
  mlir::OpBuilder &builder;
  /// Training mode: batch statistics, dropout on.
  bool training = false;
  /// Scalars i64: the seed, and the number of the step counted from 1. Set in
  /// training mode.
  mlir::Value seed, step;
  /// Records that a state tensor (an operand) has a new value after the step.
  std::function<void(mlir::Value state, mlir::Value updated)> assign;
  /// A number for each random stream of the function.
  std::function<int64_t()> nextStream;
};

/// What a lowering may use besides the builder.
struct LoweringContext {
  mlir::OpBuilder &builder;
  mlir::ValueRange operands; ///< lowered
  mlir::Value samples;       ///< n, of type index
};

} // namespace fm::ir

#include "compiler/ir/FmInterfaces.h.inc"

#include "compiler/ir/FmDialect.h.inc"

#define GET_OP_CLASSES
#include "compiler/ir/FmOps.h.inc"

#endif // FM_COMPILER_IR_DIALECT_H
