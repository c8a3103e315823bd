//===- Arithmetic.h - Numbers known when a model is read ------------------===//
//
// Integers stay integers, with every overflow found; a float makes floats.
//
//===----------------------------------------------------------------------===//
#ifndef FM_FRONTEND_LANGUAGE_ARITHMETIC_H
#define FM_FRONTEND_LANGUAGE_ARITHMETIC_H

#include "frontend/language/Ast.h"
#include "frontend/recorder/RecorderInterface.h"

namespace fm {

/// Either a value (Int or double), or what went wrong and the way out.
struct NumberResult {
  Value value;
  std::string error; ///< empty: fine
  std::string hint;
};

/// True for Int and double.
bool isNumber(const Value &value);

/// `a op b` of two numbers. `/` of integers must be exact; `%` takes the sign
/// of `b`, as in Python.
NumberResult arithmetic(ast::BinaryOp op, const Value &a, const Value &b);
NumberResult negate(const Value &a);

} // namespace fm

#endif // FM_FRONTEND_LANGUAGE_ARITHMETIC_H
