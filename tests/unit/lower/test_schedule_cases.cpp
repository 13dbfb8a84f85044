// The cases of cases/: a text of primitives, and behind it, as comments, the groups, schedules and places
// that it gets for each target: `// expect x86-64-v3` and the sections; those of cases/prepare/: the graph
// that products are prepared to; those of cases/emit/: the kernels that schedules write. No code is made or
// run. TENON_BLESS=1 writes expectations anew: for a change that is meant to change them, looked at in the
// difference.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "catch.h"
#include "ir/parse.h"
#include "kernel/print.h"
#include "kernel/verify.h"
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

// The module after the pass, run from the first one, verified after each.
lower::ScheduledModule lowered(const std::string& text, const std::string& target, std::string_view last) {
  auto module = ir::parse(text);
  if (!module) FAIL(module.errors().text());
  lower::Options options;
  options.target = target::find_target(target);
  REQUIRE(options.target != nullptr);
  auto begun = lower::begin(std::move(*module), options);
  if (!begun) FAIL(begun.errors().text());
  pass::ManagerOptions<lower::ScheduledModule> manager;
  manager.stop_after = last;
  manager.verify = [](const lower::ScheduledModule& m) { return lower::verify(m); };
  auto ran = pass::run_passes(*begun, lower::pipeline(), manager);
  if (!ran) FAIL(ran.errors().text());
  return std::move(*begun);
}

// The lines from `begin` to before `end`, each a comment.
std::string commented(const std::string& dump, std::string_view begin, std::string_view end) {
  std::istringstream lines(dump.substr(dump.find(begin)));
  std::string out, line;
  while (std::getline(lines, line) && (end.empty() || !line.starts_with(end)))
    if (!line.empty()) out += "// " + line + "\n";
  return out;
}

// Every text of the folder with `made` of it for each target behind it.
size_t check_cases(const fs::path& folder,
                   const std::function<std::string(const std::string&, const std::string&)>& made_of) {
  const bool bless = std::getenv("TENON_BLESS") != nullptr;
  size_t cases = 0;
  for (const fs::directory_entry& e : fs::directory_iterator(folder)) {
    if (e.is_directory()) continue;
    const std::string whole = read(e.path());
    const std::string text = whole.substr(0, std::min(whole.find(marker), whole.size()));
    std::string made = text;
    for (const std::string target : {"x86-64-v3", "x86-64-v4"})
      made += std::string(marker) + target + "\n" + made_of(text, target);
    if (bless) std::ofstream(e.path(), std::ios::binary) << made;
    INFO(e.path().filename() << ": TENON_BLESS=1 writes expectations anew");
    CHECK(read(e.path()) == made);
    ++cases;
  }
  return cases;
}

const std::string folder = TENON_SOURCE_DIR "/tests/unit/lower/cases";

}  // namespace

TEST_CASE("texts get the groups, schedules and places that stand behind them") {
  CHECK(check_cases(folder, [](const std::string& text, const std::string& target) {
          return commented(lower::print(lowered(text, target, "place")), "\nschedule ", "");
        }) >= 8);
}

TEST_CASE("products are prepared as it stands behind them") {
  CHECK(check_cases(folder + "/prepare", [](const std::string& text, const std::string& target) {
          return commented(lower::print(lowered(text, target, "prepare")), "\nfunc ", "target ");
        }) >= 1);
}

TEST_CASE("each schedule writes the kernels that stand behind its text") {
  CHECK(check_cases(folder + "/emit", [](const std::string& text, const std::string& target) {
          const lower::ScheduledModule module = lowered(text, target, "place");
          const kernel::Module kernels = lower::emit_module(module, module.options);
          const Status sound = kernel::verify(kernels);
          if (!sound) FAIL(sound.errors().text());
          std::string all = "\n";
          for (const kernel::Function& f : kernels.functions)
            if (f.name.starts_with("k_")) all += kernel::print(f);
          return commented(all, "\n", "");
        }) >= 5);
}

TEST_CASE("a dump of each pass of lowering goes on to the same end") {
  for (const char* name : {"products", "reductions", "control"})
    for (const std::string target : {"x86-64-v3", "x86-64-v4"}) {
      const std::string whole = read(folder + "/" + name + ".tenon");
      const std::string text = whole.substr(0, whole.find(marker));
      const std::string end = lower::print(lowered(text, target, "place"));
      for (const char* last : {"prepare", "fuse", "schedule", "place"}) {
        INFO(name << " " << target << " " << last);
        const std::string dump = lower::print(lowered(text, target, last));
        CHECK((dump == end) == (std::string_view(last) == "place"));
        auto back = lower::parse_scheduled(dump, {});
        if (!back) FAIL(back.errors().text());
        CHECK(lower::print(*back) == end);
      }
    }
}

TEST_CASE("passes of lowering run in their order, once each, and know their options") {
  const std::string whole = read(folder + "/products.tenon"), text = whole.substr(0, whole.find(marker));
  auto run = [&](const std::string& pipeline) -> Status {
    lower::Options options;
    options.target = target::find_target("x86-64-v4");
    TENON_ASSIGN(ir::Module module, ir::parse(text));
    TENON_ASSIGN(lower::ScheduledModule m, lower::begin(std::move(module), options));
    TENON_ASSIGN(const auto steps, pass::parse_pipeline<lower::ScheduledModule>(pipeline, lower::all()));
    TENON_TRY(pass::run_passes(m, steps, {}));
    if (pipeline.find("target") != std::string::npos) CHECK(m.sizes->target().name == "x86-64-v3");
    if (pipeline.find("enabled") != std::string::npos)
      for (const auto& f : m.functions)
        for (const auto& group : f.graph->fusion.groups) CHECK(group.nodes.size() == 1);
    return Ok{};
  };
  CHECK(run("prepare{target = x86-64-v3},fuse{enabled = no},schedule,place{in_place = no}"));
  for (const char* wrong : {"fuse", "prepare,schedule", "prepare,fuse,place", "prepare,prepare",
                            "prepare,fuse,fuse", "prepare{targte=x}", "prepare,fuse{enabled=perhaps}"}) {
    INFO(wrong);
    const Status s = run(wrong);
    REQUIRE_FALSE(s);
    CHECK(s.errors().code() == Code::pass_unknown);
  }
  CHECK(run("prepare{target=z80}").errors().code() == Code::target_unsupported);
}

TEST_CASE("a scheduled module that does not hold together is told") {
  const std::string whole = read(folder + "/products.tenon"), text = whole.substr(0, whole.find(marker));
  const std::pair<const char*, void (*)(lower::ScheduledModule&)> faults[] = {
      {"holds what group",
       [](auto& m) {
         auto& groups = m.functions[2].graph->fusion.groups;
         groups[1].nodes.push_back(groups[0].nodes[0]);
       }},
      {"disagree", [](auto& m) { m.functions[0].graph->fusion.group_of[0] = 7; }},
      {"reads what comes behind it",
       [](auto& m) {
         lower::Fusion& fusion = m.functions[2].graph->fusion;
         std::swap(fusion.groups[0], fusion.groups[1]);
         for (int32_t& g : fusion.group_of)
           if (g >= 0 && g < 2) g = 1 - g;
       }},
      {"has no schedule", [](auto& m) { m.functions[0].graph->schedules.pop_back(); }},
      {"of another kind", [](auto& m) { m.functions[0].graph->schedules[0] = lower::ReduceSchedule{}; }},
      {"cannot run so",
       [](auto& m) { std::get<lower::ContractSchedule>(m.functions[0].graph->schedules[0]).lanes = 3; }},
      {"groups of its regions", [](auto& m) {
         m.functions[0].graph->regions[0].push_back(std::make_unique<lower::ScheduledGraph>());
       }}};
  for (const auto& [what, plant] : faults) {
    INFO(what);
    lower::ScheduledModule m = lowered(text, "x86-64-v4", "schedule");
    REQUIRE(lower::verify(m));
    plant(m);
    const Status s = lower::verify(m);
    REQUIRE_FALSE(s);
    CHECK(s.errors().text().find(what) != std::string::npos);
  }
}

}  // namespace tenon::test
