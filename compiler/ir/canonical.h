// The order of nodes that follows from a graph, not from the order in which statements were written or in
// which a compiler evaluated the arguments of the C++ calls that emitted them: permuted texts and other
// builds of Tenon give equal dumps and equal kernels.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace tenon::ir {

// All nodes, each behind its operands: from each root in turn, those that fewer operations lead to first, all
// that it still needs, longest ways first. What is used up soon is so made late, and gradients are used where
// they come about. Constants, and what is made of one constant, stand right in front of their first user.
// Roots are the results, and what runs though nothing uses it. Ties fall by the order of results and of
// operands. Linear time but for sorting.
std::vector<NodeId> canonical_order(const Graph& graph);

// Puts the nodes of a graph, and of the regions in it, into canonical order; true where one moved.
bool order_nodes(Graph& graph);

// Puts a function's writes, and its arguments for globals, in the order in which the globals are declared.
void order_globals(const Module& module, Function* function);

}  // namespace tenon::ir
