/* Three models in one program. Counts the allocations of 1,000 train steps, 20
 * of the large model, which must be none, and gives each model exactly the
 * memory that its header announces, between pages without access. */
#include "everything.h"
#include "large.h"
#include "xor_mlp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc's own allocator under another name; ours counts and passes on. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
static volatile long allocations;
void *malloc(size_t size) { return ++allocations, __libc_malloc(size); }
void *calloc(size_t count, size_t size) {
  return ++allocations, __libc_calloc(count, size);
}
void *realloc(void *old, size_t size) {
  return ++allocations, __libc_realloc(old, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
  return ++allocations, __libc_memalign(alignment, size);
}
int posix_memalign(void **result, size_t alignment, size_t size) {
  ++allocations;
  *result = __libc_memalign(alignment, size);
  return *result ? 0 : 1;
}
/* What goes past it to the system. */
void *mmap(void *at, size_t size, int access, int flags, int file,
           off_t offset) {
  ++allocations;
  return (void *)syscall(SYS_mmap, at, size, access, flags, file, offset);
}
void *sbrk(intptr_t more) {
  ++allocations;
  (void)more;
  return (void *)-1; /* nobody here has a use for it */
}
int brk(void *end) {
  ++allocations;
  (void)end;
  return -1;
}

/* `bytes` bytes whose neighbours cannot be touched: behind them, or before. */
static void *guarded(size_t bytes, int before) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  const size_t inner = (bytes + page - 1) / page * page;
  unsigned char *base = mmap(NULL, inner + 2 * page, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED ||
      mprotect(base + page, inner, PROT_READ | PROT_WRITE))
    exit(2);
  base += page + (before ? 0 : inner - bytes);
  memset(base, 0xFF, bytes);
  return base;
}

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      fprintf(stderr, "steps.c:%d: %s\n", __LINE__, #condition);               \
      return 1;                                                                \
    }                                                                          \
  } while (0)

static int run_large(int before, fm_pool *pool) {
  large net;
  const size_t pixels = LARGE_BATCH * 12 * 12 * 32;
  float *image = guarded(sizeof(float) * pixels, before);
  float *probs = guarded(sizeof(float) * LARGE_BATCH * 4, before);
  int32_t *label = guarded(sizeof(int32_t) * LARGE_BATCH, before);
  float *loss = guarded(sizeof(float), before);
  float *accuracy = guarded(sizeof(float), before);
  void *grads = guarded(LARGE_GRADIENT_BYTES, before);
  float first = 0;
  long counted;
  size_t i;

  CHECK(large_bind(&net, guarded(LARGE_MEMORY_BYTES, before),
                   LARGE_MEMORY_BYTES) == FM_OK);
  CHECK(large_init(&net, 1) == FM_OK);
  if (pool)
    CHECK(large_set_parallel_for(&net, fm_pool_run, pool) == FM_OK);
  for (i = 0; i < pixels; ++i)
    image[i] = (float)(i * 37 % 101) / 50 - 1;
  for (i = 0; i < LARGE_BATCH; ++i)
    label[i] = (int32_t)(i % 4);

  counted = allocations;
  for (i = 0; i < 20; ++i) {
    CHECK(large_train_step(&net, 1 + (int64_t)i % LARGE_BATCH, image, label,
                           loss) == FM_OK);
    CHECK(large_forward(&net, 1 + (int64_t)i % LARGE_BATCH, image, probs) ==
          FM_OK);
  }
  CHECK(large_evaluate(&net, 5, image, label, loss, accuracy) == FM_OK);
  first = *loss;
  CHECK(isfinite(first) && *accuracy >= 0 && *accuracy <= 1);
  for (i = 0; i < 10; ++i) {
    CHECK(large_gradients(&net, 5, image, label, loss, grads) == FM_OK);
    CHECK(large_apply_gradients(&net, grads) == FM_OK);
  }
  CHECK(*loss < first);
  if (allocations != counted) {
    fprintf(stderr, "%ld allocations in the large model's steps\n",
            allocations - counted);
    return 1;
  }
  return 0;
}

static int run(int before, fm_pool *pool) {
  everything net;
  xor_mlp small;
  const size_t images = sizeof(float) * EVERYTHING_BATCH * 6 * 6 * 2;
  float *image = guarded(images, before), *change = guarded(images, before);
  float *probs = guarded(sizeof(float) * EVERYTHING_BATCH * 4, before);
  int32_t *label = guarded(sizeof(int32_t) * EVERYTHING_BATCH, before);
  float *loss = guarded(sizeof(float), before);
  float *accuracy = guarded(sizeof(float), before);
  void *grads = guarded(EVERYTHING_GRADIENT_BYTES, before);
  const float questions[4][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
  const float answers[4] = {0, 1, 1, 0};
  float first = 0;
  long counted;
  int i;

  CHECK(everything_bind(&net, guarded(EVERYTHING_MEMORY_BYTES, before),
                        EVERYTHING_MEMORY_BYTES) == FM_OK);
  CHECK(everything_init(&net, 1) == FM_OK);
  CHECK(xor_mlp_bind(&small, guarded(XOR_MLP_MEMORY_BYTES, before),
                     XOR_MLP_MEMORY_BYTES) == FM_OK);
  CHECK(xor_mlp_init(&small, 1) == FM_OK);
  if (pool)
    CHECK(everything_set_parallel_for(&net, fm_pool_run, pool) == FM_OK);
  for (i = 0; i < EVERYTHING_BATCH * 72; ++i)
    image[i] = (float)(i * 37 % 101) / 50 - 1;
  for (i = 0; i < EVERYTHING_BATCH; ++i)
    label[i] = i % 4;

  counted = allocations;
  for (i = 0; i < 1000; ++i) {
    CHECK(everything_train_step(&net, 1 + i % EVERYTHING_BATCH, image, label,
                                loss) == FM_OK);
    CHECK(xor_mlp_train_step(&small, 4, questions[0], answers, loss) == FM_OK);
    if (i == 0)
      first = *loss;
  }
  CHECK(*loss < first / 2);
  CHECK(everything_forward(&net, 5, image, probs) == FM_OK);
  CHECK(everything_evaluate(&net, 5, image, label, loss, accuracy) == FM_OK);
  CHECK(everything_gradients(&net, 5, image, label, loss, change, grads) ==
        FM_OK);
  CHECK(everything_apply_gradients(&net, grads) == FM_OK);
  CHECK(isfinite(*loss) && *accuracy >= 0 && *accuracy <= 1);
  CHECK(everything_get_step(&net) == 1001);
  if (allocations != counted) {
    fprintf(stderr, "%ld allocations in 1000 steps, expected none\n",
            allocations - counted);
    return 1;
  }
  return 0;
}

int main(void) {
  fm_pool *pool = fm_pool_create(2);
  long counted = allocations;
  free(malloc(1));
  CHECK(allocations == counted + 1); /* that the counting works */
  CHECK(mmap(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
        MAP_FAILED);
  CHECK(allocations == counted + 2);
  CHECK(pool != NULL);
  CHECK(run(0, NULL) == 0);
  CHECK(run(1, NULL) == 0);
  CHECK(run(0, pool) == 0);
  CHECK(run_large(0, NULL) == 0);
  CHECK(run_large(1, pool) == 0);
  fm_pool_destroy(pool);
  return 0;
}
