#include "bench/support/Turns.h"

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace fm::bench {

void Turns::pass() {
  if (!shared)
    return;
  char byte = '\n';
  if (write(STDOUT_FILENO, &byte, 1) == 1 && read(STDIN_FILENO, &byte, 1) == 1)
    return;
  std::fprintf(stderr, "bench-turns is gone\n");
  std::exit(1);
}

} // namespace fm::bench
