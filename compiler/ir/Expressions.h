//===- Expressions.h - Formulas that build ops -----------------------------===//
//
// Adjoints, decompositions and scalar bodies are written as formulas.
// `TensorExpr` builds fm ops with broadcasting; `ScalarExpr` builds arith and
// math ops on single elements, integer or float according to their type.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_IR_EXPRESSIONS_H
#define FM_COMPILER_IR_EXPRESSIONS_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Value.h"

#include <utility>

namespace fm::ir {

/// A tensor in a formula. A number takes the other operand's element type.
class TensorExpr {
public:
  TensorExpr(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value)
      : builder(&builder), loc(loc), value(value) {}
  operator mlir::Value() const { return value; }

  mlir::RankedTensorType type() const {
    return llvm::cast<mlir::RankedTensorType>(value.getType());
  }
  /// A scalar constant of this element type.
  TensorExpr constant(double number) const;
  /// A scalar zero of this element type.
  TensorExpr zeros() const { return constant(0); }

  TensorExpr cast(mlir::Type element) const;
  TensorExpr sum(llvm::ArrayRef<int64_t> axes, bool keepdims = true) const;
  TensorExpr mean(llvm::ArrayRef<int64_t> axes, bool keepdims = true) const;
  TensorExpr max(llvm::ArrayRef<int64_t> axes, bool keepdims = true) const;
  TensorExpr reshape(mlir::RankedTensorType to) const;
  TensorExpr broadcast(mlir::RankedTensorType to) const;
  TensorExpr compare(llvm::StringRef predicate, TensorExpr other) const;

  mlir::OpBuilder *builder;
  mlir::Location loc;
  mlir::Value value;
};

TensorExpr operator+(TensorExpr a, TensorExpr b);
TensorExpr operator-(TensorExpr a, TensorExpr b);
TensorExpr operator*(TensorExpr a, TensorExpr b);
TensorExpr operator/(TensorExpr a, TensorExpr b);
TensorExpr operator-(TensorExpr a);
TensorExpr operator>(TensorExpr a, TensorExpr b);
TensorExpr operator<(TensorExpr a, TensorExpr b);
TensorExpr operator==(TensorExpr a, TensorExpr b);
#define FM_WITH_NUMBER(OP)                                                     \
  inline TensorExpr operator OP(TensorExpr a, double b) {                      \
    return a OP a.constant(b);                                                 \
  }                                                                            \
  inline TensorExpr operator OP(double a, TensorExpr b) {                      \
    return b.constant(a) OP b;                                                 \
  }
FM_WITH_NUMBER(+)
FM_WITH_NUMBER(-)
FM_WITH_NUMBER(*)
FM_WITH_NUMBER(/)
FM_WITH_NUMBER(>)
FM_WITH_NUMBER(<)
FM_WITH_NUMBER(==)
#undef FM_WITH_NUMBER

TensorExpr select(TensorExpr condition, TensorExpr a, TensorExpr b);
TensorExpr abs(TensorExpr a);
TensorExpr exp(TensorExpr a);
TensorExpr log(TensorExpr a);
TensorExpr sqrt(TensorExpr a);
TensorExpr rsqrt(TensorExpr a);
TensorExpr tanh(TensorExpr a);
TensorExpr erf(TensorExpr a);
TensorExpr pow(TensorExpr a, TensorExpr b);
TensorExpr maximum(TensorExpr a, TensorExpr b);
TensorExpr sigmoid(TensorExpr a);
TensorExpr gelu(TensorExpr a, bool approximate);
/// d gelu(a) / d a.
TensorExpr geluDerivative(TensorExpr a, bool approximate);

/// One element in the body of a pointwise op.
class ScalarExpr {
public:
  ScalarExpr(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value)
      : builder(&builder), loc(loc), value(value) {}
  operator mlir::Value() const { return value; }

  ScalarExpr constant(double number) const;
  ScalarExpr abs() const;
  ScalarExpr exp() const;
  ScalarExpr log() const;
  ScalarExpr sqrt() const;
  ScalarExpr rsqrt() const;
  ScalarExpr tanh() const;
  /// 1 / (1 + exp(-x)); kernels know the formula (TranslateKernel.cpp).
  ScalarExpr sigmoid() const;
  ScalarExpr erf() const;
  ScalarExpr pow(ScalarExpr exponent) const;
  ScalarExpr maximum(ScalarExpr other) const;
  ScalarExpr minimum(ScalarExpr other) const;
  ScalarExpr relu() const;
  ScalarExpr compare(llvm::StringRef predicate, ScalarExpr other) const;
  /// This (i1) chooses.
  ScalarExpr select(ScalarExpr a, ScalarExpr b) const;
  ScalarExpr cast(mlir::Type to) const;

  bool isFloat() const { return llvm::isa<mlir::FloatType>(value.getType()); }

  mlir::OpBuilder *builder;
  mlir::Location loc;
  mlir::Value value;
};
ScalarExpr operator+(ScalarExpr a, ScalarExpr b);
ScalarExpr operator-(ScalarExpr a, ScalarExpr b);
ScalarExpr operator*(ScalarExpr a, ScalarExpr b);
ScalarExpr operator/(ScalarExpr a, ScalarExpr b);
ScalarExpr operator-(ScalarExpr a);

} // namespace fm::ir

#endif // FM_COMPILER_IR_EXPRESSIONS_H
