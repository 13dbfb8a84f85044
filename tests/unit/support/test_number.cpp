#include "support/number.h"

#include <cmath>
#include <limits>

#include "catch.h"

using namespace tenon::support;

namespace {

template <class T>
Fit fit_of(std::string_view text) {
  T unused{};
  return read_number(text, &unused);
}
template <class T>
T read(std::string_view text) {
  T out{};
  CAPTURE(text);
  REQUIRE(read_number(text, &out) == Fit::fits);
  return out;
}
// The same through a Number, from text and from the value.
template <class T>
void exact(std::string_view text, T value) {
  CAPTURE(text);
  CHECK(read<T>(text) == value);
  const auto number = Number::parse(text);
  REQUIRE(number);
  CHECK(number->as<T>() == value);
  CHECK(Number::parse(number->text())->as<T>() == value);
  CHECK(Number::parse(number->text(dtype_of<T>::value))->template as<T>() == value);
}

}  // namespace

TEST_CASE("whole numbers become elements exactly, in any notation", "[support]") {
  exact<int64_t>("9007199254740993", 9007199254740993);
  exact<int64_t>("9223372036854775807", INT64_MAX);
  exact<int64_t>("-9223372036854775808", INT64_MIN);
  exact<int64_t>("9007199254740993.0", 9007199254740993);
  // The largest, where a point or an exponent asks for the digits to be counted.
  exact<int64_t>("9223372036854775807.0", INT64_MAX);
  exact<int64_t>("-9223372036854775.808e3", INT64_MIN);
  exact<int64_t>("9e18", 9000000000000000000);
  exact<int64_t>("+17", 17);
  exact<int32_t>("1e3", 1000);
  exact<int32_t>("-0", 0);
}

TEST_CASE("what an element type cannot hold is refused, by kind", "[support]") {
  CHECK(fit_of<int64_t>("9223372036854775808") == Fit::large);
  CHECK(fit_of<int64_t>("1e19") == Fit::large);
  CHECK(fit_of<int64_t>("-1e400") == Fit::large);
  CHECK(fit_of<uint8_t>("300") == Fit::large);
  CHECK(fit_of<uint8_t>("-1") == Fit::large);
  CHECK(fit_of<uint32_t>("4294967296") == Fit::large);
  CHECK(fit_of<int32_t>("0.5") == Fit::fraction);
  CHECK(fit_of<int32_t>("1e-400") == Fit::fraction);
  CHECK(fit_of<float>("1e39") == Fit::large);
  CHECK(fit_of<float>("-1e39") == Fit::large);
  CHECK(fit_of<float>("1e-50") == Fit::small);
  CHECK(fit_of<double>("1e400") == Fit::large);
  CHECK(fit_of<double>("1e-400") == Fit::small);
  CHECK(fit_of<bool>("2") == Fit::large);
  for (const char* text : {"", "x", "1x", "--1", "+-1", "1e", ".", "1.2.3", "0x10", "1 "}) {
    CAPTURE(text);
    CHECK(fit_of<int32_t>(text) == Fit::none);
    CHECK(fit_of<double>(text) == Fit::none);
  }
  CHECK(misfit_text("300", Fit::large, DType::u8) == "300 is out of the range of u8: 0 to 255");
  CHECK(misfit_text("1e39", Fit::large, DType::f32) ==
        "1e39 is out of the range of f32: at most 3.4028235e38");
  CHECK(misfit_text("1.5", Fit::fraction, DType::i32) == "1.5 is no i32");
}

TEST_CASE("numbers of hundreds of digits are read right", "[support]") {
  const std::string zeros(400, '0'), threes(300, '3');
  CHECK(read<double>("0." + threes) == 1.0 / 3);
  CHECK(read<float>("0." + threes) == 1.0f / 3);
  CHECK(read<double>("1" + zeros + "e-400") == 1);
  CHECK(read<int32_t>("1" + zeros + "e-399") == 10);
  CHECK(read<float>("0." + zeros + "25e402") == 25.0f);
  CHECK(fit_of<double>("1" + zeros + "e-10") == Fit::large);  // 1e390, for all its exponent
  CHECK(fit_of<double>("0." + zeros + "1") == Fit::small);
  CHECK(fit_of<double>("0." + zeros + "1e20") == Fit::small);
  CHECK(fit_of<double>("1e99999999999999999999") == Fit::large);
  CHECK(fit_of<double>("1e-99999999999999999999") == Fit::small);
  CHECK(read<int64_t>("0e99999999999999999999") == 0);
}

TEST_CASE("C++ numbers become elements by the same rule", "[support]") {
  CHECK(Number(int64_t{9007199254740993}).as<int64_t>() == 9007199254740993);
  CHECK(Number(0.1).as<float>() == 0.1f);
  CHECK(Number(-0.0).text() == "-0.0");
  CHECK(std::signbit(Number::parse("-0")->as<double>()));
  // Half way between two floats: rounded once, to even.
  CHECK(Number(1 + 0x1p-24).as<float>() == 1.0f);
  CHECK(Number(0x1p63).check(DType::i64).errors().code() == Code::bad_literal);
  CHECK(Number(-0x1p63).as<int64_t>() == INT64_MIN);
  CHECK_FALSE(Number(300).check(DType::u8));
  CHECK_FALSE(Number(0.5).check(DType::i32));
  CHECK_FALSE(Number(1e39).check(DType::f32));
  CHECK_FALSE(Number(1e-60).check(DType::f32));
  CHECK_FALSE(Number(std::nan("")).check(DType::i32));
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(Number(inf).as<float>() == std::numeric_limits<float>::infinity());
  CHECK_FALSE(Number(inf).check(DType::i64));
  CHECK(Number::parse("true")->as<bool>());
  CHECK_FALSE(Number::parse("true")->check(DType::f32));
  CHECK(Number(300).check(DType::u8, "k: ").errors().list[0].message ==
        "k: 300 is out of the range of u8: 0 to 255");
}
