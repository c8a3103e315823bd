//===- KernelJit.h - Run an emitted object in this process ----------------===//
//
// For tests, `fmc check` and `fmc bench`: loads an object and finds its
// functions. Symbols that the object leaves undefined are looked up in the
// given list, then in the process.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_KERNELJIT_H
#define FM_COMPILER_CODEGEN_KERNELJIT_H

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace fm::codegen {

class KernelJit {
public:
  KernelJit();
  ~KernelJit();
  /// An error message, or "".
  std::string
  load(const std::string &object,
       const std::vector<std::pair<std::string, void *>> &symbols = {});
  /// Address of a visible symbol, or null.
  void *find(const std::string &name);

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_KERNELJIT_H
