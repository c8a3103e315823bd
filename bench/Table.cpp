// bench-table: joins the rows of the benchmark programs into one table.
//
//   bench-table ROWS.json... [--json FILE]
//
// The last columns are the speed of fmc relative to each other implementation.

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace {

using Json = nlohmann::ordered_json;
/// workload, batch, phase, threads
using Key = std::tuple<std::string, int, std::string, int>;

constexpr const char *implementations[] = {"fmc", "onednn", "libtorch",
                                           "reference"};

Key keyOf(const Json &row) {
  return {row.at("workload"), row.at("batch"), row.at("phase"),
          row.at("threads")};
}

void print(const Json &rows) {
  std::vector<Key> order;
  std::map<Key, std::map<std::string, Json>> table;
  for (const Json &row : rows) {
    const Key key = keyOf(row);
    if (!table.count(key))
      order.push_back(key);
    table[key][row.at("implementation")] = row;
  }
  std::stable_sort(order.begin(), order.end(), [](const Key &a, const Key &b) {
    return std::get<3>(a) < std::get<3>(b);
  });

  std::printf("%-14s %5s %-7s %3s  %-9s %10s %9s %6s  %s\n", "workload",
              "batch", "phase", "thr", "by", "median ms", "GFLOP/s", "peak",
              "fmc is");
  std::map<std::string, std::pair<double, int>> logarithms;
  for (const Key &key : order) {
    const auto &[workload, batch, phase, threads] = key;
    const auto &byName = table[key];
    const auto ours = byName.find("fmc");
    for (const char *name : implementations) {
      const auto found = byName.find(name);
      if (found == byName.end())
        continue;
      const Json &row = found->second;
      const double ms = row.at("median_ms"), gflops = row.at("gflops"),
                   share = row.at("peak_share");
      std::printf("%-14s %5d %-7s %3d  %-9s %10.3f %9.1f %5.1f%%",
                  workload.c_str(), batch, phase.c_str(), threads, name, ms,
                  gflops, 100 * share);
      if (ours != byName.end() && ours != found) {
        const double ratio = ms / ours->second.at("median_ms").get<double>();
        std::printf("  %.2fx as fast", ratio);
        auto &[sum, count] = logarithms[name];
        sum += std::log(ratio);
        ++count;
      }
      std::printf("\n");
    }
  }
  for (const auto &[name, total] : logarithms)
    std::printf("geometric mean over %d rows: fmc is %.2fx as fast as %s\n",
                total.second, std::exp(total.first / total.second),
                name.c_str());
}

} // namespace

int main(int argc, char **argv) try {
  Json rows = Json::array();
  std::string output;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--json" && i + 1 < argc) {
      output = argv[++i];
      continue;
    }
    std::ifstream file(argv[i]);
    if (!file)
      throw std::runtime_error(std::string("cannot open ") + argv[i]);
    for (Json &row : Json::parse(file))
      rows.push_back(std::move(row));
  }
  print(rows);
  if (!output.empty()) {
    std::ofstream file(output);
    file << rows.dump(1) << "\n";
    if (!file.flush())
      throw std::runtime_error("cannot write " + output);
  }
} catch (const std::exception &error) {
  std::cerr << "bench-table: " << error.what() << "\n";
  return 1;
}
