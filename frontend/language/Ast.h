//===- Ast.h - The syntax tree of a `.fm` file ----------------------------===//
//
// Every node carries the range it was written at. Operators and pipes of one
// level are one flat node, so that the depth of the tree is the depth of the
// brackets in the text, which the parser limits.
//
//===----------------------------------------------------------------------===//
#ifndef FM_FRONTEND_LANGUAGE_AST_H
#define FM_FRONTEND_LANGUAGE_AST_H

#include "frontend/language/Source.h"

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace fm::ast {

struct Identifier {
  std::string name;
  Range range;
};

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

enum class BinaryOp : uint8_t { Add, Sub, Mul, Div, Mod, Pow };
/// "+", ...
const char *spelling(BinaryOp op);

struct Invalid {}; ///< has been reported
struct Integer {
  int64_t value;
};
struct Float {
  double value;
};
struct Bool {
  bool value;
};
struct String {
  std::string value;
};
struct Name {
  std::string name;
};
/// `[3, 5]`.
struct List {
  std::vector<ExprPtr> elements;
};
struct Negate {
  ExprPtr operand;
};
/// `first op operand op operand...`, evaluated from left to right.
struct Chain {
  struct Link {
    BinaryOp op;
    Range opRange;
    ExprPtr operand;
  };
  ExprPtr first;
  std::vector<Link> links;
};
/// `callee(value, name = value)`.
struct Call {
  struct Argument {
    Identifier name; ///< empty: positional
    Range range;     ///< with the name
    ExprPtr value;
  };
  Identifier callee;
  std::vector<Argument> arguments;
};
/// `first |> stage |> stage`; every stage is an Expr that holds a Call.
struct Pipe {
  ExprPtr first;
  std::vector<ExprPtr> stages;
};

struct Expr {
  Range range;
  std::variant<Invalid, Integer, Float, Bool, String, Name, List, Negate, Chain,
               Call, Pipe>
      node;
};

//===----------------------------------------------------------------------===//
// Statements
//===----------------------------------------------------------------------===//

struct Statement;

struct Body {
  std::vector<Statement> statements;
  /// Part of it could not be understood: names may be missing because of that.
  bool incomplete = false;
  Range open, close; ///< the braces
};

/// `f32[batch, 10]`.
struct Type {
  Identifier dtype;
  std::vector<ExprPtr> shape;
  Range range;
  bool valid = true;
};

/// `input NAME : TYPE [with gradient]`, `target NAME : TYPE`.
struct Declaration {
  bool isTarget;
  Identifier name;
  Type type;
  bool withGradient = false;
};
/// `a, b = value`.
struct Assignment {
  std::vector<Identifier> names;
  ExprPtr value;
};
/// `output NAME = value`; without a value, the variable of that name.
struct Output {
  Identifier name;
  ExprPtr value;
};
/// `loss [NAME =] value`, `metric [NAME =] value`.
struct Score {
  bool isMetric;
  Identifier name;
  ExprPtr value;
};
/// `train adam(lr = 1e-3)`: an Expr that holds a Call.
struct Train {
  ExprPtr optimizer;
};
/// `train only head.*, *.bias`.
struct TrainOnly {
  std::vector<Identifier> patterns;
};
struct Repeat {
  ExprPtr count;
  Body body;
};
struct Return {
  std::vector<ExprPtr> values;
};

struct Statement {
  Range range; ///< of its first word
  std::variant<Declaration, Assignment, Output, Score, Train, TrainOnly, Repeat,
               Return>
      node;
};

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

struct Parameter {
  Identifier name;
  ExprPtr defaultValue; ///< null: none
};

/// A model or a block.
struct Definition {
  bool isBlock = false;
  bool validHeader = true; ///< false: the parameters are not all known
  Identifier name;
  std::vector<Parameter> parameters;
  Body body;
};

struct File {
  std::vector<Definition> definitions;
  /// Text outside of definitions could not be understood.
  bool incomplete = false;
};

/// The tree as indented text, one node a line: `Integer 32 <7:21>`.
std::string dump(const File &file);
std::string dump(const Expr &expr);

} // namespace fm::ast

#endif // FM_FRONTEND_LANGUAGE_AST_H
