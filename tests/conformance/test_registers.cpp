// Small loops: what they carry stays in registers, what cannot fail is not tested, and the bits are those of
// the order that the operations name.
#include <cmath>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "catch.h"
#include "command_runner.h"

namespace tn = tenon;
namespace tt = tenon::test;

namespace {

// The text of the statement that begins with `head`, up to the bracket that closes it.
std::string block(const std::string& text, const std::string& head) {
  const size_t at = text.find(head);
  REQUIRE(at != std::string::npos);
  size_t end = text.find('{', at);
  for (int open = 1; open > 0;) {
    end = text.find_first_of("{}", end + 1);
    REQUIRE(end != std::string::npos);
    open += text[end] == '{' ? 1 : -1;
  }
  return text.substr(at, end - at);
}

std::string recurrence(int64_t n, int64_t trips) {
  const std::string type = "f32[" + std::to_string(n) + "," + std::to_string(n) + "]";
  return "tenon 1\nmodule recurrence\nfunc run(m: " + type + ", c: " + type + ", s: " + type +
         ") -> last: " + type + ", sums: f32[" + std::to_string(trips) +
         "] {\n  last, sums = loop (a = s; ; w = m, k = c) {trip = " + std::to_string(trips) +
         "} {\n    p = dot_general a, w {lhs_contract = [1], rhs_contract = [0]}\n    q = add p, k\n"
         "    t = reduce_sum q\n    yield q, t\n  }\n  return last, sums\n}\n";
}

std::vector<float> values(int64_t count, float scale) {
  std::vector<float> out(static_cast<size_t>(count));
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = scale * static_cast<float>(static_cast<int>(i * 7 % 11) - 5);
  return out;
}

}  // namespace

TEST_CASE("a small recurrence runs in registers, with the bits of its order") {
  for (const int64_t n : {1, 2, 3, 4}) {
    constexpr int64_t trips = 50;
    const std::string text = recurrence(n, trips);
    tt::Folder folder;
    folder.write("r.tenon", text);
    const tt::Ran dump = folder.tenon("show r.tenon --stage kernel --fn run");
    INFO(dump.out);
    REQUIRE(dump.status == 0);
    const std::string loop = block(dump.out, "for t in 0 .. 50 {");
    CHECK((loop.find("last[0] = ") != std::string::npos) == (n > 1));  // of a register
    CHECK(dump.out.find("var last: f32") != std::string::npos);
    CHECK(loop.find("lanes") == std::string::npos);

    std::vector<float> m = values(n * n, 0.05f), c = values(n * n, 0.1f), s = values(n * n, 1.0f);
    std::vector<float> last(s.size()), sums(trips);
    const tn::Program program = tn::compile(tn::parse(text));
    const tn::State state = program.init(1);
    tn::Session session(program, state, {.threads = 1});
    session
        .bind("run", {tn::view(m, {n, n}), tn::view(c, {n, n}), tn::view(s, {n, n})},
              {tn::view(last, {n, n}), tn::view(sums, {trips})})
        .run();
    std::vector<float> a = s, next(s.size());
    for (int64_t t = 0; t < trips; ++t) {
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j) {
          float sum = 0;
          for (int64_t k = 0; k < n; ++k)
            sum = std::fma(a[static_cast<size_t>(i * n + k)], m[static_cast<size_t>(k * n + j)], sum);
          next[static_cast<size_t>(i * n + j)] = sum + c[static_cast<size_t>(i * n + j)];
        }
      a = next;
      // 64 lanes, of which the first n * n hold one element each, combined by halving.
      std::vector<float> lanes(64, 0.0f);
      for (size_t e = 0; e < a.size(); ++e) lanes[e] = 0.0f + a[e];
      for (size_t half = 32; half >= 1; half /= 2)
        for (size_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
      CHECK(sums[static_cast<size_t>(t)] == lanes[0]);
    }
    CHECK(last == a);
  }
}

TEST_CASE("rows chosen by a permutation are read without a test, rows chosen by an input with one") {
  tt::Folder folder;
  folder.write("t.tenon",
               "tenon 1\nmodule t\ndim n = 1..100\n"
               "func known(x: f32[n,3], seed: i64[]) -> y: f32[n,3] {\n  o = permutation seed {n = n}\n"
               "  g = take x, o\n  y = mul g, 2.0\n  return y\n}\n"
               "func given(x: f32[n,3], o: u32[n]) -> y: f32[n,3] {\n  g = take x, o\n  y = mul g, 2.0\n"
               "  return y\n}\n");
  const tt::Ran known = folder.tenon("show t.tenon --stage kernel --fn known");
  const tt::Ran given = folder.tenon("show t.tenon --stage kernel --fn given");
  REQUIRE(known.status == 0);
  REQUIRE(given.status == 0);
  CHECK(known.out.find("fail T605") == std::string::npos);
  CHECK(given.out.find("fail T605") != std::string::npos);

  const tn::Program program = tn::compile(tn::parse(folder.read("t.tenon")));
  const tn::State state = program.init(1);
  tn::Session session(program, state, {.threads = 1});
  constexpr int64_t rows = 37;
  std::vector<float> x(rows * 3), y(rows * 3);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  std::vector<int64_t> seed{5};
  session.bind("known", {tn::view(x, {rows, 3}), tn::view(seed, {})}, {tn::view(y, {rows, 3})}).run();
  std::vector<bool> seen(rows, false);
  for (size_t r = 0; r < rows; ++r) {
    const auto from = static_cast<size_t>(y[r * 3] / 6);
    CHECK(y[r * 3 + 1] == y[r * 3] + 2);
    REQUIRE(from < rows);
    CHECK(!seen[from]);
    seen[from] = true;
  }
}
