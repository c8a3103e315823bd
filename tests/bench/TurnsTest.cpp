// bench-turns: one program at a time, in turns, and nobody waits for the dead.

#include "tests/support/Files.h"

#include <gtest/gtest.h>

using namespace fm::test;

namespace {

class Turns : public testing::Test {
protected:
  /// Programs a, b and so on, which note their letter and a number in each of
  /// their turns. What they do after their first one is shell code.
  Outcome play(const std::vector<std::string> &programs,
               const std::string &last = "") {
    std::string command = BENCH_TURNS;
    char name = 'a';
    for (const std::string &program : programs) {
      command += name == 'a' ? " " : " -- ";
      command += std::string("sh -c 'turn() { echo ") + name + "$1 >>" +
                 folder.file("log") +
                 "; }; pass() { printf x; read go || exit 9; }; turn 0; " +
                 program + "'";
      ++name;
    }
    return runCommand(command + last);
  }
  std::string log() const { return readFile(folder.file("log")); }

private:
  Folder folder;
};

const std::string thrice = "for i in 1 2 3; do pass; turn $i; done";

} // namespace

TEST_F(Turns, AlternateFromTheFirstPassOn) {
  const Outcome outcome = play({thrice, thrice});
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  EXPECT_EQ(log(), "a0\nb0\na1\nb1\na2\nb2\na3\nb3\n");
}

TEST_F(Turns, OneWithFewerTurnsIsLeftOut) {
  const Outcome outcome = play({"pass; turn 1", thrice});
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  EXPECT_EQ(log(), "a0\nb0\na1\nb1\nb2\nb3\n");
}

TEST_F(Turns, OneThatFailsIsToldWhenTheOthersHaveEnded) {
  const Outcome outcome = play({"pass; exit 5", thrice});
  EXPECT_EQ(outcome.code, 5) << outcome.output;
  EXPECT_EQ(log(), "a0\nb0\nb1\nb2\nb3\n");
}

TEST_F(Turns, OneThatIsKilledIsToldAsShellsDo) {
  const Outcome outcome = play({"kill -9 $$"});
  EXPECT_EQ(outcome.code, 128 + 9) << outcome.output;
}

TEST_F(Turns, OneThatCannotBeStartedEndsTheOthers) {
  const Outcome outcome = play({"pass; turn 1"}, " -- /nowhere/program");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(
      outcome.output.find("cannot start '/nowhere/program': No such file"),
      std::string::npos)
      << outcome.output;
  EXPECT_EQ(log(), "a0\n");
}

TEST_F(Turns, NothingToRunIsAnError) {
  for (const char *arguments : {"", " --", " true --"}) {
    const Outcome outcome = runCommand(std::string(BENCH_TURNS) + arguments);
    EXPECT_EQ(outcome.code, 2) << arguments;
    EXPECT_NE(outcome.output.find("usage: bench-turns"), std::string::npos);
  }
}
