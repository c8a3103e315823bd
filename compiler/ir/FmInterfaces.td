//===- FmInterfaces.td - What passes may ask an op ------------------------===//
//
// Passes and code generation never name ops; they ask for these interfaces.
//
//===----------------------------------------------------------------------===//
#ifndef FM_INTERFACES_TD
#define FM_INTERFACES_TD

include "mlir/IR/OpBase.td"

def LanguageOpInterface : OpInterface<"LanguageOpInterface"> {
  let cppNamespace = "::fm::ir";
  let description = [{ An op that users can call by its mnemonic. }];
  let methods = [
    StaticInterfaceMethod<"Arguments in call order, see Fm_LangOp.",
      "::llvm::StringRef", "getLanguageSignature">,
    StaticInterfaceMethod<"`layer`, `activation`, `loss`, ...",
      "::llvm::StringRef", "getLanguageCategory">,
    StaticInterfaceMethod<"One line for help and manuals.",
      "::llvm::StringRef", "getLanguageSummary">,
  ];
}

def LayerOpInterface : OpInterface<"LayerOpInterface"> {
  let cppNamespace = "::fm::ir";
  let description = [{
    An op that owns parameters or state: the recorder asks for them, makes
    `fm.parameter` ops and appends their values to the op's operands.
  }];
  let methods = [
    StaticInterfaceMethod<[{
      The parameters for inputs of these types and these attributes, in operand
      order. Reports what is wrong with the call at `loc`.
    }], "::llvm::FailureOr<::llvm::SmallVector<::fm::ir::ParameterSpec>>",
      "getParameterSpecs",
      (ins "::mlir::Location":$loc, "::mlir::TypeRange":$inputs,
           "::mlir::DictionaryAttr":$attributes)>,
  ];
}

def DecomposableOpInterface : OpInterface<"DecomposableOpInterface"> {
  let cppNamespace = "::fm::ir";
  let description = [{
    An op that is a composition of more primitive fm ops. Layers are decomposed
    before differentiation; composites with an adjoint of their own after it.
  }];
  let methods = [
    InterfaceMethod<"Builds the composition; one value per result.",
      "::llvm::SmallVector<::mlir::Value>", "decompose",
      (ins "::fm::ir::DecomposeContext &":$context)>,
  ];
}

def AdjointOpInterface : OpInterface<"AdjointOpInterface"> {
  let cppNamespace = "::fm::ir";
  let description = [{
    An op with a gradient. Given the gradient of each result (null where nothing
    depends on it) it builds the gradient of each operand (null: none flows).
    `wanted[i]` says whether operand i's gradient is used at all.
  }];
  let methods = [
    InterfaceMethod<"Gradients of the operands, built at `builder`.",
      "::llvm::SmallVector<::mlir::Value>", "buildAdjoint",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$gradients,
           "::llvm::ArrayRef<bool>":$wanted)>,
  ];
}

def NonDifferentiableOpInterface : OpInterface<"NonDifferentiableOpInterface"> {
  let cppNamespace = "::fm::ir";
  let description = [{
    An op through which, by decision, no gradient flows. `isError`: a user who
    needs one must be told; else its gradient is zero (comparisons, argmax).
  }];
  let methods = [
    StaticInterfaceMethod<"Why, for the message and the manual.",
      "::llvm::StringRef", "getNonDifferentiableReason">,
    StaticInterfaceMethod<"Whether to ask for it is a mistake.",
      "bool", "isGradientAnError", (ins), [{}], [{ return false; }]>,
  ];
}

def LoweringOpInterface : OpInterface<"LoweringOpInterface"> {
  let cppNamespace = "::fm::ir";
  let description = [{
    A primitive op: lowers itself to linalg on tensors. The operands are already
    lowered. Uses `linalg.generic`, `linalg.fill`, `tensor.empty`, reshapes and
    constants only.
  }];
  let methods = [
    InterfaceMethod<"One value per result.",
      "::llvm::SmallVector<::mlir::Value>", "lowerToLinalg",
      (ins "::fm::ir::LoweringContext &":$context)>,
  ];
}

def PointwiseOpInterface : OpInterface<"PointwiseOpInterface"> {
  let cppNamespace = "::fm::ir";
  let description = [{
    A primitive with one result, each element of which depends on the elements
    of the operands at the same place (after broadcasting).
  }];
  let methods = [
    InterfaceMethod<"The scalar computation, on arith and math.",
      "::mlir::Value", "buildScalar",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::ValueRange":$arguments)>,
  ];
}

def OptimizerOpInterface : OpInterface<"OptimizerOpInterface"> {
  let cppNamespace = "::fm::ir";
  let description = [{
    One parameter's update. Operands: parameter, gradient, its state tensors,
    learning rate, step (counted from 1). Results: new parameter, new state.
  }];
  let methods = [
    StaticInterfaceMethod<"Names of the state tensors for these options.",
      "::llvm::SmallVector<::llvm::StringRef>", "getStateNames",
      (ins "::mlir::DictionaryAttr":$options)>,
  ];
}

def ContractionOpInterface : OpInterface<"ContractionOpInterface"> {
  let cppNamespace = "::fm::ir";
  let description = [{ A sum of products: the work of a network. }];
  let methods = [
    InterfaceMethod<[{
      Multiplications and additions, as pairs, of the textbook's loops with `batch`
      samples; those that a better algorithm saves are counted, too.
    }], "int64_t", "getMultiplyAdds", (ins "int64_t":$batch)>,
  ];
}

def IndexOpInterface : OpInterface<"IndexOpInterface"> {
  let cppNamespace = "::fm::ir";
  let description = [{
    An op that uses integer operands as indices: entry points check inputs that
    arrive there against the bound.
  }];
  let methods = [
    InterfaceMethod<"Pairs (operand number, exclusive upper bound).",
      "::llvm::SmallVector<std::pair<unsigned, int64_t>>", "getIndexBounds">,
  ];
}

#endif // FM_INTERFACES_TD
