//===- BindCall.h - Arguments of a call to the parameters of its op -------===//
#ifndef FM_FRONTEND_RECORDER_BINDCALL_H
#define FM_FRONTEND_RECORDER_BINDCALL_H

#include <optional>
#include <string>
#include <vector>

#include "frontend/recorder/Diagnostics.h"
#include "frontend/recorder/Recorder.h"

#include "mlir/IR/BuiltinAttributes.h"

namespace fm {

/// A call being bound to a signature.
struct BoundCall {
  std::vector<std::vector<const Argument *>> given; ///< a list a parameter
  std::string name;                                 ///< of the layer
  bool failed = false;
  bool silent = false; ///< an argument failed before
};

/// Distributes the arguments over the parameters. What does not fit is
/// reported. `hasName`: a layer, which may be given a name.
BoundCall bindCall(Diagnostics &diagnostics, const OpSignature &signature,
                   const std::vector<Argument> &arguments, bool hasName,
                   const Location &loc);

/// Attributes of a call: given values, else defaults. A default that names
/// another parameter takes its value.
std::optional<mlir::DictionaryAttr> attributesOf(mlir::MLIRContext *context,
                                                 Diagnostics &diagnostics,
                                                 const OpSignature &signature,
                                                 const BoundCall &call);

} // namespace fm

#endif // FM_FRONTEND_RECORDER_BINDCALL_H
