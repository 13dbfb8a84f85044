// Errors of the math functions against the C library in a wider type: sampled, with special values.
#include <cstring>

#include "ops/elementwise/functions.h"

using namespace tenon;
using namespace tenon::support;
using probe::Function;
using probe::functions;
using probe::Worst;

namespace {

// An operation's exact function, which the evaluators and constant folding run.
template <class T>
void run(std::string_view name, const std::vector<const T*>& in, T* out, int64_t n) {
  const ir::OpDef* op = ir::op_table().find(name);
  REQUIRE(op != nullptr);
  const void* data[] = {in[0], in.back()};
  op->elementwise()->types[static_cast<size_t>(dtype_of<T>::value)].exact(data, out, n);
}

}  // namespace

TEST_CASE("one-argument functions stay within their bounds on samples") {
  probe::Draw draw(3);
  constexpr int n = 500000;
  std::vector<float> x(n), fx(n);
  std::vector<double> y(n), fy(n);
  for (const Function& f : functions) {
    for (int i = 0; i < n; ++i) {
      const double moderate = f.low + (f.high - f.low) * draw.unit();
      x[i] = i % 2 == 0 ? draw.value<float>() : static_cast<float>(moderate);
      y[i] = i % 2 == 0 ? draw.value<double>() : moderate;
    }
    run<float>(f.name, {x.data()}, fx.data(), n);
    run<double>(f.name, {y.data()}, fy.data(), n);
    Worst w32, w64;
    for (int i = 0; i < n; ++i) {
      w32.see(probe::ulps<float>(fx[i], f.wide32(x[i])), x[i]);
      w64.see(probe::ulps<double>(fy[i], f.wide64(y[i])), y[i]);
    }
    INFO(f.name << ": f32 " << w32.error << " at " << w32.at << ", f64 " << w64.error << " at " << w64.at);
    CHECK(w32.error <= f.bound32);
    CHECK(w64.error <= f.bound64);
  }
}

TEST_CASE("no bound tested here is wider than the declared one") {
  for (const Function& f : functions) {
    const double declared = ir::op_table().find(f.name)->elementwise()->ulp;
    INFO(f.name);
    CHECK(f.bound32 <= declared);
    CHECK(f.bound64 <= declared + 0.0001);  // a root's double rounding in the reference
  }
}

TEST_CASE("the fast error of f32 is the error") {
  probe::Draw draw(7);
  const float top = std::numeric_limits<float>::max(), low = std::numeric_limits<float>::min();
  std::vector<float> values = {0.0f,
                               -0.0f,
                               1.0f,
                               std::nextafterf(1.0f, 0.0f),
                               2.0f,
                               top,
                               low,
                               std::nextafterf(low, 0.0f),
                               std::numeric_limits<float>::infinity(),
                               std::numeric_limits<float>::quiet_NaN()};
  for (int i = 0; i < 10000; ++i) values.push_back(draw.value<float>());
  for (const float got : values)
    for (const double factor : {1.0, -1.0, 1 + 0x1p-26, 1 - 0x1p-26, 1 + 0x1p-22, 1 - 0x1p-23, 2.0, 0.3})
      for (const double offset : {0.0, 0x1p-149, -0x1.8p-149}) {
        const double want = got * factor + offset;
        const double slow = probe::ulps<float>(got, want), fast = probe::ulps_f32(got, want);
        INFO(got << " for " << want << ": " << fast << ", not " << slow);
        REQUIRE(fast == slow);
      }
}

TEST_CASE("pow stays within its bound on samples") {
  probe::Draw draw(5);
  constexpr int n = 400000;
  std::vector<float> x(n), y(n), p(n);
  std::vector<double> u(n), v(n), q(n);
  for (int i = 0; i < n; ++i) {
    x[i] = draw.value<float>();
    y[i] = draw.value<float>();
    u[i] = draw.value<double>();
    v[i] = draw.value<double>();
    if (i % 4 == 0) continue;
    // Results over the whole range, and bases next to 1.
    u[i] = i % 4 == 1 ? std::exp((draw.unit() - 0.5) * 1400)
                      : 1 + (draw.unit() - 0.5) * std::exp(-30 * draw.unit());
    v[i] = (draw.unit() - 0.5) * 2 * 1080 / std::log2(u[i]);
    x[i] = static_cast<float>(i % 4 == 1 ? std::exp((draw.unit() - 0.5) * 170) : u[i]);
    y[i] = static_cast<float>((draw.unit() - 0.5) * 2 * 155 / std::log2(x[i]));
  }
  run<float>("pow", {x.data(), y.data()}, p.data(), n);
  run<double>("pow", {u.data(), v.data()}, q.data(), n);
  Worst w32, w64;
  for (int i = 0; i < n; ++i) {
    w32.see(probe::ulps<float>(p[i], std::pow(double{x[i]}, double{y[i]})), x[i]);
    w64.see(
        probe::ulps<double>(q[i], std::pow(static_cast<long double>(u[i]), static_cast<long double>(v[i]))),
        u[i]);
  }
  INFO("f32 " << w32.error << " at " << w32.at << ", f64 " << w64.error << " at " << w64.at);
  CHECK(w32.error <= 2);
  CHECK(w64.error <= 2);
}

TEST_CASE("atan2 stays within its bound on samples") {
  probe::Draw draw(9);
  constexpr int n = 400000;
  std::vector<float> y(n), x(n), a(n);
  std::vector<double> v(n), u(n), b(n);
  for (int i = 0; i < n; ++i) {
    y[i] = draw.value<float>();
    x[i] = draw.value<float>();
    v[i] = draw.value<double>();
    u[i] = draw.value<double>();
    if (i % 2 == 0) continue;
    // Quotients next to tan(pi/8) and to 1, where the octants change.
    const double near = (i % 4 == 1 ? 0.41421356237309503 : 1) * (1 + (draw.unit() - 0.5) / 64);
    v[i] = u[i] * near;
    y[i] = static_cast<float>(x[i] * near);
  }
  run<float>("atan2", {y.data(), x.data()}, a.data(), n);
  run<double>("atan2", {v.data(), u.data()}, b.data(), n);
  Worst w32, w64;
  for (int i = 0; i < n; ++i) {
    w32.see(probe::ulps<float>(a[i], std::atan2(double{y[i]}, double{x[i]})), x[i]);
    w64.see(
        probe::ulps<double>(b[i], std::atan2(static_cast<long double>(v[i]), static_cast<long double>(u[i]))),
        u[i]);
  }
  INFO("f32 " << w32.error << " at " << w32.at << ", f64 " << w64.error << " at " << w64.at);
  CHECK(w32.error <= 1);
  CHECK(w64.error <= 1);
}

namespace {
// floor_mod of floats by C's fmod, which is exact.
template <class T>
void check_floor_mod(uint64_t seed) {
  probe::Draw draw(seed);
  constexpr int n = 200000;
  std::vector<T> x(n), y(n), r(n);
  for (int i = 0; i < n; ++i) {
    x[i] = draw.value<T>();
    y[i] = draw.value<T>();
    if (i % 4 == 1) x[i] = y[i] * static_cast<T>(static_cast<int64_t>(draw.bits() >> 40));
    if (i % 4 == 3) y[i] = std::ldexp(y[i], -static_cast<int>(draw.bits() >> 54));
  }
  run<T>("floor_mod", {x.data(), y.data()}, r.data(), n);
  int wrong = 0, first = 0;
  for (int i = 0; i < n; ++i) {
    T want = std::fmod(x[i], y[i]);
    if (want == 0) want = std::copysign(T(0), y[i]);
    if ((want < 0 && y[i] > 0) || (want > 0 && y[i] < 0)) want += y[i];
    const bool same = std::isnan(want) ? std::isnan(r[i]) : std::memcmp(&want, &r[i], sizeof want) == 0;
    if (!same && wrong++ == 0) first = i;
  }
  INFO("floor_mod(" << x[first] << ", " << y[first] << ") is " << r[first]);
  CHECK(wrong == 0);
}
}  // namespace

TEST_CASE("floor_mod is exact for quotients of every size") {
  check_floor_mod<float>(21);
  check_floor_mod<double>(22);
}

// Where the numerator and the denominator of m / (m + 2) round worst; exp's own polynomial gave 2.64 here.
TEST_CASE("tanh stays within its bound on every f32 from 1/32 to 1/16") {
  const Function& f = *std::find_if(std::begin(functions), std::end(functions),
                                    [](const Function& g) { return std::string_view(g.name) == "tanh"; });
  constexpr uint32_t n = 1u << 23;
  std::vector<float> x(n), fx(n);
  for (uint32_t i = 0; i < n; ++i) x[i] = std::bit_cast<float>(std::bit_cast<uint32_t>(0x1p-5f) + i);
  run<float>(f.name, {x.data()}, fx.data(), n);
  Worst worst;
  for (uint32_t i = 0; i < n; ++i) worst.see(probe::ulps_f32(fx[i], f.wide32(x[i])), x[i]);
  INFO(worst.error << " at " << worst.at);
  CHECK(worst.error <= f.bound32);
}
