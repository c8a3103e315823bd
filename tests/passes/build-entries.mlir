// RUN: fmc-opt %s --fm-build-entries --split-input-file | FileCheck %s

#zeros = #fm.init<constant, 0.0 : f64, 0.0 : f64>
#ones = #fm.init<constant, 1.0 : f64, 0.0 : f64>
#glorot = #fm.init<glorot_uniform, 0.0 : f64, 0.0 : f64>

// Inference: running statistics, no dropout, no target. In evaluate there is one.
// CHECK-LABEL: func.func @forward
// CHECK-SAME:    %arg0: index {fm.binding = #fm.binding<samples, "n">}
// CHECK-SAME:    %[[X:arg1]]: tensor<?x4xf32> {fm.binding = #fm.binding<input, "x">}
// CHECK-SAME:    %[[KERNEL:arg2]]: tensor<4x3xf32> {fm.binding = #fm.binding<parameter, "dense_1.kernel">}
// CHECK-SAME:    #fm.binding<state, "batch_norm_1.moving_mean">
// CHECK-SAME:    -> (tensor<?x3xf32> {fm.binding = #fm.binding<output, "logits">})
// CHECK-NOT:     fm.dense
// CHECK:         fm.einsum "ay,yz->az" %[[X]], %[[KERNEL]]
// CHECK-NOT:     fm.normalize
// CHECK:         fm.rsqrt
// CHECK-NOT:     fm.random_mask
// CHECK:         return
// CHECK-LABEL: func.func @evaluate
// CHECK-SAME:    #fm.binding<target, "label">
// CHECK-SAME:    -> (tensor<f32> {fm.binding = #fm.binding<loss, "loss">}, tensor<f32> {fm.binding = #fm.binding<metric, "accuracy">})
// CHECK:         %[[LOSS:.*]] = fm.cross_entropy
// CHECK:         %[[ACCURACY:.*]] = fm.accuracy
// CHECK:         return %[[LOSS]], %[[ACCURACY]]

// Training: batch statistics, whose running means are results; no metric. The
// frozen bias has no gradient. The input that asks for one is first.
// CHECK-LABEL: func.func @gradients
// CHECK-SAME:    #fm.binding<state, "train.seed">
// CHECK-SAME:    #fm.binding<gradient, "x">
// CHECK-SAME:    #fm.binding<gradient, "dense_1.kernel">
// CHECK-NOT:     #fm.binding<gradient, "dense_1.bias">
// CHECK-SAME:    #fm.binding<state, "batch_norm_1.moving_mean">
// CHECK:         %{{.*}}, %[[MEAN:.*]], %[[VARIANCE:.*]] = fm.normalize
// CHECK:         fm.random_mask
// CHECK:         %[[LOSS:.*]] = fm.cross_entropy
// CHECK-NOT:     fm.accuracy
// CHECK:         %[[G:.*]]:4 = fm.gradient %[[LOSS]] wrt %arg3, %arg5, %arg6, %arg1
// CHECK:         return %[[LOSS]], %[[G]]#3, %[[G]]#0, %[[G]]#1, %[[G]]#2
// CHECK-LABEL: func.func @train_step
// CHECK:         %[[G:.*]]:3 = fm.gradient %{{.*}} wrt %arg3, %arg5, %arg6
// CHECK:         %[[STEP:.*]] = fm.add %{{.*}}, %{{.*}} : (tensor<i64>, tensor<i64>) -> tensor<i64>
// CHECK-COUNT-3: fm.sgd {{.*}}%[[STEP]] {

// Only what the update needs.
// CHECK-LABEL: func.func @apply_gradients
// CHECK-SAME:    #fm.binding<gradient, "dense_1.kernel">
// CHECK-SAME:    #fm.binding<optimizer, "dense_1.kernel/momentum">
// CHECK-NOT:     fm.einsum
// CHECK-COUNT-3: fm.sgd
fm.model @m batch 8 {
  %x = fm.input "x" with_gradient : tensor<?x4xf32>
  %label = fm.target "label" : tensor<?xi32>
  %k = fm.parameter "dense_1.kernel" <glorot_uniform, 0.0 : f64, 0.0 : f64> fan(4, 3) trained : tensor<4x3xf32>
  %b = fm.parameter "dense_1.bias" <constant, 0.0 : f64, 0.0 : f64> fan(4, 3) : tensor<3xf32>
  %g = fm.parameter "batch_norm_1.gamma" <constant, 1.0 : f64, 0.0 : f64> fan(0, 0) trained : tensor<3xf32>
  %be = fm.parameter "batch_norm_1.beta" <constant, 0.0 : f64, 0.0 : f64> fan(0, 0) trained : tensor<3xf32>
  %mm = fm.parameter "batch_norm_1.moving_mean" <constant, 0.0 : f64, 0.0 : f64> fan(0, 0) state : tensor<3xf32>
  %mv = fm.parameter "batch_norm_1.moving_variance" <constant, 1.0 : f64, 0.0 : f64> fan(0, 0) state : tensor<3xf32>
  %0 = fm.dense %x, %k, %b {units = 3 : i64, bias = true, kernel_init = #glorot, bias_init = #zeros}
      : (tensor<?x4xf32>, tensor<4x3xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  %1 = fm.batch_norm %0, %g, %be, %mm, %mv {momentum = 0.9, epsilon = 0.001}
      : (tensor<?x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  %2 = fm.dropout %1 {rate = 0.5} : (tensor<?x3xf32>) -> tensor<?x3xf32>
  fm.output "logits", %2 : tensor<?x3xf32>
  %3 = fm.cross_entropy %2, %label : (tensor<?x3xf32>, tensor<?xi32>) -> tensor<f32>
  fm.loss "loss", %3 : tensor<f32>
  %4 = fm.accuracy %2, %label : (tensor<?x3xf32>, tensor<?xi32>) -> tensor<f32>
  fm.metric "accuracy", %4 : tensor<f32>
  fm.train "sgd" {lr = 0.1, momentum = 0.9, nesterov = false, weight_decay = 0.0}
}

// -----

// A layer used twice updates its statistics twice, one after the other.
// CHECK-LABEL: func.func @gradients
// CHECK-SAME:    %[[OLD:arg4]]: tensor<3xf32> {fm.binding = #fm.binding<state, "bn.moving_mean">}
// CHECK:         fm.normalize
// CHECK:         %[[KEPT:.*]] = fm.mul %[[OLD]], %{{.*}}
// CHECK:         %[[FIRST:.*]] = fm.add %[[KEPT]]
// CHECK:         fm.normalize
// CHECK:         %[[KEPT2:.*]] = fm.mul %[[FIRST]], %{{.*}}
// CHECK:         %[[SECOND:.*]] = fm.add %[[KEPT2]]
// CHECK:         return %{{.*}}, %[[SECOND]], %{{.*}} : tensor<f32>
fm.model @shared batch 8 {
  %x = fm.input "x" : tensor<?x3xf32>
  %g = fm.parameter "bn.gamma" <constant, 1.0 : f64, 0.0 : f64> fan(0, 0) : tensor<3xf32>
  %b = fm.parameter "bn.beta" <constant, 0.0 : f64, 0.0 : f64> fan(0, 0) : tensor<3xf32>
  %mm = fm.parameter "bn.moving_mean" <constant, 0.0 : f64, 0.0 : f64> fan(0, 0) state : tensor<3xf32>
  %mv = fm.parameter "bn.moving_variance" <constant, 1.0 : f64, 0.0 : f64> fan(0, 0) state : tensor<3xf32>
  %0 = fm.batch_norm %x, %g, %b, %mm, %mv {momentum = 0.9, epsilon = 0.001}
      : (tensor<?x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  %1 = fm.batch_norm %0, %g, %b, %mm, %mv {momentum = 0.9, epsilon = 0.001}
      : (tensor<?x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  %2 = fm.sum %1 {axis = array<i64>, keepdims = false} : (tensor<?x3xf32>) -> tensor<f32>
  fm.loss "loss", %2 : tensor<f32>
}

// -----

// Neither loss nor optimizer: forward is all.
// CHECK-LABEL: func.func @forward
// CHECK-NOT:   func.func
fm.model @plain batch 1 {
  %x = fm.input "x" : tensor<3xf32>
  fm.output "y", %x : tensor<3xf32>
}
