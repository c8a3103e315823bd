//===- HeaderWriter.h - The generated C header ----------------------------------===//
#ifndef FM_COMPILER_CODEGEN_HEADERWRITER_H
#define FM_COMPILER_CODEGEN_HEADERWRITER_H

#include "compiler/codegen/Program.h"

#include <string>

namespace fm::codegen {

/// The header of a model, in the model's own names: C99 and C++17 clean under
/// -Wall -Wextra -Werror -pedantic, with a RAII class for C++.
std::string writeHeader(const Program &program);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_HEADERWRITER_H
