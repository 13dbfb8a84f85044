// Values of the C++ layer: what they say of themselves, comparisons, loops that end early, gradients in
// bodies.
#include <cmath>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "catch.h"

namespace tn = tenon;

TEST_CASE("a value tells its element type and extents, which shape other values") {
  tn::Model m("shapes");
  const tn::Dim n = m.dim("n", 1, 8);
  const tn::Value x = m.input<double>("x", {2 * n + 1, 3, n}), s = m.input<bool>("s", {});
  CHECK(x.dtype() == tn::DType::f64);
  CHECK(s.dtype() == tn::DType::bool_);
  CHECK(s.rank() == 0);
  REQUIRE(x.rank() == 3);
  CHECK(x.shape()[1].text() == "3");
  // As a factor, an expression stays whole.
  const tn::Value y = m.input<double>("y", {x.shape()[0] * 2, x.shape()[2] / x.shape()[1]});
  CHECK(y.type() == "f64[4*n+2,n/3]");
  CHECK(tn::Value().rank() == 0);
}

TEST_CASE("comparisons of values and numbers are elementwise") {
  tn::Model m("compare");
  const tn::Value x = m.input<float>("x", {4}), y = m.input<float>("y", {4});
  m.function("f", {{"lt", x < y}, {"le", x <= y}, {"gt", x > 2.0}, {"ge", 2.0 >= x}});
  const tn::Program program = tn::compile(m);
  tn::Session session(program, program.init(1));
  std::vector<float> a{1, 2, 3, NAN}, b{2, 2, 2, 2};
  const tn::Outputs out = session.run("f", {{"x", tn::view(a, {4})}, {"y", tn::view(b, {4})}});
  const bool want[4][4] = {{1, 0, 0, 0}, {1, 1, 0, 0}, {0, 0, 1, 0}, {1, 1, 0, 0}};
  const char* names[] = {"lt", "le", "gt", "ge"};
  for (size_t f = 0; f < 4; ++f)
    for (size_t i = 0; i < 4; ++i) {
      INFO(names[f] << " " << i);
      CHECK(out[names[f]].as<bool>()[i] == want[f][i]);
    }
}

TEST_CASE("a loop ends where its condition does") {
  tn::Model m("heron");
  const tn::Value a = m.input<double>("a", {});
  const tn::Value one = m.constant(1.0);
  const tn::LoopResult root =
      tn::loop({one}, {},
               [&](const tn::Iteration& i) -> tn::Yield {
                 const tn::Value next = (i.carry[0] + a / i.carry[0]) * 0.5;
                 return {.next = {next}, .stack = {next}, .go_on = tn::abs(next * next - a) > 1e-9};
               },
               {.trip = 50});
  m.function("f", {{"root", root.last[0]}, {"steps", root.stacked[0]}});
  const tn::Program program = tn::compile(m);
  tn::Session session(program, program.init(1));
  double two = 2;
  const tn::Outputs out = session.run("f", {{"a", tn::view(two)}});
  CHECK(out["root"].number() == Approx(std::sqrt(2.0)).epsilon(1e-9));
  CHECK(out["steps"].as<double>()[3] != 0);
  CHECK(out["steps"].as<double>()[5] == 0);  // five iterations suffice
}

TEST_CASE("a gradient inside a loop's body: descent as a loop") {
  tn::Model m("descent");
  const tn::Value x0 = m.input<double>("x0", {2}), target = m.input<double>("target", {2});
  const tn::LoopResult out = tn::loop({x0}, {},
                                      [&](const tn::Iteration& i) -> tn::Yield {
                                        const tn::Value d = i.carry[0] - target;
                                        const tn::Value loss = tn::reduce_sum(d * d);
                                        // With respect to a carry, and to a value from outside.
                                        const std::vector<tn::Value> g = tn::grad(loss, {i.carry[0], target});
                                        return {.next = {i.carry[0] - 0.25 * g[0]}, .stack = {g[1]}};
                                      },
                                      {.trip = 3});
  m.function("f", {{"x", out.last[0]}, {"slopes", out.stacked[0]}});
  const tn::Program program = tn::compile(m);
  tn::Session session(program, program.init(1));
  std::vector<double> start{8, -8}, goal{0, 1};
  const tn::Outputs got = session.run("f", {{"x0", tn::view(start, {2})}, {"target", tn::view(goal, {2})}});
  // Each step halves the distance; the other gradient is -2 d.
  CHECK(got["x"].as<double>()[0] == 1);
  CHECK(got["x"].as<double>()[1] == 1 - 9.0 / 8);
  CHECK(got["slopes"].as<double>()[0] == -16);
  CHECK(got["slopes"].as<double>()[1] == 18);
  CHECK(got["slopes"].as<double>()[2] == -8);
}

TEST_CASE("a gradient in a body where the mode would matter is refused") {
  tn::Model m("unsure");
  const tn::Value x0 = m.input<float>("x0", {2});
  int code = 0;
  try {
    tn::loop({x0}, {},
             [&](const tn::Iteration& i) -> tn::Yield {
               const tn::Value loss = tn::reduce_sum(tn::dropout(i.carry[0], 0.5));
               return {.next = {tn::grad(loss, i.carry[0])}};
             },
             {.trip = 3});
  } catch (const tn::Error& error) {
    code = error.code();
  }
  CHECK(code == 113);
}

TEST_CASE("a state for each parameter, shaped like it") {
  tn::Model m("slots");
  const tn::Value x = m.input<double>("x", {3});
  const tn::Value w = m.param<double>("w", {3}, {.init = "ones"});
  const tn::Value loss = tn::reduce_sum(w * x);
  std::vector<tn::Assign> rule;
  for (const tn::Value& p : m.params()) {
    const tn::Value v = m.state_like(p, "velocity");
    const tn::Value next = 0.5 * v + tn::grad(loss, p);
    rule.push_back({v, next});
    rule.push_back({p, p - 0.25 * next});
  }
  m.step("train", rule);
  const tn::Program program = tn::compile(m);
  tn::State state = program.init(1);
  tn::Session session(program, state);
  std::vector<double> in{1, 2, 4};
  session.run("train", {{"x", tn::view(in, {3})}});
  session.run("train", {{"x", tn::view(in, {3})}});
  CHECK(state.get("w.velocity").as<double>()[2] == 6);
  CHECK(state.get("w").as<double>()[2] == 1 - 1 - 1.5);
}
