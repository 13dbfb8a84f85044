// The models of goldens/ give the graphs and kernels that are kept beside them, on both targets.
// TENON_BLESS=1 writes them anew: for a change that is meant to change kernels, looked at in the difference.
#include "conformance/goldens.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "catch.h"
#include "common/engines.h"
#include "driver/compile/compile.h"
#include "paths.h"

namespace tenon::test {
namespace {
using namespace support;
namespace fs = std::filesystem;

const fs::path folder = TENON_SOURCE_DIR "/tests/conformance/goldens";

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<fs::path> files(const std::string& extension) {
  std::vector<fs::path> out;
  for (const fs::directory_entry& e : fs::directory_iterator(folder))
    if (e.path().extension() == extension) out.push_back(e.path());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

TEST_CASE("models give the graphs and kernels that are kept") {
  const bool bless = std::getenv("TENON_BLESS") != nullptr;
  const std::vector<fs::path> models = files(".tenon");
  REQUIRE(models.size() >= 20);
  for (const fs::path& model : models) {
    fs::path golden = model;
    golden.replace_extension(".golden");
    const std::string made = golden_of(read(model));
    if (bless) {
      if (read(golden) != made) WARN("written: " << golden.filename().string());
      std::ofstream(golden, std::ios::binary) << made;
    }
    const GoldenDifference d = difference(read(golden), made);
    INFO(model.filename().string() << ": TENON_BLESS=1 writes goldens anew\n" << d.text());
    CHECK(d.none());
  }
  for (const fs::path& golden : files(".golden")) {
    fs::path model = golden;
    INFO(golden.filename().string() << " belongs to no model");
    CHECK(fs::exists(model.replace_extension(".tenon")));
  }
}

// What has inputs only runs on every engine; steps and writers of state have tests of their own.
TEST_CASE("functions of the kept models have the exact evaluator's bits") {
  size_t compared = 0;
  for (const fs::path& model : files(".tenon")) {
    auto unit = driver::read_unit(read(model), model.filename().string());
    if (!unit) FAIL(unit.errors().text());
    const ir::Module& module = std::get<ir::Module>(unit->code);
    for (const ir::Function& f : module.functions) {
      if (!f.writes.empty()) continue;
      INFO(model.filename().string() << " " << f.name);
      EngineOptions options;
      options.compile.epochs = false;
      options.integers = 5;
      auto engines = Engines::make(ir::Module(module), f.name, options);
      if (!engines) FAIL(engines.errors().text());
      ir::DimBindings sizes;
      for (const auto& [name, range] : module.dims) sizes[name] = std::min<int64_t>(range.high, 7);
      CHECK((*engines)->compare(sizes, 1) == "");
      ++compared;
    }
  }
  CHECK(compared > 60);
}

TEST_CASE("a golden's difference names what was changed, added and removed") {
  const std::string kept =
      "== optimized\nfunc f: 2 lines, 0a\n    func f() {\n    }\n== kernels for x86-64-v3\nkernel f: 30 "
      "lines, 1b\n"
      "entry entry_f: 40 lines, 2c\n";
  CHECK(difference(kept, kept).none());
  std::string made = kept;
  made.replace(made.find("1b"), 2, "3d");
  const GoldenDifference changed = difference(kept, made);
  CHECK(changed.removed == std::vector<std::string>{"kernels for x86-64-v3: kernel f: 30 lines, 1b"});
  CHECK(changed.added == std::vector<std::string>{"kernels for x86-64-v3: kernel f: 30 lines, 3d"});
  CHECK(changed.first.find("line 6") != std::string::npos);
  const GoldenDifference added = difference(kept, kept + "kernel g: 20 lines, 4e\n");
  CHECK(added.added == std::vector<std::string>{"kernels for x86-64-v3: kernel g: 20 lines, 4e"});
  CHECK(added.removed.empty());
  CHECK(difference(kept + "kernel g: 20 lines, 4e\n", kept).removed == added.added);
  made = kept;
  made.replace(made.find("func f() {"), 10, "func f(x) {");
  CHECK(difference(kept, made).added.empty());
  CHECK(!difference(kept, made).none());
}

}  // namespace tenon::test
