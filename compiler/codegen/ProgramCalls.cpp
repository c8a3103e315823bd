//===- ProgramCalls.cpp - From planned kernels to a program's calls ------------===//

#include "compiler/codegen/ProgramCalls.h"

#include "compiler/codegen/CutStrips.h"
#include "compiler/codegen/Layouts.h"
#include "compiler/codegen/Schedule.h"
#include "compiler/codegen/SplitReductions.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <set>
#include <span>

namespace fm::codegen {

namespace {

/// Calls of a chain for each core of the machine model, at least: as the last ones
/// end, all cores have something to do.
constexpr int64_t kCallsOfACore = 2;
/// Shares of a chain's samples, at most: so many threads can work on it.
constexpr int64_t kMostShares = 16;
/// Samples of one call in a chain, at most.
constexpr int64_t kMostAtOnce = 8;

int64_t roundUp(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

class CallBuilder {
public:
  CallBuilder(Program &program, std::vector<PlannedCall> calls, const Writers &writers, const MachineModel *machine,
              unsigned jobs)
      : program(program), planned(std::move(calls)), writers(writers), machine(machine), jobs(jobs) {}

  std::vector<unsigned> run() {
    sizeChains();
    markSmallEntries();
    std::vector<std::vector<LayoutWish>> wishes = wishesOfAll();
    if (cutStrips(wishes))
      wishes = wishesOfAll();
    for (size_t i = 0; i < planned.size(); ++i)
      add(planned[i], wishes[i]);
    for (size_t e = 0; e < program.entries.size(); ++e)
      for (KernelCall &call : program.entries[e].calls)
        if (brokenChains.count({e, call.chain}))
          call.passing.assign(call.passing.size(), false);
    for (size_t e = 0; e < program.entries.size(); ++e)
      for (size_t g = 0; g < writersOf.size(); ++g)
        program.entries[e].outdates |= writersOf[g] >> e & 1 ? 1u << g : 0;
    placeScratch();
    return std::move(opOf);
  }

private:
  /// Equal kernels have equal wishes.
  std::vector<std::vector<LayoutWish>> wishesOfAll() const {
    std::map<std::string, size_t> numbers;
    std::vector<const KernelSpec *> specs;
    std::vector<size_t> numberOf;
    for (const PlannedCall &each : planned) {
      auto [it, isNew] = numbers.try_emplace(toString(each.spec), specs.size());
      if (isNew)
        specs.push_back(&each.spec);
      numberOf.push_back(it->second);
    }
    std::vector<std::vector<LayoutWish>> distinct(specs.size()), wishes;
    if (machine)
      distinct = wishedLayouts(specs, *machine, jobs);
    for (size_t number : numberOf)
      wishes.push_back(distinct[number]);
    return wishes;
  }

  /// All that an entry of a small network touches stays in the L2. The L2 is one
  /// core's: kernels that threads share are left out. (One behind them reads what
  /// other cores have made, which it does with any tile.)
  void markSmallEntries() {
    if (!machine)
      return;
    using Place = std::pair<std::pair<TensorPlace::Space, unsigned>, int64_t>;
    std::vector<std::map<Place, int64_t>> touched(program.entries.size());
    std::vector<int64_t> bytes(program.entries.size(), 0); // of the arena, to begin with
    auto touch = [&](const PlannedCall &each, size_t p, const Buffer &buffer) {
      const TensorPlace &place = each.call.places[p];
      const int64_t size = bytesOf(buffer);
      if (place.space == TensorPlace::Space::Arena) {
        bytes[each.entry] = std::max(bytes[each.entry], place.offset + size);
        return;
      }
      int64_t &known = touched[each.entry][{{place.space, place.index}, place.offset}];
      known = std::max(known, size);
    };
    for (const PlannedCall &each : planned)
      if (!each.derived) // seldom called, and by any entry
        forEachBuffer(each, touch);
    for (size_t e = 0; e < touched.size(); ++e)
      for (const auto &[place, size] : touched[e])
        bytes[e] += size;
    std::map<std::string, bool> shared;
    for (PlannedCall &each : planned)
      if (!each.derived && bytes[each.entry] <= machine->l2Bytes && !isShared(each.spec, shared))
        forEachBuffer(each, [](PlannedCall &, size_t, Buffer &buffer) { buffer.nearby = true; });
  }

  /// Whether threads share the loops of a kernel, as it is planned by itself.
  /// `known`: of kernels, by what they compute.
  bool isShared(const KernelSpec &spec, std::map<std::string, bool> &known) const {
    auto [it, isNew] = known.try_emplace(toString(spec), false);
    if (isNew) {
      const Plan plan = planKernel(scheduledForm(spec, *machine), *machine);
      it->second = std::any_of(plan.groups.begin(), plan.groups.end(),
                               [](const Group &group) { return group.nests[0].choice.parallelLoops > 0; });
    }
    return it->second;
  }

  /// Calls `visit` with a call, the number of a place, and the buffer that lies there.
  template <typename Call, typename Visit>
  static void forEachBuffer(Call &each, Visit visit) {
    size_t p = 0;
    for (auto &input : each.spec.inputs)
      visit(each, p++, input);
    for (auto &output : each.spec.outputs)
      visit(each, p++, output.buffer);
  }

  /// The call, behind the copies that it wishes for.
  void add(PlannedCall &each, const std::vector<LayoutWish> &wishes) {
    Entry &entry = program.entries[adding = each.entry];
    if (each.call.chain < 0 || entry.calls.empty() || entry.calls.back().chain != each.call.chain) {
      chainBegin = entry.calls.size();
      chainScratch = 0;
    }
    const size_t inputs = each.spec.inputs.size();
    for (size_t i = 0; i < inputs; ++i)
      if (TensorPlace &place = each.call.places[i]; place.space == TensorPlace::Space::Derived)
        place = derivedPlaces.at(place.index);
    copyOperands(each, wishes, entry);
    each.call.kernel = numberOf(each.spec, each.op);
    if (each.derived) {
      const std::vector<TensorPlace> made = derive(each.call, each.spec);
      for (size_t o = 0; o < made.size(); ++o)
        derivedPlaces[each.call.places[inputs + o].index] = made[o];
      return;
    }
    entry.needs |= groupsOf(each.call);
    joinChain(each.spec, each.call);
    entry.calls.push_back(std::move(each.call));
  }

  /// Copies of operands lie behind the arena's end: each is read by the very next
  /// kernel only, or in a chain.
  void placeScratch() {
    // Vector loads may run over the end of the last tensor.
    program.arenaBytes = roundUp(program.arenaBytes + maxOverreadBytes, 64);
    for (Entry &entry : program.entries)
      for (KernelCall &call : entry.calls)
        for (TensorPlace &place : call.places)
          if (place.space == TensorPlace::Space::Scratch)
            place = {TensorPlace::Space::Arena, 0, program.arenaBytes + place.offset};
    program.arenaBytes += scratchBytes;
  }

  //===--------------------------------------------------------------------===//
  // What is kept between calls
  //===--------------------------------------------------------------------===//

  /// Makes a call a derivation, or finds the one that does the same; returns the
  /// places of its results.
  std::vector<TensorPlace> derive(const KernelCall &call, const KernelSpec &spec) {
    std::vector<int64_t> key = {int64_t(call.kernel)};
    uint32_t writing = 0;
    const size_t inputs = spec.inputs.size();
    for (const TensorPlace &place : std::span(call.places).first(inputs)) {
      key.insert(key.end(), {int64_t(place.space), int64_t(place.index), place.offset});
      if (place.space == TensorPlace::Space::Persistent)
        writing |= writers.count(place.offset) ? writers.at(place.offset) : 0;
      else if (place.space == TensorPlace::Space::Derived)
        writing |= writersOf[groupAt.at(place.offset)];
    }
    auto [it, isNew] = derivationOf.try_emplace(key, program.derivations.size());
    if (isNew) {
      auto group = std::find(writersOf.begin(), writersOf.end(), writing);
      const unsigned number = unsigned(group - writersOf.begin());
      if (group == writersOf.end())
        writersOf.push_back(writing);
      Derivation made{call, number};
      made.call.chain = -1;
      made.call.samplePitches.clear();
      for (size_t o = 0; o < spec.outputs.size(); ++o) {
        made.call.places[inputs + o] = {TensorPlace::Space::Derived, 0, program.derivedBytes};
        groupAt[program.derivedBytes] = number;
        program.derivedBytes = roundUp(program.derivedBytes + bytesOf(spec.outputs[o].buffer), 64);
      }
      program.derivations.push_back(std::move(made));
    }
    const KernelCall &made = program.derivations[it->second].call;
    return {made.places.begin() + int64_t(inputs), made.places.end()};
  }

  /// The groups of what a call reads, and of what that is made from.
  uint32_t groupsOf(const KernelCall &call) const {
    uint32_t groups = 0;
    for (const TensorPlace &place : call.places)
      if (place.space == TensorPlace::Space::Derived) {
        const uint32_t writing = writersOf[groupAt.at(place.offset)];
        for (size_t g = 0; g < writersOf.size(); ++g) // sources of sources have fewer writers
          groups |= (writersOf[g] & ~writing) == 0 ? 1u << g : 0;
      }
    return groups;
  }

  //===--------------------------------------------------------------------===//
  // Chains
  //===--------------------------------------------------------------------===//

  /// How many samples a chain's calls take at once, and how many are a share: what
  /// passes along a chain stays in the L2. No chains where a core would
  /// have less than its number of calls.
  void sizeChains() {
    int64_t largest = 1;
    for (const PlannedCall &each : planned) {
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
    const int64_t most = machine ? program.batch / (kCallsOfACore * machine->cores) : 0;
    const int64_t fits = machine ? std::clamp<int64_t>(machine->l2Bytes / machine->chainedInL2 / largest, 1, kMostAtOnce) : 1;
    const int64_t atOnce = int64_t(std::bit_floor(uint64_t(std::clamp<int64_t>(most, 1, fits))));
    program.samplesAtOnce = atOnce;
    program.samplesInShare = (program.batch + kMostShares * atOnce - 1) / (kMostShares * atOnce) * atOnce;
    for (PlannedCall &each : planned)
      if (most < 1)
        each.call.chain = -1;
      else if (each.call.chain >= 0)
        each.spec.samplesAtOnce = program.samplesAtOnce;
  }

  /// Gives calls that go strip by strip the kernels for that, all of a run or none:
  /// none where one of them wishes for a copy of what belongs to a sample. Returns
  /// whether there are some.
  bool cutStrips(const std::vector<std::vector<LayoutWish>> &wishes) {
    auto wishesForSamples = [&](size_t k) {
      return std::any_of(wishes[k].begin(), wishes[k].end(), [&](const LayoutWish &wish) {
        return samplePitchOf(planned[k].spec.inputs[wish.input]) != 0;
      });
    };
    bool some = false;
    for (size_t i = 0, end = 0; i < planned.size(); i = end) {
      auto isOfRun = [&](size_t k) {
        return planned[k].entry == planned[i].entry && planned[k].call.stripRun == planned[i].call.stripRun;
      };
      for (end = i + 1; planned[i].call.stripRun >= 0 && end < planned.size() && isOfRun(end);)
        ++end;
      if (planned[i].call.stripRun < 0)
        continue;
      std::vector<PlannedCall> run(planned.begin() + int64_t(i), planned.begin() + int64_t(end));
      bool isCut = program.samplesAtOnce == 1;
      for (size_t k = i; k < end && isCut; ++k)
        isCut = !wishesForSamples(k) && cutStrips(run[k - i]);
      some |= isCut;
      if (isCut)
        std::move(run.begin(), run.end(), planned.begin() + int64_t(i));
      else
        for (size_t k = i; k < end; ++k) {
          planned[k].call.stripRun = -1;
          planned[k].call.strips = 1;
        }
    }
    return some;
  }

  static bool cutStrips(PlannedCall &each) {
    KernelCall &call = each.call;
    if (call.chain < 0)
      return false;
    const size_t inputs = each.spec.inputs.size();
    for (size_t p = 0; p < call.places.size(); ++p) {
      const Buffer &buffer = p < inputs ? each.spec.inputs[p] : each.spec.outputs[p - inputs].buffer;
      const auto ofSample = samplePitchOf(buffer);
      const int64_t ofStrip = each.ofRun[p] ? stripPitch(buffer, call.strips) : 0;
      if (!ofSample || (each.ofRun[p] && ofStrip == 0))
        return false;
      call.samplePitches.push_back(*ofSample);
      call.stripPitches.push_back(each.ofRunOnly[p] ? 0 : ofStrip);
    }
    auto cut = cutIntoStrips(each.spec, call.strips, each.ofRun);
    if (!cut)
      return false;
    each.spec = std::move(*cut);
    for (size_t i = 0; i < inputs; ++i)
      each.spec.inputs[i].nearby |= each.ofRun[i];
    for (size_t o = 0; o < each.spec.outputs.size(); ++o)
      each.spec.outputs[o].buffer.nearby |= each.ofRunOnly[inputs + o];
    if (each.spec.inputs.size() > inputs)
      addInPlace(each, inputs);
    return true;
  }

  /// Behind the inputs that there were comes the output, which is read as well.
  static void addInPlace(PlannedCall &each, size_t inputs) {
    auto repeat = [&]<typename List>(List &list) {
      const typename List::value_type output = list[inputs];
      list.insert(list.begin() + int64_t(inputs), output);
    };
    repeat(each.call.places);
    repeat(each.call.samplePitches);
    repeat(each.call.stripPitches);
    repeat(each.call.passing);
    repeat(each.ofRun);
    repeat(each.ofRunOnly);
    repeat(each.steady);
  }

  /// Bytes between samples of a buffer, 0 if it has none; nothing where a part of
  /// a sample's number is an inner dimension.
  static std::optional<int64_t> samplePitchOf(const Buffer &buffer) {
    int64_t pitch = 0;
    for (const PhysicalDim &dim : buffer.dims)
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
    if (call.strips > 1)
      return; // see cutStrips()
    call.samplePitches.clear();
    auto add = [&](const Buffer &buffer) {
      auto pitch = samplePitchOf(buffer);
      if (pitch) {
        call.samplePitches.push_back(*pitch);
      } else if (call.chain >= 0) {
        brokenChains.insert({adding, call.chain});
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

  //===--------------------------------------------------------------------===//
  // Copies of operands, and kernels
  //===--------------------------------------------------------------------===//

  /// Operands that the kernel wants in another order are copied before it runs.
  void copyOperands(PlannedCall &each, const std::vector<LayoutWish> &wishes, Entry &entry) {
    KernelSpec &spec = each.spec;
    KernelCall &call = each.call;
    // In a chain others' copies are still in use.
    int64_t offset = chainScratch;
    for (const LayoutWish &wish : wishes) {
      if (call.strips > 1 && call.samplePitches[wish.input] != 0)
        continue; // another sample's, or strip's, would be copied
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
        take(derive(copyCall(copy, each, call.places[wish.input], {}), copy).front());
        continue;
      }
      TensorPlace place{TensorPlace::Space::Scratch, 0, offset};
      offset += bytesOf(copy.outputs[0].buffer);
      KernelCall before = copyCall(copy, each, call.places[wish.input], place);
      before.chain = call.chain;
      before.passing[0] = call.passing[wish.input];
      joinChain(copy, before);
      const bool ofSamples = std::any_of(before.samplePitches.begin(), before.samplePitches.end(),
                                         [](int64_t pitch) { return pitch != 0; });
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

  KernelCall copyCall(KernelSpec &copy, const PlannedCall &of, const TensorPlace &from, const TensorPlace &to) {
    KernelCall call;
    call.kernel = numberOf(copy, of.op);
    call.places = {from, to};
    call.location = of.call.location;
    call.passing = {false, false};
    return call;
  }

  /// Equal kernels are one.
  unsigned numberOf(KernelSpec &spec, unsigned op) {
    spec.name = "kernel";
    auto [it, isNew] = kernels.try_emplace(toString(spec), unsigned(program.kernels.size()));
    if (isNew) {
      spec.name = "fm_kernel_" + std::to_string(it->second);
      program.kernels.push_back(spec);
      opOf.push_back(op);
    }
    return it->second;
  }

  Program &program;
  std::vector<PlannedCall> planned; ///< in order
  const Writers &writers;
  const MachineModel *machine;
  const unsigned jobs;
  std::map<std::string, unsigned> kernels; ///< by what they compute
  std::vector<unsigned> opOf;              ///< per kernel
  int64_t scratchBytes = 0;
  // Derived tensors.
  std::vector<uint32_t> writersOf;                     ///< of each group's sources, together
  std::map<int64_t, unsigned> groupAt;                 ///< by offset
  std::map<std::vector<int64_t>, size_t> derivationOf; ///< by kernel and what it reads
  std::map<unsigned, TensorPlace> derivedPlaces;       ///< by number in the IR
  // Chains.
  std::set<std::pair<size_t, int>> brokenChains; ///< entry and number
  size_t adding = 0;        ///< the entry that gets calls
  size_t chainBegin = 0;    ///< among the calls of the entry
  int64_t chainScratch = 0; ///< bytes of scratch that this chain has so far
};

} // namespace

std::vector<unsigned> addCalls(Program &program, std::vector<PlannedCall> calls, const Writers &writers,
                               const MachineModel *machine, unsigned jobs) {
  return CallBuilder(program, std::move(calls), writers, machine, jobs).run();
}

} // namespace fm::codegen
