// Compaction: a graph rebuilt in program order without what nothing needs. The core of the pass dce, and what
// transforms leave their functions through.
//
// Kept: whatever results need; operations that may fail (a status is an effect) and regions that hold one;
// all inputs of functions. Dropped besides dead nodes: unused results, carries that only keep themselves
// alive, unused slices and captures of loops and conds, unused arguments of kind global.
#pragma once

#include "ir/graph.h"

namespace tenon::ir {

// True where something was dropped. `keep_globals`: of a function that others apply, who give what it reads.
bool compact(const Module& module, Graph& graph, bool keep_globals = false);
// Number of nodes, those in regions included.
size_t count_nodes(const Graph& graph);

}  // namespace tenon::ir
