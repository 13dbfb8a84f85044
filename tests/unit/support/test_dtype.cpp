#include "support/dtype.h"

#include <cstring>
#include <limits>
#include <set>
#include <string>
#include <type_traits>

#include "catch.h"
#include "support/check.h"

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

TEST_CASE("rows of dtypes agree with C++ types and with each other", "[support]") {
  std::set<std::string_view> npy, safetensors;
  for (size_t i = 0; i < dtype_count; ++i) {
    const DType d = static_cast<DType>(i);
    const DTypeRow& row = dtype_row(d);
    CAPTURE(dtype_name(d));
    CHECK((row.npy.empty() || npy.insert(row.npy).second));
    CHECK(safetensors.insert(row.safetensors).second);
    if (!row.computes) continue;
    with_dtype(d, [&]<class T>() {
      using Limits = std::numeric_limits<T>;
      CHECK(row.digits == Limits::digits);
      if constexpr (std::is_floating_point_v<T>) {
        CHECK(half_unit(d) == Limits::epsilon() / 2);
        CHECK(smallest_step(d) == Limits::denorm_min());
        CHECK(largest_finite(d) == Limits::max());
        const T nan = Limits::quiet_NaN();
        uint64_t bits = 0;
        std::memcpy(&bits, &nan, sizeof nan);
        CHECK(quiet_nan_bits(d) == bits);
        CHECK(with_float(d, []<class F>() { return sizeof(F); }) == sizeof(T));
      }
    });
  }
  // IEEE 754-2019, table 3.5; bfloat16 is the upper half of a single.
  CHECK(largest_finite(DType::f16) == 65504);
  CHECK(smallest_step(DType::f16) == 0x1p-24);
  CHECK(quiet_nan_bits(DType::f16) == 0x7e00);
  CHECK(largest_finite(DType::bf16) == 0x1.fep127);
  CHECK(quiet_nan_bits(DType::bf16) == 0x7fc0);
}

TEST_CASE("types whose every value another holds", "[support]") {
  const auto holds = [](std::string_view to, std::string_view all) {
    std::string found;
    for (size_t i = 0; i < dtype_count; ++i)
      if (const DType from = static_cast<DType>(i); is_lossless(from, *parse_dtype(to)))
        found += std::string(dtype_name(from)) + " ";
    CAPTURE(to);
    CHECK(found == all);
  };
  holds("f64", "f64 f32 f16 bf16 i8 i16 i32 u8 u16 u32 bool ");
  holds("f32", "f32 f16 bf16 i8 i16 u8 u16 bool ");
  holds("f16", "f16 i8 u8 bool ");
  holds("bf16", "bf16 i8 u8 bool ");
  holds("i64", "i8 i16 i32 i64 u8 u16 u32 bool ");
  holds("i32", "i8 i16 i32 u8 u16 bool ");
  holds("i8", "i8 bool ");
  holds("u32", "u8 u16 u32 bool ");
  holds("u8", "u8 bool ");
  holds("bool", "bool ");
}

TEST_CASE("arithmetic of a type that has none is an error of ours, not another type's", "[support]") {
  CHECK_THROWS_AS(with_dtype(DType::f16, [&]<class T>() { return sizeof(T); }), InternalError);
  CHECK_THROWS_AS(with_float(DType::i32, [&]<class T>() { return sizeof(T); }), InternalError);
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
