// What rewrite rules see: a node whose operands are rewritten already, and a builder to emit replacements
// with. The rules' themes are rows of one type, found by operation name.
#pragma once

#include "ops/expr.h"
#include "passes/constants.h"
#include "rewrite/rule.h"

namespace tenon::passes {

struct Match {
  const ir::Node& node;                      // attributes
  const std::vector<ir::ValueId>& operands;  // in the builder's graph
  const ir::Type& type;                      // of the only result
};
using Rule = rewrite::Rule<ir::Builder, Match, ir::ValueId>;
using Rules = rewrite::RuleSet<ir::Builder, Match, ir::ValueId>;

// Producer of an operand where it is this operation.
inline const ir::Node* made_by(const ir::Builder& b, ir::ValueId v, std::string_view op) {
  const ir::Node* n = const_cast<ir::Builder&>(b).graph().producer(v);
  return n != nullptr && n->op->name == op ? n : nullptr;
}

std::span<const Rule> canonical_rules();   // canonicalize.cpp
std::span<const Rule> arithmetic_rules();  // rules_arithmetic.cpp
std::span<const Rule> structure_rules();   // rules_structure.cpp

// One round of the rules over a graph; true where one fired.
bool apply_rules(const ir::Module& module, ir::Graph& graph, const Rules& rules, rewrite::Counts& counts);

}  // namespace tenon::passes
