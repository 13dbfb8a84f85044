// Transforms: graph -> graph, changing meaning (derivatives, training steps, modes), as opposed to passes,
// which keep it. All work on whole modules or functions in graph IR and leave verified IR.
#pragma once

#include <string>
#include <vector>

#include "ir/batch.h"

namespace tenon::transforms {
using namespace support;

// Inlines every `call` of a function (callee's globals become arguments; inside regions, captures), and with
// `applied` every `apply`: what is differentiated has neither.
Status inline_calls(ir::Module& module, ir::Function& function, bool applied = false);

// Gradients of a rank-0 float value of `graph` with respect to `wrt` (values of the same graph), appended to
// the graph; any order, through loops, conds and composites. Zeros where no path leads. T113 where an
// operation on the path has no derivative. The gradient of value h is named h'.
Result<std::vector<ir::ValueId>> grad(ir::Graph& graph, const ir::Module& module, ir::ValueId loss,
                                      const std::vector<ir::ValueId>& wrt);
// Vector-Jacobian product: cotangents given for `outputs`.
Result<std::vector<ir::ValueId>> vjp(ir::Graph& graph, const ir::Module& module,
                                     const std::vector<ir::ValueId>& outputs,
                                     const std::vector<ir::ValueId>& cotangents,
                                     const std::vector<ir::ValueId>& wrt);

// Resolves training or inference forms of operations that have both; adds the state rng.seed and rng.step
// (i64[]) to the module where a training form draws random numbers.
Status resolve_mode(ir::Module& module, ir::Function& function, ir::Mode mode);

// order(seed: i64[], step: i64[]) -> order: u32[rows]: the order in which the loop `epochs` takes its rows in
// the epoch that begins at these values of the random state.
ir::Module epoch_order(int64_t rows);

// Makes the function of one directive and appends it. T103 without its source, T116 for bad options.
Status expand_derive(ir::Module& module, const ir::Derive& derive);
// How data are cut for a step of the module, whether it stands there or is to be derived.
ir::BatchFinding step_batch(const ir::Module& module, std::string_view step);
// Replaces every derive directive by ordinary functions: step, grad, epochs, averaged. After it
// the module has no derives.
Status expand_directives(ir::Module& module);
// The same; then adds `init`.
Status expand_derives(ir::Module& module);

}  // namespace tenon::transforms
