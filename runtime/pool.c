/*===- pool.c - Threads for hosts that have none --------------------------===*
 *
 * POSIX threads for fm_set_parallel_for. A loop's indices are split into one
 * range for each thread, which takes its own from the front (the same thread
 * gets the same samples in one kernel after the other, so they stay in its
 * cache) and, when it is done, those of others from the back.
 *
 * The gate is one word: generation, open or not, and how many workers are
 * inside. The caller opens it, works like everybody, closes it when no index is
 * left, and waits only for the workers that are inside. A worker that wakes too
 * late finds the gate closed and is not waited for: a busy machine costs
 * parallelism, never a stall. Workers look at the gate for a while before they
 * sleep, which makes the next loop of a step start within a microsecond.
 *
 *===----------------------------------------------------------------------===*/
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* sched_getaffinity: the cores this process may use */
#elif defined(__APPLE__) && !defined(_DARWIN_C_SOURCE)
#define _DARWIN_C_SOURCE
#endif
#include "fm/runtime.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  SpinNanoseconds = 200000, /* how long a thread looks before it sleeps */
  YieldNanoseconds = 20000, /* how long before it lets others have the core */
  MaxThreads = 1024
};

/* Indices begin..end-1 nobody has taken: begin in the upper half. */
typedef struct Range {
  uint64_t word;
  char padding[56]; /* a cache line each */
} Range;

struct fm_pool {
  /* Written by the caller while the gate is closed and nobody is inside. */
  fm_task task;
  void *context;
  uint8_t *closure;
  int32_t begin;
  int parts; /* ranges in use */
  Range *ranges;

  uint64_t gate; /* atomic: generation << 32 | Open | workers inside */
  int error;     /* atomic: the first one of this loop */
  char padding[64];

  int sleeping;     /* atomic: workers that may be asleep */
  int callerSleeps; /* atomic */
  int stop;         /* atomic */
  int threads;      /* the caller included */
  int started;      /* workers that exist */
  int64_t spin;     /* nanoseconds */
  pthread_t *workers;
  pthread_mutex_t loop; /* held by the caller of the current loop */
  pthread_mutex_t mutex;
  pthread_cond_t wake, done;
};

#define OPEN 0x80000000u

static uint32_t generation(uint64_t gate) { return (uint32_t)(gate >> 32); }
static int isOpen(uint64_t gate) { return (gate & OPEN) != 0; }
static uint32_t inside(uint64_t gate) { return (uint32_t)gate & (OPEN - 1); }

/*===-- Waiting ----------------------------------------------------------===*/

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void pauseCore(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  __asm__ __volatile__("yield");
#endif
}

typedef struct Condition {
  fm_pool *pool;
  uint32_t seen; /* a worker's last generation */
} Condition;

/* A worker has something to do. */
static int mayEnter(const Condition *condition) {
  const uint64_t gate =
      __atomic_load_n(&condition->pool->gate, __ATOMIC_SEQ_CST);
  return (isOpen(gate) && generation(gate) != condition->seen) ||
         __atomic_load_n(&condition->pool->stop, __ATOMIC_ACQUIRE);
}

/* The caller is alone. */
static int isEmpty(const Condition *condition) {
  return inside(__atomic_load_n(&condition->pool->gate, __ATOMIC_SEQ_CST)) == 0;
}

/* Looks for a while. After a few microseconds it offers the core at every turn
 * to others: on a busy machine the thread that is waited for may need it. */
static int spinUntil(int (*holds)(const Condition *),
                     const Condition *condition) {
  int64_t start, waited = 0;
  int i;
  if (holds(condition))
    return 1;
  for (start = now(); waited < condition->pool->spin; waited = now() - start) {
    for (i = 0; i < 32; ++i) {
      if (holds(condition))
        return 1;
      pauseCore();
    }
    if (waited > YieldNanoseconds)
      sched_yield();
  }
  return 0;
}

/* Sleeps until the condition holds. `sleepers` is raised before the condition
 * is looked at again, and whoever makes it true looks at `sleepers` after: one
 * of the two sees the other. */
static void sleepUntil(int (*holds)(const Condition *),
                       const Condition *condition, pthread_cond_t *signal,
                       int *sleepers) {
  pthread_mutex_lock(&condition->pool->mutex);
  __atomic_add_fetch(sleepers, 1, __ATOMIC_SEQ_CST);
  while (!holds(condition))
    pthread_cond_wait(signal, &condition->pool->mutex);
  __atomic_sub_fetch(sleepers, 1, __ATOMIC_SEQ_CST);
  pthread_mutex_unlock(&condition->pool->mutex);
}

static void waitUntil(int (*holds)(const Condition *),
                      const Condition *condition, pthread_cond_t *signal,
                      int *sleepers) {
  if (!spinUntil(holds, condition))
    sleepUntil(holds, condition, signal, sleepers);
}

static void wakeSleepers(fm_pool *pool, pthread_cond_t *signal, int *sleepers) {
  if (__atomic_load_n(sleepers, __ATOMIC_SEQ_CST) == 0)
    return;
  pthread_mutex_lock(&pool->mutex);
  pthread_cond_broadcast(signal);
  pthread_mutex_unlock(&pool->mutex);
}

/*===-- Working ----------------------------------------------------------===*/

/* Takes one index of a range, -1: none is left. */
static int64_t takeIndex(Range *range, int fromBack) {
  uint64_t word = __atomic_load_n(&range->word, __ATOMIC_RELAXED), next;
  uint32_t first, end;
  do {
    first = (uint32_t)(word >> 32);
    end = (uint32_t)word;
    if (first >= end)
      return -1;
    next = fromBack ? word - 1 : word + ((uint64_t)1 << 32);
  } while (!__atomic_compare_exchange_n(&range->word, &word, next, 1,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return fromBack ? (int64_t)end - 1 : (int64_t)first;
}

static void work(fm_pool *pool, int self) {
  int part, error, none;
  int64_t index;
  for (part = 0; part < pool->parts; ++part) {
    Range *range = &pool->ranges[(self + part) % pool->parts];
    while (__atomic_load_n(&pool->error, __ATOMIC_RELAXED) == 0 &&
           (index = takeIndex(range, part > 0)) >= 0) {
      error = pool->task(pool->context, (int32_t)(pool->begin + index),
                         pool->closure);
      none = 0;
      if (error)
        __atomic_compare_exchange_n(&pool->error, &none, error, 0,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
  }
}

typedef struct Start {
  fm_pool *pool;
  int self;
} Start;

static void *workerMain(void *argument) {
  const Start start = *(Start *)argument;
  fm_pool *pool = start.pool;
  Condition condition;
  uint64_t gate;
  free(argument);
  condition.pool = pool;
  condition.seen = 0;
  for (;;) {
    waitUntil(mayEnter, &condition, &pool->wake, &pool->sleeping);
    if (__atomic_load_n(&pool->stop, __ATOMIC_ACQUIRE))
      return NULL;
    gate = __atomic_load_n(&pool->gate, __ATOMIC_ACQUIRE);
    if (!isOpen(gate) || generation(gate) == condition.seen ||
        !__atomic_compare_exchange_n(&pool->gate, &gate, gate + 1, 0,
                                     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
      continue;
    condition.seen = generation(gate);
    work(pool, start.self);
    if (inside(__atomic_sub_fetch(&pool->gate, 1, __ATOMIC_SEQ_CST)) == 0)
      wakeSleepers(pool, &pool->done, &pool->callerSleeps);
  }
}

/*===-- The public functions ---------------------------------------------===*/

/* Cores this process may run on. */
static int coreCount(void) {
  long cores = 0;
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    cores = CPU_COUNT(&set);
#endif
  if (cores < 1)
    cores = sysconf(_SC_NPROCESSORS_ONLN);
  return cores < 1 ? 1 : cores > MaxThreads ? MaxThreads : (int)cores;
}

/* A mutex that tells its owner so, instead of a deadlock: a nested loop. */
static int initLoopMutex(pthread_mutex_t *mutex) {
  pthread_mutexattr_t attributes;
  int failed;
  if (pthread_mutexattr_init(&attributes) != 0)
    return 0;
  failed =
      pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK) != 0 ||
      pthread_mutex_init(mutex, &attributes) != 0;
  pthread_mutexattr_destroy(&attributes);
  return !failed;
}

/* Signals are the host's business: workers block them all. */
static int startWorkers(fm_pool *pool) {
  sigset_t all, before;
  Start *start;
  sigfillset(&all);
  if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
    return 0;
  for (; pool->started < pool->threads - 1; ++pool->started) {
    start = (Start *)malloc(sizeof *start);
    if (!start)
      break;
    start->pool = pool;
    start->self = pool->started + 1;
    if (pthread_create(&pool->workers[pool->started], NULL, workerMain,
                       start) != 0) {
      free(start);
      break;
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return pool->started == pool->threads - 1;
}

fm_pool *fm_pool_create(int threads) {
  const int cores = coreCount();
  fm_pool *pool;
  void *ranges = NULL;
  if (threads == 0)
    threads = cores;
  if (threads < 1 || threads > MaxThreads)
    return NULL;
  pool = (fm_pool *)calloc(1, sizeof *pool);
  if (!pool)
    return NULL;
  pool->threads = threads;
  pool->spin = cores > 1 ? SpinNanoseconds : 0;
  pool->workers = (pthread_t *)calloc((size_t)threads, sizeof *pool->workers);
  if (!pool->workers ||
      posix_memalign(&ranges, 64, (size_t)threads * sizeof(Range)) != 0)
    goto noMemory;
  pool->ranges = (Range *)ranges;
  memset(pool->ranges, 0, (size_t)threads * sizeof(Range));
  if (!initLoopMutex(&pool->loop))
    goto noMemory;
  if (pthread_mutex_init(&pool->mutex, NULL) != 0)
    goto noMutex;
  if (pthread_cond_init(&pool->wake, NULL) != 0)
    goto noWake;
  if (pthread_cond_init(&pool->done, NULL) != 0)
    goto noDone;
  if (startWorkers(pool))
    return pool;
  fm_pool_destroy(pool);
  return NULL;

noDone:
  pthread_cond_destroy(&pool->wake);
noWake:
  pthread_mutex_destroy(&pool->mutex);
noMutex:
  pthread_mutex_destroy(&pool->loop);
noMemory:
  free(pool->ranges);
  free(pool->workers);
  free(pool);
  return NULL;
}

void fm_pool_destroy(fm_pool *pool) {
  int i;
  if (!pool)
    return;
  __atomic_store_n(&pool->stop, 1, __ATOMIC_SEQ_CST);
  wakeSleepers(pool, &pool->wake, &pool->sleeping);
  for (i = 0; i < pool->started; ++i)
    pthread_join(pool->workers[i], NULL);
  pthread_cond_destroy(&pool->done);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->mutex);
  pthread_mutex_destroy(&pool->loop);
  free(pool->ranges);
  free(pool->workers);
  free(pool);
}

int fm_pool_threads(const fm_pool *pool) { return pool ? pool->threads : 0; }

static int runHere(fm_task task, void *context, int32_t begin, int32_t count,
                   uint8_t *closure) {
  int32_t i;
  int error;
  for (i = 0; i < count; ++i)
    if ((error = task(context, (int32_t)(begin + i), closure)))
      return error;
  return 0;
}

static int isWorker(const fm_pool *pool) {
  const pthread_t self = pthread_self();
  int i;
  for (i = 0; i < pool->started; ++i)
    if (pthread_equal(pool->workers[i], self))
      return 1;
  return 0;
}

/* Hands out the indices and opens the gate. */
static void openGate(fm_pool *pool, int32_t count) {
  const uint64_t gate = __atomic_load_n(&pool->gate, __ATOMIC_RELAXED);
  int i;
  pool->parts = count < pool->threads ? (int)count : pool->threads;
  for (i = 0; i < pool->parts; ++i) {
    const uint64_t first =
        (uint64_t)count * (unsigned)i / (unsigned)pool->parts;
    const uint64_t end =
        (uint64_t)count * ((unsigned)i + 1) / (unsigned)pool->parts;
    __atomic_store_n(&pool->ranges[i].word, first << 32 | end,
                     __ATOMIC_RELAXED);
  }
  __atomic_store_n(&pool->error, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&pool->gate, (uint64_t)(generation(gate) + 1u) << 32 | OPEN,
                   __ATOMIC_SEQ_CST);
  wakeSleepers(pool, &pool->wake, &pool->sleeping);
}

int fm_pool_run(void *host, fm_task task, void *context, int32_t begin,
                int32_t count, uint8_t *closure) {
  fm_pool *pool = (fm_pool *)host;
  Condition condition;
  int error;
  /* EDEADLK: this thread is the caller of the current loop. */
  if (count <= 1 || !pool || pool->threads == 1 || isWorker(pool) ||
      pthread_mutex_lock(&pool->loop) != 0)
    return runHere(task, context, begin, count, closure);
  pool->task = task;
  pool->context = context;
  pool->closure = closure;
  pool->begin = begin;
  openGate(pool, count);
  work(pool, 0);
  __atomic_and_fetch(&pool->gate, ~(uint64_t)OPEN, __ATOMIC_SEQ_CST);
  condition.pool = pool;
  condition.seen = 0;
  waitUntil(isEmpty, &condition, &pool->done, &pool->callerSleeps);
  error = __atomic_load_n(&pool->error, __ATOMIC_RELAXED);
  pthread_mutex_unlock(&pool->loop);
  return error;
}
