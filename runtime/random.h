// Random: a sequential stream of numbers on Philox for what the host draws (generated data, splits,
// shuffles). Key = seed, upper counter = stream, lower counter = position: streams of one seed do not
// overlap. Only correctly rounded arithmetic is used (+ - * / sqrt), so the numbers are the same on every
// machine and libm.
#pragma once

#include <cmath>
#include <cstdint>

#include "runtime/philox.h"

namespace tenon::runtime {

// Natural logarithm of a positive normal number by the series of atanh; within 2 ulp.
constexpr double series_log(double x) {
  int exponent = 0;
  while (x >= 1.4142135623730951) x *= 0.5, ++exponent;
  while (x < 0.7071067811865476) x *= 2.0, --exponent;
  const double s = (x - 1) / (x + 1), q = s * s;
  double sum = 0;
  for (int k = 23; k >= 1; k -= 2) sum = sum * q + 1.0 / k;
  return exponent * 0.6931471805599453 + 2 * s * sum;
}

class Random {
 public:
  explicit constexpr Random(uint64_t seed, uint64_t stream = 0)
      : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}, stream_(stream) {}

  constexpr uint32_t bits() {
    if (used_ == 4) {
      words_ = philox4x32({static_cast<uint32_t>(position_), static_cast<uint32_t>(position_ >> 32),
                           static_cast<uint32_t>(stream_), static_cast<uint32_t>(stream_ >> 32)},
                          key_);
      ++position_;
      used_ = 0;
    }
    return words_[used_++];
  }
  constexpr uint64_t bits64() {
    const uint64_t low = bits();
    return low | uint64_t{bits()} << 32;
  }
  // In [0, 1), a multiple of 2^-53.
  constexpr double uniform() { return static_cast<double>(bits64() >> 11) * 0x1p-53; }
  constexpr double uniform(double low, double high) { return low + (high - low) * uniform(); }
  // In 0..n-1 without bias: the top of a 64 x 64 bit product, redrawn in the few cases that would favour
  // some.
  constexpr uint64_t below(uint64_t n) {
    const uint64_t threshold = (0 - n) % n;
    while (true) {
      const unsigned __int128 product = static_cast<unsigned __int128>(bits64()) * n;
      if (static_cast<uint64_t>(product) >= threshold) return static_cast<uint64_t>(product >> 64);
    }
  }
  // Standard normal, by Marsaglia's polar method (which needs no sine or cosine).
  double normal() {
    if (have_spare_) {
      have_spare_ = false;
      return spare_;
    }
    while (true) {
      const double u = 2 * uniform() - 1, v = 2 * uniform() - 1, s = u * u + v * v;
      if (s >= 1 || s < 0x1p-100) continue;
      const double scale = std::sqrt(-2 * series_log(s) / s);
      spare_ = v * scale;
      have_spare_ = true;
      return u * scale;
    }
  }

 private:
  PhiloxKey key_;
  uint64_t stream_, position_ = 0;
  PhiloxCounter words_{};
  unsigned used_ = 4;
  bool have_spare_ = false;
  double spare_ = 0;
};

// Streams of one seed, one for each thing the host draws.
enum class Stream : uint64_t { data = 1, split = 2, shuffle = 3, test_data = 4 };
constexpr Random random_of(uint64_t seed, Stream stream, uint32_t index = 0) {
  return Random(seed, static_cast<uint64_t>(stream) | uint64_t{index} << 32);
}

}  // namespace tenon::runtime
