//===- Passes.h - The passes of fmc ------------------------------------------===//
#ifndef FM_PASSES_PASSES_H
#define FM_PASSES_PASSES_H

#include "compiler/ir/Dialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace fm::passes {

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"

} // namespace fm::passes

#endif // FM_PASSES_PASSES_H
