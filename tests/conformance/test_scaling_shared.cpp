// Graphs whose values are used twice in a row, views that multiply, and operations that cost much: the work
// of every stage grows with the number of operations. A walk that takes each path to a value instead of each
// value once doubles with every step of such a chain, so that a few dozen steps would never end.
#include <cstring>
#include <string>
#include <vector>

#include "catch.h"
#include "common/engines.h"
#include "conformance/counted_stages.h"
#include "driver/compile/compile.h"
#include "evaluate/evaluate.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "kernel/print.h"
#include "kernel/verify.h"
#include "object/object.h"
#include "support/thread.h"
#include "target/target.h"

namespace tenon::test {
namespace {
using namespace support;

std::string number(size_t i) { return std::to_string(i); }

// One step of a chain from v<i-1> (and v<i-2>) to v<i>.
std::string step_text(const std::string& shape, size_t i) {
  const std::string k = number(i), v = "v" + number(i - 1), last = "v" + number(i < 2 ? 0 : i - 2);
  if (shape == "squares" || shape == "scalar squares") return "  v" + k + " = mul " + v + ", " + v + "\n";
  if (shape == "residual" || shape == "scalar residual")
    return "  s" + k + " = relu " + v + "\n  v" + k + " = add " + v + ", s" + k + "\n";
  if (shape == "two before") return "  v" + k + " = sub " + v + ", " + last + "\n";
  if (shape == "maxima")
    return "  m" + k + " = reduce_max " + v + " {axes = [0]}\n  v" + k + " = sub " + v + ", m" + k + "\n";
  if (shape == "sines") return "  v" + k + " = sin " + v + "\n";
  if (shape == "Heun")
    return "  a" + k + " = tanh " + v + "\n  b" + k + " = mul a" + k + ", 0.125\n  c" + k + " = add " + v +
           ", b" + k + "\n  d" + k + " = tanh c" + k + "\n  e" + k + " = add a" + k + ", d" + k + "\n  g" +
           k + " = mul e" + k + ", 0.0625\n  v" + k + " = add " + v + ", g" + k + "\n";
  if (shape == "swaps")
    return "  l" + k + " = slice " + v + " {limit = [4]}\n  h" + k + " = slice " + v + " {start = [4]}\n  v" +
           k + " = concat h" + k + ", l" + k + "\n";
  if (shape == "swapped sums")
    return "  l" + k + " = slice " + v + " {limit = [4]}\n  h" + k + " = slice " + v + " {start = [4]}\n  w" +
           k + " = concat h" + k + ", l" + k + "\n  v" + k + " = add w" + k + ", " + v + "\n";
  if (shape == "conditions")
    return "  v" + k + " = cond c (a = " + v +
           ") {\n    p = add a, 1.0\n    yield p\n  } else {\n    q = mul a, 0.5\n    yield q\n  }\n";
  return "";
}

std::string shape_text(const std::string& shape, size_t operations) {
  std::string out = "tenon 1\nmodule m\nparam w : f32[8] = ones\n";
  if (shape == "calls") {
    out += "func f0(x: f32[8]) -> f32[8] {\n  y = mul x, 0.5\n  return y\n}\n";
    for (size_t i = 1; i < operations; ++i)
      out += "func f" + number(i) + "(x: f32[8]) -> f32[8] {\n  a = call f" + number(i - 1) +
             "(x)\n  b = call f" + number(i - 1) + "(a)\n  return b\n}\n";
    return out +
           "func f(x: f32[8]) -> f32[] {\n  v = mul x, w\n  s = reduce_sum v {axes = [0]}\n  return s\n}\n";
  }
  if (shape == "parameters") {
    for (size_t i = 0; i < operations; ++i) out += "param p" + number(i) + " : f32[8] = ones\n";
    out += "func f(x: f32[8]) -> f32[] {\n  v0 = mul x, w\n";
    for (size_t i = 0; i < operations; ++i)
      out += "  v" + number(i + 1) + " = add v" + number(i) + ", p" + number(i) + "\n";
    out += "  s = reduce_sum v" + number(operations) + " {axes = [0]}\n";
    for (size_t i = 0; i < operations; ++i) out += "  set p" + number(i) + " = v" + number(i) + "\n";
    return out + "  return s\n}\n";
  }
  if (shape == "parts") {
    out += "func f(";
    std::string all;
    for (size_t i = 0; i < operations; ++i) {
      out += (i == 0 ? "x" : ", x") + number(i) + ": f32[2]";
      all += (i == 0 ? "x" : ", x") + number(i);
    }
    return out + ") -> f32[" + number(2 * operations) + "] {\n  c = concat " + all +
           " {axis = 0}\n  y = mul c, 2.0\n  return y\n}\n";
  }
  const bool scalars = shape.starts_with("scalar"), conditions = shape == "conditions";
  const std::string type = scalars ? "f32[]" : "f32[8]";
  out += "func f(x: " + type + (conditions ? ", c: bool[]" : "") + ") -> f32[] {\n  v0 = ";
  out += scalars ? "add x, 0.5\n" : "mul x, w\n";
  for (size_t i = 1; i <= operations; ++i) out += step_text(shape, i);
  const std::string end = "v" + number(operations);
  if (scalars) return out + "  return " + end + "\n}\n";
  return out + "  s = reduce_sum " + end + " {axes = [0]}\n  return s\n}\n";
}

evaluate::Inputs inputs_of(const ir::Module& module) {
  evaluate::Inputs inputs;
  auto filled = [](const ir::Type& type) {
    std::vector<int64_t> shape;
    for (const ir::Dim& d : type.shape) shape.push_back(d.constant());
    Array out(type.dtype, shape);
    for (int64_t i = 0; i < out.count(); ++i)
      if (type.dtype == DType::f32)
        out.as<float>()[static_cast<size_t>(i)] = 0.5f + 0.03125f * static_cast<float>(i);
      else
        *reinterpret_cast<bool*>(out.data()) = true;
    return out;
  };
  const ir::Function& f = *module.find_function("f");
  for (ir::ValueId a : f.graph.args)
    if (f.graph.value(a).arg == ir::ArgKind::input) inputs.arguments.push_back(filled(f.graph.type(a)));
  for (const ir::Global& g : module.globals) inputs.globals.emplace(g.name, filled(g.type));
  return inputs;
}

driver::CompileOptions options_of() {
  driver::CompileOptions options;
  options.epochs = false;
  options.c_functions = false;
  options.functions = {"f"};
  options.cpu = "x86-64-v3";
  return options;
}

// All stages up to kernels, and both evaluators.
std::vector<std::string> run_stages(const std::string& shape, size_t operations) {
  CountedStages stages;
  const std::string text = shape_text(shape, operations);
  ir::Module module;
  stages.run("parse", [&] {
    auto made = ir::parse(text);
    if (!made) return false;
    module = std::move(*made);
    return true;
  });
  stages.run("verify", [&] { return bool(ir::verify(module)); });
  stages.run("print", [&] { return !ir::print(module).empty(); });
  stages.run("hash", [&] { return !ir::structural_hash(module).hex().empty(); });
  if (shape != "parts" && shape != "calls" && shape != "conditions" && !shape.starts_with("scalar")) {
    stages.run("gradient", [&] {
      auto graph = ir::parse(text + "derive g = grad f {wrt = [x, w]}\n");
      driver::CompileOptions options = options_of();
      options.functions = {"g"};
      return graph && bool(driver::optimize(std::move(*graph), options));
    });
  }
  const evaluate::Inputs inputs = inputs_of(module);
  stages.run("exact evaluator",
             [&] { return bool(evaluate::exact(module, *module.find_function("f"), inputs)); });
  stages.run("wide evaluator",
             [&] { return bool(evaluate::wide(module, *module.find_function("f"), inputs)); });
  kernel::Module kernels;
  stages.run("passes, fusion and lowering", [&] {
    driver::Unit unit;
    unit.code = module;
    auto made = driver::to_kernels(std::move(unit), options_of());
    if (!made) FAIL(made.errors().text());
    kernels = std::move(*made);
    return true;
  });
  std::string printed;
  stages.run("kernel verifier", [&] { return bool(kernel::verify(kernels)); });
  stages.run("kernel printer", [&] { return !(printed = kernel::print(kernels)).empty(); });
  stages.run("kernel parser", [&] { return bool(kernel::parse(printed)); });
  return stages.names;
}

// What `tenon check` does.
std::vector<std::string> run_check(const std::string& shape, size_t operations) {
  CountedStages stages;
  const std::string text = shape_text(shape, operations);
  ir::Module module;
  stages.run("parse", [&] {
    auto made = ir::parse(text);
    if (!made) return false;
    module = std::move(*made);
    return true;
  });
  stages.run("verify", [&] { return bool(ir::verify(module)); });
  stages.run("derivation", [&] { return bool(driver::derive(std::move(module), {})); });
  return stages.names;
}

std::vector<std::string> run_code(const std::string& shape, size_t operations) {
  CountedStages stages;
  driver::Unit unit;
  auto module = ir::parse(shape_text(shape, operations));
  REQUIRE(module);
  unit.code = std::move(*module);
  driver::CompileOptions options = options_of();
  options.threads = 1;
  auto kernels = driver::to_kernels(std::move(unit), options);
  if (!kernels) FAIL(kernels.errors().text());
  stages.run("code", [&] { return bool(driver::to_object(*kernels, options)); });
  return stages.names;
}

constexpr const char* hidden = "stages of shared values to be counted";
constexpr const char* hidden_check = "a check of shared values to be counted";
constexpr const char* hidden_code = "code of shared values to be counted";
const std::vector<std::string> chains = {"squares", "residual",       "two before",      "Heun",
                                         "swaps",   "scalar squares", "scalar residual", "swapped sums",
                                         "maxima"};

void pass_every_stage(size_t chained, size_t others) {
  for (const std::string& shape : chains) {
    INFO(shape);
    CHECK(run_stages(shape, chained).size() > 9);
  }
  for (const std::string shape : {"calls", "conditions", "parameters", "parts"}) {
    INFO(shape);
    CHECK(run_stages(shape, others).size() > 8);
  }
}

}  // namespace

TEST_CASE("values used twice in a row: work grows with the number of operations") {
  require_linear(hidden, run_stages, {40, 160}, {"residual", "swaps", "scalar squares", "maxima"}, 4);
  require_linear(hidden, run_stages, {64, 256}, {"parts"}, 4);
}

TEST_CASE("values used twice in a row, up to 10,000: work grows with their number", "[long]") {
  require_linear(hidden, run_stages, {100, 1000, 10000}, chains);
  require_linear(hidden, run_stages, {100, 1000, 10000}, {"calls", "conditions", "parameters", "sines"});
  require_linear(hidden, run_stages, {64, 256, 1024}, {"parts"}, 4);
}

TEST_CASE("code of values used twice in a row grows with their number", "[long]") {
  require_linear(hidden_code, run_code, {64, 256}, {"Heun", "residual", "swaps", "sines", "parts"}, 4);
  require_linear(hidden_code, run_code, {500, 2000}, {"conditions"}, 4);
}

TEST_CASE("a check of 100,000 parameters, each of them set: work grows with their number", "[long]") {
  require_linear(hidden_check, run_check, {1000, 10000, 100000}, {"parameters"});
}

TEST_CASE("values used twice in a row pass every stage, 500 of them") { pass_every_stage(500, 300); }
TEST_CASE("values used twice in a row pass every stage, 2,000 of them", "[long]") {
  pass_every_stage(2000, 1000);
}

TEST_CASE("values used twice in a row compile and have the exact evaluator's bits") {
  for (const std::string& shape : chains) {
    INFO(shape);
    auto engines = Engines::make(shape_text(shape, 60), "f");
    if (!engines) FAIL(engines.errors().text());
    const std::string difference = (*engines)->compare((*engines)->draw({}, 1));
    CHECK(difference == "");
  }
}

TEST_CASE("calls that double at every level are refused where they are put in") {
  auto module = ir::parse(shape_text("calls", 40));
  REQUIRE(module);
  driver::CompileOptions options = options_of();
  options.functions = {"f39"};
  auto derived = driver::derive(std::move(*module), options);
  REQUIRE(!derived);
  CHECK(derived.errors().text().find("T502") != std::string::npos);
}

// A host's thread may have little stack: no stage calls itself once for each operation of a chain.
TEST_CASE("chains of 10,000 operations of rank 0 pass every stage on a stack of 512 KiB", "[long]") {
  for (const std::string shape : {"scalar squares", "scalar residual"}) {
    INFO(shape);
    bool done = false;
    std::string failed;
    auto work = [&] {
      const std::string text = shape_text(shape, 10000);
      auto module = ir::parse(text);
      if (!module) return failed = module.errors().text(), void();
      const evaluate::Inputs inputs = inputs_of(*module);
      const ir::Function& f = *module->find_function("f");
      if (!evaluate::exact(*module, f, inputs) || !evaluate::wide(*module, f, inputs))
        return failed = "evaluators", void();
      auto graph = ir::parse(text + "derive g = grad f {wrt = [x]}\n");
      driver::CompileOptions options = options_of();
      options.functions = {"f", "g"};
      options.threads = 1;
      driver::Unit unit;
      unit.code = std::move(*graph);
      auto kernels = driver::to_kernels(std::move(unit), options);
      if (!kernels) return failed = kernels.errors().text(), void();
      const std::string printed = kernel::print(*kernels);
      if (!kernel::verify(*kernels) || !kernel::parse(printed)) return failed = "kernels", void();
      if (auto object = driver::to_object(*kernels, options); !object)
        return failed = object.errors().text(), void();
      done = true;
    };
    Thread thread;
    REQUIRE(thread.start(size_t{512} << 10, work));
    thread.join();
    CHECK(failed == "");
    CHECK(done);
  }
}

TEST_CASE(hidden_check, "[.]") { run_counted(run_check); }
TEST_CASE(hidden, "[.]") { run_counted(run_stages); }
TEST_CASE(hidden_code, "[.]") { run_counted(run_code); }

}  // namespace tenon::test
