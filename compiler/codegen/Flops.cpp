//===- Flops.cpp - Work of a kernel ----------------------------------------------------===//

#include "compiler/codegen/Flops.h"

#include "compiler/codegen/IndexAnalysis.h"

#include <algorithm>
#include <functional>
#include <limits>

namespace fm::codegen {

static double count(const std::vector<Extent> &extents, int64_t n) {
  double result = 1;
  for (const Extent &extent : extents)
    result *= double(extent.isSamples ? n : extent.size);
  return result;
}

bool isContraction(const Stage &stage) {
  if (!stage.reduces() || stage.results.size() != 1 || !isFloat(stage.results[0].type))
    return false;
  const Expr &update = *stage.results[0].update;
  if (update.op != Op::Add)
    return false;
  bool accumulates = false, multiplies = false;
  for (const ExprRef &operand : update.operands) {
    accumulates |= operand->op == Op::Accumulator;
    multiplies |= operand->op == Op::Mul;
  }
  return accumulates && multiplies;
}

/// How often it runs for n samples: for each of their strips.
static double runsOf(const KernelSpec &spec, int64_t n) { return spec.strips > 1 ? double(spec.strips * n) : 1; }

/// Whether the strip's number tells where an input is read, of which the kernel then gets the whole sample.
static bool readsByStrip(const KernelSpec &spec, unsigned input) {
  std::function<bool(const Expr &)> usesStrip = [&](const Expr &e) {
    return e.op == Op::Strip ||
           std::any_of(e.operands.begin(), e.operands.end(), [&](const ExprRef &operand) { return usesStrip(*operand); });
  };
  bool found = false;
  for (const Stage &stage : spec.stages)
    for (const Result &result : stage.results)
      for (const ExprRef &value : {result.init, result.update})
        if (value)
          forEachLoad(*value, [&](const Expr &load) {
            found |= load.source == TensorRef{TensorRef::Kind::Input, input, 0} && usesStrip(load);
          });
  return found;
}

double contractionFlops(const KernelSpec &spec, int64_t n) {
  double flops = 0;
  for (const Stage &stage : spec.stages)
    if (isContraction(stage))
      flops += 2 * count(stage.domain, n) * count(stage.reduction, n);
  return flops * runsOf(spec, n);
}

namespace {

/// How many elements of its inputs a kernel reads.
class ElementsRead {
public:
  ElementsRead(const KernelSpec &spec, int64_t n) : spec(spec), n(n), needed(spec.stages.size()), read(spec.inputs.size()) {
    for (const Output &output : spec.outputs)
      needed[output.stage] = fullBox(spec.stages[output.stage]);
    for (size_t s = spec.stages.size(); s-- > 0;)
      if (!needed[s].empty() || spec.stages[s].domain.empty())
        visit(spec.stages[s], needed[s]);
  }

  double of(unsigned input) const {
    const Buffer &buffer = spec.inputs[input];
    double within = 1;
    for (size_t d = 0; d < buffer.shape.size(); ++d)
      within *= buffer.shape[d].isSamples      ? double(n)
                : read[input].box.empty()      ? double(buffer.shape[d].size)
                                               : double(read[input].box[d].extent());
    return std::min(within, read[input].places);
  }

private:
  struct Read {
    Box box;           ///< that all places lie in; none: nothing is read
    double places = 0; ///< of each load, added up
  };
  const KernelSpec &spec;
  const int64_t n;
  std::vector<Box> needed; ///< per stage: of its domain
  std::vector<Read> read;

  void visit(const Stage &stage, const Box &domain) {
    Box indices = fullBox(stage);
    std::copy(domain.begin(), domain.begin() + std::ptrdiff_t(stage.domain.size()), indices.begin());
    RangeAnalysis ranges(indices, samplesBound(spec));
    for (const Result &result : stage.results)
      for (const ExprRef &value : {result.init, result.update})
        if (value)
          forEachLoad(*value, [&](const Expr &load) { add(load, indices, ranges); });
  }

  void add(const Expr &load, const Box &indices, RangeAnalysis &ranges) {
    const bool ofInput = load.source.kind == TensorRef::Kind::Input;
    const std::vector<Extent> &shape =
        ofInput ? spec.inputs[load.source.index].shape : spec.stages[load.source.index].domain;
    Box box;
    double places = 1;
    for (size_t d = 0; d < shape.size(); ++d) {
      const Interval all = Interval::of(0, std::max<int64_t>(shape[d].size, 1) - 1);
      Interval range = ranges.range(*load.operands[d]);
      range = range.known ? Interval::of(std::clamp(range.low, all.low, all.high), std::clamp(range.high, all.low, all.high))
                          : all;
      box.push_back(range);
      places *= shape[d].isSamples ? double(n) : std::min(double(range.extent()), valuesOf(*load.operands[d], indices));
    }
    Box &known = ofInput ? read[load.source.index].box : needed[load.source.index];
    if (known.empty())
      known = box;
    else
      for (size_t d = 0; d < shape.size(); ++d)
        known[d] = unite(known[d], box[d]);
    if (ofInput)
      read[load.source.index].places += places;
  }

  /// So many values an index takes at most: of 2 * i, no more than i does.
  static double valuesOf(const Expr &e, const Box &indices) {
    std::vector<bool> isUsed(indices.size(), false);
    bool isPlain = true;
    std::function<void(const Expr &)> look = [&](const Expr &part) {
      if (part.op == Op::Index)
        isUsed[part.number] = true;
      isPlain &= part.op != Op::Load && part.op != Op::Strip && part.op != Op::Samples;
      for (const ExprRef &operand : part.operands)
        look(*operand);
    };
    look(e);
    double values = 1;
    for (size_t i = 0; i < indices.size(); ++i)
      values *= isUsed[i] ? double(indices[i].extent()) : 1;
    return isPlain ? values : std::numeric_limits<double>::infinity();
  }
};

} // namespace

std::vector<double> trafficBytes(const KernelSpec &spec, int64_t n) {
  std::vector<double> bytes;
  const ElementsRead elements(spec, n);
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    const Buffer &buffer = spec.inputs[i];
    const bool isOfSample = spec.strips > 1 && buffer.shape.size() > 1 && buffer.shape[0].size == 1;
    const double times = !isOfSample ? 1 : readsByStrip(spec, unsigned(i)) ? double(n) : runsOf(spec, n);
    bytes.push_back(times * elements.of(unsigned(i)) * double(sizeOf(buffer.type)));
  }
  for (const Output &output : spec.outputs)
    bytes.push_back(runsOf(spec, n) * count(output.buffer.shape, n) * double(sizeOf(output.buffer.type)));
  return bytes;
}

std::string summary(const KernelSpec &spec) {
  const Stage *anchor = nullptr;
  for (const Stage &stage : spec.stages)
    if (stage.reduces() && (!anchor || isContraction(stage)))
      anchor = &stage;
  auto text = [](const std::vector<Extent> &extents) {
    std::string result;
    for (const Extent &extent : extents)
      result += (result.empty() ? "" : "x") + (extent.isSamples ? std::string("n") : std::to_string(extent.size));
    return result.empty() ? std::string("1") : result;
  };
  if (!anchor)
    return text(spec.stages[spec.outputs[0].stage].domain);
  return text(anchor->domain) + " over " + text(anchor->reduction);
}

} // namespace fm::codegen
