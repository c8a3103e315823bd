// Records a network in C++, a residual MLP whose depth is a number of the
// command line; saves it as .fm and compiles it to an object and a header.
//
//   dsl FOLDER [DEPTH]      writes FOLDER/mlp.fm, mlp.o and mlp.h
#include <fm/dsl.h>

#include <cstdlib>
#include <iostream>
#include <string>

// A block: the names of its layers begin with block_1, block_2, ...
static fm::Tensor block(const fm::Tensor &x, int hidden) {
  auto scope = x.scope("block");
  return x + (fm::layer_norm(x) |
              fm::dense(hidden, {.kernel_init = fm::he_normal}) | fm::gelu() |
              fm::dense(x.dim(-1)));
}

static fm::Model makeModel(int depth) {
  fm::Model m("mlp", {.batch = 64});
  auto image = m.input("image", fm::f32, {m.batch(), 784});
  auto label = m.target("label", fm::i32, {m.batch()});

  auto x = image / 255 | fm::dense(128, {.name = "stem"});
  for (int i = 0; i < depth; ++i)
    x = block(x, 256);
  auto logits =
      x | fm::dropout({.rate = 0.1}) | fm::dense(10, {.name = "head"});

  m.output("probs", fm::softmax(logits));
  m.loss(fm::cross_entropy(logits, label));
  m.metric(fm::accuracy(logits, label));
  m.train(fm::adam({.lr = 1e-3}));
  return m;
}

int main(int argc, char **argv) {
  if (argc < 2 || argc > 3) {
    std::cerr << "usage: dsl FOLDER [DEPTH]\n";
    return 2;
  }
  const std::string folder = argv[1];
  fm::Model model = makeModel(argc > 2 ? std::atoi(argv[2]) : 2);

  // Whatever was wrong in makeModel is said here, all of it, with the lines of
  // this file that cause it.
  if (fm::Result saved = model.save(folder + "/mlp.fm"); !saved) {
    std::cerr << saved.text();
    return 1;
  }
  if (fm::Result compiled = model.compile(folder); !compiled) {
    std::cerr << compiled.text();
    return 1;
  }
  std::cout << model.text();
  return 0;
}
