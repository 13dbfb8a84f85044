// Element types: one row each, of which every fact about a type is read. Dispatch over types is exhaustive: a
// switch names them all and has no default, `with_dtype` calls a template for each, so that a type that is
// added and not handled fails to compile.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>
#include <type_traits>

namespace tenon::support {

enum class DTypeKind : uint8_t { floating, signed_int, unsigned_int, boolean };

// X(enumerator, C++ type or void, bytes, kind, digits, least, greatest, C type, npy, safetensors)
//
// digits: binary digits of a significand, or of a whole number's magnitude; least: 2^least is the smallest
// number above 0; greatest: all numbers lie below 2^greatest. A type without a C++ type is declared, printed
// and parsed; computing with it gives T111 by name.
#define TENON_DTYPES(X)                                                 \
  X(f64, double, 8, floating, 53, -1074, 1024, "double", "f8", "F64")   \
  X(f32, float, 4, floating, 24, -149, 128, "float", "f4", "F32")       \
  X(f16, void, 2, floating, 11, -24, 16, "uint16_t", "f2", "F16")       \
  X(bf16, void, 2, floating, 8, -133, 128, "uint16_t", "", "BF16")      \
  X(i8, void, 1, signed_int, 7, 0, 7, "int8_t", "i1", "I8")             \
  X(i16, void, 2, signed_int, 15, 0, 15, "int16_t", "i2", "I16")        \
  X(i32, int32_t, 4, signed_int, 31, 0, 31, "int32_t", "i4", "I32")     \
  X(i64, int64_t, 8, signed_int, 63, 0, 63, "int64_t", "i8", "I64")     \
  X(u8, uint8_t, 1, unsigned_int, 8, 0, 8, "uint8_t", "u1", "U8")       \
  X(u16, void, 2, unsigned_int, 16, 0, 16, "uint16_t", "u2", "U16")     \
  X(u32, uint32_t, 4, unsigned_int, 32, 0, 32, "uint32_t", "u4", "U32") \
  X(u64, void, 8, unsigned_int, 64, 0, 64, "uint64_t", "u8", "U64")     \
  X(bool_, bool, 1, boolean, 1, 0, 1, "uint8_t", "b1", "BOOL")

enum class DType : uint8_t {
#define X(name, ...) name,
  TENON_DTYPES(X)
#undef X
};

struct DTypeRow {
  std::string_view name;  // in texts: "f32", "bool"
  size_t bytes;
  DTypeKind kind;
  bool computes;
  int digits, least, greatest;
  std::string_view c_type, npy, safetensors;  // npy: without its byte order; empty where it has no name there
};
inline constexpr DTypeRow dtype_rows[] = {
#define X(name, type, bytes, kind, ...) {#name, bytes, DTypeKind::kind, !std::is_void_v<type>, __VA_ARGS__},
    TENON_DTYPES(X)
#undef X
};
inline constexpr size_t dtype_count = std::size(dtype_rows);

constexpr const DTypeRow& dtype_row(DType d) { return dtype_rows[static_cast<size_t>(d)]; }
// bool is a C++ keyword, so the enumerator carries an underscore that the text form does not.
constexpr std::string_view dtype_name(DType d) { return d == DType::bool_ ? "bool" : dtype_row(d).name; }
std::optional<DType> parse_dtype(std::string_view name);
constexpr size_t dtype_bytes(DType d) { return dtype_row(d).bytes; }
constexpr bool dtype_computes(DType d) { return dtype_row(d).computes; }
constexpr bool is_float(DType d) { return dtype_row(d).kind == DTypeKind::floating; }
constexpr bool is_bool(DType d) { return dtype_row(d).kind == DTypeKind::boolean; }
constexpr bool is_signed_int(DType d) { return dtype_row(d).kind == DTypeKind::signed_int; }
constexpr bool is_int(DType d) { return is_signed_int(d) || dtype_row(d).kind == DTypeKind::unsigned_int; }

// Every value of `from` is a value of `to`; false as 0 and true as 1.
constexpr bool is_lossless(DType from, DType to) {
  const DTypeRow &f = dtype_row(from), &t = dtype_row(to);
  if (from == to || is_bool(from)) return true;
  if (is_bool(to) || (is_float(from) && !is_float(to))) return false;
  if (is_signed_int(from) && t.kind == DTypeKind::unsigned_int) return false;
  return f.digits <= t.digits && f.least >= t.least && f.greatest <= t.greatest;
}

// Of float types: half the distance of the numbers from 1 on (what rounding loses at most, relative), the
// smallest number above 0, subnormal ones included, and the largest finite one.
struct DTypeLimits {
  double half_unit = 0, smallest_step = 0, largest_finite = 0;
};
namespace detail {
constexpr double power_of_two(int power) {
  double out = 1;
  for (; power > 0; --power) out *= 2;
  for (; power < 0; ++power) out /= 2;
  return out;
}
inline constexpr auto limits = [] {
  std::array<DTypeLimits, dtype_count> out{};
  for (size_t i = 0; i < dtype_count; ++i) {
    const DTypeRow& row = dtype_rows[i];
    if (row.kind != DTypeKind::floating) continue;
    out[i] = {power_of_two(-row.digits), power_of_two(row.least),
              (2 - power_of_two(1 - row.digits)) * power_of_two(row.greatest - 1)};
  }
  return out;
}();
}  // namespace detail
// Bits of the NaN that arithmetic makes: quiet, without sign and payload.
constexpr uint64_t quiet_nan_bits(DType d) {
  const DTypeRow& row = dtype_row(d);
  return (uint64_t{1} << (8 * row.bytes - 1)) - (uint64_t{1} << (row.digits - 2));
}
constexpr double half_unit(DType d) { return detail::limits[static_cast<size_t>(d)].half_unit; }
constexpr double smallest_step(DType d) { return detail::limits[static_cast<size_t>(d)].smallest_step; }
constexpr double largest_finite(DType d) { return detail::limits[static_cast<size_t>(d)].largest_finite; }

namespace detail {
template <class T>
struct NoDType : std::false_type {};

template <class T>
consteval DType find_dtype() {
#define X(name, type, ...)               \
  if constexpr (std::is_same_v<T, type>) \
    return DType::name;                  \
  else
  TENON_DTYPES(X)
#undef X
  static_assert(NoDType<T>::value, "no element type is held in this C++ type");
}
// A type that does not compute was let in where only others are.
[[noreturn]] void no_arithmetic(DType d);
}  // namespace detail

// The element type of a C++ type that computes.
template <class T>
struct dtype_of {
  static_assert(!std::is_void_v<T>);
  static constexpr DType value = detail::find_dtype<T>();
};

// Calls f.template operator()<T>() with the C++ type of a dtype that computes.
template <class F>
auto with_dtype(DType d, F&& f) {
  switch (d) {
#define X(name, type, ...)                                                     \
  case DType::name:                                                            \
    if constexpr (!std::is_void_v<type>) return f.template operator()<type>(); \
    break;
    TENON_DTYPES(X)
#undef X
  }
  detail::no_arithmetic(d);
}
// The same for float types alone.
template <class F>
auto with_float(DType d, F&& f) {
  switch (d) {
#define X(name, type, ...)                                                              \
  case DType::name:                                                                     \
    if constexpr (std::is_floating_point_v<type>) return f.template operator()<type>(); \
    break;
    TENON_DTYPES(X)
#undef X
  }
  detail::no_arithmetic(d);
}

}  // namespace tenon::support
