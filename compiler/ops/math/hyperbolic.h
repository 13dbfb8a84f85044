// exp2, expm1, sinh and cosh as scalar rules.
//
// exp2: 2^x = 2^n 2^r with n = round(x), r = x - n exactly; 2^r = 1 + r p(r).
// expm1: e^x - 1 = 2^n (r + r^2 q(r)) + (2^n - 1) with exp's reduction; r, 2^n - 1 and their sum stand in two
// parts, so that only the last addition rounds. It is computed halved, which keeps 2^n in range.
// sinh: x + x^3 p(x^2) below 1, from there h - 1/(4h) with h = e^|x| / 2 in two parts; cosh: h + 1/(4h).
// Polynomials are minimax for the relative error of the function (Remez exchange in 50 digits, coefficients
// rounded one after another and the rest fitted again).
#pragma once

#include "ops/math/exp.h"

namespace tenon::ops {

template <class T>
struct Exp2Table;
template <>
struct Exp2Table<float> {
  static constexpr float p[] = {0x1.62e43p-1f,  0x1.ebfbep-3f,   0x1.c6af9p-5f,
                                0x1.3b28dcp-7f, 0x1.5efdb2p-10f, 0x1.45b43ap-13f};  // error 2^-27.244
  static constexpr float lowest = -151, highest = 129;                              // beyond: 0 and infinity
};
template <>
struct Exp2Table<double> {
  static constexpr double p[] = {0x1.62e42fefa39efp-1,  0x1.ebfbdff82c59cp-3,  0x1.c6b08d704a0fep-5,
                                 0x1.3b2ab6fba1389p-7,  0x1.5d87fe78ace94p-10, 0x1.4309130b73bdep-13,
                                 0x1.ffcbfc087bdc7p-17, 0x1.62bfcf8f5d4b6p-20, 0x1.b5260f425e668p-24,
                                 0x1.e60e72516ac19p-28, 0x1.e7e192529ed63p-32};  // error 2^-56.912
  static constexpr double lowest = -1076, highest = 1025;
};

template <Scalar S>
S exp2(S x) {
  using T = typename S::type;
  using C = Exp2Table<T>;
  const S y = clamp(x, C::lowest, C::highest);
  const Rounded<S> n = round_small(y, T(1));
  const S r = y - n.value;
  return scale_twice(fma(r, horner(r, C::p), T(1)), n.integer);
}

template <class T>
struct Expm1Table;
template <>
struct Expm1Table<float> {
  static constexpr const float (&q)[6] = ExpTable<float>::tanh_q;
  static constexpr float lowest = -18, highest = 89;  // beyond: -1 and infinity
  static constexpr float linear = 0x1p-30f;           // |x| below: x
  static constexpr float sinh_p[] = {0x1.555556p-3f, 0x1.1110ep-7f, 0x1.a022bcp-13f,
                                     0x1.756c1ep-19f};  // error 2^-31.619
  static constexpr float sinh_highest = 90;
};
template <>
struct Expm1Table<double> {
  static constexpr double q[] = {0x1p-1,
                                 0x1.5555555555555p-3,
                                 0x1.5555555555549p-5,
                                 0x1.11111111107a1p-7,
                                 0x1.6c16c16c1d931p-10,
                                 0x1.a01a01a9dd1efp-13,
                                 0x1.a01a017b0688ep-16,
                                 0x1.71de064525da6p-19,
                                 0x1.27e54363dd97ap-22,
                                 0x1.af481febec9e8p-26,
                                 0x1.1ec729bd987f9p-29};  // error 2^-60.884
  static constexpr double lowest = -38, highest = 710;
  static constexpr double linear = 0x1p-60;
  static constexpr double sinh_p[] = {0x1.5555555555556p-3, 0x1.111111111101ep-7,  0x1.a01a01a03726ap-13,
                                      0x1.71de3a3b06ap-19,  0x1.ae646ff532e7bp-26, 0x1.6116f48a03c8bp-33,
                                      0x1.b5c8a04896bp-41};  // error 2^-61.774
  static constexpr double sinh_highest = 711;
};

// e^x = 2^n (1 + r + rest); r is a number of the type, rest below r^2.
template <Scalar S>
struct ExpSplit {
  S r, rest;
  IntOf<S> n;
};
template <Scalar S>
ExpSplit<S> exp_split(S x) {
  using C = ExpTable<typename S::type>;
  const Rounded<S> k = round_small(x, C::log2e);
  const S first = fma(k.value, -C::ln2_hi, x), r = fma(k.value, -C::ln2_lo, first);
  const S lost = fma(k.value, -C::ln2_lo, first - r);
  return {r, fma(r * r, horner(r, Expm1Table<typename S::type>::q), lost), k.integer};
}

template <Scalar S>
S expm1(S x) {
  using T = typename S::type;
  using C = Expm1Table<T>;
  const ExpSplit<S> e = exp_split(clamp(x, C::lowest, C::highest));
  const S scale = power_of_two<S>(e.n - 1);
  const Pair<S> less = two_sum(scale, x.literal(T(-0.5)));
  const Pair<S> sum = two_sum(less.hi, scale * e.r);
  const S half = sum.hi + (sum.lo + fma(scale, e.rest, less.lo));
  return select(abs(x) < C::linear, x, half + half);
}

// h = e^a / 2 of a >= 0 as a rounded sum of two, and 1/(4h).
template <Scalar S>
struct HalfExp {
  S hi, lo, inverse;
};
template <Scalar S>
HalfExp<S> half_exp(S a) {
  using T = typename S::type;
  const T highest = Expm1Table<T>::sinh_highest;
  const ExpSplit<S> e = exp_split(select(a > highest, highest, a));
  const Pair<S> one = fast_sum(a.literal(T(1)), e.r);
  const S lo = one.lo + e.rest;
  const IntOf<S> n = e.n - 1;
  return {scale_twice(one.hi, n), scale_twice(lo, n), T(0.25) / scale_twice(one.hi + lo, n)};
}
template <Scalar S>
S cosh(S x) {
  const HalfExp<S> h = half_exp(abs(x));
  return h.hi + (h.lo + h.inverse);
}
template <Scalar S>
S sinh(S x) {
  using T = typename S::type;
  const S a = abs(x), inner = select(a > T(1), T(1), a), square = inner * inner;
  const S near = fma(inner * square, horner(square, Expm1Table<T>::sinh_p), inner);
  const HalfExp<S> h = half_exp(a);
  return copy_sign(select(a < T(1), near, h.hi + (h.lo - h.inverse)), x);
}

}  // namespace tenon::ops
