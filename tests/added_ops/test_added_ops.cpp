// Operations, a file each in ops/ beside this one and no other line: they are in the builder functions,
// the text form, the fuzzer, the gradient check, the generated header and the operations reference.
#include <algorithm>
#include <fstream>
#include <sstream>

#include "catch.h"
#include "fuzz/checks.h"
#include "ir/parse.h"
#include "ir/print.h"

using namespace tenon;
using namespace tenon::test;

namespace {

constexpr const char* added[] = {"added_square", "added_total",   "added_swish",
                                 "added_window", "added_running", "added_pick",
                                 "added_place",  "added_put",     "added_top"};

std::string text_of(const char* file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("added operations are in the table, after a file each", "[added]") {
  for (const char* name : added) {
    INFO(name);
    CHECK(ir::op_table().find(name) != nullptr);
  }
}

// Of shipped operations as well: what a form says of all its nodes holds for drawn ones.
TEST_CASE("what iterations declare agrees with their descriptions", "[added]") {
  size_t iterations = 0;
  for (const ir::OpDef* op : ir::op_table().all()) {
    const ir::IterationForm* form = op->iteration();
    if (form == nullptr) continue;
    ++iterations;
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      GraphOptions only;
      only.only = op;
      const RandomGraph random = random_graph(seed, only);
      const ir::Graph& graph = random.function().graph;
      const ir::Node& node = graph.node(ir::NodeId(size_t{0}));
      INFO(op->name << "\n" << random.text());
      REQUIRE(node.op == op);
      std::vector<ir::Type> types;
      for (const ir::ValueId v : node.operands) types.push_back(graph.type(v));
      const ir::Type& result = graph.type(node.results[0]);
      const ir::Iteration it = form->describe(node, types, result);
      REQUIRE(it.operands.size() == types.size());
      for (size_t k = 0; k < types.size(); ++k)
        if (it.base != k) CHECK(it.operands[k].index.size() == types[k].rank());
      CHECK(it.result.index.size() == result.rank());
      CHECK(node.results.size() == std::max<size_t>(1, op->results.size()));
      CHECK(node.results.size() == (form->yields == ir::Yields::value_and_position ? 2 : 1));
      CHECK(it.elements.size() == (form->step == ir::Accumulate::multiply ? 2 : 1));
      CHECK(it.base.has_value() == form->scatters);
      CHECK(!it.result.chosen.empty() == form->scatters);
      const bool gathers = std::any_of(it.operands.begin(), it.operands.end(),
                                       [](const ir::Access& a) { return !a.chosen.empty(); });
      CHECK(gathers == form->gathers);
      const auto has = [&](ir::Axis::Role role) {
        return std::any_of(it.axes.begin(), it.axes.end(), [&](const ir::Axis& a) { return a.role == role; });
      };
      if (form->scans) CHECK(has(ir::Axis::Role::ordered));
      if (!form->scans && !form->scatters) CHECK_FALSE(has(ir::Axis::Role::ordered));
      if (form->step == ir::Accumulate::copy) CHECK_FALSE(has(ir::Axis::Role::reduced));
      const ir::Order order = form->order(node);
      CHECK(order.lanes >= 1);
      CHECK(order.block % order.lanes == 0);
      // A kept axis is a dimension of the result, or of a row of it.
      for (uint32_t a = 0; a < it.axes.size(); ++a) {
        if (it.axes[a].role != ir::Axis::Role::kept) continue;
        const auto is_axis = [&](const ir::AffineIndex& i) {
          return i.parts.size() == 1 && i.parts[0].axis == a && i.parts[0].coefficient == ir::Dim(1) &&
                 i.constant == ir::Dim(0);
        };
        CHECK(std::count_if(it.result.index.begin(), it.result.index.end(), is_axis) == 1);
      }
    }
  }
  CHECK(iterations >= 16);
}

TEST_CASE("the page on adding shows the declaration of an operation that is added", "[added]") {
  const std::string page = text_of(TENON_SOURCE_DIR "/docs/adding.md"),
                    declared = text_of(TENON_SOURCE_DIR "/tests/added_ops/ops/added_window.cpp");
  const size_t begin = page.find("ir::Iteration describe("),
               end = page.find("constexpr ir::IterationForm", begin);
  REQUIRE(begin != std::string::npos);
  REQUIRE(end != std::string::npos);
  CHECK(declared.find(page.substr(begin, end - begin)) != std::string::npos);
}

TEST_CASE("added operations have builder functions with their documentation", "[added]") {
  const std::string header = text_of(TENON_ADDED_HEADER);
  REQUIRE(!header.empty());
  for (const char* name : added) {
    INFO(name);
    const size_t results = ir::op_table().find(name)->results.size();
    const std::string type = results == 0 ? "Value" : "std::array<Value, " + std::to_string(results) + ">";
    CHECK(header.find("inline " + type + " " + std::string(name) + "(") != std::string::npos);
    CHECK(header.find(std::string(ir::op_table().find(name)->doc).substr(0, 20)) != std::string::npos);
  }
  CHECK(header.find("slope") != std::string::npos);
}

TEST_CASE("added operations stand in the operations reference", "[added]") {
  const std::string reference = text_of(TENON_ADDED_REFERENCE);
  REQUIRE(!reference.empty());
  for (const char* name : added) {
    INFO(name);
    const size_t at = reference.find("\n### " + std::string(name) + "\n");
    REQUIRE(at != std::string::npos);
    const std::string entry = reference.substr(at, reference.find("\n## ", at) - at);
    CHECK(entry.find(ir::op_table().find(name)->doc) != std::string::npos);
    CHECK(entry.find("Derivative: yes") != std::string::npos);
  }
  CHECK(reference.find("added_swish x {slope = 1.5}") != std::string::npos);
  CHECK(reference.find("func added_swish(x: f32[n,m]) -> f32[n,m] {") != std::string::npos);  // its body
}

TEST_CASE("added operations stand in text, and pass every check of the fuzzer", "[added]") {
  auto module = ir::parse(R"(tenon 1
module m
dim n = 5..64
func f(x: f32[n,5], row: f32[5]) -> a: f32[n], b: f32[n,5], c: f32[1 + (n - 3)/2,5], d: f32[n,5], e: f32[n] mode inference {
  v0 = added_swish x {slope = 0.5} : f32[n,5]
  v1 = added_square v0             : f32[n,5]
  v2 = added_total v1 {axes = [1]} : f32[n]
  v3 = added_window v0 {axis = 0, size = 3, stride = 2, dilation = 2, low = 1, high = 1} : f32[1 + (n - 3)/2,5]
  v4 = added_running v1 {axis = 0, reverse = true} : f32[n,5]
  k = const 3 : i64[]
  v5 = added_put v4, k, row : f32[n,5]
  i = iota {shape = [n], axis = 0, dtype = i64} : i64[n]
  j = broadcast k {shape = [n]} : i64[n]
  v6 = added_pick v5, i, j : f32[n]
  return v2, v0, v3, v5, v6
}
)");
  INFO((module ? std::string() : module.errors().text()));
  REQUIRE(module);
  const std::string printed = ir::print(*module);
  CHECK(printed.find("added_total v1 {axes = [1]}") != std::string::npos);
  CHECK(printed.find("added_running v1 {axis = 0, reverse = true}") != std::string::npos);
  for (const int64_t n : {5, 9, 33}) {
    RandomGraph g;
    g.module = *module;
    g.dims = {{"n", n}};
    g.seed = 1;  // gradients are compared with differences
    CheckOptions options;
    options.runs = 3;
    Statistics statistics;
    const auto failure = check(g, options, &statistics);
    INFO(n << ": " << (failure ? failure->check + ": " + failure->text : std::string()));
    CHECK(!failure);
    CHECK(statistics.differences > 0);
    CHECK(statistics.gradient_nonzero == 1);
    CHECK(statistics.gradient_dependent == 1);
  }
}

// The position is below the window's size; the extreme value beside it may be any number, and is tested.
TEST_CASE("rows are taken by the extreme value of a window", "[added]") {
  auto module = ir::parse(R"(tenon 1
module m
func f(x: i64[4], r: f32[4]) -> y: f32[3], z: f32[3] mode inference {
  v, p = added_top x {size = 2} : i64[3], i64[3]
  z = take r, p : f32[3]
  y = take r, v : f32[3]
  return y, z
}
)");
  INFO((module ? std::string() : module.errors().text()));
  REQUIRE(module);
  RandomGraph g;
  g.module = std::move(*module);
  CheckOptions options;
  options.runs = 8;
  Statistics statistics;
  const auto failure = check(g, options, &statistics);
  INFO((failure ? failure->check + ": " + failure->text : std::string()));
  CHECK(!failure);
  CHECK(statistics.failing_calls > 0);
}

TEST_CASE("the generator draws added operations", "[added]") {
  std::map<std::string, int> ops;
  std::map<support::DType, int> dtypes;
  Statistics statistics;
  for (uint64_t seed = 1; seed <= 300; ++seed)
    count_operations(random_graph(seed).function().graph, &ops, &dtypes);
  for (const char* name : added) {
    INFO(name);
    CHECK(ops[name] >= 3);
  }
  // And each alone on drawn operands, forward and gradient, by all engines.
  for (const char* name : added)
    for (uint64_t seed = 1; seed <= 12; ++seed) {
      GraphOptions only;
      only.only = ir::op_table().find(name);
      const RandomGraph g = random_graph(seed, only);
      REQUIRE(g.function().graph.node_count() == 1);
      CheckOptions options;
      options.thorough = false;
      const auto failure = check(g, options, &statistics);
      INFO(g.text() << (failure ? failure->check + ": " + failure->text : std::string()));
      CHECK(!failure);
    }
}
