// Gradients of a model, and the model in wider numbers to judge them by.
#pragma once

#include "ir/graph.h"

namespace tenon::command {
using namespace support;

// Appends `derive NAME = grad FUNCTION {wrt = [...], mode = ...}`; empty wrt and mode are left out.
Status add_gradient(ir::Module& module, const std::string& function, const std::string& name,
                    const std::vector<std::string>& wrt, const std::string& mode);

// The module with f64 in place of f32 everywhere: what it means, nearly without roundings. Verified.
Result<ir::Module> widened(ir::Module module);

}  // namespace tenon::command
