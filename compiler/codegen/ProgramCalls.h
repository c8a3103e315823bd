//===- ProgramCalls.h - From planned kernels to a program's calls --------------===//
#ifndef FM_COMPILER_CODEGEN_PROGRAMCALLS_H
#define FM_COMPILER_CODEGEN_PROGRAMCALLS_H

#include "compiler/codegen/Program.h"
#include "compiler/codegen/Target.h"

#include <map>

namespace fm::codegen {

/// A call as it stands in the IR, with a kernel of its own.
struct PlannedCall {
  KernelSpec spec;
  KernelCall call; ///< of a derived tensor's place, `index` is a number of its own
  unsigned entry = 0;
  unsigned op = 0;          ///< number of the op that it was translated from
  bool derived = false;     ///< it reads nothing but steady places
  std::vector<bool> steady; ///< per place: what lies there outlasts the entry's calls
  // Of a call in strips, per place: it is made in the same run, strip by strip; and nobody
  // else reads it.
  std::vector<bool> ofRun, ofRunOnly;
};

/// By offset of a persistent tensor: the entries that write it, a bit each.
using Writers = std::map<int64_t, uint32_t>;

/// Fills in kernels, calls and derivations, and what of its memory depends on them.
/// Equal kernels become one; operands that lie badly for their kernel are copied
/// before it runs, or once if they are steady; chains get their sizes. The rest of
/// `program` is complete, and so is its arena but for copies. With no `machine`,
/// operands are taken as they lie, and there are no chains. Up to `jobs` threads
/// (0: one a core). Returns, for each kernel, the number of the op it first came from.
std::vector<unsigned> addCalls(Program &program, std::vector<PlannedCall> calls, const Writers &writers,
                               const MachineModel *machine, unsigned jobs);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_PROGRAMCALLS_H
