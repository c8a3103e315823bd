// RUN: fmc-opt %s --fm-differentiate --cse --canonicalize --split-input-file | FileCheck %s

// d sum(x * w) / d w sums over the samples that w was broadcast to.
// CHECK-LABEL: @broadcast
// CHECK-SAME:    %[[X:arg1]]: tensor<?x3xf32>
// CHECK-DAG:     %[[ONE:.*]] = fm.constant dense<1.000000e+00> : tensor<f32>
// CHECK:         %[[DY:.*]] = fm.broadcast %{{.*}} : (tensor<1x1xf32>) -> tensor<?x3xf32>
// CHECK:         %[[DX:.*]] = fm.mul %[[DY]], %[[X]]
// CHECK:         %[[DW:.*]] = fm.sum %[[DX]] {axis = array<i64: 0>, keepdims = false} : (tensor<?x3xf32>) -> tensor<3xf32>
// CHECK-NOT:     fm.gradient
// CHECK:         return %{{.*}}, %[[DW]]
func.func @broadcast(%n: index, %x: tensor<?x3xf32>, %w: tensor<3xf32>) -> (tensor<f32>, tensor<3xf32>) {
  %0 = fm.mul %x, %w : (tensor<?x3xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  %1 = fm.sum %0 {axis = array<i64>, keepdims = false} : (tensor<?x3xf32>) -> tensor<f32>
  %2 = fm.gradient %1 wrt %w : (tensor<f32>, tensor<3xf32>) -> tensor<3xf32>
  return %1, %2 : tensor<f32>, tensor<3xf32>
}

// -----

// A value used twice collects both shares: d(x * x) is x + x, times 1.
// CHECK-LABEL: @accumulate
// CHECK:         %[[SHARE:.*]] = fm.mul %{{.*}}, %arg1
// CHECK:         %[[SUM:.*]] = fm.add %[[SHARE]], %[[SHARE]]
// CHECK:         return %[[SUM]]
func.func @accumulate(%n: index, %x: tensor<f32>) -> tensor<f32> {
  %0 = fm.mul %x, %x : (tensor<f32>, tensor<f32>) -> tensor<f32>
  %1 = fm.gradient %0 wrt %x : (tensor<f32>, tensor<f32>) -> tensor<f32>
  return %1 : tensor<f32>
}

// -----

// Only the matrix is wanted: no gradient of the other operand is built.
// CHECK-LABEL: @wanted
// CHECK:         fm.einsum "nk,no->ko" %arg1, %{{.*}} : (tensor<?x4xf32>, tensor<?x2xf32>) -> tensor<4x2xf32>
// CHECK-NOT:     fm.einsum "no,ko->nk"
func.func @wanted(%n: index, %x: tensor<?x4xf32>, %w: tensor<4x2xf32>) -> tensor<4x2xf32> {
  %0 = fm.einsum "nk,ko->no" %x, %w : (tensor<?x4xf32>, tensor<4x2xf32>) -> tensor<?x2xf32>
  %1 = fm.sum %0 {axis = array<i64>, keepdims = false} : (tensor<?x2xf32>) -> tensor<f32>
  %2 = fm.gradient %1 wrt %w : (tensor<f32>, tensor<4x2xf32>) -> tensor<4x2xf32>
  return %2 : tensor<4x2xf32>
}

// -----

// What the scalar does not depend on has the gradient zero, in its shape; so has
// what it depends on through an index only.
// CHECK-LABEL: @zero
// CHECK-DAG:     %[[ZERO:.*]] = fm.constant dense<0.000000e+00> : tensor<f32>
// CHECK-DAG:     %[[Z3:.*]] = fm.broadcast %[[ZERO]] : (tensor<f32>) -> tensor<3xf32>
// CHECK-DAG:     %[[Z23:.*]] = fm.broadcast %[[ZERO]] : (tensor<f32>) -> tensor<2x3xf32>
// CHECK:         return %[[Z3]], %[[Z23]]
func.func @zero(%n: index, %x: tensor<3xf32>, %y: tensor<2x3xf32>) -> (tensor<3xf32>, tensor<2x3xf32>) {
  %0 = fm.argmax %y {axis = 1 : i64} : (tensor<2x3xf32>) -> tensor<2xi32>
  %1 = fm.one_hot %0 {depth = 4 : i64, element = f32} : (tensor<2xi32>) -> tensor<2x4xf32>
  %2 = fm.sum %1 {axis = array<i64>, keepdims = false} : (tensor<2x4xf32>) -> tensor<f32>
  %3:2 = fm.gradient %2 wrt %x, %y : (tensor<f32>, tensor<3xf32>, tensor<2x3xf32>) -> (tensor<3xf32>, tensor<2x3xf32>)
  return %3#0, %3#1 : tensor<3xf32>, tensor<2x3xf32>
}

// -----

// A composite is differentiated as one: (softmax(x) - p) / rows.
// CHECK-LABEL: @composite
// CHECK-SAME:    %arg1: tensor<?x5xf32>, %arg2: tensor<?xi32>
// CHECK:         fm.samples : tensor<f32>
// CHECK:         %[[E:.*]] = fm.exp
// CHECK:         %[[SUM:.*]] = fm.sum %[[E]]
// CHECK:         %[[SOFTMAX:.*]] = fm.div %[[E]], %[[SUM]]
// CHECK:         %[[P:.*]] = fm.one_hot %arg2 {depth = 5 : i64, element = f32}
// CHECK:         %[[D:.*]] = fm.sub %[[SOFTMAX]], %[[P]]
// CHECK:         %[[DX:.*]] = fm.mul %[[D]]
// CHECK:         return %[[DX]]
func.func @composite(%n: index, %x: tensor<?x5xf32>, %label: tensor<?xi32>) -> tensor<?x5xf32> {
  %0 = fm.cross_entropy %x, %label : (tensor<?x5xf32>, tensor<?xi32>) -> tensor<f32>
  %1 = fm.gradient %0 wrt %x : (tensor<f32>, tensor<?x5xf32>) -> tensor<?x5xf32>
  return %1 : tensor<?x5xf32>
}

// -----

// A conversion between floating-point types passes the gradient on, converted.
// CHECK-LABEL: @conversion
// CHECK:         %[[DX:.*]] = fm.cast %{{.*}} {to = f32} : (tensor<f64>) -> tensor<f32>
// CHECK:         return %[[DX]]
func.func @conversion(%n: index, %x: tensor<f32>) -> tensor<f32> {
  %0 = fm.cast %x {to = f64} : (tensor<f32>) -> tensor<f64>
  %1 = fm.exp %0 : (tensor<f64>) -> tensor<f64>
  %2 = fm.gradient %1 wrt %x : (tensor<f64>, tensor<f32>) -> tensor<f32>
  return %2 : tensor<f32>
}

// -----

// The way through an integer has no gradient, the way beside it has.
// CHECK-LABEL: @through_an_integer
// CHECK:         %[[ONE:.*]] = fm.constant dense<1.000000e+00>
// CHECK:         return %[[ONE]]
func.func @through_an_integer(%n: index, %x: tensor<f32>) -> tensor<f32> {
  %0 = fm.cast %x {to = i32} : (tensor<f32>) -> tensor<i32>
  %1 = fm.cast %0 {to = f32} : (tensor<i32>) -> tensor<f32>
  %2 = fm.add %x, %1 : (tensor<f32>, tensor<f32>) -> tensor<f32>
  %3 = fm.gradient %2 wrt %x : (tensor<f32>, tensor<f32>) -> tensor<f32>
  return %3 : tensor<f32>
}

// -----

// The gradient of a distribution of labels stays finite where softmax is 0:
// log(sum(exp)) - x, not -log(softmax).
// CHECK-LABEL: @soft_labels
// CHECK:         fm.log
// CHECK-NEXT:    fm.sub
// CHECK-NOT:     fm.log
func.func @soft_labels(%n: index, %x: tensor<?x5xf32>, %p: tensor<?x5xf32>) -> tensor<?x5xf32> {
  %0 = fm.cross_entropy %x, %p : (tensor<?x5xf32>, tensor<?x5xf32>) -> tensor<f32>
  %1 = fm.gradient %0 wrt %p : (tensor<f32>, tensor<?x5xf32>) -> tensor<?x5xf32>
  return %1 : tensor<?x5xf32>
}
