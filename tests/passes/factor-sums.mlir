// RUN: fmc-opt %s --fm-factor-sums --cse | FileCheck %s

// The sums of an adjoint of a normalisation: two of four are left.
// CHECK-LABEL: @twoOfFour
// CHECK-DAG:     %[[SUM:.*]] = fm.sum %arg1 {axis = array<i64: 0, 1>, keepdims = false}
// CHECK-DAG:     %[[PRODUCT:.*]] = fm.mul %arg1, %arg2
// CHECK-DAG:     %[[DOT:.*]] = fm.sum %[[PRODUCT]] {axis = array<i64: 0, 1>, keepdims = false}
// CHECK-NOT:     fm.sum
func.func @twoOfFour(%n: index, %dy: tensor<?x5x3xf32>, %y: tensor<?x5x3xf32>, %scale: tensor<3xf32>)
    -> (tensor<3xf32>, tensor<3xf32>, tensor<1x1x3xf32>, tensor<1x1x3xf32>) {
  %0 = fm.sum %dy {axis = array<i64: 0, 1>, keepdims = false} : (tensor<?x5x3xf32>) -> tensor<3xf32>
  %1 = fm.mul %dy, %y : (tensor<?x5x3xf32>, tensor<?x5x3xf32>) -> tensor<?x5x3xf32>
  %2 = fm.sum %1 {axis = array<i64: 0, 1>, keepdims = false} : (tensor<?x5x3xf32>) -> tensor<3xf32>
  %3 = fm.mul %dy, %scale : (tensor<?x5x3xf32>, tensor<3xf32>) -> tensor<?x5x3xf32>
  %4 = fm.sum %3 {axis = array<i64: 0, 1>, keepdims = true} : (tensor<?x5x3xf32>) -> tensor<1x1x3xf32>
  %5 = fm.mul %3, %y : (tensor<?x5x3xf32>, tensor<?x5x3xf32>) -> tensor<?x5x3xf32>
  %6 = fm.sum %5 {axis = array<i64: 0, 1>, keepdims = true} : (tensor<?x5x3xf32>) -> tensor<1x1x3xf32>
  return %0, %2, %4, %6 : tensor<3xf32>, tensor<3xf32>, tensor<1x1x3xf32>, tensor<1x1x3xf32>
}

// What varies along a summed dimension stays.
// CHECK-LABEL: @varies
// CHECK:         %[[PRODUCT:.*]] = fm.mul
// CHECK:         fm.sum %[[PRODUCT]] {axis = array<i64: 2>, keepdims = false}
func.func @varies(%n: index, %x: tensor<?x5x3xf32>, %scale: tensor<3xf32>) -> tensor<?x5xf32> {
  %0 = fm.mul %x, %scale : (tensor<?x5x3xf32>, tensor<3xf32>) -> tensor<?x5x3xf32>
  %1 = fm.sum %0 {axis = array<i64: 2>, keepdims = false} : (tensor<?x5x3xf32>) -> tensor<?x5xf32>
  return %1 : tensor<?x5xf32>
}

// Dimensions of one among the summed ones are left out.
// CHECK-LABEL: @inTheMiddle
// CHECK-DAG:     %[[SUM:.*]] = fm.sum %arg0 {axis = array<i64: 1>, keepdims = false} : (tensor<4x5x6xf32>) -> tensor<4x6xf32>
// CHECK-DAG:     %[[FLAT:.*]] = fm.reshape %arg1 {shape = array<i64: 4, 6>}
// CHECK:         fm.mul %[[SUM]], %[[FLAT]]
func.func @inTheMiddle(%x: tensor<4x5x6xf32>, %v: tensor<4x1x6xf32>) -> tensor<4x6xf32> {
  %0 = fm.mul %x, %v : (tensor<4x5x6xf32>, tensor<4x1x6xf32>) -> tensor<4x5x6xf32>
  %1 = fm.sum %0 {axis = array<i64: 1>, keepdims = false} : (tensor<4x5x6xf32>) -> tensor<4x6xf32>
  return %1 : tensor<4x6xf32>
}

// -----

// A softmax divides once a row.
// CHECK-LABEL: @softmax
// CHECK:         %[[E:.*]] = fm.exp %arg1
// CHECK:         %[[S:.*]] = fm.sum %[[E]]
// CHECK:         %[[R:.*]] = fm.div %{{.*}}, %[[S]] : {{.*}} -> tensor<?x1xf32>
// CHECK:         fm.mul %[[E]], %[[R]]
func.func @softmax(%n: index {fm.binding = #fm.binding<samples, "n">},
                   %x: tensor<?x64xf32> {fm.binding = #fm.binding<input, "x">})
    -> (tensor<?x64xf32> {fm.binding = #fm.binding<output, "y">}) {
  %0 = fm.exp %x : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %1 = fm.sum %0 {axis = array<i64: 1>, keepdims = true} : (tensor<?x64xf32>) -> tensor<?x1xf32>
  %2 = fm.div %0, %1 : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32>
  return %2 : tensor<?x64xf32>
}

// -----

// Other numbers may have no reciprocal: integers, or what is larger than 2^126.
// CHECK-LABEL: @quotients
// CHECK:         fm.div %arg1, %arg2 : {{.*}} -> tensor<?x64xi32>
// CHECK:         fm.div %arg3, %arg4 : {{.*}} -> tensor<?x64xf32>
func.func @quotients(%n: index {fm.binding = #fm.binding<samples, "n">},
                     %a: tensor<?x64xi32> {fm.binding = #fm.binding<input, "a">},
                     %b: tensor<?x1xi32> {fm.binding = #fm.binding<input, "b">},
                     %x: tensor<?x64xf32> {fm.binding = #fm.binding<input, "x">},
                     %s: tensor<?x1xf32> {fm.binding = #fm.binding<input, "s">})
    -> (tensor<?x64xi32> {fm.binding = #fm.binding<output, "c">},
        tensor<?x64xf32> {fm.binding = #fm.binding<output, "y">}) {
  %0 = fm.div %a, %b : (tensor<?x64xi32>, tensor<?x1xi32>) -> tensor<?x64xi32>
  %1 = fm.div %x, %s : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32>
  return %0, %1 : tensor<?x64xi32>, tensor<?x64xf32>
}

// A factor stays where others need the product, and nobody what it is without: both
// would be stored.
// CHECK-LABEL: @productIsThere
// CHECK:         %[[PRODUCT:.*]] = fm.mul
// CHECK:         fm.sum %[[PRODUCT]]
func.func @productIsThere(%n: index, %x: tensor<?x5xf32>, %scale: tensor<f32>) -> (tensor<5xf32>, tensor<?x5xf32>) {
  %0 = fm.exp %x : (tensor<?x5xf32>) -> tensor<?x5xf32>
  %1 = fm.mul %0, %scale : (tensor<?x5xf32>, tensor<f32>) -> tensor<?x5xf32>
  %2 = fm.sum %1 {axis = array<i64: 0>, keepdims = false} : (tensor<?x5xf32>) -> tensor<5xf32>
  return %2, %1 : tensor<5xf32>, tensor<?x5xf32>
}
