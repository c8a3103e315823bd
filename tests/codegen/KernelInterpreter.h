//===- KernelInterpreter.h - The meaning of a KernelSpec, slowly ----------===//
//
// Executes a KernelSpec point by point in f64 and int64, straight from its
// definition. Shares nothing with the generators but the structs.
//
//===----------------------------------------------------------------------===//
#ifndef FM_TESTS_CODEGEN_KERNELINTERPRETER_H
#define FM_TESTS_CODEGEN_KERNELINTERPRETER_H

#include <cstdint>
#include <vector>

#include "compiler/codegen/KernelSpec.h"

namespace fm::test {

/// One element; floats in `f`, everything else in `i`.
struct Value {
  double f = 0;
  int64_t i = 0;
};

/// A tensor in its logical shape for n samples, row-major.
struct Tensor {
  std::vector<int64_t> shape;
  std::vector<Value> values;
  int64_t at(const std::vector<int64_t> &index) const;
};

/// Shape of a buffer or domain for n samples.
std::vector<int64_t> shapeFor(const std::vector<codegen::Extent> &extents,
                              int64_t n);

/// Results of all outputs. Accumulation happens in f64.
std::vector<Tensor> interpret(const codegen::KernelSpec &spec, int64_t n,
                              const std::vector<Tensor> &inputs);

} // namespace fm::test

#endif // FM_TESTS_CODEGEN_KERNELINTERPRETER_H
