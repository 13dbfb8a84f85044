// The kinds of derive directives, one function each (see expand_derives in transforms.h). Each makes one
// function of the directive's name and appends what it needs to the module's globals and dims.
#pragma once

#include "ir/graph.h"

namespace tenon::transforms {
using namespace support;

// step LOSSFN {over = [patterns], with = sgd {lr = 0.01}, metrics = [functions]}: returns what LOSSFN returns
// (the loss first) and what the metrics return, and writes the updated parameters and optimizer state.
Result<ir::Function> derive_step(ir::Module& module, const ir::Derive& derive);
// grad FN {wrt = [names or patterns], mode = inference|training, value = true}: returns the gradients of FN's
// first value; with `value`, what FN returns stands before them.
Result<ir::Function> derive_grad(ir::Module& module, const ir::Derive& derive);
// epochs STEP {order = shuffled|given}: the native training loop (epochs.cpp).
Result<ir::Function> derive_epochs(ir::Module& module, const ir::Derive& derive);
// init: writes every parameter and state from its initializer; input seed.
Result<ir::Function> make_init(const ir::Module& module);

}  // namespace tenon::transforms
