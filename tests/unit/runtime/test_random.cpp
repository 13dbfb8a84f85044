#include "runtime/random.h"

#include <algorithm>
#include <cmath>

#include "catch.h"
#include "runtime/permutation.h"

using namespace tenon::runtime;

TEST_CASE("philox gives the published vectors") {
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const uint32_t f = 0xffffffff;
  CHECK(philox4x32({f, f, f, f}, {f, f}) == PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
  // At compile time as well.
  static_assert(philox4x32({0, 0, 0, 0}, {0, 0})[0] == 0x6627e8d5);
}

TEST_CASE("the series logarithm is within 2 ulp") {
  Random r(3);
  for (int i = 0; i < 20000; ++i) {
    const double x = std::ldexp(0.5 + r.uniform(), static_cast<int>(r.below(120)) - 60);
    const double want = std::log(x);
    CAPTURE(x);
    // Near 1 the quotient series keeps relative accuracy; elsewhere the exponent's part dominates.
    REQUIRE(std::abs(series_log(x) - want) <= 2 * 0x1p-52 * std::abs(want));
  }
}

TEST_CASE("normal numbers have the moments and tails of the normal distribution") {
  Random r(11);
  const int n = 400000;
  double sum = 0, square = 0, fourth = 0;
  int beyond2 = 0;
  for (int i = 0; i < n; ++i) {
    const double v = r.normal();
    sum += v;
    square += v * v;
    fourth += v * v * v * v;
    beyond2 += std::abs(v) > 2;
  }
  CHECK(std::abs(sum / n) < 0.01);
  CHECK(std::abs(square / n - 1) < 0.01);
  CHECK(std::abs(fourth / n - 3) < 0.06);
  CHECK(std::abs(beyond2 / double(n) - 0.0455) < 0.002);
}

TEST_CASE("below reaches every value about equally often") {
  Random r(5);
  int counts[7] = {};
  for (int i = 0; i < 70000; ++i) ++counts[r.below(7)];
  for (int c : counts) CHECK(std::abs(c - 10000) < 500);
  CHECK(r.below(1) == 0);
}

TEST_CASE("streams of one seed differ, and one stream repeats") {
  Random a(1, 0), b(1, 1), c(1, 0);
  bool same_other = true;
  for (int i = 0; i < 100; ++i) {
    const uint64_t v = a.bits64();
    REQUIRE(v == c.bits64());
    same_other = same_other && v == b.bits64();
  }
  CHECK_FALSE(same_other);
}

TEST_CASE("a permutation holds every index once, and depends on the seed") {
  for (int64_t n : {0, 1, 2, 17, 1000}) {
    std::vector<int64_t> p = permutation(n, Random(9));
    std::sort(p.begin(), p.end());
    REQUIRE(static_cast<int64_t>(p.size()) == n);
    for (int64_t i = 0; i < n; ++i) REQUIRE(p[static_cast<size_t>(i)] == i);
  }
  CHECK(permutation(100, Random(1)) == permutation(100, Random(1)));
  CHECK(permutation(100, Random(1)) != permutation(100, Random(2)));
  // Each of the 6 orders of three elements about equally often.
  int counts[27] = {};
  for (uint64_t seed = 0; seed < 6000; ++seed) {
    const std::vector<int64_t> p = permutation(3, Random(seed));
    ++counts[p[0] * 9 + p[1] * 3 + p[2]];
  }
  int orders = 0;
  for (int c : counts)
    if (c != 0) {
      ++orders;
      CHECK(std::abs(c - 1000) < 150);
    }
  CHECK(orders == 6);
}
