//===- Arithmetic.cpp - Numbers known when a model is read ----------------===//
#include "frontend/language/Arithmetic.h"

#include <cmath>
#include <cstdio>

namespace fm {

using ast::BinaryOp;

namespace {

std::string spelled(const Value &value) {
  if (const Int *integer = std::get_if<Int>(&value.data))
    return std::to_string(integer->value);
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%g", std::get<double>(value.data));
  return buffer;
}

double toDouble(const Value &value) {
  if (const Int *integer = std::get_if<Int>(&value.data))
    return double(integer->value);
  return std::get<double>(value.data);
}

/// `base ** exponent` by squaring; false if it does not fit.
bool power(int64_t base, int64_t exponent, int64_t &result) {
  result = 1;
  for (;;) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result))
      return false;
    exponent >>= 1;
    if (exponent == 0)
      return true;
    if (__builtin_mul_overflow(base, base, &base))
      return false;
  }
}

NumberResult failure(std::string error, std::string hint = "") {
  return {{}, std::move(error), std::move(hint)};
}

NumberResult integers(BinaryOp op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool fits = true;
  std::string written = std::to_string(a) + ' ' + ast::spelling(op) + ' ' +
                        (b < 0 ? "(" : "") + std::to_string(b) +
                        (b < 0 ? ")" : "");
  switch (op) {
  case BinaryOp::Add:
    fits = !__builtin_add_overflow(a, b, &result);
    break;
  case BinaryOp::Sub:
    fits = !__builtin_sub_overflow(a, b, &result);
    break;
  case BinaryOp::Mul:
    fits = !__builtin_mul_overflow(a, b, &result);
    break;
  case BinaryOp::Div:
  case BinaryOp::Mod:
    if (b == 0)
      return failure("division by zero: " + written);
    if (b == -1) { // the one case that overflows
      result = 0;
      if (op == BinaryOp::Div)
        fits = !__builtin_sub_overflow(int64_t(0), a, &result);
      break;
    }
    if (op == BinaryOp::Mod) {
      result = a % b;
      if (result != 0 && (result < 0) != (b < 0))
        result += b;
      break;
    }
    if (a % b != 0)
      return failure(written + " is not an integer",
                     "for a float, make one of them a float: '" +
                         std::to_string(a) + ".0 / " + std::to_string(b) + "'");
    result = a / b;
    break;
  case BinaryOp::Pow:
    if (b < 0)
      return failure(written + " is not an integer",
                     "for a float, make the base a float: '" +
                         std::to_string(a) + ".0'");
    fits = power(a, b, result);
    break;
  }
  if (!fits)
    return failure(written + " does not fit in 64 bits");
  return {{Int{result}}, "", ""};
}

} // namespace

bool isNumber(const Value &value) {
  return std::holds_alternative<Int>(value.data) ||
         std::holds_alternative<double>(value.data);
}

NumberResult arithmetic(BinaryOp op, const Value &a, const Value &b) {
  const Int *left = std::get_if<Int>(&a.data);
  const Int *right = std::get_if<Int>(&b.data);
  if (left && right)
    return integers(op, left->value, right->value);

  double x = toDouble(a), y = toDouble(b), result = 0;
  switch (op) {
  case BinaryOp::Add:
    result = x + y;
    break;
  case BinaryOp::Sub:
    result = x - y;
    break;
  case BinaryOp::Mul:
    result = x * y;
    break;
  case BinaryOp::Div:
  case BinaryOp::Mod:
    if (y == 0)
      return failure("division by zero: " + spelled(a) + ' ' +
                     ast::spelling(op) + ' ' + spelled(b));
    if (op == BinaryOp::Div) {
      result = x / y;
      break;
    }
    result = std::fmod(x, y);
    if (result != 0 && (result < 0) != (y < 0))
      result += y;
    break;
  case BinaryOp::Pow:
    result = std::pow(x, y);
    break;
  }
  if (!std::isfinite(result))
    return failure(spelled(a) + ' ' + ast::spelling(op) + ' ' + spelled(b) +
                   " is not a finite number");
  return {{result}, "", ""};
}

NumberResult negate(const Value &a) {
  if (const double *number = std::get_if<double>(&a.data))
    return {{-*number}, "", ""};
  return arithmetic(BinaryOp::Sub, {Int{0}}, a);
}

} // namespace fm
