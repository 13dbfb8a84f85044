// What the printer's files share. Private to print*.cpp.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "ir/op_def.h"
#include "ir/print.h"

namespace tenon::ir {

class Printer {
 public:
  Printer(const Module* module, const PrintOptions& options) : module_(module), options_(options) {}

  void module_text();
  void function(const Function& f);
  // One statement without names, types and tail: "dense x, fc1.w {…}"; for loops and conds up to the types.
  // `literals`: per operand the literal that stands for it, or "".
  std::string operation(const Graph& graph, const Node& node, const std::vector<std::string>& names,
                        const std::vector<std::string>* literals = nullptr);
  std::string take() { return std::move(out_); }

 private:
  // A statement's parts, aligned with its neighbours when flushed.
  struct Row {
    std::string names, body, types, tail;
  };
  void header();
  void globals();
  void derives();
  void comment(const std::string& lines);
  void block(const Graph& graph, const std::vector<std::string>& names, size_t indent);
  void regions(const Graph& graph, const Node& node, const std::vector<std::string>& names, size_t indent);
  void body_comment(const Graph& graph, const Node& node, size_t indent);
  void flush(std::vector<Row>* rows, size_t indent);
  bool literal_operands(const Graph& graph, size_t node, const std::vector<uint32_t>& uses,
                        std::vector<std::string>* literals, std::vector<bool>* hidden) const;
  bool defaulted(const Graph& graph, const Node& node, size_t attr) const;
  std::string sections(const Graph& graph, const Node& node, const std::vector<std::string>& names);
  std::string attributes(const Graph& graph, const Node& node, size_t positional);
  std::string constant(const Array& array);
  std::string tail(const Node& node) const;
  std::string place(const Location& location) const;

  const Module* module_;
  const PrintOptions& options_;
  std::unordered_set<std::string> sides_;  // hashes that went to options.side already
  std::string out_;
};

// Like value_names, with the names of the arguments given (else branches speak of the then branch's
// captures).
std::vector<std::string> value_names(const Graph& graph, const std::vector<std::string>* arg_names);
// Position of the attribute that prints as an operand (a constant's elements, a call's callee); attrs.size()
// if none.
size_t positional_attr(const OpDef& op);

}  // namespace tenon::ir
