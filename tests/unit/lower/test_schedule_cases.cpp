// The cases of cases/: a text of primitives, and behind it, as comments, the schedules that it gets for each
// target: `// expect x86-64-v3` and the sections. No code is made or run. TENON_BLESS=1 writes expectations
// anew: for a change that is meant to change schedules, looked at in the difference.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "catch.h"
#include "ir/parse.h"
#include "lower/lower.h"
#include "lower/schedule_text.h"
#include "paths.h"

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

constexpr std::string_view marker = "// expect ";

// The sections of a scheduled module, each line a comment.
std::string sections(const std::string& text, const std::string& target) {
  auto module = ir::parse(text);
  if (!module) FAIL(module.errors().text());
  lower::Options options;
  options.target = target::find_target(target);
  REQUIRE(options.target != nullptr);
  auto scheduled = lower::schedule_module(*module, options);
  if (!scheduled) FAIL(scheduled.errors().text());
  const std::string dump = lower::print(*scheduled);
  std::istringstream lines(dump.substr(dump.find("\nschedule ")));
  std::string out, line;
  while (std::getline(lines, line))
    if (!line.empty()) out += "// " + line + "\n";
  return out;
}

}  // namespace

TEST_CASE("texts get the schedules that stand behind them") {
  const bool bless = std::getenv("TENON_BLESS") != nullptr;
  size_t cases = 0;
  for (const fs::directory_entry& e : fs::directory_iterator(TENON_SOURCE_DIR "/tests/unit/lower/cases")) {
    const std::string whole = read(e.path());
    const size_t at = std::min(whole.find(marker), whole.size());
    const std::string text = whole.substr(0, at);
    std::string made = text;
    for (const std::string target : {"x86-64-v3", "x86-64-v4"})
      made += std::string(marker) + target + "\n" + sections(text, target);
    if (bless) std::ofstream(e.path(), std::ios::binary) << made;
    INFO(e.path().filename() << ": TENON_BLESS=1 writes expectations anew");
    CHECK(read(e.path()) == made);
    ++cases;
  }
  CHECK(cases >= 8);
}

}  // namespace tenon::test
