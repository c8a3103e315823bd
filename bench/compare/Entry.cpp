//===- Entry.cpp - One entry of a compiled model, for bench-compare -------===//
//
// scripts/compare compiles this into a library with each version's object and
// the runtime. MODEL_HEADER, MODEL (its name) and ENTRY come from there.
//
//===----------------------------------------------------------------------===//

#include MODEL_HEADER

#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#define FM_JOIN_(a, b) a##_##b
#define FM_JOIN(a, b) FM_JOIN_(a, b)
#define FM_TEXT_(a) #a
#define FM_TEXT(a) FM_TEXT_(a)

namespace fm_compare { // whatever the model is called
namespace {

std::unique_ptr<::fm::MODEL> model;
std::vector<void *> arguments;

/// Made-up data: numbers in [0, 1), valid for every loss, and indices in range.
void *makeArgument(const fm_argument &argument, int64_t batch) {
  const int64_t elements =
      argument.elements * (argument.per_sample ? batch : 1);
  void *data = std::aligned_alloc(64, size_t(elements * 8 + 63) / 64 * 64);
  std::memset(data, 0, size_t(elements * 8));
  if (argument.is_output)
    return data;
  std::minstd_rand random(1);
  for (int64_t i = 0; i < elements; ++i) {
    const uint32_t bits = random();
    const int64_t bound = argument.index_bound ? argument.index_bound : 2;
    switch (argument.dtype) {
    case FM_F32:
      static_cast<float *>(data)[i] = float(bits) * 0x1p-31f;
      break;
    case FM_F64:
      static_cast<double *>(data)[i] = bits * 0x1p-31;
      break;
    case FM_I32:
      static_cast<int32_t *>(data)[i] = int32_t(bits % bound);
      break;
    case FM_I64:
      static_cast<int64_t *>(data)[i] = bits % bound;
      break;
    case FM_BOOL:
      static_cast<uint8_t *>(data)[i] = bits & 1;
      break;
    }
  }
  return data;
}

template <typename... Pointers, size_t... I>
fm_status call(fm_status (*entry)(::MODEL *, int64_t, Pointers...),
               std::index_sequence<I...>) {
  return entry(model->raw(), model->raw()->instance.model->batch,
               static_cast<Pointers>(arguments[I])...);
}
template <typename... Pointers>
fm_status call(fm_status (*entry)(::MODEL *, int64_t, Pointers...)) {
  return call(entry, std::index_sequence_for<Pointers...>());
}

/// Null, or what went wrong.
const char *start(int threads) try {
  model = std::make_unique<::fm::MODEL>();
  if (threads > 1)
    model->set_parallel_for(fm_pool_run, fm_pool_create(threads));
  const fm_model &about = *model->raw()->instance.model;
  for (int32_t i = 0; i < about.entry_count; ++i)
    if (!std::strcmp(about.entries[i].name, FM_TEXT(ENTRY)))
      for (int32_t k = 0; k < about.entries[i].argument_count; ++k)
        arguments.push_back(
            makeArgument(about.entries[i].arguments[k], about.batch));
  return nullptr;
} catch (const std::exception &error) {
  static std::string text;
  text = error.what();
  return text.c_str();
}

} // namespace
} // namespace fm_compare

/// What bench-compare calls; null, or what went wrong.
extern "C" const char *fm_compare_start(int threads) {
  return fm_compare::start(threads);
}
extern "C" const char *fm_compare_call() {
  return fm_compare::call(::FM_JOIN(MODEL, ENTRY)) == FM_OK
             ? nullptr
             : fm_message(&fm_compare::model->raw()->instance);
}
