//===- VerifyKernel.cpp - Checks of kernel descriptions -------------------===//
//
// The contract between the IR and the kernel generators: what passes, every
// generator must be able to compile.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/OpInfo.h"

#include <cctype>
#include <limits>
#include <set>
#include <unordered_set>
#include <utility>

namespace fm::codegen {

namespace {

bool isComparison(Op op) { return op >= Op::Eq && op <= Op::Ge; }
bool isFloatOnly(Op op) { return op >= Op::Exp && op <= Op::Pow; }
bool isIntegerOnly(Op op) {
  return op == Op::FloorDiv || op == Op::FloorMod ||
         (op >= Op::And && op <= Op::ShiftRightLogical);
}

bool isIdentifier(const std::string &name) {
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0])))
    return false;
  for (unsigned char c : name)
    if (!std::isalnum(c) && c != '_')
      return false;
  return true;
}

class Verifier {
public:
  explicit Verifier(const KernelSpec &spec) : spec(spec) {}

  std::string run() {
    if (!isIdentifier(spec.name))
      fail("the kernel's name '" + spec.name + "' is not a C identifier");
    for (const Buffer &buffer : spec.inputs)
      checkBuffer(buffer);
    for (size_t s = 0; s < spec.stages.size(); ++s)
      checkStage(s);
    if (spec.outputs.empty())
      fail("no outputs");
    std::set<std::pair<unsigned, unsigned>> seen;
    for (const Output &output : spec.outputs) {
      checkOutput(output);
      if (!seen.insert({output.stage, output.result}).second)
        fail("output '" + output.buffer.name +
             "': the result is written twice");
    }
    return error;
  }

private:
  const KernelSpec &spec;
  std::string error;
  const Stage *stage = nullptr;
  size_t stageNumber = 0;
  bool inUpdate = false;
  std::unordered_set<const Expr *> done;

  void fail(const std::string &message) {
    if (error.empty())
      error = message;
  }
  void failHere(const std::string &message) {
    fail("stage '" + stage->name + "': " + message);
  }

  void checkExtent(const Extent &extent, const std::string &where) {
    if (extent.size < 1 || extent.size > std::numeric_limits<int32_t>::max())
      fail(where + ": extent " + std::to_string(extent.size) +
           " is outside 1..2^31-1");
  }

  void checkBuffer(const Buffer &buffer) {
    const std::string where = "buffer '" + buffer.name + "'";
    int64_t last = buffer.offset;
    std::vector<int64_t> covered(buffer.shape.size(), 0);
    for (const Extent &extent : buffer.shape)
      checkExtent(extent, where);
    for (const PhysicalDim &dim : buffer.dims) {
      checkExtent(dim.extent, where);
      if (dim.logical >= buffer.shape.size())
        return fail(where + ": a physical dimension of no logical one");
      if (dim.divisor < 1 || dim.modulus < 0 || dim.stride < 0)
        return fail(where + ": negative divisor, modulus or stride");
      last += (dim.extent.size - 1) * dim.stride;
      ++covered[dim.logical];
    }
    for (size_t i = 0; i < covered.size(); ++i)
      if (!covered[i] && buffer.shape[i].size != 1)
        return fail(where + ": logical dimension " + std::to_string(i) +
                    " is not stored");
    // Offsets inside a buffer are computed in 32 bits.
    if (last < 0 || last > std::numeric_limits<int32_t>::max())
      fail(where + ": more than 2^31-1 elements");
  }

  void checkStage(size_t number) {
    stage = &spec.stages[number];
    stageNumber = number;
    for (const Extent &extent : stage->domain)
      checkExtent(extent, "stage '" + stage->name + "'");
    for (const Extent &extent : stage->reduction)
      checkExtent(extent, "stage '" + stage->name + "'");
    if (stage->results.empty())
      failHere("no results");
    for (const Result &result : stage->results) {
      inUpdate = false;
      done.clear();
      if (!result.init)
        return failHere("a result without a value");
      checkExpr(*result.init, result.type);
      if (stage->reduces() != (result.update != nullptr))
        return failHere(stage->reduces() ? "a reducing stage needs updates"
                                         : "an update without a reduction");
      if (result.update) {
        inUpdate = true;
        done.clear();
        checkExpr(*result.update, result.type);
      }
    }
  }

  void checkExpr(const Expr &e, ScalarType expected) {
    if (e.type != expected)
      return failHere(std::string("'") + infoOf(e.op).name + "' has type " +
                      nameOf(e.type) + ", expected " + nameOf(expected));
    if (!error.empty() || !done.insert(&e).second)
      return;
    const OpInfo info = infoOf(e.op);
    if (info.operands >= 0 &&
        e.operands.size() != static_cast<size_t>(info.operands))
      return failHere(std::string("'") + info.name + "' has " +
                      std::to_string(e.operands.size()) + " operands");
    for (const ExprRef &operand : e.operands)
      if (!operand)
        return failHere(std::string("'") + info.name + "' has a null operand");
    if (isFloatOnly(e.op) && !isFloat(e.type))
      return failHere(std::string("'") + info.name + "' needs a float type");
    if (isIntegerOnly(e.op) && isFloat(e.type))
      return failHere(std::string("'") + info.name + "' needs an integer type");

    switch (e.op) {
    case Op::Index:
      if (e.type != ScalarType::I64 ||
          e.number >=
              stage->domain.size() + (inUpdate ? stage->reduction.size() : 0))
        failHere("index " + std::to_string(e.number) + " is out of range");
      return;
    case Op::Samples:
    case Op::Strip:
      if (e.type != ScalarType::I64)
        failHere(std::string(info.name) + " has type i64");
      if ((e.op == Op::Strip) != (spec.strips > 1))
        failHere(std::string(info.name) + " in a kernel that has none");
      return;
    case Op::Accumulator:
      if (!inUpdate || e.number >= stage->results.size())
        return failHere("accumulator outside an update, or of no result");
      if (stage->results[e.number].type != e.type)
        failHere("an accumulator has its result's type");
      return;
    case Op::Load:
      return checkLoad(e);
    case Op::Select:
      checkExpr(*e.operands[0], ScalarType::I1);
      checkExpr(*e.operands[1], e.type);
      checkExpr(*e.operands[2], e.type);
      return;
    case Op::Cast:
      return checkExpr(*e.operands[0], e.operands[0]->type);
    default:
      if (isComparison(e.op)) {
        if (e.type != ScalarType::I1)
          return failHere("a comparison has type i1");
        checkExpr(*e.operands[0], e.operands[0]->type);
        return checkExpr(*e.operands[1], e.operands[0]->type);
      }
      for (const ExprRef &operand : e.operands)
        checkExpr(*operand, e.type);
    }
  }

  void checkLoad(const Expr &e) {
    size_t rank;
    ScalarType type;
    if (e.source.kind == TensorRef::Kind::Input) {
      if (e.source.index >= spec.inputs.size())
        return failHere("load of no input");
      rank = spec.inputs[e.source.index].shape.size();
      type = spec.inputs[e.source.index].type;
    } else {
      if (e.source.index >= stageNumber)
        return failHere("load of a stage that comes later");
      const Stage &source = spec.stages[e.source.index];
      if (e.source.result >= source.results.size())
        return failHere("load of no result");
      rank = source.domain.size();
      type = source.results[e.source.result].type;
    }
    if (type != e.type)
      return failHere("a load has its tensor's type");
    if (e.operands.size() != rank)
      return failHere("a load of a tensor of rank " + std::to_string(rank) +
                      " with " + std::to_string(e.operands.size()) +
                      " indices");
    for (const ExprRef &operand : e.operands)
      checkExpr(*operand, ScalarType::I64);
  }

  void checkOutput(const Output &output) {
    const std::string where = "output '" + output.buffer.name + "'";
    checkBuffer(output.buffer);
    if (output.stage >= spec.stages.size() ||
        output.result >= spec.stages[output.stage].results.size())
      return fail(where + ": no such stage result");
    const Stage &source = spec.stages[output.stage];
    if (source.results[output.result].type != output.buffer.type)
      return fail(where + ": the type differs from its stage's");
    if (source.domain != output.buffer.shape)
      return fail(where + ": the shape differs from its stage's domain");
    if (output.inPlace >= 0) {
      if (static_cast<size_t>(output.inPlace) >= spec.inputs.size())
        return fail(where + ": in place of no input");
      const Buffer &input = spec.inputs[output.inPlace];
      if (!(input.dims == output.buffer.dims) ||
          input.type != output.buffer.type ||
          input.offset != output.buffer.offset)
        return fail(where + ": in place of an input with another layout");
    }
  }
};

} // namespace

std::string verify(const KernelSpec &spec) { return Verifier(spec).run(); }

} // namespace fm::codegen
