// RUN: fmc-opt %s --fm-differentiate --split-input-file -verify-diagnostics

// Everything that lacks a gradient is reported, each at its own place.
func.func @metrics(%n: index, %x: tensor<?x5xf32>, %label: tensor<?xi32>) -> tensor<?x5xf32> {
  // expected-error @below {{accuracy: has no gradient: accuracy is piecewise constant}}
  %0 = fm.accuracy %x, %label : (tensor<?x5xf32>, tensor<?xi32>) -> tensor<f32>
  // expected-error @below {{mean_error: has no gradient: mean_error is a metric; train with mse}}
  %1 = fm.mean_error %x, %x : (tensor<?x5xf32>, tensor<?x5xf32>) -> tensor<f32>
  %2 = fm.add %0, %1 : (tensor<f32>, tensor<f32>) -> tensor<f32>
  // expected-note @+1 {{the loss depends on it here}}
  %3 = fm.gradient %2 wrt %x : (tensor<f32>, tensor<?x5xf32>) -> tensor<?x5xf32>
  return %3 : tensor<?x5xf32>
}

// -----

// A metric that the loss does not depend on is none of our business.
func.func @beside(%n: index, %x: tensor<?x5xf32>, %label: tensor<?xi32>) -> (tensor<f32>, tensor<?x5xf32>) {
  %0 = fm.accuracy %x, %label : (tensor<?x5xf32>, tensor<?xi32>) -> tensor<f32>
  %1 = fm.cross_entropy %x, %label : (tensor<?x5xf32>, tensor<?xi32>) -> tensor<f32>
  %2 = fm.gradient %1 wrt %x : (tensor<f32>, tensor<?x5xf32>) -> tensor<?x5xf32>
  return %0, %2 : tensor<f32>, tensor<?x5xf32>
}

// -----

// Second derivatives of max pooling are not built, and that is said.
func.func @second(%n: index, %dy: tensor<?x2x2x1xf32>, %p: tensor<?x2x2x1xi8>) -> tensor<?x2x2x1xf32> {
  // expected-error @below {{window_max_grad: has no gradient: second derivatives of pooling are not built}}
  %0 = fm.window_max_grad %dy, %p {size = array<i64: 2, 2>, stride = array<i64: 2, 2>, shape = array<i64: 4, 4>}
      : (tensor<?x2x2x1xf32>, tensor<?x2x2x1xi8>) -> tensor<?x4x4x1xf32>
  %1 = fm.sum %0 {axis = array<i64>, keepdims = false} : (tensor<?x4x4x1xf32>) -> tensor<f32>
  // expected-note @below {{the loss depends on it here}}
  %2 = fm.gradient %1 wrt %dy : (tensor<f32>, tensor<?x2x2x1xf32>) -> tensor<?x2x2x1xf32>
  return %2 : tensor<?x2x2x1xf32>
}
