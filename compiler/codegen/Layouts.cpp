//===- Layouts.cpp - Inputs that a kernel wants in another order ----------===//
//
// Tries, for each strided operand of a contraction, each of its dimensions as
// the innermost one, and compares the plans' estimated times.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/Layouts.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <system_error>
#include <thread>

#include "compiler/codegen/IndexAnalysis.h"
#include "compiler/codegen/Schedule.h"
#include "compiler/codegen/SplitReductions.h"
#include "compiler/ir/RowPitch.h"

namespace fm::codegen {

namespace {

/// Cycles of a call's copy: each element has a load, a store and its share of
/// the shuffles, more where both ends lie outside of the caches.
double copyCycles(const KernelSpec &spec, const Buffer &buffer,
                  const MachineModel &machine) {
  double elements = 1;
  for (const Extent &extent : buffer.shape)
    elements *= extent.isSamples && spec.samplesAtOnce > 0 ? spec.samplesAtOnce
                                                           : extent.size;
  const double bytes = elements * sizeOf(buffer.type);
  return elements * (2 * bytes < machine.l2Bytes ? 0.6 : 2.0) + 200;
}

/// `dims` with number `d` innermost.
std::vector<PhysicalDim> withInnermost(std::vector<PhysicalDim> dims, size_t d,
                                       int64_t bytes) {
  std::rotate(dims.begin() + d, dims.begin() + d + 1, dims.end());
  int64_t stride = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    dims[i].stride = stride;
    stride *= i + 1 == dims.size() ? rowPitch(dims[i].extent.size, bytes)
                                   : dims[i].extent.size;
  }
  return dims;
}

/// Estimated cycles, and those that a perfect tile would take.
struct Estimate {
  double cycles = 0, ideal = 0;
};
Estimate estimate(const KernelSpec &spec, const MachineModel &machine) {
  const Plan plan = planKernel(scheduledForm(spec, machine), machine);
  Estimate result;
  for (const Group &group : plan.groups)
    for (const Nest &nest : group.nests) {
      result.cycles += nest.cycles;
      result.ideal += nest.idealCycles;
    }
  return result;
}

KernelSpec with(KernelSpec spec, unsigned input,
                const std::vector<PhysicalDim> &dims) {
  Buffer &buffer = spec.inputs[input];
  buffer.dims = dims;
  buffer.offset = 0;
  buffer.external = false;
  return spec;
}

} // namespace

std::vector<bool> readByReductions(const KernelSpec &spec) {
  std::vector<bool> read(spec.inputs.size(), false);
  std::function<void(const Expr &)> visit = [&](const Expr &e) {
    forEachLoad(e, [&](const Expr &load) {
      if (load.source.kind == TensorRef::Kind::Input) {
        read[load.source.index] = true;
        return;
      }
      const Stage &from = spec.stages[load.source.index];
      const Expr &value = *from.results[load.source.result].init;
      if (!from.reduces() && value.op == Op::Load)
        visit(value);
    });
  };
  for (const Stage &stage : spec.stages)
    for (const Result &result : stage.results)
      if (result.update)
        visit(*result.update);
  for (const Output &output : spec.outputs)
    if (output.inPlace >= 0)
      read[output.inPlace] = false;
  return read;
}

std::vector<LayoutWish> wishedLayouts(const KernelSpec &spec,
                                      const MachineModel &machine) {
  std::vector<LayoutWish> wishes;
  std::vector<bool> candidate = readByReductions(spec);
  if (std::none_of(candidate.begin(), candidate.end(),
                   [](bool b) { return b; }))
    return wishes;

  // The best single change first, then perhaps another one.
  KernelSpec current = spec;
  Estimate best = estimate(current, machine);
  while (best.cycles > 1.4 * best.ideal) {
    double bestCycles = best.cycles * 0.9;
    std::optional<LayoutWish> wish;
    for (size_t i = 0; i < candidate.size(); ++i) {
      Buffer buffer = spec.inputs[i];
      // The transposed matrix lies in panels as well, where its columns, or
      // rows, fill them.
      std::vector<PhysicalDim> panels;
      if (liesInPanels(buffer)) {
        const PhysicalDim &inside = buffer.dims.back();
        const int64_t width = inside.extent.size;
        if (buffer.shape[1 - inside.logical].size % width == 0)
          panels = inPanels(buffer.shape, inside.logical == 1 ? -width : width,
                            sizeOf(buffer.type));
        buffer.dims = rowMajor(buffer.shape);
      }
      if (!candidate[i] || buffer.dims.size() < 2 || !isPlain(buffer) ||
          buffer.dims.back().stride != 1 || sizeOf(buffer.type) < 4)
        continue;
      for (size_t d = 0; d + 1 < buffer.dims.size(); ++d) {
        // A vector must not run over the samples: their number is not known.
        if (buffer.dims[d].extent.isSamples ||
            buffer.dims.back().extent.isSamples ||
            buffer.dims[d].extent.size < 4)
          continue;
        const std::vector<PhysicalDim> dims =
            !panels.empty()
                ? panels
                : withInnermost(buffer.dims, d, sizeOf(buffer.type));
        const double cycles = estimate(with(current, i, dims), machine).cycles +
                              copyCycles(spec, buffer, machine);
        if (cycles < bestCycles) {
          bestCycles = cycles;
          wish = LayoutWish{static_cast<unsigned>(i), dims};
        }
      }
    }
    if (!wish)
      break;
    candidate[wish->input] = false;
    current = with(current, wish->input, wish->dims);
    best = estimate(current, machine);
    wishes.push_back(*wish);
  }
  return wishes;
}

std::vector<std::vector<LayoutWish>>
wishedLayouts(const std::vector<const KernelSpec *> &specs,
              const MachineModel &machine, unsigned jobs) {
  if (jobs == 0)
    jobs = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::vector<LayoutWish>> wishes(specs.size());
  std::atomic<size_t> next = 0;
  auto work = [&] {
    for (size_t i; (i = next++) < specs.size();)
      wishes[i] = wishedLayouts(*specs[i], machine);
  };
  std::vector<std::thread> others;
  try {
    while (others.size() + 1 < std::min<size_t>(jobs, specs.size()))
      others.emplace_back(work);
  } catch (const std::system_error &) {
    // No more threads to be had: those that are there do it.
  }
  work();
  for (std::thread &other : others)
    other.join();
  return wishes;
}

KernelSpec copyKernel(const Buffer &from,
                      const std::vector<PhysicalDim> &dims) {
  KernelSpec spec;
  spec.name = "copy";
  spec.inputs.push_back(from);
  spec.inputs[0].name = "in0";
  spec.inputs[0].nearby = false; // equal copies are one, wherever they lie
  auto load = std::make_shared<Expr>();
  load->op = Op::Load;
  load->type = from.type;
  for (size_t d = 0; d < from.shape.size(); ++d) {
    auto index = std::make_shared<Expr>();
    index->op = Op::Index;
    index->type = ScalarType::I64;
    index->number = d;
    load->operands.push_back(index);
  }
  Stage stage;
  stage.name = "s0";
  stage.domain = from.shape;
  stage.results.push_back({from.type, load, nullptr});
  spec.stages.push_back(stage);
  Output output;
  output.buffer = from;
  output.buffer.name = "out0";
  output.buffer.dims = dims;
  output.buffer.offset = 0;
  output.buffer.external = false;
  output.buffer.nearby = false;
  spec.outputs.push_back(output);
  return spec;
}

KernelSpec borderKernel(const Buffer &padded, std::span<const int64_t> before,
                        std::span<const int64_t> after, double value) {
  KernelSpec spec;
  spec.name = "border";
  auto fill = std::make_shared<Expr>();
  fill->type = padded.type;
  fill->floatValue = value;
  fill->intValue = static_cast<int64_t>(value);
  // Sides across dimension d span the earlier dimensions without their border
  // and the later ones with it, so that none is written twice.
  Buffer middle = padded;
  for (size_t d = 0; d < padded.dims.size(); ++d) {
    PhysicalDim &dim = middle.dims[d];
    const int64_t whole = dim.extent.size;
    for (const auto &[begin, size] :
         {std::pair(int64_t(0), before[d]), {whole - after[d], after[d]}}) {
      if (size == 0)
        continue;
      Output side;
      side.stage = spec.stages.size();
      side.buffer = middle;
      side.buffer.name = "out" + std::to_string(spec.outputs.size());
      side.buffer.offset += begin * dim.stride;
      side.buffer.shape[d].size = side.buffer.dims[d].extent.size = size;
      Stage stage;
      stage.name = "s" + std::to_string(spec.stages.size());
      stage.domain = side.buffer.shape;
      stage.results.push_back({padded.type, fill, nullptr});
      spec.stages.push_back(stage);
      spec.outputs.push_back(side);
    }
    middle.offset += before[d] * dim.stride;
    middle.shape[d].size = dim.extent.size = whole - before[d] - after[d];
  }
  return spec;
}

int64_t bytesOf(const Buffer &buffer) {
  int64_t last = buffer.offset;
  for (const PhysicalDim &dim : buffer.dims)
    last += (dim.extent.size - 1) * dim.stride;
  return ((last + 1) * sizeOf(buffer.type) + maxOverreadBytes + 63) / 64 * 64;
}

namespace {

/// How a logical dimension lies in a buffer, from its large parts to its small
/// ones: all of it, or panels and what is inside of them. Empty for others.
std::vector<PhysicalDim> partsOf(const Buffer &buffer, unsigned logical) {
  std::vector<PhysicalDim> parts;
  for (const PhysicalDim &dim : buffer.dims)
    if (dim.logical == logical)
      parts.push_back(dim);
  const bool whole =
      parts.size() == 1 && parts[0].divisor == 1 && !parts[0].modulus;
  const bool panels =
      parts.size() == 2 && !parts[0].modulus && parts[1].divisor == 1 &&
      parts[0].divisor == parts[1].modulus &&
      parts[0].extent.size * parts[1].extent.size == buffer.shape[logical].size;
  return whole || panels ? parts : std::vector<PhysicalDim>();
}

/// Loops over what lies at constant strides in both; none if that is not so.
std::vector<CopyLoops::Dim> commonLoops(const Buffer &from, const Buffer &to) {
  std::vector<CopyLoops::Dim> loops;
  for (const PhysicalDim &dim : to.dims) {
    const std::vector<PhysicalDim> a = partsOf(from, dim.logical),
                                   b = partsOf(to, dim.logical);
    if (a.empty() || b.empty() ||
        (a.size() == 2 && b.size() == 2 && a[0].divisor != b[0].divisor))
      return {};
    if (b.size() == 2) {
      const bool outer = dim.divisor > 1;
      loops.push_back(
          {dim.extent,
           a.size() == 2 ? a[outer ? 0 : 1].stride : a[0].stride * dim.divisor,
           dim.stride});
    } else if (a.size() == 2) {
      for (const PhysicalDim &part : a)
        loops.push_back({part.extent, part.stride, dim.stride * part.divisor});
    } else {
      loops.push_back({dim.extent, a[0].stride, dim.stride});
    }
  }
  return loops;
}

} // namespace

std::optional<CopyLoops> asCopy(const KernelSpec &spec) {
  if (spec.inputs.size() != 1 || spec.outputs.size() != 1 ||
      spec.stages.size() != 1 || spec.stages[0].results.size() != 1 ||
      spec.stages[0].reduces() || spec.outputs[0].inPlace >= 0)
    return std::nullopt;
  const Stage &stage = spec.stages[0];
  const Expr &load = *stage.results[0].init;
  const Buffer &from = spec.inputs[0], &to = spec.outputs[0].buffer;
  if (load.op != Op::Load || load.type != to.type ||
      !isIdentity(load, stage, from.shape))
    return std::nullopt;
  const std::vector<CopyLoops::Dim> dims = commonLoops(from, to);
  if (dims.empty())
    return std::nullopt;
  CopyLoops loops;
  loops.elementBytes = sizeOf(to.type);
  loops.fromOffset = from.offset;
  loops.toOffset = to.offset;
  bool hasRead = false, hasWritten = false;
  for (const CopyLoops::Dim &d : dims) {
    const bool read = d.from == 1 && d.extent.size > 1,
               written = d.to == 1 && d.extent.size > 1;
    if ((read && written) || ((read || written) && d.extent.isSamples))
      return std::nullopt;
    (read      ? loops.read
     : written ? loops.written
               : loops.outer.emplace_back()) = d;
    hasRead |= read;
    hasWritten |= written;
  }
  if (!hasRead || !hasWritten || loops.elementBytes < 4)
    return std::nullopt;
  return loops;
}

} // namespace fm::codegen
