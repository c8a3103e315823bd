//===- FmBase.td - The fm dialect and the base classes of its ops ---------===//
//
// One record per op is the single source of its arguments, documentation,
// signature in the language, type inference, adjoint and lowering. The
// language, the C++ DSL and the op reference are made from these records.
//
//===----------------------------------------------------------------------===//
#ifndef FM_BASE_TD
#define FM_BASE_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "compiler/ir/FmInterfaces.td"

def Fm_Dialect : Dialect {
  let name = "fm";
  let cppNamespace = "::fm::ir";
  let summary = "Neural networks, from what the user wrote to kernels";
  let useDefaultAttributePrinterParser = 1;
  // Attributes stay in one dictionary: the recorder builds ops by name.
  let usePropertiesForAttributes = 0;
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect",
  ];
  let extraClassDeclaration = [{
    void registerOps();
    void registerAttributes();
  }];
}

/// Element types: floats, indices, and the booleans and bytes of masks.
def Fm_Tensor : TensorOf<[F32, F64, I32, I64, I8, I1]>;
def Fm_FloatTensor : TensorOf<[F32, F64]>;
def Fm_Scalar : 0DTensorOf<[F32, F64, I32, I64]>;

/// I64Attr, but with a signed accessor: axes and positions may be negative.
def Fm_Int : SignlessIntegerAttrBase<I64, "64-bit signless integer attribute"> {
  let returnType = "int64_t";
  let convertFromStorage = "$_self.getInt()";
  let constBuilderCall = "$_builder.getI64IntegerAttr($0)";
}

class Fm_Op<string mnemonic, list<Trait> traits = []>
    : Op<Fm_Dialect, mnemonic, traits>;

/// An op that the language knows by its mnemonic. `signature` lists the
/// arguments in call order, as `name: type = default`; types are `tensor`,
/// `tensor...`, `int`, `float`, `bool`, `string`, `pair`, `ints`, `axes`,
/// `init`, `padding`, `enum(a|b)`. All but the tensors are attributes of the
/// same name.
class Fm_LangOp<string mnemonic, string category_, string signature_,
                list<Trait> traits = []>
    : Fm_Op<mnemonic, !listconcat(traits, [LanguageOpInterface])> {
  string category = category_;
  string signature = signature_;
  code moreDeclarations = "";
  let extraClassDeclaration = [{
    static ::llvm::StringRef getLanguageSignature() { return "}] # signature # [{"; }
    static ::llvm::StringRef getLanguageCategory() { return "}] # category # [{"; }
    static ::llvm::StringRef getLanguageSummary() { return "}] # summary # [{"; }
  }] # moreDeclarations;
}

#endif // FM_BASE_TD
