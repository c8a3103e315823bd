//===- HalideInPlace.h - Loads before stores where memory is shared -------===//
//
// Where one Func has several values, Halide stores one after the other, and
// each value's loads stand right before its store. That is wrong for outputs in
// their inputs' memory, of which Halide does not know: with w, m and v updated
// in place, the new m would be read for the new w. And it is wrong for updates
// whose values depend on each other, since Halide 14 does not look for such
// loads inside of calls (HalideStrict.h). This lowering pass computes all values
// of one point (or vector) before the first of its stores.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_HALIDEINPLACE_H
#define FM_COMPILER_CODEGEN_HALIDEINPLACE_H

#include <Halide.h>

#include <map>
#include <string>
#include <vector>

namespace fm::codegen {

class LoadsBeforeStores : public Halide::Internal::IRMutator {
public:
  /// `funcs`: names of the Funcs that need it.
  explicit LoadsBeforeStores(std::vector<std::string> funcs)
      : funcs(std::move(funcs)) {}

protected:
  using Halide::Internal::IRMutator::visit;
  Halide::Internal::Stmt visit(const Halide::Internal::Block *op) override;

private:
  std::vector<std::string> funcs;
  bool isWanted(const std::string &buffer) const;
};

/// Loads from an input that is an output (`Buffer::aliasOf`) become loads from
/// the output itself, so that LLVM sees which store they read.
class ReadsOfOutputs : public Halide::Internal::IRMutator {
public:
  /// `names`: of such inputs, and their outputs'.
  explicit ReadsOfOutputs(std::map<std::string, std::string> names)
      : names(std::move(names)) {}

protected:
  using Halide::Internal::IRMutator::visit;
  Halide::Expr visit(const Halide::Internal::Load *op) override;

private:
  std::map<std::string, std::string> names;
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_HALIDEINPLACE_H
