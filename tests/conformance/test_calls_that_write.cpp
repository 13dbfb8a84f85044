// Calls of functions that write: their writes are the caller's, in steps and at the host's call, with the
// bits of the same model written out; and what has no one meaning is refused in its place.
#include <string>
#include <tenon/tenon.hpp>

#include "catch.h"
#include "conformance/command_runner.h"

namespace tn = tenon;

namespace {

const std::string head = R"(tenon 1
module norm
dim n = 1..64
hyper lr = 0.1 : f32
param w : f32[3,4] = glorot_uniform
state mean : f32[4] = zeros
state calls : i64[] = zeros
func centred(x: f32[n,4]) -> f32[n,4] {
  s = reduce_sum x {axes = [0]}
  k = extent {dim = n} : i64[]
  c = cast k {to = f32}
  m = div s, c
  d = sub x, m
  a = mul mean, 0.75
  b = mul m, 0.25
  r = add a, b
  i = add calls, 1
  set calls = i
  set mean = r
  return d
}
)";
const std::string tail = R"(func loss(x: f32[n,3], y: f32[n,4]) -> l: f32[] {
  h = dot_general x, w {lhs_contract = [1], rhs_contract = [0]}
BODY  l = mse d, y
WRITES  return l
}
derive train = step loss {with = sgd {lr = lr}}
)";

std::string model(const std::string& body, const std::string& writes) {
  std::string out = tail;
  out.replace(out.find("BODY"), 4, body);
  out.replace(out.find("WRITES"), 6, writes);
  return head + out;
}
const std::string called = model("  d = call centred(h)\n", "");
const std::string flat = model(
    "  s = reduce_sum h {axes = [0]}\n  k = extent {dim = n} : i64[]\n  c = cast k {to = f32}\n"
    "  m = div s, c\n  d = sub h, m\n  a = mul mean, 0.75\n  b = mul m, 0.25\n  r = add a, b\n"
    "  i = add calls, 1\n",
    "  set calls = i\n  set mean = r\n");

// The error of a text, or nothing.
std::string error_of(const std::string& text) {
  try {
    tn::compile(tn::parse(text));
  } catch (const tn::Error& error) {
    return error.what();
  }
  return "";
}

struct Trained {
  std::vector<float> losses, mean, w;
  int64_t calls = 0;
};
Trained trained(const std::string& text) {
  const tn::Program program = tn::compile(tn::parse(text));
  tn::State state = program.init(3);
  tn::Session session(program, state);
  Trained out;
  for (size_t step = 0; step < 5; ++step) {
    std::vector<float> x(15), y(20);
    for (size_t i = 0; i < 15; ++i) x[i] = static_cast<float>((i * 7 + step) % 11) / 8;
    for (size_t i = 0; i < 20; ++i) y[i] = static_cast<float>((i * 5 + step) % 13) / 8 - 1;
    const tn::Outputs made = session.run("train", {{"x", tn::view(x, {5, 3})}, {"y", tn::view(y, {5, 4})}});
    out.losses.push_back(static_cast<float>(made["l"].number()));
  }
  for (size_t i = 0; i < 4; ++i) out.mean.push_back(state.get("mean").as<float>()[i]);
  for (size_t i = 0; i < 12; ++i) out.w.push_back(state.get("w").as<float>()[i]);
  out.calls = static_cast<int64_t>(state.get("calls").number());
  return out;
}

}  // namespace

TEST_CASE("what a called function writes, its caller writes, in a step too") {
  const Trained a = trained(called), b = trained(flat);
  CHECK(a.calls == 5);
  CHECK(a.losses == b.losses);
  CHECK(a.mean == b.mean);
  CHECK(a.w == b.w);
  CHECK(a.mean[0] != 0);
  // By hand, at the host's call: one row is its own mean.
  const tn::Program program = tn::compile(tn::parse(called));
  tn::State state = program.init(1);
  tn::Session session(program, state);
  std::vector<float> x{4, 8, -4, 0};
  CHECK(session.run("centred", {{"x", tn::view(x, {1, 4})}})["d"].as<float>()[1] == 0);
  CHECK(state.get("mean").as<float>()[1] == 2);
  (void)session.run("centred", {{"x", tn::view(x, {1, 4})}});
  CHECK(state.get("mean").as<float>()[1] == 3.5f);
}

TEST_CASE("a call that writes stands in the text with what it writes, and reads back") {
  const std::string printed = tn::parse(called).print();
  CHECK(printed.find("= call centred(h)") != std::string::npos);
  CHECK(printed.find("set mean =") != std::string::npos);
  CHECK(tn::parse(printed).print() == printed);
  CHECK(trained(printed).mean == trained(called).mean);
}

TEST_CASE("writes pass through functions between, and functions without results") {
  const std::string text = head + R"(func inner(x: f32[n,4]) {
  d = call centred(x)
}
func outer(x: f32[n,4]) -> f32[] {
  call inner(x)
  m = reduce_max x
  return m
}
)";
  const tn::Program program = tn::compile(tn::parse(text));
  tn::State state = program.init(1);
  tn::Session session(program, state);
  std::vector<float> x{4, 8, -4, 0};
  CHECK(session.run("outer", {{"x", tn::view(x, {1, 4})}})["m"].number() == 8);
  CHECK(state.get("mean").as<float>()[1] == 2);
  CHECK(state.get("calls").number() == 1);
}

TEST_CASE("new values that are named are values, and written where they are set") {
  const std::string text = head + R"(func peek(x: f32[n,4]) -> f32[4] {
  d, m, k = call centred(x)
  return m
}
func twice(x: f32[n,4]) -> f32[n,4] {
  d, m, k = apply centred(x, mean, calls)
  e, m2, k2 = apply centred(d, m, k)
  set mean = m2
  set calls = k2
  return e
}
func loops(x: f32[n,4]) -> f32[4] {
  z = mul mean, 0.0
  t = loop (c = z) {trip = 3} {
    d, m, k = call centred(x)
    s = add c, m
    yield s
  }
  return t
}
)";
  const tn::Program program = tn::compile(tn::parse(text));
  tn::State state = program.init(1);
  tn::Session session(program, state);
  std::vector<float> x{4, 8, -4, 0};
  CHECK(session.run("peek", {{"x", tn::view(x, {1, 4})}})["m"].as<float>()[1] == 2);
  CHECK(state.get("calls").number() == 0);
  CHECK(session.run("loops", {{"x", tn::view(x, {1, 4})}})["t"].as<float>()[1] == 6);
  CHECK(state.get("calls").number() == 0);
  (void)session.run("twice", {{"x", tn::view(x, {1, 4})}});
  CHECK(state.get("calls").number() == 2);
  CHECK(state.get("mean").as<float>()[1] == 1.5f);  // 0.75 * 2 + 0.25 * 0
}

TEST_CASE("calls whose writes have no one meaning are refused in their places") {
  const std::string open = head + "func f(x: f32[n,4]) -> f32[n,4] {\n", close = "  return d\n}\n";
  std::string message = error_of(open + "  c = call centred(x)\n  d = call centred(c)\n" + close);
  CHECK(message.find("T115") != std::string::npos);
  CHECK(message.find("mean is written twice: centred writes it") != std::string::npos);
  CHECK(message.find(":24:") != std::string::npos);
  CHECK(message.find("apply") != std::string::npos);
  message = error_of(open + "  d = call centred(x)\n  set mean = mean\n" + close);
  CHECK(message.find("mean is written twice") != std::string::npos);
  message = error_of(open + "  set calls = calls\n  d = call centred(x)\n" + close);
  CHECK(message.find("calls is written twice") != std::string::npos);
  message =
      error_of(open + "  d = loop (c = x) {trip = 2} {\n    e = call centred(c)\n    yield e\n  }\n" + close);
  CHECK(message.find("a region cannot write mean") != std::string::npos);
  CHECK(message.find(":24:") != std::string::npos);
  message = error_of(open + "  d, m = call centred(x)\n" + close);
  CHECK(message.find("3 results, 2 names") != std::string::npos);
}

TEST_CASE("engines agree on calls that write") {
  const tn::test::Folder folder;
  folder.write("m.tenon", called);
  for (const char* f : {"centred", "loss", "train"}) {
    const tn::test::Ran ran = folder.tenon(std::string("diff m.tenon ") + f);
    INFO(ran.out << ran.err);
    CHECK(ran.status == 0);
  }
}
