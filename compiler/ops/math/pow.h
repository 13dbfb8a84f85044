// pow as a scalar rule. Special values as in IEEE 754 pow (and C): pow(x, 0) = pow(1, y) = 1 even for NaN, a
// negative x needs an integral y, and so on.
//
// f32 works in f64: 2^(y log2 |x|) with log2 to 2^-45 and 2^t to 2^-34, then one rounding to f32, denormals
// included. f64 carries log |x| as an unevaluated sum of two doubles to about 2^-68: with f = m - 1,
// s = f / (2 + f) in two parts, log(1 + f) = 2s + s^3 p(s^2), whose leading coefficient stands in two parts.
#pragma once

#include "ops/math/exp.h"
#include "ops/math/log.h"

namespace tenon::ops {

struct PowTable {
  // log2(1 + f) = s a(s^2), 2^t = 1 + t b(t)
  static constexpr double a[] = {0x1.71547652b825p+1,  0x1.ec709dc53ddffp-1, 0x1.2776c291b3007p-1,
                                 0x1.a61a2fed9ecd3p-2, 0x1.47952a2deda3p-2,  0x1.21b33e4eb63cdp-2};
  static constexpr double b[] = {0x1.62e42fef7b25p-1,  0x1.ebfbe07ae052ep-3,  0x1.c6b08df51ddbbp-5,
                                 0x1.3b29f0d62be72p-7, 0x1.5d8722d872fe2p-10, 0x1.445e8c9fe3a6ep-13,
                                 0x1.00f1ac4efd177p-16};
  // log(1 + f) = 2s + s^3 (c0 + c0_low + s^2 c(s^2))
  static constexpr double c0 = 0x1.5555555555555p-1, c0_low = 0x1.55555555a6af4p-55;
  static constexpr double c[] = {0x1.999999999999ap-2, 0x1.2492492492492p-2, 0x1.c71c71c71c71cp-3,
                                 0x1.745d1745d175ep-3, 0x1.3b13b13b12a17p-3, 0x1.111111119110ep-3,
                                 0x1.e1e1e18e33207p-4, 0x1.af287efdd2765p-4, 0x1.86154ceb0a18p-4,
                                 0x1.6482fdbe4b2a3p-4, 0x1.41876041fbep-4,   0x1.702ab4214647bp-4};
  // ln 2 in 42 bits, whose multiples by an exponent are exact, and the rest
  static constexpr double ln2_hi = 0x1.62e42fefa38p-1, ln2_lo = 0x1.ef35793c7673p-45;
};

// a^y for finite positive a, in f64 of an f32 argument.
template <Scalar D>
D pow_single(D a, D y) {
  const LogParts<D> l = log_parts(a);
  const D s = l.f / (l.f + 2.0);
  const D t = clamp(y * fma(s, horner(s * s, PowTable::a), l.e), -160.0, 160.0);
  const Rounded<D> k = round_small(t, 1.0);
  const D r = t - k.value;
  return fma(r, horner(r, PowTable::b), 1.0) * power_of_two<D>(k.integer);
}

template <Scalar D>
D pow_double(D a, D y) {
  const LogParts<D> l = log_parts(a);
  const D f = l.f, d = f + 2.0, d_low = f - (d - 2.0);
  const D s = f / d, s_low = (fma(-s, d, f) - s * d_low) / d;
  const D z = s * s, z_low = fma(s, s, -z) + (s + s) * s_low;
  const D tail = z * horner(z, PowTable::c);
  const D p = tail + PowTable::c0, p_low = (tail - (p - PowTable::c0)) + PowTable::c0_low;
  const D cube = s * z, cube_low = fma(s, z, -cube) + fma(s, z_low, s_low * z);
  const D u = cube * p, u_low = fma(cube, p, -u) + fma(cube, p_low, cube_low * p);
  const D twice = s + s, m = twice + u, m_low = (u - (m - twice)) + ((s_low + s_low) + u_low);
  const D whole = l.e * PowTable::ln2_hi;
  const D log = whole + m, log_low = (m - (log - whole)) + fma(l.e, PowTable::ln2_lo, m_low);
  const D t = y * log;
  const auto inside = abs(t) < 800.0;
  const D t_low = select(inside, fma(y, log, -t) + y * log_low, 0.0);
  ExpParts<D> e = exp_parts(clamp(t, -800.0, 800.0));
  e.r = e.r + t_low;
  e.q = horner(e.r, ExpTable<double>::q);
  return scale_twice(fma(e.r, fma(e.r, e.q, 1.0), 1.0), e.n);
}

template <Scalar S>
S pow(S x, S y) {
  using T = typename S::type;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const S a = abs(x);
  const auto plain = (a > T(0)) & (a < infinity) & (abs(y) < infinity);
  // Beyond the plain arguments only 0 and infinity come out (or 1, or NaN, below): |x| above 1 and y above 0
  // point the same way.
  const auto grows = ((a > T(1)) & (y > T(0))) | ((a < T(1)) & (y < T(0)));
  const S limit = select(grows, infinity, x.literal(T(0)));
  S positive = x;
  if constexpr (std::is_same_v<T, float>) {
    positive = select(plain, cast<float>(pow_single(cast<double>(a), cast<double>(y))), limit);
  } else {
    positive = select(plain, pow_double(a, y), limit);
  }
  const S half = y * T(0.5);
  const auto integral = floor(y) == y;
  const auto odd = integral & (floor(half) != half);
  const S signed_ = select(odd, flip_sign(positive, sign_bit(x)), positive);
  const S real =
      select((x < T(0)) & (a < infinity) & !integral, std::numeric_limits<T>::quiet_NaN(), signed_);
  const S known = select((x != x) | (y != y), x + y, real);
  const auto one = (x == T(1)) | (y == T(0)) | ((x == T(-1)) & (abs(y) == infinity));
  return select(one, T(1), known);
}

}  // namespace tenon::ops
