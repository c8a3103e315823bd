//===- OpInfo.h - Names and operands of a kernel's operations -------------===//
#ifndef FM_COMPILER_CODEGEN_OPINFO_H
#define FM_COMPILER_CODEGEN_OPINFO_H

#include "compiler/codegen/KernelSpec.h"

namespace fm::codegen {

/// "f32", say.
const char *nameOf(ScalarType type);

/// As a dump and messages show an operation.
struct OpInfo {
  const char *name;
  int operands; ///< -1: any number
};
OpInfo infoOf(Op op);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_OPINFO_H
