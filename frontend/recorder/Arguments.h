//===- Arguments.h - Argument values to attributes
//--------------------------===//
//
// A value that a user gave, or a default as written in a signature, becomes the
// attribute that the op's parameter wants; or a message says what was expected.
//
//===----------------------------------------------------------------------===//
#ifndef FM_FRONTEND_RECORDER_ARGUMENTS_H
#define FM_FRONTEND_RECORDER_ARGUMENTS_H

#include "frontend/recorder/Recorder.h"

#include "mlir/IR/Attributes.h"
#include "mlir/IR/MLIRContext.h"

namespace fm {

/// The attribute for parameter type `type`; null, and `message` set, if the
/// value does not fit.
mlir::Attribute convertArgument(mlir::MLIRContext *context,
                                const std::string &type, const Value &value,
                                std::string &message);

/// A default's text as a value: "1", "0.5", "true", "valid", "glorot_uniform".
Value parseDefault(const std::string &text);

/// The initializers, as signatures of category "initializer".
std::vector<OpSignature> initializerSignatures();

/// What was given, for messages: "the number 0.5", "the word same".
std::string describeValue(const Value &value);

} // namespace fm

#endif // FM_FRONTEND_RECORDER_ARGUMENTS_H
