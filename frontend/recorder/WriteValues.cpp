//===- WriteValues.cpp - Numbers and arguments as `.fm` text --------------===//
#include "frontend/recorder/WriteValues.h"

#include "compiler/ir/Dialect.h"

#include <charconv>
#include <limits>

using namespace mlir;

namespace fm {

static std::string integerText(int64_t value) {
  if (value == std::numeric_limits<int64_t>::min())
    return "(-9223372036854775807 - 1)"; // the literal itself does not fit
  return std::to_string(value);
}

/// The shortest text that reads as the same number, and as a float.
template <typename Float> static std::string floatText(Float value) {
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  std::string text(buffer, end);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string numberText(Attribute value) {
  if (auto integer = dyn_cast<IntegerAttr>(value))
    return integer.getType().isInteger(1)
               ? std::to_string(integer.getValue().getZExtValue())
               : integerText(integer.getInt());
  APFloat number = cast<FloatAttr>(value).getValue();
  return &number.getSemantics() == &APFloat::IEEEsingle()
             ? floatText(number.convertToFloat())
             : floatText(number.convertToDouble());
}

std::string stringText(StringRef value) {
  std::string text = "\"";
  for (char c : value) {
    if (c == '"' || c == '\\')
      text += '\\';
    text += c == '\n'   ? std::string("\\n")
            : c == '\t' ? std::string("\\t")
                        : std::string(1, c);
  }
  return text + "\"";
}

/// `[3, 5]`; one number for a pair of equals.
static std::string listText(ArrayRef<int64_t> list, bool isPair) {
  if (isPair && list.size() == 2 && list[0] == list[1])
    list = list.drop_back();
  std::string text;
  for (int64_t size : list)
    text += (text.empty() ? "" : ", ") +
            (ShapedType::isDynamic(size) ? "batch" : integerText(size));
  return isPair && list.size() == 1 ? text : "[" + text + "]";
}

static std::string initText(ir::InitAttr init) {
  double a = init.getA().getValueAsDouble(), b = init.getB().getValueAsDouble();
  switch (init.getKind()) {
  case ir::InitKind::Constant:
    if (init == ir::InitAttr::get(init.getContext(), ir::InitKind::Constant, 0))
      return "zeros";
    return a == 1 ? "ones" : "constant(" + floatText(a) + ")";
  case ir::InitKind::Normal:
    return "normal(mean = " + floatText(a) + ", stddev = " + floatText(b) + ")";
  case ir::InitKind::Uniform:
    return "uniform(low = " + floatText(a) + ", high = " + floatText(b) + ")";
  default:
    return ir::stringifyInitKind(init.getKind()).str();
  }
}

std::string attributeText(const std::string &type, Attribute value) {
  if (auto flag = dyn_cast<BoolAttr>(value))
    return flag.getValue() ? "true" : "false";
  if (isa<IntegerAttr, FloatAttr>(value))
    return numberText(value);
  if (auto text = dyn_cast<StringAttr>(value))
    return type == "string" ? stringText(text) : text.str();
  if (auto init = dyn_cast<ir::InitAttr>(value))
    return initText(init);
  auto list = cast<DenseI64ArrayAttr>(value).asArrayRef();
  bool isAxes = StringRef(type).starts_with("axes");
  if (isAxes && list.empty())
    return "all";
  return isAxes && list.size() == 1 ? integerText(list[0])
                                    : listText(list, !isAxes && type != "ints");
}

} // namespace fm
