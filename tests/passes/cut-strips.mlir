// RUN: fmc-opt %s --fm-cut-strips=most-bytes=4096 --split-input-file | FileCheck %s
// RUN: fmc-opt %s --fm-cut-strips=most-bytes=65536 --split-input-file | FileCheck %s --check-prefix=SMALL
// RUN: fmc-opt %s --fm-cut-strips --split-input-file | FileCheck %s --check-prefix=SMALL
// RUN: fmc-opt %s --fm-cut-strips="most-bytes=4096 cache-bytes=135168" --split-input-file | FileCheck %s --check-prefix=STAYS
// SMALL-NOT: fm.strips

#id = affine_map<(n, r, c) -> (n, r, c)>
#half = affine_map<(n, r, c) -> (n, r floordiv 2, c)>
#next = affine_map<(n, r, c) -> (n, r + 1, c)>

// The second kernel makes two rows of one: six strips of a row and of two are
// possible, of which the three that fit are taken (12 KiB of a sample pass from one
// to the other, 4 KiB of a strip; what is read and stored besides does not count). The
// third reads a row behind its own: it stays out.
// CHECK-LABEL: @rows
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.chain = 0 : i64, fm.strips = array<i64: 0, 3>}
// CHECK:         fm.kernel n(%arg0) reads(%0) {fm.chain = 0 : i64, fm.strips = array<i64: 0, 3>}
// CHECK:         fm.kernel n(%arg0) reads(%1) {fm.chain = 0 : i64} :
func.func @rows(%n: index, %x: tensor<?x6x512xf32>) -> tensor<?x11x512xf32> {
  %0 = fm.kernel n(%n) reads(%x) {fm.chain = 0 : i64} : (tensor<?x6x512xf32>) -> tensor<?x6x512xf32> {
  ^bb0(%m: index, %a: tensor<?x6x512xf32>):
    %e = tensor.empty(%m) : tensor<?x6x512xf32>
    %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%a : tensor<?x6x512xf32>) outs(%e : tensor<?x6x512xf32>) {
    ^bb0(%in: f32, %out: f32):
      %v = arith.mulf %in, %in : f32
      linalg.yield %v : f32
    } -> tensor<?x6x512xf32>
    fm.yield %r : tensor<?x6x512xf32>
  }
  %1 = fm.kernel n(%n) reads(%0) {fm.chain = 0 : i64} : (tensor<?x6x512xf32>) -> tensor<?x12x512xf32> {
  ^bb0(%m: index, %a: tensor<?x6x512xf32>):
    %e = tensor.empty(%m) : tensor<?x12x512xf32>
    %r = linalg.generic {indexing_maps = [#half, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%a : tensor<?x6x512xf32>) outs(%e : tensor<?x12x512xf32>) {
    ^bb0(%in: f32, %out: f32):
      %v = arith.addf %in, %in : f32
      linalg.yield %v : f32
    } -> tensor<?x12x512xf32>
    fm.yield %r : tensor<?x12x512xf32>
  }
  %2 = fm.kernel n(%n) reads(%1) {fm.chain = 0 : i64} : (tensor<?x12x512xf32>) -> tensor<?x11x512xf32> {
  ^bb0(%m: index, %a: tensor<?x12x512xf32>):
    %e = tensor.empty(%m) : tensor<?x11x512xf32>
    %r = linalg.generic {indexing_maps = [#next, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%a : tensor<?x12x512xf32>) outs(%e : tensor<?x11x512xf32>) {
    ^bb0(%in: f32, %out: f32):
      %v = arith.addf %in, %in : f32
      linalg.yield %v : f32
    } -> tensor<?x11x512xf32>
    fm.yield %r : tensor<?x11x512xf32>
  }
  return %2 : tensor<?x11x512xf32>
}

// -----

#id = affine_map<(n, r, c) -> (n, r, c)>

// Indices that bodies compute: the second of each pair of rows, so that strips
// have two at least, and mirrored rows, which are another strip's.
// CHECK-LABEL: @computed
// CHECK:         fm.kernel n(%arg0) reads(%arg1) {fm.chain = 0 : i64, fm.strips = array<i64: 0, 4>}
// CHECK:         fm.kernel n(%arg0) reads(%0) {fm.chain = 0 : i64, fm.strips = array<i64: 0, 4>}
// CHECK:         fm.kernel n(%arg0) reads(%1) {fm.chain = 0 : i64} :
func.func @computed(%n: index, %x: tensor<?x8x512xf32>) -> tensor<?x8x512xf32> {
  %0 = fm.kernel n(%n) reads(%x) {fm.chain = 0 : i64} : (tensor<?x8x512xf32>) -> tensor<?x8x512xf32> {
  ^bb0(%m: index, %a: tensor<?x8x512xf32>):
    fm.yield %a : tensor<?x8x512xf32>
  }
  %1 = fm.kernel n(%n) reads(%0) {fm.chain = 0 : i64} : (tensor<?x8x512xf32>) -> tensor<?x8x512xf32> {
  ^bb0(%m: index, %a: tensor<?x8x512xf32>):
    %k1 = arith.constant 1 : index
    %k2 = arith.constant 2 : index
    %e = tensor.empty(%m) : tensor<?x8x512xf32>
    %r = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel", "parallel"]} outs(%e : tensor<?x8x512xf32>) {
    ^bb0(%out: f32):
      %i = linalg.index 0 : index
      %row = linalg.index 1 : index
      %c = linalg.index 2 : index
      %pair = arith.floordivsi %row, %k2 : index
      %first = arith.muli %pair, %k2 : index
      %second = arith.addi %first, %k1 : index
      %v = tensor.extract %a[%i, %second, %c] : tensor<?x8x512xf32>
      linalg.yield %v : f32
    } -> tensor<?x8x512xf32>
    fm.yield %r : tensor<?x8x512xf32>
  }
  %2 = fm.kernel n(%n) reads(%1) {fm.chain = 0 : i64} : (tensor<?x8x512xf32>) -> tensor<?x8x512xf32> {
  ^bb0(%m: index, %a: tensor<?x8x512xf32>):
    %k7 = arith.constant 7 : index
    %e = tensor.empty(%m) : tensor<?x8x512xf32>
    %r = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel", "parallel"]} outs(%e : tensor<?x8x512xf32>) {
    ^bb0(%out: f32):
      %i = linalg.index 0 : index
      %row = linalg.index 1 : index
      %c = linalg.index 2 : index
      %mirrored = arith.subi %k7, %row : index
      %v = tensor.extract %a[%i, %mirrored, %c] : tensor<?x8x512xf32>
      linalg.yield %v : f32
    } -> tensor<?x8x512xf32>
    fm.yield %r : tensor<?x8x512xf32>
  }
  return %2 : tensor<?x8x512xf32>
}

// -----

// What passes from one to the other is needed elsewhere as well: nothing stays in
// the cache for good.
// CHECK-LABEL: @kept
// CHECK-NOT:     fm.strips
// CHECK:         return
func.func @kept(%n: index, %x: tensor<?x8x256xf32>) -> (tensor<?x8x256xf32>, tensor<?x8x256xf32>) {
  %0 = fm.kernel n(%n) reads(%x) {fm.chain = 0 : i64} : (tensor<?x8x256xf32>) -> tensor<?x8x256xf32> {
  ^bb0(%m: index, %a: tensor<?x8x256xf32>):
    fm.yield %a : tensor<?x8x256xf32>
  }
  %1 = fm.kernel n(%n) reads(%0) {fm.chain = 0 : i64} : (tensor<?x8x256xf32>) -> tensor<?x8x256xf32> {
  ^bb0(%m: index, %a: tensor<?x8x256xf32>):
    fm.yield %a : tensor<?x8x256xf32>
  }
  return %0, %1 : tensor<?x8x256xf32>, tensor<?x8x256xf32>
}

// -----

#id = affine_map<(n, r, k, c) -> (n, r, k, c)>
#row = affine_map<(n, r, k, c) -> (n, r, c)>
#x = affine_map<(n, c, d, r, k) -> (n, r, k, c)>
#dy = affine_map<(n, c, d, r, k) -> (n, r, k, d)>
#dw = affine_map<(n, c, d, r, k) -> (n, c, d)>
#sample = affine_map<(n, c, d) -> (n, c, d)>

// The sum over the rows of what two transforms make adds up strip by strip, and what
// another chain has made for it is made again: there it passes along strips only.
// Sums are there behind the last strip: what reads them is no part of the run. A strip
// is no smaller than the sum, so that there are two and not three.
// CHECK-LABEL: @sums
// CHECK:         %[[X:.*]] = fm.kernel n(%arg0) reads(%arg1) {fm.chain = 0 : i64, fm.strips = array<i64: 0, 3>}
// CHECK:         %[[Y:.*]] = fm.kernel n(%arg0) reads(%[[X]]) {fm.chain = 0 : i64, fm.strips = array<i64: 0, 3>}
// CHECK:         fm.kernel n(%arg0) reads(%[[Y]]) {fm.chain = 0 : i64, fm.strips = array<i64: 0, 3>}
// CHECK:         %[[DY:.*]] = fm.kernel n(%arg0) reads(%arg2) {fm.chain = 1 : i64, fm.strips = array<i64: 1, 2>}
// CHECK:         %[[AGAIN:.*]] = fm.kernel n(%arg0) reads(%arg1) {fm.chain = 1 : i64, fm.strips = array<i64: 1, 2>}
// CHECK:         %[[SUM:.*]] = fm.kernel n(%arg0) reads(%[[AGAIN]], %[[DY]]) {fm.chain = 1 : i64, fm.strips = array<i64: 1, 2>, fm.sums_strips}
// CHECK:         fm.kernel n(%arg0) reads(%[[SUM]]) {fm.chain = 1 : i64} :
func.func @sums(%n: index, %x: tensor<?x6x80xf32>, %g: tensor<?x6x20xf32>)
    -> (tensor<?x6x20xf32>, tensor<?x80x20xf32>) {
  %0 = fm.kernel n(%n) reads(%x) {fm.chain = 0 : i64} : (tensor<?x6x80xf32>) -> tensor<?x6x4x80xf32> {
  ^bb0(%m: index, %a: tensor<?x6x80xf32>):
    %e = tensor.empty(%m) : tensor<?x6x4x80xf32>
    %r = linalg.generic {indexing_maps = [#row, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%a : tensor<?x6x80xf32>) outs(%e : tensor<?x6x4x80xf32>) {
    ^bb0(%in: f32, %out: f32):
      %v = arith.mulf %in, %in : f32
      linalg.yield %v : f32
    } -> tensor<?x6x4x80xf32>
    fm.yield %r : tensor<?x6x4x80xf32>
  }
  %y = fm.kernel n(%n) reads(%0) {fm.chain = 0 : i64} : (tensor<?x6x4x80xf32>) -> tensor<?x6x4x20xf32> {
  ^bb0(%m: index, %a: tensor<?x6x4x80xf32>):
    %e = tensor.empty(%m) : tensor<?x6x4x20xf32>
    %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%a : tensor<?x6x4x80xf32>) outs(%e : tensor<?x6x4x20xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<?x6x4x20xf32>
    fm.yield %r : tensor<?x6x4x20xf32>
  }
  %1 = fm.kernel n(%n) reads(%y) {fm.chain = 0 : i64} : (tensor<?x6x4x20xf32>) -> tensor<?x6x20xf32> {
  ^bb0(%m: index, %a: tensor<?x6x4x20xf32>):
    %e = tensor.empty(%m) : tensor<?x6x20xf32>
    %r = linalg.generic {indexing_maps = [affine_map<(n, r, c) -> (n, r, 2, c)>, affine_map<(n, r, c) -> (n, r, c)>], iterator_types = ["parallel", "parallel", "parallel"]} ins(%a : tensor<?x6x4x20xf32>) outs(%e : tensor<?x6x20xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<?x6x20xf32>
    fm.yield %r : tensor<?x6x20xf32>
  }
  %2 = fm.kernel n(%n) reads(%g) {fm.chain = 1 : i64} : (tensor<?x6x20xf32>) -> tensor<?x6x4x20xf32> {
  ^bb0(%m: index, %a: tensor<?x6x20xf32>):
    %e = tensor.empty(%m) : tensor<?x6x4x20xf32>
    %r = linalg.generic {indexing_maps = [#row, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%a : tensor<?x6x20xf32>) outs(%e : tensor<?x6x4x20xf32>) {
    ^bb0(%in: f32, %out: f32):
      %v = arith.addf %in, %in : f32
      linalg.yield %v : f32
    } -> tensor<?x6x4x20xf32>
    fm.yield %r : tensor<?x6x4x20xf32>
  }
  %3 = fm.kernel n(%n) reads(%0, %2) {fm.chain = 1 : i64} : (tensor<?x6x4x80xf32>, tensor<?x6x4x20xf32>) -> tensor<?x80x20xf32> {
  ^bb0(%m: index, %a: tensor<?x6x4x80xf32>, %b: tensor<?x6x4x20xf32>):
    %zero = arith.constant 0.0 : f32
    %e = tensor.empty(%m) : tensor<?x80x20xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x80x20xf32>) -> tensor<?x80x20xf32>
    %r = linalg.generic {indexing_maps = [#x, #dy, #dw], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]} ins(%a, %b : tensor<?x6x4x80xf32>, tensor<?x6x4x20xf32>) outs(%f : tensor<?x80x20xf32>) {
    ^bb0(%p: f32, %q: f32, %out: f32):
      %v = arith.mulf %p, %q : f32
      %s = arith.addf %out, %v : f32
      linalg.yield %s : f32
    } -> tensor<?x80x20xf32>
    fm.yield %r : tensor<?x80x20xf32>
  }
  %4 = fm.kernel n(%n) reads(%3) {fm.chain = 1 : i64} : (tensor<?x80x20xf32>) -> tensor<?x80x20xf32> {
  ^bb0(%m: index, %a: tensor<?x80x20xf32>):
    %e = tensor.empty(%m) : tensor<?x80x20xf32>
    %r = linalg.generic {indexing_maps = [#sample, #sample], iterator_types = ["parallel", "parallel", "parallel"]} ins(%a : tensor<?x80x20xf32>) outs(%e : tensor<?x80x20xf32>) {
    ^bb0(%in: f32, %out: f32):
      %v = arith.addf %in, %in : f32
      linalg.yield %v : f32
    } -> tensor<?x80x20xf32>
    fm.yield %r : tensor<?x80x20xf32>
  }
  return %1, %4 : tensor<?x6x20xf32>, tensor<?x80x20xf32>
}

// -----

#id = affine_map<(n, r, k, c) -> (n, r, k, c)>
#row = affine_map<(n, r, k, c) -> (n, r, c)>
#x = affine_map<(n, c, d, r, k) -> (n, r, k, c)>
#dy = affine_map<(n, c, d, r, k) -> (n, r, k, d)>
#dw = affine_map<(n, c, d, r, k) -> (n, c, d)>

// What is needed in memory anyway is not made again, nor does a strip save it: 1.9 KiB of
// the other operand would come again as sums of 6.4, but for a cache that keeps these.
// CHECK-LABEL: @stored
// CHECK-NOT:     fm.strips
// CHECK:         return
// STAYS-LABEL: @stored
// STAYS:         %[[X:.*]] = fm.kernel n(%arg0) reads(%arg1)
// STAYS:         %[[DY:.*]] = fm.kernel n(%arg0) reads(%arg2) {fm.chain = 1 : i64, fm.strips = array<i64: 0, 2>}
// STAYS-NEXT:    ^bb0
// STAYS:         fm.kernel n(%arg0) reads(%[[X]], %[[DY]]) {fm.chain = 1 : i64, fm.strips = array<i64: 0, 2>, fm.sums_strips}
func.func @stored(%n: index, %x: tensor<?x6x80xf32>, %g: tensor<?x6x20xf32>)
    -> (tensor<?x6x4x80xf32>, tensor<?x80x20xf32>) {
  %0 = fm.kernel n(%n) reads(%x) {fm.chain = 0 : i64} : (tensor<?x6x80xf32>) -> tensor<?x6x4x80xf32> {
  ^bb0(%m: index, %a: tensor<?x6x80xf32>):
    %e = tensor.empty(%m) : tensor<?x6x4x80xf32>
    %r = linalg.generic {indexing_maps = [#row, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%a : tensor<?x6x80xf32>) outs(%e : tensor<?x6x4x80xf32>) {
    ^bb0(%in: f32, %out: f32):
      %v = arith.mulf %in, %in : f32
      linalg.yield %v : f32
    } -> tensor<?x6x4x80xf32>
    fm.yield %r : tensor<?x6x4x80xf32>
  }
  %2 = fm.kernel n(%n) reads(%g) {fm.chain = 1 : i64} : (tensor<?x6x20xf32>) -> tensor<?x6x4x20xf32> {
  ^bb0(%m: index, %a: tensor<?x6x20xf32>):
    %e = tensor.empty(%m) : tensor<?x6x4x20xf32>
    %r = linalg.generic {indexing_maps = [#row, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%a : tensor<?x6x20xf32>) outs(%e : tensor<?x6x4x20xf32>) {
    ^bb0(%in: f32, %out: f32):
      %v = arith.addf %in, %in : f32
      linalg.yield %v : f32
    } -> tensor<?x6x4x20xf32>
    fm.yield %r : tensor<?x6x4x20xf32>
  }
  %3 = fm.kernel n(%n) reads(%0, %2) {fm.chain = 1 : i64} : (tensor<?x6x4x80xf32>, tensor<?x6x4x20xf32>) -> tensor<?x80x20xf32> {
  ^bb0(%m: index, %a: tensor<?x6x4x80xf32>, %b: tensor<?x6x4x20xf32>):
    %zero = arith.constant 0.0 : f32
    %e = tensor.empty(%m) : tensor<?x80x20xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x80x20xf32>) -> tensor<?x80x20xf32>
    %r = linalg.generic {indexing_maps = [#x, #dy, #dw], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]} ins(%a, %b : tensor<?x6x4x80xf32>, tensor<?x6x4x20xf32>) outs(%f : tensor<?x80x20xf32>) {
    ^bb0(%p: f32, %q: f32, %out: f32):
      %v = arith.mulf %p, %q : f32
      %s = arith.addf %out, %v : f32
      linalg.yield %s : f32
    } -> tensor<?x80x20xf32>
    fm.yield %r : tensor<?x80x20xf32>
  }
  return %0, %3 : tensor<?x6x4x80xf32>, tensor<?x80x20xf32>
}

// -----

#id = affine_map<(n, r, c) -> (n, r, c)>
#first = affine_map<(n, r, c) -> (r, c)>
#one = affine_map<(n, r, c) -> (0, c)>

// Of 16 KiB that pass, 12 would go behind the cache and come back, which is less than
// weights of 128 KiB that come for three more strips, unless these and a strip stay
// there together; it is more than weights of 2 KiB that do.
// CHECK-LABEL: @weights
// CHECK-NOT:     fm.strips
// CHECK:         return
// STAYS-LABEL: @weights
// STAYS-COUNT-2: fm.strips = array<i64: 0, 4>
// STAYS-LABEL: @small_weights
// CHECK-LABEL: @small_weights
// CHECK-COUNT-2: fm.strips = array<i64: 0, 4>
func.func @weights(%n: index, %x: tensor<?x8x512xf32>, %w: tensor<64x512xf32>) -> tensor<?x8x512xf32> {
  %0 = fm.kernel n(%n) reads(%x) {fm.chain = 0 : i64} : (tensor<?x8x512xf32>) -> tensor<?x8x512xf32> {
  ^bb0(%m: index, %a: tensor<?x8x512xf32>):
    %e = tensor.empty(%m) : tensor<?x8x512xf32>
    %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%a : tensor<?x8x512xf32>) outs(%e : tensor<?x8x512xf32>) {
    ^bb0(%in: f32, %out: f32):
      %v = arith.addf %in, %in : f32
      linalg.yield %v : f32
    } -> tensor<?x8x512xf32>
    fm.yield %r : tensor<?x8x512xf32>
  }
  %1 = fm.kernel n(%n) reads(%0, %w) {fm.chain = 0 : i64} : (tensor<?x8x512xf32>, tensor<64x512xf32>) -> tensor<?x8x512xf32> {
  ^bb0(%m: index, %a: tensor<?x8x512xf32>, %b: tensor<64x512xf32>):
    %e = tensor.empty(%m) : tensor<?x8x512xf32>
    %r = linalg.generic {indexing_maps = [#id, #first, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%a, %b : tensor<?x8x512xf32>, tensor<64x512xf32>) outs(%e : tensor<?x8x512xf32>) {
    ^bb0(%in: f32, %inb: f32, %out: f32):
      %v = arith.mulf %in, %inb : f32
      linalg.yield %v : f32
    } -> tensor<?x8x512xf32>
    fm.yield %r : tensor<?x8x512xf32>
  }
  return %1 : tensor<?x8x512xf32>
}

func.func @small_weights(%n: index, %x: tensor<?x8x512xf32>, %w: tensor<1x512xf32>) -> tensor<?x8x512xf32> {
  %0 = fm.kernel n(%n) reads(%x) {fm.chain = 0 : i64} : (tensor<?x8x512xf32>) -> tensor<?x8x512xf32> {
  ^bb0(%m: index, %a: tensor<?x8x512xf32>):
    %e = tensor.empty(%m) : tensor<?x8x512xf32>
    %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%a : tensor<?x8x512xf32>) outs(%e : tensor<?x8x512xf32>) {
    ^bb0(%in: f32, %out: f32):
      %v = arith.addf %in, %in : f32
      linalg.yield %v : f32
    } -> tensor<?x8x512xf32>
    fm.yield %r : tensor<?x8x512xf32>
  }
  %1 = fm.kernel n(%n) reads(%0, %w) {fm.chain = 0 : i64} : (tensor<?x8x512xf32>, tensor<1x512xf32>) -> tensor<?x8x512xf32> {
  ^bb0(%m: index, %a: tensor<?x8x512xf32>, %b: tensor<1x512xf32>):
    %e = tensor.empty(%m) : tensor<?x8x512xf32>
    %r = linalg.generic {indexing_maps = [#id, #one, #id], iterator_types = ["parallel", "parallel", "parallel"]} ins(%a, %b : tensor<?x8x512xf32>, tensor<1x512xf32>) outs(%e : tensor<?x8x512xf32>) {
    ^bb0(%in: f32, %inb: f32, %out: f32):
      %v = arith.mulf %in, %inb : f32
      linalg.yield %v : f32
    } -> tensor<?x8x512xf32>
    fm.yield %r : tensor<?x8x512xf32>
  }
  return %1 : tensor<?x8x512xf32>
}
