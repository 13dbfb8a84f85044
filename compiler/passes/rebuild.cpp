#include "passes/rebuild.h"

namespace tenon::passes {

using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

Graph rebuild(const ir::Module& module, const Graph& graph, const Visitor& visit,
              const RebuildOptions& options) {
  Graph out;
  std::vector<ValueId> map(graph.value_count());
  for (ValueId a : graph.args) {
    const ir::Value& arg = graph.value(a);
    map[a.index] = out.add_arg(arg.type, arg.arg, arg.name);
  }
  if (options.enter) options.enter(out);
  ir::Builder b(out, &module);
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const Node& node = graph.node(NodeId(i));
    Candidate c{graph, NodeId(i), node, {}, {}, b};
    c.operands.reserve(node.operands.size());
    for (ValueId v : node.operands) c.operands.push_back(map[v.index]);
    for (const std::unique_ptr<Graph>& region : node.regions) {
      c.regions.push_back(std::make_unique<Graph>(
          node.op->control() != nullptr ? rebuild(module, *region, visit, options) : *region));
    }
    b.set_location(node.location);
    b.set_scope(node.scope);
    if (std::optional<std::vector<ValueId>> results = visit(c)) {
      for (size_t r = 0; r < node.results.size(); ++r) {
        const ValueId to = (*results)[r];
        map[node.results[r].index] = to;
        // The name goes on where the replacement has none of its own.
        if (out.value(to).name.empty()) b.set_name(to, graph.value(node.results[r]).name);
      }
      continue;
    }
    std::vector<ir::Type> types;
    for (ValueId r : node.results) types.push_back(graph.type(r));
    const NodeId id = out.add_node(node.op, std::move(c.operands), node.attrs, types, std::move(c.regions),
                                   node.location, node.scope);
    for (size_t r = 0; r < node.results.size(); ++r) {
      const ValueId to = out.node(id).results[r];
      map[node.results[r].index] = to;
      b.set_name(to, graph.value(node.results[r]).name);
    }
    if (options.copied) options.copied(out, id);
  }
  for (ValueId v : graph.results) out.results.push_back(map[v.index]);
  if (options.leave) options.leave(out);
  return out;
}

Result<bool> over_functions(ir::Module& module, const std::function<Result<bool>(Graph&)>& pass) {
  bool changed = false;
  for (ir::Function& f : module.functions) {
    TENON_ASSIGN(const bool one, pass(f.graph));
    changed = changed || one;
  }
  return changed;
}

}  // namespace tenon::passes
