// Lane<T>: the scalar vocabulary of scalar.h on typed kernel expressions; and the adapters that turn one rule
// into the functions of an ElementwiseForm.
#pragma once

#include <cstring>
#include <utility>

#include "ir/op_def.h"
#include "kernel/builder.h"
#include "ops/scalar.h"

namespace tenon::ops {

template <class T>
struct Lane {
  using type = T;
  template <class U>
  using as = Lane<U>;
  static constexpr bool floating = std::is_floating_point_v<T>;
  using Op = kernel::Op;

  kernel::Builder* b = nullptr;
  kernel::ExprId e;

  template <class U>
  Lane<U> literal(U value) const {
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return {b, b->constant(dtype_of<U>::value, bits)};
  }

  friend Lane operator+(Lane a, Lane b) { return two(Op::add, a, b); }
  friend Lane operator-(Lane a, Lane b) { return two(Op::sub, a, b); }
  friend Lane operator*(Lane a, Lane b) { return two(Op::mul, a, b); }
  friend Lane operator/(Lane a, Lane b) { return two(Op::div, a, b); }
  friend Lane operator%(Lane a, Lane b) { return two(Op::rem, a, b); }
  friend Lane operator-(Lane a) { return one(Op::neg, a); }
  friend Lane operator&(Lane a, Lane b) { return two(Op::band, a, b); }
  friend Lane operator|(Lane a, Lane b) { return two(Op::bor, a, b); }
  friend Lane operator^(Lane a, Lane b) { return two(Op::bxor, a, b); }
  friend Lane operator!(Lane a)
    requires std::is_same_v<T, bool>
  {
    return a ^ a.literal(true);
  }
  friend Lane operator<<(Lane a, Lane b) { return two(Op::shl, a, b); }
  friend Lane operator>>(Lane a, Lane b) { return two(std::is_signed_v<T> ? Op::ashr : Op::lshr, a, b); }
  friend Lane<bool> operator==(Lane a, Lane b) { return compare(Op::eq, a, b); }
  friend Lane<bool> operator!=(Lane a, Lane b) { return compare(Op::ne, a, b); }
  friend Lane<bool> operator<(Lane a, Lane b) { return compare(Op::lt, a, b); }
  friend Lane<bool> operator<=(Lane a, Lane b) { return compare(Op::le, a, b); }
  friend Lane<bool> operator>(Lane a, Lane b) { return compare(Op::lt, b, a); }
  friend Lane<bool> operator>=(Lane a, Lane b) { return compare(Op::le, b, a); }
  friend Lane select(Lane<bool> condition, Lane a, Lane b) {
    return {a.b, a.b->select(condition.e, a.e, b.e)};
  }
  friend Lane fma(Lane a, Lane b, Lane c) {
    if constexpr (floating)
      return {a.b, a.b->fma(a.e, b.e, c.e)};
    else
      return a * b + c;
  }
  friend Lane sqrt(Lane a) { return one(Op::sqrt, a); }
  friend Lane floor(Lane a) { return one(Op::floor, a); }
  friend Lane ceil(Lane a) { return one(Op::ceil, a); }
  friend Lane trunc(Lane a) { return one(Op::trunc, a); }
  friend Lane round_even(Lane a) { return one(Op::round_even, a); }
  friend Lane abs(Lane a) {
    if constexpr (floating)
      return one(Op::abs, a);
    else if constexpr (std::is_signed_v<T>)
      return select(a < T(0), a.literal(T(0)) - a, a);
    else
      return a;
  }
  friend Lane mulhi(Lane a, Lane b)
    requires std::is_same_v<T, uint32_t>
  {
    return two(Op::mulhi, a, b);
  }

 private:
  static Lane one(Op op, Lane a) { return {a.b, a.b->unary(op, a.e)}; }
  static Lane two(Op op, Lane a, Lane b) { return {a.b, a.b->binary(op, a.e, b.e)}; }
  static Lane<bool> compare(Op op, Lane a, Lane b) { return {a.b, a.b->binary(op, a.e, b.e)}; }
};

template <class U, class T>
Lane<U> cast(Lane<T> a) {
  if constexpr (std::is_same_v<U, T>)
    return a;
  else if constexpr (std::is_same_v<U, bool>)
    return a != T(0);
  else
    return {a.b, a.b->cast(a.e, dtype_of<U>::value)};
}
template <class U, class T>
Lane<U> bitcast(Lane<T> a) {
  static_assert(sizeof(U) == sizeof(T));
  if constexpr (std::is_same_v<U, T>)
    return a;
  else
    return {a.b, a.b->bitcast(a.e, dtype_of<U>::value)};
}

// --- From rules to forms -----------------------------------------------------------------------------------

template <class Rule, class... Ts>
struct Adapter {
  template <size_t... I>
  static void exact(const void* const* in, void* out, int64_t n, std::index_sequence<I...>) {
    using R = typename decltype(Rule{}(Num<Ts>{}...))::type;
    for (int64_t k = 0; k < n; ++k)
      static_cast<R*>(out)[k] = Rule{}(Num<Ts>{static_cast<const Ts*>(in[I])[k]}...).v;
  }
  static void exact(const void* const* in, void* out, int64_t n) {
    exact(in, out, n, std::index_sequence_for<Ts...>{});
  }
  template <size_t... I>
  static kernel::ExprId kernel(kernel::Builder& b, const kernel::ExprId* in, std::index_sequence<I...>) {
    return Rule{}(Lane<Ts>{&b, in[I]}...).e;
  }
  static kernel::ExprId kernel(kernel::Builder& b, const kernel::ExprId* in) {
    return kernel(b, in, std::index_sequence_for<Ts...>{});
  }
  static constexpr ir::ElementwiseForm::PerType functions{&exact, &kernel};
};

template <class... Ts>
struct TypeList {};
using FloatTypes = TypeList<float, double>;
using IntTypes = TypeList<int32_t, int64_t, uint8_t, uint32_t>;
using NumberTypes = TypeList<float, double, int32_t, int64_t, uint8_t, uint32_t>;
using AnyTypes = TypeList<float, double, int32_t, int64_t, uint8_t, uint32_t, bool>;
using BoolTypes = TypeList<bool>;

// Per dtype T of the list: the rule on N operands of T.
template <size_t N, class Rule, class... Ts>
constexpr void fill_types(ir::ElementwiseForm& form, Rule, TypeList<Ts...>) {
  auto set = [&]<class T>() {
    auto& slot = form.types[static_cast<size_t>(dtype_of<T>::value)];
    if constexpr (N == 1)
      slot = Adapter<Rule, T>::functions;
    else if constexpr (N == 2)
      slot = Adapter<Rule, T, T>::functions;
    else
      slot = Adapter<Rule, T, T, T>::functions;
  };
  (set.template operator()<Ts>(), ...);
}

}  // namespace tenon::ops
