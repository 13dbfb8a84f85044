// Verifier: each invariant broken on purpose, and found.
#include "catch.h"
#include "ir/builder.h"
#include "ir/parse.h"
#include "ir/verify.h"

using namespace tenon::ir;

namespace {

Module sample() {
  Result<Module> m = parse(
      "tenon 1\ndim n = 1..8\nhyper lr = 0.1 : f32\nparam w : f32[4] = zeros\nstate s : f32[4] = zeros\n"
      "func g(x: f32[4]) -> f32[4] {\n  y = add x, w\n  return y\n}\n"
      "func f(xs: f32[n,4], p: bool[]) -> f32[4] {\n"
      "  a = loop (c = w; x in xs; ; i) {\n    d = add c, x\n    yield d\n  }\n"
      "  b = cond p (a) {\n    yield a\n  } else {\n    e = tanh a\n    yield e\n  }\n"
      "  z = call g(b)\n  t = tanh z\n  set s = t\n  return z\n}\n");
  if (!m) FAIL(m.errors().text());
  REQUIRE(verify(*m));
  return std::move(*m);
}

// The codes the verifier reports, each once, in order.
std::vector<Code> codes(const Module& m) {
  Status s = verify(m);
  std::vector<Code> out;
  if (s) return out;
  for (const Diagnostic& d : s.errors().list)
    if (out.empty() || out.back() != d.code) out.push_back(d.code);
  return out;
}

using Codes = std::vector<Code>;

Node& node(Module& m, std::string_view op) {
  Graph& g = m.functions[1].graph;
  for (size_t i = 0; i < g.node_count(); ++i)
    if (g.node(NodeId(i)).op->name == op) return g.node(NodeId(i));
  FAIL("no such operation");
  return g.node(NodeId(0));
}

}  // namespace

TEST_CASE("ranges of dimensions") {
  Module m = sample();
  m.dims["n"] = {3, 2};
  CHECK(codes(m).front() == Code::dim_range);
  m.dims["n"] = {-1, 2};
  CHECK(codes(m).front() == Code::dim_range);
  m.dims["n"] = {0, INT64_MAX};
  CHECK(codes(m) == Codes{Code::dim_range});
  m.dims.erase("n");
  CHECK(codes(m).front() == Code::graph_invalid);
}

TEST_CASE("declared types that do not compute are named once") {
  Result<Module> m = parse("tenon 1\nfunc f(x: f16[4], y: f16[4], z: u16[4]) -> f16[4] {\n  return x\n}\n");
  REQUIRE(m);
  Status s = verify(*m);
  REQUIRE_FALSE(s);
  CHECK(s.errors().list.size() == 2);
  CHECK(s.errors().code() == Code::dtype_unsupported);
  CHECK(s.errors().text().find("f16") != std::string::npos);
}

TEST_CASE("result types are inferred again") {
  Module m = sample();
  Graph& g = m.functions[1].graph;
  g.value(node(m, "tanh").results[0]).type = {DType::f32, {5}};
  CHECK(codes(m) == Codes{Code::result_type, Code::state_write});
}

TEST_CASE("definitions stand before uses") {
  Module m = sample();
  node(m, "call").operands[0] = node(m, "tanh").results[0];
  CHECK(codes(m) == Codes{Code::graph_invalid});
  node(m, "call").operands[0] = ValueId(1000);
  CHECK(codes(m) == Codes{Code::graph_invalid});
}

TEST_CASE("attributes are filled in and fit") {
  Result<Module> m = parse("tenon 1\nfunc f(x: f32[4]) -> f32[] {\n  y = reduce_sum x\n  return y\n}\n");
  REQUIRE(m);
  Graph& g = m->functions[0].graph;
  Attrs whole = g.node(NodeId(0)).attrs;
  g.node(NodeId(0)).attrs.back() = std::monostate{};
  CHECK(codes(*m) == Codes{Code::bad_attribute});
  g.node(NodeId(0)).attrs = whole;
  g.node(NodeId(0)).attrs.pop_back();
  CHECK(codes(*m) == Codes{Code::graph_invalid});
}

TEST_CASE("regions are isolated and take what their operands give") {
  Module m = sample();
  Graph& body = *node(m, "loop").regions[0];
  body.value(body.args[1]).type = {DType::f32, {5}};
  CHECK(codes(m).front() == Code::capture_invalid);

  m = sample();
  node(m, "loop").operands.pop_back();
  CHECK(codes(m).front() == Code::graph_invalid);

  m = sample();
  Graph& loop = *node(m, "loop").regions[0];
  std::swap(loop.args[0], loop.args[1]);
  CHECK(codes(m).front() == Code::capture_invalid);

  m = sample();
  node(m, "cond").regions.pop_back();
  CHECK(codes(m).front() == Code::graph_invalid);

  m = sample();
  Graph& other = *node(m, "cond").regions[1];
  other.value(other.args[0]).arg = ArgKind::slice;
  CHECK(codes(m).front() == Code::graph_invalid);
}

TEST_CASE("writes go to parameters and state, once, with their type") {
  Module m = sample();
  m.functions[1].writes[0].global = "lr";
  CHECK(codes(m) == Codes{Code::state_write});
  m.functions[1].writes[0].global = "nobody";
  CHECK(codes(m) == Codes{Code::state_write});
  m = sample();
  m.functions[1].writes.push_back({"s"});
  CHECK(codes(m) == Codes{Code::graph_invalid});
  m.functions[1].graph.results.push_back(m.functions[1].graph.results.back());
  CHECK(codes(m) == Codes{Code::state_write});
}

TEST_CASE("functions call only what stands above them") {
  Module m = sample();
  std::swap(m.functions[0], m.functions[1]);
  CHECK(codes(m) == Codes{Code::graph_invalid});
  m = sample();
  m.functions[0].name = "h";
  CHECK(codes(m).front() == Code::undefined_name);
}

TEST_CASE("globals enter by their name and type") {
  Module m = sample();
  m.globals[1].type = {DType::f32, {Dim::symbol("n")}};
  CHECK(codes(m).front() == Code::dim_range);
  m = sample();
  m.globals.erase_if([name = m.globals[1].name](const Global& g) { return g.name == name; });
  CHECK(codes(m).front() == Code::undefined_name);
  m = sample();
  m.globals.push_back(m.globals[0]);
  CHECK(codes(m) == Codes{Code::duplicate_name});
}

TEST_CASE("all violations are reported, with their places") {
  Module m = sample();
  m.dims["n"] = {3, 2};
  Graph& g = m.functions[1].graph;
  g.value(node(m, "tanh").results[0]).type = {DType::f32, {5}};
  Status s = verify(m);
  REQUIRE_FALSE(s);
  CHECK(s.errors().list.size() >= 3);
  CHECK(s.errors().text().find("<text>:22:7") != std::string::npos);
}

TEST_CASE("regions nested beyond the limit are refused without overflowing the stack") {
  Module m = sample();
  auto loop = [](std::unique_ptr<Graph> inner) {
    auto g = std::make_unique<Graph>();
    ValueId c = g->add_arg({DType::f32, {4}}, ArgKind::carry, "c");
    if (inner == nullptr) {
      g->results = {c};
      return g;
    }
    const OpDef* op = op_table().find("loop");
    Attrs attrs = {Attr(Dim(2)), Attr(false), Attr(false), Attr(false)};
    attrs.resize(op->attrs.size());
    std::vector<std::unique_ptr<Graph>> regions;
    regions.push_back(std::move(inner));
    NodeId n = g->add_node(op, {c}, std::move(attrs), {{DType::f32, {4}}}, std::move(regions));
    g->results = g->node(n).results;
    return g;
  };
  std::unique_ptr<Graph> nest;
  for (size_t i = 0; i < max_region_depth + 5; ++i) nest = loop(std::move(nest));
  CHECK_FALSE(verify(*nest, m));
}
