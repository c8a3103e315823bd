//===- EstimateReciprocals.cpp - Roots and reciprocals without the divider ===//
//
// Newton's step for f(r) = 1/r - y and f(r) = 1/r^2 - x. With a relative error
// e of the estimate, at most 2^-14, the error afterwards is e^2 of a
// reciprocal, 1.5 e^2 of a root, and what the last operations round.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/EstimateReciprocals.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Analysis/VectorUtils.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicsX86.h"
#include "llvm/IR/PatternMatch.h"

namespace fm::codegen {

namespace {

using llvm::Instruction;
using llvm::Value;
using llvm::Intrinsic::ID;

/// What vfixupimmps puts in place of a result, by the kind of the operand that
/// it was made of (Intel's manual, volume 2): four bits for each kind, lowest
/// first, where 0 keeps the result. Denormal operands are zeros.
enum Response : uint32_t {
  Keep = 0,
  Operand = 1,
  QuietNan = 2, ///< the operand's
  NewNan = 3,
  PlusInfinity = 5,
  SignedInfinity = 6,
  MinusZero = 7,
  PlusZero = 8
};
struct Responses {
  Response quietNan, signallingNan, zero, one, minusInfinity, plusInfinity,
      negative, positive;

  constexpr uint32_t table() const {
    return quietNan | signallingNan << 4 | zero << 8 | one << 12 |
           minusInfinity << 16 | plusInfinity << 20 | negative << 24 |
           positive << 28;
  }
};
constexpr Responses ofReciprocal{QuietNan,  QuietNan, SignedInfinity, Keep,
                                 MinusZero, PlusZero, Keep,           Keep};
constexpr Responses ofRoot{QuietNan, QuietNan,     Operand, Keep,
                           NewNan,   PlusInfinity, NewNan,  Keep};
constexpr Responses ofReciprocalRoot{QuietNan, QuietNan, SignedInfinity, Keep,
                                     NewNan,   PlusZero, NewNan,         Keep};

/// The operations of one register, 128, 256 or 512 bits wide.
class Register {
public:
  Register(llvm::IRBuilder<> &b, unsigned lanes)
      : b(b), lanes(lanes),
        f32s(llvm::FixedVectorType::get(b.getFloatTy(), lanes)) {}

  Value *reciprocal(Value *y) {
    Value *r = estimate(pick(llvm::Intrinsic::x86_avx512_rcp14_ps_128,
                             llvm::Intrinsic::x86_avx512_rcp14_ps_256,
                             llvm::Intrinsic::x86_avx512_rcp14_ps_512),
                        y);
    Value *error = fma(b.CreateFNeg(y), r, number(1));
    return fixed(fma(r, error, r), y, ofReciprocal);
  }

  Value *root(Value *x) {
    Value *r = estimateOfRoot(x);
    Value *s = b.CreateFMul(x, r);
    Value *error = fma(b.CreateFNeg(s), r, number(1));
    return fixed(fma(b.CreateFMul(s, number(0.5)), error, s), x, ofRoot);
  }

  Value *reciprocalRoot(Value *x) {
    Value *r = estimateOfRoot(x);
    Value *error = fma(b.CreateFNeg(b.CreateFMul(x, r)), r, number(1));
    return fixed(fma(b.CreateFMul(r, number(0.5)), error, r), x,
                 ofReciprocalRoot);
  }

private:
  llvm::IRBuilder<> &b;
  unsigned lanes;
  llvm::FixedVectorType *f32s;

  ID pick(ID of4, ID of8, ID of16) const {
    return lanes == 4 ? of4 : lanes == 8 ? of8 : of16;
  }
  Value *number(double value) { return llvm::ConstantFP::get(f32s, value); }
  Value *allLanes() {
    return llvm::ConstantInt::getAllOnesValue(b.getIntNTy(std::max(8u, lanes)));
  }
  Value *fma(Value *x, Value *y, Value *z) {
    return b.CreateIntrinsic(llvm::Intrinsic::fma, {f32s}, {x, y, z});
  }
  Value *estimate(ID id, Value *x) {
    return b.CreateIntrinsic(
        id, {}, {x, llvm::Constant::getNullValue(f32s), allLanes()});
  }
  Value *estimateOfRoot(Value *x) {
    return estimate(pick(llvm::Intrinsic::x86_avx512_rsqrt14_ps_128,
                         llvm::Intrinsic::x86_avx512_rsqrt14_ps_256,
                         llvm::Intrinsic::x86_avx512_rsqrt14_ps_512),
                    x);
  }
  Value *fixed(Value *result, Value *operand, const Responses &responses) {
    Value *table = llvm::ConstantInt::get(
        llvm::FixedVectorType::get(b.getInt32Ty(), lanes), responses.table());
    llvm::SmallVector<Value *> arguments{result, operand, table, b.getInt32(0),
                                         allLanes()};
    if (lanes == 16)
      arguments.push_back(b.getInt32(4)); // the current way of rounding
    return b.CreateIntrinsic(
        pick(llvm::Intrinsic::x86_avx512_mask_fixupimm_ps_128,
             llvm::Intrinsic::x86_avx512_mask_fixupimm_ps_256,
             llvm::Intrinsic::x86_avx512_mask_fixupimm_ps_512),
        {}, arguments);
  }
};

/// `operation` of a number or of any count of them, register by register.
Value *inRegisters(llvm::IRBuilder<> &b, Value *x,
                   Value *(Register::*operation)(Value *)) {
  auto *vector = llvm::dyn_cast<llvm::FixedVectorType>(x->getType());
  const unsigned count = vector ? vector->getNumElements() : 1;
  const unsigned lanes = count <= 4 ? 4 : count <= 8 ? 8 : 16;
  Register all(b, lanes);
  if (count == lanes)
    return (all.*operation)(x);
  auto *whole = llvm::FixedVectorType::get(b.getFloatTy(), lanes);
  if (!vector) {
    Value *wide = b.CreateInsertElement(llvm::Constant::getNullValue(whole), x,
                                        uint64_t(0));
    return b.CreateExtractElement((all.*operation)(wide), uint64_t(0));
  }
  llvm::SmallVector<Value *> pieces;
  for (unsigned at = 0; at < count; at += lanes) {
    llvm::SmallVector<int> picked; // the last one again where there are no more
    for (unsigned i = 0; i < lanes; ++i)
      picked.push_back(std::min(at + i, count - 1));
    pieces.push_back((all.*operation)(b.CreateShuffleVector(x, picked)));
  }
  Value *result = llvm::concatenateVectors(b, pieces);
  return b.CreateShuffleVector(
      result, llvm::to_vector(llvm::seq<int>(0, static_cast<int>(count))));
}

bool isF32(const Value &value) {
  return value.getType()->getScalarType()->isFloatTy();
}

bool isRoot(const Value *value) {
  using namespace llvm::PatternMatch;
  return match(value, m_Intrinsic<llvm::Intrinsic::sqrt>(m_Value()));
}

/// Whether a root is among the terms and factors of `value`.
bool hasRoot(const Value *value, int depth = 4) {
  using namespace llvm::PatternMatch;
  if (isRoot(value))
    return true;
  const Value *a = nullptr, *b = nullptr;
  if (depth == 0 || !(match(value, m_FAdd(m_Value(a), m_Value(b))) ||
                      match(value, m_FMul(m_Value(a), m_Value(b)))))
    return false;
  return hasRoot(a, depth - 1) || hasRoot(b, depth - 1);
}

/// Null where the instruction stays.
Value *replacementOf(Instruction &i) {
  using namespace llvm::PatternMatch;
  llvm::IRBuilder<> b(&i);
  llvm::FastMathFlags contract;
  contract.setAllowContract();
  b.setFastMathFlags(contract);
  if (isRoot(&i))
    return inRegisters(b, i.getOperand(0), &Register::root);
  Value *x = nullptr, *y = nullptr;
  if (!match(&i, m_FDiv(m_Value(x), m_Value(y))) ||
      llvm::isa<llvm::Constant>(y))
    return nullptr;
  if (match(x, m_FPOne()))
    return isRoot(y) ? inRegisters(b, llvm::cast<Instruction>(y)->getOperand(0),
                                   &Register::reciprocalRoot)
                     : inRegisters(b, y, &Register::reciprocal);
  return hasRoot(y) ? b.CreateFMul(x, inRegisters(b, y, &Register::reciprocal))
                    : nullptr;
}

} // namespace

llvm::PreservedAnalyses
EstimateReciprocals::run(llvm::Function &function,
                         llvm::FunctionAnalysisManager &) {
  llvm::SmallVector<Instruction *> quotients, roots;
  for (llvm::BasicBlock &block : function)
    for (Instruction &i : block)
      if (isF32(i) && isRoot(&i))
        roots.push_back(&i);
      else if (isF32(i) && i.getOpcode() == Instruction::FDiv)
        quotients.push_back(&i);
  bool changed = false;
  // Quotients look for roots in their operands, so that those come last.
  for (Instruction *i : llvm::concat<Instruction *>(quotients, roots)) {
    Value *value = i->use_empty() ? nullptr : replacementOf(*i);
    if (!value && !i->use_empty())
      continue;
    if (value)
      i->replaceAllUsesWith(value);
    i->eraseFromParent();
    changed = true;
  }
  if (!changed)
    return llvm::PreservedAnalyses::all();
  llvm::PreservedAnalyses preserved;
  preserved.preserveSet<llvm::CFGAnalyses>();
  return preserved;
}

} // namespace fm::codegen
