//===- Main.cpp - The fmc command ---------------------------------------------------===//
//
// Subcommands and their options. Exit codes, as of compilers: 0 done, 1 an error,
// in the model or on the command line, which was reported.
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Commands.h"
#include "compiler/driver/Compiler.h"
#include "frontend/recorder/Diagnostics.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <iostream>
#include <system_error>
#include <sys/ioctl.h>
#include <unistd.h>

using namespace fm;
using namespace fm::driver;

namespace {

/// The options that every command that compiles has.
void addCompileOptions(CLI::App &command, CompilerOptions &options) {
  command.add_option("model", options.input, "The model, a .fm file")->required();
  command.add_option("-D,--define", options.defines, "Override a model parameter, NAME=VALUE")
      ->type_name("NAME=VALUE")->allow_extra_args(false);
  command.add_option("--target", options.triple, "Target triple (default: this machine's)");
  command.add_option("--cpu", options.cpu, "Target CPU, or native (default: this machine's; for another target its baseline)");
  command.add_option("-O", options.optLevel, "Optimisation level")
      ->check(CLI::Range(0, 3))->capture_default_str();
  command.add_option("--backend", options.backend, "Kernel generator")
      ->check(CLI::IsMember({"halide", "reference"}))->capture_default_str();
  command.add_flag_callback("--no-fuse", [&options] { options.fuse = false; }, "One op a kernel");
  command.add_flag_callback("--no-layout", [&options] { options.layout = false; },
                            "Tensors lie densely, and nobody copies operands");
  command.add_flag_callback("--no-winograd", [&options] { options.winograd = false; },
                            "3x3 convolutions by their plain loops");
  command.add_flag_callback("--no-chains", [&options] { options.chains = false; },
                            "Each kernel runs for all samples before the next one");
  command.add_flag_callback("--no-derive", [&options] { options.derive = false; },
                            "Weights in other forms are made in each call, and take no memory in between");
  command.add_flag("--exact", options.exact, "No transformation that rounds differently");
  command.add_flag_callback("--no-tune", [&options] { options.tune = false; },
                            "Take nothing from the tuned file beside the model");
  command.add_option("--tune-file", options.tuneFile, "The tuned file (default: MODEL.tune beside MODEL.fm, if there is one)");
  command.add_flag("--asserts", options.asserts, "Kernels check every bound");
  command.add_option("--threads", options.jobs, "Threads that compile (default: one a core)");
  command.add_flag("--time-passes", options.timePasses, "Print how long each stage took");
}

void printTimes(const Compiler &compiler) {
  double total = 0;
  std::fprintf(stderr, "  seconds  stage\n");
  for (const auto &[name, seconds] : compiler.times()) {
    std::fprintf(stderr, "  %7.3f  %s\n", seconds, name.c_str());
    if (name != "lower")
      total += seconds;
  }
  std::fprintf(stderr, "  %7.3f  total\n", total);
}

int finish(const Diagnostics &diagnostics, const CompilerOptions &options) {
  bool color = options.color.value_or(isatty(STDERR_FILENO));
  std::fputs(diagnostics.render(color).c_str(), stderr);
  return diagnostics.hasErrors() ? 1 : 0;
}

int compile(const CompilerOptions &options) {
  Diagnostics diagnostics;
  if (llvm::sys::fs::equivalent(options.input, options.output)) {
    diagnostics.error({}, "the output '" + options.output + "' is the model itself; name another file with -o");
    return finish(diagnostics, options);
  }
  Compiler compiler(options, diagnostics);
  if (options.emit == "object" && options.stopAfter.empty()) {
    compiler.compileToFolder();
  } else {
    std::string text;
    if (compiler.emitText(text)) {
      if (options.output.empty() || options.output == "-") {
        if (!(std::cout << text << std::flush))
          diagnostics.error({}, "cannot write to the standard output: " + std::generic_category().message(errno));
      } else {
        std::string error = writeFiles({{options.output, text}});
        if (!error.empty())
          diagnostics.error({}, error);
      }
    }
  }
  if (options.timePasses)
    printTimes(compiler);
  return finish(diagnostics, options);
}

int explain(HelpOptions help, const CompilerOptions &options) {
  Diagnostics diagnostics;
  winsize window = {};
  bool terminal = isatty(STDOUT_FILENO);
  if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col >= 40)
    help.width = window.ws_col;
  help.color = options.color.value_or(terminal);
  std::string text;
  if (driver::help(help, diagnostics, text))
    std::cout << text << std::flush;
  return finish(diagnostics, options);
}

} // namespace

int main(int argc, char **argv) {
  CLI::App app("fmc compiles neural networks, training included, to an object file and a C header.", "fmc");
  app.set_version_flag("--version", "fmc " FMC_VERSION);
  app.require_subcommand(1);
  app.fallthrough(); // `fmc compile --color never`, too
  app.get_formatter()->column_width(34);
  CompilerOptions options;
  std::string color;
  app.add_option("--color", color, "Coloured messages: always, never, auto")
      ->check(CLI::IsMember({"always", "never", "auto"}));

  CLI::App *compileCommand = app.add_subcommand("compile", "Compile a model to NAME.o and NAME.h");
  addCompileOptions(*compileCommand, options);
  compileCommand->add_option("-o,--output", options.output, "Output folder (default: the current one); with --emit or --stop-after, output file (default: standard output)");
  auto *emit = compileCommand->add_option("--emit", options.emit, "What to make")
      ->check(CLI::IsMember({"object", "ast", "fm", "model", "grad", "linalg", "kernels", "layouts", "plan", "llvm", "asm"}))
      ->capture_default_str();
  compileCommand->add_option("--stop-after", options.stopAfter, "Print the IR after this stage")
      ->check(CLI::IsMember({"entries", "grad", "linalg", "kernels", "layouts", "plan"}))->excludes(emit);

  CLI::App *checkCommand = app.add_subcommand("check", "Compare the compiled gradients with finite differences in f64");
  checkCommand->footer("At most 4 samples of made-up data. Up to 24 elements of each parameter and of each input marked `with gradient`,\n"
                       "spread over it, are moved one at a time; 8 where memory between kernels exceeds 16 MiB. Elements whose move\n"
                       "crosses a kink (of a rectifier, a maximum) are counted and replaced by others.");
  addCompileOptions(*checkCommand, options);

  CLI::App *showCommand = app.add_subcommand("show", "Print the layers, the entries and the memory of a model");
  addCompileOptions(*showCommand, options);

  BenchOptions benchOptions;
  CLI::App *benchCommand = app.add_subcommand("bench", "Measure a compiled model on made-up data");
  addCompileOptions(*benchCommand, options);
  benchCommand->add_flag("--kernels", benchOptions.kernels, "Time each kernel, against the roofline");
  benchCommand->add_option("--run-threads", benchOptions.threads, "Threads that run kernels")
      ->check(CLI::Range(1, 1024))->capture_default_str();
  benchCommand->add_option("--seconds", benchOptions.seconds, "Time to spend on each entry")
      ->check(CLI::Range(0.0, 3600.0))->capture_default_str();

  TuneOptions tuneOptions;
  CLI::App *tuneCommand = app.add_subcommand("tune", "Search faster schedules by measuring, and keep them beside the model");
  tuneCommand->footer("Writes MODEL.tune (or --tune-file), which the other commands then take. An earlier file is where the search\n"
                      "begins; with --no-tune it begins anew. Results of kernels may round differently afterwards, by less than 1e-4 of\n"
                      "the largest number in each tensor. Ctrl-C ends the search and keeps what was found.");
  addCompileOptions(*tuneCommand, options);
  tuneCommand->add_option("--seconds", tuneOptions.seconds, "Time to spend")
      ->check(CLI::Range(0.1, 1e6))->capture_default_str();
  tuneCommand->add_option("--run-threads", tuneOptions.threads, "Threads that run kernels")
      ->check(CLI::Range(1, 1024))->capture_default_str();

  tuneCommand->add_flag("-v,--verbose", tuneOptions.verbose, "Print each candidate and what became of it");

  HelpOptions helpOptions;
  CLI::App *helpCommand = app.add_subcommand("help", "Explain the ops of the language");
  helpCommand->add_option("op", helpOptions.op, "The op (default: list them all)");
  helpCommand->add_flag("--markdown", helpOptions.markdown, "The whole reference, in Markdown");

  // CLI11 would only say that a subcommand is required.
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word == "--color")
      ++i;
    if (word[0] == '-')
      continue;
    std::vector<std::string> commands;
    for (const CLI::App *command : app.get_subcommands({}))
      commands.push_back(command->get_name());
    if (llvm::is_contained(commands, word))
      break;
    std::string near = nearest(word, commands);
    std::fprintf(stderr, "fmc: error: unknown command '%s'%s\nThe commands are %s; fmc COMMAND --help explains one.\n",
                 word.c_str(), near.empty() ? "" : ("; did you mean '" + near + "'?").c_str(),
                 llvm::join(commands, ", ").c_str());
    return 1;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0) // --help, --version
      return app.exit(error);
    std::fprintf(stderr, "fmc: error: %s\nRun with --help for more information.\n", error.what());
    return 1;
  }
  if (color == "always" || color == "never")
    options.color = color == "always";
  if (*compileCommand)
    return compile(options);
  if (*helpCommand)
    return explain(helpOptions, options);
  Diagnostics diagnostics;
  if (*showCommand)
    show(options, diagnostics);
  else if (*benchCommand)
    bench(options, benchOptions, diagnostics);
  else if (*tuneCommand)
    tune(options, tuneOptions, diagnostics);
  else
    check(options, diagnostics);
  return finish(diagnostics, options);
}
