/*===- fm/runtime.h - What a compiled model and its application share ------===
 *
 * C99. Everything that generated objects, generated headers and applications
 * agree on: status codes, the instance, the constant description of a model
 * that its object carries, and the functions that work on any model (binding
 * memory, initialising, saving, loading, threads). The compiler emits
 * `fm_model` and `fm_tensor` tables that follow these declarations, and
 * `FM_ABI_VERSION` says which.
 *
 *===----------------------------------------------------------------------===*/
#ifndef FM_RUNTIME_H
#define FM_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FM_ABI_VERSION 2

/* Memory given to fm_bind must be aligned to this many bytes. */
#define FM_ALIGNMENT 64
/* And is best aligned to so many: 8 MiB and more to a large page of x86. */
#define FM_PREFERRED_ALIGNMENT(bytes)                                          \
  ((bytes) < (8u << 20) ? (size_t)FM_ALIGNMENT : (size_t)2 << 20)

/* The largest rank of a persistent tensor. */
#define FM_MAX_RANK 16

typedef enum fm_status {
  FM_OK = 0,
  FM_ERROR_ARGUMENT = 1, /* a null pointer, or an unknown name */
  FM_ERROR_SAMPLES = 2,  /* n outside 1..batch */
  FM_ERROR_LABEL = 3,    /* a class or index outside its range */
  FM_ERROR_MEMORY = 4,   /* memory too small, or not aligned */
  FM_ERROR_IO = 5,       /* the system refused; errno is in the message */
  FM_ERROR_FORMAT = 6,   /* not a safetensors file, or a damaged one */
  FM_ERROR_MISMATCH = 7, /* a checkpoint of another model, or another ABI */
  FM_ERROR_INTERNAL = 8  /* a defect of fmc */
} fm_status;

/* "ok", "argument", "samples", ...; never null. */
const char *fm_status_name(fm_status status);

/*===-- Threads: the host owns them --------------------------------------===*/

/* One task of a parallel loop. Returns 0, or an error that ends the loop. */
typedef int (*fm_task)(void *context, int32_t index, uint8_t *closure);

/* Denormal numbers count as zero inside of steps and of tasks, whatever the mode
 * of the calling thread, which is put back.
 *
 * Calls task(context, i, closure) for every i in [begin, begin + count), in any
 * order, on any threads, and returns when all are done: 0, or one task's error.
 * `host` is what was given to fm_set_parallel_for. */
typedef int (*fm_parallel_for_function)(void *host, fm_task task, void *context,
                                        int32_t begin, int32_t count,
                                        uint8_t *closure);

/*===-- The description of a model, constant data in its object ----------===*/

typedef enum fm_dtype {
  FM_F32 = 0,
  FM_F64 = 1,
  FM_I32 = 2,
  FM_I64 = 3,
  FM_I8 = 4,
  FM_BOOL = 5
} fm_dtype;

typedef enum fm_kind {
  FM_PARAMETER = 0, /* learned, or frozen */
  FM_OPTIMIZER = 1, /* moments and the like, one set per trained parameter */
  FM_STATE = 2      /* running statistics, learning rate, step, seed */
} fm_kind;

/* See fm_init. Glorot & Bengio 2010, He et al. 2015; not truncated. */
typedef enum fm_initializer {
  FM_INIT_CONSTANT = 0,       /* a */
  FM_INIT_NORMAL = 1,         /* mean a, standard deviation b */
  FM_INIT_UNIFORM = 2,        /* [a, b) */
  FM_INIT_GLOROT_UNIFORM = 3, /* +-sqrt(6 / (fan_in + fan_out)) */
  FM_INIT_GLOROT_NORMAL = 4,  /* stddev sqrt(2 / (fan_in + fan_out)) */
  FM_INIT_HE_UNIFORM = 5,     /* +-sqrt(6 / fan_in) */
  FM_INIT_HE_NORMAL = 6       /* stddev sqrt(2 / fan_in) */
} fm_initializer;

/* One dimension in memory: the part (index[logical] / divisor) % modulus of a
 * logical index (modulus 0: no modulus), times stride elements. An element's
 * place is the sum over all dimensions; places no element has are padding and
 * hold zero. Example: OHWI with O in blocks of 8 is {0, divisor 8}, {1}, {2},
 * {3}, {0, divisor 1, modulus 8}. */
typedef struct fm_physical_dim {
  int32_t logical;
  int32_t reserved;
  int64_t divisor, modulus, extent, stride;
} fm_physical_dim;

/* One persistent tensor of a model. */
typedef struct fm_tensor {
  /* "conv2d_1.kernel"; optimizer state: "conv2d_1.kernel/adam.m" */
  const char *name;
  int32_t dtype;   /* fm_dtype */
  int32_t kind;    /* fm_kind */
  int32_t trained; /* parameters: 1 if the train step updates it */
  int32_t rank;
  const int64_t *shape; /* rank extents, logical, outermost first */
  int64_t offset;       /* bytes from the instance's memory */
  int64_t bytes;        /* as stored, padding of the layout included */
  int32_t physical_rank;
  int32_t initializer;             /* fm_initializer */
  const fm_physical_dim *physical; /* outermost first */
  double init_a, init_b;
  int64_t fan_in, fan_out;
} fm_tensor;

/* One argument of an entry point, in the order of the generated prototype. */
typedef struct fm_argument {
  const char *name;
  int32_t dtype; /* FM_I8: a grads buffer, aligned to FM_ALIGNMENT */
  int32_t per_sample; /* 1: elements are per sample, n times as many are read */
  int32_t is_output;
  int32_t may_be_null; /* outputs nobody asked for */
  int64_t elements;
  int64_t index_bound; /* > 0: integers that must lie in [0, index_bound) */
} fm_argument;

typedef struct fm_entry {
  const char *name; /* "train_step" */
  int32_t argument_count;
  int32_t advances_step;  /* 1: a successful call adds one to the step count */
  int32_t advances_draws; /* 1: and to the count of training passes */
  /* One bit a group: the derived tensors that a call puts out of date. */
  uint32_t outdates;
  const fm_argument *arguments;
} fm_entry;

typedef struct fm_model {
  uint32_t abi_version; /* FM_ABI_VERSION */
  int32_t batch;        /* largest n */
  const char *name;
  uint64_t fingerprint;     /* of names, dtypes, shapes: parameters, state */
  int64_t memory_bytes; /* what fm_bind needs: persistent, derived, arena */
  int64_t persistent_bytes; /* parameters, optimizer, state: the first part */
  int64_t parameter_bytes;  /* trained ones: the start of that; and `grads` */
  int32_t tensor_count, entry_count;
  const fm_tensor *tensors;
  const fm_entry *entries;
  /* Tensor numbers, -1: none. One element each; the learning rate f32 or f64,
   * the others i64. */
  int32_t learning_rate, step, seed;
  int32_t draws; /* training passes so far, of which dropout's masks depend */
} fm_model;

/*===-- Instances --------------------------------------------------------===*/

/* What is known about the time of calls of one entry, for a number of samples
 * with so many bits (trial.c). */
typedef struct fm_trial {
  int32_t entry, bits;
  int32_t call;    /* of this round */
  int32_t round;   /* calls in it */
  int32_t alone;   /* 1: faster on the calling thread */
  int32_t most;    /* calls that a round may have */
  int64_t best[2]; /* nanoseconds: with threads, on the calling thread */
} fm_trial;
#define FM_TRIALS 16

/* One network with its own weights. No globals: instances are independent, and
 * different instances may be used from different threads at the same time. The
 * fields belong to the runtime; use the functions. */
typedef struct fm_instance {
  const fm_model *model;
  unsigned char *memory;
  fm_parallel_for_function parallel_for; /* null: the calling thread */
  void *parallel_host;
  /* One bit a group of derived tensors, which are made from parameters when they
   * are needed and kept until those change: it is up to date. */
  uint32_t derived;
  int32_t alone;     /* 1: the current call stays on the calling thread */
  char message[512]; /* of the last failure */
  fm_trial *trial;   /* the current call is part of; null: of none */
  int64_t started;   /* when it was */
  fm_trial trials[FM_TRIALS];
} fm_instance;

/* Makes `instance` use `bytes` bytes at `memory`, owned by the caller for as
 * long as the instance is used, and written by functions of this API only. Does
 * not initialise the weights. `instance` may be uninitialised storage; after a
 * failure it is unbound, and every other function says so. FM_ERROR_MEMORY: too
 * small or not aligned. FM_ERROR_MISMATCH: ABI version. FM_ERROR_INTERNAL:
 * tables that contradict themselves. */
fm_status fm_bind(fm_instance *instance, const fm_model *model, void *memory,
                  size_t bytes);

/* A hint, to be given before the memory is first written: Linux takes as much of
 * it as fills large pages (2 MiB on x86) from those, so that networks of several
 * MiB run a few percent faster. Best on memory with FM_PREFERRED_ALIGNMENT;
 * without effect on small memory, where they are switched off, and elsewhere. */
void fm_prefer_large_pages(void *memory, size_t bytes);

/* The text of the last failure, "" if there was none. Never null. */
const char *fm_message(const fm_instance *instance);

/* Every tensor from its initializer (optimizer state and running statistics
 * have constant ones), padding to zero, step to zero, the seed's tensor to
 * `seed`. A weight depends on `seed`, the tensor's name and the element's
 * row-major number only: not on layout, order, or the machine. */
fm_status fm_init(fm_instance *instance, uint64_t seed);

/* Hands the instance a parallel loop (null: none). The instance calls it with
 * `host` as its first argument, where it pays: of a thousand calls of an entry
 * that take less than 2 ms, a few are timed with and without it, and the others
 * run as was faster. Results are the same. */
fm_status fm_set_parallel_for(fm_instance *instance,
                              fm_parallel_for_function run, void *host);

/* Learning rate, step count and seed are state, not code. FM_ERROR_ARGUMENT:
 * the model has none, a learning rate that is negative or not finite in its
 * dtype, a negative step. */
fm_status fm_set_learning_rate(fm_instance *instance, double learning_rate);
/* NaN if there is none. */
double fm_get_learning_rate(const fm_instance *instance);
fm_status fm_set_step(fm_instance *instance, int64_t step);
/* -1 if there is none. */
int64_t fm_get_step(const fm_instance *instance);
fm_status fm_set_seed(fm_instance *instance, uint64_t seed);

/* Copies one tensor out of or into the instance, row-major in its logical
 * shape and own dtype, whatever its layout in memory. `bytes` is the size of
 * the caller's buffer and must be exactly the tensor's logical size.
 * FM_ERROR_ARGUMENT: no such name, null, or a wrong size. */
fm_status fm_get_tensor(fm_instance *instance, const char *name, void *data,
                        size_t bytes);
fm_status fm_set_tensor(fm_instance *instance, const char *name,
                        const void *data, size_t bytes);

/* The same for one trained parameter's part of a `grads` buffer. It is laid out
 * as the parameters are; the gradients entry leaves zero where no element is. */
fm_status fm_get_gradient(fm_instance *instance, const void *grads,
                          const char *name, void *data, size_t bytes);
fm_status fm_set_gradient(fm_instance *instance, void *grads, const char *name,
                          const void *data, size_t bytes);

/* Writes all persistent tensors as safetensors, row-major in logical shapes;
 * `__metadata__` holds the model's name and fingerprint. Atomic: a temporary
 * file beside `path` is synced and renamed, so that a failure leaves what was
 * there. A symbolic link at `path` is replaced, not followed.
 * FM_ERROR_IO: the operating system refused, or `path` is no regular file. */
fm_status fm_save(fm_instance *instance, const char *path);

/* Reads what fm_save wrote. Everything is checked before the first byte of
 * state changes: header, names, dtypes, shapes, offsets, fingerprint and, where
 * the file has one, the checksum. Going on after a load is bit-identical to
 * never having stopped. Takes memory for the file's contents while it runs.
 * FM_ERROR_IO, FM_ERROR_FORMAT, FM_ERROR_MISMATCH as above; FM_ERROR_MEMORY:
 * not enough of it. */
fm_status fm_load(fm_instance *instance, const char *path);

/*===-- A thread pool for hosts that have none ---------------------------===*/

typedef struct fm_pool fm_pool;
/* threads includes the caller; 0: one per core. Null if it cannot be made. */
fm_pool *fm_pool_create(int threads);
void fm_pool_destroy(fm_pool *pool);
int fm_pool_threads(const fm_pool *pool);
/* fm_set_parallel_for(instance, fm_pool_run, pool). One loop at a time: loops
 * of other threads wait their turn; a loop started inside a task runs on the
 * calling thread. After a task's error, tasks not yet begun are left out. */
int fm_pool_run(void *pool, fm_task task, void *context, int32_t begin,
                int32_t count, uint8_t *closure);

/*===-- Called by generated code -----------------------------------------===*/

/* Checks instance, n and `arguments` (argument_count pointers) against entry
 * number `entry`: null pointers, range of n, class indices, alignment of grads. An entry without
 * per-sample arguments ignores n. `instance` is bound, or zeroed storage. */
fm_status fm_step_begin(fm_instance *instance, const fm_model *model,
                        int32_t entry, int64_t n, void *const *arguments);
/* After the kernels: `error` is what they returned (0: none). Counts the step,
 * and notes which derived tensors it has put out of date. */
fm_status fm_step_end(fm_instance *instance, int32_t entry, int32_t error);
/* A kernel's parallel loop; `context` is the instance. */
int fm_parallel_for(void *context, fm_task task, int32_t begin, int32_t count,
                    uint8_t *closure);

#ifdef __cplusplus
}
#endif
#endif
