//===- Signatures.cpp - The ops of the language, from the dialect
//-----------===//

#include "frontend/recorder/Arguments.h"
#include "frontend/recorder/RecorderImpl.h"

using namespace mlir;

namespace fm {

/// "x: tensor, filters: int, padding: padding = valid".
static std::vector<OpSignature::Parameter> parseParameters(StringRef text) {
  std::vector<OpSignature::Parameter> result;
  SmallVector<StringRef> parts;
  text.split(parts, ", ", -1, false);
  for (StringRef part : parts) {
    auto [name, rest] = part.split(": ");
    auto [type, value] = rest.split(" = ");
    result.push_back({name.str(), type.str(), value.str(), value.empty()});
  }
  return result;
}

const std::vector<OpSignature> &Recorder::signatures() {
  static const std::vector<OpSignature> all = [] {
    MLIRContext context(MLIRContext::Threading::DISABLED);
    context.loadDialect<ir::FmDialect>();
    std::vector<OpSignature> result;
    for (RegisteredOperationName name : context.getRegisteredOperations()) {
      auto *language = name.getInterface<ir::LanguageOpInterface>();
      if (!language)
        continue;
      result.push_back({name.stripDialect().str(),
                        language->getLanguageSummary().str(),
                        language->getLanguageCategory().str(),
                        parseParameters(language->getLanguageSignature()),
                        name.hasInterface<ir::LayerOpInterface>()});
    }
    for (OpSignature &initializer : initializerSignatures())
      result.push_back(std::move(initializer));
    llvm::sort(result,
               [](const auto &a, const auto &b) { return a.name < b.name; });
    return result;
  }();
  return all;
}

const OpSignature *Recorder::findSignature(std::string_view op) {
  for (const OpSignature &signature : signatures())
    if (signature.name == op)
      return &signature;
  return nullptr;
}

} // namespace fm
