// RUN: fmc-opt %s --fm-assign-layouts | FileCheck %s

// Rows of 2 KiB lie one cache line further apart: 512 floats, and 16 more. What
// the application owns, what a view looks at, short rows and few rows are dense.
// CHECK-LABEL: @entry
// CHECK-SAME:    %arg1: tensor<?x512xf32> {fm.binding = #fm.binding<input, "x">}
// CHECK-SAME:    %arg2: tensor<64x512xf32> {fm.binding = #fm.binding<parameter, "wide">, fm.pitch = 528 : i64}
// CHECK-SAME:    %arg3: tensor<64x512xf32> {fm.binding = #fm.binding<parameter, "viewed">}
// CHECK-SAME:    %arg4: tensor<64x500xf32> {fm.binding = #fm.binding<parameter, "odd">}
// CHECK-SAME:    %arg5: tensor<1x512xf32> {fm.binding = #fm.binding<parameter, "row">}
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.pitches = array<i64: 528>}
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}) {fm.pitches = array<i64: 528>}
// CHECK:         fm.kernel n(%arg0) reads(%arg2) {fm.pitches = array<i64: 528>}
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}) :
module {
  fm.model @m batch 16 {
  }
  func.func @entry(%n: index {fm.binding = #fm.binding<samples, "n">}, %x: tensor<?x512xf32> {fm.binding = #fm.binding<input, "x">},
                   %wide: tensor<64x512xf32> {fm.binding = #fm.binding<parameter, "wide">},
                   %viewed: tensor<64x512xf32> {fm.binding = #fm.binding<parameter, "viewed">},
                   %odd: tensor<64x500xf32> {fm.binding = #fm.binding<parameter, "odd">},
                   %row: tensor<1x512xf32> {fm.binding = #fm.binding<parameter, "row">})
      -> (tensor<64x512xf32> {fm.binding = #fm.binding<parameter, "wide">},
          tensor<?x512xf32> {fm.binding = #fm.binding<output, "y">}) {
    %flat = tensor.collapse_shape %viewed [[0, 1]] : tensor<64x512xf32> into tensor<32768xf32>
    %0 = fm.kernel n(%n) reads(%x) : (tensor<?x512xf32>) -> tensor<?x512xf32> {
    ^bb0(%m: index, %a: tensor<?x512xf32>):
      fm.yield %a : tensor<?x512xf32>
    }
    %1 = fm.kernel n(%n) reads(%0) : (tensor<?x512xf32>) -> tensor<?x512xf32> {
    ^bb0(%m: index, %a: tensor<?x512xf32>):
      fm.yield %a : tensor<?x512xf32>
    }
    %2 = fm.kernel n(%n) reads(%wide) : (tensor<64x512xf32>) -> tensor<64x512xf32> {
    ^bb0(%m: index, %a: tensor<64x512xf32>):
      fm.yield %a : tensor<64x512xf32>
    }
    %3 = fm.kernel n(%n) reads(%1) : (tensor<?x512xf32>) -> tensor<?x512xf32> {
    ^bb0(%m: index, %a: tensor<?x512xf32>):
      fm.yield %a : tensor<?x512xf32>
    }
    return %2, %3 : tensor<64x512xf32>, tensor<?x512xf32>
  }
}
