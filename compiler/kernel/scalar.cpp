#include "kernel/scalar.h"

#include <cmath>
#include <limits>
#include <type_traits>

#include "support/check.h"

namespace tenon::kernel {
namespace {

template <class T>
using Unsigned = std::make_unsigned_t<T>;
template <class T>
constexpr bool integer = std::is_integral_v<T> && !std::is_same_v<T, bool>;

// Float to integer: truncate, saturate, NaN gives 0. The bounds are powers of two, exact in every float type.
template <class To, class From>
To saturate(From x) {
  if (x != x) return 0;
  constexpr int digits = std::numeric_limits<To>::digits;
  const From above = std::ldexp(From{1}, digits);  // the first value too large
  if (x >= above) return std::numeric_limits<To>::max();
  if constexpr (std::is_signed_v<To>) {
    if (x < -above) return std::numeric_limits<To>::min();
  } else {
    if (x <= From{-1}) return 0;
  }
  return static_cast<To>(x);
}

template <class To, class From>
To convert(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != From{};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    return saturate<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

// IEEE roundToIntegralTiesToEven; nearbyint follows the rounding mode, which is to nearest in every entry.
template <class T>
T round_even(T x) {
  return std::nearbyint(x);
}

template <class T>
T wrap_mul(T a, T b) {
  // uint64 keeps the product of two narrow types from overflowing int.
  return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}
template <class T>
T divide(T a, T b) {
  if (b == 0) return 0;
  if constexpr (std::is_signed_v<T>) {
    if (b == T{-1}) return static_cast<T>(uint64_t{0} - static_cast<uint64_t>(a));
  }
  return static_cast<T>(a / b);
}
template <class T>
T remainder(T a, T b) {
  if (b == 0) return a;
  if constexpr (std::is_signed_v<T>) {
    if (b == T{-1}) return 0;
  }
  return static_cast<T>(a % b);
}
template <class T>
T shift_left(T a, T n) {
  if (static_cast<Unsigned<T>>(n) >= sizeof(T) * 8) return 0;
  return static_cast<T>(static_cast<uint64_t>(a) << static_cast<Unsigned<T>>(n));
}
template <class T>
T shift_right(T a, T n) {
  if (static_cast<Unsigned<T>>(n) >= sizeof(T) * 8) return 0;
  return static_cast<T>(static_cast<Unsigned<T>>(a) >> static_cast<Unsigned<T>>(n));
}
template <class T>
T shift_right_signed(T a, T n) {
  using S = std::make_signed_t<T>;
  const auto width = static_cast<Unsigned<T>>(n);
  const S s = static_cast<S>(a);
  if (width >= sizeof(T) * 8) return static_cast<T>(s < 0 ? S{-1} : S{0});
  return static_cast<T>(static_cast<S>(s >> width));
}

template <class Out, class T, class F>
void map1(uint64_t* out, const Operand* args, size_t count, F f) {
  for (size_t i = 0; i < count; ++i) out[i] = to_bits<Out>(f(from_bits<T>(args[0].data[i * args[0].stride])));
}
template <class Out, class T, class F>
void map2(uint64_t* out, const Operand* args, size_t count, F f) {
  for (size_t i = 0; i < count; ++i)
    out[i] = to_bits<Out>(
        f(from_bits<T>(args[0].data[i * args[0].stride]), from_bits<T>(args[1].data[i * args[1].stride])));
}

#define MAP1(Out, expression)                                          \
  return +[](uint64_t* out, const Operand* args, size_t n) {           \
    map1<Out, T>(out, args, n, [](T a) -> Out { return expression; }); \
  }
#define MAP2(Out, expression)                                               \
  return +[](uint64_t* out, const Operand* args, size_t n) {                \
    map2<Out, T>(out, args, n, [](T a, T b) -> Out { return expression; }); \
  }

template <class T>
ApplyFn find_float(Op op) {
  switch (op) {
    case Op::add:
      MAP2(T, a + b);
    case Op::sub:
      MAP2(T, a - b);
    case Op::mul:
      MAP2(T, a * b);
    case Op::div:
      MAP2(T, a / b);
    case Op::neg:
      MAP1(T, -a);
    case Op::fma:
      return +[](uint64_t* out, const Operand* args, size_t n) {
        for (size_t i = 0; i < n; ++i)
          out[i] = to_bits<T>(std::fma(from_bits<T>(args[0].data[i * args[0].stride]),
                                       from_bits<T>(args[1].data[i * args[1].stride]),
                                       from_bits<T>(args[2].data[i * args[2].stride])));
      };
    case Op::sqrt:
      MAP1(T, std::sqrt(a));
    case Op::floor:
      MAP1(T, std::floor(a));
    case Op::ceil:
      MAP1(T, std::ceil(a));
    case Op::trunc:
      MAP1(T, std::trunc(a));
    case Op::round_even:
      MAP1(T, round_even(a));
    case Op::abs:
      MAP1(T, std::fabs(a));
    default:
      return nullptr;
  }
}

template <class T>
ApplyFn find_integer(Op op) {
  switch (op) {
    case Op::add:
      MAP2(T, static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b)));
    case Op::sub:
      MAP2(T, static_cast<T>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b)));
    case Op::mul:
      MAP2(T, wrap_mul(a, b));
    case Op::div:
      MAP2(T, divide(a, b));
    case Op::rem:
      MAP2(T, remainder(a, b));
    case Op::neg:
      MAP1(T, static_cast<T>(uint64_t{0} - static_cast<uint64_t>(a)));
    case Op::abs:
      MAP1(T, a < T{0} ? static_cast<T>(uint64_t{0} - static_cast<uint64_t>(a)) : a);
    case Op::min:
      MAP2(T, b < a ? b : a);
    case Op::max:
      MAP2(T, a < b ? b : a);
    case Op::band:
      MAP2(T, static_cast<T>(a & b));
    case Op::bor:
      MAP2(T, static_cast<T>(a | b));
    case Op::bxor:
      MAP2(T, static_cast<T>(a ^ b));
    case Op::bnot:
      MAP1(T, static_cast<T>(~a));
    case Op::shl:
      MAP2(T, shift_left(a, b));
    case Op::lshr:
      MAP2(T, shift_right(a, b));
    case Op::ashr:
      MAP2(T, shift_right_signed(a, b));
    case Op::mulhi:
      if constexpr (std::is_same_v<T, uint32_t>) {
        MAP2(T, static_cast<T>((uint64_t{a} * uint64_t{b}) >> 32));
      } else {
        return nullptr;
      }
    default:
      return nullptr;
  }
}

ApplyFn find_bool(Op op) {
  using T = bool;
  switch (op) {
    case Op::band:
      MAP2(bool, a&& b);
    case Op::bor:
      MAP2(bool, a || b);
    case Op::bxor:
      MAP2(bool, a != b);
    case Op::bnot:
      MAP1(bool, !a);
    default:
      return nullptr;
  }
}

template <class T>
ApplyFn find_compare(Op op) {
  switch (op) {
    case Op::eq:
      MAP2(bool, a == b);
    case Op::ne:
      MAP2(bool, a != b);
    case Op::lt:
      if constexpr (!std::is_same_v<T, bool>) {
        MAP2(bool, a < b);
      }
      return nullptr;
    case Op::le:
      if constexpr (!std::is_same_v<T, bool>) {
        MAP2(bool, a <= b);
      }
      return nullptr;
    default:
      return nullptr;
  }
}
#undef MAP1
#undef MAP2

template <class From>
ApplyFn find_cast(DType to) {
  return with_dtype(to, []<class To>() -> ApplyFn {
    return +[](uint64_t* out, const Operand* args, size_t n) {
      map1<To, From>(out, args, n, [](From x) { return convert<To>(x); });
    };
  });
}

void apply_select(uint64_t* out, const Operand* args, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const bool on = (args[0].data[i * args[0].stride] & 1) != 0;
    const Operand& side = on ? args[1] : args[2];
    out[i] = side.data[i * side.stride];
  }
}
void apply_copy(uint64_t* out, const Operand* args, size_t n) {
  for (size_t i = 0; i < n; ++i) out[i] = args[0].data[i * args[0].stride];
}

}  // namespace

int operand_count(Op op) {
  switch (op) {
    case Op::constant:
    case Op::variable:
    case Op::load:
    case Op::address:
      return 0;
    case Op::neg:
    case Op::sqrt:
    case Op::floor:
    case Op::ceil:
    case Op::trunc:
    case Op::round_even:
    case Op::abs:
    case Op::bnot:
    case Op::cast:
    case Op::bitcast:
      return 1;
    case Op::fma:
    case Op::select:
      return 3;
    default:
      return 2;
  }
}

ApplyFn find_apply(Op op, DType from, DType to) {
  if (!dtype_computes(from) || !dtype_computes(to)) return nullptr;
  switch (op) {
    case Op::constant:
    case Op::variable:
    case Op::load:
    case Op::address:
      return nullptr;
    case Op::select:
      return from == to ? &apply_select : nullptr;
    case Op::cast:
      return with_dtype(from, [&]<class From>() { return find_cast<From>(to); });
    case Op::bitcast:
      // A byte other than 0 and 1 is no bool.
      return dtype_bytes(from) == dtype_bytes(to) && is_bool(from) == is_bool(to) ? &apply_copy : nullptr;
    case Op::eq:
    case Op::ne:
    case Op::lt:
    case Op::le:
      if (!is_bool(to)) return nullptr;
      return with_dtype(from, [&]<class T>() { return find_compare<T>(op); });
    default:
      break;
  }
  if (from != to) return nullptr;
  return with_dtype(from, [&]<class T>() -> ApplyFn {
    if constexpr (std::is_same_v<T, bool>) {
      return find_bool(op);
    } else if constexpr (std::is_floating_point_v<T>) {
      return find_float<T>(op);
    } else {
      return find_integer<T>(op);
    }
  });
}

bool op_takes(Op op, DType operand) {
  if (op == Op::bitcast || op == Op::cast || op == Op::select)
    return find_apply(op, operand, operand) != nullptr;
  const bool compares = op == Op::eq || op == Op::ne || op == Op::lt || op == Op::le;
  return find_apply(op, operand, compares ? DType::bool_ : operand) != nullptr;
}

bool apply(Op op, DType from, DType to, const uint64_t* args, uint64_t* out) {
  ApplyFn f = find_apply(op, from, to);
  if (f == nullptr) return false;
  const Operand operands[3] = {{args, 1}, {args + 1, 1}, {args + 2, 1}};
  f(out, operands, 1);
  return true;
}

uint64_t fold_identity(FoldOp op, DType dtype) {
  return with_dtype(dtype, [&]<class T>() -> uint64_t {
    switch (op) {
      case FoldOp::mul:
        return to_bits<T>(T{1});
      case FoldOp::min:
        if constexpr (std::is_floating_point_v<T>) return to_bits<T>(std::numeric_limits<T>::infinity());
        return to_bits<T>(std::numeric_limits<T>::max());
      case FoldOp::max:
        if constexpr (std::is_floating_point_v<T>) return to_bits<T>(-std::numeric_limits<T>::infinity());
        return to_bits<T>(std::numeric_limits<T>::lowest());
      case FoldOp::band:
        if constexpr (std::is_same_v<T, bool>) return to_bits<T>(true);
        if constexpr (integer<T>) return to_bits<T>(static_cast<T>(~T{0}));
        return 0;
      case FoldOp::add:
        // -0.0 + x is x for every x; +0.0 would turn -0.0 into +0.0.
        if constexpr (std::is_floating_point_v<T>) return to_bits<T>(-T{0});
        return 0;
      case FoldOp::bor:
        return 0;
    }
    return 0;
  });
}

uint64_t fold_apply(FoldOp op, DType dtype, uint64_t a, uint64_t b) {
  const uint64_t args[3] = {a, b, 0};
  uint64_t out = 0;
  Op as = Op::add;
  switch (op) {
    case FoldOp::add:
      as = Op::add;
      break;
    case FoldOp::mul:
      as = Op::mul;
      break;
    case FoldOp::min:
    case FoldOp::max:
      if (is_float(dtype)) {
        return with_dtype(dtype, [&]<class T>() -> uint64_t {
          const T x = from_bits<T>(a), y = from_bits<T>(b);
          if (x != x) return a;
          if (y != y) return b;
          // IEEE 754-2019 maximum and minimum: of two zeros, +0 is the larger.
          if (x == y) return op == FoldOp::min ? (a | b) : (a & b);
          return op == FoldOp::min ? (y < x ? b : a) : (x < y ? b : a);
        });
      }
      as = op == FoldOp::min ? Op::min : Op::max;
      break;
    case FoldOp::band:
      as = Op::band;
      break;
    case FoldOp::bor:
      as = Op::bor;
      break;
  }
  TENON_CHECK(apply(as, dtype, dtype, args, &out));
  return out;
}

}  // namespace tenon::kernel
