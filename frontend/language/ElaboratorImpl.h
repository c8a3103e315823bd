//===- ElaboratorImpl.h - State and steps of the elaborator ---------------===//
//
// Private to Elaborat*.cpp. A mistake gives an error tensor, which silences
// what follows from it.
//
//===----------------------------------------------------------------------===//
#ifndef FM_FRONTEND_LANGUAGE_ELABORATORIMPL_H
#define FM_FRONTEND_LANGUAGE_ELABORATORIMPL_H

#include "frontend/language/Arithmetic.h"
#include "frontend/language/Elaborator.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace fm {

class Elaborator {
public:
  Elaborator(const ast::File &file, const Source &source,
             RecorderInterface &recorder, const Limits &limits);

  bool run(const std::vector<Override> &overrides);

private:
  enum class Kind { Parameter, Input, Target, Local };
  struct Variable {
    Value value;
    Range range; ///< of its definition
    Kind kind;
  };
  /// The model, or one call of a block.
  struct Frame {
    const ast::Definition *definition;
    std::unordered_map<std::string, Variable> variables;
  };
  /// A value that came through a pipe.
  struct Piped {
    Value value;
    Range range;
  };
  /// A definition of a variable in the text, for the warning.
  struct Site {
    std::string what;
    Range range;
    bool used = false;
  };
  using Values = std::vector<Value>;
  using Position = std::pair<unsigned, unsigned>;
  static Position position(const Range &range) {
    return {range.line, range.column};
  }

  // Errors and bounds (Elaborator.cpp).
  /// Null if an error was reported at this place before: the second time
  /// around a loop says nothing new.
  Diagnostic *error(const Range &range, const std::string &message);
  /// True the first time; ask before computing an expensive message.
  bool fresh(const Range &range);
  void note(Diagnostic *diagnostic, const Range &range, std::string message);
  bool spend(uint64_t steps, const Range &range);
  bool mayRecord(const Range &range);
  bool deeper(const Range &range);
  void stop(const Range &range, const std::string &message);

  // Definitions, types (Elaborator.cpp), parameters (ElaborateParameters.cpp).
  bool collectDefinitions();
  void model(const ast::Definition &model,
             const std::vector<Override> &overrides);
  void modelParameters(const std::vector<Override> &overrides);
  void batchParameter(Value &value, const Range *range);
  bool type(const ast::Type &type, TensorType &result);
  std::optional<DType> dtype(const ast::Identifier &name);

  // Statements (ElaborateStatements.cpp).
  void body(const ast::Body &body, bool repeated);
  void statement(const ast::Declaration &node, const Range &range);
  void statement(const ast::Assignment &node, const Range &range);
  void statement(const ast::Output &node, const Range &range);
  void statement(const ast::Score &node, const Range &range);
  void statement(const ast::Train &node, const Range &range);
  void statement(const ast::TrainOnly &node, const Range &range);
  void statement(const ast::Repeat &node, const Range &range);
  void statement(const ast::Return &node, const Range &range);
  bool allowed(const ast::Statement &statement, bool repeated);
  Tensor tensorOf(const Value &value, const std::string &what,
                  const Range &range);
  void define(const ast::Identifier &name, Value value, Kind kind);
  void warnUnused();

  // Expressions (ElaborateExpressions.cpp).
  Value eval(const ast::Expr &expr);
  Value evalNode(const ast::Expr &expr);
  /// A call's results; anything else is one value.
  Values evalAll(const ast::Expr &expr);
  Value evalName(const std::string &name, const Range &range);
  Value evalList(const ast::List &list, const Range &range);
  Value evalNegate(const ast::Negate &node, const Range &range);
  Value evalChain(const ast::Chain &chain);
  Value evalBinary(ast::BinaryOp op, const Range &opRange, const Value &left,
                   const Range &leftRange, const Value &right,
                   const Range &rightRange);
  Value numberResult(NumberResult result, const Range &range);
  Value undefined(const std::string &name, const Range &range);
  const Variable *lookup(const std::string &name);
  void collectNames(const ast::Body &body,
                    std::vector<ast::Identifier> &names) const;

  // Calls (ElaborateCalls.cpp).
  Values evalCall(const ast::Call &call, const Range &range,
                  const Piped *piped);
  Value callOp(const OpSignature &op, const ast::Call &call,
               const Piped *piped);
  Values callBlock(const ast::Definition &block, const ast::Call &call,
                   const Piped *piped);
  bool bindBlock(const ast::Definition &block, const ast::Call &call,
                 const Piped *piped, Frame &frame, std::string &scope,
                 Range &scopeRange);
  bool callsItself(const ast::Definition &block, const Range &range);
  Value callDim(const ast::Call &call, const Piped *piped);
  void unknownOp(const ast::Call &call, const Piped *piped);
  void evalArguments(const OpSignature *op, const ast::Call &call,
                     const Piped *piped, std::vector<Argument> &result);
  Value evalArgument(const OpSignature *op, const ast::Call::Argument &argument,
                     size_t position);
  /// Where a word or an initializer may be given, as the value of a block's
  /// parameter.
  Value evalDynamic(const ast::Expr &expr);
  Value callValue(const ast::Call &call);
  const OpSignature *findOp(const std::string &name) const;

  const ast::File &file;
  const Source &source;
  RecorderInterface &recorder;
  Diagnostics &diagnostics;
  Limits limits;
  std::unordered_map<std::string, const OpSignature *> ops;
  /// Words that some op's argument takes: `same`, `he_normal`.
  std::unordered_set<std::string> words;
  std::unordered_map<std::string, const ast::Definition *> blocks;
  const ast::Definition *theModel = nullptr;

  Frame *frame = nullptr;
  /// Values of the `return` that ran last.
  Values results;
  std::vector<const ast::Definition *> callStack;
  std::unordered_set<const ast::Definition *> called;
  std::map<Position, Site> sites;
  std::set<Position> reported;
  uint64_t steps = 0;
  unsigned calls = 0;
  unsigned depth = 0;
  bool stopped = false;
};

/// "an integer", "a tensor", ...
std::string describe(const Value &value);
bool isError(const Value &value);
bool allErrors(const std::vector<Value> &values);
/// 'word', shortened if it is very long.
std::string quote(const std::string &word);

} // namespace fm

#endif // FM_FRONTEND_LANGUAGE_ELABORATORIMPL_H
