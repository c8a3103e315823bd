//===- Recorder.h - The one way by which a network enters the compiler ----===//
//
// The `.fm` reader, the C++ DSL and the ONNX importer all drive this class. It
// knows the language's ops from the dialect (names, arguments, defaults), makes
// the parameters that layers need, infers types, and reports every mistake at
// the caller's location. This header is free of MLIR.
//
//===----------------------------------------------------------------------===//
#ifndef FM_FRONTEND_RECORDER_RECORDER_H
#define FM_FRONTEND_RECORDER_RECORDER_H

#include "frontend/recorder/RecorderInterface.h"

namespace fm {

class Recorder final : public RecorderInterface {
public:
  explicit Recorder(Diagnostics &diagnostics);
  ~Recorder() override;
  Recorder(const Recorder &) = delete;
  Recorder &operator=(const Recorder &) = delete;

  void beginModel(const std::string &name, int64_t batch,
                  const Location &loc) override;
  Tensor input(const std::string &name, const TensorType &type,
               bool withGradient, const Location &loc) override;
  Tensor target(const std::string &name, const TensorType &type,
                const Location &loc) override;
  Tensor call(const std::string &op, const std::vector<Argument> &arguments,
              const Location &loc) override;
  void pushScope(const std::string &base, const std::string &given,
                 const Location &loc) override;
  void popScope() override;
  void output(const std::string &name, Tensor value,
              const Location &loc) override;
  void loss(const std::string &name, Tensor value,
            const Location &loc) override;
  void metric(const std::string &name, Tensor value,
              const Location &loc) override;
  void train(const std::string &optimizer,
             const std::vector<Argument> &arguments,
             const Location &loc) override;
  void trainOnly(const std::string &pattern, const Location &loc) override;
  bool endModel(const Location &loc) override;
  TensorType typeOf(Tensor tensor) const override;
  const std::vector<OpSignature> &ops() const override { return signatures(); }
  Diagnostics &diagnostics() override;

  /// Every op of the language, by name.
  static const std::vector<OpSignature> &signatures();
  /// Null if there is no such op.
  static const OpSignature *findSignature(std::string_view op);

  struct Impl;
  /// The IR side, for the driver (see RecorderImpl.h).
  Impl &impl() { return *state; }

private:
  std::unique_ptr<Impl> state;
};

} // namespace fm

#endif // FM_FRONTEND_RECORDER_RECORDER_H
