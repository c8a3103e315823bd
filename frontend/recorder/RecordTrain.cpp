//===- RecordTrain.cpp - The optimizer of a model -------------------------===//
#include "frontend/recorder/BindCall.h"
#include "frontend/recorder/RecorderImpl.h"

#include "compiler/ir/Support.h"

#include "llvm/ADT/StringExtras.h"

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

/// Where an option was written, else `loc`.
Location whereGiven(const std::vector<Argument> &arguments,
                    const std::string &option, const Location &loc) {
  for (const Argument &argument : arguments)
    if (argument.name == option)
      return argument.location;
  return loc;
}

/// An error for each option out of range.
bool inRange(Diagnostics &diagnostics, const std::string &optimizer,
             mlir::DictionaryAttr options,
             const std::vector<Argument> &arguments, const Location &loc) {
  bool good = true;
  for (const OptionRange &range : kOptionRanges) {
    auto option = options.getAs<mlir::FloatAttr>(range.name);
    if (!option)
      continue;
    double value = option.getValueAsDouble();
    if ((range.aboveLow ? float(value) > range.low : value >= range.low) &&
        value < range.high)
      continue;
    diagnostics.error(whereGiven(arguments, range.name, loc),
                      optimizer + ": " + range.name + " is " +
                          ir::shortNumber(value) + ", expected " + range.text);
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
  const OpSignature *signature = findSignature(optimizer);
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
  auto momentum = options->getAs<FloatAttr>("momentum");
  if (nesterov && nesterov.getValue() && momentum &&
      momentum.getValueAsDouble() == 0) {
    s.diagnostics.error(whereGiven(arguments, "nesterov", loc),
                        optimizer + ": nesterov needs a momentum above 0");
    return;
  }
  s.builder.create<ir::ModelTrainOp>(s.locate(loc), optimizer, *options,
                                     ArrayAttr());
}

} // namespace fm
