#include "support/dtype.h"

#include "catch.h"

using namespace tenon::support;

TEST_CASE("every dtype reads back from its name") {
  for (size_t i = 0; i < dtype_count; ++i) {
    DType d = static_cast<DType>(i);
    CAPTURE(dtype_name(d));
    CHECK(parse_dtype(dtype_name(d)) == d);
  }
}
