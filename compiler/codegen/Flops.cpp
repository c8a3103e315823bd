//===- Flops.cpp - Work of a kernel ----------------------------------------------------===//

#include "compiler/codegen/Flops.h"

#include "compiler/codegen/IndexAnalysis.h"

#include <algorithm>
#include <functional>

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

double trafficBytes(const KernelSpec &spec, int64_t n) {
  double bytes = 0;
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    const Buffer &buffer = spec.inputs[i];
    const bool isOfSample = spec.strips > 1 && buffer.shape.size() > 1 && buffer.shape[0].size == 1;
    const double times = !isOfSample ? 1 : readsByStrip(spec, unsigned(i)) ? double(n) : runsOf(spec, n);
    bytes += times * count(buffer.shape, n) * double(sizeOf(buffer.type));
  }
  for (const Output &output : spec.outputs)
    bytes += runsOf(spec, n) * count(output.buffer.shape, n) * double(sizeOf(output.buffer.type));
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
