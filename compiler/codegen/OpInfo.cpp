//===- OpInfo.cpp - Names and operands of a kernel's operations -----------===//
#include "compiler/codegen/OpInfo.h"

namespace fm::codegen {

const char *nameOf(ScalarType type) {
  static const char *const names[] = {"i1", "i8", "i32", "i64", "f32", "f64"};
  return names[static_cast<unsigned>(type)];
}

OpInfo infoOf(Op op) {
  switch (op) {
  case Op::Constant:
    return {"constant", 0};
  case Op::Index:
    return {"index", 0};
  case Op::Samples:
    return {"n", 0};
  case Op::Strip:
    return {"strip", 0};
  case Op::Load:
    return {"load", -1};
  case Op::Accumulator:
    return {"acc", 0};
  case Op::Add:
    return {"+", 2};
  case Op::Sub:
    return {"-", 2};
  case Op::Mul:
    return {"*", 2};
  case Op::Div:
    return {"/", 2};
  case Op::FloorDiv:
    return {"floordiv", 2};
  case Op::FloorMod:
    return {"mod", 2};
  case Op::Min:
    return {"min", 2};
  case Op::Max:
    return {"max", 2};
  case Op::And:
    return {"&", 2};
  case Op::Or:
    return {"|", 2};
  case Op::Xor:
    return {"^", 2};
  case Op::ShiftLeft:
    return {"<<", 2};
  case Op::ShiftRightLogical:
    return {">>", 2};
  case Op::Eq:
    return {"==", 2};
  case Op::Ne:
    return {"!=", 2};
  case Op::Lt:
    return {"<", 2};
  case Op::Le:
    return {"<=", 2};
  case Op::Gt:
    return {">", 2};
  case Op::Ge:
    return {">=", 2};
  case Op::Select:
    return {"select", 3};
  case Op::Cast:
    return {"cast", 1};
  case Op::Neg:
    return {"neg", 1};
  case Op::Abs:
    return {"abs", 1};
  case Op::Exp:
    return {"exp", 1};
  case Op::Log:
    return {"log", 1};
  case Op::Sqrt:
    return {"sqrt", 1};
  case Op::Rsqrt:
    return {"rsqrt", 1};
  case Op::Tanh:
    return {"tanh", 1};
  case Op::Sigmoid:
    return {"sigmoid", 1};
  case Op::Erf:
    return {"erf", 1};
  case Op::Floor:
    return {"floor", 1};
  case Op::Ceil:
    return {"ceil", 1};
  case Op::Pow:
    return {"pow", 2};
  }
  return {"?", 0};
}

} // namespace fm::codegen
