// The remainder of floored division as a scalar rule: exact for all finite operands, however large the
// quotient.
//
// For integers from the truncated remainder. For floats a mod b of magnitudes, then the sign: with a = A 2^d
// 2^k and b = m 2^k in integers A, m of the type's precision, a mod b = (A (2^d mod m) mod m) 2^k. 2^d mod m
// comes from 2^(d >> s) by s squarings. Residues lie within +-m/2, so that products and the multiples of m
// taken off them are exact: f32 works in f64, where a product of two is a number; f64 carries the low half of
// a product, and takes off the multiples of m twice, since the quotient of 105 bits is known to within 1.
#pragma once

#include "ops/math/exp.h"

namespace tenon::ops {

// x less the nearest multiple of m, up to the rounding of the quotient.
template <Scalar D>
D reduce(D x, D m, D inverse) {
  return fma(-round_even(x * inverse), m, x);
}
// u v modulo m.
template <bool Single, Scalar D>
D multiply_mod(D u, D v, D m, D inverse) {
  const D product = u * v;
  if constexpr (Single) {
    return reduce(product, m, inverse);
  } else {
    const D low = fma(u, v, -product);
    return reduce(reduce(product, m, inverse), m, inverse) + low;
  }
}

// a = significand 2^exponent for a positive finite a, with an integer significand of Digits bits.
template <Scalar D>
struct Significand {
  D integer;
  typename D::template as<int64_t> exponent;
};
template <int Digits, Scalar D>
Significand<D> significand(D a) {
  const auto tiny = a < std::numeric_limits<double>::min();
  const auto bits = bitcast<int64_t>(select(tiny, a * 0x1p54, a));
  const auto lift = select(tiny, int64_t{54}, bits.literal(int64_t{0}));
  constexpr int64_t unit = 1023 + Digits - 1;
  return {bitcast<double>((bits & 0xfffffffffffff) | (unit << 52)), (bits >> 52) - unit - lift};
}

// a mod b, for finite a >= 0 and b > 0. Single: both are numbers of f32.
template <bool Single, Scalar D>
D positive_mod(D a, D b) {
  constexpr int digits = Single ? 24 : 53, steps = Single ? 3 : 6;
  const Significand<D> x = significand<digits>(a), y = significand<digits>(b);
  const D m = y.integer, inverse = 1.0 / m;
  const auto d = x.exponent - y.exponent;
  D power = power_of_two<D>(d >> steps);
  if constexpr (Single) power = reduce(power, m, inverse);
  for (int64_t bit = int64_t{1} << (steps - 1); bit != 0; bit >>= 1) {
    const D square = multiply_mod<Single>(power, power, m, inverse);
    power = reduce(select((d & bit) != int64_t{0}, square + square, square), m, inverse);
  }
  const D signed_rest = multiply_mod<Single>(reduce(x.integer, m, inverse), power, m, inverse);
  const D close = reduce(signed_rest, m, inverse), rest = select(close < 0.0, close + m, close);
  return select(a < b, a, scale_twice(rest, y.exponent));
}

template <Scalar S>
S floor_mod(S x, S y) {
  using T = typename S::type;
  if constexpr (std::is_integral_v<T>) {
    const S rest = x % y;
    if constexpr (std::is_unsigned_v<T>)
      return rest;
    else
      return select((rest != T(0)) & ((rest ^ y) < T(0)), rest + y, rest);
  } else {
    constexpr T infinity = std::numeric_limits<T>::infinity();
    const S a = abs(x), b = abs(y), zero = x.literal(T(0));
    const auto whole = (a < infinity) & (b > T(0));  // neither holds for a NaN
    // The infinite divisor leaves a itself; it does not enter the integers.
    const auto endless = b == infinity;
    const S divisor = select(endless | !whole, T(1), b), dividend = select(whole, a, zero);
    S rest = zero;
    if constexpr (std::is_same_v<T, float>)
      rest = cast<float>(positive_mod<true>(cast<double>(dividend), cast<double>(divisor)));
    else
      rest = positive_mod<false>(dividend, divisor);
    const S magnitude = select(endless, a, rest), truncated = copy_sign(magnitude, x);
    const S floored = select((x < T(0)) ^ (y < T(0)), truncated + y, truncated);
    const S value = select(magnitude == T(0), copy_sign(zero, y), floored);
    return select(whole, value, std::numeric_limits<T>::quiet_NaN());
  }
}

}  // namespace tenon::ops
