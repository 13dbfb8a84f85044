// What the ranges of dimensions show of an expression: sound, and tighter than Dim::range, which takes each
// term by itself.
#pragma once

#include "ir/dim.h"

namespace tenon::ir {

// Whether value >= bound, or value < bound, for all sizes in the ranges. False where it is not seen.
bool always_at_least(const Dim& value, const DimRanges& ranges, int64_t bound);
bool always_below(const Dim& value, const DimRanges& ranges, int64_t bound);

}  // namespace tenon::ir
