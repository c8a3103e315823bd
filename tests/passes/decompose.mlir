// RUN: fmc-opt %s --fm-decompose --split-input-file | FileCheck %s

// Along the axis, with the largest element taken away first.
// CHECK-LABEL: @softmax
// CHECK:         %[[MAX:.*]] = fm.max %arg1 {axis = array<i64: 1>, keepdims = true}
// CHECK:         %[[SHIFTED:.*]] = fm.sub %arg1, %[[MAX]]
// CHECK:         %[[EXP:.*]] = fm.exp %[[SHIFTED]]
// CHECK:         %[[SUM:.*]] = fm.sum %[[EXP]] {axis = array<i64: 1>, keepdims = true}
// CHECK:         %[[Y:.*]] = fm.div %[[EXP]], %[[SUM]]
// CHECK:         return %[[Y]]
func.func @softmax(%n: index, %x: tensor<?x5xf32>) -> tensor<?x5xf32> {
  %0 = fm.softmax %x {axis = -1 : i64} : (tensor<?x5xf32>) -> tensor<?x5xf32>
  return %0 : tensor<?x5xf32>
}

// -----

// What a composition is made of is decomposed in turn: a loss is a mean.
// CHECK-LABEL: @nested
// CHECK-NOT:     fm.mse
// CHECK-NOT:     fm.mean
// CHECK:         fm.sub
// CHECK:         fm.mul
// CHECK:         fm.sum
func.func @nested(%n: index, %x: tensor<?x4xf32>, %t: tensor<?x4xf32>) -> tensor<f32> {
  %0 = fm.mse %x, %t : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

// A mean over samples divides by their number times what is known.
// CHECK-LABEL: @mean
// CHECK:         %[[SUM:.*]] = fm.sum %arg1 {axis = array<i64: 0, 1>, keepdims = false}
// CHECK:         %[[N:.*]] = fm.samples : tensor<f32>
// CHECK:         %[[C:.*]] = fm.constant dense<3.000000e+00>
// CHECK:         %[[COUNT:.*]] = fm.mul %[[N]], %[[C]]
// CHECK:         fm.div %[[SUM]], %[[COUNT]]
func.func @mean(%n: index, %x: tensor<?x3xf32>) -> tensor<f32> {
  %0 = fm.mean %x {axis = array<i64>, keepdims = false} : (tensor<?x3xf32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

// A class index picks its term: a class that is ruled out (-inf) does no harm.
// CHECK-LABEL: @cross_entropy
// CHECK:         %[[LOG:.*]] = fm.log
// CHECK:         %[[TERM:.*]] = fm.sub %[[LOG]]
// CHECK:         %[[HOT:.*]] = fm.one_hot %arg2 {depth = 5 : i64, element = i1}
// CHECK:         %[[PICKED:.*]] = fm.select %[[HOT]], %[[TERM]], %{{.*}} : (tensor<?x5xi1>, tensor<?x5xf32>, tensor<f32>) -> tensor<?x5xf32>
// CHECK:         fm.sum %[[PICKED]] {axis = array<i64: 1>
func.func @cross_entropy(%n: index, %x: tensor<?x5xf32>, %label: tensor<?xi32>) -> tensor<f32> {
  %0 = fm.cross_entropy %x, %label : (tensor<?x5xf32>, tensor<?xi32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

// Plain gradient descent has no state; momentum has one tensor.
// CHECK-LABEL: @sgd
// CHECK:         %[[STEP:.*]] = fm.mul %arg3, %arg2
// CHECK:         %[[NEW:.*]] = fm.sub %arg1, %[[STEP]]
// CHECK:         %[[KEPT:.*]] = fm.mul %{{.*}}, %arg5
// CHECK:         %[[M:.*]] = fm.add %[[KEPT]], %arg2
// CHECK:         %[[STEP2:.*]] = fm.mul %arg3, %[[M]]
// CHECK:         %[[NEW2:.*]] = fm.sub %arg1, %[[STEP2]]
// CHECK:         return %[[NEW]], %[[NEW2]], %[[M]]
func.func @sgd(%n: index, %p: tensor<3xf32>, %g: tensor<3xf32>, %rate: tensor<f32>, %step: tensor<i64>,
               %m: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  %0 = fm.sgd %p, %g, %rate, %step {lr = 0.1, momentum = 0.0, nesterov = false, weight_decay = 0.0}
      : (tensor<3xf32>, tensor<3xf32>, tensor<f32>, tensor<i64>) -> tensor<3xf32>
  %1:2 = fm.sgd %p, %g, %m, %rate, %step {lr = 0.1, momentum = 0.9, nesterov = false, weight_decay = 0.0}
      : (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<f32>, tensor<i64>) -> (tensor<3xf32>, tensor<3xf32>)
  return %0, %1#0, %1#1 : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}

// -----

// The bias corrections of Adam are scalars, in f64.
// CHECK-LABEL: @adam
// CHECK:         fm.pow %{{.*}} : (tensor<f64>, tensor<f64>) -> tensor<f64>
// CHECK:         fm.pow %{{.*}} : (tensor<f64>, tensor<f64>) -> tensor<f64>
// CHECK:         fm.rsqrt %{{.*}} : (tensor<f64>) -> tensor<f64>
// CHECK:         fm.sqrt %{{.*}} : (tensor<3xf32>) -> tensor<3xf32>
// CHECK-NOT:     fm.adam
func.func @adam(%n: index, %p: tensor<3xf32>, %g: tensor<3xf32>, %m: tensor<3xf32>, %v: tensor<3xf32>,
                %rate: tensor<f32>, %step: tensor<i64>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  %0:3 = fm.adam %p, %g, %m, %v, %rate, %step {lr = 0.001, beta1 = 0.9, beta2 = 0.999, epsilon = 1.0e-07}
      : (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<f32>, tensor<i64>)
      -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
  return %0#0, %0#1, %0#2 : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}
