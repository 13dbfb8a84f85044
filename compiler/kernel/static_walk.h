// Static integers over their whole range, without making the expanded code: sizes after unroll and
// specialize, subscripts and extents of register arrays, widths of lanes. It stops at the limit, so that its
// own work is bounded by it.
#pragma once

#include "kernel/verify.h"

namespace tenon::kernel {

// Of a function whose types and scopes are right.
Errors walk_static(const Function& function, const Limits& limits);

// Value of a static expression, given those of the static variables by VarId; false where it is too large an
// expression to be one.
bool static_value(const Function& function, ExprId expr, const std::vector<int64_t>& values, int64_t* out);

}  // namespace tenon::kernel
