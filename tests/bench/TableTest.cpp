// bench-table: medians, ratios turn by turn, and what several threads gain.

#include "tests/bench/Programs.h"

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

} // namespace

TEST(Table, RatiosAreThoseOfTurnsThatFollowedEachOther) {
  Folder folder;
  // Everything takes twice as long from the third turn on: the medians of the
  // times would say 4 / 4.
  const std::string ours =
      folder.write("ours", row("fmc", 1, 4, "[2, 2, 4, 4, 4]"));
  const std::string theirs =
      folder.write("theirs", row("onednn", 1, 6, "[3, 4, 6, 6, 4]"));
  const Outcome outcome =
      runCommand(std::string(BENCH_TABLE) + " " + ours + " " + theirs);
  EXPECT_EQ(outcome.code, 0);
  // 1.5, 2, 1.5, 1.5, 1
  EXPECT_NE(outcome.output.find("1.50x (1.50-1.50)\n"), std::string::npos)
      << outcome.output;
  EXPECT_NE(outcome.output.find(
                "geometric mean over 1 rows: fmc is 1.50x as fast as onednn"),
            std::string::npos)
      << outcome.output;
}

TEST(Table, ThreadsAreComparedWithOne) {
  Folder folder;
  const std::string one = folder.write("one", row("fmc", 1, 4, "[4, 8, 4]"));
  const std::string two = folder.write("two", row("fmc", 2, 2, "[2, 5, 2]"));
  const Outcome outcome =
      runCommand(std::string(BENCH_TABLE) + " " + one + " " + two);
  EXPECT_EQ(outcome.code, 0);
  // 2, 1.6, 2
  EXPECT_NE(outcome.output.find("50.0%  2.00x (1.60-2.00)\n"),
            std::string::npos)
      << outcome.output;
}

TEST(Table, RoundsAreJoined) {
  Folder folder;
  const std::string first = folder.write("1", row("fmc", 1, 2, "[2, 2, 2]"));
  const std::string second = folder.write("2", row("fmc", 1, 4, "[4, 4, 4]"));
  const std::string json = folder.file("json");
  const Outcome outcome = runCommand(std::string(BENCH_TABLE) + " " + first +
                                     " " + second + " --json " + json);
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  const auto rows = nlohmann::json::parse(folder.read("json"));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["median_ms"], 3);
  EXPECT_EQ(rows[0]["turns_ms"], (std::vector<double>{2, 2, 2, 4, 4, 4}));
}

TEST(Table, DifferentNumbersOfTurnsAreComparedByTheirMedians) {
  Folder folder;
  const std::string ours = folder.write("ours", row("fmc", 1, 2, "[2, 2, 2]"));
  const std::string other =
      folder.write("other", row("reference", 1, 30, "[30]"));
  const Outcome outcome =
      runCommand(std::string(BENCH_TABLE) + " " + ours + " " + other);
  EXPECT_NE(outcome.output.find("15.00x\n"), std::string::npos)
      << outcome.output;
}

TEST(Table, AFileThatIsMissingIsNamed) {
  const Outcome outcome = runCommand(std::string(BENCH_TABLE) + " /nowhere");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.output, "bench-table: cannot open /nowhere\n");
}
