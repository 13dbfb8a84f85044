// Builder: exact folding, index arithmetic, sharing, names.
#include <limits>

#include "catch.h"
#include "kernel/builder.h"
#include "kernel/scalar.h"
#include "samples.h"

using namespace tenon::kernel;
using namespace tenon::support;

namespace {

template <class T>
T value_of(const Function& f, ExprId e) {
  REQUIRE(f.expr(e).op == Op::constant);
  return from_bits<T>(f.expr(e).bits);
}

}  // namespace

TEST_CASE("builder: constants fold with the meaning of the language") {
  Function f;
  Builder b(f);
  auto i32 = [&](int32_t x) { return b.literal(x); };
  constexpr int32_t lowest = std::numeric_limits<int32_t>::min();
  CHECK(value_of<int32_t>(f, b.binary(Op::add, i32(2147483647), i32(1))) == lowest);
  CHECK(value_of<int32_t>(f, b.binary(Op::mul, i32(65536), i32(65537))) == 65536);
  CHECK(value_of<int32_t>(f, b.binary(Op::div, i32(7), i32(0))) == 0);
  CHECK(value_of<int32_t>(f, b.binary(Op::rem, i32(7), i32(0))) == 7);
  CHECK(value_of<int32_t>(f, b.binary(Op::div, i32(lowest), i32(-1))) == lowest);
  CHECK(value_of<int32_t>(f, b.binary(Op::rem, i32(lowest), i32(-1))) == 0);
  CHECK(value_of<int32_t>(f, b.binary(Op::div, i32(-7), i32(2))) == -3);
  CHECK(value_of<int32_t>(f, b.binary(Op::shl, i32(1), i32(32))) == 0);
  CHECK(value_of<int32_t>(f, b.binary(Op::shl, i32(1), i32(-1))) == 0);
  CHECK(value_of<int32_t>(f, b.binary(Op::lshr, i32(-1), i32(28))) == 15);
  CHECK(value_of<int32_t>(f, b.binary(Op::ashr, i32(-8), i32(40))) == -1);
  CHECK(value_of<uint32_t>(f, b.binary(Op::ashr, b.literal(0x80000000u), b.literal(31u))) == 0xffffffffu);
  CHECK(value_of<uint32_t>(f, b.binary(Op::mulhi, b.literal(0xd2511f53u), b.literal(0x12345678u))) ==
        0x0ef4b3b8u);
  CHECK(value_of<uint8_t>(f, b.binary(Op::sub, b.literal(uint8_t{3}), b.literal(uint8_t{5}))) == 254);
  CHECK(value_of<int32_t>(f, b.cast(b.literal(1e20f), DType::i32)) == 2147483647);
  CHECK(value_of<int32_t>(f, b.cast(b.literal(-1e20f), DType::i32)) == lowest);
  CHECK(value_of<int32_t>(f, b.cast(b.literal(-2.9), DType::i32)) == -2);
  CHECK(value_of<int32_t>(f, b.cast(b.literal(std::numeric_limits<float>::quiet_NaN()), DType::i32)) == 0);
  CHECK(value_of<uint8_t>(f, b.cast(b.literal(-1.0f), DType::u8)) == 0);
  CHECK(value_of<uint8_t>(f, b.cast(b.literal(300.0f), DType::u8)) == 255);
  CHECK(value_of<uint8_t>(f, b.cast(b.literal(0x1ffu), DType::u8)) == 255);
  CHECK(value_of<int64_t>(f, b.cast(b.literal(-1), DType::i64)) == -1);
  CHECK(value_of<bool>(f, b.cast(b.literal(std::numeric_limits<float>::quiet_NaN()), DType::bool_)));
  CHECK(value_of<float>(f, b.cast(b.index(16777217), DType::f32)) == 16777216.0f);
  CHECK(value_of<float>(f, b.unary(Op::round_even, b.literal(2.5f))) == 2.0f);
  CHECK(value_of<float>(f, b.unary(Op::round_even, b.literal(3.5f))) == 4.0f);
  // One rounding: the product alone would round to 1.
  const float x = 1.0f + 0x1p-12f;
  CHECK(value_of<float>(f, b.fma(b.literal(x), b.literal(x), b.literal(-1.0f))) == 0x1p-11f + 0x1p-24f);
  CHECK(value_of<float>(f, b.binary(Op::add, b.literal(16777216.0f), b.literal(1.0f))) == 16777216.0f);
  CHECK(!value_of<bool>(
      f, b.binary(Op::le, b.literal(std::numeric_limits<double>::quiet_NaN()), b.literal(1.0))));
  CHECK(value_of<bool>(
      f, b.binary(Op::ne, b.literal(std::numeric_limits<double>::quiet_NaN()), b.literal(1.0))));
  // A NaN made by arithmetic is left to the processor.
  CHECK(f.expr(b.binary(Op::div, b.literal(0.0f), b.literal(0.0f))).op == Op::div);
}

TEST_CASE("builder: index arithmetic simplifies, floats never") {
  Function f;
  Builder b(f);
  const ExprId n = b.use(b.scalar("n")), x = b.use(b.scalar("x", DType::f32));
  CHECK(b.add(n, b.index(0)) == n);
  CHECK(b.add(b.index(0), n) == n);
  CHECK(b.mul(n, b.index(1)) == n);
  CHECK(b.mul(b.index(1), n) == n);
  CHECK(*b.as_index(b.mul(n, b.index(0))) == 0);
  CHECK(b.sub(n, n) == b.index(0));
  CHECK(b.add(b.add(n, b.index(3)), b.index(4)) == b.add(n, b.index(7)));
  CHECK(b.sub(b.add(n, b.index(3)), b.index(3)) == n);
  CHECK(b.add(n, b.index(-2)) == b.sub(n, b.index(2)));
  CHECK(b.add(b.sub(n, b.index(5)), b.index(2)) == b.sub(n, b.index(3)));
  CHECK(b.mul(b.mul(n, b.index(3)), b.index(4)) == b.mul(n, b.index(12)));
  CHECK(b.binary(Op::rem, n, b.index(1)) == b.index(0));
  CHECK(b.binary(Op::div, n, b.index(1)) == n);
  const int64_t lowest = std::numeric_limits<int64_t>::min();
  CHECK(f.expr(b.add(n, b.index(lowest))).op == Op::sub);
  CHECK(b.add(b.add(n, b.index(lowest)), b.index(lowest)) == n);
  CHECK(b.add(x, b.literal(0.0f)) != x);
  CHECK(b.mul(x, b.literal(1.0f)) != x);
  CHECK(f.expr(b.mul(x, b.literal(0.0f))).op == Op::mul);
  const ExprId c = b.use(b.scalar("i", DType::i32));
  CHECK(b.add(c, b.literal(0)) != c);
}

TEST_CASE("builder: equal expressions are one, names are told apart") {
  Function f;
  Builder b(f);
  const VarId a = b.buffer("for", DType::f32), a2 = b.buffer("x.w'", DType::f32),
              a3 = b.buffer("x_w_", DType::f32);
  CHECK(f.var(a).name == "_for");
  CHECK(f.var(a2).name == "x_w_");
  CHECK(f.var(a3).name == "x_w__2");
  CHECK(b.load(a, b.index(1)) == b.load(a, b.index(1)));
  CHECK(b.load(a, b.index(1)) != b.load(a2, b.index(1)));
  const ExprId i = b.begin_for("i", b.index(0), b.index(4), b.index(1));
  const VarId v = b.declare("v", DType::f32, b.load(a, i));
  CHECK(b.let("leaf", i) == i);
  CHECK(b.let("now", b.use(v)) != b.use(v));  // v changes later
  b.assign(v, b.literal(1.0f));
  b.end();
  Builder again(f);
  CHECK(again.load(a, again.index(1)) == b.load(a, b.index(1)));
  CHECK(f.var(again.declare("v", DType::f32, again.literal(0.0f))).name == "v_2");
  CHECK_THROWS_AS(b.binary(Op::add, b.index(0), b.literal(1.0f)), InternalError);
  CHECK_THROWS_AS(b.end(), InternalError);
}
