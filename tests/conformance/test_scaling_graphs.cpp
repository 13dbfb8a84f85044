// Chains and fans of many operations: the work of parser, verifier, gradient, every pass and printer grows
// with the number of operations, counted in instructions, and none of them recurses over the depth of a
// graph.
//
// Counting is callgrind's: the test runs its own binary again, on the hidden case at the end, which does each
// stage in a function of its own. Without valgrind the counts are skipped, by name; the stages run all the
// same.
#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "catch.h"
#include "conformance/command_runner.h"
#include "driver/program.h"
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

// One function for each stage whose instructions are counted; callgrind knows them by their numbers.
constexpr size_t most_stages = 24;
template <size_t number>
__attribute__((noinline)) void counted_stage(const std::function<void()>& work) {
  work();
  // Not a tail call: the stage ends here. The number keeps the compiler from merging equal stages.
  asm volatile("# stage %c0" ::"i"(number) : "memory");
}
template <size_t... numbers>
void call_stage(size_t number, const std::function<void()>& work, std::index_sequence<numbers...>) {
  ((numbers == number ? counted_stage<numbers>(work) : void()), ...);
}

// All stages once; their names in the order in which they are counted.
std::vector<std::string> run_stages(const std::string& shape, size_t operations) {
  std::vector<std::string> names;
  const std::string text = shape_text(shape, operations);
  ir::Module module;
  auto stage = [&](const std::string& name, const std::function<bool()>& work) {
    bool good = false;
    // What the stage before has freed is put together now: the allocator would else do it in the next one.
    malloc_trim(0);
    call_stage(names.size(), [&] { good = work(); }, std::make_index_sequence<most_stages>());
    if (!good) FAIL("stage failed: " << name);
    names.push_back(name);
  };
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
  for (const passes::Pass* pass : passes::pipeline()) {
    stage(std::string(pass->name), [&] {
      pass::Counts counts;
      return bool(pass->run(module, counts));
    });
  }
  stage("print of the gradient", [&] { return !(printed = ir::print(module)).empty(); });
  return names;
}

// Instructions of each stage, in order; empty where there is no valgrind.
std::vector<uint64_t> count(const std::string& shape, size_t operations) {
  const Folder folder;
  if (folder.shell("command -v valgrind").status != 0) return {};
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const Ran ran =
      folder.shell("TENON_SCALING='" + shape + " " + std::to_string(operations) +
                   "' valgrind --tool=callgrind --callgrind-out-file=c --main-stacksize=8388608"
                   " '--toggle-collect=*counted_stage<*' '" +
                   self + "' 'stages to be counted' && callgrind_annotate --inclusive=yes --threshold=100 c");
  INFO(ran.err);
  REQUIRE(ran.status == 0);
  std::vector<uint64_t> out;
  for (size_t number = 0; number < most_stages; ++number) {
    // "  12,345 (67.8%)  file:void ...::counted_stage<3ul>(...) [...]"
    const size_t at = ran.out.find("counted_stage<" + std::to_string(number) + "ul>");
    if (at == std::string::npos) break;
    uint64_t instructions = 0;
    for (size_t i = ran.out.rfind('\n', at) + 1; i < at; ++i) {
      const char c = ran.out[i];
      if (c >= '0' && c <= '9')
        instructions = instructions * 10 + static_cast<uint64_t>(c - '0');
      else if (c != ' ' && c != ',')
        break;
      else if (c == ' ' && instructions > 0)
        break;
    }
    out.push_back(instructions);
  }
  return out;
}

// Ten times the operations cost at most 13 times the instructions, in every stage and from each size to the
// next.
void require_linear(const std::vector<size_t>& sizes, const std::vector<std::string>& shapes) {
  for (const std::string& shape : shapes) {
    const std::vector<std::string> names = run_stages(shape, 10);
    std::vector<uint64_t> small;
    for (const size_t operations : sizes) {
      const std::vector<uint64_t> large = count(shape, operations);
      if (large.empty()) {
        WARN("skipped: instructions of graphs, as valgrind is not installed");
        return;
      }
      REQUIRE(large.size() == names.size());
      std::string table;
      bool linear = true;
      for (size_t i = 0; i < small.size(); ++i) {
        const double ratio = static_cast<double>(large[i]) / static_cast<double>(small[i]);
        table += names[i] + ": " + std::to_string(small[i]) + " -> " + std::to_string(large[i]) + ", " +
                 std::to_string(ratio) + "x" + (ratio > 13 ? " TOO MUCH" : "") + "\n";
        linear = linear && ratio <= 13;
      }
      INFO(shape << " of " << operations << " operations, and a tenth as many:\n" << table);
      CHECK(linear);
      if (std::getenv("TENON_SHOW_COUNTS") != nullptr && !small.empty()) WARN(table);
      small = large;
    }
  }
}

}  // namespace

TEST_CASE("chains and fans: work grows with the number of operations") {
  require_linear({300, 3000}, {"chain", "wide"});
}

TEST_CASE("chains and fans of up to 100,000 operations: work grows with their number", "[long]") {
  require_linear({1000, 10000, 100000}, {all_shapes, all_shapes + 4});
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

TEST_CASE("stages to be counted", "[.]") {
  const char* wanted = std::getenv("TENON_SCALING");
  if (wanted == nullptr) return;
  const std::string text = wanted;
  const size_t space = text.find(' ');
  run_stages(text.substr(0, space), std::strtoull(text.c_str() + space, nullptr, 10));
}

}  // namespace tenon::test
