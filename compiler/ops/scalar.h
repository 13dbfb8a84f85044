// Scalar vocabulary: what the rule of an elementwise operation is written in.
//
// A rule is one generic lambda, `[](auto x, auto y) { return fma(x, y, x); }`. It is instantiated on Num<T>
// (exact host arithmetic: the evaluators and constant folding) and on Lane<T> of scalar_kernel.h (typed
// kernel expressions: lowering), so that both compute the same bits. The vocabulary, on both kinds:
//   + - * / %  unary -   & | ^ !   << >>   == != < <= > >=      one dtype on both sides, or a C++ number
//   fma select sqrt floor ceil trunc round_even abs mulhi       as in kernel/kernel.h
//   cast<U>(x) bitcast<U>(x) x.literal(U)                       value conversion, same bits, a constant
// Invariants:
//  - No `?:`, `if` or `&&` on values of these types (they do not convert to bool): a rule is an expression,
//    evaluated whole. `if constexpr` on the dtype is fine.
//  - Each function rounds once, to its dtype. Integers wrap and never pass through floating point. Division
//    by zero gives 0 (remainder: the dividend), lowest / -1 gives lowest; shifts by the width or more give 0
//    (arithmetic right: the sign); float to integer casts truncate, saturate, and give 0 for NaN.
//  - `>>` is arithmetic on signed and logical on unsigned types. Comparisons are ordered; != is its negation.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "support/dtype.h"

namespace tenon::ops {
using namespace support;

// The unsigned type in which arithmetic of T wraps without promotion to signed int.
template <class T>
using Wrapping = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T>
struct Num {
  using type = T;
  template <class U>
  using as = Num<U>;
  static constexpr bool floating = std::is_floating_point_v<T>;
  static constexpr bool integer = std::is_integral_v<T> && !std::is_same_v<T, bool>;

  T v{};

  template <class U>
  Num<U> literal(U value) const {
    return {value};
  }

  friend Num operator+(Num a, Num b) {
    if constexpr (floating)
      return {a.v + b.v};
    else
      return {static_cast<T>(Wrapping<T>(a.v) + Wrapping<T>(b.v))};
  }
  friend Num operator-(Num a, Num b) {
    if constexpr (floating)
      return {a.v - b.v};
    else
      return {static_cast<T>(Wrapping<T>(a.v) - Wrapping<T>(b.v))};
  }
  friend Num operator*(Num a, Num b) {
    if constexpr (floating)
      return {a.v * b.v};
    else
      return {static_cast<T>(Wrapping<T>(a.v) * Wrapping<T>(b.v))};
  }
  friend Num operator/(Num a, Num b) {
    if constexpr (floating) {
      return {a.v / b.v};
    } else {
      if (b.v == 0) return {T(0)};
      if constexpr (std::is_signed_v<T>) {
        if (b.v == T(-1)) return Num{} - a;
      }
      return {static_cast<T>(a.v / b.v)};
    }
  }
  friend Num operator%(Num a, Num b)
    requires integer
  {
    if (b.v == 0) return a;
    if constexpr (std::is_signed_v<T>) {
      if (b.v == T(-1)) return {T(0)};
    }
    return {static_cast<T>(a.v % b.v)};
  }
  friend Num operator-(Num a) {
    if constexpr (floating)
      return {-a.v};
    else
      return Num{} - a;
  }
  friend Num fma(Num a, Num b, Num c) {
    if constexpr (floating)
      return {std::fma(a.v, b.v, c.v)};
    else
      return a * b + c;
  }

  friend Num operator&(Num a, Num b)
    requires(!floating)
  {
    return {static_cast<T>(a.v & b.v)};
  }
  friend Num operator|(Num a, Num b)
    requires(!floating)
  {
    return {static_cast<T>(a.v | b.v)};
  }
  friend Num operator^(Num a, Num b)
    requires(!floating)
  {
    return {static_cast<T>(a.v ^ b.v)};
  }
  friend Num operator!(Num a)
    requires std::is_same_v<T, bool>
  {
    return {!a.v};
  }
  friend Num operator<<(Num a, Num b)
    requires integer
  {
    const auto count = static_cast<std::make_unsigned_t<T>>(b.v);
    if (count >= sizeof(T) * 8) return {T(0)};
    return {static_cast<T>(Wrapping<T>(a.v) << count)};
  }
  friend Num operator>>(Num a, Num b)
    requires integer
  {
    const auto count = static_cast<std::make_unsigned_t<T>>(b.v);
    if (count >= sizeof(T) * 8) return {static_cast<T>(a.v < 0 ? T(-1) : T(0))};
    return {static_cast<T>(a.v >> count)};
  }

  friend Num<bool> operator==(Num a, Num b) { return {a.v == b.v}; }
  friend Num<bool> operator!=(Num a, Num b) { return {a.v != b.v}; }
  friend Num<bool> operator<(Num a, Num b) { return {a.v < b.v}; }
  friend Num<bool> operator<=(Num a, Num b) { return {a.v <= b.v}; }
  friend Num<bool> operator>(Num a, Num b) { return {a.v > b.v}; }
  friend Num<bool> operator>=(Num a, Num b) { return {a.v >= b.v}; }
  friend Num select(Num<bool> condition, Num a, Num b) { return condition.v ? a : b; }

  friend Num sqrt(Num a)
    requires floating
  {
    return {std::sqrt(a.v)};
  }
  friend Num floor(Num a)
    requires floating
  {
    return {std::floor(a.v)};
  }
  friend Num ceil(Num a)
    requires floating
  {
    return {std::ceil(a.v)};
  }
  friend Num trunc(Num a)
    requires floating
  {
    return {std::trunc(a.v)};
  }
  friend Num round_even(Num a)
    requires floating
  {
    // Not nearbyint: the result must not depend on the rounding mode of the host's thread.
    return {rounded(a.v)};
  }
  friend Num abs(Num a) {
    if constexpr (floating)
      return {std::fabs(a.v)};
    else if constexpr (std::is_signed_v<T>)
      return a.v < 0 ? Num{} - a : a;
    else
      return a;
  }
  friend Num mulhi(Num a, Num b)
    requires std::is_same_v<T, uint32_t>
  {
    return {static_cast<uint32_t>((uint64_t{a.v} * b.v) >> 32)};
  }

 private:
  static T rounded(T x) {
    const T whole = std::floor(x), rest = x - whole;
    if (!(rest >= T(0.5))) return std::copysign(whole, x);
    const bool odd = std::fmod(whole, T(2)) != 0;
    return std::copysign(rest > T(0.5) || odd ? whole + 1 : whole, x);
  }
};

// A scalar kind: Num<T>, Lane<T>.
template <class S>
concept Scalar = requires {
  typename S::type;
  typename S::template as<bool>;
};
template <Scalar S>
using LiteralOf = std::type_identity_t<typename S::type>;

#define TENON_SCALAR_LITERAL(op)                         \
  template <Scalar S>                                    \
  auto operator op(S a, LiteralOf<S> b) {                \
    return a op a.template literal<typename S::type>(b); \
  }                                                      \
  template <Scalar S>                                    \
  auto operator op(LiteralOf<S> a, S b) {                \
    return b.template literal<typename S::type>(a) op b; \
  }
TENON_SCALAR_LITERAL(+)
TENON_SCALAR_LITERAL(-)
TENON_SCALAR_LITERAL(*)
TENON_SCALAR_LITERAL(/)
TENON_SCALAR_LITERAL(%)
TENON_SCALAR_LITERAL(&)
TENON_SCALAR_LITERAL(|)
TENON_SCALAR_LITERAL(^)
TENON_SCALAR_LITERAL(<<)
TENON_SCALAR_LITERAL(>>)
TENON_SCALAR_LITERAL(==)
TENON_SCALAR_LITERAL(!=)
TENON_SCALAR_LITERAL(<)
TENON_SCALAR_LITERAL(<=)
TENON_SCALAR_LITERAL(>)
TENON_SCALAR_LITERAL(>=)
#undef TENON_SCALAR_LITERAL
template <Scalar S>
S fma(S a, S b, LiteralOf<S> c) {
  return fma(a, b, a.template literal<typename S::type>(c));
}
template <Scalar S>
S fma(S a, LiteralOf<S> b, S c) {
  return fma(a, a.template literal<typename S::type>(b), c);
}
template <Scalar S>
S fma(S a, LiteralOf<S> b, LiteralOf<S> c) {
  return fma(a, a.template literal<typename S::type>(b), a.template literal<typename S::type>(c));
}
template <Scalar S>
S select(typename S::template as<bool> condition, S a, LiteralOf<S> b) {
  return select(condition, a, a.template literal<typename S::type>(b));
}
template <Scalar S>
S select(typename S::template as<bool> condition, LiteralOf<S> a, S b) {
  return select(condition, b.template literal<typename S::type>(a), b);
}

// Value conversion.
template <class U, class T>
Num<U> cast(Num<T> a) {
  if constexpr (std::is_same_v<U, T>) {
    return {a.v};
  } else if constexpr (std::is_same_v<U, bool>) {
    return {a.v != T(0)};
  } else if constexpr (std::is_floating_point_v<T> && std::is_integral_v<U>) {
    // 2^digits is exact in T, and the first value that does not fit.
    const T above = std::ldexp(T(1), std::numeric_limits<U>::digits);
    if (!(a.v == a.v)) return {U(0)};
    if (a.v >= above) return {std::numeric_limits<U>::max()};
    if (a.v <= T(std::numeric_limits<U>::min())) return {std::numeric_limits<U>::min()};
    return {static_cast<U>(a.v)};
  } else {
    return {static_cast<U>(a.v)};
  }
}
template <class U, class T>
Num<U> bitcast(Num<T> a) {
  return {std::bit_cast<U>(a.v)};
}

// IEEE 754-2019 maximum and minimum: NaN if either is, -0 below +0. For equal operands both comparisons are
// false; of two zeros the sum is +0 unless both are -0.
template <Scalar S>
S maximum(S x, S y) {
  using T = typename S::type;
  const S larger = select(x > y, x, y);
  if constexpr (!std::is_floating_point_v<T>)
    return larger;
  else
    return select(x == x, select(x == y, select(x == T(0), x + y, x), larger), x);
}
template <Scalar S>
S minimum(S x, S y) {
  using T = typename S::type;
  const S smaller = select(x < y, x, y);
  if constexpr (!std::is_floating_point_v<T>)
    return smaller;
  else
    return select(x == x, select(x == y, select(x == T(0), -((-x) + (-y)), x), smaller), x);
}

// One chain of fma: c[0] + x (c[1] + x (c[2] + …)).
template <Scalar S, size_t N>
S horner(S x, const typename S::type (&c)[N]) {
  S r = x.literal(c[N - 1]);
  for (size_t i = N - 1; i-- > 0;) r = fma(r, x, c[i]);
  return r;
}

}  // namespace tenon::ops
