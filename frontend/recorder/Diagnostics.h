//===- Diagnostics.h - Located messages for what a user wrote --------------===//
//
// Every error that a user can cause ends here: collected, so that all of them
// are shown in one run, and rendered the way clang does: file, line, column,
// the source line, a caret, notes with the way out.
//
//===----------------------------------------------------------------------===//
#ifndef FM_FRONTEND_RECORDER_DIAGNOSTICS_H
#define FM_FRONTEND_RECORDER_DIAGNOSTICS_H

#include <string>
#include <vector>

namespace fm {

/// A place in a source file. Line and column count from 1; line 0: the file as
/// a whole. `length` columns are underlined, at least the caret's own.
struct Location {
  std::string file;
  unsigned line = 0;
  unsigned column = 0;
  unsigned length = 1;
};

enum class Severity { Error, Warning, Note };

struct Diagnostic {
  Severity severity = Severity::Error;
  Location location;
  std::string message;           ///< lower-case, no full stop
  std::vector<Diagnostic> notes; ///< severity Note
};

/// Collects diagnostics in the order in which they were reported.
class Diagnostics {
public:
  /// The returned reference is valid until the next report; use it to add notes:
  /// `diagnostics.error(loc, "...").notes.push_back(...)`, or `note` below.
  Diagnostic &error(const Location &location, std::string message);
  Diagnostic &warning(const Location &location, std::string message);
  /// Adds a note to the diagnostic reported last.
  void note(const Location &location, std::string message);

  bool hasErrors() const { return errors > 0; }
  unsigned errorCount() const { return errors; }
  const std::vector<Diagnostic> &all() const { return list; }

  /// Text that `file` is rendered from; files never registered are read from
  /// disk when they are rendered, and shown without source line if unreadable.
  void setSource(const std::string &file, std::string text);

  /// All diagnostics, each `file:line:col: error: message`, the source line and
  /// a caret, identical ones once, then "2 errors generated.", as clang does.
  std::string render(bool color) const;

private:
  std::vector<Diagnostic> list;
  std::vector<std::pair<std::string, std::string>> sources;
  unsigned errors = 0;
};

/// The candidate nearest to `word` by edit distance (at most a third of its
/// length, at least 1), or "" if none is near: for "did you mean".
std::string nearest(const std::string &word,
                    const std::vector<std::string> &candidates);

} // namespace fm

#endif // FM_FRONTEND_RECORDER_DIAGNOSTICS_H
