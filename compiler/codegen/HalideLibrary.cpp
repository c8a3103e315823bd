//===- HalideLibrary.cpp - What fmc changes of libHalide ------------------===//
#include "compiler/codegen/HalideLibrary.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <unordered_map>

#include <Halide.h>

namespace fm::codegen {

namespace {

/// How often each name was asked for.
struct Names {
  std::mutex mutex;
  std::unordered_map<std::string, unsigned> given;

  unsigned next(const std::string &name) {
    std::lock_guard<std::mutex> lock(mutex);
    return given[name]++;
  }
};

Names &names() {
  static Names all;
  return all;
}

} // namespace

void restartHalideNames() {
  std::lock_guard<std::mutex> lock(names().mutex);
  names().given.clear();
}

bool halideNamesRestart() {
  static const bool ours = [] {
    const Halide::Func probe("fm_probe");
    std::lock_guard<std::mutex> lock(names().mutex);
    return names().given.count("fm_probe") != 0;
  }();
  return ours;
}

} // namespace fm::codegen

extern "C" {

/// Halide's LLVM 14 would optimise every kernel, and with it the part of
/// Halide's runtime that it links to each, for LLVM 19 to do it again.
void fmKeepUnoptimised(void *) asm(
    "_ZN6Halide8Internal12CodeGen_LLVM15optimize_moduleEv");
void fmKeepUnoptimised(void *) {}
}

// Names as Halide's own: a letter and a number, or a name that the first who
// asks gets as it is, unless it might be one of the others.
namespace Halide::Internal {

std::string unique_name(char prefix) {
  return prefix + std::to_string(fm::codegen::names().next({prefix}));
}

std::string unique_name(const std::string &prefix) {
  std::string name = prefix;
  std::replace(name.begin(), name.end(), '$', '_');
  const unsigned number = fm::codegen::names().next(name);
  const bool likeLetter =
      name.find_first_not_of("0123456789", 1) == std::string::npos;
  if (number == 0 && !likeLetter && name == prefix)
    return prefix;
  return name + "$" + std::to_string(number);
}

} // namespace Halide::Internal
