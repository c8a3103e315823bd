//===- MergeLoops.cpp - Two loops over contiguous memory as one -----------===//
//
// A pair is two neighbouring loops of a stage, or dimensions of an input. A
// load with `a + i` and `j` at two neighbouring places ties the pair (i, j) of
// the stage that reads to that of the tensor it reads: both are merged, or
// neither is, into `a * J + m`, where J is how many j there are. Any other use
// of i or j, and memory with gaps, forbids it.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/MergeLoops.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "compiler/codegen/ExprBuilder.h"

namespace fm::codegen {

namespace {

/// The dimensions `first` and `first + 1` of an input or of a stage, whose
/// reduction's follow its domain's.
struct Pair {
  TensorRef::Kind kind;
  unsigned owner, first;
  friend bool operator<(const Pair &a, const Pair &b) {
    return std::tie(a.kind, a.owner, a.first) <
           std::tie(b.kind, b.owner, b.first);
  }
};

bool uses(const Expr &e, unsigned index) {
  return (e.op == Op::Index && e.number == index) ||
         std::any_of(e.operands.begin(), e.operands.end(),
                     [&](const ExprRef &o) { return uses(*o, index); });
}

bool isIndex(const Expr &e, unsigned index) {
  return e.op == Op::Index && e.number == index;
}

bool isConstant(const Expr &e) { return e.op == Op::Constant; }

/// a + b or a - b of two integers, of which one may be a constant.
ExprRef combine(Op op, const ExprRef &a, const ExprRef &b) {
  if (isConstant(*b) && b->intValue == 0)
    return a;
  if (isConstant(*a) && isConstant(*b))
    return integer(op == Op::Add ? a->intValue + b->intValue
                                 : a->intValue - b->intValue);
  if (isConstant(*a) && a->intValue == 0 && op == Op::Add)
    return b;
  return node(op, ScalarType::I64, {a, b});
}

/// A of `A + index`, or null; A knows nothing of the index.
ExprRef offsetFrom(const ExprRef &e, unsigned index) {
  if (isIndex(*e, index))
    return integer(0);
  if (e->op != Op::Add && e->op != Op::Sub)
    return nullptr;
  const ExprRef &a = e->operands[0], &b = e->operands[1];
  if (!uses(*b, index)) {
    const ExprRef inner = offsetFrom(a, index);
    return inner ? combine(e->op, inner, b) : nullptr;
  }
  if (e->op == Op::Sub || uses(*a, index))
    return nullptr;
  const ExprRef inner = offsetFrom(b, index);
  return inner ? combine(Op::Add, a, inner) : nullptr;
}

/// A comparison of an I64 with a constant; it need not be made of indices.
bool isOrderWithConstant(const Expr &e) {
  return (e.op == Op::Lt || e.op == Op::Le || e.op == Op::Gt ||
          e.op == Op::Ge) &&
         e.operands[0]->type == ScalarType::I64 && isConstant(*e.operands[1]);
}

/// The loops, of so many, whose indices an expression uses.
std::vector<unsigned> indicesOf(const Expr &e, unsigned loops) {
  std::vector<unsigned> found;
  for (unsigned x = 0; x < loops; ++x)
    if (uses(e, x))
      found.push_back(x);
  return found;
}

/// The one index in `index + constant < constant`, or the like.
std::optional<unsigned> orderedIndex(const Expr &e, unsigned loops) {
  if (!isOrderWithConstant(e))
    return std::nullopt;
  const std::vector<unsigned> found = indicesOf(*e.operands[0], loops);
  if (found.size() != 1 || !offsetFrom(e.operands[0], found[0]))
    return std::nullopt;
  return found[0];
}

/// A stage's expressions, with the loops of merged pairs as one.
class Rewriting {
public:
  Rewriting(const Stage &stage, unsigned s, const std::set<Pair> &merged)
      : merged(merged) {
    const unsigned rank = stage.domain.size();
    inside.assign(rank + stage.reduction.size(), 1);
    unsigned number = 0;
    for (unsigned x = 0; x < inside.size(); ++x) {
      const bool isInner =
          x > 0 && merged.count({TensorRef::Kind::Stage, s, x - 1});
      renumbered.push_back(isInner ? number - 1 : number++);
      if (isInner)
        inside[x - 1] =
            (x < rank ? stage.domain[x] : stage.reduction[x - rank]).size;
    }
  }

  ExprRef operator()(const ExprRef &e) {
    if (!e)
      return e;
    if (auto found = known.find(e.get()); found != known.end())
      return found->second;
    auto copy = std::make_shared<Expr>(*e);
    if (e->op == Op::Index)
      copy->number = renumbered[e->number];
    else if (e->op == Op::Load)
      copy->operands = indicesOf(*e);
    else if (const auto x = comparedOuter(*e))
      compareWhole(*e, *x, *copy);
    else
      for (ExprRef &operand : copy->operands)
        operand = (*this)(operand);
    return known[e.get()] = copy;
  }

private:
  const std::set<Pair> &merged;
  std::vector<unsigned> renumbered; ///< per loop
  std::vector<int64_t> inside; ///< of a pair's first loop: how many the second
  std::unordered_map<const Expr *, ExprRef> known;
  std::vector<ExprRef> kept; ///< offsets, which `known` knows by address

  /// `A + x` of a pair, as one index.
  ExprRef joined(const ExprRef &e, unsigned x) {
    const ExprRef offset = kept.emplace_back(offsetFrom(e, x));
    return combine(Op::Add, index(renumbered[x]),
                   isConstant(*offset)
                       ? integer(offset->intValue * inside[x])
                       : node(Op::Mul, ScalarType::I64,
                              {(*this)(offset), integer(inside[x])}));
  }

  std::vector<ExprRef> indicesOf(const Expr &load) {
    std::vector<ExprRef> indices;
    for (unsigned q = 0; q < load.operands.size(); ++q) {
      const ExprRef &at = load.operands[q];
      if (merged.count({load.source.kind, load.source.index, q}))
        indices.push_back(joined(at, load.operands[++q]->number - 1));
      else
        indices.push_back((*this)(at));
    }
    return indices;
  }

  std::optional<unsigned> comparedOuter(const Expr &e) const {
    const auto x = orderedIndex(e, inside.size());
    return x && inside[*x] > 1 ? x : std::nullopt;
  }

  /// Of i <= c and of i > c, i < c + 1 and i >= c + 1: those hold for all j of
  /// an i, or for none.
  void compareWhole(const Expr &e, unsigned x, Expr &copy) {
    const bool next = e.op == Op::Le || e.op == Op::Gt;
    copy.op = e.op == Op::Le ? Op::Lt : e.op == Op::Gt ? Op::Ge : e.op;
    copy.operands = {joined(e.operands[0], x),
                     integer((e.operands[1]->intValue + next) * inside[x])};
  }
};

class Merger {
public:
  explicit Merger(KernelSpec &spec) : spec(spec) {}

  /// Merges one set of pairs that are tied to each other; false if none may be
  /// that should.
  bool mergeOne() {
    collect();
    for (unsigned s = 0; s < spec.stages.size(); ++s)
      visitStage(s);
    std::set<size_t> forbidden, wanted;
    std::map<size_t, std::vector<Pair>> sets;
    for (const auto &[pair, number] : numbers) {
      const size_t set = setOf(number);
      if (isForbidden[number])
        forbidden.insert(set);
      if (isWanted(pair))
        wanted.insert(set);
      if (auto &pairs = sets[set];
          !pairs.empty() && overlap(pairs.back(), pair))
        forbidden.insert(set);
      sets[set].push_back(pair);
    }
    for (size_t set : wanted)
      if (!forbidden.count(set)) {
        merge(sets[set]);
        return true;
      }
    return false;
  }

private:
  KernelSpec &spec;
  std::map<Pair, size_t> numbers;
  std::vector<size_t> parents;
  std::vector<bool> isForbidden;
  std::unordered_set<const Expr *> visited; ///< of one stage

  static bool overlap(const Pair &a, const Pair &b) {
    return a.kind == b.kind && a.owner == b.owner && a.first + 1 == b.first;
  }

  size_t setOf(size_t number) {
    while (parents[number] != number)
      number = parents[number] = parents[parents[number]];
    return number;
  }

  //===--------------------------------------------------------------------===//
  // Pairs
  //===--------------------------------------------------------------------===//

  const Extent &extentOf(const Pair &pair, unsigned next) const {
    const unsigned at = pair.first + next;
    if (pair.kind == TensorRef::Kind::Input)
      return spec.inputs[pair.owner].shape[at];
    const Stage &stage = spec.stages[pair.owner];
    return at < stage.domain.size() ? stage.domain[at]
                                    : stage.reduction[at - stage.domain.size()];
  }

  void collect() {
    auto add = [&](const Pair &pair, bool allowed) {
      for (unsigned next : {0u, 1u})
        if (extentOf(pair, next).isSamples || extentOf(pair, next).size == 1)
          return;
      if (extentOf(pair, 0).size * extentOf(pair, 1).size >
          std::numeric_limits<int32_t>::max())
        return; // of what is broadcast, and stored nowhere
      const size_t number = numbers.size();
      numbers[pair] = number;
      parents.push_back(number);
      isForbidden.push_back(!allowed);
    };
    for (unsigned i = 0; i < spec.inputs.size(); ++i)
      for (unsigned q = 0; q + 1 < spec.inputs[i].shape.size(); ++q)
        add({TensorRef::Kind::Input, i, q}, isContiguous(spec.inputs[i], q));
    for (unsigned s = 0; s < spec.stages.size(); ++s) {
      const Stage &stage = spec.stages[s];
      const unsigned rank = stage.domain.size();
      for (unsigned p = 0; p + 1 < rank + stage.reduction.size(); ++p)
        if (p + 1 != rank)
          add({TensorRef::Kind::Stage, s, p}, stage.together.empty());
    }
    for (const Output &output : spec.outputs)
      for (unsigned q = 0; q + 1 < output.buffer.shape.size(); ++q)
        if (!isContiguous(output.buffer, q))
          forbid({TensorRef::Kind::Stage, output.stage, q});
  }

  static bool isContiguous(const Buffer &buffer, unsigned q) {
    const PhysicalDim *outer = nullptr, *inner = nullptr;
    for (const PhysicalDim &dim : buffer.dims) {
      if (dim.logical != q && dim.logical != q + 1)
        continue;
      const PhysicalDim *&found = dim.logical == q ? outer : inner;
      if (found || dim.divisor != 1 || dim.modulus != 0)
        return false;
      found = &dim;
    }
    return outer && inner && inner->stride > 0 &&
           outer->stride == inner->stride * inner->extent.size;
  }

  void forbid(const Pair &pair) {
    if (auto found = numbers.find(pair); found != numbers.end())
      isForbidden[found->second] = true;
  }

  /// Loops of a few iterations, and last ones that leave a vector unfinished
  /// which is a good part of them. Where a loop may be the parallel one, what
  /// is long stays.
  bool isWanted(const Pair &pair) const {
    constexpr int64_t few = 16, many = 256, mostAtOnce = 1 << 14;
    if (pair.kind == TensorRef::Kind::Input)
      return false;
    const int64_t outer = extentOf(pair, 0).size,
                  inner = extentOf(pair, 1).size;
    const size_t rank = spec.stages[pair.owner].domain.size();
    const bool last = pair.first + 2 == rank;
    return (inner < few || (last && inner < many && inner % few != 0)) &&
           (pair.first > 0 || outer * inner <= mostAtOnce);
  }

  //===--------------------------------------------------------------------===//
  // Uses
  //===--------------------------------------------------------------------===//

  void visitStage(unsigned s) {
    visited.clear();
    for (const Result &result : spec.stages[s].results)
      for (const ExprRef &e : {result.init, result.update})
        if (e)
          visit(*e, s);
  }

  void forbidUse(unsigned s, unsigned index) {
    forbid({TensorRef::Kind::Stage, s, index});
    if (index > 0)
      forbid({TensorRef::Kind::Stage, s, index - 1});
  }

  unsigned loopsOf(unsigned s) const {
    return spec.stages[s].domain.size() + spec.stages[s].reduction.size();
  }

  void visit(const Expr &e, unsigned s) {
    if (e.op == Op::Index)
      return forbidUse(s, e.number);
    if (!visited.insert(&e).second)
      return;
    if (e.op == Op::Load)
      return visitLoad(e, s);
    if (auto x = orderedIndex(e, loopsOf(s))) {
      if (*x > 0)
        forbid({TensorRef::Kind::Stage, s, *x - 1});
      return;
    }
    for (const ExprRef &operand : e.operands)
      visit(*operand, s);
  }

  void visitLoad(const Expr &load, unsigned s) {
    const size_t rank = load.operands.size();
    std::vector<bool> tied(rank, false);
    for (unsigned q = 0; q < rank; ++q)
      for (unsigned x : indicesOf(*load.operands[q], loopsOf(s))) {
        const Pair outer{TensorRef::Kind::Stage, s, x};
        const Pair read{load.source.kind, load.source.index, q};
        const ExprRef offset = offsetFrom(load.operands[q], x);
        if (q + 1 < rank && isIndex(*load.operands[q + 1], x + 1) && offset &&
            !uses(*offset, x + 1) && numbers.count(outer) &&
            numbers.count(read) && extentOf(outer, 1) == extentOf(read, 1)) {
          parents[setOf(numbers[outer])] = setOf(numbers[read]);
          tied[q] = true;
        } else {
          forbid(outer);
        }
        const bool isInner = q > 0 && tied[q - 1] && x > 0 &&
                             isIndex(*load.operands[q], x) &&
                             uses(*load.operands[q - 1], x - 1);
        if (x > 0 && !isInner)
          forbid({TensorRef::Kind::Stage, s, x - 1});
      }
    for (unsigned q = 0; q + 1 < rank; ++q)
      if (!tied[q])
        forbid({load.source.kind, load.source.index, q});
    // What a tensor's element says where to read is no walk through memory.
    std::function<void(const Expr &)> visitInside = [&](const Expr &e) {
      if (e.op == Op::Load)
        visit(e, s);
      else
        for (const ExprRef &operand : e.operands)
          visitInside(*operand);
    };
    for (const ExprRef &operand : load.operands)
      visitInside(*operand);
  }

  //===--------------------------------------------------------------------===//
  // Rewriting
  //===--------------------------------------------------------------------===//

  void merge(const std::vector<Pair> &pairs) {
    const std::set<Pair> merged(pairs.begin(), pairs.end());
    for (unsigned s = 0; s < spec.stages.size(); ++s) {
      Rewriting rewritten(spec.stages[s], s, merged);
      for (Result &result : spec.stages[s].results) {
        result.init = rewritten(result.init);
        result.update = rewritten(result.update);
      }
    }
    // The last of an owner first: it does not change the others' places.
    for (auto pair = merged.rbegin(); pair != merged.rend(); ++pair) {
      if (pair->kind == TensorRef::Kind::Input) {
        mergeDims(spec.inputs[pair->owner], pair->first);
        continue;
      }
      Stage &stage = spec.stages[pair->owner];
      const size_t rank = stage.domain.size();
      if (pair->first >= rank) {
        mergeExtents(stage.reduction, pair->first - rank);
        continue;
      }
      mergeExtents(stage.domain, pair->first);
      for (Output &output : spec.outputs)
        if (output.stage == pair->owner)
          mergeDims(output.buffer, pair->first);
    }
  }

  static void mergeExtents(std::vector<Extent> &extents, unsigned q) {
    extents[q].size *= extents[q + 1].size;
    extents.erase(extents.begin() + q + 1);
  }

  static void mergeDims(Buffer &buffer, unsigned q) {
    const Extent outer = buffer.shape[q];
    mergeExtents(buffer.shape, q);
    std::erase_if(buffer.dims,
                  [&](const PhysicalDim &dim) { return dim.logical == q; });
    for (PhysicalDim &dim : buffer.dims)
      if (dim.logical > q) {
        if (dim.logical-- == q + 1)
          dim.extent.size *= outer.size;
      }
  }
};

} // namespace

KernelSpec mergeLoops(KernelSpec spec) {
  while (Merger(spec).mergeOne())
    ;
  return spec;
}

} // namespace fm::codegen
