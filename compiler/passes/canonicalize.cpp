// canonicalize: one spelling for equal things, so that later rules and cse need to know one only. Constants
// stand last among the operands of what commutes; operations that do nothing are gone. Bits are kept: IEEE
// addition and multiplication commute (which payload a NaN carries is unspecified).
#include "passes/match.h"
#include "passes/rebuild.h"

namespace tenon::passes {
namespace {

using ir::ValueId;
using Out = std::optional<ValueId>;

Out constant_last(ir::Builder& b, const Match& m) {
  ir::Graph& g = b.graph();
  const auto constant = [&](ValueId v) { return constant_array(g, spread_source(g, v)) != nullptr; };
  if (!constant(m.operands[0]) || constant(m.operands[1])) return std::nullopt;
  return b.emit(*m.node.op, {m.operands[1], m.operands[0]});
}

Out same_type(ir::Builder& b, const Match& m) {
  if (b.type(m.operands[0]) != m.type) return std::nullopt;
  return m.operands[0];
}

Out identity_transpose(ir::Builder&, const Match& m) {
  const auto& perm = m.node.get<std::vector<int64_t>>("perm");
  for (size_t i = 0; i < perm.size(); ++i)
    if (perm[i] != static_cast<int64_t>(i)) return std::nullopt;
  return m.operands[0];
}

Out only_part(ir::Builder&, const Match& m) {
  if (m.operands.size() != 1) return std::nullopt;
  return m.operands[0];
}

Out no_axes(ir::Builder&, const Match& m) {
  if (!m.node.get<std::vector<int64_t>>("axes").empty()) return std::nullopt;
  return m.operands[0];
}

constexpr std::string_view swap = "commutes for all values; NaN payloads are unspecified";
constexpr std::string_view same = "the same elements in the same order";
constexpr Rule rows[] = {
    {"add constant last", "add", "c + x -> x + c", swap, constant_last},
    {"mul constant last", "mul", "c * x -> x * c", swap, constant_last},
    {"max constant last", "max", "max(c, x) -> max(x, c)", swap, constant_last},
    {"min constant last", "min", "min(c, x) -> min(x, c)", swap, constant_last},
    {"and constant last", "and", "c and x -> x and c", swap, constant_last},
    {"or constant last", "or", "c or x -> x or c", swap, constant_last},
    {"eq constant last", "eq", "c = x -> x = c", swap, constant_last},
    {"ne constant last", "ne", "c != x -> x != c", swap, constant_last},
    {"reshape to itself", "reshape", "reshape x to its shape -> x", same, same_type},
    {"broadcast to itself", "broadcast", "broadcast x to its shape -> x", same, same_type},
    {"cast to itself", "cast", "cast x to its type -> x", same, same_type},
    {"slice of everything", "slice", "slice with x's shape -> x", "strides are at least 1, so it is all of x",
     same_type},
    {"pad by nothing", "pad", "pad with x's shape -> x", "widths cannot be negative, so all are 0",
     same_type},
    {"identity transpose", "transpose", "transpose x by 0, 1, ... -> x", same, identity_transpose},
    {"concat of one", "concat", "concat x -> x", same, only_part},
    {"reverse of no axes", "reverse", "reverse x over [] -> x", same, no_axes},
};

Result<bool> run(ir::Module& module, const pass::Options& /*options*/, pass::Counts& counts) {
  static const Rules rules{canonical_rules()};
  return over_functions(
      module, [&](ir::Graph& graph) -> Result<bool> { return apply_rules(module, graph, rules, counts); });
}

}  // namespace

std::span<const Rule> canonical_rules() { return rows; }

bool apply_rules(const ir::Module& module, ir::Graph& graph, const Rules& rules, rewrite::Counts& counts) {
  bool changed = false;
  ir::Graph next = rebuild(module, graph, [&](Candidate& c) -> std::optional<std::vector<ValueId>> {
    if (c.node.results.size() != 1) return std::nullopt;
    const Match match{c.node, c.operands, c.from.type(c.node.results[0])};
    const std::optional<ValueId> out = rules.apply(c.node.op->name, c.b, match, &counts);
    if (!out) return std::nullopt;
    TENON_CHECK(c.b.type(*out) == match.type, std::string(c.node.op->name) + ": a rule changed the type");
    changed = true;
    return std::vector<ValueId>{*out};
  });
  if (changed) graph = std::move(next);
  return changed;
}

const Pass canonicalize{
    {"canonicalize",
     "needs primitives; constants stand last where operands commute, operations that do nothing are gone"},
    run};

}  // namespace tenon::passes
