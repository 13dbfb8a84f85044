// Every pass on small texts: what it makes of them, and that bits are kept, also on special values.
#include <limits>

#include "catch.h"
#include "evaluate/evaluate.h"
#include "ir/builder.h"
#include "ir/compact.h"
#include "ir/inline_calls.h"
#include "ir/op_def.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "passes/passes.h"

using namespace tenon;
using namespace tenon::support;

namespace {

ir::Module parsed(const std::string& text) {
  Result<ir::Module> m = ir::parse(text);
  if (!m) FAIL(m.errors().text());
  ir::Module out;
  std::swap(out, *m);
  return out;
}
const char* const header = "tenon 1\nmodule m\ndim n = 1..16\nparam w : f32[4,3] = zeros\n";

// The passes' result, verified, with changed flags checked by hash.
pass::Counts run_pipeline(ir::Module& m, const std::string& pipeline) {
  auto passes = pass::parse_pipeline<ir::Module>(pipeline, passes::all());
  REQUIRE(passes);
  pass::ManagerOptions<ir::Module> o;
  o.verify = [](const ir::Module& u) { return ir::verify(u); };
  o.hash = [](const ir::Module& u) { return ir::structural_hash(u).low(); };
  auto records = pass::run_passes(m, *passes, o);
  if (!records) FAIL(records.errors().text());
  pass::Counts counts;
  for (const pass::Record& r : *records)
    for (const auto& [name, n] : r.counts) counts[name] += n;
  return counts;
}

evaluate::Inputs inputs(const ir::Module& m, const ir::Function& f) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const float special[] = {0.f, -0.f, 1.f, -1.5f, inf, -inf, nan, 3.0e38f, 1e-42f, 0.3f, -2e-7f, 7.f};
  size_t at = 0;
  const auto fill = [&](const ir::Type& type) {
    Array a(type.dtype, *ir::evaluate_shape(type.shape, {{"n", 4}}));
    with_dtype(type.dtype, [&]<class T>() {
      for (T& x : a.as<T>()) {
        const float v = special[at++ % 12];
        x = std::is_same_v<T, float> ? static_cast<T>(v) : static_cast<T>(at % 3);
      }
    });
    return a;
  };
  evaluate::Inputs in;
  in.dims = {{"n", 4}};
  for (const ir::Global& g : m.globals) in.globals[g.name] = fill(g.type);
  for (ir::ValueId a : f.graph.args)
    if (f.graph.value(a).arg == ir::ArgKind::input) in.arguments.push_back(fill(f.graph.type(a)));
  return in;
}

// Bits are equal; of NaNs only that they are NaNs.
bool same_bits(const Array& a, const Array& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  if (a.dtype() != DType::f32) return a == b;
  for (int64_t i = 0; i < a.count(); ++i) {
    const float x = a.as<float>()[static_cast<size_t>(i)], y = b.as<float>()[static_cast<size_t>(i)];
    if (x != x && y != y) continue;
    if (std::memcmp(&x, &y, 4) != 0) return false;
  }
  return true;
}

void keeps_bits(const ir::Module& before, const ir::Module& after, const std::string& name) {
  const evaluate::Inputs in = inputs(before, *before.find_function(name));
  Result<evaluate::Outputs> a = evaluate::exact(before, *before.find_function(name), in);
  Result<evaluate::Outputs> b = evaluate::exact(after, *after.find_function(name), in);
  REQUIRE(a);
  REQUIRE(b);
  REQUIRE(a->status == b->status);
  REQUIRE(a->returned.size() == b->returned.size());
  for (size_t i = 0; i < a->returned.size(); ++i) {
    INFO(ir::print(after) << "result " << i);
    CHECK(same_bits(a->returned[i], b->returned[i]));
  }
}

// Runs a pipeline on the body of f; returns how many nodes are left. Checks bits, and that a second run of
// each pass does nothing.
size_t nodes_after(const std::string& signature, const std::string& body, const std::string& pipeline,
                   pass::Counts* counts = nullptr) {
  const ir::Module before = parsed(header + ("func f" + signature + " {\n" + body + "}\n"));
  ir::Module after = before;
  const pass::Counts found = run_pipeline(after, pipeline);
  if (counts != nullptr) *counts = found;
  keeps_bits(before, after, "f");
  const uint64_t hash = ir::structural_hash(after).low();
  run_pipeline(after, pipeline);
  CHECK(ir::structural_hash(after).low() == hash);
  return ir::count_nodes(after.find_function("f")->graph);
}

}  // namespace

TEST_CASE("rows of all passes") {
  for (const passes::Pass* p : passes::all()) {
    CHECK_FALSE(p->about.empty());
    CHECK(p->run != nullptr);
  }
  auto back = pass::parse_pipeline<ir::Module>(passes::pipeline_text(), passes::all());
  REQUIRE(back);
  const std::vector<pass::Step<ir::Module>> all = passes::pipeline();
  CHECK(std::equal(back->begin(), back->end(), all.begin(), all.end(),
                   [](const auto& x, const auto& y) { return x.pass == y.pass && x.options == y.options; }));
}

TEST_CASE("simplify keeps bits, and leaves alone what would not") {
  struct Case {
    const char* body;
    size_t left;
  };
  const Case cases[] = {
      {"a = mul x, 1.0 : f32[n,4]\nb = div a, 1.0 : f32[n,4]\nc = sub b, 0.0 : f32[n,4]\nreturn c\n", 0},
      {"a = add x, -0.0 : f32[n,4]\nreturn a\n", 0},
      {"a = add x, 0.0 : f32[n,4]\nreturn a\n", 3},  // -0 + 0 is +0: const, broadcast, add stay
      {"a = sub x, -0.0 : f32[n,4]\nreturn a\n", 3},
      {"a = mul x, 0.0 : f32[n,4]\nreturn a\n", 3},  // NaN, infinity
      {"a = mul 1.0, x : f32[n,4]\nreturn a\n", 0},
      {"a = sub x, x : f32[n,4]\nreturn a\n", 1},
      {"a = neg x : f32[n,4]\nb = neg a : f32[n,4]\nreturn b\n", 0},
      {"a = neg x : f32[n,4]\nb = abs a : f32[n,4]\nc = abs b : f32[n,4]\nreturn c\n", 1},
      {"a = mul x, -1.0 : f32[n,4]\nreturn a\n", 1},
      {"a = div x, 8.0 : f32[n,4]\nreturn a\n", 3},  // becomes a product
      {"a = div x, 3.0 : f32[n,4]\nreturn a\n", 3},
      {"a = gt x, 0.0 : bool[n,4]\nb = select a, x, x : f32[n,4]\nreturn b\n", 0},
      {"a = gt x, 0.0 : bool[n,4]\nc = not a : bool[n,4]\nd = not c : bool[n,4]\nb = select d, x, y : "
       "f32[n,4]\nreturn b\n",
       4},
      {"a = max x, x : f32[n,4]\nreturn a\n", 0},
      {"a = transpose x : f32[4,n]\nb = transpose a : f32[n,4]\nreturn b\n", 0},
      {"a = reshape x {shape = [4*n]} : f32[4*n]\nb = reshape a {shape = [n,2,2]} : f32[n,2,2]\nc = reshape "
       "b {shape = [n,4]} : f32[n,4]\nreturn c\n",
       0},
      {"a = slice x {start = [0,0], limit = [n,4]} : f32[n,4]\nreturn a\n", 0},
      {"a = slice x {start = [0,1], limit = [n,4]} : f32[n,3]\nb = slice a {start = [0,1], limit = [n,3]} : "
       "f32[n,2]\nc = pad b, 0.0 {low = [0,0], high = [0,2], interior = [0,0]} : f32[n,4]\nreturn c\n",
       3},
      {"a = cast x {to = f64} : f64[n,4]\nb = cast a {to = f32} : f32[n,4]\nreturn b\n", 0},
      {"a = cast x {to = i32} : i32[n,4]\nb = cast a {to = f32} : f32[n,4]\nreturn b\n", 2},
      {"a = stop_gradient x : f32[n,4]\nreturn a\n", 0},
      {"a = reverse x {axes = [0]} : f32[n,4]\nb = reverse a {axes = [0]} : f32[n,4]\nreturn b\n", 0},
  };
  for (const Case& c : cases) {
    INFO(c.body);
    CHECK(nodes_after("(x: f32[n,4], y: f32[n,4]) -> f32[n,4]", c.body, "simplify,dce") == c.left);
  }
  CHECK(nodes_after("(x: f32[4]) -> f32[4,n]",
                    "a = broadcast x {shape = [n,4]} : f32[n,4]\nb = transpose a : f32[4,n]\nreturn b\n",
                    "simplify,dce") == 1);
  CHECK(nodes_after("(x: f32[4]) -> f32[n,3,4]",
                    "a = broadcast x {shape = [3,4]} : f32[3,4]\nb = broadcast a {shape = [n,3,4]} : "
                    "f32[n,3,4]\nreturn b\n",
                    "simplify,dce") == 1);
  CHECK(nodes_after("(x: f32[4]) -> f32[n,4,2]",
                    "a = reshape x {shape = [1,4,1]} : f32[1,4,1]\nb = broadcast a {shape = [n,4,2]} : "
                    "f32[n,4,2]\nreturn b\n",
                    "simplify,dce") == 1);
}

TEST_CASE("fold uses exact bits, caps sizes, and leaves failures to run time") {
  CHECK(nodes_after("(x: f32[n]) -> f32[]",
                    "a = const 2.0 : f32[]\nb = exp a : f32[]\nc = sqrt b : f32[]\nreturn c\n",
                    "fold,dce") == 1);
  CHECK(nodes_after("(x: f32[n]) -> i64[]", "a = extent {dim = n} : i64[]\nreturn a\n", "fold,dce") == 1);
  pass::Counts counts;
  CHECK(nodes_after("(x: f32[n]) -> f32[100,100]",
                    "a = const 2.0 : f32[]\nb = broadcast a {shape = [100,100]} : f32[100,100]\nc = exp b : "
                    "f32[100,100]\nreturn c\n",
                    "fold,dce", &counts) == 3);
  CHECK(counts.empty());
}

TEST_CASE("cse merges equal nodes, captures and loops") {
  CHECK(nodes_after("(x: f32[n,4]) -> f32[n,4]",
                    "a = exp x : f32[n,4]\nb = exp x : f32[n,4]\nc = mul a, b : f32[n,4]\nreturn c\n",
                    "cse,dce") == 2);
  const char* loops =
      "p = loop (s = h; r in x; v = h, u = h) : f32[4] {\n  a = mul s, v : f32[4]\n  b = mul s, u : f32[4]\n"
      "  c = add a, b : f32[4]\n  d = add c, r : f32[4]\n  yield d\n}\n"
      "q = loop (s = h; r in x; v = h, u = h) : f32[4] {\n  a = mul s, v : f32[4]\n  b = mul s, u : f32[4]\n"
      "  c = add a, b : f32[4]\n  d = add c, r : f32[4]\n  yield d\n}\n"
      "z = mul p, q : f32[4]\nreturn z\n";
  // loop, its body of mul, add, add, and the product
  CHECK(nodes_after("(x: f32[n,4], h: f32[4]) -> f32[4]", loops, "cse,dce,cse,dce") == 5);
  // Two dropouts are two layers, though they look alike.
  ir::Module m =
      parsed(std::string(header) +
             "func f(x: f32[n,4]) -> f32[n,4] {\n  a = dropout x {rate = 0.5} : f32[n,4]\n"
             "  b = dropout x {rate = 0.5} : f32[n,4]\n  c = add a, b : f32[n,4]\n  return c\n}\n");
  run_pipeline(m, "cse");
  CHECK(ir::count_nodes(m.find_function("f")->graph) == 3);
}

TEST_CASE("dce keeps what may fail, and drops carries that only keep themselves") {
  CHECK(nodes_after("(x: f32[n,4], i: i32[n]) -> f32[n,4]",
                    "a = exp x : f32[n,4]\nb = take x, i {axis = 1} : f32[n,n]\nreturn x\n", "dce") == 1);
  CHECK(
      nodes_after(
          "(x: f32[n,4], h: f32[4]) -> f32[4]",
          "p, q, all = loop (s = h, t = h; r in x; h) : f32[4], f32[4], f32[n,4] {\n  a = mul s, r : f32[4]\n"
          "  b = mul t, h : f32[4]\n  c = exp a : f32[4]\n  yield a, b, c\n}\nreturn p\n",
          "dce") == 2);
}

TEST_CASE("motion carries transposes to the inputs and into contractions") {
  pass::Counts counts;
  CHECK(nodes_after("(x: f32[4,n]) -> f32[n,3]",
                    "a = exp x : f32[4,n]\nb = mul a, 2.0 : f32[4,n]\nc = transpose b : f32[n,4]\n"
                    "d = dot_general c, w {lhs_contract = [1], rhs_contract = [0]} : f32[n,3]\nreturn d\n",
                    "motion,simplify,motion,dce", &counts) == 6);
  CHECK(counts.at("moved transpose") == 1);
  CHECK(nodes_after("(x: f32[4,n]) -> f32[n,3]",
                    "c = transpose x : f32[n,4]\n"
                    "d = dot_general c, w {lhs_contract = [1], rhs_contract = [0]} : f32[n,3]\nreturn d\n",
                    "motion,dce") == 1);
}

TEST_CASE("invariants computes before a loop what depends on captures alone") {
  const auto moved = [](const std::string& body) {
    pass::Counts counts;
    nodes_after("(x: f32[n,4], h: f32[4], m: f32[4,4]) -> f32[4]", body + "return p\n", "invariants,dce",
                &counts);
    return counts["moved before the loop"];
  };
  // A function of a capture and what follows from it; a product of captures, with the move in front of it.
  CHECK(moved("p = loop (s = h; r in x; h) : f32[4] {\n  e = exp h : f32[4]\n  g = mul e, 2.0 : f32[4]\n"
              "  a = mul s, g : f32[4]\n  b = add a, r : f32[4]\n  yield b\n}\n") == 1);
  CHECK(moved("p = loop (s = h; r in x; m) : f32[4] {\n  t = transpose m : f32[4,4]\n"
              "  q = dot_general m, t {lhs_contract = [1], rhs_contract = [0]} : f32[4,4]\n"
              "  a = dot_general s, q {lhs_contract = [0], rhs_contract = [0]} : f32[4]\n"
              "  b = add a, r : f32[4]\n  yield b\n}\n") == 1);
  // Out of two loops.
  CHECK(moved("p = loop (s = h; r in x; h) : f32[4] {\n  q = loop (u = s; ; h) {trip = 3} : f32[4] {\n"
              "    e = exp h : f32[4]\n    a = mul u, e : f32[4]\n    yield a\n  }\n  b = add q, r : f32[4]\n"
              "  yield b\n}\n") == 2);
  // Of the iteration; cheap, and computed where it is read.
  CHECK(moved("p = loop (s = h; r in x; h) : f32[4] {\n  e = exp s : f32[4]\n  g = mul h, 2.0 : f32[4]\n"
              "  a = mul e, g : f32[4]\n  b = add a, r : f32[4]\n  yield b\n}\n") == 0);
}

TEST_CASE("inline and expand leave primitives") {
  const std::string text = std::string(header) + R"(
func g(x: f32[n,4]) -> f32[n,3] {
  z = dot x, w : f32[n,3]
  a = gelu z : f32[n,3]
  return a
}
func h(x: f32[n,4]) -> f32[n,3] {
  z = call g(x) : f32[n,3]
  s = softmax z : f32[n,3]
  return s
}
func f(xs: f32[2,n,4]) -> f32[2,n,3] {
  all = loop (; x in xs) : f32[2,n,3] {
    z = call h(x) : f32[n,3]
    yield z
  }
  return all
}
)";
  const ir::Module before = parsed(text);
  ir::Module after = before;
  run_pipeline(after, "inline,expand");
  for (const ir::Function& f : after.functions) {
    const std::string printed = ir::print(f, after);
    for (const char* word : {" call ", " gelu ", " softmax "}) CHECK(printed.find(word) == std::string::npos);
  }
  for (const char* name : {"f", "h"}) keeps_bits(before, after, name);
  ir::Module whole = before;
  run_pipeline(whole, passes::pipeline_text());
  for (const char* name : {"f", "h"}) keeps_bits(before, whole, name);
  // Modes must be resolved first.
  ir::Module dropout =
      parsed(std::string(header) +
             "func f(x: f32[n]) -> f32[n] {\n  a = dropout x {rate = 0.5} : f32[n]\n  return a\n}\n");
  pass::Counts counts;
  CHECK_FALSE(passes::expand.run(dropout, {}, counts));
}

TEST_CASE("order: what follows depends on the graph alone") {
  // The same graph three times: as written, statements turned about, and as a C++ compiler emits it that
  // evaluates the last argument of a call first.
  const std::string head = std::string(header) + "func f(x: f32[n,4], i: i32[n]) -> f32[n,4], f32[n,3] {\n",
                    tail = "  return r, z\n}\n",
                    loop =
                        "  s = loop (c = x; k in i) {\n    a = sin c\n    b = cos c\n    d = mul a, b\n"
                        "    yield d\n  }\n",
                    turned =
                        "  s = loop (c = x; k in i) {\n    b = cos c\n    a = sin c\n    d = mul a, b\n"
                        "    yield d\n  }\n";
  const std::string z = "  z = dot x, w : f32[n,3]\n", t = "  t = tanh x\n", e = "  e = exp t\n",
                    g = "  g = gelu x\n", u = "  u = mul e, g\n", r = "  r = add u, s\n";
  std::vector<std::string> texts;
  for (const std::string& body : {z + loop + t + e + g + u + r, turned + g + t + e + u + r + z}) {
    for (const std::string& passes : {std::string("order"), passes::pipeline_text()}) {
      ir::Module m = parsed(head + body + tail);
      const ir::Module before = m;
      run_pipeline(m, passes);
      keeps_bits(before, m, "f");
      ir::name_values(m.functions[0].graph);
      ir::PrintOptions options;
      options.locations = false;
      texts.push_back(ir::print(m.functions[0], m, options));
      run_pipeline(m, "order");
      CHECK(ir::print(m.functions[0], m, options) == texts.back());
    }
  }
  REQUIRE(texts.size() == 4);
  CHECK(texts[0] == texts[2]);
  CHECK(texts[1] == texts[3]);
  // Constants stay where they print as literals.
  ir::Module literals =
      parsed(std::string(header) +
             "func f(x: f32[n,4]) -> f32[n,4] {\n  a = exp x\n  b = tanh a\n  c = lt 0.5, a\n"
             "  d = max b, -1.0\n  r = select c, d, 0.0\n  return r\n}\n");
  const std::string written = ir::print(literals);
  CHECK(written.find("max b, -1.0") != std::string::npos);
  run_pipeline(literals, "order");
  const std::string moved = ir::print(literals);
  for (const char* line : {"lt 0.5, a", "max b, -1.0", "select c, d, 0.0"})
    CHECK(moved.find(line) != std::string::npos);
  const auto emitted = [&](bool last_first) {
    ir::Module m = parsed(std::string(header) + "func f(x: f32[4]) -> f32[4] {\n  return x\n}\n");
    ir::Graph& graph = m.functions[0].graph;
    ir::Builder b(graph, &m);
    const ir::ValueId x = graph.args[0];
    ir::ValueId one, other;
    if (last_first) other = b.emit("cos", {x});
    one = b.emit("sin", {b.emit("neg", {x})});
    if (!last_first) other = b.emit("cos", {x});
    graph.results = {b.emit("sub", {one, other})};
    run_pipeline(m, "order");
    return ir::print(m);
  };
  CHECK(emitted(false) == emitted(true));
}

TEST_CASE("calls that would be too many are refused before any is put in") {
  std::string text = std::string(header) + "func f0(x: f32[n]) -> f32[n] {\n  a = neg x\n  return a\n}\n";
  for (int i = 1; i <= 22; ++i) {
    const std::string callee = "f" + std::to_string(i - 1);
    text += "func f" + std::to_string(i) + "(x: f32[n]) -> f32[n] {\n  a = call " + callee +
            "(x)\n  b = call " + callee + "(a)\n  return b\n}\n";
  }
  ir::Module m = parsed(text);
  pass::Counts counts;
  const Result<bool> refused = passes::inline_calls.run(m, {}, counts);
  REQUIRE_FALSE(refused);
  CHECK(refused.errors().code() == Code::compile_limit);
  for (size_t i = 1; i < m.functions.size(); ++i) CHECK(ir::has_calls(m.functions[i].graph));
}

TEST_CASE("bind is a pass of its own") {
  ir::Module m = parsed(std::string(header) + "func f(x: f32[n]) -> f32[n] {\n  a = neg x\n  return a\n}\n");
  ir::Module other = m;
  run_pipeline(m, "bind{n = 4}, cse");
  CHECK(m.dims.empty());
  REQUIRE(passes::bind(other, {{"n", 4}}));
  CHECK(ir::print(m) == ir::print(other));
  pass::Counts counts;
  CHECK(passes::bind_dims.run(m, {{"n", "x"}}, counts).errors().code() == Code::pass_unknown);
  CHECK(passes::bind_dims.run(m, {{"n", "4"}}, counts).errors().code() == Code::undefined_name);
}

TEST_CASE("bind specializes and keeps bits") {
  const ir::Module before = parsed(std::string(header) +
                                   "func f(x: f32[n,4]) -> f32[] {\n  z = dot x, w : f32[n,3]\n"
                                   "  s = reduce_sum z {axes = [0,1]} : f32[]\n  return s\n}\n");
  ir::Module after = before;
  REQUIRE(passes::bind(after, {{"n", 4}}));
  REQUIRE(ir::verify(after));
  CHECK(after.dims.empty());
  keeps_bits(before, after, "f");
  CHECK_FALSE(passes::bind(after, {{"n", 4}}));
  ir::Module other = before;
  CHECK(passes::bind(other, {{"n", 17}}).errors().code() == Code::dim_range);
}

TEST_CASE("chains and fans of 100,000 nodes") {
  for (bool fan : {false, true}) {
    ir::Module m =
        parsed("tenon 1\nmodule m\nfunc f(x: f32[4]) -> f32[4] {\n  a = exp x : f32[4]\n  return a\n}\n");
    ir::Function& f = m.functions[0];
    ir::Builder b(f.graph, &m);
    const ir::ValueId x = f.graph.args[0];
    ir::ValueId v = x;
    for (int i = 0; i < 50'000; ++i) {
      if (fan) {
        v = b.emit("add", {v, b.emit(i % 2 == 0 ? "sin" : "tanh", {x})});
      } else {
        v = b.emit("transpose", {b.emit(i % 2 == 0 ? "neg" : "tanh", {v})});
      }
    }
    f.graph.results = {v};
    run_pipeline(m, passes::pipeline_text());
    CHECK(ir::count_nodes(f.graph) <= 100'002);
  }
}
