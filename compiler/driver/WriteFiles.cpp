//===- WriteFiles.cpp - All files or none -----------------------------------------===//

#include "compiler/driver/Compiler.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

namespace fm::driver {

namespace sys = llvm::sys;

/// Makes the folder that `path` lies in.
static std::string makeFolder(llvm::StringRef path) {
  llvm::StringRef folder = sys::path::parent_path(path);
  if (folder.empty())
    return "";
  if (std::error_code error = sys::fs::create_directories(folder))
    return "cannot make the output folder '" + folder.str() + "': " + error.message();
  if (!sys::fs::is_directory(folder))
    return "the output folder '" + folder.str() + "' is a file";
  return "";
}

/// Writes `text` to the open file `descriptor`.
static llvm::Error writeText(int descriptor, llvm::StringRef text) {
  llvm::raw_fd_ostream out(descriptor, /*shouldClose=*/false);
  out << text;
  out.flush();
  std::error_code code = out.error();
  out.clear_error();
  return llvm::errorCodeToError(code);
}

/// Writes `text` into what is at `path` already: a device, a pipe. A file put in its place would take it from
/// everybody (`-o /dev/null`).
static llvm::Error writeInto(const std::string &path, llvm::StringRef text) {
  auto file = sys::fs::openNativeFileForWrite(path, sys::fs::CD_OpenExisting, sys::fs::OF_None);
  if (!file)
    return file.takeError();
  llvm::Error error = writeText(*file, text);
  std::error_code closed = sys::fs::closeFile(*file);
  return error ? std::move(error) : llvm::errorCodeToError(closed);
}

std::string writeFiles(const std::vector<std::pair<std::string, std::string>> &files) {
  struct Pending {
    sys::fs::TempFile temporary;
    std::string path;
  };
  std::vector<Pending> pending;
  auto discard = [&] {
    for (Pending &file : pending)
      llvm::consumeError(file.temporary.discard());
  };
  auto fail = [&](const std::string &path, llvm::Error error) {
    discard();
    return "cannot write '" + path + "': " + llvm::toString(std::move(error));
  };
  for (const auto &[path, text] : files) {
    std::string error = makeFolder(path);
    if (error.empty() && sys::fs::is_directory(path))
      error = "cannot write '" + path + "': it is a folder";
    if (!error.empty()) {
      discard();
      return error;
    }
    bool isDevice = false;
    if (!sys::fs::is_other(path, isDevice) && isDevice) {
      if (llvm::Error error = writeInto(path, text))
        return fail(path, std::move(error));
      continue;
    }
    // A symbolic link stays one: what it names is replaced.
    llvm::SmallString<128> target(path);
    if (sys::fs::is_symlink_file(path) && sys::fs::real_path(path, target))
      target = path;
    auto temporary = sys::fs::TempFile::create(target + ".%%%%%%.tmp", sys::fs::all_read | sys::fs::all_write);
    if (!temporary)
      return fail(path, temporary.takeError());
    pending.push_back({std::move(*temporary), std::string(target)});
    if (llvm::Error error = writeText(pending.back().temporary.FD, text))
      return fail(path, std::move(error));
  }
  for (Pending &file : pending)
    if (llvm::Error error = file.temporary.keep(file.path))
      return fail(file.path, std::move(error));
  return "";
}

} // namespace fm::driver
