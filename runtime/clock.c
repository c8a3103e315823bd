/*===- clock.c - What time it is -------------------------------------------===*
 *
 * A file of its own, so that a test which brings its own clock links no other.
 *
 *===----------------------------------------------------------------------===*/
#if defined(__linux__) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 199309L /* clock_gettime */
#endif
#include "internal.h"

#include <time.h>

int64_t fmrt_now(void) {
#if defined(CLOCK_MONOTONIC)
  struct timespec time;
  if (clock_gettime(CLOCK_MONOTONIC, &time) == 0)
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
#endif
  return 0;
}
