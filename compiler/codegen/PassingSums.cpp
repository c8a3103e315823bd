//===- PassingSums.cpp - Sums taken where their terms are made ------------===//
#include "compiler/codegen/PassingSums.h"

#include <algorithm>
#include <map>
#include <optional>

#include "compiler/codegen/ExprBuilder.h"
#include "compiler/codegen/IndexAnalysis.h"

namespace fm::codegen {

namespace {

/// Rows whose sums are worth a parallel loop over rows alone.
constexpr int64_t kFewestRows = 16;
/// Stages that are computed again for the terms.
constexpr int kMostRepeated = 16;

/// The points at which a sum's terms are made, and how they are summed.
struct Points {
  std::vector<Extent> domain;
  std::vector<unsigned> place; ///< of each loop of the reducing stage
  std::vector<bool> summed;    ///< per dimension of the domain
};

class Rewriter {
public:
  explicit Rewriter(KernelSpec &spec) : spec(spec) {
    for (unsigned s = 0; s < spec.stages.size(); ++s) {
      const Stage &stage = spec.stages[s];
      isMade.push_back(stage.reduces() || isOutput(s) || readsMade(stage));
      isLocal.push_back(stage.reduces() || readsOwnPoint(stage));
    }
  }

  void run() {
    for (unsigned s = 0; s < spec.stages.size(); ++s)
      if (isPlainSum(s))
        if (auto points = pointsOf(spec.stages[s]))
          rewrite(s, *points);
  }

private:
  KernelSpec &spec;
  /// A stage: whether it is, or is made of, an output or the result of a
  /// reduction.
  std::vector<bool> isMade;
  /// And whether, of what is made, it reads its own point only.
  std::vector<bool> isLocal;

  bool isOutput(unsigned s) const {
    return std::any_of(spec.outputs.begin(), spec.outputs.end(),
                       [&](const Output &o) { return o.stage == s; });
  }

  bool readsMade(const Stage &stage) const {
    bool found = false;
    for (const Result &result : stage.results)
      forEachLoad(*result.init, [&](const Expr &load) {
        found |= load.source.kind == TensorRef::Kind::Stage &&
                 isMade[load.source.index];
      });
    return found;
  }

  bool readsOwnPoint(const Stage &stage) const {
    bool own = true;
    for (const Result &result : stage.results)
      forEachLoad(*result.init, [&](const Expr &load) {
        const unsigned from = load.source.index;
        if (load.source.kind == TensorRef::Kind::Stage && isMade[from])
          own = own && isLocal[from] &&
                isIdentity(load, stage, spec.stages[from].domain);
      });
    return own;
  }

  const Output *outputOf(unsigned s, unsigned result) const {
    for (const Output &output : spec.outputs)
      if (output.stage == s && output.result == result)
        return &output;
    return nullptr;
  }

  /// Sums from zero, each of them an output, and read by no other stage.
  bool isPlainSum(unsigned s) const {
    const Stage &stage = spec.stages[s];
    if (!stage.reduces() || stage.domain.size() < 2)
      return false;
    for (unsigned r = 0; r < stage.results.size(); ++r) {
      const Result &result = stage.results[r];
      const Output *output = outputOf(s, r);
      if (!elementOf(result, r) || result.update->op != Op::Add ||
          result.init->op != Op::Constant || result.init->floatValue != 0 ||
          !output || output->inPlace >= 0 || !isPlain(output->buffer))
        return false;
    }
    bool read = false;
    for (const Stage &other : spec.stages)
      for (const Result &result : other.results)
        for (const ExprRef &e : {result.init, result.update})
          if (e)
            forEachLoad(*e, [&](const Expr &load) {
              read |= load.source.kind == TensorRef::Kind::Stage &&
                      load.source.index == s;
            });
    return !read;
  }

  /// Those of a stage that the sum reads element by element and that is
  /// computed here.
  std::optional<Points> pointsOf(const Stage &sum) const {
    std::optional<Points> found;
    const size_t loops = sum.domain.size() + sum.reduction.size();
    for (const Result &result : sum.results)
      forEachLoad(*result.update, [&](const Expr &load) {
        if (found || load.source.kind != TensorRef::Kind::Stage ||
            load.operands.size() != loops)
          return;
        const unsigned t = load.source.index;
        const Output *output = outputOf(t, load.source.result);
        if (!isMade[t] || (output && !isPlain(output->buffer)))
          return;
        Points points;
        points.domain = spec.stages[t].domain;
        points.place.assign(loops, loops);
        points.summed.assign(loops, false);
        for (unsigned d = 0; d < loops; ++d) {
          const Expr &operand = *load.operands[d];
          if (operand.op != Op::Index || points.place[operand.number] != loops)
            return;
          points.place[operand.number] = d;
          points.summed[d] = operand.number >= sum.domain.size();
        }
        if (isWorthwhile(sum, points))
          found = points;
      });
    return found;
  }

  /// Whole rows as parallel tasks, vectors across the sums.
  static bool isWorthwhile(const Stage &sum, const Points &points) {
    for (size_t k = 0; k < points.place.size(); ++k) {
      const Extent &extent = k < sum.domain.size()
                                 ? sum.domain[k]
                                 : sum.reduction[k - sum.domain.size()];
      if (!(extent == points.domain[points.place[k]]))
        return false;
    }
    if (points.summed.front() || points.summed.back())
      return false;
    int64_t rows = 1;
    for (size_t d = 0; d + 1 < points.domain.size(); ++d)
      if (!points.summed[d])
        rows *= points.domain[d].size;
    return rows >= kFewestRows;
  }

  void rewrite(unsigned s, const Points &points) {
    const Stage &sum = spec.stages[s];
    std::map<unsigned, ExprRef> indices;
    for (unsigned k = 0; k < points.place.size(); ++k)
      indices[k] = index(points.place[k]);
    Substitution atPoint(indices);
    // Nothing changes before everything is known to be possible.
    KernelSpec changed = spec;
    Stage stage;
    stage.name = sum.name;
    stage.domain = points.domain;
    for (unsigned r = 0; r < sum.results.size(); ++r) {
      InPlace inPlace(*this, changed, points);
      const ExprRef term = inPlace(atPoint(elementOf(sum.results[r], r)));
      if (!term)
        return;
      const ScalarType type = sum.results[r].type;
      const unsigned memory = accumulate(changed, s, r, points);
      const ExprRef soFar = inPlace.unlessFirst(
          points.summed,
          load({TensorRef::Kind::Input, memory, 0}, type, inPlace.point()),
          real(type, 0));
      stage.results.push_back(
          {type, node(Op::Add, type, {soFar, term}), nullptr});
    }
    changed.stages[s] = stage;
    spec = std::move(changed);
  }

  /// The output of a sum, and the input through which it is read again.
  static unsigned accumulate(KernelSpec &changed, unsigned s, unsigned result,
                             const Points &points) {
    for (unsigned o = 0; o < changed.outputs.size(); ++o) {
      Output &output = changed.outputs[o];
      if (output.stage != s || output.result != result)
        continue;
      std::vector<int64_t> strides(points.domain.size(), 0);
      for (const PhysicalDim &dim : output.buffer.dims)
        strides[points.place[dim.logical]] = dim.stride;
      output.buffer.shape = points.domain;
      output.buffer.dims.clear();
      for (unsigned d = 0; d < points.domain.size(); ++d)
        output.buffer.dims.push_back({d, 1, 0, points.domain[d], strides[d]});
      output.inPlace = changed.inputs.size();
      changed.inputs.push_back(output.buffer);
      changed.inputs.back().name += "_so_far";
      changed.inputs.back().aliasOf = o;
      return output.inPlace;
    }
    return 0;
  }

  /// The term of a sum, as it is computed at a point of the domain.
  class InPlace {
  public:
    InPlace(const Rewriter &rewriter, KernelSpec &changed, const Points &points)
        : rewriter(rewriter), changed(changed), points(points),
          ranges(boxOf(points), samplesBound(changed)) {}

    /// Null where it cannot be computed there.
    ExprRef operator()(const ExprRef &e) {
      auto known = done.find(e.get());
      if (known != done.end())
        return known->second;
      keep.push_back(e);
      return done[e.get()] = compute(e);
    }

    std::vector<ExprRef> point() const {
      std::vector<ExprRef> list;
      for (unsigned d = 0; d < points.domain.size(); ++d)
        list.push_back(index(d));
      return list;
    }

    /// `first` where all of these indices are 0, else `later`.
    static ExprRef unlessFirst(const std::vector<bool> &along, ExprRef later,
                               ExprRef first) {
      ExprRef any;
      for (unsigned d = 0; d < along.size(); ++d)
        if (along[d]) {
          ExprRef one = node(Op::Gt, ScalarType::I1, {index(d), integer(0)});
          any = any ? node(Op::Or, ScalarType::I1, {any, one}) : one;
        }
      auto select = std::make_shared<Expr>();
      select->op = Op::Select;
      select->type = later->type;
      select->intValue = 1;
      select->operands = {any, later, first};
      return select;
    }

  private:
    const Rewriter &rewriter;
    KernelSpec &changed;
    const Points &points;
    RangeAnalysis ranges;
    std::map<const Expr *, ExprRef> done;
    std::vector<ExprRef> keep;
    int repeated = 0;

    static Box boxOf(const Points &points) {
      Box box;
      for (const Extent &extent : points.domain)
        box.push_back(Interval::of(0, extent.size - 1));
      return box;
    }

    ExprRef compute(const ExprRef &e) {
      if (e->op == Op::Load && e->source.kind == TensorRef::Kind::Stage &&
          rewriter.isMade[e->source.index])
        return read(*e);
      auto copy = std::make_shared<Expr>(*e);
      for (ExprRef &operand : copy->operands)
        if (!(operand = (*this)(operand)))
          return nullptr;
      return copy;
    }

    ExprRef read(const Expr &e) {
      const unsigned s = e.source.index;
      const Stage &stage = changed.stages[s];
      std::vector<bool> first(points.domain.size(), false);
      bool isHere = stage.domain == points.domain, isRow = isHere;
      for (unsigned d = 0; isRow && d < first.size(); ++d) {
        const Expr &operand = *e.operands[d];
        if (operand.op == Op::Index && operand.number == d)
          continue;
        isHere = false;
        const Interval range = ranges.range(operand);
        first[d] = range.known && range.low == 0 && range.high == 0;
        isRow = first[d] && points.summed[d];
      }
      if (isHere && rewriter.isLocal[s])
        return std::make_shared<Expr>(e);
      if (isRow && !isHere)
        if (ExprRef stored = readStored(e, first))
          return stored;
      if (stage.reduces() || ++repeated > kMostRepeated)
        return nullptr;
      // Computed again, at other indices.
      std::map<unsigned, ExprRef> indices;
      for (unsigned d = 0; d < e.operands.size(); ++d)
        indices[d] = e.operands[d];
      return (*this)(
          Substitution(indices)(stage.results[e.source.result].init));
    }

    /// The element at the beginning of a row: this one, or what is in memory.
    ExprRef readStored(const Expr &e, const std::vector<bool> &first) {
      for (unsigned o = 0; o < changed.outputs.size(); ++o) {
        const Output &output = changed.outputs[o];
        if (output.stage != e.source.index ||
            output.result != e.source.result ||
            !rewriter.isLocal[e.source.index])
          continue;
        const unsigned memory = memoryOf(o);
        std::vector<ExprRef> beginning = point();
        for (unsigned d = 0; d < first.size(); ++d)
          if (first[d])
            beginning[d] = integer(0);
        return unlessFirst(
            first, load({TensorRef::Kind::Input, memory, 0}, e.type, beginning),
            load(e.source, e.type, point()));
      }
      return nullptr;
    }

    unsigned memoryOf(unsigned o) {
      for (unsigned i = 0; i < changed.inputs.size(); ++i)
        if (changed.inputs[i].aliasOf == static_cast<int>(o))
          return i;
      changed.inputs.push_back(changed.outputs[o].buffer);
      changed.inputs.back().name += "_stored";
      changed.inputs.back().aliasOf = o;
      return changed.inputs.size() - 1;
    }
  };
};

} // namespace

KernelSpec sumsInPassing(KernelSpec spec) {
  Rewriter(spec).run();
  return spec;
}

} // namespace fm::codegen
