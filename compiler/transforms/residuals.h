// Residuals: after a region's graph was differentiated in place, its nodes are of two kinds: forward nodes,
// and reverse nodes (those that depend on a cotangent argument). The plan tells which forward values the
// reverse nodes need, and how they come by them: as arguments of the region that are at hand anyway, by
// recomputing cheap operations, or as residuals that the forward region yields.
//
// Minimal in this sense: only values that live reverse nodes use; nothing that can be had from slices,
// captures and constants by cheap elementwise operations or index maps; not an index map of a value but the
// value; and a cheap operation is recomputed where all it needs is saved already.
#pragma once

#include <vector>

#include "ir/builder.h"
#include "transforms/activity.h"

namespace tenon::transforms {

struct ResidualPlan {
  std::vector<ir::ValueId> saved;  // in program order
  std::vector<ir::ValueId> args;   // arguments (not cotangents) that the reverse region takes, in order
  Flags reverse_nodes;             // by node: goes into the reverse region, as reverse or recomputed node
  Flags reverse_values;            // by value: depends on a cotangent argument
};

// `cotangent_args`: arguments that hold cotangents. `outputs`: what the reverse region yields. Arguments of
// kind carry count as computed values, all others are at hand.
ResidualPlan plan_residuals(const ir::Graph& graph, const std::vector<ir::ValueId>& cotangent_args,
                            const std::vector<ir::ValueId>& outputs);

// The forward region: the first `original_nodes` nodes and what the saved values need beyond them. Arguments
// are the first `original_args` ones; yields the first `original_results` results, then the saved values.
ir::Graph forward_region(const ir::Graph& graph, const ir::Module& module, size_t original_args,
                         size_t original_nodes, const ResidualPlan& plan);

// Appends the reverse nodes to the builder's graph; `map` holds cotangent arguments, plan.args and
// plan.saved, and is extended.
void copy_reverse_nodes(const ir::Graph& graph, const ResidualPlan& plan, ir::Builder& b,
                        std::vector<ir::ValueId>* map);

}  // namespace tenon::transforms
