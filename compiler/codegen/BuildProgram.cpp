//===- BuildProgram.cpp - From the planned IR to a Program ----------------------===//

#include "compiler/codegen/BuildProgram.h"

#include "compiler/codegen/ProgramCalls.h"
#include "compiler/codegen/SeparateParts.h"
#include "compiler/ir/Bindings.h"
#include "compiler/ir/Chains.h"
#include "compiler/ir/Derived.h"
#include "compiler/ir/Parts.h"
#include "compiler/ir/Layouts.h"
#include "compiler/ir/Views.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <map>
#include <numeric>
#include <set>

using namespace mlir;
using fm::ir::BindingKind;

namespace fm::codegen {

namespace {

int64_t roundUp(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

class ProgramBuilder {
public:
  ProgramBuilder(ModuleOp module, std::vector<ir::KernelOp> *kernelOps, const MachineModel *machine, unsigned jobs)
      : module(module), kernelOps(kernelOps), machine(machine), jobs(jobs) {}

  FailureOr<Program> run() {
    ir::ModelOp model = *module.getOps<ir::ModelOp>().begin();
    program.name = model.getSymName().str();
    program.batch = model.getBatch();
    if (auto loc = dyn_cast<FileLineColLoc>(model.getLoc()))
      program.source = loc.getFilename().str();
    collectTensors(model);
    placeTensors();
    for (auto function : module.getOps<func::FuncOp>())
      if (failed(addEntry(function)))
        return failure();
    for (unsigned op : addCalls(program, std::move(calls), writers, machine, jobs))
      if (kernelOps)
        kernelOps->push_back(ops[op]);
    return std::move(program);
  }

private:
  //===--------------------------------------------------------------------===//
  // Persistent tensors
  //===--------------------------------------------------------------------===//

  PersistentTensor tensorOf(StringRef name, RankedTensorType type, TensorKind kind) {
    PersistentTensor tensor;
    tensor.name = name.str();
    tensor.type = scalarTypeOf(type.getElementType());
    tensor.kind = kind;
    tensor.shape = type.getShape();
    int64_t pitch = pitches.lookup(name);
    tensor.dims = rowMajor(extentsOf(type, program.batch));
    tensor.bytes = type.getNumElements() * sizeOf(tensor.type);
    if (pitch) {
      tensor.dims = rowMajor(extentsOf(type, program.batch), {{1, pitch}});
      tensor.bytes = tensor.bytes / type.getShape().back() * pitch;
    }
    if (int64_t width = panels.lookup(name)) {
      tensor.dims = inPanels(extentsOf(type, program.batch), width, sizeOf(tensor.type));
      tensor.bytes = tensor.dims[0].stride * tensor.dims[0].extent.size * sizeOf(tensor.type);
    }
    return tensor;
  }

  void collectTensors(ir::ModelOp model) {
    for (auto function : module.getOps<func::FuncOp>())
      for (BlockArgument argument : function.getArguments()) {
        for (Rows rows : rowsOf(argument))
          pitches[argumentBinding(function, argument.getArgNumber()).getName()] = rows.pitch;
        if (int64_t width = panelOf(argument))
          panels[argumentBinding(function, argument.getArgNumber()).getName()] = width;
      }
    model.walk([&](ir::ParameterOp op) {
      auto tensor = tensorOf(op.getName(), cast<RankedTensorType>(op.getType()),
                             op.getState() ? TensorKind::State : TensorKind::Parameter);
      tensor.trained = op.getTrained();
      tensor.initializer = int(op.getInit().getKind());
      tensor.initA = op.getInit().getA().getValueAsDouble();
      tensor.initB = op.getInit().getB().getValueAsDouble();
      tensor.fanIn = op.getFanIn();
      tensor.fanOut = op.getFanOut();
      program.tensors.push_back(std::move(tensor));
    });
    // Optimizer state and scalars are known from the entries.
    std::set<std::string> known;
    for (const auto &tensor : program.tensors)
      known.insert(tensor.name);
    double rate = 0;
    model.walk([&](ir::ModelTrainOp train) {
      if (auto lr = train.getOptions().getAs<FloatAttr>("lr"))
        rate = lr.getValueAsDouble();
    });
    for (auto function : module.getOps<func::FuncOp>())
      for (BlockArgument argument : function.getArguments()) {
        auto binding = argumentBinding(function, argument.getArgNumber());
        if (!isPersistent(binding.getKind()) || !known.insert(binding.getName().str()).second)
          continue;
        auto tensor = tensorOf(binding.getName(), cast<RankedTensorType>(argument.getType()),
                               binding.getKind() == BindingKind::Optimizer ? TensorKind::Optimizer
                                                                           : TensorKind::State);
        if (binding.getName() == kLearningRate)
          tensor.initA = rate;
        program.tensors.push_back(std::move(tensor));
      }
  }

  /// Trained parameters first, then frozen ones, optimizer state, state.
  void placeTensors() {
    auto section = [](const PersistentTensor &tensor) {
      return tensor.kind == TensorKind::Parameter ? (tensor.trained ? 0 : 1) : 1 + int(tensor.kind);
    };
    std::stable_sort(program.tensors.begin(), program.tensors.end(),
                     [&](const auto &a, const auto &b) { return section(a) < section(b); });
    int64_t offset = 0;
    // FNV-1a over names, dtypes and shapes of what a checkpoint must agree on.
    uint64_t hash = 0xcbf29ce484222325;
    auto mix = [&](const void *data, size_t size) {
      for (size_t i = 0; i < size; ++i)
        hash = (hash ^ static_cast<const unsigned char *>(data)[i]) * 0x100000001b3;
    };
    for (auto [i, tensor] : llvm::enumerate(program.tensors)) {
      tensor.offset = offset;
      offset = roundUp(offset + tensor.bytes, 64);
      if (section(tensor) == 0)
        program.parameterBytes = offset;
      number[tensor.name] = int(i);
      if (tensor.name == kLearningRate)
        program.learningRate = int(i);
      if (tensor.name == kStep)
        program.step = int(i);
      if (tensor.name == kSeed)
        program.seed = int(i);
      if (tensor.name == kDraws)
        program.draws = int(i);
      if (tensor.kind == TensorKind::Optimizer)
        continue;
      mix(tensor.name.data(), tensor.name.size() + 1);
      int64_t type = int64_t(tensor.type);
      mix(&type, sizeof type);
      mix(tensor.shape.data(), tensor.shape.size() * sizeof(int64_t));
    }
    program.persistentBytes = offset;
    program.fingerprint = hash;
  }

  //===--------------------------------------------------------------------===//
  // Entries
  //===--------------------------------------------------------------------===//

  LogicalResult addEntry(func::FuncOp function) {
    Entry entry;
    entry.name = function.getName().str();
    entry.takesSamples = entry.name != "apply_gradients";
    entry.advancesStep = entry.name == "train_step" || entry.name == "apply_gradients";
    entry.advancesDraws = entry.name == "train_step" || entry.name == "gradients";
    places.clear();
    if (auto bytes = function->getAttrOfType<IntegerAttr>("fm.arena_bytes"))
      program.arenaBytes = std::max(program.arenaBytes, bytes.getInt());
    if (auto flops = function->getAttrOfType<FloatAttr>(kFlops))
      entry.flops = flops.getValueAsDouble();
    addArguments(function, entry);
    for (Operation &op : function.getBody().front()) {
      if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
        places[constant] = constantPlace(constant);
      } else if (isView(&op)) {
        places[op.getResult(0)] = places.lookup(op.getOperand(0));
      } else if (auto kernel = dyn_cast<ir::KernelOp>(op)) {
        if (failed(translateCall(kernel, entry)))
          return failure();
      }
    }
    program.entries.push_back(std::move(entry));
    return success();
  }

  /// The prototype's arguments, and the places of the function's own arguments
  /// and results.
  void addArguments(func::FuncOp function, Entry &entry) {
    bool hasGradients = false;
    auto addArgument = [&](ir::BindingAttr binding, RankedTensorType type, EntryArgument::Role role,
                           std::string name) {
      EntryArgument argument;
      argument.name = std::move(name);
      argument.role = role;
      argument.type = scalarTypeOf(type.getElementType());
      argument.shape = extentsOf(type, program.batch);
      argument.isOutput = role != EntryArgument::Role::Input && role != EntryArgument::Role::Target;
      entry.arguments.push_back(std::move(argument));
      return TensorPlace{TensorPlace::Space::Argument, unsigned(entry.arguments.size()) - 1, 0};
    };
    for (BlockArgument value : function.getArguments().drop_front()) {
      auto binding = argumentBinding(function, value.getArgNumber());
      auto type = cast<RankedTensorType>(value.getType());
      if (isPersistent(binding.getKind())) {
        places[value] = {TensorPlace::Space::Persistent, 0, program.tensors[number[binding.getName().str()]].offset};
      } else if (binding.getKind() == BindingKind::Gradient) {
        hasGradients = true;
      } else {
        places[value] = addArgument(binding, type,
                                    binding.getKind() == BindingKind::Input ? EntryArgument::Role::Input
                                                                            : EntryArgument::Role::Target,
                                    binding.getName().str());
        if (auto bound = function.getArgAttrOfType<IntegerAttr>(value.getArgNumber(), kIndexBound))
          entry.arguments.back().indexBound = bound.getInt();
      }
    }
    auto ret = function.getBody().front().getTerminator();
    SmallVector<std::pair<Value, StringRef>> gradients;
    for (auto [i, value] : llvm::enumerate(ret->getOperands())) {
      auto binding = resultBinding(function, i);
      auto type = cast<RankedTensorType>(value.getType());
      Value root = viewRoot(value);
      switch (binding.getKind()) {
      case BindingKind::Output:
        places[root] = addArgument(binding, type, EntryArgument::Role::Output, binding.getName().str());
        break;
      case BindingKind::Loss:
        places[root] = addArgument(binding, type, EntryArgument::Role::Loss, "loss");
        break;
      case BindingKind::Metric:
        places[root] = addArgument(binding, type, EntryArgument::Role::Metric, binding.getName().str());
        break;
      case BindingKind::Gradient:
        if (number.count(binding.getName().str())) {
          hasGradients = true;
          gradients.push_back({root, binding.getName()});
        } else {
          places[root] = addArgument(binding, type, EntryArgument::Role::InputGradient,
                                     binding.getName().str() + "_gradient");
        }
        break;
      default:
        places[root] = {TensorPlace::Space::Persistent, 0, program.tensors[number[binding.getName().str()]].offset};
        writers[places[root].offset] |= 1u << program.entries.size();
      }
    }
    if (!hasGradients)
      return;
    EntryArgument grads;
    grads.name = "grads";
    grads.role = EntryArgument::Role::Gradients;
    grads.isOutput = !gradients.empty();
    entry.arguments.push_back(grads);
    unsigned last = unsigned(entry.arguments.size()) - 1;
    for (auto [root, name] : gradients)
      places[root] = {TensorPlace::Space::Argument, last, program.tensors[number[name.str()]].offset};
    for (BlockArgument value : function.getArguments().drop_front()) {
      auto binding = argumentBinding(function, value.getArgNumber());
      if (binding.getKind() == BindingKind::Gradient)
        places[value] = {TensorPlace::Space::Argument, last,
                         program.tensors[number[binding.getName().str()]].offset};
    }
  }

  TensorPlace constantPlace(arith::ConstantOp op) {
    auto dense = cast<DenseElementsAttr>(op.getValue());
    std::string bytes;
    if (dense.isSplat()) {
      for (int64_t i = 0; i < dense.getNumElements(); ++i)
        bytes.append(dense.getRawData().begin(), dense.getRawData().end());
    } else {
      bytes.assign(dense.getRawData().begin(), dense.getRawData().end());
    }
    program.constants.push_back({std::move(bytes)});
    return {TensorPlace::Space::Constant, unsigned(program.constants.size()) - 1, 0};
  }

  LogicalResult translateCall(ir::KernelOp kernel, Entry &entry) {
    auto spec = translateKernel(kernel, program.batch);
    if (failed(spec))
      return failure();
    KernelCall call;
    auto offsets = kernel->getAttrOfType<DenseI64ArrayAttr>("fm.offsets");
    const Strips strips = stripsOf(kernel);
    std::vector<bool> steady, ofRun, ofRunOnly;
    auto addPlace = [&](Value value, Buffer &buffer) {
      const TensorPlace place = places.lookup(value);
      buffer.external = place.space == TensorPlace::Space::Argument &&
                        entry.arguments[place.index].role != EntryArgument::Role::Gradients;
      call.places.push_back(place);
      call.passing.push_back(passesInChain(value));
      steady.push_back(isSteady(value));
      ofRun.push_back(isMadeInStrips(value, strips.run));
      ofRunOnly.push_back(passesInStrips(value));
    };
    std::vector<unsigned> given(spec->inputs.size());
    std::iota(given.begin(), given.end(), 0u);
    if (machine)
      given = separateParts(*spec);
    for (auto [number, buffer] : llvm::zip(given, spec->inputs))
      addPlace(kernel.getInputs()[number], buffer);
    const bool derived = kernel->hasAttr(kDerived);
    for (OpResult result : kernel.getResults())
      if (derived)
        places[result] = {TensorPlace::Space::Derived, newDerived++, 0};
      else if (int64_t offset = offsets[result.getResultNumber()]; offset >= 0)
        places[result] = {TensorPlace::Space::Arena, 0, offset};
    if (spec->outputs.empty())
      return success(); // what it joins was written side by side
    // The sides of a border are outputs of their own, all in the one result.
    const bool border = kernel->hasAttr(kHoldsInputs);
    for (auto [i, output] : llvm::enumerate(spec->outputs))
      addPlace(kernel->getResult(border ? 0 : i), output.buffer);
    if (auto loc = kernel.getLoc()->findInstanceOf<FileLineColLoc>())
      call.location = (loc.getFilename().getValue() + ":" + Twine(loc.getLine()) + ":" + Twine(loc.getColumn())).str();
    call.chain = int(chainOf(kernel));
    call.stripRun = int(strips.run);
    call.strips = strips.count;
    calls.push_back({std::move(*spec), std::move(call), unsigned(program.entries.size()), unsigned(ops.size()), derived,
                     std::move(steady), std::move(ofRun), std::move(ofRunOnly)});
    ops.push_back(kernel);
    return success();
  }

  ModuleOp module;
  std::vector<ir::KernelOp> *kernelOps;
  const MachineModel *machine; ///< null: operands are taken as they lie
  const unsigned jobs;
  std::vector<PlannedCall> calls; ///< of all entries, in order
  std::vector<ir::KernelOp> ops;  ///< that they are translated from
  Writers writers;
  unsigned newDerived = 0; ///< the next derived tensor's number
  Program program;
  std::map<std::string, int> number;
  DenseMap<Value, TensorPlace> places;
  llvm::StringMap<int64_t> pitches, panels; ///< of persistent tensors that are not dense
};

} // namespace

FailureOr<Program> buildProgram(ModuleOp module, std::vector<ir::KernelOp> *kernelOps,
                                const MachineModel *machine, unsigned jobs) {
  return ProgramBuilder(module, kernelOps, machine, jobs).run();
}

} // namespace fm::codegen
