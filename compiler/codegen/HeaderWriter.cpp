//===- HeaderWriter.cpp - The generated C header ----------------------------------===//

#include "compiler/codegen/HeaderWriter.h"

#include <cctype>
#include <map>
#include <set>
#include <sstream>

namespace fm::codegen {

namespace {

const char *cType(ScalarType type) {
  switch (type) {
  case ScalarType::F32: return "float";
  case ScalarType::F64: return "double";
  case ScalarType::I32: return "int32_t";
  case ScalarType::I64: return "int64_t";
  case ScalarType::I8: return "int8_t";
  case ScalarType::I1: return "uint8_t";
  }
  return "";
}

const char *scalarName(ScalarType type) {
  switch (type) {
  case ScalarType::F32: return "f32";
  case ScalarType::F64: return "f64";
  case ScalarType::I32: return "i32";
  case ScalarType::I64: return "i64";
  case ScalarType::I8: return "i8";
  case ScalarType::I1: return "bool";
  }
  return "";
}

class Writer {
public:
  explicit Writer(const Program &program) : p(program), name(program.name) {
    for (char c : name)
      macro += char(std::toupper(static_cast<unsigned char>(c)));
    // Names of the prototypes' own arguments give way to the model's.
    std::set<std::string> used;
    for (const Entry &entry : p.entries)
      for (const EntryArgument &argument : entry.arguments)
        if (argument.role != EntryArgument::Role::Loss && argument.role != EntryArgument::Role::Gradients)
          used.insert(argument.name);
    self = fresh("m", used);
    samples = fresh("n", used);
    for (const Entry &entry : p.entries)
      for (const EntryArgument &argument : entry.arguments)
        if (argument.role == EntryArgument::Role::Loss || argument.role == EntryArgument::Role::Gradients)
          own[argument.name] = fresh(argument.name, used);
  }

  std::string run() {
    top();
    sizes();
    out << "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n";
    out << "/* One network with its own weights. Storage is the caller's; the fields are not. */\n"
        << "typedef struct " << name << " {\n  fm_instance instance;\n} " << name << ";\n\n";
    common();
    for (const Entry &entry : p.entries)
      prototype(entry);
    out << "#ifdef __cplusplus\n} /* extern \"C\" */\n#endif\n\n";
    wrapper();
    out << "#endif /* " << guard() << " */\n";
    return out.str();
  }

private:
  static std::string fresh(std::string wanted, const std::set<std::string> &used) {
    while (used.count(wanted))
      wanted += "_";
    return wanted;
  }
  std::string guard() const { return "FM_MODEL_" + macro + "_H"; }

  void top() {
    out << "/* " << name << ": made by fmc";
    if (!p.source.empty())
      out << " from " << p.source.substr(p.source.find_last_of('/') + 1);
    out << ". Do not edit.\n *\n"
        << " * Functions return FM_OK (0), or another fm_status; " << name << "_message then says more.\n"
        << " * Tensors are row-major. `" << samples << "` is the number of samples present, 1 <= " << samples
        << " <= " << macro << "_BATCH;\n * arrays with a sample dimension hold that many rows.\n */\n"
        << "#ifndef " << guard() << "\n#define " << guard() << "\n\n"
        << "#include <fm/runtime.h>\n\n"
        << "#if FM_ABI_VERSION != 2\n#error \"" << name << " was compiled for another version of the fmc runtime\"\n#endif\n\n";
  }

  void define(const std::string &constant, int64_t value, const std::string &comment) {
    out << "#define " << macro << "_" << constant << " " << value << " /* " << comment << " */\n";
  }
  void sizes() {
    int64_t count = 0;
    for (const PersistentTensor &tensor : p.tensors) {
      if (tensor.kind != TensorKind::Parameter)
        continue;
      int64_t elements = 1;
      for (int64_t size : tensor.shape)
        elements *= size;
      count += elements;
    }
    define("BATCH", p.batch, "the largest number of samples in a call");
    define("PARAMETER_COUNT", count, "numbers that are learned or frozen");
    define("PERSISTENT_BYTES", p.persistentBytes, "parameters, optimizer, state");
    define("DERIVED_BYTES", p.derivedBytes, "weights in other forms, made again when they have changed");
    define("ARENA_BYTES", p.arenaBytes, "scratch of one call");
    define("MEMORY_BYTES", p.memoryBytes(), "what bind needs: all three");
    define("MEMORY_ALIGNMENT", 64, "and how it must be aligned");
    if (hasEntry("gradients"))
      define("GRADIENT_BYTES", p.parameterBytes, "a grads buffer, aligned likewise");
    out << "\n";
  }

  bool hasEntry(const std::string &wanted) const {
    for (const Entry &entry : p.entries)
      if (entry.name == wanted)
        return true;
    return false;
  }

  void common() {
    auto declare = [&](const std::string &comment, const std::string &result, const std::string &function,
                       const std::string &arguments) {
      if (!comment.empty())
        out << "/* " << comment << " */\n";
      out << result << (result.back() == '*' ? "" : " ") << name << "_" << function << "(" << name << " *" << self
          << (arguments.empty() ? "" : ", ") << arguments << ");\n";
    };
    declare("Uses the caller's memory: " + macro + "_MEMORY_BYTES bytes, aligned to 64.", "fm_status", "bind",
            "void *memory, size_t bytes");
    declare("Weights from their initializers; the same seed gives the same weights.", "fm_status", "init",
            "uint64_t seed");
    declare("Writes all weights and state as safetensors, replacing the file in one step.", "fm_status", "save",
            "const char *path");
    declare("Reads what save wrote; a wrong file is refused and changes nothing.", "fm_status", "load",
            "const char *path");
    declare("What the last failure was.", "const char *", "message", "");
    declare("Runs kernels on the host's threads; null: on the calling thread.", "fm_status", "set_parallel_for",
            "fm_parallel_for_function run, void *host");
    declare("Copies a tensor out, by name, row-major.", "fm_status", "get_tensor",
            "const char *tensor, void *data, size_t bytes");
    declare("Copies a tensor in.", "fm_status", "set_tensor", "const char *tensor, const void *data, size_t bytes");
    if (p.learningRate >= 0) {
      declare("Learning rate and number of updates so far are state.", "fm_status", "set_learning_rate",
              "double learning_rate");
      declare("", "double", "get_learning_rate", "");
      declare("", "fm_status", "set_step", "int64_t step");
      declare("", "int64_t", "get_step", "");
    }
    if (p.seed >= 0)
      declare("Seed of dropout.", "fm_status", "set_seed", "uint64_t seed");
    out << "\n";
  }

  std::string shapeText(const EntryArgument &argument) const {
    std::string text = std::string(scalarName(argument.type)) + "[";
    for (size_t i = 0; i < argument.shape.size(); ++i)
      text += (i ? ", " : "") + (argument.shape[i].isSamples ? samples : std::to_string(argument.shape[i].size));
    return text + "]";
  }
  std::string argumentName(const EntryArgument &argument) const {
    auto found = own.find(argument.name);
    bool isOwn = argument.role == EntryArgument::Role::Loss || argument.role == EntryArgument::Role::Gradients;
    return isOwn && found != own.end() ? found->second : argument.name;
  }
  std::string argumentText(const EntryArgument &argument) const {
    std::string type = argument.role == EntryArgument::Role::Gradients ? "void" : cType(argument.type);
    return (argument.isOutput ? "" : "const ") + type + " *" + argumentName(argument);
  }

  static const char *describe(const std::string &entry) {
    if (entry == "forward") return "Inference.";
    if (entry == "evaluate") return "Loss and metrics in inference mode.";
    if (entry == "gradients") return "Loss and gradients, without an update.";
    if (entry == "train_step") return "Forward, backward and update.";
    return "One update from gradients.";
  }

  void prototype(const Entry &entry) {
    out << "/* " << describe(entry.name);
    for (const EntryArgument &argument : entry.arguments)
      if (argument.role != EntryArgument::Role::Gradients)
        out << "\n * " << argumentName(argument) << ": " << shapeText(argument);
      else
        out << "\n * " << argumentName(argument) << ": " << macro << "_GRADIENT_BYTES bytes, aligned to 64";
    out << " */\n"
        << "fm_status " << name << "_" << entry.name << "(" << name << " *" << self;
    if (entry.takesSamples)
      out << ", int64_t " << samples;
    for (const EntryArgument &argument : entry.arguments)
      out << ", " << argumentText(argument);
    out << ");\n\n";
  }

  void wrapper() {
    out << "#ifdef __cplusplus\n#include <cstdlib>\n#include <new>\n#include <stdexcept>\n#include <string>\n\n"
        << "namespace fm {\n\n"
        << "/* Owns a network and its memory. Failures throw std::runtime_error. */\n"
        << "class " << name << " {\npublic:\n"
        << "  explicit " << name << "(uint64_t seed = 0)\n      : memory_(std::aligned_alloc(alignment_, (" << macro
        << "_MEMORY_BYTES + alignment_ - 1) / alignment_ * alignment_)) {\n"
        << "    if (!memory_) throw std::bad_alloc();\n"
        << "    fm_prefer_large_pages(memory_, " << macro << "_MEMORY_BYTES);\n"
        << "    fm_status status = ::" << name << "_bind(&self_, memory_, " << macro << "_MEMORY_BYTES);\n"
        << "    if (status == FM_OK) status = ::" << name << "_init(&self_, seed);\n"
        << "    if (status != FM_OK) {\n"
        << "      std::string text = ::" << name << "_message(&self_);\n      std::free(memory_);\n"
        << "      throw std::runtime_error(text);\n    }\n  }\n"
        << "  ~" << name << "() { std::free(memory_); }\n"
        << "  " << name << "(const " << name << " &) = delete;\n"
        << "  " << name << " &operator=(const " << name << " &) = delete;\n\n"
        << "  ::" << name << " *raw() { return &self_; }\n"
        << "  void init(uint64_t seed) { check(::" << name << "_init(&self_, seed)); }\n"
        << "  void save(const std::string &path) { check(::" << name << "_save(&self_, path.c_str())); }\n"
        << "  void load(const std::string &path) { check(::" << name << "_load(&self_, path.c_str())); }\n"
        << "  void set_parallel_for(fm_parallel_for_function run, void *host) {\n    check(::" << name
        << "_set_parallel_for(&self_, run, host));\n  }\n"
        << "  void get_tensor(const std::string &tensor, void *data, size_t bytes) {\n    check(::" << name
        << "_get_tensor(&self_, tensor.c_str(), data, bytes));\n  }\n"
        << "  void set_tensor(const std::string &tensor, const void *data, size_t bytes) {\n    check(::" << name
        << "_set_tensor(&self_, tensor.c_str(), data, bytes));\n  }\n";
    if (p.learningRate >= 0)
      out << "  void set_learning_rate(double rate) { check(::" << name << "_set_learning_rate(&self_, rate)); }\n"
          << "  double get_learning_rate() { return ::" << name << "_get_learning_rate(&self_); }\n"
          << "  void set_step(int64_t step) { check(::" << name << "_set_step(&self_, step)); }\n"
          << "  int64_t get_step() { return ::" << name << "_get_step(&self_); }\n";
    if (p.seed >= 0)
      out << "  void set_seed(uint64_t seed) { check(::" << name << "_set_seed(&self_, seed)); }\n";
    for (const Entry &entry : p.entries) {
      out << "  void " << entry.name << "(";
      std::string separator;
      if (entry.takesSamples) {
        out << "int64_t " << samples;
        separator = ", ";
      }
      for (const EntryArgument &argument : entry.arguments) {
        out << separator << argumentText(argument);
        separator = ", ";
      }
      // An argument may be called like a member.
      out << ") {\n    this->check(::" << name << "_" << entry.name << "(&this->self_";
      if (entry.takesSamples)
        out << ", " << samples;
      for (const EntryArgument &argument : entry.arguments)
        out << ", " << argumentName(argument);
      out << "));\n  }\n";
    }
    out << "\nprivate:\n"
        << "  static constexpr std::size_t alignment_ = FM_PREFERRED_ALIGNMENT(" << macro << "_MEMORY_BYTES);\n"
        << "  void check(fm_status status) {\n    if (status != FM_OK) throw std::runtime_error(::" << name
        << "_message(&self_));\n  }\n"
        << "  ::" << name << " self_ = {};\n  void *memory_;\n};\n\n} // namespace fm\n#endif /* __cplusplus */\n\n";
  }

  const Program &p;
  std::string name, macro, self, samples;
  std::map<std::string, std::string> own;
  std::ostringstream out;
};

} // namespace

std::string writeHeader(const Program &program) { return Writer(program).run(); }

} // namespace fm::codegen
