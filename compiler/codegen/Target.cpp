//===- Target.cpp - The machine that code is generated for ----------------===//
//
// CPU features come from LLVM 19; Halide is told only the ones that it needs
// for choosing instructions, since LLVM 19 compiles its bitcode again.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/Target.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <unistd.h>
#include <vector>

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

namespace fm::codegen {

namespace {

void initializeLlvmTargets() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeAllTargetInfos();
    llvm::InitializeAllTargets();
    llvm::InitializeAllTargetMCs();
    llvm::InitializeAllAsmParsers();
    llvm::InitializeAllAsmPrinters();
  });
}

int64_t cacheSize(int name, int64_t otherwise) {
  long bytes = sysconf(name);
  return bytes > 0 ? bytes : otherwise;
}

std::string nearNames(const llvm::MCSubtargetInfo &info, llvm::StringRef cpu) {
  std::vector<std::pair<unsigned, std::string>> near;
  for (const auto &entry : info.getAllProcessorDescriptions()) {
    unsigned distance = cpu.edit_distance(entry.Key, true, 4);
    if (distance <= 3 || llvm::StringRef(entry.Key).starts_with(cpu))
      near.emplace_back(distance, entry.Key);
  }
  std::sort(near.begin(), near.end());
  std::string list;
  for (size_t i = 0; i < near.size() && i < 4; ++i)
    list += (i ? "', '" : "'") + near[i].second;
  return list.empty() ? list : list + "'";
}

std::string halideX86(const llvm::MCSubtargetInfo &info) {
  auto has = [&](const char *feature) {
    return info.checkFeatures(std::string("+") + feature);
  };
  std::string target = "x86-64-linux";
  auto add = [&](bool present, const char *name) {
    if (present)
      target += std::string("-") + name;
  };
  add(has("sse4.1"), "sse41");
  add(has("avx"), "avx");
  add(has("avx2"), "avx2");
  add(has("fma"), "fma");
  add(has("f16c"), "f16c");
  const bool skylake = has("avx512f") && has("avx512cd") && has("avx512vl") &&
                       has("avx512dq") && has("avx512bw");
  add(skylake, "avx512");
  add(skylake, "avx512_skylake");
  add(skylake && has("avx512ifma") && has("avx512vbmi"), "avx512_cannonlake");
  return target;
}

} // namespace

std::string resolveTarget(const std::string &triple, const std::string &cpu,
                          TargetSpec &target) {
  initializeLlvmTargets();
  const std::string host = llvm::sys::getDefaultTargetTriple();
  target.triple = llvm::Triple::normalize(triple.empty() ? host : triple);
  llvm::Triple parsed(target.triple);
  const bool isHost =
      parsed.getArch() == llvm::Triple(host).getArch() && parsed.isOSLinux();

  std::string error;
  const llvm::Target *llvmTarget =
      llvm::TargetRegistry::lookupTarget(target.triple, error);
  if (!llvmTarget)
    return "unknown target '" + triple + "'";
  if (!parsed.isX86() && !parsed.isAArch64())
    return "no code generator for target '" + triple + "'";

  const bool native = cpu == "native" || (cpu.empty() && isHost);
  if (native && !isHost)
    return "the CPU 'native' needs the target to be this machine";
  target.features.clear();
  if (native) {
    target.cpu = llvm::sys::getHostCPUName().str();
    std::vector<std::string> features;
    for (const auto &feature : llvm::sys::getHostCPUFeatures()) {
      // avx10.1-256 beside avx512 is refused by LLVM's own feature checks; AMX
      // needs the permission of the operating system and is never used.
      llvm::StringRef name = feature.getKey();
      const bool on = feature.getValue() && !name.starts_with("amx") &&
                      !name.starts_with("avx10");
      features.push_back((on ? "+" : "-") + name.str());
    }
    std::sort(features.begin(), features.end());
    for (const std::string &feature : features)
      target.features += (target.features.empty() ? "" : ",") + feature;
  } else if (cpu.empty()) {
    target.cpu = parsed.isX86() ? "x86-64" : "generic";
  } else {
    target.cpu = cpu;
  }

  std::unique_ptr<llvm::MCSubtargetInfo> info(
      llvmTarget->createMCSubtargetInfo(target.triple, "", ""));
  if (!info->isCPUStringValid(target.cpu)) {
    const std::string near = nearNames(*info, cpu);
    return "unknown CPU '" + cpu + "' for target '" + target.triple + "'" +
           (near.empty() ? "" : "; did you mean " + near + "?");
  }
  info.reset(llvmTarget->createMCSubtargetInfo(target.triple, target.cpu,
                                               target.features));

  MachineModel &machine = target.machine;
  machine = MachineModel();
  if (parsed.isX86()) {
    target.halideTarget = halideX86(*info);
    if (info->checkFeatures("+avx512f,+avx512vl")) {
      machine.vectorBits = 512;
      machine.vectorRegisters = 32;
      machine.l2Bytes = 1 << 20;
      machine.l2ManyRowsBytesPerCycle = 32;
      // Measured on Emerald Rapids; on Zen 5 panels gain nothing, and the
      // others were not looked at.
      if (!llvm::StringRef(target.cpu).starts_with("znver")) {
        machine.crowdedLoad = 0.3;
        machine.panelColumns = 16;
        machine.firstPassBytesPerCycle = 12;
        machine.estimatesReciprocals = true;
        machine.chainedInL2 = 8;
        machine.stripsInL2 = 8;
      }
      // Halves of a vector one after the other (AMD's optimisation guide).
      if (target.cpu == "znver4")
        machine.fmaPerCycle = machine.loadsPerCycle = 1;
      if (target.cpu == "znver5")
        machine.l1Bytes = 48 << 10;
    } else if (info->checkFeatures("+avx")) {
      machine.vectorBits = 256;
      machine.panelColumns = 16; // measured on Zen 3
      machine.prefetchesRows = llvm::StringRef(target.cpu).starts_with("znver");
    }
  } else {
    target.halideTarget = "arm-64-linux";
    machine.vectorRegisters = 32;
  }
  if (native) {
    machine.l1Bytes = cacheSize(_SC_LEVEL1_DCACHE_SIZE, machine.l1Bytes);
    machine.l2Bytes = cacheSize(_SC_LEVEL2_CACHE_SIZE, machine.l2Bytes);
    machine.l3Bytes = cacheSize(_SC_LEVEL3_CACHE_SIZE, machine.l3Bytes);
  }
  return "";
}

std::string whyNotHere(const TargetSpec &target) {
  const llvm::Triple wanted(target.triple),
      here(llvm::sys::getDefaultTargetTriple());
  if (wanted.getArch() != here.getArch() || wanted.getOS() != here.getOS())
    return "it is " + here.str() + ", not " + target.triple;
  std::string error;
  const llvm::Target *llvmTarget =
      llvm::TargetRegistry::lookupTarget(target.triple, error);
  std::unique_ptr<llvm::MCSubtargetInfo> info(llvmTarget->createMCSubtargetInfo(
      target.triple, target.cpu, target.features));
  // Those whose instructions generated code may contain.
  auto matters = [&](llvm::StringRef name) {
    const llvm::StringRef begins[] = {"sse",   "ssse",   "avx",   "fma",
                                      "xop",   "tbm",    "f16c",  "bmi",
                                      "lzcnt", "popcnt", "movbe", "gfni"};
    return !wanted.isX86() || llvm::any_of(begins, [&](llvm::StringRef begin) {
      return name.starts_with(begin);
    });
  };
  std::vector<std::string> lacking;
  for (const auto &feature : llvm::sys::getHostCPUFeatures())
    if (!feature.getValue() && matters(feature.getKey()) &&
        info->checkFeatures(("+" + feature.getKey()).str()))
      lacking.push_back(feature.getKey().str());
  std::sort(lacking.begin(), lacking.end());
  std::string list;
  for (size_t i = 0; i < lacking.size() && i < 4; ++i)
    list += (i ? ", " : "") + lacking[i];
  return list.empty()
             ? ""
             : "it lacks " + list + (lacking.size() > 4 ? ", ..." : "");
}

} // namespace fm::codegen
