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

// -----

#id = affine_map<(n, i) -> (n, i)>
#rows = affine_map<(n, j, i) -> (n, i)>
#weights = affine_map<(n, j, i) -> (i, j)>
#results = affine_map<(n, j, i) -> (n, j)>

// A small kernel, and one whose few weights are used once a sample, stand in a chain
// that goes on behind them; at its end they do not.
// CHECK-LABEL: @bridge
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.chain = 0 : i64}
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}, %arg2) {fm.chain = 0 : i64} {{.*}} -> tensor<?x16xf32>
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}, %arg3) {fm.chain = 0 : i64} {{.*}} -> tensor<?x512xf32>
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}) {fm.chain = 0 : i64} {{.*}} -> tensor<?x512xf32>
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}, %arg2) : {{.*}} -> tensor<?x16xf32>
module {
  fm.model @m batch 16 {
  }
  func.func @bridge(%n: index {fm.binding = #fm.binding<samples, "n">},
                    %x: tensor<?x512xf32> {fm.binding = #fm.binding<input, "x">},
                    %w: tensor<512x16xf32> {fm.binding = #fm.binding<parameter, "w">},
                    %u: tensor<16x512xf32> {fm.binding = #fm.binding<parameter, "v">})
      -> (tensor<?x16xf32> {fm.binding = #fm.binding<output, "y">}) {
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
    %1 = fm.kernel n(%n) reads(%0, %w) : (tensor<?x512xf32>, tensor<512x16xf32>) -> tensor<?x16xf32> {
    ^bb0(%m: index, %a: tensor<?x512xf32>, %b: tensor<512x16xf32>):
      %z = arith.constant 0.0 : f32
      %e = tensor.empty(%m) : tensor<?x16xf32>
      %f = linalg.fill ins(%z : f32) outs(%e : tensor<?x16xf32>) -> tensor<?x16xf32>
      %r = linalg.generic {indexing_maps = [#rows, #weights, #results], iterator_types = ["parallel", "parallel", "reduction"]} ins(%a, %b : tensor<?x512xf32>, tensor<512x16xf32>) outs(%f : tensor<?x16xf32>) {
      ^bb0(%in: f32, %weight: f32, %out: f32):
        %v = arith.mulf %in, %weight : f32
        %s = arith.addf %out, %v : f32
        linalg.yield %s : f32
      } -> tensor<?x16xf32>
      fm.yield %r : tensor<?x16xf32>
    }
    %2 = fm.kernel n(%n) reads(%1, %u) : (tensor<?x16xf32>, tensor<16x512xf32>) -> tensor<?x512xf32> {
    ^bb0(%m: index, %a: tensor<?x16xf32>, %b: tensor<16x512xf32>):
      %z = arith.constant 0.0 : f32
      %e = tensor.empty(%m) : tensor<?x512xf32>
      %f = linalg.fill ins(%z : f32) outs(%e : tensor<?x512xf32>) -> tensor<?x512xf32>
      %r = linalg.generic {indexing_maps = [#rows, #weights, #results], iterator_types = ["parallel", "parallel", "reduction"]} ins(%a, %b : tensor<?x16xf32>, tensor<16x512xf32>) outs(%f : tensor<?x512xf32>) {
      ^bb0(%in: f32, %weight: f32, %out: f32):
        %v = arith.mulf %in, %weight : f32
        %s = arith.addf %out, %v : f32
        linalg.yield %s : f32
      } -> tensor<?x512xf32>
      fm.yield %r : tensor<?x512xf32>
    }
    %3 = fm.kernel n(%n) reads(%2) : (tensor<?x512xf32>) -> tensor<?x512xf32> {
    ^bb0(%m: index, %a: tensor<?x512xf32>):
      %e = tensor.empty(%m) : tensor<?x512xf32>
      %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<?x512xf32>) outs(%e : tensor<?x512xf32>) {
      ^bb0(%in: f32, %out: f32):
        %v = arith.mulf %in, %in : f32
        linalg.yield %v : f32
      } -> tensor<?x512xf32>
      fm.yield %r : tensor<?x512xf32>
    }
    %4 = fm.kernel n(%n) reads(%3, %w) : (tensor<?x512xf32>, tensor<512x16xf32>) -> tensor<?x16xf32> {
    ^bb0(%m: index, %a: tensor<?x512xf32>, %b: tensor<512x16xf32>):
      %z = arith.constant 0.0 : f32
      %e = tensor.empty(%m) : tensor<?x16xf32>
      %f = linalg.fill ins(%z : f32) outs(%e : tensor<?x16xf32>) -> tensor<?x16xf32>
      %r = linalg.generic {indexing_maps = [#rows, #weights, #results], iterator_types = ["parallel", "parallel", "reduction"]} ins(%a, %b : tensor<?x512xf32>, tensor<512x16xf32>) outs(%f : tensor<?x16xf32>) {
      ^bb0(%in: f32, %weight: f32, %out: f32):
        %v = arith.mulf %in, %weight : f32
        %s = arith.addf %out, %v : f32
        linalg.yield %s : f32
      } -> tensor<?x16xf32>
      fm.yield %r : tensor<?x16xf32>
    }
    return %4 : tensor<?x16xf32>
  }
}

// -----

#id = affine_map<(n, i) -> (n, i)>
#rows = affine_map<(n, j, i) -> (n, i)>
#weights = affine_map<(n, j, i) -> (i, j)>
#results = affine_map<(n, j, i) -> (n, j)>

// What a sample would use once is 64 KiB at most.
// CHECK-LABEL: @dear
// CHECK-NOT:     fm.chain
module {
  fm.model @m batch 16 {
  }
  func.func @dear(%n: index {fm.binding = #fm.binding<samples, "n">},
                  %x: tensor<?x512xf32> {fm.binding = #fm.binding<input, "x">},
                  %w: tensor<512x33xf32> {fm.binding = #fm.binding<parameter, "w">},
                  %u: tensor<33x512xf32> {fm.binding = #fm.binding<parameter, "v">})
      -> (tensor<?x512xf32> {fm.binding = #fm.binding<output, "y">}) {
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
    %1 = fm.kernel n(%n) reads(%0, %w) : (tensor<?x512xf32>, tensor<512x33xf32>) -> tensor<?x33xf32> {
    ^bb0(%m: index, %a: tensor<?x512xf32>, %b: tensor<512x33xf32>):
      %z = arith.constant 0.0 : f32
      %e = tensor.empty(%m) : tensor<?x33xf32>
      %f = linalg.fill ins(%z : f32) outs(%e : tensor<?x33xf32>) -> tensor<?x33xf32>
      %r = linalg.generic {indexing_maps = [#rows, #weights, #results], iterator_types = ["parallel", "parallel", "reduction"]} ins(%a, %b : tensor<?x512xf32>, tensor<512x33xf32>) outs(%f : tensor<?x33xf32>) {
      ^bb0(%in: f32, %weight: f32, %out: f32):
        %v = arith.mulf %in, %weight : f32
        %s = arith.addf %out, %v : f32
        linalg.yield %s : f32
      } -> tensor<?x33xf32>
      fm.yield %r : tensor<?x33xf32>
    }
    %2 = fm.kernel n(%n) reads(%1, %u) : (tensor<?x33xf32>, tensor<33x512xf32>) -> tensor<?x512xf32> {
    ^bb0(%m: index, %a: tensor<?x33xf32>, %b: tensor<33x512xf32>):
      %z = arith.constant 0.0 : f32
      %e = tensor.empty(%m) : tensor<?x512xf32>
      %f = linalg.fill ins(%z : f32) outs(%e : tensor<?x512xf32>) -> tensor<?x512xf32>
      %r = linalg.generic {indexing_maps = [#rows, #weights, #results], iterator_types = ["parallel", "parallel", "reduction"]} ins(%a, %b : tensor<?x33xf32>, tensor<33x512xf32>) outs(%f : tensor<?x512xf32>) {
      ^bb0(%in: f32, %weight: f32, %out: f32):
        %v = arith.mulf %in, %weight : f32
        %s = arith.addf %out, %v : f32
        linalg.yield %s : f32
      } -> tensor<?x512xf32>
      fm.yield %r : tensor<?x512xf32>
    }
    %3 = fm.kernel n(%n) reads(%2) : (tensor<?x512xf32>) -> tensor<?x512xf32> {
    ^bb0(%m: index, %a: tensor<?x512xf32>):
      %e = tensor.empty(%m) : tensor<?x512xf32>
      %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<?x512xf32>) outs(%e : tensor<?x512xf32>) {
      ^bb0(%in: f32, %out: f32):
        %v = arith.mulf %in, %in : f32
        linalg.yield %v : f32
      } -> tensor<?x512xf32>
      fm.yield %r : tensor<?x512xf32>
    }
    return %3 : tensor<?x512xf32>
  }
}

// -----

#id = affine_map<(n, i) -> (n, i)>

// A kernel that puts a border around its input stands between who writes the input
// and who reads the result.
// CHECK-LABEL: @border
// CHECK:         %[[X:.*]] = fm.kernel n(%arg0) reads(%arg1) {fm.chain = 0 : i64}
// CHECK:         %[[P:.*]] = fm.kernel n(%arg0) reads(%[[X]]) {fm.chain = 0 : i64, fm.holds_inputs}
// CHECK:         fm.kernel n(%arg0) reads(%[[P]]) {fm.chain = 0 : i64}
module {
  fm.model @m batch 16 {
  }
  func.func @border(%n: index {fm.binding = #fm.binding<samples, "n">},
                    %x: tensor<?x508xf32> {fm.binding = #fm.binding<input, "x">})
      -> (tensor<?x512xf32> {fm.binding = #fm.binding<output, "y">}) {
    %0 = fm.kernel n(%n) reads(%x) : (tensor<?x508xf32>) -> tensor<?x508xf32> {
    ^bb0(%m: index, %a: tensor<?x508xf32>):
      %e = tensor.empty(%m) : tensor<?x508xf32>
      %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<?x508xf32>) outs(%e : tensor<?x508xf32>) {
      ^bb0(%in: f32, %out: f32):
        %v = arith.mulf %in, %in : f32
        linalg.yield %v : f32
      } -> tensor<?x508xf32>
      fm.yield %r : tensor<?x508xf32>
    }
    %1 = fm.kernel n(%n) reads(%0) {fm.holds_inputs} : (tensor<?x508xf32>) -> tensor<?x512xf32> {
    ^bb0(%m: index, %a: tensor<?x508xf32>):
      %e = tensor.empty(%m) : tensor<?x512xf32>
      %p = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]} outs(%e : tensor<?x512xf32>)
          attrs = {fm.pad = array<i64: 0, 2, 0, 2>, fm.pad_value = 0.0 : f64} {
      ^bb0(%old: f32):
        %i = linalg.index 0 : index
        %j = linalg.index 1 : index
        %v = tensor.extract %a[%i, %j] : tensor<?x508xf32>
        linalg.yield %v : f32
      } -> tensor<?x512xf32>
      fm.yield %p : tensor<?x512xf32>
    }
    %2 = fm.kernel n(%n) reads(%1) : (tensor<?x512xf32>) -> tensor<?x512xf32> {
    ^bb0(%m: index, %a: tensor<?x512xf32>):
      %e = tensor.empty(%m) : tensor<?x512xf32>
      %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<?x512xf32>) outs(%e : tensor<?x512xf32>) {
      ^bb0(%in: f32, %out: f32):
        %v = arith.mulf %in, %in : f32
        linalg.yield %v : f32
      } -> tensor<?x512xf32>
      fm.yield %r : tensor<?x512xf32>
    }
    return %2 : tensor<?x512xf32>
  }
}

// -----

#id = affine_map<(n, i) -> (n, i)>

// A border alone is no reason for a chain: it reads nothing.
// CHECK-LABEL: @border_alone
// CHECK-NOT:     fm.chain
module {
  fm.model @m batch 16 {
  }
  func.func @border_alone(%n: index {fm.binding = #fm.binding<samples, "n">},
                    %x: tensor<?x508xf32> {fm.binding = #fm.binding<input, "x">})
      -> (tensor<?x512xf32> {fm.binding = #fm.binding<output, "y">}) {
    %0 = fm.kernel n(%n) reads(%x) : (tensor<?x508xf32>) -> tensor<?x508xf32> {
    ^bb0(%m: index, %a: tensor<?x508xf32>):
      %e = tensor.empty(%m) : tensor<?x508xf32>
      %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<?x508xf32>) outs(%e : tensor<?x508xf32>) {
      ^bb0(%in: f32, %out: f32):
        %v = arith.mulf %in, %in : f32
        linalg.yield %v : f32
      } -> tensor<?x508xf32>
      fm.yield %r : tensor<?x508xf32>
    }
    %1 = fm.kernel n(%n) reads(%0) {fm.holds_inputs} : (tensor<?x508xf32>) -> tensor<?x512xf32> {
    ^bb0(%m: index, %a: tensor<?x508xf32>):
      %e = tensor.empty(%m) : tensor<?x512xf32>
      %p = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]} outs(%e : tensor<?x512xf32>)
          attrs = {fm.pad = array<i64: 0, 2, 0, 2>, fm.pad_value = 0.0 : f64} {
      ^bb0(%old: f32):
        %i = linalg.index 0 : index
        %j = linalg.index 1 : index
        %v = tensor.extract %a[%i, %j] : tensor<?x508xf32>
        linalg.yield %v : f32
      } -> tensor<?x512xf32>
      fm.yield %p : tensor<?x512xf32>
    }
    return %1 : tensor<?x512xf32>
  }
}
