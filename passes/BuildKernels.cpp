//===- BuildKernels.cpp - A partition becomes fm.kernel regions -----------------===//

#include "passes/BuildKernels.h"

#include "compiler/ir/Bindings.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

#include <functional>

using namespace mlir;

namespace fm::passes {

namespace {

class KernelBuilder {
public:
  KernelBuilder(func::FuncOp function, ArrayRef<linalg::GenericOp> ops, const Partition &partition,
                bool fuse)
      : function(function), ops(ops), partition(partition), fuse(fuse), kernelsWith(ops.size(), 0) {
    for (auto [number, op] : llvm::enumerate(ops))
      numberOf[op] = int(number);
    for (const auto &members : partition.kernels)
      for (int number : members)
        ++kernelsWith[number];
  }

  void run() {
    Block &block = function.getBody().front();
    OpBuilder builder(block.getTerminator());
    IRMapping mapping; // from the old op's values to kernel results and views
    for (BlockArgument argument : block.getArguments())
      mapping.map(argument, argument);
    for (const auto &members : partition.kernels)
      buildKernel(builder, members, mapping);
    for (OpOperand &operand : block.getTerminator()->getOpOperands())
      operand.set(outside(builder, operand.get(), mapping));
    // The old ops, last first; constants that kernels read were cloned.
    SmallVector<Operation *> old;
    for (Operation &op : block.without_terminator())
      if (!made.contains(&op))
        old.push_back(&op);
    for (Operation *op : llvm::reverse(old))
      op->erase();
  }

private:
  /// `value` as seen between kernels: a kernel's result, a view, a constant.
  Value outside(OpBuilder &builder, Value value, IRMapping &mapping) {
    if (Value mapped = mapping.lookupOrNull(value))
      return mapped;
    Operation *op = value.getDefiningOp();
    assert((isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, arith::ConstantOp>(op)) &&
           "only views and constants stand between kernels");
    for (Value operand : op->getOperands())
      outside(builder, operand, mapping);
    Operation *clone = builder.clone(*op, mapping);
    made.insert(clone);
    return mapping.lookup(value);
  }

  /// Whether an op is written again wherever it is used.
  static bool isRepeated(Operation *op) {
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
      return !dense || dense.isSplat();
    }
    return isa<tensor::EmptyOp, linalg::FillOp>(op);
  }

  void buildKernel(OpBuilder &builder, const std::vector<int> &members, IRMapping &mapping) {
    llvm::SetVector<Operation *> inside;
    for (int number : members)
      inside.insert(ops[number]);
    // What it reads from outside, in order of first use.
    llvm::SetVector<Value> inputs;
    std::function<void(Operation *)> scan = [&](Operation *op) {
      op->walk([&](Operation *inner) {
        for (Value operand : inner->getOperands()) {
          Operation *source = operand.getDefiningOp();
          if (source && (op->isProperAncestor(source) || inside.contains(source)))
            continue;
          if (auto argument = dyn_cast<BlockArgument>(operand);
              argument && (argument.getOwner()->getParentOp() != function ||
                           argument.getArgNumber() == 0))
            continue;
          if (source && isRepeated(source))
            scan(source);
          else
            inputs.insert(operand);
        }
      });
    };
    for (Operation *op : inside)
      scan(op);
    SmallVector<Value> results, operands;
    for (int number : members) {
      if (partition.copied[number])
        continue; // whoever reads it has a copy
      for (Value result : ops[number]->getResults())
        // Unfused, a kernel has no scratch: all results lie in the arena.
        if (!fuse || llvm::any_of(result.getUsers(), [&](Operation *user) {
              user = function.getBody().front().findAncestorOpInBlock(*user);
              // Another kernel may have a copy of the user.
              return !inside.contains(user) || kernelsWith[numberOf.lookup(user)] > 1;
            }))
          results.push_back(result);
    }
    for (Value input : inputs)
      operands.push_back(outside(builder, input, mapping));
    linalg::GenericOp last = ops[members.back()];
    auto kernel = builder.create<ir::KernelOp>(
        last.getLoc(), ValueRange(results).getTypes(), function.getArgument(0),
        operands, StringAttr(), inplaceOf(results, operands));
    made.insert(kernel);
    Block &body = kernel.getBody().emplaceBlock();
    IRMapping inner;
    inner.map(function.getArgument(0), body.addArgument(builder.getIndexType(), kernel.getLoc()));
    for (Value input : inputs)
      inner.map(input, body.addArgument(input.getType(), input.getLoc()));
    OpBuilder bodyBuilder = OpBuilder::atBlockEnd(&body);
    std::function<void(Operation *)> copy = [&](Operation *op) {
      op->walk([&](Operation *nested) {
        for (Value operand : nested->getOperands()) {
          Operation *source = operand.getDefiningOp();
          if (source && !inner.contains(operand) && isRepeated(source) && !op->isProperAncestor(source))
            copy(source);
        }
      });
      bodyBuilder.clone(*op, inner);
    };
    for (Operation *op : inside)
      copy(op);
    SmallVector<Value> yields;
    for (Value result : results)
      yields.push_back(inner.lookup(result));
    bodyBuilder.create<ir::YieldOp>(kernel.getLoc(), yields);
    for (auto [from, to] : llvm::zip(results, kernel.getResults()))
      mapping.map(from, to);
  }

  /// For each result, the input of the same persistent tensor, or -1.
  DenseI64ArrayAttr inplaceOf(ArrayRef<Value> results, ArrayRef<Value> operands) {
    SmallVector<int64_t> inplace;
    for (Value result : results) {
      int64_t input = -1;
      for (OpOperand &use : result.getUses()) {
        if (!isa<func::ReturnOp>(use.getOwner()))
          continue;
        auto binding = resultBinding(function, use.getOperandNumber());
        if (!isPersistent(binding.getKind()))
          continue;
        for (auto [i, operand] : llvm::enumerate(operands)) {
          auto argument = dyn_cast<BlockArgument>(operand);
          if (argument && argumentBinding(function, argument.getArgNumber()) == binding)
            input = i;
        }
      }
      inplace.push_back(input);
    }
    return DenseI64ArrayAttr::get(function.getContext(), inplace);
  }

  func::FuncOp function;
  ArrayRef<linalg::GenericOp> ops;
  const Partition &partition;
  const bool fuse;
  DenseMap<Operation *, int> numberOf;
  std::vector<int> kernelsWith; ///< an op: how many kernels hold it
  DenseSet<Operation *> made;
};

} // namespace

void buildKernels(func::FuncOp function, ArrayRef<linalg::GenericOp> ops, const Partition &partition,
                  bool fuse) {
  KernelBuilder(function, ops, partition, fuse).run();
}

} // namespace fm::passes
