#include <set>

#include "catch.h"
#include "ir/op_def.h"
#include "ops/draw.h"
#include "ops/expr.h"

using namespace tenon;
using namespace tenon::support;
using ir::OpDef;

namespace {

// Graph with one node of the drawn operation; false where the declaration refuses its own sample.
struct Emitted {
  ir::Graph graph;
  std::vector<ir::ValueId> operands, results;
};

Emitted emit_sample(const OpDef& op, const ir::Module& module, test::Draw& draw, ir::DType dtype) {
  Emitted e;
  test::Draw::Drawn drawn = draw.sample(op, dtype);
  for (size_t i = 0; i < drawn.operands.size(); ++i) {
    e.operands.push_back(e.graph.add_arg(drawn.operands[i], ir::ArgKind::input, "a" + std::to_string(i)));
  }
  ir::Builder b(e.graph, &module);
  auto out = b.try_emit(op, e.operands, std::move(drawn.attrs));
  INFO((out ? std::string() : out.errors().text()));
  REQUIRE(out);
  e.results = std::move(*out);
  return e;
}

// Operations whose attributes no generic sample can draw.
bool has_sample(const OpDef& op) {
  static const std::set<std::string_view> by_hand = {"apply", "call", "cast", "cond", "loop"};
  return by_hand.count(op.name) == 0;
}

}  // namespace

TEST_CASE("every operation is declared whole", "[ops]") {
  std::set<std::string_view> names;
  for (const OpDef* op : ir::op_table().all()) {
    INFO(op->name);
    CHECK(names.insert(op->name).second);
    CHECK(ir::op_table().find(op->name) == op);
    CHECK(op->doc.size() > 10);
    CHECK(op->doc.back() == '.');
    CHECK(op->infer != nullptr);
    CHECK(std::visit([](const auto* form) { return form != nullptr; }, op->form));
    bool optional = false;
    for (size_t i = 0; i < op->operands.size(); ++i) {
      const ir::OperandDef& o = op->operands[i];
      CHECK_FALSE(o.name.empty());
      CHECK_FALSE(o.doc.empty());
      if (o.variadic) CHECK(i + 1 == op->operands.size());
      CHECK((!optional || o.optional || o.variadic));  // optional ones stand last
      optional = optional || o.optional;
    }
    std::set<std::string_view> attrs;
    for (const ir::AttrDef& a : op->attrs) {
      INFO(a.name);
      CHECK(attrs.insert(a.name).second);
      CHECK_FALSE(a.doc.empty());
      CHECK((a.preset.empty() || a.derive == nullptr));
      if (!a.preset.empty()) CHECK(ir::preset_value(a).index() != 0);
    }
    // A rule and a statement that no gradient flows exclude each other.
    CHECK_FALSE((op->vjp != nullptr && op->zero_gradient));
    CHECK(op->domains.size() <= std::max<size_t>(op->operands.size(), 1));
  }
  CHECK(names.size() >= 60);
  CHECK(ir::op_table().find("no_such_operation") == nullptr);
  CHECK(ir::op_table().find("") == nullptr);
}

TEST_CASE("the families of the first version are all there", "[ops]") {
  for (std::string_view name : {"add",
                                "sub",
                                "mul",
                                "div",
                                "neg",
                                "abs",
                                "sign",
                                "exp",
                                "log",
                                "sqrt",
                                "rsqrt",
                                "tanh",
                                "sigmoid",
                                "sin",
                                "cos",
                                "erf",
                                "erfc",
                                "pow",
                                "max",
                                "min",
                                "eq",
                                "ne",
                                "lt",
                                "le",
                                "gt",
                                "ge",
                                "and",
                                "or",
                                "not",
                                "select",
                                "cast",
                                "const",
                                "iota",
                                "extent",
                                "broadcast",
                                "reshape",
                                "transpose",
                                "slice",
                                "pad",
                                "concat",
                                "reverse",
                                "reduce_sum",
                                "reduce_max",
                                "reduce_min",
                                "reduce_prod",
                                "reduce_any",
                                "reduce_all",
                                "mean",
                                "argmax",
                                "argmin",
                                "dot",
                                "dot_general",
                                "take",
                                "scatter_add",
                                "check",
                                "check_range",
                                "check_finite",
                                "loop",
                                "cond",
                                "call",
                                "stop_gradient",
                                "relu",
                                "gelu",
                                "softmax",
                                "log_softmax",
                                "dense",
                                "dropout",
                                "cross_entropy",
                                "mse",
                                "l1",
                                "l2",
                                "rnn_cell",
                                "flatten",
                                "accuracy",
                                "count_correct",
                                "random_uniform",
                                "random_normal",
                                "random_bernoulli"}) {
    INFO(name);
    CHECK(ir::op_table().find(name) != nullptr);
  }
}

TEST_CASE("declarations accept their own samples, with symbolic and empty extents", "[ops]") {
  const ir::Module module = test::module_with_n();
  for (const OpDef* op : ir::op_table().all()) {
    if (!has_sample(*op)) continue;
    INFO(op->name);
    for (uint64_t seed = 0; seed < 60; ++seed) {
      test::Draw draw(seed);
      const Emitted e = emit_sample(*op, module, draw, seed % 2 == 0 ? ir::DType::f32 : ir::DType::f64);
      CHECK_FALSE(e.results.empty());
    }
  }
}

TEST_CASE("a composite's body has the types that its declaration infers", "[ops]") {
  const ir::Module module = test::module_with_n();
  size_t tried = 0;
  for (const OpDef* op : ir::op_table().all()) {
    if (op->composite() == nullptr) continue;
    INFO(op->name);
    for (uint64_t seed = 0; seed < 60; ++seed) {
      test::Draw draw(seed);
      Emitted e = emit_sample(*op, module, draw, seed % 2 == 0 ? ir::DType::f32 : ir::DType::f64);
      std::vector<ir::Type> inferred;
      for (ir::ValueId r : e.results) inferred.push_back(e.graph.type(r));
      ir::Graph body;
      ir::Builder b(body, &module);
      std::vector<ir::ValueId> args;
      for (ir::ValueId o : e.operands) args.push_back(body.add_arg(e.graph.type(o), ir::ArgKind::input, ""));
      ir::BodyContext context{b, *e.graph.producer(e.results[0]), args};
      const std::vector<ir::ValueId> results = op->composite()->body(context);
      REQUIRE(results.size() == inferred.size());
      for (size_t i = 0; i < results.size(); ++i) CHECK(body.type(results[i]) == inferred[i]);
      ++tried;
    }
  }
  CHECK(tried >= 15 * 60);
}

TEST_CASE("a derivative rule gives each operand a cotangent of its type", "[ops]") {
  const ir::Module module = test::module_with_n();
  for (const OpDef* op : ir::op_table().all()) {
    if (op->vjp == nullptr || !has_sample(*op)) continue;
    INFO(op->name);
    for (uint64_t seed = 0; seed < 60; ++seed) {
      test::Draw draw(seed);
      Emitted e = emit_sample(*op, module, draw, seed % 2 == 0 ? ir::DType::f32 : ir::DType::f64);
      ir::Graph rule;
      ir::Builder b(rule, &module);
      ir::VjpContext context{b, *e.graph.producer(e.results[0]), {}, {}, {}, {}, {}};
      for (ir::ValueId o : e.operands) {
        const ir::Type& type = e.graph.type(o);
        context.operands.push_back(rule.add_arg(type, ir::ArgKind::input, ""));
        context.wanted.push_back(is_float(type.dtype));
      }
      bool floats = true;
      for (ir::ValueId r : e.results) {
        floats = floats && is_float(e.graph.type(r).dtype);
        context.results.push_back(rule.add_arg(e.graph.type(r), ir::ArgKind::input, ""));
        context.cotangents.push_back(rule.add_arg(e.graph.type(r), ir::ArgKind::input, ""));
      }
      if (!floats) continue;
      context.out.resize(context.operands.size());
      op->vjp(context);
      for (size_t i = 0; i < context.out.size(); ++i) {
        if (!context.wanted[i]) continue;
        REQUIRE(context.out[i].valid());
        CHECK(rule.type(context.out[i]) == rule.type(context.operands[i]));
      }
    }
  }
}
