#include "ir/compact.h"

#include <map>

#include "ir/apply.h"
#include "ir/builder.h"
#include "ir/op_def.h"

namespace tenon::ir {
namespace {

using Flags = std::vector<char>;

// What is alive in a graph; for nodes with regions, also in their regions.
struct Live {
  Flags values, nodes;
  Flags results;                                // per result of the graph
  std::map<size_t, std::vector<Live>> regions;  // of living nodes that have some
};

bool may_fail(const Node& node) {
  if (node.op->may_fail || is_control(node, Control::call)) return true;
  if (node.op->control() == nullptr) return false;
  for (const std::unique_ptr<Graph>& region : node.regions)
    for (size_t i = 0; i < region->node_count(); ++i)
      if (may_fail(region->node(NodeId(i)))) return true;
  return false;
}

Live mark(const Graph& graph, Flags results);

// Marks a node's regions and sets which operands it needs.
std::vector<Live> mark_regions(const Node& node, const Flags& values, Flags* operands) {
  std::vector<Live> out;
  Flags wanted;
  for (ValueId r : node.results) wanted.push_back(values[r.index]);
  operands->assign(node.operands.size(), 0);
  if (is_control(node, Control::cond)) {
    (*operands)[0] = 1;
    for (const std::unique_ptr<Graph>& region : node.regions) {
      out.push_back(mark(*region, wanted));
      for (size_t i = 0; i < region->args.size(); ++i)
        if (out.back().values[region->args[i].index]) (*operands)[i + 1] = 1;
    }
    return out;
  }
  const Graph& body = *node.regions[0];
  if (node.get<bool>("predicate")) wanted.push_back(1);
  size_t carries = 0;
  for (ValueId a : body.args) carries += body.value(a).arg == ArgKind::carry;
  for (;;) {
    Live live = mark(body, wanted);
    bool grew = false;
    for (size_t c = 0; c < carries; ++c) {
      if (!live.values[body.args[c].index] || wanted[c]) continue;
      wanted[c] = 1;
      grew = true;
    }
    if (grew) continue;
    for (size_t i = 0; i < node.operands.size(); ++i)
      (*operands)[i] = i < carries ? wanted[i] : live.values[body.args[i].index];
    out.push_back(std::move(live));
    return out;
  }
}

Live mark(const Graph& graph, Flags results) {
  Live live;
  live.results = std::move(results);
  live.values.assign(graph.value_count(), 0);
  live.nodes.assign(graph.node_count(), 0);
  for (size_t r = 0; r < graph.results.size(); ++r)
    if (live.results[r]) live.values[graph.results[r].index] = 1;
  for (size_t i = graph.node_count(); i-- > 0;) {
    const Node& node = graph.node(NodeId(i));
    bool needed = may_fail(node);
    for (ValueId r : node.results) needed = needed || live.values[r.index];
    if (!needed) continue;
    live.nodes[i] = 1;
    if (node.op->control() == nullptr || node.regions.empty()) {
      for (ValueId v : node.operands) live.values[v.index] = 1;
      continue;
    }
    Flags operands;
    live.regions[i] = mark_regions(node, live.values, &operands);
    for (size_t k = 0; k < node.operands.size(); ++k)
      if (operands[k]) live.values[node.operands[k].index] = 1;
  }
  return live;
}

size_t dropped(const Graph& graph, const Live& live) {
  size_t n = 0;
  for (char kept : live.nodes) n += !kept;
  for (char kept : live.results) n += !kept;
  for (ValueId a : graph.args) {
    const ArgKind kind = graph.value(a).arg;
    if (kind != ArgKind::input && kind != ArgKind::carry) n += !live.values[a.index];
  }
  for (const auto& [i, regions] : live.regions)
    for (size_t r = 0; r < regions.size(); ++r) n += dropped(*graph.node(NodeId(i)).regions[r], regions[r]);
  return n;
}

Graph rebuild(const Module& module, const Graph& graph, const Live& live, const Flags& keep_args) {
  Graph out;
  Builder b(out, &module);
  std::vector<ValueId> map(graph.value_count());
  for (size_t i = 0; i < graph.args.size(); ++i) {
    const Value& arg = graph.value(graph.args[i]);
    if (keep_args[i]) map[graph.args[i].index] = out.add_arg(arg.type, arg.arg, arg.name);
  }
  for (size_t i = 0; i < graph.node_count(); ++i) {
    if (!live.nodes[i]) continue;
    const Node& node = graph.node(NodeId(i));
    const auto inner = live.regions.find(i);
    if (inner == live.regions.end()) {
      const std::vector<ValueId> results = b.copy(graph, node, map);
      for (size_t r = 0; r < results.size(); ++r) map[node.results[r].index] = results[r];
      continue;
    }
    const bool cond = is_control(node, Control::cond);
    const Graph& first = *node.regions[0];
    Flags keep(first.args.size());
    for (size_t a = 0; a < first.args.size(); ++a) {
      for (size_t k = 0; k < node.regions.size(); ++k)
        if (inner->second[k].values[node.regions[k]->args[a].index]) keep[a] = 1;
      // A carry stays as long as its result is wanted, though the body may not read it.
      if (first.value(first.args[a]).arg == ArgKind::carry) keep[a] = inner->second[0].results[a];
    }
    std::vector<ValueId> operands;
    if (cond) operands.push_back(map[node.operands[0].index]);
    for (size_t k = cond ? 1 : 0; k < node.operands.size(); ++k)
      if (keep[cond ? k - 1 : k]) operands.push_back(map[node.operands[k].index]);
    std::vector<std::unique_ptr<Graph>> regions;
    for (size_t k = 0; k < node.regions.size(); ++k)
      regions.push_back(std::make_unique<Graph>(rebuild(module, *node.regions[k], inner->second[k], keep)));
    std::vector<Type> types;
    for (size_t r = 0; r < node.results.size(); ++r)
      if (inner->second[0].results[r]) types.push_back(graph.type(node.results[r]));
    const NodeId id = out.add_node(node.op, std::move(operands), node.attrs, types, std::move(regions),
                                   node.location, node.scope);
    const std::vector<ValueId> results = out.node(id).results;
    size_t at = 0;
    for (size_t r = 0; r < node.results.size(); ++r) {
      if (!inner->second[0].results[r]) continue;
      map[node.results[r].index] = results[at];
      b.set_name(results[at++], graph.value(node.results[r]).name);
    }
  }
  for (size_t r = 0; r < graph.results.size(); ++r)
    if (live.results[r]) out.results.push_back(map[graph.results[r].index]);
  return out;
}

}  // namespace

bool compact(const Module& module, Graph& graph, bool keep_globals) {
  Live live = mark(graph, Flags(graph.results.size(), 1));
  if (keep_globals)
    for (ValueId a : graph.args) live.values[a.index] = 1;
  if (dropped(graph, live) == 0) return false;
  Flags keep;
  for (ValueId a : graph.args) keep.push_back(graph.value(a).arg != ArgKind::global || live.values[a.index]);
  graph = rebuild(module, graph, live, keep);
  return true;
}

size_t count_nodes(const Graph& graph) {
  size_t n = graph.node_count();
  for (size_t i = 0; i < graph.node_count(); ++i)
    for (const std::unique_ptr<Graph>& region : graph.node(NodeId(i)).regions) n += count_nodes(*region);
  return n;
}

}  // namespace tenon::ir
