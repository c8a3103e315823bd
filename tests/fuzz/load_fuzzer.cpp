//===- load_fuzzer.cpp - fm_load against bytes nobody has vouched for -----===//
//
// libFuzzer harness. The first byte chooses: the rest is a whole file, or a
// header that gets a fitting length and data of the right size (so that the
// fuzzer reaches what lies behind those checks). After a failure the state must
// be what it was and the message must be there; what loads must save and load
// again to the same state.
//
//   cmake -DFMC_FUZZ=ON ...; load_fuzzer -dict=tests/fuzz/load.dict CORPUS
//
// A good start for the corpus: a file that fm_save wrote, behind a byte 0.
//
//===----------------------------------------------------------------------===//
#include "../runtime/toy_model.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace {

struct Target {
  toy::Model toy;
  toy::Bound bound{toy.model}, again{toy.model};
  int descriptor = memfd_create("load_fuzzer", 0);
  std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  std::string saved = "/dev/shm/load_fuzzer." + std::to_string(getpid());
  size_t dataBytes = 0;

  Target() {
    for (const fm_tensor &tensor : toy.tensors) {
      size_t elements = 1;
      for (int32_t i = 0; i < tensor.rank; ++i)
        elements *= static_cast<size_t>(tensor.shape[i]);
      const size_t sizes[] = {4, 8, 4, 8, 1, 1};
      dataBytes += elements * sizes[tensor.dtype];
    }
  }
};

void require(bool holds, const char *what) {
  if (holds)
    return;
  std::fprintf(stderr, "load_fuzzer: %s\n", what);
  std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  static Target target;
  if (size == 0)
    return 0;
  std::string bytes(reinterpret_cast<const char *>(input) + 1, size - 1);
  if (input[0] & 1) {
    uint64_t length = bytes.size();
    bytes.insert(0, reinterpret_cast<const char *>(&length), 8);
    bytes.append(target.dataBytes, static_cast<char>(input[0]));
  }
  require(ftruncate(target.descriptor, 0) == 0 &&
              pwrite(target.descriptor, bytes.data(), bytes.size(), 0) ==
                  static_cast<ssize_t>(bytes.size()),
          "cannot write the input");

  require(fm_init(*target.bound, 1) == FM_OK, "cannot initialise");
  std::string before = target.bound.state();
  fm_status status = fm_load(*target.bound, target.path.c_str());
  if (status != FM_OK) {
    require(status == FM_ERROR_FORMAT || status == FM_ERROR_MISMATCH,
            "another status than format and mismatch");
    require(!target.bound.message().empty(), "no message");
    require(target.bound.state() == before, "the state has changed");
    return 0;
  }
  require(fm_save(*target.bound, target.saved.c_str()) == FM_OK, "cannot save");
  require(fm_load(*target.again, target.saved.c_str()) == FM_OK,
          "cannot load what was saved");
  unlink(target.saved.c_str());
  const size_t persistent =
      static_cast<size_t>(target.toy.model.persistent_bytes);
  for (const fm_tensor &tensor : target.toy.tensors)
    require(static_cast<size_t>(tensor.offset + tensor.bytes) <= persistent &&
                std::memcmp(target.bound.memory.get() + tensor.offset,
                            target.again.memory.get() + tensor.offset,
                            static_cast<size_t>(tensor.bytes)) == 0,
            "saved and loaded state differ");
  return 0;
}
