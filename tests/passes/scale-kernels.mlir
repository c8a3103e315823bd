// RUN: fmc-opt %s --fm-scale-kernels | FileCheck %s

// Squeeze-and-excitation: one number a sample and channel weighs the kernel.
// CHECK-LABEL: @excite
// CHECK-DAG:     %[[G:.*]] = fm.reshape %arg2 {shape = array<i64: -9223372036854775808, 12, 1>}
// CHECK-DAG:     %[[W:.*]] = fm.reshape %arg3 {shape = array<i64: 12, 5>}
// CHECK:         %[[SCALED:.*]] = fm.mul %[[G]], %[[W]]
// CHECK-SAME:      -> tensor<?x12x5xf32>
// CHECK-NEXT:    %[[Y:.*]] = fm.einsum "nhwi,nio->nhwo" %arg1, %[[SCALED]]
// CHECK-NEXT:    return %[[Y]]
func.func @excite(%n: index, %x: tensor<?x8x8x12xf32>, %g: tensor<?x1x1x12xf32>, %w: tensor<1x1x12x5xf32>) -> tensor<?x8x8x5xf32> {
  %0 = fm.mul %x, %g : (tensor<?x8x8x12xf32>, tensor<?x1x1x12xf32>) -> tensor<?x8x8x12xf32>
  %1 = fm.conv %0, %w {dilation = array<i64: 1, 1>, groups = 1 : i64, stride = array<i64: 1, 1>} : (tensor<?x8x8x12xf32>, tensor<1x1x12x5xf32>) -> tensor<?x8x8x5xf32>
  return %1 : tensor<?x8x8x5xf32>
}

// One number a channel, on the left: one kernel for all samples.
// CHECK-LABEL: @channels
// CHECK:         %[[SCALED:.*]] = fm.mul {{.*}} -> tensor<12x5xf32>
// CHECK-NEXT:    fm.einsum "nhwi,io->nhwo" %arg1, %[[SCALED]]
func.func @channels(%n: index, %x: tensor<?x24x24x12xf32>, %g: tensor<12xf32>, %w: tensor<1x1x12x5xf32>) -> tensor<?x24x24x5xf32> {
  %0 = fm.mul %g, %x : (tensor<12xf32>, tensor<?x24x24x12xf32>) -> tensor<?x24x24x12xf32>
  %1 = fm.conv %0, %w {dilation = array<i64: 1, 1>, groups = 1 : i64, stride = array<i64: 1, 1>} : (tensor<?x24x24x12xf32>, tensor<1x1x12x5xf32>) -> tensor<?x24x24x5xf32>
  return %1 : tensor<?x24x24x5xf32>
}

// A number a place, a product that others read, a larger kernel, a kernel that
// is not small beside x: all stay.
// CHECK-LABEL: @stay
// CHECK-NOT:     fm.einsum
func.func @stay(%n: index, %x: tensor<?x8x8x12xf32>, %place: tensor<?x8x8x1xf32>, %g: tensor<?x1x1x12xf32>, %w: tensor<1x1x12x5xf32>,
                %w3: tensor<3x3x12x5xf32>, %wide: tensor<1x1x12x64xf32>)
    -> (tensor<?x8x8x5xf32>, tensor<?x8x8x5xf32>, tensor<?x8x8x12xf32>, tensor<?x6x6x5xf32>, tensor<?x8x8x64xf32>) {
  %0 = fm.mul %x, %place : (tensor<?x8x8x12xf32>, tensor<?x8x8x1xf32>) -> tensor<?x8x8x12xf32>
  %1 = fm.conv %0, %w {dilation = array<i64: 1, 1>, groups = 1 : i64, stride = array<i64: 1, 1>} : (tensor<?x8x8x12xf32>, tensor<1x1x12x5xf32>) -> tensor<?x8x8x5xf32>
  %2 = fm.mul %x, %g : (tensor<?x8x8x12xf32>, tensor<?x1x1x12xf32>) -> tensor<?x8x8x12xf32>
  %3 = fm.conv %2, %w {dilation = array<i64: 1, 1>, groups = 1 : i64, stride = array<i64: 1, 1>} : (tensor<?x8x8x12xf32>, tensor<1x1x12x5xf32>) -> tensor<?x8x8x5xf32>
  %4 = fm.mul %x, %g : (tensor<?x8x8x12xf32>, tensor<?x1x1x12xf32>) -> tensor<?x8x8x12xf32>
  %5 = fm.conv %4, %w3 {dilation = array<i64: 1, 1>, groups = 1 : i64, stride = array<i64: 1, 1>} : (tensor<?x8x8x12xf32>, tensor<3x3x12x5xf32>) -> tensor<?x6x6x5xf32>
  %6 = fm.mul %x, %g : (tensor<?x8x8x12xf32>, tensor<?x1x1x12xf32>) -> tensor<?x8x8x12xf32>
  %7 = fm.conv %6, %wide {dilation = array<i64: 1, 1>, groups = 1 : i64, stride = array<i64: 1, 1>} : (tensor<?x8x8x12xf32>, tensor<1x1x12x64xf32>) -> tensor<?x8x8x64xf32>
  return %1, %3, %2, %5, %7 : tensor<?x8x8x5xf32>, tensor<?x8x8x5xf32>, tensor<?x8x8x12xf32>, tensor<?x6x6x5xf32>, tensor<?x8x8x64xf32>
}
