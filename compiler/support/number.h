// Numbers on their way to a type. A number comes as text (a literal, an option, a field of a table) or as a
// C++ number, keeps what was given, and becomes an element once its type is known: a whole number exactly, or
// not at all; a float as the nearest one, or not at all where that would be an infinity or make zero of what
// is none. Every path from text or an argument to a typed number comes through here.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "support/diagnostic.h"
#include "support/dtype.h"

namespace tenon::support {

enum class Fit : uint8_t {
  fits,
  small,     // a float that is not 0, and nearer to 0 than to the least one of the type
  large,     // beyond the type's range
  fraction,  // of an integer type
  none,      // no number of this kind: letters, or true of a number
};

// Text in the type: digits with a sign, a point and an exponent, "inf", "nan"; of bool true, false, 0 and 1.
// Whatever its notation, a whole number is one: "1e3" is an i32. Written unless the answer is `large`,
// `fraction` or `none`; `small` writes a zero of the number's sign. Linear in the text.
Fit read_number(std::string_view text, DType dtype, std::byte* out);
template <class T>
Fit read_number(std::string_view text, T* out) {
  return read_number(text, dtype_of<T>::value, reinterpret_cast<std::byte*>(out));
}
// "300 is out of the range of u8: 0 to 255"; the number is cut where it is long.
std::string misfit_text(std::string_view number, Fit fit, DType dtype);

class Number {
 public:
  Number() = default;
  Number(double value) : value_(value) {}
  Number(int64_t value) : value_(value) {}
  Number(int value) : value_(int64_t{value}) {}
  // Text that is a number, or true or false; nullopt for other text.
  static std::optional<Number> parse(std::string_view text);

  Fit store(DType dtype, std::byte* out) const;
  // Whether it fits; T202 with the number and the type's range. `who` stands before it: "lr: ".
  Status check(DType dtype, std::string_view who = {}) const;
  // Of a number that fits.
  template <class T>
  T as() const {
    T out{};
    const Fit fit = store(dtype_of<T>::value, reinterpret_cast<std::byte*>(&out));
    TENON_CHECK(fit == Fit::fits, misfit_text(text(), fit, dtype_of<T>::value));
    return out;
  }
  // The nearest double: infinite where it is beyond.
  double approximate() const;
  // Reads back as the same number.
  std::string text() const;
  // The same after rounding to the type, as that type writes it; as it is where it does not fit.
  std::string text(DType dtype) const;

  friend bool operator==(const Number& a, const Number& b) { return a.text() == b.text(); }

 private:
  std::variant<int64_t, double, std::string> value_ = int64_t{0};
};

}  // namespace tenon::support
