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
#include "lower/plan.h"
#include "target/target.h"

namespace tenon::lower {

struct Options {
  const target::Target* target = nullptr;
  std::vector<std::string> functions;  // entries to make; empty: all
  FuseOptions fuse;
  PlanOptions plan;
  const std::vector<kernel::StateSlot>* state_like = nullptr;  // a layout that holds all that functions name
  bool parallel = true;                                        // false: no parallel phases
  double chunk_cycles = 20000;   // least work of a chunk of a phase, in vector cycles
  double inline_cycles = 30000;  // loops whose body does less run as one serial kernel
};

// Why each edge of each function was fused or not, for `explain` and dumps.
struct Explanation {
  std::string function, producer, consumer, reason;
  bool fused = false;
};

// The first half of lowering: what runs as one kernel, and how. All decisions of speed but for where values
// lie, which follow from them.
Result<ScheduledModule> schedule_module(const ir::Module& module, const Options& options);
// The second half: places, and the kernels that the schedules describe.
kernel::Module emit_module(const ScheduledModule& module, const Options& options);
std::vector<Explanation> explain(const ScheduledModule& module);

// Whether a graph is of what lowering knows: no composites and no calls.
bool is_primitive(const ir::Graph& graph);

// Inserts transposed copies of right factors whose lane axis is not contiguous, so that tiles read whole
// vectors. Part of lower(); the copies are nodes of the graph, which fusion then stores.
ir::Graph prepare_contractions(const ir::Graph& graph, const ir::Module& module);

}  // namespace tenon::lower
