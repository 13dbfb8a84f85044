#include "support/hash.h"

#include <set>
#include <string>
#include <unordered_set>

#include "catch.h"
#include "support/id.h"

using namespace tenon::support;

TEST_CASE("FNV-1a gives its published values", "[support]") {
  CHECK(fnv1a("") == 0xcbf29ce484222325ull);
  CHECK(fnv1a("a") == 0xaf63dc4c8601ec8cull);
  CHECK(fnv1a("foobar") == 0x85944171f73967e8ull);
  CHECK(fnv1a("bar", 3, fnv1a("foo")) == fnv1a("foobar"));
}

TEST_CASE("structural hashes tell order, length and boundaries apart", "[support]") {
  std::set<std::string> seen;
  auto distinct = [&](const Hasher& h) { return seen.insert(h.hex()).second; };
  CHECK(distinct(Hasher()));
  CHECK(distinct(Hasher().add(uint64_t{0})));
  CHECK(distinct(Hasher().add(uint64_t{0}).add(uint64_t{0})));
  CHECK(distinct(Hasher().add(uint64_t{1}).add(uint64_t{2})));
  CHECK(distinct(Hasher().add(uint64_t{2}).add(uint64_t{1})));
  CHECK(distinct(Hasher().add("ab").add("c")));
  CHECK(distinct(Hasher().add("a").add("bc")));
  CHECK(distinct(Hasher().add("abc")));
  CHECK(distinct(Hasher().add(std::string_view("abc\0", 4))));
  CHECK(distinct(Hasher().add("")));
  for (uint64_t bit = 0; bit < 64; ++bit) CHECK(distinct(Hasher().add(uint64_t{1} << bit).add(uint64_t{5})));
}

TEST_CASE("structural hashes are the same on every run", "[support]") {
  Hasher h;
  h.add("relu").add(uint64_t{128});
  CHECK(h.hex().size() == 32);
  CHECK(h.hex() == "26948c2676193213c4a24f811ea79479");
}

TEST_CASE("few collisions in either half", "[support]") {
  std::unordered_set<uint64_t> low, high;
  for (uint64_t i = 0; i < 200; ++i)
    for (uint64_t j = 0; j < 200; ++j) {
      Hasher h;
      h.add(i).add(j);
      low.insert(h.low());
      high.insert(h.high());
    }
  CHECK(low.size() == 40000);
  CHECK(high.size() == 40000);
}

TEST_CASE("ids start invalid and compare by index", "[support]") {
  using ThingId = Id<struct ThingTag>;
  ThingId none, one(1), two(2);
  CHECK_FALSE(none.valid());
  CHECK(one.valid());
  CHECK(one < two);
  CHECK(one == ThingId(1));
  CHECK(std::hash<ThingId>()(one) == std::hash<ThingId>()(ThingId(1)));
}
