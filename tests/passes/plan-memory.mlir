// RUN: fmc-opt %s --fm-plan-memory --split-input-file | FileCheck %s
// RUN: fmc-opt %s --fm-plan-memory=slots=false --split-input-file | FileCheck %s --check-prefix=DENSE

// 16 samples of 64 floats are 4096 bytes. What is returned has no place here;
// the others share one where they are not alive together.
// CHECK-LABEL: @chain
// CHECK-SAME:    fm.arena_bytes = 8192 : i64
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.offsets = array<i64: 0>}
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}) {fm.offsets = array<i64: 4096>}
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}) {fm.offsets = array<i64: 0>}
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}) {fm.offsets = array<i64: -1>}
module {
  fm.model @m batch 16 {
  }
  func.func @chain(%n: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
    %0 = fm.kernel n(%n) reads(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32> {
    ^bb0(%m: index, %a: tensor<?x64xf32>):
      fm.yield %a : tensor<?x64xf32>
    }
    %1 = fm.kernel n(%n) reads(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32> {
    ^bb0(%m: index, %a: tensor<?x64xf32>):
      fm.yield %a : tensor<?x64xf32>
    }
    %2 = fm.kernel n(%n) reads(%1) : (tensor<?x64xf32>) -> tensor<?x64xf32> {
    ^bb0(%m: index, %a: tensor<?x64xf32>):
      fm.yield %a : tensor<?x64xf32>
    }
    %3 = fm.kernel n(%n) reads(%2) : (tensor<?x64xf32>) -> tensor<?x64xf32> {
    ^bb0(%m: index, %a: tensor<?x64xf32>):
      fm.yield %a : tensor<?x64xf32>
    }
    return %3 : tensor<?x64xf32>
  }
}

// -----

// Who reads a view reads the tensor: it lives on. Who returns a view returns it.
// CHECK-LABEL: @views
// CHECK-SAME:    fm.arena_bytes = 8192 : i64
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.offsets = array<i64: [[FIRST:[0-9]+]]>}
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.offsets = array<i64: {{0|4096}}>}
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}, %{{.*}}) {fm.offsets = array<i64: -1>}
module {
  fm.model @m batch 16 {
  }
  func.func @views(%n: index, %x: tensor<?x64xf32>) -> tensor<?x8x8xf32> {
    %0 = fm.kernel n(%n) reads(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32> {
    ^bb0(%m: index, %a: tensor<?x64xf32>):
      fm.yield %a : tensor<?x64xf32>
    }
    %v = tensor.expand_shape %0 [[0], [1, 2]] output_shape [%n, 8, 8] : tensor<?x64xf32> into tensor<?x8x8xf32>
    %1 = fm.kernel n(%n) reads(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32> {
    ^bb0(%m: index, %a: tensor<?x64xf32>):
      fm.yield %a : tensor<?x64xf32>
    }
    %2 = fm.kernel n(%n) reads(%v, %1) : (tensor<?x8x8xf32>, tensor<?x64xf32>) -> tensor<?x64xf32> {
    ^bb0(%m: index, %a: tensor<?x8x8xf32>, %b: tensor<?x64xf32>):
      fm.yield %b : tensor<?x64xf32>
    }
    %w = tensor.expand_shape %2 [[0], [1, 2]] output_shape [%n, 8, 8] : tensor<?x64xf32> into tensor<?x8x8xf32>
    return %w : tensor<?x8x8xf32>
  }
}

// -----

// 20 samples are 32 rows; a byte a boolean; a result that nobody reads has a
// place all the same.
// CHECK-LABEL: @rows
// CHECK-SAME:    fm.arena_bytes = 192 : i64
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.offsets = array<i64: 128, 0>}
module {
  fm.model @m batch 20 {
  }
  func.func @rows(%n: index, %x: tensor<?xf32>) {
    %0:2 = fm.kernel n(%n) reads(%x) : (tensor<?xf32>) -> (tensor<?xi1>, tensor<?xf32>) {
    ^bb0(%m: index, %a: tensor<?xf32>):
      %empty = tensor.empty(%m) : tensor<?xi1>
      fm.yield %empty, %a : tensor<?xi1>, tensor<?xf32>
    }
    return
  }
}

// -----

// The padded tensor (16 rows of 12 floats) takes the place of both, from the
// kernel that writes its middle on.
// CHECK-LABEL: @border
// CHECK-SAME:    fm.arena_bytes = 1280 : i64
// CHECK:         %[[X:.*]] = fm.kernel n(%arg0) reads(%arg1) {fm.offsets = array<i64: [[PLACE:[0-9]+]]>}
// CHECK:         fm.kernel n(%arg0) reads(%[[X]]) {fm.offsets = array<i64: {{[0-9]+}}>}
// CHECK:         fm.kernel n(%arg0) reads(%[[X]]) {fm.holds_inputs, fm.offsets = array<i64: [[PLACE]]>}
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}, %{{.*}}) {fm.offsets = array<i64: -1>}
#all = affine_map<(d0, d1) -> (d0, d1)>
module {
  fm.model @m batch 16 {
  }
  func.func @border(%n: index, %x: tensor<?x8xf32>) -> tensor<?x8xf32> {
    %0 = fm.kernel n(%n) reads(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%m: index, %a: tensor<?x8xf32>):
      fm.yield %a : tensor<?x8xf32>
    }
    %1 = fm.kernel n(%n) reads(%0) : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%m: index, %a: tensor<?x8xf32>):
      fm.yield %a : tensor<?x8xf32>
    }
    %2 = fm.kernel n(%n) reads(%0) {fm.holds_inputs} : (tensor<?x8xf32>) -> tensor<?x12xf32> {
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
    %3 = fm.kernel n(%n) reads(%1, %2) : (tensor<?x8xf32>, tensor<?x12xf32>) -> tensor<?x8xf32> {
    ^bb0(%m: index, %a: tensor<?x8xf32>, %b: tensor<?x12xf32>):
      fm.yield %a : tensor<?x8xf32>
    }
    return %3 : tensor<?x8xf32>
  }
}

// -----

// Tensors of 4 KiB a sample have slots in each sample's part of the arena: the
// first and the third the same one, the second the one behind. Parts are an odd
// number of lines apart, 8256 bytes or 2064 floats; behind all 16 of them lies what
// has less of each sample.
// CHECK-LABEL: @slots
// CHECK-SAME:    fm.arena_bytes = 134208 : i64
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.offsets = array<i64: 0>, fm.sample_pitches = array<i64: 2064>}
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}) {fm.offsets = array<i64: 4096, 132096>, fm.sample_pitches = array<i64: 2064, 0>}
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}, %{{.*}}) {fm.offsets = array<i64: 0>, fm.sample_pitches = array<i64: 2064>}
// CHECK:         fm.kernel n(%arg0) reads(%{{.*}}) {fm.offsets = array<i64: -1>}
// Another entry needs less, and has its samples as far apart.
// CHECK-LABEL: @less
// CHECK-SAME:    fm.arena_bytes = 132096 : i64
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.offsets = array<i64: 0>, fm.sample_pitches = array<i64: 2064>}
// DENSE-LABEL: @slots
// DENSE-SAME:    fm.arena_bytes = 133184 : i64
// DENSE-NOT:     fm.sample_pitches
module {
  fm.model @m batch 16 {
  }
  func.func @slots(%n: index, %x: tensor<?x1024xf32>) -> tensor<?x1024xf32> {
    %0 = fm.kernel n(%n) reads(%x) : (tensor<?x1024xf32>) -> tensor<?x1024xf32> {
    ^bb0(%m: index, %a: tensor<?x1024xf32>):
      fm.yield %a : tensor<?x1024xf32>
    }
    %1:2 = fm.kernel n(%n) reads(%0) : (tensor<?x1024xf32>) -> (tensor<?x1024xf32>, tensor<?x33xf32>) {
    ^bb0(%m: index, %a: tensor<?x1024xf32>):
      %empty = tensor.empty(%m) : tensor<?x33xf32>
      fm.yield %a, %empty : tensor<?x1024xf32>, tensor<?x33xf32>
    }
    %2 = fm.kernel n(%n) reads(%1#0, %1#1) : (tensor<?x1024xf32>, tensor<?x33xf32>) -> tensor<?x1024xf32> {
    ^bb0(%m: index, %a: tensor<?x1024xf32>, %b: tensor<?x33xf32>):
      fm.yield %a : tensor<?x1024xf32>
    }
    %3 = fm.kernel n(%n) reads(%2) : (tensor<?x1024xf32>) -> tensor<?x1024xf32> {
    ^bb0(%m: index, %a: tensor<?x1024xf32>):
      fm.yield %a : tensor<?x1024xf32>
    }
    return %3 : tensor<?x1024xf32>
  }
  func.func @less(%n: index, %x: tensor<?x1024xf32>) -> tensor<?x1024xf32> {
    %0 = fm.kernel n(%n) reads(%x) : (tensor<?x1024xf32>) -> tensor<?x1024xf32> {
    ^bb0(%m: index, %a: tensor<?x1024xf32>):
      fm.yield %a : tensor<?x1024xf32>
    }
    %1 = fm.kernel n(%n) reads(%0) : (tensor<?x1024xf32>) -> tensor<?x1024xf32> {
    ^bb0(%m: index, %a: tensor<?x1024xf32>):
      fm.yield %a : tensor<?x1024xf32>
    }
    return %1 : tensor<?x1024xf32>
  }
}

// -----

// Samples of more than 1 MiB have no parts of their own.
// CHECK-LABEL: @large
// CHECK-SAME:    fm.arena_bytes = 2097408 : i64
// CHECK-NOT:     fm.sample_pitches
module {
  fm.model @m batch 2 {
  }
  func.func @large(%n: index, %x: tensor<?x262176xf32>) -> tensor<?x262176xf32> {
    %0 = fm.kernel n(%n) reads(%x) : (tensor<?x262176xf32>) -> tensor<?x262176xf32> {
    ^bb0(%m: index, %a: tensor<?x262176xf32>):
      fm.yield %a : tensor<?x262176xf32>
    }
    %1 = fm.kernel n(%n) reads(%0) : (tensor<?x262176xf32>) -> tensor<?x262176xf32> {
    ^bb0(%m: index, %a: tensor<?x262176xf32>):
      fm.yield %a : tensor<?x262176xf32>
    }
    return %1 : tensor<?x262176xf32>
  }
}

// -----

// In a chain, the third kernel's result takes the place of the first one's. In a run
// of strips it does not: the second strip of the first one is written behind the
// first strip of the third.
// CHECK-LABEL: @by_sample
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.chain = 0 : i64, fm.offsets = array<i64: 0>
// CHECK:         fm.kernel n(%arg0) reads(%0) {fm.chain = 0 : i64, fm.offsets = array<i64: 4096>
// CHECK:         fm.kernel n(%arg0) reads(%1) {fm.chain = 0 : i64, fm.offsets = array<i64: 0>
module {
  fm.model @m batch 16 {
  }
  func.func @by_sample(%n: index, %x: tensor<?x4x256xf32>) -> tensor<?x4x256xf32> {
    %0 = fm.kernel n(%n) reads(%x) {fm.chain = 0 : i64} : (tensor<?x4x256xf32>) -> tensor<?x4x256xf32> {
    ^bb0(%m: index, %a: tensor<?x4x256xf32>):
      fm.yield %a : tensor<?x4x256xf32>
    }
    %1 = fm.kernel n(%n) reads(%0) {fm.chain = 0 : i64} : (tensor<?x4x256xf32>) -> tensor<?x4x256xf32> {
    ^bb0(%m: index, %a: tensor<?x4x256xf32>):
      fm.yield %a : tensor<?x4x256xf32>
    }
    %2 = fm.kernel n(%n) reads(%1) {fm.chain = 0 : i64} : (tensor<?x4x256xf32>) -> tensor<?x4x256xf32> {
    ^bb0(%m: index, %a: tensor<?x4x256xf32>):
      fm.yield %a : tensor<?x4x256xf32>
    }
    %3 = fm.kernel n(%n) reads(%2) {fm.chain = 0 : i64} : (tensor<?x4x256xf32>) -> tensor<?x4x256xf32> {
    ^bb0(%m: index, %a: tensor<?x4x256xf32>):
      fm.yield %a : tensor<?x4x256xf32>
    }
    return %3 : tensor<?x4x256xf32>
  }
}

// -----

// CHECK-LABEL: @by_strip
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.chain = 0 : i64, fm.offsets = array<i64: 0>
// CHECK:         fm.kernel n(%arg0) reads(%0) {fm.chain = 0 : i64, fm.offsets = array<i64: 4096>
// CHECK:         fm.kernel n(%arg0) reads(%1) {fm.chain = 0 : i64, fm.offsets = array<i64: 8192>
module {
  fm.model @m batch 16 {
  }
  func.func @by_strip(%n: index, %x: tensor<?x4x256xf32>) -> tensor<?x4x256xf32> {
    %0 = fm.kernel n(%n) reads(%x) {fm.chain = 0 : i64, fm.strips = array<i64: 0, 2>} : (tensor<?x4x256xf32>) -> tensor<?x4x256xf32> {
    ^bb0(%m: index, %a: tensor<?x4x256xf32>):
      fm.yield %a : tensor<?x4x256xf32>
    }
    %1 = fm.kernel n(%n) reads(%0) {fm.chain = 0 : i64, fm.strips = array<i64: 0, 2>} : (tensor<?x4x256xf32>) -> tensor<?x4x256xf32> {
    ^bb0(%m: index, %a: tensor<?x4x256xf32>):
      fm.yield %a : tensor<?x4x256xf32>
    }
    %2 = fm.kernel n(%n) reads(%1) {fm.chain = 0 : i64, fm.strips = array<i64: 0, 2>} : (tensor<?x4x256xf32>) -> tensor<?x4x256xf32> {
    ^bb0(%m: index, %a: tensor<?x4x256xf32>):
      fm.yield %a : tensor<?x4x256xf32>
    }
    %3 = fm.kernel n(%n) reads(%2) {fm.chain = 0 : i64, fm.strips = array<i64: 0, 2>} : (tensor<?x4x256xf32>) -> tensor<?x4x256xf32> {
    ^bb0(%m: index, %a: tensor<?x4x256xf32>):
      fm.yield %a : tensor<?x4x256xf32>
    }
    return %3 : tensor<?x4x256xf32>
  }
}
