//===- WriteFm.cpp - A recorded model as `.fm` text -----------------------===//
//
// One statement a value, chains of ops with one user each as pipes. Variables
// are called after their layer or their op, outputs by their own names.
//
//===----------------------------------------------------------------------===//

#include "frontend/recorder/WriteFm.h"

#include "compiler/ir/Support.h"
#include "frontend/recorder/Arguments.h"
#include "frontend/recorder/Recorder.h"
#include "frontend/recorder/WriteValues.h"

#include "llvm/ADT/StringSet.h"

#include <map>

using namespace mlir;

namespace fm {

namespace {

class Writer {
public:
  explicit Writer(ir::ModelOp model) : model(model) {}
  std::optional<std::string> run();

private:
  void reserveNames();
  LogicalResult statement(Operation *op);
  LogicalResult value(Operation *op);
  LogicalResult result(Operation *op, StringRef keyword, StringRef name,
                       mlir::Value value);
  void train(ir::ModelTrainOp op);
  void trainOnly();
  std::string call(Operation *op, const OpSignature &signature, bool piped);
  std::string operand(mlir::Value value);
  std::string optionals(const OpSignature &signature, DictionaryAttr attributes,
                        bool positional);
  std::string layerName(Operation *op);
  std::string variable(mlir::Value value, Operation *first);
  std::string unique(const std::string &name);
  Operation *onlyUser(Operation *op);
  void line(int group, const std::string &text);

  ir::ModelOp model;
  std::string text;
  int lastGroup = 0;
  llvm::StringSet<> taken;
  llvm::DenseMap<mlir::Value, std::string> variables;
  /// `a |> b |> c`, as far as it has been written.
  struct Chain {
    std::vector<std::string> stages;
    Operation *first = nullptr;
  };
  llvm::DenseMap<mlir::Value, Chain> chains;
  std::map<std::string, int> variableCounts, layerCounts, layerUses;
  llvm::StringSet<> layersSeen;
};

/// Takes any number of tensors.
bool isVariadic(const OpSignature &signature) {
  return llvm::any_of(signature.parameters, [](const auto &parameter) {
    return parameter.isVariadic();
  });
}

/// The operator that the language has for an op.
const char *operatorOf(StringRef op) {
  static const std::pair<StringRef, const char *> table[] = {
      {"add", " + "}, {"sub", " - "},  {"mul", " * "},
      {"div", " / "}, {"pow", " ** "}, {"neg", "-"}};
  for (const auto &[name, spelling] : table)
    if (name == op)
      return spelling;
  return nullptr;
}

/// The path of a layer: its parameters' without their own names.
std::string pathOf(Operation *op) {
  for (mlir::Value operand : op->getOperands())
    if (auto parameter = operand.getDefiningOp<ir::ParameterOp>())
      return parameter.getName().rsplit('.').first.str();
  return "";
}

std::string Writer::unique(const std::string &name) {
  std::string made = name;
  for (int i = 2; !taken.insert(made).second; ++i)
    made = name + "_" + std::to_string(i);
  return made;
}

/// Names of the interface stay as they are, and what means something at the
/// beginning of a statement is no variable.
void Writer::reserveNames() {
  for (const char *word :
       {"input", "target", "output", "loss", "metric", "train", "repeat",
        "return", "true", "false", "batch", "_"})
    taken.insert(word);
  for (Operation &op : *model.getBody().begin()) {
    if (auto name = op.getAttrOfType<StringAttr>("name");
        name && !isa<ir::ParameterOp>(op))
      taken.insert(name.getValue());
    if (isa<ir::LayerOpInterface>(op))
      ++layerUses[pathOf(&op)];
  }
}

void Writer::line(int group, const std::string &statement) {
  if (lastGroup && group != lastGroup)
    text += "\n";
  lastGroup = group;
  text += "  " + statement + "\n";
}

/// The name to give to a layer; "" if it would have that name anyway.
std::string Writer::layerName(Operation *op) {
  std::string path = pathOf(op);
  if (layerUses[path] > 1)
    return path;
  std::string base = op->getName().stripDialect().str(), automatic;
  int count = layerCounts[base];
  do
    automatic = base + "_" + std::to_string(++count);
  while (layersSeen.contains(automatic));
  if (automatic != path)
    return path;
  layerCounts[base] = count;
  return "";
}

/// A name for the value of a chain: an output's own, else that of the layer
/// that the chain begins with, else the last op's.
std::string Writer::variable(mlir::Value value, Operation *first) {
  for (Operation *user : value.getUsers())
    if (auto output = dyn_cast<ir::ModelOutputOp>(user))
      return output.getName().str();
  std::string name;
  if (isa<ir::LayerOpInterface>(first)) {
    name = pathOf(first);
    std::replace(name.begin(), name.end(), '.', '_');
    if (llvm::isDigit(name[0]))
      name = "_" + name;
  } else {
    std::string base = value.getDefiningOp()->getName().stripDialect().str();
    name = base + "_" + std::to_string(++variableCounts[base]);
  }
  return unique((value.use_empty() ? "_" : "") + name);
}

std::string Writer::operand(mlir::Value value) {
  if (auto constant = value.getDefiningOp<ir::ConstantOp>())
    return numberText(cast<DenseElementsAttr>(constant.getValue())
                          .getSplatValue<Attribute>());
  return variables.lookup(value);
}

/// `, kernel = 3`: the arguments that are no tensors. The first one that is
/// required needs no name.
std::string Writer::optionals(const OpSignature &signature,
                              DictionaryAttr attributes, bool positional) {
  std::string result;
  for (const auto &parameter : signature.parameters) {
    if (parameter.isTensor())
      continue;
    Attribute value = attributes.get(parameter.name), standard;
    if (!parameter.required) {
      std::string ignored;
      standard = attributes.get(parameter.defaultValue);
      if (!standard)
        standard =
            convertArgument(model.getContext(), parameter.type,
                            parseDefault(parameter.defaultValue), ignored);
    }
    if (value == standard)
      continue;
    result += ", " +
              (positional && parameter.required ? "" : parameter.name + " = ") +
              attributeText(parameter.type, value);
    positional = false;
  }
  return result;
}

/// The op as an expression; `piped`: its first tensor comes through a pipe.
std::string Writer::call(Operation *op, const OpSignature &signature,
                         bool piped) {
  if (const char *spelling = operatorOf(signature.name)) {
    auto atom = [&](unsigned i) {
      std::string text = operand(op->getOperand(i));
      return text[0] == '-' ? "(" + text + ")" : text;
    };
    return op->getNumOperands() == 1 ? spelling + atom(0)
                                     : atom(0) + spelling + atom(1);
  }
  std::string arguments;
  for (mlir::Value input : op->getOperands().drop_front(piped))
    if (!input.getDefiningOp<ir::ParameterOp>())
      arguments += ", " + operand(input);
  arguments +=
      optionals(signature, op->getAttrDictionary(), !isVariadic(signature));
  if (isa<ir::LayerOpInterface>(op)) {
    std::string name = layerName(op);
    layersSeen.insert(pathOf(op));
    if (!name.empty())
      arguments += ", name = " + stringText(name);
  }
  if (arguments.empty())
    return signature.name + (piped ? "" : "()");
  return signature.name + "(" + arguments.substr(2) + ")";
}

/// The one op that uses the result, if it stands right behind.
Operation *Writer::onlyUser(Operation *op) {
  if (!op->getResult(0).hasOneUse())
    return nullptr;
  Operation *next = op->getNextNode();
  while (isa_and_present<ir::ParameterOp, ir::ConstantOp>(next))
    next = next->getNextNode();
  return *op->getResult(0).user_begin() == next ? next : nullptr;
}

/// `a |> b |> c`, on lines of their own if it is long.
std::string join(const std::vector<std::string> &chain) {
  constexpr size_t width = 100;
  size_t length = 0;
  for (const std::string &stage : chain)
    length += stage.size() + 4;
  return llvm::join(chain, length > width ? "\n    |> " : " |> ");
}

LogicalResult Writer::value(Operation *op) {
  const OpSignature *signature =
      Recorder::findSignature(op->getName().stripDialect());
  if (!signature || op->getNumResults() != 1)
    return op->emitError() << "'" << op->getName()
                           << "' is no op of the language";
  for (mlir::Value input : op->getOperands()) {
    auto constant = input.getDefiningOp<ir::ConstantOp>();
    if (constant && cast<RankedTensorType>(constant.getType()).getRank() != 0)
      return constant.emitError()
             << "the language has no constants but numbers";
  }
  Chain chain{{}, op};
  auto before =
      chains.find(op->getNumOperands() ? op->getOperand(0) : mlir::Value());
  bool piped = before != chains.end();
  if (piped)
    chain = std::move(before->second);
  chain.stages.push_back(call(op, *signature, piped));

  // A layer or an operator begins a statement; what follows it goes on.
  Operation *next = onlyUser(op);
  bool isResult =
      isa_and_present<ir::ModelOutputOp, ir::ModelLossOp, ir::ModelMetricOp>(
          next);
  const OpSignature *nextSignature =
      next ? Recorder::findSignature(next->getName().stripDialect()) : nullptr;
  bool goesOn = nextSignature && next->getOperand(0) == op->getResult(0) &&
                !isa<ir::LayerOpInterface>(next) &&
                !isVariadic(*nextSignature) && !operatorOf(nextSignature->name);
  if (isResult || goesOn) {
    chains[op->getResult(0)] = std::move(chain);
    return success();
  }
  std::string name = variable(op->getResult(0), chain.first);
  variables[op->getResult(0)] = name;
  line(2, name + " = " + join(chain.stages));
  return success();
}

LogicalResult Writer::result(Operation *op, StringRef keyword, StringRef name,
                             mlir::Value value) {
  auto chain = chains.find(value);
  std::string expression =
      chain != chains.end() ? join(chain->second.stages) : operand(value);
  if (expression.empty())
    return op->emitError() << "the value comes from outside of the language";
  // What the statement is called without a name: loss, or the metric's op.
  std::string standard = expression;
  if (keyword == "loss")
    standard = "loss";
  else if (chain != chains.end())
    standard = StringRef(chain->second.stages.back()).split('(').first.str();
  if (keyword == "output" && expression == name)
    line(3, "output " + expression);
  else if (keyword != "output" && standard == name)
    line(3, (keyword + " " + expression).str());
  else
    line(3, (keyword + " " + name + " = " + expression).str());
  return success();
}

void Writer::train(ir::ModelTrainOp op) {
  const OpSignature *signature = Recorder::findSignature(op.getOptimizer());
  std::string arguments =
      signature ? optionals(*signature, op.getOptions(), false) : "";
  line(3, "train " + op.getOptimizer().str() +
              (arguments.empty() ? "" : "(" + arguments.substr(2) + ")"));
}

/// Patterns as they were given; else whole layers, or parameter by parameter.
void Writer::trainOnly() {
  std::vector<std::string> patterns;
  for (auto train : model.getBody().getOps<ir::ModelTrainOp>())
    if (auto only = train.getOnly())
      for (Attribute pattern : *only)
        patterns.push_back(cast<StringAttr>(pattern).str());
  if (patterns.empty()) {
    std::map<std::string, std::pair<int, int>> trained; // of how many, a layer
    int frozen = 0;
    for (auto parameter : model.getBody().getOps<ir::ParameterOp>()) {
      auto &[count, all] = trained[parameter.getName().rsplit('.').first.str()];
      count += parameter.getTrained();
      all += !parameter.getState();
      frozen += !parameter.getState() && !parameter.getTrained();
    }
    if (!frozen)
      return;
    llvm::StringSet<> done;
    for (auto parameter : model.getBody().getOps<ir::ParameterOp>()) {
      auto layer = parameter.getName().rsplit('.').first;
      auto [count, all] = trained[layer.str()];
      if (!parameter.getTrained())
        continue;
      std::string pattern =
          count == all ? (layer + ".*").str() : parameter.getName().str();
      if (done.insert(pattern).second)
        patterns.push_back(pattern);
    }
  }
  if (patterns.empty())
    return;
  std::string list;
  for (const std::string &pattern : patterns) {
    SmallVector<StringRef> parts;
    StringRef(pattern).split(parts, '.');
    bool isPlain = llvm::all_of(parts, [](StringRef part) {
      return part == "*" || part == "**" ||
             (!part.empty() && !llvm::isDigit(part[0]) &&
              llvm::all_of(
                  part, [](char c) { return llvm::isAlnum(c) || c == '_'; }));
    });
    list +=
        (list.empty() ? "" : ", ") + (isPlain ? pattern : stringText(pattern));
  }
  line(3, "train only " + list);
}

LogicalResult Writer::statement(Operation *op) {
  if (isa<ir::ParameterOp, ir::ConstantOp>(op))
    return success(); // come with the ops that use them
  if (auto input = dyn_cast<ir::ModelInputOp>(op)) {
    variables[input.getValue()] = input.getName().str();
    line(1, "input " + input.getName().str() + " : " +
                ir::toString(input.getType()) +
                (input.getWithGradient() ? " with gradient" : ""));
    return success();
  }
  if (auto target = dyn_cast<ir::ModelTargetOp>(op)) {
    variables[target.getValue()] = target.getName().str();
    line(1, "target " + target.getName().str() + " : " +
                ir::toString(target.getType()));
    return success();
  }
  if (auto output = dyn_cast<ir::ModelOutputOp>(op))
    return result(op, "output", output.getName(), output.getValue());
  if (auto loss = dyn_cast<ir::ModelLossOp>(op))
    return result(op, "loss", loss.getName(), loss.getValue());
  if (auto metric = dyn_cast<ir::ModelMetricOp>(op))
    return result(op, "metric", metric.getName(), metric.getValue());
  if (auto trained = dyn_cast<ir::ModelTrainOp>(op)) {
    train(trained);
    return success();
  }
  return value(op);
}

std::optional<std::string> Writer::run() {
  reserveNames();
  bool hasSamples = model.getBatch() != 1;
  for (Operation &op : *model.getBody().begin())
    for (Type type : op.getResultTypes())
      hasSamples |= !cast<RankedTensorType>(type).hasStaticShape();
  text =
      "model " + model.getSymName().str() +
      (hasSamples ? "(batch = " + std::to_string(model.getBatch()) + ")" : "") +
      " {\n";
  for (Operation &op : *model.getBody().begin())
    if (failed(statement(&op)))
      return std::nullopt;
  trainOnly();
  return text + "}\n";
}

} // namespace

std::optional<std::string> writeFm(ir::ModelOp model) {
  return Writer(model).run();
}

} // namespace fm
