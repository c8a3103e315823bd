// RUN: fmc-opt %s --pass-pipeline="builtin.module(canonicalize,func.func(fm-winograd),cse,canonicalize)" | FileCheck %s

fm.model @fast batch 8 {
}

// A border of zeros becomes part of the transform.
// CHECK-LABEL: func.func @forward
// CHECK-NOT:     fm.pad
// CHECK:         %[[TILES:.*]] = fm.winograd_input %arg1 {grid = array<i64: 14, 14>, origin = array<i64: -1, -1>} : (tensor<?x56x56x64xf32>) -> tensor<?x14x36x14x64xf32>
// CHECK:         %[[KERNEL:.*]] = fm.winograd_kernel %arg2 {flip = false}
// CHECK:         %[[POINTS:.*]] = fm.einsum "npxqc,xco->npxqo" %[[TILES]], %[[KERNEL]]
// CHECK:         fm.winograd_output %[[POINTS]] {grid = array<i64: 14, 14>}
// CHECK-NOT:     fm.conv
func.func @forward(%n: index, %x: tensor<?x56x56x64xf32>, %w: tensor<3x3x64x64xf32>) -> tensor<?x56x56x64xf32> {
  %0 = fm.pad %x {before = array<i64: 0, 1, 1, 0>, after = array<i64: 0, 1, 1, 0>, value = 0.0 : f64} : (tensor<?x56x56x64xf32>) -> tensor<?x58x58x64xf32>
  %1 = fm.conv %0, %w {dilation = array<i64: 1, 1>, groups = 1 : i64, stride = array<i64: 1, 1>} : (tensor<?x58x58x64xf32>, tensor<3x3x64x64xf32>) -> tensor<?x56x56x64xf32>
  return %1 : tensor<?x56x56x64xf32>
}

// So does the slice that cuts the border's gradient off. The weights are transposed,
// not their points.
// CHECK-LABEL: func.func @input_gradient
// CHECK:         fm.winograd_input %arg1 {grid = array<i64: 4, 4>, origin = array<i64: -1, -1>} : (tensor<?x16x16x48xf32>) -> tensor<?x1x36x16x48xf32>
// CHECK:         %[[W:.*]] = fm.transpose %arg2 {axes = array<i64: 0, 1, 3, 2>}
// CHECK:         fm.winograd_kernel %[[W]] {flip = true} : (tensor<3x3x48x64xf32>) -> tensor<36x48x64xf32>
// CHECK:         fm.einsum "npxqo,xoc->npxqc"
// CHECK-NOT:     fm.slice
func.func @input_gradient(%n: index, %dy: tensor<?x16x16x48xf32>, %w: tensor<3x3x64x48xf32>) -> tensor<?x16x16x64xf32> {
  %0 = fm.conv_input_grad %dy, %w {dilation = array<i64: 1, 1>, groups = 1 : i64, stride = array<i64: 1, 1>, size = array<i64: 18, 18>} : (tensor<?x16x16x48xf32>, tensor<3x3x64x48xf32>) -> tensor<?x18x18x64xf32>
  %1 = fm.slice %0 {axis = 1 : i64, begin = 1 : i64, end = 17 : i64, step = 1 : i64} : (tensor<?x18x18x64xf32>) -> tensor<?x16x18x64xf32>
  %2 = fm.slice %1 {axis = 2 : i64, begin = 1 : i64, end = 17 : i64, step = 1 : i64} : (tensor<?x16x18x64xf32>) -> tensor<?x16x16x64xf32>
  return %2 : tensor<?x16x16x64xf32>
}

// Rows of whole KiB (512 channels were once looked for a panel without end).
// CHECK-LABEL: func.func @many_channels
// CHECK:         fm.winograd_input {{.*}} -> tensor<?x1x36x4x512xf32>
func.func @many_channels(%n: index, %x: tensor<?x10x10x512xf32>, %w: tensor<3x3x512x512xf32>) -> tensor<?x8x8x512xf32> {
  %0 = fm.conv %x, %w {dilation = array<i64: 1, 1>, groups = 1 : i64, stride = array<i64: 1, 1>} : (tensor<?x10x10x512xf32>, tensor<3x3x512x512xf32>) -> tensor<?x8x8x512xf32>
  return %0 : tensor<?x8x8x512xf32>
}

// The tiles of the forward pass serve the kernel's gradient.
// CHECK-LABEL: func.func @both
// CHECK:         %[[TILES:.*]] = fm.winograd_input
// CHECK-NOT:     fm.winograd_input
// CHECK:         %[[GRADIENT:.*]] = fm.winograd_output_grad %arg3
// CHECK:         %[[POINTS:.*]] = fm.einsum "npxqc,npxqo->xco" %[[TILES]], %[[GRADIENT]]
// CHECK:         fm.winograd_kernel_grad %[[POINTS]]
func.func @both(%n: index, %x: tensor<?x13x13x32xf32>, %w: tensor<3x3x32x64xf32>, %dy: tensor<?x11x11x64xf32>) -> (tensor<?x11x11x64xf32>, tensor<3x3x32x64xf32>) {
  %0 = fm.conv %x, %w {dilation = array<i64: 1, 1>, groups = 1 : i64, stride = array<i64: 1, 1>} : (tensor<?x13x13x32xf32>, tensor<3x3x32x64xf32>) -> tensor<?x11x11x64xf32>
  %1 = fm.conv_kernel_grad %x, %dy {dilation = array<i64: 1, 1>, groups = 1 : i64, stride = array<i64: 1, 1>, size = array<i64: 3, 3>} : (tensor<?x13x13x32xf32>, tensor<?x11x11x64xf32>) -> tensor<3x3x32x64xf32>
  return %0, %1 : tensor<?x11x11x64xf32>, tensor<3x3x32x64xf32>
}

// Neither few channels, nor strides, nor groups, nor other kernels.
// CHECK-LABEL: func.func @plain
// CHECK-NOT:     winograd
func.func @plain(%n: index, %x: tensor<?x28x28x64xf32>, %rgb: tensor<?x28x28x3xf32>, %a: tensor<3x3x3x64xf32>, %b: tensor<3x3x64x64xf32>, %c: tensor<3x3x1x64xf32>, %d: tensor<5x5x64x64xf32>) -> (tensor<?x26x26x64xf32>, tensor<?x13x13x64xf32>, tensor<?x26x26x64xf32>, tensor<?x24x24x64xf32>) {
  %0 = fm.conv %rgb, %a {dilation = array<i64: 1, 1>, groups = 1 : i64, stride = array<i64: 1, 1>} : (tensor<?x28x28x3xf32>, tensor<3x3x3x64xf32>) -> tensor<?x26x26x64xf32>
  %1 = fm.conv %x, %b {dilation = array<i64: 1, 1>, groups = 1 : i64, stride = array<i64: 2, 2>} : (tensor<?x28x28x64xf32>, tensor<3x3x64x64xf32>) -> tensor<?x13x13x64xf32>
  %2 = fm.conv %x, %c {dilation = array<i64: 1, 1>, groups = 64 : i64, stride = array<i64: 1, 1>} : (tensor<?x28x28x64xf32>, tensor<3x3x1x64xf32>) -> tensor<?x26x26x64xf32>
  %3 = fm.conv %x, %d {dilation = array<i64: 1, 1>, groups = 1 : i64, stride = array<i64: 1, 1>} : (tensor<?x28x28x64xf32>, tensor<5x5x64x64xf32>) -> tensor<?x24x24x64xf32>
  return %0, %1, %2, %3 : tensor<?x26x26x64xf32>, tensor<?x13x13x64xf32>, tensor<?x26x26x64xf32>, tensor<?x24x24x64xf32>
}
