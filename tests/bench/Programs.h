//===- Programs.h - Programs that tests run -------------------------------===//
#ifndef FM_TESTS_BENCH_PROGRAMS_H
#define FM_TESTS_BENCH_PROGRAMS_H

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/wait.h>

#include <gtest/gtest.h>
#include <unistd.h>

namespace fm::test {

struct Outcome {
  int code = -1;      ///< exit code
  std::string output; ///< standard output and standard error
};

inline Outcome runCommand(const std::string &command) {
  Outcome outcome;
  std::FILE *pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe)
    return outcome;
  std::array<char, 256> part;
  while (size_t got = std::fread(part.data(), 1, part.size(), pipe))
    outcome.output.append(part.data(), got);
  const int status = pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

/// A folder of the running test, removed at the end.
class Folder {
public:
  Folder()
      : path(std::filesystem::temp_directory_path() /
             ("fmc_bench_test_" + std::to_string(getpid()) + "_" +
              testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const std::string &name) const { return path / name; }
  std::string write(const std::string &name, const std::string &text) const {
    std::ofstream(file(name)) << text;
    return file(name);
  }
  std::string read(const std::string &name) const {
    std::ostringstream text;
    text << std::ifstream(file(name)).rdbuf();
    return text.str();
  }

private:
  std::filesystem::path path;
};

} // namespace fm::test

#endif // FM_TESTS_BENCH_PROGRAMS_H
