//===- ManualTest.cpp - The examples of docs/language.md ------------------===//
//
// Each block of the manual that is marked `fm` is a whole file that reads
// without a word; each marked `fm error` gives exactly the text of the block
// behind it.
//
//===----------------------------------------------------------------------===//
#include "tests/frontend/LanguageTest.h"

#include <fstream>

using namespace fm;
using namespace fm::test;

namespace {

struct Block {
  std::string tag;
  std::string text;
  unsigned line;
};

std::vector<Block> blocksOf(const char *path) {
  std::ifstream stream(path);
  std::vector<Block> blocks;
  std::string line;
  bool inside = false;
  for (unsigned number = 1; std::getline(stream, line); ++number) {
    if (line.rfind("```", 0) != 0) {
      if (inside)
        blocks.back().text += line + '\n';
      continue;
    }
    inside = !inside;
    if (inside)
      blocks.push_back({line.substr(3), "", number});
  }
  return blocks;
}

TEST(Manual, ExamplesAreRight) {
  std::vector<Block> blocks = blocksOf(FMC_MANUAL);
  unsigned examples = 0, errors = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const Block &block = blocks[i];
    SCOPED_TRACE("docs/language.md:" + std::to_string(block.line));
    if (block.tag == "fm") {
      ++examples;
      EXPECT_EQ(errorsOf(block.text), "");
    } else if (block.tag == "fm error") {
      ++errors;
      ASSERT_LT(i + 1, blocks.size());
      EXPECT_EQ(errorsOf(block.text), blocks[i + 1].text);
    }
  }
  EXPECT_EQ(examples, 7u);
  EXPECT_EQ(errors, 4u);
}

} // namespace
