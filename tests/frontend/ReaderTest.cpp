//===- ReaderTest.cpp - Files, and whatever may be in them ----------------===//
#include <unistd.h>

#include "tests/frontend/LanguageTest.h"
#include "tests/support/Files.h"

#include <random>

using namespace fm;
using namespace fm::test;

namespace {

class ReaderFiles : public testing::Test {
protected:
  std::string write(const std::string &text) {
    writeFile(folder.file("model.fm"), text);
    return folder.file("model.fm");
  }

  std::string errorsOfFile(const std::string &path) {
    FakeRecorder recorder;
    EXPECT_FALSE(readModel(path, {}, recorder));
    return recorder.collected.render(false);
  }

  Folder folder;
};

TEST_F(ReaderFiles, ReadsAFile) {
  std::string path = write("model m {\n  input x : f32[2]\n  output x\n}\n");
  FakeRecorder recorder;
  EXPECT_TRUE(readModel(path, {}, recorder));
  EXPECT_EQ(recorder.log, "model m, batch 1\n"
                          "%0 = input x : f32[2]\n"
                          "output x = %0\n"
                          "end\n");
  Diagnostics diagnostics;
  std::optional<ast::File> file = parseFile(path, diagnostics);
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ(file->definitions.size(), 1u);
}

TEST_F(ReaderFiles, Missing) {
  std::string path = folder.file("none.fm");
  EXPECT_EQ(errorsOfFile(path), path + ": error: no such file or directory\n"
                                       "1 error generated.\n");
}

TEST_F(ReaderFiles, Folder) {
  EXPECT_EQ(errorsOfFile(folder.path), folder.path.string() +
                                           ": error: is a directory\n"
                                           "1 error generated.\n");
}

TEST_F(ReaderFiles, Unreadable) {
  std::string path = write("model m { }");
  std::filesystem::permissions(path, std::filesystem::perms::none);
  // The superuser may read everything: be somebody else for a moment.
  const uid_t user = geteuid();
  if (user == 0)
    ASSERT_EQ(seteuid(65534), 0);
  const std::string errors = errorsOfFile(path);
  ASSERT_EQ(seteuid(user), 0);
  EXPECT_EQ(errors, path + ": error: permission denied\n"
                           "1 error generated.\n");
}

TEST_F(ReaderFiles, FailsWhileBeingRead) {
  // Nothing is mapped at address 0.
  EXPECT_EQ(errorsOfFile("/proc/self/mem"),
            "/proc/self/mem: error: input/output error\n"
            "1 error generated.\n");
}

TEST_F(ReaderFiles, Endless) {
  EXPECT_EQ(errorsOfFile("/dev/zero"),
            "/dev/zero: error: the file is larger than 8 MiB\n"
            "1 error generated.\n");
}

TEST(Reader, BytesThatAreNoText) {
  EXPECT_EQ(errorsOf(std::string("model m {\n  \0x\n}", 16)),
            "model.fm:2:3: error: not a text file: it holds a NUL byte\n"
            "    2 |   <U+0000>x\n"
            "      |   ^~~~~~~~\n"
            "1 error generated.\n");
  EXPECT_EQ(errorsOf("model m {\n  # caf\xE9\n}"),
            "model.fm:2:8: error: not UTF-8 text: the byte 0xE9 cannot stand "
            "here\n"
            "    2 |   # caf<E9>\n"
            "      |        ^~~~\n"
            "1 error generated.\n");
  // Overlong, surrogate, behind the last code point, cut off.
  for (const char *bad : {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                          "\xE2\x82", "\x80", "\xFF"})
    EXPECT_NE(errorsOf(std::string("# ") + bad).find("1:3: error: not UTF-8"),
              std::string::npos);
}

TEST(Reader, Utf8InCommentsAndStrings) {
  EXPECT_EQ(logOf("# \u00FCber \U0001F600\nmodel m { input x : f32[2]\n"
                  "y = dense(x, 3, name = \"\u00E9\"); output y }"),
            "model m, batch 1\n"
            "%0 = input x : f32[2]\n"
            "%1 = dense(%0, 3, name = \"\u00E9\")\n"
            "output y = %1\n"
            "end\n");
}

TEST(Reader, Overrides) {
  Diagnostics diagnostics;
  std::optional<Override> override = parseOverride("a=b=c", diagnostics);
  ASSERT_TRUE(override.has_value());
  EXPECT_EQ(override->name, "a");
  EXPECT_EQ(override->value, "b=c");
  EXPECT_EQ(parseOverride("a=", diagnostics)->value, "");
  EXPECT_FALSE(diagnostics.hasErrors());
  EXPECT_FALSE(parseOverride("batch", diagnostics).has_value());
  EXPECT_FALSE(parseOverride("=3", diagnostics).has_value());
  EXPECT_EQ(diagnostics.render(false),
            "fmc: error: -D batch: expected -D name=value\n"
            "fmc: error: -D =3: expected -D name=value\n"
            "2 errors generated.\n");
}

TEST(Reader, LimitsAreTheCallers) {
  FakeRecorder recorder(/*logs=*/false);
  EXPECT_FALSE(readModelText(
      "model.fm", "model m { input x : f32\n repeat 10 { x = relu(x) } }", {},
      recorder, {/*ops=*/5, /*steps=*/1000}));
  EXPECT_EQ(recorder.callCount, 5u);
  EXPECT_EQ(recorder.collected.all().at(0).message,
            "the model has more than 5 ops");
}

//===----------------------------------------------------------------------===//
// No input crashes, hangs or floods
//===----------------------------------------------------------------------===//

std::string repeated(const std::string &part, size_t times) {
  std::string result;
  for (size_t i = 0; i < times; ++i)
    result += part;
  return result;
}

/// One error about the nesting, and the rest of the file is still read.
void expectTooDeep(const std::string &open, const std::string &close,
                   unsigned column) {
  FakeRecorder recorder(/*logs=*/false);
  readModelText("model.fm",
                "model m {\n  x = " + repeated(open, 100'000) + "1" +
                    repeated(close, 100'000) + "\n  y = ]\n}\n",
                {}, recorder);
  const std::vector<Diagnostic> &all = recorder.collected.all();
  ASSERT_EQ(all.size(), 2u) << recorder.collected.render(false);
  EXPECT_EQ(all[0].message, "nested too deeply: more than 256 levels");
  EXPECT_EQ(all[0].location.line, 2u);
  EXPECT_EQ(all[0].location.column, column);
  EXPECT_EQ(all[1].message, "expected an expression");
  EXPECT_EQ(all[1].location.line, 3u);
}

TEST(ReaderRobustness, DeepNesting) {
  expectTooDeep("(", ")", 7 + 256);
  expectTooDeep("[", "]", 7 + 256);
  expectTooDeep("-", "", 7 + 256);
  expectTooDeep("f(", ")", 7 + 2 * 256 + 1);
  expectTooDeep("2 ** ", "", 7 + 5 * 256 + 2);
}

TEST(ReaderRobustness, DeepRepeats) {
  std::string errors = errorsOf("model m {\n" + repeated("repeat 1 {\n", 1000) +
                                repeated("}\n", 1000) + "}\n");
  EXPECT_EQ(errors,
            "model.fm:258:10: error: nested too deeply: more than 256 levels\n"
            "  258 | repeat 1 {\n"
            "      |          ^\n"
            "1 error generated.\n");
}

TEST(ReaderRobustness, LongChainsAreNotDeep) {
  std::string text = "model m {\n  input x : f32\n  n = 1" +
                     repeated(" + 1", 50'000) + "\n  y = x" +
                     repeated(" |> relu", 50'000) + "\n  output z = y + n\n}\n";
  FakeRecorder recorder;
  EXPECT_TRUE(readModelText("model.fm", text, {}, recorder));
  EXPECT_EQ(recorder.callCount, 50'001u);
  EXPECT_NE(recorder.log.find("add(%50000, 50001)"), std::string::npos);
}

TEST(ReaderRobustness, DeepBlocks) {
  std::string text = "model m {\n  input x : f32\n  output y = b0(x)\n}\n"
                     "block b2000(x) { return x }\n";
  for (int i = 0; i < 2000; ++i)
    text += "block b" + std::to_string(i) + "(x) { return relu(-(-(b" +
            std::to_string(i + 1) + "(x)))) }\n";
  FakeRecorder recorder(/*logs=*/false);
  EXPECT_FALSE(readModelText("model.fm", text, {}, recorder));
  const std::vector<Diagnostic> &all = recorder.collected.all();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].message, "the blocks of this model are nested too deeply");
  EXPECT_EQ(all[0].notes.size(), 10u); // not thousands
}

TEST(ReaderRobustness, LongNames) {
  std::string name(1 << 20, 'a');
  FakeRecorder recorder(/*logs=*/false);
  EXPECT_FALSE(readModelText("model.fm",
                             "model m {\n  " + name + "b = 1\n  output y = " +
                                 name + "(" + name + ")\n}\n",
                             {}, recorder));
  EXPECT_EQ(recorder.collected.errorCount(), 2u);
  EXPECT_LT(recorder.collected.render(false).size(), 2000u);
}

TEST(ReaderRobustness, RandomBytes) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    std::string text(random() % 2000, '\0');
    for (char &c : text)
      c = char(random() % 256);
    FakeRecorder recorder(/*logs=*/false);
    EXPECT_FALSE(readModelText("model.fm", text, {}, recorder));
    EXPECT_LE(recorder.collected.errorCount(), 20u);
    recorder.collected.render(true);
  }
}

TEST(ReaderRobustness, RandomTokens) {
  const char *parts[] = {"model ",  "block ",      "m",
                         "(",       ")",           "{",
                         "}",       "[",           "]",
                         "=",       "|> ",         "relu",
                         "(x)",     "\n",          "\n",
                         "input ",  "x",           " : ",
                         "f32",     ", ",          "repeat",
                         " 3 ",     "-",           "**",
                         "+",       "return",      " ",
                         "output ", "train only ", "*.b",
                         "loss ",   "\"s\"",       "#",
                         "$",       "1.5",         "dense",
                         ";",       "metric ",     "with gradient"};
  std::mt19937 random(2);
  for (int round = 0; round < 3000; ++round) {
    std::string text = random() % 2 ? "model m { input x : f32[3]\n" : "";
    for (unsigned i = 0, count = random() % 60; i < count; ++i)
      text += parts[random() % std::size(parts)];
    FakeRecorder recorder(/*logs=*/false);
    readModelText("model.fm", text, {}, recorder, {1000, 10000});
    EXPECT_LE(recorder.collected.errorCount(), 20u);
    recorder.collected.render(false);
  }
}

/// Every prefix of a good model, and the model without any one byte.
TEST(ReaderRobustness, CutText) {
  const std::string text =
      "block b(x, n = 2) { repeat n { x = dense(x, [n, 3.5], name = \"a\") |>\n"
      "relu }\nreturn x, -x ** 2 }\n"
      "model m(batch = 4) {\n  input x : f32[batch, 3] with gradient\n"
      "  y, z = b(x) # comment\n  output y = y + z\n  loss sum(y)\n"
      "  train only a.*, *.b\n  train sgd(lr = 1e-3)\n}\n";
  EXPECT_EQ(errorsOf(text), "");
  for (size_t i = 0; i < text.size(); ++i) {
    FakeRecorder recorder(/*logs=*/false);
    EXPECT_FALSE(readModelText("model.fm", text.substr(0, i), {}, recorder) &&
                 i + 1 < text.size());
    std::string cut = text;
    cut.erase(i, 1);
    FakeRecorder other(/*logs=*/false);
    readModelText("model.fm", cut, {}, other);
    other.collected.render(false);
  }
}

} // namespace
