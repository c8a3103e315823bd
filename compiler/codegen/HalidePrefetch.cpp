//===- HalidePrefetch.cpp - Prefetches of every line ----------------------===//

#include "compiler/codegen/HalidePrefetch.h"

namespace fm::codegen {

using namespace Halide::Internal;

/// What Halide takes a line of x86 to have.
static constexpr int lineBytes = 64;

Stmt PrefetchesOfLines::visit(const For *op) {
  if (!starts_with(op->name, "prefetch_split_"))
    return IRMutator::visit(op);
  lines = op->name;
  // The offset in terms of the loop's variable, whatever was named in between.
  Stmt body = mutate(substitute_in_all_lets(op->body));
  lines.clear();
  return For::make(op->name, op->min, op->extent, op->for_type, op->device_api,
                   body);
}

Halide::Expr PrefetchesOfLines::visit(const Call *op) {
  if (lines.empty() || !op->is_intrinsic(Call::prefetch))
    return IRMutator::visit(op);
  // Where the loop begins, and what it adds.
  std::vector<Halide::Expr> args = op->args;
  const Halide::Expr line = Variable::make(Halide::Int(32), lines);
  args[1] =
      substitute(lines, 0, args[1]) + line * (lineBytes / op->type.bytes());
  return Call::make(op->type, Call::prefetch, args, Call::Intrinsic);
}

} // namespace fm::codegen
