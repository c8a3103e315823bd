//===- WriteValues.h - Numbers and arguments as `.fm` text ----------------===//
#ifndef FM_FRONTEND_RECORDER_WRITEVALUES_H
#define FM_FRONTEND_RECORDER_WRITEVALUES_H

#include <string>

#include "mlir/IR/Attributes.h"

namespace fm {

/// A number as the shortest text that reads as the same one.
std::string numberText(mlir::Attribute value);

/// In quotes.
std::string stringText(llvm::StringRef value);

/// An argument of parameter type `type` (OpSignature::Parameter), as a user
/// would write it.
std::string attributeText(const std::string &type, mlir::Attribute value);

} // namespace fm

#endif // FM_FRONTEND_RECORDER_WRITEVALUES_H
