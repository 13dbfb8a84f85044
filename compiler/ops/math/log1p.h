// log2, log1p and the inverse hyperbolic functions as scalar rules.
//
// log2: log's reduction; log(1 + f) = f + rest in two parts, times log2(e) in two parts, added to the
// exponent with what the addition loses: powers of two are exact. log1p(w) = log(u) + (1 + w - u) / u with u
// = 1 + w rounded. Where u's exponent is 0, f is w itself, so that small arguments keep their relative
// accuracy. The same with w in two parts serves the inverse hyperbolic functions:
//   asinh a = log1p(a + a^2 / (1 + sqrt(1 + a^2)))   acosh x = log1p(y + sqrt(y (y + 2))), y = x - 1
//   atanh a = log1p(2a / (1 - a)) / 2
// whose roots and quotients get a second part from their exact residuals. Beyond 2^60 the first two are
// log(2a), the 2 counted in the exponent: a^2 does not overflow. Polynomials are those of log.
#pragma once

#include "ops/math/log.h"

namespace tenon::ops {

template <class T>
struct Log2Table;
template <>
struct Log2Table<float> {
  static constexpr float log2e = 0x1.715476p+0f, log2e_lo = 0x1.4ae0cp-26f;
};
template <>
struct Log2Table<double> {
  static constexpr double log2e = 0x1.71547652b82fep+0, log2e_lo = 0x1.777d0ffda0d24p-56;
};

// log(1 + f) - f.
template <Scalar S>
S log_rest(S f) {
  using T = typename S::type;
  using C = LogTable<T>;
  const S square = f * f;
  if constexpr (std::is_same_v<T, float>) {
    return fma(f * T(-0.5), f, f * square * horner(f, C::p));
  } else {
    const S s = f / (f + T(2)), z = s * s, half = square * T(0.5);
    return fma(s, half + z * horner(z, C::p), -half);
  }
}

template <Scalar S>
S log2(S x) {
  using C = Log2Table<typename S::type>;
  const LogParts<S> l = log_parts(x);
  const Pair<S> log = fast_sum(l.f, log_rest(l.f));
  const S p = log.hi * C::log2e;
  const S p_low = fma(log.hi, x.literal(C::log2e), -p) + fma(log.hi, C::log2e_lo, log.lo * C::log2e);
  const Pair<S> sum = two_sum(l.e, p);
  return log_edges(x, sum.hi + (sum.lo + p_low));
}

// log(2^shift (1 + w + low)), with low far below w; shift only where 1 + w is not near 1.
template <Scalar S>
S log1p_of_sum(S w, S low, S shift) {
  using T = typename S::type;
  using C = LogTable<T>;
  const Pair<S> u = two_sum(w.literal(T(1)), w);
  const LogParts<S> l = log_parts(u.hi);
  const auto near = l.e == T(0);
  const S f = select(near, w, l.f), e = l.e + shift;
  const S lost = select(near, low, u.lo + low) / u.hi;
  return log_edges(u.hi, fma(e, C::ln2_hi, f + (log_rest(f) + fma(e, C::ln2_lo, lost))));
}
template <Scalar S>
S log1p(S x) {
  using T = typename S::type;
  const S zero = x.literal(T(0));
  return select(x == T(0), x, log1p_of_sum(x, zero, zero));
}

// sqrt(a + low) of a > 0: the root, and what its rounding and `low` leave.
template <Scalar S>
Pair<S> root(S a, S low) {
  const S s = sqrt(a);
  return {s, (fma(-s, s, a) + low) / (s + s)};
}
// (n + n_low) / (d + d_low): the quotient, and what its rounding and the low parts leave.
template <Scalar S>
Pair<S> quotient(S n, S n_low, S d, S d_low) {
  const S q = n / d;
  return {q, (fma(-q, d, n) + fma(-q, d_low, n_low)) / d};
}

template <Scalar S>
S asinh(S x) {
  using T = typename S::type;
  const S a = abs(x), zero = x.literal(T(0)), one = x.literal(T(1));
  const auto far = a > T(0x1p60);
  const S y = select(far, one, a), square = y * y, square_low = fma(y, y, -square);
  const Pair<S> q = two_sum(one, square), s = root(q.hi, q.lo + square_low), d = fast_sum(s.hi, one);
  const Pair<S> t = quotient(square, square_low, d.hi, d.lo + s.lo), w = fast_sum(y, t.hi);
  const S log = log1p_of_sum(select(far, a, w.hi), select(far, zero, w.lo + t.lo), select(far, one, zero));
  return copy_sign(log, x);
}

template <Scalar S>
S acosh(S x) {
  using T = typename S::type;
  const S zero = x.literal(T(0)), one = x.literal(T(1));
  const auto far = x > T(0x1p60);
  const Pair<S> y = fast_sum(select(far, one, x), -one), v = two_sum(y.hi, x.literal(T(2)));
  const S p = y.hi * v.hi, p_low = fma(y.hi, v.hi, -p) + fma(y.hi, v.lo + y.lo, y.lo * v.hi);
  const Pair<S> s = root(p, p_low), w = fast_sum(s.hi, y.hi);
  const S low = select(p > T(0), w.lo + (s.lo + y.lo), zero);  // at 1 the root is 0, and what it leaves 0/0
  const S log = log1p_of_sum(select(far, x, w.hi), select(far, zero, low), select(far, one, zero));
  return select(x < T(1), std::numeric_limits<T>::quiet_NaN(), log);
}

template <Scalar S>
S atanh(S x) {
  using T = typename S::type;
  const S a = abs(x), zero = x.literal(T(0));
  const Pair<S> d = fast_sum(x.literal(T(1)), -a), t = quotient(a + a, zero, d.hi, d.lo);
  return copy_sign(log1p_of_sum(t.hi, t.lo, zero) * T(0.5), x);
}

}  // namespace tenon::ops
