#include "tests/frontend/RecordedModel.h"

#include "frontend/language/Reader.h"
#include "frontend/recorder/RecorderImpl.h"
#include "frontend/recorder/WriteFm.h"

#include <fstream>
#include <iterator>

namespace fm::test {

RecordedModel record(const std::string &text) {
  Diagnostics diagnostics;
  Recorder recorder(diagnostics);
  RecordedModel result;
  if (readModelText("model.fm", text, {}, recorder)) {
    llvm::raw_string_ostream(result.ir) << recorder.impl().module();
    result.fm = writeFm(recorder.impl().model).value_or("not written");
  }
  result.errors = diagnostics.render(false);
  return result;
}

RecordedModel recordFile(const std::string &path) {
  std::ifstream file(path);
  return record(std::string(std::istreambuf_iterator<char>(file), {}));
}

} // namespace fm::test
