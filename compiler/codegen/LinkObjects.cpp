//===- LinkObjects.cpp - One relocatable object out of several ------------===//
//
// lld reads and writes files only. Its inputs are files in memory, its output a
// pipe: other than a file, that is written in place.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/LinkObjects.h"

#include <fcntl.h>
#include <future>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

#include "compiler/codegen/Descriptors.h"

#include "lld/Common/CommonLinkerContext.h"
#include "lld/Common/Driver.h"
#include "llvm/ObjCopy/CommonConfig.h"
#include "llvm/ObjCopy/ConfigManager.h"
#include "llvm/ObjCopy/ObjCopy.h"
#include "llvm/Object/Binary.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

LLD_HAS_DRIVER(elf)

namespace fm::codegen {

namespace {

/// A descriptor that closes itself.
class Descriptor {
public:
  explicit Descriptor(int fd) : fd(fd) {}
  Descriptor(Descriptor &&other) noexcept : fd(std::exchange(other.fd, -1)) {}
  ~Descriptor() { close(); }
  void close() {
    if (fd >= 0)
      ::close(std::exchange(fd, -1));
  }
  int get() const { return fd; }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd); }

private:
  int fd;
};

/// `ld -r`.
std::string combine(const std::vector<std::string> &objects,
                    std::string &combined) {
  const std::string failed = "internal error: objects do not link: ";
  std::vector<Descriptor> files;
  std::vector<std::string> paths;
  for (const std::string &object : objects) {
    files.emplace_back(memfd_create("object", MFD_CLOEXEC));
    if (files.back().get() < 0 || !writeAll(files.back().get(), object))
      return failed + "no memory for a file";
    paths.push_back(files.back().path());
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return failed + "no pipe";
  Descriptor output(ends[0]), input(ends[1]);
  std::future<std::string> bytes =
      std::async(std::launch::async, readAll, output.get());

  const std::string to = input.path();
  std::vector<const char *> arguments = {"ld.lld", "-r", "--threads=1", "-o",
                                         to.c_str()};
  for (const std::string &path : paths)
    arguments.push_back(path.c_str());
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  static std::mutex mutex; // lld's state is global
  bool linked;
  {
    std::lock_guard<std::mutex> lock(mutex);
    linked = lld::elf::link(arguments, stream, stream, /*exitEarly=*/false,
                            /*disableOutput=*/false);
    lld::CommonLinkerContext::destroy();
  }
  input.close();
  combined = bytes.get();
  return linked ? "" : failed + messages;
}

} // namespace

std::string linkObjects(const std::vector<std::string> &objects,
                        const std::vector<std::string> &publicSymbols,
                        std::string &out) {
  std::string combined;
  if (std::string error = combine(objects, combined); !error.empty())
    return error;
  auto hide = [&]() -> llvm::Error {
    auto binary = llvm::object::createBinary(
        llvm::MemoryBufferRef(combined, "combined object"));
    if (!binary)
      return binary.takeError();
    llvm::objcopy::ConfigManager config;
    for (const std::string &symbol : publicSymbols)
      if (llvm::Error error = config.Common.SymbolsToKeepGlobal.addMatcher(
              llvm::objcopy::NameOrPattern::create(
                  symbol, llvm::objcopy::MatchStyle::Literal,
                  [](llvm::Error error) { return error; })))
        return error;
    llvm::SmallVector<char, 0> bytes;
    llvm::raw_svector_ostream stream(bytes);
    if (llvm::Error error =
            llvm::objcopy::executeObjcopyOnBinary(config, **binary, stream))
      return error;
    out.append(bytes.begin(), bytes.end());
    return llvm::Error::success();
  };
  if (llvm::Error error = hide())
    return "internal error: symbols: " + llvm::toString(std::move(error));
  return "";
}

} // namespace fm::codegen
