// The order in which lowering takes the nodes of a graph. It follows from the graph, not from the order in
// which statements were written, so that permuted texts give equal kernels.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace tenon::lower {

// All nodes, each behind its operands: from each root in turn, those that fewer operations lead to first, all
// that it still needs, longest ways first. What is used up soon is so made late, and gradients are used where
// they come about. Roots are the results, and what runs though nothing uses it. Ties fall by the order of
// results and of operands. Linear time but for sorting.
std::vector<ir::NodeId> canonical_order(const ir::Graph& graph, const std::vector<ir::ValueId>& results);

// Puts a function's writes, and its arguments for globals, in the order in which the globals are declared.
void order_globals(const ir::Module& module, ir::Function* function);

}  // namespace tenon::lower
