// Element types, declared once. `computes` tells which of them this version computes with; the others
// are declared, print and parse, and give T111 by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tenon::support {

// X(enumerator, C++ type or void, bytes, computes)
#define TENON_DTYPES(X)      \
  X(f64, double, 8, true)    \
  X(f32, float, 4, true)     \
  X(f16, void, 2, false)     \
  X(bf16, void, 2, false)    \
  X(i8, int8_t, 1, false)    \
  X(i16, int16_t, 2, false)  \
  X(i32, int32_t, 4, true)   \
  X(i64, int64_t, 8, true)   \
  X(u8, uint8_t, 1, true)    \
  X(u16, uint16_t, 2, false) \
  X(u32, uint32_t, 4, true)  \
  X(u64, uint64_t, 8, false) \
  X(bool_, bool, 1, true)

enum class DType : uint8_t {
#define X(name, type, bytes, computes) name,
  TENON_DTYPES(X)
#undef X
};
inline constexpr size_t dtype_count = 13;

std::string_view dtype_name(DType dtype);  // "f32", "bool"
std::optional<DType> parse_dtype(std::string_view name);
size_t dtype_bytes(DType dtype);
bool dtype_computes(DType dtype);
constexpr bool is_float(DType d) {
  return d == DType::f64 || d == DType::f32 || d == DType::f16 || d == DType::bf16;
}
constexpr bool is_bool(DType d) { return d == DType::bool_; }
constexpr bool is_int(DType d) { return !is_float(d) && !is_bool(d); }
constexpr bool is_signed_int(DType d) {
  return d == DType::i8 || d == DType::i16 || d == DType::i32 || d == DType::i64;
}

template <class T>
struct dtype_of;
template <>
struct dtype_of<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct dtype_of<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct dtype_of<int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct dtype_of<int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct dtype_of<uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct dtype_of<uint32_t> {
  static constexpr DType value = DType::u32;
};
template <>
struct dtype_of<bool> {
  static constexpr DType value = DType::bool_;
};

// Calls f.template operator()<T>() with the C++ type of a dtype that computes.
template <class F>
auto with_dtype(DType d, F&& f) {
  switch (d) {
    case DType::f64:
      return f.template operator()<double>();
    case DType::i32:
      return f.template operator()<int32_t>();
    case DType::i64:
      return f.template operator()<int64_t>();
    case DType::u8:
      return f.template operator()<uint8_t>();
    case DType::u32:
      return f.template operator()<uint32_t>();
    case DType::bool_:
      return f.template operator()<bool>();
    default:
      return f.template operator()<float>();
  }
}

}  // namespace tenon::support
