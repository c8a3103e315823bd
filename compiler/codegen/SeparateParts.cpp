//===- SeparateParts.cpp - Parts of tensors as inputs of their own --------===//
#include "compiler/codegen/SeparateParts.h"

#include <algorithm>
#include <memory>
#include <string>
#include <unordered_map>

#include "compiler/codegen/ExprBuilder.h"
#include "compiler/codegen/IndexAnalysis.h"
#include "compiler/codegen/Layouts.h"

namespace fm::codegen {

namespace {

class PartSeparator {
public:
  explicit PartSeparator(KernelSpec &spec)
      : spec(spec), whole(spec.inputs), isOperand(readByReductions(spec)) {}

  std::vector<unsigned> run() {
    parts.resize(spec.inputs.size());
    for (Stage &stage : spec.stages) {
      RangeAnalysis ranges(fullBox(stage), samplesBound(spec));
      forEachRoot(stage, [&](const ExprRef &root) {
        forEachLoad(*root, [&](const Expr &load) {
          if (load.source.kind == TensorRef::Kind::Input)
            note(load, ranges);
        });
      });
    }
    std::vector<unsigned> given(parts.size());
    for (unsigned i = 0; i < parts.size(); ++i)
      given[i] = i;
    for (unsigned i = 0; i < parts.size(); ++i) {
      if (!isSeparable(i)) {
        parts[i].clear();
        continue;
      }
      for (size_t p = 0; p < parts[i].size(); ++p) {
        unsigned number = i;
        if (p > 0) {
          number = spec.inputs.size();
          spec.inputs.emplace_back();
          given.push_back(i);
        }
        spec.inputs[number] = partOf(whole[i], parts[i][p]);
        spec.inputs[number].name = "in" + std::to_string(number);
        parts[i][p].input = number;
      }
    }
    if (std::all_of(parts.begin(), parts.end(),
                    [](const std::vector<Part> &list) { return list.empty(); }))
      return given;
    for (Stage &stage : spec.stages) {
      RangeAnalysis ranges(fullBox(stage), samplesBound(spec));
      std::unordered_map<const Expr *, ExprRef> done;
      forEachRoot(stage, [&](ExprRef &root) {
        keep.push_back(root);
        root = moved(root, ranges, done);
      });
    }
    return given;
  }

private:
  struct Part {
    Box box;
    unsigned input = 0;
  };
  KernelSpec &spec;
  const std::vector<Buffer> whole;
  const std::vector<bool> isOperand;
  std::vector<std::vector<Part>> parts; ///< per input
  std::vector<ExprRef> keep;            ///< what maps know by its address

  template <typename Visit>
  static void forEachRoot(Stage &stage, Visit &&visit) {
    for (Result &result : stage.results)
      for (ExprRef *root : {&result.init, &result.update})
        if (*root)
          visit(*root);
  }

  static bool same(const Box &a, const Box &b) {
    for (size_t d = 0; d < a.size(); ++d)
      if (a[d].low != b[d].low || a[d].high != b[d].high)
        return false;
    return true;
  }
  static bool isWhole(const Box &box, const Buffer &buffer) {
    for (size_t d = 0; d < box.size(); ++d)
      if (box[d].extent() != buffer.shape[d].size)
        return false;
    return true;
  }
  static bool disjoint(const Box &a, const Box &b) {
    for (size_t d = 0; d < a.size(); ++d)
      if (a[d].high < b[d].low || b[d].high < a[d].low)
        return true;
    return false;
  }

  /// What a load reaches, samples as a whole.
  Box boxOf(const Expr &load, RangeAnalysis &ranges) const {
    const Buffer &buffer = whole[load.source.index];
    Box box;
    for (size_t d = 0; d < buffer.shape.size(); ++d) {
      const Interval all = Interval::of(0, buffer.shape[d].size - 1);
      const Interval range = ranges.range(*load.operands[d]);
      const bool isInside =
          range.known && range.low >= 0 && range.high <= all.high;
      box.push_back(isInside && !buffer.shape[d].isSamples ? range : all);
    }
    return box;
  }

  void note(const Expr &load, RangeAnalysis &ranges) {
    const Box box = boxOf(load, ranges);
    std::vector<Part> &known = parts[load.source.index];
    if (std::none_of(known.begin(), known.end(),
                     [&](const Part &part) { return same(part.box, box); }))
      known.push_back({box, 0});
  }

  bool isSeparable(unsigned i) const {
    constexpr size_t most = 8;
    if (!isOperand[i] || parts[i].empty() || parts[i].size() > most ||
        !isPlain(spec.inputs[i]))
      return false;
    if (parts[i].size() == 1 && isWhole(parts[i][0].box, whole[i]))
      return false;
    for (size_t a = 0; a < parts[i].size(); ++a)
      for (size_t b = 0; b < a; ++b)
        if (!disjoint(parts[i][a].box, parts[i][b].box))
          return false;
    return true;
  }

  static Buffer partOf(Buffer buffer, const Part &part) {
    for (PhysicalDim &dim : buffer.dims) {
      const Interval &range = part.box[dim.logical];
      buffer.offset += range.low * dim.stride;
      dim.extent.size = buffer.shape[dim.logical].size = range.extent();
    }
    return buffer;
  }

  ExprRef moved(const ExprRef &e, RangeAnalysis &ranges,
                std::unordered_map<const Expr *, ExprRef> &done) {
    auto known = done.find(e.get());
    if (known != done.end())
      return known->second;
    auto copy = std::make_shared<Expr>(*e);
    for (ExprRef &operand : copy->operands)
      operand = moved(operand, ranges, done);
    if (e->op == Op::Load && e->source.kind == TensorRef::Kind::Input &&
        !parts[e->source.index].empty()) {
      const std::vector<Part> &list = parts[e->source.index];
      const Box box = boxOf(*e, ranges);
      const Part *mine =
          &*std::find_if(list.begin(), list.end(),
                         [&](const Part &part) { return same(part.box, box); });
      copy->source.index = mine->input;
      for (size_t d = 0; d < copy->operands.size(); ++d)
        if (const int64_t low = mine->box[d].low)
          copy->operands[d] = shifted(copy->operands[d], low);
    }
    return done[e.get()] = copy;
  }

  /// e - low, where e is often i + low.
  static ExprRef shifted(const ExprRef &e, int64_t low) {
    if (e->op == Op::Add)
      for (int side : {0, 1}) {
        const Expr &constant = *e->operands[side];
        if (constant.op == Op::Constant && constant.intValue == low)
          return e->operands[1 - side];
      }
    return node(Op::Sub, ScalarType::I64, {e, integer(low)});
  }
};

} // namespace

std::vector<unsigned> separateParts(KernelSpec &spec) {
  return PartSeparator(spec).run();
}

} // namespace fm::codegen
