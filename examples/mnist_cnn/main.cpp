// Trains the network of mnist_cnn.fm on 28x28 images in MNIST's format and
// measures how well it reads images that it has not seen.
//
// All there is to it: this file, the header and the object that fmc made from
// mnist_cnn.fm, and fmc's runtime.

#include "mnist_cnn.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

namespace {

constexpr int64_t batchSize = MNIST_CNN_BATCH;
constexpr int64_t imageRows = 28, imageColumns = 28;
constexpr int64_t imageSize = imageRows * imageColumns;

//===-- Command line
//-------------------------------------------------------===//

constexpr const char *usage = "usage: mnist_cnn FOLDER [--epochs N] [--seed N] "
                              "[--threads N] [--save FILE]\n"
                              "\n"
                              "FOLDER holds train-images-idx3-ubyte, "
                              "train-labels-idx1-ubyte and the same\n"
                              "two for t10k, not compressed. --threads 0 takes "
                              "all cores (the default).\n";

struct Options {
  std::filesystem::path folder;
  int epochs = 5;
  uint64_t seed = 1;
  int threads = 0;
  std::string checkpoint; ///< empty: not saved
};

/// A mistake on the command line.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

uint64_t parseNumber(const std::string &option, const std::string &text,
                     uint64_t smallest, uint64_t largest) {
  char *end = nullptr;
  errno = 0;
  const unsigned long long value = std::strtoull(text.c_str(), &end, 10);
  const bool isNumber = !text.empty() && text.find_first_not_of("0123456789") ==
                                             std::string::npos;
  if (!isNumber || *end != '\0' || errno == ERANGE || value < smallest ||
      value > largest)
    throw UsageError(option + ": expected a number from " +
                     std::to_string(smallest) + " to " +
                     std::to_string(largest) + ", got '" + text + "'");
  return value;
}

Options parseCommandLine(int argc, char **argv) {
  Options options;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string &argument = arguments[i];
    if (argument.rfind("--", 0) != 0) {
      if (!options.folder.empty())
        throw UsageError("more than one folder: '" + argument + "'");
      options.folder = argument;
      continue;
    }
    if (i + 1 == arguments.size())
      throw UsageError("unknown option, or one without its value: '" +
                       argument + "'");
    const std::string &value = arguments[++i];
    if (argument == "--epochs")
      options.epochs = static_cast<int>(parseNumber(argument, value, 1, 10000));
    else if (argument == "--seed")
      options.seed = parseNumber(argument, value, 0, UINT64_MAX);
    else if (argument == "--threads")
      options.threads = static_cast<int>(parseNumber(argument, value, 0, 1024));
    else if (argument == "--save")
      options.checkpoint = value;
    else
      throw UsageError("unknown option '" + argument + "'");
  }
  if (options.folder.empty())
    throw UsageError("no folder given");
  return options;
}

//===-- Images
//-------------------------------------------------------------===//

struct Dataset {
  std::vector<float> images;   ///< count x 28 x 28, 0 (background) to 1 (ink)
  std::vector<int32_t> labels; ///< count, 0 to 9
  int64_t count() const { return static_cast<int64_t>(labels.size()); }
};

/// Reads a file of unsigned bytes in IDX format: a magic number,
/// `extents.size()` big-endian extents, the bytes. An extent of -1 may be
/// anything; it is replaced by what the file says.
std::vector<unsigned char> readIdx(const std::filesystem::path &path,
                                   std::vector<int64_t> &extents) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw std::runtime_error("cannot open " + path.string());
  const auto readBigEndian = [&] {
    unsigned char bytes[4];
    if (!file.read(reinterpret_cast<char *>(bytes), sizeof bytes))
      throw std::runtime_error(path.string() + " ends within its header");
    return int64_t{bytes[0]} << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
  };

  const int64_t unsignedBytes = 0x08;
  if (readBigEndian() !=
      (unsignedBytes << 8 | static_cast<int64_t>(extents.size())))
    throw std::runtime_error(path.string() + " is not an IDX file of " +
                             std::to_string(extents.size()) +
                             "-dimensional bytes");
  int64_t size = 1;
  for (int64_t &extent : extents) {
    const int64_t actual = readBigEndian();
    if (extent >= 0 && actual != extent)
      throw std::runtime_error(path.string() + ": expected an extent of " +
                               std::to_string(extent) + ", got " +
                               std::to_string(actual));
    extent = actual;
    size *= actual;
  }
  // Compared before anything is allocated: a damaged header asks for a lot.
  const auto rest = static_cast<int64_t>(std::filesystem::file_size(path)) -
                    int64_t{file.tellg()};
  if (rest != size)
    throw std::runtime_error(path.string() + ": its header announces " +
                             std::to_string(size) + " bytes, and " +
                             std::to_string(rest) + " follow");
  std::vector<unsigned char> bytes(static_cast<std::size_t>(size));
  if (!file.read(reinterpret_cast<char *>(bytes.data()), size))
    throw std::runtime_error("cannot read " + path.string());
  return bytes;
}

/// `part`: "train" or "t10k".
Dataset readDataset(const std::filesystem::path &folder,
                    const std::string &part) {
  std::vector<int64_t> labelExtents{-1};
  const auto labels =
      readIdx(folder / (part + "-labels-idx1-ubyte"), labelExtents);
  std::vector<int64_t> imageExtents{labelExtents[0], imageRows, imageColumns};
  const auto pixels =
      readIdx(folder / (part + "-images-idx3-ubyte"), imageExtents);
  if (labels.empty())
    throw std::runtime_error((folder / part).string() + ": no images");

  Dataset dataset;
  dataset.images.resize(pixels.size());
  std::transform(
      pixels.begin(), pixels.end(), dataset.images.begin(),
      [](unsigned char pixel) { return static_cast<float>(pixel) / 255.0f; });
  dataset.labels.assign(labels.begin(), labels.end());
  return dataset;
}

//===-- Progress
//-----------------------------------------------------------===//

/// A bar that is drawn over itself on a terminal, and nothing elsewhere.
class ProgressBar {
public:
  ProgressBar(std::string title, int64_t steps)
      : title(std::move(title)), steps(steps) {}

  void show(int64_t step, double loss) {
    constexpr int width = 30;
    const int filled = static_cast<int>(step * width / steps);
    if (!onTerminal || filled == drawn)
      return;
    drawn = filled;
    std::printf("\r%s [%s%s] %lld/%lld  loss %.4f", title.c_str(),
                std::string(filled, '#').c_str(),
                std::string(width - filled, '.').c_str(),
                static_cast<long long>(step), static_cast<long long>(steps),
                loss);
    std::fflush(stdout);
  }
  void clear() {
    if (onTerminal)
      std::printf("\r\033[K");
  }

private:
  std::string title;
  int64_t steps;
  int drawn = -1;
  bool onTerminal = isatty(STDOUT_FILENO) != 0;
};

class Stopwatch {
public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() -
                                         start)
        .count();
  }

private:
  std::chrono::steady_clock::time_point start =
      std::chrono::steady_clock::now();
};

//===-- Training
//-----------------------------------------------------------===//

/// Means over a dataset.
struct Score {
  double loss = 0, accuracy = 0;
};

/// Shows every image of `dataset` once, in `order`; returns the mean loss.
double trainEpoch(fm::mnist_cnn &network, const Dataset &dataset,
                  const std::vector<int64_t> &order, ProgressBar &bar) {
  std::vector<float> images(batchSize * imageSize);
  std::vector<int32_t> labels(batchSize);
  double lossSum = 0;
  const int64_t count = dataset.count();
  for (int64_t first = 0; first < count; first += batchSize) {
    // The last batch may be smaller; the network takes any number up to
    // batchSize.
    const int64_t n = std::min(batchSize, count - first);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t sample = order[first + i];
      std::copy_n(&dataset.images[sample * imageSize], imageSize,
                  &images[i * imageSize]);
      labels[i] = dataset.labels[sample];
    }
    float loss = 0;
    network.train_step(n, images.data(), labels.data(), &loss);
    lossSum += static_cast<double>(loss) * static_cast<double>(n);
    bar.show((first + n + batchSize - 1) / batchSize,
             lossSum / static_cast<double>(first + n));
  }
  return lossSum / static_cast<double>(count);
}

Score evaluate(fm::mnist_cnn &network, const Dataset &dataset) {
  Score score;
  const int64_t count = dataset.count();
  for (int64_t first = 0; first < count; first += batchSize) {
    const int64_t n = std::min(batchSize, count - first);
    float loss = 0, accuracy = 0;
    network.evaluate(n, &dataset.images[first * imageSize],
                     &dataset.labels[first], &loss, &accuracy);
    score.loss += static_cast<double>(loss) * static_cast<double>(n);
    score.accuracy += static_cast<double>(accuracy) * static_cast<double>(n);
  }
  score.loss /= static_cast<double>(count);
  score.accuracy /= static_cast<double>(count);
  return score;
}

void run(const Options &options) {
  const Dataset train = readDataset(options.folder, "train");
  const Dataset test = readDataset(options.folder, "t10k");

  // The pool outlives the network that uses it.
  const std::unique_ptr<fm_pool, void (*)(fm_pool *)> pool(
      fm_pool_create(options.threads), fm_pool_destroy);
  if (!pool)
    throw std::runtime_error("cannot start the threads");
  fm::mnist_cnn network;
  network.set_parallel_for(fm_pool_run, pool.get());
  network.init(options.seed);

  const std::string name = std::filesystem::absolute(options.folder / "")
                               .parent_path()
                               .filename()
                               .string();
  std::printf("%s: %lld images to learn from, %lld to test; %d parameters; %d "
              "threads\n",
              name.c_str(), static_cast<long long>(train.count()),
              static_cast<long long>(test.count()),
              static_cast<int>(MNIST_CNN_PARAMETER_COUNT),
              fm_pool_threads(pool.get()));

  std::vector<int64_t> order(train.count());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::mt19937_64 random(options.seed);

  const Stopwatch total;
  Score score;
  for (int epoch = 1; epoch <= options.epochs; ++epoch) {
    const std::string title =
        "epoch " + std::to_string(epoch) + "/" + std::to_string(options.epochs);
    const Stopwatch watch;
    std::shuffle(order.begin(), order.end(), random);
    ProgressBar bar(title, (train.count() + batchSize - 1) / batchSize);
    const double trainLoss = trainEpoch(network, train, order, bar);
    score = evaluate(network, test);
    bar.clear();
    std::printf("%s: loss %.4f, test loss %.4f, test accuracy %.4f, %.1f s\n",
                title.c_str(), trainLoss, score.loss, score.accuracy,
                watch.seconds());
    std::fflush(stdout);
  }
  if (!options.checkpoint.empty())
    network.save(options.checkpoint.c_str());
  std::printf("test accuracy: %.4f (%s, %d epochs, %.1f s)\n", score.accuracy,
              name.c_str(), options.epochs, total.seconds());
}

} // namespace

int main(int argc, char **argv) {
  try {
    run(parseCommandLine(argc, argv));
    return EXIT_SUCCESS;
  } catch (const UsageError &error) {
    std::fprintf(stderr, "mnist_cnn: %s\n%s", error.what(), usage);
    return 2;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "mnist_cnn: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
