// Verifier: checks the invariants listed in graph.h and returns all violations, located.
#pragma once

#include "ir/graph.h"

namespace tenon::ir {

// T101..T116. Linear in the module's size.
Status verify(const Module& module);
// One graph with its regions; `module` resolves calls and dims.
Status verify(const Graph& graph, const Module& module);

}  // namespace tenon::ir
