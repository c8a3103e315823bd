/*===- instance.c - One network's memory, threads, scalars and tensors ----===*
 *
 * Binding an instance to a model and memory, and reading and writing its state
 * from outside: learning rate, step, seed, and whole tensors by name in
 * row-major order.
 *
 *===----------------------------------------------------------------------===*/
#include "internal.h"

#include <math.h>
#include <string.h>

/*===-- Binding ----------------------------------------------------------===*/

/* Null, or what is wrong with a scalar of the state. */
static const char *checkScalar(const fm_model *model, int32_t number,
                               int isLearningRate) {
  const fm_tensor *tensor;
  if (number == -1)
    return NULL;
  if (number < 0 || number >= model->tensor_count)
    return "there is no such tensor";
  tensor = &model->tensors[number];
  if (fmrt_elements(tensor) != 1)
    return "it has not exactly one element";
  if (isLearningRate)
    return tensor->dtype == FM_F32 || tensor->dtype == FM_F64
               ? NULL
               : "it is neither f32 nor f64";
  return tensor->dtype == FM_I64 ? NULL : "it is not i64";
}

static fm_status checkTables(fm_instance *instance, const fm_model *model) {
  const char *problem = NULL;
  int32_t i;
  if (model->batch < 1 || !model->name || model->tensor_count < 0 ||
      model->entry_count < 0 || model->parameter_bytes < 0 ||
      model->parameter_bytes > model->persistent_bytes ||
      model->persistent_bytes > model->memory_bytes)
    return fmrt_fail(instance, FM_ERROR_INTERNAL,
                     "the sizes in the model's description contradict each "
                     "other: the object is damaged, or fmc has a defect");
  for (i = 0; i < model->tensor_count; ++i) {
    problem =
        fmrt_check_tensor(&model->tensors[i], model->tensors[i].trained
                                                  ? model->parameter_bytes
                                                  : model->persistent_bytes);
    if (problem)
      return fmrt_fail(instance, FM_ERROR_INTERNAL,
                       "tensor %d in the model's description: %s; the object "
                       "is damaged, or fmc has a defect",
                       (int)i, problem);
  }
  if ((problem = checkScalar(model, model->learning_rate, 1)) ||
      (problem = checkScalar(model, model->step, 0)) ||
      (problem = checkScalar(model, model->seed, 0)) ||
      (problem = checkScalar(model, model->draws, 0)))
    return fmrt_fail(instance, FM_ERROR_INTERNAL,
                     "learning rate, step or seed in the model's description: "
                     "%s; the object is damaged, or fmc has a defect",
                     problem);
  return FM_OK;
}

fm_status fm_bind(fm_instance *instance, const fm_model *model, void *memory,
                  size_t bytes) {
  fm_status status;
  if (!instance)
    return FM_ERROR_ARGUMENT;
  memset(instance, 0, sizeof *instance);
  if (!model)
    return fmrt_fail(
        instance, FM_ERROR_ARGUMENT,
        "bind: the model is a null pointer; pass the one of the object");
  if (model->abi_version != FM_ABI_VERSION)
    return fmrt_fail(
        instance, FM_ERROR_MISMATCH,
        "bind: the object was compiled for runtime ABI %u, this runtime has "
        "%d; compile the model with the fmc that this runtime came with",
        (unsigned)model->abi_version, FM_ABI_VERSION);
  if (!memory)
    return fmrt_fail(instance, FM_ERROR_ARGUMENT,
                     "bind: the memory is a null pointer, expected %lld bytes",
                     (long long)model->memory_bytes);
  if (model->memory_bytes < 0 || bytes < (uint64_t)model->memory_bytes)
    return fmrt_fail(instance, FM_ERROR_MEMORY,
                     "bind: %llu bytes of memory, expected at least %lld; the "
                     "generated header has the size",
                     (unsigned long long)bytes, (long long)model->memory_bytes);
  if ((uintptr_t)memory % FM_ALIGNMENT)
    return fmrt_fail(instance, FM_ERROR_MEMORY,
                     "bind: the memory lies %u bytes beyond a multiple of %d, "
                     "expected 0; take it from aligned_alloc or posix_memalign",
                     (unsigned)((uintptr_t)memory % FM_ALIGNMENT),
                     FM_ALIGNMENT);
  if ((status = checkTables(instance, model)) != FM_OK)
    return status;
  instance->model = model;
  instance->memory = (unsigned char *)memory;
  return FM_OK;
}

fm_status fm_set_parallel_for(fm_instance *instance,
                              fm_parallel_for_function run, void *host) {
  fm_status status = fmrt_check_bound(instance);
  if (status != FM_OK)
    return status;
  instance->parallel_for = run;
  instance->parallel_host = run ? host : NULL;
  memset(instance->trials, 0, sizeof instance->trials);
  return FM_OK;
}

/*===-- Learning rate, step, seed ----------------------------------------===*/

/* The bytes of scalar `number`, null if the model has none. */
static unsigned char *scalar(const fm_instance *instance, int32_t number) {
  return number < 0
             ? NULL
             : instance->memory + instance->model->tensors[number].offset;
}

static fm_status failNoScalar(fm_instance *instance, const char *what) {
  fmrt_text shown;
  return fmrt_fail(instance, FM_ERROR_ARGUMENT,
                   "model %s has no %s; the .fm text says nothing that needs "
                   "one, e.g. 'train adam(lr = 1e-3)'",
                   fmrt_name(&shown, instance->model->name), what);
}

fm_status fm_set_learning_rate(fm_instance *instance, double learning_rate) {
  const float narrow = (float)learning_rate;
  unsigned char *place;
  int isDouble;
  fm_status status = fmrt_check_bound(instance);
  if (status != FM_OK)
    return status;
  if (!(place = scalar(instance, instance->model->learning_rate)))
    return failNoScalar(instance, "learning rate");
  isDouble =
      instance->model->tensors[instance->model->learning_rate].dtype == FM_F64;
  if (!(learning_rate >= 0) || isinf(isDouble ? learning_rate : (double)narrow))
    return fmrt_fail(
        instance, FM_ERROR_ARGUMENT,
        "learning rate %g, expected a finite number of at least 0 in %s",
        learning_rate, isDouble ? "f64" : "f32");
  if (isDouble)
    memcpy(place, &learning_rate, sizeof learning_rate);
  else
    memcpy(place, &narrow, sizeof narrow);
  return FM_OK;
}

double fm_get_learning_rate(const fm_instance *instance) {
  const unsigned char *place;
  double wide;
  float narrow;
  if (!instance || !instance->model ||
      !(place = scalar(instance, instance->model->learning_rate)))
    return NAN;
  if (instance->model->tensors[instance->model->learning_rate].dtype ==
      FM_F64) {
    memcpy(&wide, place, sizeof wide);
    return wide;
  }
  memcpy(&narrow, place, sizeof narrow);
  return narrow;
}

fm_status fm_set_step(fm_instance *instance, int64_t step) {
  unsigned char *place;
  fm_status status = fmrt_check_bound(instance);
  if (status != FM_OK)
    return status;
  if (!(place = scalar(instance, instance->model->step)))
    return failNoScalar(instance, "step count");
  if (step < 0)
    return fmrt_fail(instance, FM_ERROR_ARGUMENT,
                     "step %lld, expected at least 0", (long long)step);
  memcpy(place, &step, sizeof step);
  return FM_OK;
}

int64_t fm_get_step(const fm_instance *instance) {
  const unsigned char *place;
  int64_t step;
  if (!instance || !instance->model ||
      !(place = scalar(instance, instance->model->step)))
    return -1;
  memcpy(&step, place, sizeof step);
  return step;
}

fm_status fm_set_seed(fm_instance *instance, uint64_t seed) {
  unsigned char *place;
  fm_status status = fmrt_check_bound(instance);
  if (status != FM_OK)
    return status;
  if (!(place = scalar(instance, instance->model->seed)))
    return failNoScalar(instance, "seed");
  memcpy(place, &seed, sizeof seed);
  return FM_OK;
}

/*===-- Tensors by name --------------------------------------------------===*/

/* Characters to insert, delete or exchange (Levenshtein), for names of up to 63
 * bytes; SIZE_MAX for longer ones. */
static size_t editDistance(const char *a, const char *b) {
  size_t row[64], sizeA = strlen(a), sizeB = strlen(b), i, j, above, diagonal,
                  best;
  if (sizeA > 63 || sizeB > 63)
    return SIZE_MAX;
  for (j = 0; j <= sizeB; ++j)
    row[j] = j;
  for (i = 1; i <= sizeA; ++i) {
    diagonal = row[0];
    row[0] = i;
    for (j = 1; j <= sizeB; ++j) {
      above = row[j];
      best = diagonal + (a[i - 1] != b[j - 1]);
      if (above + 1 < best)
        best = above + 1;
      if (row[j - 1] + 1 < best)
        best = row[j - 1] + 1;
      diagonal = above;
      row[j] = best;
    }
  }
  return row[sizeB];
}

static fm_status failUnknown(fm_instance *instance, const char *what,
                             const char *name) {
  fmrt_text shown, other;
  const fm_model *model = instance->model;
  const fm_tensor *closest = NULL;
  size_t distance, best = strlen(name) / 3 + 1;
  int32_t i;
  for (i = 0; i < model->tensor_count; ++i) {
    distance = editDistance(name, model->tensors[i].name);
    if (distance <= best) {
      best = distance;
      closest = &model->tensors[i];
    }
  }
  if (closest)
    return fmrt_fail(instance, FM_ERROR_ARGUMENT,
                     "%s: no tensor '%s'; did you mean '%s'?", what,
                     fmrt_name(&shown, name), closest->name);
  return fmrt_fail(instance, FM_ERROR_ARGUMENT,
                   "%s: no tensor '%s' among the %d of model %s; 'fmc show' "
                   "lists their names",
                   what, fmrt_name(&shown, name), (int)model->tensor_count,
                   fmrt_name(&other, model->name));
}

/* Finds the tensor and checks the caller's buffer. Null: there is a message. */
static const fm_tensor *findTensor(fm_instance *instance, const char *what,
                                   const char *name, const void *data,
                                   size_t bytes) {
  fmrt_text shown, shape;
  const fm_tensor *tensor = NULL;
  int32_t i;
  if (!name || !data) {
    fmrt_fail(instance, FM_ERROR_ARGUMENT, "%s: the %s is a null pointer", what,
              name ? "buffer" : "name");
    return NULL;
  }
  for (i = 0; i < instance->model->tensor_count && !tensor; ++i)
    if (strcmp(instance->model->tensors[i].name, name) == 0)
      tensor = &instance->model->tensors[i];
  if (!tensor) {
    failUnknown(instance, what, name);
    return NULL;
  }
  if (bytes != (uint64_t)fmrt_logical_bytes(tensor)) {
    fmrt_fail(instance, FM_ERROR_ARGUMENT,
              "%s: '%s': a buffer of %llu bytes, expected %lld for %s %s", what,
              fmrt_name(&shown, name), (unsigned long long)bytes,
              (long long)fmrt_logical_bytes(tensor),
              fmrt_dtype_name(tensor->dtype),
              fmrt_shape(&shape, tensor->shape, tensor->rank));
    return NULL;
  }
  return tensor;
}

fm_status fm_get_tensor(fm_instance *instance, const char *name, void *data,
                        size_t bytes) {
  const fm_tensor *tensor;
  fm_status status = fmrt_check_bound(instance);
  if (status != FM_OK)
    return status;
  if (!(tensor = findTensor(instance, "get tensor", name, data, bytes)))
    return FM_ERROR_ARGUMENT;
  fmrt_gather(tensor, instance->memory + tensor->offset, 0,
              fmrt_elements(tensor), (unsigned char *)data);
  return FM_OK;
}

fm_status fm_set_tensor(fm_instance *instance, const char *name,
                        const void *data, size_t bytes) {
  const fm_tensor *tensor;
  fm_status status = fmrt_check_bound(instance);
  if (status != FM_OK)
    return status;
  if (!(tensor = findTensor(instance, "set tensor", name, data, bytes)))
    return FM_ERROR_ARGUMENT;
  fmrt_scatter(tensor, instance->memory + tensor->offset,
               (const unsigned char *)data);
  instance->derived = 0;
  return FM_OK;
}

/*===-- Gradients --------------------------------------------------------===*/

/* As findTensor, for a trained parameter: `grads` begins where the trained
 * parameters' part of the memory does, at offset 0. */
static const fm_tensor *findGradient(fm_instance *instance, const char *what,
                                     const void *grads, const char *name,
                                     const void *data, size_t bytes) {
  fmrt_text shown;
  const fm_tensor *tensor;
  if (!grads) {
    fmrt_fail(
        instance, FM_ERROR_ARGUMENT,
        "%s: the buffer of gradients is a null pointer, expected %lld bytes",
        what, (long long)instance->model->parameter_bytes);
    return NULL;
  }
  tensor = findTensor(instance, what, name, data, bytes);
  if (tensor && !(tensor->kind == FM_PARAMETER && tensor->trained)) {
    fmrt_fail(instance, FM_ERROR_ARGUMENT,
              "%s: '%s' is %s; only trained parameters have gradients", what,
              fmrt_name(&shown, name),
              tensor->kind == FM_PARAMETER   ? "a frozen parameter"
              : tensor->kind == FM_OPTIMIZER ? "state of the optimizer"
                                             : "state");
    return NULL;
  }
  return tensor;
}

fm_status fm_get_gradient(fm_instance *instance, const void *grads,
                          const char *name, void *data, size_t bytes) {
  const fm_tensor *tensor;
  fm_status status = fmrt_check_bound(instance);
  if (status != FM_OK)
    return status;
  if (!(tensor =
            findGradient(instance, "get gradient", grads, name, data, bytes)))
    return FM_ERROR_ARGUMENT;
  fmrt_gather(tensor, (const unsigned char *)grads + tensor->offset, 0,
              fmrt_elements(tensor), (unsigned char *)data);
  return FM_OK;
}

fm_status fm_set_gradient(fm_instance *instance, void *grads, const char *name,
                          const void *data, size_t bytes) {
  const fm_tensor *tensor;
  fm_status status = fmrt_check_bound(instance);
  if (status != FM_OK)
    return status;
  if (!(tensor =
            findGradient(instance, "set gradient", grads, name, data, bytes)))
    return FM_ERROR_ARGUMENT;
  fmrt_scatter(tensor, (unsigned char *)grads + tensor->offset,
               (const unsigned char *)data);
  return FM_OK;
}
