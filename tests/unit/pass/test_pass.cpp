#include "pass/pass.h"

#include "catch.h"

using namespace tenon;
using namespace tenon::support;

namespace {
struct Unit {
  int value = 0;
};
using P = pass::Pass<Unit>;
Result<bool> add_one(Unit& u, pass::Counts& c) {
  ++u.value;
  ++c["one"];
  return true;
}
Result<bool> idle(Unit&, pass::Counts&) { return false; }
Result<bool> liar(Unit& u, pass::Counts&) {
  ++u.value;
  return false;
}
Result<bool> breaks(Unit& u, pass::Counts&) {
  u.value = -1;
  return true;
}
Result<bool> fails(Unit&, pass::Counts&) { return error(Code::graph_invalid, "no"); }
const P a{"add", "", add_one}, b{"idle", "", idle}, c{"liar", "", liar}, d{"breaks", "", breaks},
    e{"fails", "", fails};
const std::vector<const P*> known{&a, &b, &c, &d, &e};

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
