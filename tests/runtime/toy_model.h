//===- toy_model.h - Hand-made models for the runtime's tests ---*- C++ -*-===//
//
// Tables as the compiler emits them, written by hand: every dtype, transposed
// and blocked layouts with padding, and entry points of every kind. `Plain` has
// the same tensors row-major and in another order, so that results which must
// not depend on layout or order can be compared.
//
//===----------------------------------------------------------------------===//
#ifndef FMC_TESTS_RUNTIME_TOY_MODEL_H
#define FMC_TESTS_RUNTIME_TOY_MODEL_H

#include <fm/runtime.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace toy {

enum class Layout { Blocked, Plain };

class Model {
public:
  explicit Model(Layout layout = Layout::Blocked) {
    // {logical, 0, divisor, modulus, extent, stride}
    if (layout == Layout::Blocked) {
      add("dense.kernel", FM_F32, FM_PARAMETER, {2, 3},
          {{1, 0, 1, 0, 3, 2}, {0, 0, 1, 0, 2, 1}}, 24, FM_INIT_GLOROT_UNIFORM);
      // [3, 2] with the first dimension in blocks of two: {o / 2, i, o % 2}.
      add("conv.kernel", FM_F32, FM_PARAMETER, {3, 2},
          {{0, 0, 2, 0, 2, 4}, {1, 0, 1, 0, 2, 2}, {0, 0, 1, 2, 2, 1}}, 32,
          FM_INIT_HE_NORMAL);
    } else {
      add("conv.kernel", FM_F32, FM_PARAMETER, {3, 2},
          {{0, 0, 1, 0, 3, 2}, {1, 0, 1, 0, 2, 1}}, 24, FM_INIT_HE_NORMAL);
      add("dense.kernel", FM_F32, FM_PARAMETER, {2, 3},
          {{0, 0, 1, 0, 2, 3}, {1, 0, 1, 0, 3, 1}}, 24, FM_INIT_GLOROT_UNIFORM);
    }
    model.parameter_bytes = offset;
    add("frozen.bias", FM_F64, FM_PARAMETER, {3}, {{0, 0, 1, 0, 3, 1}}, 24,
        FM_INIT_NORMAL, 1, 0.5);
    add("dense.kernel/adam.m", FM_F32, FM_OPTIMIZER, {2, 3},
        {{0, 0, 1, 0, 2, 3}, {1, 0, 1, 0, 3, 1}}, 24);
    add("flags", FM_BOOL, FM_STATE, {5}, {{0, 0, 1, 0, 5, 1}}, 5,
        FM_INIT_CONSTANT, 1);
    add("counts", FM_I32, FM_STATE, {2, 2},
        {{0, 0, 1, 0, 2, 2}, {1, 0, 1, 0, 2, 1}}, 16, FM_INIT_CONSTANT, 7);
    add("bytes", FM_I8, FM_STATE, {3}, {{0, 0, 1, 0, 3, 1}}, 3,
        FM_INIT_CONSTANT, -3);
    add("empty", FM_F32, FM_STATE, {0, 4},
        {{0, 0, 1, 0, 0, 4}, {1, 0, 1, 0, 4, 1}}, 0);
    model.learning_rate = add("learning_rate", FM_F32, FM_STATE, {}, {}, 4,
                              FM_INIT_CONSTANT, 0.125);
    model.step = add("step", FM_I64, FM_STATE, {}, {}, 8);
    model.seed = add("seed", FM_I64, FM_STATE, {}, {}, 8);

    static const fm_argument train[] = {
        {"image", FM_F32, 1, 0, 0, 4, 0},
        {"label", FM_I32, 1, 0, 0, 1, 10},
        {"loss", FM_F32, 0, 1, 1, 1, 0},
    };
    static const fm_argument forward[] = {
        {"tokens", FM_I64, 1, 0, 0, 3, 100},
        {"probs", FM_F32, 1, 1, 0, 10, 0},
    };
    static const fm_argument apply[] = {{"grads", FM_F32, 0, 0, 0, 32, 0}};
    static const fm_argument lookup[] = {{"table", FM_I8, 0, 0, 0, 4, 5}};
    static const fm_entry entries[] = {{"train_step", 3, 1, 1, 6, train},
                                       {"forward", 2, 0, 0, 0, forward},
                                       {"apply_gradients", 1, 1, 0, 0, apply},
                                       {"lookup", 1, 0, 0, 0, lookup}};
    model.draws = -1;
    model.abi_version = FM_ABI_VERSION;
    model.batch = 4;
    model.name = "toy";
    model.fingerprint = 0x0123456789abcdefu;
    model.persistent_bytes = offset;
    model.memory_bytes = offset + 256;
    model.tensor_count = static_cast<int32_t>(tensors.size());
    model.tensors = tensors.data();
    model.entry_count = 4;
    model.entries = entries;
  }
  Model(const Model &) = delete;

  fm_tensor &tensor(const std::string &name) {
    for (fm_tensor &tensor : tensors)
      if (name == tensor.name)
        return tensor;
    std::abort();
  }

  fm_model model = {};
  std::vector<fm_tensor> tensors;

private:
  int32_t add(const char *name, fm_dtype dtype, fm_kind kind,
              std::vector<int64_t> shape, std::vector<fm_physical_dim> physical,
              int64_t bytes, fm_initializer initializer = FM_INIT_CONSTANT,
              double a = 0, double b = 0) {
    shapes.push_back(std::move(shape));
    layouts.push_back(std::move(physical));
    fm_tensor tensor = {};
    tensor.name = name;
    tensor.dtype = dtype;
    tensor.kind = kind;
    tensor.trained = kind == FM_PARAMETER && dtype == FM_F32;
    tensor.rank = static_cast<int32_t>(shapes.back().size());
    tensor.shape = shapes.back().data();
    tensor.offset = offset;
    tensor.bytes = bytes;
    tensor.physical_rank = static_cast<int32_t>(layouts.back().size());
    tensor.physical = layouts.back().data();
    tensor.initializer = initializer;
    tensor.init_a = a;
    tensor.init_b = b;
    tensor.fan_in = 3;
    tensor.fan_out = 2;
    tensors.push_back(tensor);
    offset += (bytes + 63) / 64 * 64;
    return static_cast<int32_t>(tensors.size()) - 1;
  }

  std::deque<std::vector<int64_t>> shapes;
  std::deque<std::vector<fm_physical_dim>> layouts;
  int64_t offset = 0;
};

/// A bound instance with its memory, which starts as 0xAA everywhere.
class Bound {
public:
  explicit Bound(const fm_model &model)
      : bytes(static_cast<size_t>(model.memory_bytes)),
        memory(static_cast<unsigned char *>(
                   std::aligned_alloc(64, (bytes + 63) / 64 * 64)),
               &std::free) {
    std::memset(memory.get(), 0xAA, bytes);
    status = fm_bind(&instance, &model, memory.get(), bytes);
  }
  fm_instance *operator*() { return &instance; }
  std::string message() const { return fm_message(&instance); }
  std::string state() const {
    return std::string(reinterpret_cast<char *>(memory.get()), bytes);
  }

  template <typename T> std::vector<T> get(const char *name, size_t count) {
    std::vector<T> values(count + 1);
    if (fm_get_tensor(&instance, name, values.data(), count * sizeof(T)) !=
        FM_OK)
      values.clear();
    else
      values.pop_back();
    return values;
  }
  template <typename T>
  fm_status set(const char *name, const std::vector<T> &values) {
    return fm_set_tensor(&instance, name, values.data(),
                         values.size() * sizeof(T));
  }
  /// The tensor's bytes as they lie in memory.
  template <typename T> std::vector<T> stored(const fm_tensor &tensor) const {
    std::vector<T> values(static_cast<size_t>(tensor.bytes) / sizeof(T));
    std::memcpy(values.data(), memory.get() + tensor.offset,
                static_cast<size_t>(tensor.bytes));
    return values;
  }

  fm_status status;
  fm_instance instance;
  size_t bytes;
  std::unique_ptr<unsigned char, void (*)(void *)> memory;
};

} // namespace toy
#endif
