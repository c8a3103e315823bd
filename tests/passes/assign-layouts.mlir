// RUN: fmc-opt %s --fm-assign-layouts --split-input-file | FileCheck %s
// RUN: fmc-opt %s --fm-assign-layouts=panel-width=16 --split-input-file | FileCheck %s --check-prefix=PANEL

// Rows of whole KiB lie one cache line further apart: 512 floats, and 16 more. What
// the application owns, what a view looks at, short rows and few rows are dense.
// CHECK-LABEL: @entry
// CHECK-SAME:    %arg1: tensor<?x512xf32> {fm.binding = #fm.binding<input, "x">}
// CHECK-SAME:    %arg2: tensor<64x512xf32> {fm.binding = #fm.binding<parameter, "wide">, fm.pitch = 528 : i64}
// CHECK-SAME:    %arg3: tensor<64x512xf32> {fm.binding = #fm.binding<parameter, "viewed">}
// CHECK-SAME:    %arg4: tensor<64x500xf32> {fm.binding = #fm.binding<parameter, "odd">}
// CHECK-SAME:    %arg5: tensor<1x512xf32> {fm.binding = #fm.binding<parameter, "row">}
// CHECK-SAME:    %arg6: tensor<64x256xf32> {fm.binding = #fm.binding<parameter, "half">, fm.pitch = 272 : i64}
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.pitches = array<i64: 528>, fm.row_lengths = array<i64: 512>}
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}) {fm.pitches = array<i64: 528>, fm.row_lengths = array<i64: 512>}
// CHECK:         fm.kernel n(%arg0) reads(%arg2) {fm.pitches = array<i64: 528>, fm.row_lengths = array<i64: 512>}
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}) :
module {
  fm.model @m batch 16 {
  }
  func.func @entry(%n: index {fm.binding = #fm.binding<samples, "n">}, %x: tensor<?x512xf32> {fm.binding = #fm.binding<input, "x">},
                   %wide: tensor<64x512xf32> {fm.binding = #fm.binding<parameter, "wide">},
                   %viewed: tensor<64x512xf32> {fm.binding = #fm.binding<parameter, "viewed">},
                   %odd: tensor<64x500xf32> {fm.binding = #fm.binding<parameter, "odd">},
                   %row: tensor<1x512xf32> {fm.binding = #fm.binding<parameter, "row">},
                   %half: tensor<64x256xf32> {fm.binding = #fm.binding<parameter, "half">})
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

// -----

// A tensor that kernels alone look at lies inside of its padded self: the kernel
// that pads it writes the border. What the application owns is copied, and so is
// what is padded another time.
// CHECK-LABEL: @borders
// CHECK:         %[[X:.*]] = fm.kernel n(%arg0) reads(%arg1) :
// CHECK:         fm.kernel n(%arg0) reads(%[[X]]) {fm.holds_inputs} :
// CHECK:         fm.kernel n(%arg0) reads(%[[X]]) :
// CHECK:         fm.kernel n(%arg0) reads(%arg1) :
#all = affine_map<(d0, d1) -> (d0, d1)>
module {
  fm.model @m batch 16 {
  }
  func.func @borders(%n: index {fm.binding = #fm.binding<samples, "n">}, %x: tensor<?x8xf32> {fm.binding = #fm.binding<input, "x">})
      -> (tensor<?x8xf32> {fm.binding = #fm.binding<output, "y">}) {
    %0 = fm.kernel n(%n) reads(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%m: index, %a: tensor<?x8xf32>):
      fm.yield %a : tensor<?x8xf32>
    }
    %1 = fm.kernel n(%n) reads(%0) : (tensor<?x8xf32>) -> tensor<?x12xf32> {
    ^bb0(%m: index, %a: tensor<?x8xf32>):
      %e = tensor.empty(%m) : tensor<?x12xf32>
      %p = linalg.generic {indexing_maps = [#all], iterator_types = ["parallel", "parallel"]} outs(%e : tensor<?x12xf32>)
          attrs = {fm.pad = array<i64: 0, 1, 0, 3>, fm.pad_value = 0.0 : f64} {
      ^bb0(%old: f32):
        %i = linalg.index 0 : index
        %j = linalg.index 1 : index
        %v = tensor.extract %a[%i, %j] : tensor<?x8xf32>
        linalg.yield %v : f32
      } -> tensor<?x12xf32>
      fm.yield %p : tensor<?x12xf32>
    }
    %2 = fm.kernel n(%n) reads(%0) : (tensor<?x8xf32>) -> tensor<?x12xf32> {
    ^bb0(%m: index, %a: tensor<?x8xf32>):
      %e = tensor.empty(%m) : tensor<?x12xf32>
      %p = linalg.generic {indexing_maps = [#all], iterator_types = ["parallel", "parallel"]} outs(%e : tensor<?x12xf32>)
          attrs = {fm.pad = array<i64: 0, 1, 0, 3>, fm.pad_value = 0.0 : f64} {
      ^bb0(%old: f32):
        %i = linalg.index 0 : index
        %j = linalg.index 1 : index
        %v = tensor.extract %a[%i, %j] : tensor<?x8xf32>
        linalg.yield %v : f32
      } -> tensor<?x12xf32>
      fm.yield %p : tensor<?x12xf32>
    }
    %3 = fm.kernel n(%n) reads(%x) : (tensor<?x8xf32>) -> tensor<?x12xf32> {
    ^bb0(%m: index, %a: tensor<?x8xf32>):
      %e = tensor.empty(%m) : tensor<?x12xf32>
      %p = linalg.generic {indexing_maps = [#all], iterator_types = ["parallel", "parallel"]} outs(%e : tensor<?x12xf32>)
          attrs = {fm.pad = array<i64: 0, 1, 0, 3>, fm.pad_value = 0.0 : f64} {
      ^bb0(%old: f32):
        %i = linalg.index 0 : index
        %j = linalg.index 1 : index
        %v = tensor.extract %a[%i, %j] : tensor<?x8xf32>
        linalg.yield %v : f32
      } -> tensor<?x12xf32>
      fm.yield %p : tensor<?x12xf32>
    }
    %4 = fm.kernel n(%n) reads(%1, %2, %3) : (tensor<?x12xf32>, tensor<?x12xf32>, tensor<?x12xf32>) -> tensor<?x8xf32> {
    ^bb0(%m: index, %a: tensor<?x12xf32>, %b: tensor<?x12xf32>, %c: tensor<?x12xf32>):
      %e = tensor.empty(%m) : tensor<?x8xf32>
      fm.yield %e : tensor<?x8xf32>
    }
    return %4 : tensor<?x8xf32>
  }
}

// -----

// Rows lie apart in views as well, if kernels see whole rows in each of them: 256
// floats, or 4 x 64. The flat tensor between two shapes is nobody's. Two tensors
// side by side lie in the one that joins them; one that is joined twice does not.
// CHECK-LABEL: @views
// CHECK:         %[[X:.*]] = fm.kernel n(%arg0) reads(%arg1) {fm.pitches = array<i64: 272>, fm.row_lengths = array<i64: 256>}
// CHECK:         %[[A:.*]] = fm.kernel n(%arg0) reads(%{{.*}}) :
// CHECK:         %[[B:.*]] = fm.kernel n(%arg0) reads(%{{.*}}) :
// CHECK:         fm.kernel n(%arg0) reads(%[[A]], %[[B]]) {fm.holds_inputs, fm.pitches = array<i64: 528>, fm.row_lengths = array<i64: 512>} :
// CHECK:         fm.kernel n(%arg0) reads(%[[A]]) :
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}) {fm.pitches = array<i64: 272>, fm.row_lengths = array<i64: 256>}
#four = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
module {
  fm.model @m batch 16 {
  }
  func.func @views(%n: index {fm.binding = #fm.binding<samples, "n">},
                   %x: tensor<?x8x256xf32> {fm.binding = #fm.binding<input, "x">})
      -> (tensor<?x8x256xf32> {fm.binding = #fm.binding<output, "y">}) {
    %0 = fm.kernel n(%n) reads(%x) : (tensor<?x8x256xf32>) -> tensor<?x8x256xf32> {
    ^bb0(%m: index, %a: tensor<?x8x256xf32>):
      fm.yield %a : tensor<?x8x256xf32>
    }
    %flat = tensor.collapse_shape %0 [[0], [1, 2]] : tensor<?x8x256xf32> into tensor<?x2048xf32>
    %heads = tensor.expand_shape %flat [[0], [1, 2, 3]] output_shape [%n, 8, 4, 64] : tensor<?x2048xf32> into tensor<?x8x4x64xf32>
    %1 = fm.kernel n(%n) reads(%heads) : (tensor<?x8x4x64xf32>) -> tensor<?x8x4x64xf32> {
    ^bb0(%m: index, %a: tensor<?x8x4x64xf32>):
      fm.yield %a : tensor<?x8x4x64xf32>
    }
    %2 = fm.kernel n(%n) reads(%heads) : (tensor<?x8x4x64xf32>) -> tensor<?x8x4x64xf32> {
    ^bb0(%m: index, %a: tensor<?x8x4x64xf32>):
      fm.yield %a : tensor<?x8x4x64xf32>
    }
    %3 = fm.kernel n(%n) reads(%1, %2) : (tensor<?x8x4x64xf32>, tensor<?x8x4x64xf32>) -> tensor<?x8x8x64xf32> {
    ^bb0(%m: index, %a: tensor<?x8x4x64xf32>, %b: tensor<?x8x4x64xf32>):
      %e = tensor.empty(%m) : tensor<?x8x8x64xf32>
      %p = linalg.generic {indexing_maps = [#four], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
          outs(%e : tensor<?x8x8x64xf32>) attrs = {fm.concat = 2 : i64} {
      ^bb0(%old: f32):
        linalg.yield %old : f32
      } -> tensor<?x8x8x64xf32>
      fm.yield %p : tensor<?x8x8x64xf32>
    }
    %4 = fm.kernel n(%n) reads(%1) : (tensor<?x8x4x64xf32>) -> tensor<?x8x8x64xf32> {
    ^bb0(%m: index, %a: tensor<?x8x4x64xf32>):
      %e = tensor.empty(%m) : tensor<?x8x8x64xf32>
      %p = linalg.generic {indexing_maps = [#four], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
          outs(%e : tensor<?x8x8x64xf32>) attrs = {fm.concat = 2 : i64} {
      ^bb0(%old: f32):
        linalg.yield %old : f32
      } -> tensor<?x8x8x64xf32>
      fm.yield %p : tensor<?x8x8x64xf32>
    }
    %joined = tensor.collapse_shape %3 [[0], [1], [2, 3]] : tensor<?x8x8x64xf32> into tensor<?x8x512xf32>
    %5 = fm.kernel n(%n) reads(%joined) : (tensor<?x8x512xf32>) -> tensor<?x8x256xf32> {
    ^bb0(%m: index, %a: tensor<?x8x512xf32>):
      %e = tensor.empty(%m) : tensor<?x8x256xf32>
      fm.yield %e : tensor<?x8x256xf32>
    }
    %6 = fm.kernel n(%n) reads(%4, %5) : (tensor<?x8x8x64xf32>, tensor<?x8x256xf32>) -> tensor<?x8x256xf32> {
    ^bb0(%m: index, %a: tensor<?x8x8x64xf32>, %b: tensor<?x8x256xf32>):
      fm.yield %b : tensor<?x8x256xf32>
    }
    return %6 : tensor<?x8x256xf32>
  }
}

// -----

// Planes between places that are written or read at once lie one cache line further
// apart where they would meet in two sets of a cache: 32 x 64 floats, not 31 x 60, and
// 32 rows of 256 floats that are 272 apart.
// CHECK-LABEL: @planes
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.plane_lengths = array<i64: 2048>, fm.plane_pitches = array<i64: 2064>} : (tensor<?x2xf32>) -> tensor<36x32x64xf32>
// CHECK:         fm.kernel n(%arg0) reads(%arg1) : (tensor<?x2xf32>) -> tensor<36x31x60xf32>
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.pitches = array<i64: 272>, fm.plane_lengths = array<i64: 8192>, fm.plane_pitches = array<i64: 8720>, fm.row_lengths = array<i64: 256>} : (tensor<?x2xf32>) -> tensor<36x32x256xf32>
// CHECK:         fm.kernel n(%arg0) reads(%arg1) : (tensor<?x2xf32>) -> tensor<36x16x64xf32>
#three = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
module {
  fm.model @m batch 16 {
  }
  func.func @planes(%n: index {fm.binding = #fm.binding<samples, "n">},
                    %x: tensor<?x2xf32> {fm.binding = #fm.binding<input, "x">})
      -> (tensor<?x2xf32> {fm.binding = #fm.binding<output, "y">}) {
    %0 = fm.kernel n(%n) reads(%x) : (tensor<?x2xf32>) -> tensor<36x32x64xf32> {
    ^bb0(%m: index, %a: tensor<?x2xf32>):
      %e = tensor.empty() : tensor<36x32x64xf32>
      %p = linalg.generic {indexing_maps = [#three], iterator_types = ["parallel", "parallel", "parallel"]} outs(%e : tensor<36x32x64xf32>) attrs = {fm.at_once = 0 : i64} {
      ^bb1(%o: f32):
        linalg.yield %o : f32
      } -> tensor<36x32x64xf32>
      fm.yield %p : tensor<36x32x64xf32>
    }
    %1 = fm.kernel n(%n) reads(%x) : (tensor<?x2xf32>) -> tensor<36x31x60xf32> {
    ^bb0(%m: index, %a: tensor<?x2xf32>):
      %e = tensor.empty() : tensor<36x31x60xf32>
      %p = linalg.generic {indexing_maps = [#three], iterator_types = ["parallel", "parallel", "parallel"]} outs(%e : tensor<36x31x60xf32>) attrs = {fm.at_once = 0 : i64} {
      ^bb1(%o: f32):
        linalg.yield %o : f32
      } -> tensor<36x31x60xf32>
      fm.yield %p : tensor<36x31x60xf32>
    }
    %2 = fm.kernel n(%n) reads(%x) : (tensor<?x2xf32>) -> tensor<36x32x256xf32> {
    ^bb0(%m: index, %a: tensor<?x2xf32>):
      %e = tensor.empty() : tensor<36x32x256xf32>
      %p = linalg.generic {indexing_maps = [#three], iterator_types = ["parallel", "parallel", "parallel"]} outs(%e : tensor<36x32x256xf32>) attrs = {fm.at_once = 0 : i64} {
      ^bb1(%o: f32):
        linalg.yield %o : f32
      } -> tensor<36x32x256xf32>
      fm.yield %p : tensor<36x32x256xf32>
    }
    %3 = fm.kernel n(%n) reads(%x) : (tensor<?x2xf32>) -> tensor<36x16x64xf32> {
    ^bb0(%m: index, %a: tensor<?x2xf32>):
      %e = tensor.empty() : tensor<36x16x64xf32>
      %p = linalg.generic {indexing_maps = [#three], iterator_types = ["parallel", "parallel", "parallel"]} outs(%e : tensor<36x16x64xf32>) {
      ^bb1(%o: f32):
        linalg.yield %o : f32
      } -> tensor<36x16x64xf32>
      fm.yield %p : tensor<36x16x64xf32>
    }
    %4 = fm.kernel n(%n) reads(%x, %0, %1, %2, %3) : (tensor<?x2xf32>, tensor<36x32x64xf32>, tensor<36x31x60xf32>, tensor<36x32x256xf32>, tensor<36x16x64xf32>) -> tensor<?x2xf32> {
    ^bb0(%m: index, %a: tensor<?x2xf32>, %b: tensor<36x32x64xf32>, %c: tensor<36x31x60xf32>, %d: tensor<36x32x256xf32>, %e: tensor<36x16x64xf32>):
      fm.yield %a : tensor<?x2xf32>
    }
    return %4 : tensor<?x2xf32>
  }
}

// -----

// With panels, weights that a contraction reads by rows lie in them, and so does
// what an update overwrites beside the weights. What is read along its rows, has
// few columns or columns of no whole panels lies in rows; so does a gradient on
// its way to the update.
// CHECK-LABEL: @weights
// CHECK-NOT:     fm.panel
// PANEL-LABEL: @weights
// PANEL-SAME:    %arg2: tensor<512x512xf32> {fm.binding = #fm.binding<parameter, "w">, fm.panel = 16 : i64}
// PANEL-SAME:    %arg3: tensor<512x512xf32> {fm.binding = #fm.binding<optimizer, "w.m">, fm.panel = 16 : i64}
// PANEL-SAME:    %arg4: tensor<256x512xf32> {fm.binding = #fm.binding<parameter, "transposed">, fm.pitch = 528 : i64}
// PANEL-SAME:    %arg5: tensor<512x40xf32> {fm.binding = #fm.binding<parameter, "odd">}
// PANEL-NOT:     fm.panels
// PANEL:         fm.kernel n(%arg0) reads(%arg2, %arg3) {{.*}}fm.panels = array<i64: 16, 16>
#rows = affine_map<(d0, d1, d2) -> (d0, d2)>
#byRows = affine_map<(d0, d1, d2) -> (d2, d1)>
#alongRows = affine_map<(d0, d1, d2) -> (d1, d2)>
#to = affine_map<(d0, d1, d2) -> (d0, d1)>
#same = affine_map<(d0, d1) -> (d0, d1)>
module {
  fm.model @m batch 16 {
  }
  func.func @weights(%n: index {fm.binding = #fm.binding<samples, "n">}, %x: tensor<?x512xf32> {fm.binding = #fm.binding<input, "x">},
                     %w: tensor<512x512xf32> {fm.binding = #fm.binding<parameter, "w">},
                     %m: tensor<512x512xf32> {fm.binding = #fm.binding<optimizer, "w.m">},
                     %t: tensor<256x512xf32> {fm.binding = #fm.binding<parameter, "transposed">},
                     %o: tensor<512x40xf32> {fm.binding = #fm.binding<parameter, "odd">})
      -> (tensor<512x512xf32> {fm.binding = #fm.binding<parameter, "w">},
          tensor<512x512xf32> {fm.binding = #fm.binding<optimizer, "w.m">},
          tensor<?x256xf32> {fm.binding = #fm.binding<output, "y">},
          tensor<?x40xf32> {fm.binding = #fm.binding<output, "z">}) {
    %0 = fm.kernel n(%n) reads(%x, %w) : (tensor<?x512xf32>, tensor<512x512xf32>) -> tensor<?x512xf32> {
    ^bb0(%k: index, %a: tensor<?x512xf32>, %b: tensor<512x512xf32>):
      %e = tensor.empty(%k) : tensor<?x512xf32>
      %r = linalg.generic {indexing_maps = [#rows, #byRows, #to], iterator_types = ["parallel", "parallel", "reduction"]}
          ins(%a, %b : tensor<?x512xf32>, tensor<512x512xf32>) outs(%e : tensor<?x512xf32>) {
      ^bb0(%p: f32, %q: f32, %s: f32):
        %u = arith.mulf %p, %q : f32
        %v = arith.addf %s, %u : f32
        linalg.yield %v : f32
      } -> tensor<?x512xf32>
      fm.yield %r : tensor<?x512xf32>
    }
    %1 = fm.kernel n(%n) reads(%0, %t) : (tensor<?x512xf32>, tensor<256x512xf32>) -> tensor<?x256xf32> {
    ^bb0(%k: index, %a: tensor<?x512xf32>, %b: tensor<256x512xf32>):
      %e = tensor.empty(%k) : tensor<?x256xf32>
      %r = linalg.generic {indexing_maps = [#rows, #alongRows, #to], iterator_types = ["parallel", "parallel", "reduction"]}
          ins(%a, %b : tensor<?x512xf32>, tensor<256x512xf32>) outs(%e : tensor<?x256xf32>) {
      ^bb0(%p: f32, %q: f32, %s: f32):
        %u = arith.mulf %p, %q : f32
        %v = arith.addf %s, %u : f32
        linalg.yield %v : f32
      } -> tensor<?x256xf32>
      fm.yield %r : tensor<?x256xf32>
    }
    %2 = fm.kernel n(%n) reads(%x, %o) : (tensor<?x512xf32>, tensor<512x40xf32>) -> tensor<?x40xf32> {
    ^bb0(%k: index, %a: tensor<?x512xf32>, %b: tensor<512x40xf32>):
      %e = tensor.empty(%k) : tensor<?x40xf32>
      %r = linalg.generic {indexing_maps = [#rows, #byRows, #to], iterator_types = ["parallel", "parallel", "reduction"]}
          ins(%a, %b : tensor<?x512xf32>, tensor<512x40xf32>) outs(%e : tensor<?x40xf32>) {
      ^bb0(%p: f32, %q: f32, %s: f32):
        %u = arith.mulf %p, %q : f32
        %v = arith.addf %s, %u : f32
        linalg.yield %v : f32
      } -> tensor<?x40xf32>
      fm.yield %r : tensor<?x40xf32>
    }
    %3:2 = fm.kernel n(%n) reads(%w, %m) {inplace = array<i64: 0, 1>} : (tensor<512x512xf32>, tensor<512x512xf32>) -> (tensor<512x512xf32>, tensor<512x512xf32>) {
    ^bb0(%k: index, %a: tensor<512x512xf32>, %b: tensor<512x512xf32>):
      %r:2 = linalg.generic {indexing_maps = [#same, #same, #same, #same], iterator_types = ["parallel", "parallel"]}
          ins(%a, %b : tensor<512x512xf32>, tensor<512x512xf32>) outs(%a, %b : tensor<512x512xf32>, tensor<512x512xf32>) {
      ^bb0(%p: f32, %q: f32, %s: f32, %v: f32):
        %u = arith.addf %p, %q : f32
        linalg.yield %u, %q : f32, f32
      } -> (tensor<512x512xf32>, tensor<512x512xf32>)
      fm.yield %r#0, %r#1 : tensor<512x512xf32>, tensor<512x512xf32>
    }
    return %3#0, %3#1, %1, %2 : tensor<512x512xf32>, tensor<512x512xf32>, tensor<?x256xf32>, tensor<?x40xf32>
  }
}

// -----

// A matrix of many rows and few columns that an input's gradient reads the other way
// round, and whose own gradient sums over rows of samples, lies in panels of rows, and so
// does its moment. Not where it is read by rows alone, nor where there is no such sum.
// PANEL-LABEL: @tall
// PANEL-SAME:    %arg3: tensor<512x128xf32> {fm.binding = #fm.binding<parameter, "w">, fm.panel = -16 : i64}
// PANEL-SAME:    %arg4: tensor<512x128xf32> {fm.binding = #fm.binding<optimizer, "w.m">, fm.panel = -16 : i64}
// PANEL-SAME:    %arg5: tensor<512x128xf32> {fm.binding = #fm.binding<parameter, "forward">, fm.panel = 16 : i64}
// PANEL-SAME:    %arg6: tensor<512x128xf32> {fm.binding = #fm.binding<parameter, "flat">, fm.panel = 16 : i64}
// PANEL:         fm.kernel n(%arg0) reads(%arg3, %arg4, %arg1, %arg2) {{.*}}fm.panels = array<i64: -16, -16>
#rows = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>
#byRows = affine_map<(d0, d1, d2, d3) -> (d3, d2)>
#alongRows = affine_map<(d0, d1, d2, d3) -> (d2, d3)>
#to = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
#flatRows = affine_map<(d0, d1, d2) -> (d0, d2)>
#flatByRows = affine_map<(d0, d1, d2) -> (d2, d1)>
#flatAlongRows = affine_map<(d0, d1, d2) -> (d1, d2)>
#flatTo = affine_map<(d0, d1, d2) -> (d0, d1)>
#left = affine_map<(d0, d1, d2, d3) -> (d2, d3, d0)>
#right = affine_map<(d0, d1, d2, d3) -> (d2, d3, d1)>
#gradient = affine_map<(d0, d1, d2, d3) -> (d0, d1)>
#same = affine_map<(d0, d1) -> (d0, d1)>
module {
  fm.model @m batch 16 {
  }
  func.func @tall(%n: index {fm.binding = #fm.binding<samples, "n">}, %x: tensor<?x4x512xf32> {fm.binding = #fm.binding<input, "x">},
                  %dy: tensor<?x4x128xf32> {fm.binding = #fm.binding<input, "dy">},
                  %w: tensor<512x128xf32> {fm.binding = #fm.binding<parameter, "w">},
                  %m: tensor<512x128xf32> {fm.binding = #fm.binding<optimizer, "w.m">},
                  %f: tensor<512x128xf32> {fm.binding = #fm.binding<parameter, "forward">},
                  %g: tensor<512x128xf32> {fm.binding = #fm.binding<parameter, "flat">},
                  %h: tensor<?x512xf32> {fm.binding = #fm.binding<input, "h">})
      -> (tensor<512x128xf32> {fm.binding = #fm.binding<parameter, "w">},
          tensor<512x128xf32> {fm.binding = #fm.binding<optimizer, "w.m">},
          tensor<?x4x512xf32> {fm.binding = #fm.binding<output, "y">},
          tensor<?x4x128xf32> {fm.binding = #fm.binding<output, "z">},
          tensor<?x512xf32> {fm.binding = #fm.binding<output, "v">}) {
    %0 = fm.kernel n(%n) reads(%x, %w) : (tensor<?x4x512xf32>, tensor<512x128xf32>) -> tensor<?x4x128xf32> {
    ^bb0(%k: index, %a: tensor<?x4x512xf32>, %b: tensor<512x128xf32>):
      %e = tensor.empty(%k) : tensor<?x4x128xf32>
      %r = linalg.generic {indexing_maps = [#rows, #byRows, #to], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
          ins(%a, %b : tensor<?x4x512xf32>, tensor<512x128xf32>) outs(%e : tensor<?x4x128xf32>) {
      ^bb0(%p: f32, %q: f32, %s: f32):
        %u = arith.mulf %p, %q : f32
        %v = arith.addf %s, %u : f32
        linalg.yield %v : f32
      } -> tensor<?x4x128xf32>
      fm.yield %r : tensor<?x4x128xf32>
    }
    %1 = fm.kernel n(%n) reads(%0, %w) : (tensor<?x4x128xf32>, tensor<512x128xf32>) -> tensor<?x4x512xf32> {
    ^bb0(%k: index, %a: tensor<?x4x128xf32>, %b: tensor<512x128xf32>):
      %e = tensor.empty(%k) : tensor<?x4x512xf32>
      %r = linalg.generic {indexing_maps = [#rows, #alongRows, #to], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
          ins(%a, %b : tensor<?x4x128xf32>, tensor<512x128xf32>) outs(%e : tensor<?x4x512xf32>) {
      ^bb0(%p: f32, %q: f32, %s: f32):
        %u = arith.mulf %p, %q : f32
        %v = arith.addf %s, %u : f32
        linalg.yield %v : f32
      } -> tensor<?x4x512xf32>
      fm.yield %r : tensor<?x4x512xf32>
    }
    %2 = fm.kernel n(%n) reads(%x, %f) : (tensor<?x4x512xf32>, tensor<512x128xf32>) -> tensor<?x4x128xf32> {
    ^bb0(%k: index, %a: tensor<?x4x512xf32>, %b: tensor<512x128xf32>):
      %e = tensor.empty(%k) : tensor<?x4x128xf32>
      %r = linalg.generic {indexing_maps = [#rows, #byRows, #to], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
          ins(%a, %b : tensor<?x4x512xf32>, tensor<512x128xf32>) outs(%e : tensor<?x4x128xf32>) {
      ^bb0(%p: f32, %q: f32, %s: f32):
        %u = arith.mulf %p, %q : f32
        %v = arith.addf %s, %u : f32
        linalg.yield %v : f32
      } -> tensor<?x4x128xf32>
      fm.yield %r : tensor<?x4x128xf32>
    }
    %3 = fm.kernel n(%n) reads(%h, %g) : (tensor<?x512xf32>, tensor<512x128xf32>) -> tensor<?x128xf32> {
    ^bb0(%k: index, %a: tensor<?x512xf32>, %b: tensor<512x128xf32>):
      %e = tensor.empty(%k) : tensor<?x128xf32>
      %r = linalg.generic {indexing_maps = [#flatRows, #flatByRows, #flatTo], iterator_types = ["parallel", "parallel", "reduction"]}
          ins(%a, %b : tensor<?x512xf32>, tensor<512x128xf32>) outs(%e : tensor<?x128xf32>) {
      ^bb0(%p: f32, %q: f32, %s: f32):
        %u = arith.mulf %p, %q : f32
        %v = arith.addf %s, %u : f32
        linalg.yield %v : f32
      } -> tensor<?x128xf32>
      fm.yield %r : tensor<?x128xf32>
    }
    %4 = fm.kernel n(%n) reads(%3, %g) : (tensor<?x128xf32>, tensor<512x128xf32>) -> tensor<?x512xf32> {
    ^bb0(%k: index, %a: tensor<?x128xf32>, %b: tensor<512x128xf32>):
      %e = tensor.empty(%k) : tensor<?x512xf32>
      %r = linalg.generic {indexing_maps = [#flatRows, #flatAlongRows, #flatTo], iterator_types = ["parallel", "parallel", "reduction"]}
          ins(%a, %b : tensor<?x128xf32>, tensor<512x128xf32>) outs(%e : tensor<?x512xf32>) {
      ^bb0(%p: f32, %q: f32, %s: f32):
        %u = arith.mulf %p, %q : f32
        %v = arith.addf %s, %u : f32
        linalg.yield %v : f32
      } -> tensor<?x512xf32>
      fm.yield %r : tensor<?x512xf32>
    }
    %5:2 = fm.kernel n(%n) reads(%w, %m, %x, %dy) {inplace = array<i64: 0, 1>} : (tensor<512x128xf32>, tensor<512x128xf32>, tensor<?x4x512xf32>, tensor<?x4x128xf32>) -> (tensor<512x128xf32>, tensor<512x128xf32>) {
    ^bb0(%k: index, %a: tensor<512x128xf32>, %b: tensor<512x128xf32>, %c: tensor<?x4x512xf32>, %d: tensor<?x4x128xf32>):
      %zero = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<512x128xf32>
      %z = linalg.fill ins(%zero : f32) outs(%e : tensor<512x128xf32>) -> tensor<512x128xf32>
      %s = linalg.generic {indexing_maps = [#left, #right, #gradient], iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
          ins(%c, %d : tensor<?x4x512xf32>, tensor<?x4x128xf32>) outs(%z : tensor<512x128xf32>) {
      ^bb0(%p: f32, %q: f32, %o: f32):
        %u = arith.mulf %p, %q : f32
        %v = arith.addf %o, %u : f32
        linalg.yield %v : f32
      } -> tensor<512x128xf32>
      %r:2 = linalg.generic {indexing_maps = [#same, #same, #same, #same, #same], iterator_types = ["parallel", "parallel"]}
          ins(%a, %b, %s : tensor<512x128xf32>, tensor<512x128xf32>, tensor<512x128xf32>) outs(%a, %b : tensor<512x128xf32>, tensor<512x128xf32>) {
      ^bb0(%p: f32, %q: f32, %o: f32, %f0: f32, %f1: f32):
        %u = arith.addf %p, %q : f32
        %v = arith.addf %q, %o : f32
        linalg.yield %u, %v : f32, f32
      } -> (tensor<512x128xf32>, tensor<512x128xf32>)
      fm.yield %r#0, %r#1 : tensor<512x128xf32>, tensor<512x128xf32>
    }
    return %5#0, %5#1, %1, %2, %4 : tensor<512x128xf32>, tensor<512x128xf32>, tensor<?x4x512xf32>, tensor<?x4x128xf32>, tensor<?x512xf32>
  }
}

// -----

// Such planes in stacks, an odd number of lines apart: a sum over samples walks through
// one plane of each. 36 planes of 129 lines, and one more line; 5 planes of 21 lines are
// 105; 4 planes of 2 floats are half a line.
// CHECK-LABEL: @stacks
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.plane_lengths = array<i64: 2048>, fm.plane_pitches = array<i64: 2064>, fm.stack_lengths = array<i64: 73728>, fm.stack_pitches = array<i64: 74320>} : (tensor<?x2xf32>) -> tensor<?x1x36x16x128xf32>
// CHECK:         fm.kernel n(%arg0) reads(%arg1) : (tensor<?x2xf32>) -> tensor<?x1x5x21x16xf32>
// CHECK:         fm.kernel n(%arg0) reads(%arg1) : (tensor<?x2xf32>) -> tensor<?x1x4x1x2xf32>
#five = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3, d4)>
module {
  fm.model @m batch 16 {
  }
  func.func @stacks(%n: index {fm.binding = #fm.binding<samples, "n">},
                    %x: tensor<?x2xf32> {fm.binding = #fm.binding<input, "x">})
      -> (tensor<?x2xf32> {fm.binding = #fm.binding<output, "y">}) {
    %0 = fm.kernel n(%n) reads(%x) : (tensor<?x2xf32>) -> tensor<?x1x36x16x128xf32> {
    ^bb0(%m: index, %a: tensor<?x2xf32>):
      %e = tensor.empty(%m) : tensor<?x1x36x16x128xf32>
      %p = linalg.generic {indexing_maps = [#five], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]} outs(%e : tensor<?x1x36x16x128xf32>) attrs = {fm.at_once = 2 : i64} {
      ^bb1(%o: f32):
        linalg.yield %o : f32
      } -> tensor<?x1x36x16x128xf32>
      fm.yield %p : tensor<?x1x36x16x128xf32>
    }
    %1 = fm.kernel n(%n) reads(%x) : (tensor<?x2xf32>) -> tensor<?x1x5x21x16xf32> {
    ^bb0(%m: index, %a: tensor<?x2xf32>):
      %e = tensor.empty(%m) : tensor<?x1x5x21x16xf32>
      %p = linalg.generic {indexing_maps = [#five], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]} outs(%e : tensor<?x1x5x21x16xf32>) attrs = {fm.at_once = 2 : i64} {
      ^bb1(%o: f32):
        linalg.yield %o : f32
      } -> tensor<?x1x5x21x16xf32>
      fm.yield %p : tensor<?x1x5x21x16xf32>
    }
    %2 = fm.kernel n(%n) reads(%x) : (tensor<?x2xf32>) -> tensor<?x1x4x1x2xf32> {
    ^bb0(%m: index, %a: tensor<?x2xf32>):
      %e = tensor.empty(%m) : tensor<?x1x4x1x2xf32>
      %p = linalg.generic {indexing_maps = [#five], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]} outs(%e : tensor<?x1x4x1x2xf32>) attrs = {fm.at_once = 2 : i64} {
      ^bb1(%o: f32):
        linalg.yield %o : f32
      } -> tensor<?x1x4x1x2xf32>
      fm.yield %p : tensor<?x1x4x1x2xf32>
    }
    %3 = fm.kernel n(%n) reads(%x, %0, %1, %2) : (tensor<?x2xf32>, tensor<?x1x36x16x128xf32>, tensor<?x1x5x21x16xf32>, tensor<?x1x4x1x2xf32>) -> tensor<?x2xf32> {
    ^bb0(%m: index, %a: tensor<?x2xf32>, %b: tensor<?x1x36x16x128xf32>, %c: tensor<?x1x5x21x16xf32>, %d: tensor<?x1x4x1x2xf32>):
      fm.yield %a : tensor<?x2xf32>
    }
    return %3 : tensor<?x2xf32>
  }
}
