//===- Strides.cpp - How loops walk through tensors -----------------------===//
#include "compiler/codegen/Strides.h"

#include <algorithm>
#include <optional>
#include <set>
#include <tuple>

namespace fm::codegen {

namespace {

struct Address {
  int input;
  bool guarded;
  int64_t bytes;
  std::optional<int64_t> offset;
  int64_t unclamped = 0;
};

class StrideAnalysis {
public:
  StrideAnalysis(const KernelSpec &spec, const Group &group, const Nest &nest)
      : spec(spec), group(group), nest(nest), samples(samplesBound(spec)) {}

  /// Loads of the update of `reduction`, or of the nest's body if it is -1.
  std::vector<Access> run(int reduction) {
    const size_t loops = nest.loops.size();
    const size_t reduced =
        reduction >= 0 ? spec.stages[reduction].reduction.size() : 0;
    // Three base points in the interior; the stride that two agree on holds.
    std::vector<std::vector<std::vector<Address>>> seen(3);
    for (int b = 0; b < 3; ++b) {
      std::vector<int64_t> point(loops);
      for (size_t l = 0; l < loops; ++l) {
        const int64_t extent = nest.loops[l].extent.size;
        point[l] = std::max<int64_t>(
            0, std::min<int64_t>(extent - 2, extent * (b + 1) / 4));
      }
      seen[b].push_back(at(point, reduction, b, -1));
      for (size_t l = 0; l < loops; ++l) {
        std::vector<int64_t> next = point;
        if (nest.loops[l].extent.size > 1)
          ++next[l];
        seen[b].push_back(at(next, reduction, b, -1));
      }
      for (size_t r = 0; r < reduced; ++r)
        seen[b].push_back(at(point, reduction, b, r));
    }
    std::vector<Access> accesses;
    for (size_t i = 0; i < seen[0][0].size(); ++i) {
      Access access;
      access.input = seen[0][0][i].input;
      access.guarded = seen[0][0][i].guarded;
      access.nearby = access.input >= 0 && spec.inputs[access.input].nearby;
      access.bytes = seen[0][0][i].bytes;
      for (size_t l = 0; l < loops + reduced; ++l) {
        int64_t d[3];
        for (int b = 0; b < 3; ++b) {
          const bool same = seen[b][l + 1].size() == seen[0][0].size() &&
                            seen[b][0].size() == seen[0][0].size();
          d[b] = same && seen[b][0][i].offset && seen[b][l + 1][i].offset
                     ? *seen[b][l + 1][i].offset - *seen[b][0][i].offset
                     : irregular;
        }
        access.strides.push_back(d[0] == d[1] || d[0] == d[2] ? d[0]
                                 : d[1] == d[2]               ? d[1]
                                                              : irregular);
        int64_t farthest = 0;
        for (int b = 0; b < 3; ++b)
          if (d[b] != irregular)
            farthest = std::max(farthest, seen[b][l + 1][i].unclamped -
                                              seen[b][0][i].unclamped);
        access.overread.push_back(farthest);
      }
      accesses.push_back(access);
    }
    return accesses;
  }

private:
  const KernelSpec &spec;
  const Group &group;
  const Nest &nest;
  const int64_t samples;
  std::vector<Address> *out = nullptr;
  /// What was looked at for this point: values used twice are loaded once.
  std::set<std::tuple<unsigned, unsigned, std::vector<std::optional<int64_t>>>>
      done;

  /// `next`: the reduction loop that is one iteration further, or -1.
  std::vector<Address> at(const std::vector<int64_t> &point, int reduction,
                          int base, int next) {
    std::vector<Address> addresses;
    out = &addresses;
    done.clear();
    std::vector<std::optional<int64_t>> index(nest.domain.size(), 0);
    for (size_t l = 0; l < nest.loops.size() && !nest.domain.empty(); ++l)
      *index[nest.loops[l].logical] += point[l] * nest.loops[l].divisor;
    if (reduction >= 0) {
      const Stage &stage = spec.stages[reduction];
      for (size_t r = 0; r < stage.reduction.size(); ++r) {
        const int64_t extent = stage.reduction[r].size;
        index.push_back(std::max<int64_t>(
                            0, std::min(extent - 2, extent * (base + 1) / 4)) +
                        (static_cast<int>(r) == next && extent > 1));
      }
      for (const Result &result : stage.results)
        visit(*result.update, index);
    } else if (nest.stage >= 0) {
      for (const Result &result : spec.stages[nest.stage].results)
        visit(*result.init, index);
    } else {
      for (unsigned o : nest.outputs) {
        const Output &output = spec.outputs[o];
        stage(output.stage, output.result, index);
      }
    }
    return addresses;
  }

  void stage(unsigned s, unsigned result,
             const std::vector<std::optional<int64_t>> &index) {
    if (!done.emplace(s, result, index).second)
      return;
    if (group.place[s] == Place::Inline) {
      visit(*spec.stages[s].results[result].init, index);
      return;
    }
    if (group.place[s] == Place::Register)
      return;
    Buffer scratch;
    scratch.shape = spec.stages[s].domain;
    scratch.dims = rowMajor(scratch.shape);
    record(scratch, sizeOf(spec.stages[s].results[result].type), index, -1);
  }

  /// Behind a panel's last column lies its next row, or the other way round.
  static bool mayOverread(const Buffer &buffer) {
    return !buffer.external && !liesInPanels(buffer);
  }

  void record(const Buffer &buffer, int64_t bytes,
              const std::vector<std::optional<int64_t>> &index, int input) {
    std::vector<int64_t> point;
    for (const auto &i : index) {
      if (!i) {
        out->push_back({input, !mayOverread(buffer), bytes, std::nullopt});
        return;
      }
      point.push_back(*i);
    }
    int64_t unclamped = 0;
    if (!buffer.external && input >= 0)
      for (const PhysicalDim &dim : buffer.dims)
        if (dim.stride == 1 && !dim.modulus)
          unclamped += point[dim.logical] / dim.divisor;
    out->push_back({input, !mayOverread(buffer), bytes, offsetOf(buffer, point),
                    unclamped});
  }

  void visit(const Expr &e, const std::vector<std::optional<int64_t>> &index) {
    std::vector<int64_t> known;
    for (const auto &i : index)
      known.push_back(i.value_or(0));
    bool complete = std::all_of(index.begin(), index.end(),
                                [](auto &i) { return i.has_value(); });
    forEachLoad(e, [&](const Expr &load) {
      if (out->size() > 256)
        return;
      std::vector<std::optional<int64_t>> position;
      for (const ExprRef &operand : load.operands)
        position.push_back(complete ? evaluate(*operand, known, samples)
                                    : std::nullopt);
      if (load.source.kind == TensorRef::Kind::Stage)
        stage(load.source.index, load.source.result, position);
      else
        record(spec.inputs[load.source.index], sizeOf(load.type), position,
               load.source.index);
    });
  }
};

} // namespace

std::vector<Access> accessesOf(const KernelSpec &spec, const Group &group,
                               const Nest &nest, int reduction) {
  return StrideAnalysis(spec, group, nest).run(reduction);
}

} // namespace fm::codegen
