// RUN: fmc-opt %s --canonicalize | FileCheck %s

// A reshape of a reshape is one; one into the same shape is none.
// CHECK-LABEL: @reshape
// CHECK-NEXT:    %[[Y:.*]] = fm.reshape %arg0 {shape = array<i64: -9223372036854775808, 3, 4>} : (tensor<?x12xf32>) -> tensor<?x3x4xf32>
// CHECK-NEXT:    return %[[Y]], %arg0
func.func @reshape(%x: tensor<?x12xf32>) -> (tensor<?x3x4xf32>, tensor<?x12xf32>) {
  %0 = fm.reshape %x {shape = array<i64: -9223372036854775808, 2, 6>} : (tensor<?x12xf32>) -> tensor<?x2x6xf32>
  %1 = fm.reshape %0 {shape = array<i64: -9223372036854775808, 3, 4>} : (tensor<?x2x6xf32>) -> tensor<?x3x4xf32>
  %2 = fm.reshape %1 {shape = array<i64: -9223372036854775808, 12>} : (tensor<?x3x4xf32>) -> tensor<?x12xf32>
  return %1, %2 : tensor<?x3x4xf32>, tensor<?x12xf32>
}

// Equal constants are one, and what nobody uses goes.
// CHECK-LABEL: @constants
// CHECK-NEXT:    %[[C:.*]] = fm.constant dense<2.000000e+00> : tensor<f32>
// CHECK-NEXT:    return %[[C]], %[[C]]
func.func @constants(%x: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  %0 = fm.constant dense<2.0> : tensor<f32>
  %1 = fm.constant dense<2.0> : tensor<f32>
  %2 = fm.exp %x : (tensor<f32>) -> tensor<f32>
  return %0, %1 : tensor<f32>, tensor<f32>
}

// A few zeros behind a gradient come out of the gradient itself, many do not.
// CHECK-LABEL: @zerosBehindGradient
// CHECK:         %[[FEW:.*]] = fm.conv_input_grad %arg0, %arg1 {{.*}}size = array<i64: 11, 10>
// CHECK:         %[[OWN:.*]] = fm.conv_input_grad %arg0, %arg1 {{.*}}size = array<i64: 10, 10>
// CHECK:         %[[MANY:.*]] = fm.embed %[[OWN]]
// CHECK:         return %[[FEW]], %[[MANY]]
func.func @zerosBehindGradient(%dy: tensor<?x8x8x4xf32>, %w: tensor<3x3x2x4xf32>)
    -> (tensor<?x11x10x2xf32>, tensor<?x40x10x2xf32>) {
  %0 = fm.conv_input_grad %dy, %w {stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>, groups = 1 : i64, size = array<i64: 10, 10>}
      : (tensor<?x8x8x4xf32>, tensor<3x3x2x4xf32>) -> tensor<?x10x10x2xf32>
  %1 = fm.embed %0 {axis = 1 : i64, begin = 0 : i64, step = 1 : i64, size = 11 : i64} : (tensor<?x10x10x2xf32>) -> tensor<?x11x10x2xf32>
  %2 = fm.conv_input_grad %dy, %w {stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>, groups = 1 : i64, size = array<i64: 10, 10>}
      : (tensor<?x8x8x4xf32>, tensor<3x3x2x4xf32>) -> tensor<?x10x10x2xf32>
  %3 = fm.embed %2 {axis = 1 : i64, begin = 0 : i64, step = 1 : i64, size = 40 : i64} : (tensor<?x10x10x2xf32>) -> tensor<?x40x10x2xf32>
  return %1, %3 : tensor<?x11x10x2xf32>, tensor<?x40x10x2xf32>
}
