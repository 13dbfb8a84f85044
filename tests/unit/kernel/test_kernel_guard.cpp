// Guards: an edited program stays inside its buffers, whatever is edited; one that stays inside by itself
// gives the bits it gave without guards; what Tenon printed is known again.
#include "catch.h"
#include "kernel/evaluate.h"
#include "kernel/guard.h"
#include "kernel/verify.h"
#include "samples.h"

using namespace tenon::kernel;
using namespace tenon::support;

namespace {

// y[i] = w[k[i]] * sum(x[i, :]) + c, by way of the arena, in chunks of 2 rows.
constexpr const char* program = R"(tenon 1
stage kernel
module "guarded" target "x86-64-v4"

state 128 {
  "w" : f32[4] at 64 bytes 16 "param"
}

constants 64 {
  "c" at 0 : f32[2] = {0.5, 0.25}
}

interface "f" = "e" arena "a" {
  dimension "n" in 1 .. 64
  state "state" : u8[]
  arena "arena" : u8[]
  constants "constants" : u8[]
  input "x" : f32[n,3]
  input "k" : i32[n]
  output "y" : f32[n]
  dim "n" : i64[]
}

kernel a(n: i64, bytes: i64* write) {
  let end = (n*4 + 63)/64*64
  bytes[0] = max(0, end)
}

kernel sums(lo: i64, hi: i64, x: f32* read, t: f32* write align 64) scratch u: f32[3] {
  for i in lo .. hi {
    var s: f32 = -0.0
    lanes j in 0 .. 3 width 4 {
      u[j] = x[i*3 + j]
    }
    lanes l in 0 .. 3 width 4 {
      fold s = add(u[l])
    }
    t[i] = s
  }
}

kernel pick(n: i64, t: f32* read align 64, k: i32* read, w: f32* read align 64, c: f32* read, y: f32* write) {
  let plus = c[0]
  lanes i in 0 .. n width 8 {
    let at = cast<i64>(k[i])
    let v = w[at]*t[i] + plus
    y[i] = v
  }
}

entry e(state: u8* align 64, arena: u8* align 64, constants: u8* read align 64, x: f32* read, k: i32* read, y: f32*, n: i64) {
  parallel p in 0 .. (n + 1)/2 {
    let lo = p*2
    let hi = min(lo + 2, n)
    call sums(lo, hi, address<f32>(x, 0), address<f32>(arena, 0))
  }
  call pick(n, address<f32>(arena, 0), address<i32>(k, 0), address<f32>(state, 64), address<f32>(constants, 0), address<f32>(y, 0))
}
)";

constexpr size_t n = 5;

struct Outcome {
  Errors errors;  // of guard(); nothing ran
  uint16_t status = 0;
  std::vector<float> y;
};

// The evaluator checks every access: one that leaves its buffer fails the test.
Outcome run(Module m, bool guarded) {
  Outcome out;
  if (guarded) {
    Result<Module> safe = guard(std::move(m));
    if (!safe) {
      out.errors = safe.take_errors();
      return out;
    }
    m = std::move(*safe);
    const Status sound = verify(m);
    if (!sound) FAIL(sound.errors().text() + print(m));
  }
  std::vector<int64_t> bytes(1);
  auto arena_bytes = evaluate(m, *m.find("a"), {{nullptr, 0, n}, {bytes.data(), 8, 0}});
  if (!arena_bytes) FAIL(arena_bytes.errors().text());
  struct alignas(64) Block {
    std::byte data[4096] = {};
  };
  Block state, arena, constants;
  const float w[] = {1, 2, 3, 4}, c[] = {0.5f, 0.25f};
  std::memcpy(state.data + 64, w, sizeof w);
  std::memcpy(constants.data, c, sizeof c);
  std::vector<float> x(n * 3);
  std::vector<int32_t> k{0, 3, 1, 2, 3};
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  out.y.assign(n, -1.0f);
  auto r = evaluate(m, *m.find("e"),
                    {{state.data, 128, 0},
                     {arena.data, static_cast<size_t>(std::clamp<int64_t>(bytes[0], 0, 4096)), 0},
                     {constants.data, 64, 0},
                     {x.data(), x.size() * 4, 0},
                     {k.data(), k.size() * 4, 0},
                     {out.y.data(), out.y.size() * 4, 0},
                     {nullptr, 0, n}});
  if (!r) FAIL(r.errors().text() + print(m));
  out.status = r->status;
  return out;
}

Module parsed(const std::string& text) {
  auto m = parse(text);
  if (!m) FAIL(m.errors().text());
  return std::move(*m);
}
std::string edited(const std::string& from, const std::string& to) {
  std::string text = program;
  const size_t at = text.find(from);
  INFO(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("kernel guard: a program that stays in its buffers gives the bits it gave without") {
  const Outcome plain = run(parsed(program), false), safe = run(parsed(program), true);
  CHECK(plain.status == 0);
  CHECK(safe.errors.empty());
  CHECK(safe.status == 0);
  CHECK(safe.y == plain.y);
  CHECK(safe.y[1] == 12 * 4 + 0.5f);
}

TEST_CASE("kernel guard: what leaves a buffer is a status, wherever it is edited") {
  const std::pair<const char*, const char*> index[] = {
      {"y[i] = v", "y[i + 1000000000] = v"},
      {"y[i] = v", "y[i - 1] = v"},
      {"y[i] = v", "y[i*9223372036854775807] = v"},
      {"y[i] = v", "y[n] = v"},
      {"t[i] = s", "t[i*1000] = s"},
      {"w[at]*t[i]", "w[at + 1]*t[at*100000]"},
      {"x[i*3 + j]", "x[i*3 + j + hi - i]"},
      {"x[i*3 + j]", "x[j - i*3]"},
      {"u[j] =", "u[j + 1] ="},
      {"add(u[l])", "add(u[l - 1])"},
      {"u: f32[3]", "u: f32[2]"},
      {"c[0]", "c[1000]"},
      {"for i in lo .. hi {", "for i in lo .. hi + 100 {"},
      {"for i in lo .. hi {", "for i in lo - 1 .. hi {"},
      {"lanes j in 0 .. 3", "lanes j in 0 .. 3000"},
      {"lanes i in 0 .. n", "lanes i in 0 .. n + 1"},
      {"min(lo + 2, n)", "lo + 2000"},
      {"p*2", "p*2 - 1"},
      {"address<f32>(x, 0)", "address<f32>(x, 40)"},
      {"address<f32>(x, 0)", "address<f32>(x, -4)"},
      {"address<f32>(arena, 0)", "address<f32>(arena, 4)"},  // less aligned than declared
      {"address<f32>(arena, 0)", "address<f32>(arena, 64000)"},
      {"address<f32>(state, 64)", "address<f32>(state, 128)"},
      {"address<f32>(state, 64)", "address<f32>(state, 0)"},  // the header
      {"address<f32>(x, 0)", "address<f32>(k, 0)"},
      {"address<f32>(constants, 0)", "address<f32>(state, 1000000000)"},
      {"output \"y\" : f32[n]", "output \"y\" : f32[n/2]"},
      {"output \"y\" : f32[n]", "output \"y\" : f32[]"},
      {"input \"x\" : f32[n,3]", "input \"x\" : f32[n,2]"},
      {"(n*4 + 63)/64*64", "n*2"},
      {"max(0, end)", "min(0, end) - 100"},
  };
  for (const auto& [from, to] : index) {
    INFO(from << " -> " << to);
    const Outcome o = run(parsed(edited(from, to)), true);
    CHECK(o.errors.text() == "");
    CHECK(o.status == 605);
  }
}

TEST_CASE("kernel guard: loops without end are a status") {
  const std::pair<const char*, const char*> loops[] = {
      {"for i in lo .. hi {", "for i in lo .. hi + 1000000000000000 {"},
      {"for i in lo .. hi {", "for i in lo - 9223372036854775807 .. hi + 9223372036854775800 {"},
      {"for i in lo .. hi {", "for i in lo .. hi step hi - 2 {"},
      {"lanes i in 0 .. n", "lanes i in 0 .. n + 9000000000000000000"},
      {"0 .. (n + 1)/2", "0 .. n*1000000000"},
  };
  for (const auto& [from, to] : loops) {
    INFO(from << " -> " << to);
    const Outcome o = run(parsed(edited(from, to)), true);
    CHECK(o.errors.text() == "");
    CHECK(o.status == 601);
  }
}

// Each loop by itself would end, some day.
TEST_CASE("kernel guard: nests of long loops are a status, of calls and in lanes too") {
  const std::pair<const char*, const char*> nests[] = {
      {"let at = cast<i64>(k[i])",
       "var a: f32 = 0.0\n for r in 0 .. n*20000 {\n for q in 0 .. n*20000 {\n a = a + 1.0\n }\n }\n"
       " let at = cast<i64>(k[i])"},
      {"for i in lo .. hi {", "for q in 0 .. hi*4000000000 {\n  t[0] = 1.0\n }\n for i in lo .. hi {"},
      {"lanes j in 0 .. 3 width 4", "lanes j in 0 .. hi*4000000000 width 4"},
  };
  for (const auto& [from, to] : nests) {
    INFO(from << " -> " << to);
    const Outcome o = run(parsed(edited(from, to)), true);
    CHECK(o.errors.text() == "");
    CHECK(o.status == 601);
  }
  // Calls have a cost, and the body has one.
  std::string text = program;
  const size_t call = text.find("  call pick(");
  text = text.substr(0, call) + "for q in 0 .. n*20000000 {\n" + text.substr(call) + "}\n";
  CHECK(run(parsed(text), true).status == 601);
  CHECK(run(parsed(edited("lanes i in 0 .. n width 8", "lanes i in 0 .. 4000000000 width 8")), true).status ==
        601);
}

TEST_CASE("kernel guard: a loop in lanes ends where an access fails") {
  const Outcome o = run(parsed(edited("let at = cast<i64>(k[i])",
                                      "var a: f32 = 0.0\n for r in 0 .. n*100000000 {\n a = a + t[r]\n }\n"
                                      " let at = cast<i64>(k[i])")),
                        true);
  CHECK(o.errors.text() == "");
  CHECK(o.status == 605);
}

TEST_CASE("kernel guard: what no guard can mend is refused in its place") {
  const struct {
    const char *from, *to, *part;
  } refusals[] = {
      {"bytes[0] = max(0, end)", "bytes[100000000] = max(0, end)",
       "kernel a: the bytes of an arena are one expression"},
      {"bytes[0] = max(0, end)", "for i in 0 .. n {\n bytes[0] = i\n }", "kernel a: the bytes of an arena"},
      {"address<f32>(y, 0)", "address<f32>(state, 64)",
       "\"state\" is written by e, which the interface does not say"},
      {"k: i32* read, y: f32*, n: i64) {\n  parallel",
       "k: i32* read, y: f32* align 64, n: i64) {\n  parallel", "\"y\" is aligned to 4 bytes"},
      {"let lo = p*2", "let lo = p*2 + cast<i64>(k[p])", "a phase's own statements load nothing"},
      {"f32[n,3]", "f32[m,3]", "interface \"f\": \"x\""},
  };
  for (const auto& [from, to, part] : refusals) {
    INFO(from << " -> " << to);
    const Outcome o = run(parsed(edited(from, to)), true);
    INFO(o.errors.text());
    CHECK(o.errors.text().find(part) != std::string::npos);
  }
}

TEST_CASE("kernel guard: sizes, dimensions and blocks that a host could not serve are refused") {
  const std::pair<const char*, const char*> wrong[] = {
      {"in 1 .. 64", "in -3 .. 64"},
      {"  dim \"n\" : i64[]\n", "  dim \"n\" : i64[]\n  dim \"n\" : i64[]\n"},
      {"input \"x\" : f32[n,3]", "input \"x\" : f64[n,3]"},
      {"state 128", "state 1000000000000"},
      {"constants 64", "constants 1000000000000"},
      {"let plus = c[0]",
       "lanes z in 0 .. n width 128 {\n var a: f32[256] = 0.0\n var b: f32[256] = 0.0\n"
       "var d: f64[256] = 0.0\n var f: f64[256] = 0.0\n var g: f64[256] = 0.0\n"
       "var h: f64[256] = 0.0\n }\n let plus = c[0]"},
  };
  for (const auto& [from, to] : wrong) {
    INFO(from << " -> " << to);
    auto m = parse(edited(from, to));
    CHECK((!m || !verify(*m)));
  }
}

TEST_CASE("kernel guard: a dump that comes back unchanged is known by its seal, an edited one is not") {
  Module m = parsed(program);
  CHECK(m.edited);  // no seal
  CHECK(print(m) == print(parsed(print(m))));
  m.edited = false;
  const std::string sealed = print(m);
  CHECK(!parsed(sealed).edited);
  CHECK(print(parsed(sealed)) == sealed);
  // Words that mean nothing may change.
  std::string renamed = sealed;
  for (size_t at; (at = renamed.find("plus")) != std::string::npos;) renamed.replace(at, 4, "more");
  CHECK(!parsed("// a comment\n" + renamed).edited);
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"i*3 + j", "i*3 + j + 1"},
                                                        {"width 8", "width 4"},
                                                        {"align 64", "align 32"},
                                                        {"0.25", "0.75"},
                                                        {"in 1 .. 64", "in 1 .. 65"},
                                                        {"f32[n,3]", "f32[n,2]"},
                                                        {"(state, 64)", "(state, 68)"},
                                                        {"max(0, end)", "min(0, end)"}}) {
    INFO(from << " -> " << to);
    std::string text = sealed;
    const size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    auto back = parse(text);
    REQUIRE(back);
    CHECK(back->edited);
    CHECK(print(*back).find("seal") == std::string::npos);
  }
}
