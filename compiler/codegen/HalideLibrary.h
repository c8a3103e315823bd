//===- HalideLibrary.h - What fmc changes of libHalide --------------------===//
//
// Three of libHalide's functions are fmc's: the dynamic linker prefers the
// program's symbols to a library's. Kernels are as correct with libHalide's
// own.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_HALIDELIBRARY_H
#define FM_COMPILER_CODEGEN_HALIDELIBRARY_H

namespace fm::codegen {

/// Halide tells things of one name apart by numbers counted since the process
/// began, and sorts terms by these names. From here on they are counted anew,
/// so that the next pipeline's code does not depend on those before; all of
/// what came before must be gone. Not for two threads at once.
void restartHalideNames();

/// Whether libHalide takes its names from where restartHalideNames() has them.
/// Otherwise each kernel wants a process of its own.
bool halideNamesRestart();

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_HALIDELIBRARY_H
