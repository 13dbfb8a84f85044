#include <cmath>

#include "catch.h"
#include "ops/init.h"

using namespace tenon;
using namespace tenon::support;
using ir::Init;
using ir::Type;

namespace {

struct Emitted {
  ir::Graph graph;
  const ir::Node* node = nullptr;
};

Emitted emit(const Init& init, const Type& type) {
  Emitted e;
  const ir::ValueId seed = e.graph.add_arg({DType::i64, {}}, ir::ArgKind::input, "seed");
  ir::Builder b(e.graph);
  REQUIRE(ops::check_init(init, type, "w"));
  const ir::ValueId v = ops::emit_init(b, init, type, seed, 5);
  CHECK(e.graph.type(v) == type);
  e.node = e.graph.producer(v);
  return e;
}

double limit(const std::string& name, ir::Shape shape) {
  const Emitted e = emit({name, {}}, {DType::f32, std::move(shape)});
  CHECK(e.node->get<int64_t>("stream") == 5);
  return e.node->op->name == "random_uniform" ? e.node->get<double>("high") : e.node->get<double>("std");
}

std::string fails(const Init& init, const Type& type) {
  Status s = ops::check_init(init, type, "fc1.w");
  return s ? "no error" : s.errors().text();
}

}  // namespace

TEST_CASE("initializers draw from the ranges that fan-in and fan-out give", "[ops]") {
  CHECK(limit("glorot_uniform", {784, 128}) == std::sqrt(6.0 / 912));
  CHECK(limit("glorot_normal", {784, 128}) == std::sqrt(2.0 / 912));
  CHECK(limit("he_uniform", {784, 128}) == std::sqrt(6.0 / 784));
  CHECK(limit("he_normal", {784, 128}) == std::sqrt(2.0 / 784));
  CHECK(limit("he_normal", {3, 3, 16, 32}) == std::sqrt(2.0 / (9 * 16)));
  CHECK(limit("glorot_uniform", {3, 3, 16, 32}) == std::sqrt(6.0 / (9 * 48)));
  CHECK(limit("glorot_uniform", {10}) == std::sqrt(6.0 / 20));
  CHECK(limit("he_uniform", {}) == std::sqrt(6.0));
  CHECK(limit("he_uniform", {0, 4}) == 0);
}

TEST_CASE("every named initializer is known here and in the text form", "[ops]") {
  CHECK(std::size(ir::init_names) == ops::initializers().size());
  for (std::string_view name : ir::init_names) {
    INFO(name);
    bool found = false;
    for (const ops::Initializer& i : ops::initializers()) {
      if (i.name != name) continue;
      found = true;
      const Emitted e =
          emit({std::string(name), std::vector<Number>(i.arg_count, 0.5)}, {DType::f64, {2, 3}});
      CHECK((e.node->op->name.substr(0, 7) == "random_") == i.random);
    }
    CHECK(found);
  }
}

TEST_CASE("errors of initializers name the parameter", "[ops]") {
  const Type f32{DType::f32, {2, 3}};
  CHECK(fails({"glorot_unifrom", {}}, f32) ==
        "error[T108]: fc1.w: no initializer is named glorot_unifrom\nhelp: did you mean glorot_uniform?\n");
  CHECK(fails({"uniform", {1}}, f32) ==
        "error[T108]: fc1.w: uniform has 1 numbers, wants 2\nhelp: uniform(low, high)\n");
  CHECK(fails({"uniform", {1, 0}}, f32) ==
        "error[T108]: fc1.w: uniform has its low bound above its high one\n");
  CHECK(fails({"he_normal", {}}, {DType::i32, {2}}) ==
        "error[T105]: fc1.w: he_normal draws floats, the type is i32[2]\n");
  CHECK(fails({"zeros", {}}, {DType::f32, {ir::Dim::symbol("n")}}) ==
        "error[T112]: fc1.w: the type is f32[n], wants constant extents\n"
        "help: what is kept between calls cannot depend on a call's sizes\n");
  CHECK(fails({"normal", {0, -1}}, f32) == "error[T108]: fc1.w: normal has a negative standard deviation\n");
}
