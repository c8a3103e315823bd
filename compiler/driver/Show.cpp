//===- Show.cpp - fmc show: what a model consists of ----------------------------------===//

#include "compiler/driver/Commands.h"
#include "compiler/driver/Compiler.h"
#include "frontend/recorder/RecorderImpl.h"

#include "compiler/codegen/BuildProgram.h"
#include "compiler/codegen/Flops.h"
#include "compiler/driver/Pipeline.h"
#include "compiler/ir/Support.h"

#include "mlir/IR/Diagnostics.h"

#include <cstdio>

using namespace mlir;

namespace fm::driver {

namespace {

/// "1,234,567".
std::string grouped(int64_t number) {
  std::string digits = std::to_string(number), result;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i && (digits.size() - i) % 3 == 0)
      result += ',';
    result += digits[i];
  }
  return result;
}

/// "12.3 MB".
std::string bytesText(int64_t bytes) {
  const char *units[] = {"B", "kB", "MB", "GB", "TB"};
  double value = double(bytes);
  int unit = 0;
  while (value >= 1000 && unit < 4) {
    value /= 1000;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit ? "%.2f %s" : "%.0f %s", value, units[unit]);
  return text;
}

struct Row {
  std::string name, op, output;
  int64_t parameters = 0;
  bool trained = false;
};

/// The layer that an op's first parameter belongs to: "conv2d_1".
std::string layerName(Operation *op) {
  for (mlir::Value operand : op->getOperands())
    if (auto parameter = operand.getDefiningOp<ir::ParameterOp>())
      return parameter.getName().rsplit('.').first.str();
  return "";
}

std::vector<Row> layerRows(ir::ModelOp model) {
  std::vector<Row> rows;
  llvm::DenseSet<Operation *> counted;
  for (Operation &op : model.getBody().front()) {
    if (auto input = dyn_cast<ir::ModelInputOp>(op))
      rows.push_back({input.getName().str(), "input", ir::toString(input.getType()), 0, false});
    if (auto target = dyn_cast<ir::ModelTargetOp>(op))
      rows.push_back({target.getName().str(), "target", ir::toString(target.getType()), 0, false});
    if (!isa<ir::LanguageOpInterface>(op))
      continue;
    Row row{layerName(&op), op.getName().stripDialect().str(), ir::toString(op.getResult(0).getType()), 0, false};
    for (mlir::Value operand : op.getOperands()) {
      auto parameter = operand.getDefiningOp<ir::ParameterOp>();
      if (!parameter || parameter.getState() || !counted.insert(parameter).second)
        continue; // running statistics are state; shared weights count once
      row.parameters += cast<RankedTensorType>(parameter.getType()).getNumElements();
      row.trained |= parameter.getTrained();
    }
    rows.push_back(row);
  }
  return rows;
}

void printLayers(ir::ModelOp model) {
  auto rows = layerRows(model);
  size_t name = 5, op = 2, output = 6;
  for (const Row &row : rows) {
    name = std::max(name, row.name.size());
    op = std::max(op, row.op.size());
    output = std::max(output, row.output.size());
  }
  std::printf("%-*s  %-*s  %-*s  %12s\n", int(name), "layer", int(op), "op", int(output), "result", "parameters");
  int64_t total = 0, frozen = 0;
  for (const Row &row : rows) {
    std::string count = row.parameters ? grouped(row.parameters) + (row.trained ? "" : " *") : "";
    std::printf("%-*s  %-*s  %-*s  %12s\n", int(name), row.name.c_str(), int(op), row.op.c_str(), int(output),
                row.output.c_str(), count.c_str());
    total += row.parameters;
    frozen += row.trained ? 0 : row.parameters;
  }
  std::printf("\n%s parameters", grouped(total).c_str());
  if (frozen)
    std::printf(", %s of them frozen (*)", grouped(frozen).c_str());
  std::printf("; batch %lld\n", (long long)model.getBatch());
}

void printEntries(const codegen::Program &program) {
  std::printf("\n%-16s  %7s  %14s\n", "entry", "kernels", "MFLOP");
  for (const codegen::Entry &entry : program.entries) {
    std::printf("%-16s  %7zu  %14.1f\n", entry.name.c_str(), entry.calls.size(), entry.flops / 1e6);
  }
  int64_t optimizer = 0, parameters = 0, state = 0;
  for (const codegen::PersistentTensor &tensor : program.tensors)
    (tensor.kind == codegen::TensorKind::Parameter   ? parameters
     : tensor.kind == codegen::TensorKind::Optimizer ? optimizer
                                                     : state) += tensor.bytes;
  std::printf("\nmemory: parameters %s, optimizer %s, state %s, derived %s, arena %s; in all %s\n",
              bytesText(parameters).c_str(), bytesText(optimizer).c_str(), bytesText(state).c_str(),
              bytesText(program.derivedBytes).c_str(), bytesText(program.arenaBytes).c_str(),
              bytesText(program.memoryBytes()).c_str());
}

} // namespace

bool show(const CompilerOptions &options, Diagnostics &diagnostics) {
  Compiler compiler(options, diagnostics);
  if (!compiler.read())
    return false;
  ModuleOp module = compiler.recorder().impl().module();
  ir::ModelOp model = *module.getOps<ir::ModelOp>().begin();
  std::printf("model %s\n\n", model.getSymName().str().c_str());
  printLayers(model);
  codegen::Program program;
  if (!compiler.lower() || !compiler.collect(program))
    return false;
  printEntries(program);
  return true;
}

} // namespace fm::driver
