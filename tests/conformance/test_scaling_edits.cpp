// Edited kernels: every access of a wide tile is guarded, which makes thousands of branches; the work of
// compiling them stays in proportion to their code.
#include <string>

#include "catch.h"
#include "conformance/counted_stages.h"
#include "driver/compile/compile.h"
#include "driver/program/program.h"

namespace tenon::test {
namespace {
using namespace support;

// A product's kernels; its tiles edited to so many rows.
std::vector<std::string> run_stages(const std::string& /*shape*/, size_t rows) {
  driver::CompileOptions options;
  options.cpu = "x86-64-v4";
  options.threads = 1;
  CountedStages stages;
  std::string text;
  auto source = driver::read_unit(
      "tenon 1\nmodule product\ndim n = 1..40\nparam w : f32[5,9] = glorot_uniform\n"
      "func f(x: f32[n,5]) -> y: f32[n,9] {\n"
      "  y = dot_general x, w {lhs_contract = [1], rhs_contract = [0]}\n  return y\n}\n",
      "product.tenon");
  if (!source) FAIL(source.errors().text());
  auto kernels = driver::to_kernels(std::move(*source), options);
  if (!kernels) FAIL(kernels.errors().text());
  auto printed = driver::print_unit({std::move(*kernels), driver::Stage::kernel});
  if (!printed) FAIL(printed.errors().text());
  text = std::move(*printed);
  const std::string tile = "MR = 8";
  const size_t at = text.find(tile);
  if (at == std::string::npos) FAIL("no tile of 8 rows");
  text.replace(at, tile.size(), "MR = " + std::to_string(rows));
  stages.run("code", [&] {
    auto unit = driver::read_unit(text, "edited.tenon");
    if (!unit) FAIL(unit.errors().text());
    auto guarded = driver::to_kernels(std::move(*unit), options);
    if (!guarded) FAIL(guarded.errors().text());
    return bool(driver::to_object(*guarded, options));
  });
  return stages.names;
}

constexpr const char* hidden = "stages of edited tiles to be counted";

}  // namespace

// 8 rows are as they were made, without a guard; before, 16 rows took 80 times their work.
TEST_CASE("a tile of twice the rows, all guarded, takes no more than its code asks for", "[long]") {
  require_linear(hidden, run_stages, {8, 16}, {"tile"}, 10);
}

TEST_CASE(hidden, "[.]") { run_counted(run_stages); }

}  // namespace tenon::test
