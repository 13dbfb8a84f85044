#include "ir/canonical.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

namespace tenon::ir {

namespace {

class Orderer {
 public:
  explicit Orderer(const Graph& graph) : graph_(graph), depth_(graph.node_count(), 0), taken_(depth_.size()) {
    for (uint32_t i = 0; i < depth_.size(); ++i)
      for (ValueId v : graph.node(NodeId(i)).operands) depth_[i] = std::max(depth_[i], depth(v) + 1);
  }

  std::vector<NodeId> run() {
    std::vector<NodeId> roots;
    for (ValueId v : graph_.results)
      if (const NodeId n = graph_.value(v).node; n.valid()) roots.push_back(n);
    std::vector<bool> used(depth_.size(), false);
    for (uint32_t i = 0; i < depth_.size(); ++i)
      for (ValueId v : graph_.node(NodeId(i)).operands)
        if (const NodeId n = graph_.value(v).node; n.valid()) used[n.index] = true;
    for (uint32_t i = 0; i < depth_.size(); ++i)
      if (!used[i]) roots.push_back(NodeId(i));
    std::stable_sort(roots.begin(), roots.end(),
                     [&](NodeId a, NodeId b) { return depth_[a.index] < depth_[b.index]; });
    for (NodeId n : roots) visit(n);
    return std::move(order_);
  }

 private:
  uint32_t depth(ValueId v) const {
    const NodeId n = graph_.value(v).node;
    return n.valid() ? depth_[n.index] : 0;
  }

  // A constant, or one node made of a constant: what the text writes inside the operation that uses it, where
  // constants stand in front of what is made of them (print_literal.cpp).
  bool literal(ValueId v) const {
    const Node* node = graph_.producer(v);
    if (node == nullptr || node->operands.size() > 1) return false;
    if (node->operands.empty()) return true;
    const Node* constant = graph_.producer(node->operands[0]);
    return constant != nullptr && constant->operands.empty();
  }

  void visit(NodeId root) {
    struct Open {
      NodeId node;
      std::vector<NodeId> operands;  // still to be visited, the first at the end
    };
    std::vector<Open> stack;
    auto open = [&](NodeId n) {
      if (taken_[n.index]) return;
      taken_[n.index] = true;
      std::vector<ValueId> operands = graph_.node(n).operands;
      const auto literals =
          std::stable_partition(operands.begin(), operands.end(), [&](ValueId v) { return !literal(v); });
      std::stable_sort(operands.begin(), literals, [&](ValueId a, ValueId b) { return depth(a) > depth(b); });
      Open o{n, {}};
      auto add = [&](ValueId v) {
        if (const NodeId p = graph_.value(v).node; p.valid()) o.operands.push_back(p);
      };
      for (auto v = operands.begin(); v != literals; ++v) add(*v);
      for (auto v = literals; v != operands.end(); ++v)
        for (ValueId constant : graph_.producer(*v)->operands) add(constant);
      for (auto v = literals; v != operands.end(); ++v) add(*v);
      std::reverse(o.operands.begin(), o.operands.end());
      stack.push_back(std::move(o));
    };
    open(root);
    while (!stack.empty()) {
      if (stack.back().operands.empty()) {
        order_.push_back(stack.back().node);
        stack.pop_back();
        continue;
      }
      const NodeId next = stack.back().operands.back();
      stack.back().operands.pop_back();
      open(next);
    }
  }

  const Graph& graph_;
  std::vector<uint32_t> depth_;  // operations on the longest way to a node
  std::vector<bool> taken_;
  std::vector<NodeId> order_;
};

}  // namespace

std::vector<NodeId> canonical_order(const Graph& graph) { return Orderer(graph).run(); }

bool order_nodes(Graph& graph) {
  bool moved = false;
  for (size_t i = 0; i < graph.node_count(); ++i)
    for (const std::unique_ptr<Graph>& region : graph.node(NodeId(i)).regions)
      if (order_nodes(*region)) moved = true;
  const std::vector<NodeId> order = canonical_order(graph);
  if (std::is_sorted(order.begin(), order.end(), [](NodeId a, NodeId b) { return a.index < b.index; }))
    return moved;
  Graph out;
  std::vector<ValueId> map(graph.value_count());
  auto mapped = [&](const std::vector<ValueId>& values) {
    std::vector<ValueId> to;
    for (ValueId v : values) to.push_back(map[v.index]);
    return to;
  };
  for (ValueId a : graph.args) {
    Value& arg = graph.value(a);
    map[a.index] = out.add_arg(std::move(arg.type), arg.arg, std::move(arg.name));
  }
  for (const NodeId id : order) {
    Node& node = graph.node(id);
    std::vector<Type> types;
    for (ValueId r : node.results) types.push_back(std::move(graph.value(r).type));
    const NodeId to = out.add_node(node.op, mapped(node.operands), std::move(node.attrs), types,
                                   std::move(node.regions), node.location, std::move(node.scope));
    for (size_t r = 0; r < node.results.size(); ++r) {
      const ValueId result = out.node(to).results[r];
      out.value(result).name = std::move(graph.value(node.results[r]).name);
      map[node.results[r].index] = result;
    }
  }
  out.results = mapped(graph.results);
  graph = std::move(out);
  return true;
}

void order_globals(const Module& module, Function* function) {
  std::unordered_map<std::string_view, size_t> declared;
  for (size_t i = 0; i < module.globals.size(); ++i) declared.emplace(module.globals[i].name, i);
  auto position = [&](const std::string& name) {
    const auto found = declared.find(name);
    return found == declared.end() ? declared.size() : found->second;
  };
  Graph& graph = function->graph;
  std::vector<std::pair<size_t, ValueId>> writes;
  for (size_t i = 0; i < function->writes.size(); ++i)
    writes.push_back({position(function->writes[i].global), graph.results[function->returns + i]});
  std::stable_sort(writes.begin(), writes.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::stable_sort(function->writes.begin(), function->writes.end(),
                   [&](const Write& a, const Write& b) { return position(a.global) < position(b.global); });
  for (size_t i = 0; i < writes.size(); ++i) graph.results[function->returns + i] = writes[i].second;
  auto rank = [&](ValueId v) {
    const Value& arg = graph.value(v);
    return arg.arg == ArgKind::global ? 1 + position(arg.name) : 0;
  };
  std::stable_sort(graph.args.begin(), graph.args.end(),
                   [&](ValueId a, ValueId b) { return rank(a) < rank(b); });
  for (size_t i = 0; i < graph.args.size(); ++i) graph.value(graph.args[i]).result = static_cast<uint32_t>(i);
}

}  // namespace tenon::ir
