// Evaluator: known values, masks, folds, failures, bounds, calls and chunks.
#include <chrono>
#include <cmath>
#include <limits>

#include "catch.h"
#include "kernel/evaluate.h"
#include "samples.h"

using namespace tenon::kernel;
using namespace tenon::support;

namespace {

template <class T>
Argument buffer(std::vector<T>& v) {
  return {v.data(), v.size() * sizeof(T), 0};
}
Argument size(int64_t n) { return {nullptr, 0, static_cast<uint64_t>(n)}; }

EvaluateResult run(const std::string& text, const std::vector<Argument>& arguments,
                   const EvaluateOptions& options = {}) {
  const Module m = samples::parsed(samples::module(text));
  auto r = evaluate(m, m.functions.back(), arguments, options);
  if (!r) throw r.errors().text();
  return *r;
}
Errors refused(const std::string& text, const std::vector<Argument>& arguments) {
  const Module m = samples::parsed(samples::module(text));
  auto r = evaluate(m, m.functions.back(), arguments);
  REQUIRE(!r);
  return r.take_errors();
}

}  // namespace

TEST_CASE("kernel evaluate: matmul is the chain of fma, for every remainder") {
  for (auto [m, n, k] : {std::array<int64_t, 3>{7, 45, 5}, {4, 32, 3}, {1, 1, 1}, {3, 33, 0}, {0, 8, 2}}) {
    std::vector<float> a(static_cast<size_t>(m * k)), b(static_cast<size_t>(k * n) + 16),
        c(static_cast<size_t>(m * n), 9);
    for (size_t i = 0; i < a.size(); ++i) a[i] = std::sin(static_cast<float>(i) + 1);
    for (size_t i = 0; i < b.size(); ++i) b[i] = std::cos(static_cast<float>(i) * 3);
    const size_t misaligned = (64 - reinterpret_cast<uintptr_t>(b.data()) % 64) % 64 / 4;  // B is `align 64`
    float* from = b.data() + misaligned;
    const size_t bytes = static_cast<size_t>(k * n) * 4;
    (void)run(samples::matmul, {buffer(a), {from, bytes, 0}, buffer(c), size(m), size(n), size(k)});
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        float want = 0;
        for (int64_t p = 0; p < k; ++p)
          want = std::fma(a[static_cast<size_t>(i * k + p)], from[p * n + j], want);
        CHECK(c[static_cast<size_t>(i * n + j)] == want);
      }
    }
  }
}

TEST_CASE("kernel evaluate: 64 cubed takes well below a second") {
  std::vector<float> a(64 * 64, 0.5f), b(64 * 64 + 16, 2.0f), c(64 * 64);
  float* from = b.data() + (64 - reinterpret_cast<uintptr_t>(b.data()) % 64) % 64 / 4;
  const auto start = std::chrono::steady_clock::now();
  (void)run(samples::matmul, {buffer(a), {from, 64 * 64 * 4, 0}, buffer(c), size(64), size(64), size(64)});
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  CHECK(c[64 * 64 - 1] == 64.0f);
  CHECK(seconds < 30);  // a bound that no load of a machine reaches; about 0.02 where it is idle
}

TEST_CASE("kernel evaluate: folds combine lanes by halving, block after block") {
  std::vector<float> x{1e8f, 1, -1e8f, 1, 3, 1e-3f, 5, 7, 11, 13, 17};
  std::vector<float> s(2);
  (void)run(samples::reduce, {buffer(x), buffer(s), size(11)});
  auto block = [&](size_t from) {
    float lane[8];
    for (size_t l = 0; l < 8; ++l) lane[l] = from + l < x.size() ? x[from + l] : -0.0f;
    for (size_t half = 4; half > 0; half /= 2)
      for (size_t l = 0; l < half; ++l) lane[l] += lane[l + half];
    return lane[0];
  };
  CHECK(s[0] == (0.0f + block(0)) + block(8));
  CHECK(s[1] == 1e8f);
  x[9] = std::numeric_limits<float>::quiet_NaN();
  (void)run(samples::reduce, {buffer(x), buffer(s), size(11)});
  CHECK(std::isnan(s[1]));
  (void)run(samples::reduce, {buffer(x), buffer(s), size(0)});
  CHECK(s[0] == 0);
  CHECK(s[1] == -std::numeric_limits<float>::infinity());
}

TEST_CASE("kernel evaluate: an exchange transposes; lanes that are off count as zero") {
  const char* text = R"(kernel turn(X: f32* read, Y: f32* write, n: i64) {
  lanes i in 0 .. n width 4 {
    var v: f32[4] = 0.0
    unroll r in 0 .. 4 {
      v[r] = X[r*4 + i]
    }
    exchange v
    unroll r_2 in 0 .. 4 {
      Y[r_2*4 + i] = v[r_2]
    }
  }
}
)";
  for (int64_t n : {4, 3, 1}) {
    std::vector<float> x(16), y(16, -1);
    for (size_t i = 0; i < 16; ++i) x[i] = static_cast<float>(i + 1);
    (void)run(text, {buffer(x), buffer(y), size(n)});
    for (size_t r = 0; r < 4; ++r)
      for (size_t l = 0; l < 4; ++l) {
        const auto on = static_cast<size_t>(n);
        CHECK(y[r * 4 + l] == (l >= on ? -1 : r >= on ? 0 : x[l * 4 + r]));
      }
  }
}

TEST_CASE("kernel evaluate: an exchange of fewer registers than lanes puts columns one after the other") {
  const char* text = R"(kernel turn(X: f32* read, Y: f32* write, n: i64) {
  lanes i in 0 .. n width 4 {
    var v: f32[3] = 0.0
    unroll r in 0 .. 3 {
      v[r] = X[r*4 + i]
    }
    exchange v
    unroll r_2 in 0 .. 3 {
      Y[r_2*4 + i] = v[r_2]
    }
  }
}
)";
  std::vector<float> x{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, y(12, -1);
  (void)run(text, {buffer(x), buffer(y), size(4)});
  CHECK(y == std::vector<float>{1, 5, 9, 2, 6, 10, 3, 7, 11, 4, 8, 12});
  y.assign(12, -1);
  (void)run(text, {buffer(x), buffer(y), size(3)});
  CHECK(y == std::vector<float>{1, 5, 9, -1, 6, 10, 3, -1, 11, 0, 0, -1});
}

TEST_CASE("kernel evaluate: scratch is memory of the call, and bounded") {
  std::vector<float> x{1, 2, 3, 4, 5, 6, 7, 8, 9}, y(9);
  (void)run(samples::turn, {buffer(x), buffer(y), size(8)});
  CHECK(y == std::vector<float>{8, 7, 6, 5, 4, 3, 2, 1, 0});
  CHECK(refused(samples::turn, {buffer(x), buffer(y), size(9)}).text().find("outside its 8 elements") !=
        std::string::npos);
}

TEST_CASE("kernel evaluate: lanes that are off touch nothing") {
  // B has only the elements that the condition lets through.
  const char* text = R"(kernel k(A: i32* read, B: i32* read, C: i32*, n: i64) {
    lanes i in 0 .. n width 4 {
      var t: i32 = -1
      if A[i] < 10 {
        t = B[cast<i64>(A[i])]
        if t == 3 {
          t = 30
        } else {
          C[i] = 1
        }
      } else {
        t = t - 1
      }
      C[i] = C[i] + t
    }
  })";
  std::vector<int32_t> a{0, 100, 1, -1, 2, 1000}, b{5, 3, 7}, c(6);
  a[3] = 50;
  (void)run(text, {buffer(a), buffer(b), buffer(c), size(6)});
  CHECK(c == std::vector<int32_t>{6, -2, 30, -2, 8, -2});
}

TEST_CASE("kernel evaluate: specialize, unroll, steps, exits") {
  const char* text = R"(kernel k(L: i64*, n: i64) {
    var count: i64[2] = 0
    for i in 0 .. n step 3 {
      exit_if 8 < i
      count[0] = count[0] + 1
    }
    specialize r in 1 .. 3 = n {
      unroll u in 0 .. r {
        count[1] = count[1] + u + 1
      }
    }
    L[0] = count[0]
    L[1] = count[1]
  })";
  std::vector<int64_t> out(2);
  auto at = [&](int64_t n) {
    (void)run(text, {buffer(out), size(n)});
    return out;
  };
  CHECK(at(0) == std::vector<int64_t>{0, 0});
  CHECK(at(1) == std::vector<int64_t>{1, 1});
  CHECK(at(3) == std::vector<int64_t>{1, 6});
  CHECK(at(4) == std::vector<int64_t>{2, 0});
  CHECK(at(100) == std::vector<int64_t>{3, 0});
  CHECK(at(-5) == std::vector<int64_t>{0, 0});
}

TEST_CASE("kernel evaluate: the first failure is kept, in lane order") {
  const char* text = R"(kernel k(A: i32* read, n: i64) {
    lanes i in 0 .. n width 4 {
      fail T311 if A[i] < 0, i
    }
    fail T606 if n < 100, n
  })";
  std::vector<int32_t> a{1, 1, 1, 1, 1, -1, -1, 1};
  EvaluateResult r = run(text, {buffer(a), size(8)});
  CHECK(r.status == 311);
  CHECK(r.detail == 5);
  a[5] = a[6] = 0;
  r = run(text, {buffer(a), size(8)});
  CHECK(r.status == 606);
  CHECK(r.detail == 8);
}

TEST_CASE("kernel evaluate: accesses out of bounds are errors with their place") {
  std::vector<float> a(8);
  Errors e = refused("kernel k(A: f32*, n: i64) {\n A[0] = A[n]\n}", {buffer(a), size(8)});
  CHECK(e.code() == Code::index_range);
  CHECK(e.text().find("k: index 8 of A is outside its 8 elements") != std::string::npos);
  CHECK(e.text().find("A[0] = A[n]") != std::string::npos);
  CHECK(refused("kernel k(A: f32*, n: i64) {\n A[n] = 0.0\n}", {buffer(a), size(-1)}).code() ==
        Code::index_range);
  CHECK(refused("kernel k(A: f32*, n: i64) {\n lanes i in 0 .. n width 4 {\n A[i] = 0.0\n }\n}",
                {buffer(a), size(9)})
            .code() == Code::index_range);
  CHECK(refused("kernel k(A: f32*, n: i64) {\n A[0] = 0.0\n}", {{nullptr, 64, 0}, size(1)}).code() ==
        Code::index_range);
  CHECK(
      refused("kernel k(A: f32*, n: i64) {\n for i in 0 .. 4 step n {\n }\n}", {buffer(a), size(0)}).code() ==
      Code::index_range);
  CHECK(refused("kernel k(A: f32*, n: i64) {\n}", {buffer(a)}).code() == Code::operand_count);
  CHECK(refused("kernel k(A: f32* align 64, n: i64) {\n}",
                {{reinterpret_cast<char*>(a.data()) + 2, 4, 0}, size(0)})
            .code() == Code::alignment);
  CHECK(refused("kernel k(A: f32*, n: i64) {\n unroll u in 0 .. n {\n }\n}", {buffer(a), size(0)}).code() ==
        Code::graph_invalid);
}

TEST_CASE("kernel evaluate: entries call, in any order of chunks") {
  const Module m = samples::parsed(samples::program());
  std::vector<float> x{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  using Chunks = EvaluateOptions::Chunks;
  for (Chunks chunks : {Chunks::forward, Chunks::reversed, Chunks::shuffled}) {
    std::vector<float> state(16 + 12, -1.0f);
    const float lr = 0.5f;
    uint64_t bits = 0;
    std::memcpy(&bits, &lr, 4);
    auto r =
        evaluate(m, *m.find("e_train"), {buffer(state), buffer(x), {nullptr, 0, bits}, size(3)}, {chunks, 7});
    if (!r) FAIL(r.errors().text());
    CHECK(r->progress == 1);
    CHECK(state[15] == -1.0f);
    for (size_t i = 0; i < 12; ++i) CHECK(state[16 + i] == x[i] * 0.5f);
  }
  // The state is too small for what the call writes.
  std::vector<float> small(20);
  auto r = evaluate(m, *m.find("e_train"), {buffer(small), buffer(x), size(0), size(3)});
  REQUIRE(!r);
  CHECK(r.errors().text().find("scale: index 4 of Y") != std::string::npos);
  std::vector<int64_t> bytes(1);
  REQUIRE(evaluate(m, *m.find("a_train"), {buffer(bytes), size(3)}));
  CHECK(bytes[0] == 48);
}

TEST_CASE("kernel evaluate: stop_on_failure leaves the function, progress adds") {
  const char* text = R"(kernel leaf(L: i64*, n: i64) {
    fail T605 if n == 2, n
    stop_on_failure
    L[0] = L[0] + 1
  }
  entry e(L: i64*, n: i64) {
    for i in 0 .. n {
      call leaf(address<i64>(L, 0), i)
      stop_on_failure
      progress 1
    }
    L[1] = 1
  })";
  std::vector<int64_t> out(2);
  EvaluateResult r = run(text, {buffer(out), size(9)});
  CHECK(r.status == 605);
  CHECK(r.detail == 2);
  CHECK(r.progress == 2);
  CHECK(out == std::vector<int64_t>{2, 0});
  r = run(text, {buffer(out), size(2)});
  CHECK(r.status == 0);
  CHECK(out == std::vector<int64_t>{4, 1});
}

TEST_CASE("kernel evaluate: bool is any byte in, 0 or 1 out; integers wrap as they are wide") {
  std::vector<uint8_t> f{0, 7, 1};
  std::vector<uint8_t> y{250, 3, 0};
  (void)run(
      "kernel k(F: bool*, Y: u8*, n: i64) {\n lanes i in 0 .. n width 4 {\n Y[i] = select(F[i], Y[i] + 10, "
      "Y[i] - 1)\n F[i] = ~F[i]\n }\n}",
      {buffer(f), buffer(y), size(3)});
  CHECK(f == std::vector<uint8_t>{1, 0, 0});
  CHECK(y == std::vector<uint8_t>{249, 13, 10});
}
