#include "transforms/residuals.h"

#include <algorithm>

#include "ir/op_def.h"

namespace tenon::transforms {

using ir::ArgKind;
using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

namespace {

bool moves_elements(const ir::OpDef& op) { return op.index_map() != nullptr || op.view() != nullptr; }

bool cheap(const ir::OpDef& op) {
  if (op.may_fail) return false;
  if (op.generate() != nullptr)
    return op.generate()->what == ir::Generator::constant || op.generate()->what == ir::Generator::iota ||
           op.generate()->what == ir::Generator::extent;
  return moves_elements(op) || (op.elementwise() != nullptr && op.elementwise()->cheap);
}

class Planner {
 public:
  Planner(const Graph& graph, const std::vector<ValueId>& cotangent_args) : graph_(graph) {
    plan_.reverse_values.assign(graph.value_count(), 0);
    plan_.reverse_nodes.assign(graph.node_count(), 0);
    needed_.assign(graph.value_count(), 0);
    at_hand_.assign(graph.value_count(), 0);
    for (ValueId v : cotangent_args) plan_.reverse_values[v.index] = 1;
    for (ValueId v : graph.args)
      at_hand_[v.index] = graph.value(v).arg != ArgKind::carry && !plan_.reverse_values[v.index];
    for (size_t i = 0; i < graph.node_count(); ++i) {
      const Node& node = graph.node(NodeId(i));
      bool reverse = false, known = cheap(*node.op);
      for (ValueId v : node.operands) {
        reverse = reverse || plan_.reverse_values[v.index];
        known = known && at_hand_[v.index];
      }
      for (ValueId r : node.results) {
        plan_.reverse_values[r.index] = reverse;
        at_hand_[r.index] = known;
      }
    }
  }

  ResidualPlan run(const std::vector<ValueId>& outputs) {
    for (ValueId v : outputs) needed_[v.index] = 1;
    // Downwards: when a node is met, all that may need its results was met before.
    for (size_t i = graph_.node_count(); i-- > 0;) {
      const Node& node = graph_.node(NodeId(i));
      bool needed = false;
      for (ValueId r : node.results) needed = needed || needed_[r.index];
      if (!needed) continue;
      if (plan_.reverse_values[node.results[0].index] || recompute(node)) {
        plan_.reverse_nodes[i] = 1;
        for (ValueId v : node.operands) needed_[v.index] = 1;
      } else {
        for (size_t r = node.results.size(); r-- > 0;)
          if (needed_[node.results[r].index]) plan_.saved.push_back(node.results[r]);
      }
    }
    std::reverse(plan_.saved.begin(), plan_.saved.end());
    std::vector<ValueId> carries;
    for (ValueId v : graph_.args) {
      if (!needed_[v.index] || plan_.reverse_values[v.index]) continue;
      (at_hand_[v.index] ? plan_.args : carries).push_back(v);
    }
    plan_.saved.insert(plan_.saved.begin(), carries.begin(), carries.end());
    return std::move(plan_);
  }

 private:
  bool recompute(const Node& node) const {
    if (at_hand_[node.results[0].index]) return true;
    if (!cheap(*node.op)) return false;
    size_t unknown = 0, saved = 0;
    for (ValueId v : node.operands) {
      if (at_hand_[v.index]) continue;
      ++unknown;
      saved += needed_[v.index];
    }
    // An index map of one value is never worth its own place: the value is not larger, or serves others too.
    if (moves_elements(*node.op) && unknown == 1 && node.op->name != "slice") return true;
    return saved == unknown;
  }

  const Graph& graph_;
  ResidualPlan plan_;
  Flags needed_, at_hand_;
};

}  // namespace

ResidualPlan plan_residuals(const Graph& graph, const std::vector<ValueId>& cotangent_args,
                            const std::vector<ValueId>& outputs) {
  return Planner(graph, cotangent_args).run(outputs);
}

Graph forward_region(const Graph& graph, const ir::Module& module, size_t original_args,
                     size_t original_nodes, const ResidualPlan& plan) {
  Flags live(graph.value_count());
  for (ValueId v : plan.saved) live[v.index] = 1;
  std::vector<char> keep(graph.node_count());
  for (size_t i = graph.node_count(); i-- > 0;) {
    const Node& node = graph.node(NodeId(i));
    keep[i] = i < original_nodes;
    for (ValueId r : node.results) keep[i] = keep[i] || live[r.index];
    if (!keep[i]) continue;
    for (ValueId v : node.operands) live[v.index] = 1;
  }
  Graph out;
  std::vector<ValueId> map(graph.value_count());
  for (size_t i = 0; i < original_args; ++i) {
    const ir::Value& arg = graph.value(graph.args[i]);
    map[graph.args[i].index] = out.add_arg(arg.type, arg.arg, arg.name);
  }
  ir::Builder b(out, &module);
  for (size_t i = 0; i < graph.node_count(); ++i) {
    if (!keep[i]) continue;
    const Node& node = graph.node(NodeId(i));
    const std::vector<ValueId> results = b.copy(graph, node, map);
    for (size_t r = 0; r < results.size(); ++r) map[node.results[r].index] = results[r];
  }
  for (ValueId v : graph.results) out.results.push_back(map[v.index]);
  for (ValueId v : plan.saved) out.results.push_back(map[v.index]);
  return out;
}

void copy_reverse_nodes(const Graph& graph, const ResidualPlan& plan, ir::Builder& b,
                        std::vector<ValueId>* map) {
  for (size_t i = 0; i < graph.node_count(); ++i) {
    if (!plan.reverse_nodes[i]) continue;
    const Node& node = graph.node(NodeId(i));
    const std::vector<ValueId> results = b.copy(graph, node, *map);
    for (size_t r = 0; r < results.size(); ++r) {
      // A node with several results may be recomputed for one of them while another was saved.
      ValueId& to = (*map)[node.results[r].index];
      if (!to.valid()) to = results[r];
    }
  }
}

}  // namespace tenon::transforms
