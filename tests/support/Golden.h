//===- Golden.h - Values that PyTorch computed ----------------------------===//
//
// Reads the files of tests/goldens (see make_goldens.py and README.md there)
// and makes the weights and batches again that its two trainings used.
//
//===----------------------------------------------------------------------===//
#ifndef FM_TESTS_SUPPORT_GOLDEN_H
#define FM_TESTS_SUPPORT_GOLDEN_H

#include <cmath>
#include <cstdint>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace fm::test {

/// Row-major; `i32` data is held as double, too.
struct GoldenTensor {
  std::string dtype; ///< "f64" or "i32"
  std::vector<int64_t> shape;
  std::vector<double> data;
};

/// One op: outputs of `inputs`, and the gradients of the sum over
/// first output * cotangent with regard to every floating-point input.
struct GoldenCase {
  std::string name; ///< "conv2d.stride_same"
  std::string op;   ///< "conv2d"
  nlohmann::json attributes;
  std::map<std::string, GoldenTensor> inputs, outputs, gradients;
  GoldenTensor cotangent; ///< no data where there are no gradients
};

/// A training of a whole network: Adam, 1e-3, eps 1e-7, in f64.
struct GoldenTraining {
  std::string model;
  int steps = 0, batch = 0;
  /// In the order of the model: the position numbers the stream of the weights.
  std::vector<std::pair<std::string, std::vector<int64_t>>> parameters;
  std::vector<double> loss; ///< before each update
  /// How far PyTorch itself is off in f32, relative, a step: rounding decides
  /// on which side of a kink a value falls, and training amplifies it.
  std::vector<double> deviationOfTorchF32;
  std::map<std::string, double> gradientAbsSumAtFirstStep,
      parameterAbsSumAfterLastStep;
};

namespace detail {
inline nlohmann::ordered_json readJson(const std::string &path) {
  std::ifstream file(path);
  if (!file)
    throw std::runtime_error("cannot open " + path);
  return nlohmann::ordered_json::parse(file);
}
inline GoldenTensor toTensor(const nlohmann::ordered_json &json) {
  return {json.at("dtype"), json.at("shape"), json.at("data")};
}
inline std::map<std::string, GoldenTensor>
toTensors(const nlohmann::ordered_json &json) {
  std::map<std::string, GoldenTensor> tensors;
  for (const auto &[name, value] : json.items())
    tensors.emplace(name, toTensor(value));
  return tensors;
}
} // namespace detail

inline std::vector<GoldenCase> readGoldenCases(const std::string &path) {
  std::vector<GoldenCase> cases;
  for (const auto &json : detail::readJson(path)) {
    GoldenCase golden;
    golden.name = json.at("name");
    golden.op = json.at("op");
    golden.attributes = json.at("attributes");
    golden.inputs = detail::toTensors(json.at("inputs"));
    golden.outputs = detail::toTensors(json.at("outputs"));
    if (json.contains("gradients")) {
      golden.gradients = detail::toTensors(json.at("gradients"));
      golden.cotangent = detail::toTensor(json.at("cotangent"));
    }
    cases.push_back(std::move(golden));
  }
  return cases;
}

inline GoldenTraining readGoldenTraining(const std::string &path) {
  const auto json = detail::readJson(path);
  GoldenTraining training;
  training.model = json.at("model");
  training.steps = json.at("steps");
  training.batch = json.at("batch");
  for (const auto &[name, shape] : json.at("parameters").items())
    training.parameters.emplace_back(name, shape.get<std::vector<int64_t>>());
  training.loss = json.at("loss").get<std::vector<double>>();
  training.deviationOfTorchF32 =
      json.at("deviation_of_torch_f32").get<std::vector<double>>();
  training.gradientAbsSumAtFirstStep =
      json.at("gradient_abs_sum_at_first_step")
          .get<std::map<std::string, double>>();
  training.parameterAbsSumAfterLastStep =
      json.at("parameter_abs_sum_after_last_step")
          .get<std::map<std::string, double>>();
  return training;
}

/// Knuth's 64-bit linear congruential generator, as in make_goldens.py.
class Stream {
public:
  explicit Stream(uint64_t seed) : state(seed) {}
  /// In [0, 1), exact in f32.
  double next() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(state >> 40) / 16777216.0;
  }
  int below(int n) { return static_cast<int>(next() * n); }

private:
  uint64_t state;
};

/// The first value of parameter number `position` of a golden training.
inline std::vector<float> goldenWeights(size_t position,
                                        const std::vector<int64_t> &shape) {
  double limit = 0.05; // biases
  int64_t count = 1, receptive = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    count *= shape[i];
    if (i + 2 < shape.size())
      receptive *= shape[i];
  }
  if (shape.size() > 1)
    limit = std::sqrt(
        6.0 / static_cast<double>(receptive *
                                  (shape[shape.size() - 2] + shape.back())));
  Stream stream(100 + position);
  std::vector<float> weights(static_cast<size_t>(count));
  for (float &weight : weights)
    weight = static_cast<float>((2 * stream.next() - 1) * limit);
  return weights;
}

struct GoldenBatch {
  std::vector<double> images; ///< batch x 784, exact in f32
  std::vector<int32_t> labels;
};

/// The batch of step `step`, from 0.
inline GoldenBatch goldenBatch(int step, int batch = 64) {
  Stream stream(10000 + static_cast<uint64_t>(step));
  GoldenBatch result;
  for (int sample = 0; sample < batch; ++sample) {
    const int shown = stream.below(10);
    const bool labelSaysSo = stream.next() < 0.8;
    const int other = stream.below(10);
    result.labels.push_back(labelSaysSo ? shown : other);
    for (int row = 0; row < 28; ++row)
      for (int column = 0; column < 28; ++column)
        result.images.push_back(stream.next() * 0.5 +
                                (row / 3 == shown ? 0.5 : 0.0));
  }
  return result;
}

} // namespace fm::test

#endif // FM_TESTS_SUPPORT_GOLDEN_H
