// How single nodes iterate, by the forms of their declarations.
#include <algorithm>

#include "lower/fuse.h"

namespace tenon::lower {
namespace {

std::vector<uint32_t> iota_axes(size_t n) {
  std::vector<uint32_t> axes(n);
  for (size_t i = 0; i < n; ++i) axes[i] = static_cast<uint32_t>(i);
  return axes;
}

NodeDomain gather_domain(const Graph& graph, const Node& node) {
  const Shape& result = graph.type(node.results[0]).shape;
  NodeDomain out{GroupKind::pointwise, squeeze(result), {}, {}};
  out.reduced.assign(out.domain.size(), false);
  Index at = identity_index(result, iota_axes(out.domain.size()));
  auto axis = static_cast<size_t>(node.get<int64_t>("axis"));
  size_t rank = graph.type(node.operands[1]).shape.size();
  // operand 0 is read at a computed index: it must be stored, and has no affine index here.
  out.operands = {Index{}, Index(at.begin() + static_cast<std::ptrdiff_t>(axis),
                                 at.begin() + static_cast<std::ptrdiff_t>(axis + rank))};
  return out;
}

}  // namespace

NodeDomain contraction_domain(const Graph& graph, const Node& node) {
  NodeDomain out{GroupKind::reduce, {}, {}, {}};
  using Axes = std::vector<int64_t>;
  const Shape& a = graph.type(node.operands[0]).shape;
  const Shape& b = graph.type(node.operands[1]).shape;
  const Axes &ab = node.get<Axes>("lhs_batch"), &bb = node.get<Axes>("rhs_batch");
  const Axes &ac = node.get<Axes>("lhs_contract"), &bc = node.get<Axes>("rhs_contract");
  Index ia(a.size()), ib(b.size());
  auto axis = [&](const Dim& extent, bool reduced) {
    if (is_one(extent)) return affine_constant(Dim(0));
    out.domain.push_back(extent);
    out.reduced.push_back(reduced);
    return affine_axis(static_cast<uint32_t>(out.domain.size() - 1));
  };
  auto member = [](const Axes& axes, size_t d) {
    return std::find(axes.begin(), axes.end(), static_cast<int64_t>(d)) != axes.end();
  };
  for (size_t i = 0; i < ab.size(); ++i) {
    AffineIndex index = axis(a[static_cast<size_t>(ab[i])], false);
    ia[static_cast<size_t>(ab[i])] = index;
    ib[static_cast<size_t>(bb[i])] = index;
  }
  for (size_t d = 0; d < a.size(); ++d)
    if (!member(ab, d) && !member(ac, d)) ia[d] = axis(a[d], false);
  for (size_t d = 0; d < b.size(); ++d)
    if (!member(bb, d) && !member(bc, d)) ib[d] = axis(b[d], false);
  for (size_t i = 0; i < ac.size(); ++i) {
    AffineIndex index = axis(a[static_cast<size_t>(ac[i])], true);
    ia[static_cast<size_t>(ac[i])] = index;
    ib[static_cast<size_t>(bc[i])] = index;
  }
  out.operands = {std::move(ia), std::move(ib)};
  return out;
}

int64_t chain_length(const Graph& graph, const Node& node) {
  constexpr int64_t longest = 8, narrow = 8;
  if (node.op->contract == nullptr || node.get<std::string>("order") == "lanes") return 0;
  NodeDomain d = contraction_domain(graph, node);
  int64_t columns = 1, products = 1;
  for (uint32_t a = 0; a < d.domain.size(); ++a) {
    auto has = [&](const Index& at) {
      return std::any_of(at.begin(), at.end(), [&](const AffineIndex& i) { return affine_is_axis(i, a); });
    };
    const bool column = !d.reduced[a] && !has(d.operands[0]);
    if (!column && !d.reduced[a]) continue;
    if (!d.domain[a].is_constant()) return 0;
    (column ? columns : products) *= d.domain[a].constant();
    if (columns >= narrow || products > longest) return 0;
  }
  return products <= node.get<int64_t>("block") ? products : 0;
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
  const auto& contract = node.get<std::vector<int64_t>>("rhs_contract");
  const int64_t last = innermost(graph.type(node.operands[1]).shape);
  return std::find(contract.begin(), contract.end(), last) == contract.end();
}

bool runs_along(const Graph& graph, const Node& node, size_t side) {
  const Shape& shape = graph.type(node.operands[side]).shape;
  const auto& contract = node.get<std::vector<int64_t>>(side == 0 ? "lhs_contract" : "rhs_contract");
  for (size_t i = contract.size(); i-- > 0;) {
    if (is_one(shape[static_cast<size_t>(contract[i])])) continue;
    return contract[i] == innermost(shape);
  }
  return true;
}

bool packs_right(const Graph& graph, const Node& node) {
  if (node.op->contract == nullptr || node.get<std::string>("order") == "lanes") return false;
  using Axes = std::vector<int64_t>;
  if (!node.get<Axes>("lhs_batch").empty()) return false;
  NodeDomain d = contraction_domain(graph, node);
  int64_t columns = 1, inner = 1, column_axes = 0;
  Dim rows(1);
  for (uint32_t a = 0; a < d.domain.size(); ++a) {
    const bool left = std::any_of(d.operands[0].begin(), d.operands[0].end(),
                                  [&](const AffineIndex& i) { return affine_is_axis(i, a); });
    if (left && !d.reduced[a]) {
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
  if (op.contract != nullptr && node.get<std::string>("order") == "lanes")
    return contraction_domain(graph, node);
  if (op.gather != nullptr) return gather_domain(graph, node);
  NodeDomain out{GroupKind::pointwise, {}, {}, {}};
  if (op.reduce != nullptr || op.arg_reduce != nullptr) {
    const Shape& shape = graph.type(node.operands[0]).shape;
    std::vector<int64_t> axes = op.reduce != nullptr ? node.get<std::vector<int64_t>>("axes")
                                                     : std::vector<int64_t>{node.get<int64_t>("axis")};
    out.kind = GroupKind::reduce;
    for (size_t d = 0; d < shape.size(); ++d) {
      if (is_one(shape[d])) continue;
      out.domain.push_back(shape[d]);
      out.reduced.push_back(std::find(axes.begin(), axes.end(), static_cast<int64_t>(d)) != axes.end());
    }
    out.operands = {identity_index(shape, iota_axes(out.domain.size()))};
    return out;
  }
  const int64_t chain = chain_length(graph, node);
  if (op.contract != nullptr && chain == 0) out.kind = GroupKind::contract;
  if (op.scatter != nullptr) out.kind = GroupKind::scatter;
  if (op.check != nullptr) out.kind = GroupKind::check;
  if (op.control != nullptr) out.kind = GroupKind::control;
  if (op.generate != nullptr && op.generate->what == ir::Generator::permutation)
    out.kind = GroupKind::permute;
  if (out.kind != GroupKind::pointwise && out.kind != GroupKind::contract) return out;
  const Shape& shape = graph.type(node.results[0]).shape;
  out.domain = squeeze(shape);
  out.reduced.assign(out.domain.size(), false);
  if (out.kind == GroupKind::contract) return out;
  Index at = identity_index(shape, iota_axes(out.domain.size()));
  if (op.contract != nullptr) {
    // A chain reads its factors at several elements; of one product, at one.
    out.operands.resize(2);
    if (chain == 1) out.operands = contraction_domain(graph, node).operands;
    return out;
  }
  if (op.index_map != nullptr) {
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
