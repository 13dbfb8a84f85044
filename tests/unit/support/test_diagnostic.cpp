#include "paths.h"
#include "support/diagnostic.h"

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "catch.h"
#include "support/text.h"

using namespace tenon::support;

TEST_CASE("a type error in text shows place, excerpt, caret, notes and mend", "[support]") {
  Diagnostic d;
  d.code = Code::shape_mismatch;
  d.message = "dense: x has inner size 784, w expects 128";
  d.file = "mlp.tenon";
  d.line = 15;
  d.column = 14;
  d.excerpt = "  z  = dense x, fc2.w, fc2.b";
  d.notes = {"x: f32[batch,784] (line 11)", "fc2.w: f32[128,10] (line 8)"};
  d.help = "d is f32[batch,128]: dense d, fc2.w, fc2.b";
  CHECK(render(d) ==
        "error[T107]: dense: x has inner size 784, w expects 128\n"
        " --> mlp.tenon:15:14   z  = dense x, fc2.w, fc2.b\n"
        "                                  ^\n"
        "  x: f32[batch,784] (line 11)   fc2.w: f32[128,10] (line 8)\n"
        "help: d is f32[batch,128]: dense d, fc2.w, fc2.b\n");
}

TEST_CASE("an error in a table names the column, an error in a file only the file", "[support]") {
  Diagnostic d;
  d.code = Code::label_range;
  d.message = "label 10 at row 4127 of y: z has classes 0..9";
  d.file = "train.csv";
  d.line = 4129;
  d.within = "column \"label\"";
  d.help = "labels 1..10? --label-offset -1. Step 64 was not committed";
  CHECK(render(d) ==
        "error[T311]: label 10 at row 4127 of y: z has classes 0..9\n"
        " --> train.csv:4129 column \"label\"\n"
        "help: labels 1..10? --label-offset -1. Step 64 was not committed\n");

  Errors errors =
      error(Code::param_mismatch, "w.safetensors: fc2.w is f32[128,12], model has f32[128,10]; 3 of 4 match",
            "--partial loads the 3 and names the rest. Nothing was loaded");
  CHECK(errors.text() ==
        "error[T402]: w.safetensors: fc2.w is f32[128,12], model has f32[128,10]; 3 of 4 match\n"
        "help: --partial loads the 3 and names the rest. Nothing was loaded\n");
  errors.add(d);
  CHECK(errors.text().find("Nothing was loaded\n\nerror[T311]") != std::string::npos);
  CHECK(errors.code() == Code::param_mismatch);
}

TEST_CASE("excerpts are safe to print and carets stand where the error is", "[support]") {
  Diagnostic d;
  d.code = Code::syntax;
  d.message = "m";
  d.file = "f";
  d.line = 1;
  SECTION("a caret of some length") {
    d.column = 3, d.length = 4, d.excerpt = "a bcde f";
    CHECK(render(d) == "error[T201]: m\n --> f:1:3   a bcde f\n               ^^^^\n");
  }
  SECTION("no further than the line") {
    d.column = 3, d.length = 400, d.excerpt = "a bc\r";
    CHECK(render(d) == "error[T201]: m\n --> f:1:3   a bc\n               ^^\n");
  }
  SECTION("at the end of the line") {
    d.column = 5, d.excerpt = "a bc";
    CHECK(render(d) == "error[T201]: m\n --> f:1:5   a bc\n                 ^\n");
  }
  SECTION("beyond the line, or in its indentation: none") {
    d.column = 9, d.excerpt = "  a bc";
    CHECK(render(d) == "error[T201]: m\n --> f:1:9   a bc\n");
    d.column = 1;
    CHECK(render(d) == "error[T201]: m\n --> f:1:1   a bc\n");
  }
  SECTION("tabs and escape codes become blanks") {
    d.column = 4, d.excerpt = "\ta\t\x1b[31mb";
    CHECK(render(d) == "error[T201]: m\n --> f:1:4   a  [31mb\n               ^\n");
  }
  SECTION("a UTF-8 character takes one column") {
    d.column = 8, d.excerpt = "\"gr\xc3\xbc\xc3\x9f\" x";
    CHECK(render(d) == "error[T201]: m\n --> f:1:8   \"gr\xc3\xbc\xc3\x9f\" x\n                  ^\n");
  }
  SECTION("a long line is shown around the error") {
    d.column = 5001, d.excerpt = std::string(5000, '.') + "x" + std::string(5000, ',');
    CHECK(render(d) == "error[T201]: m\n --> f:1:5001   " + std::string(60, '.') + "x" +
                           std::string(59, ',') + "\n" + std::string(16 + 60, ' ') + "^\n");
  }
  SECTION("whole line") {
    d.excerpt = "   \t ";
    CHECK(render(d) == "error[T201]: m\n --> f:1\n");
    d.excerpt = " a";
    CHECK(render(d) == "error[T201]: m\n --> f:1   a\n");
  }
}

TEST_CASE("a result holds a value or the errors", "[support]") {
  auto half = [](int x) -> Result<int> {
    if (x % 2 != 0) return error(Code::bad_option, "odd");
    return x / 2;
  };
  auto quarter = [&](int x) -> Result<int> {
    TENON_ASSIGN(int h, half(x));
    TENON_TRY(half(h + 2));
    return half(h);
  };
  CHECK(*quarter(8) == 2);
  CHECK(quarter(7).errors().code() == Code::bad_option);
  CHECK(quarter(6).errors().list.size() == 1);
  Result<int> bad = half(1), good = half(2);
  CHECK_FALSE(bad);
  CHECK_THROWS_AS(*bad, InternalError);
  CHECK_THROWS_AS(good.errors(), InternalError);
  CHECK(bad.take_errors().text() == "error[T610]: odd\n");
}

TEST_CASE("a broken invariant names itself", "[support]") {
  int evaluated = 0;
  auto detail = [&] {
    ++evaluated;
    return "x is 3";
  };
  TENON_CHECK(1 + 1 == 2, detail());
  CHECK(evaluated == 0);
  try {
    TENON_CHECK(1 + 1 == 3, detail());
    FAIL("it passed");
  } catch (const InternalError& e) {
    CHECK(e.message.find("test_diagnostic.cpp:") != std::string::npos);
    CHECK(e.message.find("broken invariant: 1 + 1 == 3 (x is 3)") != std::string::npos);
  }
}

// Numbers are for life: a changed line in the golden file is a changed promise. TENON_BLESS=1 rewrites it.
TEST_CASE("the table of error codes", "[support]") {
  std::string text;
  std::set<int> numbers;
#define X(name, number, meaning)                   \
  text += "T" #number " " #name ": " meaning "\n"; \
  CHECK(numbers.insert(number).second);            \
  CHECK(code_meaning(Code::name) == meaning);      \
  CHECK(std::string_view("1234569").find(static_cast<char>('0' + number / 100)) != std::string_view::npos);
  TENON_ERROR_CODES(X)
#undef X
  std::string path = TENON_SOURCE_DIR "/tests/unit/support/error_codes.txt";
  if (std::getenv("TENON_BLESS") != nullptr) std::ofstream(path) << text;
  std::stringstream golden;
  golden << std::ifstream(path).rdbuf();
  CHECK(golden.str() == text);
}
