// Optimizers: from parameters and gradients to updates, as ordinary graph operations. Slots are states named
// after their parameter (fc1.w.m, fc1.w.v); Adam counts its steps in the state `step`. All right sides read
// the values at entry.
//   sgd       {lr}                          p - lr g
//   momentum  {lr, momentum, nesterov}      m = momentum m + g;  p - lr m, or p - lr (g + momentum m)
//   adam      {lr, beta1, beta2, eps}       m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g g;
//             with t steps done:            p - lr/(1 - beta1^t) m / (sqrt(v) (1/sqrt(1 - beta2^t)) + eps)
// A number of an option may be the name of a rank-0 float hyper-parameter, parameter or state.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"

namespace tenon::transforms {
using namespace support;

// Adds the writes of one step to the function, whose graph holds gradients[i] of the entry value of
// params[i]. `with`: the option `with = adam {lr = lr}`. T116 on unknown optimizers, options and names.
Status add_optimizer(ir::Module& module, ir::Function& function, const ir::Option& with,
                     const std::vector<std::string>& params, const std::vector<ir::ValueId>& gradients);

}  // namespace tenon::transforms
