//===- Recording.h - A model of the DSL while it is recorded
//----------------===//
//
// Private to frontend/dsl. Between the DSL's types (fm::dsl) and the recorder's
// (fm): a name that both have means the DSL's here unless it is written fm::.
//
//===----------------------------------------------------------------------===//
#ifndef FM_FRONTEND_DSL_RECORDING_H
#define FM_FRONTEND_DSL_RECORDING_H

#include "frontend/recorder/Recorder.h"

#include <fm/dsl.h>

#include <optional>

namespace fm {
namespace dsl {
namespace detail {

struct Recording {
  explicit Recording(const Location &where)
      : recorder(std::make_unique<Recorder>(diagnostics)), where(where) {}

  static Location locate(const Where &where) {
    return {where.file_name(), where.line(), where.column(), 1};
  }

  /// False, and an error, if the model has ended.
  bool isOpen(const Where &where);
  /// The whole model's checks, once. False if there are errors.
  bool end();
  /// Text of the diagnostics, and whether they hold no errors.
  Result result() const {
    return {!diagnostics.hasErrors(), diagnostics.render(false)};
  }

  /// The recorder's tensor; an error tensor, and an error, for one of another
  /// model or of none. `what` says which it is.
  fm::Tensor take(const Tensor &tensor, const std::string &what,
                  const Where &where);
  /// Nothing if it was not given.
  std::optional<fm::Value> convert(const Value &value, const std::string &what,
                                   const Where &where);
  std::vector<fm::Argument> convert(const std::vector<Argument> &arguments,
                                    const std::string &op, const Where &where);

  static Tensor call(const std::string &op,
                     const std::vector<Argument> &arguments,
                     const Where &where);
  static Tensor wrap(const std::shared_ptr<Recording> &recording,
                     fm::Tensor tensor, const std::string &op);
  static const std::shared_ptr<Recording> &of(const Tensor &tensor) {
    return tensor.recording;
  }
  static int idOf(const Tensor &tensor) { return tensor.id; }
  static Tensor operation(const char *op, const char *first, const Operand &a,
                          const char *second, const Operand *b);
  static Tensor apply(const Tensor &x, const Stage &stage);
  static TensorType typeOf(const Tensor &tensor);
  static Scope enter(const std::shared_ptr<Recording> &recording,
                     const std::string &base, const std::string &name,
                     const Where &where);
  static Int makeInt(fm::Int value) { return {value.value, value.samples}; }
  static fm::Int takeInt(Int value) { return {value.number, value.marked}; }

  Diagnostics diagnostics;
  std::unique_ptr<Recorder> recorder;
  Location where; ///< of the model
  int64_t batch = 1;
  std::vector<std::string> ops; ///< that made a tensor, by its number
  bool ended = false;
};

} // namespace detail
} // namespace dsl
} // namespace fm

#endif // FM_FRONTEND_DSL_RECORDING_H
