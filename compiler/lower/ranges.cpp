#include "lower/ranges.h"

#include <algorithm>

#include "ir/apply.h"
#include "lower/domain.h"

namespace tenon::lower {
namespace {

// Largest element and one, of a constant without negative elements.
std::optional<Dim> constant_bound(const Array& array) {
  constexpr int64_t longest = 1 << 16;
  if (!is_int(array.dtype()) || array.count() > longest) return std::nullopt;
  int64_t low = 0, high = -1;
  with_dtype(array.dtype(), [&]<class T>() {
    for (T v : array.as<T>()) {
      low = std::min(low, static_cast<int64_t>(v));
      high = std::max(high, static_cast<int64_t>(v));
    }
  });
  if (low < 0 || high >= (int64_t{1} << 40)) return std::nullopt;
  return Dim(high + 1);
}

}  // namespace

IndexRanges::IndexRanges(const Graph& graph, const ir::DimRanges& dims,
                         const std::set<std::string>& cannot_fail) {
  visit(graph, dims, cannot_fail, Bounds(graph.value_count()));
}

bool IndexRanges::declared_to_fail(const Node& node) { return node.op->may_fail; }

bool IndexRanges::may_fail(const Graph& graph) const {
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const Node& node = graph.node(NodeId(i));
    if (may_fail(node)) return true;
    for (const auto& region : node.regions)
      if (may_fail(*region)) return true;
  }
  return false;
}

void IndexRanges::visit(const Graph& graph, const ir::DimRanges& dims,
                        const std::set<std::string>& cannot_fail, Bounds bounds) {
  auto bound = [&](ValueId v) -> const std::optional<Dim>& { return bounds[v.index]; };
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const Node& node = graph.node(NodeId(i));
    const ir::OpDef& op = *node.op;
    for (const auto& region : node.regions) {
      Bounds inner(region->value_count());
      const size_t skip = op.control()->what == ir::Control::cond ? 1 : 0;  // the predicate
      size_t operand = skip;
      for (ValueId a : region->args) {
        const ir::ArgKind kind = region->value(a).arg;
        if (kind == ir::ArgKind::index) {
          if (const Dim* trip = std::get_if<Dim>(&node.attr("trip"))) inner[a.index] = *trip;
          continue;
        }
        // What a carry becomes is not followed.
        if (kind != ir::ArgKind::carry) inner[a.index] = bound(node.operands[operand]);
        ++operand;
      }
      visit(*region, dims, cannot_fail, std::move(inner));
    }
    if (ir::is_apply(node) && cannot_fail.contains(node.get<std::string>("callee"))) inside_.insert(&node);
    if (ir::finds_position(op)) {
      // Of the position: the extreme value beside it may be any number.
      Dim count(1);
      for (const ir::Axis& axis : described(graph, node).axes)
        if (axis.role == ir::Axis::Role::reduced) count = count * axis.extent;
      bounds[node.results.back().index] = count;
    } else if (node.results.empty() || !is_int(graph.type(node.results[0]).dtype)) {
      // Rows are taken from, or added to, values of any type: below.
    } else if (op.generate() != nullptr) {
      if (op.generate()->what == ir::Generator::permutation)
        bounds[node.results[0].index] = node.get<Dim>("n");
      if (op.generate()->what == ir::Generator::iota)
        bounds[node.results[0].index] =
            graph.type(node.results[0]).shape[static_cast<size_t>(node.get<int64_t>("axis"))];
      if (op.generate()->what == ir::Generator::constant)
        bounds[node.results[0].index] = constant_bound(*node.get<std::shared_ptr<const Array>>("value"));
    } else if (op.view() != nullptr) {
      bounds[node.results[0].index] = bound(node.operands[0]);
    } else if (op.index_map() != nullptr || ir::gathers(op)) {
      // Moved about: of several operands, all must have the one bound.
      const size_t values = ir::gathers(op) ? 1 : node.operands.size();
      bool same = values > 0 && bound(node.operands[0]).has_value();
      for (size_t k = 1; same && k < values; ++k)
        same = bound(node.operands[k]) && *bound(node.operands[k]) == *bound(node.operands[0]);
      if (same) bounds[node.results[0].index] = bound(node.operands[0]);
    }
    if (!ir::gathers(op) && !ir::scatters(op)) continue;
    const ir::Iteration it = described(graph, node);
    const auto known = [&](const ir::Access& access, ValueId of) {
      return std::all_of(access.chosen.begin(), access.chosen.end(), [&](const ir::Access::Chosen& c) {
        const std::optional<Dim>& indices = bound(node.operands[c.operand]);
        const Dim& rows = graph.type(of).shape[c.dimension];
        return indices && (*indices == rows || (rows - *indices).range(dims).low >= 0);
      });
    };
    bool inside = known(it.result, node.results[0]);
    for (size_t k = 0; k < node.operands.size(); ++k)
      inside = inside && known(it.operands[k], node.operands[k]);
    if (inside) inside_.insert(&node);
  }
}

}  // namespace tenon::lower
