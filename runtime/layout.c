/*===- layout.c - Between row-major order and a tensor's own layout -------===*
 *
 * The compiler lays a persistent tensor out as its kernels want it: transposed,
 * blocked, padded. The place of an element is a sum with one term for each
 * physical dimension, so along the innermost logical dimension memory advances
 * by a constant step until one of the terms wraps around or carries. The walk
 * hands out such runs; copying and initialising work run by run.
 *
 *===----------------------------------------------------------------------===*/
#include "internal.h"

#include <string.h>

int64_t fmrt_dtype_size(int32_t dtype) {
  switch (dtype) {
  case FM_F64:
  case FM_I64:
    return 8;
  case FM_F32:
  case FM_I32:
    return 4;
  case FM_I8:
  case FM_BOOL:
    return 1;
  default:
    return 0;
  }
}

const char *fmrt_dtype_name(int32_t dtype) {
  static const char *const names[] = {"F32", "F64", "I32", "I64", "I8", "BOOL"};
  return dtype >= FM_F32 && dtype <= FM_BOOL ? names[dtype] : NULL;
}

int64_t fmrt_elements(const fm_tensor *tensor) {
  int64_t elements = 1;
  int32_t i;
  for (i = 0; i < tensor->rank; ++i)
    elements *= tensor->shape[i];
  return elements;
}

int64_t fmrt_logical_bytes(const fm_tensor *tensor) {
  return fmrt_elements(tensor) * fmrt_dtype_size(tensor->dtype);
}

/*===-- Checking a table -------------------------------------------------===*/

static int multiplies(int64_t a, int64_t b) {
  return a == 0 || b <= INT64_MAX / a;
}

/* The largest value (index / divisor) % modulus takes for an index < extent. */
static int64_t largestPart(const fm_physical_dim *dim, int64_t extent) {
  int64_t part = (extent - 1) / dim->divisor;
  return dim->modulus && part >= dim->modulus ? dim->modulus - 1 : part;
}

const char *fmrt_check_tensor(const fm_tensor *tensor,
                              int64_t persistent_bytes) {
  const int64_t size = fmrt_dtype_size(tensor->dtype);
  int64_t elements = 1, last = 0;
  int32_t i;
  if (!tensor->name || !tensor->name[0])
    return "it has no name";
  if (!size)
    return "its dtype is unknown";
  if (tensor->rank < 0 || tensor->rank > FM_MAX_RANK ||
      (tensor->rank && !tensor->shape))
    return "its rank is out of range";
  for (i = 0; i < tensor->rank; ++i) {
    if (tensor->shape[i] < 0 || !multiplies(elements, tensor->shape[i]))
      return "its shape is out of range";
    elements *= tensor->shape[i];
  }
  if (!multiplies(elements, size) || tensor->bytes < elements * size)
    return "its bytes are fewer than its shape needs";
  if (tensor->offset < 0 || tensor->offset % size ||
      tensor->offset > persistent_bytes ||
      tensor->bytes > persistent_bytes - tensor->offset)
    return "it lies outside the persistent memory, or not aligned";
  if (tensor->physical_rank < 0 || (tensor->physical_rank && !tensor->physical))
    return "its physical rank is out of range";
  for (i = 0; elements && i < tensor->physical_rank; ++i) {
    const fm_physical_dim *dim = &tensor->physical[i];
    int64_t part;
    if (dim->logical < 0 || dim->logical >= tensor->rank || dim->divisor < 1 ||
        dim->modulus < 0 || dim->stride < 0)
      return "a physical dimension of it is out of range";
    part = largestPart(dim, tensor->shape[dim->logical]);
    if (part >= dim->extent || !multiplies(part, dim->stride) ||
        last > INT64_MAX - part * dim->stride)
      return "a physical dimension of it is smaller than its indices";
    last += part * dim->stride;
  }
  if (elements && last >= tensor->bytes / size)
    return "its layout reaches beyond its bytes";
  return NULL;
}

/*===-- The walk ---------------------------------------------------------===*/

void fmrt_walk_begin(fmrt_walk *walk, const fm_tensor *tensor, int64_t from) {
  int32_t i;
  walk->tensor = tensor;
  walk->logical = from;
  walk->elements = fmrt_elements(tensor);
  walk->inner = -1;
  memset(walk->index, 0, sizeof walk->index);
  if (walk->elements == 0)
    return;
  for (i = tensor->rank - 1; i >= 0; --i) {
    walk->index[i] = from % tensor->shape[i];
    from /= tensor->shape[i];
    if (tensor->shape[i] > 1 && walk->inner < 0)
      walk->inner = i;
  }
}

/* Moves to the element `count` further on, which lies in the same row or is the
 * first one of the next. */
static void advance(fmrt_walk *walk, int64_t count) {
  int32_t i = walk->inner;
  walk->logical += count;
  if (i < 0)
    return;
  walk->index[i] += count;
  for (; i > 0 && walk->index[i] == walk->tensor->shape[i]; --i) {
    walk->index[i] = 0;
    ++walk->index[i - 1];
  }
}

int fmrt_walk_next(fmrt_walk *walk, fmrt_run *run) {
  const fm_tensor *tensor = walk->tensor;
  const int32_t inner = walk->inner;
  int32_t i;
  if (walk->logical >= walk->elements)
    return 0;
  run->logical = walk->logical;
  run->physical = 0;
  run->step = 0;
  run->count = inner < 0 ? 1 : tensor->shape[inner] - walk->index[inner];
  for (i = 0; i < tensor->physical_rank; ++i) {
    const fm_physical_dim *dim = &tensor->physical[i];
    const int64_t index = walk->index[dim->logical];
    int64_t part = index / dim->divisor, most = run->count;
    if (dim->modulus)
      part %= dim->modulus;
    run->physical += part * dim->stride;
    if (dim->logical != inner)
      continue;
    if (dim->divisor > 1) {
      most = dim->divisor - index % dim->divisor;
    } else {
      run->step += dim->stride;
      if (dim->modulus)
        most = dim->modulus - part;
    }
    if (most < run->count)
      run->count = most;
  }
  advance(walk, run->count);
  return 1;
}

/*===-- Copies -----------------------------------------------------------===*/

/* Copies `count` elements of `size` bytes, at steps of so many elements. */
static void copyElements(unsigned char *to, int64_t toStep,
                         const unsigned char *from, int64_t fromStep,
                         int64_t count, int64_t size) {
  int64_t i;
  if (toStep == 1 && fromStep == 1)
    memcpy(to, from, (size_t)(count * size));
  else if (size == 4)
    for (i = 0; i < count; ++i)
      memcpy(to + i * toStep * 4, from + i * fromStep * 4, 4);
  else
    for (i = 0; i < count; ++i)
      memcpy(to + i * toStep * size, from + i * fromStep * size, (size_t)size);
}

void fmrt_gather(const fm_tensor *tensor, const unsigned char *stored,
                 int64_t from, int64_t count, unsigned char *rows) {
  const int64_t size = fmrt_dtype_size(tensor->dtype), end = from + count;
  fmrt_walk walk;
  fmrt_run run;
  fmrt_walk_begin(&walk, tensor, from);
  while (walk.logical < end && fmrt_walk_next(&walk, &run)) {
    if (run.count > end - run.logical)
      run.count = end - run.logical;
    copyElements(rows + (run.logical - from) * size, 1,
                 stored + run.physical * size, run.step, run.count, size);
  }
}

void fmrt_scatter(const fm_tensor *tensor, unsigned char *stored,
                  const unsigned char *rows) {
  const int64_t size = fmrt_dtype_size(tensor->dtype);
  fmrt_walk walk;
  fmrt_run run;
  if (tensor->bytes > fmrt_logical_bytes(tensor))
    memset(stored, 0, (size_t)tensor->bytes);
  fmrt_walk_begin(&walk, tensor, 0);
  while (fmrt_walk_next(&walk, &run))
    copyElements(stored + run.physical * size, run.step,
                 rows + run.logical * size, 1, run.count, size);
}
