// The way of one small model from text through every stage: equal bits in every engine for every batch.
#include "catch.h"
#include "common/engines.h"

namespace tenon::test {
namespace {

const char* const layer = R"(tenon 1
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
)";

std::unique_ptr<Engines> engines(std::string_view text, const std::string& function,
                                 const EngineOptions& options = {}) {
  auto out = Engines::make(text, function, options);
  if (!out) FAIL(out.errors().text());
  return std::move(*out);
}

}  // namespace

TEST_CASE("a layer with a symbolic batch computes the same bits in every engine") {
  const auto e = engines(layer, "f");
  for (int64_t batch = 1; batch <= 300; ++batch) {
    INFO("batch " << batch);
    const std::string difference = e->compare({{"batch", batch}}, static_cast<uint64_t>(batch));
    INFO(difference);
    REQUIRE(difference.empty());
  }
}

}  // namespace tenon::test
