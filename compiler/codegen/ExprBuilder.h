//===- ExprBuilder.h - Expressions for rewriting kernels ------------------===//
#ifndef FM_COMPILER_CODEGEN_EXPRBUILDER_H
#define FM_COMPILER_CODEGEN_EXPRBUILDER_H

#include <map>
#include <unordered_map>
#include <vector>

#include "compiler/codegen/KernelSpec.h"

namespace fm::codegen {

ExprRef integer(int64_t value); ///< an I64 constant
ExprRef real(ScalarType type, double value);
ExprRef index(unsigned number);
ExprRef node(Op op, ScalarType type, std::vector<ExprRef> operands);
ExprRef load(const TensorRef &source, ScalarType type,
             std::vector<ExprRef> operands);

/// What an update adds to the accumulator `number`, or takes the minimum or
/// maximum of; null where it does something else.
ExprRef elementOf(const Result &result, unsigned number);

/// An expression with loop indices replaced; what is shared stays shared.
class Substitution {
public:
  explicit Substitution(std::map<unsigned, ExprRef> indices)
      : indices(std::move(indices)) {}
  ExprRef operator()(const ExprRef &e);

private:
  std::map<unsigned, ExprRef> indices;
  std::unordered_map<const Expr *, ExprRef> done;
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_EXPRBUILDER_H
