//===- fm/dsl.h - Networks recorded in C++
//----------------------------------===//
//
// The language of `.fm` files as C++20: the same ops with the same arguments,
// defaults and errors, recorded by functions, then saved as `.fm` or compiled
// to an object and a header. docs/dsl.md is the manual.
//
//   fm::Model m("mlp", {.batch = 64});
//   auto image = m.input("image", fm::f32, {m.batch(), 784});
//   auto label = m.target("label", fm::i32, {m.batch()});
//   auto logits = fm::dense(fm::relu(fm::dense(image, 512)), 10);
//   m.output("probs", fm::softmax(logits));
//   m.loss(fm::cross_entropy(logits, label));
//   m.train(fm::adam({.lr = 1e-3}));
//   if (auto result = m.compile("out"); !result)
//     std::cerr << result.text();
//
// Errors. A mistake is kept, with the place of the call in the user's source,
// and an error tensor comes back, which every function accepts in silence: all
// mistakes are found in one run. Nothing throws (but for lack of memory). What
// check(), save() and compile() return says whether there were any.
//
// Link with the library fmDsl, built by the same compiler and standard library.
//
//===----------------------------------------------------------------------===//
#ifndef FM_DSL_H
#define FM_DSL_H

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <source_location>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#define FM_DSL_API __attribute__((visibility("default")))

namespace fm {
namespace dsl {

/// Where the user's call is.
using Where = std::source_location;

enum class DType { F32, F64, I32, I64, Bool };
inline constexpr DType f32 = DType::F32, f64 = DType::F64, i32 = DType::I32,
                       i64 = DType::I64, boolean = DType::Bool;

template <typename T>
concept Integer = std::integral<T> && !std::same_as<T, bool>;

namespace detail {
struct Recording;
}

/// An integer. `Model::batch()` is marked: as a dimension it stands for the
/// number of samples present at run time. Arithmetic gives plain numbers.
class Int {
public:
  constexpr Int(Integer auto value) : number(int64_t(value)) {}
  constexpr operator int64_t() const { return number; }
  constexpr bool isBatch() const { return marked; }

private:
  friend struct detail::Recording;
  constexpr Int(int64_t value, bool marked) : number(value), marked(marked) {}
  int64_t number;
  bool marked = false;
};

/// A word of the language, such as `fm::same`.
struct Word {
  const char *text;
};

/// Height and width: one number for both, or `{3, 5}`.
class Pair {
public:
  Pair() = default; ///< not given
  Pair(Int both) : values{both} {}
  Pair(Integer auto both) : values{both} {}
  Pair(Int height, Int width) : values{height, width} {}
  const std::vector<Int> &list() const { return values; }

private:
  std::vector<Int> values;
};

/// A list of integers: a shape, a permutation.
class Ints {
public:
  Ints() = default;
  Ints(std::initializer_list<Int> values) : values(values) {}
  template <std::convertible_to<Int> T>
  Ints(const std::vector<T> &values) : values(values.begin(), values.end()) {}
  const std::vector<Int> &list() const { return values; }

private:
  std::vector<Int> values;
};

/// One axis, a list of them, or `fm::all`.
class Axes {
public:
  Axes(Word word) : word(word) {}
  Axes(Integer auto axis) : values{axis} {}
  Axes(std::initializer_list<Int> axes) : values(axes) {}
  Word asWord() const { return word; }
  const std::vector<Int> &list() const { return values; }

private:
  Word word{nullptr};
  std::vector<Int> values;
};

/// `fm::valid`, `fm::same`, one number for height and width, or `{1, 2}`.
class Padding {
public:
  Padding(Word word) : word(word) {}
  Padding(Integer auto both) : values{both} {}
  Padding(Int height, Int width) : values{height, width} {}
  Word asWord() const { return word; }
  const std::vector<Int> &list() const { return values; }

private:
  Word word{nullptr};
  std::vector<Int> values;
};

/// How a parameter starts: `fm::zeros`, `fm::normal({.stddev = 0.02})`.
struct Init {
  const char *name;
  struct Argument {
    const char *name = nullptr;
    double value = 0;
  } arguments[2] = {};
};

class Tensor;
class Operand;
class Scope;
class Stage;

namespace detail {
using Value =
    std::variant<std::monostate, Tensor, Operand, std::vector<Tensor>, Int,
                 double, bool, std::string, Word, std::vector<Int>, Init>;
struct Argument;
} // namespace detail

/// A value of the network; cheap to copy. A default-constructed one belongs to
/// no model, and using it is an error.
class Tensor {
public:
  Tensor() = default;

  /// False for the result of a mistake.
  FM_DSL_API bool isValid() const;
  /// Empty for an error tensor.
  FM_DSL_API std::vector<Int> shape() const;
  FM_DSL_API DType dtype() const;
  /// An extent; `dim(-1)` is the last one. 1 for an error tensor.
  FM_DSL_API Int dim(int axis, Where where = Where::current()) const;
  /// The same as Model::scope, for functions that are blocks.
  [[nodiscard]] FM_DSL_API Scope scope(const std::string &base,
                                       const std::string &name = "",
                                       Where where = Where::current()) const;

  // The ops add, sub, mul, div and neg, with broadcasting; a number takes the
  // other side's dtype.
  FM_DSL_API friend Tensor operator+(const Operand &a, const Operand &b);
  FM_DSL_API friend Tensor operator-(const Operand &a, const Operand &b);
  FM_DSL_API friend Tensor operator*(const Operand &a, const Operand &b);
  FM_DSL_API friend Tensor operator/(const Operand &a, const Operand &b);
  FM_DSL_API friend Tensor operator-(const Operand &x);

  /// `x | fm::conv2d(32, 3) | fm::relu()`.
  FM_DSL_API friend Tensor operator|(const Tensor &x, const Stage &stage);
  /// `x | encoder`: any function of a tensor.
  template <std::invocable<const Tensor &> Function>
  friend auto operator|(const Tensor &x, Function &&function) {
    return std::invoke(std::forward<Function>(function), x);
  }

private:
  friend struct detail::Recording;
  std::shared_ptr<detail::Recording> recording;
  int id = -1;
};

/// A tensor, or a number in a tensor's place; knows where it was written.
class Operand {
public:
  Operand(const Tensor &tensor, Where where = Where::current())
      : value(tensor), where(where) {}
  Operand(Integer auto number, Where where = Where::current())
      : value(Int(number)), where(where) {}
  Operand(std::floating_point auto number, Where where = Where::current())
      : value(double(number)), where(where) {}

private:
  friend struct detail::Recording;
  std::variant<Tensor, Int, double> value;
  Where where;
};

namespace detail {
struct Argument {
  const char *name;
  Value value;
};
/// Records an op. Its model is that of its tensors.
FM_DSL_API Tensor call(const char *op, const std::vector<Argument> &arguments,
                       Where where);

inline Value value(const Pair &pair) {
  return pair.list().empty() ? Value() : Value(pair.list());
}
inline Value value(const Ints &list) { return list.list(); }
inline Value value(const Axes &axes) {
  return axes.asWord().text ? Value(axes.asWord()) : Value(axes.list());
}
inline Value value(const Padding &padding) {
  return padding.asWord().text ? Value(padding.asWord())
                               : Value(padding.list());
}
template <typename T> Value value(const T &other) { return Value(other); }
} // namespace detail

/// An op without its first tensor, which comes through `|`.
class Stage {
public:
  Stage(const char *op, const char *first, std::vector<detail::Argument> others,
        Where where)
      : op(op), first(first), others(std::move(others)), where(where) {}

private:
  friend struct detail::Recording;
  const char *op, *first;
  std::vector<detail::Argument> others;
  Where where;
};

/// `fm::adam({.lr = 1e-3})`, for Model::train.
struct Optimizer {
  const char *name;
  std::vector<detail::Argument> arguments;
};

/// While it lives, the names of layers begin with its name: the body of a
/// block.
class [[nodiscard]] Scope {
public:
  FM_DSL_API ~Scope();
  Scope(const Scope &) = delete;
  Scope &operator=(const Scope &) = delete;

private:
  friend struct detail::Recording;
  explicit Scope(std::shared_ptr<detail::Recording> recording)
      : recording(std::move(recording)) {}
  std::shared_ptr<detail::Recording> recording;
};

/// Whether something worked, and what fmc has to say about it.
class [[nodiscard]] Result {
public:
  Result(bool good, std::string report)
      : good(good), report(std::move(report)) {}
  explicit operator bool() const { return good; }
  /// Errors and warnings as fmc prints them, with the lines of the source they
  /// point into; "" if there are none.
  const std::string &text() const { return report; }

private:
  bool good;
  std::string report;
};

struct ModelOptions {
  Int batch = 1; ///< the largest number of samples
};

struct InputOptions {
  bool with_gradient = false; ///< the application also gets its gradient
};

/// The options of `fmc compile`, with its defaults.
struct CompileOptions {
  std::string target = "";        ///< triple; "": this machine's
  std::string cpu = "native";     ///< as in clang's -mcpu
  int opt_level = 3;              ///< 0 to 3
  std::string backend = "halide"; ///< or "reference"
  bool fuse = true;
  bool exact = false;   ///< no transformation that rounds differently
  unsigned threads = 0; ///< that compile; 0: one a core
  std::string tune_file = ""; ///< what `fmc tune` kept of the saved model
};

/// A network being recorded.
class Model {
public:
  FM_DSL_API explicit Model(const std::string &name, ModelOptions options = {},
                            Where where = Where::current());
  Model(Model &&) = default;
  Model &operator=(Model &&) = default;

  /// As a dimension: the number of samples present.
  FM_DSL_API Int batch() const;

  /// What the application passes in.
  FM_DSL_API Tensor input(const std::string &name, DType dtype,
                          const Ints &shape, InputOptions options = {},
                          Where where = Where::current());
  /// What the model shall learn to produce.
  FM_DSL_API Tensor target(const std::string &name, DType dtype,
                           const Ints &shape, Where where = Where::current());

  /// A result of `forward`.
  FM_DSL_API void output(const std::string &name, const Tensor &value,
                         Where where = Where::current());
  /// The scalar that training makes smaller.
  FM_DSL_API void loss(const Tensor &value, Where where = Where::current());
  FM_DSL_API void loss(const std::string &name, const Tensor &value,
                       Where where = Where::current());
  /// A scalar that evaluation reports; named after its op if not otherwise.
  FM_DSL_API void metric(const Tensor &value, Where where = Where::current());
  FM_DSL_API void metric(const std::string &name, const Tensor &value,
                         Where where = Where::current());
  /// How the parameters are updated.
  FM_DSL_API void train(const Optimizer &optimizer,
                        Where where = Where::current());
  /// Freezes all parameters that match no pattern: "head.*", "**.bias".
  FM_DSL_API void train_only(const std::vector<std::string> &patterns,
                             Where where = Where::current());

  /// Names in it begin with "base_1.", "base_2.", ..., or with `name`. The same
  /// name twice is the same weights.
  FM_DSL_API Scope scope(const std::string &base, const std::string &name = "",
                         Where where = Where::current());

  /// False if there was a mistake so far.
  FM_DSL_API bool ok() const;
  /// All mistakes so far, as fmc prints them.
  FM_DSL_API std::string errors() const;

  // These end the model: recording after them is an error. They may be called
  // several times and in any order.

  /// All checks, those of the whole model included.
  FM_DSL_API Result check();
  /// Writes a `.fm` file that records the same model.
  FM_DSL_API Result save(const std::string &path);
  /// Writes NAME.o and NAME.h into a folder, which is made if need be; both or
  /// neither.
  FM_DSL_API Result compile(const std::string &folder,
                            const CompileOptions &options = {});
  /// What save() writes; "" if there are errors.
  FM_DSL_API std::string text();
  /// The recorded IR, as `fmc compile --emit=model` prints it; "" if there are
  /// errors.
  FM_DSL_API std::string ir();

private:
  std::shared_ptr<detail::Recording> recording;
};

} // namespace dsl

using namespace dsl;

} // namespace fm

// The ops, generated from the compiler's own table of them.
#include <fm/dsl_ops.h>

#endif // FM_DSL_H
