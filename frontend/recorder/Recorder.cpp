//===- Recorder.cpp - Models, inputs, results, training
//---------------------===//

#include "frontend/recorder/Recorder.h"
#include "frontend/recorder/Arguments.h"
#include "frontend/recorder/RecorderImpl.h"
#include "frontend/recorder/ReservedNames.h"

#include "compiler/ir/Support.h"

#include <limits>
#include <utility>

using namespace mlir;

namespace fm {

const char *toString(DType type) {
  switch (type) {
  case DType::F32:
    return "f32";
  case DType::F64:
    return "f64";
  case DType::I32:
    return "i32";
  case DType::I64:
    return "i64";
  case DType::Bool:
    return "bool";
  }
  llvm_unreachable("dtype");
}

std::string toString(const TensorType &type) {
  std::string text = std::string(toString(type.dtype)) + "[";
  for (size_t i = 0; i < type.shape.size(); ++i)
    text += (i ? ", " : "") + (type.shape[i].samples
                                   ? std::string("batch")
                                   : std::to_string(type.shape[i].value));
  return text + "]";
}

Recorder::Impl::Impl(Diagnostics &diagnostics)
    : diagnostics(diagnostics), ownContext(std::make_unique<MLIRContext>(
                                    MLIRContext::Threading::DISABLED)),
      builder(ownContext.get()) {
  ownContext->loadDialect<ir::FmDialect>();
  // Users see their own line, not our IR.
  ownContext->printOpOnDiagnostic(false);
  scopes.push_back({});
}

mlir::Location Recorder::Impl::locate(const Location &loc) {
  return FileLineColLoc::get(ownContext.get(),
                             loc.file.empty() ? "-" : loc.file, loc.line,
                             loc.column);
}

static Location locationOf(Operation *op) {
  auto place = cast<FileLineColLoc>(op->getLoc());
  return {place.getFilename().str(), place.getLine(), place.getColumn(), 1};
}

Tensor Recorder::Impl::add(mlir::Value value) {
  tensors.push_back(value);
  return {int(tensors.size()) - 1};
}

Type Recorder::Impl::elementType(DType type) {
  switch (type) {
  case DType::F32:
    return widen ? Type(builder.getF64Type()) : Type(builder.getF32Type());
  case DType::F64:
    return builder.getF64Type();
  case DType::I32:
    return builder.getI32Type();
  case DType::I64:
    return builder.getI64Type();
  case DType::Bool:
    return builder.getI1Type();
  }
  llvm_unreachable("dtype");
}

RankedTensorType Recorder::Impl::tensorType(const TensorType &type) {
  SmallVector<int64_t> shape;
  for (const Int &dim : type.shape)
    shape.push_back(dim.samples ? ShapedType::kDynamic : dim.value);
  return RankedTensorType::get(shape, elementType(type.dtype));
}

bool Recorder::Impl::checkIdentifier(const std::string &what,
                                     const std::string &name,
                                     const Location &loc) {
  bool identifier = !name.empty() && (llvm::isAlpha(name[0]) || name[0] == '_');
  for (char c : name)
    identifier &= llvm::isAlnum(c) || c == '_';
  if (!identifier || name == "_") {
    diagnostics.error(loc, what + " name '" + name + "' is not an identifier");
    return false;
  }
  StringRef meaning =
      what == "model" ? reservedForModels(name) : reservedForArguments(name);
  if (!meaning.empty()) {
    diagnostics.error(loc, what + " name '" + name + "' is " + meaning.str());
    diagnostics.note(loc, "names appear in the generated header");
    return false;
  }
  return true;
}

bool Recorder::Impl::checkName(const std::string &what, const std::string &name,
                               const Location &loc) {
  if (!checkIdentifier(what, name, loc))
    return false;
  auto [it, isNew] = names.try_emplace(name, loc);
  if (!isNew) {
    diagnostics.error(loc, what + " '" + name + "' has a name that is taken");
    diagnostics.note(it->second, "the first '" + name + "' is here");
  }
  return isNew;
}

bool Recorder::Impl::checkPath(const std::string &what, const std::string &name,
                               const Location &loc) {
  SmallVector<StringRef> parts;
  StringRef(name).split(parts, '.');
  for (StringRef part : parts) {
    if (!part.empty() &&
        llvm::all_of(part, [](char c) { return llvm::isAlnum(c) || c == '_'; }))
      continue;
    diagnostics.error(loc, what + ": '" + name + "' cannot be a name");
    diagnostics.note(loc, "a name is made of letters, digits and '_', in parts "
                          "with '.' between them");
    return false;
  }
  return true;
}

/// What is wrong with an extent, or "".
static std::string checkExtent(int64_t size) {
  constexpr int64_t largest = std::numeric_limits<int32_t>::max();
  if (size < 1)
    return "a dimension is at least 1, not " + std::to_string(size);
  if (size > largest)
    return "a dimension is at most " + std::to_string(largest) + ", not " +
           std::to_string(size);
  return "";
}

bool Recorder::Impl::checkTensor(const std::string &what, RankedTensorType type,
                                 const Location &loc) {
  std::string wrong;
  for (int64_t size : type.getShape())
    if (wrong.empty() && !ShapedType::isDynamic(size))
      wrong = checkExtent(size);
  if (wrong.empty())
    wrong = ir::checkTensor(type, model.getBatch());
  if (!wrong.empty())
    diagnostics.error(loc, what + ": " + wrong);
  return wrong.empty();
}

bool Recorder::Impl::checkType(const std::string &what, const std::string &name,
                               const TensorType &type, const Location &loc) {
  std::string subject = what + " '" + name + "'", wrong;
  for (const Int &extent : type.shape)
    if (wrong.empty())
      wrong = checkExtent(extent.value);
  if (wrong.empty())
    return checkTensor(subject, tensorType(type), loc);
  diagnostics.error(loc, subject + ": " + wrong);
  return false;
}

Recorder::Recorder(Diagnostics &diagnostics)
    : state(std::make_unique<Impl>(diagnostics)) {}
Recorder::~Recorder() = default;
Diagnostics &Recorder::diagnostics() { return state->diagnostics; }

void Recorder::beginModel(const std::string &name, int64_t batch,
                          const Location &loc) {
  Impl &s = *state;
  int64_t largest = std::max<int64_t>(batch, 1);
  if (s.maxBatch > 0)
    largest = std::min(largest, s.maxBatch);
  // The largest number of samples: no input can have its name.
  s.names.try_emplace("batch", loc);
  s.moduleOp = ModuleOp::create(s.locate(loc));
  s.builder.setInsertionPointToStart(s.moduleOp->getBody());
  s.model = s.builder.create<ir::ModelOp>(s.locate(loc), name, largest);
  s.builder.setInsertionPointToStart(&s.model.getBody().emplaceBlock());
  s.checkIdentifier("model", name, loc);
  constexpr int64_t maxBatch = std::numeric_limits<int32_t>::max();
  if (batch > maxBatch)
    s.diagnostics.error(loc, "batch must be at most " +
                                 std::to_string(maxBatch) + ", is " +
                                 std::to_string(batch));
  if (batch < 1)
    s.diagnostics.error(loc, "batch must be at least 1, is " +
                                 std::to_string(batch));
}

Tensor Recorder::input(const std::string &name, const TensorType &type,
                       bool withGradient, const Location &loc) {
  Impl &s = *state;
  if (!s.checkName("input", name, loc) ||
      !s.checkType("input", name, type, loc))
    return {};
  if (withGradient && type.dtype != DType::F32 && type.dtype != DType::F64) {
    s.diagnostics.error(loc,
                        "input '" + name +
                            "': a gradient needs f32 or f64, the input is " +
                            toString(type));
    return {};
  }
  // An argument of the entry `gradients`.
  if (withGradient &&
      !s.checkName("gradient", name + "_gradient", loc))
    return {};
  return s.add(s.builder.create<ir::ModelInputOp>(
      s.locate(loc), s.tensorType(type), name, withGradient));
}

Tensor Recorder::target(const std::string &name, const TensorType &type,
                        const Location &loc) {
  Impl &s = *state;
  if (!s.checkName("target", name, loc) ||
      !s.checkType("target", name, type, loc))
    return {};
  return s.add(s.builder.create<ir::ModelTargetOp>(s.locate(loc),
                                                   s.tensorType(type), name));
}

void Recorder::pushScope(const std::string &base, const std::string &given,
                         const Location &loc) {
  Impl &s = *state;
  std::string parent = s.scopes.back().path;
  bool parentShared = s.scopes.back().reentered;
  std::string name = given;
  if (name.empty() || !s.checkPath(base, name, loc)) {
    do
      name = base + "_" + std::to_string(++s.scopes.back().counters[base]);
    while (!parentShared && s.scopeUses.count(parent + name));
  }
  bool seen = s.scopeUses[parent + name]++ > 0;
  s.scopes.push_back({parent + name + ".", seen, {}});
}
void Recorder::popScope() { state->scopes.pop_back(); }

void Recorder::output(const std::string &name, Tensor value,
                      const Location &loc) {
  Impl &s = *state;
  if (!s.checkName("output", name, loc) || value.isError())
    return;
  s.builder.create<ir::ModelOutputOp>(s.locate(loc), name, s.tensors[value.id]);
}

/// A loss or a metric: one number.
static bool checkScalar(Recorder::Impl &s, const char *what, mlir::Value value,
                        const Location &loc) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getRank() == 0 && isa<FloatType>(type.getElementType()))
    return true;
  if (type.getRank() == 0) {
    s.diagnostics.error(loc, std::string(what) + " must be f32 or f64, is " +
                                 ir::toString(type));
    s.diagnostics.note(loc, "compute it from a tensor of floats");
    return false;
  }
  s.diagnostics.error(loc, std::string(what) + " must be a single number, is " +
                               ir::toString(type));
  s.diagnostics.note(loc, "reduce it with mean(...) or sum(...)");
  return false;
}

void Recorder::loss(const std::string &name, Tensor value,
                    const Location &loc) {
  Impl &s = *state;
  if (s.lossLocation) {
    s.diagnostics.error(loc, "a model has one loss");
    s.diagnostics.note(*s.lossLocation,
                       "the first is here; add the two, with weights");
    return;
  }
  s.lossLocation = loc;
  if (!s.checkName("loss", name, loc) || value.isError() ||
      !checkScalar(s, "a loss", s.tensors[value.id], loc))
    return;
  s.builder.create<ir::ModelLossOp>(s.locate(loc), name, s.tensors[value.id]);
}

void Recorder::metric(const std::string &name, Tensor value,
                      const Location &loc) {
  Impl &s = *state;
  if (!s.checkName("metric", name, loc) || value.isError() ||
      !checkScalar(s, "a metric", s.tensors[value.id], loc))
    return;
  s.builder.create<ir::ModelMetricOp>(s.locate(loc), name, s.tensors[value.id]);
}

void Recorder::trainOnly(const std::string &pattern, const Location &loc) {
  state->only.push_back({pattern, loc});
}

/// One part of a name; `*` stands for any characters.
static bool matchesPart(StringRef pattern, StringRef part) {
  // The last star takes as little as is enough: it is what can be retried.
  size_t p = 0, i = 0, star = StringRef::npos, retry = 0;
  while (i < part.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = i;
    } else if (p < pattern.size() && pattern[p] == part[i]) {
      ++p;
      ++i;
    } else if (star != StringRef::npos) {
      p = star + 1;
      i = ++retry;
    } else {
      return false;
    }
  }
  return pattern.drop_front(p).find_first_not_of('*') == StringRef::npos;
}

/// Names and patterns have parts with dots between; `**` stands for any number
/// of parts.
static bool matches(StringRef pattern, StringRef name) {
  SmallVector<StringRef> patterns, parts;
  pattern.split(patterns, '.');
  name.split(parts, '.');
  // reached[i]: the patterns so far match the first i parts.
  std::vector<bool> reached(parts.size() + 1);
  reached[0] = true;
  for (StringRef next : patterns) {
    std::vector<bool> before =
        std::exchange(reached, std::vector<bool>(parts.size() + 1));
    for (size_t i = 0; i <= parts.size(); ++i)
      reached[i] = next == "**"
                       ? before[i] || (i && reached[i - 1])
                       : i && before[i - 1] && matchesPart(next, parts[i - 1]);
  }
  return reached.back();
}

void Recorder::Impl::checkOutputs() {
  // Targets, and what is computed from them.
  llvm::DenseMap<mlir::Value, ir::ModelTargetOp> tainted;
  for (Operation &op : model.getBody().front()) {
    if (auto target = dyn_cast<ir::ModelTargetOp>(op))
      tainted[target.getValue()] = target;
    for (mlir::Value operand : op.getOperands()) {
      ir::ModelTargetOp target = tainted.lookup(operand);
      if (!target)
        continue;
      for (mlir::Value result : op.getResults())
        tainted[result] = target;
      if (auto output = dyn_cast<ir::ModelOutputOp>(op)) {
        diagnostics.error(locationOf(output),
                          "output '" + output.getName().str() +
                              "' depends on target '" + target.getName().str() +
                              "', which forward is not given");
        diagnostics.note(locationOf(target),
                         "make it an input, or the result a metric");
      }
      break;
    }
  }
}

bool Recorder::endModel(const Location &loc) {
  Impl &s = *state;
  if (s.trainLocation && !s.lossLocation) {
    s.diagnostics.error(*s.trainLocation,
                        "train needs a loss, and the model has none");
    s.diagnostics.note(*s.trainLocation,
                       "add one, such as: loss cross_entropy(logits, label)");
  }
  std::vector<std::string> names;
  std::vector<bool> used(s.only.size());
  s.model.walk([&](ir::ParameterOp parameter) {
    if (parameter.getState())
      return;
    names.push_back(parameter.getName().str());
    bool trained = s.only.empty();
    for (auto [i, only] : llvm::enumerate(s.only))
      if (matches(only.pattern, parameter.getName()))
        used[i] = trained = true;
    parameter.setTrained(trained);
  });
  SmallVector<Attribute> patterns;
  for (auto [i, only] : llvm::enumerate(s.only)) {
    patterns.push_back(s.builder.getStringAttr(only.pattern));
    if (used[i] || s.diagnostics.hasErrors())
      continue;
    std::string near = nearest(only.pattern, names);
    s.diagnostics.error(
        only.location,
        "no parameter is called '" + only.pattern + "'" +
            (near.empty() ? "" : "; did you mean '" + near + "'?"));
    if (near.empty() && !names.empty())
      s.diagnostics.note(only.location,
                         "the parameters are " + llvm::join(names, ", "));
  }
  if (!patterns.empty())
    s.model.walk([&](ir::ModelTrainOp train) {
      train.setOnlyAttr(s.builder.getArrayAttr(patterns));
    });
  s.checkOutputs();
  bool yields = s.lossLocation.has_value();
  s.model.walk([&](ir::ModelOutputOp) { yields = true; });
  if (!yields && !s.diagnostics.hasErrors()) {
    s.diagnostics.error(loc, "the model has neither an output nor a loss");
    s.diagnostics.note(loc, "add one, such as: output y = softmax(x)");
  }
  return !s.diagnostics.hasErrors();
}

TensorType Recorder::typeOf(Tensor tensor) const {
  auto type = cast<RankedTensorType>(state->tensors[tensor.id].getType());
  TensorType result;
  Type element = type.getElementType();
  result.dtype = element.isF64()         ? DType::F64
                 : element.isF32()       ? DType::F32
                 : element.isInteger(64) ? DType::I64
                 : element.isInteger(32) ? DType::I32
                                         : DType::Bool;
  for (int64_t size : type.getShape())
    result.shape.push_back(ShapedType::isDynamic(size)
                               ? Int{int64_t(state->model.getBatch()), true}
                               : Int{size, false});
  return result;
}

} // namespace fm
