// RUN: fmc-opt %s --fm-stage-linalg --fm-form-kernels --split-input-file | FileCheck %s
// RUN: fmc-opt %s --fm-stage-linalg --fm-form-kernels=fuse=false --split-input-file | FileCheck %s --check-prefix=UNFUSED

// A contraction with its epilogue is one kernel; unfused, each op is.
// CHECK-LABEL: @epilogue
// CHECK:         %[[Y:.*]] = fm.kernel n(%arg0) reads(%arg1, %arg2, %arg3) {inplace = array<i64: -1>}
// CHECK:           linalg.fill
// CHECK:           arith.mulf
// CHECK:           arith.addf
// CHECK:           arith.select
// CHECK:           fm.yield
// CHECK-NOT:     fm.kernel
// CHECK:         return %[[Y]]
// UNFUSED-LABEL: @epilogue
// UNFUSED-COUNT-3: fm.kernel
func.func @epilogue(%n: index {fm.binding = #fm.binding<samples, "n">},
                    %x: tensor<?x8xf32> {fm.binding = #fm.binding<input, "x">},
                    %w: tensor<8x3xf32> {fm.binding = #fm.binding<parameter, "w">},
                    %b: tensor<3xf32> {fm.binding = #fm.binding<parameter, "b">})
    -> (tensor<?x3xf32> {fm.binding = #fm.binding<output, "y">}) {
  %0 = fm.einsum "nk,ko->no" %x, %w : (tensor<?x8xf32>, tensor<8x3xf32>) -> tensor<?x3xf32>
  %1 = fm.add %0, %b : (tensor<?x3xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  %2 = fm.relu %1 : (tensor<?x3xf32>) -> tensor<?x3xf32>
  return %2 : tensor<?x3xf32>
}

// -----

// The rectifier is copied into both kernels, so that what it reads is yielded.
// CHECK-LABEL: @copies
// CHECK:         %[[K:.*]]:2 = fm.kernel
// CHECK:           math.tanh
// CHECK:         fm.kernel n(%arg0) reads(%[[K]]#{{[01]}})
// CHECK:           arith.select
// CHECK:           arith.addf
func.func @copies(%n: index {fm.binding = #fm.binding<samples, "n">},
                  %x: tensor<?x8xf32> {fm.binding = #fm.binding<input, "x">},
                  %w: tensor<8x3xf32> {fm.binding = #fm.binding<parameter, "w">})
    -> (tensor<?x3xf32> {fm.binding = #fm.binding<output, "y">},
        tensor<?xf32> {fm.binding = #fm.binding<output, "s">}) {
  %0 = fm.einsum "nk,ko->no" %x, %w : (tensor<?x8xf32>, tensor<8x3xf32>) -> tensor<?x3xf32>
  %1 = fm.relu %0 : (tensor<?x3xf32>) -> tensor<?x3xf32>
  %2 = fm.tanh %1 : (tensor<?x3xf32>) -> tensor<?x3xf32>
  %3 = fm.sum %1 {axis = array<i64: 1>, keepdims = false} : (tensor<?x3xf32>) -> tensor<?xf32>
  return %2, %3 : tensor<?x3xf32>, tensor<?xf32>
}

// -----

// An element and a view of the same result: the view needs all of it first.
// CHECK-LABEL: @element_and_view
// CHECK:         %[[U:.*]] = fm.kernel
// CHECK:           math.exp
// CHECK:         %[[V:.*]] = tensor.collapse_shape %[[U]]
// CHECK:         fm.kernel n(%arg0) reads(%[[U]], %[[V]])
func.func @element_and_view(%n: index {fm.binding = #fm.binding<samples, "n">},
                            %x: tensor<1x4xf32> {fm.binding = #fm.binding<input, "x">})
    -> (tensor<1x4xf32> {fm.binding = #fm.binding<output, "y">}) {
  %0 = fm.exp %x : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %1 = fm.reshape %0 {shape = array<i64: 4>} : (tensor<1x4xf32>) -> tensor<4xf32>
  %2 = fm.add %0, %1 : (tensor<1x4xf32>, tensor<4xf32>) -> tensor<1x4xf32>
  return %2 : tensor<1x4xf32>
}

// -----

// An update in the kernel of its gradient: read at the element it overwrites.
// CHECK-LABEL: @update
// CHECK:         fm.kernel n(%arg0) reads(%arg1, %arg2, %arg3) {inplace = array<i64: 2>}
// CHECK-NOT:     fm.kernel
func.func @update(%n: index {fm.binding = #fm.binding<samples, "n">},
                  %x: tensor<?x8xf32> {fm.binding = #fm.binding<input, "x">},
                  %dy: tensor<?x3xf32> {fm.binding = #fm.binding<input, "dy">},
                  %w: tensor<8x3xf32> {fm.binding = #fm.binding<parameter, "w">})
    -> (tensor<8x3xf32> {fm.binding = #fm.binding<parameter, "w">}) {
  %0 = fm.einsum "nk,no->ko" %x, %dy : (tensor<?x8xf32>, tensor<?x3xf32>) -> tensor<8x3xf32>
  %1 = fm.sub %w, %0 : (tensor<8x3xf32>, tensor<8x3xf32>) -> tensor<8x3xf32>
  return %1 : tensor<8x3xf32>
}

// -----

// The gradient reads rows of the matrix that is updated: the new one goes by way
// of a copy, which runs apart.
// CHECK-LABEL: @update_of_what_is_read
// CHECK:         %[[NEW:.*]] = fm.kernel n(%arg0) reads(%arg1, %arg2) {inplace = array<i64: -1>}
// CHECK:         %[[COPY:.*]] = fm.kernel n(%arg0) reads(%[[NEW]]) {inplace = array<i64: -1>}
// CHECK:         return %[[COPY]]
func.func @update_of_what_is_read(%n: index {fm.binding = #fm.binding<samples, "n">},
                                  %w: tensor<4x4xf32> {fm.binding = #fm.binding<parameter, "w">},
                                  %a: tensor<4x4xf32> {fm.binding = #fm.binding<parameter, "a">})
    -> (tensor<4x4xf32> {fm.binding = #fm.binding<parameter, "w">}) {
  %0 = fm.einsum "ij,jk->ik" %w, %a : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = fm.sub %w, %0 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %1 : tensor<4x4xf32>
}

// -----

// So does one whose own op reads another element.
// CHECK-LABEL: @transposed_update
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {inplace = array<i64: -1>}
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}) {inplace = array<i64: -1>}
// UNFUSED-LABEL: @transposed_update
// UNFUSED-COUNT-3: inplace = array<i64: -1>
func.func @transposed_update(%n: index {fm.binding = #fm.binding<samples, "n">},
                             %w: tensor<4x4xf32> {fm.binding = #fm.binding<parameter, "w">})
    -> (tensor<4x4xf32> {fm.binding = #fm.binding<parameter, "w">}) {
  %0 = fm.transpose %w {axes = array<i64: 1, 0>} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = fm.add %w, %0 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %1 : tensor<4x4xf32>
}

// -----

// A reader that also needs the new value: the new one waits in memory of its own.
// CHECK-LABEL: @late_reader
// CHECK:         %[[P:.*]] = fm.kernel n(%arg0) reads(%arg1, %{{.*}}) {inplace = array<i64: -1>}
// CHECK:         %[[S:.*]] = fm.kernel n(%arg0) reads(%[[P]])
// CHECK:         fm.kernel n(%arg0) reads(%arg1, %[[S]], %arg2) {inplace = array<i64: 2>}
// CHECK:         fm.kernel n(%arg0) reads(%[[P]]) {inplace = array<i64: -1>}
func.func @late_reader(%n: index {fm.binding = #fm.binding<samples, "n">},
                       %p: tensor<4xf32> {fm.binding = #fm.binding<parameter, "p">},
                       %q: tensor<4xf32> {fm.binding = #fm.binding<parameter, "q">},
                       %g: tensor<4xf32> {fm.binding = #fm.binding<gradient, "p">})
    -> (tensor<4xf32> {fm.binding = #fm.binding<parameter, "p">},
        tensor<4xf32> {fm.binding = #fm.binding<parameter, "q">}) {
  %0 = fm.sub %p, %g : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = fm.sum %0 {axis = array<i64>, keepdims = false} : (tensor<4xf32>) -> tensor<f32>
  %2 = fm.mul %p, %1 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %3 = fm.add %q, %2 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %3 : tensor<4xf32>, tensor<4xf32>
}

// -----

// Every reader of a parameter runs before the kernel that overwrites it.
// CHECK-LABEL: @anti_dependence
// CHECK:         fm.kernel n(%arg0) reads(%arg1)
// CHECK:           math.exp
// CHECK:         fm.kernel n(%arg0) reads(%arg1, %arg2) {inplace = array<i64: 0>}
func.func @anti_dependence(%n: index {fm.binding = #fm.binding<samples, "n">},
                           %p: tensor<4xf32> {fm.binding = #fm.binding<parameter, "p">},
                           %g: tensor<4xf32> {fm.binding = #fm.binding<gradient, "p">})
    -> (tensor<4xf32> {fm.binding = #fm.binding<parameter, "p">},
        tensor<f32> {fm.binding = #fm.binding<loss, "loss">}) {
  %0 = fm.sub %p, %g : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = fm.exp %p : (tensor<4xf32>) -> tensor<4xf32>
  %2 = fm.sum %1 {axis = array<i64>, keepdims = false} : (tensor<4xf32>) -> tensor<f32>
  return %0, %2 : tensor<4xf32>, tensor<f32>
}

// -----

// Each returned value has memory of its own: an argument passed through, a value
// returned twice, and a constant become copies.
// CHECK-LABEL: @results
// CHECK:         %[[E:.*]]:2 = fm.kernel n(%arg0) reads(%arg1)
// CHECK:         %[[X:.*]] = fm.kernel n(%arg0) reads(%arg1)
// CHECK:         %[[C:.*]] = fm.kernel n(%arg0) reads(%cst)
// CHECK:         return %[[X]], %[[E]]#{{[01]}}, %[[E]]#{{[01]}}, %[[C]]
func.func @results(%n: index {fm.binding = #fm.binding<samples, "n">},
                   %x: tensor<?xf32> {fm.binding = #fm.binding<input, "x">})
    -> (tensor<?xf32> {fm.binding = #fm.binding<output, "x">},
        tensor<?xf32> {fm.binding = #fm.binding<output, "e">},
        tensor<?xf32> {fm.binding = #fm.binding<output, "f">},
        tensor<2xf32> {fm.binding = #fm.binding<output, "c">}) {
  %0 = fm.exp %x : (tensor<?xf32>) -> tensor<?xf32>
  %1 = fm.constant dense<[1.0, 2.0]> : tensor<2xf32>
  return %x, %0, %0, %1 : tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<2xf32>
}

// -----

// Pooling runs behind its convolution, a reduction takes in the square.
// CHECK-LABEL: @anchors
// CHECK:         fm.kernel n(%arg0) reads(%arg1, %arg2)
// CHECK:           arith.mulf
// CHECK:           arith.maximumf
// CHECK:         fm.kernel n(%arg0) reads(%arg3)
// CHECK:           arith.mulf
// CHECK:           arith.addf
// CHECK-NOT:     fm.kernel
func.func @anchors(%n: index {fm.binding = #fm.binding<samples, "n">},
                   %x: tensor<?x6x6x2xf32> {fm.binding = #fm.binding<input, "x">},
                   %w: tensor<3x3x2x5xf32> {fm.binding = #fm.binding<parameter, "w">},
                   %t: tensor<?x7xf32> {fm.binding = #fm.binding<input, "t">})
    -> (tensor<?x2x2x5xf32> {fm.binding = #fm.binding<output, "y">},
        tensor<f32> {fm.binding = #fm.binding<loss, "loss">}) {
  %0 = fm.conv %x, %w {stride = array<i64: 1, 1>, dilation = array<i64: 1, 1>, groups = 1 : i64}
      : (tensor<?x6x6x2xf32>, tensor<3x3x2x5xf32>) -> tensor<?x4x4x5xf32>
  %1:2 = fm.window_max %0 {size = array<i64: 2, 2>, stride = array<i64: 2, 2>}
      : (tensor<?x4x4x5xf32>) -> (tensor<?x2x2x5xf32>, tensor<?x2x2x5xi8>)
  %2 = fm.mul %t, %t : (tensor<?x7xf32>, tensor<?x7xf32>) -> tensor<?x7xf32>
  %3 = fm.sum %2 {axis = array<i64>, keepdims = false} : (tensor<?x7xf32>) -> tensor<f32>
  return %1#0, %3 : tensor<?x2x2x5xf32>, tensor<f32>
}

// -----

// What is computed in tiles wants rows as they are: a transposition is a copy, other
// changes of indices are not.
// CHECK-LABEL: @transposed_before_tiles
// CHECK:         %[[W:.*]] = fm.kernel n(%arg0) reads(%arg1) {{.*}} -> tensor<3x3x48x64xf32>
// CHECK:         fm.kernel n(%arg0) reads(%[[W]]) {{.*}} -> tensor<36x48x64xf32>
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {{.*}} -> tensor<36x64x48xf32>
// CHECK-NOT:     fm.kernel
func.func @transposed_before_tiles(%n: index {fm.binding = #fm.binding<samples, "n">},
                                   %w: tensor<3x3x64x48xf32> {fm.binding = #fm.binding<parameter, "w">})
    -> (tensor<36x48x64xf32> {fm.binding = #fm.binding<output, "t">},
        tensor<36x64x48xf32> {fm.binding = #fm.binding<output, "u">}) {
  %0 = fm.transpose %w {axes = array<i64: 0, 1, 3, 2>} : (tensor<3x3x64x48xf32>) -> tensor<3x3x48x64xf32>
  %1 = fm.winograd_kernel %0 {flip = true} : (tensor<3x3x48x64xf32>) -> tensor<36x48x64xf32>
  %2 = fm.transpose %w {axes = array<i64: 1, 0, 2, 3>} : (tensor<3x3x64x48xf32>) -> tensor<3x3x64x48xf32>
  %3 = fm.winograd_kernel %2 {flip = false} : (tensor<3x3x64x48xf32>) -> tensor<36x64x48xf32>
  return %1, %3 : tensor<36x48x64xf32>, tensor<36x64x48xf32>
}

// -----

// What is made of the number of samples alone, such as a mean, is made once, and
// not with each element: the kernel behind it may run for a few samples at a time.
// CHECK-LABEL: @centred
// CHECK:         %[[MEAN:.*]] = fm.kernel n(%arg0) reads(%arg1)
// CHECK:           arith.index_cast
// CHECK:           arith.divf
// CHECK:         fm.kernel n(%arg0) reads(%arg1, %[[MEAN]])
// CHECK-NOT:       arith.index_cast
// CHECK-NOT:       arith.divf
// CHECK:           arith.subf
func.func @centred(%n: index {fm.binding = #fm.binding<samples, "n">},
                   %x: tensor<?x8xf32> {fm.binding = #fm.binding<input, "x">})
    -> (tensor<?x8xf32> {fm.binding = #fm.binding<output, "y">}) {
  %0 = fm.sum %x {axis = array<i64: 0>, keepdims = false} : (tensor<?x8xf32>) -> tensor<8xf32>
  %1 = fm.samples : tensor<f32>
  %2 = fm.div %0, %1 : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
  %3 = fm.sub %x, %2 : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return %3 : tensor<?x8xf32>
}
