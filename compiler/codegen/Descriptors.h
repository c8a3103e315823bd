//===- Descriptors.h - Whole strings through file descriptors -------------===//
#ifndef FM_COMPILER_CODEGEN_DESCRIPTORS_H
#define FM_COMPILER_CODEGEN_DESCRIPTORS_H

#include <string>

namespace fm::codegen {

/// False if not all of it could be written.
bool writeAll(int fd, const std::string &bytes);

/// From the present position to the end; what there is, if reading fails.
std::string readAll(int fd);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_DESCRIPTORS_H
