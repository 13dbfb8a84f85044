// Groups that lower on their own: scatters, checks; and the choice among all kinds.
#include "ir/print.h"
#include "lower/emit.h"

namespace tenon::lower {

Work reduce_work(const Frame& frame, const Scope& scope, int32_t group);
Work contract_work(const Frame& frame, const Scope& scope, int32_t group);
Work pointwise_work(const Frame& frame, const Scope& scope, int32_t group);

// result = x, then rows of the updates added along `axis`, in the order of the indices. Chunks cut the
// dimensions before the axis, so that the order within a row is kept.
void emit_scatter(Frame& frame, const Scope& scope, int32_t number, ExprId begin, ExprId end) {
  kernel::Builder& b = frame.b;
  const Graph& graph = *scope.graph;
  const Group& group = scope.fusion.groups[static_cast<size_t>(number)];
  const Node& node = graph.node(group.nodes[0]);
  const ir::Type type = graph.type(node.results[0]);
  const ir::Type indices = graph.type(node.operands[1]);
  auto axis = static_cast<size_t>(node.get<int64_t>("axis"));
  Dim inner(1);
  for (size_t d = axis + 1; d < type.rank(); ++d) inner = inner * type.shape[d];
  Dim rows = indices.count(), bound = type.shape[axis];
  const Place &out = scope.places[node.results[0].index], &x = scope.places[node.operands[0].index];
  const Place &at = scope.places[node.operands[1].index], &updates = scope.places[node.operands[2].index];
  int64_t width = lanes_width(frame, inner, 64);

  ExprId o = b.begin_for("o", begin, end, b.index(1));
  ExprId size = frame.dim(bound * inner);
  ExprId base = b.let("base", b.mul(o, size));
  ExprId i = b.begin_lanes("i", b.index(0), size, b.index(lanes_width(frame, bound * inner, 64)));
  frame.store(out, type.dtype, b.add(base, i), b.let("v", frame.load(x, type.dtype, b.add(base, i))));
  b.end();
  ExprId r = b.begin_for("r", b.index(0), frame.dim(rows), b.index(1));
  ExprId index = b.let("index", b.cast(frame.load(at, indices.dtype, r), DType::i64));
  const bool checked = scope.fusion.ranges->may_fail(node);
  if (checked) {
    ExprId inside = b.let("inside", b.binary(kernel::Op::band, b.binary(kernel::Op::le, b.index(0), index),
                                             b.binary(kernel::Op::lt, index, frame.dim(bound))));
    b.comment(place_comment(frame, graph, node));
    b.fail(static_cast<uint16_t>(Code::index_range), b.unary(kernel::Op::bnot, inside), index);
    b.begin_if(inside);
  }
  ExprId to = b.let("to", b.add(base, b.mul(index, frame.dim(inner))));
  ExprId from = b.let("from", b.mul(b.add(b.mul(o, frame.dim(rows)), r), frame.dim(inner)));
  ExprId j = b.begin_lanes("j", b.index(0), frame.dim(inner), b.index(width));
  ExprId sum = apply_binary(b, "add", type.dtype, frame.load(out, type.dtype, b.add(to, j)),
                            frame.load(updates, type.dtype, b.add(from, j)));
  frame.store(out, type.dtype, b.add(to, j), b.let("sum", sum));
  b.end();
  if (checked) b.end();
  b.end();
  b.end();
}

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

Work group_work(const Frame& frame, const Scope& scope, int32_t number) {
  const Group& group = scope.fusion.groups[static_cast<size_t>(number)];
  Work work;
  switch (group.kind) {
    case GroupKind::pointwise:
      return pointwise_work(frame, scope, number);
    case GroupKind::reduce:
      return reduce_work(frame, scope, number);
    case GroupKind::contract:
      return contract_work(frame, scope, number);
    case GroupKind::scatter: {
      const Node& node = scope.graph->node(group.nodes[0]);
      const ir::Type type = scope.graph->type(node.results[0]);
      auto axis = static_cast<size_t>(node.get<int64_t>("axis"));
      for (size_t d = 0; d < axis; ++d) work.extent = work.extent * type.shape[d];
      double all = static_cast<double>(frame.usual(type.count())) +
                   static_cast<double>(frame.usual(scope.graph->type(node.operands[2]).count()));
      work.cost = all / 8 / static_cast<double>(std::max<int64_t>(1, frame.usual(work.extent)));
      return work;
    }
    case GroupKind::check: {
      const Node& node = scope.graph->node(group.nodes[0]);
      work.serial = true;
      work.cost = static_cast<double>(frame.usual(scope.graph->type(node.operands[1]).count()));
      return work;
    }
    default:
      work.serial = true;
      work.cost = 0;
      return work;
  }
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
