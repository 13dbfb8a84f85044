// Shared by the elementwise tests: one operation as a function, drawn values with all special cases, errors
// in units in the last place.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "catch.h"
#include "evaluate/evaluate.h"
#include "ir/builder.h"

namespace tenon::probe {
using namespace support;

// A function that applies one operation to inputs of these types.
struct Single {
  ir::Module module;
  ir::Function function;

  Single(std::string_view op, const std::vector<DType>& operands, int64_t n, ir::Attrs attrs = {}) {
    function.name = "f";
    ir::Builder b(function.graph, &module);
    std::vector<ir::ValueId> args;
    for (size_t i = 0; i < operands.size(); ++i)
      args.push_back(function.graph.add_arg({operands[i], {n}}, ir::ArgKind::input, "x" + std::to_string(i)));
    const ir::OpDef* def = ir::op_table().find(op);
    REQUIRE(def != nullptr);
    function.graph.results = b.emit_all(*def, args, std::move(attrs));
    function.returns = function.graph.results.size();
  }
  Array exact(const std::vector<Array>& in) const {
    evaluate::Inputs inputs;
    inputs.arguments = in;
    auto out = evaluate::exact(module, function, inputs);
    INFO((out ? std::string() : out.errors().text()));
    REQUIRE(bool(out));
    return out->returned.at(0);
  }
  evaluate::WideArray wide(const std::vector<Array>& in) const {
    evaluate::Inputs inputs;
    inputs.arguments = in;
    auto out = evaluate::wide(module, function, inputs);
    INFO((out ? std::string() : out.errors().text()));
    REQUIRE(bool(out));
    return out->returned.at(0);
  }
};

class Draw {
 public:
  explicit Draw(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}
  uint64_t bits() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ * 0x2545F4914F6CDD1Du;
  }
  double unit() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

  // Special values, any bits, and moderate values in turn.
  template <class T>
  T value() {
    if constexpr (std::is_same_v<T, bool>) {
      return bits() >> 63;
    } else if constexpr (std::is_integral_v<T>) {
      static constexpr T edges[] = {0,
                                    1,
                                    T(-1),
                                    2,
                                    7,
                                    std::numeric_limits<T>::max(),
                                    std::numeric_limits<T>::min(),
                                    T(std::numeric_limits<T>::max() - 1)};
      switch (bits() >> 62) {
        case 0:
          return edges[bits() >> 61];
        case 1:
          return static_cast<T>(static_cast<T>(bits() >> 60) - 8);
        default:
          return static_cast<T>(bits());
      }
    } else {
      using L = std::numeric_limits<T>;
      static constexpr T edges[] = {0,
                                    1,
                                    2,
                                    T(0.5),
                                    L::infinity(),
                                    L::quiet_NaN(),
                                    L::denorm_min(),
                                    L::min(),
                                    L::max(),
                                    L::epsilon(),
                                    T(1) + L::epsilon(),
                                    T(3),
                                    T(4.5),
                                    T(88.5),
                                    T(104),
                                    T(255.5)};
      switch (bits() >> 62) {
        case 0:
          return std::copysign(edges[bits() >> 60], T(bits() >> 63) - T(0.5));
        case 1:
          if constexpr (sizeof(T) == 4)
            return std::bit_cast<T>(static_cast<uint32_t>(bits()));
          else
            return std::bit_cast<T>(bits());
        default:
          return static_cast<T>((unit() - 0.5) * 16);
      }
    }
  }
  Array array(DType dtype, int64_t n) {
    Array a(dtype, {n});
    with_dtype(dtype, [&]<class T>() {
      for (T& x : a.as<T>()) x = value<T>();
    });
    return a;
  }

 private:
  uint64_t state_;
};

inline double element(const Array& a, size_t i) {
  return with_dtype(a.dtype(), [&]<class T>() { return static_cast<double>(a.as<T>()[i]); });
}

// Same bits, any NaN for a NaN; -1 or the first position that differs.
inline int64_t first_difference(const Array& a, const Array& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return 0;
  return with_dtype(a.dtype(), [&]<class T>() -> int64_t {
    for (size_t i = 0; i < a.as<T>().size(); ++i) {
      const T x = a.as<T>()[i], y = b.as<T>()[i];
      if (std::memcmp(&x, &y, sizeof x) != 0 && (x == x || y == y)) return static_cast<int64_t>(i);
    }
    return -1;
  });
}

// Distance of `got` from the true value in units in the last place of T at the true value; infinity where a
// special value is missed.
template <class T>
double ulps(T got, long double want) {
  using L = std::numeric_limits<T>;
  constexpr double wrong = std::numeric_limits<double>::infinity();
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got) ? 0 : wrong;
  if (std::isinf(want)) return static_cast<long double>(got) == want ? 0 : wrong;
  if (want == 0) return got == 0 && std::signbit(got) == std::signbit(want) ? 0 : wrong;
  int exponent = 0;
  std::frexp(want, &exponent);
  const long double unit =
      std::ldexp(1.0L, std::clamp(exponent, L::min_exponent, L::max_exponent) - L::digits);
  // Infinity counts as the first value that does not fit, and so does all beyond it.
  const long double above = std::ldexp(1.0L, L::max_exponent);
  const long double value = std::isinf(got) ? std::copysign(above, got) : got;
  return static_cast<double>(std::fabs(value - std::clamp(want, -above, above)) / unit);
}

// The same for f32 where all is ordinary, without the C library: what every f32 argument can be put through.
inline double ulps_f32(float got, double want) {
  const double size = std::fabs(want), given = std::fabs(double{got});
  constexpr double top = std::numeric_limits<float>::max(), low = std::numeric_limits<float>::min();
  // Both beyond all that fits, or both no number.
  if (size >= 0x1p128 && given > top)
    return std::signbit(got) == std::signbit(want) ? 0 : ulps<float>(got, want);
  if (std::isnan(want) && std::isnan(got)) return 0;
  // Below the normal numbers the unit is the smallest of all.
  if (size < low && want != 0 && given <= top) return std::fabs(got - want) * 0x1p149;
  if (!(size >= low && size <= top && given <= top)) return ulps<float>(got, want);
  // want = 1.m 2^e: the unit is 2^(e - 23), and e stands biased by 1023 in the upper bits.
  const uint64_t exponent = std::bit_cast<uint64_t>(size) >> 52;
  return std::fabs(got - want) * std::bit_cast<double>((2 * 1023 + 23 - exponent) << 52);
}

// Operand types of an elementwise operation of element type `dtype`; empty where it does not take it.
inline std::vector<DType> operand_types(const ir::OpDef& op, DType dtype) {
  if (op.elementwise()->types[static_cast<size_t>(dtype)].exact == nullptr) return {};
  std::vector<DType> types(op.operands.size(), dtype);
  for (size_t i = 0; i < op.elementwise()->key; ++i) types[i] = DType::bool_;
  return types;
}
inline constexpr DType computing[] = {DType::f32, DType::f64, DType::i32,  DType::i64,
                                      DType::u8,  DType::u32, DType::bool_};

}  // namespace tenon::probe
