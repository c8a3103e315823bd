//===- PrintKernel.cpp - Dump of kernel descriptions ----------------------===//
//
// Meant to be read by people: one line per buffer, one per result.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/OpInfo.h"

#include <cstdio>
#include <map>

namespace fm::codegen {

namespace {

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
    return s + (buffer.external ? " external" : "") +
           (buffer.nearby ? " nearby" : "");
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

std::string toString(const KernelSpec &spec) { return Printer(spec).run(); }

} // namespace fm::codegen
