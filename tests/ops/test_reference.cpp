// docs/operations.md is what the declarations give now. TENON_BLESS=1 writes it anew.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "catch.h"
#include "ir/op_def.h"
#include "paths.h"

namespace {

std::string text_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("the operations reference is not stale", "[reference]") {
  const std::string made = text_of(TENON_OPERATIONS), kept = TENON_SOURCE_DIR "/docs/operations.md";
  REQUIRE(!made.empty());
  if (std::getenv("TENON_BLESS") != nullptr) std::ofstream(kept, std::ios::binary) << made;
  INFO("TENON_BLESS=1 writes docs/operations.md anew");
  CHECK(text_of(kept) == made);
}

TEST_CASE("the operations reference has every operation, and the body of every composite", "[reference]") {
  const std::string made = text_of(TENON_OPERATIONS);
  for (const tenon::ir::OpDef* op : tenon::ir::op_table().all()) {
    const std::string name(op->name);
    INFO(name);
    CHECK(made.find("\n### " + name + "\n\n" + std::string(op->doc) + "\n") != std::string::npos);
    if (op->composite() != nullptr) CHECK(made.find("\nfunc " + name + "(") != std::string::npos);
  }
}
