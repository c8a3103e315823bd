// Records a network, compiles it in process, and shows an error.
#include <fm/dsl.h>

#include <cstdio>

int main() {
  fm::Model m("dsl_line", {.batch = 4});
  auto x = m.input("x", fm::f32, {m.batch(), 2});
  auto y = m.target("y", fm::f32, {m.batch(), 1});
  auto guess = x | fm::dense(8, {.kernel_init = fm::he_normal}) | fm::relu() |
               fm::dense(1);
  m.output("guess", guess);
  m.loss(fm::mse(guess, y));
  m.train(fm::sgd({.lr = 0.1}));
  fm::Result result = m.compile("dsl_out");
  if (!result) {
    std::fputs(result.text().c_str(), stderr);
    return 1;
  }

  fm::Model wrong("wrong");
  fm::flatten(wrong.input("x", fm::f32, {3, 0}));
  if (wrong.check() || wrong.errors().find("app_dsl.cpp:") == std::string::npos)
    return 1;
  std::puts("compiled");
  return 0;
}
