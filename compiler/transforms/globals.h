// Globals and results that transforms add to modules and functions: random state, optimizer slots, counters.
#pragma once

#include <string>
#include <string_view>

#include "ir/builder.h"

namespace tenon::transforms {
using namespace support;

// The states of random numbers: the seed, and the number of steps done. Both are i64[], told by their initial
// values, and named rng.seed and rng.step where the model leaves these names free.
struct Rng {
  std::string seed, step;
};
// Empty where the module has none.
Rng find_rng(const ir::Module& module);
// Adds what is missing. `graph`: a graph that will read them and stands in no function of the module yet.
Rng ensure_rng(ir::Module& module, const ir::Graph* graph = nullptr);
void add_state(ir::Module& module, std::string name, ir::Type type, ir::Init init = {});
// The function's argument for a global of the module, added where it is missing.
ir::ValueId global_value(const ir::Module& module, ir::Graph& graph, std::string_view name);
// Appends a write, or replaces the value of the one that stands.
void set_write(ir::Function& function, std::string_view global, ir::ValueId value);
bool has_write(const ir::Function& function, std::string_view global);
// One more returned value, under the label or the first free name made from it.
void add_result(ir::Function& function, ir::ValueId value, std::string_view label);
// The count of steps, which stands in the module, plus 1 at exit, unless it is written already.
void count_step(const ir::Module& module, ir::Function& function);

}  // namespace tenon::transforms
