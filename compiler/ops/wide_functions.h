// Wide twins of the rounding, exponential, logarithmic, trigonometric, hyperbolic and bit operations: see
// wide.h.
#pragma once

#include "ops/wide.h"

namespace tenon::ops::wide {

// --- Rounding ----------------------------------------------------------------------------------------------

// A function that does not fall and whose values are integral.
template <class W, class F>
Wide<W> steps(const Wide<W>& a, F f) {
  if (a.undecided()) return a;
  if (a.exact() || !std::isfinite(a.value)) return exactly(f(a.value), a.dtype);
  return between(f(a.low()), f(a.high()), a.dtype);
}
template <class W>
Wide<W> ceil(const Wide<W>& a) {
  return steps(a, [](W x) { return std::ceil(x); });
}
template <class W>
Wide<W> trunc(const Wide<W>& a) {
  return steps(a, [](W x) { return std::trunc(x); });
}
// std::remainder takes the nearest multiple, ties to even, in every rounding mode.
template <class W>
Wide<W> round(const Wide<W>& a) {
  return steps(a, [](W x) { return std::isfinite(x) ? std::copysign(x - std::remainder(x, W(1)), x) : x; });
}

template <class W>
Wide<W> square(Wide<W> a) {
  a.twin = true;
  return mul(a, a);
}
template <class W>
Wide<W> reciprocal(const Wide<W>& a) {
  return div(exactly(W(1), a.dtype), a);
}
template <class W>
Wide<W> clamp(const Wide<W>& x, const Wide<W>& low, const Wide<W>& high) {
  return min(max(x, low), high);
}

template <class W>
Wide<W> floor_mod(const Wide<W>& x, const Wide<W>& y) {
  if (!is_float(x.dtype))
    return integers(x, y, [](auto a, auto b) {
      if (b == 0) return a;
      const auto rest = a % b;
      return static_cast<__int128>(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
    });
  if (x.undecided() || y.undecided()) return undecided<W>(x.dtype);
  if (std::isnan(x.value) || std::isnan(y.value)) return exactly(x.value + y.value, x.dtype);
  if (x.exact() && y.exact()) {
    const W rest = std::fmod(x.value, y.value);  // exact; NaN of an infinity and by 0
    if (rest == 0) return exactly(std::copysign(W(0), y.value), x.dtype);
    const auto truncated = exactly(rest, x.dtype);
    return std::isnan(rest) || (rest < 0) == (y.value < 0) ? truncated : add(truncated, y);
  }
  if (!std::isfinite(x.value) || !std::isfinite(y.value) || !(y.least() > 0)) return undecided<W>(x.dtype);
  // Where there is not one quotient for all of both intervals, the remainder may jump.
  const W corners[] = {x.low() / y.low(), x.low() / y.high(), x.high() / y.low(), x.high() / y.high()};
  const auto [least, most] = std::minmax_element(corners, corners + 4);
  const W own = 8 * std::numeric_limits<W>::epsilon();
  const W q = std::floor(*least - std::fabs(*least) * own);
  if (q == std::floor(*most + std::fabs(*most) * own)) {
    const W lost = std::fabs(q * y.value) * own;
    return within(x.value - q * y.value, x.bound + std::fabs(q) * y.bound + lost, x.dtype);
  }
  return undecided<W>(x.dtype);
}

// --- Exponentials and logarithms ---------------------------------------------------------------------------

template <class W>
Wide<W> exp2(const Wide<W>& a) {
  return monotone(a, [](W x) { return std::exp2(x); }).above(0);
}
template <class W>
Wide<W> log2(const Wide<W>& a) {
  return monotone(a, [](W x) { return std::log2(x); }, W(0));
}

// --- Trigonometric and hyperbolic functions ----------------------------------------------------------------

template <class W>
Wide<W> tan(const Wide<W>& a) {
  const auto f = [](W x) { return std::tan(x); };
  if (a.undecided() || a.exact() || !std::isfinite(a.value)) return monotone(a, f);
  // Between two poles it grows.
  const W pi = std::acos(W(-1));
  const W branch = std::floor(a.low() / pi + W(0.5));
  if (std::fabs(a.value) > W(1e6) || branch != std::floor(a.high() / pi + W(0.5)))
    return undecided<W>(a.dtype);
  if (!(f(a.low()) <= f(a.value) && f(a.value) <= f(a.high()))) return undecided<W>(a.dtype);
  return monotone(a, f);
}
template <class W>
Wide<W> asin(const Wide<W>& a) {
  return monotone(a, [](W x) { return std::asin(x); }, W(-1), W(1));
}
template <class W>
Wide<W> acos(const Wide<W>& a) {
  return monotone(a, [](W x) { return std::acos(x); }, W(-1), W(1));
}
template <class W>
Wide<W> atan(const Wide<W>& a) {
  return monotone(a, [](W x) { return std::atan(x); });
}
template <class W>
Wide<W> atan2(const Wide<W>& y, const Wide<W>& x) {
  if (x.undecided() || y.undecided()) return undecided<W>(x.dtype);
  const W v = std::atan2(y.value, x.value);
  if (std::isnan(v)) return exactly(v, x.dtype);
  if (x.exact() && y.exact()) return within(v, W(0), x.dtype, 4);
  if (!std::isfinite(x.value) || !std::isfinite(y.value)) return undecided<W>(x.dtype);
  // It jumps where y crosses 0 left of 0. Elsewhere its slopes are -y and x over the square of the distance.
  const W dx = std::max(std::fabs(x.value) - x.bound, W(0)),
          dy = std::max(std::fabs(y.value) - y.bound, W(0));
  const W square = dx * dx + dy * dy;
  if (!(square > 0) || !std::isfinite(square) || (dy == 0 && x.low() <= 0)) return undecided<W>(x.dtype);
  const W reach = (std::fabs(y.value) + y.bound) * x.bound + (std::fabs(x.value) + x.bound) * y.bound;
  return within(v, reach / square, x.dtype, 4);
}
template <class W>
Wide<W> sinh(const Wide<W>& a) {
  return monotone(a, [](W x) { return std::sinh(x); });
}
template <class W>
Wide<W> cosh(const Wide<W>& a) {
  const auto f = [](W x) { return std::cosh(x); };
  if (a.undecided() || a.exact() || !std::isfinite(a.value)) return monotone(a, f);
  return monotone(abs(a), f).above(0);
}
template <class W>
Wide<W> asinh(const Wide<W>& a) {
  return monotone(a, [](W x) { return std::asinh(x); });
}
template <class W>
Wide<W> acosh(const Wide<W>& a) {
  return monotone(a, [](W x) { return std::acosh(x); }, W(1));
}
template <class W>
Wide<W> atanh(const Wide<W>& a) {
  return monotone(a, [](W x) { return std::atanh(x); }, W(-1), W(1));
}

// --- Kinds of floats, bits of integers ---------------------------------------------------------------------

template <class W>
Wide<W> is_nan(const Wide<W>& a) {
  return a.undecided() ? undecided<W>(DType::bool_) : exactly<W>(std::isnan(a.value), DType::bool_);
}
template <class W>
Wide<W> is_inf(const Wide<W>& a) {
  return a.undecided() ? undecided<W>(DType::bool_) : exactly<W>(std::isinf(a.value), DType::bool_);
}

template <class W>
Wide<W> bit_and(const Wide<W>& a, const Wide<W>& b) {
  return integers(a, b, [](auto x, auto y) { return x & y; });
}
template <class W>
Wide<W> bit_or(const Wide<W>& a, const Wide<W>& b) {
  return integers(a, b, [](auto x, auto y) { return x | y; });
}
template <class W>
Wide<W> bit_xor(const Wide<W>& a, const Wide<W>& b) {
  return integers(a, b, [](auto x, auto y) { return x ^ y; });
}
template <class W>
Wide<W> bit_not(const Wide<W>& a) {
  return integers(a, a, [](auto x, auto) { return ~x; });
}
template <class W>
Wide<W> shift_left(const Wide<W>& a, const Wide<W>& b) {
  const int bits = integer_bits(a.dtype);
  return integers(a, b, [bits](auto x, auto y) { return y < 0 || y >= bits ? __int128{0} : x << int(y); });
}
template <class W>
Wide<W> shift_right(const Wide<W>& a, const Wide<W>& b) {
  const int bits = integer_bits(a.dtype);
  return integers(
      a, b, [bits](auto x, auto y) { return y < 0 || y >= bits ? __int128{x < 0 ? -1 : 0} : x >> int(y); });
}

}  // namespace tenon::ops::wide
