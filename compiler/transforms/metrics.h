// Metrics of a step: they tell of the network that the step trains, so they are computed on the forward pass
// that the loss is computed on. A node of the metric that computes what a node of the step computes (the same
// operation, attributes and regions on the same values) is that node, operations with a training form
// included: one forward pass, one mask of a dropout. Where the step draws several times from one value, the
// metric's draws are the step's in their order. What only the metric computes is added, in training form.
#pragma once

#include "ir/graph.h"

namespace tenon::transforms {
using namespace support;

// Appends what metric function `name` returns to what the function returns. Calls of the function are inlined
// already. T116: no such function, or an input that the step has none for. Linear in both graphs.
Status add_metric(const ir::Module& module, const ir::Derive& derive, const std::string& name,
                  ir::Function* function);

}  // namespace tenon::transforms
