// The text form: what is printed reads back to the same program; what is wrong is shown in its place.
#include "catch.h"
#include "kernel/builder.h"
#include "kernel/verify.h"
#include "samples.h"

using namespace tenon::kernel;
using namespace tenon::support;

namespace {

void round_trip(const std::string& text) {
  auto m = parse(text);
  INFO(text);
  if (!m) FAIL(m.errors().text());
  const std::string once = print(*m);
  auto again = parse(once);
  if (!again) FAIL(again.errors().text());
  CHECK(print(*again) == once);
  REQUIRE(again->functions.size() == m->functions.size());
  for (size_t i = 0; i < m->functions.size(); ++i)
    CHECK(structural_hash(m->functions[i]).hex() == structural_hash(again->functions[i]).hex());
}

Errors errors_of(const std::string& body, const std::string& params = "A: f32*, n: i64") {
  auto m = parse(samples::module("kernel k(" + params + ") {\n" + body + "\n}\n"));
  REQUIRE(!m);
  return m.take_errors();
}

}  // namespace

TEST_CASE("kernel text: samples print as they are written") {
  for (const char* sample : {samples::matmul, samples::reduce, samples::turn, samples::everything}) {
    const std::string text = samples::module(sample);
    auto m = parse(text);
    if (!m) FAIL(m.errors().text());
    CHECK(print(*m) == text);
    Status s = verify(*m);
    if (!s) FAIL(s.errors().text());
    round_trip(text);
  }
  auto m = parse(samples::program());
  if (!m) FAIL(m.errors().text());
  CHECK(print(*m) == samples::program());
  Status s = verify(*m);
  if (!s) FAIL(s.errors().text());
}

TEST_CASE("kernel text: equal expressions print alike, whether they were shared or not") {
  Function f;
  f.name = "k";
  Builder b(f);
  const VarId a = b.buffer("A", DType::i64);
  const ExprId n = b.use(b.scalar("n"));
  // A long expression, made twice of different nodes, as an edit in place leaves it.
  auto longer = [&](ExprId seed) {
    ExprId x = seed;
    for (int64_t i = 0; i < 30; ++i) x = b.add(b.mul(x, n), b.load(a, b.index(i)));
    return x;
  };
  b.store(a, b.index(0), longer(b.load(a, b.index(100))));
  b.store(a, b.index(1), longer(b.load(a, b.index(200))));
  for (Expr& e : f.exprs)
    if (e.op == Op::constant && e.bits == 200) e.bits = 100;
  Module m = samples::parsed(samples::module("kernel other(A: i64*) {\n}\n"));
  m.functions = std::vector{f};
  const std::string once = print(m);
  CHECK(print(samples::parsed(once)) == once);
  CHECK(once.find("define $1") != std::string::npos);
  CHECK(once.find("define $2") == std::string::npos);
}

TEST_CASE("kernel text: free layout reads") {
  round_trip(
      samples::module("kernel k(A:f32*,n:i64){NV=2}{for i in 0..n{let a=A[i] A[i]=a+1 if n>=i{A[0]=-2}}}"));
  Module m = samples::parsed(samples::module("kernel k(A:f32*,n:i64){for i in 0..n{A[i]=A[i]+1}}"));
  CHECK(print(m.functions[0]) ==
        "kernel k(A: f32*, n: i64) {\n  for i in 0 .. n {\n    A[i] = A[i] + 1.0\n  }\n}\n");
}

TEST_CASE("kernel text: the hash ignores names, order of making and comments, nothing else") {
  auto hash = [](const std::string& body, const std::string& head = "A: f32*, n: i64) {MR = 2}") {
    const Module m = samples::parsed(samples::module("kernel k(" + head + " {" + body + "}"));
    return structural_hash(m.functions[0]).hex();
  };
  const std::string base = hash("let x = A[n]\n A[0] = x + A[1] * 2");
  CHECK(base == hash("let other = A[n] // named\n A[0] = other + A[1] * 2"));
  CHECK(base != hash("let x = A[n]\n A[0] = x + A[1] * 3"));
  CHECK(base != hash("let x = A[n]\n A[0] = A[1] * 2 + x"));
  CHECK(base != hash("let x = A[0]\n A[0] = x + A[1] * 2"));
  const std::string same = "let x = A[n]\n A[0] = x + A[1] * 2";
  CHECK(base == hash(same, "A: f32*, n: i64) {NR = 2}"));
  CHECK(base != hash(same, "A: f32*, n: i64) {MR = 3}"));
  CHECK(base != hash(same, "A: f32* align 64, n: i64) {MR = 2}"));
  CHECK(base != hash(same, "A: f64*, n: i64) {MR = 2}"));
  CHECK(base != hash("let x = A[MR]\n A[0] = x + A[1] * 2"));
}

TEST_CASE("kernel text: deep and shared expressions get names, and print in bounded space") {
  Module m;
  m.target = "x86-64-v4";
  Function f;
  f.name = "deep";
  Builder b(f);
  const VarId a = b.buffer("A", DType::f32);
  ExprId shared = b.load(a, b.index(0));
  for (int i = 0; i < 60; ++i) shared = b.add(shared, b.mul(shared, shared));  // 3^60 as a tree
  ExprId chain = shared;
  for (int i = 0; i < 20000; ++i) chain = b.unary(Op::sqrt, b.unary(Op::neg, chain));
  b.store(a, b.index(1), chain);
  m.functions.push_back(f);
  const std::string text = print(m);
  CHECK(text.size() < 600'000);
  CHECK(text.find("define $1 = ") != std::string::npos);
  round_trip(text);
  CHECK(structural_hash(f).hex() == structural_hash(samples::parsed(text).functions[0]).hex());
}

TEST_CASE("kernel text: large constants go to a side file and come back") {
  Module m;
  m.target = "x86-64-v3";
  m.constant_bytes = 400;
  auto array = std::make_shared<Array>(DType::f32, std::vector<int64_t>{100});
  array->as<float>()[7] = 1.5f;
  m.constants.push_back({"abc", 0, array});
  std::string stored;
  PrintOptions options;
  options.side = [&](const std::string& hash, const Array&) { stored = hash; };
  const std::string text = print(m, options);
  CHECK(stored == "abc");
  CHECK(text.find("\"abc\" at 0 : f32[100] = data") != std::string::npos);
  ParseOptions back;
  back.side = [&](const std::string&) -> Result<std::shared_ptr<const Array>> {
    return std::shared_ptr<const Array>(array);
  };
  auto again = parse(text, back);
  REQUIRE(again);
  CHECK(*again->constants[0].array == *array);
  auto lost = parse(text);
  REQUIRE(!lost);
  CHECK(lost.errors().code() == Code::file_missing);
  // Without a side file all values are in the text.
  auto whole = parse(print(m));
  REQUIRE(whole);
  CHECK(*whole->constants[0].array == *array);
}

TEST_CASE("kernel text: errors stand in their place, all of them") {
  Errors e = errors_of("  let x = A[n] + n\n  let y = B[0]\n  A[0] = 1.5.2\n  A[nn] = x");
  REQUIRE(e.list.size() == 4);
  CHECK(e.list[0].code == Code::dtype_mismatch);
  CHECK(e.list[0].line == 6);
  CHECK(e.list[0].column == 16);
  CHECK(e.list[0].excerpt == "  let x = A[n] + n");
  CHECK(e.list[1].code == Code::undefined_name);
  CHECK(e.list[1].line == 7);
  CHECK(e.list[2].line == 8);
  CHECK(e.list[3].code == Code::undefined_name);
  CHECK(e.list[3].help == "did you mean `n`?");
}

TEST_CASE("kernel text: each kind of mistake has its code") {
  CHECK(errors_of("let n = 1").code() == Code::duplicate_name);
  CHECK(errors_of("let for = 1").code() == Code::syntax);
  CHECK(errors_of("let x = f32(1.0) + 1x").code() == Code::bad_literal);
  CHECK(errors_of("let x = i32(3000000000)").code() == Code::bad_literal);
  CHECK(errors_of("let x = 0.5").code() == Code::bad_literal);
  CHECK(errors_of("let x = $1").code() == Code::undefined_name);
  CHECK(errors_of("var x: f16 = 0.0").code() == Code::dtype_unsupported);
  CHECK(errors_of("A[0] = n").code() == Code::dtype_mismatch);
  CHECK(errors_of("A = 1.0").code() == Code::syntax);
  CHECK(errors_of("n = 1").code() == Code::graph_invalid);
  CHECK(errors_of("if n { }").code() == Code::dtype_mismatch);
  CHECK(errors_of("let x = fma(A[0], 1.0)").code() == Code::dtype_mismatch);
  CHECK(errors_of("let x = sqrt(n)").code() == Code::dtype_mismatch);
  CHECK(errors_of("let x = min(A[0], A[1])").code() == Code::dtype_mismatch);
  CHECK(errors_of("for i in 0 .. n {\n let y = i\n }\n let z = y").code() == Code::undefined_name);
  CHECK(errors_of("for i in 0 .. n {\n }\n let z = i").code() == Code::undefined_name);
  CHECK(errors_of("fold n = add(n)").code() == Code::syntax);
  CHECK(errors_of("lanes i in 0 .. n {\n }").code() == Code::syntax);
  CHECK(errors_of("parallel i in 1 .. n { }").code() == Code::syntax);
  CHECK(errors_of("fail 605 if n < 0, n").code() == Code::syntax);
  CHECK(errors_of("let x = (n").code() == Code::syntax);
  CHECK(errors_of("A[0] = \"text").code() == Code::syntax);
  CHECK(errors_of("", "A: f32* align 3").code() == Code::bad_literal);
  CHECK(errors_of("", "A: float*").code() == Code::syntax);
  auto header = parse("module \"x\" target \"y\"");
  REQUIRE(!header);
  CHECK(header.errors().code() == Code::bad_header);
}

TEST_CASE("kernel text: hostile texts end in errors") {
  auto repeat = [](const std::string& s, size_t n) {
    std::string out;
    for (size_t i = 0; i < n; ++i) out += s;
    return out;
  };
  CHECK(errors_of("let x = " + repeat("(", 100000) + "n" + repeat(")", 100000)).code() == Code::text_limit);
  CHECK(errors_of("let x = " + repeat("-", 100000) + "n").code() == Code::text_limit);
  CHECK(errors_of("let x = " + repeat("A[", 100000)).code() == Code::text_limit);
  CHECK(errors_of("let x = " + repeat("sqrt(", 100000)).code() == Code::text_limit);
  CHECK(errors_of(repeat("if n < 0 {\n", 100000)).code() == Code::text_limit);
  CHECK(errors_of(repeat("}", 1000)).code() == Code::syntax);
  CHECK(errors_of(repeat("let let\n", 10000)).list.size() <= 50);
  CHECK(errors_of("define $1 = n\ndefine $3 = n").code() == Code::syntax);
  // A long chain is no deep one.
  round_trip(samples::module("kernel k(n: i64) {\nlet x = n" + repeat(" + n", 20000) + "\n}\n"));
  CHECK(
      !parse("tenon 1\nstage kernel\nmodule a target b\nconstants 8 { \"c\" at 0 : "
             "f32[4000000000,4000000000] = {1.0} }"));
  CHECK(!parse("tenon 1\nstage kernel\nmodule a target b\nstate 1 {"));
  CHECK(!parse(""));
  // Every prefix, and every text with one byte changed: an answer, whatever it is.
  for (const std::string& text : {samples::program(), samples::module(samples::everything)}) {
    size_t refused = 0;
    for (size_t i = 0; i < text.size(); i += 3) refused += !parse(text.substr(0, i));
    CHECK(refused > text.size() / 4);
    for (size_t i = 0; i < text.size(); ++i) {
      for (char c : {'{', '(', '"', '\0', '9', '\x80'}) {
        std::string changed = text;
        changed[i] = c;
        if (auto m = parse(changed)) {
          (void)print(*m);
          (void)static_cast<bool>(verify(*m));
        }
      }
    }
  }
}
