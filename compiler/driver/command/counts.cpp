#include "driver/command/counts.h"

#include "ir/builder.h"
#include "ir/op_def.h"

namespace tenon::command {
namespace {

// The body of a composite, on arguments of the operands' types.
ir::Graph body_of(const ir::Module& module, const ir::Graph& graph, const ir::Node& node) {
  ir::Graph body;
  std::vector<ir::ValueId> args;
  for (const ir::ValueId v : node.operands)
    args.push_back(body.add_arg(graph.type(v), ir::ArgKind::input, ""));
  ir::Builder b(body, &module);
  ir::BodyContext context{b, node, args};
  body.results = node.op->composite()->body(context);
  return body;
}

}  // namespace

ir::Dim node_flops(const ir::Module& module, const ir::Graph& graph, const ir::Node& node) {
  const ir::OpDef& op = *node.op;
  if (op.elementwise() != nullptr)
    return graph.type(node.results[0]).count() * ir::Dim(op.elementwise()->flops);
  if (op.iteration() != nullptr && op.iteration()->step != ir::Accumulate::copy) {
    std::vector<ir::Type> types;
    for (ir::ValueId v : node.operands) types.push_back(graph.type(v));
    ir::Dim flops = ir::multiplies(op) ? 2 : 1;
    for (const ir::Axis& axis : op.iteration()->describe(node, types, graph.type(node.results[0])).axes)
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
    if (op.control()->what == ir::Control::call) {
      const ir::Function* callee = module.find_function(node.get<std::string>("callee"));
      return callee != nullptr ? graph_flops(module, callee->graph) : ir::Dim(0);
    }
    ir::Dim flops = graph_flops(module, *node.regions[0]);
    if (op.control()->what == ir::Control::loop) flops = flops * node.get<ir::Dim>("trip");
    return flops;
  }
  return 0;
}

ir::Dim graph_flops(const ir::Module& module, const ir::Graph& graph) {
  ir::Dim total = 0;
  for (size_t i = 0; i < graph.node_count(); ++i)
    total = total + node_flops(module, graph, graph.node(ir::NodeId(i)));
  return total;
}

int64_t elements(const ir::Module& module, ir::GlobalKind kind) {
  int64_t total = 0;
  for (const ir::Global& g : module.globals) {
    if (g.kind != kind) continue;
    const ir::Dim count = g.type.count();
    if (count.is_constant()) total += count.constant();
  }
  return total;
}

}  // namespace tenon::command
