//===- FmPointwiseOps.td - Elementwise arithmetic and activations ---------===//
//
// A primitive pointwise op is one record: its scalar computation on arith and
// math, and its adjoint as an expression in fm ops. In `scalar`, `a`, `b`, `c`
// are the operands' elements and `s` builds. In `adjoint`, `a`, `b` are the
// operands, `y` the result and `dy` its gradient; one expression per operand,
// summed over broadcast dimensions afterwards. Operands broadcast as in NumPy.
//
// Derivatives are those of the op's definition; where the op has a kink the
// choice is PyTorch's, and it is written beside it.
//
//===----------------------------------------------------------------------===//
#ifndef FM_POINTWISE_OPS_TD
#define FM_POINTWISE_OPS_TD

include "compiler/ir/FmBase.td"

defvar Unary = (ins Fm_Tensor:$x);
defvar Binary = (ins Fm_Tensor:$a, Fm_Tensor:$b);
defvar UnarySignature = "x: tensor";
defvar BinarySignature = "a: tensor, b: tensor";

class Fm_Composed<code composition> {
  code definition = [{
    ::llvm::SmallVector<::mlir::Value> $cppClass::decompose(::fm::ir::DecomposeContext &context) {
      using namespace ::fm::ir;
      auto &builder = context.builder;
      auto loc = getLoc();
      TensorExpr a(builder, loc, getOperation()->getOperand(0));
      TensorExpr b(builder, loc, getOperation()->getOperand(getOperation()->getNumOperands() > 1 ? 1 : 0));
      (void)a; (void)b;
      return {(}] # composition # [{)};
    }
  }];
}
class Fm_Adjoint<code expressions> {
  code definition = [{
    ::llvm::SmallVector<::mlir::Value> $cppClass::buildAdjoint(
        ::mlir::OpBuilder &builder, ::mlir::ValueRange gradients, ::llvm::ArrayRef<bool> wanted) {
      using namespace ::fm::ir;
      auto loc = getLoc();
      TensorExpr a(builder, loc, getOperation()->getOperand(0));
      TensorExpr b(builder, loc, getOperation()->getOperand(getOperation()->getNumOperands() > 1 ? 1 : 0));
      TensorExpr y(builder, loc, getOperation()->getResult(0));
      TensorExpr dy(builder, loc, gradients[0]);
      (void)a; (void)b; (void)y;
      auto want = [&](unsigned i) { return wanted[i]; };
      (void)want;
      return ::fm::ir::sumToOperands(getOperation(), wanted, {}] # expressions # [{});
    }
  }];
}
class Fm_Scalar_<code expression> {
  code definition = [{
    ::mlir::Value $cppClass::buildScalar(::mlir::OpBuilder &builder, ::mlir::Location loc, ::mlir::ValueRange arguments) {
      using namespace ::fm::ir;
      ScalarExpr a(builder, loc, arguments[0]);
      ScalarExpr b(builder, loc, arguments[arguments.size() > 1 ? 1 : 0]);
      ScalarExpr c(builder, loc, arguments[arguments.size() > 2 ? 2 : 0]);
      (void)b; (void)c;
      return (}] # expression # [{);
    }
    ::llvm::SmallVector<::mlir::Value> $cppClass::lowerToLinalg(::fm::ir::LoweringContext &context) {
      return {::fm::ir::lowerPointwise(*this, context)};
    }
  }];
}
class Fm_InferPointwise {
  code definition = [{
    ::llvm::LogicalResult $cppClass::inferReturnTypes(
        ::mlir::MLIRContext *context, ::std::optional<::mlir::Location> loc, ::mlir::ValueRange operands,
        ::mlir::DictionaryAttr attributes, ::mlir::OpaqueProperties, ::mlir::RegionRange,
        ::llvm::SmallVectorImpl<::mlir::Type> &types) {
      return ::fm::ir::inferPointwise(getOperationName(), loc, operands, attributes, types);
    }
  }];
}

/// One result, each element of which depends on the operands' elements at the
/// same place alone.
def Fm_Pointwise : NativeOpTrait<"Pointwise"> { let cppNamespace = "::fm::ir"; }

defvar PointwiseTraits = [Pure, Fm_Pointwise, DeclareOpInterfaceMethods<InferTypeOpInterface>];
defvar PrimitiveTraits = !listconcat(PointwiseTraits, [
  DeclareOpInterfaceMethods<PointwiseOpInterface>,
  DeclareOpInterfaceMethods<LoweringOpInterface>]);

/// A primitive of the language with a gradient.
class Fm_PrimitiveOp<string mnemonic, string summary_, dag arguments_,
                     string signature, code scalar, code adjoint,
                     string category = "math">
    : Fm_LangOp<mnemonic, category, signature,
        !listconcat(PrimitiveTraits, [DeclareOpInterfaceMethods<AdjointOpInterface>])> {
  let summary = summary_;
  let arguments = arguments_;
  let results = (outs Fm_Tensor:$y);
  let extraClassDefinition = Fm_InferPointwise<>.definition
      # Fm_Scalar_<scalar>.definition # Fm_Adjoint<adjoint>.definition;
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

/// A composition of primitives with an adjoint of its own.
class Fm_ComposedOp<string mnemonic, string summary_, dag arguments_,
                    string signature, code composition, code adjoint,
                    string category = "activation">
    : Fm_LangOp<mnemonic, category, signature,
        !listconcat(PointwiseTraits, [DeclareOpInterfaceMethods<DecomposableOpInterface>,
                                      DeclareOpInterfaceMethods<AdjointOpInterface>])> {
  let summary = summary_;
  let arguments = arguments_;
  let results = (outs Fm_Tensor:$y);
  let extraClassDefinition = Fm_InferPointwise<>.definition
      # Fm_Composed<composition>.definition # Fm_Adjoint<adjoint>.definition;
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

def Fm_AddOp : Fm_PrimitiveOp<"add", "a + b", Binary, BinarySignature,
  [{ a + b }], [{ dy, dy }]>;
def Fm_SubOp : Fm_PrimitiveOp<"sub", "a - b", Binary, BinarySignature,
  [{ a - b }], [{ dy, want(1) ? -dy : dy }]>;
def Fm_MulOp : Fm_PrimitiveOp<"mul", "a * b", Binary, BinarySignature,
  [{ a * b }], [{ want(0) ? dy * b : dy, want(1) ? dy * a : dy }]>;
def Fm_DivOp : Fm_PrimitiveOp<"div", "a / b; integers divide towards zero, and by zero to 0", Binary, BinarySignature,
  [{ a / b }], [{ want(0) ? dy / b : dy, want(1) ? -(dy * y) / b : dy }]>;
def Fm_NegOp : Fm_PrimitiveOp<"neg", "-x", Unary, UnarySignature,
  [{ -a }], [{ -dy }]>;
// At 0 the gradient is 0, as PyTorch's.
def Fm_AbsOp : Fm_PrimitiveOp<"abs", "absolute value", Unary, UnarySignature,
  [{ a.abs() }], [{ select(a > 0.0, dy, select(a < 0.0, -dy, dy.zeros())) }]>;
def Fm_ExpOp : Fm_PrimitiveOp<"exp", "e to the x", Unary, UnarySignature,
  [{ a.exp() }], [{ dy * y }]>;
def Fm_LogOp : Fm_PrimitiveOp<"log", "natural logarithm", Unary, UnarySignature,
  [{ a.log() }], [{ dy / a }]>;
def Fm_SqrtOp : Fm_PrimitiveOp<"sqrt", "square root", Unary, UnarySignature,
  [{ a.sqrt() }], [{ dy * 0.5 / y }]>;
def Fm_RsqrtOp : Fm_PrimitiveOp<"rsqrt", "1 / sqrt(x)", Unary, UnarySignature,
  [{ a.rsqrt() }], [{ dy * -0.5 * y * y * y }]>;
def Fm_ErfOp : Fm_PrimitiveOp<"erf", "error function", Unary, UnarySignature,
  [{ a.erf() }], [{ dy * exp(-(a * a)) * 1.1283791670955126 }]>; // 2/sqrt(pi)
// d/da at b = 0 is 0, d/db at a = 0 is 0, as PyTorch's.
def Fm_PowOp : Fm_PrimitiveOp<"pow", "a to the power b", Binary, BinarySignature,
  [{ a.pow(b) }],
  [{ want(0) ? select(b == 0.0, dy.zeros(), dy * b * pow(a, b - 1.0)) : dy,
     want(1) ? select(a == 0.0, dy.zeros(), dy * y * log(a)) : dy }]>;
// Where both are equal each gets half, as PyTorch's maximum and minimum.
def Fm_MaximumOp : Fm_PrimitiveOp<"maximum", "the larger of a and b", Binary, BinarySignature,
  [{ a.maximum(b) }],
  [{ select(a == b, dy * 0.5, select(a > b, dy, dy.zeros())),
     select(a == b, dy * 0.5, select(b > a, dy, dy.zeros())) }]>;
def Fm_MinimumOp : Fm_PrimitiveOp<"minimum", "the smaller of a and b", Binary, BinarySignature,
  [{ a.minimum(b) }],
  [{ select(a == b, dy * 0.5, select(a < b, dy, dy.zeros())),
     select(a == b, dy * 0.5, select(b < a, dy, dy.zeros())) }]>;

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

// The mask is taken from the result, so that the input need not be kept. At 0
// the gradient is 0, as PyTorch's. A NaN stays a NaN.
def Fm_ReluOp : Fm_PrimitiveOp<"relu", "max(x, 0)", Unary, UnarySignature,
  [{ a.relu() }], [{ select(y > 0.0, dy, dy.zeros()) }], "activation">;
def Fm_TanhOp : Fm_PrimitiveOp<"tanh", "hyperbolic tangent", Unary, UnarySignature,
  [{ a.tanh() }], [{ dy * (1.0 - y * y) }], "activation">;
def Fm_LeakyReluOp : Fm_ComposedOp<"leaky_relu", "x where x > 0, else slope * x (Keras' slope: 0.3; PyTorch's, and ours: 0.01)",
  (ins Fm_Tensor:$x, F64Attr:$slope), "x: tensor, slope: float = 0.01",
  [{ select(a > 0.0, a, a * getSlope().convertToDouble()) }],
  [{ select(a > 0.0, dy, dy * getSlope().convertToDouble()) }]>;
// Where exp(-x) overflows, 1 / inf is the 0 that it should be.
def Fm_SigmoidOp : Fm_PrimitiveOp<"sigmoid", "1 / (1 + exp(-x))", Unary, UnarySignature,
  [{ a.sigmoid() }], [{ dy * y * (1.0 - y) }], "activation">;
def Fm_SiluOp : Fm_ComposedOp<"silu", "x * sigmoid(x), also called swish", Unary, UnarySignature,
  [{ a * sigmoid(a) }], [{ dy * sigmoid(a) * (1.0 + a * (1.0 - sigmoid(a))) }]>;
// Hendrycks and Gimpel, arXiv:1606.08415; d = Phi(x) + x * phi(x).
def Fm_GeluOp : Fm_ComposedOp<"gelu", "x * Phi(x) with the exact normal distribution, or its tanh approximation",
  (ins Fm_Tensor:$x, BoolAttr:$approximate), "x: tensor, approximate: bool = false",
  [{ gelu(a, getApproximate()) }], [{ dy * geluDerivative(a, getApproximate()) }]>;

//===----------------------------------------------------------------------===//
// Not part of the language: comparisons, selection, conversion
//===----------------------------------------------------------------------===//

class Fm_InternalPointwiseOp<string mnemonic, dag arguments_, code scalar,
                             list<Trait> traits = []>
    : Fm_Op<mnemonic, !listconcat(PrimitiveTraits, traits)> {
  let arguments = arguments_;
  let results = (outs Fm_Tensor:$y);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  code scalarDefinition = Fm_InferPointwise<>.definition # Fm_Scalar_<scalar>.definition;
  let extraClassDefinition = scalarDefinition;
}
class Fm_NoGradient<string reason> {
  code declaration = [{
    static ::llvm::StringRef getNonDifferentiableReason() { return "}] # reason # [{"; }
  }];
}

def Fm_CompareOp : Fm_InternalPointwiseOp<"compare",
    (ins StrAttr:$predicate, Fm_Tensor:$a, Fm_Tensor:$b),
    [{ a.compare(getPredicate(), b) }], [NonDifferentiableOpInterface]> {
  let summary = "predicate eq, ne, lt, le, gt or ge; result i1";
  let extraClassDeclaration = Fm_NoGradient<"a comparison is piecewise constant">.declaration;
  let assemblyFormat = "$predicate $a `,` $b attr-dict `:` functional-type(operands, results)";
}
def Fm_SelectOp : Fm_InternalPointwiseOp<"select",
    (ins Fm_Tensor:$condition, Fm_Tensor:$a, Fm_Tensor:$b),
    [{ a.select(b, c) }], [DeclareOpInterfaceMethods<AdjointOpInterface>]> {
  let summary = "a where the condition holds, else b";
  let extraClassDefinition = scalarDefinition # [{
    ::llvm::SmallVector<::mlir::Value> $cppClass::buildAdjoint(
        ::mlir::OpBuilder &builder, ::mlir::ValueRange gradients, ::llvm::ArrayRef<bool> wanted) {
      using namespace ::fm::ir;
      TensorExpr condition(builder, getLoc(), getCondition()), dy(builder, getLoc(), gradients[0]);
      return sumToOperands(getOperation(), wanted, {dy, ::fm::ir::select(condition, dy, dy.zeros()),
                                                    ::fm::ir::select(condition, dy.zeros(), dy)});
    }
  }];
}
def Fm_CastOp : Fm_InternalPointwiseOp<"cast",
    (ins Fm_Tensor:$x, TypeAttr:$to),
    [{ a.cast(getTo()) }], [DeclareOpInterfaceMethods<AdjointOpInterface>]> {
  let summary = "conversion of the element type; floats to integers truncate";
  // No gradient flows into integers, and none comes out of them.
  let extraClassDefinition = scalarDefinition # [{
    ::llvm::SmallVector<::mlir::Value> $cppClass::buildAdjoint(
        ::mlir::OpBuilder &builder, ::mlir::ValueRange gradients, ::llvm::ArrayRef<bool> wanted) {
      auto element = ::mlir::getElementTypeOrSelf(getX().getType());
      if (!::llvm::isa<::mlir::FloatType>(element))
        return {::mlir::Value()};
      return {::fm::ir::TensorExpr(builder, getLoc(), gradients[0]).cast(element)};
    }
  }];
}

#endif // FM_POINTWISE_OPS_TD
