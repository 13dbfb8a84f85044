// The wide evaluator: its bound holds the exact result for every form, it says "undecided" where it must, and
// it is narrow enough to judge.
#include <cmath>
#include <random>

#include "catch.h"
#include "evaluate/evaluate.h"
#include "ir/parse.h"

using namespace tenon;
using namespace tenon::support;

namespace {

ir::Module parsed(const std::string& text) {
  auto module = ir::parse("tenon 1\nmodule t\n" + text);
  INFO((module ? std::string() : module.errors().text()));
  REQUIRE(bool(module));
  return std::move(*module);
}

double element(const Array& a, size_t i) {
  return with_dtype(a.dtype(), [&]<class T>() { return static_cast<double>(a.as<T>()[i]); });
}
// Values drawn uniformly from [low, high].
Array drawn(DType dtype, std::vector<int64_t> shape, double low, double high, unsigned seed) {
  Array a(dtype, std::move(shape));
  std::mt19937_64 source(seed);
  with_dtype(dtype, [&]<class T>() {
    for (T& x : a.as<T>())
      x = static_cast<T>(low + (high - low) * static_cast<double>(source() >> 11) * 0x1p-53);
  });
  return a;
}

// Runs both; every exact element must lie within the bound. Returns the largest bound over magnitude.
double judge(const std::string& text, const std::vector<Array>& arguments, int64_t* undecided = nullptr) {
  const ir::Module module = parsed(text);
  evaluate::Inputs in;
  in.arguments = arguments;
  const ir::Function& f = *module.find_function("f");
  auto exact = evaluate::exact(module, f, in);
  auto wide = evaluate::wide(module, f, in);
  INFO((exact ? std::string() : exact.errors().text()));
  REQUIRE(bool(exact));
  REQUIRE(bool(wide));
  double worst = 0;
  REQUIRE(exact->returned.size() == wide->returned.size());
  for (size_t r = 0; r < exact->returned.size(); ++r) {
    const evaluate::WideArray& w = wide->returned[r];
    REQUIRE(w.shape == exact->returned[r].shape());
    for (size_t i = 0; i < w.value.size(); ++i) {
      if (std::isinf(w.bound[i])) {
        if (undecided != nullptr) ++*undecided;
        continue;
      }
      const double x = element(exact->returned[r], i);
      INFO("result " << r << " element " << i << ": exact " << x << ", wide " << w.value[i] << " +- "
                     << w.bound[i]);
      CHECK((std::isfinite(w.value[i]) ? std::fabs(x - w.value[i]) <= w.bound[i]
                                       : (std::isnan(w.value[i]) ? std::isnan(x) : x == w.value[i])));
      if (std::isfinite(x) && x != 0) worst = std::max(worst, w.bound[i] / std::fabs(x));
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("wide: sums, products and contractions hold the exact result within a narrow bound") {
  for (const std::string t : {"f32", "f64"}) {
    const DType d = *parse_dtype(t);
    const double unit = d == DType::f32 ? 0x1p-23 : 0x1p-52;
    const std::string sum = "func f(x: " + t + "[7,1000]) -> " + t + "[7], " + t + "[1000], " + t +
                            "[] {\n  a = reduce_sum x {axes = [1]} : " + t +
                            "[7]\n  b = reduce_sum x {axes = [0]} : " + t +
                            "[1000]\n  c = reduce_sum x : " + t + "[]\n  return a, b, c\n}\n";
    CHECK(judge(sum, {drawn(d, {7, 1000}, 0.5, 1, 1)}) < 100 * unit);
    judge(sum, {drawn(d, {7, 1000}, -1, 1, 2)});
    const std::string prod = "func f(x: " + t + "[5,40]) -> " + t +
                             "[5] {\n  a = reduce_prod x {axes = [1]} : " + t + "[5]\n  return a\n}\n";
    CHECK(judge(prod, {drawn(d, {5, 40}, 0.8, 1.2, 3)}) < 100 * unit);
    const std::string dot =
        "func f(x: " + t + "[5,700], w: " + t + "[700,9]) -> " + t +
        "[5,9] {\n  y = dot_general x, w {lhs_contract = [1], rhs_contract = [0]} : " + t +
        "[5,9]\n  return y\n}\n";
    CHECK(judge(dot, {drawn(d, {5, 700}, 0.5, 1, 4), drawn(d, {700, 9}, 0.5, 1, 5)}) < 2000 * unit);
    judge(dot, {drawn(d, {5, 700}, -1, 1, 6), drawn(d, {700, 9}, -1, 1, 7)});
  }
}

TEST_CASE("wide: a wrong result is outside the bound") {
  const ir::Module module =
      parsed("func f(x: f32[64]) -> f32[] {\n  y = reduce_sum x : f32[]\n  return y\n}\n");
  evaluate::Inputs in;
  in.arguments = {drawn(DType::f32, {64}, 0.5, 1, 8)};
  auto before = evaluate::exact(module, *module.find_function("f"), in);
  in.arguments[0].as<float>()[63] += 1e-3f;
  auto after = evaluate::wide(module, *module.find_function("f"), in);
  REQUIRE(bool(before));
  REQUIRE(bool(after));
  CHECK(std::fabs(element(before->returned[0], 0) - after->returned[0].value[0]) >
        after->returned[0].bound[0]);
}

TEST_CASE("wide: comparisons within the bound are undecided, and select takes the hull") {
  const std::string text =
      "func f(x: f32[]) -> bool[], f32[], f32[] {\n"
      "  s = sin x : f32[]\n  c = cos x : f32[]\n  a = mul s, s : f32[]\n  b = mul c, c : f32[]\n"
      "  o = add a, b : f32[]\n  one = const 1 : f32[]\n  two = const 2 : f32[]\n"
      "  l = lt o, one : bool[]\n  p = select l, one, two : f32[]\n  q = max o, one : f32[]\n  return l, p, "
      "q\n}\n";
  int64_t undecided = 0;
  const double worst = judge(text, {Array::scalar(0.7f)}, &undecided);
  CHECK(undecided == 1);
  CHECK(worst >= 0.25);  // the hull [1, 2]
}

TEST_CASE("wide: loops, conditions, rows and random numbers") {
  const std::string scan =
      "func f(x: f32[5], k: f32[]) -> f32[], f32[5] {\n"
      "  zero = const 0 : f32[]\n"
      "  s, all = loop (a = zero; r in x) : f32[], f32[5] {\n"
      "    p = mul a, k : f32[]\n    t = add p, r : f32[]\n    u = tanh t : f32[]\n    yield u, t\n  }\n"
      "  return s, all\n}\n";
  CHECK(judge(scan, {drawn(DType::f32, {5}, -1, 1, 9), Array::scalar(0.3f)}) < 1e-5);
  const std::string rows =
      "func f(x: f32[4,3], i: i32[5]) -> f32[5,3], f32[4,3], i64[4] {\n"
      "  y = take x, i {axis = 0} : f32[5,3]\n  e = exp y : f32[5,3]\n  z = scatter_add x, i, e {axis = 0} : "
      "f32[4,3]\n"
      "  m = argmax x {axis = 1} : i64[4]\n  return y, z, m\n}\n";
  CHECK(judge(rows, {drawn(DType::f32, {4, 3}, -1, 1, 10), Array::of<int32_t>({5}, {3, 0, 3, 1, 3})}) < 1e-5);
  const std::string random =
      "func f(s: i64[], t: i64[]) -> f32[200], f64[70], bool[150], f32[90], f64[40] {\n"
      "  a = random_uniform s, t {shape = [200], stream = 77, low = -2, high = 3} : f32[200]\n"
      "  b = random_uniform s {shape = [70], dtype = f64}                       : f64[70]\n"
      "  c = random_bernoulli s, t, s {shape = [150], p = 0.3}                  : bool[150]\n"
      "  d = random_normal s, t {shape = [90], mean = 1, std = 0.5}             : f32[90]\n"
      "  e = random_normal s, t {shape = [40], dtype = f64}                     : f64[40]\n"
      "  return a, b, c, d, e\n}\n";
  for (int64_t seed : {int64_t{0}, int64_t{-3}, int64_t{0x123456789abcdef}}) {
    int64_t undecided = 0;
    judge(random, {Array::scalar(seed), Array::scalar<int64_t>(41)}, &undecided);
    CHECK(undecided == 0);
  }
}

TEST_CASE("wide: integers are exact or undecided") {
  const std::string text =
      "func f(x: i32[6], y: i32[6]) -> i32[6], i32[6], i32[6], i64[] {\n"
      "  a = mul x, y : i32[6]\n  b = add a, y : i32[6]\n  c = div b, y : i32[6]\n"
      "  w = cast x {to = i64} : i64[6]\n  s = reduce_sum w : i64[]\n  return a, b, c, s\n}\n";
  int64_t undecided = 0;
  judge(text,
        {Array::of<int32_t>({6}, {1, -2, INT32_MAX, INT32_MIN, 7, 65536}),
         Array::of<int32_t>({6}, {3, 5, INT32_MAX, -1, 0, 65536})},
        &undecided);
  CHECK(undecided == 0);
}

TEST_CASE("wide: what cannot be negative is not, however wide its bound") {
  // Adam's first step where the gradient is the rounding of a difference: its square has a bound above it.
  const std::string adam =
      "func f(x: f32[4], y: f32[4]) -> r: f32[4], s: f32[4], q: f32[4], l: f32[] {\n"
      "  a = exp x : f32[4]\n  b = exp y : f32[4]\n  g = sub a, b : f32[4]\n  v = mul g, g : f32[4]\n"
      "  w = mul v, 0.05 : f32[4]\n  r = sqrt w : f32[4]\n  d = add r, 0.001 : f32[4]\n"
      "  q = div g, d : f32[4]\n  s = rsqrt d : f32[4]\n  t = reduce_sum v : f32[]\n  l = sqrt t : f32[]\n"
      "  return r, s, q, l\n}\n";
  int64_t undecided = 0;
  const Array x = Array::of<float>({4}, {0.5f, 1, 2, 3}), y = Array::of<float>({4}, {0.5f, 1.0000001f, 2, 3});
  judge(adam, {x, y}, &undecided);
  CHECK(undecided == 0);
  // A difference of one value with itself is 0; its sign is not lost on the way through rows and sums.
  const std::string rows =
      "func f(x: f64[3,4]) -> r: f64[4], z: f64[3,4] {\n  e = exp x : f64[3,4]\n  z = sub e, e : f64[3,4]\n"
      "  c = cos x : f64[3,4]\n  s = sin x : f64[3,4]\n  cc = mul c, c : f64[3,4]\n  ss = mul s, s : "
      "f64[3,4]\n"
      "  o = add cc, ss : f64[3,4]\n  n = sub o, 1.0 : f64[3,4]\n  p = pow n, 2.0 : f64[3,4]\n"
      "  t = transpose p {perm = [1, 0]} : f64[4,3]\n  m = reduce_sum t {axes = [1]} : f64[4]\n"
      "  r = sqrt m : f64[4]\n  return r, z\n}\n";
  undecided = 0;
  judge(rows, {drawn(DType::f64, {3, 4}, -3, 3, 5)}, &undecided);
  CHECK(undecided == 0);
}

TEST_CASE("wide: powers of negative bases have the sign of their exponent's parity") {
  const double inf = std::numeric_limits<double>::infinity(), big = 9223372036854775808.0;
  const std::string text =
      "func f(x: f64[], y: f64[]) -> r: f64[] {\n  r = pow x, y : f64[]\n  return r\n}\n";
  for (double x : {-inf, -0.0, -1.0, -1.5, -0.5})
    for (double y : {big, -big, big / 2, -big / 2, 2 * big, -2 * big, 9007199254740991.0, -9007199254740991.0,
                     3.0, -3.0, 2.0, inf, -inf, 0.5}) {
      int64_t undecided = 0;
      judge(text, {Array::scalar(x), Array::scalar(y)}, &undecided);
      INFO(x << " to " << y);
      CHECK(undecided == 0);
    }
}
