//===- InterleaveChains.cpp - Long chains of a few vectors side by side ---===//
#include "compiler/codegen/InterleaveChains.h"

#include <algorithm>
#include <vector>

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Analysis/AliasAnalysis.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"

namespace fm::codegen {

namespace {

using llvm::Instruction;

/// Dependent vector operations, a product and a sum each one, below which a
/// core sees enough of its neighbours. Transforms of Winograd's have a dozen,
/// and all registers full: with them, a step of the ResNet block takes 5%
/// longer.
constexpr int leastDepth = 20;
/// Stores of a block whose formulas are compared.
constexpr size_t mostStores = 64;

/// What some stores have to themselves, in the block's order.
struct Chain {
  llvm::SmallVector<Instruction *, 64> members;
  llvm::SmallVector<size_t, 64> arithmetic; ///< where among the members

  /// The members behind the first `skipped` arithmetic ones.
  llvm::ArrayRef<Instruction *> behind(size_t skipped) const {
    return llvm::ArrayRef(members).drop_front(
        skipped ? arithmetic[skipped - 1] + 1 : 0);
  }
};

/// Chains, and how many operations of each stay where they are.
struct Group {
  llvm::SmallVector<size_t, 8> chains;
  size_t skipped = 0;
};

bool isArithmetic(const Instruction &i) {
  return i.getType()->isVectorTy() && !llvm::isa<llvm::LoadInst>(i);
}

/// Whether an instruction may be moved past others that touch other memory.
bool mayMove(const Instruction &i) {
  if (auto *load = llvm::dyn_cast<llvm::LoadInst>(&i))
    return load->isSimple();
  return !llvm::isa<llvm::PHINode, llvm::AllocaInst>(i) && !i.isTerminator() &&
         !i.mayReadOrWriteMemory() && !i.mayHaveSideEffects();
}

class BlockInterleaver {
public:
  BlockInterleaver(llvm::BasicBlock &block, llvm::AAResults &alias, size_t most)
      : block(block), alias(alias), vectors(most) {}

  bool run() {
    for (Instruction &i : block) {
      number[&i] = order.size();
      order.push_back(&i);
      auto *store = llvm::dyn_cast<llvm::StoreInst>(&i);
      if (store && store->isSimple() &&
          store->getValueOperand()->getType()->isVectorTy())
        stores.push_back(store);
    }
    if (stores.size() < 2 || stores.size() > mostStores)
      return false;
    findSlices();
    findChains();
    bool changed = false;
    std::vector<bool> done(chains.size(), false);
    for (size_t first = 0; first < chains.size(); ++first) {
      if (done[first])
        continue;
      Group group = groupOf(first, done);
      auto &members = group.chains;
      const size_t most =
          std::max<size_t>(2, vectors / strandsOf(chains[first], group));
      // As many groups as it takes, of the same size.
      const size_t groups = (members.size() + most - 1) / most;
      members.resize((members.size() + groups - 1) / groups);
      while (members.size() > 1 && !mayInterleave(group))
        members.pop_back();
      if (members.size() < 2)
        continue;
      interleave(group);
      changed = true;
      for (size_t c : members)
        done[c] = true;
    }
    return changed;
  }

private:
  llvm::BasicBlock &block;
  llvm::AAResults &alias;
  const size_t vectors; ///< at most, of one strand each
  std::vector<Instruction *> order;
  llvm::DenseMap<const Instruction *, size_t> number;
  std::vector<llvm::StoreInst *> stores;
  /// Per instruction: the stores that it reaches, as bits.
  std::vector<uint64_t> reaches;
  std::vector<Chain> chains;

  void findSlices() {
    reaches.assign(order.size(), 0);
    for (size_t s = 0; s < stores.size(); ++s)
      reaches[number[stores[s]]] = uint64_t(1) << s;
    for (size_t i = order.size(); i-- > 0;) {
      if (!reaches[i] ||
          (!mayMove(*order[i]) && !llvm::isa<llvm::StoreInst>(order[i])))
        continue;
      for (const llvm::Value *operand : order[i]->operands())
        if (auto *by = llvm::dyn_cast<Instruction>(operand);
            by && by->getParent() == &block)
          reaches[number[by]] |= reaches[i];
    }
  }

  /// Stores of one vector's formula share most of it, those of neighbours at
  /// most what is the same for all.
  void findChains() {
    const size_t count = stores.size();
    std::vector<int> size(count, 0);
    std::vector<std::vector<int>> shared(count, std::vector<int>(count, 0));
    for (size_t i = 0; i < order.size(); ++i)
      if (isArithmetic(*order[i]))
        for (size_t a = 0; a < count; ++a)
          if (reaches[i] >> a & 1) {
            ++size[a];
            for (size_t b = 0; b < a; ++b)
              shared[a][b] += reaches[i] >> b & 1;
          }
    std::vector<size_t> chainOf(count);
    std::vector<uint64_t> storesOf;
    for (size_t a = 0; a < count; ++a) {
      chainOf[a] = storesOf.size();
      for (size_t b = 0; b < a; ++b)
        if (2 * shared[a][b] > std::min(size[a], size[b]))
          chainOf[a] = chainOf[b];
      if (chainOf[a] == storesOf.size())
        storesOf.push_back(0);
      storesOf[chainOf[a]] |= uint64_t(1) << a;
    }
    for (uint64_t mine : storesOf) {
      Chain chain;
      for (size_t i = 0; i < order.size(); ++i)
        if (reaches[i] && !(reaches[i] & ~mine) &&
            (mayMove(*order[i]) || llvm::isa<llvm::StoreInst>(order[i]))) {
          if (isArithmetic(*order[i]))
            chain.arithmetic.push_back(chain.members.size());
          chain.members.push_back(order[i]);
        }
      chains.push_back(std::move(chain));
    }
  }

  static int depthOf(llvm::ArrayRef<Instruction *> members) {
    llvm::DenseMap<const llvm::Value *, int> depths;
    int deepest = 0;
    for (const Instruction *i : members) {
      int depth = 0;
      for (const llvm::Value *operand : i->operands())
        depth = std::max(depth, depths.lookup(operand));
      depths[i] = depth += isArithmetic(*i);
      deepest = std::max(deepest, depth);
    }
    return deepest;
  }

  /// Where in the block the operation `k` of a chain stands.
  size_t placeOf(const Chain &chain, size_t k) const {
    return number.lookup(chain.members[chain.arithmetic[k]]);
  }

  /// The chains that compute the same as `first`, one behind the other. They
  /// may do so from some operation on: sums of an unrolled reduction stand side
  /// by side already, and what is computed of them follows.
  Group groupOf(size_t first, const std::vector<bool> &done) const {
    const size_t count = chains[first].arithmetic.size();
    for (size_t skipped = 0; skipped < count; ++skipped) {
      if (depthOf(chains[first].behind(skipped)) < leastDepth)
        break;
      Group group{{first}, skipped};
      for (size_t c = first + 1; c < chains.size(); ++c)
        if (!done[c] &&
            follows(chains[group.chains.back()], chains[c], skipped))
          group.chains.push_back(c);
      if (group.chains.size() > 1)
        return group;
    }
    return {{first}};
  }

  /// How many of a chain's operations need not wait for each other, on average:
  /// a function and its derivative are two strands, each of which keeps its
  /// values.
  static size_t strandsOf(const Chain &chain, const Group &group) {
    const size_t count = chain.arithmetic.size() - group.skipped;
    const size_t depth = std::max(1, depthOf(chain.behind(group.skipped)));
    return std::max<size_t>(1, (count + depth / 2) / depth);
  }

  /// Addresses may be computed in different ways, and stores stand in another
  /// order.
  bool follows(const Chain &a, const Chain &b, size_t skipped) const {
    const size_t count = a.arithmetic.size();
    return count == b.arithmetic.size() &&
           placeOf(a, skipped + (count - skipped) / 2) < placeOf(b, skipped) &&
           depthOf(a.behind(skipped)) == depthOf(b.behind(skipped));
  }

  /// Whether the members of some chains may be computed in turns behind
  /// everything that stands between them. Positions are those of before any
  /// move: what was moved past something is disjoint from it.
  bool mayInterleave(const Group &group) const {
    llvm::DenseMap<const Instruction *, size_t> chainOf;
    size_t begin = order.size(), end = 0;
    for (size_t c : group.chains)
      for (const Instruction *i : chains[c].behind(group.skipped)) {
        chainOf[i] = c;
        begin = std::min(begin, number.lookup(i));
        end = std::max(end, number.lookup(i));
      }
    for (const auto &[member, chain] : chainOf)
      for (const llvm::User *user : member->users()) {
        auto *by = llvm::cast<Instruction>(user);
        auto other = chainOf.find(by);
        if (by->getParent() == &block && !llvm::isa<llvm::PHINode>(by) &&
            (other == chainOf.end() ? number.lookup(by) < end
                                    : other->second != chain))
          return false;
      }
    // Memory: the order of any two accesses of different chains changes, and
    // that of a member and whatever follows it before the end.
    for (size_t a = begin; a <= end; ++a) {
      const Instruction *early = order[a];
      auto mine = chainOf.find(early);
      if (mine == chainOf.end() || !early->mayReadOrWriteMemory())
        continue;
      for (size_t b = begin; b <= end; ++b) {
        const Instruction *late = order[b];
        auto other = chainOf.find(late);
        if (!late->mayReadOrWriteMemory() ||
            (!early->mayWriteToMemory() && !late->mayWriteToMemory()))
          continue;
        if (other == chainOf.end() ? b < a : other->second <= mine->second)
          continue;
        if (!areDisjoint(early, late))
          return false;
      }
    }
    return true;
  }

  bool areDisjoint(const Instruction *a, const Instruction *b) const {
    auto atA = llvm::MemoryLocation::getOrNone(a);
    auto atB = llvm::MemoryLocation::getOrNone(b);
    return atA && atB && alias.isNoAlias(*atA, *atB);
  }

  /// One vector operation of each in turn, with what belongs to it.
  void interleave(const Group &group) {
    llvm::SmallVector<llvm::ArrayRef<Instruction *>, 8> rest;
    size_t end = 0;
    for (size_t c : group.chains) {
      rest.push_back(chains[c].behind(group.skipped));
      end = std::max(end, number.lookup(rest.back().back()));
    }
    Instruction *behind = order[end]->getNextNode();
    const size_t turns =
        chains[group.chains[0]].arithmetic.size() - group.skipped;
    for (size_t turn = 0; turn <= turns; ++turn)
      for (llvm::ArrayRef<Instruction *> &members : rest)
        for (bool done = false; !done && !members.empty();
             members = members.drop_front()) {
          done = turn < turns && isArithmetic(*members.front());
          members.front()->moveBefore(behind);
        }
  }
};

} // namespace

llvm::PreservedAnalyses
InterleaveChains::run(llvm::Function &function,
                      llvm::FunctionAnalysisManager &analyses) {
  llvm::AAResults &alias = analyses.getResult<llvm::AAManager>(function);
  bool changed = false;
  for (llvm::BasicBlock &block : function)
    changed |= BlockInterleaver(block, alias, most).run();
  llvm::PreservedAnalyses preserved;
  preserved.preserveSet<llvm::CFGAnalyses>();
  return changed ? preserved : llvm::PreservedAnalyses::all();
}

} // namespace fm::codegen
