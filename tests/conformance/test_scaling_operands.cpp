// Functions of many arguments, results, parameters and dimensions, and operations of many operands: the work
// of every stage, the code of the C functions that test them and the texts of explanations grow with their
// number and not with that of their pairs.
#include <cstring>
#include <string>
#include <vector>

#include "catch.h"
#include "conformance/counted_stages.h"
#include "conformance/object_programs.h"
#include "driver/compile/compile.h"
#include "driver/program/program.h"
#include "ir/parse.h"
#include "support/text.h"

namespace tenon::test {
namespace {
using namespace support;

std::string number(size_t i) { return std::to_string(i); }

std::string listed(const std::string& before, size_t count, const std::string& behind = "") {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += (i == 0 ? "" : ", ") + before + number(i) + behind;
  return out;
}

// The sum of <name>0 and those behind it.
std::string sum_text(const std::string& name, size_t count) {
  std::string out = "  s0 = mul " + name + "0, 0.5\n";
  for (size_t i = 1; i < count; ++i)
    out += "  s" + number(i) + " = add s" + number(i - 1) + ", " + name + number(i) + "\n";
  return out + "  s = reduce_sum s" + number(count - 1) + " {axes = [0]}\n  return s\n}\n";
}

std::string shape_text(const std::string& shape, size_t n) {
  const std::string head = "tenon 1\nmodule m\n";
  if (shape == "arguments")
    return head + "func f(" + listed("x", n, ": f32[2]") + ") -> f32[] {\n" + sum_text("x", n);
  if (shape == "results") {
    std::string out = head + "func f(x: f32[8]) -> " + listed("r", n, ": f32[8]") + " {\n";
    for (size_t i = 0; i < n; ++i) out += "  y" + number(i) + " = mul x, " + number(i) + ".5\n";
    return out + "  return " + listed("y", n) + "\n}\n";
  }
  if (shape == "parts")
    return head + "func f(" + listed("x", n, ": f32[2]") + ") -> f32[" + number(2 * n) +
           "] {\n  c = concat " + listed("x", n) + " {axis = 0}\n  y = tanh c\n  return y\n}\n";
  if (shape == "called")
    return head + "func g(" + listed("x", n, ": f32[2]") + ") -> f32[] {\n" + sum_text("x", n) + "func f(" +
           listed("x", n, ": f32[2]") + ") -> f32[] {\n  y = call g(" + listed("x", n) + ")\n  return y\n}\n";
  if (shape == "carries") {
    std::string starts, types, body;
    for (size_t i = 0; i < n; ++i) {
      const std::string comma = i == 0 ? "" : ", ";
      starts += comma + "c" + number(i) + " = x";
      types += comma + "f32[2]";
      body += "    d" + number(i) + " = mul c" + number(i) + ", 1.5\n";
    }
    return head + "func f(x: f32[2]) -> f32[] {\n  " + listed("r", n) + " = loop (" + starts +
           ") {trip = 3} : " + types + " {\n" + body + "    yield " + listed("d", n) + "\n  }\n" +
           sum_text("r", n);
  }
  if (shape == "dimensions") {
    std::string dims, arguments, body;
    for (size_t i = 0; i < n; ++i) {
      dims += "dim n" + number(i) + " = 1..64\n";
      arguments += (i == 0 ? "x" : ", x") + number(i) + ": f32[n" + number(i) + "]";
      body += "  r" + number(i) + " = reduce_sum x" + number(i) + " {axes = [0]}\n";
    }
    std::string out = head + dims + "func f(" + arguments + ") -> f32[] {\n" + body + "  s0 = mul r0, 0.5\n";
    for (size_t i = 1; i < n; ++i)
      out += "  s" + number(i) + " = add s" + number(i - 1) + ", r" + number(i) + "\n";
    return out + "  return s" + number(n - 1) + "\n}\n";
  }
  std::string out = head;  // trained parameters
  for (size_t i = 0; i < n; ++i) out += "param t" + number(i) + " : f32[2] = ones\n";
  return out + "func loss(x: f32[2]) -> f32[] {\n" + sum_text("t", n) +
         "derive f = step loss {with = adam {lr = 0.01}}\n";
}

driver::CompileOptions options_of() {
  driver::CompileOptions options;
  options.epochs = options.step_loops = false;
  options.functions = {"f"};
  options.cpu = "x86-64-v3";
  options.threads = 1;
  return options;
}

// Deriving, kernels with the texts of their edges, and code with the C functions.
std::vector<std::string> run_stages(const std::string& shape, size_t operands) {
  CountedStages stages;
  driver::Unit unit;
  stages.run("derivation", [&] {
    auto module = ir::parse(shape_text(shape, operands));
    if (!module) FAIL(module.errors().text());
    auto derived = driver::derive(std::move(*module), options_of());
    if (!derived) FAIL(derived.errors().text());
    unit.code = std::move(*derived);
    return true;
  });
  kernel::Module kernels;
  stages.run("kernels and explanations", [&] {
    driver::CompileReport report;
    auto made = driver::to_kernels(unit, options_of(), &report);
    if (!made) FAIL(made.errors().text());
    kernels = std::move(*made);
    return !kernels.functions.empty();
  });
  stages.run("code", [&] { return bool(driver::to_object(kernels, options_of())); });
  return stages.names;
}

constexpr const char* hidden = "stages of many operands to be counted";

}  // namespace

TEST_CASE("operations and functions of many operands: work grows with their number", "[long]") {
  require_linear(hidden, run_stages, {100, 300}, {"arguments", "results"}, 3);
}

TEST_CASE("operations and functions of many operands: work grows with their number, all shapes", "[long]") {
  require_linear(hidden, run_stages, {300, 900},
                 {"arguments", "results", "parts", "called", "carries", "parameters", "dimensions"}, 3);
}

// Kernels are cut where they would read more values than LLVM sees through quickly: no function of the object
// holds all of 700 values, and bits are those of the exact evaluator.
TEST_CASE("kernels of small functions with many values are cut, in loops as well") {
  const Folder folder;
  for (const char* shape : {"arguments", "carries"}) {
    INFO(shape);
    folder.write("m.tenon", shape_text(shape, 700));
    const Ran kernels = folder.tenon("show m.tenon --fn f --stage kernel --cpu x86-64-v3");
    REQUIRE(kernels.status == 0);
    size_t most = 0, loads = 0;
    for (const std::string_view line : split(kernels.out, '\n')) {
      if (line.starts_with("kernel ")) loads = 0;
      loads += line.find('[') != std::string_view::npos && line.find(" = ") != std::string_view::npos;
      most = std::max(most, loads);
      if (line.starts_with("entry ")) break;
    }
    CHECK(most > 0);
    CHECK(most < 600);
    const Ran diff = folder.tenon("diff m.tenon f");
    INFO(diff.out << diff.err);
    CHECK(diff.status == 0);
  }
}

// A C function of many arguments tests them in tables: each status where it belongs, and bits as ever.
TEST_CASE("a C function of many arguments tests each of them") {
  const Folder folder;
  std::string model = "tenon 1\nmodule m\ndim n = 2..8\nfunc f(" + listed("x", 40, ": f32[n]") + ") -> " +
                      listed("r", 40, ": f32[n]") + " {\n";
  for (size_t i = 0; i < 40; ++i)
    model += "  y" + number(i) + " = mul x" + number(i) + ", " + number(i) + ".5\n";
  folder.write("m.tenon", model + "  return " + listed("y", 40) + "\n}\n");
  const Ran made = folder.tenon("compile m.tenon --cpu x86-64-v3 -o m");
  INFO(made.err);
  REQUIRE(made.status == 0);
  std::string call =
      "m_f(state, " + listed("in[", 40, "]") + ", n, " + listed("out[", 40, "]") + ", arena, sizeof arena)";
  const std::string program = R"(
static float memory[100][32];
static float *in[40], *out[40];
static char *state;
static _Alignas(64) char arena[65536];
static int call(uint32_t n) { return CALL; }
static void fresh(void) {
  int i, k;
  for (i = 0; i < 40; ++i) {
    in[i] = memory[i];
    out[i] = memory[99 - i];
    for (k = 0; k < 8; ++k) in[i][k] = (float)(i + k);
  }
}
#define NEED(what) if (!(what)) return __LINE__ % 200 + 1
int main(void) {
  int i;
  state = guarded(M_STATE_BYTES);
  if (m_init(state, M_STATE_BYTES, 3) != M_OK) return 2;
  fresh();
  NEED(call(8) == M_OK);
  for (i = 0; i < 40; ++i) NEED(out[i][7] == (float)(i + 7) * ((float)i + 0.5f));
  NEED(call(9) == M_E_RANGE && call(1) == M_E_RANGE);
  for (i = 0; i < 40; ++i) {
    fresh(), in[i] = 0;
    NEED(call(8) == M_E_NULL);
    fresh(), out[i] = 0;
    NEED(call(8) == M_E_NULL);
    fresh(), in[i] = (float *)((char *)in[i] + 2);
    NEED(call(8) == M_E_ALIGN);
    fresh(), out[i] = in[(i + 7) % 40] + 7;
    NEED(call(8) == M_E_OVERLAP);
    NEED(call(7) == M_OK);
    fresh(), out[i] = out[(i + 1) % 40];
    NEED(call(8) == M_E_OVERLAP);
    fresh(), in[i] = in[(i + 1) % 40];
    NEED(call(8) == M_OK);
    fresh(), out[i] = (float *)state;
    NEED(call(8) == M_E_OVERLAP);
  }
  return 0;
}
)";
  std::string text = program;
  text.replace(text.find("CALL"), 4, call);
  const Ran linked = link_program(folder, "m", text);
  INFO(linked.err << folder.read("m.h").substr(0, 3000));
  REQUIRE(linked.status == 0);
  CHECK(folder.shell("./m_main").status == 0);
}

TEST_CASE(hidden, "[.]") { run_counted(run_stages); }

}  // namespace tenon::test
