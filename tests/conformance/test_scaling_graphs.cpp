// Chains and fans of many operations: the work of parser, verifier, gradient, every pass and printer grows
// with the number of operations, counted in instructions, and none of them recurses over the depth of a
// graph.
#include <functional>
#include <string>
#include <vector>

#include "catch.h"
#include "conformance/counted_stages.h"
#include "driver/program/program.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "passes/passes.h"

namespace tenon::test {
namespace {
using namespace support;

// chain: each operation uses the one before. fan: all use one value, and sums gather them one by one.
// wide: all use one value, and one operation uses them all. same: as wide, of equal operations.
std::string shape_text(const std::string& shape, size_t operations) {
  std::string out = "tenon 1\nmodule m\ndim n = 1..64\nparam w : f32[n0] = ones\n";
  out.replace(out.find("n0"), 2, "8");
  out += "func f(x: f32[8]) -> f32[] {\n";
  const char* const kinds[] = {"add", "mul", "sub", "max"};
  const std::string type = " : f32[8]\n";
  if (shape == "chain") {
    out += "  v0 = mul x, w" + type;
    for (size_t i = 1; i < operations; ++i) {
      const std::string last = "v" + std::to_string(i - 1), v = "  v" + std::to_string(i) + " = ";
      out += v + (i % 5 == 4 ? "tanh " + last : std::string(kinds[i % 4]) + " " + last + ", w") + type;
    }
    out += "  s = reduce_sum v" + std::to_string(operations - 1) + " {axes = [0]} : f32[]\n";
  } else if (shape == "wide" || shape == "same") {
    std::string all;
    for (size_t i = 0; i < operations; ++i) {
      const std::string v = "v" + std::to_string(i);
      out += "  " + v + " = mul x, " + (shape == "same" || i == 0 ? "w" : std::to_string(i) + ".5") + type;
      all += (i == 0 ? "" : ", ") + v;
    }
    const std::string joined = "[" + std::to_string(8 * operations) + "]";
    out += "  t = concat " + all + " {axis = 0} : f32" + joined + "\n";
    out += "  q = mul t, t : f32" + joined + "\n  s = reduce_sum q {axes = [0]} : f32[]\n";
  } else {
    out += "  v0 = mul x, w" + type + "  s0 = add v0, w" + type;
    for (size_t i = 1; i < operations / 2; ++i) {
      const std::string k = std::to_string(i);
      out += "  v" + k + " = " + kinds[i % 4] + " v0, " + k + ".5" + type;
      out += "  s" + k + " = add s" + std::to_string(i - 1) + ", v" + k + type;
    }
    out += "  s = reduce_sum s" + std::to_string(operations / 2 - 1) + " {axes = [0]} : f32[]\n";
  }
  return out + "  return s\n}\n";
}

constexpr const char* all_shapes[] = {"chain", "fan", "wide", "same"};

// All stages once; their names in the order in which they are counted.
std::vector<std::string> run_stages(const std::string& shape, size_t operations) {
  CountedStages stages;
  const std::string text = shape_text(shape, operations);
  ir::Module module;
  auto stage = [&](const std::string& name, const std::function<bool()>& work) { stages.run(name, work); };
  std::string printed;
  auto parsed = [&](const std::string& source) {
    auto made = ir::parse(source);
    if (!made) return false;
    module = std::move(*made);
    return true;
  };
  stage("parse", [&] { return parsed(text); });
  stage("verify", [&] { return bool(ir::verify(module)); });
  stage("print", [&] { return (printed = ir::print(module)).size() > operations * 10; });
  stage("hash", [&] { return !ir::structural_hash(module).hex().empty(); });
  if (!parsed(text + "derive g = grad f {wrt = [x, w]}\n")) FAIL("no gradient");
  stage("grad", [&] {
    driver::CompileOptions options;
    options.epochs = false;
    options.functions = {"g"};
    auto derived = driver::derive(std::move(module), options);
    if (!derived) FAIL(derived.errors().text());
    module = std::move(*derived);
    return true;
  });
  for (const pass::Step<ir::Module>& step : passes::pipeline()) {
    stage(std::string(step.pass->name), [&] {
      pass::Counts counts;
      return bool(step.pass->run(module, step.options, counts));
    });
  }
  stage("print of the gradient", [&] { return !(printed = ir::print(module)).empty(); });
  return stages.names;
}

constexpr const char* hidden = "stages to be counted";

}  // namespace

TEST_CASE("chains and fans: work grows with the number of operations") {
  require_linear(hidden, run_stages, {300, 3000}, {"chain", "wide"});
}

TEST_CASE("chains and fans of up to 100,000 operations: work grows with their number", "[long]") {
  require_linear(hidden, run_stages, {1000, 10000, 100000}, {all_shapes, all_shapes + 4});
}

TEST_CASE("chains and fans of 20,000 operations pass every stage") {
  for (const char* shape : all_shapes) CHECK(run_stages(shape, 20000).size() > 10);
}

TEST_CASE("chains and fans of 100,000 operations pass every stage", "[long]") {
  for (const char* shape : all_shapes) CHECK(run_stages(shape, 100000).size() > 10);
}

TEST_CASE("chains and fans of 5,000 operations run in process") {
  for (const std::string shape : {"chain", "fan"}) {
    INFO(shape);
    auto unit = driver::read_unit(shape_text(shape, 5000), "<test>");
    REQUIRE(unit);
    auto program = driver::Program::compile(std::move(*unit), {});
    if (!program) FAIL(program.errors().text());
    auto state = (*program)->init(1);
    REQUIRE(state);
    driver::Session session(*program, *state);
    Array x(DType::f32, {8});
    for (float& v : x.as<float>()) v = 0.5f;
    const Array* inputs[] = {&x};
    auto out = session.run("f", inputs);
    REQUIRE(out);
    const float found = (*out)[0].as<float>()[0];
    CHECK(found == found);
  }
}

TEST_CASE(hidden, "[.]") { run_counted(run_stages); }

}  // namespace tenon::test
