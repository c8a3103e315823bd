//===- RecordedModel.h - Models read by the recorder with the real dialect
//--===//
//
// Free of MLIR, so that tests stay quick to compile.
//
//===----------------------------------------------------------------------===//
#ifndef FM_TESTS_FRONTEND_RECORDEDMODEL_H
#define FM_TESTS_FRONTEND_RECORDEDMODEL_H

#include <string>

namespace fm::test {

struct RecordedModel {
  std::string errors; ///< as rendered; warnings, too
  std::string ir;     ///< "" if there are errors
  std::string fm;     ///< written back; "" if there are errors
};

/// Reads the text of a file called model.fm.
RecordedModel record(const std::string &text);
/// Reads a file.
RecordedModel recordFile(const std::string &path);
/// What is reported for the text.
inline std::string errorsOfModel(const std::string &text) {
  return record(text).errors;
}

} // namespace fm::test

#endif // FM_TESTS_FRONTEND_RECORDEDMODEL_H
