// Wide arithmetic: a value with a bound on how far the declared arithmetic may be from it.
//
// It judges the operations, so it shares no formula with scalar.h or math/: the C library's functions on a
// wider type W (double where f32 is the main type, long double for f64). Meaning of {value, bound}: what the
// declared arithmetic computes lies within value ± bound. bound 0: exactly that value, infinities and NaN
// included. bound infinity: undecided. Besides, it is not below `floor`: a sum of squares, say, is not
// negative however wide its bound, and its root exists. The functions here propagate the operands' bounds and
// add W's own rounding; the evaluator then adds the operation's declared rounding (round_to). Integers and
// bool are exact or undecided.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "support/dtype.h"

namespace tenon::ops {
using namespace support;

template <class W>
struct Wide {
  W value = 0, bound = 0;
  DType dtype = DType::f32;
  W floor = -std::numeric_limits<W>::infinity();
  bool twin = false;  // of an operand: the other operand is the same value

  bool exact() const { return bound == 0; }
  bool undecided() const { return !(bound < std::numeric_limits<W>::infinity()); }
  W low() const { return std::max(value - bound, floor); }
  W high() const { return value + bound; }
  // The least magnitude: 0 where the sign is open.
  W least() const { return std::max(std::abs(value) - bound, std::max(floor, W(0))); }
  // The same, known not to be below `limit`.
  Wide above(W limit) const {
    Wide out = *this;
    out.floor = std::max(floor, limit);
    return out;
  }
};

namespace wide {

template <class W>
Wide<W> undecided(DType dtype) {
  return {0, std::numeric_limits<W>::infinity(), dtype};
}
template <class W>
Wide<W> exactly(W value, DType dtype) {
  return {value, 0, dtype};
}
// A computed value whose error bound is known; adds the roundings of W (a few for library functions).
template <class W>
Wide<W> within(W value, W bound, DType dtype, int roundings = 2) {
  if (!(bound < std::numeric_limits<W>::infinity())) return undecided<W>(dtype);
  if (!std::isfinite(value)) return {value, 0, dtype};
  const W own = std::abs(value) * std::numeric_limits<W>::epsilon() * roundings;
  return {value, bound * (1 + 4 * std::numeric_limits<W>::epsilon()) + own, dtype};
}
// From an interval that surely holds the result.
template <class W>
Wide<W> between(W low, W high, DType dtype) {
  if (low == high) return exactly(low, dtype);
  if (!std::isfinite(low) || !std::isfinite(high)) return undecided<W>(dtype);
  return within(low + (high - low) / 2, (high - low) / 2, dtype);
}

// Integers: exact through 128 bits, wrapped to the dtype; undecided where W cannot hold them.
inline int integer_bits(DType d) { return static_cast<int>(dtype_bytes(d)) * 8; }
template <class W>
Wide<W> integer(__int128 v, DType dtype) {
  if (is_bool(dtype)) return exactly<W>(v != 0, dtype);
  const int bits = integer_bits(dtype);
  const __int128 span = __int128{1} << bits;
  v &= span - 1;
  if (is_signed_int(dtype) && (v >> (bits - 1))) v -= span;
  const W w = static_cast<W>(v);
  if (static_cast<__int128>(w) != v) return undecided<W>(dtype);
  return exactly(w, dtype);
}
template <class W, class F>
Wide<W> integers(const Wide<W>& a, const Wide<W>& b, F f) {
  if (!a.exact() || !b.exact()) return undecided<W>(a.dtype);
  return integer<W>(f(static_cast<__int128>(a.value), static_cast<__int128>(b.value)), a.dtype);
}

// A product or sum of least values, rounded down in W.
template <class W>
W down(W x) {
  return x * (1 - 4 * std::numeric_limits<W>::epsilon());
}
template <class W>
inline constexpr W no_floor = -std::numeric_limits<W>::infinity();

template <class W>
Wide<W> add(const Wide<W>& a, const Wide<W>& b) {
  if (!is_float(a.dtype)) return integers(a, b, [](auto x, auto y) { return x + y; });
  const W v = a.value + b.value;
  // Exact operands: the sum in W may still round, unless it does not need to.
  if (a.exact() && b.exact() && v - a.value == b.value && v - b.value == a.value) return exactly(v, a.dtype);
  return within(v, a.bound + b.bound, a.dtype)
      .above(a.low() >= 0 && b.low() >= 0 ? down(a.low() + b.low()) : no_floor<W>);
}
template <class W>
Wide<W> neg(const Wide<W>& a) {
  if (!is_float(a.dtype)) return integers(a, a, [](auto x, auto) { return -x; });
  return {-a.value, a.bound, a.dtype};
}
template <class W>
Wide<W> sub(const Wide<W>& a, const Wide<W>& b) {
  if (!is_float(a.dtype)) return integers(a, b, [](auto x, auto y) { return x - y; });
  if (a.twin && !a.undecided() && std::isfinite(a.value)) return exactly(W(0), a.dtype);
  return add(a, neg(b));
}
template <class W>
Wide<W> mul(const Wide<W>& a, const Wide<W>& b) {
  if (!is_float(a.dtype)) return integers(a, b, [](auto x, auto y) { return x * y; });
  const auto straddles = [](const Wide<W>& x) { return x.bound > 0 && std::abs(x.value) <= x.bound; };
  if ((std::isinf(a.value) && straddles(b)) || (std::isinf(b.value) && straddles(a)))
    return undecided<W>(a.dtype);
  if (a.undecided() || b.undecided()) return undecided<W>(a.dtype);
  const W v = a.value * b.value;
  if (!std::isfinite(v)) return exactly(v, a.dtype);
  // A zero whose operand is surely zero stays one, sign included where both are exact.
  if (a.exact() && b.exact() && std::fma(a.value, b.value, -v) == 0) return exactly(v, a.dtype);
  const bool positive = a.twin || (a.low() >= 0 && b.low() >= 0);
  return within(v, std::abs(a.value) * b.bound + std::abs(b.value) * a.bound + a.bound * b.bound, a.dtype)
      .above(positive ? down(a.least() * b.least()) : no_floor<W>);
}
template <class W>
Wide<W> div(const Wide<W>& a, const Wide<W>& b) {
  if (!is_float(a.dtype))
    return integers(a, b, [](auto x, auto y) { return y == 0 ? __int128{0} : static_cast<__int128>(x / y); });
  if (a.undecided() || b.undecided()) return undecided<W>(a.dtype);
  if (std::isnan(a.value) || std::isnan(b.value)) return exactly(a.value + b.value, a.dtype);
  if (b.bound > 0 && !(b.least() > 0)) return undecided<W>(a.dtype);
  if (b.value == 0 && a.bound > 0 && std::abs(a.value) <= a.bound) return undecided<W>(a.dtype);
  if (std::isinf(a.value) || !std::isfinite(b.value) || b.value == 0)
    return exactly(a.value / b.value, a.dtype);
  const W v = a.value / b.value;
  return within(v, (a.bound + std::abs(v) * b.bound) / b.least(), a.dtype)
      .above(a.low() >= 0 && b.low() > 0 ? down(a.low() / b.high()) : no_floor<W>);
}
template <class W>
Wide<W> rem(const Wide<W>& a, const Wide<W>& b) {
  return integers(a, b, [](auto x, auto y) { return y == 0 ? x : x % y; });
}
template <class W>
Wide<W> abs(const Wide<W>& a) {
  if (!is_float(a.dtype)) return integers(a, a, [](auto x, auto) { return x < 0 ? -x : x; });
  if (a.undecided() || a.exact()) return {std::abs(a.value), a.bound, a.dtype};
  return Wide<W>{std::abs(a.value), a.bound, a.dtype}.above(a.least());
}
template <class W>
Wide<W> sign(const Wide<W>& a) {
  if (a.undecided()) return a;
  if (a.exact()) return exactly(a.value > 0 ? W(1) : a.value < 0 ? W(-1) : a.value, a.dtype);
  if (a.low() > 0) return exactly(W(1), a.dtype);
  if (a.high() < 0) return exactly(W(-1), a.dtype);
  return {0, 1, a.dtype};
}
template <class W>
Wide<W> extreme(const Wide<W>& a, const Wide<W>& b, bool largest) {
  if (std::isnan(a.value) || std::isnan(b.value)) {
    if (std::isnan(a.value) ? a.exact() : b.exact())
      return exactly(std::numeric_limits<W>::quiet_NaN(), a.dtype);
    return undecided<W>(a.dtype);
  }
  if (a.undecided() || b.undecided()) return undecided<W>(a.dtype);
  if (a.value == 0 && b.value == 0 && a.exact() && b.exact())
    return std::signbit(a.value) == largest ? b : a;  // -0 is below +0
  if (std::isinf(a.value) || std::isinf(b.value)) return (a.value > b.value) == largest ? a : b;
  const W low = largest ? std::max(a.low(), b.low()) : std::min(a.low(), b.low());
  const W high = largest ? std::max(a.high(), b.high()) : std::min(a.high(), b.high());
  const Wide<W>& pick = (a.value > b.value) == largest ? a : b;
  if (pick.exact() && low == pick.value && high == pick.value) return pick;
  return within(pick.value, std::max(high - pick.value, pick.value - low), a.dtype).above(low);
}
template <class W>
Wide<W> max(const Wide<W>& a, const Wide<W>& b) {
  return extreme(a, b, true);
}
template <class W>
Wide<W> min(const Wide<W>& a, const Wide<W>& b) {
  return extreme(a, b, false);
}

// Comparisons: bool, or undecided where the operands' bounds touch.
template <class W>
Wide<W> less(const Wide<W>& a, const Wide<W>& b) {
  if (a.undecided() || b.undecided()) return undecided<W>(DType::bool_);
  if (a.exact() && b.exact()) return exactly<W>(a.value < b.value, DType::bool_);
  if (std::isnan(a.value) || std::isnan(b.value)) return exactly<W>(0, DType::bool_);
  if (a.high() < b.low()) return exactly<W>(1, DType::bool_);
  if (a.low() >= b.high()) return exactly<W>(0, DType::bool_);
  return undecided<W>(DType::bool_);
}
template <class W>
Wide<W> equal(const Wide<W>& a, const Wide<W>& b) {
  if (a.undecided() || b.undecided()) return undecided<W>(DType::bool_);
  if (a.exact() && b.exact()) return exactly<W>(a.value == b.value, DType::bool_);
  if (std::isnan(a.value) || std::isnan(b.value) || a.high() < b.low() || b.high() < a.low())
    return exactly<W>(0, DType::bool_);
  return undecided<W>(DType::bool_);
}
template <class W>
Wide<W> not_(const Wide<W>& a) {
  return a.undecided() ? a : exactly<W>(a.value == 0, DType::bool_);
}
template <class W>
Wide<W> or_(const Wide<W>& a, const Wide<W>& b) {
  if ((a.exact() && a.value != 0) || (b.exact() && b.value != 0)) return exactly<W>(1, DType::bool_);
  if (a.undecided() || b.undecided()) return undecided<W>(DType::bool_);
  return exactly<W>(0, DType::bool_);
}
template <class W>
Wide<W> and_(const Wide<W>& a, const Wide<W>& b) {
  return not_(or_(not_(a), not_(b)));
}
template <class W>
Wide<W> less_equal(const Wide<W>& a, const Wide<W>& b) {
  if (a.undecided() || b.undecided()) return undecided<W>(DType::bool_);
  if (a.exact() && b.exact()) return exactly<W>(a.value <= b.value, DType::bool_);
  if (std::isnan(a.value) || std::isnan(b.value)) return exactly<W>(0, DType::bool_);
  return not_(less(b, a));
}
// An undecided condition gives the hull of both sides.
template <class W>
Wide<W> select(const Wide<W>& condition, const Wide<W>& a, const Wide<W>& b) {
  if (!condition.undecided()) return condition.value != 0 ? a : b;
  if (a.undecided() || b.undecided()) return undecided<W>(a.dtype);
  if (a.exact() && b.exact() && a.value == b.value && std::signbit(a.value) == std::signbit(b.value))
    return a;
  if (!is_float(a.dtype) || !std::isfinite(a.value) || !std::isfinite(b.value)) return undecided<W>(a.dtype);
  const W low = std::min(a.low(), b.low());
  return between(low, std::max(a.high(), b.high()), a.dtype).above(low);
}

// A function that grows (or falls) over [left, right], where the operand must surely lie.
template <class W, class F>
Wide<W> monotone(const Wide<W>& a, F f, W left = -std::numeric_limits<W>::infinity(),
                 W right = std::numeric_limits<W>::infinity()) {
  if (a.undecided()) return undecided<W>(a.dtype);
  const W v = f(a.value);
  if (!std::isfinite(v) && a.exact()) return exactly(v, a.dtype);
  if (a.exact()) return within(v, W(0), a.dtype, 4);
  if (!std::isfinite(a.value)) return exactly(v, a.dtype);
  if (a.low() < left || a.high() > right) return undecided<W>(a.dtype);
  const W x = f(a.low()), y = f(a.high());
  if (std::isinf(v) && x == y) return exactly(v, a.dtype);
  const W spread = std::max(std::abs(x - v), std::abs(y - v));
  const W own = std::max(std::abs(x), std::abs(y)) * std::numeric_limits<W>::epsilon() * 4;
  return within(v, spread + own, a.dtype, 4);
}
template <class W>
Wide<W> exp(const Wide<W>& a) {
  return monotone(a, [](W x) { return std::exp(x); }).above(0);
}
template <class W>
Wide<W> expm1(const Wide<W>& a) {
  return monotone(a, [](W x) { return std::expm1(x); });
}
template <class W>
Wide<W> log(const Wide<W>& a) {
  return monotone(a, [](W x) { return std::log(x); }, W(0));
}
template <class W>
Wide<W> log1p(const Wide<W>& a) {
  return monotone(a, [](W x) { return std::log1p(x); }, W(-1));
}
template <class W>
Wide<W> sqrt(const Wide<W>& a) {
  return monotone(a, [](W x) { return std::sqrt(x); }, W(0)).above(a.exact() ? no_floor<W> : W(0));
}
template <class W>
Wide<W> rsqrt(const Wide<W>& a) {
  if (a.bound > 0 && !(a.least() > 0)) return undecided<W>(a.dtype);
  return monotone(a, [](W x) { return 1 / std::sqrt(x); }, W(0)).above(a.exact() ? no_floor<W> : W(0));
}
template <class W>
Wide<W> tanh(const Wide<W>& a) {
  return monotone(a, [](W x) { return std::tanh(x); });
}
template <class W>
Wide<W> sigmoid(const Wide<W>& a) {
  // (1 + tanh(x/2)) / 2 loses the left tail; there e^x / (1 + e^x) has no cancellation.
  return monotone(a, [](W x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); })
      .above(0);
}
template <class W>
Wide<W> erf(const Wide<W>& a) {
  return monotone(a, [](W x) { return std::erf(x); });
}
template <class W>
Wide<W> erfc(const Wide<W>& a) {
  return monotone(a, [](W x) { return std::erfc(x); }).above(0);
}
template <class W>
Wide<W> floor(const Wide<W>& a) {
  if (a.undecided()) return a;
  if (a.exact() || !std::isfinite(a.value)) return exactly(std::floor(a.value), a.dtype);
  return between(std::floor(a.low()), std::floor(a.high()), a.dtype);
}
// sin and cos: slope at most 1, range [-1, 1].
template <class W, class F>
Wide<W> wave(const Wide<W>& a, F f) {
  if (a.undecided()) return a;  // it may be a NaN
  const W v = f(a.value);
  if (!std::isfinite(v)) return exactly(v, a.dtype);
  return within(v, std::min(a.bound, W(2)), a.dtype, 4);
}
template <class W>
Wide<W> sin(const Wide<W>& a) {
  return wave(a, [](W x) { return std::sin(x); });
}
template <class W>
Wide<W> cos(const Wide<W>& a) {
  return wave(a, [](W x) { return std::cos(x); });
}
// The C library's pow, but for the sign of a negative base's power: glibc's for long double takes some even
// exponents beyond 2^62 for odd ones.
template <class W>
W signed_pow(W x, W y) {
  if (!std::signbit(x) || std::isnan(x) || std::isnan(y)) return std::pow(x, y);
  if (std::isinf(y) || std::floor(y) != y) return std::pow(x, y);
  const W magnitude = std::pow(-x, y);
  return std::fmod(y, W(2)) != 0 ? -magnitude : magnitude;
}
template <class W>
Wide<W> pow(const Wide<W>& x, const Wide<W>& y) {
  if (x.exact() && x.value == 1) return exactly(W(1), x.dtype);
  if (y.exact() && y.value == 0) return exactly(W(1), x.dtype);
  if (x.undecided() || y.undecided()) return undecided<W>(x.dtype);
  const W v = signed_pow(x.value, y.value);
  if (x.exact() && y.exact()) {
    if (!std::isfinite(v) || v == 0) {
      // Beyond W's range, and beyond the declared type's: the same infinity or zero.
      return exactly(v, x.dtype);
    }
    return within(v, W(0), x.dtype, 4);
  }
  const bool surely_powered = std::abs(y.value) > y.bound;  // x^0 is 1 even for a NaN
  if (std::isnan(x.value) && surely_powered) return exactly(x.value, x.dtype);
  if (!std::isfinite(x.value) || !std::isfinite(y.value)) return undecided<W>(x.dtype);
  // A surely negative base with a surely fractional exponent.
  if (x.high() < 0 && std::floor(y.low()) == std::floor(y.high()) && std::floor(y.low()) < y.low())
    return exactly(std::numeric_limits<W>::quiet_NaN(), x.dtype);
  if (x.low() > 0 || (x.low() == 0 && y.low() > 0)) {
    // Extremes lie at the corners: pow is monotone in each argument.
    const W c[] = {std::pow(x.low(), y.low()), std::pow(x.low(), y.high()), std::pow(x.high(), y.low()),
                   std::pow(x.high(), y.high())};
    const W low = *std::min_element(c, c + 4), high = *std::max_element(c, c + 4);
    if (!std::isfinite(high)) return undecided<W>(x.dtype);
    return within(v, std::max(high - v, v - low) + high * std::numeric_limits<W>::epsilon() * 4, x.dtype, 4)
        .above(0);
  }
  const bool whole = y.exact() && std::floor(y.value) == y.value;
  if (!whole) return undecided<W>(x.dtype);
  const W most = std::abs(x.value) + x.bound, least = std::abs(x.value) - x.bound;
  if (y.value < 0 && least <= 0) return undecided<W>(x.dtype);
  const W slope = std::abs(y.value) * std::pow(y.value < 1 ? least : most, y.value - 1);
  return within(v, slope * x.bound, x.dtype, 4).above(std::fmod(y.value, W(2)) == 0 ? W(0) : no_floor<W>);
}
template <class W>
Wide<W> is_finite(const Wide<W>& a) {
  if (a.undecided()) return undecided<W>(DType::bool_);
  return exactly<W>(std::isfinite(a.value), DType::bool_);
}
template <class W>
Wide<W> cast(const Wide<W>& a, DType to) {
  if (a.undecided()) return undecided<W>(to);
  if (is_float(to)) return {a.value, a.bound, to, a.floor};
  if (is_bool(to)) {
    if (a.bound > 0 && std::abs(a.value) <= a.bound) return undecided<W>(to);
    return exactly<W>(a.value != 0, to);
  }
  if (!is_float(a.dtype)) return integer<W>(static_cast<__int128>(a.value), to);
  if (std::isnan(a.value)) return exactly(W(0), to);
  const int digits = integer_bits(to) - (is_signed_int(to) ? 1 : 0);
  const W above = std::ldexp(W(1), digits), below = is_signed_int(to) ? -above : W(0);
  const auto saturated = [&](W x) -> __int128 {
    if (x >= above) return (__int128{1} << digits) - 1;
    if (x <= below) return static_cast<__int128>(below);
    return static_cast<__int128>(std::trunc(x));
  };
  const __int128 low = saturated(a.low()), high = saturated(a.high());
  if (low != high) return undecided<W>(to);
  return integer<W>(low, to);
}

}  // namespace wide

// Rounding of the declared type: adds `ulp` units in the last place of dtype (and its smallest step), turns
// what surely overflows into infinity, and leaves undecided what may.
template <class W>
Wide<W> round_to(Wide<W> a, double ulp) {
  if (!is_float(a.dtype) || a.undecided() || !std::isfinite(a.value)) return a;
  const W largest = W(largest_finite(a.dtype)), unit = W(2 * half_unit(a.dtype)),
          smallest = W(smallest_step(a.dtype));
  if (a.exact() && ulp <= 0.5)
    return {with_float(a.dtype, [&]<class T>() { return W(static_cast<T>(a.value)); }), 0, a.dtype};
  const W grow = W(ulp) * (std::abs(a.value) + a.bound) * unit + W(ulp) * smallest;
  // Halfway between the largest value and the next that would follow it, widened by what rounding is not
  // exact.
  const W halfway = largest * (1 + unit / 4), margin = ulp > 0.5 ? W(ulp) * unit * largest : W(0);
  if (std::abs(a.value) - a.bound - margin > halfway)
    return {std::copysign(std::numeric_limits<W>::infinity(), a.value), 0, a.dtype};
  if (std::abs(a.value) + a.bound + margin >= halfway) return wide::undecided<W>(a.dtype);
  // Rounding keeps the order, and the sign.
  const W floor = a.floor - W(ulp) * (std::abs(a.floor) * unit + smallest);
  return {a.value, a.bound + grow, a.dtype, a.floor >= 0 ? std::max(floor, W(0)) : floor};
}

template <class Rule, size_t N>
struct WideAdapter {
  template <class W>
  static void call(const void* in, void* out) {
    const auto* a = static_cast<const Wide<W>*>(in);
    auto* r = static_cast<Wide<W>*>(out);
    if constexpr (N == 1)
      *r = Rule{}(a[0]);
    else if constexpr (N == 2)
      *r = Rule{}(a[0], a[1]);
    else
      *r = Rule{}(a[0], a[1], a[2]);
  }
};

}  // namespace tenon::ops
