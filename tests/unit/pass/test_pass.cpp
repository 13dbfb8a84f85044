#include "pass/pass.h"

#include "catch.h"
#include "support/text.h"

using namespace tenon;
using namespace tenon::support;

namespace {
struct Unit {
  int value = 0;
};
using P = pass::Pass<Unit>;
Result<bool> add_one(Unit& u, const pass::Options&, pass::Counts& c) {
  ++u.value;
  ++c["one"];
  return true;
}
Result<bool> idle(Unit&, const pass::Options&, pass::Counts&) { return false; }
Result<bool> liar(Unit& u, const pass::Options&, pass::Counts&) {
  ++u.value;
  return false;
}
Result<bool> breaks(Unit& u, const pass::Options&, pass::Counts&) {
  u.value = -1;
  return true;
}
Result<bool> fails(Unit&, const pass::Options&, pass::Counts&) { return error(Code::graph_invalid, "no"); }
Result<bool> set(Unit& u, const pass::Options& options, pass::Counts&) {
  TENON_ASSIGN(const bool negative, pass::yes_or_no(options, "negative", false));
  const auto value = options.find("value");
  const int n = value == options.end() ? 1 : static_cast<int>(parse_int(value->second).value_or(0));
  u.value = negative ? -n : n;
  return true;
}
constexpr pass::OptionAbout set_options[] = {{"value", "a number"}, {"negative", "yes or no"}};
constexpr pass::OptionAbout any_options[] = {{"", "any"}};
const P a{{"add", ""}, add_one}, b{{"idle", ""}, idle}, c{{"liar", ""}, liar}, d{{"breaks", ""}, breaks},
    e{{"fails", ""}, fails}, f{{"set", "", set_options}, set}, g{{"any", "", any_options}, idle};
const std::vector<const P*> known{&a, &b, &c, &d, &e, &f, &g};

pass::ManagerOptions<Unit> strict() {
  pass::ManagerOptions<Unit> o;
  o.hash = [](const Unit& u) { return static_cast<uint64_t>(u.value); };
  o.verify = [](const Unit& u) -> Status {
    if (u.value < 0) return error(Code::graph_invalid, "negative");
    return Ok{};
  };
  return o;
}
}  // namespace

TEST_CASE("pipelines are text") {
  auto p = pass::parse_pipeline<Unit>(" add, idle,add ", known);
  REQUIRE(p);
  CHECK(p->size() == 3);
  auto none = pass::parse_pipeline<Unit>("", known);
  REQUIRE(none);
  CHECK(none->empty());
  auto wrong = pass::parse_pipeline<Unit>("add,idel,,x", known);
  REQUIRE_FALSE(wrong);
  CHECK(wrong.errors().list.size() == 3);
  CHECK(wrong.errors().code() == Code::pass_unknown);
  CHECK(wrong.errors().list[0].help.find("idle") != std::string::npos);
}

TEST_CASE("passes take options") {
  auto p = pass::parse_pipeline<Unit>("set{value = 7, negative=yes}, add, any{x=1,y = 2},set", known);
  REQUIRE(p);
  REQUIRE(p->size() == 4);
  CHECK((*p)[0].options == pass::Options{{"value", "7"}, {"negative", "yes"}});
  CHECK((*p)[2].options == pass::Options{{"x", "1"}, {"y", "2"}});
  Unit u;
  REQUIRE(pass::run_passes<Unit>(u, {(*p)[0], (*p)[1]}, {}));
  CHECK(u.value == -6);
  const std::pair<const char*, const char*> wrong[] = {{"set{valeu=1}", "did you mean value"},
                                                       {"set{value}", "option = value"},
                                                       {"set{=1}", "option = value"},
                                                       {"set{value=}", "option = value"},
                                                       {"set{value=1", "option = value"},
                                                       {"set{value=1} x", "option = value"},
                                                       {"set{value=1,value=2}", ""},
                                                       {"add{value=1}", ""},
                                                       {"set{}", "option = value"},
                                                       {"ste{value=1}", "did you mean set"}};
  for (const auto& [text, help] : wrong) {
    INFO(text);
    auto r = pass::parse_pipeline<Unit>(text, known);
    REQUIRE_FALSE(r);
    CHECK(r.errors().code() == Code::pass_unknown);
    CHECK(r.errors().list[0].help.find(help) != std::string::npos);
  }
  CHECK(pass::run_passes<Unit>(u, {{&f, {{"negative", "maybe"}}}}, {}).errors().code() == Code::pass_unknown);
}

TEST_CASE("records, stop-after, disabled") {
  Unit u;
  auto o = strict();
  int seen = 0;
  o.after = [&](const Unit&, const pass::Record&) { ++seen; };
  auto r = pass::run_passes<Unit>(u, {&a, &b, &a}, o);
  REQUIRE(r);
  CHECK(u.value == 2);
  CHECK(seen == 3);
  CHECK((*r)[0].changed);
  CHECK_FALSE((*r)[1].changed);
  CHECK((*r)[0].counts.at("one") == 1);
  o.stop_after = "idle";
  CHECK(pass::run_passes<Unit>(u, {&a, &b, &a}, o)->size() == 2);
  o.stop_after.clear();
  o.disabled = {"add"};
  CHECK(pass::run_passes<Unit>(u, {&a, &b, &a}, o)->size() == 1);
  CHECK(u.value == 3);
}

TEST_CASE("wrong flags, broken units and failures are caught, with a reproducer") {
  for (const P* p : {&c, &d, &e}) {
    Unit u{5}, kept;
    std::string name;
    auto o = strict();
    o.on_failure = [&](const Unit& before, std::string_view pass) {
      kept = before;
      name = std::string(pass);
    };
    auto r = pass::run_passes<Unit>(u, {&a, p}, o);
    REQUIRE_FALSE(r);
    CHECK(kept.value == 6);
    CHECK(name == p->name);
  }
}
