// Graphs that broke a stage once, shrunk; every check and every way of lowering.
#include "catch.h"
#include "fuzz/checks.h"
#include "ir/parse.h"

using namespace tenon;
using namespace tenon::test;

namespace {

void holds(const std::string& function) {
  auto module = ir::parse("tenon 1\nmodule m\ndim n = 1..64\ndim m = 0..20\n" + function);
  INFO((module ? std::string() : module.errors().text()));
  REQUIRE(module);
  RandomGraph g;
  g.module = std::move(*module);
  g.dims = {{"n", 7}, {"m", 0}};
  CheckOptions options;
  options.runs = 3;
  Statistics statistics;
  const auto failure = check(g, options, &statistics);
  INFO(function << (failure ? failure->check + ": " + failure->text : std::string()));
  CHECK(!failure);
}

}  // namespace

TEST_CASE("a module all of whose constants are empty", "[fuzz]") {
  holds(R"(func f(x: i64[]) -> y: f32[3,0] mode inference {
  v0 = const [] : f32[3,0]
  return v0
}
)");
}

TEST_CASE("operations whose results nothing reads", "[fuzz]") {
  holds(R"(func f(x: u8[4], i: i64[], u: u8[]) -> y: i64[] mode inference {
  v0 = scatter_add x, i, u : u8[4]
  return i
}
)");
  holds(R"(func f(x: f32[2], i: i64[3]) -> y: i64[3] mode inference {
  v0 = take x, i : f32[3]
  return i
}
)");
}

TEST_CASE("control flow that is kept for its checks only", "[fuzz]") {
  holds(R"(func f(x: f32[1], p: bool[]) -> y: f32[1] mode inference {
  v0 = cos x : f32[1]
  v9 = cond p (k1 = v0) : f32[1] {
    v0 = check_finite k1 : f32[1]
    yield v0
  } else {
    yield k1
  }
  return v0
}
)");
}

TEST_CASE("a sum over an axis that may be empty", "[fuzz]") {
  holds(R"(func f(x: f32[n,m,n]) -> y: f32[n] mode inference {
  v0 = reduce_sum x {axes = [0, 1]} : f32[n]
  return v0
}
)");
}

TEST_CASE("rows without elements are not looked at", "[fuzz]") {
  holds(R"(func f(x: f32[0,8,6], i: i32[]) -> y: f32[0,6] mode inference {
  v0 = take x, i {axis = 1} : f32[0,6]
  return v0
}
)");
}

TEST_CASE("an operation that may fail, read by operations that nothing reads", "[fuzz]") {
  holds(R"(func f(x: f32[4], i: i32[9], z: f64[]) -> y: f64[] mode inference {
  v0 = take x, i   : f32[9]
  v1 = le v0, v0   : bool[9]
  return z
}
)");
}

// The short chain stood behind the product in blocks, and was taken for the one that tiles are made of.
TEST_CASE("a product in blocks beside one of few products", "[fuzz]") {
  for (const char* k : {"9", "19", "64"})
    for (const char* columns : {"5", "6", "7"}) {
      const std::string c = columns, type = "f32[6," + c + "]";
      holds("func f(x: f32[6," + std::string(k) + "], w: f32[" + k + "," + c + "], u: f32[6,6], v: " + type +
            ") -> y: " + type + " mode inference {\n  a = dot x, w : " + type + "\n  b = dot u, v : " + type +
            "\n  z = add a, b : " + type + "\n  return z\n}\n");
    }
}

TEST_CASE("the absolute value of what is turned round, of every type", "[fuzz]") {
  for (const std::string type : {"u8", "u32", "i32", "i64", "f32", "f64"})
    holds("func f(x: " + type + "[n]) -> y: " + type + "[n] mode inference {\n  v0 = neg x : " + type +
          "[n]\n  v1 = abs v0 : " + type + "[n]\n  return v1\n}\n");
}
