//===- CopyKernel.cpp - Copies into another order, without Halide ---------===//
//
// Square blocks of one vector by one vector: rows are loaded, transposed in
// registers by interleaving them log2(lanes) times, and stored. The last block
// of a dimension overlaps the one before it, so that there are no tails. A copy
// that is worth it shares its outermost loop among threads.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/CopyKernel.h"

#include <algorithm>
#include <functional>

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

namespace fm::codegen {

namespace {

/// Bytes from which threads are woken, which takes up to 5 us: at 10 to 20 GB/s
/// such a copy takes some 10 us.
constexpr int64_t sharedBytes = 128 << 10;
constexpr int32_t sharedTasks = 8;

class CopyEmitter {
public:
  CopyEmitter(const CopyLoops &copy, llvm::Function *function, int64_t lanes)
      : copy(copy), kernel(function), lanes(lanes), c(function->getContext()),
        b(c) {
    element = b.getIntNTy(copy.elementBytes * 8);
    pointer = b.getPtrTy();
    shared = llvm::StructType::get(c, {b.getInt64Ty(), pointer, pointer});
  }

  void run() {
    if (isShared())
      return runShared();
    enter(kernel);
    samples = kernel->getArg(1);
    copyAll(kernel->getArg(2), kernel->getArg(3));
  }

private:
  const CopyLoops &copy;
  llvm::Function *const kernel;
  llvm::Function *function = nullptr; ///< that is being written
  const int64_t lanes;
  llvm::LLVMContext &c;
  llvm::IRBuilder<> b;
  llvm::Type *element, *pointer;
  llvm::StructType *shared; ///< samples, from, to
  llvm::Value *samples = nullptr, *task = nullptr;

  void enter(llvm::Function *next) {
    function = next;
    b.SetInsertPoint(llvm::BasicBlock::Create(c, "entry", function));
  }

  bool isShared() const {
    int64_t bytes =
        copy.elementBytes * copy.read.extent.size * copy.written.extent.size;
    for (const CopyLoops::Dim &dim : copy.outer)
      bytes *= dim.extent.size;
    return bytes >= sharedBytes;
  }

  /// The kernel calls `fm_parallel_for` with a function that does a part.
  void runShared() {
    llvm::Type *i32 = b.getInt32Ty();
    auto *part = llvm::Function::Create(
        llvm::FunctionType::get(i32, {pointer, i32, pointer}, false),
        llvm::GlobalValue::InternalLinkage, kernel->getName() + "_part",
        kernel->getParent());
    part->addFnAttr(llvm::Attribute::NoUnwind);
    enter(kernel);
    auto *closure = b.CreateAlloca(shared);
    for (unsigned f = 0; f < 3; ++f)
      b.CreateStore(kernel->getArg(f + 1),
                    b.CreateStructGEP(shared, closure, f));
    auto share = kernel->getParent()->getOrInsertFunction(
        "fm_parallel_for", i32, pointer, pointer, i32, i32, pointer);
    b.CreateRet(b.CreateCall(share, {kernel->getArg(0), part, b.getInt32(0),
                                     b.getInt32(sharedTasks), closure}));
    enter(part);
    auto field = [&](unsigned f) {
      return b.CreateLoad(shared->getElementType(f),
                          b.CreateStructGEP(shared, part->getArg(2), f));
    };
    samples = field(0);
    task = b.CreateZExt(part->getArg(1), b.getInt64Ty());
    copyAll(field(1), field(2));
  }

  void copyAll(llvm::Value *from, llvm::Value *to) {
    outer(0, b.CreateConstInBoundsGEP1_64(element, from, copy.fromOffset),
          b.CreateConstInBoundsGEP1_64(element, to, copy.toOffset));
    b.CreateRet(b.getInt32(0));
  }

  /// The first loop of a task runs over its share.
  void loop(llvm::Value *count,
            const std::function<void(llvm::Value *)> &body) {
    llvm::Value *first = b.getInt64(0);
    if (task) {
      auto bound = [&](llvm::Value *t) {
        return b.CreateUDiv(b.CreateMul(count, t), b.getInt64(sharedTasks));
      };
      first = bound(task);
      count = bound(b.CreateAdd(task, b.getInt64(1)));
      task = nullptr;
    }
    auto *before = b.GetInsertBlock();
    auto *block = llvm::BasicBlock::Create(c, "loop", function);
    auto *after = llvm::BasicBlock::Create(c, "after", function);
    b.CreateCondBr(b.CreateICmpULT(first, count), block, after);
    b.SetInsertPoint(block);
    llvm::PHINode *i = b.CreatePHI(b.getInt64Ty(), 2);
    i->addIncoming(first, before);
    body(i);
    llvm::Value *next = b.CreateNUWAdd(i, b.getInt64(1));
    i->addIncoming(next, b.GetInsertBlock());
    b.CreateCondBr(b.CreateICmpULT(next, count), block, after);
    b.SetInsertPoint(after);
  }

  llvm::Value *at(llvm::Value *base, llvm::Value *index, int64_t stride) {
    return b.CreateInBoundsGEP(element, base,
                               b.CreateMul(index, b.getInt64(stride)));
  }

  void outer(size_t d, llvm::Value *from, llvm::Value *to) {
    if (d == copy.outer.size())
      return blocks(from, to);
    const CopyLoops::Dim &dim = copy.outer[d];
    loop(dim.extent.isSamples ? samples : b.getInt64(dim.extent.size),
         [&](llvm::Value *i) {
           outer(d + 1, at(from, i, dim.from), at(to, i, dim.to));
         });
  }

  /// Begin of block number `i`; the last one ends with the dimension.
  llvm::Value *begin(llvm::Value *i, int64_t extent) {
    return b.CreateBinaryIntrinsic(llvm::Intrinsic::umin,
                                   b.CreateMul(i, b.getInt64(lanes)),
                                   b.getInt64(extent - lanes));
  }

  void blocks(llvm::Value *from, llvm::Value *to) {
    const int64_t rows = copy.written.extent.size,
                  columns = copy.read.extent.size;
    auto count = [&](int64_t extent) {
      return b.getInt64((extent + lanes - 1) / lanes);
    };
    loop(count(columns), [&](llvm::Value *j) {
      llvm::Value *column = begin(j, columns);
      loop(count(rows), [&](llvm::Value *i) {
        llvm::Value *row = begin(i, rows);
        block(b.CreateInBoundsGEP(element, at(from, row, copy.written.from),
                                  column),
              b.CreateInBoundsGEP(element, at(to, column, copy.read.to), row));
      });
    });
  }

  void block(llvm::Value *from, llvm::Value *to) {
    llvm::Type *type =
        lanes > 1 ? llvm::FixedVectorType::get(element, lanes) : element;
    const llvm::Align align(copy.elementBytes);
    std::vector<llvm::Value *> v;
    for (int64_t r = 0; r < lanes; ++r)
      v.push_back(b.CreateAlignedLoad(
          type, at(from, b.getInt64(r), copy.written.from), align));
    std::vector<int> low, high;
    for (int64_t l = 0; l < lanes / 2; ++l)
      for (int64_t k : {l, l + lanes}) {
        low.push_back(k);
        high.push_back(k + lanes / 2);
      }
    for (int64_t step = 1; step < lanes; step *= 2) {
      std::vector<llvm::Value *> next;
      for (int64_t r = 0; r < lanes / 2; ++r) {
        next.push_back(b.CreateShuffleVector(v[r], v[r + lanes / 2], low));
        next.push_back(b.CreateShuffleVector(v[r], v[r + lanes / 2], high));
      }
      v = next;
    }
    for (int64_t r = 0; r < lanes; ++r)
      b.CreateAlignedStore(v[r], at(to, b.getInt64(r), copy.read.to), align);
  }
};

} // namespace

void emitCopy(const CopyLoops &copy, const std::string &name,
              const MachineModel &machine, llvm::Module &module) {
  llvm::LLVMContext &c = module.getContext();
  auto *pointer = llvm::PointerType::getUnqual(c);
  auto *i64 = llvm::Type::getInt64Ty(c);
  auto *function = llvm::Function::Create(
      llvm::FunctionType::get(llvm::Type::getInt32Ty(c),
                              {pointer, i64, pointer, pointer}, false),
      llvm::GlobalValue::ExternalLinkage, name, module);
  function->addFnAttr(llvm::Attribute::NoUnwind);
  function->addParamAttr(3, llvm::Attribute::NoAlias);
  int64_t lanes = machine.vectorBits / 8 / copy.elementBytes;
  while (lanes > std::min(copy.read.extent.size, copy.written.extent.size))
    lanes /= 2;
  CopyEmitter(copy, function, lanes).run();
}

} // namespace fm::codegen
