//===- Synthetic.h - Made-up data for a model ----------------------------------------===//
#ifndef FM_COMPILER_DRIVER_SYNTHETIC_H
#define FM_COMPILER_DRIVER_SYNTHETIC_H

#include "compiler/driver/LiveModel.h"

namespace fm::driver {

/// One buffer for each argument of an entry: inputs and targets filled with
/// reproducible values (floats uniform in [-1, 1), indices in their range, rows
/// of probabilities where a target is one), outputs zero.
class SyntheticArguments {
public:
  SyntheticArguments(const codegen::Program &program, const codegen::Entry &entry, uint64_t seed);
  const std::vector<void *> &pointers() const { return addresses; }
  AlignedBuffer &buffer(size_t i) { return buffers[i]; }
  /// Position of the argument with a role, or -1.
  int find(codegen::EntryArgument::Role role) const;

private:
  const codegen::Entry &entry;
  std::vector<AlignedBuffer> buffers;
  std::vector<void *> addresses;
};

} // namespace fm::driver

#endif // FM_COMPILER_DRIVER_SYNTHETIC_H
