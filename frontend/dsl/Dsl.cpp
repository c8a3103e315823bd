//===- Dsl.cpp - Calls of the DSL as calls on the recorder
//------------------===//

#include "frontend/dsl/Recording.h"

namespace fm {
namespace dsl {

using detail::Recording;

namespace detail {

bool Recording::isOpen(const Where &at) {
  if (ended)
    diagnostics.error(locate(at), "the model has ended: nothing can be "
                                  "recorded after check, save or compile");
  return !ended;
}

bool Recording::end() {
  if (!ended)
    recorder->endModel(where);
  ended = true;
  return !diagnostics.hasErrors();
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

fm::Tensor Recording::take(const Tensor &tensor, const std::string &what,
                           const Where &at) {
  if (tensor.recording.get() == this)
    return {tensor.id};
  diagnostics.error(
      locate(at),
      what + (tensor.recording
                  ? " is a tensor of another model"
                  : " is a tensor of no model: it was never given a value"));
  return {};
}

std::optional<fm::Value> Recording::convert(const Value &value,
                                            const std::string &what,
                                            const Where &at) {
  auto integers = [](const std::vector<Int> &values) {
    List list;
    for (Int value : values)
      list.push_back({takeInt(value)});
    return fm::Value{list};
  };
  struct Visitor {
    Recording &self;
    const std::string &what;
    const Where &at;
    decltype(integers) &list;
    std::optional<fm::Value> operator()(std::monostate) { return std::nullopt; }
    std::optional<fm::Value> operator()(const Tensor &tensor) {
      return fm::Value{self.take(tensor, what, at)};
    }
    std::optional<fm::Value> operator()(const Operand &operand) {
      return std::visit([&](const auto &value) { return (*this)(value); },
                        operand.value);
    }
    std::optional<fm::Value> operator()(const std::vector<Tensor> &tensors) {
      List values;
      for (const Tensor &tensor : tensors)
        values.push_back({self.take(tensor, what, at)});
      return fm::Value{values};
    }
    std::optional<fm::Value> operator()(Int value) {
      return fm::Value{takeInt(value)};
    }
    std::optional<fm::Value> operator()(double value) {
      return fm::Value{value};
    }
    std::optional<fm::Value> operator()(bool value) { return fm::Value{value}; }
    std::optional<fm::Value> operator()(const std::string &value) {
      return fm::Value{value};
    }
    std::optional<fm::Value> operator()(Word word) {
      return fm::Value{Symbol{word.text}};
    }
    std::optional<fm::Value> operator()(const std::vector<Int> &values) {
      return list(values);
    }
    std::optional<fm::Value> operator()(const Init &init) {
      auto call = std::make_shared<CallValue>();
      call->name = init.name;
      for (const Init::Argument &argument : init.arguments)
        if (argument.name)
          call->arguments.push_back(
              {argument.name, {argument.value}, locate(at)});
      return fm::Value{call};
    }
  };
  return std::visit(Visitor{*this, what, at, integers}, value);
}

std::vector<fm::Argument>
Recording::convert(const std::vector<Argument> &arguments,
                   const std::string &op, const Where &at) {
  std::vector<fm::Argument> result;
  for (const Argument &argument : arguments) {
    // A layer without a name is numbered.
    auto *text = std::get_if<std::string>(&argument.value);
    if (text && text->empty() && std::string_view(argument.name) == "name")
      continue;
    if (auto value =
            convert(argument.value, op + ": '" + argument.name + "'", at))
      result.push_back({argument.name, *value, locate(at)});
  }
  return result;
}

Tensor Recording::wrap(const std::shared_ptr<Recording> &recording,
                       fm::Tensor tensor, const std::string &op) {
  Tensor result;
  result.recording = recording;
  result.id = tensor.id;
  if (tensor.id >= 0) {
    recording->ops.resize(tensor.id + 1);
    recording->ops[tensor.id] = op;
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

/// The model of the first tensor that has one.
static std::shared_ptr<Recording> modelOf(const Value &value, auto &&tensorOf) {
  if (auto *tensor = std::get_if<Tensor>(&value))
    return Recording::of(*tensor);
  if (auto *operand = std::get_if<Operand>(&value)) {
    auto *tensor = tensorOf(*operand);
    return tensor ? Recording::of(*tensor) : nullptr;
  }
  if (auto *tensors = std::get_if<std::vector<Tensor>>(&value))
    for (const Tensor &tensor : *tensors)
      if (Recording::of(tensor))
        return Recording::of(tensor);
  return nullptr;
}

Tensor call(const char *op, const std::vector<Argument> &arguments,
            Where where) {
  return Recording::call(op, arguments, where);
}

Tensor Recording::call(const std::string &op,
                       const std::vector<Argument> &arguments,
                       const Where &where) {
  std::shared_ptr<Recording> recording;
  for (const Argument &argument : arguments) {
    recording = modelOf(argument.value, [](const Operand &operand) {
      return std::get_if<Tensor>(&operand.value);
    });
    if (recording)
      break;
  }
  // Without a model there is nobody to tell; who uses the result is told.
  if (!recording || !recording->isOpen(where))
    return wrap(recording, {}, op);
  std::vector<fm::Argument> converted =
      recording->convert(arguments, op, where);
  return wrap(recording,
              recording->recorder->call(op, converted, locate(where)), op);
}

Tensor Recording::operation(const char *op, const char *first, const Operand &a,
                            const char *second, const Operand *b) {
  std::vector<Argument> arguments = {{first, a}};
  if (b)
    arguments.push_back({second, *b});
  return call(op, arguments, a.where);
}

Tensor Recording::apply(const Tensor &x, const Stage &stage) {
  std::vector<Argument> arguments = {{stage.first, x}};
  arguments.insert(arguments.end(), stage.others.begin(), stage.others.end());
  return call(stage.op, arguments, stage.where);
}

TensorType Recording::typeOf(const Tensor &tensor) {
  return tensor.id < 0 ? TensorType()
                       : tensor.recording->recorder->typeOf({tensor.id});
}

Scope Recording::enter(const std::shared_ptr<Recording> &recording,
                       const std::string &base, const std::string &name,
                       const Where &where) {
  if (recording)
    recording->recorder->pushScope(base, name, locate(where));
  return Scope(recording);
}

} // namespace detail

Tensor operator+(const Operand &a, const Operand &b) {
  return Recording::operation("add", "a", a, "b", &b);
}
Tensor operator-(const Operand &a, const Operand &b) {
  return Recording::operation("sub", "a", a, "b", &b);
}
Tensor operator*(const Operand &a, const Operand &b) {
  return Recording::operation("mul", "a", a, "b", &b);
}
Tensor operator/(const Operand &a, const Operand &b) {
  return Recording::operation("div", "a", a, "b", &b);
}
Tensor operator-(const Operand &x) {
  return Recording::operation("neg", "x", x, nullptr, nullptr);
}
Tensor operator|(const Tensor &x, const Stage &stage) {
  return Recording::apply(x, stage);
}

//===----------------------------------------------------------------------===//
// Tensors and scopes
//===----------------------------------------------------------------------===//

bool Tensor::isValid() const { return recording && id >= 0; }

std::vector<Int> Tensor::shape() const {
  std::vector<Int> result;
  for (fm::Int size : Recording::typeOf(*this).shape)
    result.push_back(Recording::makeInt(size));
  return result;
}

DType Tensor::dtype() const { return DType(Recording::typeOf(*this).dtype); }

Int Tensor::dim(int axis, Where where) const {
  if (!isValid())
    return 1;
  std::vector<Int> sizes = shape();
  int rank = int(sizes.size());
  if (axis >= -rank && axis < rank)
    return sizes[axis < 0 ? axis + rank : axis];
  recording->diagnostics.error(Recording::locate(where),
                               "there is no axis " + std::to_string(axis) +
                                   ": the tensor has " + std::to_string(rank) +
                                   (rank == 1 ? " axis" : " axes"));
  return 1;
}

Scope Tensor::scope(const std::string &base, const std::string &name,
                    Where where) const {
  return Recording::enter(recording, base, name, where);
}

Scope::~Scope() {
  if (recording)
    recording->recorder->popScope();
}

//===----------------------------------------------------------------------===//
// Models
//===----------------------------------------------------------------------===//

Model::Model(const std::string &name, ModelOptions options, Where where)
    : recording(std::make_shared<Recording>(Recording::locate(where))) {
  recording->batch = options.batch;
  recording->recorder->beginModel(name, options.batch, recording->where);
}

Int Model::batch() const {
  return Recording::makeInt({recording->batch, true});
}

static TensorType makeType(DType dtype, const Ints &shape) {
  TensorType type;
  type.dtype = fm::DType(dtype);
  for (Int size : shape.list())
    type.shape.push_back(Recording::takeInt(size));
  return type;
}

Tensor Model::input(const std::string &name, DType dtype, const Ints &shape,
                    InputOptions options, Where where) {
  if (!recording->isOpen(where))
    return Recording::wrap(recording, {}, name);
  return Recording::wrap(recording,
                         recording->recorder->input(
                             name, makeType(dtype, shape),
                             options.with_gradient, Recording::locate(where)),
                         name);
}

Tensor Model::target(const std::string &name, DType dtype, const Ints &shape,
                     Where where) {
  if (!recording->isOpen(where))
    return Recording::wrap(recording, {}, name);
  return Recording::wrap(recording,
                         recording->recorder->target(name,
                                                     makeType(dtype, shape),
                                                     Recording::locate(where)),
                         name);
}

void Model::output(const std::string &name, const Tensor &value, Where where) {
  if (recording->isOpen(where))
    recording->recorder->output(
        name, recording->take(value, "output '" + name + "'", where),
        Recording::locate(where));
}

void Model::loss(const Tensor &value, Where where) {
  loss("loss", value, where);
}

void Model::loss(const std::string &name, const Tensor &value, Where where) {
  if (recording->isOpen(where))
    recording->recorder->loss(
        name, recording->take(value, "loss '" + name + "'", where),
        Recording::locate(where));
}

void Model::metric(const Tensor &value, Where where) {
  bool isOwn = value.isValid() && Recording::of(value) == recording;
  metric(isOwn ? recording->ops[Recording::idOf(value)] : "metric", value,
         where);
}

void Model::metric(const std::string &name, const Tensor &value, Where where) {
  if (recording->isOpen(where))
    recording->recorder->metric(
        name, recording->take(value, "metric '" + name + "'", where),
        Recording::locate(where));
}

void Model::train(const Optimizer &optimizer, Where where) {
  if (recording->isOpen(where))
    recording->recorder->train(
        optimizer.name,
        recording->convert(optimizer.arguments, optimizer.name, where),
        Recording::locate(where));
}

void Model::train_only(const std::vector<std::string> &patterns, Where where) {
  if (recording->isOpen(where))
    for (const std::string &pattern : patterns)
      recording->recorder->trainOnly(pattern, Recording::locate(where));
}

Scope Model::scope(const std::string &base, const std::string &name,
                   Where where) {
  return Recording::enter(recording, base, name, where);
}

bool Model::ok() const { return !recording->diagnostics.hasErrors(); }
std::string Model::errors() const {
  return recording->diagnostics.render(false);
}

Result Model::check() {
  recording->end();
  return recording->result();
}

} // namespace dsl
} // namespace fm
