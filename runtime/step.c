/*===- step.c - What generated step functions call -------------------------===*
 *
 * The checks before a step's first kernel, the bookkeeping after its last one,
 * and the way from a kernel's parallel loop to the host's threads. Nothing here
 * allocates, and only a failure takes more than a few comparisons.
 *
 *===----------------------------------------------------------------------===*/
#include "internal.h"

#include <string.h>

static fm_status checkSamples(fm_instance *instance, const fm_entry *entry,
                              int64_t n) {
  int32_t i;
  if (n >= 1 && n <= instance->model->batch)
    return FM_OK;
  for (i = 0; i < entry->argument_count; ++i)
    if (entry->arguments[i].per_sample)
      return fmrt_fail(instance, FM_ERROR_SAMPLES,
                       "%s: n is %lld, expected 1 to %d; split the data, or "
                       "compile the model with a larger batch",
                       entry->name, (long long)n, (int)instance->model->batch);
  return FM_OK;
}

/* Element `at` of an array of integers. */
static int64_t integerAt(const void *data, int32_t dtype, int64_t at) {
  const unsigned char *bytes = (const unsigned char *)data;
  int64_t wide;
  int32_t narrow;
  if (dtype == FM_I64) {
    memcpy(&wide, bytes + at * 8, 8);
    return wide;
  }
  if (dtype == FM_I32) {
    memcpy(&narrow, bytes + at * 4, 4);
    return narrow;
  }
  return dtype == FM_I8 ? (int64_t)(signed char)bytes[at] : (int64_t)bytes[at];
}

static fm_status checkIndices(fm_instance *instance, const fm_entry *entry,
                              const fm_argument *argument, int64_t n,
                              const void *data) {
  const int64_t total =
      argument->per_sample ? n * argument->elements : argument->elements;
  int64_t i, value;
  for (i = 0; i < total; ++i) {
    value = integerAt(data, argument->dtype, i);
    if (value >= 0 && value < argument->index_bound)
      continue;
    if (argument->per_sample && argument->elements == 1)
      return fmrt_fail(instance, FM_ERROR_LABEL,
                       "%s: '%s' of sample %lld is %lld, expected 0 to %lld",
                       entry->name, argument->name, (long long)i,
                       (long long)value,
                       (long long)(argument->index_bound - 1));
    if (argument->per_sample)
      return fmrt_fail(
          instance, FM_ERROR_LABEL,
          "%s: '%s' of sample %lld, element %lld, is %lld, expected 0 to %lld",
          entry->name, argument->name, (long long)(i / argument->elements),
          (long long)(i % argument->elements), (long long)value,
          (long long)(argument->index_bound - 1));
    return fmrt_fail(instance, FM_ERROR_LABEL,
                     "%s: '%s', element %lld, is %lld, expected 0 to %lld",
                     entry->name, argument->name, (long long)i,
                     (long long)value, (long long)(argument->index_bound - 1));
  }
  return FM_OK;
}

static int isInteger(int32_t dtype) {
  return dtype == FM_I32 || dtype == FM_I64 || dtype == FM_I8;
}

fm_status fm_step_begin(fm_instance *instance, const fm_model *model,
                        int32_t entry, int64_t n, void *const *arguments) {
  fmrt_text shown, other;
  const fm_entry *called;
  const fm_argument *argument;
  fm_status status = fmrt_check_bound(instance);
  int32_t i;
  if (status != FM_OK)
    return status;
  if (instance->model != model)
    return fmrt_fail(instance, FM_ERROR_MISMATCH,
                     "the instance is bound to model %s, but a function of "
                     "model %s was called with it",
                     fmrt_name(&shown, instance->model->name),
                     fmrt_name(&other, model ? model->name : NULL));
  if (entry < 0 || entry >= model->entry_count)
    return fmrt_fail(
        instance, FM_ERROR_INTERNAL,
        "entry point %d of %d; the object and its header do not fit",
        (int)entry, (int)model->entry_count);
  called = &model->entries[entry];
  if ((status = checkSamples(instance, called, n)) != FM_OK)
    return status;
  for (i = 0; i < called->argument_count; ++i) {
    argument = &called->arguments[i];
    if (!arguments || !arguments[i]) {
      if (arguments && argument->may_be_null)
        continue;
      return fmrt_fail(instance, FM_ERROR_ARGUMENT,
                       "%s: '%s' is a null pointer, expected %s%lld elements",
                       called->name, argument->name,
                       argument->per_sample ? "n times " : "",
                       (long long)argument->elements);
    }
    if (argument->dtype == FM_I8 && argument->index_bound == 0 &&
        (uintptr_t)arguments[i] % FM_ALIGNMENT != 0)
      return fmrt_fail(instance, FM_ERROR_MEMORY,
                       "%s: '%s' lies %u bytes beyond a multiple of %d, "
                       "expected 0; take it from aligned_alloc or "
                       "posix_memalign",
                       called->name, argument->name,
                       (unsigned)((uintptr_t)arguments[i] % FM_ALIGNMENT),
                       FM_ALIGNMENT);
    if (argument->index_bound > 0 && !argument->is_output &&
        isInteger(argument->dtype) &&
        (status = checkIndices(instance, called, argument, n, arguments[i])) !=
            FM_OK)
      return status;
  }
  fmrt_trial_begin(instance, entry, n);
  return FM_OK;
}

/* Adds one to a scalar i64 tensor, if the model has it. */
static void countUp(fm_instance *instance, int32_t tensor) {
  unsigned char *place;
  int64_t count;
  if (tensor < 0)
    return;
  place = instance->memory + instance->model->tensors[tensor].offset;
  memcpy(&count, place, sizeof count);
  ++count;
  memcpy(place, &count, sizeof count);
}

fm_status fm_step_end(fm_instance *instance, int32_t entry, int32_t error) {
  const fm_model *model;
  fm_status status = fmrt_check_bound(instance);
  if (status != FM_OK)
    return status;
  fmrt_trial_end(instance);
  model = instance->model;
  if (entry < 0 || entry >= model->entry_count)
    return fmrt_fail(
        instance, FM_ERROR_INTERNAL,
        "entry point %d of %d; the object and its header do not fit",
        (int)entry, (int)model->entry_count);
  instance->derived &= ~model->entries[entry].outdates;
  if (error)
    return fmrt_fail(
        instance, FM_ERROR_INTERNAL,
        "%s: a kernel returned %d, expected 0; the state may be half updated: "
        "load a checkpoint, and please report the model",
        model->entries[entry].name, (int)error);
  if (model->entries[entry].advances_step)
    countUp(instance, model->step);
  if (model->entries[entry].advances_draws)
    countUp(instance, model->draws);
  return FM_OK;
}

/* Whatever thread runs a task, denormal numbers count as zero there, as they do
 * in the step: else results would depend on who runs what. */
#if defined(__SSE__) || defined(_M_X64)
#include <xmmintrin.h>
typedef unsigned floatMode;
static floatMode flushDenormals(void) {
  const floatMode mode = _mm_getcsr();
  _mm_setcsr(mode | 0x8040u); /* flush to zero, denormals are zero */
  return mode;
}
static void restoreMode(floatMode mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__) && defined(__GNUC__)
typedef uint64_t floatMode;
static void restoreMode(floatMode mode) {
  __asm__ volatile("msr fpcr, %0" : : "r"(mode));
}
static floatMode flushDenormals(void) {
  floatMode mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  restoreMode(mode | (UINT64_C(1) << 24)); /* flush to zero */
  return mode;
}
#else
typedef int floatMode;
static floatMode flushDenormals(void) { return 0; }
static void restoreMode(floatMode mode) { (void)mode; }
#endif

/* A task and its closure, on the stack of who waits for it. */
typedef struct taskCall {
  fm_task task;
  uint8_t *closure;
} taskCall;

static int runTask(void *context, int32_t index, uint8_t *closure) {
  const taskCall *call = (const taskCall *)(void *)closure;
  const floatMode mode = flushDenormals();
  const int error = call->task(context, index, call->closure);
  restoreMode(mode);
  return error;
}

int fm_parallel_for(void *context, fm_task task, int32_t begin, int32_t count,
                    uint8_t *closure) {
  fm_instance *instance = (fm_instance *)context;
  taskCall call;
  int32_t i;
  int error;
  if (count > 1 && instance->parallel_for && !instance->alone) {
    call.task = task;
    call.closure = closure;
    return instance->parallel_for(instance->parallel_host, runTask, context,
                                  begin, count, (uint8_t *)(void *)&call);
  }
  for (i = 0; i < count; ++i)
    if ((error = task(context, (int32_t)(begin + i), closure)))
      return error;
  return 0;
}
