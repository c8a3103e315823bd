//===- RowPitch.h - Rows that do not share their cache sets -----------------------===//
//
// Caches of 64 sets of 64 bytes put lines 4096 bytes apart into one set. A
// contraction walks down the rows of its operands; with rows of 1, 2 or 4
// KiB all of what it reads competes for a few ways: up to a third more time than
// with rows one line longer (docs/decisions.md).
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_IR_ROWPITCH_H
#define FM_COMPILER_IR_ROWPITCH_H

#include <cstdint>

namespace fm {

/// Elements from one row of `length` elements to the next: `length`, or one
/// cache line more.
inline int64_t rowPitch(int64_t length, int64_t elementBytes) {
  const int64_t bytes = length * elementBytes;
  return bytes % 1024 == 0 ? length + 64 / elementBytes : length;
}

} // namespace fm

#endif // FM_COMPILER_IR_ROWPITCH_H
