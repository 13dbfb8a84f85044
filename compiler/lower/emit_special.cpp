// Checks, and the choice among all kinds of groups.
#include "ir/print.h"
#include "lower/emit.h"

namespace tenon::lower {

void emit_check(Frame& frame, const Scope& scope, int32_t number) {
  kernel::Builder& b = frame.b;
  const Graph& graph = *scope.graph;
  const Node& node = graph.node(scope.fusion.groups[static_cast<size_t>(number)].nodes[0]);
  const ir::Type condition = graph.type(node.operands[1]);
  ExprId i = b.begin_for("i", b.index(0), frame.dim(condition.count()), b.index(1));
  ExprId holds = frame.load(scope.places[node.operands[1].index], DType::bool_, i);
  const ExprId broken = b.unary(kernel::Op::bnot, holds);
  b.comment(place_comment(frame, graph, node));
  b.fail(static_cast<uint16_t>(node.get<int64_t>("code")), broken, i);
  b.end();
  Copy copy{scope.places[node.operands[0].index], scope.places[node.results[0].index],
            graph.type(node.results[0])};
  emit_copy(frame, copy, b.index(0), frame.dim(copy.type.count()));
}

void emit_group(Frame& frame, const Scope& scope, int32_t number, ExprId begin, ExprId end) {
  switch (scope.fusion.groups[static_cast<size_t>(number)].kind) {
    case GroupKind::pointwise:
      emit_pointwise(frame, scope, number, begin, end);
      break;
    case GroupKind::reduce:
      emit_reduce(frame, scope, number, begin, end);
      break;
    case GroupKind::contract:
      emit_contract(frame, scope, number, begin, end);
      break;
    case GroupKind::scan:
      emit_scan(frame, scope, number, begin, end);
      break;
    case GroupKind::scatter:
      emit_scatter(frame, scope, number, begin, end);
      break;
    case GroupKind::check:
      emit_check(frame, scope, number);
      break;
    case GroupKind::permute:
      emit_permutation(frame, scope, number);
      break;
    case GroupKind::control:
      TENON_CHECK(false, "control flow is emitted by its scope");
  }
}

std::string place_comment(const Frame& frame, const Graph& graph, const Node& node) {
  std::string out(node.op->name);
  if (const std::string& name = graph.value(node.results[0]).name; !name.empty()) out += " -> " + name;
  const ir::Location& at = node.location;
  if (at.known() && at.file < frame.module().files.size() && at.line != 0)
    out += ", " + frame.module().files[at.file] + ":" + std::to_string(at.line);
  return out;
}

std::string group_comment(const Scope& scope, int32_t number) {
  const Group& group = scope.fusion.groups[static_cast<size_t>(number)];
  std::string out;
  size_t shown = 0;
  for (NodeId id : group.nodes) {
    if (++shown > 6) {
      out += ", … " + std::to_string(group.nodes.size()) + " operations";
      break;
    }
    out += (out.empty() ? "" : ", ") + std::string(scope.graph->node(id).op->name);
  }
  for (ValueId v : group.outputs) {
    const std::string& name = scope.graph->value(v).name;
    if (!name.empty()) out += " -> " + name;
  }
  return out;
}

}  // namespace tenon::lower
