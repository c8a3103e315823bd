//===- LexerTest.cpp ------------------------------------------------------===//
#include "frontend/language/Lexer.h"

#include <gtest/gtest.h>

using namespace fm;

namespace {

/// Each token as `spelling@line:column`, a leading `/` where it begins a line.
std::string lexed(const std::string &text, std::string *errors = nullptr) {
  Source source{"m.fm", text};
  Diagnostics diagnostics;
  diagnostics.setSource("m.fm", text);
  std::string result;
  for (const Token &token : lex(source, diagnostics)) {
    if (token.kind == TokenKind::End)
      break;
    result += result.empty() ? "" : " ";
    result += token.startsLine ? "/" : "";
    result += token.kind == TokenKind::Invalid ? "!" : "";
    result += text.substr(token.begin, token.end - token.begin) + "@" +
              std::to_string(token.range.line) + ":" +
              std::to_string(token.range.column);
  }
  if (errors)
    *errors = diagnostics.render(false);
  else
    EXPECT_EQ(diagnostics.render(false), "");
  return result;
}

std::string errorsOf(const std::string &text) {
  std::string errors;
  lexed(text, &errors);
  return errors;
}

TEST(Lexer, WordsAndPunctuation) {
  EXPECT_EQ(lexed("x = relu(a_1)|>f\n  [2,3];{}:.+-*/%**"),
            "/x@1:1 =@1:3 relu@1:5 (@1:9 a_1@1:10 )@1:13 |>@1:14 f@1:16 "
            "/[@2:3 2@2:4 ,@2:5 3@2:6 ]@2:7 ;@2:8 {@2:9 }@2:10 :@2:11 .@2:12 "
            "+@2:13 -@2:14 *@2:15 /@2:16 %@2:17 **@2:18");
}

TEST(Lexer, CommentsAndLineEnds) {
  EXPECT_EQ(lexed("# first\r\nx # y\r\n\r\n  z"), "/x@2:1 /z@4:3");
  EXPECT_EQ(lexed("# only a comment"), "");
  EXPECT_EQ(lexed(""), "");
}

TEST(Lexer, Numbers) {
  Source source{"m.fm", "0 42 9223372036854775807 1.5 .5 1. 1e-3 2.5E+2 1.e2"};
  Diagnostics diagnostics;
  std::vector<Token> tokens = lex(source, diagnostics);
  ASSERT_EQ(tokens.size(), 10u);
  EXPECT_EQ(tokens[0].integer, 0);
  EXPECT_EQ(tokens[1].integer, 42);
  EXPECT_EQ(tokens[2].integer, INT64_MAX);
  for (int i = 3; i < 9; ++i)
    EXPECT_EQ(tokens[i].kind, TokenKind::Float);
  EXPECT_EQ(tokens[3].number, 1.5);
  EXPECT_EQ(tokens[4].number, 0.5);
  EXPECT_EQ(tokens[5].number, 1.0);
  EXPECT_EQ(tokens[6].number, 0.001);
  EXPECT_EQ(tokens[7].number, 250.0);
  EXPECT_EQ(tokens[8].number, 100.0);
}

TEST(Lexer, PathsAreNotNumbers) {
  EXPECT_EQ(lexed("a.0.weight"), "/a@1:1 .0@1:2 .@1:4 weight@1:5");
}

TEST(Lexer, Strings) {
  Source source{"m.fm", R"("a b" "q\"\\\n\t" "")"};
  Diagnostics diagnostics;
  std::vector<Token> tokens = lex(source, diagnostics);
  ASSERT_EQ(tokens.size(), 4u);
  EXPECT_EQ(stringValue(source, tokens[0]), "a b");
  EXPECT_EQ(stringValue(source, tokens[1]), "q\"\\\n\t");
  EXPECT_EQ(stringValue(source, tokens[2]), "");
  EXPECT_FALSE(diagnostics.hasErrors());
}

TEST(LexerErrors, Numbers) {
  EXPECT_EQ(errorsOf("x = 64x"),
            "m.fm:1:7: error: invalid suffix 'x' on the number 64\n"
            "    1 | x = 64x\n"
            "      |       ^\n"
            "1 error generated.\n");
  EXPECT_EQ(errorsOf("9223372036854775808"),
            "m.fm:1:1: error: the integer does not fit in 64 bits\n"
            "    1 | 9223372036854775808\n"
            "      | ^~~~~~~~~~~~~~~~~~~\n"
            "1 error generated.\n");
  EXPECT_EQ(errorsOf("1e999"),
            "m.fm:1:1: error: the number is outside the range of f64\n"
            "    1 | 1e999\n"
            "      | ^~~~~\n"
            "1 error generated.\n");
}

TEST(LexerErrors, Strings) {
  EXPECT_EQ(errorsOf("x = \"abc\ny"),
            "m.fm:1:5: error: the string does not end on its line\n"
            "    1 | x = \"abc\n"
            "      |     ^\n"
            "m.fm:1:9: note: expected '\"' here or before\n"
            "    1 | x = \"abc\n"
            "      |         ^\n"
            "1 error generated.\n");
  EXPECT_EQ(errorsOf(R"("a\qb")"),
            "m.fm:1:3: error: unknown escape: strings know \\\", \\\\, \\n and "
            "\\t\n"
            "    1 | \"a\\qb\"\n"
            "      |   ^\n"
            "1 error generated.\n");
  EXPECT_EQ(errorsOf("'same'"),
            "m.fm:1:1: error: unexpected character '''; strings are written in "
            "double quotes: \"...\"\n"
            "    1 | 'same'\n"
            "      | ^~~~~~\n"
            "1 error generated.\n");
}

TEST(LexerErrors, Characters) {
  EXPECT_EQ(errorsOf("a $?! b | c"),
            "m.fm:1:3: error: unexpected character '$'\n"
            "    1 | a $?! b | c\n"
            "      |   ^~~\n"
            "m.fm:1:9: error: unexpected character '|'; did you mean '|>'?\n"
            "    1 | a $?! b | c\n"
            "      |         ^\n"
            "2 errors generated.\n");
  EXPECT_EQ(errorsOf("a \u2212 b"),
            "m.fm:1:3: error: unexpected character '\u2212'; did you mean "
            "'-'?\n"
            "    1 | a \u2212 b\n"
            "      |   ^\n"
            "1 error generated.\n");
  EXPECT_EQ(errorsOf("a \x07 b"),
            "m.fm:1:3: error: unexpected character <U+0007>\n"
            "    1 | a <U+0007> b\n"
            "      |   ^~~~~~~~\n"
            "1 error generated.\n");
  EXPECT_EQ(errorsOf("a // b"),
            "m.fm:1:3: error: comments begin with '#', not '//'\n"
            "    1 | a // b\n"
            "      |   ^~\n"
            "1 error generated.\n");
}

} // namespace
