// bench-turns: lets several benchmark programs measure in turns.
//
//   bench-turns PROGRAM [ARGUMENT...] [-- PROGRAM [ARGUMENT...]]...
//
// Each program is started with --share-turns. They run one at a time, in the
// order given: a program hands on with a byte on its standard output and waits
// for one on its standard input (bench/support/Turns.h). As all go through the
// same figures, the same turns of a figure follow each other within moments.
// Exit code: that of the first program that failed, once all have ended; 1 if
// one cannot be started.

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

struct Program {
  std::vector<std::string> command;
  pid_t pid = -1;
  int toIt = -1, fromIt = -1; ///< ends of its standard input and output
  int status = 0;
};

/// False, with a message, if it cannot be started.
bool start(Program &program) {
  // Closed in every program, except as what they are duplicated to: a pipe's
  // end has to be seen when the program at it ends.
  int input[2], output[2];
  if (pipe2(input, O_CLOEXEC) || pipe2(output, O_CLOEXEC)) {
    std::perror("bench-turns: pipe");
    return false;
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  std::vector<char *> arguments;
  for (std::string &word : program.command)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const int error = posix_spawnp(&program.pid, arguments[0], &actions, nullptr,
                                 arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(input[0]);
  close(output[1]);
  program.toIt = input[1];
  program.fromIt = output[0];
  if (error)
    std::fprintf(stderr, "bench-turns: cannot start '%s': %s\n", arguments[0],
                 std::strerror(error));
  return !error;
}

/// Waits until the program hands on; false when it has ended instead.
bool handsOn(Program &program) {
  char byte;
  ssize_t got;
  while ((got = read(program.fromIt, &byte, 1)) < 0 && errno == EINTR)
    ;
  if (got == 1)
    return true;
  close(program.toIt);
  close(program.fromIt);
  int status = 0;
  while (waitpid(program.pid, &status, 0) < 0 && errno == EINTR)
    ;
  program.status =
      WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  program.pid = -1;
  return false;
}

} // namespace

int main(int argc, char **argv) {
  std::vector<Program> programs(1);
  for (int i = 1; i < argc; ++i)
    if (std::strcmp(argv[i], "--") == 0)
      programs.emplace_back();
    else
      programs.back().command.push_back(argv[i]);
  for (Program &program : programs) {
    if (program.command.empty()) {
      std::fprintf(stderr, "usage: bench-turns PROGRAM [ARGUMENT...] "
                           "[-- PROGRAM [ARGUMENT...]]...\n");
      return 2;
    }
    program.command.push_back("--share-turns");
  }
  // A program that has ended is noticed by its output.
  std::signal(SIGPIPE, SIG_IGN);

  size_t running = 0;
  int result = 0;
  const auto follow = [&](Program &program) {
    if (handsOn(program))
      return;
    --running;
    if (!result)
      result = program.status;
  };
  for (Program &program : programs) {
    // Those that wait already learn from their input's end.
    if (!start(program))
      return 1;
    ++running;
    follow(program);
  }
  while (running)
    for (Program &program : programs) {
      if (program.pid == -1)
        continue;
      const char byte = '\n';
      if (write(program.toIt, &byte, 1) != 1 && errno != EPIPE)
        std::perror("bench-turns: write");
      follow(program);
    }
  return result;
}
