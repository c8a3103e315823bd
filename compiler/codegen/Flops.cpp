//===- Flops.cpp - Work of a kernel ----------------------------------------------------===//

#include "compiler/codegen/Flops.h"

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

double contractionFlops(const KernelSpec &spec, int64_t n) {
  double flops = 0;
  for (const Stage &stage : spec.stages)
    if (isContraction(stage))
      flops += 2 * count(stage.domain, n) * count(stage.reduction, n);
  return flops;
}

double trafficBytes(const KernelSpec &spec, int64_t n) {
  double bytes = 0;
  for (const Buffer &buffer : spec.inputs)
    bytes += count(buffer.shape, n) * double(sizeOf(buffer.type));
  for (const Output &output : spec.outputs)
    bytes += count(output.buffer.shape, n) * double(sizeOf(output.buffer.type));
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
