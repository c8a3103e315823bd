//===- Families.h - The kernels that networks consist of ------------------===//
//
// KernelSpecs of well-known kernels for any shape. n is the number of samples;
// images are [n, size, size, channels].
//
//===----------------------------------------------------------------------===//
#ifndef FM_BENCH_KERNELS_FAMILIES_H
#define FM_BENCH_KERNELS_FAMILIES_H

#include "compiler/codegen/KernelSpec.h"

namespace fm::bench {

using codegen::KernelSpec;

/// relu(x * w + b), `pool`: with 2x2 max pooling behind it.
KernelSpec conv(int64_t n, int64_t size, int64_t ci, int64_t co, int64_t kernel,
                bool pool, int64_t padding = 0, bool external = false);
/// Of dy with a border around it, as the compiler writes it. `swapped`: the
/// kernel is stored as [ky, kx, co, ci].
KernelSpec convInputGradient(int64_t n, int64_t size, int64_t ci, int64_t co,
                             int64_t kernel, bool swapped);
/// With Adam's update of the kernel.
KernelSpec convKernelGradient(int64_t n, int64_t size, int64_t ci, int64_t co,
                              int64_t kernel, bool external = false);
/// relu(x w + b).
KernelSpec dense(int64_t n, int64_t in, int64_t out);
KernelSpec denseInputGradient(int64_t n, int64_t in, int64_t out,
                              bool transposed);
/// With Adam's update of the weights.
KernelSpec denseKernelGradient(int64_t n, int64_t in, int64_t out);
KernelSpec matmul(int64_t m, int64_t k, int64_t n);
/// c[b, i, j] = sum over k of a[b, i, k] * b[b, k, j], or b[b, j, k].
KernelSpec batched(int64_t count, int64_t m, int64_t k, int64_t n,
                   bool transposed);
/// 3x3; the image has a border, as the compiler writes it.
KernelSpec depthwise(int64_t n, int64_t size, int64_t c);
KernelSpec softmax(int64_t n, int64_t c);
KernelSpec biasGradient(int64_t n, int64_t size, int64_t c);
/// 2x2, with the position of the maximum.
KernelSpec maxPool(int64_t n, int64_t size, int64_t c);

} // namespace fm::bench

#endif // FM_BENCH_KERNELS_FAMILIES_H
