#include "support/number.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "support/text.h"

namespace tenon::support {
namespace {

constexpr size_t shown_digits = 40;

// The digits of a decimal number, and the power of ten of the last one. False for what is none.
struct Decimal {
  bool negative = false;
  std::string digits;    // no zeros in front or behind; empty: 0
  int64_t exponent = 0;  // value = digits * 10^exponent
};

bool read_decimal(std::string_view text, Decimal* out) {
  constexpr int64_t far = int64_t{1} << 40;  // more than any text is long
  size_t at = 0;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) out->negative = text[at++] == '-';
  bool point = false, any = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      any = true;
      if (point) --out->exponent;
      if (c != '0' || !out->digits.empty()) out->digits += c;
    } else {
      break;
    }
  }
  if (!any) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    if (++at < text.size() && text[at] == '+') ++at;
    int64_t power = 0;
    const auto [end, code] = std::from_chars(text.data() + at, text.data() + text.size(), power);
    if (code == std::errc::result_out_of_range) power = text[at] == '-' ? -far : far;
    if (code == std::errc::invalid_argument) return false;
    at = static_cast<size_t>(end - text.data());
    out->exponent += std::clamp(power, -far, far);
  }
  if (at != text.size()) return false;
  while (!out->digits.empty() && out->digits.back() == '0') {
    out->digits.pop_back();
    ++out->exponent;
  }
  if (out->digits.empty()) out->exponent = 0;
  return true;
}

// from_chars takes no plus sign.
std::string_view without_plus(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-' && text[1] != '+') text.remove_prefix(1);
  return text;
}

template <class T>
bool whole(std::string_view text, T* out, std::errc* code) {
  text = without_plus(text);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  *code = error;
  return error != std::errc::invalid_argument && end == text.data() + text.size();
}

template <class T>
Fit read_float(std::string_view text, T* out) {
  std::errc code{};
  // Read in the element's own type: by way of another some values would be rounded twice.
  if (!whole(text, out, &code)) return Fit::none;
  if (code == std::errc{}) return Fit::fits;
  Decimal d;
  if (!read_decimal(text, &d)) return Fit::none;
  if (static_cast<int64_t>(d.digits.size()) + d.exponent > 0) return Fit::large;
  *out = d.negative ? -T{0} : T{0};
  return Fit::small;
}

template <class T>
Fit read_whole(std::string_view text, T* out) {
  std::errc code{};
  if (whole(text, out, &code) && code == std::errc{}) return Fit::fits;
  Decimal d;
  if (!read_decimal(text, &d)) return Fit::none;
  if (d.exponent < 0) return Fit::fraction;
  if (static_cast<int64_t>(d.digits.size()) + d.exponent > 20) return Fit::large;
  if (d.digits.empty()) d.digits = "0", d.negative = false;
  const std::string plain =
      (d.negative ? "-" : "") + d.digits + std::string(static_cast<size_t>(d.exponent), '0');
  if (d.negative && std::is_unsigned_v<T>) return Fit::large;
  return whole(plain, out, &code) && code == std::errc{} ? Fit::fits : Fit::large;
}

Fit read_bool(std::string_view text, bool* out) {
  if (text == "true" || text == "false") {
    *out = text == "true";
    return Fit::fits;
  }
  uint8_t bit = 0;
  const Fit fit = read_whole(text, &bit);
  if (fit == Fit::fits && bit > 1) return Fit::large;
  *out = bit == 1;
  return fit;
}

// A double in a type.
template <class T>
Fit convert(double value, T* out) {
  if constexpr (std::is_same_v<T, bool>) {
    if (value != 0 && value != 1) return std::floor(value) == value ? Fit::large : Fit::fraction;
    *out = value == 1;
  } else if constexpr (std::is_integral_v<T>) {
    if (std::isnan(value)) return Fit::none;
    if (std::isfinite(value) && std::floor(value) != value) return Fit::fraction;
    // Both bounds are exact doubles: the upper one is the first that is too large.
    if (value < static_cast<double>(std::numeric_limits<T>::min()) ||
        value >= std::ldexp(1.0, std::numeric_limits<T>::digits))
      return Fit::large;
    *out = static_cast<T>(value);
  } else {
    if (std::isfinite(value) && !std::isfinite(static_cast<T>(value))) return Fit::large;
    *out = static_cast<T>(value);
    if (value != 0 && *out == 0) return Fit::small;
  }
  return Fit::fits;
}

std::string range_text(DType dtype) {
  return with_dtype(dtype, [&]<class T>() -> std::string {
    if constexpr (std::is_same_v<T, bool>) {
      return "false or true";
    } else if constexpr (std::is_floating_point_v<T>) {
      return "at most " + format_float(std::numeric_limits<T>::max());
    } else {
      return std::to_string(std::numeric_limits<T>::min()) + " to " +
             std::to_string(std::numeric_limits<T>::max());
    }
  });
}

}  // namespace

Fit read_number(std::string_view text, DType dtype, std::byte* out) {
  return with_dtype(dtype, [&]<class T>() {
    T value{};
    Fit fit = Fit::none;
    if constexpr (std::is_same_v<T, bool>) {
      fit = read_bool(text, &value);
    } else if constexpr (std::is_floating_point_v<T>) {
      fit = read_float(text, &value);
    } else {
      fit = read_whole(text, &value);
    }
    if (fit == Fit::fits || fit == Fit::small) std::memcpy(out, &value, sizeof value);
    return fit;
  });
}

std::string misfit_text(std::string_view number, Fit fit, DType dtype) {
  std::string shown(number.substr(0, shown_digits));
  if (shown.size() < number.size()) shown += "...";
  const std::string type(dtype_name(dtype));
  if (fit == Fit::large) return shown + " is out of the range of " + type + ": " + range_text(dtype);
  if (fit == Fit::small) {
    const std::string least =
        with_float(dtype, []<class T>() { return format_float(std::numeric_limits<T>::denorm_min()); });
    return shown + " is out of the range of " + type + ": the least above 0 is " + least;
  }
  return shown + " is no " + type;
}

std::optional<Number> Number::parse(std::string_view text) {
  Number out;
  if (text == "true" || text == "false") {
    out.value_ = std::string(text);
    return out;
  }
  double value = 0;
  std::errc code{};
  if (!whole(text, &value, &code)) return std::nullopt;
  int64_t integer = 0;
  std::errc ignored{};
  if (code == std::errc{} && !std::isfinite(value)) {
    out.value_ = value;  // the words
  } else if (whole(text, &integer, &ignored) && ignored == std::errc{} &&
             !(value == 0 && std::signbit(value))) {
    out.value_ = integer;
  } else {
    out.value_ = std::string(without_plus(text));
  }
  return out;
}

Fit Number::store(DType dtype, std::byte* out) const {
  if (const auto* text = std::get_if<std::string>(&value_)) return read_number(*text, dtype, out);
  if (const auto* value = std::get_if<double>(&value_))
    return with_dtype(dtype, [&]<class T>() {
      T typed{};
      const Fit fit = convert(*value, &typed);
      std::memcpy(out, &typed, sizeof typed);
      return fit;
    });
  return read_number(std::to_string(std::get<int64_t>(value_)), dtype, out);
}

Status Number::check(DType dtype, std::string_view who) const {
  std::byte unused[8];
  const Fit fit = store(dtype, unused);
  if (fit == Fit::fits) return Ok{};
  return error(Code::bad_literal, std::string(who) + misfit_text(text(), fit, dtype));
}

double Number::approximate() const {
  if (const auto* integer = std::get_if<int64_t>(&value_)) return static_cast<double>(*integer);
  if (const auto* value = std::get_if<double>(&value_)) return *value;
  const std::string& text = std::get<std::string>(value_);
  if (text == "true" || text == "false") return text == "true" ? 1 : 0;
  double out = 0;
  if (read_number(text, &out) != Fit::large) return out;
  return (text[0] == '-' ? -1 : 1) * std::numeric_limits<double>::infinity();
}

std::string Number::text() const {
  if (const auto* integer = std::get_if<int64_t>(&value_)) return std::to_string(*integer);
  if (const auto* value = std::get_if<double>(&value_)) return format_float(*value);
  return std::get<std::string>(value_);
}

std::string Number::text(DType dtype) const {
  return with_dtype(dtype, [&]<class T>() -> std::string {
    T value{};
    if (store(dtype, reinterpret_cast<std::byte*>(&value)) != Fit::fits) return text();
    if constexpr (std::is_same_v<T, bool>) {
      return value ? "true" : "false";
    } else if constexpr (std::is_floating_point_v<T>) {
      return format_float(value);
    } else {
      return std::to_string(value);
    }
  });
}

}  // namespace tenon::support
