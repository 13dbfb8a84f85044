// The text form: exact round trips of files, printing rules, and each error of the parser with its golden
// text. TENON_BLESS=1 rewrites the expectations in errors/.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "catch.h"
#include "ir/builder.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "paths.h"

using namespace tenon::ir;
namespace fs = std::filesystem;

namespace {

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<fs::path> files(std::string_view folder) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(fs::path(TENON_SOURCE_DIR) / "tests/ir" / folder))
    if (entry.path().extension() == ".tenon") out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

Module module_of(std::string_view text) {
  Result<Module> m = parse(text);
  if (!m) FAIL(m.errors().text());
  return std::move(*m);
}

std::string in_function(std::string_view statements, std::string_view result = "x") {
  return "tenon 1\ndim n = 1..8\nfunc f(x: f32[n,4], p: bool[]) -> f32[n,4] {\n" + std::string(statements) +
         "  return " + std::string(result) + "\n}\n";
}

}  // namespace

TEST_CASE("comments above declarations stay with them, and change nothing") {
  const std::string text = R"(tenon 1
module m
// the size of a batch is no declaration that keeps this
dim n = 1..8
// How fast.
//
//   In more than one line.
hyper lr = 0.1 : f32
// Weights.
param w : f32[4] = zeros

// Not this: a blank line follows.

// What it computes.
func f(x: f32[n,4]) -> f32[n,4] {
  // not this one
  y = mul x, w : f32[n,4]  // nor this
  return y
}

// The step.
derive train = step f
)";
  const std::string kept = R"(tenon 1
module m
dim n = 1..8
// How fast.
//
//   In more than one line.
hyper lr = 0.1 : f32
// Weights.
param w : f32[4] = zeros

// What it computes.
func f(x: f32[n,4]) -> f32[n,4] {
  v0 = broadcast w {shape = [n, 4]} : f32[n,4]
  y  = mul x, v0                    : f32[n,4]
  return y
}

// The step.
derive train = step f
)";
  const Module m = module_of(text);
  CHECK(print(m) == kept);
  CHECK(print(module_of(kept)) == kept);
  Module bare = m;
  bare.functions[0].comment.clear();
  CHECK(structural_hash(bare).hex() == structural_hash(m).hex());
}

TEST_CASE("files print as they were read") {
  REQUIRE(files("roundtrip").size() >= 2);
  for (const fs::path& path : files("roundtrip")) {
    INFO(path);
    std::string text = read(path);
    Module m = module_of(text);
    std::string verified = verify(m) ? "" : verify(m).errors().text();
    CHECK(verified == "");
    CHECK(print(m) == text);
    CHECK(structural_hash(m).hex() == structural_hash(module_of(print(m))).hex());
  }
}

TEST_CASE("errors of the parser") {
  bool bless = std::getenv("TENON_BLESS") != nullptr;
  REQUIRE(files("errors").size() >= 14);
  for (const fs::path& path : files("errors")) {
    INFO(path);
    ParseOptions options;
    options.file = path.filename().string();
    Result<Module> m = parse(read(path), options);
    REQUIRE_FALSE(m);
    fs::path expect = path;
    expect.replace_extension(".expect");
    if (bless) std::ofstream(expect, std::ios::binary) << m.errors().text();
    CHECK(m.errors().text() == read(expect));
  }
}

TEST_CASE("literals become constants of the other operand's type") {
  Module m = module_of(in_function("  y = mul x, 2\n", "y"));
  const Graph& g = m.functions[0].graph;
  const Node* product = g.producer(g.results[0]);
  const Node* spread = g.producer(product->operands[1]);
  REQUIRE(spread != nullptr);
  const Node* constant = g.producer(spread->operands[0]);
  REQUIRE(constant != nullptr);
  CHECK(g.type(spread->results[0]).text() == "f32[n,4]");
  CHECK(**std::get_if<std::shared_ptr<const Array>>(&constant->attrs[0]) == Array::scalar<float>(2));
}

TEST_CASE("operands of an elementwise operation are broadcast by explicit nodes") {
  Module m = module_of(in_function("  r = const [1, 2, 3, 4] : f32[4]\n  y = add x, r\n", "y"));
  const Graph& g = m.functions[0].graph;
  CHECK(g.node_count() == 3);
  CHECK(g.type(g.node(NodeId(1)).results[0]).text() == "f32[n,4]");
}

TEST_CASE("globals become arguments where they are used first, and captures in regions") {
  Module m = module_of(
      "tenon 1\nparam w : f32[4] = zeros\nfunc f(xs: f32[3,4]) -> f32[4] {\n"
      "  a = loop (c = w; x in xs) {\n    d = add c, w\n    e = add d, x\n    yield e\n  }\n  return a\n}\n");
  const Graph& g = m.functions[0].graph;
  REQUIRE(g.args.size() == 2);
  CHECK(g.value(g.args[1]).arg == ArgKind::global);
  CHECK(g.value(g.args[1]).name == "w");
  const Node& loop = g.node(NodeId(0));
  REQUIRE(loop.operands.size() == 3);
  CHECK(loop.operands[2] == g.args[1]);
  const Graph& body = *loop.regions[0];
  CHECK(body.value(body.args[2]).arg == ArgKind::capture);
  CHECK(print(m).find("loop (c = w; x in xs; w) : f32[4] {") != std::string::npos);
}

TEST_CASE("captures found in a body stand before the index") {
  Module m = module_of(
      "tenon 1\nfunc f(z: i64[], k: i64[]) -> i64[] {\n"
      "  a = loop (c = z; ; ; i) {trip = 3} {\n    d = add c, k\n    e = add d, i\n    yield e\n  }\n"
      "  return a\n}\n");
  CHECK(verify(m));
  std::string text = print(m);
  CHECK(text.find("loop (c = z; ; k; i) {trip = 3}") != std::string::npos);
  CHECK(print(module_of(text)) == text);
}

TEST_CASE("both branches of a cond share their captures") {
  Module m = module_of(
      "tenon 1\nfunc f(p: bool[], x: f32[4], y: f32[4]) -> f32[4] {\n"
      "  r = cond p {\n    y' = add x, x\n    y = mul y', x\n    yield y\n  } else {\n    yield y\n  }\n"
      "  return r\n}\n");
  CHECK(verify(m));
  std::string text = print(m);
  INFO(text);
  CHECK(print(module_of(text)) == text);
}

TEST_CASE("large constants go to a side file and come back") {
  std::string elements = "0";
  for (int i = 1; i < 100; ++i) elements += ", " + std::to_string(i);
  Module m = module_of("tenon 1\nfunc f() -> f32[100] {\n  c = const [" + elements +
                       "] : f32[100]\n  return c\n}\n");
  std::map<std::string, Array> side;
  PrintOptions to_side;
  to_side.side = [&](const std::string& hash, const Array& array) { side.emplace(hash, array); };
  std::string text = print(m, to_side);
  REQUIRE(side.size() == 1);
  CHECK(text.find("const data(\"" + side.begin()->first + "\") : f32[100]") != std::string::npos);
  ParseOptions from_side;
  from_side.side = [&](const std::string& hash) -> Result<std::shared_ptr<const Array>> {
    auto found = side.find(hash);
    if (found == side.end()) return error(Code::file_missing, hash);
    return std::shared_ptr<const Array>(std::make_shared<Array>(found->second));
  };
  Result<Module> back = parse(text, from_side);
  REQUIRE(back);
  CHECK(print(*back, to_side) == text);
  CHECK(print(*back).find("98.0, 99.0]") != std::string::npos);
  Result<Module> without = parse(text);
  REQUIRE_FALSE(without);
  CHECK(without.errors().code() == Code::file_missing);
}

TEST_CASE("constants print as literals only where the text would give the same nodes") {
  std::string text = in_function("  y = mul x, 2.0 : f32[n,4]\n", "y");
  Module m = module_of(text);
  CHECK(print(m).find("y = mul x, 2.0 : f32[n,4]") != std::string::npos);
  // Named, or used twice: a line of its own.
  Module named = module_of(in_function("  c = const 2.0 : f32[]\n  y = mul x, c\n", "y"));
  CHECK(print(named).find("= const 2.0 ") != std::string::npos);
  Graph& g = m.functions[0].graph;
  Builder(g).emit("neg", {g.node(NodeId(0)).results[0]});
  std::string printed = print(m);
  CHECK(printed.find("const 2.0") != std::string::npos);
  CHECK(print(module_of(printed)) == printed);
}

TEST_CASE("an attribute equal to its preset is left out, also where a rule rewrote it") {
  Module m = module_of(in_function("  y = softmax x {axis = 1}\n", "y"));
  CHECK(print(m).find("y = softmax x : f32[n,4]") != std::string::npos);
}

TEST_CASE("names that read as something else are quoted") {
  Module m = module_of(
      in_function("  \"Add 0:out\" = add x, x\n  \"return\" = mul \"Add 0:out\", x\n", "\"return\""));
  std::string text = print(m);
  INFO(text);
  CHECK(text.find("\"Add 0:out\" = add x, x") != std::string::npos);
  CHECK(print(module_of(text)) == text);
}

TEST_CASE("a name that exists twice prints once") {
  Module m = module_of(in_function("  y = add x, x\n  z = mul y, x\n", "z"));
  Graph& g = m.functions[0].graph;
  g.value(g.results[0]).name = "y";
  REQUIRE_FALSE(verify(m));
  CHECK(verify(m).errors().code() == Code::duplicate_name);
  std::string text = print(m);
  CHECK(text.find("y.1 = mul y, x") != std::string::npos);
  CHECK(print(module_of(text)) == text);
}

TEST_CASE("node text for diagnostics") {
  Module m = module_of(in_function("  y = reduce_sum x {axes = [1]}\n"));
  CHECK(node_text(m.functions[0].graph, NodeId(0)) == "y = reduce_sum x {axes = [1]} : f32[n]");
}

TEST_CASE("what a function is made from is a role with the function it was made of") {
  auto text = [](const std::string& from) {
    return "tenon 1\nmodule m\nfunc f(x: f32[4]) -> f32[4] from " + from + " {\n  y = neg x\n  return y\n}\n";
  };
  const std::tuple<const char*, Role, const char*> good[] = {{"step(loss)", Role::step, "loss"},
                                                             {"epochs(train)", Role::loop, "train"},
                                                             {"grad(f.2)", Role::derived, "f.2"}};
  for (const auto& [from, role, source] : good) {
    INFO(from);
    Module m = module_of(text(from));
    CHECK(m.functions[0].origin.role == role);
    CHECK(m.functions[0].origin.source == source);
    CHECK(print(m).find(std::string(" from ") + from + " {") != std::string::npos);
    CHECK(parse_origin(m.functions[0].origin.text()) == m.functions[0].origin);
  }
  for (const char* from : {"step", "step(", "step()", "(loss)", "init(f)", "loss)"}) {
    INFO(from);
    auto m = parse(text(from));
    REQUIRE_FALSE(m);
    CHECK(m.errors().code() == Code::syntax);
    CHECK(m.errors().list[0].line == 3);
  }
}
