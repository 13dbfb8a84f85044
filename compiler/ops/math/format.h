// What the math rules share: the layout of floating-point formats, exact scaling, reduction to integers.
#pragma once

#include "ops/scalar.h"

namespace tenon::ops {

template <class T>
struct FloatFormat;
template <>
struct FloatFormat<float> {
  using Int = int32_t;
  static constexpr int32_t fraction_bits = 23, bias = 127;
  static constexpr float magic = 0x1.8p23f;  // adding it rounds small numbers to integers
  static constexpr int32_t magic_bits = 0x4b400000;
};
template <>
struct FloatFormat<double> {
  using Int = int64_t;
  static constexpr int64_t fraction_bits = 52, bias = 1023;
  static constexpr double magic = 0x1.8p52;
  static constexpr int64_t magic_bits = 0x4338000000000000;
};
template <Scalar S>
using Format = FloatFormat<typename S::type>;
template <Scalar S>
using IntOf = typename S::template as<typename Format<S>::Int>;

// 2^n for n in the normal range.
template <Scalar S>
S power_of_two(IntOf<S> n) {
  return bitcast<typename S::type>((n + Format<S>::bias) << Format<S>::fraction_bits);
}

// The integer nearest to x * factor, both as a float and as an integer; garbage for NaN, which the caller's
// arithmetic on x itself carries on.
template <Scalar S>
struct Rounded {
  S value;
  IntOf<S> integer;
};
template <Scalar S>
Rounded<S> round_small(S x, typename S::type factor) {
  const S shifted = fma(x, factor, Format<S>::magic);
  return {shifted - Format<S>::magic, bitcast<typename Format<S>::Int>(shifted) - Format<S>::magic_bits};
}

// Into [low, high]; NaN stays.
template <Scalar S>
S clamp(S x, typename S::type low, typename S::type high) {
  const S lower = select(x < low, low, x);
  return select(lower > high, high, lower);
}

template <Scalar S>
IntOf<S> sign_bit(S x) {
  return bitcast<typename Format<S>::Int>(x) & std::numeric_limits<typename Format<S>::Int>::min();
}
template <Scalar S>
S flip_sign(S x, IntOf<S> sign) {
  return bitcast<typename S::type>(bitcast<typename Format<S>::Int>(x) ^ sign);
}
// magnitude >= 0 with the sign of x.
template <Scalar S>
S copy_sign(S magnitude, S x) {
  return flip_sign(magnitude, sign_bit(x));
}

// An unevaluated sum: hi is the rounded value, lo what it lost.
template <Scalar S>
struct Pair {
  S hi, lo;
};
// a + b exactly, for finite sums; the first for |a| >= |b| or a = 0 (Dekker), the second for all (Knuth).
template <Scalar S>
Pair<S> fast_sum(S a, S b) {
  const S hi = a + b;
  return {hi, b - (hi - a)};
}
template <Scalar S>
Pair<S> two_sum(S a, S b) {
  const S hi = a + b, of_b = hi - a;
  return {hi, (a - (hi - of_b)) + (b - of_b)};
}

}  // namespace tenon::ops
