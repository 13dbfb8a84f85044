#include "transforms/gradients.h"

using namespace tenon;
using namespace tenon::test;

namespace {
const char* const header = R"(tenon 1
module m
dim batch = 1..64
dim steps = 1..64
param w : f64[3,2] = zeros
param b : f64[2] = zeros
param u : f64[2,2] = zeros
)";
}

TEST_CASE("gradient of straight lines") {
  check_orders(std::string(header) + R"(
func f(x: f64[batch,3]) -> f64[] {
  z = dense x, w, b : f64[batch,2]
  h = tanh z : f64[batch,2]
  e = exp h : f64[batch,2]
  s = sigmoid z : f64[batch,2]
  p = mul e, s : f64[batch,2]
  q = reduce_sum p {axes = [0]} : f64[2]
  r = mul q, b : f64[2]
  l = reduce_sum r {axes = [0]} : f64[]
  return l
}
)",
               {{"batch", 3}});
}

TEST_CASE("gradient of composites through their bodies and rules") {
  check_orders(std::string(header) + R"(
func logits(x: f64[batch,3]) -> f64[batch,2] {
  z = dense x, w, b : f64[batch,2]
  g = gelu z : f64[batch,2]
  y = dense g, u, b : f64[batch,2]
  return y
}
func f(x: f64[batch,3]) -> f64[] {
  y = call logits(x) : f64[batch,2]
  p = log_softmax y : f64[batch,2]
  q = softmax y : f64[batch,2]
  r = mul p, q : f64[batch,2]
  l = reduce_sum r {axes = [0, 1]} : f64[]
  return l
}
)",
               {{"batch", 4}});
}

TEST_CASE("gradient through a loop with carries, slices, captures, stacked results") {
  check_orders(std::string(header) + R"(
func f(xs: f64[steps,batch,3], h0: f64[batch,2]) -> f64[] {
  h, all = loop (s = h0; x in xs; w, u, b) : f64[batch,2], f64[steps,batch,2] {
    a = dot_general x, w {lhs_contract = [1], rhs_contract = [0]} : f64[batch,2]
    c = dot_general s, u {lhs_contract = [1], rhs_contract = [0]} : f64[batch,2]
    d = add a, c : f64[batch,2]
    e = add d, b : f64[batch,2]
    t = tanh e : f64[batch,2]
    o = mul t, s : f64[batch,2]
    yield t, o
  }
  p = mul all, all : f64[steps,batch,2]
  q = reduce_sum p {axes = [0, 1, 2]} : f64[]
  r = reduce_sum h {axes = [0, 1]} : f64[]
  l = add q, r : f64[]
  return l
}
)",
               {{"batch", 2}, {"steps", 4}});
}

TEST_CASE("gradient through a carry swap and nested loops") {
  check_orders(std::string(header) + R"(
func f(x: f64[3,2]) -> f64[] {
  p, q = loop (a = b, c = b; r in x; u) : f64[2], f64[2] {
    d = loop (k = c; ; r, u) {trip = 3} : f64[2] {
      m = dot_general k, u {lhs_contract = [0], rhs_contract = [0]} : f64[2]
      n = add m, r : f64[2]
      o = sin n : f64[2]
      yield o
    }
    e = mul d, a : f64[2]
    g = add e, r : f64[2]
    yield c, g
  }
  s = mul p, q : f64[2]
  l = reduce_sum s {axes = [0]} : f64[]
  return l
}
)",
               {});
}

TEST_CASE("gradient through both branches of a cond") {
  for (const char* threshold : {"-100.0", "100.0"}) {
    check_orders(std::string(header) + R"(
func f(x: f64[2]) -> f64[] {
  s = reduce_sum x {axes = [0]} : f64[]
  t = const )" + threshold +
                     R"( : f64[]
  p = gt s, t : bool[]
  y = cond p (x, b) : f64[2] {
    a = exp x : f64[2]
    c = mul a, b : f64[2]
    yield c
  } else {
    a = sin x : f64[2]
    d = tanh a : f64[2]
    yield d
  }
  z = mul y, y : f64[2]
  l = reduce_sum z {axes = [0]} : f64[]
  return l
}
)",
                 {});
  }
}

TEST_CASE("cotangents stop where the graph says so, and what has none is refused") {
  ir::Module m = parsed(std::string(header) + R"(
func f(x: f64[2]) -> f64[] {
  a = stop_gradient x : f64[2]
  c = mul a, x : f64[2]
  l = reduce_sum c {axes = [0]} : f64[]
  return l
}
func g(x: f64[2]) -> f64[] {
  n = loop (s = x) {trip = 3, predicate = true} : f64[2] {
    t = mul s, s : f64[2]
    r = reduce_sum t {axes = [0]} : f64[]
    z = const 1.0 : f64[]
    p = lt r, z : bool[]
    yield t, p
  }
  l = reduce_sum n {axes = [0]} : f64[]
  return l
}
)");
  const ir::Function& f = *m.find_function("f");
  const evaluate::Inputs in = random_inputs(m, f, {});
  const ir::Function g = gradient_of(m, f, float_args(f));
  const evaluate::Outputs out = run(m, g, in);
  CHECK(out.returned[0] == in.arguments[0]);

  ir::Function h = *m.find_function("g");
  Result<std::vector<ir::ValueId>> refused =
      transforms::grad(h.graph, m, h.graph.results[0], {h.graph.args[0]});
  REQUIRE_FALSE(refused);
  CHECK(refused.errors().code() == Code::not_differentiable);
  // The mend, as it says: the same values, and a gradient.
  const Diagnostic& d = refused.errors().list[0];
  CHECK(d.help.find("run all 3 iterations") != std::string::npos);
  CHECK(d.help.find("select(go, new, old)") != std::string::npos);
  ir::Module mended = parsed(std::string(header) + R"(
func g(x: f64[2]) -> f64[] {
  yes = const true : bool[]
  n, last = loop (s = x, go = yes) {trip = 3} : f64[2], bool[] {
    t = mul s, s : f64[2]
    r = reduce_sum t {axes = [0]} : f64[]
    z = const 1.0 : f64[]
    p = lt r, z : bool[]
    next = select go, t, s
    more = and go, p
    yield next, more
  }
  l = reduce_sum n {axes = [0]} : f64[]
  return l
}
)");
  const ir::Function& fixed = mended.functions[0];
  const evaluate::Inputs at = random_inputs(mended, fixed, {});
  CHECK(run(mended, fixed, at).returned[0] == run(m, *m.find_function("g"), at).returned[0]);
  CHECK_FALSE(run(mended, gradient_of(mended, fixed, float_args(fixed)), at).returned.empty());
}

TEST_CASE("residuals of a loop are few") {
  ir::Module m = parsed(std::string(header) + R"(
func f(xs: f64[steps,2]) -> f64[] {
  h = loop (s = b; x in xs; u) : f64[2] {
    c = dot_general s, u {lhs_contract = [0], rhs_contract = [0]} : f64[2]
    d = add c, x : f64[2]
    t = tanh d : f64[2]
    yield t
  }
  l = reduce_sum h {axes = [0]} : f64[]
  return l
}
)");
  const ir::Function g = gradient_of(m, *m.find_function("f"), float_args(*m.find_function("f")));
  const ir::Node& loop = g.graph.node(ir::NodeId(0));
  REQUIRE(loop.op->name == "loop");
  // The carry at entry and tanh's result; not the sums, not the slice, not the capture.
  CHECK(loop.results.size() == 3);
}

TEST_CASE("gradients of chains and fans of 100,000 nodes") {
  for (bool fan : {false, true}) {
    ir::Module m =
        parsed("tenon 1\nmodule m\nfunc f(x: f64[4]) -> f64[4] {\n  a = exp x : f64[4]\n  return a\n}\n");
    ir::Function& f = m.functions[0];
    ir::Builder b(f.graph, &m);
    const ir::ValueId x = f.graph.args[0];
    ir::ValueId v = x;
    for (int i = 0; i < 50'000; ++i)
      v = fan ? b.emit("add", {v, b.emit("sin", {x})}) : b.emit("neg", {b.emit("tanh", {v})});
    const ir::ValueId sum = b.emit("reduce_sum", {v}, {{"axes", std::vector<int64_t>{0}}});
    const size_t before = f.graph.node_count();
    const auto g = transforms::grad(f.graph, m, sum, {x});
    REQUIRE(g);
    // A few gradient nodes per node, not a few per pair.
    CHECK(f.graph.node_count() > before + 50'000);
    CHECK(f.graph.node_count() < 6 * before);
  }
}

TEST_CASE("what callers hand over has extents, whatever the ranges show of them") {
  // n - 3 and k k - k n + n n are not shown to be non-negative by the ranges.
  const std::string text = R"(tenon 1
module m
dim n = 1..9
dim k = 1..9
func f(x: f64[n-3,2], y: f64[k*k-k*n+n*n]) -> l: f64[] {
  a = sin x
  b = slice a {start = [0,1], limit = [n-3,2]}
  c = flatten b {axis = 0}
  d = exp y
  z = mul x, 2.0
  s0 = reduce_sum z {axes = [0]}
  s, t = loop (h = s0; r in x) {
    u = mul h, 0.5
    v = add u, r
    yield v, u
  }
  p = reduce_sum c
  q = reduce_sum d
  e = reduce_sum t
  g = reduce_sum s
  i = mul p, q
  j = mul e, g
  l = add i, j
  return l
}
)";
  check_orders(text, {{"n", 5}, {"k", 2}});
  // What is made of nothing that exists is shown, or refused.
  for (const char* statement : {"z = broadcast c {shape = [n-3]}", "z = iota {shape = [n-3], dtype = f64}",
                                "z = loop (h = c; ; ; i) {trip = n-3} {\n    yield h\n  }"}) {
    Result<ir::Module> m =
        ir::parse(std::string("tenon 1\nmodule m\ndim n = 1..9\nfunc f(x: f64[n]) -> f64[] {\n"
                              "  c = const 0.0 : f64[]\n  ") +
                  statement + "\n  l = reduce_sum z\n  return l\n}\n");
    INFO(statement);
    if (m) {
      Status s = ir::verify(*m);
      REQUIRE_FALSE(bool(s));
      CHECK(s.errors().code() == Code::dim_range);
    } else {
      CHECK(m.errors().code() == Code::dim_range);
    }
  }
}
