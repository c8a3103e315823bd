//===- Reader.cpp - A `.fm` file to a recorded model ----------------------===//
#include "frontend/language/Reader.h"

#include "frontend/language/Parser.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>
#include <sys/stat.h>

namespace fm {

namespace {

/// More text than anyone writes; keeps /dev/zero from filling the memory.
constexpr size_t maxFileSize = size_t(8) << 20;

Location wholeFile(const std::string &name) { return {name, 0, 0, 1}; }

/// The operating system's message in our style: "no such file or directory".
std::string systemError() {
  std::string message = std::strerror(errno);
  if (!message.empty() && message[0] >= 'A' && message[0] <= 'Z')
    message[0] += 'a' - 'A';
  return message;
}

std::optional<std::string> readFile(const std::string &path,
                                    Diagnostics &diagnostics) {
  auto failed = [&](const std::string &message) {
    diagnostics.error(wholeFile(path), message);
    return std::nullopt;
  };
  std::unique_ptr<std::FILE, int (*)(std::FILE *)> file(
      std::fopen(path.c_str(), "rb"), std::fclose);
  struct stat status;
  if (!file || fstat(fileno(file.get()), &status) != 0)
    return failed(systemError());
  if (S_ISDIR(status.st_mode))
    return failed("is a directory");
  std::string text;
  char buffer[1 << 16];
  while (size_t count = std::fread(buffer, 1, sizeof buffer, file.get())) {
    text.append(buffer, count);
    if (text.size() > maxFileSize)
      return failed("the file is larger than " +
                    std::to_string(maxFileSize >> 20) + " MiB");
  }
  if (std::ferror(file.get()))
    return failed(systemError());
  return text;
}

/// Offset of the first byte that is not UTF-8 text (RFC 3629), or npos. NUL
/// counts as such: text does not hold it.
size_t findNonText(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    auto byte = [&](size_t k) -> unsigned {
      return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0;
    };
    unsigned first = byte(0), second = byte(1);
    if (first == 0)
      return i;
    if (first < 0x80) {
      ++i;
      continue;
    }
    unsigned length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    bool valid = first >= 0xC2 && first <= 0xF4;
    for (unsigned k = 1; k < length; ++k)
      valid &= (byte(k) & 0xC0) == 0x80;
    // Overlong forms, surrogates, and what lies behind U+10FFFF.
    valid &= !(first == 0xE0 && second < 0xA0) &&
             !(first == 0xED && second >= 0xA0) &&
             !(first == 0xF0 && second < 0x90) &&
             !(first == 0xF4 && second >= 0x90);
    if (!valid)
      return i;
    i += length;
  }
  return std::string_view::npos;
}

/// Removes the byte order mark, and reports what is not text.
bool checkText(Source &source, Diagnostics &diagnostics) {
  std::string &text = source.text;
  if (text.compare(0, 3, "\xEF\xBB\xBF") == 0)
    text.erase(0, 3);
  diagnostics.setSource(source.name, text);
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    diagnostics.error(wholeFile(source.name), "the file is empty");
    diagnostics.note(wholeFile(source.name),
                     "expected 'model NAME(batch = 64) { ... }'");
    return false;
  }
  size_t bad = findNonText(text);
  if (bad == std::string::npos)
    return true;
  Range range{1, 1, 1};
  size_t lineBegin = 0;
  for (size_t i = 0; i < bad; ++i) {
    if (text[i] != '\n')
      continue;
    ++range.line;
    lineBegin = i + 1;
  }
  range.column = unsigned(bad - lineBegin + 1);
  char message[64] = "not a text file: it holds a NUL byte";
  if (text[bad])
    std::snprintf(message, sizeof message,
                  "not UTF-8 text: the byte 0x%02X cannot stand here",
                  static_cast<unsigned char>(text[bad]));
  diagnostics.error(source.at(range), message);
  return false;
}

std::optional<ast::File> parseSource(Source &source, Diagnostics &diagnostics) {
  if (!checkText(source, diagnostics))
    return std::nullopt;
  return parse(source, diagnostics);
}

} // namespace

bool readModelText(const std::string &name, std::string text,
                   const std::vector<Override> &overrides,
                   RecorderInterface &recorder, const Limits &limits) {
  Source source{name, std::move(text)};
  std::optional<ast::File> file = parseSource(source, recorder.diagnostics());
  return file && elaborate(*file, source, overrides, recorder, limits);
}

bool readModel(const std::string &path, const std::vector<Override> &overrides,
               RecorderInterface &recorder) {
  std::optional<std::string> text = readFile(path, recorder.diagnostics());
  return text && readModelText(path, std::move(*text), overrides, recorder);
}

std::optional<ast::File> parseText(const std::string &name, std::string text,
                                   Diagnostics &diagnostics) {
  Source source{name, std::move(text)};
  return parseSource(source, diagnostics);
}

std::optional<ast::File> parseFile(const std::string &path,
                                   Diagnostics &diagnostics) {
  std::optional<std::string> text = readFile(path, diagnostics);
  if (!text)
    return std::nullopt;
  return parseText(path, std::move(*text), diagnostics);
}

std::optional<Override> parseOverride(const std::string &text,
                                      Diagnostics &diagnostics) {
  size_t equal = text.find('=');
  if (equal != std::string::npos && equal > 0)
    return Override{text.substr(0, equal), text.substr(equal + 1)};
  diagnostics.error({}, "-D " + text + ": expected -D name=value");
  return std::nullopt;
}

} // namespace fm
