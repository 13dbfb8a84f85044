#include "support/array.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include "catch.h"

using namespace tenon::support;

TEST_CASE("arrays are dense, zero-filled and aligned", "[support]") {
  Array a(DType::f64, {3, 5});
  CHECK(a.rank() == 2);
  CHECK(a.count() == 15);
  CHECK(a.bytes() == 120);
  CHECK(reinterpret_cast<uintptr_t>(a.data()) % 64 == 0);
  for (double d : a.as<double>()) CHECK(d == 0.0);
  CHECK_THROWS_AS(a.as<float>(), InternalError);

  Array scalar = Array::scalar<int32_t>(-4);
  CHECK(scalar.rank() == 0);
  CHECK(scalar.count() == 1);
  CHECK(scalar.as<int32_t>()[0] == -4);

  Array empty(DType::u8, {4, 0, 3});
  CHECK(empty.count() == 0);
  CHECK(empty.as<uint8_t>().empty());
  CHECK_THROWS_AS(Array::of<float>({3}, {1.0f}), InternalError);
  CHECK_THROWS_AS(Array(DType::f32, {-1}), InternalError);
}

TEST_CASE("copies are deep, moved-from arrays are empty", "[support]") {
  Array a = Array::of<int64_t>({2}, {1, 2});
  Array b = a;
  b.as<int64_t>()[0] = 7;
  CHECK(a.as<int64_t>()[0] == 1);
  Array c = std::move(a);
  CHECK(c == Array::of<int64_t>({2}, {1, 2}));
  CHECK(a.as<float>().empty());  // NOLINT: the state after a move is promised
  c = std::move(b);
  CHECK(c.as<int64_t>()[0] == 7);
  c = *&c;
  CHECK(c.as<int64_t>()[0] == 7);
}

TEST_CASE("equality is of type, extents and bits", "[support]") {
  float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(Array::of<float>({2}, {nan, 1}) == Array::of<float>({2}, {nan, 1}));
  CHECK_FALSE(Array::scalar(0.0f) == Array::scalar(-0.0f));
  CHECK_FALSE(Array::of<float>({2, 1}, {1, 2}) == Array::of<float>({1, 2}, {1, 2}));
  CHECK_FALSE(Array::scalar<int32_t>(0) == Array::scalar<uint32_t>(0));
}

TEST_CASE("byte counts are checked for overflow", "[support]") {
  int64_t count = -1, bytes = -1;
  auto check = [&](DType d, std::vector<int64_t> shape) { return checked_bytes(d, shape, &count, &bytes); };
  CHECK(check(DType::f32, {2, 3}));
  CHECK(count == 6);
  CHECK(bytes == 24);
  CHECK(check(DType::u8, {int64_t{1} << 62}));
  CHECK_FALSE(check(DType::f32, {int64_t{1} << 62}));
  CHECK(check(DType::f32, {int64_t{1} << 60}));
  CHECK_FALSE(check(DType::u8, {int64_t{1} << 32, int64_t{1} << 32}));
  CHECK_FALSE(check(DType::u8, {3, -1}));
  CHECK_FALSE(check(DType::u8, {0, -1}));
  CHECK_FALSE(check(DType::u8, {0, int64_t{1} << 62, int64_t{1} << 62}));
  CHECK(check(DType::f64, {0, 1000}));
  CHECK(bytes == 0);
  CHECK(check(DType::f64, {}));
  CHECK(count == 1);
  CHECK(checked_bytes(DType::f64, std::vector<int64_t>{2}, nullptr, nullptr));
}
