//===- TranslateKernel.cpp - fm.kernel regions to KernelSpec -------------------===//
//
// Index maps and scalar bodies translate one to one: a linalg.generic is a
// stage, its maps become index expressions, its body an expression.
//
//===----------------------------------------------------------------------===//

#include "compiler/codegen/BuildProgram.h"
#include "compiler/codegen/ExprBuilder.h"
#include "compiler/codegen/Layouts.h"
#include "compiler/ir/Parts.h"
#include "compiler/ir/Layouts.h"
#include "compiler/ir/Together.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace fm::codegen {

ScalarType scalarTypeOf(Type element) {
  if (element.isF32())
    return ScalarType::F32;
  if (element.isF64())
    return ScalarType::F64;
  if (element.isIndex() || element.isInteger(64))
    return ScalarType::I64;
  if (element.isInteger(32))
    return ScalarType::I32;
  if (element.isInteger(8))
    return ScalarType::I8;
  assert(element.isInteger(1) && "an element type without a scalar type");
  return ScalarType::I1;
}

std::vector<Extent> extentsOf(RankedTensorType type, int64_t batch) {
  std::vector<Extent> result;
  for (int64_t size : type.getShape())
    result.push_back(ShapedType::isDynamic(size) ? Extent{batch, true} : Extent{size, false});
  return result;
}

namespace {

ExprRef makeConstant(TypedAttr value) {
  auto expr = std::make_shared<Expr>();
  expr->type = scalarTypeOf(value.getType());
  if (auto number = dyn_cast<FloatAttr>(value))
    expr->floatValue = number.getValueAsDouble();
  else
    expr->intValue = cast<IntegerAttr>(value).getValue().getSExtValue();
  if (expr->type == ScalarType::I1)
    expr->intValue &= 1;
  return expr;
}
ExprRef makeNumbered(Op op, ScalarType type, unsigned number) {
  auto expr = std::make_shared<Expr>();
  expr->op = op;
  expr->type = type;
  expr->number = number;
  return expr;
}

/// Ops of arith and math that are one Op with the same operands.
std::optional<Op> plainOp(Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<Op>>(op)
      .Case<arith::AddFOp, arith::AddIOp>([](auto) { return Op::Add; })
      .Case<arith::SubFOp, arith::SubIOp>([](auto) { return Op::Sub; })
      .Case<arith::MulFOp, arith::MulIOp>([](auto) { return Op::Mul; })
      .Case<arith::DivFOp, arith::DivSIOp>([](auto) { return Op::Div; })
      .Case<arith::FloorDivSIOp>([](auto) { return Op::FloorDiv; })
      .Case<arith::MaximumFOp, arith::MaxSIOp>([](auto) { return Op::Max; })
      .Case<arith::MinimumFOp, arith::MinSIOp>([](auto) { return Op::Min; })
      .Case<arith::AndIOp>([](auto) { return Op::And; })
      .Case<arith::OrIOp>([](auto) { return Op::Or; })
      .Case<arith::XOrIOp>([](auto) { return Op::Xor; })
      .Case<arith::ShLIOp>([](auto) { return Op::ShiftLeft; })
      .Case<arith::ShRUIOp>([](auto) { return Op::ShiftRightLogical; })
      .Case<arith::NegFOp>([](auto) { return Op::Neg; })
      .Case<math::AbsFOp, math::AbsIOp>([](auto) { return Op::Abs; })
      .Case<math::ExpOp>([](auto) { return Op::Exp; })
      .Case<math::LogOp>([](auto) { return Op::Log; })
      .Case<math::SqrtOp>([](auto) { return Op::Sqrt; })
      .Case<math::RsqrtOp>([](auto) { return Op::Rsqrt; })
      .Case<math::TanhOp>([](auto) { return Op::Tanh; })
      .Case<math::ErfOp>([](auto) { return Op::Erf; })
      .Case<math::FloorOp>([](auto) { return Op::Floor; })
      .Case<math::CeilOp>([](auto) { return Op::Ceil; })
      .Case<math::PowFOp>([](auto) { return Op::Pow; })
      .Case<arith::SelectOp>([](auto) { return Op::Select; })
      .Default([](auto) { return std::nullopt; });
}

std::optional<Op> comparison(arith::CmpIPredicate predicate) {
  switch (predicate) {
  case arith::CmpIPredicate::eq: return Op::Eq;
  case arith::CmpIPredicate::ne: return Op::Ne;
  case arith::CmpIPredicate::slt: return Op::Lt;
  case arith::CmpIPredicate::sle: return Op::Le;
  case arith::CmpIPredicate::sgt: return Op::Gt;
  case arith::CmpIPredicate::sge: return Op::Ge;
  default: return std::nullopt;
  }
}
std::optional<Op> comparison(arith::CmpFPredicate predicate) {
  switch (predicate) {
  case arith::CmpFPredicate::OEQ: return Op::Eq;
  case arith::CmpFPredicate::UNE: return Op::Ne;
  case arith::CmpFPredicate::OLT: return Op::Lt;
  case arith::CmpFPredicate::OLE: return Op::Le;
  case arith::CmpFPredicate::OGT: return Op::Gt;
  case arith::CmpFPredicate::OGE: return Op::Ge;
  default: return std::nullopt;
  }
}

/// x of 1 / (1 + exp(-x)), or null. Canonical forms move the
/// constant of a sum to either side.
ExprRef sigmoidOperand(Op op, const std::vector<ExprRef> &operands) {
  auto isOne = [](const ExprRef &e) { return e->op == Op::Constant && isFloat(e->type) && e->floatValue == 1; };
  if (op != Op::Div || !isOne(operands[0]) || operands[1]->op != Op::Add)
    return nullptr;
  const auto &sum = operands[1]->operands;
  const ExprRef &power = isOne(sum[0]) ? sum[1] : sum[0];
  if ((!isOne(sum[0]) && !isOne(sum[1])) || power->op != Op::Exp || power->operands[0]->op != Op::Neg)
    return nullptr;
  return power->operands[0]->operands[0];
}

class Translator {
public:
  Translator(ir::KernelOp kernel, int64_t batch) : kernel(kernel), batch(batch) {}

  FailureOr<KernelSpec> run() {
    if (kernel->hasAttr(kHoldsInputs)) {
      auto padding = paddingOf(kernel);
      if (!padding)
        return std::move(spec); // nothing is left to do
      Value padded = kernel->getResult(0);
      return borderKernel(buffer("out", cast<RankedTensorType>(padded.getType()), padded), padding->before,
                          padding->after, padding->value);
    }
    Block &body = kernel.getBody().front();
    for (auto [i, argument] : llvm::enumerate(body.getArguments().drop_front())) {
      auto type = cast<RankedTensorType>(argument.getType());
      sources[argument] = {TensorRef::Kind::Input, unsigned(i), 0};
      spec.inputs.push_back(buffer("in" + std::to_string(i), type, kernel.getInputs()[i]));
    }
    for (auto generic : body.getOps<linalg::GenericOp>())
      if (failed(addStage(generic)))
        return failure();
    auto inplace = kernel.getInplace();
    for (auto [i, value] : llvm::enumerate(body.getTerminator()->getOperands())) {
      auto source = sources.find(value);
      if (source == sources.end() || source->second.kind != TensorRef::Kind::Stage)
        return kernel.emitError("kernel yields what none of its ops computes");
      Output output;
      output.stage = source->second.index;
      output.result = source->second.result;
      output.buffer =
          buffer("out" + std::to_string(i), cast<RankedTensorType>(value.getType()), kernel->getResult(i));
      output.inPlace = inplace ? int((*inplace)[i]) : -1;
      spec.outputs.push_back(std::move(output));
    }
    return std::move(spec);
  }

private:
  /// `value`: the tensor between kernels, which says how it lies in memory.
  Buffer buffer(std::string name, RankedTensorType type, Value value) {
    Buffer result;
    result.name = std::move(name);
    result.type = scalarTypeOf(type.getElementType());
    result.shape = extentsOf(type, batch);
    ir::KernelOp holder = holderOf(value);
    if (!holder) {
      result.dims = rowMajorOf(type, value);
      return result;
    }
    Value whole = holder->getResult(0);
    result.dims = rowMajorOf(cast<RankedTensorType>(whole.getType()), whole);
    OperandRange parts = holder.getInputs();
    const auto begins = beginsOfInputs(holder);
    for (auto [dim, begin] : llvm::zip(result.dims, begins[llvm::find(parts, value) - parts.begin()])) {
      result.offset += begin * dim.stride;
      dim.extent = result.shape[dim.logical];
    }
    return result;
  }

  std::vector<PhysicalDim> rowMajorOf(RankedTensorType type, Value value) const {
    if (int64_t width = panelOf(value))
      return inPanels(extentsOf(type, batch), width, sizeOf(scalarTypeOf(type.getElementType())));
    std::vector<Pitch> pitches;
    for (Rows rows : rowsOf(value))
      pitches.push_back({rowRank(type.getShape(), rows.length), rows.pitch});
    auto dims = rowMajor(extentsOf(type, batch), pitches);
    if (int64_t pitch = samplePitchOf(value))
      dims[0].stride = pitch;
    return dims;
  }

  //===--------------------------------------------------------------------===//
  // Stages
  //===--------------------------------------------------------------------===//

  LogicalResult addStage(linalg::GenericOp generic) {
    Stage stage;
    unsigned index = spec.stages.size();
    stage.name = "s" + std::to_string(index);
    // Loop numbers: the result's dimensions in order, then the reductions.
    AffineMap outMap = generic.getIndexingMapsArray().back();
    auto iterators = generic.getIteratorTypesArray();
    auto ranges = cast<linalg::LinalgOp>(generic.getOperation()).getStaticLoopRanges();
    auto extent = [&](unsigned loop) {
      return ShapedType::isDynamic(ranges[loop]) ? Extent{batch, true} : Extent{ranges[loop], false};
    };
    stage.together = togetherOf(generic);
    loops.assign(iterators.size(), nullptr);
    unsigned number = 0;
    for (AffineExpr expr : outMap.getResults()) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (!dim || loops[dim.getPosition()])
        return generic.emitError("a result must be written once, in loop order");
      loops[dim.getPosition()] = makeNumbered(Op::Index, ScalarType::I64, number++);
      stage.domain.push_back(extent(dim.getPosition()));
    }
    for (auto [i, iterator] : llvm::enumerate(iterators)) {
      if (iterator == utils::IteratorType::reduction) {
        loops[i] = makeNumbered(Op::Index, ScalarType::I64, number++);
        stage.reduction.push_back(extent(i));
      } else if (!loops[i]) {
        return generic.emitError("a parallel loop that the result lacks");
      }
    }
    // The body's arguments: loads, and what is accumulated.
    values.clear();
    Block &body = *generic.getBody();
    for (OpOperand &operand : generic->getOpOperands()) {
      BlockArgument element = generic.getMatchingBlockArgument(&operand);
      if (generic.isDpsInit(&operand)) {
        unsigned result = operand.getOperandNumber() - generic.getNumDpsInputs();
        values[element] = makeNumbered(Op::Accumulator, scalarTypeOf(element.getType()), result);
        continue;
      }
      if (element.use_empty())
        continue; // it only gives a window its extent
      std::vector<ExprRef> indices;
      for (AffineExpr expr : generic.getMatchingIndexingMap(&operand).getResults())
        indices.push_back(affine(expr));
      auto load = loadOf(generic, operand.get(), std::move(indices));
      if (failed(load))
        return failure();
      values[element] = *load;
    }
    for (Operation &op : body.without_terminator())
      if (failed(translate(op)))
        return failure();
    for (auto [i, yielded] : llvm::enumerate(body.getTerminator()->getOperands())) {
      Result result;
      result.type = scalarTypeOf(yielded.getType());
      ExprRef value = lookup(yielded);
      if (stage.reduction.empty()) {
        result.init = value;
      } else {
        auto fill = generic.getDpsInits()[i].getDefiningOp<linalg::FillOp>();
        TypedAttr start;
        if (!fill || !matchPattern(fill.getInputs()[0], m_Constant(&start)))
          return generic.emitError("a reduction must begin with a constant");
        result.init = makeConstant(start);
        result.update = usingLoops(value, stage, i);
      }
      stage.results.push_back(std::move(result));
      sources[generic.getResult(i)] = {TensorRef::Kind::Stage, index, unsigned(i)};
    }
    spec.stages.push_back(std::move(stage));
    return success();
  }

  static bool uses(const ExprRef &expr, unsigned loop) {
    if (expr->op == Op::Index && expr->number == loop)
      return true;
    return llvm::any_of(expr->operands, [&](const ExprRef &operand) { return uses(operand, loop); });
  }

  /// At most eight nodes, none of them a loop's index.
  static bool isSmallConstant(const ExprRef &expr, int &nodes) {
    return ++nodes <= 8 && expr->op != Op::Index &&
           llvm::all_of(expr->operands, [&](const ExprRef &operand) { return isSmallConstant(operand, nodes); });
  }

  /// A sum of what does not vary still runs over its loops: Halide wants each
  /// reduction index in the update.
  ExprRef usingLoops(ExprRef update, const Stage &stage, unsigned result) {
    for (unsigned i = 0; i < stage.reduction.size(); ++i) {
      unsigned loop = unsigned(stage.domain.size()) + i;
      if (uses(update, loop))
        continue;
      ExprRef index = makeNumbered(Op::Index, ScalarType::I64, loop);
      update = node(Op::Select, update->type,
                    {node(Op::Ge, ScalarType::I1, {index, integer(0)}), update,
                     makeNumbered(Op::Accumulator, update->type, result)});
    }
    return update;
  }

  FailureOr<ExprRef> loadOf(Operation *at, Value tensor, std::vector<ExprRef> indices) {
    auto type = cast<RankedTensorType>(tensor.getType());
    DenseElementsAttr splat;
    if (matchPattern(tensor, m_Constant(&splat)) && splat.isSplat())
      return makeConstant(splat.getSplatValue<TypedAttr>());
    auto source = sources.find(tensor);
    if (source == sources.end())
      return at->emitError("kernel reads what is neither its input nor computed in it");
    // What is the same at every point is read as the expression it is, if it is
    // small: a chain of such expressions would double with every link.
    if (source->second.kind == TensorRef::Kind::Stage) {
      const Stage &stage = spec.stages[source->second.index];
      const ExprRef &value = stage.results[source->second.result].init;
      int nodes = 0;
      if (!stage.reduces() && isSmallConstant(value, nodes))
        return value;
    }
    return load(source->second, scalarTypeOf(type.getElementType()), std::move(indices));
  }

  //===--------------------------------------------------------------------===//
  // Expressions
  //===--------------------------------------------------------------------===//

  ExprRef affine(AffineExpr expr) {
    if (auto dim = dyn_cast<AffineDimExpr>(expr))
      return loops[dim.getPosition()];
    if (auto constant = dyn_cast<AffineConstantExpr>(expr))
      return integer(constant.getValue());
    auto binary = cast<AffineBinaryOpExpr>(expr);
    Op op = expr.getKind() == AffineExprKind::Add        ? Op::Add
            : expr.getKind() == AffineExprKind::Mul      ? Op::Mul
            : expr.getKind() == AffineExprKind::FloorDiv ? Op::FloorDiv
                                                         : Op::FloorMod;
    return node(op, ScalarType::I64, {affine(binary.getLHS()), affine(binary.getRHS())});
  }

  ExprRef lookup(Value value) {
    if (auto found = values.find(value); found != values.end())
      return found->second;
    // From outside the body: n, or a constant.
    if (auto argument = dyn_cast<BlockArgument>(value);
        argument && argument.getOwner() == &kernel.getBody().front() && argument.getArgNumber() == 0)
      return node(Op::Samples, ScalarType::I64, {});
    TypedAttr constant;
    if (matchPattern(value, m_Constant(&constant)))
      return makeConstant(constant);
    return nullptr;
  }

  LogicalResult translate(Operation &op) {
    std::vector<ExprRef> operands;
    for (Value operand : op.getOperands())
      if (!isa<RankedTensorType>(operand.getType())) {
        operands.push_back(lookup(operand));
        if (!operands.back())
          return op.emitError("kernel body uses a value from outside");
      }
    if (op.getNumResults() != 1)
      return op.emitError("no kernel can be made of this op");
    Value result = op.getResult(0);
    ScalarType type = scalarTypeOf(result.getType());
    if (auto plain = plainOp(&op)) {
      if (ExprRef x = sigmoidOperand(*plain, operands))
        values[result] = node(Op::Sigmoid, type, {x});
      else
        values[result] = node(*plain, type, std::move(operands));
    } else if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      values[result] = makeConstant(constant.getValue());
    } else if (auto index = dyn_cast<linalg::IndexOp>(op)) {
      values[result] = loops[index.getDim()];
    } else if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
      auto load = loadOf(&op, extract.getTensor(), std::move(operands));
      if (failed(load))
        return failure();
      values[result] = *load;
    } else if (isa<arith::IndexCastOp, arith::ExtFOp, arith::TruncFOp, arith::ExtSIOp, arith::ExtUIOp,
                   arith::TruncIOp, arith::SIToFPOp, arith::UIToFPOp, arith::FPToSIOp>(op)) {
      values[result] = operands[0]->type == type ? operands[0] : node(Op::Cast, type, std::move(operands));
    } else if (auto compareInts = dyn_cast<arith::CmpIOp>(op)) {
      auto which = comparison(compareInts.getPredicate());
      if (!which)
        return op.emitError("unsigned comparison");
      values[result] = node(*which, ScalarType::I1, std::move(operands));
    } else if (auto compareFloats = dyn_cast<arith::CmpFOp>(op)) {
      auto which = comparison(compareFloats.getPredicate());
      if (!which)
        return op.emitError("comparison without an equal");
      values[result] = node(*which, ScalarType::I1, std::move(operands));
    } else {
      return op.emitError("no kernel can be made of ") << op.getName();
    }
    return success();
  }

  ir::KernelOp kernel;
  int64_t batch;
  KernelSpec spec;
  DenseMap<Value, TensorRef> sources;
  DenseMap<Value, ExprRef> values;
  std::vector<ExprRef> loops;
};

} // namespace

FailureOr<KernelSpec> translateKernel(ir::KernelOp kernel, int64_t batch) {
  return Translator(kernel, batch).run();
}

} // namespace fm::codegen
