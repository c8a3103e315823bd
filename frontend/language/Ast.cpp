//===- Ast.cpp - The syntax tree as text ----------------------------------===//
#include "frontend/language/Ast.h"

#include <charconv>

namespace fm::ast {

const char *spelling(BinaryOp op) {
  switch (op) {
  case BinaryOp::Add:
    return "+";
  case BinaryOp::Sub:
    return "-";
  case BinaryOp::Mul:
    return "*";
  case BinaryOp::Div:
    return "/";
  case BinaryOp::Mod:
    return "%";
  case BinaryOp::Pow:
    return "**";
  }
  return "";
}

namespace {

/// Shortest text that reads back to the same number.
std::string shortest(double value) {
  char buffer[32];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}

std::string quoted(const std::string &text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      result += '\\';
    if (c == '\n')
      result += "\\n";
    else if (c == '\t')
      result += "\\t";
    else
      result += c;
  }
  return result + '"';
}

class Dumper {
public:
  void file(const File &file) {
    for (const Definition &definition : file.definitions)
      this->definition(definition);
  }

  /// `label` says which part of its parent the node is.
  void expr(const Expr &expr, const std::string &label = "");

  std::string out;

private:
  void line(const std::string &text, const Range &range) {
    out.append(2 * depth, ' ');
    out += text + " <" + std::to_string(range.line) + ':' +
           std::to_string(range.column) + ">\n";
  }

  template <typename Function> void nested(Function &&function) {
    ++depth;
    function();
    --depth;
  }

  void definition(const Definition &definition) {
    line((definition.isBlock ? "Block " : "Model ") + definition.name.name,
         definition.name.range);
    nested([&] {
      for (const Parameter &parameter : definition.parameters) {
        line("Parameter " + parameter.name.name, parameter.name.range);
        if (parameter.defaultValue)
          nested([&] { expr(*parameter.defaultValue); });
      }
      body(definition.body);
    });
  }

  void body(const Body &body) {
    for (const Statement &statement : body.statements)
      std::visit([&](const auto &node) { this->node(node, statement.range); },
                 statement.node);
  }

  void node(const Declaration &node, const Range &range) {
    line((node.isTarget ? "Target " : "Input ") + node.name.name +
             (node.withGradient ? " with gradient" : ""),
         range);
    nested([&] {
      line("Type " + (node.type.valid ? node.type.dtype.name : "invalid"),
           node.type.range);
      nested([&] {
        for (const ExprPtr &extent : node.type.shape)
          expr(*extent);
      });
    });
  }
  void node(const Assignment &node, const Range &range) {
    std::string names;
    for (const Identifier &name : node.names)
      names += (names.empty() ? "" : ", ") + name.name;
    line("Assign " + names, range);
    nested([&] { expr(*node.value); });
  }
  void node(const Output &node, const Range &range) {
    line("Output " + node.name.name, range);
    if (node.value)
      nested([&] { expr(*node.value); });
  }
  void node(const Score &node, const Range &range) {
    line((node.isMetric ? "Metric" : "Loss") +
             (node.name.name.empty() ? "" : " " + node.name.name),
         range);
    nested([&] { expr(*node.value); });
  }
  void node(const Train &node, const Range &range) {
    line("Train", range);
    nested([&] { expr(*node.optimizer); });
  }
  void node(const TrainOnly &node, const Range &range) {
    line("TrainOnly", range);
    nested([&] {
      for (const Identifier &pattern : node.patterns)
        line("Pattern " + pattern.name, pattern.range);
    });
  }
  void node(const Repeat &node, const Range &range) {
    line("Repeat", range);
    nested([&] {
      expr(*node.count, "count: ");
      body(node.body);
    });
  }
  void node(const Return &node, const Range &range) {
    line("Return", range);
    nested([&] {
      for (const ExprPtr &value : node.values)
        expr(*value);
    });
  }

  unsigned depth = 0;
};

void Dumper::expr(const Expr &expr, const std::string &label) {
  auto print = [&](const std::string &text) { line(label + text, expr.range); };
  struct Visitor {
    Dumper &dumper;
    decltype(print) &head;

    void operator()(const Invalid &) { head("Invalid"); }
    void operator()(const Integer &node) {
      head("Integer " + std::to_string(node.value));
    }
    void operator()(const Float &node) {
      head("Float " + shortest(node.value));
    }
    void operator()(const Bool &node) {
      head(node.value ? "Bool true" : "Bool false");
    }
    void operator()(const String &node) {
      head("String " + quoted(node.value));
    }
    void operator()(const Name &node) { head("Name " + node.name); }
    void operator()(const List &node) {
      head("List");
      dumper.nested([&] {
        for (const ExprPtr &element : node.elements)
          dumper.expr(*element);
      });
    }
    void operator()(const Negate &node) {
      head("Negate");
      dumper.nested([&] { dumper.expr(*node.operand); });
    }
    void operator()(const Chain &node) {
      head("Chain");
      dumper.nested([&] {
        dumper.expr(*node.first);
        for (const Chain::Link &link : node.links)
          dumper.expr(*link.operand, std::string(spelling(link.op)) + ' ');
      });
    }
    void operator()(const Call &node) {
      head("Call " + node.callee.name);
      dumper.nested([&] {
        for (const Call::Argument &argument : node.arguments)
          dumper.expr(*argument.value, argument.name.name.empty()
                                           ? ""
                                           : argument.name.name + " = ");
      });
    }
    void operator()(const Pipe &node) {
      head("Pipe");
      dumper.nested([&] {
        dumper.expr(*node.first);
        for (const ExprPtr &stage : node.stages)
          dumper.expr(*stage, "|> ");
      });
    }
  };
  std::visit(Visitor{*this, print}, expr.node);
}

} // namespace

std::string dump(const File &file) {
  Dumper dumper;
  dumper.file(file);
  return std::move(dumper.out);
}

std::string dump(const Expr &expr) {
  Dumper dumper;
  dumper.expr(expr);
  return std::move(dumper.out);
}

} // namespace fm::ast
