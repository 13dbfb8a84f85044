// The derive directive that stands for a gradient.
#pragma once

#include "ir/graph.h"

namespace tenon::command {
using namespace support;

// Appends `derive NAME = grad FUNCTION {wrt = [...], mode = ...}`; empty wrt and mode are left out.
Status add_gradient(ir::Module& module, const std::string& function, const std::string& name,
                    const std::vector<std::string>& wrt, const std::string& mode);

}  // namespace tenon::command
