//===- Help.cpp - The op reference, from the running dialect
//------------------------===//
//
// `fmc help` lists the ops of the language, `fmc help OP` explains one, and
// `fmc help --markdown` writes the whole reference.
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Commands.h"
#include "compiler/ir/Dialect.h"
#include "frontend/recorder/Recorder.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

using namespace mlir;

namespace fm::driver {

namespace {

/// What the reference says of one op.
struct OpEntry {
  OpSignature signature;
  bool takesName;       ///< a layer, whose weights can be shared by name
  std::string gradient; ///< how it is differentiated, or why not; "": no op
};

/// Categories in the order in which a reader wants them; others follow.
const char *const kCategories[] = {
    "layer",          "activation", "normalization", "pooling",
    "regularization", "math",       "reduction",     "shape",
    "loss",           "metric",     "optimizer",     "initializer"};

std::string gradientOf(RegisteredOperationName name) {
  if (auto *none = name.getInterface<ir::NonDifferentiableOpInterface>())
    return (none->isGradientAnError() ? "none, and asking for it is an error: "
                                      : "zero: ") +
           none->getNonDifferentiableReason().str();
  if (name.hasInterface<ir::AdjointOpInterface>())
    return "its own rule";
  return "that of what it is composed of";
}

std::vector<OpEntry> collectEntries() {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<ir::FmDialect>();
  std::vector<OpEntry> entries;
  for (const OpSignature &signature : Recorder::signatures()) {
    auto name =
        RegisteredOperationName::lookup("fm." + signature.name, &context);
    entries.push_back({signature,
                       name && name->hasInterface<ir::LayerOpInterface>(),
                       name ? gradientOf(*name) : ""});
  }
  auto rank = [](const OpEntry &entry) {
    return std::find(std::begin(kCategories), std::end(kCategories),
                     entry.signature.category) -
           std::begin(kCategories);
  };
  std::stable_sort(
      entries.begin(), entries.end(), [&](const OpEntry &a, const OpEntry &b) {
        return rank(a) != rank(b) ? rank(a) < rank(b)
                                  : a.signature.category < b.signature.category;
      });
  return entries;
}

/// "axes enum(all)" is written "axes or all".
std::string typeText(const std::string &type) {
  StringRef rest(type);
  auto [kind, choices] = rest.split("enum(");
  if (choices.empty())
    return type;
  SmallVector<StringRef> words;
  choices.drop_back().split(words, '|');
  std::string text = kind.trim().str();
  // "padding enum(valid|same)": a pair of borders is the third choice.
  if (text == "padding")
    text = "pair";
  for (size_t i = 0; i < words.size(); ++i)
    text += (text.empty()            ? ""
             : i + 1 == words.size() ? " or "
                                     : ", ") +
            words[i].str();
  return text;
}

std::vector<std::string> argumentTexts(const OpEntry &entry) {
  std::vector<std::string> texts;
  for (const auto &parameter : entry.signature.parameters)
    texts.push_back(parameter.name +
                    (parameter.required ? "" : " = " + parameter.defaultValue));
  return texts;
}

/// Words of `text` filled into lines of `width`, the later ones indented.
std::string wrap(const std::string &text, size_t width, size_t indent) {
  std::string result;
  size_t column = indent;
  SmallVector<StringRef> words;
  StringRef(text).split(words, ' ', -1, false);
  for (StringRef word : words) {
    if (column > indent && column + 1 + word.size() > width) {
      result += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      result += ' ';
      ++column;
    }
    result += word;
    column += word.size();
  }
  return result;
}

/// "conv2d(x, filters,": arguments under arguments.
std::string callText(const OpEntry &entry, size_t width, size_t margin) {
  std::string head = entry.signature.name + "(";
  size_t indent = margin + head.size(), column = indent;
  std::string result = head;
  auto texts = argumentTexts(entry);
  for (size_t i = 0; i < texts.size(); ++i) {
    std::string text = texts[i] + (i + 1 < texts.size() ? "," : ")");
    if (column > indent && column + 1 + text.size() > width) {
      result += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      result += ' ';
      ++column;
    }
    result += text;
    column += text.size();
  }
  return texts.empty() ? entry.signature.name : result;
}

/// Writes to a terminal, in bold where colours are wanted.
class TerminalWriter {
public:
  TerminalWriter(bool color, size_t width) : color(color), width(width) {}

  void list(const std::vector<OpEntry> &entries) {
    std::string category;
    size_t longest = 0;
    for (const OpEntry &entry : entries)
      longest = std::max(longest, entry.signature.name.size());
    for (const OpEntry &entry : entries) {
      if (entry.signature.category != category) {
        category = entry.signature.category;
        out += "\n" + bold(category) + "\n";
      }
      std::string name = entry.signature.name;
      name.resize(longest + 2, ' ');
      out += "  " + name + wrap(entry.signature.summary, width, longest + 4) +
             "\n";
    }
    out += "\n`fmc help OP` explains one of them.\n";
  }

  void explain(const OpEntry &entry) {
    out +=
        bold(entry.signature.name) + " (" + entry.signature.category + ")\n\n";
    out += "  " + wrap(entry.signature.summary, width, 2) + "\n\n";
    out += "  " + callText(entry, width, 2) + "\n\n";
    size_t longest = 8;
    for (const auto &parameter : entry.signature.parameters)
      longest = std::max(longest, parameter.name.size());
    auto row = [&](std::string name, const std::string &text) {
      name.resize(longest + 2, ' ');
      out += "  " + bold(name) + wrap(text, width, longest + 4) + "\n";
    };
    for (const auto &parameter : entry.signature.parameters)
      row(parameter.name,
          typeText(parameter.type) +
              (parameter.required ? ""
                                  : ", default " + parameter.defaultValue));
    if (entry.takesName)
      row("name", "string; layers of one name share their weights");
    if (!entry.gradient.empty())
      row("gradient", entry.gradient);
  }

  std::string out;

private:
  std::string bold(const std::string &text) const {
    return color ? "\033[1m" + text + "\033[0m" : text;
  }
  bool color;
  size_t width;
};

std::string markdown(const std::vector<OpEntry> &entries) {
  std::string out =
      "# The ops of the language\n\nWritten by `fmc help --markdown`; do not "
      "edit.\n"
      "`batch` is the first dimension of a tensor, where it has one.\n";
  std::string category;
  for (const OpEntry &entry : entries) {
    if (entry.signature.category != category) {
      category = entry.signature.category;
      out += "\n## " + category + "\n";
    }
    out += "\n### " + entry.signature.name + "\n" + entry.signature.summary +
           ".\n\n```\n" + callText(entry, 100, 0) +
           "\n```\n\n| argument | type | default |\n|---|---|---|\n";
    for (const auto &parameter : entry.signature.parameters)
      out += "| `" + parameter.name + "` | " + typeText(parameter.type) +
             " | " +
             (parameter.required ? "" : "`" + parameter.defaultValue + "`") +
             " |\n";
    if (entry.takesName)
      out += "| `name` | string | numbered |\n";
    if (!entry.gradient.empty())
      out += "\nGradient: " + entry.gradient + ".\n";
  }
  return out;
}

} // namespace

bool help(const HelpOptions &options, Diagnostics &diagnostics,
          std::string &text) {
  auto entries = collectEntries();
  if (options.markdown) {
    text = markdown(entries);
    return true;
  }
  TerminalWriter writer(options.color, options.width);
  if (options.op.empty()) {
    writer.list(entries);
    text = writer.out;
    return true;
  }
  std::vector<std::string> names;
  for (const OpEntry &entry : entries) {
    names.push_back(entry.signature.name);
    if (entry.signature.name == options.op) {
      writer.explain(entry);
      text = writer.out;
      return true;
    }
  }
  std::string near = nearest(options.op, names);
  diagnostics.error({},
                    "unknown op '" + options.op + "'" +
                        (near.empty() ? "" : "; did you mean '" + near + "'?"));
  return false;
}

} // namespace fm::driver
