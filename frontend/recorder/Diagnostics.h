//===- Diagnostics.h - Located messages for what a user wrote -------------===//
//
// Every error that a user can cause ends here: collected, so that all of them
// are shown in one run, and rendered the way clang does: file, line, column,
// the source line, a caret, notes with the way out.
//
//===----------------------------------------------------------------------===//
#ifndef FM_FRONTEND_RECORDER_DIAGNOSTICS_H
#define FM_FRONTEND_RECORDER_DIAGNOSTICS_H

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace fm {

/// A place in a source file. Line and column count from 1, columns in bytes as
/// clang's do; line 0: the file as a whole; no file: the command itself.
/// `length` bytes are underlined, at least the caret's own.
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

/// Collects diagnostics in the order in which they were reported. One that is
/// identical to an earlier one (an unrolled loop repeats its mistakes) and
/// errors past the limit are dropped, with their notes.
class Diagnostics {
public:
  /// The returned reference is valid until the next report; use it to add
  /// notes: `diagnostics.error(loc, "...").notes.push_back(...)`, or `note`.
  Diagnostic &error(const Location &location, std::string message);
  Diagnostic &warning(const Location &location, std::string message);
  /// Adds a note to the diagnostic reported last.
  void note(const Location &location, std::string message);
  /// Adds a note to each diagnostic from index `first` of `all()` on: where the
  /// call is whose inside went wrong.
  void noteSince(size_t first, const Location &location,
                 const std::string &message);

  bool hasErrors() const { return errors > 0; }
  unsigned errorCount() const { return errors; }
  const std::vector<Diagnostic> &all() const { return list; }

  /// At most so many errors are kept; 0: all. 20 unless set, as in clang.
  void setErrorLimit(unsigned limit) { errorLimit = limit; }
  /// More errors than the limit were reported: whoever still looks may stop.
  bool tooManyErrors() const { return dropped; }

  /// Text that `file` is rendered from; files never registered are read from
  /// disk when they are rendered, and shown without source line if unreadable.
  void setSource(const std::string &file, std::string text);

  /// All diagnostics in the order of the text, each `file:line:col: error:
  /// message`, the source line and a caret, then "2 errors generated.", as
  /// clang does. A note at the very place of its diagnostic (a hint) does not
  /// show the line again.
  std::string render(bool color) const;

private:
  Diagnostic &report(Severity severity, const Location &location,
                     std::string message);

  std::vector<Diagnostic> list;
  std::unordered_set<std::string> seen; ///< Keys of what is in `list`.
  Diagnostic discarded;                 ///< Takes the notes of what is dropped.
  bool lastDiscarded = false;
  std::unordered_map<std::string, std::string> sources;
  unsigned errors = 0;
  unsigned errorLimit = 100;
  bool dropped = false;
};

/// The candidate nearest to `word` by edit distance (insert, delete, replace,
/// swap of neighbours; case does not count; at most a third of the word's
/// length, at least 1), or "" if none is near: for "did you mean". The word
/// itself is no candidate.
std::string nearest(const std::string &word,
                    const std::vector<std::string> &candidates);

} // namespace fm

#endif // FM_FRONTEND_RECORDER_DIAGNOSTICS_H
