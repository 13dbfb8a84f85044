// Planted faults are found, and the shrunk graph names the operation.
#include <algorithm>
#include <cstdio>

#include "catch.h"
#include "fuzz/mutators.h"

using namespace tenon;
using namespace tenon::test;

namespace {

// Which graphs a fault needs.
uint64_t tries(const Mutator& m) { return m.layer == "status" ? 400 : 150; }

std::string operations(const RandomGraph& g) {
  std::map<std::string, int> ops;
  std::map<support::DType, int> dtypes;
  count_operations(g.function().graph, &ops, &dtypes);
  std::string out;
  for (const auto& [name, n] : ops) out += (out.empty() ? "" : ", ") + name;
  return out;
}

}  // namespace

TEST_CASE("planted faults are found and named", "[fuzz]") {
  std::map<std::string, int> layers;
  std::string table;
  for (const Mutator& m : mutators()) {
    ++layers[m.layer];
    CheckOptions options;
    options.compile = m.layer == "code";
    options.thorough = false;
    options.gradient = m.layer == "gradient";
    options.runs = m.layer == "status" ? 3 : 2;
    CheckOptions healthy = options;
    options.faults = &m.faults;
    Statistics statistics;
    std::optional<RandomGraph> found;
    uint64_t seed = 1;
    for (; seed <= tries(m) && !found; ++seed) {
      RandomGraph g = random_graph(seed);
      if (g.function().graph.node_count() == 0) continue;
      // Without the fault the graph passes.
      if (check(g, options, &statistics) && !check(g, healthy, &statistics)) found = std::move(g);
    }
    INFO(m.layer << ": " << m.name);
    REQUIRE(found);
    const RandomGraph small = shrink(
        *found,
        [&](const RandomGraph& g) {
          if (g.function().graph.node_count() == 0) return false;  // the report is to name an operation
          return check(g, options, &statistics).has_value() && !check(g, healthy, &statistics);
        },
        120);
    const std::optional<Failure> failure = check(small, options, &statistics);
    REQUIRE(failure);
    const std::string named = operations(small);
    INFO(failure->check << ": " << failure->text << "\n" << small.text());
    // What is left are the operation at fault and at most what it needs.
    CHECK(small.function().graph.node_count() <= 4);
    CHECK(!named.empty());
    // By what it computes, not by a verifier.
    CHECK(failure->check.find("verify") == std::string::npos);
    CHECK(failure->check.find("parse") == std::string::npos);
    table += "  " + m.layer + ": " + m.name + ", seed " + std::to_string(seed - 1) + ", caught by " +
             failure->check + ", in " + named + "\n";
  }
  std::printf("planted faults\n%s", table.c_str());
  CHECK(mutators().size() >= 20);
  for (const auto& [layer, n] : layers) {
    INFO(layer);
    CHECK(n >= 2);
  }
}
