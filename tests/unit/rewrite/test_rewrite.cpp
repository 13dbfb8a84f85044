#include "catch.h"
#include "rewrite/engine.h"
#include "rewrite/rule.h"

using namespace tenon;

namespace {
struct Context {
  int applied = 0;
};
using Rule = rewrite::Rule<Context, int, int>;
std::optional<int> halve(Context& c, const int& x) {
  if (x % 2 != 0) return std::nullopt;
  ++c.applied;
  return x / 2;
}
std::optional<int> lower(Context&, const int& x) { return x > 10 ? std::optional<int>(10) : std::nullopt; }
constexpr Rule rows[] = {{"halve", "even", "2x -> x", "always", halve},
                         {"lower", "even", "x -> 10", "x > 10", lower}};
}  // namespace

TEST_CASE("the first rule of a key that matches is applied and counted") {
  const rewrite::RuleSet<Context, int, int> rules{rows};
  Context context;
  rewrite::Counts counts;
  CHECK(rules.apply("even", context, 8, &counts) == 4);
  CHECK(rules.apply("even", context, 11, &counts) == 10);
  CHECK_FALSE(rules.apply("even", context, 9, &counts));
  CHECK_FALSE(rules.apply("odd", context, 8, &counts));
  CHECK(counts == rewrite::Counts{{"halve", 1}, {"lower", 1}});
  CHECK(context.applied == 1);
}

TEST_CASE("fixed points settle, or say that they do not") {
  int value = 40;
  const auto out = rewrite::run_to_fixed_point([&] { return value % 2 == 0 && (value /= 2, true); });
  CHECK(out.changed);
  CHECK(out.settled);
  CHECK(out.rounds == 4);
  CHECK(value == 5);
  CHECK_FALSE(rewrite::run_to_fixed_point([] { return true; }).settled);
}

TEST_CASE("a worklist holds each id once") {
  rewrite::Worklist work(2);
  work.push(1);
  work.push(1);
  work.push(5);
  CHECK(work.pop() == 5);
  CHECK(work.pop() == 1);
  CHECK(work.empty());
  work.push(1);
  CHECK_FALSE(work.empty());
}
