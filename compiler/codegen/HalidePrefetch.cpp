//===- HalidePrefetch.cpp - Prefetches that Halide has not ----------------===//

#include "compiler/codegen/HalidePrefetch.h"

#include <map>

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

namespace {

/// The place of the first element of a buffer that a piece of code loads, in
/// terms of what is named outside of it.
class FirstLoad : public IRVisitor {
public:
  explicit FirstLoad(const std::string &buffer) : buffer(buffer) {}
  Halide::Expr index; ///< of a scalar, or of a vector's first element
  Halide::Type type;  ///< of an element

protected:
  using IRVisitor::visit;
  void visit(const Load *op) override {
    if (op->name != buffer || index.defined())
      return IRVisitor::visit(op);
    const Ramp *ramp = op->index.as<Ramp>();
    index = ramp ? ramp->base : op->index;
    type = op->type.element_of();
    for (auto name = named.rbegin(); name != named.rend(); ++name)
      index = substitute(name->first, name->second, index);
  }
  void visit(const Let *op) override { descend(op); }
  void visit(const LetStmt *op) override { descend(op); }

private:
  const std::string &buffer;
  std::vector<std::pair<std::string, Halide::Expr>> named;

  template <typename T> void descend(const T *op) {
    op->value.accept(this);
    named.emplace_back(op->name, op->value);
    op->body.accept(this);
    named.pop_back();
  }
};

class HasLoop : public IRVisitor {
public:
  bool found = false;

protected:
  using IRVisitor::visit;
  void visit(const For *) override { found = true; }
};

bool hasLoop(const Stmt &stmt) {
  HasLoop loop;
  stmt.accept(&loop);
  return loop.found;
}

} // namespace

const For *PrefetchesOfRows::loopOf(const std::string &variable) const {
  for (auto it = loops.rbegin(); it != loops.rend(); ++it)
    if (ends_with((*it)->name, "." + variable))
      return *it;
  return nullptr;
}

Stmt PrefetchesOfRows::visit(const LetStmt *op) {
  named.push_back(op);
  Stmt result = IRMutator::visit(op);
  named.pop_back();
  return result;
}

Stmt PrefetchesOfRows::visit(const For *op) {
  loops.push_back(op);
  Stmt result;
  if (hasLoop(op->body)) {
    result = IRMutator::visit(op);
  } else {
    result = op;
    for (const RowsAhead &ahead : rows)
      if (starts_with(op->name, ahead.accumulator + ".s1."))
        result = prefetchIn(ahead, op);
  }
  loops.pop_back();
  return result;
}

std::vector<PrefetchesOfRows::Row>
PrefetchesOfRows::nextRows(const RowsAhead &ahead, const For *innermost,
                           Halide::Expr &passesLeft) const {
  const For *moving = loopOf(ahead.moving);
  const For *around = ahead.around.empty() ? nullptr : loopOf(ahead.around);
  if (!moving || moving == innermost || (!ahead.around.empty() && !around))
    return {};
  std::map<std::string, Halide::Expr> first{{innermost->name, innermost->min}};
  passesLeft = 0;
  for (const std::string &name : ahead.passes) {
    const For *pass = loopOf(name);
    if (!pass || pass == innermost) // the ends of loops, as code of their own
      return {};
    const Halide::Expr counter = Variable::make(Halide::Int(32), pass->name);
    passesLeft =
        passesLeft * pass->extent + (pass->min + pass->extent - 1 - counter);
    first[pass->name] = pass->min;
  }
  const Halide::Expr here = Variable::make(Halide::Int(32), moving->name);
  std::vector<Row> list;
  for (const RowsAhead::Operand &operand : ahead.operands) {
    FirstLoad load(operand.buffer);
    innermost->body.accept(&load);
    if (!load.index.defined() || !load.index.type().is_scalar())
      return {};
    Halide::Expr index = load.index;
    for (auto let = named.rbegin(); let != named.rend(); ++let)
      index = substitute((*let)->name, (*let)->value, index);
    index = substitute(first, index);
    Halide::Expr next = substitute(moving->name, here + 1, index);
    if (around) {
      const Halide::Expr outer = Variable::make(Halide::Int(32), around->name);
      next = select(
          here + 1 < moving->min + moving->extent, next,
          substitute({{moving->name, moving->min}, {around->name, outer + 1}},
                     index));
    }
    list.push_back({operand, next, load.type});
  }
  return list;
}

Stmt PrefetchesOfRows::prefetchIn(const RowsAhead &ahead,
                                  const For *innermost) const {
  Halide::Expr passesLeft;
  const std::vector<Row> rows = nextRows(ahead, innermost, passesLeft);
  if (rows.empty())
    return innermost;
  int lines = 0;
  for (const Row &row : rows)
    lines += row.operand.lines;
  const Halide::Expr iteration =
      Variable::make(Halide::Int(32), innermost->name) - innermost->min;
  Stmt body = innermost->body;
  std::vector<std::pair<std::string, Halide::Expr>> lets;
  for (int part = 0; part < ahead.linesPerPass; ++part) {
    // Lines of the operands' rows, after each other, in the last passes; in
    // others, always the same one.
    const Halide::Expr line =
        passesLeft / ahead.passesPerLine * ahead.linesPerPass + part;
    Halide::Expr base =
        Variable::make(Halide::type_of<void *>(), rows.back().operand.buffer);
    Halide::Expr start = 0, step = 0;
    int end = lines;
    for (size_t i = rows.size(); i-- > 0;) {
      const Row &row = rows[i];
      const Halide::Expr isHere = line < end;
      end -= row.operand.lines;
      start = select(isHere,
                     row.first + (line - end) * (lineBytes / row.type.bytes()),
                     start);
      step = select(isHere, row.operand.step, step);
      if (i + 1 < rows.size())
        base = select(
            isHere,
            Variable::make(Halide::type_of<void *>(), row.operand.buffer),
            base);
    }
    const std::string name =
        ahead.accumulator + ".ahead" + std::to_string(part);
    auto named = [&](const std::string &what, const Halide::Expr &value) {
      lets.emplace_back(name + what, value);
      return Variable::make(value.type(), name + what);
    };
    base = named(".base", base);
    start = named(".start", start + passesLeft % ahead.passesPerLine * step);
    step = named(".step", step);
    for (int s = ahead.steps; (s -= ahead.passesPerLine) >= 0;)
      body = Block::make(
          Evaluate::make(Call::make(
              rows[0].type, Call::prefetch,
              {base, start + (iteration * ahead.steps + s) * step, 1, 1},
              Call::Intrinsic)),
          body);
  }
  Stmt loop = For::make(innermost->name, innermost->min, innermost->extent,
                        innermost->for_type, innermost->device_api, body);
  for (const auto &[name, value] : lets)
    loop = LetStmt::make(name, value, loop);
  return loop;
}

} // namespace fm::codegen
