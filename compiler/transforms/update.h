// Updates of a step: from the gradients of its loss to the writes of parameters and slots, one flat pass of
// elementwise operations for each parameter.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace tenon::transforms {
using namespace support;

// The options of a step that say how it updates; the others are derive_step's.
inline constexpr std::string_view update_options[] = {"with",       "lr_factor", "decay",  "clip",
                                                      "accumulate", "hook",      "average"};
// The moving average of a parameter, a state beside it.
inline constexpr std::string_view average_ending = ".average";

// Adds the writes of one step to the function, whose graph holds gradients[i] of the entry value of
// params[i]. T116 for options and names that are unknown or do not fit, T202 for numbers that an element type
// cannot hold, T104 for names that an input hides.
Status add_updates(ir::Module& module, ir::Function& function, const std::vector<ir::Option>& options,
                   std::span<const std::string> params, const std::vector<ir::ValueId>& gradients);

}  // namespace tenon::transforms
