// RUN: fmc-opt %s --fm-chain-samples --split-input-file | FileCheck %s

#id = affine_map<(n, i) -> (n, i)>
#column = affine_map<(n, i) -> (i)>
#all = affine_map<(n, i) -> ()>

// Two kernels of the kind stand together, behind what they need; what stood
// between them and sums over samples runs behind them.
// CHECK-LABEL: @chain
// CHECK:         %[[W:.*]] = fm.kernel n(%arg0) reads(%arg2) : (tensor<512xf32>)
// CHECK:         %[[A:.*]] = fm.kernel n(%arg0) reads(%arg1) {fm.chain = 0 : i64}
// CHECK:         fm.kernel n(%arg0) reads(%[[A]], %[[W]]) {fm.chain = 0 : i64}
// CHECK:         fm.kernel n(%arg0) reads(%[[A]]) : (tensor<?x512xf32>) -> tensor<f32>
module {
  fm.model @m batch 16 {
  }
  func.func @chain(%n: index {fm.binding = #fm.binding<samples, "n">},
                   %x: tensor<?x512xf32> {fm.binding = #fm.binding<input, "x">},
                   %w: tensor<512xf32> {fm.binding = #fm.binding<input, "w">})
      -> (tensor<?x512xf32> {fm.binding = #fm.binding<output, "y">},
          tensor<f32> {fm.binding = #fm.binding<output, "s">}) {
    %0 = fm.kernel n(%n) reads(%x) : (tensor<?x512xf32>) -> tensor<?x512xf32> {
    ^bb0(%m: index, %a: tensor<?x512xf32>):
      %e = tensor.empty(%m) : tensor<?x512xf32>
      %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<?x512xf32>) outs(%e : tensor<?x512xf32>) {
      ^bb0(%in: f32, %out: f32):
        %v = arith.mulf %in, %in : f32
        linalg.yield %v : f32
      } -> tensor<?x512xf32>
      fm.yield %r : tensor<?x512xf32>
    }
    %1 = fm.kernel n(%n) reads(%0) : (tensor<?x512xf32>) -> tensor<f32> {
    ^bb0(%m: index, %a: tensor<?x512xf32>):
      %z = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<f32>
      %f = linalg.fill ins(%z : f32) outs(%e : tensor<f32>) -> tensor<f32>
      %r = linalg.generic {indexing_maps = [#id, #all], iterator_types = ["reduction", "reduction"]} ins(%a : tensor<?x512xf32>) outs(%f : tensor<f32>) {
      ^bb0(%in: f32, %out: f32):
        %v = arith.addf %out, %in : f32
        linalg.yield %v : f32
      } -> tensor<f32>
      fm.yield %r : tensor<f32>
    }
    %2 = fm.kernel n(%n) reads(%w) : (tensor<512xf32>) -> tensor<512xf32> {
    ^bb0(%m: index, %a: tensor<512xf32>):
      %e = tensor.empty() : tensor<512xf32>
      %r = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]} ins(%a : tensor<512xf32>) outs(%e : tensor<512xf32>) {
      ^bb0(%in: f32, %out: f32):
        %v = arith.addf %in, %in : f32
        linalg.yield %v : f32
      } -> tensor<512xf32>
      fm.yield %r : tensor<512xf32>
    }
    %3 = fm.kernel n(%n) reads(%0, %2) : (tensor<?x512xf32>, tensor<512xf32>) -> tensor<?x512xf32> {
    ^bb0(%m: index, %a: tensor<?x512xf32>, %b: tensor<512xf32>):
      %e = tensor.empty(%m) : tensor<?x512xf32>
      %r = linalg.generic {indexing_maps = [#id, #column, #id], iterator_types = ["parallel", "parallel"]} ins(%a, %b : tensor<?x512xf32>, tensor<512xf32>) outs(%e : tensor<?x512xf32>) {
      ^bb0(%in: f32, %s: f32, %out: f32):
        %v = arith.addf %in, %s : f32
        linalg.yield %v : f32
      } -> tensor<?x512xf32>
      fm.yield %r : tensor<?x512xf32>
    }
    return %3, %1 : tensor<?x512xf32>, tensor<f32>
  }
}

// -----

#id = affine_map<(n, i) -> (n, i)>

// A kernel that knows the number of a sample runs for all of them.
// CHECK-LABEL: @numbers
// CHECK-NOT:     fm.chain
module {
  fm.model @m batch 16 {
  }
  func.func @numbers(%n: index {fm.binding = #fm.binding<samples, "n">},
                     %x: tensor<?x512xf32> {fm.binding = #fm.binding<input, "x">})
      -> (tensor<?x512xf32> {fm.binding = #fm.binding<output, "y">}) {
    %0 = fm.kernel n(%n) reads(%x) : (tensor<?x512xf32>) -> tensor<?x512xf32> {
    ^bb0(%m: index, %a: tensor<?x512xf32>):
      %e = tensor.empty(%m) : tensor<?x512xf32>
      %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<?x512xf32>) outs(%e : tensor<?x512xf32>) {
      ^bb0(%in: f32, %out: f32):
        %k = linalg.index 0 : index
        %i = arith.index_cast %k : index to i32
        %c = arith.sitofp %i : i32 to f32
        %v = arith.mulf %in, %c : f32
        linalg.yield %v : f32
      } -> tensor<?x512xf32>
      fm.yield %r : tensor<?x512xf32>
    }
    %1 = fm.kernel n(%n) reads(%0) : (tensor<?x512xf32>) -> tensor<?x512xf32> {
    ^bb0(%m: index, %a: tensor<?x512xf32>):
      %e = tensor.empty(%m) : tensor<?x512xf32>
      %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<?x512xf32>) outs(%e : tensor<?x512xf32>) {
      ^bb0(%in: f32, %out: f32):
        %v = arith.mulf %in, %in : f32
        linalg.yield %v : f32
      } -> tensor<?x512xf32>
      fm.yield %r : tensor<?x512xf32>
    }
    return %1 : tensor<?x512xf32>
  }
}
