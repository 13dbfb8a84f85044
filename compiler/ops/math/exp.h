// exp, tanh and sigmoid as scalar rules.
//
// e^x = 2^n e^r with n = round(x / ln 2) and |r| <= ln 2 / 2 (Cody and Waite's two-part ln 2; with fma the
// first subtraction is exact). e^r = 1 + r + r^2 q(r), where q is the minimax polynomial of (e^r - 1 - r) /
// r^2 for the relative error of e^r: Remez exchange in 50 digits, coefficients rounded one after another and
// the rest fitted again. 2^n is applied as two factors, so that overflow and denormal results round once.
// tanh in f32 has a q of its own, for the relative error of e^r - 1.
#pragma once

#include "ops/math/format.h"

namespace tenon::ops {

template <class T>
struct ExpTable;
template <>
struct ExpTable<float> {
  static constexpr float log2e = 0x1.715476p+0f, ln2_hi = 0x1.62e43p-1f, ln2_lo = -0x1.05c61p-29f;
  static constexpr float q[] = {0x1.fffffcp-2f, 0x1.555488p-3f, 0x1.555842p-5f, 0x1.1240d8p-7f,
                                0x1.6ae928p-10f};  // error 2^-28.177
  static constexpr float tanh_q[] = {0x1p-1f,        0x1.555554p-3f,  0x1.5554f8p-5f,
                                     0x1.1112dep-7f, 0x1.6d3a24p-10f, 0x1.9e66b8p-13f};  // error 2^-31.104
  static constexpr float lowest = -104, highest = 89;  // beyond: 0 and infinity
  static constexpr float tanh_saturates = 20;          // of 2x
};
template <>
struct ExpTable<double> {
  static constexpr double log2e = 0x1.71547652b82fep+0, ln2_hi = 0x1.62e42fefa39efp-1,
                          ln2_lo = 0x1.abc9e3b39803fp-56;
  static constexpr double q[] = {0x1.000000000000ap-1,  0x1.55555555554f7p-3,  0x1.55555555506b8p-5,
                                 0x1.1111111128412p-7,  0x1.6c16c184946fdp-10, 0x1.a01a012861573p-13,
                                 0x1.a01998db7bc56p-16, 0x1.71df27d9c4b5ap-19, 0x1.28ae999aa4995p-22,
                                 0x1.ad7e681fc6399p-26};  // error 2^-57.05
  static constexpr const double (&tanh_q)[10] = q;
  static constexpr double lowest = -746, highest = 710;
  static constexpr double tanh_saturates = 44;
};

// e^x = (1 + r + r^2 q) 2^n, for |x| small enough that n fits.
template <Scalar S>
struct ExpParts {
  S r, q;
  IntOf<S> n;
};
template <Scalar S, size_t n>
ExpParts<S> exp_parts(S x, const typename S::type (&q)[n]) {
  using C = ExpTable<typename S::type>;
  const Rounded<S> k = round_small(x, C::log2e);
  const S r = fma(k.value, -C::ln2_lo, fma(k.value, -C::ln2_hi, x));
  return {r, horner(r, q), k.integer};
}
template <Scalar S>
ExpParts<S> exp_parts(S x) {
  return exp_parts(x, ExpTable<typename S::type>::q);
}
// p 2^n with one rounding, for n within twice the exponent range.
template <Scalar S>
S scale_twice(S p, IntOf<S> n) {
  const IntOf<S> half = n >> 1;
  return p * power_of_two<S>(half) * power_of_two<S>(n - half);
}

template <Scalar S>
S exp(S x) {
  using C = ExpTable<typename S::type>;
  const ExpParts<S> e = exp_parts(clamp(x, C::lowest, C::highest));
  return scale_twice(fma(e.r, fma(e.r, e.q, typename S::type(1)), typename S::type(1)), e.n);
}

// numerator / (d + d_low) from one reciprocal, mended by the exact residual: half a unit, and the operands'
// errors.
template <Scalar S>
S divide_mended(S numerator, S numerator_low, S d, S d_low) {
  using T = typename S::type;
  const S inverse = T(1) / d, q = numerator * inverse;
  const S residual = fma(-q, d, numerator) + fma(-q, d_low, numerator_low);
  return fma(residual, inverse, q);
}

// tanh |x| = m / (m + 2) with m = e^(2|x|) - 1 = 2^n (r + r^2 q) + (2^n - 1), which keeps small x exact.
// f64 carries what the sums lose.
template <Scalar S>
S tanh(S x) {
  using T = typename S::type;
  const S y = abs(x) + abs(x);
  using C = ExpTable<T>;
  const ExpParts<S> e = exp_parts(select(y > C::tanh_saturates, C::tanh_saturates, y), C::tanh_q);
  const S scale = power_of_two<S>(e.n), less = scale - T(1), square = e.r * e.r;
  const S near = fma(square, e.q, e.r), m = fma(scale, near, less);
  const S d = m + T(2);
  if constexpr (std::is_same_v<T, float>) {
    return copy_sign(m / d, x);
  } else {
    const S scaled = scale * near, near_low = fma(square, e.q, e.r - near);
    const S part = m - less, m_low = fma(scale, near_low, (less - (m - part)) + (scaled - part));
    const S rest = d - m, d_low = ((m - (d - rest)) + (T(2) - rest)) + m_low;
    return copy_sign(divide_mended(m, m_low, d, d_low), x);
  }
}

// e = e^-|x| never overflows: 1 / (1 + e) on the right, e / (1 + e) on the left, down to denormal results.
template <Scalar S>
S sigmoid(S x) {
  using T = typename S::type;
  const S e = exp(-abs(x)), d = e + T(1), d_low = e - (d - T(1));
  return divide_mended(select(x >= T(0), T(1), e), x.literal(T(0)), d, d_low);
}

}  // namespace tenon::ops
