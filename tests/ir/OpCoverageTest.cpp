//===- OpCoverageTest.cpp - Nothing is missing from any op
//-----------------------===//
//
// Walks all ops of the dialect and names what one of them lacks: its result
// type, its gradient or why there is none, its lowering, its documentation, a
// signature that agrees with its record, and tests.
//
// An op of the language is tested where its numbers are compared with PyTorch's
// (tests/goldens/ops.json, run by tests/e2e), and where it goes through the
// whole compiler (tests/ir/every-op.fm). A new op needs both; there is no list
// of exceptions but the one at `withoutGolden`.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Dialect.h"
#include "frontend/recorder/Arguments.h"
#include "frontend/recorder/Recorder.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Regex.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <map>

using namespace mlir;
using namespace fm;

namespace {

std::string readText(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    ADD_FAILURE() << "cannot read " << path;
  return buffer ? (*buffer)->getBuffer().str() : "";
}

/// What mlir-tblgen writes about an op: the only place where the names of
/// operands and the summaries of internal ops are found outside the records.
struct Record {
  std::string summary;
  std::vector<std::string> operands, results;
};

std::map<std::string, Record> readRecords() {
  std::map<std::string, Record> records;
  std::string text = readText(FMC_OP_DOC);
  SmallVector<StringRef> lines;
  StringRef(text).split(lines, '\n');
  Record *record = nullptr;
  std::vector<std::string> *names = nullptr;
  for (StringRef line : lines) {
    if (line.consume_front("### `fm.")) {
      record = &records[line.split('`').first.str()];
      names = nullptr;
    } else if (record && record->summary.empty() && line.starts_with("_")) {
      record->summary = line.drop_front().drop_back().str();
    } else if (line.starts_with("#### ")) {
      names = line == "#### Operands:"  ? &record->operands
              : line == "#### Results:" ? &record->results
                                        : nullptr;
    } else if (names && line.consume_front("| `")) {
      names->push_back(line.split('`').first.str());
    }
  }
  return records;
}

/// Parts of a model and of a kernelised function: they compute nothing.
bool isStructure(StringRef op) {
  static const llvm::StringSet<> structure = {
      "model",  "input", "target", "parameter", "output", "loss",
      "metric", "train", "kernel", "gradient",  "yield"};
  return structure.contains(op);
}

/// Ops whose builder is told the result's type: it does not follow from the
/// operands.
bool hasExplicitType(StringRef op) {
  static const llvm::StringSet<> explicitly = {"broadcast", "random_mask",
                                               "samples", "sgd", "adam"};
  // How tiles lie in memory is the pass's choice.
  return explicitly.contains(op) || op.starts_with("winograd_");
}

/// Ops that the goldens do not cover: PyTorch has no such op, or the numbers
/// are random.
bool withoutGolden(StringRef op) {
  static const llvm::StringSet<> without = {"dropout", "rsqrt", "erf"};
  return without.contains(op);
}

/// The goldens' names are PyTorch's.
std::string goldenName(StringRef op) {
  static const std::map<std::string, std::string> names = {
      {"sum", "reduce_sum"}, {"mean", "reduce_mean"},
      {"max", "reduce_max"}, {"maximum", "max"},
      {"minimum", "min"},    {"mean_error", "mean_absolute_error"}};
  auto it = names.find(op.str());
  return it == names.end() ? op.str() : it->second;
}

/// Without the initializers, which are called like ops but are none.
std::vector<OpSignature> languageOps() {
  auto all = Recorder::signatures();
  llvm::erase_if(
      all, [](const OpSignature &op) { return op.category == "initializer"; });
  return all;
}

class OpCoverage : public testing::Test {
protected:
  OpCoverage() : context(MLIRContext::Threading::DISABLED) {
    context.loadDialect<ir::FmDialect>();
    for (RegisteredOperationName name : context.getRegisteredOperations())
      if (name.getDialectNamespace() == "fm")
        ops.push_back(name);
    EXPECT_GT(ops.size(), 70u);
  }

  void missing(RegisteredOperationName op, const std::string &what) {
    ADD_FAILURE() << op.getStringRef().str() << " lacks " << what;
  }

  MLIRContext context;
  std::vector<RegisteredOperationName> ops;
};

TEST_F(OpCoverage, ResultType) {
  for (auto op : ops)
    if (!isStructure(op.stripDialect()) &&
        !hasExplicitType(op.stripDialect()) &&
        !op.hasInterface<InferTypeOpInterface>())
      missing(op, "type inference");
}

TEST_F(OpCoverage, LoweringOrDecomposition) {
  for (auto op : ops) {
    bool lowered = op.hasInterface<ir::LoweringOpInterface>();
    bool decomposed = op.hasInterface<ir::DecomposableOpInterface>();
    if (isStructure(op.stripDialect()))
      EXPECT_FALSE(lowered || decomposed)
          << op.getStringRef().str() << " computes something";
    else if (!lowered && !decomposed)
      missing(op, "a lowering or a decomposition");
    else
      EXPECT_FALSE(lowered && decomposed)
          << op.getStringRef().str() << " has two lowerings";
    if (op.hasInterface<ir::PointwiseOpInterface>() && !lowered)
      missing(op, "the lowering of its scalar computation");
  }
}

TEST_F(OpCoverage, GradientOrReason) {
  for (auto op : ops) {
    if (isStructure(op.stripDialect()))
      continue;
    bool adjoint = op.hasInterface<ir::AdjointOpInterface>();
    auto *none = op.getInterface<ir::NonDifferentiableOpInterface>();
    // A layer is decomposed before it is differentiated: its parts have
    // gradients.
    bool byParts = op.hasInterface<ir::DecomposableOpInterface>();
    if (!adjoint && !none && !byParts)
      missing(op, "a gradient, or a reason why there is none");
    if (none && none->getNonDifferentiableReason().empty())
      missing(op, "the reason why there is no gradient");
    EXPECT_FALSE(adjoint && none)
        << op.getStringRef().str() << " has a gradient and a reason";
  }
}

TEST_F(OpCoverage, Summary) {
  auto records = readRecords();
  for (auto op : ops) {
    if (records[op.stripDialect().str()].summary.empty())
      missing(op, "a summary");
    auto *language = op.getInterface<ir::LanguageOpInterface>();
    if (language && language->getLanguageCategory().empty())
      missing(op, "a category");
  }
}

TEST_F(OpCoverage, LanguageOpsHaveOneTensorResult) {
  auto records = readRecords();
  for (auto op : ops)
    if (op.hasInterface<ir::LanguageOpInterface>() &&
        !op.hasInterface<ir::OptimizerOpInterface>())
      EXPECT_EQ(records[op.stripDialect().str()].results.size(), 1u)
          << op.getStringRef().str();
}

TEST_F(OpCoverage, SignatureAgreesWithTheRecord) {
  auto records = readRecords();
  for (const OpSignature &signature : languageOps()) {
    SCOPED_TRACE(signature.name);
    auto op =
        *RegisteredOperationName::lookup("fm." + signature.name, &context);
    std::vector<std::string> tensors, attributes, inRecord;
    for (const auto &parameter : signature.parameters)
      (StringRef(parameter.type).starts_with("tensor") ? tensors : attributes)
          .push_back(parameter.name);
    for (StringAttr attribute : op.getAttributeNames())
      inRecord.push_back(attribute.str());
    std::sort(attributes.begin(), attributes.end());
    std::sort(inRecord.begin(), inRecord.end());
    EXPECT_EQ(attributes, inRecord) << "attributes";
    // What the recorder adds: a layer's parameters. An optimizer's operands are
    // no arguments.
    auto operands = records[signature.name].operands;
    if (op.hasInterface<ir::LayerOpInterface>()) {
      ASSERT_FALSE(operands.empty());
      EXPECT_EQ(operands.back(), "parameters");
      operands.pop_back();
    }
    if (op.hasInterface<ir::OptimizerOpInterface>())
      operands.clear();
    EXPECT_EQ(tensors, operands) << "operands";
  }
}

TEST_F(OpCoverage, DefaultsConvert) {
  for (const OpSignature &signature : languageOps()) {
    std::vector<std::string> before;
    for (const auto &parameter : signature.parameters) {
      // "stride = size" takes the value of an argument before it.
      bool other =
          std::count(before.begin(), before.end(), parameter.defaultValue);
      if (!parameter.required && !other) {
        std::string message;
        Attribute attribute =
            convertArgument(&context, parameter.type,
                            parseDefault(parameter.defaultValue), message);
        EXPECT_TRUE(attribute)
            << signature.name << ": " << parameter.name << ": " << message;
      }
      before.push_back(parameter.name);
    }
  }
}

TEST_F(OpCoverage, TestedInAModel) {
  std::string model = readText("tests/ir/every-op.fm");
  for (const OpSignature &signature : languageOps())
    if (!llvm::Regex("(^|[^a-z_0-9])" + signature.name + "\\(").match(model))
      ADD_FAILURE() << signature.name
                    << " is missing from tests/ir/every-op.fm";
}

TEST_F(OpCoverage, TestedAgainstGoldens) {
  std::string goldens = readText("tests/goldens/ops.json");
  for (const OpSignature &signature : languageOps()) {
    bool found = llvm::Regex("\"op\": *\"" + goldenName(signature.name) + "\"")
                     .match(goldens);
    if (withoutGolden(signature.name))
      EXPECT_FALSE(found) << signature.name
                          << " has a golden: take it off the list";
    else
      EXPECT_TRUE(found) << signature.name
                         << " is missing from tests/goldens/ops.json";
  }
}

} // namespace
