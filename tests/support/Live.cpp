//===- Live.cpp - Compiled models in tests
//---------------------------------===//

#include "tests/support/Live.h"

#include "tests/support/Golden.h"

#include <cmath>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

namespace fm::test {

using codegen::EntryArgument;
using codegen::PersistentTensor;
using codegen::ScalarType;
using codegen::TensorKind;

std::string Variant::name() const {
  std::string text = backend + (fuse ? "" : "_unfused");
  text += std::string(layout ? "" : "_unlaid") + (exact ? "_exact" : "");
  text += std::string(winograd ? "" : "_plain") + (chains ? "" : "_unchained") +
          (derive ? "" : "_underived") + (asserts ? "_asserts" : "");
  text += cpu.empty() ? "" : "_" + cpu;
  return text + (widen ? "_f64" : "_f32");
}

Variant inEnvironment(Variant variant) {
  const char *text = std::getenv("FMC_TEST_OPTION");
  if (!text)
    return variant;
  const std::string option = text;
  if (option == "no-fuse")
    variant.fuse = false;
  else if (option == "no-layout")
    variant.layout = false;
  else if (option == "no-winograd")
    variant.winograd = false;
  else if (option == "no-chains")
    variant.chains = false;
  else if (option == "no-derive")
    variant.derive = false;
  else if (option == "exact")
    variant.exact = true;
  else
    throw std::runtime_error("FMC_TEST_OPTION is '" + option +
                             "', which is no option that tests know");
  return variant;
}

static driver::CompilerOptions optionsOf(const Variant &asked) {
  const Variant variant = inEnvironment(asked);
  driver::CompilerOptions options;
  options.backend = variant.backend;
  options.fuse = variant.fuse;
  options.widen = variant.widen;
  options.defines = variant.defines;
  options.layout = variant.layout;
  options.exact = variant.exact;
  options.winograd = variant.winograd;
  options.chains = variant.chains;
  options.derive = variant.derive;
  options.asserts = variant.asserts;
  options.tuneFile = variant.tuneFile;
  options.cpu = variant.cpu;
  return options;
}
static Code checked(std::unique_ptr<driver::LiveModel> model,
                    const Diagnostics &diagnostics) {
  if (!model)
    throw std::runtime_error(diagnostics.render(false));
  return model;
}

Code compile(const std::string &text, const Variant &variant) {
  Diagnostics diagnostics;
  return checked(
      driver::LiveModel::makeFromText(text, optionsOf(variant), diagnostics),
      diagnostics);
}
Code compileFile(const std::string &path, const Variant &variant) {
  Diagnostics diagnostics;
  driver::CompilerOptions options = optionsOf(variant);
  options.input = path;
  return checked(driver::LiveModel::make(options, diagnostics), diagnostics);
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

template <typename Function>
static void withType(ScalarType type, Function &&function) {
  switch (type) {
  case ScalarType::F32:
    return function(float());
  case ScalarType::F64:
    return function(double());
  case ScalarType::I32:
    return function(int32_t());
  case ScalarType::I64:
    return function(int64_t());
  case ScalarType::I8:
  case ScalarType::I1:
    return function(int8_t());
  }
}

Numbers toNumbers(ScalarType type, const void *data, size_t count) {
  Numbers numbers(count);
  withType(type, [&](auto zero) {
    using T = decltype(zero);
    for (size_t i = 0; i < count; ++i)
      numbers[i] = static_cast<double>(static_cast<const T *>(data)[i]);
  });
  return numbers;
}
void fromNumbers(ScalarType type, const Numbers &numbers, void *data) {
  withType(type, [&](auto zero) {
    using T = decltype(zero);
    for (size_t i = 0; i < numbers.size(); ++i)
      static_cast<T *>(data)[i] = static_cast<T>(numbers[i]);
  });
}

Numbers someNumbers(size_t count, uint64_t seed) {
  Stream stream(seed);
  stream.next();
  Numbers numbers(count);
  for (double &number : numbers)
    number = 2 * stream.next() - 1;
  return numbers;
}
Numbers someIndices(size_t count, int bound, uint64_t seed) {
  Stream stream(seed);
  stream.next();
  Numbers numbers(count);
  for (double &number : numbers)
    number = stream.below(bound);
  return numbers;
}

std::string difference(const Numbers &actual, const Numbers &expected,
                       double tolerance) {
  std::ostringstream text;
  if (actual.size() != expected.size()) {
    text << actual.size() << " numbers, expected " << expected.size();
    return text.str();
  }
  double scale = 1;
  for (double number : expected)
    if (std::isfinite(number))
      scale = std::max(scale, std::fabs(number));
  int shown = 0;
  text.precision(17);
  for (size_t i = 0; i < actual.size(); ++i) {
    // Equal covers infinities; the comparison is false for a NaN.
    if (actual[i] == expected[i] ||
        std::fabs(actual[i] - expected[i]) <= tolerance * scale)
      continue;
    if (++shown <= 4)
      text << "[" << i << "] is " << actual[i] << ", expected " << expected[i]
           << "; ";
  }
  if (shown > 4)
    text << "and " << shown - 4 << " more of " << actual.size();
  return text.str();
}

//===----------------------------------------------------------------------===//
// Networks
//===----------------------------------------------------------------------===//

Network::Network(Code shared, uint64_t seed, Guard guard)
    : code(std::move(shared)), guard(guard) {
  const fm_model *table = code->instance()->model;
  memory = GuardedMemory(static_cast<size_t>(table->memory_bytes), guard);
  gradients = GuardedMemory(static_cast<size_t>(table->parameter_bytes), guard);
  if (fm_bind(&self, table, memory.data(), memory.size()) != FM_OK ||
      fm_init(&self, seed) != FM_OK)
    throw std::runtime_error(message());
}

void Network::set(const std::string &name, Numbers numbers) {
  values[name] = std::move(numbers);
}

static size_t countOf(const EntryArgument &argument, int64_t n) {
  int64_t count = 1;
  for (const codegen::Extent &extent : argument.shape)
    count *= extent.isSamples ? n : extent.size;
  return static_cast<size_t>(count);
}

fm_status Network::callRaw(const std::string &entry, int64_t n,
                           const std::vector<void *> &arguments) {
  int number = code->entry(entry);
  if (number < 0)
    throw std::runtime_error("the model has no entry " + entry);
  return code->callOn(&self, number, n, arguments);
}

fm_status Network::tryCall(const std::string &name, int64_t n) {
  int number = code->entry(name);
  if (number < 0)
    throw std::runtime_error("the model has no entry " + name);
  std::vector<GuardedMemory> inputs;
  std::vector<void *> pointers;
  results.clear();
  for (const EntryArgument &argument : program().entries[number].arguments) {
    if (argument.role == EntryArgument::Role::Gradients) {
      if (argument.isOutput)
        std::memset(gradients.data(), 0xFF, gradients.size());
      pointers.push_back(gradients.data());
      continue;
    }
    size_t count = countOf(argument, n < 1 ? 1 : n);
    GuardedMemory buffer(count * size_t(codegen::sizeOf(argument.type)), guard);
    pointers.push_back(buffer.data());
    if (argument.isOutput) {
      results[argument.name] = {argument.type, std::move(buffer)};
      continue;
    }
    auto value = values.find(argument.name);
    if (value == values.end())
      throw std::runtime_error("no value for " + argument.name);
    if (value->second.size() < count)
      throw std::runtime_error("too few numbers for " + argument.name);
    fromNumbers(argument.type,
                Numbers(value->second.begin(), value->second.begin() + count),
                buffer.data());
    inputs.push_back(std::move(buffer));
  }
  return code->callOn(&self, number, n, pointers);
}

void Network::call(const std::string &entry, int64_t n) {
  if (tryCall(entry, n) != FM_OK)
    throw std::runtime_error(entry + ": " + message());
}

Numbers Network::get(const std::string &name) const {
  auto found = results.find(name);
  if (found == results.end())
    throw std::runtime_error("the last call had no result " + name);
  const auto &[type, buffer] = found->second;
  return toNumbers(type, buffer.data(),
                   buffer.size() / size_t(codegen::sizeOf(type)));
}

const PersistentTensor &Network::find(const std::string &name) const {
  for (const PersistentTensor &tensor : program().tensors)
    if (tensor.name == name)
      return tensor;
  throw std::runtime_error("the model has no tensor " + name);
}
static size_t countOf(const PersistentTensor &tensor) {
  int64_t count = 1;
  for (int64_t extent : tensor.shape)
    count *= extent;
  return static_cast<size_t>(count);
}

/// The four copies between tensors and numbers differ in the function only.
template <typename Function>
static Numbers readTensor(const PersistentTensor &tensor, fm_instance &self,
                          Function &&copy) {
  size_t count = countOf(tensor);
  std::vector<unsigned char> bytes(count *
                                   size_t(codegen::sizeOf(tensor.type)));
  if (copy(bytes.data(), bytes.size()) != FM_OK)
    throw std::runtime_error(fm_message(&self));
  return toNumbers(tensor.type, bytes.data(), count);
}
template <typename Function>
static void writeTensor(const PersistentTensor &tensor, fm_instance &self,
                        const Numbers &numbers, Function &&copy) {
  std::vector<unsigned char> bytes(numbers.size() *
                                   size_t(codegen::sizeOf(tensor.type)));
  fromNumbers(tensor.type, numbers, bytes.data());
  if (copy(bytes.data(), bytes.size()) != FM_OK)
    throw std::runtime_error(fm_message(&self));
}

Numbers Network::tensor(const std::string &name) {
  return readTensor(find(name), self, [&](void *data, size_t size) {
    return fm_get_tensor(&self, name.c_str(), data, size);
  });
}
void Network::setTensor(const std::string &name, const Numbers &numbers) {
  writeTensor(find(name), self, numbers, [&](void *data, size_t size) {
    return fm_set_tensor(&self, name.c_str(), data, size);
  });
}
Numbers Network::gradient(const std::string &name) {
  return readTensor(find(name), self, [&](void *data, size_t size) {
    return fm_get_gradient(&self, gradients.data(), name.c_str(), data, size);
  });
}
void Network::setGradient(const std::string &name, const Numbers &numbers) {
  writeTensor(find(name), self, numbers, [&](void *data, size_t size) {
    return fm_set_gradient(&self, gradients.data(), name.c_str(), data, size);
  });
}

std::string Network::state() const {
  return {memory.as<char>(), size_t(self.model->persistent_bytes)};
}
std::string Network::weights() const {
  std::string bytes;
  for (const PersistentTensor &tensor : program().tensors)
    if (tensor.kind != TensorKind::State)
      bytes.append(memory.as<char>() + tensor.offset, size_t(tensor.bytes));
  return bytes;
}

} // namespace fm::test
