/*===- init.c - Initial weights -------------------------------------------===*
 *
 * A counter-based generator: the random words of an element are a function of
 * the seed, the tensor's name and the element's row-major number, so weights do
 * not depend on layout, order of tensors, threads or machine. For that last
 * reason logarithm, sine and cosine are written out here in IEEE additions,
 * multiplications, divisions and square roots, which every machine rounds the
 * same way; those of a libm differ from one to the next. (Compile this file
 * without -ffast-math, and with -ffp-contract=off.)
 *
 *   words     Philox4x32-10, key = seed, counter = (element / 4, hash of name);
 *             element e takes word e % 4
 *   uniform   u = (word >> 8) / 2^24;  a + (b - a) u, always below b
 *   normal    Box & Muller (1958): from words w0, w1 two elements,
 *             r = sqrt(-2 ln((w0 + 1) / 2^32)), t = 2 pi w1 / 2^32,
 *             mean + stddev r cos t, mean + stddev r sin t
 *   Glorot    Glorot & Bengio (2010): uniform +-sqrt(6 / (fan_in + fan_out)),
 *             normal with variance 2 / (fan_in + fan_out)
 *   He        He, Zhang, Ren, Sun (2015): uniform +-sqrt(6 / fan_in), normal
 *             with variance 2 / fan_in
 *
 * Values are made in double and rounded once: f32 and f64 models start alike.
 *
 *===----------------------------------------------------------------------===*/
#include "internal.h"

#include <math.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

void fmrt_philox(const uint32_t counter[4], const uint32_t key[2],
                 uint32_t out[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  uint32_t k0 = key[0], k1 = key[1];
  int round;
  for (round = 0; round < 10; ++round) {
    const uint64_t p0 = (uint64_t)0xD2511F53u * c0,
                   p1 = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

uint64_t fmrt_name_hash(const char *name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (; *name; ++name)
    hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
  return hash;
}

/*===-- Elementary functions ---------------------------------------------===*/

/* ln((word + 1) / 2^32): ln(m) = 2 atanh((m - 1) / (m + 1)) for m in
 * [sqrt(1/2), sqrt(2)); the series ends below 1e-17. */
static double logOfWord(uint32_t word) {
  int exponent, i;
  double m = frexp((double)word + 1.0, &exponent), s, square, sum = 1.0 / 21;
  if (m < 0.70710678118654752440) {
    m *= 2;
    --exponent;
  }
  s = (m - 1) / (m + 1);
  square = s * s;
  for (i = 19; i >= 1; i -= 2)
    sum = sum * square + 1.0 / i;
  return 2 * s * sum + (exponent - 32) * 0.69314718055994530942;
}

/* cos and sin of 2 pi word / 2^32: the quarter of the circle exactly, and the
 * distance to its middle, at most pi / 4, by Taylor's series. */
static void circle(uint32_t word, double *cosine, double *sine) {
  const double half = 0.70710678118654752440;
  const double x = ((double)(word & 0x3FFFFFFFu) / 1073741824.0 - 0.5) *
                   1.57079632679489661923;
  const double square = x * x;
  double s = 1, c = 1, swap;
  int i;
  for (i = 16; i >= 2; i -= 2) {
    s = 1 - square / (double)(i * (i + 1)) * s;
    c = 1 - square / (double)(i * (i - 1)) * c;
  }
  s *= x;
  *cosine = (c - s) * half;
  *sine = (s + c) * half;
  for (i = 0; i < (int)(word >> 30); ++i) {
    swap = *cosine;
    *cosine = -*sine;
    *sine = swap;
  }
}

/*===-- Filling a tensor -------------------------------------------------===*/

typedef struct Filler {
  int normal;       /* else uniform */
  double a, b;      /* mean and deviation, or the interval */
  uint32_t key[2];  /* the seed */
  uint32_t name[2]; /* the name's hash */
  int64_t block;    /* of four elements whose values are known, -1: none */
  double value[4];
} Filler;

static void fillBlock(Filler *filler, int64_t block) {
  uint32_t counter[4], word[4];
  double cosine, sine, radius;
  int i;
  counter[0] = (uint32_t)block;
  counter[1] = (uint32_t)((uint64_t)block >> 32);
  counter[2] = filler->name[0];
  counter[3] = filler->name[1];
  fmrt_philox(counter, filler->key, word);
  filler->block = block;
  if (!filler->normal) {
    for (i = 0; i < 4; ++i)
      filler->value[i] = filler->a + (filler->b - filler->a) *
                                         ((double)(word[i] >> 8) / 16777216.0);
    return;
  }
  for (i = 0; i < 4; i += 2) {
    radius = sqrt(-2 * logOfWord(word[i])) * filler->b;
    circle(word[i + 1], &cosine, &sine);
    filler->value[i] = filler->a + radius * cosine;
    filler->value[i + 1] = filler->a + radius * sine;
  }
}

/* The value that is stored for `value`, kept below `limit` (uniform numbers
 * come close enough to round up to it). */
static void storeFloat(unsigned char *place, int32_t dtype, double value,
                       double limit) {
  float narrow;
  if (dtype == FM_F64) {
    if (value >= limit)
      value = nextafter(limit, -INFINITY);
    memcpy(place, &value, sizeof value);
    return;
  }
  narrow = (float)value;
  while ((double)narrow >= limit)
    narrow = nextafterf(narrow, -INFINITY);
  memcpy(place, &narrow, sizeof narrow);
}

static int64_t toInteger(double value, int64_t least, int64_t most) {
  if (!(value > (double)least))
    return least;
  return value >= (double)most ? most : (int64_t)value;
}

static void storeConstant(unsigned char *place, int32_t dtype, double value) {
  int64_t wide;
  int32_t narrow;
  switch (dtype) {
  case FM_I64:
    wide = toInteger(value, INT64_MIN, INT64_MAX);
    memcpy(place, &wide, sizeof wide);
    return;
  case FM_I32:
    narrow = (int32_t)toInteger(value, INT32_MIN, INT32_MAX);
    memcpy(place, &narrow, sizeof narrow);
    return;
  case FM_I8:
    *place = (unsigned char)(signed char)toInteger(value, -128, 127);
    return;
  case FM_BOOL:
    *place = value != 0;
    return;
  default:
    storeFloat(place, dtype, value, INFINITY);
  }
}

static void fillConstant(const fm_tensor *tensor, unsigned char *stored) {
  const int64_t size = fmrt_dtype_size(tensor->dtype);
  fmrt_walk walk;
  fmrt_run run;
  int64_t i;
  fmrt_walk_begin(&walk, tensor, 0);
  while (fmrt_walk_next(&walk, &run))
    for (i = 0; i < run.count; ++i)
      storeConstant(stored + (run.physical + i * run.step) * size,
                    tensor->dtype, tensor->init_a);
}

static void fillRandom(const fm_tensor *tensor, unsigned char *stored,
                       Filler *filler) {
  const int64_t size = fmrt_dtype_size(tensor->dtype);
  const double limit =
      filler->normal || filler->a >= filler->b ? INFINITY : filler->b;
  fmrt_walk walk;
  fmrt_run run;
  int64_t i, element;
  fmrt_walk_begin(&walk, tensor, 0);
  while (fmrt_walk_next(&walk, &run))
    for (i = 0; i < run.count; ++i) {
      element = run.logical + i;
      if (element / 4 != filler->block)
        fillBlock(filler, element / 4);
      storeFloat(stored + (run.physical + i * run.step) * size, tensor->dtype,
                 filler->value[element % 4], limit);
    }
}

/* Interval, or mean and deviation, of a random initializer; 0: it is constant.
 */
static int distribution(const fm_tensor *tensor, Filler *filler) {
  const double in = tensor->fan_in > 0 ? (double)tensor->fan_in : 1;
  const double out = tensor->fan_out > 0 ? (double)tensor->fan_out : 1;
  filler->a = 0;
  filler->normal = 0;
  switch (tensor->initializer) {
  case FM_INIT_NORMAL:
  case FM_INIT_UNIFORM:
    filler->normal = tensor->initializer == FM_INIT_NORMAL;
    filler->a = tensor->init_a;
    filler->b = tensor->init_b;
    return 1;
  case FM_INIT_GLOROT_UNIFORM:
    filler->b = sqrt(6 / (in + out));
    filler->a = -filler->b;
    return 1;
  case FM_INIT_GLOROT_NORMAL:
    filler->normal = 1;
    filler->b = sqrt(2 / (in + out));
    return 1;
  case FM_INIT_HE_UNIFORM:
    filler->b = sqrt(6 / in);
    filler->a = -filler->b;
    return 1;
  case FM_INIT_HE_NORMAL:
    filler->normal = 1;
    filler->b = sqrt(2 / in);
    return 1;
  default:
    return 0;
  }
}

static void initTensor(const fm_tensor *tensor, unsigned char *stored,
                       uint64_t seed) {
  const uint64_t hash = fmrt_name_hash(tensor->name);
  Filler filler;
  memset(stored, 0, (size_t)tensor->bytes);
  if (!distribution(tensor, &filler)) {
    fillConstant(tensor, stored);
    return;
  }
  filler.key[0] = (uint32_t)seed;
  filler.key[1] = (uint32_t)(seed >> 32);
  filler.name[0] = (uint32_t)hash;
  filler.name[1] = (uint32_t)(hash >> 32);
  filler.block = -1;
  fillRandom(tensor, stored, &filler);
}

/* Null, or why a tensor's initializer cannot be run. */
static const char *checkInitializer(const fm_tensor *tensor) {
  const int isFloat = tensor->dtype == FM_F32 || tensor->dtype == FM_F64;
  if (tensor->initializer < FM_INIT_CONSTANT ||
      tensor->initializer > FM_INIT_HE_NORMAL)
    return "its initializer is unknown to this runtime";
  return isFloat || tensor->initializer == FM_INIT_CONSTANT
             ? NULL
             : "random initializers need f32 or f64";
}

fm_status fm_init(fm_instance *instance, uint64_t seed) {
  fmrt_text shown;
  const fm_model *model;
  const char *problem;
  fm_status status = fmrt_check_bound(instance);
  int32_t i;
  if (status != FM_OK)
    return status;
  model = instance->model;
  for (i = 0; i < model->tensor_count; ++i)
    if ((problem = checkInitializer(&model->tensors[i])))
      return fmrt_fail(
          instance, FM_ERROR_INTERNAL,
          "init: '%s': %s; compile with the fmc this runtime came with",
          fmrt_name(&shown, model->tensors[i].name), problem);
  instance->derived = 0;
  for (i = 0; i < model->tensor_count; ++i)
    initTensor(&model->tensors[i], instance->memory + model->tensors[i].offset,
               seed);
  if (model->step >= 0)
    fm_set_step(instance, 0);
  if (model->seed >= 0)
    fm_set_seed(instance, seed);
  return FM_OK;
}
