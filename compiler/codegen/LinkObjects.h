//===- LinkObjects.h - One relocatable object out of several --------------===//
#ifndef FM_COMPILER_CODEGEN_LINKOBJECTS_H
#define FM_COMPILER_CODEGEN_LINKOBJECTS_H

#include <string>
#include <vector>

namespace fm::codegen {

/// Links ELF objects, which may use each other's symbols, to one that is an
/// object still, by lld and in memory. Of its own symbols only `publicSymbols`
/// stay visible to others. Equal objects in equal order give equal bytes.
/// Several threads may call it; they take turns. An error message, or "" with
/// the object appended to `out`.
std::string linkObjects(const std::vector<std::string> &objects,
                        const std::vector<std::string> &publicSymbols,
                        std::string &out);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_LINKOBJECTS_H
