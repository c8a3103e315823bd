//===- HalideKernel.cpp - From KernelSpec to LLVM bitcode via Halide ------===//
//
// Algorithm first, schedule second: every nest of the plan becomes a pure Func
// (its reductions Funcs of their own, accumulated in its register tile), then
// each nest's choice is applied. At the end, the border at which all of
// Halide's complaints become error strings.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/HalideKernel.h"

#include <fcntl.h>
#include <map>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

#include <Halide.h>

#include "compiler/codegen/Descriptors.h"
#include "compiler/codegen/HalideExpr.h"
#include "compiler/codegen/HalideInPlace.h"
#include "compiler/codegen/HalideLibrary.h"
#include "compiler/codegen/HalideNests.h"
#include "compiler/codegen/HalidePrefetch.h"
#include "compiler/codegen/HalideStrict.h"
#include "compiler/codegen/Layouts.h"
#include "compiler/codegen/SplitReductions.h"
#include "compiler/codegen/Strides.h"
#include "compiler/codegen/TuneFile.h"

namespace fm::codegen {

namespace {

using Halide::Func;
using Halide::RDom;
using Halide::Var;
using HExpr = Halide::Expr;

class Builder {
public:
  Builder(const KernelSpec &spec, const Plan &plan, const MachineModel &machine)
      : spec(spec), plan(plan), machine(machine) {
    for (size_t i = 0; i < spec.inputs.size(); ++i)
      inputs.emplace_back(halideStorageType(spec.inputs[i].type),
                          std::max<int>(1, spec.inputs[i].dims.size()),
                          "input" + std::to_string(i));
    built.resize(plan.groups.size());
  }

  Halide::Pipeline build() {
    std::vector<Func> outputs;
    for (size_t g = 0; g < plan.groups.size(); ++g) {
      defineGroup(g);
      outputs.push_back(built[g][0].func);
    }
    scheduleNests(spec, plan, machine, samples, inputs, built);
    describeArguments();
    return Halide::Pipeline(outputs);
  }

  std::vector<Halide::Argument> halideArguments() {
    std::vector<Halide::Argument> list{samples};
    for (Halide::ImageParam &input : inputs)
      list.push_back(input);
    return list;
  }

  /// What the nests prefetch besides.
  std::vector<RowsAhead> ahead() const {
    std::vector<RowsAhead> list;
    for (const std::vector<BuiltNest> &group : built)
      for (const BuiltNest &nest : group)
        list.insert(list.end(), nest.ahead.begin(), nest.ahead.end());
    return list;
  }

  std::vector<KernelArgument> arguments;
  /// As in CompiledKernel.
  std::vector<std::pair<std::string, std::string>> shared;
  /// Funcs whose values of one point must all be computed before any is stored.
  std::vector<std::string> storedTogether;
  /// Inputs that are outputs, and those.
  std::map<std::string, std::string> readAgain;

private:
  const KernelSpec &spec;
  const Plan &plan;
  const MachineModel &machine;
  Halide::Param<int> samples{"n"};
  std::vector<Halide::ImageParam> inputs;
  std::vector<std::vector<BuiltNest>> built;

  /// Index that stays inside a loop whose last tile reaches beyond its end.
  HExpr clamped(const Nest &nest, size_t l, const HExpr &v) {
    if (!nest.overhang(l))
      return v;
    return Halide::min(Halide::likely(v),
                       extentOf(nest.loops[l].extent, samples) - 1);
  }

  /// Logical indices of a nest's point. `guarded`: code that runs for points in
  /// range only.
  Site siteOf(const Nest &nest, const std::vector<Var> &vars, bool guarded) {
    Site site;
    site.index.resize(nest.domain.size());
    site.raw.resize(nest.domain.size());
    for (size_t l = 0; l < vars.size(); ++l)
      site.nestPoint.push_back(vars[l]);
    if (nest.domain.empty())
      return site;
    for (size_t l = 0; l < vars.size(); ++l) {
      const Loop &loop = nest.loops[l];
      auto add = [&](std::vector<HExpr> &index, const HExpr &part) {
        HExpr term =
            loop.divisor == 1 ? part : part * static_cast<int>(loop.divisor);
        HExpr &sum = index[loop.logical];
        sum = sum.defined() ? sum + term : term;
      };
      const HExpr inside = guarded ? HExpr(vars[l]) : clamped(nest, l, vars[l]);
      add(site.index, inside);
      const bool isVector = static_cast<int>(l) == nest.choice.vectorLoop;
      add(site.raw,
          isVector && !inside.same_as(vars[l]) ? HExpr(vars[l]) : inside);
    }
    for (size_t d = 0; d < nest.domain.size(); ++d) {
      if (!site.index[d].defined())
        site.index[d] = site.raw[d] = 0;
      // Blocks may reach beyond the logical extent: padding.
      int64_t reach = 1;
      bool blocked = false;
      for (const Loop &loop : nest.loops)
        if (loop.logical == d) {
          reach += (loop.extent.size - 1) * loop.divisor;
          blocked |= loop.divisor != 1;
        }
      if (blocked && reach > nest.domain[d].size)
        site.index[d] = site.raw[d] = Halide::min(
            site.index[d], static_cast<int>(nest.domain[d].size) - 1);
    }
    bool same = true;
    for (size_t d = 0; d < nest.domain.size(); ++d)
      same &= Halide::Internal::equal(site.index[d], site.raw[d]);
    if (same)
      site.raw = site.index;
    return site;
  }

  void defineGroup(size_t g) {
    const Group &group = plan.groups[g];
    built[g].resize(group.nests.size());
    Translator translator(
        spec, inputs, samples,
        [this, g, &group](unsigned s, unsigned result) {
          return group.place[s] == Place::Inline &&
                 !isStoredEarlier(g, s, result);
        },
        [this, g](unsigned s, unsigned result, const std::vector<HExpr> &index,
                  const Site &site) {
          return readStage(g, s, result, index, site);
        });
    for (size_t k = group.nests.size(); k-- > 0;)
      defineNest(g, k, translator);
  }

  HExpr readStage(size_t g, unsigned s, unsigned result,
                  const std::vector<HExpr> &index, const Site &site) {
    const Group &group = plan.groups[g];
    if (isStoredEarlier(g, s, result))
      return readStored(s, result, index);
    if (group.place[s] == Place::Register) {
      const Nest &nest = group.nests[group.nestOf[s]];
      for (size_t i = 0; i < nest.reductions.size(); ++i)
        if (nest.reductions[i] == s)
          return element(built[g][group.nestOf[s]].accumulators[i], result,
                         site.nestPoint);
    }
    std::vector<HExpr> point = index;
    if (point.empty())
      point.push_back(0);
    return element(built[g][group.nestOf[s]].func, result, point);
  }

  bool isStoredEarlier(size_t g, unsigned s, unsigned result) const {
    const int by = plan.storedBy[s][result];
    return by >= 0 && by != static_cast<int>(g);
  }

  /// A result that an earlier group has written.
  HExpr readStored(unsigned s, unsigned result,
                   const std::vector<HExpr> &index) {
    const size_t from = plan.storedBy[s][result];
    const Nest &nest = plan.groups[from].nests[0];
    std::vector<HExpr> point;
    for (const Loop &loop : nest.loops) {
      PhysicalDim dim;
      dim.divisor = loop.divisor;
      dim.modulus = loop.modulus;
      point.push_back(nest.domain.empty()
                          ? HExpr(0)
                          : Translator::physical(dim, index[loop.logical]));
    }
    for (size_t i = 0; i < nest.outputs.size(); ++i) {
      const Output &output = spec.outputs[nest.outputs[i]];
      if (output.stage == s && output.result == result)
        return element(built[from][0].func, i, point);
    }
    return HExpr();
  }

  static HExpr element(const Func &func, unsigned result,
                       std::vector<HExpr> point) {
    std::reverse(point.begin(), point.end());
    return func.outputs() > 1 ? HExpr(func(point)[result]) : HExpr(func(point));
  }

  static void define(Func &func, const std::vector<Var> &vars,
                     std::vector<HExpr> values) {
    const std::vector<Var> arguments(vars.rbegin(), vars.rend());
    for (HExpr &value : values)
      value = hideFloats(value);
    if (values.size() == 1)
      func(arguments) = values[0];
    else
      func(arguments) = Halide::Tuple(values);
  }

  void defineNest(size_t g, size_t k, Translator &translator) {
    const Nest &nest = plan.groups[g].nests[k];
    BuiltNest &b = built[g][k];
    const std::string id = "g" + std::to_string(g) + "k" + std::to_string(k);
    for (size_t l = 0; l < nest.loops.size(); ++l)
      b.vars.emplace_back(id + "v" + std::to_string(l));

    std::vector<unsigned> reductions = nest.reductions;
    std::vector<size_t> byStage(reductions.size());
    b.accumulators.resize(reductions.size());
    b.domains.resize(reductions.size());
    for (size_t i = 0; i < reductions.size(); ++i)
      byStage[i] = i;
    std::sort(byStage.begin(), byStage.end(), [&](size_t x, size_t y) {
      return reductions[x] < reductions[y];
    });
    for (size_t i : byStage)
      defineReduction(nest, b, i, id, translator);

    b.func = Func(
        id + (nest.stage >= 0 ? "_" + spec.stages[nest.stage].name : "_out"));
    std::vector<HExpr> values;
    const bool isOutput = nest.stage < 0;
    Site site = siteOf(nest, b.vars, isOutput);
    if (!isOutput) {
      site.stage = nest.stage;
      const Stage &stage = spec.stages[nest.stage];
      for (size_t r = 0; r < stage.results.size(); ++r)
        values.push_back(stage.reduces()
                             ? element(b.accumulators[0], r, site.nestPoint)
                             : translator.stored(stage.results[r].init, site));
    }
    for (unsigned o : nest.outputs) {
      const Output &output = spec.outputs[o];
      site.stage = output.stage;
      HExpr value = translator.read(output.stage, output.result, site.index,
                                    site.raw, site);
      values.push_back(
          Halide::cast(halideStorageType(output.buffer.type), value));
    }
    define(b.func, b.vars, values);
  }

  void defineReduction(const Nest &nest, BuiltNest &b, size_t i,
                       const std::string &id, Translator &translator) {
    const unsigned s = nest.reductions[i];
    const Stage &stage = spec.stages[s];
    Func &acc = b.accumulators[i] = Func(id + "_acc_" + stage.name);
    Site site = siteOf(nest, b.vars, false);
    site.stage = s;
    std::vector<HExpr> values;
    for (const Result &result : stage.results)
      values.push_back(translator.stored(result.init, site));
    define(acc, b.vars, values);

    Halide::Region bounds;
    for (size_t r = stage.reduction.size(); r-- > 0;)
      bounds.emplace_back(0, extentOf(stage.reduction[r], samples));
    b.domains[i] = RDom(bounds, id + "r" + std::to_string(i));
    for (size_t r = 0; r < stage.reduction.size(); ++r) {
      site.index.push_back(HExpr(b.reductionVar(i, r)));
      site.raw.push_back(site.index.back());
    }
    for (size_t r = 0; r < stage.results.size(); ++r)
      site.accumulators.push_back(element(acc, r, site.nestPoint));
    values.clear();
    for (const Result &result : stage.results)
      values.push_back(translator.stored(result.update, site));
    define(acc, b.vars, values);
    if (values.size() > 1)
      storedTogether.push_back(acc.name());
  }

  void describeArguments() {
    size_t own = inputs.size(); // pointers: the kernel's inputs, its outputs
    while (own > 0 && spec.inputs[own - 1].aliasOf >= 0)
      --own;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Buffer &buffer = spec.inputs[i];
      const bool isAlias = buffer.aliasOf >= 0;
      KernelArgument argument{
          static_cast<unsigned>(isAlias ? own + buffer.aliasOf : i),
          buffer.type,
          buffer.offset,
          {}};
      for (size_t d = buffer.dims.size(); d-- > 0;) {
        const PhysicalDim &dim = buffer.dims[d];
        KernelDim known{dim.extent.size, dim.stride, dim.extent.isSamples};
        // All samples are there, whatever n is.
        if (!buffer.external && dim.stride == 1) {
          known.slack = maxOverreadBytes / sizeOf(buffer.type);
          known.isSamples = false;
        }
        argument.dims.push_back(known);
      }
      if (argument.dims.empty())
        argument.dims.push_back({1, 1, false});
      for (size_t d = 0; d < argument.dims.size(); ++d)
        inputs[i].dim(d).set_min(0).set_stride(
            static_cast<int>(argument.dims[d].stride));
      arguments.push_back(argument);
    }
    for (size_t g = 0; g < plan.groups.size(); ++g) {
      const Nest &nest = plan.groups[g].nests[0];
      std::vector<Halide::OutputImageParam> buffers =
          built[g][0].func.output_buffers();
      bool inPlace = false;
      for (size_t i = 0; i < nest.outputs.size(); ++i) {
        const Output &output = spec.outputs[nest.outputs[i]];
        inPlace |= output.inPlace >= 0;
        for (size_t in = 0; in < inputs.size(); ++in)
          if (spec.inputs[in].aliasOf == static_cast<int>(nest.outputs[i]))
            readAgain[inputs[in].name()] = buffers[i].name();
          else if (output.inPlace == static_cast<int>(in))
            shared.emplace_back(inputs[in].name(), buffers[i].name());
        KernelArgument argument{static_cast<unsigned>(own + nest.outputs[i]),
                                output.buffer.type,
                                output.buffer.offset,
                                {}};
        for (size_t l = nest.loops.size(); l-- > 0;) {
          const Loop &loop = nest.loops[l];
          KernelDim known{loop.extent.size, 1, loop.extent.isSamples};
          for (const PhysicalDim &dim : output.buffer.dims)
            if (dim.logical == loop.logical && dim.divisor == loop.divisor &&
                dim.modulus == loop.modulus)
              known.stride = dim.stride;
          argument.dims.push_back(known);
        }
        for (size_t d = 0; d < argument.dims.size(); ++d) {
          buffers[i].dim(d).set_stride(
              static_cast<int>(argument.dims[d].stride));
          if (i == 0) // the others follow
            buffers[i].dim(d).set_min(0);
        }
        arguments.push_back(argument);
      }
      if (inPlace && nest.outputs.size() > 1)
        storedTogether.push_back(built[g][0].func.name());
    }
  }
};

/// Collects warnings; an error becomes an exception, as without a reporter.
class Reporter : public Halide::CompileTimeErrorReporter {
public:
  std::string warnings;
  void warning(const char *message) override { warnings += message; }
  void error(const char *message) override {
    throw Halide::CompileError(message);
  }
};

void compile(const KernelSpec &spec, const Plan &plan, const TargetSpec &target,
             CompiledKernel &kernel) {
  Builder builder(spec, plan, target.machine);
  Halide::Pipeline pipeline = builder.build();
  kernel.arguments = builder.arguments;
  kernel.shared = builder.shared;
  if (!builder.storedTogether.empty())
    pipeline.add_custom_lowering_pass(
        new LoadsBeforeStores(builder.storedTogether));
  if (!builder.readAgain.empty())
    pipeline.add_custom_lowering_pass(new ReadsOfOutputs(builder.readAgain));
  pipeline.add_custom_lowering_pass(new PrefetchesOfLines);
  if (const std::vector<RowsAhead> ahead = builder.ahead(); !ahead.empty())
    pipeline.add_custom_lowering_pass(new PrefetchesOfRows(ahead));
  pipeline.add_custom_lowering_pass(new RestoreFloats);
  std::string name = target.halideTarget +
                     "-no_runtime-no_bounds_query-user_context-"
                     "disable_llvm_loop_opt";
  if (!target.asserts)
    name += "-no_asserts";
  const Halide::Target halideTarget(name);
  const int fd = memfd_create("kernel", 0);
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  try {
    Halide::Module module = pipeline.compile_to_module(
        builder.halideArguments(), kernel.function, halideTarget);
    module.compile({{Halide::OutputFileType::bitcode, path}});
  } catch (...) {
    close(fd);
    throw;
  }
  lseek(fd, 0, SEEK_SET);
  kernel.bitcode = readAll(fd);
  close(fd);
}

} // namespace

std::string describeSchedule(const KernelSpec &given, const TargetSpec &target,
                             const ScheduleChoice &choice) {
  if (asCopy(given))
    return "copy of blocks\n";
  const KernelSpec spec = scheduledForm(given, target.machine);
  char key[24];
  std::snprintf(key, sizeof key, "%016llx",
                static_cast<unsigned long long>(kernelKey(given)));
  return toString(spec, planKernel(spec, target.machine, choice)) + "key " +
         key + "\n";
}

CompiledKernel compileInThisProcess(const KernelSpec &given,
                                    const TargetSpec &target,
                                    const ScheduleChoice &choice) {
  CompiledKernel kernel;
  kernel.name = given.name;
  kernel.function = given.name + "_body";
  kernel.pointers = given.inputs.size() + given.outputs.size();
  kernel.error = verify(given);
  if (!kernel.error.empty()) {
    kernel.error = "kernel '" + given.name + "': " + kernel.error;
    return kernel;
  }
  const KernelSpec spec = scheduledForm(given, target.machine);
  const Plan plan = planKernel(spec, target.machine, choice);
  kernel.error = plan.error;
  if (!kernel.error.empty())
    return kernel;
  kernel.schedule = toString(spec, plan);

  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  restartHalideNames();
  Reporter reporter;
  Halide::set_custom_compile_time_error_reporter(&reporter);
  std::string failure;
  try {
    compile(spec, plan, target, kernel);
    failure = reporter.warnings;
  } catch (const Halide::Error &error) {
    failure = error.what();
  } catch (const std::exception &error) {
    failure = error.what();
  }
  Halide::set_custom_compile_time_error_reporter(nullptr);
  if (!failure.empty())
    kernel.error = "kernel '" + spec.name + "': " + failure;
  return kernel;
}

} // namespace fm::codegen
