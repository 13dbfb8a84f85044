#include "ir/iteration.h"

namespace tenon::ir {

AffineIndex affine_axis(uint32_t axis) { return {Dim(0), {{axis, Dim(1)}}}; }
AffineIndex affine_constant(Dim c) { return {std::move(c), {}}; }

}  // namespace tenon::ir
