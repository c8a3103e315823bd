// RUN: fmc-opt %s --pass-pipeline="builtin.module(func.func(fm-split-strides))" | FileCheck %s

// The first row that is kept, number 1, is met by row 1 of the kernel and by every
// second one from there, the next by rows 0 and 2, one row of dy further on.
// CHECK-LABEL: func.func @border
// CHECK-SAME:    %[[DY:.*]]: tensor<?x8x8x32xf32>, %[[W:.*]]: tensor<3x3x16x32xf32>
// CHECK:         %[[ODD:.*]] = fm.slice %[[W]] {axis = 0 : i64, begin = 1 : i64, end = 3 : i64, step = 2 : i64} : (tensor<3x3x16x32xf32>) -> tensor<1x3x16x32xf32>
// CHECK:         %[[W00:.*]] = fm.slice %[[ODD]] {axis = 1 : i64, begin = 1 : i64, end = 3 : i64, step = 2 : i64} : (tensor<1x3x16x32xf32>) -> tensor<1x1x16x32xf32>
// CHECK:         %[[P00:.*]] = fm.conv_input_grad %[[DY]], %[[W00]] {dilation = array<i64: 1, 1>, groups = 1 : i64, origin = array<i64: 0, 0>, size = array<i64: 8, 8>, stride = array<i64: 1, 1>}
// CHECK:         %[[W01:.*]] = fm.slice %{{.*}} {axis = 1 : i64, begin = 0 : i64, end = 3 : i64, step = 2 : i64} : (tensor<1x3x16x32xf32>) -> tensor<1x2x16x32xf32>
// CHECK:         %[[P01:.*]] = fm.conv_input_grad %[[DY]], %[[W01]] {dilation = array<i64: 1, 1>, groups = 1 : i64, origin = array<i64: 0, 1>, size = array<i64: 8, 7>, stride = array<i64: 1, 1>}
// CHECK:         %[[P10:.*]] = fm.conv_input_grad %[[DY]], %{{.*}} {{.*}}origin = array<i64: 1, 0>, size = array<i64: 7, 8>{{.*}}tensor<2x1x16x32xf32>
// CHECK:         %[[P11:.*]] = fm.conv_input_grad %[[DY]], %{{.*}} {{.*}}origin = array<i64: 1, 1>, size = array<i64: 7, 7>{{.*}}tensor<2x2x16x32xf32>
// CHECK:         %[[DX:.*]] = fm.interleave %[[P00]], %[[P01]], %[[P10]], %[[P11]] {phases = array<i64: 0, 1, 2, 3>, size = array<i64: 15, 15>, stride = array<i64: 2, 2>} : {{.*}} -> tensor<?x15x15x16xf32>
// CHECK:         return %[[DX]]
func.func @border(%dy: tensor<?x8x8x32xf32>, %w: tensor<3x3x16x32xf32>) -> tensor<?x15x15x16xf32> {
  %0 = fm.conv_input_grad %dy, %w {dilation = array<i64: 1, 1>, groups = 1 : i64, stride = array<i64: 2, 2>, size = array<i64: 15, 15>, origin = array<i64: 1, 1>} : (tensor<?x8x8x32xf32>, tensor<3x3x16x32xf32>) -> tensor<?x15x15x16xf32>
  return %0 : tensor<?x15x15x16xf32>
}

// One element of the kernel meets every second row and third column; nothing the
// others. A dimension of stride 1 is left as it is, with its dilation.
// CHECK-LABEL: func.func @holes
// CHECK:         %[[P:.*]] = fm.conv_input_grad %arg0, %{{.*}} -> tensor<?x8x5x16xf32>
// CHECK:         fm.interleave %[[P]] {phases = array<i64: 0>, size = array<i64: 16, 15>, stride = array<i64: 2, 3>}
// CHECK:         fm.conv_input_grad %arg0, %{{.*}} {dilation = array<i64: 2, 1>, {{.*}}size = array<i64: 12, 6>, stride = array<i64: 1, 1>} : (tensor<?x8x5x32xf32>, tensor<3x1x16x32xf32>)
// CHECK:         fm.conv_input_grad %arg0, %{{.*}} {dilation = array<i64: 2, 1>, {{.*}}size = array<i64: 12, 5>, stride = array<i64: 1, 1>} : (tensor<?x8x5x32xf32>, tensor<3x1x16x32xf32>)
// CHECK:         fm.interleave {{.*}} {phases = array<i64: 0, 1>, size = array<i64: 12, 11>, stride = array<i64: 1, 2>}
func.func @holes(%dy: tensor<?x8x5x32xf32>, %w: tensor<1x1x16x32xf32>, %v: tensor<3x2x16x32xf32>) -> (tensor<?x16x15x16xf32>, tensor<?x12x11x16xf32>) {
  %0 = fm.conv_input_grad %dy, %w {dilation = array<i64: 1, 1>, groups = 1 : i64, stride = array<i64: 2, 3>, size = array<i64: 16, 15>} : (tensor<?x8x5x32xf32>, tensor<1x1x16x32xf32>) -> tensor<?x16x15x16xf32>
  %1 = fm.conv_input_grad %dy, %v {dilation = array<i64: 2, 1>, groups = 1 : i64, stride = array<i64: 1, 2>, size = array<i64: 12, 11>} : (tensor<?x8x5x32xf32>, tensor<3x2x16x32xf32>) -> tensor<?x12x11x16xf32>
  return %0, %1 : tensor<?x16x15x16xf32>, tensor<?x12x11x16xf32>
}

// Neither strides of 1, nor a dilation along a stride, nor depthwise convolutions.
// CHECK-LABEL: func.func @left
// CHECK-NOT:     fm.interleave
func.func @left(%dy: tensor<?x8x8x32xf32>, %w: tensor<3x3x32x32xf32>, %d: tensor<3x3x1x32xf32>) -> (tensor<?x10x10x32xf32>, tensor<?x19x19x32xf32>, tensor<?x17x17x32xf32>) {
  %0 = fm.conv_input_grad %dy, %w {dilation = array<i64: 1, 1>, groups = 1 : i64, stride = array<i64: 1, 1>, size = array<i64: 10, 10>} : (tensor<?x8x8x32xf32>, tensor<3x3x32x32xf32>) -> tensor<?x10x10x32xf32>
  %1 = fm.conv_input_grad %dy, %w {dilation = array<i64: 2, 2>, groups = 1 : i64, stride = array<i64: 2, 2>, size = array<i64: 19, 19>} : (tensor<?x8x8x32xf32>, tensor<3x3x32x32xf32>) -> tensor<?x19x19x32xf32>
  %2 = fm.conv_input_grad %dy, %d {dilation = array<i64: 1, 1>, groups = 32 : i64, stride = array<i64: 2, 2>, size = array<i64: 17, 17>} : (tensor<?x8x8x32xf32>, tensor<3x3x1x32xf32>) -> tensor<?x17x17x32xf32>
  return %0, %1, %2 : tensor<?x10x10x32xf32>, tensor<?x19x19x32xf32>, tensor<?x17x17x32xf32>
}
