//===- checkpoint_files.h - Files and folders for tests ---------*- C++ -*-===//
//
// A temporary folder, whole files as strings, and safetensors files put
// together from a header's text: everything that the tests of save and load
// share, and nothing of the code under test.
//
//===----------------------------------------------------------------------===//
#ifndef FMC_TESTS_RUNTIME_CHECKPOINT_FILES_H
#define FMC_TESTS_RUNTIME_CHECKPOINT_FILES_H

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>
#include <vector>

namespace toy {

class Folder {
public:
  Folder() {
    // Memory where there is some: fm_save syncs, and a busy disk takes long.
    std::filesystem::path parent = "/dev/shm";
    if (access(parent.c_str(), W_OK) != 0)
      parent = std::filesystem::temp_directory_path();
    std::string name = parent / "fmrtXXXXXX";
    if (!mkdtemp(name.data()))
      std::abort();
    path = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string file(const std::string &name) const { return path / name; }
  /// Names of what is in it, sorted.
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto &entry : std::filesystem::directory_iterator(path))
      result.push_back(entry.path().filename());
    std::sort(result.begin(), result.end());
    return result;
  }

  std::filesystem::path path;
};

inline std::string readFile(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

inline void writeFile(const std::string &path, const std::string &bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), bytes.size());
}

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
