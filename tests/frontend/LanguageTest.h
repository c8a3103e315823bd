//===- LanguageTest.h - Texts in, trees, calls and errors out -------------===//
#ifndef FM_TESTS_FRONTEND_LANGUAGETEST_H
#define FM_TESTS_FRONTEND_LANGUAGETEST_H

#include "frontend/language/Reader.h"
#include "tests/frontend/FakeRecorder.h"

#include <gtest/gtest.h>

namespace fm::test {

/// The tree, behind it what was reported.
inline std::string astOf(const std::string &text) {
  Diagnostics diagnostics;
  std::optional<ast::File> file = parseText("model.fm", text, diagnostics);
  return (file ? ast::dump(*file) : "") + diagnostics.render(false);
}

inline std::string logOf(const std::string &text,
                         const std::vector<Override> &overrides = {},
                         bool locations = false) {
  FakeRecorder recorder;
  recorder.locations = locations;
  bool valid = readModelText("model.fm", text, overrides, recorder);
  EXPECT_EQ(valid, !recorder.collected.hasErrors());
  return recorder.log + recorder.collected.render(false);
}

inline std::string locatedLogOf(const std::string &text) {
  return logOf(text, {}, /*locations=*/true);
}

inline std::string errorsOf(const std::string &text,
                            const std::vector<Override> &overrides = {}) {
  FakeRecorder recorder(/*logs=*/false);
  recorder.collected.setErrorLimit(20); // fewer than usual: texts stay short
  bool valid = readModelText("model.fm", text, overrides, recorder);
  EXPECT_EQ(valid, !recorder.collected.hasErrors());
  return recorder.collected.render(false);
}

} // namespace fm::test

#endif // FM_TESTS_FRONTEND_LANGUAGETEST_H
