// Random graphs, forward and gradient, through every stage and engine.
#include <cstdio>
#include <cstdlib>

#include "catch.h"
#include "fuzz/checks.h"

using namespace tenon;
using namespace tenon::test;
using support::DType;

namespace {

struct Counts {
  std::map<std::string, int> ops;
  std::map<DType, int> dtypes;
};

std::string report(const RandomGraph& g, const Failure& f, const CheckOptions& options) {
  Statistics unused;
  const auto kind = [](const Failure& x) { return x.check.substr(0, x.check.find(',')); };
  const RandomGraph small = shrink(
      g,
      [&](const RandomGraph& s) {
        const auto again = check(s, options, &unused);
        return again && kind(*again) == kind(f);
      },
      80);
  const auto again = check(small, options, &unused);
  return "seed " + std::to_string(g.seed) + ", " + f.check + ": " + f.text + "\nshrunk, " +
         (again ? again->check + ": " + again->text : std::string("passes")) + "\n" + small.text();
}

void run(uint64_t first, uint64_t count, Statistics* statistics, Counts* counts) {
  CheckOptions options;
  options.thorough = false;
  size_t failures = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const RandomGraph g = random_graph(seed);
    for (const auto& [name, n] : g.operations) counts->ops[name] += n;
    for (const auto& [dtype, n] : g.dtypes) counts->dtypes[dtype] += n;
    const std::optional<Failure> f = check(g, options, statistics);
    if (f) {
      FAIL_CHECK(report(g, *f, options));
      if (++failures == 5) break;
    }
  }
  std::printf("%s", statistics->text().c_str());
  CHECK(statistics->undecided * 100 <= statistics->elements);
  CHECK(statistics->f32_tight * 100 >= statistics->f32_elements * 95);
  CHECK(statistics->fused * 2 >= statistics->graphs + statistics->gradients);
  CHECK(statistics->gradients * 10 >= statistics->graphs * 6);
  CHECK(statistics->gradient_nonzero * 10 >= statistics->gradients * 8);
  CHECK(statistics->gradient_dependent * 10 >= statistics->gradients * 5);
  CHECK(statistics->differences * 2 >= statistics->gradients);
}

}  // namespace

TEST_CASE("random graphs: every engine gives the exact evaluator's bits", "[fuzz]") {
  Statistics statistics;
  Counts counts;
  run(1, 200, &statistics, &counts);
}

TEST_CASE("two thousand random graphs meet every operation and type", "[fuzz][long]") {
  Statistics statistics;
  Counts counts;
  run(10001, 2000, &statistics, &counts);
  for (const ir::OpDef* op : ir::op_table().all()) {
    // Calls are inlined before; a fourth of the graphs is applied as a whole as well.
    if (op->name == "call" || op->name == "apply") continue;
    INFO(op->name);
    CHECK(counts.ops[std::string(op->name)] >= 20);
  }
  for (const DType d :
       {DType::f32, DType::f64, DType::i32, DType::i64, DType::u8, DType::u32, DType::bool_}) {
    INFO(support::dtype_name(d));
    CHECK(counts.dtypes[d] >= 50);
  }
}

// Those of chosen seeds, named before they are tried: TENON_GRAPH_FIRST, TENON_GRAPH_COUNT.
TEST_CASE("random graphs of chosen seeds", "[.]") {
  const char *first = std::getenv("TENON_GRAPH_FIRST"), *count = std::getenv("TENON_GRAPH_COUNT");
  const uint64_t from = first == nullptr ? 1 : std::strtoull(first, nullptr, 10);
  CheckOptions options;
  options.thorough = false;
  Statistics statistics;
  for (uint64_t seed = from; seed < from + (count == nullptr ? 1 : std::strtoull(count, nullptr, 10));
       ++seed) {
    std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(seed));
    const RandomGraph g = random_graph(seed);
    if (const std::optional<Failure> f = check(g, options, &statistics)) FAIL_CHECK(report(g, *f, options));
  }
}

TEST_CASE("equal seeds give equal graphs", "[fuzz]") {
  CHECK(random_graph(5).text() == random_graph(5).text());
  CHECK(random_graph(5).text() != random_graph(6).text());
}
