/* Fits y = 2 x + 1 from C99. */
#include "line.h"

#include <math.h>
#include <stdio.h>

static unsigned char memory[LINE_MEMORY_BYTES + FM_ALIGNMENT];

int main(void) {
  void *aligned =
      memory + (FM_ALIGNMENT - (uintptr_t)memory % FM_ALIGNMENT) % FM_ALIGNMENT;
  const float x[8] = {-1.0f, -0.75f, -0.5f, -0.25f, 0.25f, 0.5f, 0.75f, 1.0f};
  float y[8], loss = 0.0f, estimate[8];
  line model;
  int i;

  for (i = 0; i < 8; ++i)
    y[i] = 2.0f * x[i] + 1.0f;
  if (line_bind(&model, aligned, LINE_MEMORY_BYTES) != FM_OK ||
      line_init(&model, 1) != FM_OK)
    return 1;
  for (i = 0; i < 500; ++i)
    if (line_train_step(&model, 8, x, y, &loss) != FM_OK) {
      fprintf(stderr, "%s\n", line_message(&model));
      return 1;
    }
  if (line_forward(&model, 1, x, estimate) != FM_OK)
    return 1;
  printf("loss %g, estimate for -1: %g\n", (double)loss, (double)estimate[0]);
  return fabsf(estimate[0] + 1.0f) < 1e-3f ? 0 : 1;
}
