//===- Files.h - Files, folders and programs for tests --------------------===//
#ifndef FM_TESTS_SUPPORT_FILES_H
#define FM_TESTS_SUPPORT_FILES_H

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace fm::test {

/// A temporary folder, removed at the end.
class Folder {
public:
  Folder() {
    // Memory where there is some: fm_save syncs, and a busy disk takes long.
    std::filesystem::path parent = "/dev/shm";
    if (access(parent.c_str(), W_OK) != 0)
      parent = std::filesystem::temp_directory_path();
    std::string name = parent / "fmc-test-XXXXXX";
    if (!mkdtemp(name.data()))
      std::abort();
    path = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  Folder(const Folder &) = delete;
  Folder &operator=(const Folder &) = delete;

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

struct Outcome {
  int code = -1;      ///< exit code; -1 if there is none
  std::string output; ///< standard output and standard error
};

/// Runs a shell's command line.
inline Outcome runCommand(const std::string &command) {
  Outcome outcome;
  std::FILE *pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe)
    return outcome;
  for (int c; (c = std::fgetc(pipe)) != EOF;)
    outcome.output += static_cast<char>(c);
  const int status = pclose(pipe);
  if (WIFEXITED(status))
    outcome.code = WEXITSTATUS(status);
  return outcome;
}

} // namespace fm::test

#endif // FM_TESTS_SUPPORT_FILES_H
