// Concats of values that are made beside them: the parts are written where the result has them, and no kernel
// copies.
#include <cstring>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "catch.h"
#include "command_runner.h"

namespace tn = tenon;
namespace tt = tenon::test;

namespace {

// One function joins three products, one of them a view; the other returns them apart.
const std::string joined =
    "tenon 1\nmodule joined\ndim n = 1..64\n"
    "func run(x: f32[n,24], y: f32[5,24], z: f32[2,8,24], w: f32[24,16]) -> c: f32[n + 21,16], r: f32[n + "
    "5], "
    "s: f32[5] {\n"
    "  a = dot_general x, w {lhs_contract = [1], rhs_contract = [0]}\n"
    "  b = dot_general y, w {lhs_contract = [1], rhs_contract = [0]}\n"
    "  d = dot_general z, w {lhs_contract = [2], rhs_contract = [0]}\n"
    "  e = reshape d {shape = [16, 16]}\n"
    "  ab = concat a, b {axis = 0}\n"
    "  r = reduce_sum ab {axes = [1]}\n"
    "  c = concat e, ab {axis = 0}\n"
    "  s = reduce_max b {axes = [1]}\n"
    "  return c, r, s\n}\n"
    "func apart(x: f32[n,24], y: f32[5,24], z: f32[2,8,24], w: f32[24,16]) -> a: f32[n,16], b: f32[5,16], "
    "d: f32[2,8,16], r: f32[n + 5], s: f32[5] {\n"
    "  a = dot_general x, w {lhs_contract = [1], rhs_contract = [0]}\n"
    "  b = dot_general y, w {lhs_contract = [1], rhs_contract = [0]}\n"
    "  d = dot_general z, w {lhs_contract = [2], rhs_contract = [0]}\n"
    "  ra = reduce_sum a {axes = [1]}\n"
    "  rb = reduce_sum b {axes = [1]}\n"
    "  r = concat ra, rb {axis = 0}\n"
    "  s = reduce_max b {axes = [1]}\n"
    "  return a, b, d, r, s\n}\n";

// How many kernels of a function copy values together.
size_t copies(const std::string& text, const std::string& function) {
  tt::Folder folder;
  folder.write("m.tenon", text);
  const tt::Ran dump = folder.tenon("show m.tenon --stage kernel --fn " + function);
  INFO(dump.out);
  REQUIRE(dump.status == 0);
  size_t count = 0;
  for (size_t at = dump.out.find("// concat"); at != std::string::npos;
       at = dump.out.find("// concat", at + 1))
    ++count;
  return count;
}

std::vector<float> values(int64_t count, int step) {
  std::vector<float> out(static_cast<size_t>(count));
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = 0.1f * static_cast<float>(static_cast<int>(i) * step % 23 - 11);
  return out;
}

}  // namespace

TEST_CASE("parts of a concat are made in their places") {
  CHECK(copies(joined, "run") == 0);
  CHECK(copies(joined, "apart") == 0);
  const tn::Program program = tn::compile(tn::parse(joined));
  const tn::State state = program.init(1);
  tn::Session session(program, state, {.threads = 1});
  for (const int64_t n : {1, 7, 16, 63, 64}) {
    std::vector<float> x = values(n * 24, 7), y = values(5 * 24, 5), z = values(16 * 24, 3),
                       w = values(24 * 16, 11);
    std::vector<float> c(static_cast<size_t>((n + 21) * 16)), r(static_cast<size_t>(n + 5)), s(5);
    std::vector<float> a(static_cast<size_t>(n * 16)), b(5 * 16), d(16 * 16), r2(r.size()), s2(5);
    const std::vector<tn::Tensor> inputs = {tn::view(x, {n, 24}), tn::view(y, {5, 24}),
                                            tn::view(z, {2, 8, 24}), tn::view(w, {24, 16})};
    session.bind("run", inputs, {tn::view(c, {n + 21, 16}), tn::view(r, {n + 5}), tn::view(s, {5})}).run();
    session
        .bind("apart", inputs,
              {tn::view(a, {n, 16}), tn::view(b, {5, 16}), tn::view(d, {2, 8, 16}), tn::view(r2, {n + 5}),
               tn::view(s2, {5})})
        .run();
    std::vector<float> whole = d;
    whole.insert(whole.end(), a.begin(), a.end());
    whole.insert(whole.end(), b.begin(), b.end());
    CHECK(std::memcmp(c.data(), whole.data(), whole.size() * sizeof(float)) == 0);
    CHECK(r == r2);
    CHECK(s == s2);
  }
}

TEST_CASE("parts that are needed elsewhere, or lie apart in the result, are copied") {
  const std::string head = "tenon 1\nmodule m\n";
  const std::string a = "  a = dot_general x, w {lhs_contract = [1], rhs_contract = [0]}\n";
  const std::string b = "  b = dot_general y, w {lhs_contract = [1], rhs_contract = [0]}\n";
  const std::string inputs = "func run(x: f32[7,24], y: f32[7,24], w: f32[24,16]) -> ";
  // A part that is a result of its own.
  CHECK(copies(head + inputs + "c: f32[14,16], a: f32[7,16] {\n" + a + b +
                   "  c = concat a, b {axis = 0}\n  return c, a\n}\n",
               "run") == 1);
  // The same part twice.
  CHECK(copies(head + inputs + "c: f32[14,16] {\n" + a + "  c = concat a, a {axis = 0}\n  return c\n}\n",
               "run") == 1);
  // Rows of the result hold a row of each part.
  CHECK(copies(head + inputs + "c: f32[7,32] {\n" + a + b + "  c = concat a, b {axis = 1}\n  return c\n}\n",
               "run") == 1);
  // An input of the function.
  CHECK(copies(head + "func run(x: f32[7,24], y: f32[7,16], w: f32[24,16]) -> c: f32[14,16] {\n" + a +
                   "  c = concat a, y {axis = 0}\n  return c\n}\n",
               "run") == 1);
}

TEST_CASE("a state keeps its old value until a concat's parts have read it") {
  const std::string text =
      "tenon 1\nmodule m\nstate held: f32[4,32] = uniform(-1.0, 1.0)\n"
      "func run(w: f32[32,32]) -> old: f32[4,32] {\n"
      "  top = slice held {start = [0, 0], limit = [2, 32]}\n"
      "  bottom = slice held {start = [2, 0], limit = [4, 32]}\n"
      "  a = dot_general bottom, w {lhs_contract = [1], rhs_contract = [0]}\n"
      "  b = dot_general top, w {lhs_contract = [1], rhs_contract = [0]}\n"
      "  c = concat a, b {axis = 0}\n"
      "  set held = c\n  return held\n}\n";
  const tn::Program program = tn::compile(tn::parse(text));
  const tn::State state = program.init(3);
  tn::Session session(program, state, {.threads = 1});
  std::vector<float> w(32 * 32, 0.0f), first(4 * 32), second(4 * 32);
  for (size_t i = 0; i < 32; ++i) w[i * 33] = 2.0f;
  const std::vector<tn::Tensor> inputs = {tn::view(w, {32, 32})};
  session.bind("run", inputs, {tn::view(first, {4, 32})}).run();
  session.bind("run", inputs, {tn::view(second, {4, 32})}).run();
  for (size_t i = 0; i < first.size(); ++i) CHECK(second[i] == 2.0f * first[(i + 2 * 32) % first.size()]);
}
