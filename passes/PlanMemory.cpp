//===- PlanMemory.cpp - A place for every tensor that a kernel writes -----------===//
//
// The arena has a part for each sample, and one for what samples share. A tensor
// of samples has a slot at the same place in each of their parts: threads that
// take the same samples in one kernel after the other then write into memory
// that they have written before, also where a slot is another tensor's by now.
// With tensors one after the other, half of each would lie where another thread
// has just been, in its caches; between cores without a common cache, that took
// a fifth of the seed CNN's forward pass with two threads.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Bindings.h"
#include "compiler/ir/Chains.h"
#include "compiler/ir/Derived.h"
#include "compiler/ir/Layouts.h"
#include "compiler/ir/Parts.h"
#include "compiler/ir/Views.h"
#include "passes/Passes.h"
#include "passes/Planner.h"

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMPLANMEMORY
#include "passes/Passes.h.inc"

namespace {

/// Less than this of a sample is better packed: the rows of a dense layer would
/// lie in a page each, of which a core knows some hundred at a time, where the
/// system has no large ones (an MLP's train step, samples of 2 KiB on a virtual
/// machine: 1.01-1.03 and 1.02-1.05, one and two threads).
constexpr int64_t kLeastSlotBytes = 4096;
/// Where a sample's part is larger than this, tensors lie one after the other: two
/// kernels of the MBConv block (4 MB a sample) took 1.3 and 1.8 times as long on
/// one core, for a reason not found (docs/decisions.md).
constexpr int64_t kMostPartBytes = int64_t(1) << 20;
/// Indices of kernels are 32-bit numbers.
constexpr int64_t kMostSlotsBytes = int64_t(1) << 31;
constexpr int64_t kLineBytes = 64;

int64_t elementBytes(RankedTensorType type) { return std::max(1u, type.getElementTypeBitWidth() / 8); }

/// Bytes of `count` of a tensor's elements, with what lies between its rows.
int64_t withRows(int64_t count, RankedTensorType type, ArrayRef<Rows> rows) {
  return (rows.empty() ? count : count / rows.back().length * rows.back().pitch) * elementBytes(type);
}

/// The tensors of one entry function.
class Arena {
public:
  Arena(func::FuncOp function, int64_t batch, bool slots) : function(function) {
    DenseMap<Operation *, int> step;
    for (auto kernel : function.getOps<ir::KernelOp>()) {
      step[kernel] = int(kernels.size());
      kernels.push_back(kernel);
    }
    // Per kernel: first and last of its chain, and of its run of strips.
    const auto chains = runsOf([](ir::KernelOp kernel) { return chainOf(kernel); });
    const auto strips = runsOf([](ir::KernelOp kernel) { return stripsOf(kernel).run; });
    for (ir::KernelOp kernel : kernels)
      for (OpResult result : kernel->getResults()) {
        if (kernel->hasAttr(kDerived))
          continue; // it is kept between calls
        PlannedBlock block;
        block.first = block.last = step[kernel];
        if (!lastUse(result, step, block.last))
          continue; // it goes to an argument or a persistent tensor
        if (holderOf(result))
          continue; // it lies in another one
        if (kernel->hasAttr(kHoldsInputs))
          for (Value inside : kernel.getInputs()) {
            block.first = std::min(block.first, step[inside.getDefiningOp()]);
            lastUse(inside, step, block.last);
          }
        auto type = cast<RankedTensorType>(result.getType());
        int64_t count = 1;
        for (int64_t size : type.getShape())
          count *= ShapedType::isDynamic(size) ? batch : size;
        const int64_t sample = withRows(count / batch, type, rowsOf(result));
        const bool inSlot = slots && sample >= kLeastSlotBytes && isOfSamples(result);
        block.bytes = inSlot ? sample : withRows(count, type, rowsOf(result));
        // Other strips are at other kernels of a run.
        block.first = strips[block.first].first;
        block.last = strips[block.last].second;
        if (!inSlot) {
          // Other samples are at other kernels of a chain.
          block.first = chains[block.first].first;
          block.last = chains[block.last].second;
        }
        (!inSlot ? shared : passesInChain(result) ? passing : slot).add(block, result);
      }
    slot.plan();
    passing.plan();
    shared.plan();
  }

  int64_t slotBytes() const { return slot.bytes; }
  int64_t passingBytes() const { return passing.bytes; }

  /// `slotBytes`: of a sample's part before what passes in chains; `apart`: from
  /// one sample's part to the next.
  void write(int64_t batch, int64_t slotBytes, int64_t apart) {
    DenseMap<Operation *, SmallVector<int64_t>> offsets, pitches;
    for (ir::KernelOp kernel : kernels) {
      offsets[kernel].assign(kernel->getNumResults(), -1);
      pitches[kernel].assign(kernel->getNumResults(), 0);
    }
    auto put = [&](OpResult result, int64_t offset, int64_t pitch) {
      offsets[result.getOwner()][result.getResultNumber()] = offset;
      pitches[result.getOwner()][result.getResultNumber()] = pitch;
      auto kernel = cast<ir::KernelOp>(result.getOwner());
      if (kernel->hasAttr(kHoldsInputs))
        for (Value input : kernel.getInputs())
          offsets[input.getDefiningOp()][cast<OpResult>(input).getResultNumber()] = offset;
    };
    for (auto [block, owner] : llvm::zip(slot.blocks, slot.owners))
      put(owner, block.offset, apart / elementBytes(cast<RankedTensorType>(owner.getType())));
    for (auto [block, owner] : llvm::zip(passing.blocks, passing.owners))
      put(owner, slotBytes + block.offset, apart / elementBytes(cast<RankedTensorType>(owner.getType())));
    const int64_t slots = slot.bytes + passing.bytes ? batch * apart : 0;
    for (auto [block, owner] : llvm::zip(shared.blocks, shared.owners))
      put(owner, slots + block.offset, 0);
    Builder builder(function.getContext());
    for (ir::KernelOp kernel : kernels) {
      kernel->setAttr("fm.offsets", builder.getDenseI64ArrayAttr(offsets[kernel]));
      if (llvm::any_of(pitches[kernel], [](int64_t pitch) { return pitch != 0; }))
        kernel->setAttr(kSamplePitches, builder.getDenseI64ArrayAttr(pitches[kernel]));
      else
        kernel->removeAttr(kSamplePitches);
    }
    function->setAttr("fm.arena_bytes", builder.getI64IntegerAttr(slots + shared.bytes));
  }

private:
  struct Part {
    std::vector<PlannedBlock> blocks;
    SmallVector<OpResult> owners;
    int64_t bytes = 0;
    void add(PlannedBlock block, OpResult owner) {
      blocks.push_back(block);
      owners.push_back(owner);
    }
    void plan() { bytes = planArena(blocks); }
  };

  /// Per kernel: the first and the last of those around it that have its number,
  /// unless that is negative.
  template <typename Number> std::vector<std::pair<int, int>> runsOf(Number &&number) const {
    std::vector<std::pair<int, int>> runs;
    for (int k = 0; k < int(kernels.size()); ++k) {
      const bool goes = k > 0 && number(kernels[k]) >= 0 && number(kernels[k]) == number(kernels[k - 1]);
      runs.push_back({goes ? runs[k - 1].first : k, k});
      for (int other = runs[k].first; other < k; ++other)
        runs[other].second = k;
    }
    return runs;
  }

  /// The last kernel that reads the value or a view of it; false if returned.
  static bool lastUse(Value value, const DenseMap<Operation *, int> &step, int &last) {
    for (Operation *user : value.getUsers()) {
      if (isa<func::ReturnOp>(user))
        return false;
      if (isView(user)) {
        if (!lastUse(user->getResult(0), step, last))
          return false;
        continue;
      }
      last = std::max(last, step.lookup(user));
    }
    return true;
  }

  /// Whether samples are the outermost dimension of the value and of its views.
  static bool isOfSamples(Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    return type.getRank() > 1 && type.isDynamicDim(0) && type.getNumDynamicDims() == 1 &&
           llvm::all_of(value.getUsers(),
                        [](Operation *user) { return !isView(user) || isOfSamples(user->getResult(0)); });
  }

  func::FuncOp function;
  SmallVector<ir::KernelOp> kernels;
  /// What passes in chains lies apart: only the first samples of a share touch its
  /// memory, and another tensor that took it over would find it in no cache.
  Part slot, passing, shared;
};

struct PlanMemory : impl::FmPlanMemoryBase<PlanMemory> {
  using FmPlanMemoryBase::FmPlanMemoryBase;

  void runOnOperation() override {
    auto models = getOperation().getOps<ir::ModelOp>();
    const int64_t batch = models.empty() ? 1 : (*models.begin()).getBatch();
    const int64_t apart = plan(batch, slots && batch > 1);
    if (apart > kMostPartBytes || batch * apart > kMostSlotsBytes)
      plan(batch, false);
  }

  /// Returns how many bytes samples' parts are apart: equally many in all
  /// entries, so that equal kernels remain equal; an odd number of lines, so that
  /// samples do not meet in one set of a cache.
  int64_t plan(int64_t batch, bool slots) {
    int64_t slotBytes = 0, passingBytes = 0;
    std::vector<Arena> arenas;
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      arenas.emplace_back(function, batch, slots);
      slotBytes = std::max(slotBytes, arenas.back().slotBytes());
      passingBytes = std::max(passingBytes, arenas.back().passingBytes());
    }
    int64_t apart = slotBytes + passingBytes;
    apart += apart / kLineBytes % 2 == 0 && apart > 0 ? kLineBytes : 0;
    for (Arena &arena : arenas)
      arena.write(batch, slotBytes, apart);
    return apart;
  }
};

} // namespace
} // namespace fm::passes
