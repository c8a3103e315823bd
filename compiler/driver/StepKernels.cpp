//===- StepKernels.cpp - The kernels of a model's steps, one after the other ---------===//

#include "compiler/driver/StepKernels.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <ctime>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace fm::driver {

using namespace codegen;
using Clock = std::chrono::steady_clock;

namespace {

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Denormal numbers are zero, as in a step.
class FlushDenormals {
public:
#if defined(__SSE__)
  FlushDenormals() : mode(_mm_getcsr()) { _mm_setcsr(mode | 0x8040u); }
  ~FlushDenormals() { _mm_setcsr(mode); }

private:
  unsigned mode;
#elif defined(__aarch64__)
  FlushDenormals() {
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    __asm__ volatile("msr fpcr, %0" : : "r"(mode | (uint64_t(1) << 24)));
  }
  ~FlushDenormals() { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }

private:
  uint64_t mode;
#else
  FlushDenormals() {}
#endif
};

/// Offsets in elements of what a buffer holds for n samples.
template <typename Visit> void forEachElement(const Buffer &buffer, int64_t n, Visit &&visit) {
  const size_t rank = buffer.dims.size();
  std::vector<int64_t> extents, index(rank, 0);
  for (const PhysicalDim &dim : buffer.dims)
    extents.push_back(dim.extent.isSamples ? n : dim.extent.size);
  int64_t offset = buffer.offset;
  for (;;) {
    visit(offset);
    size_t d = rank;
    for (; d > 0; --d) {
      offset += buffer.dims[d - 1].stride;
      if (++index[d - 1] < extents[d - 1])
        break;
      offset -= extents[d - 1] * buffer.dims[d - 1].stride;
      index[d - 1] = 0;
    }
    if (d == 0)
      return;
  }
}

/// The largest difference beside what is allowed; 0 where all agree.
template <typename T>
std::string compareFloats(const Buffer &buffer, int64_t n, const char *actual, const char *expected) {
  auto at = [](const char *data, int64_t offset) {
    T value;
    std::memcpy(&value, data + offset * int64_t(sizeof value), sizeof value);
    return double(value);
  };
  double largest = 0;
  forEachElement(buffer, n, [&](int64_t offset) {
    const double value = std::fabs(at(expected, offset));
    if (std::isfinite(value))
      largest = std::max(largest, value);
  });
  std::string difference;
  forEachElement(buffer, n, [&](int64_t offset) {
    const double a = at(actual, offset), e = at(expected, offset);
    if (a == e || (std::isnan(a) && std::isnan(e)) || std::fabs(a - e) <= 1e-4 * largest || !difference.empty())
      return;
    difference = buffer.name + " is " + std::to_string(a) + " where it was " + std::to_string(e);
  });
  return difference;
}

} // namespace

double secondsOf(bool oneThread) {
  timespec time = {};
  clock_gettime(oneThread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

StepKernels::StepKernels(LiveModel &live, const std::vector<std::string> &names, bool oneThread)
    : live(live), callsOf(live.program().kernels.size()), isLong(callsOf.size(), false) {
  const Program &program = live.program();
  for (const std::string &name : names) {
    const int number = live.entry(name);
    if (number < 0)
      continue;
    const Entry &entry = program.entries[number];
    arguments.emplace_back(program, entry, 1);
    if (live.call(number, program.batch, arguments.back().pointers()) != FM_OK)
      problem = live.message();
    const size_t first = sequence.size();
    for (size_t i = 0, end = 0; i < entry.calls.size(); ++i) {
      const KernelCall &call = entry.calls[i];
      end = i < end ? end : entry.chainEnd(i);
      sequence.push_back({call.kernel, live.addresses(call, arguments.back().pointers()), &call, first + end});
      ++callsOf[call.kernel];
    }
    for (size_t i = 0; i < entry.arguments.size(); ++i)
      regions.push_back({arguments.back().buffer(i).as<char>(), arguments.back().buffer(i).size()});
  }
  regions.push_back({live.block().as<char>(), live.block().size()});
  start = save();
  const Functions own(callsOf.size(), nullptr);
  pass(own);
  const std::vector<double> seconds = pass(own);
  for (size_t k = 0; k < seconds.size(); ++k)
    isLong[k] = oneThread && seconds[k] > 20e-6 * callsOf[k];
}

std::vector<std::string> StepKernels::save() const {
  std::vector<std::string> image;
  for (const Region &region : regions)
    image.emplace_back(region.data, region.size);
  return image;
}

void StepKernels::restore(const std::vector<std::string> &image) {
  for (size_t i = 0; i < regions.size(); ++i)
    std::memcpy(regions[i].data, image[i].data(), regions[i].size);
  live.instance()->derived = 0; // parameters have been written into
}

int StepKernels::run(const Call &call, KernelFunction function, int64_t n, const std::vector<void *> &pointers) {
  return function ? function(live.instance(), n, pointers.data()) : live.callKernel(call.kernel, n, pointers);
}

std::vector<double> StepKernels::pass(const Functions &functions) {
  FlushDenormals mode;
  std::vector<double> seconds(functions.size(), 0);
  const Program &program = live.program();
  for (size_t i = 0, end; i < sequence.size(); i = end) {
    end = sequence[i].chainEnd;
    program.forEachTurn(std::span(sequence[i].planned, end - i), program.batch, [&](size_t k, const KernelCall::Turn &turn) {
      const Call &call = sequence[i + k];
      const auto pointers = call.planned->at(turn, call.pointers);
      const bool own = isLong[call.kernel];
      const double before = secondsOf(own);
      run(call, functions[call.kernel], call.planned->number(turn), pointers);
      seconds[call.kernel] += secondsOf(own) - before;
    });
  }
  return seconds;
}

std::vector<std::vector<double>> StepKernels::compare(const Functions &base, const Functions &candidates, int pairs,
                                                      double seconds, const std::function<bool()> &stop) {
  Functions with = base;
  for (size_t k = 0; k < base.size(); ++k)
    if (candidates[k])
      with[k] = candidates[k];
  std::vector<std::vector<double>> ratios(base.size());
  restore(start);
  pass(base);
  pass(with);
  const auto begin = Clock::now();
  for (int pair = 0; (pair < pairs || since(begin) < seconds) && pair < 50 * pairs && !stop(); ++pair) {
    // Turns change, so that neither always comes second.
    const bool turned = pair % 2;
    std::vector<double> first = pass(turned ? with : base), second = pass(turned ? base : with);
    for (size_t k = 0; k < base.size(); ++k)
      if (candidates[k])
        ratios[k].push_back(turned ? first[k] / second[k] : second[k] / first[k]);
  }
  return ratios;
}

std::vector<std::string> StepKernels::check(const std::vector<Candidate> &candidates) {
  FlushDenormals mode;
  restore(start);
  std::vector<std::string> outcomes(candidates.size());
  std::vector<bool> isSeen(callsOf.size(), false);
  for (const Call &call : sequence) {
    const bool first = !isSeen[call.kernel];
    isSeen[call.kernel] = true;
    if (first)
      check(call, candidates, outcomes);
    const int64_t batch = live.program().batch, strips = call.planned->strips;
    if (strips <= 1)
      run(call, nullptr, batch, call.pointers);
    for (int64_t k = 0; strips > 1 && k < batch * strips; ++k)
      run(call, nullptr, k % strips, call.planned->at({k / strips, 1, k % strips}, call.pointers));
  }
  restore(start);
  return outcomes;
}

/// All candidates for one call, which finds the memory as it does in a step, and
/// leaves it so.
void StepKernels::check(const Call &call, const std::vector<Candidate> &candidates,
                        std::vector<std::string> &outcomes) {
  auto isFor = [&](const Candidate &candidate) { return candidate.kernel == call.kernel; };
  if (std::none_of(candidates.begin(), candidates.end(), isFor))
    return;
  const std::vector<std::string> before = save();
  const int64_t batch = live.program().batch, strips = call.planned->strips;
  std::vector<int64_t> numbers{batch, batch - 1, batch / 2, 1};
  if (strips > 1)
    numbers = {0, strips / 2, strips - 1};
  for (int64_t n : numbers) {
    if (n < 1 && strips <= 1)
      continue;
    restore(before);
    const bool ran = run(call, nullptr, n, call.pointers) == 0;
    const std::vector<std::string> expected = save();
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (!isFor(candidates[i]) || !outcomes[i].empty())
        continue;
      restore(before);
      if (!ran || run(call, candidates[i].function, n, call.pointers) != 0)
        outcomes[i] = ran ? "it failed" : "the model's own kernel failed";
      else if (std::string difference = differences(call, n, expected); !difference.empty())
        outcomes[i] = difference + (strips > 1 ? " in strip " + std::to_string(n) : " for " + std::to_string(n) + " samples");
    }
  }
  restore(before);
}

/// Compares memory after a call with what is expected; overwrites the former.
std::string StepKernels::differences(const Call &call, int64_t n, const std::vector<std::string> &expected) {
  const KernelSpec &spec = live.program().kernels[call.kernel];
  for (size_t o = 0; o < spec.outputs.size(); ++o) {
    const Buffer &buffer = spec.outputs[o].buffer;
    char *data = static_cast<char *>(call.pointers[spec.inputs.size() + o]);
    const char *other = nullptr;
    for (size_t i = 0; i < regions.size(); ++i)
      if (data >= regions[i].data && data < regions[i].data + regions[i].size)
        other = expected[i].data() + (data - regions[i].data);
    if (!other)
      return buffer.name + " lies nowhere";
    std::string difference;
    if (buffer.type == ScalarType::F32)
      difference = compareFloats<float>(buffer, n, data, other);
    else if (buffer.type == ScalarType::F64)
      difference = compareFloats<double>(buffer, n, data, other);
    if (!difference.empty())
      return difference;
    // The rest is compared byte by byte, and so are integers.
    if (isFloat(buffer.type))
      forEachElement(buffer, n, [&](int64_t offset) {
        const int64_t bytes = sizeOf(buffer.type);
        std::memcpy(data + offset * bytes, other + offset * bytes, bytes);
      });
  }
  for (size_t i = 0; i < regions.size(); ++i)
    if (std::memcmp(regions[i].data, expected[i].data(), regions[i].size) != 0)
      return "other memory differs";
  return "";
}

} // namespace fm::driver
