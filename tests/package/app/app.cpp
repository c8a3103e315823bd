// Two models in one program; the second was compiled for batches of 4.
#include "digits.h"
#include "line.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <stdexcept>

static_assert(DIGITS_BATCH == 4, "-D batch=4 did not reach the compiler");
static_assert(LINE_PARAMETER_COUNT == 2, "a slope and an intercept");

int main() try {
  fm::line line;
  line.init(1);
  const std::array<float, 4> x = {-1.0f, -0.5f, 0.5f, 1.0f};
  std::array<float, 4> y{};
  for (std::size_t i = 0; i < x.size(); ++i)
    y[i] = 2.0f * x[i] + 1.0f;
  float loss = 0.0f;
  for (int step = 0; step < 500; ++step)
    line.train_step(4, x.data(), y.data(), &loss);
  if (!(loss < 1e-4f))
    throw std::runtime_error("the line was not learned");

  fm::digits digits;
  digits.init(1);
  const std::array<float, 64> image{};
  std::array<float, 10> probabilities{};
  digits.forward(1, image.data(), probabilities.data());
  float sum = 0.0f;
  for (float p : probabilities)
    sum += p;
  if (std::fabs(sum - 1.0f) > 1e-5f)
    throw std::runtime_error("the probabilities do not add up to 1");

  std::printf("loss %g, sum %g\n", static_cast<double>(loss),
              static_cast<double>(sum));
} catch (const std::exception &error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
