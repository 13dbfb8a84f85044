// Lowering: a module of primitives -> kernel IR for a target.
//
// Needs: verified IR without derives, calls inlined, composites expanded, modes resolved. Guarantees: a
// verified kernel module whose entries have the functions' inputs, outputs, state and hyper-parameters as
// parameters.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "kernel/kernel.h"
#include "lower/passes.h"
#include "lower/plan.h"
#include "target/target.h"

namespace tenon::lower {

// Why each edge of each function was fused or not, for `explain` and dumps.
struct Explanation {
  std::string function, producer, consumer, reason;
  bool fused = false;
};

// The first half of lowering: the passes of lower/passes.h. All decisions of speed, and where values lie,
// which follows from them.
Result<ScheduledModule> schedule_module(ir::Module module, const Options& options);
// The second half: the kernels that schedules and places describe. Places are taken where the module has them
// for these options, else made.
kernel::Module emit_module(const ScheduledModule& module, const Options& options);
std::vector<Explanation> explain(const ScheduledModule& module);

// Whether a graph is of what lowering knows: no composites and no calls.
bool is_primitive(const ir::Graph& graph);

// Inserts transposed copies of right factors whose lane axis is not contiguous, so that tiles read whole
// vectors. Part of lower(); the copies are nodes of the graph, which fusion then stores.
ir::Graph prepare_contractions(const ir::Graph& graph, const ir::Module& module);

}  // namespace tenon::lower
