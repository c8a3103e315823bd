// What is printed reads back as the same.
// RUN: fmc-opt %s | fmc-opt | FileCheck %s

// CHECK-LABEL: fm.model @lines batch 8 {
fm.model @lines batch 8 {
  // CHECK-NEXT: %[[X:.*]] = fm.input "x" with_gradient : tensor<?x4xf32>
  %x = fm.input "x" with_gradient : tensor<?x4xf32>
  // CHECK-NEXT: fm.target "t" : tensor<?x2xf32>
  %t = fm.target "t" : tensor<?x2xf32>
  // CHECK-NEXT: %[[K:.*]] = fm.parameter "k" <normal, 0.000000e+00 : f64, 5.000000e-02 : f64> fan(4, 2) trained : tensor<4x2xf32>
  %k = fm.parameter "k" <normal, 0.0 : f64, 0.05 : f64> fan(4, 2) trained : tensor<4x2xf32>
  // CHECK-NEXT: fm.parameter "s" <constant, 1.000000e+00 : f64, 0.000000e+00 : f64> fan(0, 0) state : tensor<2xf32>
  %s = fm.parameter "s" <constant, 1.0 : f64, 0.0 : f64> fan(0, 0) state : tensor<2xf32>
  // CHECK-NEXT: %[[Y:.*]] = fm.dense %[[X]], %[[K]] {bias = false,
  %y = fm.dense %x, %k {units = 2 : i64, bias = false, kernel_init = #fm.init<normal, 0.0 : f64, 0.05 : f64>,
                        bias_init = #fm.init<constant, 0.0 : f64, 0.0 : f64>} : (tensor<?x4xf32>, tensor<4x2xf32>) -> tensor<?x2xf32>
  // CHECK-NEXT: fm.output "y", %[[Y]] : tensor<?x2xf32>
  fm.output "y", %y : tensor<?x2xf32>
  %l = fm.mse %y, %t : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<f32>
  // CHECK: fm.loss "loss", %{{.*}} : tensor<f32>
  fm.loss "loss", %l : tensor<f32>
  %m = fm.mean_error %y, %t : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<f32>
  // CHECK: fm.metric "error", %{{.*}} : tensor<f32>
  fm.metric "error", %m : tensor<f32>
  // CHECK-NEXT: fm.train "sgd" {lr = 1.000000e-01 : f64} only ["k"]
  fm.train "sgd" {lr = 0.1} only ["k"]
}

// CHECK-LABEL: @ops
func.func @ops(%n: index, %x: tensor<?x4xf32>, %w: tensor<4x2xf32>) -> tensor<?x2xf32> {
  // CHECK: fm.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
  %c = fm.constant dense<[1.0, 2.0]> : tensor<2xf32>
  // CHECK: fm.samples : tensor<f64>
  %s = fm.samples : tensor<f64>
  // CHECK: fm.einsum "nk,ko->no" %arg1, %arg2 : (tensor<?x4xf32>, tensor<4x2xf32>) -> tensor<?x2xf32>
  %e = fm.einsum "nk,ko->no" %x, %w : (tensor<?x4xf32>, tensor<4x2xf32>) -> tensor<?x2xf32>
  // CHECK: fm.compare "lt" %{{.*}}, %{{.*}} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xi1>
  %l = fm.compare "lt" %e, %c : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xi1>
  // CHECK: fm.select %{{.*}} : (tensor<?x2xi1>, tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %y = fm.select %l, %e, %c : (tensor<?x2xi1>, tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// CHECK-LABEL: @kernel
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {inplace = array<i64: 0>} : (tensor<4xf32>) -> tensor<4xf32> {
// CHECK-NEXT:    ^bb0(%{{.*}}: index, %[[A:.*]]: tensor<4xf32>):
// CHECK-NEXT:      fm.yield %[[A]] : tensor<4xf32>
func.func @kernel(%n: index, %x: tensor<4xf32> {fm.binding = #fm.binding<parameter, "p">}) -> tensor<4xf32> {
  %0 = fm.kernel n(%n) reads(%x) {inplace = array<i64: 0>} : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%m: index, %a: tensor<4xf32>):
    fm.yield %a : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}
