// What operations over windows share: their geometry, and the derivatives of reductions.
#pragma once

#include "ops/expr.h"
#include "ops/rules.h"

namespace tenon::ops {

inline constexpr int64_t most_window_step = int64_t{1} << 20;
// Of operations that look at each element of a window by itself.
inline constexpr int64_t most_window_elements = 1024;

// Places from the first element of a window to behind its last.
inline Dim window_reach(const Dim& size, int64_t dilation) { return (size - 1) * dilation + 1; }
// Results where the last window may begin `room` places behind the first; -1 where not even that one fits.
Dim windows_in(const Dim& room, int64_t stride);
// Padding and spans can be computed with, in derivatives of any order as well (T108).
Status want_window(const InferContext& c, const Dim& low, const Dim& extents, const Dim& size,
                   int64_t dilation, int64_t stride);

void window_sum_vjp(ir::VjpContext& c);
void window_prod_vjp(ir::VjpContext& c);
void window_extreme_vjp(ir::VjpContext& c);

}  // namespace tenon::ops
