// State semantics: a function reads entry values, its writes land together at exit.
#include <atomic>
#include <regex>
#include <thread>

#include "conformance/models.h"
#include "kernel/print.h"
#include "runtime/parallel.h"

namespace tenon::test {
namespace {

const char* const state_text = R"(tenon 1
module states
dim n = 1..64
state a : f32[8] = zeros
state b : f32[8] = ones
state c : f32[8,8] = ones
func old_and_new(x: f32[8]) -> old: f32[8], new: f32[8] {
  s = add a, x
  set a = s
  return a, s
}
func swap() -> f32[] {
  t = const 1.0 : f32[]
  set a = b
  set b = a
  return t
}
func carry_swap(xs: f32[n,8]) -> f32[8], f32[8] {
  p, q = loop (p = a, q = b; x in xs) : f32[8], f32[8] {
    r = add p, x
    yield q, r
  }
  set a = p
  set b = q
  return p, q
}
func late_read(x: f32[8]) -> f32[8] {
  s = add a, x
  t = transpose c {perm = [1, 0]}
  u = dot t, a
  set a = s
  set c = t
  return u
}
func shifted() -> f32[] {
  h = slice a {start = [0], limit = [7]}
  z = const [0.0] : f32[1]
  m = concat z, h {axis = 0}
  t = const 1.0 : f32[]
  set a = m
  return t
}
)";

std::shared_ptr<const driver::Program> compile(std::string_view text, driver::CompileOptions options = {}) {
  auto unit = driver::read_unit(text, "<test>");
  if (!unit) FAIL(unit.errors().text());
  auto program = driver::Program::compile(std::move(*unit), options);
  if (!program) FAIL(program.errors().text());
  return std::move(*program);
}

Array vector8(float start) {
  Array a(DType::f32, {8});
  for (float& x : a.as<float>()) x = start++;
  return a;
}

}  // namespace

TEST_CASE("writes land together at exit, in every engine") {
  for (const bool in_place : {true, false}) {
    for (const bool fuse : {true, false}) {
      EngineOptions options;
      options.compile.in_place = in_place;
      options.compile.fuse = fuse;
      for (const char* function : {"old_and_new", "swap", "carry_swap", "late_read", "shifted"}) {
        INFO(function);
        const auto e = engines(state_text, function, options);
        const bool sized = std::string_view(function) == "carry_swap";
        for (const int64_t n : {1, 2, 5})
          require_agreement(*e, sized ? ir::DimBindings{{"n", n}} : ir::DimBindings{});
      }
    }
  }
}

TEST_CASE("old and new value are both returned") {
  const auto program = compile(state_text);
  auto state = program->init(1);
  REQUIRE(state);
  driver::Session session(program, *state);
  const Array x = vector8(1);
  const Array* inputs[] = {&x};
  for (int round = 0; round < 3; ++round) {
    auto out = session.run("old_and_new", inputs);
    if (!out) FAIL(out.errors().text());
    CHECK((*out)[0].as<float>()[2] == 3.0f * static_cast<float>(round));
    CHECK((*out)[1].as<float>()[2] == 3.0f * static_cast<float>(round + 1));
  }
  REQUIRE(session.run("swap", {}));
  CHECK((*state)->get("a")->as<float>()[2] == 1.0f);
  CHECK((*state)->get("b")->as<float>()[2] == 9.0f);
}

TEST_CASE("two sessions on two threads over one program, while a third compiles") {
  const auto program = compile(linear_text);
  std::atomic<int> failed{0};
  auto train = [&](uint64_t seed) {
    auto state = program->init(seed);
    if (!state) return ++failed, void();
    driver::Session session(program, *state);
    Array x(DType::f32, {32, 3}), y(DType::f32, {32, 1});
    for (float& v : x.as<float>()) v = 0.5f;
    for (float& v : y.as<float>()) v = 1.0f;
    const Array* inputs[] = {&x, &y};
    float last = 0;
    for (int i = 0; i < 200; ++i) {
      auto out = session.run("train", inputs);
      if (!out) return ++failed, void();
      last = (*out)[0].as<float>()[0];
    }
    if (!(last < 0.05f)) ++failed;
  };
  std::thread first(train, 1), second(train, 2);
  const auto other = compile(mlp_text);
  first.join();
  second.join();
  CHECK(failed == 0);
  CHECK(other->compile_count() == 1);
}

namespace {

std::string rows_text(size_t rows) {
  const std::string type = "f32[" + std::to_string(rows) + ",64]";
  return "tenon 1\nmodule rows\ndim n = 0..8\nstate s : " + type + R"( = zeros
func add_one(i: i64[], u: f32[64]) -> old: f32[64] {
  old = take s, i
  new = scatter_add s, i, u
  set s = new
  return old
}
func add_some(i: i32[n], u: f32[n,64]) -> sum: f32[] {
  new = scatter_add s, i, u
  set s = new
  sum = reduce_sum u {axes = [0, 1]}
  return sum
}
func add_columns(i: i32[n], u: f32[)" +
         std::to_string(rows) + R"(,n]) -> sum: f32[] {
  new = scatter_add s, i, u {axis = 1}
  set s = new
  sum = reduce_sum u {axes = [0, 1]}
  return sum
}
func add_own(i: i32[3]) -> first: f32[64] {
  own = slice s {limit = [3, 64]}
  new = scatter_add s, i, own
  set s = new
  zero = const 0 : i64[]
  first = take s, zero
  return first
}
)";
}

// Kernels and entry of a function, whose rows are called ROWS.
std::string code_of(size_t rows, const std::string& function) {
  driver::CompileOptions options;
  options.functions = {function};
  auto unit = driver::read_unit(rows_text(rows), "<test>");
  REQUIRE(unit);
  auto kernels = driver::to_kernels(std::move(*unit), options);
  if (!kernels) FAIL(kernels.errors().text());
  std::string out;
  for (const kernel::Function& f : kernels->functions) {
    const std::string text = kernel::print(f);
    // What fills the state, and sizes of arenas, are not the function's.
    const bool own = text.find("broadcast") == std::string::npos && text.find("init") == std::string::npos &&
                     text.find("arena_") == std::string::npos;
    if (own) out += text + "\n";
  }
  const std::string number = std::to_string(rows);
  for (size_t at; (at = out.find(number)) != std::string::npos;) out.replace(at, number.size(), "ROWS");
  return std::regex_replace(out, std::regex("k_[0-9a-f]{12}"), "k_HASH");
}

}  // namespace

// What is added to a state goes straight to its rows: no work grows with those that stay as they are.
TEST_CASE("rows added to a state touch those rows alone, or none where an index is outside") {
  for (const std::string function : {"add_one", "add_some"}) {
    INFO(function);
    const std::string small = code_of(1024, function), large = code_of(4096, function);
    INFO(small);
    CHECK(small == large);
    CHECK(small.find("ROWS") != std::string::npos);  // the index is tested
    CHECK(small.find("65536") == std::string::npos);
  }
  size_t failed = 0;
  for (const std::string function : {"add_one", "add_some", "add_columns", "add_own"}) {
    EngineOptions options;
    options.integers = 12;  // some are outside of 10 rows
    auto engines = Engines::make(rows_text(10), function, options);
    if (!engines) FAIL(engines.errors().text());
    for (uint64_t seed = 1; seed <= 12; ++seed) {
      INFO(function << " " << seed);
      const std::string difference = (*engines)->compare({{"n", static_cast<int64_t>(seed % 9)}}, seed);
      CHECK(difference == "");
      failed += (*engines)->expected().status != 0;
    }
  }
  CHECK(failed > 4);
  CHECK(failed < 40);
}

TEST_CASE("a second writer on one state gets T607") {
  const auto program = compile(linear_text);
  auto state = program->init(1);
  REQUIRE(state);
  driver::Session session(program, *state);
  Array x(DType::f32, {4, 3}), y(DType::f32, {4, 1});
  const Array* inputs[] = {&x, &y};
  const Array* just_x[] = {&x};
  const uint64_t before = (*state)->hash();
  {
    const driver::Writing writing(**state);
    REQUIRE(writing);
    auto out = session.run("train", inputs);
    REQUIRE(!out);
    CHECK(out.errors().code() == Code::busy);
    CHECK(session.run("predict", just_x));  // readers are not writers
    CHECK(!(*state)->set("fc.b", Array(DType::f32, {1})));
  }
  CHECK((*state)->hash() == before);
  CHECK(session.run("train", inputs));
  CHECK((*state)->hash() != before);
}

}  // namespace tenon::test
