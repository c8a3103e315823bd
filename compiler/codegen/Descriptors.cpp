//===- Descriptors.cpp - Whole strings through file descriptors -----------===//
#include "compiler/codegen/Descriptors.h"

#include <cerrno>
#include <unistd.h>

namespace fm::codegen {

bool writeAll(int fd, const std::string &bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = write(fd, &bytes[done], bytes.size() - done);
    if (n < 0 && errno != EINTR)
      return false;
    done += n > 0 ? n : 0;
  }
  return true;
}

std::string readAll(int fd) {
  std::string bytes;
  char buffer[1 << 16];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) != 0;) {
    if (n > 0)
      bytes.append(buffer, n);
    else if (errno != EINTR)
      break;
  }
  return bytes;
}

} // namespace fm::codegen
