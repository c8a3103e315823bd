//===- KernelHarness.cpp - Compile, run and compare kernels
//----------------===//
//
// Application memory ends exactly at a guard page. Memory of fmc's own has what
// its contract grants (the rows of the largest n, 256 bytes of reading behind
// the end), then a guard page. Whatever does not belong to the n samples of an
// output must be as it was afterwards: rows behind the samples, what lies
// between rows, the bytes around.
//
//===----------------------------------------------------------------------===//
#include "tests/codegen/KernelHarness.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <random>
#include <set>
#include <sstream>
#include <sys/mman.h>
#include <thread>

#include "compiler/codegen/HalideKernel.h"
#include "compiler/codegen/ObjectEmitter.h"
#include "compiler/codegen/SplitReductions.h"

namespace fm::test {

using namespace codegen;

namespace {

std::atomic<int> threadCount{1};

int parallelFor(void *context, int (*task)(void *, int32_t, uint8_t *),
                int32_t begin, int32_t count, uint8_t *closure) {
  const int threads = threadCount;
  if (threads == 1) {
    for (int32_t i = 0; i < count; ++i)
      if (int error = task(context, begin + i, closure))
        return error;
    return 0;
  }
  std::atomic<int32_t> next{0};
  std::atomic<int> error{0};
  auto work = [&] {
    for (int32_t i; (i = next++) < count;)
      if (int e = task(context, begin + count - 1 - i, closure))
        error = e;
  };
  std::vector<std::thread> workers;
  for (int t = 1; t < threads; ++t)
    workers.emplace_back(work);
  work();
  for (std::thread &worker : workers)
    worker.join();
  return error;
}

/// Memory between unmapped pages. `slack` bytes may be read behind the end.
class Guarded {
public:
  Guarded(size_t bytes, size_t slack, size_t alignment) {
    const size_t page = 4096;
    const size_t room = (bytes + slack + alignment + page - 1) / page * page;
    size = room + 2 * page;
    base = static_cast<char *>(
        mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base + page, room, PROT_READ | PROT_WRITE);
    std::memset(base + page, 0x7f, room);
    start = base + page + (room - bytes - slack) / alignment * alignment;
    first = base + page;
    last = base + page + room;
  }
  ~Guarded() { munmap(base, size); }
  Guarded(const Guarded &) = delete;
  Guarded &operator=(const Guarded &) = delete;

  char *data() const { return start; }
  /// Keeps what is there, down to the bytes around it.
  void remember() { before.assign(first, last); }
  /// Takes one element back to what was remembered.
  void restore(char *p, size_t size) {
    std::memcpy(p, before.data() + (p - first), size);
  }
  /// Nothing but what was restored has changed.
  bool untouched() const {
    return std::memcmp(first, before.data(), last - first) == 0;
  }

private:
  char *base, *start, *first, *last;
  size_t size;
  std::vector<char> before;
};

int64_t elementsOf(const Buffer &buffer, int64_t n) {
  int64_t last = buffer.offset;
  for (const PhysicalDim &dim : buffer.dims) {
    const bool given = dim.extent.isSamples && buffer.external;
    last += ((given ? n : dim.extent.size) - 1) * dim.stride;
  }
  return last + 1;
}

std::unique_ptr<Guarded> allocate(const Buffer &buffer, int64_t n) {
  const size_t bytes = elementsOf(buffer, n) * sizeOf(buffer.type);
  return buffer.external
             ? std::make_unique<Guarded>(bytes, 0, sizeOf(buffer.type))
             : std::make_unique<Guarded>(bytes, maxOverreadBytes, 64);
}

char *element(const Buffer &buffer, char *data,
              const std::vector<int64_t> &index) {
  int64_t offset = buffer.offset;
  for (const PhysicalDim &dim : buffer.dims) {
    int64_t part = index[dim.logical] / dim.divisor;
    if (dim.modulus)
      part %= dim.modulus;
    offset += part * dim.stride;
  }
  return data + offset * sizeOf(buffer.type);
}

void put(ScalarType type, char *p, const Value &v) {
  auto store = [&](auto x) { std::memcpy(p, &x, sizeof x); };
  switch (type) {
  case ScalarType::I1:
    store(static_cast<uint8_t>(v.i != 0));
    break;
  case ScalarType::I8:
    store(static_cast<int8_t>(v.i));
    break;
  case ScalarType::I32:
    store(static_cast<int32_t>(v.i));
    break;
  case ScalarType::I64:
    store(v.i);
    break;
  case ScalarType::F32:
    store(static_cast<float>(v.f));
    break;
  case ScalarType::F64:
    store(v.f);
    break;
  }
}

Value get(ScalarType type, const char *p) {
  auto load = [&](auto x) {
    std::memcpy(&x, p, sizeof x);
    return x;
  };
  switch (type) {
  case ScalarType::I1:
    return {0, load(uint8_t())};
  case ScalarType::I8:
    return {0, load(int8_t())};
  case ScalarType::I32:
    return {0, load(int32_t())};
  case ScalarType::I64:
    return {0, load(int64_t())};
  case ScalarType::F32:
    return {load(float()), 0};
  case ScalarType::F64:
    return {load(double()), 0};
  }
  return {};
}

/// Calls `visit` with the place of each element that n samples have in memory,
/// those that fill up the last block of a blocked dimension included.
template <typename F>
void forEachPlace(const Buffer &buffer, int64_t n, char *data, F visit,
                  size_t d = 0) {
  if (d == 0)
    data += buffer.offset * sizeOf(buffer.type);
  if (d == buffer.dims.size())
    return visit(data);
  const PhysicalDim &dim = buffer.dims[d];
  for (int64_t i = 0; i < (dim.extent.isSamples ? n : dim.extent.size); ++i)
    forEachPlace(buffer, n, data + i * dim.stride * sizeOf(buffer.type), visit,
                 d + 1);
}

template <typename F>
void forEachIndex(const std::vector<int64_t> &shape, F f) {
  std::vector<int64_t> index(shape.size(), 0);
  int64_t count = 1;
  for (int64_t e : shape)
    count *= e;
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = i;
    for (size_t d = shape.size(); d-- > 0;) {
      index[d] = rest % shape[d];
      rest /= shape[d];
    }
    f(index, i);
  }
}

} // namespace

TargetSpec testTarget(bool asserts, const std::string &cpu) {
  TargetSpec target;
  const std::string error = resolveTarget("", cpu, target);
  if (!error.empty())
    throw std::runtime_error(error);
  target.asserts = asserts;
  return target;
}

void setThreads(int threads) { threadCount = threads; }

RunnableKernels::RunnableKernels(const std::vector<KernelSpec> &specs,
                                 const TargetSpec &target,
                                 const std::vector<ScheduleChoice> &choices) {
  const std::vector<CompiledKernel> kernels =
      compileKernels(specs, target, 0, choices);
  std::ostringstream ir;
  std::vector<std::string> names;
  for (const CompiledKernel &kernel : kernels) {
    schedules.push_back(kernel.schedule);
    if (error.empty())
      error = kernel.error;
    // A function that takes the kernel's pointers from an array.
    const unsigned count = kernel.pointers;
    names.push_back("run_" + std::to_string(names.size()));
    ir << "declare i32 @" << kernel.name << "(ptr, i64";
    for (unsigned i = 0; i < count; ++i)
      ir << ", ptr";
    ir << ")\ndefine i32 @" << names.back()
       << "(ptr %context, i64 %n, ptr %pointers) {\n";
    for (unsigned i = 0; i < count; ++i)
      ir << "%a" << i << " = getelementptr ptr, ptr %pointers, i64 " << i
         << "\n%p" << i << " = load ptr, ptr %a" << i << "\n";
    ir << "%r = call i32 @" << kernel.name << "(ptr %context, i64 %n";
    for (unsigned i = 0; i < count; ++i)
      ir << ", ptr %p" << i;
    ir << ")\nret i32 %r\n}\n";
  }
  if (!error.empty())
    return;
  ObjectEmitter emitter(target);
  error = emitter.setModule(ir.str());
  if (error.empty())
    error = emitter.link(kernels, names);
  if (const char *path = getenv("FM_DUMP_ASM")) {
    std::string text;
    emitter.emit(EmitKind::Assembly, text);
    if (FILE *f = fopen(path, "w")) {
      fputs(text.c_str(), f);
      fclose(f);
    }
  }
  std::string object;
  if (error.empty())
    error = emitter.emit(EmitKind::Object, object);
  if (!error.empty())
    return;
  jit = std::make_unique<KernelJit>();
  error = jit->load(
      object, {{"fm_parallel_for", reinterpret_cast<void *>(&parallelFor)}});
  for (const std::string &name : names) {
    functions.push_back(reinterpret_cast<KernelFunction>(jit->find(name)));
    if (error.empty() && !functions.back())
      error = "kernel is not in its object";
  }
}

Tensor randomTensor(const std::vector<Extent> &shape, ScalarType type,
                    int64_t n, unsigned seed, int64_t bound) {
  Tensor t;
  t.shape = shapeFor(shape, n);
  int64_t count = 1;
  for (int64_t e : t.shape)
    count *= e;
  std::mt19937 random(seed);
  for (int64_t i = 0; i < count; ++i) {
    Value v;
    v.f = static_cast<float>(random() / 2147483648.0 - 1);
    v.i = random() % (type == ScalarType::I1 ? 2 : bound);
    t.values.push_back(v);
  }
  return t;
}

ScheduleChoice randomChoice(const KernelSpec &given,
                            const MachineModel &machine, unsigned seed) {
  const KernelSpec spec = scheduledForm(given, machine);
  std::mt19937 random(seed);
  auto upTo = [&](int64_t most) {
    return 1 + static_cast<int64_t>(random() % std::max<int64_t>(1, most));
  };
  ScheduleChoice choice = choiceOf(planKernel(spec, machine));
  const size_t nests = choice.size();
  choice.clear();
  for (size_t k = 0; k < nests; ++k) {
    // What the nests before this one have chosen decides its region.
    const Plan plan = planKernel(spec, machine, choice);
    size_t at = k;
    const Nest *nest = nullptr;
    for (const Group &group : plan.groups)
      for (const Nest &candidate : group.nests)
        if (at-- == 0)
          nest = &candidate;
    choice.push_back(nest->choice);
    const size_t loops = nest->loops.size();
    for (int tries = 0; tries < 100; ++tries) {
      NestChoice next = nest->choice;
      next.vectorLoop = static_cast<int>(upTo(loops + 1)) - 2;
      next.lanes = next.vectorLoop < 0 ? 1 : 1 << upTo(4);
      for (size_t l = 0; l < loops; ++l) {
        const int64_t extent = nest->loops[l].extent.size;
        next.tile[l] = static_cast<int>(l) == next.vectorLoop
                           ? next.lanes * upTo(3)
                       : random() % 2 ? 1
                                      : upTo(std::min<int64_t>(extent, 5));
      }
      std::shuffle(next.order.begin(), next.order.end(), random);
      next.block.clear();
      next.reductionOuter = 0;
      next.reductionSplit = next.unrollReduction = 1;
      next.unrollTile = random() % 2;
      if (!nest->reductions.empty()) {
        const auto &reduction = spec.stages[nest->reductions[0]].reduction;
        next.unrollReduction = upTo(4);
        if (random() % 2) {
          for (size_t l = 0; l < loops; ++l) {
            const int64_t extent = nest->loops[l].extent.size;
            const int64_t tiles = (extent + next.tile[l] - 1) / next.tile[l];
            next.block.push_back(random() % 2 ? tiles : upTo(tiles));
          }
          next.reductionOuter = upTo(reduction.size()) - 1;
          next.reductionSplit = random() % 2 ? 1 : upTo(8);
        }
      }
      next.parallelLoops = k == 0 ? upTo(3) - 1 : 0;
      choice.back() = next;
      if (planKernel(spec, machine, choice).error.empty())
        break;
      choice.back() = nest->choice;
    }
  }
  return choice;
}

std::string check(const KernelSpec &spec, const CheckOptions &options,
                  const std::vector<Tensor> *given) {
  const int64_t bound = samplesBound(spec);
  std::set<int64_t> ns(options.ns.begin(), options.ns.end());
  if (ns.empty())
    ns = {1, (bound + 1) / 2, std::max<int64_t>(1, bound - 1), bound};
  for (bool asserts : {false, true}) {
    if (asserts && !options.bothModes)
      break;
    TargetSpec target = testTarget(asserts, options.cpu);
    if (options.smallCaches) {
      target.machine.l1Bytes = 2 << 10;
      target.machine.l2Bytes = 8 << 10;
    }
    RunnableKernel kernel(spec, target,
                          options.choose ? options.choose(target)
                                         : ScheduleChoice());
    if (options.schedule)
      *options.schedule = kernel.schedule;
    if (!kernel.error.empty())
      return kernel.error + toString(spec) + kernel.schedule;
    for (int64_t n : ns) {
      std::vector<Tensor> inputs;
      for (size_t i = 0; i < spec.inputs.size(); ++i)
        inputs.push_back(given ? (*given)[i]
                               : randomTensor(spec.inputs[i].shape,
                                              spec.inputs[i].type, n,
                                              17 * i + n));
      const std::vector<Tensor> expected = interpret(spec, n, inputs);
      std::vector<std::string> firstBytes;
      for (int threads = 1; threads <= (asserts ? 1 : 4); ++threads) {
        setThreads(threads);
        std::vector<std::unique_ptr<Guarded>> memory;
        std::vector<void *> pointers;
        for (size_t i = 0; i < inputs.size(); ++i) {
          const Buffer &buffer = spec.inputs[i];
          memory.push_back(allocate(buffer, n));
          forEachIndex(inputs[i].shape, [&](const std::vector<int64_t> &index,
                                            int64_t at) {
            put(buffer.type, element(buffer, memory[i]->data(), index),
                inputs[i].values[at]);
          });
          pointers.push_back(memory[i]->data());
        }
        for (const Output &output : spec.outputs) {
          memory.push_back(allocate(output.buffer, n));
          pointers.push_back(output.inPlace >= 0
                                 ? memory[output.inPlace]->data()
                                 : memory.back()->data());
        }
        auto where = [&] {
          return "\nn = " + std::to_string(n) +
                 ", threads = " + std::to_string(threads) +
                 (asserts ? ", asserts on" : "") + "\n" + toString(spec) +
                 kernel.schedule;
        };
        for (auto &buffer : memory)
          buffer->remember();
        if (int error = kernel(n, pointers.data()))
          return "kernel returned " + std::to_string(error) + where();
        for (size_t o = 0; o < spec.outputs.size(); ++o) {
          const Buffer &buffer = spec.outputs[o].buffer;
          std::string problem;
          char *data = static_cast<char *>(pointers[inputs.size() + o]);
          std::string bytes;
          forEachIndex(expected[o].shape, [&](const std::vector<int64_t> &index,
                                              int64_t at) {
            const char *p = element(buffer, data, index);
            bytes.append(p, sizeOf(buffer.type));
            const Value got = get(buffer.type, p),
                        want = expected[o].values[at];
            const bool good =
                isFloat(buffer.type)
                    ? (std::isnan(want.f) && std::isnan(got.f)) ||
                          got.f == want.f ||
                          std::fabs(got.f - want.f) <=
                              options.tolerance * (1 + std::fabs(want.f))
                    : got.i == want.i;
            if (!good && problem.empty()) {
              std::ostringstream s;
              s << "output " << buffer.name << "[";
              for (size_t d = 0; d < index.size(); ++d)
                s << (d ? ", " : "") << index[d];
              s << "] is ";
              isFloat(buffer.type) ? s << got.f << ", expected " << want.f
                                   : s << got.i << ", expected " << want.i;
              problem = s.str();
            }
          });
          if (!problem.empty())
            return problem + where();
          if (threads == 1)
            firstBytes.push_back(bytes);
          else if (bytes != firstBytes[o])
            return "output " + buffer.name +
                   " depends on the number of threads" + where();
        }
        for (size_t o = 0; o < spec.outputs.size(); ++o) {
          const Output &output = spec.outputs[o];
          Guarded &written = *memory[output.inPlace >= 0 ? output.inPlace
                                                         : inputs.size() + o];
          forEachPlace(output.buffer, n, written.data(), [&](char *p) {
            written.restore(p, sizeOf(output.buffer.type));
          });
        }
        for (size_t m = 0; m < memory.size(); ++m)
          if (!memory[m]->untouched())
            return "buffer " + std::to_string(m) +
                   " was written where no element of the samples is" + where();
      }
    }
  }
  setThreads(1);
  return "";
}

} // namespace fm::test
