// RUN: fmc-opt %s --fm-row-moments | FileCheck %s

// Rows of 28: what is read from x are the rows and their first elements.
// CHECK-LABEL: @rows
// CHECK:         %[[FIRST:.*]] = fm.slice %arg1 {axis = 2 : i64, begin = 0 : i64, end = 1 : i64
// CHECK:         %[[SHIFTED:.*]] = fm.sub %arg1, %[[FIRST]]
// CHECK:         fm.sum %[[SHIFTED]] {axis = array<i64: 2>
// CHECK:         %[[SQUARE:.*]] = fm.mul %[[SHIFTED]], %[[SHIFTED]]
// CHECK:         fm.sum %[[SQUARE]] {axis = array<i64: 2>
// CHECK-NOT:     fm.normalize
func.func @rows(%n: index, %x: tensor<?x4x28x6xf32>) -> (tensor<?x4x28x6xf32>, tensor<1x1x1x6xf32>, tensor<1x1x1x6xf32>) {
  %y, %mean, %variance = fm.normalize %x {axis = array<i64: 0, 1, 2>, epsilon = 1.000000e-03 : f64} : (tensor<?x4x28x6xf32>) -> (tensor<?x4x28x6xf32>, tensor<1x1x1x6xf32>, tensor<1x1x1x6xf32>)
  return %y, %mean, %variance : tensor<?x4x28x6xf32>, tensor<1x1x1x6xf32>, tensor<1x1x1x6xf32>
}

// Short rows, long rows, vectors, and a layer's normalisation stay.
// CHECK-LABEL: @stay
// CHECK-NOT:     fm.slice
// CHECK-COUNT-4: fm.normalize
func.func @stay(%n: index, %short: tensor<?x8x8x6xf32>, %long: tensor<?x4x224x6xf32>, %vector: tensor<?x32xf32>, %layer: tensor<?x28x32xf32>)
    -> (tensor<?x8x8x6xf32>, tensor<?x4x224x6xf32>, tensor<?x32xf32>, tensor<?x28x32xf32>) {
  %a:3 = fm.normalize %short {axis = array<i64: 0, 1, 2>, epsilon = 1.000000e-03 : f64} : (tensor<?x8x8x6xf32>) -> (tensor<?x8x8x6xf32>, tensor<1x1x1x6xf32>, tensor<1x1x1x6xf32>)
  %b:3 = fm.normalize %long {axis = array<i64: 0, 1, 2>, epsilon = 1.000000e-03 : f64} : (tensor<?x4x224x6xf32>) -> (tensor<?x4x224x6xf32>, tensor<1x1x1x6xf32>, tensor<1x1x1x6xf32>)
  %c:3 = fm.normalize %vector {axis = array<i64: 0>, epsilon = 1.000000e-03 : f64} : (tensor<?x32xf32>) -> (tensor<?x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>)
  %d:3 = fm.normalize %layer {axis = array<i64: 2>, epsilon = 1.000000e-03 : f64} : (tensor<?x28x32xf32>) -> (tensor<?x28x32xf32>, tensor<?x28x1xf32>, tensor<?x28x1xf32>)
  return %a#0, %b#0, %c#0, %d#0 : tensor<?x8x8x6xf32>, tensor<?x4x224x6xf32>, tensor<?x32xf32>, tensor<?x28x32xf32>
}
