//===- Program.h - A compiled model in plain structs --------------------------===//
//
// Everything that the object and the header are written from, collected once
// from the IR: the persistent tensors, the kernels, and for each entry the calls
// of kernels with the places of what they read and write. The writers of the
// object, of the header and of reports see these structs only.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_PROGRAM_H
#define FM_COMPILER_CODEGEN_PROGRAM_H

#include "compiler/codegen/KernelSpec.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace fm::codegen {

/// Numbers are those of fm_kind.
enum class TensorKind : uint8_t { Parameter = 0, Optimizer = 1, State = 2 };

/// One persistent tensor; see fm_tensor.
struct PersistentTensor {
  std::string name;
  ScalarType type = ScalarType::F32;
  TensorKind kind = TensorKind::Parameter;
  bool trained = false;
  std::vector<int64_t> shape;
  std::vector<PhysicalDim> dims; ///< how it lies in memory
  int64_t offset = 0;            ///< bytes, in the instance's memory
  int64_t bytes = 0;
  int initializer = 0; ///< fm_initializer
  double initA = 0, initB = 0;
  int64_t fanIn = 0, fanOut = 0;
};

/// One argument of an entry's prototype; see fm_argument.
struct EntryArgument {
  enum class Role : uint8_t { Input, Target, Output, Loss, Metric, InputGradient, Gradients };
  std::string name;
  Role role = Role::Input;
  ScalarType type = ScalarType::F32;
  std::vector<Extent> shape; ///< empty for Gradients
  int64_t indexBound = 0;    ///< > 0: integers in [0, indexBound)
  bool isOutput = false;
};

/// Where a kernel finds or puts a tensor.
struct TensorPlace {
  enum class Space : uint8_t {
    Persistent, ///< offset in the instance's memory
    Derived,    ///< offset in the memory of what is kept between calls
    Arena,      ///< offset in the arena
    Argument,   ///< argument `index` of the entry, at an offset
    Constant,   ///< constant `index` of the program
    Scratch,    ///< only while a program is built
  } space = Space::Arena;
  unsigned index = 0;
  int64_t offset = 0; ///< bytes
};

struct KernelCall {
  unsigned kernel = 0;
  std::vector<TensorPlace> places; ///< inputs, then outputs, as the kernel's pointers
  /// What the user wrote: "model.fm:7:15", for reports.
  std::string location;
  /// Calls of one number, one behind the other, may take turns sample by sample;
  /// -1: this one may not.
  int chain = -1;
  /// Per place, in a chain: bytes from one sample to the next, 0 for what samples
  /// share.
  std::vector<int64_t> samplePitches;
  /// Per place: it is written and read within one chain only, so that samples of
  /// one task may follow each other in the same memory.
  std::vector<bool> passing;
  /// In a chain: calls of one number, one behind the other, go strip by strip through
  /// one sample, so many strips; -1 and 1: this one does not.
  int stripRun = -1;
  int64_t strips = 1;
  /// Per place: bytes from one strip to the next, 0 for what strips share.
  std::vector<int64_t> stripPitches;

  /// One of the times that it runs.
  struct Turn {
    int64_t first = 0; ///< sample
    int64_t count = 1; ///< of samples
    int64_t strip = 0;
  };
  /// What its kernel gets as n: the number of samples, or that of the strip.
  int64_t number(const Turn &turn) const { return strips > 1 ? turn.strip : turn.count; }
  /// Its pointers for a turn, in the first task.
  std::vector<void *> at(const Turn &turn, std::vector<void *> pointers) const {
    for (size_t i = 0; i < samplePitches.size(); ++i)
      pointers[i] = static_cast<char *>(pointers[i]) + (passing[i] ? 0 : turn.first) * samplePitches[i];
    for (size_t i = 0; i < stripPitches.size(); ++i)
      pointers[i] = static_cast<char *>(pointers[i]) + turn.strip * stripPitches[i];
    return pointers;
  }
};

/// The end of the run of strips that begins with `calls[first]`; a call alone is one, too.
template <typename Calls> size_t stripsEnd(const Calls &calls, size_t first) {
  size_t end = first + 1;
  while (calls[first].strips > 1 && end < calls.size() && calls[end].stripRun == calls[first].stripRun)
    ++end;
  return end;
}

struct Entry {
  std::string name; ///< "train_step"
  bool takesSamples = true;
  bool advancesStep = false;  ///< the update count goes up by one
  bool advancesDraws = false; ///< so does the count of training passes
  double flops = 0;           ///< of its contractions, for a full batch: the textbook's
  uint32_t needs = 0;         ///< groups of derived tensors, a bit each
  uint32_t outdates = 0;      ///< those whose sources it writes
  std::vector<EntryArgument> arguments;
  std::vector<KernelCall> calls;
  /// The end of the chain that begins with call `first`; a call alone is one, too.
  size_t chainEnd(size_t first) const {
    size_t end = first + 1;
    while (calls[first].chain >= 0 && end < calls.size() && calls[end].chain == calls[first].chain)
      ++end;
    return end;
  }
};

/// A call that makes something from persistent tensors alone. It runs before an entry
/// that needs its group, if a source has changed since it last ran.
struct Derivation {
  KernelCall call;
  unsigned group = 0; ///< of those that the same entries put out of date
};

struct ConstantData {
  std::string bytes;
};

struct Program {
  std::string name;   ///< of the model
  std::string source; ///< file it was read from, for comments
  int64_t batch = 1;
  // Of chains: so many samples a call has at most, and a share (see ChainEmitter), a
  // multiple of it.
  int64_t samplesAtOnce = 1, samplesInShare = 1;
  std::vector<PersistentTensor> tensors; ///< by offset
  int64_t persistentBytes = 0;
  int64_t parameterBytes = 0; ///< the trained parameters' part, from offset 0
  int64_t derivedBytes = 0;   ///< behind it, and before the arena
  int64_t arenaBytes = 0;
  uint64_t fingerprint = 0;
  /// Indices into `tensors`, or -1.
  int learningRate = -1, step = -1, seed = -1, draws = -1;
  std::vector<ConstantData> constants;
  std::vector<KernelSpec> kernels;
  std::vector<Entry> entries;
  std::vector<Derivation> derivations; ///< in an order in which they can run

  /// The order in which one thread takes calls that are a chain, or one alone, for n
  /// samples: visit(number of the call, turn).
  template <typename Visit> void forEachTurn(std::span<const KernelCall> calls, int64_t n, Visit &&visit) const {
    const int64_t atOnce = calls.size() > 1 ? samplesAtOnce : n;
    for (int64_t first = 0; first < n; first += atOnce)
      for (size_t k = 0, end = 0; k < calls.size(); k = end) {
        end = stripsEnd(calls, k);
        for (int64_t strip = 0; strip < calls[k].strips; ++strip)
          for (size_t each = k; each < end; ++each)
            visit(each, KernelCall::Turn{first, std::min(atOnce, n - first), strip});
      }
  }

  int64_t arenaBegin() const { return persistentBytes + derivedBytes; }
  int64_t memoryBytes() const { return arenaBegin() + arenaBytes; }
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_PROGRAM_H
