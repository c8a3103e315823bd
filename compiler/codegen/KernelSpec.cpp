//===- KernelSpec.cpp - Checks and dump of kernel descriptions ------------===//
//
// The verifier is the contract between the IR and the kernel generators: what
// passes it, every generator must be able to compile. The dump is meant to be
// read by people: one line per buffer, one per result.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/KernelSpec.h"

#include "compiler/ir/RowPitch.h"

#include <cctype>
#include <cinttypes>
#include <cstdio>
#include <limits>
#include <map>
#include <set>
#include <unordered_set>
#include <utility>

namespace fm::codegen {

int64_t sizeOf(ScalarType type) {
  switch (type) {
  case ScalarType::I1:
  case ScalarType::I8:
    return 1;
  case ScalarType::I32:
  case ScalarType::F32:
    return 4;
  case ScalarType::I64:
  case ScalarType::F64:
    return 8;
  }
  return 0;
}

std::vector<PhysicalDim> rowMajor(const std::vector<Extent> &shape,
                                  const std::vector<Pitch> &pitches) {
  std::vector<PhysicalDim> dims(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    dims[i].logical = i;
    dims[i].extent = shape[i];
    dims[i].stride = stride;
    stride *= shape[i].size;
    for (const Pitch &apart : pitches)
      if (i + apart.rank == shape.size())
        stride = apart.pitch;
  }
  return dims;
}

std::vector<PhysicalDim> inPanels(const std::vector<Extent> &shape,
                                  int64_t width, int64_t elementBytes) {
  if (width < 0) {
    std::vector<PhysicalDim> dims =
        inPanels({shape[1], shape[0]}, -width, elementBytes);
    for (PhysicalDim &dim : dims)
      dim.logical = 1 - dim.logical;
    return dims;
  }
  const Extent rows = shape[0], columns = shape[1];
  const int64_t apart = rowPitch(width * rows.size, elementBytes);
  return {{1, width, 0, {columns.size / width, false}, apart},
          {0, 1, 0, rows, width},
          {1, 1, width, {width, false}, 1}};
}

bool liesInPanels(const Buffer &buffer) {
  return buffer.shape.size() == 2 && buffer.dims.size() == 3 &&
         buffer.dims.back().modulus > 0;
}

int64_t packSamples(Buffer &buffer) {
  if (buffer.dims.size() < 2 || !buffer.dims[0].extent.isSamples)
    return 0;
  const PhysicalDim &next = buffer.dims[1];
  const int64_t packed = next.stride * next.extent.size;
  const int64_t apart = std::exchange(buffer.dims[0].stride,
                                      std::min(packed, buffer.dims[0].stride));
  return apart > packed ? apart : 0;
}

bool isPlain(const Buffer &buffer) {
  for (const PhysicalDim &dim : buffer.dims)
    if (dim.divisor != 1 || dim.modulus)
      return false;
  return buffer.dims.size() == buffer.shape.size();
}

namespace {

const char *nameOf(ScalarType type) {
  static const char *const names[] = {"i1", "i8", "i32", "i64", "f32", "f64"};
  return names[static_cast<unsigned>(type)];
}

struct OpInfo {
  const char *name;
  int operands; ///< -1: any number
};

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

class Printer {
public:
  explicit Printer(const KernelSpec &spec) : spec(spec) {}

  std::string run() {
    text = "kernel " + spec.name + " {\n";
    if (spec.strips > 1)
      text += "  one of " + std::to_string(spec.strips) + " strips\n";
    if (spec.samplesAtOnce > 0)
      text += "  samples at once " + std::to_string(spec.samplesAtOnce) + "\n";
    for (const Buffer &buffer : spec.inputs)
      text += "  input  " + describe(buffer) + "\n";
    for (const Stage &s : spec.stages)
      print(s);
    for (const Output &output : spec.outputs) {
      text += "  output " + describe(output.buffer) + " = " +
              resultName(output.stage, output.result);
      if (output.inPlace >= 0)
        text += " in place of " + spec.inputs[output.inPlace].name;
      text += "\n";
    }
    return text + "}\n";
  }

private:
  const KernelSpec &spec;
  const Stage *stage = nullptr;
  struct Shared {
    int uses = 0;
    std::string name;
  };
  std::map<const Expr *, Shared> shared; ///< nodes of this stage
  int named = 0;
  std::string text;

  static std::string describe(const Extent &extent) {
    return extent.isSamples ? "n<=" + std::to_string(extent.size)
                            : std::to_string(extent.size);
  }

  static std::string describe(const Buffer &buffer) {
    std::string s = buffer.name + " : " + nameOf(buffer.type) + "[";
    for (size_t i = 0; i < buffer.shape.size(); ++i)
      s += (i ? ", " : "") + describe(buffer.shape[i]);
    s += "]";
    Buffer packed = buffer;
    if (int64_t pitch = packSamples(packed))
      return describe(packed) + " samples " + std::to_string(pitch) + " apart";
    if (!(buffer.dims == rowMajor(buffer.shape))) {
      s += " stored as";
      for (const PhysicalDim &dim : buffer.dims) {
        s += " (d" + std::to_string(dim.logical);
        if (dim.divisor != 1)
          s += "/" + std::to_string(dim.divisor);
        if (dim.modulus)
          s += "%" + std::to_string(dim.modulus);
        s +=
            ":" + describe(dim.extent) + "*" + std::to_string(dim.stride) + ")";
      }
    }
    if (buffer.offset)
      s += " at " + std::to_string(buffer.offset);
    return s + (buffer.external ? " external" : buffer.nearby ? " nearby" : "");
  }

  std::string resultName(unsigned s, unsigned result) const {
    std::string name = spec.stages[s].name;
    if (spec.stages[s].results.size() > 1)
      name += "#" + std::to_string(result);
    return name;
  }

  void print(const Stage &s) {
    stage = &s;
    shared.clear();
    for (const Result &result : s.results)
      for (const ExprRef &e : {result.init, result.update})
        if (e)
          countUses(*e);
    if (!s.together.empty()) {
      text += "  together";
      for (int64_t period : s.together)
        text += " " + std::to_string(period);
      text += "\n";
    }
    for (size_t r = 0; r < s.results.size(); ++r) {
      std::string head = "  " + resultName(&s - spec.stages.data(), r) + "[";
      for (size_t i = 0; i < s.domain.size(); ++i)
        head +=
            (i ? ", i" : "i") + std::to_string(i) + ":" + describe(s.domain[i]);
      head += "] : ";
      head += nameOf(s.results[r].type);
      const std::string init = print(*s.results[r].init);
      text += head + " = " + init + "\n";
      if (!s.results[r].update)
        continue;
      const std::string update = print(*s.results[r].update);
      text += "    over [";
      for (size_t i = 0; i < s.reduction.size(); ++i)
        text += (i ? ", i" : "i") + std::to_string(s.domain.size() + i) + ":" +
                describe(s.reduction[i]);
      text += "] <- " + update + "\n";
    }
  }

  void countUses(const Expr &e) {
    if (++shared[&e].uses == 1)
      for (const ExprRef &operand : e.operands)
        countUses(*operand);
  }

  /// What is used several times is written in a line of its own, before the
  /// line that is being made.
  std::string print(const Expr &e) {
    Shared &known = shared[&e];
    if (e.operands.empty() || known.uses < 2)
      return printOnce(e);
    if (known.name.empty()) {
      std::string value = printOnce(e);
      known.name = "t" + std::to_string(named++);
      text += "    " + known.name + " = " + value + "\n";
    }
    return known.name;
  }

  std::string printOnce(const Expr &e) {
    const OpInfo info = infoOf(e.op);
    switch (e.op) {
    case Op::Constant: {
      if (!isFloat(e.type))
        return std::to_string(e.intValue);
      char buffer[40];
      // Kernels with equal texts are one: all digits.
      std::snprintf(buffer, sizeof buffer, "%.*g",
                    e.type == ScalarType::F32 ? 9 : 17, e.floatValue);
      return buffer;
    }
    case Op::Index:
      return "i" + std::to_string(e.number);
    case Op::Samples:
    case Op::Strip:
      return infoOf(e.op).name;
    case Op::Accumulator:
      return stage->results.size() > 1 ? "acc#" + std::to_string(e.number)
                                       : "acc";
    case Op::Load:
      return (e.source.kind == TensorRef::Kind::Input
                  ? spec.inputs[e.source.index].name
                  : resultName(e.source.index, e.source.result)) +
             "[" + list(e) + "]";
    case Op::Cast:
      return std::string(nameOf(e.type)) + "(" + list(e) + ")";
    default:
      if (info.operands == 2 && e.op != Op::Min && e.op != Op::Max &&
          e.op != Op::Pow)
        return "(" + print(*e.operands[0]) + " " + info.name + " " +
               print(*e.operands[1]) + ")";
      return std::string(info.name) + "(" + list(e) + ")";
    }
  }

  std::string list(const Expr &e) {
    std::string s;
    for (size_t i = 0; i < e.operands.size(); ++i)
      s += (i ? ", " : "") + print(*e.operands[i]);
    return s;
  }
};

} // namespace

std::string verify(const KernelSpec &spec) { return Verifier(spec).run(); }
std::string toString(const KernelSpec &spec) { return Printer(spec).run(); }

} // namespace fm::codegen
