// docs/operations.md and docs/optimizers.md are what the declarations give now. TENON_BLESS=1 writes them
// anew.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "catch.h"
#include "ir/op_def.h"
#include "paths.h"
#include "transforms/optimizer.h"
#include "transforms/schedule.h"

namespace {

std::string text_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("the references are not stale", "[reference]") {
  for (const std::string page : {"operations.md", "optimizers.md"}) {
    const std::string made = text_of(TENON_MADE_PAGES "/" + page), kept = TENON_SOURCE_DIR "/docs/" + page;
    REQUIRE(!made.empty());
    if (std::getenv("TENON_BLESS") != nullptr) std::ofstream(kept, std::ios::binary) << made;
    INFO("TENON_BLESS=1 writes docs/" << page << " anew");
    CHECK(text_of(kept) == made);
  }
}

TEST_CASE("the operations reference has every operation, and the body of every composite", "[reference]") {
  const std::string made = text_of(TENON_MADE_PAGES "/operations.md");
  for (const tenon::ir::OpDef* op : tenon::ir::op_table().all()) {
    const std::string name(op->name);
    INFO(name);
    CHECK(made.find("\n### " + name + "\n\n" + std::string(op->doc) + "\n") != std::string::npos);
    if (op->composite() != nullptr) CHECK(made.find("\nfunc " + name + "(") != std::string::npos);
  }
}

TEST_CASE("the optimizers reference has every optimizer and schedule, with each setting", "[reference]") {
  const std::string made = text_of(TENON_MADE_PAGES "/optimizers.md");
  const auto check = [&](std::string_view name, std::string_view doc, auto settings) {
    INFO(name);
    const size_t at = made.find("\n### " + std::string(name) + "\n\n" + std::string(doc) + "\n");
    REQUIRE(at != std::string::npos);
    const std::string part = made.substr(at, made.find("\n### ", at + 1) - at);
    for (const tenon::transforms::SettingDef& s : settings)
      CHECK(part.find("| `" + std::string(s.name) + "` | ") != std::string::npos);
  };
  for (const tenon::transforms::Optimizer* o : tenon::transforms::all_optimizers())
    check(o->name, o->doc, o->settings);
  for (const tenon::transforms::Schedule* s : tenon::transforms::all_schedules())
    check(s->name, s->doc, s->settings);
}
