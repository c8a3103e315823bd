//===- Synthetic.cpp - Made-up data for a model ---------------------------------------===//

#include "compiler/driver/Synthetic.h"

namespace fm::driver {

using codegen::EntryArgument;
using codegen::ScalarType;

/// splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
static uint64_t nextRandom(uint64_t &state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

static void fill(AlignedBuffer &buffer, const EntryArgument &argument, uint64_t state) {
  int64_t count = int64_t(buffer.size()) / codegen::sizeOf(argument.type);
  // Targets lie in [0, 1): valid for every loss, probabilities included.
  bool target = argument.role == EntryArgument::Role::Target;
  for (int64_t i = 0; i < count; ++i) {
    uint64_t bits = nextRandom(state);
    double unit = double(bits >> 11) * 0x1p-53;
    double number = target ? unit : 2 * unit - 1;
    int64_t index = int64_t(bits >> 1) % std::max<int64_t>(1, argument.indexBound ? argument.indexBound : 2);
    switch (argument.type) {
    case ScalarType::F32: buffer.as<float>()[i] = float(number); break;
    case ScalarType::F64: buffer.as<double>()[i] = number; break;
    case ScalarType::I32: buffer.as<int32_t>()[i] = int32_t(index); break;
    case ScalarType::I64: buffer.as<int64_t>()[i] = index; break;
    case ScalarType::I8:
    case ScalarType::I1: buffer.as<int8_t>()[i] = int8_t(index & 1); break;
    }
  }
}

SyntheticArguments::SyntheticArguments(const codegen::Program &program, const codegen::Entry &entry, uint64_t seed)
    : entry(entry) {
  for (size_t i = 0; i < entry.arguments.size(); ++i) {
    const EntryArgument &argument = entry.arguments[i];
    int64_t bytes = codegen::sizeOf(argument.type);
    for (const codegen::Extent &extent : argument.shape)
      bytes *= extent.size;
    if (argument.role == EntryArgument::Role::Gradients)
      bytes = program.parameterBytes;
    buffers.emplace_back(size_t(bytes));
    if (!argument.isOutput && argument.role != EntryArgument::Role::Gradients)
      fill(buffers.back(), argument, seed + i);
    addresses.push_back(buffers.back().data());
  }
}

int SyntheticArguments::find(EntryArgument::Role role) const {
  for (size_t i = 0; i < entry.arguments.size(); ++i)
    if (entry.arguments[i].role == role)
      return int(i);
  return -1;
}

} // namespace fm::driver
