//===- FmAttributes.td - Attributes of the fm dialect ---------------------===//
#ifndef FM_ATTRIBUTES_TD
#define FM_ATTRIBUTES_TD

include "compiler/ir/FmBase.td"
include "mlir/IR/EnumAttr.td"

class Fm_Attr<string name, string mnemonic_> : AttrDef<Fm_Dialect, name> {
  let mnemonic = mnemonic_;
}

// Numbers are those of `fm_initializer` in fm/runtime.h.
def Fm_InitKind : I32EnumAttr<"InitKind", "how a parameter starts", [
    I32EnumAttrCase<"Constant", 0, "constant">,
    I32EnumAttrCase<"Normal", 1, "normal">,
    I32EnumAttrCase<"Uniform", 2, "uniform">,
    I32EnumAttrCase<"GlorotUniform", 3, "glorot_uniform">,
    I32EnumAttrCase<"GlorotNormal", 4, "glorot_normal">,
    I32EnumAttrCase<"HeUniform", 5, "he_uniform">,
    I32EnumAttrCase<"HeNormal", 6, "he_normal">]> {
  let cppNamespace = "::fm::ir";
}

def Fm_InitAttr : Fm_Attr<"Init", "init"> {
  let summary = "Initial values of a parameter";
  let description = [{
    `a` and `b`: constant a; normal with mean a and deviation b; uniform in
    [a, b). The Glorot and He families take their scale from the fans.
  }];
  let parameters = (ins EnumParameter<Fm_InitKind>:$kind,
                        "::mlir::FloatAttr":$a, "::mlir::FloatAttr":$b);
  let builders = [AttrBuilder<(ins "::fm::ir::InitKind":$kind, CArg<"double", "0">:$a,
                                   CArg<"double", "0">:$b), [{
    auto f64 = ::mlir::Float64Type::get($_ctxt);
    return $_get($_ctxt, kind, ::mlir::FloatAttr::get(f64, a), ::mlir::FloatAttr::get(f64, b));
  }]>];
  let assemblyFormat = "`<` $kind `,` $a `,` $b `>`";
}

def Fm_BindingKind : I32EnumAttr<"BindingKind", "what a value of an entry is", [
    I32EnumAttrCase<"Samples", 0, "samples">,
    I32EnumAttrCase<"Input", 1, "input">,
    I32EnumAttrCase<"Target", 2, "target">,
    I32EnumAttrCase<"Parameter", 3, "parameter">,
    I32EnumAttrCase<"Optimizer", 4, "optimizer">,
    I32EnumAttrCase<"State", 5, "state">,
    I32EnumAttrCase<"Output", 6, "output">,
    I32EnumAttrCase<"Loss", 7, "loss">,
    I32EnumAttrCase<"Metric", 8, "metric">,
    I32EnumAttrCase<"Gradient", 9, "gradient">]> {
  let cppNamespace = "::fm::ir";
}

def Fm_BindingAttr : Fm_Attr<"Binding", "binding"> {
  let summary = "Where an argument or a result of an entry function lives";
  let parameters = (ins EnumParameter<Fm_BindingKind>:$kind,
                        StringRefParameter<>:$name);
  let assemblyFormat = "`<` $kind `,` $name `>`";
}

#endif // FM_ATTRIBUTES_TD
