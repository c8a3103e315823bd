// RUN: fmc-opt %s --fm-derive-weights --fm-plan-memory --split-input-file | FileCheck %s

// Of w, which train writes, and of s, which nobody does: in `infer` what is made
// of either is derived, and what is made of that, by way of a view, too; in `train`
// of s alone. Derived tensors have no place in the arena.
// CHECK-LABEL: @infer
// CHECK-SAME:    %arg1: tensor<?x16xf32> {fm.binding = #fm.binding<input, "x">}
// CHECK-SAME:    {fm.binding = #fm.binding<parameter, "w">, fm.steady}
// CHECK-SAME:    {fm.binding = #fm.binding<parameter, "s">, fm.steady}
// CHECK-SAME:    fm.arena_bytes = 0 : i64
// CHECK:         fm.kernel n(%arg0) reads(%arg2) {fm.derived, fm.offsets = array<i64: -1>}
// CHECK:         fm.kernel n(%arg0) reads(%expanded, %arg3) {fm.derived, fm.offsets = array<i64: -1>}
// CHECK:         fm.kernel n(%arg0) reads(%arg1, %{{.*}}) {fm.offsets = array<i64: -1>}
// CHECK-LABEL: @train
// CHECK-NOT:     "w">, fm.steady
// CHECK-SAME:    {fm.binding = #fm.binding<parameter, "s">, fm.steady}
// CHECK-NOT:     fm.steady
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.offsets = array<i64: 0>}
// CHECK:         fm.kernel n(%arg0) reads(%arg2) {fm.derived, fm.offsets = array<i64: -1>}
// CHECK:         fm.kernel n(%arg0) reads(%arg3) {fm.offsets = array<i64: {{[0-9]+}}>}
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}, %{{.*}}, %{{.*}}) {fm.offsets = array<i64: -1>}
module {
  fm.model @m batch 16 {
  }
  func.func @infer(%n: index, %x: tensor<?x16xf32> {fm.binding = #fm.binding<input, "x">},
                   %w: tensor<16xf32> {fm.binding = #fm.binding<parameter, "w">},
                   %s: tensor<4x4xf32> {fm.binding = #fm.binding<parameter, "s">})
      -> (tensor<?x16xf32> {fm.binding = #fm.binding<output, "y">}) {
    %0 = fm.kernel n(%n) reads(%w) : (tensor<16xf32>) -> tensor<16xf32> {
    ^bb0(%m: index, %a: tensor<16xf32>):
      fm.yield %a : tensor<16xf32>
    }
    %v = tensor.expand_shape %0 [[0, 1]] output_shape [4, 4] : tensor<16xf32> into tensor<4x4xf32>
    %1 = fm.kernel n(%n) reads(%v, %s) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32> {
    ^bb0(%m: index, %a: tensor<4x4xf32>, %b: tensor<4x4xf32>):
      fm.yield %b : tensor<4x4xf32>
    }
    %2 = fm.kernel n(%n) reads(%x, %1) : (tensor<?x16xf32>, tensor<4x4xf32>) -> tensor<?x16xf32> {
    ^bb0(%m: index, %a: tensor<?x16xf32>, %b: tensor<4x4xf32>):
      fm.yield %a : tensor<?x16xf32>
    }
    return %2 : tensor<?x16xf32>
  }
  func.func @train(%n: index, %w: tensor<16xf32> {fm.binding = #fm.binding<parameter, "w">},
                   %s: tensor<16xf32> {fm.binding = #fm.binding<parameter, "s">},
                   %r: tensor<16xf32> {fm.binding = #fm.binding<state, "train.learning_rate">})
      -> (tensor<16xf32> {fm.binding = #fm.binding<parameter, "w">}) {
    %0 = fm.kernel n(%n) reads(%w) : (tensor<16xf32>) -> tensor<16xf32> {
    ^bb0(%m: index, %a: tensor<16xf32>):
      fm.yield %a : tensor<16xf32>
    }
    %1 = fm.kernel n(%n) reads(%s) : (tensor<16xf32>) -> tensor<16xf32> {
    ^bb0(%m: index, %a: tensor<16xf32>):
      fm.yield %a : tensor<16xf32>
    }
    %2 = fm.kernel n(%n) reads(%r) : (tensor<16xf32>) -> tensor<16xf32> {
    ^bb0(%m: index, %a: tensor<16xf32>):
      fm.yield %a : tensor<16xf32>
    }
    %3 = fm.kernel n(%n) reads(%0, %1, %2) : (tensor<16xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32> {
    ^bb0(%m: index, %a: tensor<16xf32>, %b: tensor<16xf32>, %c: tensor<16xf32>):
      fm.yield %a : tensor<16xf32>
    }
    return %3 : tensor<16xf32>
  }
}

// -----

// What is returned has a place, and so has what knows how many samples there are.
// CHECK-LABEL: @returned
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.offsets = array<i64: -1>}
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.offsets = array<i64: 0>}
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}) {fm.offsets = array<i64: -1>}
module {
  fm.model @m batch 16 {
  }
  func.func @returned(%n: index, %w: tensor<16xindex> {fm.binding = #fm.binding<parameter, "w">})
      -> (tensor<16xindex> {fm.binding = #fm.binding<output, "a">}, tensor<?xindex> {fm.binding = #fm.binding<output, "b">}) {
    %0 = fm.kernel n(%n) reads(%w) : (tensor<16xindex>) -> tensor<16xindex> {
    ^bb0(%m: index, %a: tensor<16xindex>):
      fm.yield %a : tensor<16xindex>
    }
    %1 = fm.kernel n(%n) reads(%w) : (tensor<16xindex>) -> tensor<1xindex> {
    ^bb0(%m: index, %a: tensor<16xindex>):
      %b = tensor.from_elements %m : tensor<1xindex>
      fm.yield %b : tensor<1xindex>
    }
    %2 = fm.kernel n(%n) reads(%1) : (tensor<1xindex>) -> tensor<?xindex> {
    ^bb0(%m: index, %a: tensor<1xindex>):
      %b = tensor.empty(%m) : tensor<?xindex>
      fm.yield %b : tensor<?xindex>
    }
    return %0, %2 : tensor<16xindex>, tensor<?xindex>
  }
}
