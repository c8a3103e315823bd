//===- BuildProgram.cpp - From the planned IR to a Program ----------------------===//

#include "compiler/codegen/BuildProgram.h"

#include "compiler/codegen/Layouts.h"
#include "compiler/codegen/SeparateParts.h"
#include "compiler/ir/Bindings.h"
#include "compiler/ir/Chains.h"
#include "compiler/ir/Derived.h"
#include "compiler/ir/Parts.h"
#include "compiler/ir/Layouts.h"
#include "compiler/ir/Views.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <bit>
#include <map>
#include <numeric>
#include <set>

using namespace mlir;
using fm::ir::BindingKind;

namespace fm::codegen {

namespace {

int64_t roundUp(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

/// How far past the end of our own memory kernels may read: Schedule.h's
/// maxOverreadBytes.
constexpr int64_t kOverreadBytes = 256;

/// Parallel tasks of a chain that each core of the machine model should have.
constexpr int64_t kTasksOfACore = 2;
/// Samples of one call in a chain, at most.
constexpr int64_t kMostAtOnce = 8;

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
    addCalls();
    for (auto [e, entry] : llvm::enumerate(program.entries))
      for (auto [g, writers] : llvm::enumerate(writersOf))
        entry.outdates |= writers >> e & 1 ? 1u << g : 0;
    // Vector loads may run over the end of the last tensor.
    program.arenaBytes = roundUp(program.arenaBytes + kOverreadBytes, 64);
    // Behind it, copies of operands: each is read by the very next kernel only.
    for (Entry &entry : program.entries)
      for (KernelCall &call : entry.calls)
        for (TensorPlace &place : call.places)
          if (place.space == TensorPlace::Space::Scratch)
            place = {TensorPlace::Space::Arena, 0, program.arenaBytes + place.offset};
    program.arenaBytes += scratchBytes;
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
    tensor.dims = rowMajor(extentsOf(type, program.batch), pitch);
    tensor.bytes = type.getNumElements() * sizeOf(tensor.type);
    if (pitch)
      tensor.bytes = tensor.bytes / type.getShape().back() * pitch;
    return tensor;
  }

  void collectTensors(ir::ModelOp model) {
    for (auto function : module.getOps<func::FuncOp>())
      for (BlockArgument argument : function.getArguments())
        if (int64_t pitch = rowsOf(argument).pitch)
          pitches[argumentBinding(function, argument.getArgNumber()).getName()] = pitch;
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

  /// A call as it stands in the IR.
  struct Translated {
    ir::KernelOp op;
    KernelSpec spec;
    KernelCall call;
    unsigned entry = 0;
    bool derived = false;
    std::vector<bool> steady; ///< per place
  };

  LogicalResult translateCall(ir::KernelOp kernel, Entry &entry) {
    auto spec = translateKernel(kernel, program.batch);
    if (failed(spec))
      return failure();
    KernelCall call;
    auto offsets = kernel->getAttrOfType<DenseI64ArrayAttr>("fm.offsets");
    std::vector<bool> steady;
    auto addPlace = [&](Value value, Buffer &buffer) {
      const TensorPlace place = places.lookup(value);
      buffer.external = place.space == TensorPlace::Space::Argument &&
                        entry.arguments[place.index].role != EntryArgument::Role::Gradients;
      call.places.push_back(place);
      call.passing.push_back(passesInChain(value));
      steady.push_back(isSteady(value));
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
    translated.push_back(
        {kernel, std::move(*spec), std::move(call), unsigned(program.entries.size()), derived, std::move(steady)});
    return success();
  }

  /// All calls of all entries, with the copies that they wish for. Equal kernels
  /// have equal wishes.
  void addCalls() {
    std::map<std::string, unsigned> numbers;
    std::vector<const KernelSpec *> specs;
    std::vector<unsigned> wishOf;
    sizeChains();
    for (const Translated &each : translated) {
      auto [it, isNew] = numbers.try_emplace(toString(each.spec), unsigned(specs.size()));
      if (isNew)
        specs.push_back(&each.spec);
      wishOf.push_back(it->second);
    }
    std::vector<std::vector<LayoutWish>> wishes(specs.size());
    if (machine)
      wishes = wishedLayouts(specs, *machine, jobs);
    for (auto [i, each] : llvm::enumerate(translated)) {
      Entry &entry = program.entries[each.entry];
      if (each.call.chain < 0 || entry.calls.empty() || entry.calls.back().chain != each.call.chain) {
        chainBegin = entry.calls.size();
        chainScratch = 0;
      }
      for (TensorPlace &place : llvm::MutableArrayRef(each.call.places).take_front(each.spec.inputs.size()))
        if (place.space == TensorPlace::Space::Derived)
          place = derivedPlaces.at(place.index);
      copyOperands(each, wishes[wishOf[i]], entry);
      each.call.kernel = numberOf(each.spec, each.op);
      if (each.derived) {
        const size_t inputs = each.spec.inputs.size();
        auto made = derive(each.call, each.spec);
        for (auto [provisional, place] : llvm::zip(llvm::drop_begin(each.call.places, inputs), made))
          derivedPlaces[provisional.index] = place;
        continue;
      }
      entry.needs |= groupsOf(each.call);
      joinChain(each.spec, each.call);
      entry.calls.push_back(std::move(each.call));
    }
    for (Entry &entry : program.entries)
      for (KernelCall &call : entry.calls)
        if (brokenChains.count(call.chain))
          call.passing.assign(call.passing.size(), false);
  }

  //===--------------------------------------------------------------------===//
  // What is kept between calls
  //===--------------------------------------------------------------------===//

  /// Makes a call a derivation, or finds the one that does the same; returns the
  /// places of its results.
  std::vector<TensorPlace> derive(const KernelCall &call, const KernelSpec &spec) {
    std::vector<int64_t> key = {int64_t(call.kernel)};
    uint32_t writing = 0;
    const llvm::ArrayRef<TensorPlace> inputs = llvm::ArrayRef(call.places).take_front(spec.inputs.size());
    for (const TensorPlace &place : inputs) {
      key.insert(key.end(), {int64_t(place.space), int64_t(place.index), place.offset});
      if (place.space == TensorPlace::Space::Persistent)
        writing |= writers.lookup(place.offset);
      else if (place.space == TensorPlace::Space::Derived)
        writing |= writersOf[groupAt.at(place.offset)];
    }
    auto [it, isNew] = derivationOf.try_emplace(key, program.derivations.size());
    if (isNew) {
      auto group = llvm::find(writersOf, writing);
      const unsigned number = unsigned(group - writersOf.begin());
      if (group == writersOf.end())
        writersOf.push_back(writing);
      Derivation made{call, number};
      made.call.chain = -1;
      made.call.samplePitches.clear();
      for (auto [place, output] : llvm::zip(llvm::drop_begin(made.call.places, inputs.size()), spec.outputs)) {
        place = {TensorPlace::Space::Derived, 0, program.derivedBytes};
        groupAt[place.offset] = number;
        program.derivedBytes = roundUp(program.derivedBytes + bytesOf(output.buffer), 64);
      }
      program.derivations.push_back(std::move(made));
    }
    const KernelCall &made = program.derivations[it->second].call;
    return {made.places.begin() + int64_t(inputs.size()), made.places.end()};
  }

  /// The groups of what a call reads, and of what that is made from.
  uint32_t groupsOf(const KernelCall &call) const {
    uint32_t groups = 0;
    for (const TensorPlace &place : call.places)
      if (place.space == TensorPlace::Space::Derived) {
        const uint32_t writing = writersOf[groupAt.at(place.offset)];
        for (auto [g, other] : llvm::enumerate(writersOf)) // sources of sources have fewer writers
          groups |= (other & ~writing) == 0 ? 1u << g : 0;
      }
    return groups;
  }

  /// How many samples a chain's calls take at once, and how many follow each other
  /// in one task: what the largest call reads and writes stays in the L2,
  /// and each core has two tasks, so that what passes through a task finds its
  /// memory in the caches again. No chains where there are fewer samples than that.
  void sizeChains() {
    int64_t largest = 1;
    for (const Translated &each : translated) {
      if (each.call.chain < 0)
        continue;
      int64_t bytes = 0;
      auto add = [&](const Buffer &buffer) {
        int64_t sample = sizeOf(buffer.type);
        for (const Extent &extent : buffer.shape)
          sample *= extent.isSamples ? 1 : extent.size;
        bytes += !buffer.shape.empty() && buffer.shape[0].isSamples ? sample : 0;
      };
      for (const Buffer &buffer : each.spec.inputs)
        add(buffer);
      for (const Output &output : each.spec.outputs)
        add(output.buffer);
      largest = std::max(largest, bytes);
    }
    const int64_t inTask = machine ? program.batch / (kTasksOfACore * machine->cores) : 0;
    const int64_t fits = machine ? std::clamp<int64_t>(machine->l2Bytes / largest, 1, kMostAtOnce) : 1;
    program.samplesAtOnce = int64_t(std::bit_floor(uint64_t(std::clamp<int64_t>(inTask, 1, fits))));
    program.samplesInTask = std::max<int64_t>(1, inTask / program.samplesAtOnce) * program.samplesAtOnce;
    for (Translated &each : translated)
      if (inTask < 1)
        each.call.chain = -1;
      else if (each.call.chain >= 0)
        each.spec.samplesAtOnce = program.samplesAtOnce;
  }

  /// Bytes between samples of a buffer, 0 if it has none; nothing where a part of
  /// a sample's number is an inner dimension.
  static std::optional<int64_t> samplePitchOf(const Buffer &buffer) {
    int64_t pitch = 0;
    for (auto [d, dim] : llvm::enumerate(buffer.dims))
      if (dim.extent.isSamples || (!buffer.shape.empty() && buffer.shape[dim.logical].isSamples)) {
        if (dim.logical != 0 || dim.divisor != 1 || dim.modulus != 0 || pitch)
          return std::nullopt;
        pitch = dim.stride * sizeOf(buffer.type);
      }
    return pitch;
  }

  /// Fills in what a chain's task must know, or takes the call out of its chain,
  /// along which then nothing passes that could be overwritten by the next sample.
  void joinChain(const KernelSpec &spec, KernelCall &call) {
    call.samplePitches.clear();
    auto add = [&](const Buffer &buffer) {
      auto pitch = samplePitchOf(buffer);
      if (pitch) {
        call.samplePitches.push_back(*pitch);
      } else if (call.chain >= 0) {
        brokenChains.insert(call.chain);
        call.chain = -1;
      }
    };
    for (const Buffer &buffer : spec.inputs)
      add(buffer);
    for (const Output &output : spec.outputs)
      add(output.buffer);
    if (call.chain < 0)
      call.samplePitches.clear();
  }

  /// Operands that the kernel wants in another order are copied before it runs.
  void copyOperands(Translated &each, const std::vector<LayoutWish> &wishes, Entry &entry) {
    ir::KernelOp kernel = each.op;
    KernelSpec &spec = each.spec;
    KernelCall &call = each.call;
    // In a chain others' copies are still in use.
    int64_t offset = chainScratch;
    for (const LayoutWish &wish : wishes) {
      KernelSpec copy = copyKernel(spec.inputs[wish.input], wish.dims);
      Buffer &buffer = spec.inputs[wish.input];
      auto take = [&](TensorPlace place) {
        call.places[wish.input] = place;
        call.passing[wish.input] = false;
        buffer.dims = wish.dims;
        buffer.offset = 0;
        buffer.external = false;
      };
      if (each.steady[wish.input]) {
        KernelCall once{numberOf(copy, kernel), {call.places[wish.input], {}}, call.location, -1, {}, {false, false}};
        take(derive(once, copy).front());
        continue;
      }
      TensorPlace place{TensorPlace::Space::Scratch, 0, offset};
      offset += bytesOf(copy.outputs[0].buffer);
      KernelCall before{numberOf(copy, kernel), {call.places[wish.input], place}, call.location, call.chain, {},
                        {call.passing[wish.input], false}};
      joinChain(copy, before);
      const bool ofSamples = llvm::any_of(before.samplePitches, [](int64_t pitch) { return pitch != 0; });
      if (call.chain >= 0 && before.chain >= 0 && !ofSamples) {
        before.chain = -1; // once, for all samples
        entry.calls.insert(entry.calls.begin() + int64_t(chainBegin++), std::move(before));
      } else {
        entry.calls.push_back(std::move(before));
      }
      take(place);
    }
    scratchBytes = std::max(scratchBytes, offset);
    if (call.chain >= 0)
      chainScratch = offset;
  }

  /// Equal kernels are one.
  unsigned numberOf(KernelSpec &spec, ir::KernelOp kernel) {
    spec.name = "kernel";
    auto [it, isNew] = kernels.try_emplace(toString(spec), unsigned(program.kernels.size()));
    if (isNew) {
      spec.name = "fm_kernel_" + std::to_string(it->second);
      program.kernels.push_back(spec);
      if (kernelOps)
        kernelOps->push_back(kernel);
    }
    return it->second;
  }

  ModuleOp module;
  std::vector<ir::KernelOp> *kernelOps;
  const MachineModel *machine; ///< null: operands are taken as they lie
  const unsigned jobs;
  int64_t scratchBytes = 0;
  std::set<int> brokenChains;
  /// By offset of a persistent tensor: the entries that write it, a bit each.
  DenseMap<int64_t, uint32_t> writers;
  std::vector<uint32_t> writersOf;                   ///< of each group's sources, together
  std::map<int64_t, unsigned> groupAt;               ///< by offset of a derived tensor
  std::map<std::vector<int64_t>, size_t> derivationOf; ///< by kernel and what it reads
  unsigned newDerived = 0;
  std::map<unsigned, TensorPlace> derivedPlaces;     ///< by a number for each result in the IR
  size_t chainBegin = 0;    ///< among the calls of the entry
  int64_t chainScratch = 0; ///< bytes of scratch that this chain has so far
  std::vector<Translated> translated; ///< in order
  Program program;
  std::map<std::string, int> number;
  std::map<std::string, unsigned> kernels;
  DenseMap<Value, TensorPlace> places;
  llvm::StringMap<int64_t> pitches; ///< of persistent tensors that are not dense
};

} // namespace

FailureOr<Program> buildProgram(ModuleOp module, std::vector<ir::KernelOp> *kernelOps,
                                const MachineModel *machine, unsigned jobs) {
  return ProgramBuilder(module, kernelOps, machine, jobs).run();
}

} // namespace fm::codegen
