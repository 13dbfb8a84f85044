#include "support/dtype.h"

#include <set>
#include <string>
#include <type_traits>

#include "catch.h"

using namespace tenon::support;

TEST_CASE("every dtype reads back from its name", "[support]") {
  std::set<std::string> names;
  for (size_t i = 0; i < dtype_count; ++i) {
    DType d = static_cast<DType>(i);
    std::string name(dtype_name(d));
    CAPTURE(name);
    CHECK(parse_dtype(name) == d);
    CHECK(names.insert(name).second);
    CHECK(is_float(d) + is_int(d) + is_bool(d) == 1);
    CHECK((!is_signed_int(d) || is_int(d)));
    CHECK((dtype_bytes(d) == 1 || dtype_bytes(d) == 2 || dtype_bytes(d) == 4 || dtype_bytes(d) == 8));
  }
  CHECK(dtype_name(DType::bool_) == "bool");
  CHECK(parse_dtype("bool_") == std::nullopt);
  CHECK(parse_dtype("float32") == std::nullopt);
  CHECK(parse_dtype("") == std::nullopt);
  CHECK(parse_dtype("F32") == std::nullopt);
}

TEST_CASE("a dtype that computes has a C++ type of its size", "[support]") {
  int computing = 0;
  for (size_t i = 0; i < dtype_count; ++i) {
    DType d = static_cast<DType>(i);
    if (!dtype_computes(d)) continue;
    ++computing;
    CAPTURE(dtype_name(d));
    with_dtype(d, [&]<class T>() {
      CHECK(sizeof(T) == dtype_bytes(d));
      CHECK(dtype_of<T>::value == d);
      CHECK(std::is_floating_point_v<T> == is_float(d));
    });
  }
  CHECK(computing == 7);
}
