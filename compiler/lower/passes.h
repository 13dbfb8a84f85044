// The passes from an optimized module to one whose kernels can be written. Each makes one kind of decision,
// which stands in the module afterwards and in its text (schedule_text.h): groups, schedules, places.
#pragma once

#include "lower/schedule.h"
#include "pass/pass.h"

namespace tenon::lower {

using Pass = pass::Pass<ScheduledModule>;

extern const Pass prepare, fuse_groups, choose_schedules, place_values;

// In the order in which they run: each needs the one before it.
const std::vector<const Pass*>& all();
const std::vector<pass::Step<ScheduledModule>>& pipeline();
std::string pipeline_text();  // "prepare,fuse,schedule,place"
// A table of them for docs/passes.md.
std::string passes_reference();

// What they begin with: a module of primitives, of which the functions that options name are kept. T103 where
// one of those is not there.
Result<ScheduledModule> begin(ir::Module module, const Options& options);
// Groups, schedules and places hold together: see schedule_verify.cpp.
Status verify(const ScheduledModule& module);

}  // namespace tenon::lower
