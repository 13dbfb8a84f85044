#include "transforms/activity.h"

#include "ir/op_def.h"
#include "transforms/loop_parts.h"

namespace tenon::transforms {

using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

namespace {

Flags operand_flags(const Node& node, const Flags& active) {
  Flags out;
  out.reserve(node.operands.size());
  for (ValueId v : node.operands) out.push_back(active[v.index]);
  return out;
}

bool any_of(const Flags& flags) {
  for (char f : flags)
    if (f) return true;
  return false;
}

}  // namespace

void extend_activity(const Graph& graph, size_t first, Flags* active) {
  active->resize(graph.value_count());
  for (size_t i = first; i < graph.node_count(); ++i) {
    const Node& node = graph.node(NodeId(i));
    bool any = false;
    for (ValueId v : node.operands) any = any || (*active)[v.index];
    if (!any || (node.op->zero_gradient && node.op->vjp == nullptr)) continue;
    if (node.op->control() != nullptr && !node.regions.empty()) {
      const Flags operands = operand_flags(node, *active);
      const RegionActivity inside = node.op->control()->what == ir::Control::loop
                                        ? loop_activity(node, operands)
                                        : cond_activity(node, operands);
      for (size_t r = 0; r < node.results.size(); ++r) {
        if (inside.results[r]) (*active)[node.results[r].index] = 1;
      }
      continue;
    }
    for (ValueId r : node.results)
      if (is_float(graph.type(r).dtype)) (*active)[r.index] = 1;
  }
}

RegionActivity loop_activity(const Node& loop, const Flags& operands) {
  const Graph& body = *loop.regions[0];
  const LoopParts parts(loop);
  RegionActivity out;
  out.args.assign(body.args.size(), 0);
  for (size_t i = 0; i < operands.size(); ++i)
    out.args[i] = operands[i] && is_float(body.type(body.args[i]).dtype);
  // Each round makes at least one more carry active, so there are at most as many rounds as carries.
  for (;;) {
    Flags active(body.value_count());
    for (size_t i = 0; i < body.args.size(); ++i) active[body.args[i].index] = out.args[i];
    if (any_of(out.args)) extend_activity(body, 0, &active);
    bool grew = false;
    for (size_t c = 0; c < parts.carries; ++c) {
      if (!active[body.results[c].index] || out.args[c]) continue;
      out.args[c] = 1;
      grew = true;
    }
    if (grew) continue;
    for (size_t r = 0; r < loop.results.size(); ++r) {
      out.results.push_back(r < parts.carries ? out.args[r] : active[body.results[r].index]);
    }
    return out;
  }
}

RegionActivity cond_activity(const Node& cond, const Flags& operands) {
  RegionActivity out;
  out.args.assign(operands.begin() + 1, operands.end());
  out.results.assign(cond.results.size(), 0);
  for (const std::unique_ptr<Graph>& branch : cond.regions) {
    Flags active(branch->value_count());
    for (size_t i = 0; i < branch->args.size(); ++i) {
      out.args[i] = out.args[i] && is_float(branch->type(branch->args[i]).dtype);
      active[branch->args[i].index] = out.args[i];
    }
    extend_activity(*branch, 0, &active);
    for (size_t r = 0; r < cond.results.size(); ++r) {
      if (active[branch->results[r].index]) out.results[r] = 1;
    }
  }
  return out;
}

Flags useful_results(const Node& loop, const Flags& seeds) {
  const Graph& body = *loop.regions[0];
  const LoopParts parts(loop);
  Flags out = seeds;
  for (;;) {
    Flags useful(body.value_count());
    for (size_t r = 0; r < out.size(); ++r)
      if (out[r]) useful[body.results[r].index] = 1;
    for (size_t i = body.node_count(); i-- > 0;) {
      const Node& node = body.node(NodeId(i));
      bool any = false;
      for (ValueId r : node.results) any = any || useful[r.index];
      if (!any) continue;
      for (ValueId v : node.operands) useful[v.index] = 1;
    }
    bool grew = false;
    for (size_t c = 0; c < parts.carries; ++c) {
      if (!useful[body.args[c].index] || out[c]) continue;
      out[c] = 1;
      grew = true;
    }
    if (!grew) return out;
  }
}

}  // namespace tenon::transforms
