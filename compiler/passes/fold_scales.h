// What the rules of fold_scales see: also who else reads what they would change.
#pragma once

#include "passes/match.h"

namespace tenon::passes {

struct ScaleMatch {
  const ir::Node& node;                      // in `from`
  const std::vector<ir::ValueId>& operands;  // in the builder's graph
  const ir::Type& type;                      // of the only result
  const ir::Graph& from;
  const std::vector<uint32_t>& uses;  // of the values of `from`

  // What makes an operand that nothing else reads.
  const ir::Node* only(const ir::Builder& b, size_t operand) const;
  // How often the first value is read that the operand is made of.
  uint32_t uses_behind(size_t operand) const;
};
using ScaleRule = rewrite::Rule<ir::Builder, ScaleMatch, ir::ValueId>;
std::span<const ScaleRule> scale_rules();

}  // namespace tenon::passes
