// docs/passes.md, which is made from the tables of passes and rules.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "catch.h"
#include "lower/passes.h"
#include "passes/passes.h"
#include "paths.h"

TEST_CASE("the page of passes is not stale", "[passes-reference]") {
  const std::string made = tenon::passes::reference() + tenon::lower::passes_reference(),
                    kept = TENON_SOURCE_DIR "/docs/passes.md";
  if (std::getenv("TENON_BLESS") != nullptr) std::ofstream(kept, std::ios::binary) << made;
  std::ifstream in(kept, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  INFO("TENON_BLESS=1 writes docs/passes.md anew");
  CHECK(text.str() == made);
}

TEST_CASE("every pass of the order says why it stands there, and what it needs", "[passes-reference]") {
  const std::string made = tenon::passes::reference();
  for (const tenon::passes::Pass* p : tenon::passes::all()) {
    INFO(p->name);
    CHECK(made.find("| `" + std::string(p->name) + "` | " + std::string(p->about)) != std::string::npos);
    CHECK(p->about.size() > 20);
  }
}
