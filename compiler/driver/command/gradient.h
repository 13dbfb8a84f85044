// Gradients of a model, and the model in wider numbers to judge them by.
#pragma once

#include "ir/graph.h"
#include "support/array.h"

namespace tenon::command {
using namespace support;

// Appends `derive NAME = grad FUNCTION {wrt = [...], mode = ...}`; empty wrt and mode are left out.
Status add_gradient(ir::Module& module, const std::string& function, const std::string& name,
                    const std::vector<std::string>& wrt, const std::string& mode);

// Narrow floats as f64; what else an array holds stays as it is.
Array widened(const Array& a);
// The module with f64 in place of narrower floats everywhere: what it means, nearly without roundings.
// Verified.
Result<ir::Module> widened(ir::Module module);

}  // namespace tenon::command
