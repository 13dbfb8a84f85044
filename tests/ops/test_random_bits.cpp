#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "catch.h"
#include "ops/random.h"

using namespace tenon::ops;
using U = Num<uint32_t>;
using I = Num<int64_t>;

namespace {

Words<U> run(std::vector<uint32_t> c, std::vector<uint32_t> k) {
  return philox(U{c[0]}, U{c[1]}, U{c[2]}, U{c[3]}, U{k[0]}, U{k[1]});
}
bool is(const Words<U>& w, std::vector<uint32_t> v) {
  return w.w[0].v == v[0] && w.w[1].v == v[1] && w.w[2].v == v[2] && w.w[3].v == v[3];
}

Stream<U> stream(int64_t seed, std::vector<int64_t> counters, int64_t number) {
  std::vector<I> t;
  for (int64_t c : counters) t.push_back(I{c});
  return random_stream(I{seed}, t.data(), t.size(), I{mixed_stream(number)});
}
Position<U> at(int64_t element) { return random_position(I{element}); }

struct Moments {
  double mean = 0, variance = 0, third = 0, fourth = 0;
};
template <class F>
Moments moments(int64_t n, F draw) {
  Moments m;
  std::vector<double> x;
  for (int64_t i = 0; i < n; ++i) x.push_back(draw(i));
  for (double v : x) m.mean += v / static_cast<double>(n);
  for (double v : x) {
    const double d = v - m.mean;
    m.variance += d * d / static_cast<double>(n);
    m.third += d * d * d / static_cast<double>(n);
    m.fourth += d * d * d * d / static_cast<double>(n);
  }
  return m;
}

}  // namespace

TEST_CASE("Philox gives its published values", "[ops]") {
  CHECK(is(run({0, 0, 0, 0}, {0, 0}), {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  CHECK(is(run({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}), {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  CHECK(is(run({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
           {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST_CASE("elements take the words of whole calls, 16 neighbours each", "[ops]") {
  const Stream<U> s = stream(11, {5}, 77);
  for (int64_t e : {0, 5, 15, 16, 31, 33, 63, 64, 1000, 4095}) {
    const uint32_t call = static_cast<uint32_t>(e / 64 * 16 + e % 16);
    const Words<U> w = philox(U{call}, U{0}, s.c2, s.c3, s.k0, s.k1);
    CHECK(random_words<1>(s, at(e)).w[0].v == w.w[e / 16 % 4].v);
    const uint32_t pair_call = static_cast<uint32_t>(e / 32 * 16 + e % 16);
    const Words<U> p = philox(U{pair_call}, U{0}, s.c2, s.c3, s.k0, s.k1);
    CHECK(random_words<2>(s, at(e)).w[0].v == p.w[e / 16 % 2 * 2].v);
    CHECK(random_words<2>(s, at(e)).w[1].v == p.w[e / 16 % 2 * 2 + 1].v);
    CHECK(random_words<4>(s, at(e)).w[3].v ==
          philox(U{static_cast<uint32_t>(e)}, U{0}, s.c2, s.c3, s.k0, s.k1).w[3].v);
  }
  // The upper half of a position is counted.
  CHECK(random_words<1>(s, at(3)).w[0].v != random_words<1>(s, at(3 + (int64_t{1} << 32))).w[0].v);
}

TEST_CASE("no two elements, seeds, streams or steps share a draw", "[ops]") {
  std::set<std::pair<uint32_t, uint32_t>> seen;
  const auto draw = [&](const Stream<U>& s, int64_t e) {
    const Words<U> w = random_words<2>(s, at(e));
    return seen.insert({w.w[0].v, w.w[1].v}).second;
  };
  bool fresh = true;
  for (int64_t e = 0; e < 5000; ++e) fresh = fresh && draw(stream(1, {0}, 0), e);
  for (int64_t k = 1; k < 500; ++k) {
    fresh = fresh && draw(stream(1 + k, {0}, 0), 0) && draw(stream(1, {k}, 0), 0) &&
            draw(stream(1, {1000, k}, 0), 0);
    fresh = fresh && draw(stream(1, {k << 32}, 0), 0) && draw(stream(1, {k, 1}, 0), 0);
    fresh = fresh && draw(stream(1, {0}, k << 32), 0);
  }
  CHECK(fresh);
  // A leading counter of 0 adds nothing: what shares a stream has equally many counters.
  CHECK(stream(1, {}, 3).c2.v == stream(1, {0}, 3).c2.v);
}

TEST_CASE("uniform deviates have the moments of their distribution", "[ops]") {
  const Stream<U> s = stream(42, {1}, 9);
  const int64_t n = 200000;
  const Moments f = moments(n, [&](int64_t i) { return random_uniform<float>(s, at(i), 0, 1).v; });
  const Moments d = moments(n, [&](int64_t i) { return random_uniform<double>(s, at(i), -1, 3).v; });
  CHECK(std::fabs(f.mean - 0.5) < 4 * std::sqrt(1.0 / 12 / n));
  CHECK(std::fabs(f.variance - 1.0 / 12) < 0.001);
  CHECK(std::fabs(d.mean - 1) < 4 * std::sqrt(16.0 / 12 / n));
  CHECK(std::fabs(d.variance - 16.0 / 12) < 0.015);
  bool inside = true;
  for (int64_t i = 0; i < n; ++i) {
    const float u = random_uniform<float>(s, at(i), 0, 1).v;
    inside = inside && u >= 0 && u < 1;
  }
  CHECK(inside);
}

TEST_CASE("normal deviates have the moments of their distribution", "[ops]") {
  const Stream<U> s = stream(42, {1}, 9);
  const int64_t n = 200000;
  const Moments f = moments(n, [&](int64_t i) { return random_normal<float>(s, at(i), 0, 1).v; });
  const Moments d = moments(n, [&](int64_t i) { return random_normal<double>(s, at(i), 2, 3).v; });
  CHECK(std::fabs(f.mean) < 4 / std::sqrt(n));
  CHECK(std::fabs(f.variance - 1) < 0.015);
  CHECK(std::fabs(f.third) < 0.04);
  CHECK(std::fabs(f.fourth - 3) < 0.12);
  CHECK(std::fabs(d.mean - 2) < 12 / std::sqrt(n));
  CHECK(std::fabs(d.variance - 9) < 0.14);
}

TEST_CASE("bernoulli draws true with its probability, exactly at both ends", "[ops]") {
  const Stream<U> s = stream(3, {}, 4);
  const auto count = [&](double p) {
    int64_t hits = 0;
    for (int64_t i = 0; i < 100000; ++i) hits += random_bernoulli(s, at(i), p).v;
    return hits;
  };
  CHECK(count(0) == 0);
  CHECK(count(1) == 100000);
  CHECK(std::llabs(count(0.8) - 80000) < 600);
  CHECK(std::llabs(count(0.03) - 3000) < 250);
}

TEST_CASE("every pair of a seed and a stream has a key of its own, near or far", "[ops]") {
  std::set<std::pair<uint32_t, uint32_t>> keys;
  size_t pairs = 0;
  std::vector<int64_t> numbers;
  for (int64_t k = 0; k < 32; ++k) numbers.insert(numbers.end(), {k, -k - 1, k << 32, (k + 1) * 0x9E3779B9});
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  for (int64_t seed : numbers)
    for (int64_t number : numbers) {
      const Stream<U> s = stream(seed, {}, number);
      keys.insert({s.k0.v, s.k1.v});
      ++pairs;
    }
  CHECK(keys.size() == pairs);
}

TEST_CASE("neighbouring seeds, streams and counters are independent of each other", "[ops]") {
  // For two neighbours: uniform pairs fill 16 x 16 cells evenly, and are not correlated.
  const int64_t n = 65536;
  const auto check = [&](const Stream<U>& a, const Stream<U>& b) {
    std::vector<double> cells(256);
    double product = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double x = random_uniform<double>(a, at(i), 0, 1).v, y = random_uniform<double>(b, at(i), 0, 1).v;
      cells[static_cast<size_t>(x * 16) * 16 + static_cast<size_t>(y * 16)] += 1;
      product += (x - 0.5) * (y - 0.5) / static_cast<double>(n);
    }
    double chi = 0;
    const double expected = static_cast<double>(n) / 256;
    for (double c : cells) chi += (c - expected) * (c - expected) / expected;
    // 255 degrees of freedom: mean 255, deviation 22.6; correlation: deviation 1 / (12 sqrt n).
    CHECK(chi > 255 - 5 * 22.6);
    CHECK(chi < 255 + 5 * 22.6);
    CHECK(std::fabs(product) < 5.0 / 12 / std::sqrt(n));
  };
  for (int64_t k = 0; k < 6; ++k) {
    check(stream(k, {0}, 0), stream(k + 1, {0}, 0));
    check(stream(0, {0}, k), stream(0, {0}, k + 1));
    check(stream(k, {0}, 1), stream(1, {0}, k + 2));
    check(stream(k, {0}, k), stream(k + 1, {0}, k + 1));
    check(stream(7, {k}, 3), stream(7, {k + 1}, 3));
    check(stream(7, {k, 1}, 3), stream(7, {k + 1, 0}, 3));
  }
}

TEST_CASE("uniform deviates stay between bounds of any width, and fill it", "[ops]") {
  const Stream<U> s = stream(5, {1}, 2);
  const auto check = [&]<class T>(T low, T high) {
    double sum = 0;
    T smallest = high, largest = low;
    bool inside = true;
    const int64_t n = 20000;
    for (int64_t i = 0; i < n; ++i) {
      const T x = random_uniform<T>(s, at(i), low, high).v;
      inside = inside && x >= low && x <= high;
      smallest = std::min(smallest, x);
      largest = std::max(largest, x);
      sum += static_cast<double>((x / 2 - low / 2) / (high / 2 - low / 2)) / static_cast<double>(n);
    }
    INFO(low << " .. " << high);
    CHECK(inside);
    CHECK(std::fabs(sum - 0.5) < 0.01);
    CHECK((smallest / 2 - low / 2) / (high / 2 - low / 2) < 0.001);
    CHECK((largest / 2 - low / 2) / (high / 2 - low / 2) > 0.999);
  };
  const float f = std::numeric_limits<float>::max();
  const double d = std::numeric_limits<double>::max();
  check(-3e38f, 3e38f);
  check(-f, f);
  check(-f, 0.0f);
  check(-d, d);
  check(-1e308, 1.7e308);
  check(0.0, 1.0);
}
