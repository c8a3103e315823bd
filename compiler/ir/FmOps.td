//===- FmOps.td - The model itself, and kernels ---------------------------===//
#ifndef FM_OPS_TD
#define FM_OPS_TD

include "compiler/ir/FmLayerOps.td"
include "compiler/ir/FmWinogradOps.td"
include "mlir/IR/SymbolInterfaces.td"

//===----------------------------------------------------------------------===//
// The model as recorded
//===----------------------------------------------------------------------===//

def Fm_ModelOp : Fm_Op<"model", [Symbol, IsolatedFromAbove, NoTerminator, SingleBlock, NoRegionArguments]> {
  let summary = "A model as the user wrote it";
  let arguments = (ins SymbolNameAttr:$sym_name, Fm_Int:$batch);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `batch` $batch attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

class Fm_ModelPart<string mnemonic, list<Trait> traits = []>
    : Fm_Op<mnemonic, !listconcat(traits, [HasParent<"ModelOp">])>;

def Fm_ModelInputOp : Fm_ModelPart<"input"> {
  let summary = "What the application passes to every entry";
  let arguments = (ins StrAttr:$name, UnitAttr:$with_gradient);
  let results = (outs Fm_Tensor:$value);
  let assemblyFormat = "$name (`with_gradient` $with_gradient^)? attr-dict `:` type($value)";
}
def Fm_ModelTargetOp : Fm_ModelPart<"target"> {
  let summary = "What the application passes where a loss is computed";
  let arguments = (ins StrAttr:$name);
  let results = (outs Fm_Tensor:$value);
  let assemblyFormat = "$name attr-dict `:` type($value)";
}
def Fm_ParameterOp : Fm_ModelPart<"parameter"> {
  let summary = "A learned tensor (`trained`), a frozen one, or running statistics (`state`)";
  let arguments = (ins StrAttr:$name, Fm_InitAttr:$init, Fm_Int:$fan_in, Fm_Int:$fan_out,
                       UnitAttr:$state, UnitAttr:$trained);
  let results = (outs Fm_FloatTensor:$value);
  let assemblyFormat = [{
    $name $init `fan` `(` $fan_in `,` $fan_out `)` (`state` $state^)? (`trained` $trained^)?
    attr-dict `:` type($value)
  }];
}
class Fm_ModelResult<string mnemonic, string summary_> : Fm_ModelPart<mnemonic> {
  let summary = summary_;
  let arguments = (ins StrAttr:$name, Fm_Tensor:$value);
  let assemblyFormat = "$name `,` $value attr-dict `:` type($value)";
}
def Fm_ModelOutputOp : Fm_ModelResult<"output", "What forward yields">;
def Fm_ModelLossOp : Fm_ModelResult<"loss", "The scalar that training makes small">;
def Fm_ModelMetricOp : Fm_ModelResult<"metric", "A scalar that evaluate yields">;
def Fm_ModelTrainOp : Fm_ModelPart<"train"> {
  let summary = "How the parameters are updated: an optimizer op and its options";
  let arguments = (ins StrAttr:$optimizer, DictionaryAttr:$options, OptionalAttr<StrArrayAttr>:$only);
  let assemblyFormat = "$optimizer $options (`only` $only^)? attr-dict";
}

//===----------------------------------------------------------------------===//
// Entries
//===----------------------------------------------------------------------===//

def Fm_GradientOp : Fm_Op<"gradient"> {
  let summary = "Gradients of a scalar with respect to values it depends on; replaced by differentiation";
  let arguments = (ins Fm_FloatTensor:$of, Variadic<Fm_FloatTensor>:$wrt);
  let results = (outs Variadic<Fm_FloatTensor>:$gradients);
  let assemblyFormat = "$of `wrt` $wrt attr-dict `:` functional-type(operands, results)";
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

def Fm_KernelOp : Fm_Op<"kernel", [IsolatedFromAbove, SingleBlock]> {
  let summary = "linalg ops that run as one kernel";
  let description = [{
    Operands: the sample count n, then the tensors read. The body's arguments
    are the same in the same order. Results are what `fm.yield` names. Layouts
    (one attribute an input and an output) are filled in by layout selection,
    places by planning. `inplace[i]`: the input that output i overwrites, or -1.
  }];
  let arguments = (ins Index:$samples, Variadic<AnyRankedTensor>:$inputs,
                       OptionalAttr<StrAttr>:$kernel_name,
                       OptionalAttr<DenseI64ArrayAttr>:$inplace);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let hasVerifier = 1;
  let assemblyFormat = [{
    ($kernel_name^)? `n` `(` $samples `)` `reads` `(` $inputs `)` attr-dict `:`
    functional-type($inputs, $results) $body
  }];
}
def Fm_YieldOp : Fm_Op<"yield", [Pure, Terminator, HasParent<"KernelOp">]> {
  let summary = "What a kernel writes";
  let arguments = (ins Variadic<AnyRankedTensor>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

#endif // FM_OPS_TD
