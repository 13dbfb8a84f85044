// Hostile texts: whatever bytes come in, the parser answers with a module or with errors, and takes linear
// effort.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "catch.h"
#include "ir/op_def.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "paths.h"

using namespace tenon::ir;

namespace {

std::string sample() {
  std::ifstream in(TENON_SOURCE_DIR "/tests/ir/roundtrip/control.tenon", std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  REQUIRE(text.str().size() > 500);
  return text.str();
}

// A module that parses must verify or be refused, print, and parse again; errors must render.
void survive(const std::string& text) {
  Result<Module> m = parse(text);
  if (m) {
    if (Status s = verify(*m); !s) CHECK_FALSE(s.errors().text().empty());
    std::string printed = print(*m);
    Result<Module> back = parse(printed);
    if (!back) FAIL(back.errors().text() + "\n" + printed);
    CHECK(print(*back) == printed);
  } else {
    REQUIRE_FALSE(m.errors().empty());
    CHECK(m.errors().list.size() <= max_parse_errors);
    CHECK_FALSE(m.errors().text().empty());
  }
}

Code code_of(const std::string& text) {
  Result<Module> m = parse(text);
  REQUIRE_FALSE(m);
  return m.errors().code();
}

std::string repeat(std::string_view piece, size_t n) {
  std::string out;
  for (size_t i = 0; i < n; ++i) out += piece;
  return out;
}

std::string chain(size_t n) {
  std::string text = "tenon 1\nfunc f(v0: f32[4]) -> f32[4] {\n";
  for (size_t i = 0; i < n; ++i)
    text +=
        "  v" + std::to_string(i + 1) + " = add v" + std::to_string(i) + ", v" + std::to_string(i / 2) + "\n";
  return text + "  return v" + std::to_string(n) + "\n}\n";
}

}  // namespace

TEST_CASE("a text cut at any byte") {
  std::string text = sample();
  for (size_t n = 0; n < text.size(); ++n) {
    INFO(n);
    survive(text.substr(0, n));
  }
}

TEST_CASE("a text with any byte replaced") {
  const std::string text = sample();
  const char raw[] = "\0\"{}[](),;:=@'x0-\n/\xff.";
  const std::string bytes(raw, sizeof raw - 1);
  uint64_t state = 7;
  for (size_t n = 0; n < text.size(); ++n) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    std::string changed = text;
    changed[n] = bytes[(state >> 33) % bytes.size()];
    INFO(n);
    survive(changed);
  }
}

TEST_CASE("a text with any line dropped or doubled") {
  const std::string text = sample();
  for (size_t start = 0; start < text.size();) {
    size_t end = text.find('\n', start) + 1;
    survive(text.substr(0, start) + text.substr(end));
    survive(text.substr(0, end) + text.substr(start));
    start = end;
  }
}

TEST_CASE("deep nesting is refused") {
  std::string head = "tenon 1\nfunc f(p: bool[], x: f32[4]) -> f32[4] {\n";
  CHECK(code_of(head + repeat("a = loop (c = x) {trip = 2} {\n", 100000)) == Code::text_limit);
  CHECK(code_of(head + repeat("a = cond p (x) {\n", 100000)) == Code::text_limit);
  CHECK(code_of(head + "c = const " + repeat("[", 100000)) == Code::rank_mismatch);
  CHECK(code_of(head + "c = slice x {start = [" + repeat("(", 100000)) == Code::text_limit);
  CHECK(code_of("tenon 1\nderive a = step b " + repeat("{a = b ", 100000)) == Code::text_limit);
  survive(repeat("{", 100000));
  survive("tenon 1\n" + repeat("}", 100000));
}

TEST_CASE("regions nest as deep as the limit says") {
  auto nested = [](size_t depth) {
    std::string text = "tenon 1\nfunc f(x: f32[4]) -> f32[4] {\n";
    for (size_t i = 0; i < depth; ++i)
      text += "a = loop (c = " + std::string(i == 0 ? "x" : "c") + ") {trip = 2} {\n";
    text += "d = add c, x\nyield d\n}\n";
    for (size_t i = 1; i < depth; ++i) text += "yield a\n}\n";
    return text + "return a\n}\n";
  };
  survive(nested(max_region_depth - 1));
  CHECK(parse(nested(max_region_depth - 1)));
  CHECK(code_of(nested(max_region_depth + 1)) == Code::text_limit);
}

TEST_CASE("numbers without sense") {
  CHECK(code_of("tenon 1\ndim n = 1..99999999999999999999\n") == Code::bad_literal);
  CHECK(code_of("tenon 1\nfunc f(x: f32[" + repeat("9", 100000) + "]) -> f32[] {\n}\n") == Code::bad_literal);
  CHECK(code_of("tenon 1\nhyper h = 1e999999999 : f32\n") == Code::bad_literal);
  CHECK(
      code_of("tenon 1\nfunc f() -> f32[1] {\n c = const [1] : f32[4611686018427387904,4]\n return c\n}\n") ==
      Code::dim_range);
  CHECK(code_of("tenon 1\nfunc f() -> f32[1] {\n c = const [1] : f32[1000000000000]\n return c\n}\n") ==
        Code::shape_mismatch);
  survive(
      "tenon 1\nfunc f(x: f32[9223372036854775807,9223372036854775807]) -> f32[] {\n y = reduce_sum x\n "
      "return y\n}\n");
}

TEST_CASE("bytes that are no text") {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  survive(all);
  survive("tenon 1\n" + all);
  survive(std::string(1000, '\0'));
  survive("tenon 1\nfunc f(x: f32[4]) -> f32[4] {\n  y = add x, \"\\x00\\xff\\q\"\n  \"" +
          std::string("\0", 1) + "\" = add x, x\n  return x\n}\n");
  Result<Module> m = parse(std::string("tenon 1\n\0module m\n", 18));
  REQUIRE_FALSE(m);
  CHECK(m.errors().text().find('\0') == std::string::npos);
}

TEST_CASE("a text above the limit is refused before it is read") {
  ParseOptions options;
  options.max_bytes = 100;
  Result<Module> m = parse("tenon 1\n" + repeat("x", 200), options);
  REQUIRE_FALSE(m);
  CHECK(m.errors().code() == Code::text_limit);
}

TEST_CASE("errors are bounded") {
  Result<Module> m = parse("tenon 1\n" + repeat("nonsense\n", 100000));
  REQUIRE_FALSE(m);
  CHECK(m.errors().list.size() == max_parse_errors);
}

TEST_CASE("a chain of a hundred thousand operations") {
  std::string text = chain(100000);
  Result<Module> m = parse(text);
  REQUIRE(m);
  CHECK(m->functions[0].graph.node_count() == 100000);
  CHECK(verify(*m));
  std::string printed = print(*m);
  // Alignment adds a bounded number of characters to a line.
  CHECK(printed.size() < text.size() + 100000 * 60);
  Result<Module> back = parse(printed);
  REQUIRE(back);
  CHECK(print(*back) == printed);
}
