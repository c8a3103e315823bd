//===- BadInputTest.cpp - What a running model says to bad arguments
//-------===//
//
// Every refusal is a status and a message, and the state stays as it was, bit
// by bit. Checkpoints in all their ways of being damaged are tested in
// tests/runtime; here are those of real models.
//
//===----------------------------------------------------------------------===//

#include "tests/e2e/Models.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

using namespace fm::test;

namespace {

class BadInput : public testing::Test {
protected:
  static Code code() {
    static Code compiled = compile(kEverything);
    return compiled;
  }
  BadInput() : network(code()) {
    trainSteps(network, 0, 2, 6);
    before = network.state();
  }
  void expectUntouched() { EXPECT_TRUE(network.state() == before); }
  /// The arguments of an entry, all of them valid.
  std::vector<void *> validArguments(const std::string &name) {
    buffers.clear();
    std::vector<void *> pointers;
    for (const auto &entry : network.program().entries)
      if (entry.name == name)
        for (size_t i = 0; i < entry.arguments.size(); ++i) {
          buffers.emplace_back(4096, Guard::Behind, 0);
          pointers.push_back(buffers.back().data());
        }
    return pointers;
  }

  Network network;
  std::string before;
  std::vector<GuardedMemory> buffers;
};

TEST_F(BadInput, NullPointers) {
  for (const char *entry :
       {"forward", "evaluate", "gradients", "train_step", "apply_gradients"}) {
    const size_t count = validArguments(entry).size();
    for (size_t i = 0; i < count; ++i) {
      std::vector<void *> arguments = validArguments(entry);
      arguments[i] = nullptr;
      EXPECT_EQ(network.callRaw(entry, 2, arguments), FM_ERROR_ARGUMENT)
          << entry << " " << i;
      EXPECT_NE(network.message().find("null pointer"), std::string::npos);
    }
  }
  expectUntouched();
  EXPECT_EQ(network.callRaw("train_step", 2, validArguments("train_step")),
            FM_OK);
}

TEST_F(BadInput, NumberOfSamples) {
  for (const char *entry : {"forward", "evaluate", "gradients", "train_step"})
    for (int64_t n : {int64_t(0), int64_t(-1), int64_t(7), INT64_MIN, INT64_MAX,
                      int64_t(1) << 32}) {
      EXPECT_EQ(network.callRaw(entry, n, validArguments(entry)),
                FM_ERROR_SAMPLES);
      EXPECT_NE(network.message().find("expected 1 to 6"), std::string::npos)
          << network.message();
    }
  expectUntouched();
}

TEST_F(BadInput, Labels) {
  for (double label : {4.0, -1.0, 2147483647.0, -2147483648.0})
    for (const char *entry : {"evaluate", "gradients", "train_step"}) {
      network.set("label", {0, 3, label, 1, 2, 0});
      EXPECT_EQ(network.tryCall(entry, 3), FM_ERROR_LABEL) << entry;
      std::ostringstream expected;
      expected << entry << ": 'label' of sample 2 is " << int64_t(label)
               << ", expected 0 to 3";
      EXPECT_EQ(network.message(), expected.str());
      // What lies behind the samples of the call does not matter.
      network.set("image", someNumbers(6 * 6 * 6 * 2, 1));
      EXPECT_EQ(network.tryCall("evaluate", 2), FM_OK);
    }
  expectUntouched();
}

TEST_F(BadInput, EntryTablesCarryTheBoundOfLabels) {
  const fm_model &model = network.model();
  int labels = 0;
  for (int32_t i = 0; i < model.entry_count; ++i)
    for (int32_t k = 0; k < model.entries[i].argument_count; ++k) {
      const fm_argument &argument = model.entries[i].arguments[k];
      const bool isLabel = std::string(argument.name) == "label";
      labels += isLabel;
      EXPECT_EQ(argument.index_bound, isLabel ? 4 : 0) << argument.name;
    }
  EXPECT_EQ(labels, 3) << "evaluate, gradients, train_step";
}

TEST_F(BadInput, UnboundInstances) {
  fm_instance none = {};
  Code compiled = code();
  std::vector<void *> arguments = validArguments("forward");
  EXPECT_EQ(compiled->callOn(&none, compiled->entry("forward"), 1, arguments),
            FM_ERROR_ARGUMENT);
  EXPECT_STRNE(fm_message(&none), "");
  EXPECT_EQ(compiled->callOn(nullptr, compiled->entry("forward"), 1, arguments),
            FM_ERROR_ARGUMENT);
}

TEST_F(BadInput, OtherModelsInstance) {
  Network other(
      compile("model other { input x : f32[3]\n output y = exp(x) }"));
  EXPECT_EQ(code()->callOn(other.instance(), code()->entry("forward"), 1,
                           validArguments("forward")),
            FM_ERROR_MISMATCH);
  EXPECT_NE(other.message().find("everything"), std::string::npos);
}

TEST_F(BadInput, Memory) {
  fm_instance instance = {};
  const fm_model *model = &network.model();
  const size_t bytes = size_t(model->memory_bytes);
  GuardedMemory memory(bytes + 64, Guard::Behind, 0);
  EXPECT_EQ(fm_bind(&instance, model, memory.data(), bytes - 1),
            FM_ERROR_MEMORY);
  EXPECT_EQ(fm_bind(&instance, model, memory.as<char>() + 4, bytes),
            FM_ERROR_MEMORY);
  EXPECT_EQ(fm_bind(&instance, model, nullptr, bytes), FM_ERROR_ARGUMENT);
  EXPECT_EQ(fm_bind(&instance, model, memory.data(), bytes), FM_OK);
}

TEST_F(BadInput, AlignmentOfGradients) {
  for (const char *entry : {"gradients", "apply_gradients"}) {
    std::vector<void *> arguments = validArguments(entry);
    GuardedMemory grads(4096, Guard::Behind, 0);
    arguments.back() = grads.as<char>() + 4;
    EXPECT_EQ(network.callRaw(entry, 2, arguments), FM_ERROR_MEMORY) << entry;
    EXPECT_NE(network.message().find("'grads' lies 4 bytes beyond"),
              std::string::npos)
        << network.message();
  }
  expectUntouched();
}

//===----------------------------------------------------------------------===//
// Checkpoints
//===----------------------------------------------------------------------===//

class BadCheckpoint : public BadInput {
protected:
  BadCheckpoint()
      : path(testing::TempDir() + "/fm_bad_" + std::to_string(getpid())) {
    EXPECT_EQ(fm_save(network.instance(), path.c_str()), FM_OK);
    std::ifstream file(path, std::ios::binary);
    saved.assign(std::istreambuf_iterator<char>(file), {});
    trainSteps(network, 2, 3, 6);
    before = network.state();
  }
  ~BadCheckpoint() override { remove(path.c_str()); }
  fm_status load(const std::string &bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    return fm_load(network.instance(), path.c_str());
  }
  std::string path, saved;
};

TEST_F(BadCheckpoint, Truncated) {
  for (size_t size : {size_t(0), size_t(7), size_t(8), size_t(100),
                      saved.size() / 2, saved.size() - 1}) {
    EXPECT_EQ(load(saved.substr(0, size)), FM_ERROR_FORMAT) << size;
    EXPECT_NE(network.message(), "");
  }
  EXPECT_EQ(load(saved + "x"), FM_ERROR_FORMAT);
  expectUntouched();
}

TEST_F(BadCheckpoint, Foreign) {
  EXPECT_EQ(load("GIF89a, and so on: an image, not a checkpoint"),
            FM_ERROR_FORMAT);
  std::string changed = saved;
  changed[changed.size() - 20] ^= 1;
  EXPECT_EQ(load(changed), FM_ERROR_FORMAT) << "the checksum tells";
  remove(path.c_str());
  EXPECT_EQ(fm_load(network.instance(), path.c_str()), FM_ERROR_IO);
  EXPECT_EQ(fm_load(network.instance(), "/"), FM_ERROR_IO);
  EXPECT_EQ(fm_load(network.instance(), nullptr), FM_ERROR_ARGUMENT);
  EXPECT_EQ(fm_save(network.instance(), "/no/such/folder/x"), FM_ERROR_IO);
  expectUntouched();
}

TEST_F(BadCheckpoint, OfAnotherModel) {
  Network other(compile(kPerSample));
  ASSERT_EQ(fm_save(other.instance(), path.c_str()), FM_OK);
  EXPECT_EQ(fm_load(network.instance(), path.c_str()), FM_ERROR_MISMATCH);
  EXPECT_NE(network.message().find("per_sample"), std::string::npos)
      << network.message();
  expectUntouched();
  EXPECT_EQ(load(saved), FM_OK) << network.message();
}

} // namespace
