// Builder and inference: attributes, operands, broadcasting, copies, names.
#include <limits>

#include "catch.h"
#include "ir/builder.h"
#include "ir/parse.h"
#include "ir/print.h"

using namespace tenon::ir;

namespace {

const OpDef& op(std::string_view name) {
  const OpDef* found = op_table().find(name);
  REQUIRE(found != nullptr);
  return *found;
}

Type f32(Shape shape) { return {DType::f32, std::move(shape)}; }

}  // namespace

TEST_CASE("presets of attributes") {
  auto preset = [](AttrKind kind, std::string_view text) {
    AttrDef def;
    def.name = "a";
    def.kind = kind;
    def.preset = text;
    return preset_value(def);
  };
  CHECK(preset(AttrKind::boolean, "true") == Attr(true));
  CHECK(preset(AttrKind::integer, "-1") == Attr(int64_t{-1}));
  CHECK(attr_equal(preset(AttrKind::number, "1e-5"), Attr(1e-5)));
  CHECK(preset(AttrKind::text, "mean") == Attr(std::string("mean")));
  CHECK(preset(AttrKind::integers, "[0, 2]") == Attr(std::vector<int64_t>{0, 2}));
  CHECK(preset(AttrKind::integers, "[]") == Attr(std::vector<int64_t>{}));
  CHECK(preset(AttrKind::dims, "[2*n]") == Attr(std::vector<Dim>{Dim::symbol("n") * 2}));
  CHECK(preset(AttrKind::dtype, "bool") == Attr(DType::bool_));
  CHECK(preset(AttrKind::array, "").index() == 0);
}

TEST_CASE("values fit the kind of their attribute where nothing is lost") {
  Attr a = int64_t{3};
  CHECK(fit_attr(AttrKind::number, &a));
  CHECK(attr_equal(a, Attr(3.0)));
  CHECK_FALSE(fit_attr(AttrKind::integer, &a));
  a = std::vector<Dim>{Dim(1), Dim::symbol("n")};
  CHECK_FALSE(fit_attr(AttrKind::integers, &a));
  a = std::vector<Dim>{Dim(1), Dim(2)};
  CHECK(fit_attr(AttrKind::integers, &a));
  CHECK(a == Attr(std::vector<int64_t>{1, 2}));
  CHECK(attr_equal(Attr(std::numeric_limits<double>::quiet_NaN()),
                   Attr(std::numeric_limits<double>::quiet_NaN())));
  CHECK_FALSE(attr_equal(Attr(0.0), Attr(-0.0)));
}

TEST_CASE("shapes broadcast from the last dimension") {
  Dim n = Dim::symbol("n");
  Shape out;
  REQUIRE(broadcast_shapes({n, 1, 4}, {3, 1}, &out));
  CHECK(out == Shape{n, 3, 4});
  REQUIRE(broadcast_shapes({}, {n}, &out));
  CHECK(out == Shape{n});
  CHECK_FALSE(broadcast_shapes({n}, {4}, &out));
  CHECK_FALSE(broadcast_shapes({4, 3}, {4}, &out));
}

TEST_CASE("the builder refuses what a user can get wrong") {
  Graph g;
  Builder b(g);
  ValueId x = g.add_arg(f32({4, 8}), ArgKind::input, "x"),
          i = g.add_arg({DType::i32, {8}}, ArgKind::input, "i");
  auto code = [&](std::string_view name, std::vector<ValueId> operands, Attrs attrs) {
    auto r = b.try_emit(op(name), std::move(operands), std::move(attrs));
    REQUIRE_FALSE(r);
    return r.errors().code();
  };
  CHECK(code("add", {x}, {}) == Code::operand_count);
  CHECK(code("add", {x, x, x}, {}) == Code::operand_count);
  CHECK(code("tanh", {i}, {}) == Code::dtype_mismatch);
  CHECK(code("reduce_sum", {x}, {Attr(1.5)}) == Code::bad_attribute);
  CHECK(code("broadcast", {x}, {}) == Code::bad_attribute);
  CHECK(code("broadcast", {x}, {Attr(Shape{1, 1, 1, 1, 1, 1, 1, 4, 8})}) == Code::rank_mismatch);
  CHECK(code("broadcast", {x}, {Attr(Shape{Dim::overflow(), 4, 8})}) == Code::dim_range);
  CHECK(g.node_count() == 0);
}

TEST_CASE("constants are rounded once to their type") {
  Graph g;
  Builder b(g);
  auto bits = [&](DType d, double v) {
    const Node* n = g.producer(b.constant(d, v));
    return array_text(**std::get_if<std::shared_ptr<const Array>>(&n->attrs[0]));
  };
  CHECK(bits(DType::f32, 0.1) == "0.1");
  CHECK(bits(DType::i32, 1e20) == "2147483647");
  CHECK(bits(DType::u8, -4) == "0");
  CHECK(bits(DType::i64, 7) == "7");
  CHECK(bits(DType::bool_, 2) == "true");
  ValueId x = g.add_arg(f32({Dim::symbol("n"), 2}), ArgKind::input, "x");
  CHECK(g.type(b.constant_like(x, 1)).text() == "f32[n,2]");
}

TEST_CASE("copies keep types, attributes, places and names") {
  Result<Module> m = parse(
      "tenon 1\nmodule m from \"m.cpp\"\nfunc f(x: f32[4,8]) -> f32[4] {\n"
      "  y = reduce_sum x {axes = [1]} : f32[4]  in \"a/b\"  @7\n  return y\n}\n");
  REQUIRE(m);
  const Graph& from = m->functions[0].graph;
  Graph to;
  Builder b(to);
  ValueId x = to.add_arg(f32({4, 8}), ArgKind::input, "x");
  std::vector<ValueId> map(from.value_count());
  map[from.args[0].index] = x;
  ValueId first = b.inline_graph(from, map)[0], second = b.inline_graph(from, map)[0];
  CHECK(to.value(first).name == "y");
  CHECK(to.value(second).name == "y.1");
  const Node& n = *to.producer(second);
  CHECK(n.scope == "a/b");
  CHECK(n.location.line == 7);
  CHECK(to.type(second).text() == "f32[4]");
  // Operands of another type are inferred anew.
  map[from.args[0].index] = to.add_arg(f32({Dim::symbol("n"), 8}), ArgKind::input, "z");
  CHECK(to.type(b.inline_graph(from, map)[0]).text() == "f32[n]");
}

TEST_CASE("a graph copies into itself") {
  Graph g;
  Builder b(g);
  ValueId x = g.add_arg(f32({4}), ArgKind::input, "x");
  b.set_name(b.emit("tanh", {x}), "h");
  std::vector<ValueId> map(g.value_count());
  map[x.index] = x;
  for (int i = 0; i < 100; ++i) b.copy(g, g.node(NodeId(0)), map);
  CHECK(g.node_count() == 101);
  CHECK(g.value(g.node(NodeId(100)).results[0]).name == "h.100");
}

TEST_CASE("copies of a graph are deep") {
  Result<Module> m = parse(
      "tenon 1\nfunc f(x: f32[4]) -> f32[4] {\n  a = loop (c = x) {trip = 2} {\n    d = add c, c\n    yield "
      "d\n  }\n"
      "  return a\n}\n");
  REQUIRE(m);
  Module copy = *m;
  copy.functions[0].graph.node(NodeId(0)).regions[0]->value(ValueId(0)).name = "other";
  CHECK(print(*m).find("loop (c = x)") != std::string::npos);
  CHECK(print(copy).find("loop (other = x)") != std::string::npos);
}
