//===- ParseTuneFile.cpp - What a file of choices says --------------------===//
#include "compiler/codegen/TuneFile.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace fm::codegen {

namespace {

struct Word {
  std::string text;
  TunePlace place;
};

/// What a message shows of a word.
std::string quoted(const std::string &word) {
  std::string shown;
  for (char c : word.substr(0, 40))
    shown += c >= 32 && c < 127 ? c : '?';
  return "'" + shown + (word.size() > 40 ? "...'" : "'");
}

std::vector<Word> wordsOf(const std::string &line, unsigned number) {
  std::vector<Word> words;
  auto isBlank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  for (size_t at = 0; at < line.size();) {
    if (isBlank(line[at])) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < line.size() && !isBlank(line[end]))
      ++end;
    words.push_back({line.substr(at, end - at),
                     {number, static_cast<unsigned>(at + 1),
                      static_cast<unsigned>(end - at)}});
    at = end;
  }
  return words;
}

class Parser {
public:
  Parser(const std::string &text, std::vector<TuneProblem> &problems)
      : text(text), problems(problems) {}

  TuneFile run() {
    unsigned number = 0;
    for (size_t at = 0; at < text.size() || number == 0;) {
      const size_t end = std::min(text.find('\n', at), text.size());
      const std::string line = text.substr(at, end - at);
      at = end + 1;
      if (++number == 1) {
        if (!header(line))
          return {};
        continue;
      }
      parse(line, number);
    }
    finishKernel();
    return std::move(file);
  }

private:
  const std::string &text;
  std::vector<TuneProblem> &problems;
  TuneFile file;
  TunedMachine *machine = nullptr;
  TunedKernel *kernel = nullptr;
  bool hasNest = false; ///< a good one or not
  std::string comment;

  void fail(const TunePlace &place, const std::string &message,
            const std::string &note = "") {
    problems.push_back({place, message, note});
  }

  bool header(const std::string &line) {
    const std::vector<Word> words = wordsOf(line, 1);
    const std::string expected =
        TuneFile::magic + (" " + std::to_string(TuneFile::version));
    if (words.size() == 2 && words[0].text == TuneFile::magic) {
      int64_t found = 0;
      if (number(words[1].text, 1, found) && found != TuneFile::version) {
        fail(words[1].place,
             "the file has version " + std::to_string(found) +
                 ", and this fmc reads " + std::to_string(TuneFile::version),
             "delete the file, or run fmc tune again");
        return false;
      }
      if (found == TuneFile::version)
        return true;
    }
    fail({1, 1, static_cast<unsigned>(std::max<size_t>(1, line.size()))},
         "expected '" + expected + "', found " + quoted(line),
         "this is no file that fmc tune has written");
    return false;
  }

  void parse(const std::string &line, unsigned number) {
    const std::vector<Word> words = wordsOf(line, number);
    if (words.empty()) {
      comment.clear();
      return;
    }
    if (words[0].text[0] == '#') {
      std::string rest = line.substr(words[0].place.column);
      if (!rest.empty() && rest[0] == ' ')
        rest.erase(0, 1);
      comment += (comment.empty() ? "" : "\n") + rest;
      return;
    }
    const std::string &kind = words[0].text;
    if (kind == "cpu")
      cpu(words);
    else if (kind == "model")
      model(words);
    else if (kind == "kernel")
      beginKernel(words);
    else if (kind == "nest")
      nest(words);
    else
      fail(words[0].place,
           "expected cpu, model, kernel, nest or #, found " + quoted(kind));
    comment.clear();
  }

  bool inSection(const Word &word) {
    if (!machine)
      fail(word.place,
           "a line 'cpu NAME BITS' comes before the first " + word.text);
    return machine;
  }

  void finishKernel() {
    if (kernel && !hasNest)
      fail(kernel->place, "kernel without a nest");
    kernel = nullptr;
    hasNest = false;
  }

  void cpu(const std::vector<Word> &words) {
    finishKernel();
    int64_t bits = 0;
    if (words.size() != 3)
      return fail(words.back().place,
                  "expected 'cpu NAME BITS', found " +
                      std::to_string(words.size() - 1) +
                      (words.size() == 2 ? " word" : " words") +
                      " after 'cpu'");
    if (!number(words[2].text, 1, bits) || bits > (1 << 16))
      return fail(words[2].place, "expected the bits of a vector, found " +
                                      quoted(words[2].text));
    for (const TunedMachine &known : file.machines)
      if (known.cpu == words[1].text && known.vectorBits == bits)
        fail(words[1].place, quoted(known.cpu) +
                                 " has a section already, in line " +
                                 std::to_string(known.place.line));
    TunedMachine next;
    next.cpu = words[1].text;
    next.vectorBits = bits;
    next.place = words[0].place;
    file.machines.push_back(next);
    machine = &file.machines.back();
  }

  bool key(const std::vector<Word> &words, uint64_t &key) {
    if (words.size() < 2) {
      fail(words[0].place,
           "expected 16 hexadecimal digits after '" + words[0].text + "'");
      return false;
    }
    const std::string &digits = words[1].text;
    const char *end = digits.data() + digits.size();
    auto [stop, error] = std::from_chars(digits.data(), end, key, 16);
    if (digits.size() == 16 && error == std::errc() && stop == end)
      return true;
    fail(words[1].place,
         "expected 16 hexadecimal digits, found " + quoted(digits));
    return false;
  }

  void model(const std::vector<Word> &words) {
    finishKernel();
    TunedModel model;
    if (!inSection(words[0]) || !key(words, model.key))
      return;
    model.place = words[0].place;
    model.comment = comment;
    for (const TunedModel &known : machine->models)
      if (known.key == model.key)
        return fail(words[1].place, "the model has an entry already, in line " +
                                        std::to_string(known.place.line));
    for (size_t i = 2; i < words.size(); ++i) {
      const auto [name, value] = field(words[i]);
      std::optional<bool> *target = name == "winograd" ? &model.choice.winograd
                                    : name == "fuse"   ? &model.choice.fuse
                                    : name == "layout" ? &model.choice.layout
                                    : name == "chains" ? &model.choice.chains
                                                       : nullptr;
      if (!target)
        fail(words[i].place,
             "expected winograd, fuse, layout or chains, found " +
                 quoted(name));
      else if (*target)
        fail(words[i].place, name + " is given twice");
      else if (value != "on" && value != "off")
        fail(valuePlace(words[i]),
             "expected on or off, found " + quoted(value));
      else
        *target = value == "on";
    }
    machine->models.push_back(model);
  }

  void beginKernel(const std::vector<Word> &words) {
    finishKernel();
    TunedKernel next;
    if (!inSection(words[0]) || !key(words, next.key))
      return;
    if (words.size() > 2)
      return fail(words[2].place, "expected the end of the line, found " +
                                      quoted(words[2].text));
    if (const TunedKernel *known = machine->find(next.key))
      return fail(words[1].place, "the kernel has an entry already, in line " +
                                      std::to_string(known->place.line));
    next.place = words[0].place;
    next.comment = comment;
    machine->kernels.push_back(next);
    kernel = &machine->kernels.back();
  }

  void nest(const std::vector<Word> &words) {
    if (!kernel) {
      // After a kernel that was refused there is nothing more to say.
      if (problems.empty())
        fail(words[0].place, "a nest belongs to a kernel, and there is none");
      return;
    }
    hasNest = true;
    TunedNest nest;
    nest.place = words[0].place;
    NestChoice &choice = nest.choice;
    choice.parallelLoops = -1;
    for (size_t i = 1; i < words.size(); ++i) {
      const auto [name, value] = field(words[i]);
      if (!nest.fields.emplace(name, words[i].place).second) {
        fail(words[i].place, quoted(name) + " is given twice");
        continue;
      }
      std::vector<int64_t> order;
      if (name == "tile")
        numbers(words[i], 1, choice.tile);
      else if (name == "order")
        numbers(words[i], 0, order);
      else if (name == "block")
        numbers(words[i], 1, choice.block);
      else if (name == "vector")
        one(words[i], 0, choice.vectorLoop);
      else if (name == "lanes")
        one(words[i], 1, choice.lanes);
      else if (name == "outer")
        one(words[i], 0, choice.reductionOuter);
      else if (name == "split")
        one(words[i], 1, choice.reductionSplit);
      else if (name == "unroll")
        one(words[i], 1, choice.unrollReduction);
      else if (name == "parallel")
        one(words[i], 0, choice.parallelLoops);
      else if (name == "straight" && (value == "on" || value == "off"))
        choice.unrollTile = value == "on";
      else if (name == "straight")
        fail(valuePlace(words[i]),
             "expected on or off, found " + quoted(value));
      else
        fail(words[i].place,
             "expected tile, vector, lanes, order, block, outer, split, "
             "unroll, straight or parallel, found " +
                 quoted(name));
      choice.order.insert(choice.order.end(), order.begin(), order.end());
    }
    if (!nest.fields.count("tile"))
      return fail(words[0].place, "a nest has a tile, and this one has none");
    if (!nest.fields.count("order"))
      for (size_t l = 0; l < choice.tile.size(); ++l)
        choice.order.push_back(l);
    kernel->nests.push_back(nest);
  }

  // --- Words ---

  static std::pair<std::string, std::string> field(const Word &word) {
    const size_t equals = word.text.find('=');
    if (equals == std::string::npos)
      return {word.text, ""};
    return {word.text.substr(0, equals), word.text.substr(equals + 1)};
  }

  static TunePlace valuePlace(const Word &word) {
    TunePlace place = word.place;
    const size_t equals = word.text.find('=');
    if (equals != std::string::npos && equals + 1 < word.text.size()) {
      place.column += equals + 1;
      place.length -= equals + 1;
    }
    return place;
  }

  static bool number(const std::string &digits, int64_t least,
                     int64_t &result) {
    const char *end = digits.data() + digits.size();
    auto [stop, error] = std::from_chars(digits.data(), end, result);
    return error == std::errc() && stop == end && !digits.empty() &&
           result >= least && result <= std::numeric_limits<int32_t>::max();
  }

  static std::string expectedNumber(int64_t least) {
    return least ? "expected a number above 0, found "
                 : "expected a number, found ";
  }

  template <typename Integer>
  void one(const Word &word, int64_t least, Integer &result) {
    int64_t value = 0;
    if (!number(field(word).second, least, value))
      return fail(valuePlace(word),
                  expectedNumber(least) + quoted(field(word).second));
    result = value;
  }

  void numbers(const Word &word, int64_t least, std::vector<int64_t> &result) {
    const std::string list = field(word).second;
    TunePlace place = valuePlace(word);
    for (size_t at = 0; at <= list.size();) {
      const size_t end = std::min(list.find(',', at), list.size());
      const std::string digits = list.substr(at, end - at);
      int64_t value = 0;
      if (!number(digits, least, value)) {
        place.column += at;
        place.length = std::max<size_t>(1, digits.size());
        return fail(place, expectedNumber(least) + quoted(digits));
      }
      result.push_back(value);
      at = end + 1;
    }
  }
};

} // namespace

TuneFile parseTuneFile(const std::string &text,
                       std::vector<TuneProblem> &problems) {
  return Parser(text, problems).run();
}

} // namespace fm::codegen
