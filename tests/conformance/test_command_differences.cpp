// tenon opt --print-after-all: what each pass changed, and nothing else.
#include <sstream>
#include <string>
#include <vector>

#include "catch.h"
#include "conformance/command_runner.h"

using tenon::test::Folder;

TEST_CASE("after every pass stand the lines it changed, below their function") {
  const Folder folder;
  folder.write("m.tenon", R"(tenon 1
module m
param w : f32[3,2]
param b : f32[2]
func still(x: f32[3]) -> y: f32[3] {
  y = exp x
  return y
}
func layer(x: f32[4,3]) -> y: f32[4,2] {
  h = dense x, w, b
  y = tanh h
  return y
}
)");
  const auto ran = folder.tenon("opt m.tenon --passes=inline,expand --print-after-all -o out.tenon");
  REQUIRE(ran.status == 0);
  CHECK(ran.err.starts_with("// after derive\n"));  // what the passes get
  const size_t expanded = ran.err.find("// after expand");
  REQUIRE(expanded != std::string::npos);
  const size_t inlined = ran.err.find("// after inline: no change");
  REQUIRE(inlined < expanded);
  const std::string changes = ran.err.substr(expanded);
  CHECK(changes.find("func layer") != std::string::npos);
  CHECK(changes.find("\n-   h = dense x, w, b") != std::string::npos);
  CHECK(changes.find("\n+ ") != std::string::npos);
  CHECK(changes.find("dot_general") != std::string::npos);
  // What stayed is not told.
  CHECK(changes.find("func still") == std::string::npos);
  CHECK(changes.find("exp x") == std::string::npos);
  CHECK(ran.err.substr(inlined, expanded - inlined).find("func") == std::string::npos);
}
