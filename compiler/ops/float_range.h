// The range of the float types that compute.
#pragma once

#include <limits>

#include "support/dtype.h"

namespace tenon::ops {
using namespace support;

constexpr double largest_finite(DType d) {
  return d == DType::f32 ? double{std::numeric_limits<float>::max()} : std::numeric_limits<double>::max();
}

}  // namespace tenon::ops
