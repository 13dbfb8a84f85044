// Counts over graphs: floating-point operations as an expression of the named dimensions, elements of
// globals.
#pragma once

#include "ir/graph.h"

namespace tenon::ir {

// Operations of one node, regions and callees included; of a whole function. Elementwise operations count as
// declared, a reduction one per element, a contraction two per product; moving data counts nothing, and of a
// cond the first branch counts. Forms that depend on the mode (dropout) count nothing.
Dim node_flops(const Module& module, const Graph& graph, const Node& node);
Dim graph_flops(const Module& module, const Graph& graph);
// Elements of parameters (or of state) of the module.
int64_t elements(const Module& module, GlobalKind kind);

}  // namespace tenon::ir
