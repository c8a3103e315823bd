// bench-table: joins the rows of the benchmark programs into one table.
//
//   bench-table ROWS.json... [--json FILE]
//
// Rows of the same measurement, from several rounds, become one: the median.
// The last columns are the speed of fmc relative to each other implementation:
// the median of the ratios of turns that followed each other, and their
// quartiles. Before it stands the same for an implementation's own speed on one
// thread.

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

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 ? values[middle]
                           : (values[middle - 1] + values[middle]) / 2;
}

std::vector<double> valuesOf(const std::vector<Json> &rounds,
                             const char *field) {
  std::vector<double> values;
  for (const Json &row : rounds)
    values.push_back(row.at(field));
  return values;
}

std::vector<double> turnsOf(const std::vector<Json> &rounds) {
  std::vector<double> turns;
  for (const Json &row : rounds)
    for (const Json &turn : row.at("turns_ms"))
      turns.push_back(turn);
  return turns;
}

/// One row for what several rounds measured.
Json medianOf(const std::vector<Json> &rounds) {
  Json row = rounds[0];
  for (const char *field : {"median_ms", "gflops", "peak_share"})
    row[field] = median(valuesOf(rounds, field));
  row["turns_ms"] = turnsOf(rounds);
  return row;
}

/// How much faster `ours` is, sorted: turn by turn where both took all of them,
/// as they do except for the reference.
std::vector<double> ratiosOf(const std::vector<Json> &ours,
                             const std::vector<Json> &other) {
  std::vector<double> a = turnsOf(ours), b = turnsOf(other);
  if (a.size() != b.size())
    return {median(b) / median(a)};
  for (size_t i = 0; i < a.size(); ++i)
    b[i] /= a[i];
  std::sort(b.begin(), b.end());
  return b;
}

/// By implementation, the rows of each round.
using Measured = std::map<std::string, std::vector<Json>>;
struct Measurements {
  std::vector<Key> order;
  std::map<Key, Measured> table;
};

Measurements collect(const Json &rows) {
  Measurements all;
  std::map<int, std::vector<Key>> byThreads; // in the order of the rows
  for (const Json &row : rows) {
    const Key key = keyOf(row);
    if (!all.table.count(key))
      byThreads[std::get<3>(key)].push_back(key);
    all.table[key][row.at("implementation")].push_back(row);
  }
  for (const auto &[threads, keys] : byThreads)
    all.order.insert(all.order.end(), keys.begin(), keys.end());
  return all;
}

Json mediansOf(const Measurements &all) {
  Json rows = Json::array();
  for (const Key &key : all.order)
    for (const char *name : implementations)
      if (auto found = all.table.at(key).find(name);
          found != all.table.at(key).end())
        rows.push_back(medianOf(found->second));
  return rows;
}

/// "1.31x (1.27-1.39)"
std::string spread(const std::vector<double> &sorted) {
  char text[64];
  std::snprintf(text, sizeof text, "%.2fx", median(sorted));
  std::string result = text;
  if (sorted.size() > 1) {
    const size_t quarter = sorted.size() / 4;
    std::snprintf(text, sizeof text, " (%.2f-%.2f)", sorted[quarter],
                  sorted[sorted.size() - 1 - quarter]);
    result += text;
  }
  return result;
}

void print(const Measurements &all) {
  std::printf("%-14s %5s %-7s %3s  %-9s %10s %9s %6s  %-20s%s\n", "workload",
              "batch", "phase", "thr", "by", "median ms", "GFLOP/s", "peak",
              "times 1 thread", "fmc is as fast");
  std::map<std::string, std::pair<double, int>> logarithms;
  for (const Key &key : all.order) {
    const auto &[workload, batch, phase, threads] = key;
    const auto &byName = all.table.at(key);
    const auto ours = byName.find("fmc");
    const auto single = all.table.find({workload, batch, phase, 1});
    for (const char *name : implementations) {
      const auto found = byName.find(name);
      if (found == byName.end())
        continue;
      const Json row = medianOf(found->second);
      const double ms = row.at("median_ms"), gflops = row.at("gflops"),
                   share = row.at("peak_share");
      std::string scaling, comparison;
      if (threads > 1 && single != all.table.end() &&
          single->second.count(name))
        scaling = spread(ratiosOf(found->second, single->second.at(name)));
      if (ours != byName.end() && ours != found) {
        const auto ratios = ratiosOf(ours->second, found->second);
        comparison = spread(ratios);
        auto &[sum, count] = logarithms[name];
        sum += std::log(median(ratios));
        ++count;
      }
      if (!comparison.empty())
        scaling.resize(20, ' ');
      std::printf("%-14s %5d %-7s %3d  %-9s %10.3f %9.1f %5.1f%%",
                  workload.c_str(), batch, phase.c_str(), threads, name, ms,
                  gflops, 100 * share);
      if (!scaling.empty())
        std::printf("  %s%s", scaling.c_str(), comparison.c_str());
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
  const Measurements all = collect(rows);
  print(all);
  if (!output.empty()) {
    std::ofstream file(output);
    file << mediansOf(all).dump(1) << "\n";
    if (!file.flush())
      throw std::runtime_error("cannot write " + output);
  }
} catch (const std::exception &error) {
  std::cerr << "bench-table: " << error.what() << "\n";
  return 1;
}
