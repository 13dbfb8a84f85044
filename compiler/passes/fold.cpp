// fold: operations on constants become constants, by the exact evaluator: the bits are those the compiled
// code would give. What may fail is folded only where it does not. Results are capped in size, so that
// folding never makes a module much larger: broadcasts and iotas stay operations.
#include <algorithm>
#include <deque>

#include "evaluate/evaluate.h"
#include "passes/constants.h"
#include "passes/rebuild.h"

namespace tenon::passes {
namespace {

using ir::ValueId;

constexpr int64_t max_elements = 1024;  // unless the operands hold as many

bool foldable(const ir::OpDef& op) {
  if (op.control() != nullptr || op.composite() != nullptr || op.mode != nullptr) return false;
  if (op.generate() != nullptr) return op.generate()->what == ir::Generator::extent;
  return op.name != "broadcast";
}

bool is_extent(const ir::Node& node) {
  return node.op->generate() != nullptr && node.op->generate()->what == ir::Generator::extent;
}

// A small constant spread out: beside a constant of its size it is one, too.
bool is_spread_constant(const ir::Graph& g, ValueId v) {
  const ir::Node* n = g.producer(v);
  return n != nullptr && n->op->name == "broadcast" && constant_array(g, n->operands[0]) != nullptr &&
         g.type(v).is_static() && g.type(v).count().constant() <= max_elements;
}

std::optional<std::vector<ValueId>> fold_node(Candidate& c) {
  const ir::Node& node = c.node;
  if (!foldable(*node.op)) return std::nullopt;
  if (is_extent(node) && !node.get<ir::Dim>("dim").is_constant()) return std::nullopt;
  if (node.operands.empty() && !is_extent(node)) return std::nullopt;
  const ir::Graph& g = c.b.graph();
  std::vector<const Array*> operands;
  int64_t given = 0, made = 0;
  for (ValueId v : c.operands) {
    const Array* a = constant_array(g, v);
    if (a == nullptr && !is_spread_constant(g, v)) return std::nullopt;
    given += a == nullptr ? 0 : a->count();
    operands.push_back(a);
  }
  if (given == 0 && !operands.empty()) return std::nullopt;
  for (ValueId r : node.results) {
    const ir::Type& type = c.from.type(r);
    if (!type.is_static()) return std::nullopt;
    made += type.count().constant();
  }
  if (made > std::max(max_elements, given)) return std::nullopt;
  std::deque<Array> spread;
  for (size_t i = 0; i < operands.size(); ++i) {
    if (operands[i] != nullptr) continue;
    const ir::Node& broadcast = *g.producer(c.operands[i]);
    Result<std::vector<Array>> made_here =
        evaluate::exact_node(g, g.value(c.operands[i]).node, {constant_array(g, broadcast.operands[0])}, {});
    if (!made_here) return std::nullopt;
    operands[i] = &spread.emplace_back(std::move((*made_here)[0]));
  }
  Result<std::vector<Array>> arrays = evaluate::exact_node(c.from, c.id, operands, {});
  if (!arrays) return std::nullopt;  // it would fail at run time: there it reports
  std::vector<ValueId> out;
  for (Array& a : *arrays) out.push_back(c.b.constant(std::make_shared<const Array>(std::move(a))));
  return out;
}

Result<bool> run(ir::Module& module, const pass::Options& /*options*/, pass::Counts& counts) {
  return over_functions(module, [&](ir::Graph& graph) -> Result<bool> {
    bool changed = false;
    ir::Graph next = rebuild(module, graph, [&](Candidate& c) {
      auto out = fold_node(c);
      if (out) {
        changed = true;
        ++counts[std::string(c.node.op->name)];
      }
      return out;
    });
    if (changed) graph = std::move(next);
    return changed;
  });
}

}  // namespace

const Pass fold{
    {"fold", "evaluates operations on constants with the exact evaluator; results are capped in size"}, run};

}  // namespace tenon::passes
