//===- FmTensorOps.td - Reductions, shapes, contractions, windows ---------===//
//
// The primitives with structure: each lowers itself to linalg, and its adjoint
// is made of ops of this file. Images are NHWC, convolution kernels HWIO.
//
//===----------------------------------------------------------------------===//
#ifndef FM_TENSOR_OPS_TD
#define FM_TENSOR_OPS_TD

include "compiler/ir/FmPointwiseOps.td"

defvar Infer = DeclareOpInterfaceMethods<InferTypeOpInterface>;
defvar Adjoint = DeclareOpInterfaceMethods<AdjointOpInterface>;
defvar Lowering = DeclareOpInterfaceMethods<LoweringOpInterface>;
defvar Contraction = DeclareOpInterfaceMethods<ContractionOpInterface>;
defvar Decompose = DeclareOpInterfaceMethods<DecomposableOpInterface>;
defvar Typed = "operands attr-dict `:` functional-type(operands, results)";

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

def Fm_ConstantOp : Fm_Op<"constant", [Pure, AllTypesMatch<["value", "y"]>, ConstantLike, Lowering, NonDifferentiableOpInterface]> {
  let summary = "A constant tensor";
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Fm_Tensor:$y);
  let assemblyFormat = "attr-dict $value";
  let hasFolder = 1;
  let builders = [OpBuilder<(ins "::mlir::ElementsAttr":$value), [{
    build($_builder, $_state, value.getType(), value);
  }]>];
  let extraClassDeclaration = Fm_NoGradient<"a constant has no gradient">.declaration;
}

def Fm_SamplesOp : Fm_Op<"samples", [Pure, Lowering, NonDifferentiableOpInterface]> {
  let summary = "The number of samples n of this call, as a scalar";
  let results = (outs Fm_Scalar:$n);
  let assemblyFormat = "attr-dict `:` type($n)";
  let extraClassDeclaration = Fm_NoGradient<"the number of samples has no gradient">.declaration;
}

def Fm_BroadcastOp : Fm_Op<"broadcast", [Pure, Lowering, Adjoint]> {
  let summary = "x repeated along dimensions of length 1 and new leading ones";
  let arguments = (ins Fm_Tensor:$x);
  let results = (outs Fm_Tensor:$y);
  let assemblyFormat = Typed;
}

def Fm_OneHotOp : Fm_Op<"one_hot", [Pure, Infer, Lowering, NonDifferentiableOpInterface,
                                    DeclareOpInterfaceMethods<IndexOpInterface>]> {
  let summary = "1 at the index, 0 elsewhere, along a new last dimension";
  let arguments = (ins Fm_Tensor:$index, Fm_Int:$depth, TypeAttr:$element);
  let results = (outs Fm_Tensor:$y);
  let assemblyFormat = Typed;
  let extraClassDeclaration = Fm_NoGradient<"an index has no gradient">.declaration;
}

def Fm_RandomMaskOp : Fm_Op<"random_mask", [Pure, Lowering, NonDifferentiableOpInterface]> {
  let summary = "0 with probability `rate`, else 1 / (1 - rate)";
  let description = [{
    Counter-based: with z = mix(mix(k + 0x9E3779B97F4A7C15) xor (2^12 t + s)), the
    64-bit mix being SplitMix64's (Steele et al., OOPSLA 2014), element i of stream
    s at step t under seed k is one output of Philox2x32-7 (Salmon et al., SC 2011)
    with key z mod 2^32 and counter (i mod 2^32, z / 2^32 xor i / 2^32). The same
    values come out whenever they are computed again; they repeat after 2^52 steps.
  }];
  let arguments = (ins Fm_Scalar:$seed, Fm_Scalar:$step, F64Attr:$rate, Fm_Int:$stream);
  let results = (outs Fm_FloatTensor:$mask);
  let assemblyFormat = Typed;
  let extraClassDeclaration = Fm_NoGradient<"a random mask has no gradient">.declaration;
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

defvar ReductionArguments = (ins Fm_Tensor:$x, DenseI64ArrayAttr:$axis, BoolAttr:$keepdims);
defvar ReductionSignature = "x: tensor, axis: axes enum(all) = all, keepdims: bool = false";

class Fm_ReductionOp<string mnemonic, string summary_, list<Trait> traits>
    : Fm_LangOp<mnemonic, "reduction", ReductionSignature,
                !listconcat([Pure, Infer, Adjoint], traits)> {
  let summary = summary_;
  let arguments = ReductionArguments;
  let results = (outs Fm_Tensor:$y);
  let assemblyFormat = Typed;
}
def Fm_SumOp : Fm_ReductionOp<"sum", "sum over axes", [Lowering]>;
def Fm_MeanOp : Fm_ReductionOp<"mean", "mean over axes", [Decompose]>;
def Fm_MaxOp : Fm_ReductionOp<"max", "largest element over axes; equal ones share the gradient", [Lowering]>;
def Fm_MinOp : Fm_ReductionOp<"min", "smallest element over axes; equal ones share the gradient", [Lowering]>;

def Fm_ArgmaxOp : Fm_LangOp<"argmax", "reduction", "x: tensor, axis: int = -1",
                            [Pure, Infer, Lowering, NonDifferentiableOpInterface]> {
  let summary = "index of the first largest element along an axis, as i32";
  let arguments = (ins Fm_Tensor:$x, Fm_Int:$axis);
  let results = (outs Fm_Tensor:$y);
  let assemblyFormat = Typed;
  let moreDeclarations = Fm_NoGradient<"argmax is piecewise constant">.declaration;
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

def Fm_ReshapeOp : Fm_LangOp<"reshape", "shape", "x: tensor, shape: ints",
                             [Pure, Infer, Adjoint, Lowering]> {
  let summary = "the same elements in another shape; one dimension may be -1";
  let arguments = (ins Fm_Tensor:$x, DenseI64ArrayAttr:$shape);
  let results = (outs Fm_Tensor:$y);
  let assemblyFormat = Typed;
  let hasFolder = 1;
}
def Fm_FlattenOp : Fm_LangOp<"flatten", "shape", "x: tensor", [Pure, Infer, Decompose]> {
  let summary = "all dimensions but the first become one";
  let arguments = (ins Fm_Tensor:$x);
  let results = (outs Fm_Tensor:$y);
  let assemblyFormat = Typed;
}
def Fm_TransposeOp : Fm_LangOp<"transpose", "shape", "x: tensor, axes: ints",
                               [Pure, Infer, Adjoint, Lowering]> {
  let summary = "dimension i of the result is dimension axes[i] of x";
  let arguments = (ins Fm_Tensor:$x, DenseI64ArrayAttr:$axes);
  let results = (outs Fm_Tensor:$y);
  let assemblyFormat = Typed;
}
def Fm_ConcatOp : Fm_LangOp<"concat", "shape", "x: tensor..., axis: int = -1",
                            [Pure, Infer, Adjoint, Lowering]> {
  let summary = "tensors side by side along an axis";
  let arguments = (ins Variadic<Fm_Tensor>:$x, Fm_Int:$axis);
  let results = (outs Fm_Tensor:$y);
  let assemblyFormat = Typed;
}
def Fm_SliceOp : Fm_LangOp<"slice", "shape", "x: tensor, axis: int, begin: int, end: int, step: int = 1",
                           [Pure, Infer, Adjoint, Lowering]> {
  let summary = "elements begin, begin + step, ... below end along an axis; negative positions count from the end";
  let arguments = (ins Fm_Tensor:$x, Fm_Int:$axis, Fm_Int:$begin, Fm_Int:$end, Fm_Int:$step);
  let results = (outs Fm_Tensor:$y);
  let assemblyFormat = Typed;
  let hasCanonicalizeMethod = 1;
}
def Fm_PadOp : Fm_LangOp<"pad", "shape", "x: tensor, before: ints, after: ints, value: float = 0.0",
                         [Pure, Infer, Adjoint, Lowering]> {
  let summary = "a border of constant value, `before` and `after` each dimension";
  let arguments = (ins Fm_Tensor:$x, DenseI64ArrayAttr:$before, DenseI64ArrayAttr:$after, F64Attr:$value);
  let results = (outs Fm_Tensor:$y);
  let assemblyFormat = Typed;
}
def Fm_EmbedOp : Fm_Op<"embed", [Pure, Infer, Adjoint, Lowering]> {
  let summary = "the adjoint of slice: x at begin, begin + step, ... of `size` zeros along an axis";
  let arguments = (ins Fm_Tensor:$x, Fm_Int:$axis, Fm_Int:$begin, Fm_Int:$step, Fm_Int:$size);
  let results = (outs Fm_Tensor:$y);
  let assemblyFormat = Typed;
  let hasCanonicalizeMethod = 1;
}

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

def Fm_EinsumOp : Fm_Op<"einsum", [Pure, Infer, Adjoint, Lowering, Contraction]> {
  let summary = "sum of products over the labels that the result lacks";
  let description = [{
    `equation`: "nk,ko->no". Every label of an operand occurs in the other or in
    the result, so that both adjoints are einsums again.
  }];
  let arguments = (ins Fm_FloatTensor:$a, Fm_FloatTensor:$b, StrAttr:$equation);
  let results = (outs Fm_FloatTensor:$y);
  let assemblyFormat = "$equation operands attr-dict `:` functional-type(operands, results)";
}

def Fm_MatmulOp : Fm_LangOp<"matmul", "math",
    "a: tensor, b: tensor, transpose_a: bool = false, transpose_b: bool = false",
    [Pure, Infer, Decompose]> {
  let summary = "matrix product of the last two dimensions; leading dimensions broadcast";
  let arguments = (ins Fm_FloatTensor:$a, Fm_FloatTensor:$b, BoolAttr:$transpose_a, BoolAttr:$transpose_b);
  let results = (outs Fm_FloatTensor:$y);
  let assemblyFormat = Typed;
}

class Fm_ConvFamilyOp<string mnemonic, dag arguments_>
    : Fm_Op<mnemonic, [Pure, Infer, Adjoint, Lowering, Contraction]> {
  let arguments = arguments_;
  let results = (outs Fm_FloatTensor:$y);
  let assemblyFormat = Typed;
}
def Fm_ConvOp : Fm_ConvFamilyOp<"conv",
    (ins Fm_FloatTensor:$x, Fm_FloatTensor:$w, DenseI64ArrayAttr:$stride,
         DenseI64ArrayAttr:$dilation, Fm_Int:$groups)> {
  let summary = "convolution of x [n,h,w,c] by w [kh,kw,c/groups,o], without padding";
}
def Fm_ConvInputGradOp : Fm_ConvFamilyOp<"conv_input_grad",
    (ins Fm_FloatTensor:$dy, Fm_FloatTensor:$w, DenseI64ArrayAttr:$stride,
         DenseI64ArrayAttr:$dilation, Fm_Int:$groups, DenseI64ArrayAttr:$size,
         DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$origin)> {
  let summary = "gradient of the part of conv's x that begins at `origin` (default: 0, 0) and has the height and width `size`";
  let extraClassDeclaration = [{
    int64_t originAlong(int dim) { return getOrigin().empty() ? 0 : getOrigin()[dim]; }
  }];
}
def Fm_InterleaveOp : Fm_Op<"interleave", [Pure, Infer, Lowering, NonDifferentiableOpInterface]> {
  let summary = "images of height and width `size`: part i is every stride[0]-th row from phases[i] / stride[1] on, of that every stride[1]-th element from phases[i] % stride[1] on; the rest is zero";
  let arguments = (ins Variadic<Fm_FloatTensor>:$parts, DenseI64ArrayAttr:$phases,
                       DenseI64ArrayAttr:$stride, DenseI64ArrayAttr:$size);
  let results = (outs Fm_FloatTensor:$y);
  let assemblyFormat = Typed;
  let extraClassDeclaration = Fm_NoGradient<"it is made from gradients only">.declaration;
}
def Fm_ConvKernelGradOp : Fm_ConvFamilyOp<"conv_kernel_grad",
    (ins Fm_FloatTensor:$x, Fm_FloatTensor:$dy, DenseI64ArrayAttr:$stride,
         DenseI64ArrayAttr:$dilation, Fm_Int:$groups, DenseI64ArrayAttr:$size)> {
  let summary = "gradient of conv's w, whose height and width are `size`";
}

//===----------------------------------------------------------------------===//
// Windows
//===----------------------------------------------------------------------===//

def Fm_WindowMaxOp : Fm_Op<"window_max", [Pure, Infer, Adjoint, Lowering]> {
  let summary = "largest element of each window, and its position (ky * kw + kx) in it";
  let arguments = (ins Fm_Tensor:$x, DenseI64ArrayAttr:$size, DenseI64ArrayAttr:$stride);
  let results = (outs Fm_Tensor:$y, Fm_Tensor:$position);
  let assemblyFormat = Typed;
}
def Fm_WindowMaxGradOp : Fm_Op<"window_max_grad", [Pure, Infer, Lowering, NonDifferentiableOpInterface]> {
  let summary = "gradient of window_max's x, whose height and width are `shape`";
  let arguments = (ins Fm_Tensor:$dy, Fm_Tensor:$position, DenseI64ArrayAttr:$size,
                       DenseI64ArrayAttr:$stride, DenseI64ArrayAttr:$shape);
  let results = (outs Fm_Tensor:$dx);
  let assemblyFormat = Typed;
  let extraClassDeclaration = Fm_NoGradient<"second derivatives of pooling are not built">.declaration
    # [{ static bool isGradientAnError() { return true; } }];
}
def Fm_WindowSumOp : Fm_Op<"window_sum", [Pure, Infer, Adjoint, Lowering]> {
  let summary = "sum of each window";
  let arguments = (ins Fm_FloatTensor:$x, DenseI64ArrayAttr:$size, DenseI64ArrayAttr:$stride);
  let results = (outs Fm_FloatTensor:$y);
  let assemblyFormat = Typed;
}
def Fm_WindowSumGradOp : Fm_Op<"window_sum_grad", [Pure, Infer, Adjoint, Lowering]> {
  let summary = "gradient of window_sum's x, whose height and width are `shape`";
  let arguments = (ins Fm_FloatTensor:$dy, DenseI64ArrayAttr:$size,
                       DenseI64ArrayAttr:$stride, DenseI64ArrayAttr:$shape);
  let results = (outs Fm_FloatTensor:$dx);
  let assemblyFormat = Typed;
}

#endif // FM_TENSOR_OPS_TD
