// tan and the inverse trigonometric functions as scalar rules.
//
// tan: sin over cos of the reduced argument (trig.h), both in two parts, the quotient mended by its residual.
// asin, acos: x + x^3 p(x^2) up to 1/2, and from there asin x = pi/2 - 2 asin s, acos x = 2 asin s with
// s = sqrt((1 - x) / 2), in two parts. atan, atan2: for 0 <= n <= d, atan(n / d) = atan t with t = n / d
// where that is below tan(pi/8), else pi/4 + atan((n - d) / (n + d)); t + t^3 p(t^2), the quotient in two
// parts. What else is added is a multiple of pi/4 in two parts, so that only the last addition rounds.
// Polynomials are minimax for the relative error of the function (Remez exchange in 50 digits, coefficients
// rounded one after another and the rest fitted again).
#pragma once

#include "ops/math/exp.h"
#include "ops/math/log1p.h"
#include "ops/math/trig.h"

namespace tenon::ops {

template <class T>
struct ArcTable;
template <>
struct ArcTable<float> {
  static constexpr float asin[] = {0x1.55554cp-3f, 0x1.3338acp-4f, 0x1.6ca744p-5f,
                                   0x1.04d452p-5f, 0x1.d4fb36p-7f, 0x1.34db14p-5f};  // error 2^-31.688
  static constexpr float atan[] = {-0x1.55554ap-2f, 0x1.9991e2p-3f, -0x1.23b9a2p-3f, 0x1.b22454p-4f,
                                   -0x1.f2e58ap-5f};                               // error 2^-30.418
  static constexpr float quarter = 0x1.921fb6p-1f, quarter_lo = -0x1.777a5cp-26f;  // pi/4
  // A quotient so small is its arc; beyond huge and tiny both sides of it are scaled.
  static constexpr float small = 0x1p-30f, huge = 0x1p100f, down = 0x1p-40f, tiny = 0x1p-60f, up = 0x1p80f;
};
template <>
struct ArcTable<double> {
  static constexpr double asin[] = {0x1.5555555555577p-3, 0x1.333333332e131p-4, 0x1.6db6db72130e9p-5,
                                    0x1.f1c71a9471dc8p-6, 0x1.6e8bdef495521p-6, 0x1.1c49ee6aca042p-6,
                                    0x1.ca1fd04254f2dp-7, 0x1.758260b094841p-7, 0x1.61567341f476ep-7,
                                    0x1.e3ce2040f1a0ap-9, 0x1.647e8e30b5fc8p-6, -0x1.599b2fc030c53p-6,
                                    0x1.0be7eecbc3a8cp-5};  // error 2^-58.650
  static constexpr double atan[] = {-0x1.5555555555554p-2, 0x1.9999999999584p-3,  -0x1.249249246f56ep-3,
                                    0x1.c71c71b45bb02p-4,  -0x1.745d1451d4c73p-4, 0x1.3b136537898d4p-4,
                                    -0x1.110bf21ce9a21p-4, 0x1.e168753414998p-5,  -0x1.ab421fc3088f3p-5,
                                    0x1.7004636878189p-5,  -0x1.102da554b7c62p-5, 0x1.e9f1257287163p-7};
  // error 2^-63.775
  static constexpr double quarter = 0x1.921fb54442d18p-1, quarter_lo = 0x1.1a62633145c07p-55;
  static constexpr double small = 0x1p-60, huge = 0x1p900, down = 0x1p-400, tiny = 0x1p-600, up = 0x1p500;
};

template <Scalar S>
S tan(S x) {
  using T = typename S::type;
  using Int = typename Format<S>::Int;
  const Reduced<S> r = reduce_quadrant(x);
  const S z = r.r * r.r, z_low = fma(r.r, r.r, -z), half = z * T(0.5), w = T(1) - half;
  const Pair<S> sin = fast_sum(r.r, fma(r.low, fma(z, T(-0.5), T(1)), r.r * z * horner(z, TrigTable<T>::p)));
  const S lost = ((T(1) - w) - half) - z_low * T(0.5);
  const Pair<S> cos = fast_sum(w, lost + fma(-r.r, r.low, z * z * horner(z, TrigTable<T>::q)));
  const auto odd = (r.quadrant & 1u) != 0u;
  const S value = divide_mended(select(odd, cos.hi, sin.hi), select(odd, cos.lo, sin.lo),
                                select(odd, sin.hi, cos.hi), select(odd, sin.lo, cos.lo));
  const IntOf<S> flip = select(odd, sign_bit(x.literal(T(-0.0))), Int(0));
  return select(abs(x) < std::numeric_limits<T>::infinity(), flip_sign(value, flip ^ sign_bit(x)), x - x);
}

// asin of a <= 1/2 is base + rest with base = a; of a above, pi/2 - 2 (base + rest). NaN beyond 1.
template <Scalar S>
struct Arcsine {
  typename S::template as<bool> far;
  S base, rest;
};
template <Scalar S>
Arcsine<S> arcsine(S a) {
  using T = typename S::type;
  const auto far = a > T(0.5);
  const S z = (T(1) - a) * T(0.5), s = sqrt(z);
  const S lost = select(s > T(0), fma(-s, s, z) / (s + s), T(0));
  const S base = select(far, s, a), square = select(far, z, a * a);
  return {far, base, fma(base * square, horner(square, ArcTable<T>::asin), select(far, lost, T(0)))};
}
template <Scalar S>
S asin(S x) {
  using T = typename S::type;
  using C = ArcTable<T>;
  const Arcsine<S> a = arcsine(abs(x));
  const Pair<S> sum = fast_sum(x.literal(2 * C::quarter), -(a.base + a.base));
  const S far = sum.hi + (sum.lo + (T(2) * C::quarter_lo - (a.rest + a.rest)));
  return copy_sign(select(a.far, far, a.base + a.rest), x);
}
template <Scalar S>
S acos(S x) {
  using T = typename S::type;
  using C = ArcTable<T>;
  const Arcsine<S> a = arcsine(abs(x));
  const auto left = x < T(0);
  // near: pi/2 -+ (base + rest); left of -1/2: pi - 2 (base + rest); right of 1/2: 2 (base + rest)
  const S base = select(a.far, a.base + a.base, copy_sign(a.base, x));
  const S rest = select(a.far, a.rest + a.rest, copy_sign(a.rest, x));
  const S pi = x.literal(4 * C::quarter), pi_low = x.literal(4 * C::quarter_lo);
  const Pair<S> sum = fast_sum(select(a.far, pi, pi * T(0.5)), -base);
  const S less = sum.hi + (sum.lo + (select(a.far, pi_low, pi_low * T(0.5)) - rest));
  return select(a.far & !left, base + rest, less);
}

// The angle between the axis next to it and (d, n), 0 <= n <= d, from which the octants follow: `swap` where
// the axis is that of y, `left` where x is negative.
template <Scalar S>
S angle(S n, S d, typename S::template as<bool> swap, typename S::template as<bool> left) {
  using T = typename S::type;
  using Int = typename Format<S>::Int;
  using C = ArcTable<T>;
  const auto steep = n > d * T(0.41421356);
  const Pair<S> less = fast_sum(d, -n), more = fast_sum(d, n);
  const S zero = n.literal(T(0));
  const S a = select(steep, -less.hi, n), a_low = select(steep, -less.lo, zero);
  const S b = select(steep, more.hi, d), b_low = select(steep, more.lo, zero);
  const Pair<S> t = quotient(a, a_low, b, b_low);
  const S low = select(abs(t.hi) > C::small, t.lo, T(0)), z = t.hi * t.hi;
  const S rest = fma(t.hi * z, horner(z, C::atan), fma(-z, low, low));
  const S of_steep = select(steep, T(1), zero), of_swap = select(swap, T(2) - of_steep, of_steep);
  const S quarters = select(left, T(4) - of_swap, of_swap);
  const S base = quarters * C::quarter;
  const S base_low = fma(quarters, C::quarter, -base) + quarters * C::quarter_lo;
  const IntOf<S> flip = select(swap ^ left, sign_bit(n.literal(T(-0.0))), Int(0));
  const Pair<S> sum = fast_sum(base, flip_sign(t.hi, flip));
  return sum.hi + (sum.lo + (base_low + flip_sign(rest, flip)));
}

template <Scalar S>
S atan(S x) {
  using T = typename S::type;
  const S a = abs(x), one = x.literal(T(1));
  const auto swap = a > T(1);
  return copy_sign(angle(select(swap, one, a), select(swap, a, one), swap, x.literal(false)), x);
}

template <Scalar S>
S atan2(S y, S x) {
  using T = typename S::type;
  using Int = typename Format<S>::Int;
  using C = ArcTable<T>;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const S a = abs(y), b = abs(x), one = x.literal(T(1));
  const auto swap = a > b, left = bitcast<Int>(x) < Int(0);
  const S n = select(swap, b, a), d = select(swap, a, b);
  const S scale = select(d > C::huge, C::down, select(d < C::tiny, C::up, one));
  // Of infinities and of zeros only what the quotient would be; n * 0 keeps a NaN.
  const auto endless = d == infinity, nothing = d == T(0);
  const S above = select(endless, select(n == infinity, one, n * T(0)), n * scale);
  const S below = select(endless | nothing, one, d * scale);
  return copy_sign(angle(above, below, swap, left), y);
}

}  // namespace tenon::ops
