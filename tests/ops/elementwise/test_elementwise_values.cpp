// Known values of every elementwise operation, by hand.
#include <set>

#include "ops/elementwise/probe.h"

using namespace tenon;
using namespace tenon::support;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity(), qnan = std::numeric_limits<float>::quiet_NaN();
std::set<std::string> covered;

template <class T>
Array list(std::initializer_list<T> values) {
  return Array::of<T>({static_cast<int64_t>(values.size())}, values);
}

void expect(std::string_view op, const std::vector<Array>& in, const Array& want, ir::Attrs attrs = {}) {
  covered.insert(std::string(op));
  std::vector<DType> types;
  for (const Array& a : in) types.push_back(a.dtype());
  const Array got = probe::Single(op, types, in[0].count(), std::move(attrs)).exact(in);
  const int64_t at = probe::first_difference(got, want);
  INFO(op << " of " << dtype_name(in[0].dtype()) << ", element " << at);
  if (at >= 0) {
    INFO("got " << probe::element(got, size_t(at)) << ", want " << probe::element(want, size_t(at)));
    CHECK(at < 0);
  }
  CHECK(at < 0);
}

}  // namespace

TEST_CASE("arithmetic by hand") {
  expect("add", {list({1.5f, -0.0f, inf, 16777216.f}), list({2.f, -0.0f, -inf, 1.f})},
         list({3.5f, -0.0f, qnan, 16777216.f}));
  expect("add", {list({INT32_MAX, -1}), list({1, 1})}, list({INT32_MIN, 0}));
  expect("add", {list<uint8_t>({250}), list<uint8_t>({10})}, list<uint8_t>({4}));
  expect("sub", {list({1.f, 0.f}), list({0.25f, 0.f})}, list({0.75f, 0.f}));
  expect("sub", {list<int64_t>({INT64_MIN}), list<int64_t>({1})}, list<int64_t>({INT64_MAX}));
  expect("sub", {list<uint32_t>({0}), list<uint32_t>({1})}, list<uint32_t>({UINT32_MAX}));
  expect("mul", {list({3.f, 0.f, -2.f}), list({0.5f, inf, 0.f})}, list({1.5f, qnan, -0.f}));
  expect("mul", {list<int64_t>({int64_t{1} << 62}), list<int64_t>({4})}, list<int64_t>({0}));
  expect("mul", {list<uint8_t>({200}), list<uint8_t>({200})}, list<uint8_t>({64}));
  expect("div", {list({1.0, -1.0, 0.0}), list({4.0, 0.0, 0.0})}, list({0.25, -HUGE_VAL, std::nan("")}));
  expect("div", {list({-7, 7, 5, INT32_MIN}), list({2, -2, 0, -1})}, list({-3, -3, 0, INT32_MIN}));
  expect("rem", {list({-7, 7, 5, INT32_MIN}), list({2, -2, 0, -1})}, list({-1, 1, 5, 0}));
  expect("neg", {list({0.f, -inf, 2.f})}, list({-0.f, inf, -2.f}));
  expect("neg", {list<uint32_t>({1})}, list<uint32_t>({UINT32_MAX}));
  expect("abs", {list({-0.f, -3.f, inf})}, list({0.f, 3.f, inf}));
  expect("abs", {list({INT32_MIN, -5, 5})}, list({INT32_MIN, 5, 5}));
  expect("sign", {list({-2.5f, -0.f, 0.f, inf, qnan})}, list({-1.f, -0.f, 0.f, 1.f, qnan}));
  expect("sign", {list({-9, 0, 9})}, list({-1, 0, 1}));
  expect("sign", {list<uint8_t>({0, 200})}, list<uint8_t>({0, 1}));
  expect("max", {list({0.f, -0.f, qnan, 1.f, -0.f}), list({-0.f, 0.f, 1.f, qnan, -0.f})},
         list({0.f, 0.f, qnan, qnan, -0.f}));
  expect("min", {list({0.f, -0.f, qnan, 1.f, 0.f}), list({-0.f, 0.f, 1.f, qnan, 0.f})},
         list({-0.f, -0.f, qnan, qnan, 0.f}));
  expect("max", {list({-3, 4}), list({2, -5})}, list({2, 4}));
  expect("min", {list<uint32_t>({3, 4000000000u}), list<uint32_t>({2, 5})}, list<uint32_t>({2, 5}));
}

TEST_CASE("comparison, logic and choice by hand") {
  const Array x = list({1.f, qnan, 0.f, 2.f}), y = list({1.f, qnan, -0.f, 3.f});
  expect("eq", {x, y}, list({true, false, true, false}));
  expect("ne", {x, y}, list({false, true, false, true}));
  expect("lt", {x, y}, list({false, false, false, true}));
  expect("le", {x, y}, list({true, false, true, true}));
  expect("gt", {x, y}, list({false, false, false, false}));
  expect("ge", {x, y}, list({true, false, true, false}));
  expect("lt", {list({-1}), list({0})}, list({true}));
  expect("lt", {list<uint32_t>({UINT32_MAX}), list<uint32_t>({0})}, list({false}));
  const Array p = list({true, true, false, false}), q = list({true, false, true, false});
  expect("eq", {p, q}, list({true, false, false, true}));
  expect("and", {p, q}, list({true, false, false, false}));
  expect("or", {p, q}, list({true, true, true, false}));
  expect("xor", {p, q}, list({false, true, true, false}));
  expect("not", {p}, list({false, false, true, true}));
  expect("select", {list({true, false}), list({1.f, qnan}), list({qnan, 2.f})}, list({1.f, 2.f}));
  expect("select", {list({true, false}), list({true, true}), list({false, false})}, list({true, false}));
  expect("is_finite", {list({1.f, -inf, qnan, -0.f})}, list({true, false, false, true}));
}

TEST_CASE("casts by hand") {
  const auto cast = [](const Array& in, const Array& want) { expect("cast", {in}, want, {want.dtype()}); };
  cast(list({1.9f, -1.9f, qnan, 3e9f, -3e9f, inf}), list({1, -1, 0, INT32_MAX, INT32_MIN, INT32_MAX}));
  cast(list({-1.f, 255.9f, 256.f, qnan}), list<uint8_t>({0, 255, 255, 0}));
  cast(list({1e19, -1e19, 0.5}), list<int64_t>({INT64_MAX, INT64_MIN, 0}));
  cast(list({4294967295.0, 4294967296.0, -0.5}), list<uint32_t>({UINT32_MAX, UINT32_MAX, 0}));
  cast(list({16777217, -16777219}), list({16777216.f, -16777220.f}));
  cast(list<int64_t>({INT64_MAX, (int64_t{1} << 53) + 1}), list({9223372036854775808.0, 9007199254740992.0}));
  cast(list<int64_t>({-1, 511}), list<uint8_t>({255, 255}));
  cast(list<uint8_t>({200}), list({200}));
  cast(list<uint32_t>({UINT32_MAX}), list({-1}));
  cast(list({1e-46, 3.5e38, 0.1}), list({0.f, inf, 0.1f}));
  cast(list({0.f, -0.f, qnan, 2.f}), list({false, false, true, true}));
  cast(list({true, false}), list({1.f, 0.f}));
  cast(list({1.5f}), list({1.5}));
  expect("stop_gradient", {list({1.5f, -0.f})}, list({1.5f, -0.f}));
}

TEST_CASE("functions at special arguments") {
  expect("sqrt", {list({4.f, -0.f, -1.f, inf})}, list({2.f, -0.f, qnan, inf}));
  expect("rsqrt", {list({4.f, 0.f, -0.f, inf, -1.f, 0x1p-148f})},
         list({0.5f, inf, -inf, 0.f, qnan, 0x1p74f}));
  expect("exp", {list({0.f, -inf, inf, qnan, 89.f, -104.f, 1.f})},
         list({1.f, 0.f, inf, qnan, inf, 0.f, 2.7182817f}));
  expect("exp", {list({0.0, 710.0, -746.0, 1.0})}, list({1.0, HUGE_VAL, 0.0, 2.718281828459045}));
  expect("log", {list({1.f, 0.f, -0.f, -1.f, inf, qnan, 10.f})},
         list({0.f, -inf, -inf, qnan, inf, qnan, 2.302585093f}));
  expect("tanh", {list({0.f, -0.f, inf, -inf, qnan, 20.f, 1e-40f})},
         list({0.f, -0.f, 1.f, -1.f, qnan, 1.f, 1e-40f}));
  expect("sigmoid", {list({0.f, inf, -inf, qnan, 100.f})}, list({0.5f, 1.f, 0.f, qnan, 1.f}));
  expect("sin", {list({0.f, -0.f, inf, qnan, 1e-40f})}, list({0.f, -0.f, qnan, qnan, 1e-40f}));
  expect("cos", {list({0.f, -0.f, -inf, qnan})}, list({1.f, 1.f, qnan, qnan}));
  expect("sin", {list({1e22, 0x1.921fb54442d18p+1})}, list({-0.8522008497671888, 1.2246467991473532e-16}));
  expect("erfc", {list({0.f, -0.f, inf, -inf, qnan, 11.f})}, list({1.f, 1.f, 0.f, 2.f, qnan, 0.f}));
  expect("erf", {list({0.f, -0.f, inf, -inf, qnan, 4.f})}, list({0.f, -0.f, 1.f, -1.f, qnan, 1.f}));
  expect("floor", {list({-0.5f, 1.5f, -0.f, inf})}, list({-1.f, 1.f, -0.f, inf}));
}

TEST_CASE("rounding by hand") {
  const float odd = 8388609.f, least = 0x1p-149f;
  const Array x =
      list({-0.5f, 0.5f, 1.5f, 2.5f, -2.5f, -0.f, 0.f, -inf, inf, qnan, odd, least, -least, 0.49999997f});
  expect("ceil", {x}, list({-0.f, 1.f, 2.f, 3.f, -2.f, -0.f, 0.f, -inf, inf, qnan, odd, 1.f, -0.f, 1.f}));
  expect("trunc", {x}, list({-0.f, 0.f, 1.f, 2.f, -2.f, -0.f, 0.f, -inf, inf, qnan, odd, 0.f, -0.f, 0.f}));
  expect("round", {x}, list({-0.f, 0.f, 2.f, 2.f, -2.f, -0.f, 0.f, -inf, inf, qnan, odd, 0.f, -0.f, 0.f}));
  expect("round", {list({0.5, 1.5, 4503599627370495.5, -3.5})}, list({0.0, 2.0, 4503599627370496.0, -4.0}));
}

TEST_CASE("clamp, reciprocal and square by hand") {
  expect("clamp",
         {list({-3.f, 0.5f, 9.f, qnan, 1.f, 1.f, 5.f, -0.f, inf}),
          list({-1.f, -1.f, -1.f, -1.f, qnan, -1.f, 3.f, 0.f, -1.f}),
          list({2.f, 2.f, 2.f, 2.f, 2.f, qnan, 1.f, 0.f, 2.f})},
         list({-1.f, 0.5f, 2.f, qnan, qnan, qnan, 1.f, 0.f, 2.f}));
  expect("clamp", {list({-7, 3, 9, 3}), list({-2, -2, -2, 8}), list({5, 5, 5, 5})}, list({-2, 3, 5, 5}));
  expect("clamp", {list<uint8_t>({200}), list<uint8_t>({3}), list<uint8_t>({100})}, list<uint8_t>({100}));
  expect("reciprocal", {list({4.f, 0.f, -0.f, inf, -inf, qnan, 0x1p-149f, 0x1p127f})},
         list({0.25f, inf, -inf, 0.f, -0.f, qnan, inf, 0x1p-127f}));
  expect("square", {list({-3.f, -0.f, -inf, qnan, 1e30f, 1e-30f})}, list({9.f, 0.f, inf, qnan, inf, 0.f}));
  expect("square", {list({-3, 65536})}, list({9, 0}));
  expect("square", {list<uint8_t>({17})}, list<uint8_t>({33}));
}

TEST_CASE("floor_mod by hand") {
  expect("floor_mod", {list({7, -7, 7, -7, 6, 5, -5, INT32_MIN}), list({3, 3, -3, -3, -3, 0, 0, -1})},
         list({1, 2, -2, -1, 0, 5, -5, 0}));
  expect("floor_mod", {list<int64_t>({INT64_MIN, INT64_MIN}), list<int64_t>({INT64_MAX, 10})},
         list<int64_t>({INT64_MAX - 1, 2}));
  expect("floor_mod", {list<uint32_t>({UINT32_MAX, 4}), list<uint32_t>({10, 0})}, list<uint32_t>({5, 4}));
  expect("floor_mod",
         {list({7.5f, -7.5f, 7.5f, -7.5f, 6.f, 0.f, -0.f, 1.f, inf, 1.f, -1.f, 0.f, qnan}),
          list({2.f, 2.f, -2.f, -2.f, -3.f, -2.f, 2.f, 0.f, 2.f, inf, inf, -inf, 2.f})},
         list({1.5f, 0.5f, -0.5f, -1.5f, -0.f, -0.f, 0.f, qnan, qnan, 1.f, inf, -0.f, qnan}));
  // 2^3 = 1 modulo 7; 127 = 3 * 42 + 1, 127 + 149 = 3 * 92.
  expect("floor_mod", {list({0x1p127f, 0x1p127f, -1e-20f, 0x1p-149f}), list({7.f, 0x7p-149f, 1.f, -1.f})},
         list({2.f, 0x1p-149f, 1.f, -1.f}));
  // 1023 = 3 * 341, 1022 + 1074 = 3 * 698 + 2.
  expect("floor_mod", {list({0x1p1023, 0x1p1022, -0x1p1023}), list({7.0, 7 * 0x1p-1074, 7.0})},
         list({1.0, 0x1p-1074 * 4, 6.0}));
}

TEST_CASE("functions at special arguments: base 2, around 0, inverse") {
  expect("exp2", {list({0.f, -0.f, 3.f, -149.f, -150.f, 128.f, -inf, inf, qnan, 0.5f})},
         list({1.f, 1.f, 8.f, 0x1p-149f, 0.f, inf, 0.f, inf, qnan, 1.4142135f}));
  expect("exp2", {list({1023.0, -1074.0, 1024.0})}, list({0x1p1023, 0x1p-1074, HUGE_VAL}));
  expect("log2", {list({1.f, 8.f, 0x1p-149f, 0x1p127f, 0.f, -0.f, -1.f, inf, -inf, qnan})},
         list({0.f, 3.f, -149.f, 127.f, -inf, -inf, qnan, inf, qnan, qnan}));
  expect("log2", {list({0x1p-1074, 10.0})}, list({-1074.0, 3.321928094887362}));
  expect("expm1", {list({0.f, -0.f, 1e-40f, -200.f, -inf, inf, 89.f, qnan, 1.f})},
         list({0.f, -0.f, 1e-40f, -1.f, -1.f, inf, inf, qnan, 1.71828187f}));
  expect("expm1", {list({1e-300, -1e-300, 710.0, -800.0})}, list({1e-300, -1e-300, HUGE_VAL, -1.0}));
  expect("log1p", {list({0.f, -0.f, 1e-40f, -1.f, -1.5f, -inf, inf, qnan, 1.f, -0.5f})},
         list({0.f, -0.f, 1e-40f, -inf, qnan, qnan, inf, qnan, 0.6931472f, -0.6931472f}));
  expect("tan", {list({0.f, -0.f, inf, -inf, qnan, 1e-40f})}, list({0.f, -0.f, qnan, qnan, qnan, 1e-40f}));
  expect("tan", {list({0x1.921fb54442d18p+0, -0x1.921fb54442d18p+0, 1.0})},
         list({16331239353195370.0, -16331239353195370.0, 1.5574077246549023}));
  expect("asin", {list({0.f, -0.f, 1.f, -1.f, 1.0000001f, -inf, qnan, 1e-40f, 0.5f})},
         list({0.f, -0.f, 1.5707964f, -1.5707964f, qnan, qnan, qnan, 1e-40f, 0.5235988f}));
  expect("acos", {list({1.f, -1.f, 0.f, -0.f, 1.0000001f, inf, qnan, 0.5f, -0.5f})},
         list({0.f, 3.1415927f, 1.5707964f, 1.5707964f, qnan, qnan, qnan, 1.0471976f, 2.0943952f}));
  expect("atan", {list({0.f, -0.f, 1.f, -1.f, inf, -inf, qnan, 1e-40f, 3e38f})},
         list({0.f, -0.f, 0.7853982f, -0.7853982f, 1.5707964f, -1.5707964f, qnan, 1e-40f, 1.5707964f}));
  expect("sinh", {list({0.f, -0.f, inf, -inf, qnan, 1e-40f, 90.f, -1.f})},
         list({0.f, -0.f, inf, -inf, qnan, 1e-40f, inf, -1.1752012f}));
  expect("sinh", {list({710.0, 711.0})}, list({1.1169973830808555e+308, HUGE_VAL}));
  expect("cosh", {list({0.f, -0.f, inf, -inf, qnan, 1e-40f, 90.f, 1.f})},
         list({1.f, 1.f, inf, inf, qnan, 1.f, inf, 1.54308069f}));
  expect("asinh", {list({0.f, -0.f, inf, -inf, qnan, 1e-40f, 1.f, 3.4028235e38f})},
         list({0.f, -0.f, inf, -inf, qnan, 1e-40f, 0.8813736f, 89.415985f}));
  expect("acosh", {list({1.f, 0.99999994f, -1.f, -3e38f, inf, -inf, qnan, 2.f})},
         list({0.f, qnan, qnan, qnan, inf, qnan, qnan, 1.316958f}));
  expect("atanh", {list({0.f, -0.f, 1.f, -1.f, 1.0000001f, inf, qnan, 1e-40f, 0.5f})},
         list({0.f, -0.f, inf, -inf, qnan, qnan, qnan, 1e-40f, 0.54930615f}));
}

TEST_CASE("atan2 at special arguments") {
  const float quarter = 0.7853982f, half = 1.5707964f, pi = 3.1415927f;
  expect("atan2",
         {list({0.f, 0.f, -0.f, -0.f, 0.f, -0.f, 1.f, -1.f, 1.f, -1.f}),
          list({0.f, -0.f, 0.f, -0.f, -1.f, 1.f, 0.f, -0.f, 1.f, 1.f})},
         list({0.f, pi, -0.f, -pi, pi, -0.f, half, -half, quarter, -quarter}));
  expect(
      "atan2",
      {list({inf, inf, -inf, -inf, 1.f, 1.f, inf, 0x1p-149f, 0x1p-149f, 3e38f, qnan, inf}),
       list({inf, -inf, inf, -inf, inf, -inf, 1.f, 3e38f, 0x1p-149f, 3e38f, inf, qnan})},
      list({quarter, 2.3561945f, -quarter, -2.3561945f, 0.f, pi, half, 0.f, quarter, quarter, qnan, qnan}));
  expect("atan2", {list({1e-40f}), list({1.f})}, list({1e-40f}));
}

TEST_CASE("bits and kinds by hand") {
  expect("bit_and", {list({12, -1, -8}), list({10, 7, 13})}, list({8, 7, 8}));
  expect("bit_or", {list<uint8_t>({12, 0}), list<uint8_t>({10, 0})}, list<uint8_t>({14, 0}));
  expect("bit_xor", {list<int64_t>({12, -1}), list<int64_t>({10, INT64_MAX})}, list<int64_t>({6, INT64_MIN}));
  expect("bit_not", {list({0, 5, INT32_MIN})}, list({-1, -6, INT32_MAX}));
  expect("bit_not", {list<uint8_t>({0, 200})}, list<uint8_t>({255, 55}));
  expect("shift_left", {list({3, 1, 1, 1, -1, 5}), list({4, 31, 32, -1, 31, 0})},
         list({48, INT32_MIN, 0, 0, INT32_MIN, 5}));
  expect("shift_left", {list<uint8_t>({129, 1, 1}), list<uint8_t>({1, 7, 8})}, list<uint8_t>({2, 128, 0}));
  expect("shift_right", {list({48, -48, -1, -5, 5, -5}), list({4, 4, 31, 32, 32, -1})},
         list({3, -3, -1, -1, 0, -1}));
  expect("shift_right", {list<uint32_t>({UINT32_MAX, UINT32_MAX, 8}), list<uint32_t>({31, 32, UINT32_MAX})},
         list<uint32_t>({1, 0, 0}));
  expect("shift_right", {list<int64_t>({INT64_MIN}), list<int64_t>({63})}, list<int64_t>({-1}));
  expect("is_nan", {list({1.f, inf, qnan, -0.f})}, list({false, false, true, false}));
  expect("is_inf", {list({1.f, inf, -inf, qnan})}, list({false, true, true, false}));
}

TEST_CASE("pow at special arguments") {
  const auto pow = [](float x, float y, float want) { expect("pow", {list({x}), list({y})}, list({want})); };
  for (float x : {qnan, 0.f, -inf, -3.f}) {
    pow(x, 0.f, 1.f);
    pow(1.f, x, 1.f);
  }
  pow(-1.f, inf, 1.f);
  pow(-1.f, -inf, 1.f);
  pow(-2.f, 3.f, -8.f);
  pow(-2.f, 2.f, 4.f);
  pow(-2.f, 0.5f, qnan);
  pow(-2.f, -1.f, -0.5f);
  pow(-0.f, -3.f, -inf);
  pow(-0.f, -2.f, inf);
  pow(-0.f, 3.f, -0.f);
  pow(-0.f, 0.5f, 0.f);
  pow(0.f, inf, 0.f);
  pow(0.f, -inf, inf);
  pow(2.f, inf, inf);
  pow(2.f, -inf, 0.f);
  pow(-0.5f, inf, 0.f);
  pow(-inf, 3.f, -inf);
  pow(-inf, 0.5f, inf);
  pow(-inf, -3.f, -0.f);
  pow(inf, -1.f, 0.f);
  pow(2.f, qnan, qnan);
  pow(qnan, 2.f, qnan);
  pow(10.f, 3.f, 1000.f);
  pow(2.f, -149.f, 0x1p-149f);
  pow(2.f, 128.f, inf);
  expect("pow", {list({2.0, -8.0, 2.0}), list({-1074.0, 3.0, 1024.0})}, list({0x1p-1074, -512.0, HUGE_VAL}));
}

TEST_CASE("every elementwise operation has a value by hand") {
  // Runs after the cases above only where they ran: asked by name alone, there is nothing to compare.
  if (covered.size() < 10) return;
  for (const ir::OpDef* op : ir::op_table().all()) {
    if (op->elementwise() == nullptr) continue;
    INFO(op->name);
    CHECK(covered.count(std::string(op->name)) == 1);
  }
}
