//===- object_test.cpp - Targets, objects, descriptions
//--------------------===//
//
// What surrounds the kernels: CPU names, symbols of the object, determinism,
// several jobs, messages for descriptions that are wrong.
//
//===----------------------------------------------------------------------===//
#include <cstring>
#include <elf.h>
#include <set>

#include <gtest/gtest.h>

#include "compiler/codegen/HalideKernel.h"
#include "compiler/codegen/LinkObjects.h"
#include "compiler/codegen/ObjectEmitter.h"
#include "tests/codegen/KernelBuilder.h"
#include "tests/codegen/KernelHarness.h"

using namespace fm::codegen;
using namespace fm::test;

namespace {

const ScalarType f32 = ScalarType::F32;

KernelSpec scale(const std::string &name, int64_t c) {
  KernelBuilder k(name);
  auto x = k.input("x", {batch(4096), fixed(c)});
  k.output("y", k.pointwise("y", {batch(4096), fixed(c)},
                            exp(x({index(0), index(1)}))));
  return k.spec;
}

TEST(Target, KnowsCpus) {
  TargetSpec target;
  EXPECT_EQ(resolveTarget("", "haswell", target), "");
  EXPECT_EQ(target.machine.vectorBits, 256);
  EXPECT_EQ(target.machine.vectorRegisters, 16);
  EXPECT_NE(target.halideTarget.find("avx2"), std::string::npos);
  EXPECT_EQ(resolveTarget("", "x86-64-v3", target), "");
  EXPECT_EQ(target.machine.vectorBits, 256);
  for (const char *cpu : {"znver4", "sapphirerapids"}) {
    EXPECT_EQ(resolveTarget("", cpu, target), "");
    EXPECT_EQ(target.machine.vectorBits, 512);
    EXPECT_EQ(target.machine.vectorRegisters, 32);
    // Halide takes this feature for a permission to use AMX.
    EXPECT_EQ(target.halideTarget.find("sapphirerapids"), std::string::npos);
  }
  EXPECT_EQ(resolveTarget("aarch64-linux-gnu", "cortex-a72", target), "");
  EXPECT_EQ(target.machine.vectorBits, 128);
  EXPECT_EQ(target.machine.vectorRegisters, 32);
}

#if defined(__x86_64__)
TEST(Target, TellsWhatThisMachineCannotRun) {
  TargetSpec target;
  EXPECT_EQ(resolveTarget("", "native", target), "");
  EXPECT_EQ(whyNotHere(target), "");
  EXPECT_EQ(resolveTarget("", "x86-64", target), "");
  EXPECT_EQ(whyNotHere(target), "");
  // XOP and FMA4 have gone with AMD's family 15h, TBM as well.
  EXPECT_EQ(resolveTarget("", "bdver4", target), "");
  EXPECT_EQ(whyNotHere(target), "it lacks fma4, tbm, xop");
  EXPECT_EQ(resolveTarget("aarch64-linux-gnu", "", target), "");
  EXPECT_NE(whyNotHere(target).find("not aarch64-unknown-linux-gnu"),
            std::string::npos);
}
#endif

TEST(Target, NamesNearCpus) {
  TargetSpec target;
  EXPECT_EQ(resolveTarget("x86_64-pc-linux-gnu", "haswel", target),
            "unknown CPU 'haswel' for target 'x86_64-pc-linux-gnu'; did you "
            "mean 'haswell'?");
  EXPECT_EQ(resolveTarget("nonsense", "", target), "unknown target 'nonsense'");
  EXPECT_EQ(resolveTarget("aarch64-linux-gnu", "native", target),
            "the CPU 'native' needs the target to be this machine");
}

TEST(Object, CrossCompiles) {
  TargetSpec target;
  ASSERT_EQ(resolveTarget("aarch64-linux-gnu", "cortex-a72", target), "");
  auto kernels = compileKernels({scale("scale", 24)}, target);
  ObjectEmitter emitter(target);
  ASSERT_EQ(emitter.link(kernels, {"scale"}), "");
  std::string assembly, object;
  EXPECT_EQ(emitter.emit(EmitKind::Assembly, assembly), "");
  EXPECT_NE(assembly.find("fmla"), std::string::npos);
  EXPECT_EQ(emitter.emit(EmitKind::Object, object), "");
  EXPECT_EQ(object.substr(1, 3), "ELF");
  // Without text before it, the object is linked from the kernels' own.
  ObjectEmitter parts(target);
  ASSERT_EQ(parts.link(kernels, {"scale"}), "");
  std::string linked;
  ASSERT_EQ(parts.emit(EmitKind::Object, linked), "");
  EXPECT_EQ(linked.substr(1, 3), "ELF");
  EXPECT_EQ(linked[18], '\xb7'); // EM_AARCH64
}

TEST(Object, IsTheSameForAnyNumberOfJobs) {
  const TargetSpec target = testTarget(false);
  std::vector<KernelSpec> specs;
  for (int i = 0; i < 5; ++i)
    specs.push_back(scale("k" + std::to_string(i), 16 + i));
  std::string objects[3];
  for (int run = 0; run < 3; ++run) {
    if (run == 2) // what was compiled before does not matter
      compileWithHalide(specs[0], target);
    auto kernels = compileKernels(specs, target, run == 0 ? 1 : 3);
    ObjectEmitter emitter(target);
    ASSERT_EQ(
        emitter.link(kernels, {"k0", "k1", "k2", "k3", "k4"}, run == 0 ? 1 : 3),
        "");
    ASSERT_EQ(emitter.emit(EmitKind::Object, objects[run]), "");
  }
  EXPECT_TRUE(objects[0] == objects[1]);
  EXPECT_TRUE(objects[0] == objects[2]);
}

TEST(Object, HidesAndChecksSymbols) {
  const TargetSpec target = testTarget(false);
  auto kernels = compileKernels({scale("scale", 64)}, target);
  ObjectEmitter emitter(target);
  ASSERT_EQ(emitter.setModule(
                "declare i32 @scale(ptr, i64, ptr, ptr)\n"
                "define i32 @run(ptr %c, i64 %n, ptr %x, ptr %y) {\n"
                "  %r = call i32 @scale(ptr %c, i64 %n, ptr %x, ptr %y)\n"
                "  ret i32 %r\n}\n"),
            "");
  ASSERT_EQ(emitter.link(kernels, {"run"}), "");
  std::string ir;
  ASSERT_EQ(emitter.emit(EmitKind::LlvmIr, ir), "");
  EXPECT_EQ(ir.find("halide"), std::string::npos);
  EXPECT_NE(ir.find("@fm_parallel_for"), std::string::npos);
  EXPECT_EQ(ir.find("define i32 @scale"), std::string::npos);

  ObjectEmitter wrong(target);
  ASSERT_EQ(
      wrong.setModule(
          "declare void @unknown()\n"
          "define void @run() {\n  call void @unknown()\n  ret void\n}\n"),
      "");
  EXPECT_EQ(wrong.link({}, {"run"}),
            "internal error: generated code calls 'unknown' in 'run'");
}

/// Names of an ELF object's symbols that others see: defined, undefined.
std::pair<std::set<std::string>, std::set<std::string>>
globalSymbols(const std::string &object) {
  std::set<std::string> defined, undefined;
  auto at = [&]<typename T>(size_t offset, T) {
    T value;
    std::memcpy(&value, object.data() + offset, sizeof value);
    return value;
  };
  const auto file = at(0, Elf64_Ehdr());
  for (size_t s = 0; s < file.e_shnum; ++s) {
    const auto table = at(file.e_shoff + s * sizeof(Elf64_Shdr), Elf64_Shdr());
    if (table.sh_type != SHT_SYMTAB)
      continue;
    const auto names =
        at(file.e_shoff + table.sh_link * sizeof(Elf64_Shdr), Elf64_Shdr());
    for (size_t i = 1; i < table.sh_size / sizeof(Elf64_Sym); ++i) {
      const auto symbol =
          at(table.sh_offset + i * sizeof(Elf64_Sym), Elf64_Sym());
      if (ELF64_ST_BIND(symbol.st_info) != STB_LOCAL)
        (symbol.st_shndx == SHN_UNDEF ? undefined : defined)
            .insert(&object[names.sh_offset + symbol.st_name]);
    }
  }
  return {defined, undefined};
}

TEST(Object, ShowsItsPublicSymbolsOnly) {
  const TargetSpec target = testTarget(false);
  auto kernels = compileKernels({scale("a", 64), scale("b", 48)}, target);
  ObjectEmitter emitter(target);
  ASSERT_EQ(
      emitter.setModule(
          "declare i32 @a(ptr, i64, ptr, ptr)\n"
          "declare i32 @b(ptr, i64, ptr, ptr)\n"
          "define i32 @helper(ptr %c, i64 %n, ptr %x, ptr %y) noinline {\n"
          "  %r = call i32 @a(ptr %c, i64 %n, ptr %x, ptr %y)\n"
          "  ret i32 %r\n}\n"
          "define i32 @run(ptr %c, i64 %n, ptr %x, ptr %y) {\n"
          "  %r = call i32 @helper(ptr %c, i64 %n, ptr %x, ptr %y)\n"
          "  %s = call i32 @b(ptr %c, i64 %n, ptr %x, ptr %y)\n"
          "  ret i32 %s\n}\n"),
      "");
  ASSERT_EQ(emitter.link(kernels, {"run"}), "");
  std::string object;
  ASSERT_EQ(emitter.emit(EmitKind::Object, object), "");
  const auto [defined, undefined] = globalSymbols(object);
  EXPECT_EQ(defined, (std::set<std::string>{"run"}));
  EXPECT_EQ(undefined, (std::set<std::string>{"fm_parallel_for"}));
}

TEST(Object, SaysWhatDoesNotLink) {
  std::string out;
  const std::string error = linkObjects({"no object"}, {}, out);
  EXPECT_EQ(error.find("internal error: objects do not link: "), 0u) << error;
  EXPECT_EQ(out, "");
}

TEST(Spec, IsVerified) {
  KernelBuilder k("k");
  auto x = k.input("x", {fixed(4), fixed(5)});
  k.output("y", k.pointwise("y", {fixed(4)}, x({index(0)})));
  EXPECT_EQ(verify(k.spec),
            "stage 'y': a load of a tensor of rank 2 with 1 indices");
  EXPECT_EQ(
      compileWithHalide(k.spec, testTarget(false)).error,
      "kernel 'k': stage 'y': a load of a tensor of rank 2 with 1 indices");

  KernelSpec bad = scale("not an identifier", 3);
  EXPECT_EQ(verify(bad),
            "the kernel's name 'not an identifier' is not a C identifier");
  bad = scale("k", int64_t(1) << 40);
  EXPECT_EQ(verify(bad),
            "buffer 'x': extent 1099511627776 is outside 1..2^31-1");
  bad = scale("k", 1 << 20);
  EXPECT_EQ(verify(bad), "buffer 'x': more than 2^31-1 elements");
  bad = scale("k", 3);
  bad.outputs[0].buffer.type = ScalarType::F64;
  EXPECT_EQ(verify(bad), "output 'y': the type differs from its stage's");
}

TEST(Spec, IsReadable) {
  EXPECT_EQ(toString(scale("k", 3)),
            "kernel k {\n"
            "  input  x : f32[n<=4096, 3]\n"
            "  y[i0:n<=4096, i1:3] : f32 = exp(x[i0, i1])\n"
            "  output y : f32[n<=4096, 3] = y\n"
            "}\n");
}

TEST(Schedule, ScratchIsLimited) {
  KernelBuilder k("k");
  const int64_t c = 20000; // a row of exponentials is more than 64 KiB
  auto z = k.input("z", {batch(4), fixed(c)});
  auto w = k.input("w", {fixed(c), fixed(8)});
  auto s = k.reduce("s", {batch(4), fixed(c)}, {fixed(8)}, number(f32, 0),
                    acc() + z({index(0), index(1)}) * w({index(1), index(2)}));
  auto m = k.reduce("m", {batch(4)}, {fixed(c)}, number(f32, 0),
                    acc() + s({index(0), index(1)}));
  k.output("y", k.pointwise("y", {batch(4), fixed(c)},
                            s({index(0), index(1)}) - m({index(0)})));
  EXPECT_EQ(compileWithHalide(k.spec, testTarget(false)).error,
            "kernel 'k': stage 's' does not fit into 64 KiB of scratch");
}

} // namespace
