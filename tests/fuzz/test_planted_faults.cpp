// Planted faults are found, and the shrunk graph names the operation.
#include <algorithm>
#include <cstdio>

#include "catch.h"
#include "fuzz/mutators.h"

using namespace tenon;
using namespace tenon::test;

namespace {

// Which graphs a fault needs.
uint64_t tries(const Mutator& m) { return m.layer == "status" ? 800 : 400; }

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
  constexpr size_t most_left = 4;  // operations: the one at fault, and what it needs
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
    auto shows = [&](const RandomGraph& g) {
      if (g.function().graph.node_count() == 0) return false;  // the report is to name an operation
      // Without the fault the graph passes.
      return check(g, options, &statistics).has_value() && !check(g, healthy, &statistics);
    };
    // Some faults show at few values only, which a smaller graph may not come to: then another is looked for.
    constexpr int most_found = 4;
    std::optional<RandomGraph> smallest;
    uint64_t seed = 1;
    int found = 0;
    auto size = [&] { return smallest ? smallest->function().graph.node_count() : ~size_t{0}; };
    for (; seed <= tries(m) && found < most_found && size() > most_left; ++seed) {
      const RandomGraph g = random_graph(seed);
      if (!shows(g)) continue;
      ++found;
      RandomGraph small = shrink(g, shows, 120);
      if (small.function().graph.node_count() < size()) smallest = std::move(small);
    }
    INFO(m.layer << ": " << m.name);
    REQUIRE(smallest);
    const RandomGraph& small = *smallest;
    const std::optional<Failure> failure = check(small, options, &statistics);
    REQUIRE(failure);
    const std::string named = operations(small);
    INFO(failure->check << ": " << failure->text << "\n" << small.text());
    // What is left are the operation at fault and at most what it needs.
    CHECK(small.function().graph.node_count() <= most_left);
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
