// Equality of graphs by structure: the same operations in the same order, with equal attributes, types and
// regions, on values that stand at the same places. Names and locations do not count. Linear in both graphs.
#pragma once

#include "ir/graph.h"

namespace tenon::ir {

bool equal_graphs(const Graph& a, const Graph& b);
// Operation, attributes and regions of two nodes; their operands are the caller's to compare.
bool equal_nodes(const Node& a, const Node& b);

}  // namespace tenon::ir
