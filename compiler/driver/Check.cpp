//===- Check.cpp - fmc check: gradients against finite differences --------------------===//
//
// Compiles the model in f64 and compares the gradients of the compiled code with
// central differences of the compiled loss, extrapolated (Richardson). Two
// extrapolations in a row must agree; where the loss has a kink between the points (a
// rectifier or a maximum changes its mind) they do not, and narrower steps are
// tried, then another element.
//
//===----------------------------------------------------------------------===//

#include "compiler/codegen/IndexAnalysis.h"
#include "compiler/driver/Commands.h"
#include "compiler/driver/Synthetic.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <numeric>
#include <thread>

namespace fm::driver {

using codegen::EntryArgument;
using codegen::PersistentTensor;

namespace {

/// Largest error found in one tensor.
struct Row {
  std::string name;
  int64_t elements = 0;
  int checked = 0, kinks = 0;
  double error = 0; ///< relative to the tensor's largest gradient, see checkElements
};

class GradientCheck {
public:
  GradientCheck(LiveModel &live, double tolerance)
      : live(live), program(live.program()), entry(program.entries[live.entry("gradients")]),
        arguments(program, entry, 1), tolerance(tolerance) {
    const int threads = int(std::max(1u, std::thread::hardware_concurrency()));
    if (threads > 1)
      pool.reset(fm_pool_create(threads));
    if (pool)
      fm_set_parallel_for(live.instance(), fm_pool_run, pool.get());
    lossAt = arguments.find(EntryArgument::Role::Loss);
    gradsAt = arguments.find(EntryArgument::Role::Gradients);
  }

  bool run(Diagnostics &diagnostics) {
    disturb();
    if (!evaluate(diagnostics))
      return false;
    // Copies: every further call overwrites them with those of a disturbed point.
    auto copy = [&](size_t argument) {
      const double *data = arguments.buffer(argument).as<double>();
      return std::vector<double>(data, data + arguments.buffer(argument).size() / sizeof(double));
    };
    std::vector<double> gradients;
    if (gradsAt >= 0)
      gradients = copy(size_t(gradsAt));
    std::map<size_t, std::vector<double>> inputGradients;
    for (size_t i = 0; i < entry.arguments.size(); ++i)
      if (entry.arguments[i].role == EntryArgument::Role::InputGradient)
        inputGradients[i] = copy(i);
    for (double number : gradients)
      steepest = std::max(steepest, std::fabs(number));
    for (const auto &[i, gradient] : inputGradients)
      for (double number : gradient)
        steepest = std::max(steepest, std::fabs(number));
    for (const PersistentTensor &tensor : program.tensors)
      if (tensor.kind == codegen::TensorKind::Parameter && tensor.trained)
        rows.push_back(
            checkElements(tensor.name, parameter(tensor), gradients.data() + tensor.offset / 8, placesOf(tensor)));
    for (const auto &[i, gradient] : inputGradients)
      rows.push_back(checkInput(i, gradient));
    if (rows.empty()) {
      diagnostics.error({}, "there is no gradient to check: no parameter is trained, and no input is marked 'with gradient'");
      return false;
    }
    report();
    bool good = true;
    for (const Row &row : rows) {
      if (row.error < tolerance && row.checked > 0)
        continue;
      good = false;
      char text[256];
      std::snprintf(text, sizeof text, "gradient of '%s' differs from finite differences: relative error %.2g, expected below %.0e",
                    row.name.c_str(), row.error, tolerance);
      diagnostics.error({}, row.checked ? text : "gradient of '" + row.name + "': no element without a kink found");
    }
    return good;
  }

private:
  /// Zero biases sit on kinks, and zero gradients prove nothing: every parameter
  /// gets a small reproducible offset.
  void disturb() {
    uint64_t state = 12345;
    for (const PersistentTensor &tensor : program.tensors) {
      if (tensor.kind != codegen::TensorKind::Parameter)
        continue;
      double *data = parameter(tensor);
      for (int64_t i = 0; i < tensor.bytes / 8; ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        data[i] += 0.1 * (double(state >> 11) * 0x1p-53 - 0.5);
      }
    }
    saved.resize(size_t(program.persistentBytes));
    std::memcpy(saved.data(), live.instance()->memory, saved.size());
  }

  /// Where a tensor's elements lie, in elements from its begin.
  static std::vector<int64_t> placesOf(const PersistentTensor &tensor) {
    codegen::Buffer buffer;
    buffer.dims = tensor.dims;
    std::vector<int64_t> places, index(tensor.shape.size(), 0);
    for (;;) {
      places.push_back(codegen::offsetOf(buffer, index));
      size_t d = index.size();
      for (; d > 0 && ++index[d - 1] == tensor.shape[d - 1]; --d)
        index[d - 1] = 0;
      if (d == 0)
        return places;
    }
  }

  double *parameter(const PersistentTensor &tensor) {
    return reinterpret_cast<double *>(live.instance()->memory + tensor.offset);
  }

  /// The loss as things stand; state that the call advances is put back.
  double loss() {
    live.instance()->derived = 0; // parameters have been written into
    status = live.call("gradients", program.batch, arguments.pointers());
    for (const PersistentTensor &tensor : program.tensors)
      if (tensor.kind == codegen::TensorKind::State)
        std::memcpy(live.instance()->memory + tensor.offset, saved.data() + tensor.offset, size_t(tensor.bytes));
    return *arguments.buffer(lossAt).as<double>();
  }

  bool evaluate(Diagnostics &diagnostics) {
    double value = base = loss();
    if (status != FM_OK) {
      diagnostics.error({}, live.message());
      return false;
    }
    if (!std::isfinite(value)) {
      diagnostics.error({}, "the loss of random data is not finite, so that gradients cannot be compared");
      return false;
    }
    return true;
  }

  /// Central difference at `place`, narrower until two agree; false at a kink.
  /// `scale`: the size of slopes that matter.
  bool differentiate(double *place, double scale, double &slope) {
    const double x = *place, tiny = 3e-7 * scale;
    double bend = 0; // how much the slopes to the right and to the left differ
    auto central = [&](double h) {
      *place = x + h;
      double plus = loss();
      *place = x - h;
      double minus = loss();
      *place = x;
      bend = std::fabs(plus - 2 * base + minus) / h;
      return (plus - minus) / (2 * h);
    };
    // Richardson: of differences with steps 4h and h, (16 c(h) - c(4h)) / 15 is
    // without the term in h^2. What is left of truncation falls with h^4,
    // rounding grows with 1 / h: at 1e-6 it is about 1e-10 of a loss near 1.
    double wide = central(1e-3), before = 0;
    for (double h = 2.5e-4; h > 2e-7; h /= 4) {
      const double wideBend = bend, narrow = central(h);
      slope = (16 * narrow - wide) / 15;
      // Curvature bends less and less; a kink nearer than h does not.
      if (h < 1e-4 && std::fabs(slope - before) <= tiny && bend <= std::max(tiny, wideBend / 2))
        return true;
      wide = narrow;
      before = slope;
    }
    return false;
  }

  /// `places`: of the elements in both.
  Row checkElements(const std::string &name, double *values, const double *gradient, const std::vector<int64_t> &places) {
    const int64_t count = int64_t(places.size());
    Row row{name, count, 0, 0, 0};
    // Where the gradient is 0 (a bias before batch_norm) rounding is left of it,
    // and of differences: no more than so much of the steepest slope matters.
    double largest = 1e-4 * steepest;
    for (int64_t place : places)
      largest = std::max(largest, std::fabs(gradient[place]));
    if (largest == 0)
      largest = 1;
    // All of a small tensor, else elements spread over it; fewer of a large model.
    const int wanted = program.arenaBytes < (16 << 20) ? 24 : 8;
    int64_t stride = count <= wanted ? 1 : std::max<int64_t>(1, count / (3 * wanted) | 1);
    for (int64_t i = 0; i < count && row.checked < wanted; i += stride) {
      double slope = 0;
      if (!differentiate(values + places[i], largest, slope)) {
        ++row.kinks;
        continue;
      }
      ++row.checked;
      row.error = std::max(row.error, std::fabs(slope - gradient[places[i]]) / largest);
    }
    return row;
  }

  Row checkInput(size_t argument, const std::vector<double> &gradient) {
    std::string name = entry.arguments[argument].name;
    name.resize(name.size() - std::strlen("_gradient"));
    size_t input = 0;
    while (entry.arguments[input].name != name)
      ++input;
    std::vector<int64_t> places(gradient.size());
    std::iota(places.begin(), places.end(), 0);
    return checkElements(name, arguments.buffer(input).as<double>(), gradient.data(), places);
  }

  void report() {
    size_t width = 6;
    for (const Row &row : rows)
      width = std::max(width, row.name.size());
    std::printf("%-*s  %9s  %7s  %5s  %10s\n", int(width), "tensor", "elements", "checked", "kinks", "error");
    for (const Row &row : rows)
      std::printf("%-*s  %9lld  %7d  %5d  %10.2e%s\n", int(width), row.name.c_str(), (long long)row.elements,
                  row.checked, row.kinks, row.error, row.error < tolerance && row.checked ? "" : "  <--");
  }

  struct DestroyPool {
    void operator()(fm_pool *pool) const { fm_pool_destroy(pool); }
  };

  LiveModel &live;
  std::unique_ptr<fm_pool, DestroyPool> pool;
  const codegen::Program &program;
  const codegen::Entry &entry;
  SyntheticArguments arguments;
  double tolerance;
  fm_status status = FM_OK; ///< of the last call
  double base = 0;          ///< the loss at the undisturbed point
  double steepest = 0;      ///< largest element of all gradients
  int lossAt, gradsAt;
  std::vector<unsigned char> saved;
  std::vector<Row> rows;
};

} // namespace

bool check(const CompilerOptions &given, Diagnostics &diagnostics) {
  CompilerOptions options = given;
  options.widen = true;
  options.maxBatch = 4; // few samples, few kinks
  auto live = LiveModel::make(options, diagnostics, /*seed=*/1);
  if (!live)
    return false;
  if (live->entry("gradients") < 0) {
    diagnostics.error({options.input, 0, 0, 1}, "the model has no loss, so that there is no gradient to check");
    return false;
  }
  return GradientCheck(*live, 1e-6).run(diagnostics);
}

} // namespace fm::driver
