//===- Tune.cpp - fmc tune: choices by measuring on this machine ---------------------===//
//
// First choices for the whole model (fusion, Winograd's transforms, layouts), each
// measured as a whole step; then those of each kernel (KernelSearch.h). What is
// found is kept in a file beside the model, replaced as a whole at each
// improvement, so that it is complete whenever the search is stopped.
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Commands.h"
#include "compiler/driver/KernelSearch.h"
#include "compiler/driver/Tuned.h"

#include "compiler/codegen/Flops.h"
#include "frontend/recorder/RecorderImpl.h"

#include "llvm/Support/FileSystem.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <unistd.h>

namespace fm::driver {

using namespace codegen;

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Ctrl-C ends the search, not the process: the signal waits until it is asked
/// for. Threads that are started later inherit that.
class Interrupt {
public:
  Interrupt() {
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, &old);
  }
  ~Interrupt() { pthread_sigmask(SIG_SETMASK, &old, nullptr); }
  bool happened() {
    const timespec now = {};
    return seen = seen || sigtimedwait(&set, nullptr, &now) == SIGINT;
  }

private:
  sigset_t set, old;
  bool seen = false;
};

/// A bar on a terminal; elsewhere only lines that stay.
class Progress {
public:
  explicit Progress(double seconds) : seconds(seconds), terminal(isatty(STDERR_FILENO)) {}
  ~Progress() { clear(); }
  void line(const std::string &text) {
    clear();
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  void show(double elapsed, const std::string &text) {
    if (!terminal)
      return;
    clear();
    const int width = 24, full = int(width * std::min(1.0, elapsed / seconds));
    std::fprintf(stderr, "[%s%s] %3.0f of %.0f s  %s", std::string(full, '#').c_str(),
                 std::string(width - full, '.').c_str(), elapsed, seconds, text.c_str());
    std::fflush(stderr);
  }

private:
  const double seconds;
  const bool terminal;
  void clear() {
    if (terminal)
      std::fprintf(stderr, "\r\033[K");
  }
};

std::string printed(const char *format, double a, double b) {
  char text[80];
  std::snprintf(text, sizeof text, format, a, b);
  return text;
}

std::string microseconds(double before, double after) {
  return printed(before < 1e-4 ? "%.2f -> %.2f us" : "%.1f -> %.1f us", before * 1e6, after * 1e6);
}

/// Times of whole entries in two compiled models, in pairs.
struct PairedTimes {
  double before = 0, after = 0, ratio = 1;
};
PairedTimes compareEntry(LiveModel &a, LiveModel &b, const std::string &name, double budget, bool oneThread,
                         Interrupt &interrupt) {
  const int entryA = a.entry(name), entryB = b.entry(name);
  SyntheticArguments argumentsA(a.program(), a.program().entries[entryA], 1);
  SyntheticArguments argumentsB(b.program(), b.program().entries[entryB], 1);
  auto time = [&](LiveModel &model, int entry, SyntheticArguments &arguments) {
    const double start = secondsOf(oneThread);
    model.call(entry, model.program().batch, arguments.pointers());
    return secondsOf(oneThread) - start;
  };
  std::vector<double> before, after, ratios;
  const auto start = Clock::now();
  for (int pair = 0; pair < 14 || (since(start) < budget && pair < 10000); ++pair) {
    if (interrupt.happened() && pair > 5)
      break;
    const bool turned = pair % 2;
    double second = turned ? time(b, entryB, argumentsB) : 0;
    const double first = time(a, entryA, argumentsA);
    if (!turned)
      second = time(b, entryB, argumentsB);
    if (pair < 4) // they warm up
      continue;
    before.push_back(first);
    after.push_back(second);
    ratios.push_back(second / first);
  }
  auto median = [](std::vector<double> &list) {
    std::nth_element(list.begin(), list.begin() + list.size() / 2, list.end());
    return list[list.size() / 2];
  };
  return {median(before), median(after), median(ratios)};
}

class Tuner {
public:
  Tuner(const CompilerOptions &options, const TuneOptions &how, Diagnostics &diagnostics)
      : options(options), how(how), diagnostics(diagnostics), progress(how.seconds) {
    path = options.tuneFile.empty() ? tunePathBeside(options.input) : options.tuneFile;
  }
  ~Tuner() { fm_pool_destroy(pool); }

  bool run() {
    if (!checkOptions() || !readKnown() || !compileStandard())
      return false;
    tuneModel();
    if (!diagnostics.hasErrors())
      tuneKernels();
    return !diagnostics.hasErrors();
  }

private:
  const CompilerOptions options;
  const TuneOptions how;
  Diagnostics &diagnostics;
  Progress progress;
  Interrupt interrupt;
  const Clock::time_point start = Clock::now();
  fm_pool *pool = nullptr;
  std::string path, failure;
  TuneFile file, known;
  std::unique_ptr<LiveModel> standard, chosen; ///< no `chosen`: it is the standard
  ModelChoice choice;
  uint64_t key = 0;
  double compileSeconds = 0;

  LiveModel &current() { return chosen ? *chosen : *standard; }
  double left() const { return how.seconds - since(start); }
  std::vector<std::string> entries() {
    std::vector<std::string> names;
    for (const char *name : {"train_step", "forward", "evaluate"})
      if (standard->entry(name) >= 0 && (names.size() < 2))
        names.push_back(name);
    return names;
  }

  bool fail(const std::string &message) {
    diagnostics.error({}, message);
    return false;
  }

  bool checkOptions() {
    if (options.backend == "reference")
      return fail("kernels of the reference backend have no schedule to tune");
    TargetSpec native, target;
    std::string error = resolveTarget("", "native", native);
    if (error.empty())
      error = resolveTarget(options.triple, options.cpu, target);
    if (!error.empty())
      return fail(error);
    if (native.triple != target.triple)
      return fail("fmc tune measures on this machine, " + native.triple + "; it cannot measure on " + target.triple);
    return true;
  }

  /// What the file says already; it is kept, but for what is found now.
  bool readKnown() {
    if (!llvm::sys::fs::exists(path))
      return true;
    auto read = readTuneFile(path, diagnostics);
    if (!read)
      return false;
    file = *read;
    if (options.tune)
      known = *read;
    return true;
  }

  std::unique_ptr<LiveModel> compile(CompilerOptions with) {
    auto live = LiveModel::make(with, diagnostics, /*seed=*/1);
    if (live && how.threads > 1) {
      if (!pool)
        pool = fm_pool_create(how.threads);
      fm_set_parallel_for(live->instance(), fm_pool_run, pool);
    }
    return live;
  }

  CompilerOptions untuned() const {
    CompilerOptions with = options;
    with.tune = false;
    return with;
  }

  bool compileStandard() {
    Compiler compiler(untuned(), diagnostics);
    if (!compiler.read())
      return false;
    key = modelKey(compiler.recorder().impl().module());
    progress.show(0, "compiling");
    const auto begin = Clock::now();
    standard = compile(untuned());
    compileSeconds = since(begin);
    if (!standard)
      return false;
    // Where an earlier run has left off.
    if (const TunedMachine *section = known.find(standard->result().target))
      for (const TunedModel &model : section->models)
        if (model.key == key)
          choice = model.choice;
    CompilerOptions with = untuned();
    apply(choice, with);
    if (!choice.isEmpty() && !(chosen = compile(with)))
      return false;
    std::fprintf(stderr, "%s, batch %lld, %s with vectors of %d bits: %zu kernels, %.0f s to tune them\n",
                 standard->program().name.c_str(), (long long)standard->program().batch,
                 standard->result().target.cpu.c_str(), standard->result().target.machine.vectorBits,
                 standard->program().kernels.size(), how.seconds);
    return true;
  }

  // --- The model as a whole

  /// Fusion, layouts and transforms, one after the other, if the time allows for
  /// compiling the whole model again.
  void tuneModel() {
    struct Variant {
      const char *name;
      bool CompilerOptions::*option;
      std::optional<bool> ModelChoice::*choice;
    };
    for (const Variant &variant : {Variant{"winograd", &CompilerOptions::winograd, &ModelChoice::winograd},
                                   Variant{"layout", &CompilerOptions::layout, &ModelChoice::layout},
                                   Variant{"chains", &CompilerOptions::chains, &ModelChoice::chains},
                                   Variant{"fuse", &CompilerOptions::fuse, &ModelChoice::fuse}}) {
      if (interrupt.happened() || diagnostics.hasErrors())
        return;
      CompilerOptions with = untuned();
      apply(choice, with);
      if (!(with.*variant.option))
        continue;
      with.*variant.option = false;
      if (!changesKernels(with))
        continue;
      if (since(start) + 1.5 * compileSeconds > 0.25 * how.seconds) {
        progress.line("  " + std::string(variant.name) + "=off: no time to compile the model again");
        continue;
      }
      progress.show(since(start), std::string(variant.name) + "=off");
      auto other = compile(with);
      if (!other)
        return;
      double before = 0, after = 0;
      for (const std::string &name : entries()) {
        const PairedTimes times = compareEntry(current(), *other, name, 0.02 * how.seconds, how.threads == 1, interrupt);
        before += times.before;
        after += times.before * times.ratio;
      }
      const bool better = after < 0.98 * before;
      progress.line("  " + std::string(variant.name) + "=off: " + microseconds(before, after) +
                    (better ? ", taken" : ""));
      if (better) {
        choice.*variant.choice = false;
        chosen = std::move(other);
      }
    }
    TunedMachine &section = file.findOrAdd(standard->result().target);
    std::erase_if(section.models, [&](const TunedModel &model) { return model.key == key; });
    if (!choice.isEmpty())
      section.put(TunedModel{key, choice, {}, titleOf(*standard)});
  }

  static std::string titleOf(LiveModel &live) {
    return live.program().name + ", batch " + std::to_string(live.program().batch);
  }

  bool changesKernels(const CompilerOptions &with) {
    Compiler compiler(with, diagnostics);
    Program program;
    if (!compiler.read() || !compiler.lower() || !compiler.collect(program))
      return false;
    const std::vector<KernelSpec> &now = current().program().kernels;
    if (program.kernels.size() != now.size())
      return true;
    for (size_t k = 0; k < now.size(); ++k)
      if (toString(program.kernels[k]) != toString(now[k]))
        return true;
    return false;
  }

  // --- Kernels

  void tuneKernels() {
    LiveModel &live = current();
    StepKernels steps(live, entries(), how.threads == 1);
    if (!steps.error().empty()) {
      fail(steps.error());
      return;
    }
    const double reserve = std::min(0.4 * how.seconds, compileSeconds + 1.5);
    auto stop = [&] { return interrupt.happened() || left() < reserve; };
    KernelSearch search(live, steps, live.result().target, options.jobs, stop, [&] { return left() - reserve; });
    search.improved = [&](const TunedResult &result) {
      progress.line("  " + summary(live.program().kernels[result.kernel]) + ": " +
                    microseconds(result.before, result.before * result.ratio));
      keep(search.results());
    };
    if (how.verbose)
      search.tried = [&](const TunedResult &result, const ScheduleChoice &choice, const std::string &outcome) {
        progress.line("  " + summary(live.program().kernels[result.kernel]) + ": " + outcome + "\n" + toString(choice));
      };
    search.prepare(known.find(live.result().target));
    do
      progress.show(since(start), "searching");
    while (!stop() && search.round());
    search.confirm();
    const std::vector<TunedResult> results = search.results();
    keep(results);
    printKernels(results);
    if (!interrupt.happened() && failure.empty())
      printSteps();
  }

  /// Brings the file up to date, if there is anything to say.
  void keep(const std::vector<TunedResult> &results) {
    TunedMachine &section = file.findOrAdd(standard->result().target);
    for (const TunedResult &result : results) {
      const KernelSpec &spec = current().program().kernels[result.kernel];
      section.erase(kernelKey(spec));
      if (result.isBetter())
        section.put(TunedKernel(kernelKey(spec), result.choice,
                                summary(spec) + ": " + microseconds(result.before, result.before * result.ratio)));
    }
    const bool empty = section.kernels.empty() && section.models.empty();
    if ((empty && !llvm::sys::fs::exists(path)) || !failure.empty())
      return;
    TuneFile written = file;
    std::erase_if(written.machines,
                  [](const TunedMachine &machine) { return machine.kernels.empty() && machine.models.empty(); });
    failure = writeFiles({{path, toString(written)}});
    if (!failure.empty())
      fail(failure);
  }

  void printKernels(const std::vector<TunedResult> &results) {
    std::printf("%-36s %10s %10s %7s %6s  %s\n", "kernel", "before us", "after us", "gain", "tried", "choice");
    for (const TunedResult &result : results) {
      const KernelSpec &spec = current().program().kernels[result.kernel];
      std::string choice = result.isBetter() ? toString(result.choice) : "";
      if (!choice.empty())
        choice = choice.substr(5, choice.find('\n') - 5);
      std::printf("%-36s %10.2f %10.2f %6.1f%% %6d  %s\n", summary(spec).c_str(), result.before * 1e6,
                  result.before * result.ratio * 1e6, 100 * (1 - result.ratio), result.tried, choice.c_str());
    }
  }

  /// The whole model as `fmc compile` makes it now, against what it was.
  void printSteps() {
    CompilerOptions with = options;
    with.tune = true;
    with.tuneFile = path;
    std::unique_ptr<LiveModel> tuned;
    if (llvm::sys::fs::exists(path)) {
      progress.show(since(start), "compiling the tuned model");
      tuned = compile(with);
      if (!tuned)
        return;
    }
    progress.show(since(start), "measuring whole steps");
    std::printf("\n%-36s %10s %10s %7s\n", "entry", "before us", "after us", "gain");
    for (const std::string &name : entries()) {
      const PairedTimes times =
          compareEntry(*standard, tuned ? *tuned : *standard, name, std::max(0.5, 0.03 * how.seconds),
                       how.threads == 1, interrupt);
      std::printf("%-36s %10.1f %10.1f %6.1f%%\n", name.c_str(), times.before * 1e6, times.after * 1e6,
                  100 * (1 - times.ratio));
    }
    std::printf(tuned ? "\n%s\n" : "\nnothing better was found; no %s\n", path.c_str());
  }
};

} // namespace

bool tune(const CompilerOptions &options, const TuneOptions &how, Diagnostics &diagnostics) {
  return Tuner(options, how, diagnostics).run();
}

} // namespace fm::driver
