//===- HalideInPlace.cpp - Loads before stores where memory is shared -----===//
//
// Works on blocks of `let ... in store` statements: the lets and the stored
// values move in front, as lets, in order.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/HalideInPlace.h"

#include <set>

namespace fm::codegen {

using namespace Halide::Internal;

bool LoadsBeforeStores::isWanted(const std::string &buffer) const {
  for (const std::string &func : funcs)
    if (buffer.compare(0, func.size() + 1, func + ".") == 0)
      return true;
  return false;
}

Stmt LoadsBeforeStores::visit(const Block *op) {
  // The block as a list.
  std::vector<Stmt> list;
  Stmt rest = op;
  while (const Block *block = rest.as<Block>()) {
    list.push_back(mutate(block->first));
    rest = block->rest;
  }
  list.push_back(mutate(rest));

  struct Pending {
    std::vector<std::pair<std::string, Halide::Expr>> lets;
    const Store *store;
  };
  std::vector<Stmt> result;
  std::vector<Pending> run;
  std::vector<Stmt> runStmts;
  std::set<std::string> written;

  auto flush = [&] {
    if (run.size() < 2) {
      result.insert(result.end(), runStmts.begin(), runStmts.end());
    } else {
      std::vector<std::pair<std::string, Halide::Expr>> lets;
      std::vector<Stmt> stores;
      for (Pending &pending : run) {
        Stmt store = pending.store;
        // Fresh names: each store's lets may use the same ones.
        std::map<std::string, Halide::Expr> fresh;
        for (auto &[name, value] : pending.lets) {
          // Each value has its own copy of what they share, and LLVM is to see
          // that. Halide widens an index to 64 bits where it is used, before or
          // after its arithmetic as that is in a let or not: in none is.
          if (value.type() == Halide::Int(32)) {
            fresh[name] = substitute(fresh, value);
            continue;
          }
          const std::string unique = unique_name('t');
          lets.emplace_back(unique, substitute(fresh, value));
          fresh[name] = Variable::make(value.type(), unique);
        }
        const std::string unique = unique_name('t');
        lets.emplace_back(unique, substitute(fresh, pending.store->value));
        stores.push_back(Store::make(
            pending.store->name,
            Variable::make(pending.store->value.type(), unique),
            substitute(fresh, pending.store->index), pending.store->param,
            substitute(fresh, pending.store->predicate),
            pending.store->alignment));
      }
      Stmt s = Block::make(stores);
      for (size_t i = lets.size(); i-- > 0;)
        s = LetStmt::make(lets[i].first, lets[i].second, s);
      result.push_back(s);
    }
    run.clear();
    runStmts.clear();
    written.clear();
  };

  for (const Stmt &s : list) {
    Pending pending{{}, nullptr};
    Stmt inner = s;
    while (const LetStmt *let = inner.as<LetStmt>()) {
      pending.lets.emplace_back(let->name, let->value);
      inner = let->body;
    }
    pending.store = inner.as<Store>();
    if (!pending.store || !isWanted(pending.store->name)) {
      flush();
      result.push_back(s);
      continue;
    }
    if (!written.insert(pending.store->name).second) {
      flush();
      written.insert(pending.store->name);
    }
    run.push_back(pending);
    runStmts.push_back(s);
  }
  flush();
  return Block::make(result);
}

Halide::Expr ReadsOfOutputs::visit(const Load *op) {
  auto output = names.find(op->name);
  if (output == names.end())
    return IRMutator::visit(op);
  return Load::make(op->type, output->second, mutate(op->index), {}, {},
                    mutate(op->predicate), op->alignment);
}

} // namespace fm::codegen
