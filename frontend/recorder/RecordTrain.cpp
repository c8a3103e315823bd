//===- RecordTrain.cpp - The optimizer of a model ------------------------===//
#include "frontend/recorder/BindCall.h"
#include "frontend/recorder/RecorderImpl.h"

using namespace mlir;

namespace fm {

namespace {

/// What optimizers' options may be, by name: at least `low`, less than `high`.
struct OptionRange {
  const char *name;
  double low, high;
  bool aboveLow; ///< more than `low`
  const char *text;
};
constexpr double kLargestF32 = 3.4028234663852886e38;
constexpr OptionRange kOptionRanges[] = {
    {"lr", 0, kLargestF32, false, "0 or positive, in the range of f32"},
    {"momentum", 0, 1, false, "in [0, 1)"},
    {"beta1", 0, 1, false, "in [0, 1)"},
    {"beta2", 0, 1, false, "in [0, 1)"},
    {"epsilon", 0, kLargestF32, true, "positive, in the range of f32"},
    {"weight_decay", 0, kLargestF32, false,
     "0 or positive, in the range of f32"},
};

/// An error for each option out of range; where it was written, else at `loc`.
bool inRange(Diagnostics &diagnostics, const std::string &optimizer,
             mlir::DictionaryAttr options,
             const std::vector<Argument> &arguments, const Location &loc) {
  bool good = true;
  for (const OptionRange &range : kOptionRanges) {
    auto option = options.getAs<mlir::FloatAttr>(range.name);
    if (!option)
      continue;
    double value = option.getValueAsDouble();
    if ((range.aboveLow ? value > range.low : value >= range.low) &&
        value < range.high)
      continue;
    Location at = loc;
    for (const Argument &argument : arguments)
      if (argument.name == range.name)
        at = argument.location;
    char text[64];
    std::snprintf(text, sizeof text, "%.9g", value);
    diagnostics.error(at, optimizer + ": " + range.name + " is " + text +
                              ", expected " + range.text);
    good = false;
  }
  return good;
}

} // namespace

void Recorder::train(const std::string &optimizer,
                     const std::vector<Argument> &arguments,
                     const Location &loc) {
  Impl &s = *state;
  if (s.trainLocation) {
    s.diagnostics.error(loc, "a model is trained by one optimizer");
    s.diagnostics.note(*s.trainLocation, "the first is here");
    return;
  }
  s.trainLocation = loc;
  const OpSignature *signature = Recorder::findSignature(optimizer);
  if (!signature || signature->category != "optimizer") {
    std::vector<std::string> names;
    for (const OpSignature &candidate : signatures())
      if (candidate.category == "optimizer")
        names.push_back(candidate.name);
    std::string near = nearest(optimizer, names);
    s.diagnostics.error(
        loc, "'" + optimizer + "' is not an optimizer" +
                 (near.empty() ? "" : "; did you mean '" + near + "'?"));
    s.diagnostics.note(loc, "the optimizers are " + llvm::join(names, ", "));
    return;
  }
  BoundCall call = bindCall(s.diagnostics, *signature, arguments, false, loc);
  if (call.failed)
    return;
  auto options =
      attributesOf(s.ownContext.get(), s.diagnostics, *signature, call);
  if (!options || !inRange(s.diagnostics, optimizer, *options, arguments, loc))
    return;
  auto nesterov = options->getAs<BoolAttr>("nesterov");
  if (nesterov && nesterov.getValue() &&
      options->getAs<FloatAttr>("momentum").getValueAsDouble() == 0) {
    s.diagnostics.error(loc, optimizer + ": nesterov needs a momentum above 0");
    return;
  }
  s.builder.create<ir::ModelTrainOp>(s.locate(loc), optimizer, *options,
                                     ArrayAttr());
}

} // namespace fm
