//===- DiagnosticsTest.cpp - Collection, rendering, did you mean ----------===//
//
// What is expected is what clang 19 prints for the same line and column.
//
//===----------------------------------------------------------------------===//
#include "frontend/recorder/Diagnostics.h"

#include <gtest/gtest.h>

using namespace fm;

namespace {

std::string render(const std::string &text, const Location &at,
                   const std::string &message) {
  Diagnostics diagnostics;
  diagnostics.setSource(at.file, text);
  diagnostics.error(at, message);
  return diagnostics.render(false);
}

TEST(Diagnostics, ShowsLineCaretAndTildes) {
  EXPECT_EQ(render("one\n  x = relu(y)\n", {"m.fm", 2, 7, 4}, "wrong"),
            "m.fm:2:7: error: wrong\n"
            "    2 |   x = relu(y)\n"
            "      |       ^~~~\n"
            "1 error generated.\n");
}

TEST(Diagnostics, WorksWithoutTrailingNewlineAndPastTheEnd) {
  EXPECT_EQ(render("abc", {"m.fm", 1, 9, 7}, "wrong"),
            "m.fm:1:9: error: wrong\n"
            "    1 | abc\n"
            "      |    ^\n"
            "1 error generated.\n");
  EXPECT_EQ(render("abc", {"m.fm", 5, 1, 1}, "wrong"),
            "m.fm:5:1: error: wrong\n"
            "1 error generated.\n");
  EXPECT_EQ(render("", {"m.fm", 1, 1, 1}, "wrong"), "m.fm:1:1: error: wrong\n"
                                                    "    1 | \n"
                                                    "      | ^\n"
                                                    "1 error generated.\n");
}

TEST(Diagnostics, UnderlinesAtMostTheLine) {
  EXPECT_EQ(render("ab cd\nef\n", {"m.fm", 1, 4, 50}, "wrong"),
            "m.fm:1:4: error: wrong\n"
            "    1 | ab cd\n"
            "      |    ^~\n"
            "1 error generated.\n");
}

TEST(Diagnostics, ExpandsTabs) {
  EXPECT_EQ(render("\tx =\ty\n", {"m.fm", 1, 6, 1}, "wrong"),
            "m.fm:1:6: error: wrong\n"
            "    1 |         x =     y\n"
            "      |                 ^\n"
            "1 error generated.\n");
}

TEST(Diagnostics, DropsCarriageReturns) {
  EXPECT_EQ(render("ab\r\ncd\r\n", {"m.fm", 2, 1, 2}, "wrong"),
            "m.fm:2:1: error: wrong\n"
            "    2 | cd\n"
            "      | ^~\n"
            "1 error generated.\n");
}

TEST(Diagnostics, ColumnsAreBytesTheCaretIsNot) {
  // e with an acute accent: two bytes, one column. A wide character: three
  // bytes, two columns.
  EXPECT_EQ(render("# \u00E9 x", {"m.fm", 1, 6, 1}, "wrong"),
            "m.fm:1:6: error: wrong\n"
            "    1 | # \u00E9 x\n"
            "      |     ^\n"
            "1 error generated.\n");
  EXPECT_EQ(render("\u6F22 \u6F22", {"m.fm", 1, 5, 3}, "wrong"),
            "m.fm:1:5: error: wrong\n"
            "    1 | \u6F22 \u6F22\n"
            "      |    ^~\n"
            "1 error generated.\n");
  // A combining accent takes no column.
  EXPECT_EQ(render("e\u0301 x", {"m.fm", 1, 5, 1}, "wrong"),
            "m.fm:1:5: error: wrong\n"
            "    1 | e\u0301 x\n"
            "      |   ^\n"
            "1 error generated.\n");
}

TEST(Diagnostics, KeepsControlCharactersFromTheTerminal) {
  EXPECT_EQ(render("\x1B[1m\xFF x", {"m.fm", 1, 7, 1}, "wrong"),
            "m.fm:1:7: error: wrong\n"
            "    1 | <U+001B>[1m<FF> x\n"
            "      |                 ^\n"
            "1 error generated.\n");
}

TEST(Diagnostics, WindowsLongLines) {
  std::string line(1000, 'a');
  line[500] = 'X';
  std::string text = render(line, {"m.fm", 1, 501, 4}, "wrong");
  EXPECT_EQ(text, "m.fm:1:501: error: wrong\n"
                  "    1 | ..." +
                      std::string(80, 'a') + "X" + std::string(79, 'a') +
                      "...\n"
                      "      |    " +
                      std::string(80, ' ') +
                      "^~~~\n"
                      "1 error generated.\n");
  // At both ends.
  EXPECT_EQ(render(line, {"m.fm", 1, 1, 1}, "wrong"),
            "m.fm:1:1: error: wrong\n"
            "    1 | " +
                std::string(160, 'a') + "...\n      | ^\n1 error generated.\n");
  EXPECT_EQ(render(line, {"m.fm", 1, 1001, 1}, "wrong"),
            "m.fm:1:1001: error: wrong\n"
            "    1 | ..." +
                std::string(160, 'a') + "\n      |    " +
                std::string(160, ' ') + "^\n1 error generated.\n");
}

TEST(Diagnostics, HugeLinesAreCheap) {
  std::string text =
      render(std::string(8 << 20, 'a'), {"m.fm", 1, 4 << 20, 1}, "wrong");
  EXPECT_LT(text.size(), 600u);
}

TEST(Diagnostics, PlacesWithoutLineOrFile) {
  EXPECT_EQ(render("", {"m.fm", 0, 0, 1}, "the file is empty"),
            "m.fm: error: the file is empty\n"
            "1 error generated.\n");
  EXPECT_EQ(render("", {}, "bad -D"), "fmc: error: bad -D\n"
                                      "1 error generated.\n");
}

TEST(Diagnostics, UnreadableSourceHasNoSnippet) {
  Diagnostics diagnostics;
  diagnostics.error({"/nonexistent/m.fm", 3, 4, 1}, "wrong");
  EXPECT_EQ(diagnostics.render(false), "/nonexistent/m.fm:3:4: error: wrong\n"
                                       "1 error generated.\n");
}

TEST(Diagnostics, NotesAndCounts) {
  Diagnostics diagnostics;
  diagnostics.setSource("m.fm", "a\nb\n");
  diagnostics.error({"m.fm", 2, 1, 1}, "twice");
  diagnostics.note({"m.fm", 1, 1, 1}, "first here");
  diagnostics.note({"m.fm", 2, 1, 1}, "a hint at the same place");
  diagnostics.error({"m.fm", 2, 1, 1}, "other");
  diagnostics.warning({"m.fm", 2, 1, 1}, "careful");
  EXPECT_EQ(diagnostics.errorCount(), 2u);
  EXPECT_EQ(diagnostics.render(false),
            "m.fm:2:1: error: twice\n"
            "    2 | b\n"
            "      | ^\n"
            "m.fm:1:1: note: first here\n"
            "    1 | a\n"
            "      | ^\n"
            "m.fm:2:1: note: a hint at the same place\n"
            "m.fm:2:1: error: other\n"
            "    2 | b\n"
            "      | ^\n"
            "m.fm:2:1: warning: careful\n"
            "    2 | b\n"
            "      | ^\n"
            "1 warning and 2 errors generated.\n");
}

TEST(Diagnostics, InTheOrderOfTheText) {
  Diagnostics diagnostics;
  diagnostics.error({"b.fm", 2, 3, 1}, "fourth");
  diagnostics.error({"a.fm", 1, 1, 1}, "sixth");
  diagnostics.error({"b.fm", 2, 1, 1}, "second");
  diagnostics.warning({"b.fm", 2, 1, 1}, "third");
  diagnostics.error({"b.fm", 0, 0, 1}, "first");
  diagnostics.error({"b.fm", 9, 1, 1}, "fifth");
  EXPECT_EQ(diagnostics.render(false), "b.fm: error: first\n"
                                       "b.fm:2:1: error: second\n"
                                       "b.fm:2:1: warning: third\n"
                                       "b.fm:2:3: error: fourth\n"
                                       "b.fm:9:1: error: fifth\n"
                                       "a.fm:1:1: error: sixth\n"
                                       "1 warning and 5 errors generated.\n");
  EXPECT_EQ(diagnostics.all()[0].message, "fourth");
}

TEST(Diagnostics, WarningsAlone) {
  Diagnostics diagnostics;
  diagnostics.warning({}, "one");
  diagnostics.warning({}, "two");
  EXPECT_FALSE(diagnostics.hasErrors());
  EXPECT_EQ(diagnostics.render(false), "fmc: warning: one\n"
                                       "fmc: warning: two\n"
                                       "2 warnings generated.\n");
  EXPECT_EQ(Diagnostics().render(false), "");
}

TEST(Diagnostics, IdenticalOnesOnce) {
  Diagnostics diagnostics;
  for (int i = 0; i < 4; ++i) {
    diagnostics.error({"m.fm", 1, 1, 1}, "wrong");
    diagnostics.note({"m.fm", 1, 1, 1}, "note " + std::to_string(i));
  }
  EXPECT_EQ(diagnostics.errorCount(), 1u);
  ASSERT_EQ(diagnostics.all().size(), 1u);
  ASSERT_EQ(diagnostics.all()[0].notes.size(), 1u);
  EXPECT_EQ(diagnostics.all()[0].notes[0].message, "note 0");
}

TEST(Diagnostics, StopsAtTheLimit) {
  Diagnostics diagnostics;
  diagnostics.setErrorLimit(2);
  for (int i = 0; i < 2; ++i)
    diagnostics.error({}, "wrong " + std::to_string(i));
  EXPECT_FALSE(diagnostics.tooManyErrors());
  diagnostics.error({}, "wrong 2");
  EXPECT_TRUE(diagnostics.tooManyErrors());
  EXPECT_EQ(diagnostics.render(false),
            "fmc: error: wrong 0\n"
            "fmc: error: wrong 1\n"
            "fatal error: too many errors emitted, stopping now\n"
            "2 errors generated.\n");
}

TEST(Diagnostics, NotesOnWhatCameSince) {
  Diagnostics diagnostics;
  diagnostics.error({}, "before");
  size_t first = diagnostics.all().size();
  diagnostics.error({}, "inside");
  diagnostics.noteSince(first, {}, "called here");
  EXPECT_TRUE(diagnostics.all()[0].notes.empty());
  ASSERT_EQ(diagnostics.all()[1].notes.size(), 1u);
  EXPECT_EQ(diagnostics.all()[1].notes[0].message, "called here");
}

TEST(Diagnostics, ColorsAsClang) {
  Diagnostics diagnostics;
  diagnostics.setSource("m.fm", "ab cd\n");
  diagnostics.error({"m.fm", 1, 4, 2}, "wrong");
  diagnostics.note({"m.fm", 1, 1, 1}, "here");
  diagnostics.warning({"n.fm", 0, 0, 1}, "careful");
  EXPECT_EQ(diagnostics.render(true),
            "\033[1mm.fm:1:4: \033[0m\033[0;1;31merror: \033[0m\033[1mwrong"
            "\033[0m\n"
            "    1 | ab cd\n"
            "      | \033[0;1;32m   ^~\n"
            "\033[0m\033[1mm.fm:1:1: \033[0m\033[0;1;36mnote: \033[0mhere\n"
            "    1 | ab cd\n"
            "      | \033[0;1;32m^\n"
            "\033[0m\033[1mn.fm: \033[0m\033[0;1;35mwarning: \033[0m\033[1m"
            "careful\033[0m\n"
            "1 warning and 1 error generated.\n");
}

TEST(Nearest, FindsMisspelledWords) {
  std::vector<std::string> ops = {"conv2d",     "dense",      "relu",
                                  "max_pool2d", "avg_pool2d", "softmax",
                                  "log_softmax"};
  EXPECT_EQ(nearest("conv2", ops), "conv2d");
  EXPECT_EQ(nearest("cnov2d", ops), "conv2d"); // neighbours swapped
  EXPECT_EQ(nearest("Dense", ops), "dense");
  EXPECT_EQ(nearest("RELU", ops), "relu"); // case does not count
  EXPECT_EQ(nearest("maxpool2d", ops), "max_pool2d");
  EXPECT_EQ(nearest("softmx", ops), "softmax");
  EXPECT_EQ(nearest("attention", ops), "");
  EXPECT_EQ(nearest("dense", ops), "");
  EXPECT_EQ(nearest("", ops), "");
  EXPECT_EQ(nearest("x", {"y"}), "");
  EXPECT_EQ(nearest("xs", {"x", "ys"}), "ys");
  EXPECT_EQ(nearest(std::string(100000, 'a'), {std::string(99999, 'a')}), "");
}

} // namespace
