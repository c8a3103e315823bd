//===- KernelSearch.cpp - Better choices for kernels, by measuring -------------------===//

#include "compiler/driver/KernelSearch.h"

#include "compiler/codegen/Layouts.h"

#include <algorithm>
#include <chrono>

namespace fm::driver {

using namespace codegen;

namespace {

/// Below this share of a pass a kernel is left alone.
constexpr double kLeastShare = 0.003;
/// How much better a candidate must be: median of the pairs' ratios.
constexpr double kBetter = 0.98;
/// Compiling a candidate that takes longer would not pay.
constexpr double kCompileLimit = 20;
constexpr size_t kTrials = 8; ///< compiled in a round

double median(std::vector<double> values) {
  if (values.empty())
    return 1;
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

/// Better in the median, and in most of the pairs.
bool isBetter(const std::vector<double> &ratios) {
  const auto faster = std::count_if(ratios.begin(), ratios.end(), [](double ratio) { return ratio < 1; });
  return !ratios.empty() && median(ratios) < kBetter && 4 * faster >= 3 * int64_t(ratios.size());
}

} // namespace

KernelSearch::KernelSearch(LiveModel &live, StepKernels &steps, const TargetSpec &target, unsigned jobs,
                           std::function<bool()> stop, std::function<double()> left)
    : live(live), steps(steps), target(target), jobs(jobs), stop(std::move(stop)), left(std::move(left)) {}

void KernelSearch::prepare(const TunedMachine *known) {
  const Program &program = live.program();
  const StepKernels::Functions own(program.kernels.size(), nullptr);
  std::vector<std::vector<double>> samples(program.kernels.size());
  for (int pass = 0; pass < 9; ++pass) {
    const std::vector<double> seconds = steps.pass(own);
    for (size_t k = 0; k < seconds.size() && pass > 1; ++k)
      samples[k].push_back(seconds[k]);
  }
  double total = 0;
  std::vector<double> times;
  for (const auto &list : samples)
    total += times.emplace_back(median(list));
  for (unsigned k = 0; k < times.size(); ++k) {
    const int calls = steps.calls()[k];
    if (calls == 0 || times[k] < kLeastShare * total || asCopy(program.kernels[k]))
      continue;
    auto job = std::make_unique<Job>(k, program.kernels[k], target.machine);
    job->calls = calls;
    job->result.before = times[k] / calls;
    if (known)
      for (const TunedKernel &entry : known->kernels)
        if (entry.key == kernelKey(program.kernels[k]))
          job->known = entry.choice();
    list.push_back(std::move(job));
  }
  std::sort(list.begin(), list.end(), [](const auto &a, const auto &b) { return a->seconds() > b->seconds(); });
}

StepKernels::Functions KernelSearch::bestFunctions() const {
  StepKernels::Functions functions(live.program().kernels.size(), nullptr);
  for (const auto &job : list)
    functions[job->result.kernel] = job->best.function;
  return functions;
}

StepKernels::Functions KernelSearch::functionsOf(const std::vector<Trial *> &wave) const {
  StepKernels::Functions functions(live.program().kernels.size(), nullptr);
  for (const Trial *trial : wave)
    functions[trial->job->result.kernel] = trial->candidate.function;
  return functions;
}

/// As many as are left to compile in time, the kernel next for which a second of
/// searching promises most.
std::vector<KernelSearch::Trial> KernelSearch::nextTrials() {
  std::vector<Trial> trials;
  const size_t most = size_t(std::clamp(left() / (2 * compileSeconds), 1.0, double(kTrials)));
  while (trials.size() < most) {
    Job *next = nullptr;
    auto promise = [](const Job &job) { return job.seconds() / (3 + job.result.tried); };
    for (const auto &job : list)
      if (!job->done && (!next || promise(*job) > promise(*next)))
        next = job.get();
    if (!next)
      break;
    std::optional<ScheduleChoice> choice = std::exchange(next->known, std::nullopt);
    if (!choice)
      choice = next->candidates.next();
    if (!choice) {
      next->done = true;
      continue;
    }
    ++next->result.tried;
    trials.push_back({next, std::move(*choice), {}});
  }
  return trials;
}

void KernelSearch::tell(const Trial &trial, const std::string &outcome) const {
  if (tried)
    tried(trial.job->result, trial.choice, outcome);
}

/// Those that could be compiled and whose results are right.
std::vector<KernelSearch::Trial *> KernelSearch::compile(std::vector<Trial> &trials) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<CandidateRequest> requests;
  for (const Trial &trial : trials)
    requests.push_back({&live.program().kernels[trial.job->result.kernel], trial.choice});
  std::vector<LoadedCandidate> loaded = loadCandidates(requests, target, jobs, kCompileLimit);
  const double taken = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  compileSeconds = 0.5 * (compileSeconds + taken / double(trials.size()));
  std::vector<Trial *> good;
  std::vector<StepKernels::Candidate> functions;
  for (size_t i = 0; i < trials.size(); ++i) {
    trials[i].candidate = std::move(loaded[i]);
    if (!trials[i].candidate.function) {
      tell(trials[i], "refused: " + trials[i].candidate.error);
      continue;
    }
    good.push_back(&trials[i]);
    functions.push_back({trials[i].job->result.kernel, trials[i].candidate.function});
  }
  const std::vector<std::string> outcomes = steps.check(functions);
  for (size_t i = good.size(); i-- > 0;)
    if (!outcomes[i].empty()) {
      tell(*good[i], "refused: " + outcomes[i]);
      good.erase(good.begin() + i);
    }
  return good;
}

bool KernelSearch::round() {
  std::vector<Trial> trials = nextTrials();
  if (trials.empty())
    return false;
  std::vector<Trial *> good = compile(trials);
  // One candidate of each kernel at a time.
  while (!good.empty() && !stop()) {
    std::vector<Trial *> wave, rest;
    for (Trial *trial : good) {
      const bool taken = std::any_of(wave.begin(), wave.end(), [&](Trial *other) { return other->job == trial->job; });
      (taken ? rest : wave).push_back(trial);
    }
    measure(wave);
    good = std::move(rest);
  }
  return true;
}

void KernelSearch::measure(std::vector<Trial *> wave) {
  struct Step {
    int pairs;
    double seconds;
  };
  // Most candidates are clearly worse; one that is better must be so twice.
  std::vector<std::vector<double>> ratios;
  for (const Step &step : {Step{4, 0.02}, Step{11, 0.1}, Step{15, 0.15}}) {
    if (wave.empty() || stop())
      return;
    ratios = steps.compare(bestFunctions(), functionsOf(wave), step.pairs, step.seconds, stop);
    std::erase_if(wave, [&](Trial *trial) {
      const std::vector<double> &list = ratios[trial->job->result.kernel];
      const bool worse = step.pairs == 4 ? median(list) > 0.995 : !isBetter(list);
      if (worse || step.pairs == 15)
        tell(*trial, std::to_string(median(list)) + " of the best" + (worse ? "" : ", taken"));
      return worse;
    });
  }
  if (stop())
    return;
  for (Trial *trial : wave) {
    Job &job = *trial->job;
    job.result.ratio *= median(ratios[job.result.kernel]);
    job.result.choice = trial->choice;
    job.best = std::move(trial->candidate);
    job.candidates.setBest(trial->choice);
    job.done = false;
    if (improved)
      improved(job.result);
  }
}

void KernelSearch::confirm() {
  StepKernels::Functions base(live.program().kernels.size(), nullptr), best = base;
  for (const auto &job : list)
    best[job->result.kernel] = job->best.function;
  const auto ratios = steps.compare(base, best, 15, 1, [] { return false; });
  for (const auto &job : list) {
    if (!job->best.function)
      continue;
    job->result.ratio = median(ratios[job->result.kernel]);
    if (job->result.ratio > kBetter) {
      job->result.ratio = 1;
      job->result.choice = job->result.standard;
      job->best = {};
    }
  }
}

std::vector<TunedResult> KernelSearch::results() const {
  std::vector<TunedResult> results;
  for (const auto &job : list)
    results.push_back(job->result);
  return results;
}

} // namespace fm::driver
