// bench-table: medians, ratios turn by turn, and what several threads gain.

#include "tests/support/Files.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace fm::test;

namespace {

std::string row(const std::string &by, int threads, double median,
                const std::string &turns) {
  return R"([{"workload": "mlp", "phase": "train", "threads": )" +
         std::to_string(threads) + R"(, "implementation": ")" + by +
         R"(", "batch": 64, "median_ms": )" + std::to_string(median) +
         R"(, "gflops": 50, "peak_share": 0.5, "turns_ms": )" + turns + "}]";
}

class Table : public testing::Test {
protected:
  /// What is printed about files with these rows.
  std::string table(const std::vector<std::string> &files,
                    const std::string &arguments = "") {
    std::string command = BENCH_TABLE;
    for (size_t i = 0; i < files.size(); ++i) {
      const std::string path = folder.file(std::to_string(i));
      writeFile(path, files[i]);
      command += " " + path;
    }
    const Outcome outcome = runCommand(command + arguments);
    EXPECT_EQ(outcome.code, 0);
    return outcome.output;
  }
  Folder folder;
};

} // namespace

TEST_F(Table, RatiosAreThoseOfTurnsThatFollowedEachOther) {
  // The machine becomes slower while they run; their medians are both 4.
  const std::string text = table({row("fmc", 1, 4, "[2, 2, 4, 4, 4]"),
                                  row("onednn", 1, 4, "[3, 4, 6, 6, 4]")});
  // 1.5, 2, 1.5, 1.5, 1
  EXPECT_NE(text.find("1.50x (1.50-1.50)\n"), std::string::npos) << text;
  EXPECT_NE(
      text.find("geometric mean over 1 rows: fmc is 1.50x as fast as onednn"),
      std::string::npos)
      << text;
}

TEST_F(Table, ThreadsAreComparedWithOne) {
  const std::string text =
      table({row("fmc", 1, 4, "[4, 8, 4]"), row("fmc", 2, 2, "[2, 5, 2]")});
  // 2, 1.6, 2
  EXPECT_NE(text.find("50.0%  2.00x (1.60-2.00)\n"), std::string::npos) << text;
}

TEST_F(Table, RoundsAreJoined) {
  const std::string json = folder.file("json");
  table({row("fmc", 1, 2, "[2, 2, 2]"), row("fmc", 1, 4, "[4, 4, 4]")},
        " --json " + json);
  const auto rows = nlohmann::json::parse(readFile(json));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["median_ms"], 3);
  EXPECT_EQ(rows[0]["turns_ms"], (std::vector<double>{2, 2, 2, 4, 4, 4}));
}

TEST_F(Table, DifferentNumbersOfTurnsAreComparedByTheirMedians) {
  const std::string text =
      table({row("fmc", 1, 2, "[2, 2, 2]"), row("reference", 1, 30, "[30]")});
  EXPECT_NE(text.find("15.00x\n"), std::string::npos) << text;
}

TEST_F(Table, AFileThatIsMissingIsNamed) {
  const Outcome outcome = runCommand(BENCH_TABLE " /nowhere");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.output, "bench-table: cannot open /nowhere\n");
}
