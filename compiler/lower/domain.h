// How single nodes iterate, read from the forms of their declarations. Axes of one point are left out.
#pragma once

#include <vector>

#include "lower/index.h"

namespace tenon::lower {

enum class GroupKind : uint8_t { pointwise, reduce, contract, scan, scatter, check, permute, control };

// A node's iteration as its declaration says it, and the same without axes of one point.
ir::Iteration described(const Graph& graph, const Node& node);
ir::Iteration squeezed(const Graph& graph, const Node& node);
// What each axis of an iteration is at element `at` of its result; reduced axes are left at 0. Each kept axis
// is a dimension of the result.
Index axes_of_result(const ir::Iteration& iteration, const Index& at);

// How a node iterates: its domain, which axes it reduces, and the index of each operand (empty: read by other
// means).
struct NodeDomain {
  GroupKind kind = GroupKind::pointwise;
  Shape domain = {};
  std::vector<bool> reduced = {};
  std::vector<Index> operands = {};
  std::vector<bool> guarded = {};  // per operand of an iteration: it is not read where it would be outside
};
// An iteration over all its axes, in the order of its declaration.
NodeDomain iteration_domain(const Graph& graph, const Node& node);
// As fusion sees the node: a contraction in blocks is a domain of results, whose products its tiles make.
NodeDomain node_domain(const Graph& graph, const Node& node);

// Lanes and blocks in which a reduction or contraction combines.
inline ir::Order order_of(const Node& node) { return node.op->iteration()->order(node); }
// A contraction whose partial sums lie side by side in lanes, as a reduction's do; else in blocks.
inline bool multiplies_in_lanes(const Node& node) {
  return ir::multiplies(*node.op) && order_of(node).lanes > 1;
}
inline bool multiplies_in_blocks(const Node& node) {
  return ir::multiplies(*node.op) && order_of(node).lanes == 1;
}

// Whether neighbours along the last dimension of a contraction's right factor are neighbours in memory.
bool right_is_even(const Graph& graph, const Node& node);
// Whether neighbours along a contraction's last contracted dimension are neighbours in operand `side`.
bool runs_along(const Graph& graph, const Node& node, size_t side);
// Whether a contraction copies its right factor into panels before it multiplies: large factors with many
// rows to multiply, factors whose columns lie across memory, and those of windows, which all rows meet run by
// run.
bool packs_right(const Graph& graph, const Node& node);
// Products of a contraction that is evaluated as arithmetic, one chain of fused multiply-adds an element: few
// products, and fewer columns than a register tile wants. 0: it is none.
int64_t chain_length(const Graph& graph, const Node& node);

}  // namespace tenon::lower
