/* Learns exclusive or in C99, with memory that the program owns: no allocation
 * anywhere. Saves what was learned, loads it into a second network and shows
 * that both say the same.
 *
 *   xor_mlp [CHECKPOINT]      default: xor_mlp.safetensors
 */
#include "xor_mlp.h"

#include <stdio.h>
#include <string.h>

/* C99 has no alignas: room to round the address up. */
typedef struct network_memory {
  unsigned char bytes[XOR_MLP_MEMORY_BYTES + FM_ALIGNMENT - 1];
} network_memory;

static void *aligned(network_memory *memory) {
  uintptr_t address = (uintptr_t)memory->bytes;
  return (void *)((address + FM_ALIGNMENT - 1) / FM_ALIGNMENT * FM_ALIGNMENT);
}

static network_memory learner_memory, copy_memory;

static const float questions[4][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
static const float answers[4] = {0, 1, 1, 0};

static int failed(const char *what, xor_mlp *network) {
  fprintf(stderr, "xor_mlp: %s: %s\n", what, xor_mlp_message(network));
  return 1;
}

int main(int argc, char **argv) {
  const char *path = argc > 1 ? argv[1] : "xor_mlp.safetensors";
  float loss = 0, said[4], said_again[4];
  xor_mlp learner, copy;
  int step, i, wrong = 0;

  if (xor_mlp_bind(&learner, aligned(&learner_memory), XOR_MLP_MEMORY_BYTES) !=
      FM_OK)
    return failed("bind", &learner);
  if (xor_mlp_init(&learner, 1) != FM_OK)
    return failed("init", &learner);
  printf("%d parameters, %d bytes in all\n", (int)XOR_MLP_PARAMETER_COUNT,
         (int)XOR_MLP_MEMORY_BYTES);

  for (step = 1; step <= 500; ++step) {
    if (xor_mlp_train_step(&learner, 4, questions[0], answers, &loss) != FM_OK)
      return failed("train_step", &learner);
    if (step % 100 == 0)
      printf("step %d: loss %.5f\n", step, (double)loss);
  }
  if (xor_mlp_save(&learner, path) != FM_OK)
    return failed("save", &learner);

  if (xor_mlp_bind(&copy, aligned(&copy_memory), XOR_MLP_MEMORY_BYTES) != FM_OK)
    return failed("bind", &copy);
  if (xor_mlp_load(&copy, path) != FM_OK)
    return failed("load", &copy);

  if (xor_mlp_forward(&learner, 4, questions[0], said) != FM_OK)
    return failed("forward", &learner);
  if (xor_mlp_forward(&copy, 4, questions[0], said_again) != FM_OK)
    return failed("forward", &copy);
  for (i = 0; i < 4; ++i) {
    printf("%g xor %g = %.3f\n", (double)questions[i][0],
           (double)questions[i][1], (double)said[i]);
    wrong += (said[i] > 0.5f) != (answers[i] > 0.5f);
  }
  if (memcmp(said, said_again, sizeof said) != 0) {
    fprintf(stderr, "xor_mlp: the loaded network answers differently\n");
    return 1;
  }
  return wrong == 0 ? 0 : 1;
}
