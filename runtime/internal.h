/*===- internal.h - What the runtime's sources share ----------------------===*
 *
 * C99, also C++17. Not installed for users: messages, the walk over a tensor's
 * layout, the random numbers of the initializers, and the reader of safetensors
 * headers. Names begin with fmrt_ and are hidden outside the library.
 *
 *===----------------------------------------------------------------------===*/
#ifndef FM_RUNTIME_INTERNAL_H
#define FM_RUNTIME_INTERNAL_H

#include "fm/runtime.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error                                                                         \
    "the fm runtime reads and writes checkpoints on little-endian machines only"
#endif

#if defined(__GNUC__)
#define FMRT_INTERNAL __attribute__((visibility("hidden")))
#define FMRT_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define FMRT_INTERNAL
#define FMRT_PRINTF(text, first)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*===-- Messages (message.c) ---------------------------------------------===*/

/* Writes the instance's message, whole UTF-8 characters only; returns `status`.
 * Format: what was found, what was expected, a way out; no full stop. */
FMRT_INTERNAL fm_status fmrt_fail(fm_instance *instance, fm_status status,
                                  const char *format, ...) FMRT_PRINTF(3, 4);

/* Storage for a quotation that fits a message; the functions below fill it and
 * return its text. */
typedef struct fmrt_text {
  char text[72];
} fmrt_text;
/* The first bytes (a tensor's name) or the last ones (a path) of what nobody
 * has vouched for: control characters and what is not UTF-8 become '?'. */
FMRT_INTERNAL const char *fmrt_head(fmrt_text *out, const char *bytes,
                                    size_t size);
FMRT_INTERNAL const char *fmrt_tail(fmrt_text *out, const char *bytes,
                                    size_t size);
/* The head of a zero-terminated name; "(null)" for a null pointer. */
FMRT_INTERNAL const char *fmrt_name(fmrt_text *out, const char *name);
/* "[3, 4]" */
FMRT_INTERNAL const char *fmrt_shape(fmrt_text *out, const int64_t *shape,
                                     int32_t rank);
/* The bytes of the UTF-8 character at `at`, 0 if there is none. */
FMRT_INTERNAL size_t fmrt_character_size(const char *at, size_t left);

/* FM_OK if bound; a message that says what to call otherwise. */
FMRT_INTERNAL fm_status fmrt_check_bound(fm_instance *instance);

/*===-- Tensors and their layouts (layout.c) -----------------------------===*/

/* Bytes of one element, 0 for a number that is no dtype. */
FMRT_INTERNAL int64_t fmrt_dtype_size(int32_t dtype);
/* As safetensors calls it: "F32", ...; null for a number that is no dtype. */
FMRT_INTERNAL const char *fmrt_dtype_name(int32_t dtype);
/* Elements in the logical shape. */
FMRT_INTERNAL int64_t fmrt_elements(const fm_tensor *tensor);
/* Bytes in the logical shape, without padding. */
FMRT_INTERNAL int64_t fmrt_logical_bytes(const fm_tensor *tensor);
/* Null, or what is wrong with the table: extents, dtype, places out of range.
 */
FMRT_INTERNAL const char *fmrt_check_tensor(const fm_tensor *tensor,
                                            int64_t persistent_bytes);

/* `count` elements that follow each other in the logical shape and lie `step`
 * elements apart in memory; both starting points are in elements. */
typedef struct fmrt_run {
  int64_t logical, physical, count, step;
} fmrt_run;
typedef struct fmrt_walk {
  const fm_tensor *tensor;
  int64_t logical, elements;
  int64_t index[FM_MAX_RANK];
  int32_t inner; /* innermost dimension with more than one element, -1: none */
} fmrt_walk;
/* Visits each element once, in row-major order, starting with number `from`. */
FMRT_INTERNAL void fmrt_walk_begin(fmrt_walk *walk, const fm_tensor *tensor,
                                   int64_t from);
FMRT_INTERNAL int fmrt_walk_next(fmrt_walk *walk, fmrt_run *run);

/* Elements [from, from + count) in row-major order out of `stored`. */
FMRT_INTERNAL void fmrt_gather(const fm_tensor *tensor,
                               const unsigned char *stored, int64_t from,
                               int64_t count, unsigned char *rows);
/* All elements into `stored`, padding to zero. */
FMRT_INTERNAL void fmrt_scatter(const fm_tensor *tensor, unsigned char *stored,
                                const unsigned char *rows);

/*===-- Random numbers (init.c) ------------------------------------------===*/

/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy
 * as 1, 2, 3; SC'11). */
FMRT_INTERNAL void fmrt_philox(const uint32_t counter[4], const uint32_t key[2],
                               uint32_t out[4]);
/* FNV-1a, 64 bits, of a zero-terminated name. */
FMRT_INTERNAL uint64_t fmrt_name_hash(const char *name);

/*===-- JSON (json.c) ----------------------------------------------------===*/

/* Bytes of the header, unescaped; not zero-terminated. */
typedef struct fmrt_string {
  char *data;
  size_t size;
} fmrt_string;
typedef struct fmrt_json {
  fm_instance *instance; /* its message tells of errors */
  const char *where;
  char *start, *at, *end;
} fmrt_json;

/* FM_ERROR_FORMAT, with the place and what was expected there. */
FMRT_INTERNAL fm_status fmrt_json_fail(fmrt_json *json, const char *expected);
FMRT_INTERNAL void fmrt_json_space(fmrt_json *json);
/* Takes `symbol`, after space, and says whether it was there. */
FMRT_INTERNAL int fmrt_json_take(fmrt_json *json, char symbol);
/* A string, unescaped in place. */
FMRT_INTERNAL fm_status fmrt_json_string(fmrt_json *json, fmrt_string *text);
/* An array of whole numbers in 0..2^63-1; those beyond `most` are counted, not
 * kept. */
FMRT_INTERNAL fm_status fmrt_json_numbers(fmrt_json *json, int64_t *numbers,
                                          int32_t most, int32_t *count);
FMRT_INTERNAL int fmrt_json_equals(fmrt_string text, const char *name);
/* Four hexadecimal digits, or -1. */
FMRT_INTERNAL int32_t fmrt_json_hex(const char *at, const char *end);

/*===-- Safetensors (header.c, save.c, load.c) ---------------------------===*/

#define FMRT_FORMAT_VERSION "1"
#define FMRT_KEY_MODEL "fm.model"
#define FMRT_KEY_FINGERPRINT "fm.fingerprint"
#define FMRT_KEY_VERSION "fm.version"
#define FMRT_KEY_CHECKSUM "fm.checksum"
/* The limit of the reference implementation. */
#define FMRT_MAX_HEADER 100000000

/* 64 bits over the data, in words of 8 bytes, the last one filled with zeros:
 * h = (h ^ word) * 0x100000001b3; h ^= h >> 32; from 0xcbf29ce484222325. Every
 * step is a bijection of h, so that any change within one word is found. */
typedef struct fmrt_checksum {
  uint64_t hash;
  uint64_t word;
  unsigned filled;
} fmrt_checksum;
FMRT_INTERNAL void fmrt_checksum_begin(fmrt_checksum *sum);
FMRT_INTERNAL void fmrt_checksum_add(fmrt_checksum *sum,
                                     const unsigned char *bytes, size_t size);
FMRT_INTERNAL uint64_t fmrt_checksum_end(fmrt_checksum *sum);

/* Nanoseconds since some moment; 0: there is no clock (clock.c). */
FMRT_INTERNAL int64_t fmrt_now(void);

/* Around a call of an entry: decides whether it uses the host's threads. */
FMRT_INTERNAL void fmrt_trial_begin(fm_instance *instance, int32_t entry,
                                    int64_t n);
FMRT_INTERNAL void fmrt_trial_end(fm_instance *instance);

/* Where the file has the data of a tensor of the model. */
typedef struct fmrt_place {
  int64_t begin, end;
  int32_t found;
} fmrt_place;

/* Checks a header against the instance's model and the size of the data behind
 * it, and fills `places`, one for each tensor. Unescapes `header` in place.
 * `has_checksum` and `checksum` say what the file says. On failure there is a
 * message that begins with `where`. Touches no state. */
FMRT_INTERNAL fm_status fmrt_read_header(fm_instance *instance,
                                         const char *where, char *header,
                                         size_t size, int64_t data_bytes,
                                         fmrt_place *places, int *has_checksum,
                                         uint64_t *checksum);

#ifdef __cplusplus
}
#endif
#endif
