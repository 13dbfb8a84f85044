// The scheduled stage as text: what it says reads back to the same kernels, what is edited in it runs with
// equal bits, and what no group can be is an error at its line.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "catch.h"
#include "common/engines.h"
#include "driver/compile/compile.h"
#include "kernel/print.h"
#include "lower/lower.h"
#include "lower/schedule_text.h"
#include "paths.h"
#include "schedules.h"

namespace tenon::test {
namespace {
using namespace support;
namespace fs = std::filesystem;

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

driver::CompileOptions options_for(const std::string& cpu) {
  driver::CompileOptions options;
  options.cpu = cpu;
  options.epochs = false;
  options.threads = 1;
  options.quick = true;
  return options;
}

std::string dump_of(const std::string& text, const driver::CompileOptions& options) {
  auto unit = driver::read_unit(text, "m.tenon");
  if (!unit) FAIL(unit.errors().text());
  auto scheduled = driver::to_scheduled(std::move(*unit), options);
  if (!scheduled) FAIL(scheduled.errors().text());
  auto dump = driver::print_unit({*scheduled, driver::Stage::scheduled});
  if (!dump) FAIL(dump.errors().text());
  return *dump;
}

// Replaces the one place where `from` stands.
std::string edited(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  INFO(from << " in\n" << text);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string product(const std::string& m, const std::string& k, const std::string& n,
                    const std::string& behind = "") {
  const std::string result = behind.empty() ? "h" : "y";
  return "tenon 1\nmodule m\ndim n = 1..64\ndim d = 1..4096\nfunc f(x: f32[" + m + "," + k + "], w: f32[" +
         k + "," + n + "]) -> f32[" + m + "," + n +
         "] {\n  h = dot_general x, w {lhs_contract = [1], rhs_contract = [0]}\n" + behind + "  return " +
         result + "\n}\n";
}

const char* const relu_behind = "  y = max h, 0.0\n";

}  // namespace

TEST_CASE(
    "a dump that reads hyper-parameters in another order than they are declared gives the same kernels") {
  const std::string text =
      "tenon 1\nmodule m\nhyper a = 0.5 : f32\nhyper b = 2.0 : f32\nfunc f(x: f32[4]) -> y: f32[4] {\n"
      "  s = sub b, a\n  y = mul x, s\n  return y\n}\n";
  CHECK(shown(shown(text, "scheduled"), "kernel") == shown(text, "kernel"));
}

TEST_CASE("dumps of schedules read back to the text and the objects that they stand for") {
  const fs::path folder = TENON_SOURCE_DIR "/tests/conformance/goldens";
  size_t models = 0;
  for (const fs::directory_entry& e : fs::directory_iterator(folder)) {
    if (e.path().extension() != ".tenon") continue;
    ++models;
    for (const std::string cpu : {"x86-64-v3", "x86-64-v4"}) {
      INFO(e.path().filename() << " " << cpu);
      const driver::CompileOptions options = options_for(cpu);
      const std::string text = read(e.path()), dump = dump_of(text, options);
      auto again = driver::read_unit(dump, "dump.tenon");
      if (!again) FAIL(again.errors().text() << dump);
      REQUIRE(*driver::print_unit(*again) == dump);
      auto source = driver::read_unit(text, "m.tenon");
      const auto direct = driver::to_kernels(std::move(*source), options);
      const auto resumed = driver::to_kernels(std::move(*again), options);
      if (!resumed) FAIL(resumed.errors().text());
      REQUIRE(direct->functions.size() == resumed->functions.size());
      for (size_t i = 0; i < direct->functions.size(); ++i)
        REQUIRE(kernel::structural_hash(direct->functions[i]).hex() ==
                kernel::structural_hash(resumed->functions[i]).hex());
      if (cpu == "x86-64-v4") continue;
      const auto one = driver::to_object(*direct, options), other = driver::to_object(*resumed, options);
      REQUIRE(bool(one));
      REQUIRE(bool(other));
      REQUIRE(one->elf == other->elf);
    }
  }
  CHECK(models >= 20);
}

TEST_CASE("edited schedules run with the bits of the source") {
  struct Edit {
    std::string text, from, to;
  };
  const std::string wide = product("n", "d", "40", relu_behind), square = product("96", "600", "96");
  const std::string head = "tenon 1\nmodule m\ndim n = 1..64\ndim d = 1..64\n";
  const std::string rows =
      head + "func f(x: f32[n,d]) -> f32[n] {\n  r = reduce_sum x {axes = [1]}\n  return r\n}\n";
  const std::string chain =
      head +
      "func f(x: f32[n,d]) -> f32[n,d] {\n  a = exp x\n  s = reduce_sum a {axes = [1]}\n"
      "  b = broadcast s {shape = [n,d], axes = [0]}\n  y = div a, b\n  return y\n}\n";
  const std::string turned = head +
                             "func f(x: f32[n,d]) -> f32[d,n] {\n  t = transpose x {perm = [1,0]}\n"
                             "  y = tanh t\n  return y\n}\n";
  const std::string narrow =
      head +
      "func f(x: f32[n,d], w: f32[d,3]) -> f32[n,3] {\n"
      "  y = dot_general x, w {lhs_contract = [1], rhs_contract = [0], order = lanes}\n  return y\n}\n";
  const std::vector<Edit> edits = {
      {wide, "tile = 6 x 2 x 8", "tile = 4 x 2 x 8"},                          // another tile
      {wide, "tile = 6 x 2 x 8", "tile = 3 x 4 x 4"},                          // of odd rows and half vectors
      {wide, "blocks = inner", "blocks = outer"},                              // sums inside of the tiles
      {wide, "epilogue = inside", "epilogue = apart"},                         // over the stored panel
      {wide, "  contract h, y", "  pointwise y {lanes = 32}\n  contract h"},   // a fusion refused
      {square, "right = in_place", "right = copied"},                          // panels
      {square, "left = in_place", "left = copied"},                            // blocks of the left factor
      {square, "cut = rows", "cut = columns"},                                 // another cut
      {square, "cut = rows", "cut = both"},                                    // in two axes
      {square, "cut = rows, right = in_place", "cut = both, right = copied"},  // with panels of its own
      {wide, "cut = rows", "cut = both"},  // of fewer columns than a piece
      {square, "rows_ahead = 6", "rows_ahead = 3"},
      {rows, "lanes = reduced", "lanes = axis 0 x 16"},  // another axis in lanes
      {narrow, "tile = axis 1 x 3", "tile = axis 1 x 2"},
      {narrow, "tile = axis 1 x 3", "tile = none"},
      {narrow, "lanes = reduced, tile = axis 1 x 3", "lanes = axis 0 x 8, tile = none"},
      {narrow, "lanes = reduced", "lanes = axis 0 x 8"},  // a tile beside lanes
      {turned, "exchange = axis 0", "exchange = none"},   // gathers for squares
      {turned, "lanes = 64", "lanes = 8"},
      {chain, "  reduce a, s, y", "  pointwise a {lanes = 16}\n  reduce s, y"},
  };
  for (const Edit& e : edits) {
    INFO(e.from << " -> " << e.to << "\n" << e.text);
    EngineOptions options;
    options.compile.cpu = "x86-64-v3";
    options.compile.epochs = false;
    options.edit = [&](std::string dump) { return edited(std::move(dump), e.from, e.to); };
    auto engines = Engines::make(e.text, "f", options);
    if (!engines) FAIL(engines.errors().text());
    for (const int64_t n : {1, 7, 64})
      for (const int64_t d : {1, 13, 64}) CHECK((*engines)->compare({{"n", n}, {"d", d}}, 1) == "");
  }
}

// What was edited changes the kernels: else the test above would show nothing.
TEST_CASE("an edited schedule gives other kernels") {
  const driver::CompileOptions options = options_for("x86-64-v3");
  const std::string dump = dump_of(product("n", "d", "40", relu_behind), options);
  auto kernels = [&](const std::string& text) {
    auto unit = driver::read_unit(text, "dump.tenon");
    if (!unit) FAIL(unit.errors().text());
    auto made = driver::to_kernels(std::move(*unit), options);
    if (!made) FAIL(made.errors().text());
    return kernel::print(*made);
  };
  const std::string before = kernels(dump);
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"tile = 6 x 2 x 8", "tile = 4 x 2 x 8"},
                                                        {"epilogue = inside", "epilogue = apart"},
                                                        {"blocks = inner", "blocks = outer"}}) {
    INFO(to);
    CHECK(kernels(edited(dump, from, to)) != before);
  }
}

TEST_CASE("schedules that are none are errors at their lines") {
  struct Broken {
    std::string from, to, code, message;
  };
  const std::string text = product("n", "d", "40", relu_behind) +
                           "func g(x: f32[n,d]) -> f32[n] {\n  a = exp x\n  r = reduce_sum a {axes = [1]}\n"
                           "  t = tanh r\n  return t\n}\n";
  const driver::CompileOptions options = options_for("x86-64-v3");
  const std::string dump = dump_of(text, options);
  const std::vector<Broken> all = {
      {"tile = 6 x 2 x 8", "tile = 0 x 1 x 8", "T506", "a tile has 1 to 16 rows"},
      {"tile = 6 x 2 x 8", "tile = 8 x 9 x 8", "T506", "1 to 8 vectors"},
      {"tile = 6 x 2 x 8", "tile = 8 x 1 x 16", "T506", "4 to 8 lanes"},
      {"tile = 6 x 2 x 8", "tile = 8 x 1 x 6", "T506", "a power of two"},
      {"tile = 6 x 2 x 8", "tile = 8 x 1", "T506", "rows x vectors x lanes"},
      {"tile = 6 x 2 x 8", "tile = eight", "T506", "tile takes rows x vectors x lanes"},
      {"cut = rows", "cut = outer", "T506", "no outer axis"},
      {"cut = rows", "cut = diagonal", "T506", "one of outer, rows, columns"},
      {"right = in_place", "right = constant", "T506", "no constant"},
      {"right = in_place", "right = copied", "T506", "constant extents"},
      {"blocks = inner", "blocks = one", "T506", "several blocks"},
      {"blocks = inner", "blocks = side_by_side", "T506", "side by side"},
      {"edge = 0", "edge = 3", "T506", "the edge is the columns"},
      {"edge = 0", "size = 3", "T506", "no field of this group is named size"},
      {"contract h, y", "pointwise h, y", "T506", "is contract"},
      {"contract h, y", "contract h, q", "T103", "no operation gives q"},
      {"contract h, y", "contract h, h", "T506", "stands in two groups"},
      {"contract h, y", "contract h", "T506", "belongs to no group"},
      {"lanes = reduced", "lanes = axis 1 x 16", "T506", "axis 1 is not kept"},
      {"lanes = reduced", "lanes = axis 0 x 12", "T506", "lanes are 4, 8, 16, 32 or 64"},
      {"tile = none", "tile = axis 0 x 2", "T506", "results of a product"},
      {"schedule g {", "schedule h {", "T506", "the schedule of g"},
      {"target x86-64-v3", "target arm", "T501", "no target is named arm"},
      {"contract h, y {", "contract h, y [", "T201", "expected"},
  };
  CHECK(all.size() >= 20);
  for (const Broken& b : all) {
    INFO(b.from << " -> " << b.to << "\n" << dump);
    const std::string changed = edited(dump, b.from, b.to);
    auto unit = driver::read_unit(changed, "dump.tenon");
    REQUIRE(!unit);
    const std::string message = unit.errors().text();
    INFO(message);
    CHECK(message.find("error[" + b.code + "]") != std::string::npos);
    CHECK(message.find(b.message) != std::string::npos);
    // At the line where the edit stands, but for what is missing: that is told where the section ends.
    const size_t at = changed.find(b.to);
    const auto line =
        std::count(changed.begin(), changed.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 1;
    if (b.message != "belongs to no group")
      CHECK(message.find("dump.tenon:" + std::to_string(line) + ":") != std::string::npos);
    else
      CHECK(message.find("dump.tenon:") != std::string::npos);
  }
}

// Two operations that fusion could not put into one kernel.
TEST_CASE("groups that cannot be one kernel say why") {
  const std::string text =
      "tenon 1\nmodule m\nfunc f(x: f32[8,8], w: f32[8,8]) -> f32[8,8] {\n  a = tanh x\n"
      "  h = dot_general a, w {lhs_contract = [1], rhs_contract = [0]}\n  return h\n}\n";
  std::string dump = dump_of(text, options_for("x86-64-v3"));
  const size_t a = dump.find("  pointwise a");
  REQUIRE(a != std::string::npos);
  dump.erase(a, dump.find('\n', a) + 1 - a);
  auto unit = driver::read_unit(edited(dump, "contract h", "contract a, h"), "dump.tenon");
  REQUIRE(!unit);
  CHECK(unit.errors().text().find(
            "a and h cannot be one kernel: a contraction reads its operands from memory") !=
        std::string::npos);
}

}  // namespace tenon::test
