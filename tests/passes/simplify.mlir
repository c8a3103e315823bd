// RUN: fmc-opt %s --fm-simplify --split-input-file | FileCheck %s

// The largest element of a window is found before the rectifier and before the
// bias.
// CHECK-LABEL: @before
// CHECK:         %[[MAX:.*]], %{{.*}} = fm.window_max %arg1
// CHECK:         %[[ADD:.*]] = fm.add %[[MAX]], %arg2
// CHECK:         %[[RELU:.*]] = fm.relu %[[ADD]]
// CHECK:         return %[[RELU]]
func.func @before(%n: index, %x: tensor<?x4x4x3xf32>, %b: tensor<3xf32>) -> tensor<?x2x2x3xf32> {
  %0 = fm.add %x, %b : (tensor<?x4x4x3xf32>, tensor<3xf32>) -> tensor<?x4x4x3xf32>
  %1 = fm.relu %0 : (tensor<?x4x4x3xf32>) -> tensor<?x4x4x3xf32>
  %2:2 = fm.window_max %1 {size = array<i64: 2, 2>, stride = array<i64: 2, 2>}
      : (tensor<?x4x4x3xf32>) -> (tensor<?x2x2x3xf32>, tensor<?x2x2x3xi8>)
  return %2#0 : tensor<?x2x2x3xf32>
}

// -----

// Not where somebody else needs the rectified image.
// CHECK-LABEL: @shared
// CHECK:         %[[RELU:.*]] = fm.relu
// CHECK:         fm.window_max %[[RELU]]
func.func @shared(%n: index, %x: tensor<?x4x4x3xf32>) -> (tensor<?x2x2x3xf32>, tensor<?x4x4x3xf32>) {
  %0 = fm.relu %x : (tensor<?x4x4x3xf32>) -> tensor<?x4x4x3xf32>
  %1:2 = fm.window_max %0 {size = array<i64: 2, 2>, stride = array<i64: 2, 2>}
      : (tensor<?x4x4x3xf32>) -> (tensor<?x2x2x3xf32>, tensor<?x2x2x3xi8>)
  return %1#0, %0 : tensor<?x2x2x3xf32>, tensor<?x4x4x3xf32>
}

// -----

// Not where the position is asked for: it may be another one.
// CHECK-LABEL: @position
// CHECK:         %[[RELU:.*]] = fm.relu
// CHECK:         fm.window_max %[[RELU]]
func.func @position(%n: index, %x: tensor<?x4x4x3xf32>) -> tensor<?x2x2x3xi8> {
  %0 = fm.relu %x : (tensor<?x4x4x3xf32>) -> tensor<?x4x4x3xf32>
  %1:2 = fm.window_max %0 {size = array<i64: 2, 2>, stride = array<i64: 2, 2>}
      : (tensor<?x4x4x3xf32>) -> (tensor<?x2x2x3xf32>, tensor<?x2x2x3xi8>)
  return %1#1 : tensor<?x2x2x3xi8>
}

// -----

// Not where what is added differs from place to place.
// CHECK-LABEL: @places
// CHECK:         %[[ADD:.*]] = fm.add
// CHECK:         fm.window_max %[[ADD]]
func.func @places(%n: index, %x: tensor<?x4x4x3xf32>, %b: tensor<4x4x1xf32>) -> tensor<?x2x2x3xf32> {
  %0 = fm.add %x, %b : (tensor<?x4x4x3xf32>, tensor<4x4x1xf32>) -> tensor<?x4x4x3xf32>
  %1:2 = fm.window_max %0 {size = array<i64: 2, 2>, stride = array<i64: 2, 2>}
      : (tensor<?x4x4x3xf32>) -> (tensor<?x2x2x3xf32>, tensor<?x2x2x3xi8>)
  return %1#0 : tensor<?x2x2x3xf32>
}
