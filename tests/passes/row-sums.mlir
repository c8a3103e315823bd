// RUN: fmc-opt %s --fm-row-sums | FileCheck %s

// A sum over an image is one over the sums of its rows.
// CHECK-LABEL: @image
// CHECK:         %[[ROWS:.*]] = fm.sum %arg1 {axis = array<i64: 2>, keepdims = true} : (tensor<?x7x9x6xf32>) -> tensor<?x7x1x6xf32>
// CHECK:         fm.sum %[[ROWS]] {axis = array<i64: 0, 1, 2>, keepdims = false} : (tensor<?x7x1x6xf32>) -> tensor<6xf32>
func.func @image(%n: index, %x: tensor<?x7x9x6xf32>) -> tensor<6xf32> {
  %s = fm.sum %x {axis = array<i64: 0, 1, 2>, keepdims = false} : (tensor<?x7x9x6xf32>) -> tensor<6xf32>
  return %s : tensor<6xf32>
}

// So is a mean over positions, with the dimensions kept.
// CHECK-LABEL: @pool
// CHECK:         fm.sum %arg1 {axis = array<i64: 2>, keepdims = true}
// CHECK:         fm.sum %{{.*}} {axis = array<i64: 1, 2>, keepdims = true} : (tensor<?x8x1x6xf32>) -> tensor<?x1x1x6xf32>
func.func @pool(%n: index, %x: tensor<?x8x8x6xf32>) -> tensor<?x1x1x6xf32> {
  %s = fm.sum %x {axis = array<i64: 1, 2>, keepdims = true} : (tensor<?x8x8x6xf32>) -> tensor<?x1x1x6xf32>
  return %s : tensor<?x1x1x6xf32>
}

// A loss: a row of the image is a part, or a word.
// CHECK-LABEL: @everything
// CHECK:         %[[ROWS:.*]] = fm.sum %arg1 {axis = array<i64: 2, 3>, keepdims = true} : (tensor<?x8x9x40xf32>) -> tensor<?x8x1x1xf32>
// CHECK:         fm.sum %[[ROWS]] {axis = array<i64: 0, 1, 2, 3>, keepdims = false} : (tensor<?x8x1x1xf32>) -> tensor<f32>
// CHECK:         %[[WORDS:.*]] = fm.sum %arg2 {axis = array<i64: 2>, keepdims = true} : (tensor<?x32x300xf32>) -> tensor<?x32x1xf32>
// CHECK:         fm.sum %[[WORDS]] {axis = array<i64: 0, 1, 2>
func.func @everything(%n: index, %image: tensor<?x8x9x40xf32>, %words: tensor<?x32x300xf32>) -> (tensor<f32>, tensor<f32>) {
  %a = fm.sum %image {axis = array<i64: 0, 1, 2, 3>, keepdims = false} : (tensor<?x8x9x40xf32>) -> tensor<f32>
  %b = fm.sum %words {axis = array<i64: 0, 1, 2>, keepdims = false} : (tensor<?x32x300xf32>) -> tensor<f32>
  return %a, %b : tensor<f32>, tensor<f32>
}

// Short rows, rows alone, features, and vectors in sequences stay as they are.
// CHECK-LABEL: @stay
// CHECK-COUNT-4: fm.sum %arg
// CHECK-NOT:     fm.sum
func.func @stay(%n: index, %short: tensor<?x64x7x6xf32>, %x: tensor<?x8x8x6xf32>, %words: tensor<?x32x6xf32>)
    -> (tensor<6xf32>, tensor<?x8x6xf32>, tensor<f32>, tensor<6xf32>) {
  %a = fm.sum %short {axis = array<i64: 0, 1, 2>, keepdims = false} : (tensor<?x64x7x6xf32>) -> tensor<6xf32>
  %b = fm.sum %x {axis = array<i64: 2>, keepdims = false} : (tensor<?x8x8x6xf32>) -> tensor<?x8x6xf32>
  %c = fm.sum %x {axis = array<i64: 0, 1, 2, 3>, keepdims = false} : (tensor<?x8x8x6xf32>) -> tensor<f32>
  %d = fm.sum %words {axis = array<i64: 0, 1>, keepdims = false} : (tensor<?x32x6xf32>) -> tensor<6xf32>
  return %a, %b, %c, %d : tensor<6xf32>, tensor<?x8x6xf32>, tensor<f32>, tensor<6xf32>
}
