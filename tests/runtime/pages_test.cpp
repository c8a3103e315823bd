//===- pages_test.cpp - The hint about large pages ------------------------===//
#include "fm/runtime.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace {

/// Whether the page at `address` has the mark of MADV_HUGEPAGE.
bool isMarked(const void *address) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(address);
  std::ifstream file("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    uintptr_t begin = 0, end = 0;
    char dash = 0;
    std::istringstream range(line);
    if (range >> std::hex >> begin >> dash >> end && dash == '-')
      inside = begin <= at && at < end;
    else if (inside && line.rfind("VmFlags:", 0) == 0)
      return (line + " ").find(" hg ") != std::string::npos;
  }
  return false;
}

TEST(LargePages, AreAskedForInsideOfTheMemoryOnly) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  auto *memory = static_cast<unsigned char *>(
      mmap(nullptr, 8 * page, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(static_cast<void *>(memory), MAP_FAILED);
  // A system without large pages takes no hint.
  const bool possible = madvise(memory + 7 * page, page, MADV_HUGEPAGE) == 0;
  fm_prefer_large_pages(memory + page + 100, 4 * page); // up to 100 in page 5
  EXPECT_FALSE(isMarked(memory + page));
  EXPECT_EQ(isMarked(memory + 2 * page), possible);
  EXPECT_EQ(isMarked(memory + 4 * page), possible);
  EXPECT_FALSE(isMarked(memory + 5 * page));
  munmap(memory, 8 * page);
}

TEST(LargePages, NothingHappensWithoutAWholePage) {
  static unsigned char little[256] = {1, 2, 3};
  fm_prefer_large_pages(little, sizeof little);
  fm_prefer_large_pages(nullptr, 0);
  EXPECT_EQ(little[2], 3);
}

} // namespace
