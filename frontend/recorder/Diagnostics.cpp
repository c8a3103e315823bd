//===- Diagnostics.cpp - Located messages for what a user wrote -----------===//
//
// Collection and rendering. The rendering follows clang 19 to the column: line
// number gutter, caret and tildes, colours, and the closing count. Lines are
// made of cells, one per character, so that tabs, wide characters, bytes that
// are no text, and very long lines all come out aligned.
//
//===----------------------------------------------------------------------===//
#include "frontend/recorder/Diagnostics.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string_view>
#include <tuple>

namespace fm {

//===----------------------------------------------------------------------===//
// Collection
//===----------------------------------------------------------------------===//

Diagnostic &Diagnostics::report(Severity severity, const Location &location,
                                std::string message) {
  std::string key = std::to_string(int(severity)) + ':' + location.file + ':' +
                    std::to_string(location.line) + ':' +
                    std::to_string(location.column) + ':' + message;
  Diagnostic made{severity, location, std::move(message), {}};
  bool isError = severity == Severity::Error;
  lastDiscarded = seen.count(key) > 0;
  if (!lastDiscarded && isError && errorLimit && errors >= errorLimit)
    dropped = lastDiscarded = true;
  if (lastDiscarded) {
    discarded = std::move(made);
    return discarded;
  }
  seen.insert(std::move(key));
  errors += isError;
  list.push_back(std::move(made));
  return list.back();
}

Diagnostic &Diagnostics::error(const Location &location, std::string message) {
  return report(Severity::Error, location, std::move(message));
}

Diagnostic &Diagnostics::warning(const Location &location,
                                 std::string message) {
  return report(Severity::Warning, location, std::move(message));
}

void Diagnostics::note(const Location &location, std::string message) {
  if (list.empty() || lastDiscarded)
    return;
  list.back().notes.push_back(
      {Severity::Note, location, std::move(message), {}});
}

void Diagnostics::noteSince(size_t first, const Location &location,
                            const std::string &message) {
  constexpr size_t most = 10; // as -ftemplate-backtrace-limit in clang
  for (size_t i = first; i < list.size(); ++i)
    if (list[i].notes.size() < most)
      list[i].notes.push_back({Severity::Note, location, message, {}});
}

void Diagnostics::setSource(const std::string &file, std::string text) {
  sources[file] = std::move(text);
}

//===----------------------------------------------------------------------===//
// Rendering
//===----------------------------------------------------------------------===//

namespace {

constexpr unsigned tabStop = 8;
/// Lines wider than this are shown as a window around the caret.
constexpr unsigned maxWidth = 160;
/// Only so many bytes on either side of the caret are looked at.
constexpr size_t maxBytes = 4096;

namespace ansi {
constexpr const char *reset = "\033[0m";
constexpr const char *bold = "\033[1m";
constexpr const char *error = "\033[0;1;31m";
constexpr const char *warning = "\033[0;1;35m";
constexpr const char *note = "\033[0;1;36m";
constexpr const char *caret = "\033[0;1;32m";
} // namespace ansi

/// One character as it appears on the screen.
struct Cell {
  std::string text;
  unsigned width;
  size_t byte; ///< Offset in the source line.
};

/// Decodes the UTF-8 character at `text[at]`; returns its length in bytes, 0 if
/// the bytes there are not UTF-8.
unsigned decode(std::string_view text, size_t at, uint32_t &code) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char first = byte(at);
  if (first < 0x80) {
    code = first;
    return 1;
  }
  unsigned length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || at + length > text.size())
    return 0;
  code = first & (0xFF >> (length + 1));
  for (unsigned i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80)
      return 0;
    code = code << 6 | (byte(at + i) & 0x3F);
  }
  return length;
}

/// Columns that a character takes on a terminal (the main ranges of Unicode's
/// combining marks and East Asian wide characters).
unsigned displayWidth(uint32_t code) {
  struct Span {
    uint32_t first, last;
  };
  static constexpr Span zero[] = {{0x300, 0x36F},   {0x200B, 0x200F},
                                  {0x20D0, 0x20FF}, {0xFE00, 0xFE0F},
                                  {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}};
  static constexpr Span wide[] = {
      {0x1100, 0x115F},   {0x2E80, 0x303E},  {0x3041, 0xA4CF},
      {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},  {0xFE30, 0xFE6F},
      {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},  {0x1F300, 0x1F64F},
      {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
  auto contains = [code](const Span &span) {
    return code >= span.first && code <= span.last;
  };
  if (std::any_of(std::begin(zero), std::end(zero), contains))
    return 0;
  return std::any_of(std::begin(wide), std::end(wide), contains) ? 2 : 1;
}

/// `line` from byte `begin` to `end` as cells: tabs become blanks, control
/// characters `<U+0007>`, bytes that are not UTF-8 `<FF>`.
std::vector<Cell> toCells(std::string_view line, size_t begin, size_t end) {
  std::vector<Cell> cells;
  unsigned column = 0;
  auto add = [&](std::string text, unsigned width, size_t at) {
    cells.push_back({std::move(text), width, at});
    column += width;
  };
  for (size_t at = begin; at < end;) {
    uint32_t code = 0;
    char escaped[16];
    unsigned length = decode(line, at, code);
    if (length == 0) {
      std::snprintf(escaped, sizeof escaped, "<%02X>",
                    static_cast<unsigned char>(line[at]));
      add(escaped, 4, at);
      length = 1;
    } else if (code == '\t') {
      unsigned width = tabStop - column % tabStop;
      add(std::string(width, ' '), width, at);
    } else if (code < 0x20 || (code >= 0x7F && code < 0xA0) ||
               (code >= 0x202A && code <= 0x202E) ||
               (code >= 0x2066 && code <= 0x2069)) {
      std::snprintf(escaped, sizeof escaped, "<U+%04X>", unsigned(code));
      add(escaped, 8, at);
    } else {
      add(std::string(line.substr(at, length)), displayWidth(code), at);
    }
    at += length;
  }
  return cells;
}

/// A text with the beginnings of its lines.
class Source {
public:
  explicit Source(std::string_view text) : text(text) {
    if (text.substr(0, 3) == "\xEF\xBB\xBF")
      this->text.remove_prefix(3);
    begins.push_back(0);
    for (size_t i = 0; i < this->text.size(); ++i)
      if (this->text[i] == '\n')
        begins.push_back(i + 1);
  }

  /// Line `number`, from 1, without its end; false if there is none.
  bool line(unsigned number, std::string_view &result) const {
    if (number == 0 || number > begins.size())
      return false;
    size_t begin = begins[number - 1];
    size_t end = number < begins.size() ? begins[number] - 1 : text.size();
    if (end > begin && text[end - 1] == '\r')
      --end;
    result = text.substr(begin, end - begin);
    return true;
  }

private:
  std::string_view text;
  std::vector<size_t> begins;
};

class Renderer {
public:
  Renderer(const std::unordered_map<std::string, std::string> &sources,
           bool color)
      : sources(sources), color(color) {}

  void diagnostic(const Diagnostic &diagnostic) {
    header(diagnostic);
    snippet(diagnostic.location);
    for (const Diagnostic &note : diagnostic.notes) {
      header(note);
      if (!samePlace(note.location, diagnostic.location))
        snippet(note.location); // what was just shown is not shown again
    }
  }

  void tooMany() {
    print({paint(ansi::error), "fatal error: ", paint(ansi::reset),
           paint(ansi::bold), "too many errors emitted, stopping now",
           paint(ansi::reset), "\n"});
  }

  std::string out;

private:
  std::string_view paint(std::string_view code) const {
    return color ? code : std::string_view();
  }
  void print(std::initializer_list<std::string_view> parts) {
    for (std::string_view part : parts)
      out += part;
  }
  static bool samePlace(const Location &a, const Location &b) {
    return a.file == b.file && a.line == b.line && a.column == b.column;
  }
  void header(const Diagnostic &diagnostic);
  void snippet(const Location &location);
  const Source *sourceOf(const std::string &file);

  const std::unordered_map<std::string, std::string> &sources;
  std::unordered_map<std::string, std::unique_ptr<Source>> split;
  std::unordered_map<std::string, std::string> fromDisk;
  bool color;
};

void Renderer::header(const Diagnostic &diagnostic) {
  const Location &at = diagnostic.location;
  std::string place = at.file.empty() ? "fmc: " : at.file + ':';
  if (!at.file.empty()) {
    if (at.line > 0)
      place += std::to_string(at.line) + ':' + std::to_string(at.column) + ':';
    place += ' ';
  }
  print({paint(ansi::bold), place, paint(ansi::reset)});
  switch (diagnostic.severity) {
  case Severity::Error:
    print({paint(ansi::error), "error: "});
    break;
  case Severity::Warning:
    print({paint(ansi::warning), "warning: "});
    break;
  case Severity::Note:
    print({paint(ansi::note), "note: ", paint(ansi::reset), diagnostic.message,
           "\n"});
    return;
  }
  print({paint(ansi::reset), paint(ansi::bold), diagnostic.message,
         paint(ansi::reset), "\n"});
}

/// The source line with its number, and below it the caret:
///     7 |   x = conv2d(image, 32)
///       |       ^~~~~~
void Renderer::snippet(const Location &at) {
  const Source *source = at.line ? sourceOf(at.file) : nullptr;
  std::string_view line;
  if (!source || !source->line(at.line, line))
    return;

  size_t caret = std::min<size_t>(at.column ? at.column - 1 : 0, line.size());
  size_t length = std::min<size_t>(std::max(at.length, 1u), maxBytes);
  size_t end = std::min(line.size(), caret + length);
  auto isContinuation = [&](size_t i) {
    return (static_cast<unsigned char>(line[i]) & 0xC0) == 0x80;
  };
  size_t from = caret > maxBytes ? caret - maxBytes : 0;
  size_t to = std::min(line.size(), caret + maxBytes);
  while (from > 0 && from < caret && isContinuation(from))
    ++from;
  while (to < line.size() && to > caret && isContinuation(to))
    --to;
  std::vector<Cell> cells = toCells(line, from, to);

  // Columns of the caret and of the end of what is underlined.
  unsigned total = 0, caretColumn = 0, endColumn = 0;
  bool caretFound = false;
  for (const Cell &cell : cells) {
    if (!caretFound && cell.byte >= caret) {
      caretColumn = total;
      caretFound = true;
    }
    total += cell.width;
    if (cell.byte < end)
      endColumn = total;
  }
  if (!caretFound)
    caretColumn = total;

  // The window [first, last) of columns that is shown.
  unsigned first = 0, last = total;
  if (total > maxWidth) {
    first = caretColumn > maxWidth / 2 ? caretColumn - maxWidth / 2 : 0;
    first = std::min(first, total - maxWidth);
    last = first + maxWidth;
  }
  std::string text;
  if (first > 0 || from > 0)
    text = "...";
  size_t indent = text.size();
  unsigned column = 0, shown = 0, skipped = 0;
  for (const Cell &cell : cells) {
    if (column < first)
      skipped = column + cell.width;
    else if (column + cell.width <= last) {
      text += cell.text;
      shown = column + cell.width;
    }
    column += cell.width;
  }
  if (last < total || to < line.size())
    text += "...";
  indent += caretColumn - std::min(caretColumn, skipped);
  std::string mark = "^";
  endColumn = std::min(endColumn, shown);
  if (endColumn > caretColumn + 1)
    mark.append(endColumn - caretColumn - 1, '~');

  char number[16];
  std::snprintf(number, sizeof number, "%5u", at.line);
  std::string gutter(std::string_view(number).size(), ' ');
  print({number, " | ", text, "\n", gutter, " | ", paint(ansi::caret),
         std::string(indent, ' '), mark, "\n", paint(ansi::reset)});
}

const Source *Renderer::sourceOf(const std::string &file) {
  auto known = split.find(file);
  if (known != split.end())
    return known->second.get();
  std::unique_ptr<Source> &made = split[file];
  auto given = sources.find(file);
  if (given != sources.end()) {
    made = std::make_unique<Source>(given->second);
  } else if (std::ifstream stream(file, std::ios::binary); stream) {
    std::string &text = fromDisk[file];
    text.assign(std::istreambuf_iterator<char>(stream), {});
    made = std::make_unique<Source>(text);
  }
  return made.get();
}

std::string plural(unsigned count, const std::string &word) {
  return std::to_string(count) + ' ' + word + (count == 1 ? "" : "s");
}

} // namespace

std::string Diagnostics::render(bool color) const {
  // Syntax errors were found before all others: put together what is close in
  // the text. Files stay in the order in which they first appeared.
  std::unordered_map<std::string, size_t> files;
  std::vector<std::tuple<size_t, unsigned, unsigned, size_t>> order;
  for (size_t i = 0; i < list.size(); ++i) {
    const Location &at = list[i].location;
    size_t file = files.emplace(at.file, files.size()).first->second;
    order.emplace_back(file, at.line, at.column, i);
  }
  std::sort(order.begin(), order.end());

  Renderer renderer(sources, color);
  unsigned warnings = 0;
  for (const auto &[file, line, column, index] : order) {
    renderer.diagnostic(list[index]);
    warnings += list[index].severity == Severity::Warning;
  }
  if (dropped)
    renderer.tooMany();
  std::string count;
  if (warnings)
    count = plural(warnings, "warning");
  if (errors)
    count += (warnings ? " and " : "") + plural(errors, "error");
  if (!count.empty())
    renderer.out += count + " generated.\n";
  return renderer.out;
}

//===----------------------------------------------------------------------===//
// Did you mean
//===----------------------------------------------------------------------===//

namespace {

std::string lowered(std::string word) {
  for (char &c : word)
    if (c >= 'A' && c <= 'Z')
      c += 'a' - 'A';
  return word;
}

/// Optimal string alignment distance: Damerau (1964) and Levenshtein (1966),
/// no part edited twice. Three rows of the table suffice.
unsigned editDistance(const std::string &a, const std::string &b) {
  std::vector<unsigned> before(b.size() + 1), last(b.size() + 1),
      row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    row[j] = unsigned(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    before.swap(last);
    last.swap(row);
    row[0] = unsigned(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1,
                         last[j - 1] + unsigned(a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

} // namespace

std::string nearest(const std::string &word,
                    const std::vector<std::string> &candidates) {
  constexpr size_t longest = 64; // longer words are no slips of the finger
  if (word.empty() || word.size() > longest)
    return "";
  unsigned best = std::max<unsigned>(1, unsigned(word.size()) / 3) + 1;
  std::string result, lower = lowered(word);
  for (const std::string &candidate : candidates) {
    size_t shorter = std::min(candidate.size(), word.size());
    size_t longer = std::max(candidate.size(), word.size());
    if (candidate == word || longer - shorter >= best)
      continue;
    unsigned distance = editDistance(lower, lowered(candidate));
    // Words of one letter all resemble each other.
    if (distance < best && distance < shorter) {
      best = distance;
      result = candidate;
    }
  }
  return result;
}

} // namespace fm
