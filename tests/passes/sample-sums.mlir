// RUN: fmc-opt %s --pass-pipeline="builtin.module(func.func(fm-lower-to-linalg,fm-sample-sums),canonicalize)" | FileCheck %s
// RUN: fmc-opt %s --pass-pipeline="builtin.module(func.func(fm-lower-to-linalg,fm-sample-sums{strip-bytes=131072}),canonicalize)" | FileCheck %s --check-prefix=STRIPS

fm.model @small batch 8 {
}

// The gradient of a small kernel: one a sample, samples first, and their sum.
// CHECK-DAG:   #[[X:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d5 + d1, d6 + d2, d3)>
// CHECK-DAG:   #[[DY:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d5, d6, d4)>
// CHECK-DAG:   #[[DW:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d1, d2, d3, d4)>
// CHECK-DAG:   #[[EACH:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d4, d0, d1, d2, d3)>
// CHECK-LABEL: func.func @convolution
// CHECK:         tensor.empty(%arg0) : tensor<?x3x3x4x8xf32>
// CHECK:         linalg.fill
// CHECK:         %[[SAMPLES:.*]] = linalg.generic {indexing_maps = [#[[X]], #[[DY]], #[[DW]]], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]}
// CHECK:         linalg.generic {indexing_maps = [#[[EACH]], #{{.*}}], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]} ins(%[[SAMPLES]] : tensor<?x3x3x4x8xf32>)
// CHECK:           arith.addf
func.func @convolution(%n: index, %x: tensor<?x30x30x4xf32>, %dy: tensor<?x28x28x8xf32>) -> tensor<3x3x4x8xf32> {
  %0 = fm.conv_kernel_grad %x, %dy {dilation = array<i64: 1, 1>, groups = 1 : i64, size = array<i64: 3, 3>, stride = array<i64: 1, 1>} : (tensor<?x30x30x4xf32>, tensor<?x28x28x8xf32>) -> tensor<3x3x4x8xf32>
  return %0 : tensor<3x3x4x8xf32>
}

// Words of a sample are summed as positions are.
// CHECK-LABEL: func.func @words
// CHECK:         tensor<?x8x16xf32>
// CHECK-COUNT-2: linalg.generic
func.func @words(%n: index, %x: tensor<?x512x8xf32>, %dy: tensor<?x512x16xf32>) -> tensor<8x16xf32> {
  %0 = fm.einsum "npk,npo->ko" %x, %dy : (tensor<?x512x8xf32>, tensor<?x512x16xf32>) -> tensor<8x16xf32>
  return %0 : tensor<8x16xf32>
}

// Not where that is much beside what is read, nor where samples alone are
// summed, or something else of each.
// CHECK-LABEL: func.func @stay
// CHECK-COUNT-3: linalg.generic
// CHECK-NOT:     linalg.generic
func.func @stay(%n: index, %x: tensor<?x128x256xf32>, %dy: tensor<?x128x256xf32>, %a: tensor<?x8xf32>, %b: tensor<?x8xf32>)
    -> (tensor<256x256xf32>, tensor<8x8xf32>, tensor<?x128xf32>) {
  %0 = fm.einsum "npk,npo->ko" %x, %dy : (tensor<?x128x256xf32>, tensor<?x128x256xf32>) -> tensor<256x256xf32>
  %1 = fm.einsum "nk,no->ko" %a, %b : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<8x8xf32>
  %2 = fm.einsum "npk,npk->np" %x, %dy : (tensor<?x128x256xf32>, tensor<?x128x256xf32>) -> tensor<?x128xf32>
  return %0, %1, %2 : tensor<256x256xf32>, tensor<8x8xf32>, tensor<?x128xf32>
}

// A sixth of what is read: for strips only, and where an operand is twice as large as
// what it is made of. Not where it is no transform, nor where rows are one.
// CHECK-LABEL: func.func @large
// CHECK-NOT:     tensor<?x36x64x64xf32>
// CHECK:         return
// STRIPS-LABEL: func.func @large
// STRIPS:         %[[SUMS:.*]] = linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]} ins(%{{.*}}, %arg3 : tensor<?x14x36x14x64xf32>, tensor<?x14x36x14x64xf32>) outs(%{{.*}} : tensor<?x36x64x64xf32>)
// STRIPS:         linalg.generic {{.*}} ins(%[[SUMS]] : tensor<?x36x64x64xf32>)
// STRIPS-NOT:     tensor<?x36x
// STRIPS:         return
func.func @large(%n: index, %x: tensor<?x56x56x64xf32>, %stored: tensor<?x14x36x14x64xf32>, %dy: tensor<?x14x36x14x64xf32>,
                 %small: tensor<?x28x28x32xf32>, %g: tensor<?x1x36x49x32xf32>)
    -> (tensor<36x64x64xf32>, tensor<36x64x64xf32>, tensor<36x32x32xf32>) {
  %0 = fm.winograd_input %x {grid = array<i64: 14, 14>, origin = array<i64: -1, -1>} : (tensor<?x56x56x64xf32>) -> tensor<?x14x36x14x64xf32>
  %1 = fm.einsum "nrptk,nrpto->pko" %0, %dy : (tensor<?x14x36x14x64xf32>, tensor<?x14x36x14x64xf32>) -> tensor<36x64x64xf32>
  %2 = fm.einsum "nrptk,nrpto->pko" %stored, %dy : (tensor<?x14x36x14x64xf32>, tensor<?x14x36x14x64xf32>) -> tensor<36x64x64xf32>
  %3 = fm.winograd_input %small {grid = array<i64: 7, 7>, origin = array<i64: -1, -1>} : (tensor<?x28x28x32xf32>) -> tensor<?x1x36x49x32xf32>
  %4 = fm.einsum "nrptk,nrpto->pko" %3, %g : (tensor<?x1x36x49x32xf32>, tensor<?x1x36x49x32xf32>) -> tensor<36x32x32xf32>
  return %1, %2, %4 : tensor<36x64x64xf32>, tensor<36x64x64xf32>, tensor<36x32x32xf32>
}
