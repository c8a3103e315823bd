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

// -----

// Rows and columns that no window reads are not computed: of 9 x 9 places, 8 x 8,
// which need 10 x 10 of what lies inside of the border.
// CHECK-LABEL: @windows_of_a_part
// CHECK:         %[[PAD:.*]] = fm.pad %arg1 {after = array<i64: 0, 0, 0, 0>, before = array<i64: 0, 1, 1, 0>
// CHECK-SAME:    -> tensor<?x10x10x3xf32>
// CHECK:         %[[CONV:.*]] = fm.conv %[[PAD]], %arg2
// CHECK-SAME:    -> tensor<?x8x8x5xf32>
// CHECK:         fm.window_max %[[CONV]]
func.func @windows_of_a_part(%n: index, %x: tensor<?x9x9x3xf32>, %w: tensor<3x3x3x5xf32>) -> tensor<?x4x4x5xf32> {
  %0 = fm.pad %x {before = array<i64: 0, 1, 1, 0>, after = array<i64: 0, 1, 1, 0>, value = 0.0 : f64}
      : (tensor<?x9x9x3xf32>) -> tensor<?x11x11x3xf32>
  %1 = fm.conv %0, %w {stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>, groups = 1 : i64}
      : (tensor<?x11x11x3xf32>, tensor<3x3x3x5xf32>) -> tensor<?x9x9x5xf32>
  %2:2 = fm.window_max %1 {size = array<i64: 2, 2>, stride = array<i64: 2, 2>}
      : (tensor<?x9x9x5xf32>) -> (tensor<?x4x4x5xf32>, tensor<?x4x4x5xi8>)
  return %2#0 : tensor<?x4x4x5xf32>
}

// -----

// With a stride and a dilation, through what is pointwise, and of an input that has
// no border. What has one row is added to all.
// CHECK-LABEL: @through_pointwise
// CHECK-DAG:     %[[X:.*]] = fm.slice %arg1 {axis = 1 : i64, begin = 0 : i64, end = 13 : i64, step = 1 : i64}
// CHECK-DAG:     %[[B:.*]] = fm.slice %arg3 {axis = 0 : i64, begin = 0 : i64, end = 5 : i64, step = 1 : i64}
// CHECK-DAG:     %[[CONV:.*]] = fm.conv %[[X]], %arg2 {{.*}} -> tensor<?x5x4x5xf32>
// CHECK:         %[[ADD:.*]] = fm.add %[[CONV]], %[[B]]
// CHECK:         %[[GELU:.*]] = fm.gelu %[[ADD]]
// CHECK:         fm.window_sum %[[GELU]]
func.func @through_pointwise(%n: index, %x: tensor<?x15x11x3xf32>, %w: tensor<3x3x3x5xf32>,
                             %b: tensor<6x1x5xf32>) -> tensor<?x2x2x5xf32> {
  %0 = fm.conv %x, %w {stride = array<i64: 2, 2>, dilation = array<i64: 2, 2>, groups = 1 : i64}
      : (tensor<?x15x11x3xf32>, tensor<3x3x3x5xf32>) -> tensor<?x6x4x5xf32>
  %1 = fm.add %0, %b : (tensor<?x6x4x5xf32>, tensor<6x1x5xf32>) -> tensor<?x6x4x5xf32>
  %2 = fm.gelu %1 {approximate = false} : (tensor<?x6x4x5xf32>) -> tensor<?x6x4x5xf32>
  %3 = fm.window_sum %2 {size = array<i64: 3, 2>, stride = array<i64: 2, 2>}
      : (tensor<?x6x4x5xf32>) -> tensor<?x2x2x5xf32>
  return %3 : tensor<?x2x2x5xf32>
}

// -----

// Not where somebody else reads the rest.
// CHECK-LABEL: @all_is_read
// CHECK-NOT:     fm.slice
func.func @all_is_read(%n: index, %x: tensor<?x5x5x3xf32>, %w: tensor<1x1x3x5xf32>)
    -> (tensor<?x2x2x5xf32>, tensor<?x5x5x5xf32>) {
  %0 = fm.conv %x, %w {stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>, groups = 1 : i64}
      : (tensor<?x5x5x3xf32>, tensor<1x1x3x5xf32>) -> tensor<?x5x5x5xf32>
  %1:2 = fm.window_max %0 {size = array<i64: 2, 2>, stride = array<i64: 2, 2>}
      : (tensor<?x5x5x5xf32>) -> (tensor<?x2x2x5xf32>, tensor<?x2x2x5xi8>)
  return %1#0, %0 : tensor<?x2x2x5xf32>, tensor<?x5x5x5xf32>
}
