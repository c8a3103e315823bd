//===- language_fuzzer.cpp - Any bytes through the .fm reader -------------===//
//
//   language_fuzzer corpus/ examples/ -max_len=4096 -timeout=10
//
//===----------------------------------------------------------------------===//
#include "frontend/language/Reader.h"
#include "tests/frontend/FakeRecorder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string text(reinterpret_cast<const char *>(data), size);
  fm::test::FakeRecorder recorder(/*logs=*/false);
  fm::readModelText("fuzz.fm", text, {{"batch", "4"}}, recorder,
                    {/*ops=*/2000, /*steps=*/20000});
  recorder.collected.render(false);

  fm::Diagnostics diagnostics;
  if (auto file = fm::parseText("fuzz.fm", text, diagnostics))
    fm::ast::dump(*file);
  return 0;
}
