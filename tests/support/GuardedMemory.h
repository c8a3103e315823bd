//===- GuardedMemory.h - Buffers between pages that nobody may touch
//-------===//
//
// A buffer that ends where a page ends, or begins where one begins, with a page
// without access on either side: reading or writing one byte outside on the
// guarded side ends the program at once.
//
//===----------------------------------------------------------------------===//
#ifndef FM_TESTS_SUPPORT_GUARDEDMEMORY_H
#define FM_TESTS_SUPPORT_GUARDEDMEMORY_H

#include <cstddef>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace fm::test {

enum class Guard { Behind, Before };

class GuardedMemory {
public:
  GuardedMemory() = default;
  /// `bytes` bytes of `fill`. Guard::Behind puts the last byte beside the page
  /// without access, so that the buffer is as aligned as `bytes` is.
  explicit GuardedMemory(size_t bytes, Guard guard = Guard::Behind,
                         int fill = 0xFF)
      : bytes(bytes) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t inner = (bytes + page - 1) / page * page;
    mapped = inner + 2 * page;
    void *at =
        mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
      throw std::bad_alloc();
    base = static_cast<unsigned char *>(at);
    if (inner && mprotect(base + page, inner, PROT_READ | PROT_WRITE) != 0)
      throw std::bad_alloc();
    start = base + page + (guard == Guard::Behind ? inner - bytes : 0);
    std::memset(start, fill, bytes);
  }
  GuardedMemory(GuardedMemory &&other) noexcept { swap(other); }
  GuardedMemory &operator=(GuardedMemory &&other) noexcept {
    swap(other);
    return *this;
  }
  ~GuardedMemory() {
    if (base)
      munmap(base, mapped);
  }

  void *data() const { return start; }
  template <typename T> T *as() const { return reinterpret_cast<T *>(start); }
  size_t size() const { return bytes; }

private:
  void swap(GuardedMemory &other) {
    std::swap(base, other.base);
    std::swap(start, other.start);
    std::swap(mapped, other.mapped);
    std::swap(bytes, other.bytes);
  }
  unsigned char *base = nullptr, *start = nullptr;
  size_t mapped = 0, bytes = 0;
};

} // namespace fm::test

#endif // FM_TESTS_SUPPORT_GUARDEDMEMORY_H
