// Counts over graphs: floating-point operations as an expression of the named dimensions, elements of
// globals.
#pragma once

#include "ir/graph.h"

namespace tenon::command {
using namespace support;

// Operations of one node, regions and callees included; of a whole function. Elementwise operations count as
// declared, a reduction one per element, a contraction two per product; moving data counts nothing, and of a
// cond the first branch counts. Forms that depend on the mode (dropout) count nothing.
ir::Dim node_flops(const ir::Module& module, const ir::Graph& graph, const ir::Node& node);
ir::Dim graph_flops(const ir::Module& module, const ir::Graph& graph);
// Elements of parameters (or of state) of the module.
int64_t elements(const ir::Module& module, ir::GlobalKind kind);

}  // namespace tenon::command
