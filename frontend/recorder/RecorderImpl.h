//===- RecorderImpl.h - The IR side of the recorder
//-------------------------===//
#ifndef FM_FRONTEND_RECORDER_RECORDERIMPL_H
#define FM_FRONTEND_RECORDER_RECORDERIMPL_H

#include "compiler/ir/Dialect.h"
#include "frontend/recorder/Recorder.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <map>
#include <set>

namespace fm {

struct Recorder::Impl {
  explicit Impl(Diagnostics &diagnostics);

  /// The recorded model; valid after endModel returned true.
  mlir::ModuleOp module() { return *moduleOp; }
  mlir::MLIRContext &context() { return *ownContext; }

  //===-- Names
  //---------------------------------------------------------------===//
  struct Layer {
    std::string op;
    std::vector<mlir::Value> parameters;
    bool named = false; ///< by the user
    Location location;
  };
  struct Scope {
    std::string path; ///< "encoder_1." or ""
    bool reentered = false;
    std::map<std::string, int> counters;
  };
  struct TrainOnly {
    std::string pattern;
    Location location;
  };

  mlir::Location locate(const Location &loc);
  Tensor add(mlir::Value value);
  /// An identifier that C and C++ accept.
  bool checkIdentifier(const std::string &what, const std::string &name,
                       const Location &loc);
  /// The same, and new among inputs, targets, outputs, loss and metrics.
  bool checkName(const std::string &what, const std::string &name,
                 const Location &loc);
  /// A layer's or a scope's name: "stem", "encoder_1.dense_1".
  bool checkPath(const std::string &what, const std::string &name,
                 const Location &loc);
  /// Whether a tensor of this type can be; reports it if not.
  bool checkTensor(const std::string &what, mlir::RankedTensorType type,
                   const Location &loc);
  bool checkType(const std::string &what, const std::string &name,
                 const TensorType &type, const Location &loc);
  mlir::Type elementType(DType type);
  mlir::RankedTensorType tensorType(const TensorType &type);

  /// Outputs must not depend on targets: reports those that do.
  void checkOutputs();

  /// Parameters of a layer: made, or those of the layer of the same name.
  std::optional<std::vector<mlir::Value>>
  layerParameters(mlir::RegisteredOperationName op,
                  llvm::ArrayRef<mlir::Value> inputs,
                  mlir::DictionaryAttr attributes, const std::string &given,
                  const Location &loc);

  Diagnostics &diagnostics;
  std::unique_ptr<mlir::MLIRContext> ownContext;
  mlir::OwningOpRef<mlir::ModuleOp> moduleOp;
  ir::ModelOp model;
  mlir::OpBuilder builder;
  std::vector<mlir::Value> tensors;
  std::vector<Scope> scopes;
  std::map<std::string, Layer> layers;
  std::map<std::string, int> scopeUses;
  std::map<std::string, Location> names; ///< inputs, targets, outputs, metrics
  std::vector<TrainOnly> only;
  std::optional<Location> trainLocation, lossLocation;
  /// First errors only: later ones may be consequences.
  bool failed = false;
  /// f32 becomes f64 everywhere: for numerical differentiation.
  bool widen = false;
  /// > 0: the batch is no larger than this.
  int64_t maxBatch = 0;
};

} // namespace fm

#endif // FM_FRONTEND_RECORDER_RECORDERIMPL_H
