// What derivative rules of inverse functions share.
#pragma once

#include "ops/expr.h"

namespace tenon::ops {

// a^2 - b^2. The value is that of (a - b) (a + b), without cancellation where a and b are close; the slope
// that of a * a - b * b: where a = b the product would meet 0 times infinity behind a root or a quotient.
inline V difference_of_squares(V a, V b) {
  const V plain = a * a - b * b;
  return plain + stop_gradient((a - b) * (a + b) - plain);
}
inline V one_minus_square(V x) { return difference_of_squares(number_like(x, 1), x); }

}  // namespace tenon::ops
