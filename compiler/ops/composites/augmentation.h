// What operations that draw for each sample of a batch share.
#pragma once

#include "ops/composites/spatial.h"

namespace tenon::ops {

// For each sample and each of `choices` a whole number from 0 to choice - 1: columns [batch], i64. The draws
// of a sample do not depend on how many samples there are.
std::vector<V> draw_places(ir::ModeContext& c, const Dim& batch, const Shape& choices);

// A small image as operand 0 of a sample.
SpatialSample image_sample(ir::SampleContext& s);
std::string layout_of(const SpatialSample& x);

}  // namespace tenon::ops
