//===- CutStrips.cpp - A kernel for one strip of a sample's rows ----------===//
//
// Row r of a stage is strip * step + r', where the step is the stage's own and
// r' the row within the strip. Index expressions are written in that form: of a
// load from a stage, or from what is the strip's own, r' remains.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/CutStrips.h"

#include <algorithm>
#include <memory>
#include <unordered_map>

#include "compiler/codegen/ExprBuilder.h"
#include "compiler/codegen/IndexAnalysis.h"

namespace fm::codegen {

namespace {

constexpr unsigned rowDim = 1; // behind the samples

bool hasRows(const std::vector<Extent> &shape) {
  return shape.size() > rowDim && shape[0].isSamples &&
         !shape[rowDim].isSamples;
}

void fixSamples(std::vector<Extent> &extents) {
  for (Extent &extent : extents)
    if (extent.isSamples)
      extent = Extent{1, false};
}

/// The dimension in memory that holds the rows; null: they are several.
template <typename Dims> auto *rowsIn(Dims &dims) {
  auto isRow = [](const PhysicalDim &dim) { return dim.logical == rowDim; };
  auto found = std::find_if(dims.begin(), dims.end(), isRow);
  const bool alone = std::count_if(dims.begin(), dims.end(), isRow) == 1 &&
                     found->divisor == 1 && found->modulus == 0;
  return alone ? &*found : nullptr;
}

/// strip * step + rest.
struct InStep {
  int64_t step = 0;
  ExprRef rest;
};

class Cutter {
public:
  Cutter(const KernelSpec &spec, int64_t strips, const std::vector<bool> &own)
      : spec(spec), strips(strips), own(own), cut(spec),
        rows(spec.stages.size()) {}

  std::optional<KernelSpec> run() {
    cut.strips = strips;
    for (size_t o = 0; o < cut.outputs.size(); ++o) {
      Output &output = cut.outputs[o];
      if (!own[cut.inputs.size() + o]) {
        isCut &= takeSum(output);
        continue;
      }
      const std::vector<Extent> &shape = output.buffer.shape;
      if (output.inPlace >= 0 || !hasRows(shape) ||
          shape[rowDim].size % strips != 0)
        return std::nullopt;
      const int64_t height = shape[rowDim].size / strips;
      isCut &= take(output.stage, height, height);
      isCut &= cutBuffer(output.buffer);
    }
    for (unsigned s = cut.stages.size(); s-- > 0 && isCut;)
      cutStage(s);
    for (size_t i = 0; i < cut.inputs.size() && isCut; ++i)
      isCut = own[i] ? cutBuffer(cut.inputs[i]) : fixBuffer(cut.inputs[i]);
    // A stage of which more is read than a strip is not what is stored.
    for (const Output &output : cut.outputs)
      isCut &= cut.stages[output.stage].domain == output.buffer.shape;
    if (!isCut)
      return std::nullopt;
    if (sum >= 0)
      addToSum();
    return std::move(cut);
  }

private:
  /// Of a stage: from strip to strip, and that a strip needs. Overlap is
  /// computed twice.
  struct Rows {
    int64_t step = -1, height = 0;
  };

  bool take(unsigned stage, int64_t step, int64_t height) {
    Rows &taken = rows[stage];
    if (taken.step >= 0 && taken.step != step)
      return false;
    taken.step = step;
    taken.height = std::max(taken.height, height);
    return true;
  }

  /// A sum stands alone.
  bool takeSum(Output &output) {
    sum = static_cast<int>(output.stage);
    return cut.outputs.size() == 1 && cut.stages[sum].reduces() &&
           cut.stages[sum].results.size() == 1 && output.inPlace < 0 &&
           fixBuffer(output.buffer);
  }

  /// The reduction loop over rows: that of all loads from what is the strip's.
  bool findRowLoop(const Stage &stage) {
    std::optional<unsigned> loop;
    bool isLoop = true;
    forEachLoad(*stage.results[0].update, [&](const Expr &load) {
      if (!isOfStrip(load.source))
        return;
      const Expr &row = *load.operands[rowDim];
      isLoop &= row.op == Op::Index && (!loop || *loop == row.number);
      loop = row.number;
    });
    if (!isLoop || !loop || *loop < stage.domain.size())
      return false;
    rowLoop = *loop;
    return true;
  }

  /// In the first strip the output is the strip's part; later what it was, plus
  /// that part.
  void addToSum() {
    const Stage part = cut.stages[sum];
    Output &output = cut.outputs[0];
    output.inPlace = static_cast<int>(cut.inputs.size());
    output.buffer.name = "out0";
    cut.inputs.push_back(output.buffer);
    cut.inputs.back().name = "in" + std::to_string(output.inPlace);
    std::vector<ExprRef> point;
    for (unsigned d = 0; d < part.domain.size(); ++d)
      point.push_back(index(d));
    const ScalarType type = part.results[0].type;
    const ExprRef own =
        load({TensorRef::Kind::Stage, unsigned(sum), 0}, type, point);
    const ExprRef before = load(
        {TensorRef::Kind::Input, unsigned(output.inPlace), 0}, type, point);
    Stage total;
    total.name = "s" + std::to_string(cut.stages.size());
    total.domain = part.domain;
    total.results.push_back(
        {type,
         node(Op::Select, type,
              {node(Op::Eq, ScalarType::I1,
                    {node(Op::Strip, ScalarType::I64, {}), integer(0)}),
               own, node(Op::Add, type, {before, own})}),
         nullptr});
    output.stage = cut.stages.size();
    cut.stages.push_back(std::move(total));
  }

  static bool fixBuffer(Buffer &buffer) {
    fixSamples(buffer.shape);
    for (PhysicalDim &dim : buffer.dims)
      if (dim.extent.isSamples)
        dim.extent = Extent{1, false};
    return true;
  }
  bool cutBuffer(Buffer &buffer) {
    PhysicalDim *dim = rowsIn(buffer.dims);
    if (!dim || !hasRows(buffer.shape) ||
        buffer.shape[rowDim].size % strips != 0)
      return false;
    buffer.shape[rowDim].size /= strips;
    dim->extent = buffer.shape[rowDim];
    return fixBuffer(buffer);
  }

  /// Behind all that read it.
  void cutStage(unsigned s) {
    Stage &stage = cut.stages[s];
    const bool isSum = static_cast<int>(s) == sum;
    const bool withRows = !isSum && hasRows(stage.domain);
    rowLoop = rowDim;
    step = 0;
    if (isSum) {
      Extent *rows = nullptr;
      if (findRowLoop(stage))
        rows = &stage.reduction[rowLoop - stage.domain.size()];
      if (!rows || rows->isSamples || rows->size % strips != 0) {
        isCut = false;
        return;
      }
      rows->size /= strips;
      step = rows->size;
    } else if (withRows) {
      if (rows[s].step < 0) {
        isCut = false; // nobody reads it
        return;
      }
      stage.domain[rowDim].size = rows[s].height;
    }
    fixSamples(stage.domain);
    fixSamples(stage.reduction);
    if (withRows)
      step = rows[s].step;
    done.clear();
    dependent.clear();
    ranges = std::make_unique<RangeAnalysis>(fullBox(stage), strips);
    for (Result &result : stage.results) {
      result.init = rewrite(result.init);
      if (result.update)
        result.update = rewrite(result.update);
    }
  }

  /// Whether an expression differs from strip to strip, or reads what does.
  bool depends(const Expr &e) {
    auto found = dependent.find(&e);
    if (found != dependent.end())
      return found->second;
    bool result = (e.op == Op::Index && e.number == rowLoop && step != 0) ||
                  (e.op == Op::Load && isOfStrip(e.source));
    for (const ExprRef &operand : e.operands)
      result |= depends(*operand);
    return dependent[&e] = result;
  }
  bool isOfStrip(const TensorRef &source) const {
    return source.kind == TensorRef::Kind::Input
               ? own[source.index] && hasRows(spec.inputs[source.index].shape)
               : hasRows(spec.stages[source.index].domain);
  }

  /// Nothing where it is no such form.
  std::optional<InStep> inStep(const ExprRef &e) {
    if (!depends(*e))
      return InStep{0, e};
    auto operand = [&](unsigned i) { return inStep(e->operands[i]); };
    switch (e->op) {
    case Op::Index:
      return InStep{step, e};
    case Op::Add:
    case Op::Sub: {
      const auto a = operand(0), b = operand(1);
      if (!a || !b)
        return std::nullopt;
      return InStep{e->op == Op::Add ? a->step + b->step : a->step - b->step,
                    node(e->op, e->type, {a->rest, b->rest})};
    }
    case Op::Mul:
    case Op::FloorDiv:
    case Op::FloorMod: {
      const auto a = operand(0);
      const Expr &number = *e->operands[1];
      if (!a || number.op != Op::Constant)
        return std::nullopt;
      const ExprRef rest = node(e->op, e->type, {a->rest, e->operands[1]});
      if (e->op == Op::Mul)
        return InStep{a->step * number.intValue, rest};
      if (number.intValue < 1 || a->step % number.intValue != 0)
        return std::nullopt;
      return InStep{e->op == Op::FloorDiv ? a->step / number.intValue : 0,
                    rest};
    }
    default:
      return std::nullopt;
    }
  }

  ExprRef rewrite(const ExprRef &e) {
    if (!depends(*e))
      return e;
    auto known = done.find(e.get());
    if (known != done.end())
      return known->second;
    ExprRef result;
    if (e->type == ScalarType::I64)
      if (const auto index = inStep(e))
        result = index->step == 0 ? index->rest
                                  : node(Op::Add, e->type,
                                         {node(Op::Mul, e->type,
                                               {node(Op::Strip, e->type, {}),
                                                integer(index->step)}),
                                          index->rest});
    if (!result) {
      auto copy = std::make_shared<Expr>(*e);
      for (ExprRef &operand : copy->operands)
        operand = rewrite(operand);
      if (e->op == Op::Load && isOfStrip(e->source))
        copy->operands[rowDim] = rowInStrip(*e);
      result = copy;
    }
    return done[e.get()] = result;
  }

  ExprRef rowInStrip(const Expr &load) {
    const auto row = inStep(load.operands[rowDim]);
    const Interval read = row ? ranges->range(*row->rest) : Interval{};
    if (!read.known || read.low < 0) {
      isCut = false;
      return load.operands[rowDim];
    }
    const unsigned source = load.source.index;
    if (load.source.kind == TensorRef::Kind::Stage) {
      isCut &= take(source, row->step, read.high + 1);
    } else {
      const int64_t height = spec.inputs[source].shape[rowDim].size / strips;
      isCut &= row->step == height && read.high < height;
    }
    return row->rest;
  }

  const KernelSpec &spec;
  const int64_t strips;
  const std::vector<bool> &own;
  KernelSpec cut;
  std::vector<Rows> rows; ///< per stage
  int sum = -1;           ///< the stage that sums over rows
  bool isCut = true;
  // Of the stage at hand.
  unsigned rowLoop = rowDim;
  int64_t step = 0;
  std::unordered_map<const Expr *, ExprRef> done;
  std::unordered_map<const Expr *, bool> dependent;
  std::unique_ptr<RangeAnalysis> ranges;
};

} // namespace

std::optional<KernelSpec> cutIntoStrips(const KernelSpec &spec, int64_t strips,
                                        const std::vector<bool> &own) {
  return Cutter(spec, strips, own).run();
}

int64_t stripPitch(const Buffer &buffer, int64_t strips) {
  const PhysicalDim *dim =
      hasRows(buffer.shape) ? rowsIn(buffer.dims) : nullptr;
  return dim ? buffer.shape[rowDim].size / strips * dim->stride *
                   sizeOf(buffer.type)
             : 0;
}

} // namespace fm::codegen
