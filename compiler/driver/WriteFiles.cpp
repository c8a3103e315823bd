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

std::string writeFiles(const std::vector<std::pair<std::string, std::string>> &files) {
  std::vector<sys::fs::TempFile> temporaries;
  auto discard = [&] {
    for (auto &temporary : temporaries)
      llvm::consumeError(temporary.discard());
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
    auto temporary = sys::fs::TempFile::create(path + ".%%%%%%.tmp", sys::fs::all_read | sys::fs::all_write);
    if (!temporary)
      return fail(path, temporary.takeError());
    temporaries.push_back(std::move(*temporary));
    llvm::raw_fd_ostream out(temporaries.back().FD, /*shouldClose=*/false);
    out << text;
    out.flush();
    if (out.has_error()) {
      std::error_code code = out.error();
      out.clear_error();
      return fail(path, llvm::errorCodeToError(code));
    }
  }
  for (auto [temporary, file] : llvm::zip(temporaries, files))
    if (llvm::Error error = temporary.keep(file.first))
      return fail(file.first, std::move(error));
  return "";
}

} // namespace fm::driver
