//===- Live.h - Compiled models in tests
//-----------------------------------===//
//
// A model's text, compiled by one of the backends and called by the names in
// it. Numbers go in and come out as double, whatever the model's dtypes. Every
// buffer has exactly the size that the header asks for and lies beside a page
// without access; fresh memory is full of NaNs.
//
//===----------------------------------------------------------------------===//
#ifndef FM_TESTS_SUPPORT_LIVE_H
#define FM_TESTS_SUPPORT_LIVE_H

#include "compiler/driver/LiveModel.h"
#include "tests/support/GuardedMemory.h"

#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

namespace fm::test {

using Numbers = std::vector<double>;

/// A way to compile.
struct Variant {
  std::string backend = "halide"; ///< or "reference"
  bool fuse = true;
  bool widen = false; ///< f32 becomes f64
  std::vector<std::string> defines = {};
  bool layout = true;
  bool exact = false;
  bool winograd = true;
  bool chains = true;
  bool derive = true;
  bool asserts = false;
  std::string tuneFile = {};
  std::string cpu = {}; ///< "": this machine's

  /// "halide_f32", "halide_unfused_f64", "halide_unlaid_f32"...
  std::string name() const;
  friend std::ostream &operator<<(std::ostream &out, const Variant &v) {
    return out << v.name();
  }
};

/// What is compiled for a variant: all else being equal, without what the
/// environment turns off. FMC_TEST_OPTION names an option of fmc, without
/// dashes: no-fuse, no-layout, no-winograd, no-chains, no-derive, or exact.
/// Throws std::runtime_error where it is anything else.
Variant inEnvironment(Variant variant);

/// Code, without weights: several networks may share it.
using Code = std::shared_ptr<driver::LiveModel>;

/// Throws std::runtime_error with what the compiler said.
Code compile(const std::string &text, const Variant &variant = {});
Code compileFile(const std::string &path, const Variant &variant = {});

/// One instance of a model.
class Network {
public:
  explicit Network(Code code, uint64_t seed = 1, Guard guard = Guard::Behind);
  explicit Network(const std::string &text, const Variant &variant = {},
                   uint64_t seed = 1)
      : Network(compile(text, variant), seed) {}
  Network(const Network &) = delete;
  Network &operator=(const Network &) = delete;

  /// The value of an input or target, for all coming calls; what it has beyond
  /// the samples of a call is not shown to the model.
  void set(const std::string &name, Numbers values);

  /// Calls an entry with n samples. `call` expects success.
  fm_status tryCall(const std::string &entry, int64_t n);
  void call(const std::string &entry, int64_t n);

  /// A result of the last call: an output, "loss", a metric, "x_gradient".
  Numbers get(const std::string &name) const;
  double scalar(const std::string &name) const { return get(name).at(0); }

  /// Persistent tensors, and parameters' gradients of the last `gradients`.
  Numbers tensor(const std::string &name);
  void setTensor(const std::string &name, const Numbers &values);
  Numbers gradient(const std::string &name);
  void setGradient(const std::string &name, const Numbers &values);
  /// The whole buffer of the last `gradients`, which apply_gradients reads.
  GuardedMemory &grads() { return gradients; }

  /// Everything that lasts between calls, bit by bit.
  std::string state() const;
  /// Only what training changes: parameters and optimizer state.
  std::string weights() const;

  const codegen::Program &program() const { return code->program(); }
  const fm_model &model() const { return *self.model; }
  fm_instance *instance() { return &self; }
  std::string message() const { return fm_message(&self); }

  /// Calls with any pointers at all.
  fm_status callRaw(const std::string &entry, int64_t n,
                    const std::vector<void *> &arguments);

private:
  const codegen::PersistentTensor &find(const std::string &name) const;

  Code code;
  Guard guard;
  GuardedMemory memory, gradients;
  fm_instance self = {};
  std::map<std::string, Numbers> values;
  std::map<std::string, std::pair<codegen::ScalarType, GuardedMemory>> results;
};

/// Elements as doubles, and back.
Numbers toNumbers(codegen::ScalarType type, const void *data, size_t count);
void fromNumbers(codegen::ScalarType type, const Numbers &numbers, void *data);

/// Numbers in [-1, 1), the same for the same seed; exact in f32.
Numbers someNumbers(size_t count, uint64_t seed);
/// Integers in [0, bound).
Numbers someIndices(size_t count, int bound, uint64_t seed);

/// Each |actual - expected| <= tolerance * (largest of 1 and |expected| in the
/// tensor): what rounding of sums amounts to. "" or what is wrong.
std::string difference(const Numbers &actual, const Numbers &expected,
                       double tolerance);

} // namespace fm::test

#define EXPECT_NUMBERS(actual, expected, tolerance)                            \
  EXPECT_EQ(::fm::test::difference(actual, expected, tolerance), "")

#endif // FM_TESTS_SUPPORT_LIVE_H
