//===- BuildEntries.cpp - Entry functions from a recorded model --------------===//

#include "compiler/ir/Bindings.h"
#include "passes/Passes.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using fm::ir::BindingKind;

namespace fm::passes {
#define GEN_PASS_DEF_FMBUILDENTRIES
#include "passes/Passes.h.inc"

namespace {

/// What a recorded model consists of.
struct ModelParts {
  explicit ModelParts(ir::ModelOp model) : model(model) {
    for (Operation &op : model.getBody().front()) {
      if (auto input = dyn_cast<ir::ModelInputOp>(op))
        inputs.push_back(input);
      else if (auto target = dyn_cast<ir::ModelTargetOp>(op))
        targets.push_back(target);
      else if (auto parameter = dyn_cast<ir::ParameterOp>(op))
        parameters.push_back(parameter);
      else if (auto output = dyn_cast<ir::ModelOutputOp>(op))
        outputs.push_back(output);
      else if (auto metric = dyn_cast<ir::ModelMetricOp>(op))
        metrics.push_back(metric);
      else if (auto lossOp = dyn_cast<ir::ModelLossOp>(op))
        loss = lossOp;
      else if (auto trainOp = dyn_cast<ir::ModelTrainOp>(op))
        train = trainOp;
      else
        body.push_back(&op);
    }
  }
  SmallVector<ir::ParameterOp> trained() {
    SmallVector<ir::ParameterOp> result;
    for (ir::ParameterOp parameter : parameters)
      if (parameter.getTrained())
        result.push_back(parameter);
    return result;
  }

  ir::ModelOp model;
  SmallVector<ir::ModelInputOp> inputs;
  SmallVector<ir::ModelTargetOp> targets;
  SmallVector<ir::ParameterOp> parameters;
  SmallVector<ir::ModelOutputOp> outputs;
  SmallVector<ir::ModelMetricOp> metrics;
  ir::ModelLossOp loss;
  ir::ModelTrainOp train;
  SmallVector<Operation *> body;
};

/// One entry function being built.
class EntryBuilder {
public:
  EntryBuilder(ModelParts &parts, StringRef name, bool training)
      : parts(parts), training(training), builder(parts.model.getContext()) {
    builder.setInsertionPointToEnd(cast<ModuleOp>(parts.model->getParentOp()).getBody());
    function = builder.create<func::FuncOp>(parts.model.getLoc(), name,
                                            builder.getFunctionType({}, {}));
    builder.setInsertionPointToStart(function.addEntryBlock());
    argument(builder.getIndexType(), BindingKind::Samples, "n", parts.model.getLoc());
  }

  Value argument(Type type, BindingKind kind, StringRef name, Location loc) {
    unsigned index = function.getNumArguments();
    auto binding = ir::BindingAttr::get(builder.getContext(), kind, name);
    auto attributes = builder.getDictionaryAttr(builder.getNamedAttr(kBinding, binding));
    function.insertArgument(index, type, attributes, loc);
    return function.getArgument(index);
  }
  Value persistent(Type type, BindingKind kind, StringRef name, Location loc) {
    Value &value = persistents[name];
    if (!value)
      value = argument(type, kind, name, loc);
    return value;
  }
  Value stateScalar(Type element, StringRef name) {
    return persistent(RankedTensorType::get({}, element), BindingKind::State, name,
                      parts.model.getLoc());
  }
  void result(Value value, BindingKind kind, StringRef name) {
    results.push_back(value);
    bindings.push_back(ir::BindingAttr::get(builder.getContext(), kind, name));
  }

  void addInputs() {
    for (ir::ModelInputOp input : parts.inputs)
      mapping.map(input.getValue(), argument(input.getType(), BindingKind::Input,
                                             input.getName(), input.getLoc()));
  }
  void addTargets() {
    for (ir::ModelTargetOp target : parts.targets)
      mapping.map(target.getValue(), argument(target.getType(), BindingKind::Target,
                                              target.getName(), target.getLoc()));
  }
  void addParameters() {
    for (ir::ParameterOp parameter : parts.parameters) {
      Value value = persistent(parameter.getType(),
                               parameter.getState() ? BindingKind::State : BindingKind::Parameter,
                               parameter.getName(), parameter.getLoc());
      mapping.map(parameter.getValue(), value);
      if (parameter.getState())
        stateNames[value] = parameter.getName().str();
    }
  }

  /// Clones the ops that `roots` depend on. Decomposed is what differentiation
  /// has nothing to say about: neither an adjoint nor why there is none.
  void cloneBody(ArrayRef<Value> roots) {
    DenseSet<Value> needed(roots.begin(), roots.end());
    SmallVector<Operation *> body;
    for (Operation *op : llvm::reverse(parts.body))
      if (llvm::any_of(op->getResults(), [&](Value v) { return needed.contains(v); })) {
        body.push_back(op);
        needed.insert(op->operand_begin(), op->operand_end());
      }
    bool random = llvm::any_of(body, [](Operation *op) { return isa<ir::DropoutOp>(op); });
    if (training && random) {
      Type i64 = builder.getI64Type();
      seed = stateScalar(i64, kSeed);
      draws = stateScalar(i64, kDraws);
    }
    for (Operation *op : llvm::reverse(body)) {
      Operation *clone = builder.clone(*op, mapping);
      decompose(clone);
    }
  }

  void finish() {
    builder.setInsertionPointToEnd(&function.getBody().front());
    builder.create<func::ReturnOp>(parts.model.getLoc(), results);
    function.setFunctionType(builder.getFunctionType(
        function.getBody().front().getArgumentTypes(), ValueRange(results).getTypes()));
    for (auto [i, binding] : llvm::enumerate(bindings))
      function.setResultAttr(i, kBinding, binding);
  }

  Value mapped(Value value) { return mapping.lookup(value); }
  void addStateUpdates() {
    for (auto &[name, value] : stateUpdates)
      result(value, BindingKind::State, name);
  }

  /// d loss / d value, for each value.
  ValueRange gradients(Value loss, ValueRange wrt) {
    return builder.create<ir::GradientOp>(parts.loss.getLoc(), wrt.getTypes(), loss, wrt)
        .getGradients();
  }

  /// The updates of all trained parameters, given their gradients.
  void addUpdates(ValueRange gradients) {
    auto name = *RegisteredOperationName::lookup(
        ("fm." + parts.train.getOptimizer()).str(), builder.getContext());
    auto states = name.getInterface<ir::OptimizerOpInterface>()->getStateNames(
        parts.train.getOptions());
    Location loc = parts.train.getLoc();
    auto trained = parts.trained();
    Type element = cast<RankedTensorType>(trained.front().getType()).getElementType();
    Value rate = stateScalar(element, kLearningRate);
    Value done = stateScalar(builder.getI64Type(), kStep);
    Value one = builder.create<ir::ConstantOp>(
        loc, DenseElementsAttr::get(cast<RankedTensorType>(done.getType()), builder.getI64IntegerAttr(1)));
    Value step = builder.create<ir::AddOp>(loc, done, one);
    for (auto [parameter, gradient] : llvm::zip(trained, gradients)) {
      SmallVector<std::string> stateNames;
      SmallVector<Value> operands = {mapped(parameter.getValue()), gradient};
      for (StringRef state : states) {
        stateNames.push_back((parameter.getName() + "/" + state).str());
        operands.push_back(persistent(parameter.getType(), BindingKind::Optimizer,
                                      stateNames.back(), parameter.getLoc()));
      }
      operands.append({rate, step});
      OperationState update(parameter.getLoc(), name.getStringRef());
      update.addOperands(operands);
      update.addAttributes(parts.train.getOptions().getValue());
      update.addTypes(SmallVector<Type>(1 + states.size(), parameter.getType()));
      Operation *op = builder.create(update);
      result(op->getResult(0), BindingKind::Parameter, parameter.getName());
      for (auto [i, stateName] : llvm::enumerate(stateNames))
        result(op->getResult(1 + i), BindingKind::Optimizer, stateName);
    }
  }

private:
  void decompose(Operation *op) {
    auto composite = dyn_cast<ir::DecomposableOpInterface>(op);
    if (!composite || isa<ir::AdjointOpInterface, ir::NonDifferentiableOpInterface>(op))
      return;
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(op);
    ir::DecomposeContext context{
        builder, training, seed, draws,
        [&](Value state, Value updated) { assign(state, updated); },
        [&] { return streams++; }};
    auto values = composite.decompose(context);
    op->replaceAllUsesWith(values);
    for (auto [from, to] : llvm::zip(op->getResults(), values))
      remap(from, to);
    op->erase();
  }

  /// Who comes later finds the new value: a shared layer updates its state at
  /// each use.
  void assign(Value state, Value updated) {
    std::string name = stateNames.lookup(state);
    stateNames[updated] = name;
    stateUpdates[name] = updated;
    remap(state, updated);
  }

  void remap(Value from, Value to) {
    for (auto &entry : llvm::make_early_inc_range(mapping.getValueMap()))
      if (entry.second == from)
        mapping.map(entry.first, to);
  }

  ModelParts &parts;
  bool training;
  OpBuilder builder;
  func::FuncOp function;
  IRMapping mapping;
  llvm::StringMap<Value> persistents;
  DenseMap<Value, std::string> stateNames;
  std::map<std::string, Value> stateUpdates;
  SmallVector<Value> results;
  SmallVector<ir::BindingAttr> bindings;
  Value seed, draws;
  int64_t streams = 0;
};

void buildForward(ModelParts &parts) {
  EntryBuilder entry(parts, "forward", /*training=*/false);
  entry.addInputs();
  entry.addParameters();
  SmallVector<Value> roots;
  for (ir::ModelOutputOp output : parts.outputs)
    roots.push_back(output.getValue());
  entry.cloneBody(roots);
  for (ir::ModelOutputOp output : parts.outputs)
    entry.result(entry.mapped(output.getValue()), BindingKind::Output, output.getName());
  entry.finish();
}

void buildEvaluate(ModelParts &parts) {
  EntryBuilder entry(parts, "evaluate", /*training=*/false);
  entry.addInputs();
  entry.addTargets();
  entry.addParameters();
  SmallVector<Value> roots = {parts.loss.getValue()};
  for (ir::ModelMetricOp metric : parts.metrics)
    roots.push_back(metric.getValue());
  entry.cloneBody(roots);
  entry.result(entry.mapped(parts.loss.getValue()), BindingKind::Loss, "loss");
  for (ir::ModelMetricOp metric : parts.metrics)
    entry.result(entry.mapped(metric.getValue()), BindingKind::Metric, metric.getName());
  entry.finish();
}

/// train_step updates; gradients yields.
void buildTraining(ModelParts &parts, bool update) {
  EntryBuilder entry(parts, update ? "train_step" : "gradients", /*training=*/true);
  entry.addInputs();
  entry.addTargets();
  entry.addParameters();
  entry.cloneBody(parts.loss.getValue());
  Value loss = entry.mapped(parts.loss.getValue());
  entry.result(loss, BindingKind::Loss, "loss");
  auto trained = parts.trained();
  SmallVector<Value> wrt;
  for (ir::ParameterOp parameter : trained)
    wrt.push_back(entry.mapped(parameter.getValue()));
  if (update) {
    if (!wrt.empty())
      entry.addUpdates(entry.gradients(loss, wrt));
  } else {
    SmallVector<ir::ModelInputOp> inputs;
    for (ir::ModelInputOp input : parts.inputs)
      if (input.getWithGradient()) {
        inputs.push_back(input);
        wrt.push_back(entry.mapped(input.getValue()));
      }
    ValueRange gradients = entry.gradients(loss, wrt);
    for (auto [i, input] : llvm::enumerate(inputs))
      entry.result(gradients[trained.size() + i], BindingKind::Gradient, input.getName());
    for (auto [i, parameter] : llvm::enumerate(trained))
      entry.result(gradients[i], BindingKind::Gradient, parameter.getName());
  }
  entry.addStateUpdates();
  entry.finish();
}

void buildApplyGradients(ModelParts &parts) {
  EntryBuilder entry(parts, "apply_gradients", /*training=*/true);
  auto trained = parts.trained();
  SmallVector<Value> gradients;
  for (ir::ParameterOp parameter : trained)
    gradients.push_back(entry.argument(parameter.getType(), BindingKind::Gradient,
                                       parameter.getName(), parameter.getLoc()));
  entry.addParameters();
  entry.addUpdates(gradients);
  entry.finish();
}

struct BuildEntries : impl::FmBuildEntriesBase<BuildEntries> {
  void runOnOperation() override {
    for (auto model : getOperation().getOps<ir::ModelOp>()) {
      ModelParts parts(model);
      if (!parts.outputs.empty())
        buildForward(parts);
      if (!parts.loss)
        continue;
      buildEvaluate(parts);
      buildTraining(parts, /*update=*/false);
      if (parts.train && !parts.trained().empty()) {
        buildTraining(parts, /*update=*/true);
        buildApplyGradients(parts);
      }
    }
  }
};

} // namespace
} // namespace fm::passes
