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

bool is_reduced(const ir::Axis& axis) { return axis.role == ir::Axis::Role::reduced; }

bool reads_axis(const Index& at, uint32_t axis) {
  return std::any_of(at.begin(), at.end(),
                     [&](const AffineIndex& i) { return !(coefficient(i, axis) == Dim(0)); });
}

}  // namespace

ir::Iteration described(const Graph& graph, const Node& node) {
  std::vector<ir::Type> types;
  for (ValueId v : node.operands) types.push_back(graph.type(v));
  return node.op->iteration()->describe(node, types, graph.type(node.results[0]));
}

ir::Iteration squeezed(const Graph& graph, const Node& node) {
  ir::Iteration it = described(graph, node);
  if (std::none_of(it.axes.begin(), it.axes.end(), [](const ir::Axis& a) { return is_one(a.extent); }))
    return it;
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
  ir::Iteration it = squeezed(graph, node);
  NodeDomain out{GroupKind::pointwise, {}, {}, {}, {}};
  for (ir::Axis& axis : it.axes) {
    out.domain.push_back(std::move(axis.extent));
    out.reduced.push_back(is_reduced(axis));
    if (out.reduced.back()) out.kind = GroupKind::reduce;
  }
  for (ir::Access& access : it.operands) {
    out.operands.push_back(access.chosen.empty() ? std::move(access.index) : Index{});
    out.guarded.push_back(!access.guarded.empty());
  }
  return out;
}

int64_t chain_length(const Graph& graph, const Node& node) {
  constexpr int64_t longest = 8, narrow = 8;
  if (!multiplies_in_blocks(node)) return 0;
  const ir::Iteration it = described(graph, node);
  // Products that may be left out are no arithmetic.
  if (!it.operands[0].guarded.empty()) return 0;
  int64_t columns = 1, products = 1;
  for (uint32_t a = 0; a < it.axes.size(); ++a) {
    const Dim& extent = it.axes[a].extent;
    const bool reduced = is_reduced(it.axes[a]), column = !reduced && !reads_axis(it.operands[0].index, a);
    if (!column && !reduced) continue;
    if (!extent.is_constant()) return 0;
    (column ? columns : products) *= extent.constant();
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
  const ir::Iteration it = described(graph, node);
  for (const AffineIndex::Part& p : it.operands[1].index[static_cast<size_t>(innermost(shape))].parts)
    if (is_reduced(it.axes[p.axis])) return false;
  return true;
}

bool runs_along(const Graph& graph, const Node& node, size_t side) {
  const ir::Iteration it = described(graph, node);
  for (auto axis = static_cast<uint32_t>(it.axes.size()); axis-- > 0;)
    if (is_reduced(it.axes[axis]) && !is_one(it.axes[axis].extent))
      return affine_is_axis(
          it.operands[side].index[static_cast<size_t>(innermost(graph.type(node.operands[side]).shape))],
          axis);
  return true;
}

bool packs_right(const Graph& graph, const Node& node) {
  if (!multiplies_in_blocks(node)) return false;
  const ir::Iteration it = described(graph, node);
  const bool windows = !it.operands[0].guarded.empty();
  int64_t columns = 1, inner = 1, column_axes = 0, least = 1;  // rows at least, along axes of known extent
  Dim rows(1);
  for (uint32_t a = 0; a < it.axes.size(); ++a) {
    const Dim& extent = it.axes[a].extent;
    const bool reduced = is_reduced(it.axes[a]);
    if (reads_axis(it.operands[0].index, a) && !reduced) {
      if (reads_axis(it.operands[1].index, a)) return false;  // a product for each of its points
      rows = rows * extent;
      if (extent.is_constant()) least *= extent.constant();
      continue;
    }
    if (!extent.is_constant()) return false;
    (reduced ? inner : columns) *= extent.constant();
    column_axes += reduced || is_one(extent) ? 0 : 1;
  }
  if (column_axes != 1) return false;
  auto reaches = [&](int64_t n) { return least >= n; };
  if (!right_is_even(graph, node)) {
    constexpr int64_t least_rows = 8, least_side = 16;
    return (reaches(least_rows) || !rows.is_constant()) &&
           (windows || (columns >= least_side && inner >= least_side));
  }
  // Rows of the factor that lie in pages of their own cost more than a copy that many rows share. (AMD reads
  // them in place as fast, but for rows a multiple of the page apart, which share few sets of the caches.)
  constexpr int64_t least_elements = 128 << 10, least_row = 512, least_rows = 192;
  // Of a convolution all rows meet the panels, run by run: they are worth a copy of less.
  if (windows) return reaches(least_rows) && columns >= 32 && inner >= 64;
  return reaches(least_rows) && columns >= least_row && inner * columns >= least_elements;
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
