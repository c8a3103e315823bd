/*===- pages.c - A hint to the system about a network's memory ------------===*
 *
 * A step walks through all of a network's memory. With pages of 4 KiB, walks
 * across the rows of a matrix look up another page at each step.
 *
 *===----------------------------------------------------------------------===*/
#if defined(__linux__)
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "internal.h"

void fm_prefer_large_pages(void *memory, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  /* Whole pages inside of the memory only: what lies around it is another's. */
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  const uintptr_t begin = ((uintptr_t)memory + page - 1) / page * page;
  const uintptr_t end = ((uintptr_t)memory + bytes) / page * page;
  if (begin < end)
    (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
#else
  (void)memory;
  (void)bytes;
#endif
}
