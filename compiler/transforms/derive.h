// The kinds of derive directives, one function each (see expand_derives in transforms.h). Each makes one
// function of the directive's name and appends what it needs to the module's globals and dims.
#pragma once

#include "ir/graph.h"

namespace tenon::transforms {
using namespace support;

// step LOSSFN {with = sgd {lr = 0.01}, over = [patterns], ...}: returns what LOSSFN returns (the loss first),
// what the metrics return and the gradients asked for, and writes the updated parameters and optimizer state.
// The options stand in docs/derive.md; those of the update in update.h, `batch` and `same` in ir/batch.h.
Result<ir::Function> derive_step(ir::Module& module, const ir::Derive& derive);
// grad FN {wrt = [names or patterns], mode = inference|training, value = true}: returns the gradients of FN's
// first value; with `value`, what FN returns stands before them.
Result<ir::Function> derive_grad(ir::Module& module, const ir::Derive& derive);
// epochs STEP {order = shuffled|given, batch = n, same = [inputs]}: the native training loop (epochs.cpp).
Result<ir::Function> derive_epochs(ir::Module& module, const ir::Derive& derive);
// averaged FN {of = STEP}: FN, with the moving averages that STEP keeps in the place of its parameters.
Result<ir::Function> derive_averaged(ir::Module& module, const ir::Derive& derive);
// init: writes every parameter and state from its initializer; input seed.
Result<ir::Function> make_init(const ir::Module& module);

// What the kinds share: the source function, copied under the directive's name (T116 where there is none);
// and whether its first result is one float.
Result<ir::Function> start_derived(const ir::Module& module, const ir::Derive& derive);
Status check_loss(const ir::Module& module, const ir::Derive& derive, const ir::Function& f);

}  // namespace tenon::transforms
