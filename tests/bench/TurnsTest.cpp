// bench-turns: one program at a time, in turns, and nobody waits for the dead.

#include "tests/bench/Programs.h"

using namespace fm::test;

namespace {

/// A program that notes `name` and a number in each of its turns.
std::string player(const Folder &folder, const std::string &name,
                   const std::string &rest) {
  return "sh -c 'turn() { echo " + name + "$1 >>" + folder.file("log") +
         "; }; pass() { printf x; read go || exit 9; }; turn 0; " + rest + "'";
}

} // namespace

TEST(Turns, AlternateFromTheFirstPassOn) {
  Folder folder;
  const std::string game = "for i in 1 2 3; do pass; turn $i; done";
  const Outcome outcome =
      runCommand(std::string(BENCH_TURNS) + " " + player(folder, "a", game) +
                 " -- " + player(folder, "b", game));
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  EXPECT_EQ(folder.read("log"), "a0\nb0\na1\nb1\na2\nb2\na3\nb3\n");
}

TEST(Turns, OneWithFewerTurnsIsLeftOut) {
  Folder folder;
  const Outcome outcome = runCommand(
      std::string(BENCH_TURNS) + " " + player(folder, "a", "pass; turn 1") +
      " -- " + player(folder, "b", "for i in 1 2 3; do pass; turn $i; done"));
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  EXPECT_EQ(folder.read("log"), "a0\nb0\na1\nb1\nb2\nb3\n");
}

TEST(Turns, OneThatFailsIsToldWhenTheOthersHaveEnded) {
  Folder folder;
  const Outcome outcome = runCommand(
      std::string(BENCH_TURNS) + " " + player(folder, "a", "pass; exit 5") +
      " -- " + player(folder, "b", "for i in 1 2; do pass; turn $i; done"));
  EXPECT_EQ(outcome.code, 5) << outcome.output;
  EXPECT_EQ(folder.read("log"), "a0\nb0\nb1\nb2\n");
}

TEST(Turns, OneThatIsKilledIsToldAsShellsDo) {
  Folder folder;
  const Outcome outcome = runCommand(std::string(BENCH_TURNS) + " " +
                                     player(folder, "a", "kill -9 $$"));
  EXPECT_EQ(outcome.code, 128 + 9) << outcome.output;
}

TEST(Turns, OneThatCannotBeStartedEndsTheOthers) {
  Folder folder;
  const Outcome outcome =
      runCommand(std::string(BENCH_TURNS) + " " +
                 player(folder, "a", "pass; turn 1") + " -- /nowhere/program");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(
      outcome.output.find("cannot start '/nowhere/program': No such file"),
      std::string::npos)
      << outcome.output;
  EXPECT_EQ(folder.read("log"), "a0\n");
}

TEST(Turns, NothingToRunIsAnError) {
  for (const char *arguments : {"", " --", " true --"}) {
    const Outcome outcome = runCommand(std::string(BENCH_TURNS) + arguments);
    EXPECT_EQ(outcome.code, 2) << arguments;
    EXPECT_NE(outcome.output.find("usage: bench-turns"), std::string::npos);
  }
}
