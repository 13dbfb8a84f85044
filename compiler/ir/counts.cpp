#include "ir/counts.h"

#include "ir/apply.h"
#include "ir/builder.h"
#include "ir/op_def.h"

namespace tenon::ir {
namespace {

// The body of a composite, on arguments of the operands' types.
Graph body_of(const Module& module, const Graph& graph, const Node& node) {
  Graph body;
  std::vector<ValueId> args;
  for (const ValueId v : node.operands) args.push_back(body.add_arg(graph.type(v), ArgKind::input, ""));
  Builder b(body, &module);
  BodyContext context{b, node, args};
  body.results = node.op->composite()->body(context);
  return body;
}

}  // namespace

Dim node_flops(const Module& module, const Graph& graph, const Node& node) {
  const OpDef& op = *node.op;
  if (op.elementwise() != nullptr) return graph.type(node.results[0]).count() * Dim(op.elementwise()->flops);
  if (op.iteration() != nullptr && op.iteration()->step != Accumulate::copy) {
    std::vector<Type> types;
    for (ValueId v : node.operands) types.push_back(graph.type(v));
    Dim flops = multiplies(op) ? 2 : 1;
    for (const Axis& axis : op.iteration()->describe(node, types, graph.type(node.results[0])).axes)
      flops = flops * axis.extent;
    return flops;
  }
  if (op.composite() != nullptr) {
    if (!node.regions.empty()) return graph_flops(module, *node.regions[0]);
    // Its forms differ between training and inference.
    if (op.mode != nullptr) return 0;
    return graph_flops(module, body_of(module, graph, node));
  }
  if (op.control() != nullptr) {
    if (op.control()->what == Control::call || op.control()->what == Control::apply) {
      const Function* callee = module.find_function(node.get<std::string>("callee"));
      if (callee == nullptr) return 0;
      const Dim flops = graph_flops(module, callee->graph);
      return op.control()->what == Control::call ? flops
                                                 : flops.substitute(applied_sizes(module, graph, node));
    }
    Dim flops = graph_flops(module, *node.regions[0]);
    if (op.control()->what == Control::loop) flops = flops * node.get<Dim>("trip");
    return flops;
  }
  return 0;
}

Dim graph_flops(const Module& module, const Graph& graph) {
  Dim total = 0;
  for (size_t i = 0; i < graph.node_count(); ++i)
    total = total + node_flops(module, graph, graph.node(NodeId(i)));
  return total;
}

int64_t elements(const Module& module, GlobalKind kind) {
  int64_t total = 0;
  for (const Global& g : module.globals) {
    if (g.kind != kind) continue;
    const Dim count = g.type.count();
    if (count.is_constant()) total += count.constant();
  }
  return total;
}

}  // namespace tenon::ir
