// Verifier: one case an error; what is right passes.
#include "catch.h"
#include "kernel/builder.h"
#include "kernel/verify.h"
#include "samples.h"

using namespace tenon::kernel;
using namespace tenon::support;

namespace {

constexpr const char* params = "A: f32*, R: f32* read, W: f32* write, n: i64, x: f32";

Errors verdict(const std::string& text) {
  auto m = parse(text);
  if (!m) FAIL(m.errors().text());
  Status s = verify(*m);
  return s ? Errors() : s.take_errors();
}
Errors of_body(const std::string& body, const std::string& fixed = "{T = 4} ") {
  return verdict(samples::module(std::string("kernel k(") + params + ") " + fixed + "{\n" + body + "\n}\n"));
}
Errors of_entry(const std::string& body) {
  return verdict(samples::module(
      "kernel leaf(X: f32* read, s: f32, n: i64) {\n}\nentry e(A: f32*, W: f32* write, n: i64, x: f32) {\n" +
      body + "\n}\n"));
}
void passes(const Errors& e) { CHECK(e.text() == ""); }
void refused(const Errors& e, Code code, const std::string& part) {
  INFO(part);
  INFO(e.text());
  REQUIRE(!e.empty());
  CHECK(e.code() == code);
  CHECK(e.text().find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("kernel verify: lanes") {
  passes(of_body("lanes i in 0 .. n width 48 {\n A[i] = x\n}"));
  passes(of_body("lanes i in 0 .. n width 2 {\n A[i] = x\n}"));
  refused(of_body("lanes i in 0 .. n width 6 {\n}"), Code::graph_invalid, "6 wide");
  refused(of_body("lanes i in 0 .. n width 0 {\n}"), Code::graph_invalid, "0 wide");
  refused(of_body("lanes i in 0 .. n width 256 {\n}"), Code::compile_limit, "at most 128");
  refused(of_body("lanes i in 0 .. n width n {\n}"), Code::graph_invalid, "the width is not static");
  refused(of_body("var s: f32 = 0.0\nlanes i in 0 .. n width 48 {\n fold s = add(x)\n}"), Code::graph_invalid,
          "power of two");
  refused(of_body("var s: f32 = 0.0\nlanes i in 0 .. n width 8 {\n s = x\n}"), Code::graph_invalid,
          "declared outside the lanes");
  refused(of_body("lanes i in 0 .. n width 8 {\n var s: f32 = 0.0\n fold s = add(x)\n}"), Code::graph_invalid,
          "declared inside");
  refused(of_body("var s: f32[2] = 0.0\nlanes i in 0 .. n width 8 {\n fold s = add(x)\n}"),
          Code::graph_invalid, "single");
  refused(of_body("var s: f32 = 0.0\nlanes i in 0 .. n width 8 {\n fold s = and(x)\n}"), Code::dtype_mismatch,
          "does not take");
  refused(of_body("lanes i in 0 .. n width 8 {\n lanes j in 0 .. n width 8 {\n}\n}"), Code::graph_invalid,
          "inside lanes");
  refused(of_body("lanes i in 0 .. n width 8 {\n for j in 0 .. i {\n}\n}"), Code::graph_invalid,
          "differs between lanes");
  refused(of_body("lanes i in 0 .. n width 8 {\n for j in 0 .. n step i {\n}\n}"), Code::graph_invalid,
          "differs between lanes");
  refused(of_body("lanes i in 0 .. n width 8 {\n let k = i + 1\n specialize r in 1 .. 2 = k {\n}\n}"),
          Code::graph_invalid, "differs between lanes");
  passes(of_body("lanes i in 0 .. n width 8 {\n let k = n + 1\n for j in 0 .. k {\n A[i] = A[j]\n}\n}"));
}

TEST_CASE("kernel verify: exchanges") {
  auto lanes = [](const std::string& body, const std::string& width = "T") {
    return "lanes i in 0 .. n width " + width + " {\n" + body + "\n}";
  };
  passes(of_body(lanes("var v: f32[T] = R[i]\nif n < 3 {\n exchange v\n}")));
  passes(of_body(lanes("var v: f32[3] = R[i]\nexchange v")));
  refused(of_body(lanes("var v: f32[8] = 0.0\nexchange v")), Code::graph_invalid, "8 registers");
  refused(of_body(lanes("var v: f32[12] = 0.0\nexchange v", "12")), Code::graph_invalid, "power of two");
  refused(of_body(lanes("var v: f32 = 0.0\nexchange v")), Code::graph_invalid, "one extent");
  refused(of_body(lanes("var v: f32[T, T] = 0.0\nexchange v")), Code::graph_invalid, "one extent");
  refused(of_body(lanes("exchange A")), Code::graph_invalid, "no array of registers");
  refused(of_body("var v: f32[T] = 0.0\n" + lanes("exchange v")), Code::graph_invalid,
          "not declared in the lanes");
  refused(of_body("var v: f32[T] = 0.0\nexchange v"), Code::graph_invalid, "not declared in the lanes");
  refused(of_body(lanes("var v: f32[T] = 0.0\nif R[i] < x {\n exchange v\n}")), Code::graph_invalid,
          "exchange together");
}

TEST_CASE("kernel verify: static integers") {
  passes(of_body("var a: f32[T, 2] = 0.0\nunroll r in 0 .. T {\n a[r, 1] = x\n}"));
  refused(of_body("var a: f32[n] = 0.0"), Code::graph_invalid, "an extent is not static");
  refused(of_body("var a: f32[T] = 0.0\nfor i in 0 .. 4 {\n a[i] = x\n}"), Code::graph_invalid,
          "subscript is not static");
  refused(of_body("var a: f32[T] = 0.0\nlet b = a[n]"), Code::dtype_mismatch, "not static");
  refused(of_body("unroll r in 0 .. n {\n}"), Code::graph_invalid, "not static");
  refused(of_body("specialize r in 0 .. n = n {\n}"), Code::graph_invalid, "not static");
  refused(of_body("var a: f32[T] = 0.0\nunroll r in 0 .. T + 1 {\n a[r] = x\n}"), Code::index_range,
          "subscript 4");
  refused(of_body("var a: f32[T] = 0.0\nunroll r in 0 .. T {\n let b = a[r - 1]\n}"), Code::index_range,
          "subscript -1");
  refused(of_body("var a: f32[T*0] = 0.0"), Code::graph_invalid, "extent 0");
  refused(of_body("var a: f32[16, 17] = 0.0"), Code::compile_limit, "register array");
  refused(of_body("var a: f32[T] = 0.0\nlet b = a"), Code::dtype_mismatch, "1 extents");
  // A register tile whose rows are specialized: subscripts are judged for each.
  passes(
      of_body("specialize r in 1 .. T = n {\n var a: f32[r] = 0.0\n unroll i in 0 .. r {\n a[i] = x\n }\n}"));
  refused(
      of_body("specialize r in 1 .. T = n {\n var a: f32[r] = 0.0\n unroll i in 0 .. T {\n a[i] = x\n }\n}"),
      Code::index_range, "subscript 1 of a");
}

TEST_CASE("kernel verify: scratch is small, and a kernel's own") {
  const auto with = [](const std::string& scratch, const std::string& body) {
    return verdict(samples::module("kernel k(n: i64, x: f32) scratch " + scratch + " {\n" + body + "\n}\n"));
  };
  passes(with("s: f32[2048]", "s[n] = x"));
  passes(with("s: f32[1024], t: i64[512]", "t[0] = n"));
  refused(with("s: f32[2049]", "s[n] = x"), Code::compile_limit, "8192 bytes of scratch");
  refused(with("s: f32[2048], t: bool[1]", "s[n] = x"), Code::compile_limit, "8192 bytes of scratch");
  refused(with("s: f64[9223372036854775807]", ""), Code::compile_limit, "8192 bytes of scratch");
  refused(verdict(samples::module("entry e(n: i64) scratch s: i64[4] {\n}\n")), Code::graph_invalid,
          "no entry");
  CHECK(!parse(samples::module("kernel k(n: i64) scratch s: f32[0] {\n}\n")));
  CHECK(!parse(samples::module("kernel k(n: i64) scratch s: f32[n] {\n}\n")));
  CHECK(!parse(samples::module("kernel k(n: i64) scratch n: f32[4] {\n}\n")));
}

TEST_CASE("kernel verify: expanded size is bounded before anything expands") {
  refused(of_body("unroll a in 0 .. 9000000000000000000 {\n}"), Code::compile_limit, "statements");
  refused(
      of_body(
          "unroll a in 0 .. 1000 {\n unroll b in 0 .. 1000 {\n unroll c in 0 .. 1000 {\n A[a] = x\n}\n}\n}"),
      Code::compile_limit, "statements");
  refused(of_body("specialize a in 0 .. 9223372036854775807 = n {\n}"), Code::compile_limit, "statements");
  passes(of_body("unroll a in 0 .. 100 {\n unroll b in 0 .. 100 {\n A[a + b] = x\n}\n}"));
  passes(of_body("unroll a in 5 .. 3 {\n A[a] = x\n}"));
}

TEST_CASE("kernel verify: statements stand where they may") {
  refused(of_body("parallel c in 0 .. n {\n}"), Code::graph_invalid, "entries and procedures only");
  passes(of_body("lanes i in 0 .. n width 8 {\n stop_on_failure\n}"));
  refused(of_body("R[0] = x"), Code::graph_invalid, "not declared as written");
  refused(of_body("A[0] = W[0]"), Code::dtype_mismatch, "not declared as read");
  refused(of_body("for i in 0 .. n step 0 {\n}"), Code::graph_invalid, "above 0");
  refused(of_body("fail T999 if n < 0, n"), Code::graph_invalid, "no error code");
  refused(of_body("exit_if n < 0"), Code::graph_invalid, "exit_if stands in a for");
  refused(of_body("for t in 0 .. n {\n lanes i in 0 .. n width 8 {\n exit_if n < 0\n}\n}"),
          Code::graph_invalid, "exit_if");
  refused(of_body("lanes i in 0 .. n width 8 {\n for t in 0 .. n {\n exit_if i < 0\n}\n}"),
          Code::graph_invalid, "between lanes");
  passes(of_body("for t in 0 .. n {\n if n < 9 {\n exit_if x < 0.0\n}\n}"));
  passes(
      of_entry("parallel c in 0 .. n {\n let k = c + 1\n call leaf(address<f32>(A, k*4), x, k)\n}\nprogress "
               "n\nstop_on_failure"));
  refused(of_entry("parallel c in 0 .. n {\n A[c] = x\n}"), Code::graph_invalid, "calls and lets only");
  refused(of_entry("parallel c in 0 .. n {\n parallel d in 0 .. n {\n}\n}"), Code::graph_invalid,
          "calls and lets only");
}

TEST_CASE("kernel verify: calls") {
  refused(of_entry("call other(n)"), Code::undefined_name, "no function other");
  refused(of_entry("call e(address<f32>(A, 0), address<f32>(W, 0), n, x)"), Code::undefined_name,
          "no function e");
  refused(of_entry("call leaf(n)"), Code::operand_count, "takes 3");
  refused(of_entry("call leaf(address<f64>(A, 0), x, n)"), Code::dtype_mismatch, "is f64, expected f32");
  refused(of_entry("call leaf(x, x, n)"), Code::dtype_mismatch, "takes an address");
  refused(of_entry("call leaf(address<f32>(A, 0), address<f32>(A, 0), n)"), Code::dtype_mismatch,
          "takes a value");
  refused(of_entry("call leaf(address<f32>(A, 0), n, n)"), Code::dtype_mismatch, "is i64, expected f32");
  refused(of_entry("call leaf(address<f32>(W, 0), x, n)"), Code::graph_invalid, "does not allow");
  refused(of_entry("let a = address<f32>(A, 0)"), Code::graph_invalid, "passed to a call");
  refused(of_entry("lanes i in 0 .. n width 8 {\n call leaf(address<f32>(A, 0), x, n)\n}"),
          Code::graph_invalid, "inside lanes");
}

TEST_CASE("kernel verify: what only a program can build") {
  auto refused_function = [](Code code, const std::string& part, auto build) {
    Module m;
    Function f;
    f.name = "k";
    {
      Builder b(f);
      build(f, b);
    }
    m.functions.push_back(std::move(f));
    Status s = verify(m);
    INFO(part);
    REQUIRE(!s);
    INFO(s.errors().text());
    CHECK(s.errors().code() == code);
    CHECK(s.errors().text().find(part) != std::string::npos);
  };
  refused_function(Code::undefined_name, "outside the block", [](Function&, Builder& b) {
    const VarId a = b.buffer("A", DType::i64);
    const ExprId i = b.begin_for("i", b.index(0), b.index(2), b.index(1));
    b.end();
    b.store(a, b.index(0), i);
  });
  refused_function(Code::duplicate_name, "two variables", [](Function& f, Builder& b) {
    b.scalar("n");
    b.scalar("m");
    f.vars[1].name = "n";
  });
  refused_function(Code::graph_invalid, "does not read back", [](Function& f, Builder& b) {
    b.scalar("n");
    f.vars[0].name = "a b";
  });
  refused_function(Code::dtype_unsupported, "f16", [](Function&, Builder& b) { b.buffer("A", DType::f16); });
  refused_function(Code::graph_invalid, "does not come before", [](Function& f, Builder& b) {
    b.scalar("n");
    f.exprs.push_back({.op = Op::neg, .dtype = DType::i64, .args = {ExprId(0)}});
  });
  refused_function(Code::graph_invalid, "is missing",
                   [](Function&, Builder& b) { b.store(b.buffer("A", DType::i64), b.index(0), ExprId()); });
  refused_function(Code::duplicate_name, "declared twice", [](Function& f, Builder& b) {
    b.declare("v", DType::i64, b.index(0));
    f.body.push_back(f.body[0]);
  });
  refused_function(Code::dtype_mismatch, "beyond its type", [](Function& f, Builder& b) {
    b.scalar("n");
    f.exprs.push_back({.op = Op::constant, .dtype = DType::bool_, .bits = 2});
  });
  refused_function(Code::dtype_mismatch, "the value is f32, expected i64",
                   [](Function&, Builder& b) { b.declare("v", DType::i64, b.literal(1.0f)); });
  refused_function(Code::compile_limit, "nest deeper", [](Function&, Builder& b) {
    for (int i = 0; i < 150; ++i) b.begin_if(b.literal(true));
  });
}

TEST_CASE("kernel verify: modules") {
  auto changed = [](auto change) {
    Module m = samples::parsed(samples::program());
    change(m);
    Status s = verify(m);
    return s ? Errors() : s.take_errors();
  };
  passes(changed([](Module&) {}));
  refused(changed([](Module& m) { m.entries[0].function = "scale"; }), Code::graph_invalid, "is no entry");
  refused(changed([](Module& m) { m.entries[0].function = "none"; }), Code::undefined_name, "no function");
  refused(changed([](Module& m) { m.entries[0].params.pop_back(); }), Code::operand_count, "parameters");
  refused(changed([](Module& m) { m.entries[0].params[2].role = ParamRole::input; }), Code::graph_invalid,
          "is a buffer");
  refused(changed([](Module& m) { m.entries[0].params[2].dtype = DType::f64; }), Code::dtype_mismatch, "f64");
  refused(changed([](Module& m) { m.entries[0].arena_function = "scale"; }), Code::graph_invalid,
          "dimensions (i64)");
  refused(changed([](Module& m) { m.entries[0].dims[0].low = 300; }), Code::dim_range, "empty range");
  refused(changed([](Module& m) { m.entries[0].dims[0].name = "rows"; }), Code::undefined_name,
          "no dimension");
  refused(changed([](Module& m) { m.entries.push_back(m.entries[0]); }), Code::duplicate_name,
          "defined twice");
  refused(changed([](Module& m) { m.functions.push_back(m.functions[0]); }), Code::duplicate_name,
          "defined twice");
  refused(changed([](Module& m) { std::swap(m.functions[0], m.functions[2]); }), Code::undefined_name,
          "before this one");
  refused(changed([](Module& m) { m.state[1].offset = 88; }), Code::graph_invalid, "overlaps");
  refused(changed([](Module& m) { m.state[1].offset = 98; }), Code::graph_invalid, "not aligned");
  refused(changed([](Module& m) { m.state[1].offset = 128; }), Code::graph_invalid, "ends beyond");
  refused(changed([](Module& m) { m.state[1].bytes = 4; }), Code::graph_invalid, "not those of its shape");
  refused(changed([](Module& m) { m.constants[0].offset = 12; }), Code::graph_invalid, "overlaps");
  refused(changed([](Module& m) { m.constants[0].array = nullptr; }), Code::graph_invalid, "no values");
}
