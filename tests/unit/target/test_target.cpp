// Targets: complete feature lists, and the choice among them for hosts of every kind.
#include <algorithm>

#include "catch.h"
#include "support/text.h"
#include "target/host.h"

using namespace tenon::target;

namespace {

bool no_avx512(std::string_view f) { return !f.starts_with("avx512") && f != "evex512"; }
bool no_avx512vl(std::string_view f) { return f != "avx512vl"; }
bool no_avx2(std::string_view f) { return no_avx512(f) && f != "avx2" && f != "fma"; }
bool everything(std::string_view) { return true; }

}  // namespace

TEST_CASE("target: found by name, each list complete") {
  for (const Target* t : all_targets()) {
    CHECK(find_target(t->name) == t);
    const std::string features = "," + std::string(t->features) + ",";
    for (const char* f :
         {"sse2", "sse4.2", "popcnt", "avx", "avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt", "movbe", "cx16"})
      CHECK(features.find(std::string(",+") + f + ",") != std::string::npos);
    CHECK(t->lanes(4) * 4 == t->vector_bytes);
    CHECK(t->tile_rows * t->tile_vectors + t->tile_vectors + 1 <= t->registers);
  }
  CHECK(find_target("x86-64-v2") == nullptr);
  const Target* v4 = find_target("x86-64-v4");
  REQUIRE(v4 != nullptr);
  for (const char* f : {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})
    CHECK(std::string(v4->features).find(std::string("+") + f) != std::string::npos);
  CHECK(v4->lanes(4) == 16);
}

TEST_CASE("target: the best that the host runs") {
  CHECK((*best_target(everything))->name == "x86-64-v4");
  CHECK((*best_target(no_avx512))->name == "x86-64-v3");
  CHECK((*best_target(no_avx512vl))->name == "x86-64-v3");
  auto none = best_target(no_avx2);
  REQUIRE(!none);
  CHECK(none.errors().code() == Code::target_unsupported);
  CHECK(none.errors().text().find("avx2, fma") != std::string::npos);
  CHECK(missing_features(*find_target("x86-64-v4"), no_avx512vl) == std::vector<std::string>{"avx512vl"});
}

TEST_CASE("target: this host") {
  CHECK(!host_has_feature("no-such-feature"));
  auto here = host_target();
  if (here) {
    CHECK((*here)->runs_here());
    CHECK(find_target("x86-64-v3")->runs_here());  // v4 implies v3
  } else {
    CHECK(!find_target("x86-64-v3")->runs_here());
  }
}
