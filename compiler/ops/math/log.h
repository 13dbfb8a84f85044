// log and rsqrt as scalar rules.
//
// x = 2^e m with sqrt(1/2) <= m < sqrt(2), f = m - 1 exactly.
// f32: log(1 + f) = f - f^2/2 + f^3 p(f). f64: s = f / (2 + f), log(1 + f) = 2 atanh(s) = 2s + s^3 p(s^2),
// summed as f - (f^2/2 - s (f^2/2 + s^2 p)), so that the rounding of s is damped. p is minimax for the
// relative error of the logarithm (Remez exchange in 50 digits, coefficients rounded one after another).
#pragma once

#include "ops/math/format.h"

namespace tenon::ops {

// x = 2^e m; x positive, denormals included. Garbage for others.
template <Scalar S>
struct LogParts {
  S f, e;
};
template <Scalar S>
LogParts<S> log_parts(S x) {
  using T = typename S::type;
  using Int = typename Format<S>::Int;
  constexpr T normal = std::numeric_limits<T>::min(), lift = std::is_same_v<T, float> ? T(0x1p25) : T(0x1p54);
  constexpr T lifted = std::is_same_v<T, float> ? T(25) : T(54);
  constexpr Int root_half = std::is_same_v<T, float> ? Int(0x3f3504f3) : static_cast<Int>(0x3fe6a09e667f3bcc);
  const auto tiny = x < normal;
  const IntOf<S> bits = bitcast<Int>(select(tiny, x * lift, x));
  const IntOf<S> e = (bits - root_half) >> Format<S>::fraction_bits;
  const S m = bitcast<T>(bits - (e << Format<S>::fraction_bits));
  const S shift = select(tiny, lifted, x.literal(T(0)));
  return {m - T(1), cast<T>(cast<int32_t>(e)) - shift};
}

template <class T>
struct LogTable;
template <>
struct LogTable<float> {
  static constexpr float ln2_hi = 0x1.62e43p-1f, ln2_lo = -0x1.05c61p-29f;
  static constexpr float p[] = {0x1.555548p-2f,  -0x1.000006p-2f, 0x1.99a4b4p-3f,
                                -0x1.555c4cp-3f, 0x1.23377p-3f,   -0x1.fc224ep-4f,
                                0x1.e6f046p-4f,  -0x1.de3a8cp-4f, 0x1.14562ep-4f};  // error 2^-28.395
};
template <>
struct LogTable<double> {
  static constexpr double ln2_hi = 0x1.62e42fefa39efp-1, ln2_lo = 0x1.abc9e3b39803fp-56;
  static constexpr double p[] = {0x1.5555555555592p-1, 0x1.999999997fe96p-2, 0x1.24924941ed65dp-2,
                                 0x1.c71c5207164eep-3, 0x1.7466406a8cd12p-3, 0x1.39a178470f106p-3,
                                 0x1.2f091e8661dep-3};  // error 2^-59.418
};

// What log does outside the positive finite numbers.
template <Scalar S>
S log_edges(S x, S inside) {
  using T = typename S::type;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const S outside = select(x == T(0), -infinity, select(x < T(0), std::numeric_limits<T>::quiet_NaN(), x));
  return select((x > T(0)) & (x < infinity), inside, outside);
}

template <Scalar S>
S log(S x) {
  using T = typename S::type;
  using C = LogTable<T>;
  const LogParts<S> l = log_parts(x);
  const S f = l.f, square = f * f;
  if constexpr (std::is_same_v<T, float>) {
    const S small = fma(f * square, horner(f, C::p), l.e * C::ln2_lo);
    return log_edges(x, fma(l.e, C::ln2_hi, f + fma(f * T(-0.5), f, small)));
  } else {
    const S s = f / (f + T(2)), z = s * s, half = square * T(0.5);
    const S rest = half - fma(s, half + z * horner(z, C::p), l.e * C::ln2_lo);
    return log_edges(x, fma(l.e, C::ln2_hi, f - rest));
  }
}

// 1 / sqrt(x), its two roundings mended by one step of Newton with an exact residual.
template <Scalar S>
S rsqrt(S x) {
  using T = typename S::type;
  const S y = T(1) / sqrt(x);
  const S xy = x * y, low = fma(x, y, -xy);
  const S residual = fma(-xy, y, T(1)) - low * y;
  return select(abs(residual) < T(1), fma(residual * T(0.5), y, y), y);
}

}  // namespace tenon::ops
