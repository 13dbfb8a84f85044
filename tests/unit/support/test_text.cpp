#include "support/text.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <locale>
#include <random>
#include <string>

#include "catch.h"

using namespace tenon::support;

namespace {

// Numbers with a decimal comma and grouped thousands, as many locales have them.
struct CommaNumbers : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

class WithCommas {
 public:
  WithCommas() : before_(std::locale::global(std::locale(std::locale(), new CommaNumbers))) {}
  ~WithCommas() { std::locale::global(before_); }

 private:
  std::locale before_;
};

}  // namespace

TEST_CASE("floats print as the shortest text that is no integer", "[support]") {
  CHECK(format_float(1.0) == "1.0");
  CHECK(format_float(-0.0) == "-0.0");
  CHECK(format_float(0.1) == "0.1");
  CHECK(format_float(0.1f) == "0.1");
  CHECK(format_float(1e-3) == "0.001");
  CHECK(format_float(1e-4) == "1e-4");
  CHECK(format_float(1e-4f) == "1e-4");
  CHECK(format_float(-2.5e-10) == "-2.5e-10");
  CHECK(format_float(1e20) == "1e20");
  CHECK(format_float(1e300) == "1e300");
  CHECK(format_float(16777216.0f) == "16777216.0");
  CHECK(format_float(5e-324) == "5e-324");
  CHECK(format_float(std::numeric_limits<float>::max()) == "3.4028235e38");
  CHECK(format_float(std::numeric_limits<double>::infinity()) == "inf");
  CHECK(format_float(-std::numeric_limits<float>::infinity()) == "-inf");
  CHECK(format_float(std::nan("")) == "nan");
  CHECK(format_float(-std::nanf("")) == "-nan");
}

TEST_CASE("printed floats read back to the same bits", "[support]") {
  std::mt19937_64 random(1);
  int finite = 0;
  for (int i = 0; i < 20000; ++i) {
    double d = std::bit_cast<double>(random());
    float f = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (!std::isfinite(d) || !std::isfinite(f)) continue;
    ++finite;
    std::string text = format_float(d), short_text = format_float(f);
    auto back = parse_double(text);
    auto short_back = parse_float(short_text);
    if (!back || std::bit_cast<uint64_t>(*back) != std::bit_cast<uint64_t>(d)) FAIL(text);
    if (!short_back || std::bit_cast<uint32_t>(*short_back) != std::bit_cast<uint32_t>(f)) FAIL(short_text);
    if (text.find_first_of(".e") == std::string::npos) FAIL(text);
  }
  CHECK(finite > 19000);
  CHECK(std::isinf(*parse_double("-inf")));
  CHECK(std::isnan(*parse_float("nan")));
}

TEST_CASE("numbers are read whole or not at all", "[support]") {
  CHECK(parse_double("+2.5e-3") == 2.5e-3);
  CHECK(parse_double("7") == 7.0);
  CHECK(parse_float("-1e38") == -1e38f);
  CHECK(parse_int("-9223372036854775808") == std::numeric_limits<int64_t>::min());
  CHECK(parse_int("+12") == 12);
  for (const char* text : {"", "+", "-", "+-1", "-+1", "++1", "1 ", " 1", "1x", "0x10", "1,5", "--1", "e5"}) {
    CAPTURE(text);
    CHECK(parse_double(text) == std::nullopt);
    CHECK(parse_float(text) == std::nullopt);
    CHECK(parse_int(text) == std::nullopt);
  }
  CHECK(parse_double("1e400") == std::nullopt);
  CHECK(parse_float("1e39") == std::nullopt);
  CHECK(parse_double("1e39") == 1e39);
  CHECK(parse_int("9223372036854775808") == std::nullopt);
  CHECK(parse_int("1.0") == std::nullopt);
}

TEST_CASE("an f32 is rounded once", "[support]") {
  // 1 + 2^-24 + 2^-60: above the middle of 1 and its successor, yet the nearest double is that middle, which
  // would then round to even, down.
  constexpr const char* text = "1.000000059604644776257986737988403547205962240695953369140625";
  CHECK(static_cast<float>(*parse_double(text)) == 1.0f);
  CHECK(*parse_float(text) == std::nextafter(1.0f, 2.0f));
}

TEST_CASE("number text does not depend on the locale", "[support]") {
  WithCommas commas;
  CHECK(format_float(1234.5) == "1234.5");
  CHECK(parse_double("1234.5") == 1234.5);
  CHECK(parse_double("1234,5") == std::nullopt);
}

TEST_CASE("quoted text escapes what would break a line", "[support]") {
  CHECK(quote("") == "\"\"");
  CHECK(quote("a\"b\\c\n\t") == "\"a\\\"b\\\\c\\n\\t\"");
  CHECK(quote(std::string_view("\x01\x7f\r\0", 4)) == "\"\\x01\\x7f\\x0d\\x00\"");
  CHECK(quote("gr\xc3\xbc\xc3\x9f") == "\"gr\xc3\xbc\xc3\x9f\"");
}

TEST_CASE("split, join and trim", "[support]") {
  CHECK(split("a,b,,c", ',') == std::vector<std::string_view>{"a", "b", "", "c"});
  CHECK(split("", ',') == std::vector<std::string_view>{""});
  CHECK(split(",", ',') == std::vector<std::string_view>{"", ""});
  std::vector<std::string> parts = {"x", "", "y"};
  CHECK(join(parts, ", ") == "x, , y");
  CHECK(join({}, ", ") == "");
  CHECK(trim(" \t a b\r\n") == "a b");
  CHECK(trim(" \n") == "");
  CHECK(trim("") == "");
}

TEST_CASE("a misspelt word finds its neighbour", "[support]") {
  constexpr std::string_view names[] = {"relu", "gelu", "softmax", "log_softmax", "add", "x"};
  CHECK(nearest("reul", names) == "relu");
  CHECK(nearest("softmx", names) == "softmax");
  CHECK(nearest("sotfmxa", names) == "softmax");
  CHECK(nearest("softmaxx", names) == "softmax");
  CHECK(nearest("ad", names) == "add");
  CHECK(nearest("relu", names) == "relu");
  CHECK(nearest("celu", names) == "relu");  // the first of equals
  CHECK(nearest("y", names) == "");
  CHECK(nearest("convolution", names) == "");
  CHECK(nearest("", names) == "");
  CHECK(nearest("relu", {}) == "");
}

TEST_CASE("glob patterns", "[support]") {
  CHECK(glob_match("*.w", "fc1.w"));
  CHECK(glob_match("*.w", ".w"));
  CHECK_FALSE(glob_match("*.w", "fc1.wx"));
  CHECK(glob_match("fc?.*", "fc1.w"));
  CHECK_FALSE(glob_match("fc?.*", "fc10.w"));
  CHECK(glob_match("*", ""));
  CHECK(glob_match("", ""));
  CHECK_FALSE(glob_match("", "a"));
  CHECK_FALSE(glob_match("?", ""));
  CHECK(glob_match("a*b*c", "aXbYbZc"));
  CHECK_FALSE(glob_match("a*b*c", "aXcYb"));
  CHECK(glob_match("**", "abc"));
  // Time stays far from exponential.
  CHECK_FALSE(glob_match("*a*a*a*a*a*a*a*a*a*b", std::string(2000, 'a')));
}
