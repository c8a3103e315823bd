// RUN: fmc-opt %s --fm-lower-to-linalg --canonicalize --split-input-file | FileCheck %s

// A splat constant is a number in the body; the bias is read by its own map.
// CHECK-DAG:   #[[ALL:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG:   #[[LAST:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-LABEL: @pointwise
// CHECK:         tensor.empty(%arg0) : tensor<?x3xf32>
// CHECK:         linalg.generic {indexing_maps = [#[[ALL]], #[[LAST]], #[[ALL]]], iterator_types = ["parallel", "parallel"]}
// CHECK-SAME:      ins(%arg1, %arg2
// CHECK:         linalg.generic {indexing_maps = [#[[ALL]], #[[ALL]]]
// CHECK:           arith.mulf %{{.*}}, %cst
func.func @pointwise(%n: index, %x: tensor<?x3xf32>, %b: tensor<3xf32>) -> tensor<?x3xf32> {
  %0 = fm.add %x, %b : (tensor<?x3xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  %1 = fm.constant dense<2.0> : tensor<f32>
  %2 = fm.mul %0, %1 : (tensor<?x3xf32>, tensor<f32>) -> tensor<?x3xf32>
  return %2 : tensor<?x3xf32>
}

// -----

// Kept axes come back by a reshape, whose first dimension is n.
// CHECK-LABEL: @reduction
// CHECK:         linalg.fill ins(%cst : f32)
// CHECK:         linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]
// CHECK:           arith.maximumf
// CHECK:         tensor.expand_shape %{{.*}} {{\[\[}}0, 1]] output_shape [%arg0, 1] : tensor<?xf32> into tensor<?x1xf32>
func.func @reduction(%n: index, %x: tensor<?x3xf32>) -> tensor<?x1xf32> {
  %0 = fm.max %x {axis = array<i64: -1>, keepdims = true} : (tensor<?x3xf32>) -> tensor<?x1xf32>
  return %0 : tensor<?x1xf32>
}

// -----

// A scalar is its own sum.
// CHECK-LABEL: @sum_of_a_scalar
// CHECK-NEXT:    return %arg1
func.func @sum_of_a_scalar(%n: index, %x: tensor<f32>) -> tensor<f32> {
  %0 = fm.sum %x {axis = array<i64>, keepdims = false} : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

// Without a label to sum over, an einsum is a product: nothing is accumulated.
// CHECK-LABEL: @outer_product
// CHECK-NOT:     linalg.fill
// CHECK:         linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]
// CHECK-NEXT:    ^bb0
// CHECK-NEXT:      %[[P:.*]] = arith.mulf
// CHECK-NEXT:      linalg.yield %[[P]]
func.func @outer_product(%n: index, %x: tensor<5xf32>, %dy: tensor<3xf32>) -> tensor<5x3xf32> {
  %0 = fm.einsum "y,z->yz" %x, %dy : (tensor<5xf32>, tensor<3xf32>) -> tensor<5x3xf32>
  return %0 : tensor<5x3xf32>
}

// -----

// A strided, dilated convolution: an image index is y * stride + ky * dilation.
// CHECK:       #[[X:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d1 * 2 + d4 * 3, d2 + d5, d6)>
// CHECK:       #[[W:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d4, d5, d6, d3)>
// CHECK:       #[[Y:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d1, d2, d3)>
// CHECK-LABEL: @conv
// CHECK:         linalg.generic {indexing_maps = [#[[X]], #[[W]], #[[Y]]], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
func.func @conv(%n: index, %x: tensor<?x9x9x2xf32>, %w: tensor<3x3x2x4xf32>) -> tensor<?x2x7x4xf32> {
  %0 = fm.conv %x, %w {stride = array<i64: 2, 1>, dilation = array<i64: 3, 1>, groups = 1 : i64}
      : (tensor<?x9x9x2xf32>, tensor<3x3x2x4xf32>) -> tensor<?x2x7x4xf32>
  return %0 : tensor<?x2x7x4xf32>
}

// -----

// A depthwise convolution has one loop of channels, and none of them reduces.
// CHECK-LABEL: @depthwise
// CHECK:         linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]
func.func @depthwise(%n: index, %x: tensor<?x4x4x8xf32>, %w: tensor<3x3x1x8xf32>) -> tensor<?x2x2x8xf32> {
  %0 = fm.conv %x, %w {stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>, groups = 8 : i64}
      : (tensor<?x4x4x8xf32>, tensor<3x3x1x8xf32>) -> tensor<?x2x2x8xf32>
  return %0 : tensor<?x2x2x8xf32>
}

// -----

// The gradient of an image: dy, bordered by what the kernel overhangs, with the
// kernel read backwards.
// CHECK-DAG:   affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d1 - d4 + 2, d2 - d5 + 2, d6)>
// CHECK-LABEL: @conv_input_grad
// CHECK:         linalg.generic {{.*}} outs(%{{.*}} : tensor<?x6x6x4xf32>) attrs = {fm.pad = array<i64: 0, 2, 2, 0, 0, 2, 2, 0>, fm.pad_value = 0.000000e+00 : f64}
// CHECK:           tensor.extract %arg1
// CHECK:           arith.select
// CHECK:         linalg.generic
// CHECK:           arith.mulf
func.func @conv_input_grad(%n: index, %dy: tensor<?x2x2x4xf32>, %w: tensor<3x3x2x4xf32>) -> tensor<?x4x4x2xf32> {
  %0 = fm.conv_input_grad %dy, %w {stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>, groups = 1 : i64, size = array<i64: 4, 4>}
      : (tensor<?x2x2x4xf32>, tensor<3x3x2x4xf32>) -> tensor<?x4x4x2xf32>
  return %0 : tensor<?x4x4x2xf32>
}

// -----

// Where the image itself was padded, the gradient begins behind the border: less
// of dy's border is needed.
// CHECK-LABEL: @origin
// CHECK:         linalg.generic {{.*}} outs(%{{.*}} : tensor<?x4x4x4xf32>) attrs = {fm.pad = array<i64: 0, 1, 1, 0, 0, 1, 1, 0>,
// CHECK:         linalg.generic {{.*}} outs(%{{.*}} : tensor<?x2x2x2xf32>)
func.func @origin(%n: index, %dy: tensor<?x2x2x4xf32>, %w: tensor<3x3x2x4xf32>) -> tensor<?x2x2x2xf32> {
  %0 = fm.conv_input_grad %dy, %w {stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>, groups = 1 : i64, origin = array<i64: 1, 1>, size = array<i64: 2, 2>}
      : (tensor<?x2x2x4xf32>, tensor<3x3x2x4xf32>) -> tensor<?x2x2x2xf32>
  return %0 : tensor<?x2x2x2xf32>
}

// -----

// What a kernel may leave where it is: padding says so.
// CHECK-LABEL: @pad
// CHECK:         linalg.generic {{.*}} attrs = {fm.pad = array<i64: 0, 1, 0, 2>, fm.pad_value = 5.000000e-01 : f64}
func.func @pad(%n: index, %x: tensor<?x3xf32>) -> tensor<?x6xf32> {
  %0 = fm.pad %x {before = array<i64: 0, 1>, after = array<i64: 0, 2>, value = 0.5 : f64} : (tensor<?x3xf32>) -> tensor<?x6xf32>
  return %0 : tensor<?x6xf32>
}

// -----

// A position that nobody reads is not computed.
// CHECK-LABEL: @window_max
// CHECK:         linalg.generic
// CHECK-NOT:       arith.cmpf
// CHECK:           arith.maximumf
// CHECK-NOT:       arith.index_cast
// CHECK:           linalg.yield %{{.*}} : f32
func.func @window_max(%n: index, %x: tensor<?x4x4x1xf32>) -> tensor<?x2x2x1xf32> {
  %0:2 = fm.window_max %x {size = array<i64: 2, 2>, stride = array<i64: 2, 2>}
      : (tensor<?x4x4x1xf32>) -> (tensor<?x2x2x1xf32>, tensor<?x2x2x1xi8>)
  return %0#0 : tensor<?x2x2x1xf32>
}

// -----

// A scalar has no loop to take an index from.
// CHECK-LABEL: @mask_of_a_scalar
// CHECK:         linalg.generic {indexing_maps = [{{.*}}], iterator_types = []}
// CHECK-NOT:       linalg.index
func.func @mask_of_a_scalar(%n: index, %seed: tensor<i64>, %step: tensor<i64>) -> tensor<f32> {
  %0 = fm.random_mask %seed, %step {rate = 0.5, stream = 0 : i64} : (tensor<i64>, tensor<i64>) -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

// The number of samples is the function's first argument.
// CHECK-LABEL: @samples
// CHECK:         arith.index_cast %arg0 : index to i64
// CHECK:         arith.sitofp
func.func @samples(%n: index) -> tensor<f32> {
  %0 = fm.samples : tensor<f32>
  return %0 : tensor<f32>
}
