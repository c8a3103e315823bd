//===- Passes.td - All passes, in pipeline order ---------------------------===//
#ifndef FM_PASSES_TD
#define FM_PASSES_TD

include "mlir/Pass/PassBase.td"

def FmBuildEntries : Pass<"fm-build-entries", "::mlir::ModuleOp"> {
  let summary = "Entry functions from a recorded model";
  let description = [{
    Before: one `fm.model`. After: beside it the functions `forward` (with
    outputs), `evaluate` and `gradients` (with a loss), `train_step` and
    `apply_gradients` (with a loss and an optimizer). Each clones the part of the
    model that it needs, in inference or in training mode; layers are decomposed.
    Gradients are `fm.gradient` ops, updates are optimizer ops. Argument 0 is the
    sample count; every argument and result carries an `fm.binding`.
  }];
  let dependentDialects = ["::mlir::func::FuncDialect"];
}

def FmSimplify : Pass<"fm-simplify", "::mlir::func::FuncOp"> {
  let summary = "Algebra on fm ops that later stages profit from";
  let description = [{
    Before and after: fm ops, same results, bit for bit. The maximum over a
    window moves before a rectifier and before a bias that is constant in the
    window: `window_max(relu(x + b))` is `relu(window_max(x) + b)`, on a quarter
    of the elements and with the rectifier's mask where the window's result is.
    Rows and columns of a convolution that no window reads are not computed, and
    what only they would read is cut off.
  }];
}

def FmFoldMovement : Pass<"fm-fold-movement", "::mlir::func::FuncOp"> {
  let summary = "Transposes and slices that are mere addresses";
  let description = [{
    Before and after: fm ops, same results, bit for bit. Contractions take and yield
    transposed tensors themselves; a slice moves behind a reshape that splits its
    dimension into heads; tensors embedded in zeros side by side, and summed, are a
    concatenation. Runs before differentiation, and after it for what adjoints make.
  }];
}

def FmScaleKernels : Pass<"fm-scale-kernels", "::mlir::func::FuncOp"> {
  let summary = "Factors of a 1x1 convolution's input move to its kernel";
  let description = [{
    Before and after: fm ops. `conv(x * g, w)` is `einsum(x, g * w)` where the kernel
    is 1x1, `g` varies with sample and channel only, and the scaled kernels are
    small beside `x`. Runs before differentiation. Rounds differently.
  }];
}

def FmDifferentiate : Pass<"fm-differentiate", "::mlir::func::FuncOp"> {
  let summary = "Replaces fm.gradient by the adjoint computation";
  let description = [{
    Before: primitives and composites with an adjoint. After: no `fm.gradient`.
    Reverse accumulation through AdjointOpInterface; values that no wanted
    gradient depends on get no adjoint. All ops that lack a gradient are reported,
    each at its own line. Adjoint ops have the location of their forward op.
  }];
}

def FmRowMoments : Pass<"fm-row-moments", "::mlir::func::FuncOp"> {
  let summary = "Mean and variance of batch normalisation in one pass";
  let description = [{
    Before: composites, differentiated. After: `fm.normalize` over all dimensions but
    the last is primitives, if the last of those has 16 to 128 elements: moments of
    each row, shifted by its first element, and moments of the rows. Rounds
    differently; the variance loses a factor of 1 + row length at most.
  }];
}

def FmDecompose : Pass<"fm-decompose", "::mlir::func::FuncOp"> {
  let summary = "Composites and optimizers into primitives";
  let description = [{
    After: only ops with a LoweringOpInterface.
  }];
}

def FmFactorSums : Pass<"fm-factor-sums", "::mlir::func::FuncOp"> {
  let summary = "Factors that do not vary along a sum move in front of it";
  let description = [{
    Before and after: fm ops. `sum(dy * scale * y)` is `sum(dy * y) * scale` where
    the scale does not vary along the summed axes; of a sum with and one without
    the summed dimensions kept, one is left. `exp(x) / sum(exp(x))`, with one sum
    for a row of 32 elements and more, is `exp(x) * (1 / sum(exp(x)))`. Rounds
    differently.
  }];
}

def FmRowSums : Pass<"fm-row-sums", "::mlir::func::FuncOp"> {
  let summary = "Sums over an image by way of its rows";
  let description = [{
    Before and after: fm ops. A sum over rows of 8 elements and more, and over other
    dimensions but the features, is a sum of the sums of rows, which the kernel
    that computes what is summed can take in passing. A sum over everything is one
    of the sums of parts of a sample, which threads can share. Rounds differently,
    by no more.
  }];
}

def FmCountWork : Pass<"fm-count-work", "::mlir::func::FuncOp"> {
  let summary = "FLOPs of an entry";
  let description = [{
    After: the function has `fm.flops`, those of its contractions for a full
    batch. Runs before anything saves some of them.
  }];
}

def FmSplitStrides : Pass<"fm-split-strides", "::mlir::func::FuncOp"> {
  let summary = "Input gradients of strided convolutions without zeros";
  let description = [{
    Before: conv_input_grad of any stride, which multiplies gradients that are spread
    by the stride with zeros between them. After: of a stride s, each s-th row and
    column of the result is one of stride 1, with each s-th row and column of the
    kernel, and an interleave puts them together. Sums are those without the zeros.
  }];
}

def FmWinograd : Pass<"fm-winograd", "::mlir::func::FuncOp"> {
  let summary = "3x3 convolutions by transforms, where that is faster";
  let description = [{
    Before: convolutions and their gradients. After: those with a 3x3 kernel,
    stride 1 and enough channels are transforms around an einsum with a quarter of
    the products. A border of zeros and the slice that removes its gradient become
    part of the transforms. Rounds differently, by about as much again as a sum
    in order.
  }];
}

def FmLowerToLinalg : Pass<"fm-lower-to-linalg", "::mlir::func::FuncOp"> {
  let summary = "Primitives to linalg on tensors";
  let description = [{
    Before: only ops with a LoweringOpInterface. After: linalg.generic,
    linalg.fill, tensor.empty, reshapes and constants. An argument of the entry
    that an op used as index has `fm.index_bound`, the smallest such op's bound.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def FmSampleSums : Pass<"fm-sample-sums", "::mlir::func::FuncOp"> {
  let summary = "Sums over samples and positions by way of each sample's";
  let description = [{
    Before and after: linalg. A contraction that sums over samples and another loop
    is one for each sample and a sum over these, where they are no more than a 16th of
    what it reads; a quarter, where it reads more than `strip-bytes` of a sample, an
    operand that is at least twice what it is made of, and may go through it in strips.
    Rounds differently, by no more.
  }];
  let options = [Option<"stripBytes", "strip-bytes", "int64_t", "0",
                        "of a sample, above which chains go in strips; 0: no strips">];
}

def FmFormKernels : Pass<"fm-form-kernels", "::mlir::func::FuncOp"> {
  let summary = "Groups linalg ops into fm.kernel regions and orders them";
  let description = [{
    After: the function holds kernels, reshapes, and constants, in an order in
    which a persistent tensor is overwritten after its last reader. Every value
    returned is one of a kernel's results (through reshapes), and none is
    returned twice. With `fuse=false` each linalg.generic is a kernel.
  }];
  let options = [Option<"fuse", "fuse", "bool", "true", "Fuse prologues and epilogues">];
  let statistics = [Statistic<"numKernels", "kernels", "Kernels formed">];
}

def FmAssignLayouts : Pass<"fm-assign-layouts", "::mlir::ModuleOp"> {
  let summary = "How each tensor lies in memory";
  let description = [{
    Before: kernels in order. After: persistent arguments have `fm.pitch` and
    kernels `fm.pitches` where rows would compete for the same sets of a cache;
    without the attribute a tensor is dense. A persistent tensor has one layout in
    all entries; tensors of the application, and what views look at, are dense.
    With panels, weights that contractions read by rows have `fm.panel`, and kernels
    that write them `fm.panels`: columns lie in panels, one behind the other, or rows
    (negative) of a tall matrix that is read by columns, too.
    A kernel with `fm.holds_inputs` puts a border around its input, or its inputs
    side by side: they lie in its result, and the kernel writes the border alone.
  }];
  let options = [Option<"panelWidth", "panel-width", "int64_t", "0",
                        "Columns, or rows, of a panel, for weights of dense layers; 0: no panels">];
  let statistics = [Statistic<"numPadded", "padded", "Tensors with rows apart">,
                    Statistic<"numPanelled", "panelled", "Persistent tensors in panels">,
                    Statistic<"numInside", "inside", "Tensors inside of their padded selves">];
}

def FmChainSamples : Pass<"fm-chain-samples", "::mlir::func::FuncOp"> {
  let summary = "Orders kernels so that they can run sample by sample";
  let description = [{
    Before: kernels in order. After: kernels whose samples need nothing of each
    other stand together in chains, as far as others let them, with `fm.chain` on
    those of a chain. A persistent tensor is still overwritten behind its last
    reader. Without such kernels the order stays.
  }];
}

def FmCutStrips : Pass<"fm-cut-strips", "::mlir::func::FuncOp"> {
  let summary = "Lets runs of kernels in a chain go strip by strip through a sample";
  let description = [{
    Before: kernels in order, with chains. After: runs of kernels of a chain that
    need of each other's results the rows at their own place only have `fm.strips`, the
    run's number and how many strips it takes, where one of them gets from the others
    and hands on to them more than `most-bytes` of a sample, and more is saved than
    weights cost that come again with each strip. A kernel that sums over
    the rows of what they make is one of them, with `fm.sums_strips`; transforms that it
    reads are computed again in its run, if then nobody needs them in memory.
  }];
  let options = [Option<"mostBytes", "most-bytes", "int64_t", "0",
                        "that shall pass through a kernel of a strip; 0: no strips">,
                 Option<"cacheBytes", "cache-bytes", "int64_t", "0",
                        "in which what passes of a strip and what all strips read may stay">,
                 Option<"sums", "sums", "bool", "true",
                        "Sums over rows may add up strip by strip, which rounds differently">];
  let statistics = [Statistic<"numRuns", "runs", "Runs in strips">,
                    Statistic<"numAgain", "again", "Kernels that run once more">];
}

def FmDeriveWeights : Pass<"fm-derive-weights", "::mlir::ModuleOp"> {
  let summary = "Marks what is made from parameters alone";
  let description = [{
    Before: kernels. After: arguments of an entry that nothing it does changes have
    `fm.steady`: parameters and running statistics in entries that infer, and in
    others those that no entry writes. Kernels that read nothing but those, or each other's results, have
    `fm.derived`: they run when a source has changed, not in each call.
  }];
  let statistics = [Statistic<"numDerived", "derived", "Kernels marked">];
}

def FmPlanMemory : Pass<"fm-plan-memory", "::mlir::ModuleOp"> {
  let summary = "A place for every tensor that a kernel writes";
  let description = [{
    Before: kernels in order. After: each kernel has `fm.offsets`, a byte offset
    in the arena a result, or -1 where the result goes to an argument or a
    persistent tensor, or is derived; the function has `fm.arena_bytes`. Two tensors share
    memory only if the live range of one ends before that of the other begins.

    With `slots`, results of samples have `fm.sample_pitches` beside it: how many
    elements lie between a sample's and the next one's, the same for all entries;
    not where a sample has more than 1 MiB.
  }];
  let options = [Option<"slots", "slots", "bool", "true", "a part of the arena for each sample">];
}

#endif // FM_PASSES_TD
