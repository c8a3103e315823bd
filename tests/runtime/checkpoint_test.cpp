//===- checkpoint_test.cpp - Saving and loading what is whole -------------===//
//
// What fm_save writes, read by two programs that share nothing with it (JSON
// for Modern C++ here, Python in read_safetensors.py); round trips between
// layouts; what fm_save refuses and leaves behind when it fails.
//
//===----------------------------------------------------------------------===//
#include "checkpoint_files.h"
#include "toy_model.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <cstdio>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace toy;
namespace fs = std::filesystem;

namespace {

class Checkpoint : public testing::Test {
protected:
  Checkpoint() { fill(bound); }

  static void fill(Bound &bound) {
    EXPECT_EQ(fm_init(*bound, 5), FM_OK);
    bound.set<float>("dense.kernel", {1, 2, 3, 4, 5, 6});
    bound.set<float>("conv.kernel", {-1, -2, -3, -4, -5, -6});
    bound.set<double>("frozen.bias", {0.1, 1e300, -0.0});
    bound.set<float>("dense.kernel/adam.m", {.5f, .25f, 0, 1, 2, 3});
    bound.set<uint8_t>("flags", {1, 0, 1, 1, 0});
    bound.set<int32_t>("counts", {INT32_MIN, -1, 0, INT32_MAX});
    bound.set<int8_t>("bytes", {-128, 0, 127});
    fm_set_step(*bound, 123456789012);
  }

  Model toy;
  Bound bound{toy.model};
  Folder folder;
  std::string path = folder.file("toy.safetensors");
};

TEST_F(Checkpoint, IsSafetensors) {
  ASSERT_EQ(fm_save(*bound, path.c_str()), FM_OK) << bound.message();
  std::string bytes = readFile(path);
  std::string header = headerOf(bytes);
  EXPECT_EQ(header.size() % 8, 0u);
  EXPECT_EQ(header[0], '{');
  size_t data = 8 + header.size();
  EXPECT_EQ(bytes.size(), data + 140);

  nlohmann::json parsed = nlohmann::json::parse(header);
  EXPECT_EQ(parsed["__metadata__"]["fm.model"], "toy");
  EXPECT_EQ(parsed["__metadata__"]["fm.fingerprint"], "0123456789abcdef");
  EXPECT_EQ(parsed["__metadata__"]["fm.version"], "1");
  EXPECT_EQ(parsed.size(), 12u);
  EXPECT_EQ(parsed["conv.kernel"],
            nlohmann::json::parse(
                R"({"dtype":"F32","shape":[3,2],"data_offsets":[64,88]})"));
  EXPECT_EQ(parsed["empty"],
            nlohmann::json::parse(
                R"({"dtype":"F32","shape":[0,4],"data_offsets":[128,128]})"));
  EXPECT_EQ(parsed["learning_rate"],
            nlohmann::json::parse(
                R"({"dtype":"F32","shape":[],"data_offsets":[128,132]})"));
}

TEST_F(Checkpoint, IsReadByPython) {
  ASSERT_EQ(std::system("python3 --version > /dev/null 2>&1"), 0)
      << "scripts/setup test installs python3";
  ASSERT_EQ(fm_save(*bound, path.c_str()), FM_OK) << bound.message();
  const auto outcome =
      fm::test::runCommand("python3 " READ_SAFETENSORS " " + path);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.output,
            "fm.model toy\n"
            "fm.fingerprint 0123456789abcdef\n"
            "fm.version 1\n"
            "fm.checksum (16 digits)\n"
            "frozen.bias F64 [3] [0.1, 1e+300, -0.0]\n"
            "step I64 [] [123456789012]\n"
            "seed I64 [] [5]\n"
            "dense.kernel F32 [2, 3] [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]\n"
            "conv.kernel F32 [3, 2] [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0]\n"
            "dense.kernel/adam.m F32 [2, 3] [0.5, 0.25, 0.0, 1.0, 2.0, 3.0]\n"
            "counts I32 [2, 2] [-2147483648, -1, 0, 2147483647]\n"
            "empty F32 [0, 4] []\n"
            "learning_rate F32 [] [0.125]\n"
            "flags BOOL [5] [True, False, True, True, False]\n"
            "bytes I8 [3] [-128, 0, 127]\n");
}

TEST_F(Checkpoint, ComesBackBitByBit) {
  // NaNs with a payload and negative zeros must survive, too.
  const uint32_t odd[] = {0x7FC12345, 0xFF800001, 0x80000000, 1, 0x7F800000, 0};
  ASSERT_EQ(fm_set_tensor(*bound, "conv.kernel", odd, sizeof odd), FM_OK);
  ASSERT_EQ(fm_save(*bound, path.c_str()), FM_OK);
  Bound other(toy.model);
  ASSERT_EQ(fm_load(*other, path.c_str()), FM_OK) << other.message();
  EXPECT_EQ(other.get<uint32_t>("conv.kernel", 6),
            std::vector<uint32_t>(odd, odd + 6));
  // The padding of the fresh memory is zero again.
  EXPECT_EQ(other.stored<uint32_t>(toy.tensor("conv.kernel")),
            bound.stored<uint32_t>(toy.tensor("conv.kernel")));
  ASSERT_EQ(fm_save(*other, folder.file("again").c_str()), FM_OK);
  EXPECT_EQ(readFile(folder.file("again")), readFile(path));
  EXPECT_EQ(fm_get_step(*other), 123456789012);
}

TEST_F(Checkpoint, FitsAnotherLayoutOfTheModel) {
  ASSERT_EQ(fm_save(*bound, path.c_str()), FM_OK);
  Model plain(Layout::Plain);
  Bound other(plain.model);
  ASSERT_EQ(fm_load(*other, path.c_str()), FM_OK) << other.message();
  EXPECT_EQ(other.stored<float>(plain.tensor("dense.kernel")),
            (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(other.stored<float>(plain.tensor("conv.kernel")),
            (std::vector<float>{-1, -2, -3, -4, -5, -6}));
  // The table's order differs, so does the file; the contents do not.
  ASSERT_EQ(fm_save(*other, folder.file("plain").c_str()), FM_OK);
  Bound back(toy.model);
  ASSERT_EQ(fm_load(*back, folder.file("plain").c_str()), FM_OK);
  EXPECT_EQ(back.stored<float>(toy.tensor("conv.kernel")),
            (std::vector<float>{-1, -3, -2, -4, -5, 0, -6, 0}));
}

TEST_F(Checkpoint, OddNamesAreEscaped) {
  toy.model.name = "a \"b\" \\ \n\t \xC3\xA4 \xFF";
  ASSERT_EQ(fm_save(*bound, path.c_str()), FM_OK);
  nlohmann::json parsed = nlohmann::json::parse(headerOf(readFile(path)));
  EXPECT_EQ(parsed["__metadata__"]["fm.model"], "a \"b\" \\ \n\t \xC3\xA4 ?");
  EXPECT_EQ(fm_load(*bound, path.c_str()), FM_OK);
}

TEST_F(Checkpoint, LargeTensorsAreWrittenInPieces) {
  const int64_t count = 300001; // more than a buffer, and an odd end
  fm_physical_dim dim = {0, 0, 1, 0, count, 1};
  fm_tensor tensor = {};
  tensor.name = "w";
  tensor.dtype = FM_F32;
  tensor.rank = tensor.physical_rank = 1;
  tensor.shape = &count;
  tensor.physical = &dim;
  tensor.bytes = count * 4;
  tensor.initializer = FM_INIT_NORMAL;
  tensor.init_b = 1;
  fm_model model = {};
  model.abi_version = FM_ABI_VERSION;
  model.batch = 1;
  model.name = "large";
  model.memory_bytes = model.persistent_bytes = tensor.bytes;
  model.tensor_count = 1;
  model.tensors = &tensor;
  model.learning_rate = model.step = model.seed = model.draws = -1;
  Bound one(model), other(model);
  ASSERT_EQ(fm_init(*one, 1), FM_OK);
  ASSERT_EQ(fm_save(*one, path.c_str()), FM_OK);
  EXPECT_EQ(readFile(path).substr(readFile(path).size() - count * 4),
            one.state());
  ASSERT_EQ(fm_load(*other, path.c_str()), FM_OK) << other.message();
  EXPECT_EQ(other.state(), one.state());
}

//===-- Replacing
//-----------------------------------------------------------===//

TEST_F(Checkpoint, ReplacesAndLeavesNothingElse) {
  writeFile(path, "old");
  fs::permissions(path, fs::perms(0640));
  ASSERT_EQ(fm_save(*bound, path.c_str()), FM_OK);
  EXPECT_EQ(folder.names(), std::vector<std::string>{"toy.safetensors"});
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0640));
  EXPECT_EQ(fm_load(*bound, path.c_str()), FM_OK);
}

TEST_F(Checkpoint, UsesTheProcessUmask) {
  mode_t before = umask(027);
  EXPECT_EQ(fm_save(*bound, path.c_str()), FM_OK);
  umask(before);
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0640));
}

TEST_F(Checkpoint, TakesARelativePath) {
  fs::path before = fs::current_path();
  fs::current_path(folder.path);
  EXPECT_EQ(fm_save(*bound, "here"), FM_OK) << bound.message();
  EXPECT_EQ(fm_load(*bound, "./here"), FM_OK) << bound.message();
  fs::current_path(before);
  EXPECT_EQ(folder.names(), std::vector<std::string>{"here"});
}

TEST_F(Checkpoint, ReplacesALinkNotWhatItLeadsTo) {
  writeFile(folder.file("target"), "old");
  fs::create_symlink("target", path);
  EXPECT_EQ(fm_save(*bound, path.c_str()), FM_OK);
  EXPECT_EQ(readFile(folder.file("target")), "old");
  EXPECT_FALSE(fs::is_symlink(path));
}

TEST_F(Checkpoint, ManyThreadsSaveToOnePath) {
  ASSERT_EQ(fm_save(*bound, path.c_str()), FM_OK);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([this] {
      Bound mine(toy.model);
      fm_init(*mine, 1);
      for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(fm_save(*mine, path.c_str()), FM_OK) << mine.message();
        EXPECT_EQ(fm_load(*mine, path.c_str()), FM_OK) << mine.message();
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(folder.names(), std::vector<std::string>{"toy.safetensors"});
}

//===-- Failing
//-------------------------------------------------------------===//

/// Runs `action` as a user without rights, also where the tests run as root.
template <typename Action> void withoutRights(Action action) {
  bool isRoot = geteuid() == 0;
  ASSERT_TRUE(!isRoot || seteuid(65534) == 0);
  action();
  ASSERT_TRUE(!isRoot || seteuid(0) == 0);
}

TEST_F(Checkpoint, FailuresLeaveTheOldFile) {
  writeFile(path, "old");
  fs::permissions(folder.path, fs::perms(0555));
  withoutRights([&] { EXPECT_EQ(fm_save(*bound, path.c_str()), FM_ERROR_IO); });
  fs::permissions(folder.path, fs::perms(0755));
  EXPECT_EQ(bound.message(),
            "save " + path +
                ": cannot make a temporary file beside it: "
                "Permission denied (errno 13); what was there is "
                "unchanged");
  EXPECT_EQ(readFile(path), "old");
  EXPECT_EQ(folder.names(), std::vector<std::string>{"toy.safetensors"});
}

TEST_F(Checkpoint, AFullDiskLeavesTheOldFile) {
  writeFile(path, "old");
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  // Data and header are written at different places: fail in either.
  for (rlim_t limit : {0, 100, 900}) {
    rlimit small = before;
    small.rlim_cur = limit;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    fm_status status = fm_save(*bound, path.c_str());
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_EQ(status, FM_ERROR_IO);
    EXPECT_EQ(bound.message(), "save " + path +
                                   ": cannot write: File too large (errno 27); "
                                   "what was there is unchanged");
    EXPECT_EQ(readFile(path), "old");
    EXPECT_EQ(folder.names(), std::vector<std::string>{"toy.safetensors"});
  }
}

TEST_F(Checkpoint, RefusesWhatIsNoFile) {
  fs::create_directory(folder.file("folder"));
  EXPECT_EQ(fm_save(*bound, folder.file("folder").c_str()), FM_ERROR_IO);
  EXPECT_EQ(bound.message(), "save " + folder.file("folder") +
                                 ": it is a directory, expected a file or a "
                                 "free name; choose another");
  std::string pipe = folder.file("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(fm_save(*bound, pipe.c_str()), FM_ERROR_IO);
  EXPECT_EQ(bound.message(), "save " + pipe +
                                 ": it is a device or a pipe, expected a file "
                                 "or a free name; choose another");
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_EQ(fm_save(*bound, folder.file("missing/toy").c_str()), FM_ERROR_IO);
  EXPECT_EQ(bound.message(),
            "save " + folder.file("missing/toy") +
                ": cannot make a temporary file beside it: No such file or "
                "directory (errno 2): make the folder first; what was there is "
                "unchanged");
  writeFile(path, "old");
  EXPECT_EQ(fm_save(*bound, (path + "/below").c_str()), FM_ERROR_IO);
  EXPECT_EQ(fm_save(*bound, folder.file(std::string(300, 'n')).c_str()),
            FM_ERROR_IO);
  EXPECT_EQ(fm_save(*bound, nullptr), FM_ERROR_ARGUMENT);
  EXPECT_EQ(bound.message(),
            "save: the path is a null pointer, expected the name of a file");
  EXPECT_EQ(fm_save(*bound, ""), FM_ERROR_ARGUMENT);
  EXPECT_EQ(folder.names(),
            (std::vector<std::string>{"folder", "pipe", "toy.safetensors"}));
}

TEST_F(Checkpoint, LoadRefusesWhatIsNoFile) {
  std::string before = bound.state();
  EXPECT_EQ(fm_load(*bound, nullptr), FM_ERROR_ARGUMENT);
  EXPECT_EQ(fm_load(*bound, path.c_str()), FM_ERROR_IO);
  EXPECT_EQ(bound.message(), "load " + path +
                                 ": cannot open: No such file or directory "
                                 "(errno 2); check the path and its "
                                 "permissions");
  EXPECT_EQ(fm_load(*bound, folder.path.c_str()), FM_ERROR_IO);
  EXPECT_EQ(bound.message(), "load " + folder.path.string() +
                                 ": it is a directory, expected a safetensors "
                                 "file");
  std::string pipe = folder.file("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(fm_load(*bound, pipe.c_str()), FM_ERROR_IO); // and does not hang
  // A device; of all of them only this one is surely there in any container.
  EXPECT_EQ(fm_load(*bound, "/dev/null"), FM_ERROR_IO);
  ASSERT_EQ(fm_save(*bound, path.c_str()), FM_OK);
  fs::permissions(path, fs::perms(0));
  fs::permissions(folder.path, fs::perms(0755));
  withoutRights([&] { EXPECT_EQ(fm_load(*bound, path.c_str()), FM_ERROR_IO); });
  EXPECT_EQ(bound.message(), "load " + path +
                                 ": cannot open: Permission denied (errno 13); "
                                 "check the path and its permissions");
  EXPECT_EQ(bound.state(), before);
}

} // namespace
