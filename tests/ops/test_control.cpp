// loop, cond and call: types, values and errors.
#include "ops/run.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;
using ir::ArgKind;
using ir::Dim;
using ir::Graph;
using ir::Type;

namespace {

using Regions = std::vector<std::unique_ptr<Graph>>;

// A region that `fill` gives arguments, nodes and results.
template <class Fill>
std::unique_ptr<Graph> region(Fill fill) {
  auto g = std::make_unique<Graph>();
  ir::Builder b(*g);
  fill(*g, b);
  return g;
}
const Type scalar{DType::f32, {}}, counter{DType::i64, {}}, flag{DType::bool_, {}};

evaluate::Outputs loop(const std::vector<Array>& operands, const Graph& body,
                       std::initializer_list<ir::NamedAttr> attrs) {
  return run_ok(operands, [&](ir::Builder& b, const std::vector<ir::ValueId>& args) {
    const ir::OpDef& op = *ir::op_table().find("loop");
    ir::Attrs given(op.attrs.size());
    for (const ir::NamedAttr& a : attrs) given[op.attr_index(a.name)] = a.value;
    Regions regions;
    regions.push_back(std::make_unique<Graph>(body));
    return b.emit_all(op, args, std::move(given), std::move(regions));
  });
}

std::string fails(std::string_view name, const std::vector<Type>& operands, Regions regions,
                  std::initializer_list<ir::NamedAttr> attrs = {}) {
  Graph g;
  std::vector<ir::ValueId> args;
  for (const Type& t : operands) args.push_back(g.add_arg(t, ArgKind::input, ""));
  ir::Module module;
  const ir::OpDef& op = *ir::op_table().find(name);
  ir::Attrs given(op.attrs.size());
  for (const ir::NamedAttr& a : attrs) given[op.attr_index(a.name)] = a.value;
  auto out = ir::Builder(g, &module).try_emit(op, args, std::move(given), std::move(regions));
  return out ? "no error" : out.errors().text();
}
template <class... G>
Regions list(G... graphs) {
  Regions r;
  (r.push_back(std::move(graphs)), ...);
  return r;
}

// s' = s * c + x, stacking s.
std::unique_ptr<Graph> recurrence() {
  return region([](Graph& g, ir::Builder& b) {
    const ir::ValueId s = g.add_arg(scalar, ArgKind::carry, "s"), x = g.add_arg(scalar, ArgKind::slice, "x"),
                      c = g.add_arg(scalar, ArgKind::capture, "c");
    g.results = {b.emit("add", {b.emit("mul", {s, c}), x}), s};
  });
}

}  // namespace

TEST_CASE("a loop carries, slices, captures and stacks", "[ops]") {
  const std::vector<Array> in = {f32({}, {1}), f32({3}, {10, 20, 30}), f32({}, {2})};
  const evaluate::Outputs out = loop(in, *recurrence(), {});
  CHECK(out.returned[0] == f32({}, {((1 * 2 + 10) * 2 + 20) * 2 + 30}));
  CHECK(out.returned[1] == f32({3}, {1, 12, 44}));
  const evaluate::Outputs back = loop(in, *recurrence(), {{"reverse", true}});
  CHECK(back.returned[0] == f32({}, {((1 * 2 + 30) * 2 + 20) * 2 + 10}));
  CHECK(back.returned[1] == f32({3}, {84, 32, 1}));
  const evaluate::Outputs none = loop({f32({}, {1}), f32({0}, {}), f32({}, {2})}, *recurrence(), {});
  CHECK(none.returned[0] == f32({}, {1}));
  CHECK(none.returned[1].count() == 0);
}

TEST_CASE("carries change together, and the index counts", "[ops]") {
  const auto swap = region([](Graph& g, ir::Builder&) {
    const ir::ValueId a = g.add_arg(scalar, ArgKind::carry, "a"), c = g.add_arg(scalar, ArgKind::carry, "c"),
                      i = g.add_arg(counter, ArgKind::index, "i");
    g.results = {c, a, i};
  });
  const evaluate::Outputs out = loop({f32({}, {1}), f32({}, {2})}, *swap, {{"trip", Dim(3)}});
  CHECK(out.returned[0] == f32({}, {2}));
  CHECK(out.returned[1] == f32({}, {1}));
  CHECK(out.returned[2] == i64({3}, {0, 1, 2}));
}

TEST_CASE("a predicate ends a loop behind the iteration that yields false", "[ops]") {
  const auto body = region([](Graph& g, ir::Builder& b) {
    const ir::ValueId s = g.add_arg(scalar, ArgKind::carry, "s");
    const ir::ValueId next = b.emit("mul", {s, b.constant(DType::f32, 2)});
    g.results = {next, next, b.emit("lt", {next, b.constant(DType::f32, 10)})};
  });
  const evaluate::Outputs out = loop({f32({}, {3})}, *body, {{"trip", Dim(5)}, {"predicate", true}});
  CHECK(out.returned[0] == f32({}, {12}));
  CHECK(out.returned[1] == f32({5}, {6, 12, 0, 0, 0}));
  const evaluate::Outputs bounded = loop({f32({}, {0})}, *body, {{"trip", Dim(2)}, {"predicate", true}});
  CHECK(bounded.returned[1] == f32({2}, {0, 0}));
}

TEST_CASE("cond runs the region that its predicate chooses", "[ops]") {
  const auto branch = [](std::string_view op) {
    return region([&](Graph& g, ir::Builder& b) {
      const ir::ValueId x = g.add_arg(scalar, ArgKind::capture, "x");
      g.results = {b.emit(op, {x, x})};
    });
  };
  for (bool yes : {true, false}) {
    const evaluate::Outputs out =
        run_ok({bools({}, {yes}), f32({}, {3})}, [&](ir::Builder& b, const std::vector<ir::ValueId>& args) {
          return b.emit_all(*ir::op_table().find("cond"), args, {}, list(branch("add"), branch("mul")));
        });
    CHECK(out.returned[0] == f32({}, {yes ? 6.0f : 9.0f}));
  }
  CHECK(fails("cond", {flag, {DType::f32, {2}}}, list(branch("add"), branch("mul"))) ==
        "error[T107]: cond: the argument x of a region is f32[], its operand is f32[2]\n");
  CHECK(fails("cond", {flag, scalar}, list(branch("add"), branch("lt"))) ==
        "error[T107]: cond: value 0 is f32[] in then, bool[] in else\n");
  CHECK(fails("cond", {{DType::bool_, {2}}, scalar}, list(branch("add"), branch("mul"))) ==
        "error[T106]: cond: predicate is bool[2], wants rank 0\n");
}

TEST_CASE("errors of loops say what is wrong", "[ops]") {
  const Type row{DType::f32, {3}};
  CHECK(fails("loop", {scalar, row, scalar}, list(recurrence()), {{"trip", Dim(4)}}) ==
        "error[T107]: loop: sliced operand 1 is f32[3], but the loop runs 4 times\n");
  CHECK(fails("loop", {row, row, scalar}, list(recurrence()))
            .find("the body's argument s is f32[], its operand gives "
                  "f32[3]") != std::string::npos);
  CHECK(fails("loop", {scalar, row}, list(recurrence())).starts_with("error[T109]: loop: "));
  const auto idle = [] {
    return region([](Graph& g, ir::Builder&) { g.results = {g.add_arg(scalar, ArgKind::carry, "s")}; });
  };
  CHECK(fails("loop", {scalar}, list(idle())) ==
        "error[T108]: loop: nothing tells how often it runs\nhelp: slice an operand, or give {trip = n}\n");
  CHECK(fails("loop", {scalar}, list(idle()), {{"trip", Dim(2)}, {"predicate", true}}) ==
        "error[T101]: loop: with a predicate, the body must yield bool[] last\n");
  CHECK(fails("loop", {scalar}, list(idle()), {{"trip", Dim(-1)}}) ==
        "error[T112]: loop: trip -1 may be negative\n");
  CHECK(fails("call", {scalar}, {}, {{"callee", std::string("f")}}) ==
        "error[T103]: call: no function is named f\nhelp: functions are declared before their use\n");
}
