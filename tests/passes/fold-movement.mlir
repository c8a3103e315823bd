// RUN: fmc-opt %s --fm-fold-movement | FileCheck %s

// Contractions take and yield transposed tensors.
// CHECK-LABEL: @transposes
// CHECK-NEXT:    %[[Y:.*]] = fm.einsum "nlhd,nmhd->nlhm" %arg1, %arg2
// CHECK-NEXT:    return %[[Y]]
func.func @transposes(%n: index, %q: tensor<?x5x2x4xf32>, %k: tensor<?x6x2x4xf32>) -> tensor<?x5x2x6xf32> {
  %0 = fm.transpose %q {axes = array<i64: 0, 2, 1, 3>} : (tensor<?x5x2x4xf32>) -> tensor<?x2x5x4xf32>
  %1 = fm.transpose %k {axes = array<i64: 0, 2, 3, 1>} : (tensor<?x6x2x4xf32>) -> tensor<?x2x4x6xf32>
  %2 = fm.einsum "nhld,nhdm->nhlm" %0, %1 : (tensor<?x2x5x4xf32>, tensor<?x2x4x6xf32>) -> tensor<?x2x5x6xf32>
  %3 = fm.transpose %2 {axes = array<i64: 0, -2, 1, -1>} : (tensor<?x2x5x6xf32>) -> tensor<?x5x2x6xf32>
  return %3 : tensor<?x5x2x6xf32>
}

// A result that is wanted both ways is transposed.
// CHECK-LABEL: @both
// CHECK:         %[[Y:.*]] = fm.einsum "nk,km->nm"
// CHECK:         %[[T:.*]] = fm.transpose %[[Y]]
// CHECK:         return %[[Y]], %[[T]]
func.func @both(%n: index, %a: tensor<3x4xf32>, %b: tensor<4x5xf32>) -> (tensor<3x5xf32>, tensor<5x3xf32>) {
  %0 = fm.einsum "nk,km->nm" %a, %b : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<3x5xf32>
  %1 = fm.transpose %0 {axes = array<i64: 1, 0>} : (tensor<3x5xf32>) -> tensor<5x3xf32>
  return %0, %1 : tensor<3x5xf32>, tensor<5x3xf32>
}

// Heads of a slice are a slice of heads.
// CHECK-LABEL: @heads
// CHECK:         %[[SPLIT:.*]] = fm.reshape %arg1 {{.*}} -> tensor<?x7x6x4xf32>
// CHECK:         %[[Y:.*]] = fm.slice %[[SPLIT]] {axis = 2 : i64, begin = 2 : i64, end = 4 : i64, step = 1 : i64}
// CHECK:         return %[[Y]]
func.func @heads(%n: index, %x: tensor<?x7x24xf32>) -> tensor<?x7x2x4xf32> {
  %0 = fm.slice %x {axis = -1 : i64, begin = -16 : i64, end = 16 : i64, step = 1 : i64} : (tensor<?x7x24xf32>) -> tensor<?x7x8xf32>
  %1 = fm.reshape %0 {shape = array<i64: -9223372036854775808, 7, 2, 4>} : (tensor<?x7x8xf32>) -> tensor<?x7x2x4xf32>
  return %1 : tensor<?x7x2x4xf32>
}

// Not where the slice cuts a head, takes every second element, or is of another
// dimension.
// CHECK-LABEL: @cut
// CHECK-COUNT-3: fm.slice %arg1
func.func @cut(%n: index, %x: tensor<?x8x24xf32>) -> (tensor<?x8x2x4xf32>, tensor<?x8x2x4xf32>, tensor<?x4x6x4xf32>) {
  %0 = fm.slice %x {axis = 2 : i64, begin = 2 : i64, end = 10 : i64, step = 1 : i64} : (tensor<?x8x24xf32>) -> tensor<?x8x8xf32>
  %1 = fm.reshape %0 {shape = array<i64: -9223372036854775808, 8, 2, 4>} : (tensor<?x8x8xf32>) -> tensor<?x8x2x4xf32>
  %2 = fm.slice %x {axis = 2 : i64, begin = 0 : i64, end = 16 : i64, step = 2 : i64} : (tensor<?x8x24xf32>) -> tensor<?x8x8xf32>
  %3 = fm.reshape %2 {shape = array<i64: -9223372036854775808, 8, 2, 4>} : (tensor<?x8x8xf32>) -> tensor<?x8x2x4xf32>
  %4 = fm.slice %x {axis = 1 : i64, begin = 0 : i64, end = 4 : i64, step = 1 : i64} : (tensor<?x8x24xf32>) -> tensor<?x4x24xf32>
  %5 = fm.reshape %4 {shape = array<i64: -9223372036854775808, 4, 6, 4>} : (tensor<?x4x24xf32>) -> tensor<?x4x6x4xf32>
  return %1, %3, %5 : tensor<?x8x2x4xf32>, tensor<?x8x2x4xf32>, tensor<?x4x6x4xf32>
}

// Parts in zeros, side by side and without a gap, in any order of the sum.
// CHECK-LABEL: @parts
// CHECK-NEXT:    %[[Y:.*]] = fm.concat %arg2, %arg3, %arg1 {axis = 1 : i64}
// CHECK-NEXT:    return %[[Y]]
func.func @parts(%n: index, %a: tensor<?x4xf32>, %b: tensor<?x3xf32>, %c: tensor<?x2xf32>) -> tensor<?x9xf32> {
  %0 = fm.embed %a {axis = 1 : i64, begin = 5 : i64, size = 9 : i64, step = 1 : i64} : (tensor<?x4xf32>) -> tensor<?x9xf32>
  %1 = fm.embed %b {axis = 1 : i64, begin = 0 : i64, size = 9 : i64, step = 1 : i64} : (tensor<?x3xf32>) -> tensor<?x9xf32>
  %2 = fm.embed %c {axis = 1 : i64, begin = 3 : i64, size = 9 : i64, step = 1 : i64} : (tensor<?x2xf32>) -> tensor<?x9xf32>
  %3 = fm.add %0, %2 : (tensor<?x9xf32>, tensor<?x9xf32>) -> tensor<?x9xf32>
  %4 = fm.add %3, %1 : (tensor<?x9xf32>, tensor<?x9xf32>) -> tensor<?x9xf32>
  return %4 : tensor<?x9xf32>
}

// Not with a gap, an overlap, or something else in the sum.
// CHECK-LABEL: @apart
// CHECK-NOT:     fm.concat
func.func @apart(%n: index, %a: tensor<?x4xf32>, %b: tensor<?x5xf32>, %x: tensor<?x9xf32>)
    -> (tensor<?x9xf32>, tensor<?x9xf32>, tensor<?x9xf32>) {
  %0 = fm.embed %a {axis = 1 : i64, begin = 0 : i64, size = 9 : i64, step = 1 : i64} : (tensor<?x4xf32>) -> tensor<?x9xf32>
  %1 = fm.embed %a {axis = 1 : i64, begin = 5 : i64, size = 9 : i64, step = 1 : i64} : (tensor<?x4xf32>) -> tensor<?x9xf32>
  %2 = fm.embed %b {axis = 1 : i64, begin = 3 : i64, size = 9 : i64, step = 1 : i64} : (tensor<?x5xf32>) -> tensor<?x9xf32>
  %3 = fm.add %0, %1 : (tensor<?x9xf32>, tensor<?x9xf32>) -> tensor<?x9xf32>
  %4 = fm.add %0, %2 : (tensor<?x9xf32>, tensor<?x9xf32>) -> tensor<?x9xf32>
  %5 = fm.embed %b {axis = 1 : i64, begin = 4 : i64, size = 9 : i64, step = 1 : i64} : (tensor<?x5xf32>) -> tensor<?x9xf32>
  %6 = fm.add %0, %x : (tensor<?x9xf32>, tensor<?x9xf32>) -> tensor<?x9xf32>
  %7 = fm.add %6, %5 : (tensor<?x9xf32>, tensor<?x9xf32>) -> tensor<?x9xf32>
  return %3, %4, %7 : tensor<?x9xf32>, tensor<?x9xf32>, tensor<?x9xf32>
}
