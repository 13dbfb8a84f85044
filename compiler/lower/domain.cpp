// How single nodes iterate, by the forms of their declarations.
#include <algorithm>

#include "lower/domain.h"

namespace tenon::lower {
namespace {

std::vector<uint32_t> iota_axes(size_t n) {
  std::vector<uint32_t> axes(n);
  for (size_t i = 0; i < n; ++i) axes[i] = static_cast<uint32_t>(i);
  return axes;
}

bool reads_axis(const Index& at, uint32_t axis) {
  return std::any_of(at.begin(), at.end(), [&](const AffineIndex& i) { return affine_is_axis(i, axis); });
}

}  // namespace

ir::Iteration described(const Graph& graph, const Node& node) {
  std::vector<ir::Type> types;
  for (ValueId v : node.operands) types.push_back(graph.type(v));
  return node.op->iteration()->describe(node, types, graph.type(node.results[0]));
}

ir::Iteration squeezed(const Graph& graph, const Node& node) {
  ir::Iteration it = described(graph, node);
  std::vector<ir::Axis> left;
  Index axes;  // of the declaration, over those that are left
  for (ir::Axis& axis : it.axes) {
    const bool one = is_one(axis.extent);
    axes.push_back(one ? affine_constant(Dim(0)) : affine_axis(static_cast<uint32_t>(left.size())));
    if (!one) left.push_back(std::move(axis));
  }
  it.axes = std::move(left);
  for (ir::Access& access : it.operands)
    for (AffineIndex& a : access.index) a = affine_substitute(a, axes);
  for (AffineIndex& a : it.result.index) a = affine_substitute(a, axes);
  return it;
}

Index axes_of_result(const ir::Iteration& it, const Index& at) {
  Index axes(it.axes.size(), affine_constant(Dim(0)));
  for (size_t d = 0; d < at.size(); ++d)
    for (uint32_t a = 0; a < axes.size(); ++a)
      if (affine_is_axis(it.result.index[d], a)) axes[a] = at[d];
  return axes;
}

NodeDomain iteration_domain(const Graph& graph, const Node& node) {
  const ir::Iteration it = squeezed(graph, node);
  NodeDomain out{GroupKind::pointwise, {}, {}, {}, {}};
  for (const ir::Axis& axis : it.axes) {
    out.domain.push_back(axis.extent);
    out.reduced.push_back(axis.role == ir::Axis::Role::reduced);
    if (out.reduced.back()) out.kind = GroupKind::reduce;
  }
  for (const ir::Access& access : it.operands) {
    out.operands.push_back(access.chosen.empty() ? access.index : Index{});
    out.guarded.push_back(!access.guarded.empty());
  }
  return out;
}

int64_t chain_length(const Graph& graph, const Node& node) {
  constexpr int64_t longest = 8, narrow = 8;
  if (!multiplies_in_blocks(node)) return 0;
  NodeDomain d = iteration_domain(graph, node);
  int64_t columns = 1, products = 1;
  for (uint32_t a = 0; a < d.domain.size(); ++a) {
    const bool column = !d.reduced[a] && !reads_axis(d.operands[0], a);
    if (!column && !d.reduced[a]) continue;
    if (!d.domain[a].is_constant()) return 0;
    (column ? columns : products) *= d.domain[a].constant();
    if (columns >= narrow || products > longest) return 0;
  }
  return products <= order_of(node).block ? products : 0;
}

namespace {

// The last dimension that is not 1; 0 where all are.
int64_t innermost(const Shape& shape) {
  int64_t last = static_cast<int64_t>(shape.size()) - 1;
  while (last > 0 && is_one(shape[static_cast<size_t>(last)])) --last;
  return last;
}

}  // namespace

bool right_is_even(const Graph& graph, const Node& node) {
  const Shape& shape = graph.type(node.operands[1]).shape;
  if (shape.empty()) return true;
  const NodeDomain d = iteration_domain(graph, node);
  for (const AffineIndex::Part& p : d.operands[1][static_cast<size_t>(innermost(shape))].parts)
    if (d.reduced[p.axis]) return false;
  return true;
}

bool runs_along(const Graph& graph, const Node& node, size_t side) {
  const NodeDomain d = iteration_domain(graph, node);
  for (auto axis = static_cast<uint32_t>(d.reduced.size()); axis-- > 0;)
    if (d.reduced[axis])
      return affine_is_axis(
          d.operands[side][static_cast<size_t>(innermost(graph.type(node.operands[side]).shape))], axis);
  return true;
}

bool packs_right(const Graph& graph, const Node& node) {
  if (!multiplies_in_blocks(node)) return false;
  NodeDomain d = iteration_domain(graph, node);
  int64_t columns = 1, inner = 1, column_axes = 0;
  Dim rows(1);
  for (uint32_t a = 0; a < d.domain.size(); ++a) {
    const bool left = reads_axis(d.operands[0], a);
    if (left && !d.reduced[a]) {
      if (reads_axis(d.operands[1], a)) return false;  // a product for each of its points
      rows = rows * d.domain[a];
      continue;
    }
    if (!d.domain[a].is_constant()) return false;
    (d.reduced[a] ? inner : columns) *= d.domain[a].constant();
    column_axes += d.reduced[a] ? 0 : 1;
  }
  if (column_axes != 1) return false;
  auto reaches = [&](int64_t least) { return rows.is_constant() && rows.constant() >= least; };
  if (!right_is_even(graph, node)) {
    constexpr int64_t least_rows = 8, least_side = 16;
    return (reaches(least_rows) || !rows.is_constant()) && columns >= least_side && inner >= least_side;
  }
  constexpr int64_t least_elements = 128 << 10, least_row = 512, least_rows = 192, page = 4096;
  const auto bytes = static_cast<int64_t>(dtype_bytes(graph.type(node.operands[1]).dtype));
  return reaches(least_rows) && columns >= least_row && inner * columns >= least_elements &&
         columns * bytes % page == 0;
}

NodeDomain node_domain(const Graph& graph, const Node& node) {
  const ir::OpDef& op = *node.op;
  const bool alone = ir::scatters(op) || ir::scans(op);
  if (op.iteration() != nullptr && !alone && !multiplies_in_blocks(node)) {
    NodeDomain out = iteration_domain(graph, node);
    if (!ir::gathers(op)) out.kind = GroupKind::reduce;
    return out;
  }
  NodeDomain out{GroupKind::pointwise, {}, {}, {}, {}};
  const int64_t chain = chain_length(graph, node);
  if (ir::multiplies(op) && chain == 0) out.kind = GroupKind::contract;
  if (ir::scans(op)) out.kind = GroupKind::scan;
  if (ir::scatters(op)) out.kind = GroupKind::scatter;
  if (op.check() != nullptr) out.kind = GroupKind::check;
  if (op.control() != nullptr) out.kind = GroupKind::control;
  if (op.generate() != nullptr && op.generate()->what == ir::Generator::permutation)
    out.kind = GroupKind::permute;
  if (out.kind != GroupKind::pointwise && out.kind != GroupKind::contract) return out;
  const Shape& shape = graph.type(node.results[0]).shape;
  out.domain = squeeze(shape);
  out.reduced.assign(out.domain.size(), false);
  if (out.kind == GroupKind::contract) return out;
  Index at = identity_index(shape, iota_axes(out.domain.size()));
  if (ir::multiplies(op)) {
    // A chain reads its factors at several elements; of one product, at one.
    out.operands.resize(2);
    if (chain == 1) out.operands = iteration_domain(graph, node).operands;
    return out;
  }
  if (op.index_map() != nullptr) {
    // A stored index map reads its operand elsewhere than where it writes. Guarded or several reads of one
    // operand have no one index.
    out.operands.resize(node.operands.size());
    std::vector<uint32_t> reads(node.operands.size(), 0);
    for (const ir::IndexPiece& piece : pieces_of(graph, node)) {
      Index inner;
      for (const AffineIndex& a : piece.index) inner.push_back(affine_substitute(a, at));
      const bool single = ++reads[piece.operand] == 1 && piece.guards.empty();
      out.operands[piece.operand] = single ? std::move(inner) : Index{};
    }
    return out;
  }
  for (ValueId v : node.operands) out.operands.push_back(graph.type(v).shape.empty() ? Index{} : at);
  return out;
}

}  // namespace tenon::lower
