//===- RecorderInterface.h - What a frontend says about a network ---------===//
//
// The calls by which the `.fm` reader, the C++ DSL and the ONNX importer record
// a network, and the values that they pass. `Recorder` is the one that builds
// `fm.model`; tests and fuzzers put their own in its place. Free of MLIR.
//
//===----------------------------------------------------------------------===//
#ifndef FM_FRONTEND_RECORDER_RECORDERINTERFACE_H
#define FM_FRONTEND_RECORDER_RECORDERINTERFACE_H

#include "frontend/recorder/Diagnostics.h"

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace fm {

enum class DType : uint8_t { F32, F64, I32, I64, Bool };
/// "f32", ...
const char *toString(DType type);

/// An integer of the language. `samples` marks the model's `batch` itself, as
/// opposed to a number that happens to be equal: as a dimension it stands for
/// the number of samples present at run time. Arithmetic drops the mark.
struct Int {
  int64_t value = 0;
  bool samples = false;
};

struct TensorType {
  DType dtype = DType::F32;
  std::vector<Int> shape;
};
/// "f32[batch, 28, 28, 1]".
std::string toString(const TensorType &type);

/// A recorded tensor. Default-constructed: the result of something that failed;
/// it is accepted everywhere and silences errors that follow from the first.
struct Tensor {
  int id = -1;
  bool isError() const { return id < 0; }
};

struct Argument;

/// A call that is an argument's value, not a tensor: `normal(stddev = 0.02)`.
struct CallValue {
  std::string name;
  std::vector<Argument> arguments;
};

/// What can be given as an argument. `Symbol` is a bare word such as `same`.
struct Symbol {
  std::string name;
};
struct Value;
using List = std::vector<Value>;
struct Value {
  std::variant<Tensor, Int, double, bool, std::string, Symbol, List,
               std::shared_ptr<CallValue>>
      data;
};

struct Argument {
  std::string name; ///< empty: positional
  Value value;
  Location location;
};

/// One op of the language, for completion, help and "did you mean".
struct OpSignature {
  struct Parameter {
    std::string name;
    std::string type; ///< "tensor", "tensor...", "int", "float", "bool",
                      ///< "pair", "ints", "init", "enum(valid|same)", ...
    std::string defaultValue; ///< as written in .fm; "" with `required`
    bool required = true;

    bool isTensor() const { return type.rfind("tensor", 0) == 0; }
    /// Takes any number of tensors.
    bool isVariadic() const { return type == "tensor..."; }
  };
  std::string name;
  std::string summary;
  std::string category; ///< "layer", "activation", "loss", "optimizer", ...
  std::vector<Parameter> parameters;
  bool isLayer = false; ///< has weights; takes `name = "..."`
};

class RecorderInterface {
public:
  virtual ~RecorderInterface() = default;

  /// Once, first. `batch`: the largest number of samples, >= 1.
  virtual void beginModel(const std::string &name, int64_t batch,
                          const Location &loc) = 0;

  virtual Tensor input(const std::string &name, const TensorType &type,
                       bool withGradient, const Location &loc) = 0;
  virtual Tensor target(const std::string &name, const TensorType &type,
                        const Location &loc) = 0;

  /// Records op `op` of the language. Layers take `name = "..."` to be named;
  /// a name used twice shares the weights. All mistakes are reported, and an
  /// error tensor is returned. A number in a tensor's place is a constant of
  /// the other operand's type.
  virtual Tensor call(const std::string &op,
                      const std::vector<Argument> &arguments,
                      const Location &loc) = 0;

  /// Names that follow are prefixed "scope.". An empty `given` numbers `base`:
  /// "encoder_1", "encoder_2"...
  virtual void pushScope(const std::string &base, const std::string &given,
                         const Location &loc) = 0;
  virtual void popScope() = 0;

  virtual void output(const std::string &name, Tensor value,
                      const Location &loc) = 0;
  virtual void loss(const std::string &name, Tensor value,
                    const Location &loc) = 0;
  virtual void metric(const std::string &name, Tensor value,
                      const Location &loc) = 0;
  /// `train adam(lr = 1e-3)`: optimizers are ops of category "optimizer".
  virtual void train(const std::string &optimizer,
                     const std::vector<Argument> &arguments,
                     const Location &loc) = 0;
  /// `train only head.*, *.bias`: all other parameters are frozen. A pattern
  /// that matches nothing is an error when the model ends.
  virtual void trainOnly(const std::string &pattern, const Location &loc) = 0;
  /// Ends the model: checks that need the whole of it. False if anything has
  /// been reported as an error since the beginning.
  virtual bool endModel(const Location &loc) = 0;

  /// Type of a recorded tensor; must not be an error tensor.
  virtual TensorType typeOf(Tensor tensor) const = 0;

  /// Every op of the language, by name.
  virtual const std::vector<OpSignature> &ops() const = 0;

  virtual Diagnostics &diagnostics() = 0;
};

} // namespace fm

#endif // FM_FRONTEND_RECORDER_RECORDERINTERFACE_H
