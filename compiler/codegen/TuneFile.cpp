//===- TuneFile.cpp - Choices that were measured, in a text file ----------===//
#include "compiler/codegen/TuneFile.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "compiler/codegen/Layouts.h"
#include "compiler/codegen/SplitReductions.h"

namespace fm::codegen {

namespace {

std::string hexadecimal(uint64_t key) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%016llx",
                static_cast<unsigned long long>(key));
  return digits;
}

std::string commented(const std::string &comment) {
  std::string text;
  for (size_t at = 0; at < comment.size();) {
    const size_t end = std::min(comment.find('\n', at), comment.size());
    text += "# " + comment.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return text;
}

template <typename Integer>
std::string listed(const std::vector<Integer> &numbers) {
  std::string text;
  for (Integer number : numbers)
    text += (text.empty() ? "" : ",") + std::to_string(number);
  return text;
}

std::string lineOf(const NestChoice &choice) {
  std::string line = "nest tile=" + listed(choice.tile);
  auto add = [&](const char *name, int64_t value) {
    line += std::string(" ") + name + "=" + std::to_string(value);
  };
  if (choice.vectorLoop >= 0) {
    add("vector", choice.vectorLoop);
    add("lanes", choice.lanes);
  }
  if (!std::is_sorted(choice.order.begin(), choice.order.end()))
    line += " order=" + listed(choice.order);
  if (choice.isBlocked()) {
    line += " block=" + listed(choice.block);
    add("outer", choice.reductionOuter);
    add("split", choice.reductionSplit);
  }
  if (choice.unrollReduction != 1)
    add("unroll", choice.unrollReduction);
  if (!choice.unrollTile)
    line += " straight=off";
  if (choice.parallelLoops >= 0)
    add("parallel", choice.parallelLoops);
  return line + "\n";
}

} // namespace

TunedKernel::TunedKernel(uint64_t key, const ScheduleChoice &choice,
                         std::string comment)
    : key(key), comment(std::move(comment)) {
  for (const NestChoice &nest : choice)
    nests.push_back({nest, {}, {}});
}

ScheduleChoice TunedKernel::choice() const {
  ScheduleChoice choice;
  for (const TunedNest &nest : nests)
    choice.push_back(nest.choice);
  return choice;
}

TunedKernel *TunedMachine::find(uint64_t key) {
  for (TunedKernel &kernel : kernels)
    if (kernel.key == key)
      return &kernel;
  return nullptr;
}

void TunedMachine::put(TunedKernel kernel) {
  if (TunedKernel *known = find(kernel.key))
    *known = std::move(kernel);
  else
    kernels.push_back(std::move(kernel));
}

void TunedMachine::put(TunedModel model) {
  for (TunedModel &known : models)
    if (known.key == model.key) {
      known = std::move(model);
      return;
    }
  models.push_back(std::move(model));
}

void TunedMachine::erase(uint64_t kernel) {
  std::erase_if(kernels,
                [&](const TunedKernel &entry) { return entry.key == kernel; });
}

const TunedMachine *TuneFile::find(const TargetSpec &target) const {
  for (const TunedMachine &machine : machines)
    if (machine.cpu == target.cpu &&
        machine.vectorBits == target.machine.vectorBits)
      return &machine;
  return nullptr;
}

TunedMachine *TuneFile::find(const TargetSpec &target) {
  return const_cast<TunedMachine *>(std::as_const(*this).find(target));
}

TunedMachine &TuneFile::findOrAdd(const TargetSpec &target) {
  if (TunedMachine *known = find(target))
    return *known;
  TunedMachine machine;
  machine.cpu = target.cpu;
  machine.vectorBits = target.machine.vectorBits;
  machines.push_back(machine);
  return machines.back();
}

std::string toString(const TuneFile &file) {
  std::string text =
      TuneFile::magic + (" " + std::to_string(TuneFile::version)) + "\n";
  for (const TunedMachine &machine : file.machines) {
    text += "\ncpu " + machine.cpu + " " + std::to_string(machine.vectorBits) +
            "\n";
    for (const TunedModel &model : machine.models) {
      text +=
          "\n" + commented(model.comment) + "model " + hexadecimal(model.key);
      auto add = [&](const char *name, std::optional<bool> value) {
        if (value)
          text += std::string(" ") + name + (*value ? "=on" : "=off");
      };
      add("winograd", model.choice.winograd);
      add("fuse", model.choice.fuse);
      add("layout", model.choice.layout);
      add("chains", model.choice.chains);
      text += "\n";
    }
    for (const TunedKernel &kernel : machine.kernels) {
      text += "\n" + commented(kernel.comment) + "kernel " +
              hexadecimal(kernel.key) + "\n" + toString(kernel.choice());
    }
  }
  return text;
}

std::string toString(const ScheduleChoice &choice) {
  std::string text;
  for (const NestChoice &nest : choice)
    text += lineOf(nest);
  return text;
}

uint64_t hashOf(const std::string &text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char c : text)
    hash = (hash ^ c) * 0x100000001b3;
  return hash;
}

uint64_t kernelKey(const KernelSpec &spec) {
  KernelSpec neutral = spec;
  neutral.name = "kernel";
  // Other layers decide how far apart samples lie, and in which cache.
  auto forget = [](Buffer &buffer) {
    packSamples(buffer);
    buffer.nearby = false;
  };
  for (Buffer &buffer : neutral.inputs)
    forget(buffer);
  for (Output &output : neutral.outputs)
    forget(output.buffer);
  return hashOf(toString(neutral));
}

std::vector<ScheduleChoice> choicesFor(const TunedMachine &machine,
                                       const std::vector<KernelSpec> &kernels,
                                       const MachineModel &model,
                                       std::vector<TuneProblem> &problems) {
  std::vector<ScheduleChoice> choices(kernels.size());
  std::map<uint64_t, const TunedKernel *> entries;
  for (const TunedKernel &entry : machine.kernels)
    entries[entry.key] = &entry;
  if (entries.empty())
    return choices;
  const std::string note = "delete the entry, or run fmc tune again";
  for (size_t i = 0; i < kernels.size(); ++i) {
    const auto found = entries.find(kernelKey(kernels[i]));
    if (found == entries.end())
      continue;
    const TunedKernel &entry = *found->second;
    if (asCopy(kernels[i])) {
      problems.push_back(
          {entry.place, "the kernel is a copy: it has no nests", note});
      continue;
    }
    ScheduleChoice choice = entry.choice();
    const Plan plan =
        planKernel(scheduledForm(kernels[i], model), model, choice);
    const ChoiceProblem &problem = plan.problem;
    if (problem.message.empty()) {
      choices[i] = std::move(choice);
      continue;
    }
    TunePlace place = entry.place;
    if (problem.nest >= 0 &&
        problem.nest < static_cast<int>(entry.nests.size())) {
      const TunedNest &nest = entry.nests[problem.nest];
      const auto field = nest.fields.find(problem.field);
      place = field != nest.fields.end() ? field->second : nest.place;
    }
    problems.push_back({place, problem.message, note});
  }
  return choices;
}

} // namespace fm::codegen
