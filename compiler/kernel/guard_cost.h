// What a loop's trip costs, roughly in nanoseconds of guarded code: enough to tell work from work without
// end.
#pragma once

#include <cstdint>

#include "kernel/kernel.h"

namespace tenon::kernel {

// Of one trip without the loops inside, which cost by themselves: the distinct expressions of its statements,
// times the vectors that its lanes take; at least 1. `lanes`: width of the lanes around, 1 outside.
int64_t trip_cost(const Function& f, const Stmt& loop, int64_t lanes);

}  // namespace tenon::kernel
