//===- Flops.h - Work of a kernel ------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_FLOPS_H
#define FM_COMPILER_CODEGEN_FLOPS_H

#include "compiler/codegen/KernelSpec.h"

namespace fm::codegen {

/// FLOPs that the contractions in a kernel carry out for n samples: 2 a
/// multiply-and-add, over zeros of padding, too, in all strips if it has some. See `Entry::flops` for those
/// that the model asks for.
double contractionFlops(const KernelSpec &spec, int64_t n);

/// Bytes of the elements that it reads and writes, each once, of the inputs and then of the outputs. Of an input of
/// which it reads a part, that part counts; of several parts, what lies between them as well, at most.
std::vector<double> trafficBytes(const KernelSpec &spec, int64_t n);

/// The shape that says most, "nx14x14x64 over 3x3x32": of the anchor, else of
/// the first output.
std::string summary(const KernelSpec &spec);

/// Whether the stage is acc + a * b.
bool isContraction(const Stage &stage);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_FLOPS_H
