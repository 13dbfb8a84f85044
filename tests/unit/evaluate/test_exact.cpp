// The exact evaluator: every form on values by hand, sizes, control flow, failures.
#include <cmath>

#include "catch.h"
#include "evaluate/evaluate.h"
#include "ir/builder.h"
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
evaluate::Outputs run(const std::string& text, evaluate::Inputs inputs, const std::string& name = "f") {
  const ir::Module module = parsed(text);
  auto out = evaluate::exact(module, *module.find_function(name), inputs);
  INFO((out ? std::string() : out.errors().text()));
  REQUIRE(bool(out));
  return std::move(*out);
}
Array one(const std::string& text, std::vector<Array> arguments) {
  evaluate::Inputs inputs;
  inputs.arguments = std::move(arguments);
  const evaluate::Outputs out = run(text, inputs);
  REQUIRE(out.status == 0);
  return out.returned.at(0);
}
const Array six = Array::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});

}  // namespace

TEST_CASE("exact: elements move through index maps") {
  const auto moved = [](const std::string& op, const std::string& type) {
    return one("func f(x: f32[2,3]) -> " + type + " {\n  y = " + op + " : " + type + "\n  return y\n}\n",
               {six});
  };
  CHECK(moved("transpose x {perm = [1, 0]}", "f32[3,2]") == Array::of<float>({3, 2}, {1, 4, 2, 5, 3, 6}));
  CHECK(moved("reshape x {shape = [3, 2]}", "f32[3,2]") == Array::of<float>({3, 2}, {1, 2, 3, 4, 5, 6}));
  CHECK(moved("slice x {start = [0, 0], limit = [2, 3], stride = [1, 2]}", "f32[2,2]") ==
        Array::of<float>({2, 2}, {1, 3, 4, 6}));
  CHECK(moved("broadcast x {shape = [2, 2, 3]}", "f32[2,2,3]") ==
        Array::of<float>({2, 2, 3}, {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6}));
  CHECK(moved("concat x, x {axis = 1}", "f32[2,6]") ==
        Array::of<float>({2, 6}, {1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6}));
  CHECK(one("func f(x: f32[2,3], v: f32[]) -> f32[3,6] {\n"
            "  y = pad x, v {low = [0, 1], high = [1, 0], interior = [0, 1]} : f32[3,6]\n  return y\n}\n",
            {six, Array::scalar(9.f)}) ==
        Array::of<float>({3, 6}, {9, 1, 9, 2, 9, 3, 9, 4, 9, 5, 9, 6, 9, 9, 9, 9, 9, 9}));
}

TEST_CASE("exact: reductions combine lanes by halving and blocks in order") {
  const auto sum = [](const Array& x, const std::string& attrs) {
    const std::string n = std::to_string(x.count());
    return one("func f(x: f32[" + n + "]) -> f32[] {\n  y = reduce_sum x {" + attrs +
                   "} : f32[]\n  return y\n}\n",
               {x})
        .as<float>()[0];
  };
  // One lane: (2^24 + 1) + 1 loses both ones. Two lanes: 2^24 + (1 + 1) keeps them only if paired.
  const Array x = Array::of<float>({4}, {0x1p24f, 1, 0, 1});
  CHECK(sum(x, "axes = [0], lanes = 1, block = 4") == 0x1p24f);
  CHECK(sum(x, "axes = [0], lanes = 2, block = 4") == 0x1p24f + 2);
  CHECK(sum(x, "axes = [0], lanes = 1, block = 2") == 0x1p24f);
  // Lanes 0..3 are added as (0+2) + (1+3).
  const Array y = Array::of<float>({4}, {0x1p24f, 1, -0x1p24f, 1});
  CHECK(sum(y, "axes = [0], lanes = 4, block = 4") == 2);
  CHECK(sum(y, "axes = [0], lanes = 1, block = 4") == 1);
  CHECK(std::signbit(sum(Array::of<float>({1}, {-0.f}), "axes = [0]")) == false);
  const auto reduced = [](const std::string& op, const Array& in, const std::string& to) {
    const std::string from = std::string(dtype_name(in.dtype())) + "[2,3]";
    return one("func f(x: " + from + ") -> " + to + " {\n  y = " + op + " : " + to + "\n  return y\n}\n",
               {in});
  };
  CHECK(reduced("reduce_sum x {axes = [0]}", six, "f32[3]") == Array::of<float>({3}, {5, 7, 9}));
  CHECK(reduced("reduce_prod x {axes = [1]}", six, "f32[2]") == Array::of<float>({2}, {6, 120}));
  CHECK(reduced("reduce_max x {axes = [0, 1]}", six, "f32[]") == Array::scalar(6.f));
  CHECK(reduced("reduce_min x {axes = [1]}", six, "f32[2]") == Array::of<float>({2}, {1, 4}));
  const float nan = std::nanf("");
  CHECK(std::isnan(
      reduced("reduce_max x {axes = [0, 1]}", Array::of<float>({2, 3}, {1, nan, 9, 0, 0, 0}), "f32[]")
          .as<float>()[0]));
  const Array flags = Array::of<bool>({2, 3}, {true, false, true, true, true, true});
  CHECK(reduced("reduce_any x {axes = [0]}", flags, "bool[3]") == Array::of<bool>({3}, {true, true, true}));
  CHECK(reduced("reduce_all x {axes = [1]}", flags, "bool[2]") == Array::of<bool>({2}, {false, true}));
  CHECK(reduced("argmax x {axis = 1}", Array::of<float>({2, 3}, {1, 5, 5, nan, 7, nan}), "i64[2]") ==
        Array::of<int64_t>({2}, {1, 0}));
  CHECK(reduced("argmin x {axis = 0}", six, "i64[3]") == Array::of<int64_t>({3}, {0, 0, 0}));
}

TEST_CASE("exact: empty reductions give identities") {
  const std::string text =
      "dim n = 0..4\nfunc f(x: f32[n]) -> f32[], f32[], f32[], f32[] {\n"
      "  a = reduce_sum x  : f32[]\n  b = reduce_prod x : f32[]\n  c = reduce_max x  : f32[]\n"
      "  d = reduce_min x  : f32[]\n  return a, b, c, d\n}\n";
  evaluate::Inputs in;
  in.arguments = {Array(DType::f32, {0})};
  const evaluate::Outputs out = run(text, in);
  CHECK(out.returned[0] == Array::scalar(0.f));
  CHECK(out.returned[1] == Array::scalar(1.f));
  CHECK(out.returned[2] == Array::scalar(-HUGE_VALF));
  CHECK(out.returned[3] == Array::scalar(HUGE_VALF));
}

TEST_CASE("exact: contractions accumulate by fma in blocks") {
  const std::string dot =
      "func f(x: f32[2,3], w: f32[3,2]) -> f32[2,2] {\n"
      "  y = dot_general x, w {lhs_contract = [1], rhs_contract = [0]} : f32[2,2]\n  return y\n}\n";
  CHECK(one(dot, {six, Array::of<float>({3, 2}, {1, 0, 0, 1, 1, 1})}) ==
        Array::of<float>({2, 2}, {4, 5, 10, 11}));
  const auto blocked = [](const std::string& order) {
    // 1 + (2^-13 + 1) (2^-12) ...: products that only an fma keeps whole.
    const float e = 1 + 0x1p-12f;
    return one("func f(x: f32[2], w: f32[2]) -> f32[] {\n  y = dot_general x, w {lhs_contract = [0], "
               "rhs_contract = [0], " +
                   order + "} : f32[]\n  return y\n}\n",
               {Array::of<float>({2}, {-1, e}), Array::of<float>({2}, {1 + 0x1p-11f, e})})
        .as<float>()[0];
  };
  CHECK(blocked("order = blocks, block = 2") == 0x1p-24f);  // fma(e, e, -(1 + 2^-11))
  CHECK(blocked("order = blocks, block = 1") == 0);         // e * e rounds first
  CHECK(blocked("order = lanes, block = 64") == 0);
  const std::string batched =
      "func f(x: i32[2,2,2], w: i32[2,2]) -> i32[2,2] {\n"
      "  y = dot_general x, w {lhs_batch = [0], rhs_batch = [1], lhs_contract = [2], rhs_contract = [0]} : "
      "i32[2,2]\n"
      "  return y\n}\n";
  CHECK(one(batched, {Array::of<int32_t>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}),
                      Array::of<int32_t>({2, 2}, {1, 10, 1, 100})}) ==
        Array::of<int32_t>({2, 2}, {3, 7, 650, 870}));
}

TEST_CASE("exact: rows are taken and added, out of range is a status") {
  const std::string take =
      "func f(x: f32[2,3], i: i32[2]) -> f32[2,2] {\n  y = take x, i {axis = 1} : f32[2,2]\n  return y\n}\n";
  evaluate::Inputs in;
  in.arguments = {six, Array::of<int32_t>({2}, {2, 0})};
  CHECK(run(take, in).returned.at(0) == Array::of<float>({2, 2}, {3, 1, 6, 4}));
  in.arguments[1] = Array::of<int32_t>({2}, {0, 3});
  const evaluate::Outputs bad = run(take, in);
  CHECK(bad.status == 605);
  CHECK(bad.detail == 3);
  CHECK(bad.returned.empty());
  const std::string add =
      "func f(x: f32[2,3], i: i64[3], u: f32[3,3]) -> f32[2,3] {\n"
      "  y = scatter_add x, i, u {axis = 0} : f32[2,3]\n  return y\n}\n";
  CHECK(one(add, {six, Array::of<int64_t>({3}, {1, 1, 0}),
                  Array::of<float>({3, 3}, {1, 1, 1, 2, 2, 2, 3, 3, 3})}) ==
        Array::of<float>({2, 3}, {4, 5, 6, 7, 8, 9}));
}

TEST_CASE("exact: loops carry, slice, stack, count and stop") {
  const std::string scan =
      "dim n = 0..9\n"
      "func f(x: f32[n], k: f32[]) -> f32[], f32[n] {\n"
      "  zero = const 0 : f32[]\n"
      "  s, all = loop (a = zero; r in x) : f32[], f32[n] {\n"
      "    p = mul a, k : f32[]\n    t = add p, r : f32[]\n    yield t, t\n  }\n"
      "  return s, all\n}\n";
  evaluate::Inputs in;
  in.arguments = {Array::of<float>({3}, {1, 2, 3}), Array::scalar(10.f)};
  evaluate::Outputs out = run(scan, in);
  CHECK(out.returned[0] == Array::scalar(123.f));
  CHECK(out.returned[1] == Array::of<float>({3}, {1, 12, 123}));
  in.arguments[0] = Array(DType::f32, {0});
  CHECK(run(scan, in).returned[0] == Array::scalar(0.f));
  std::string backwards = scan;
  backwards.insert(backwards.find("r in x)") + 7, " {reverse = true}");
  in.arguments[0] = Array::of<float>({3}, {1, 2, 3});
  out = run(backwards, in);
  CHECK(out.returned[0] == Array::scalar(321.f));
  CHECK(out.returned[1] == Array::of<float>({3}, {321, 32, 3}));
}

TEST_CASE("exact: a carry swap, a predicate and the index") {
  const std::string swap =
      "func f(x: f32[], y: f32[]) -> f32[], f32[] {\n"
      "  p, q = loop (a = x, b = y) {trip = 3} : f32[], f32[] {\n    yield b, a\n  }\n  return p, q\n}\n";
  evaluate::Inputs in;
  in.arguments = {Array::scalar(1.f), Array::scalar(2.f)};
  const evaluate::Outputs out = run(swap, in);
  CHECK(out.returned[0] == Array::scalar(2.f));
  CHECK(out.returned[1] == Array::scalar(1.f));
  const std::string until =
      "func f(limit: i64[]) -> i64[] {\n"
      "  zero = const 0 : i64[]\n"
      "  s = loop (a = zero; ; limit; i) {trip = 100, predicate = true} : i64[] {\n"
      "    t = add a, i : i64[]\n    more = lt t, limit : bool[]\n    yield t, more\n  }\n"
      "  return s\n}\n";
  CHECK(one(until, {Array::scalar<int64_t>(10)}) == Array::scalar<int64_t>(10));
}

TEST_CASE("exact: sizes follow from shapes and must agree") {
  const std::string text =
      "dim n = 1..8\nfunc f(x: f32[2*n+1], y: f32[n]) -> i64[] {\n  c = extent {dim = n} : i64[]\n  return "
      "c\n}\n";
  const ir::Module module = parsed(text);
  const ir::Function& f = *module.find_function("f");
  const auto code = [&](int64_t x, int64_t y) {
    evaluate::Inputs in;
    in.arguments = {Array(DType::f32, {x}), Array(DType::f32, {y})};
    auto out = evaluate::exact(module, f, in);
    return out ? 0 : code_number(out.errors().code());
  };
  CHECK(code(7, 3) == 0);
  CHECK(code(8, 3) == 305);
  CHECK(code(19, 9) == 601);
  CHECK(code(1, 0) == 601);
  evaluate::Inputs none;
  auto out = evaluate::exact(module, f, none);
  REQUIRE(!out);
  CHECK(out.errors().code() == Code::data_shape);
}

TEST_CASE("exact: state is read at entry, written together, and kept where a check fails") {
  const std::string text =
      "param a : f32[] = zeros\nparam b : f32[] = zeros\nhyper k = 2 : f32[]\n"
      "func f(x: f32[]) -> f32[] {\n"
      "  zero = const 0 : f32[]\n  good = ge x, zero : bool[]\n"
      "  y = check x, good {code = 606} : f32[]\n"
      "  s = mul y, k : f32[]\n"
      "  set a = b\n  set b = s\n  return a\n}\n";
  evaluate::Inputs in;
  in.arguments = {Array::scalar(5.f)};
  in.globals = {{"a", Array::scalar(1.f)}, {"b", Array::scalar(2.f)}};
  evaluate::Outputs out = run(text, in);
  CHECK(out.returned[0] == Array::scalar(1.f));
  CHECK(out.written.at("a") == Array::scalar(2.f));
  CHECK(out.written.at("b") == Array::scalar(10.f));
  in.arguments = {Array::scalar(-5.f)};
  out = run(text, in);
  CHECK(out.status == 606);
  CHECK(out.written.empty());
}

TEST_CASE("exact: random numbers depend on seed, stream, counter and position only") {
  const std::string text =
      "func f(seed: i64[], t: i64[]) -> f32[100], bool[100], f64[4] {\n"
      "  u = random_uniform seed, t {shape = [100], stream = 5}            : f32[100]\n"
      "  d = random_bernoulli seed, t {shape = [100], stream = 6, p = 0.25} : bool[100]\n"
      "  z = random_normal seed, t {shape = [4], dtype = f64}              : f64[4]\n"
      "  return u, d, z\n}\n";
  const auto draw = [&](int64_t seed, int64_t t) {
    evaluate::Inputs in;
    in.arguments = {Array::scalar(seed), Array::scalar(t)};
    return run(text, in).returned;
  };
  const auto a = draw(1, 2);
  CHECK(a == draw(1, 2));
  CHECK(!(a[0] == draw(1, 3)[0]));
  CHECK(!(a[0] == draw(2, 2)[0]));
  float mean = 0;
  for (float u : a[0].as<float>()) {
    CHECK((u >= 0 && u < 1));
    mean += u / 100;
  }
  CHECK(mean == Approx(0.5).margin(0.15));
}

TEST_CASE("exact: one node is folded, a failing one is an error") {
  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId x = b.constant(DType::f32, 3), y = b.constant(DType::f32, 4);
  const ir::ValueId s = b.emit("add", {x, y});
  const Array three = Array::scalar(3.f), four = Array::scalar(4.f);
  auto sum = evaluate::exact_node(graph, graph.value(s).node, {&three, &four}, {});
  REQUIRE(bool(sum));
  CHECK(sum->at(0) == Array::scalar(7.f));
}
