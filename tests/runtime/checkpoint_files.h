//===- checkpoint_files.h - Checkpoints for tests ---------------*- C++ -*-===//
//
// Safetensors files put together from a header's text: what the tests of save
// and load share, and nothing of the code under test.
//
//===----------------------------------------------------------------------===//
#ifndef FMC_TESTS_RUNTIME_CHECKPOINT_FILES_H
#define FMC_TESTS_RUNTIME_CHECKPOINT_FILES_H

#include "tests/support/Files.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace toy {

using fm::test::Folder;
using fm::test::readFile;
using fm::test::writeFile;

/// The length of a header and the header.
inline std::string frame(const std::string &header) {
  std::string bytes;
  for (int i = 0; i < 8; ++i)
    bytes += static_cast<char>(header.size() >> (8 * i));
  return bytes + header;
}

/// The header of a file that is whole.
inline std::string headerOf(const std::string &bytes) {
  uint64_t size = 0;
  for (int i = 0; i < 8; ++i)
    size |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[i]))
            << (8 * i);
  return bytes.substr(8, size);
}

inline std::string replaced(std::string text, const std::string &from,
                            const std::string &to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

} // namespace toy
#endif
