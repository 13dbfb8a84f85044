// Globals that transforms add to modules and functions: random state, optimizer slots, counters.
#pragma once

#include <string_view>

#include "ir/builder.h"

namespace tenon::transforms {
using namespace support;

inline constexpr std::string_view rng_seed = "rng.seed", rng_step = "rng.step";

// Adds a state to the module unless one of that name stands.
void ensure_state(ir::Module& module, std::string_view name, ir::Type type, ir::Init init = {});
// rng.seed and rng.step, i64[].
void ensure_rng(ir::Module& module);
// The function's argument for a global of the module, added where it is missing.
ir::ValueId global_value(const ir::Module& module, ir::Graph& graph, std::string_view name);
// Appends a write, or replaces the value of the one that stands.
void set_write(ir::Function& function, std::string_view global, ir::ValueId value);
bool has_write(const ir::Function& function, std::string_view global);
// rng.step = rng.step + 1 at exit, unless it is written already.
void count_step(const ir::Module& module, ir::Function& function);

}  // namespace tenon::transforms
