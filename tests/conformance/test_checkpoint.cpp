// The way of one small model from text through every stage: equal bits in every engine for every batch.
#include "conformance/models.h"

namespace tenon::test {

TEST_CASE("a layer with a symbolic batch computes the same bits in every engine") {
  const auto e = engines(R"(tenon 1
module layer
dim batch = 1..300
param w : f32[17,40] = glorot_uniform
param b : f32[40] = zeros
func f(x: f32[batch,17]) -> f32[batch,40] {
  d = dot x, w
  s = add d, b
  r = relu s
  return r
}
)",
                         "f");
  for (int64_t batch = 1; batch <= 300; ++batch)
    require_agreement(*e, {{"batch", batch}}, static_cast<uint64_t>(batch));
}

}  // namespace tenon::test
