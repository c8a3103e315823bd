//===- ReservedNames.h - Names that a generated header cannot use
//------------===//
#ifndef FM_FRONTEND_RECORDER_RESERVEDNAMES_H
#define FM_FRONTEND_RECORDER_RESERVEDNAMES_H

#include "llvm/ADT/StringRef.h"

namespace fm {

/// What the name means in C or C++ already ("a reserved word of C or C++"), so
/// that no argument of a function can have it; empty if one can.
llvm::StringRef reservedForArguments(llvm::StringRef name);

/// The same for a model, which is a type of C and a class of C++.
llvm::StringRef reservedForModels(llvm::StringRef name);

} // namespace fm

#endif // FM_FRONTEND_RECORDER_RESERVEDNAMES_H
