// Functions that call what directives make: gradients inside a text, to any order.
#include <string>
#include <tenon/tenon.hpp>

#include "catch.h"

namespace tn = tenon;

namespace {

int code_of(const std::string& text, std::string* message = nullptr) {
  try {
    tn::compile(tn::parse(text));
  } catch (const tn::Error& error) {
    if (message != nullptr) *message = error.what();
    return error.code();
  }
  return 0;
}

const std::string cubic = R"(tenon 1
module cubic
param w : f64[] = constant(3.0)
func f(x: f64[]) -> value: f64[] {
  a = mul x, x
  b = mul a, x
  c = mul x, 2.0
  d = sub b, c
  return d
}
derive g = grad f {wrt = [x]}
)";

}  // namespace

TEST_CASE("a function calls the gradient of another, and the gradient of that") {
  const tn::Module module = tn::parse(cubic + R"(derive h = grad g {wrt = [x]}
func newton(x: f64[]) -> y: f64[] {
  first = call g(x)
  second = call h(x)
  step = div first, second
  y = sub x, step
  return y
}
)");
  const tn::Program program = tn::compile(module);
  tn::Session session(program, program.init(1));
  double x = 2;
  const tn::Outputs out = session.run("newton", {{"x", tn::view(x)}});
  CHECK(out["y"].number() == 2 - 10.0 / 12);  // (3 x^2 - 2) / 6 x
  // What the directives made stands in the text now, and reads back.
  const std::string printed = module.print();
  CHECK(printed.find("derive") == std::string::npos);
  CHECK(tn::parse(printed).print() == printed);
}

TEST_CASE("what a called directive is derived from is made with it") {
  const tn::Program program = tn::compile(tn::parse(cubic + R"(derive h = grad g {wrt = [x]}
derive k = grad h {wrt = [x]}
func third(x: f64[]) -> y: f64[] {
  y = call k(x)
  return y
}
)"));
  tn::Session session(program, program.init(1));
  double x = 2;
  CHECK(session.run("third", {{"x", tn::view(x)}})["y"].number() == 6);
  CHECK(session.run("g", {{"x", tn::view(x)}})["x'"].number() == 10);
}

TEST_CASE("a loss with a gradient penalty trains") {
  const tn::Module module = tn::parse(R"(tenon 1
module penalty
param w : f64[] = constant(3.0)
func fit(x: f64[]) -> loss: f64[] {
  p = mul w, x
  l = mul p, p
  return l
}
derive slope = grad fit {wrt = [x], value = true}
func loss(x: f64[]) -> loss: f64[] {
  l, s = call slope(x)
  q = mul s, s
  t = add l, q
  return t
}
derive train = step loss {with = sgd {lr = 0.001}}
)");
  const tn::Program program = tn::compile(module);
  tn::State state = program.init(1);
  tn::Session session(program, state);
  double x = 2;
  const tn::Outputs out = session.run("train", {{"x", tn::view(x)}});
  // (w x)^2 + (2 w^2 x)^2 at w = 3, x = 2, and its derivative 2 w x^2 + 16 w^3 x^2.
  CHECK(out["loss"].number() == 36 + 36 * 36);
  CHECK(state.get("w").number() == Approx(3 - 0.001 * (24 + 16 * 27 * 4)).epsilon(1e-15));
}

TEST_CASE("an update rule of one's own, in text") {
  const tn::Module module = tn::parse(cubic + R"(func loss(x: f64[]) -> loss: f64[] {
  d = sub w, x
  l = mul d, d
  return l
}
derive slopes = grad loss
func sign_step(x: f64[]) -> gradient: f64[] {
  g = call slopes(x)
  s = sign g
  t = mul s, 0.25
  n = sub w, t
  set w = n
  return g
}
)");
  const tn::Program program = tn::compile(module);
  tn::State state = program.init(1);
  tn::Session session(program, state);
  double x = 1;
  CHECK(session.run("sign_step", {{"x", tn::view(x)}})["gradient"].number() == 4);
  CHECK(state.get("w").number() == 2.75);
}

TEST_CASE("a function calls another on the averages of a step: both are derived before it") {
  const tn::Module module = tn::parse(cubic + R"(func loss(x: f64[]) -> loss: f64[] {
  d = mul w, x
  l = mul d, d
  return l
}
func half(g: f64[]) -> f64[] {
  h = mul g, 0.5
  return h
}
derive halved = step loss {with = sgd {lr = 0.25}, hook = half, average = 0.5}
derive smooth = averaged loss {of = halved}
func both(x: f64[]) -> plain: f64[], average: f64[] {
  p = call loss(x)
  a = call smooth(x)
  return p, a
}
)");
  const tn::Program program = tn::compile(module);
  tn::State state = program.init(1);
  tn::Session session(program, state);
  double x = 1;
  // w is 3 at first; its gradient 2 w, halved, by a quarter: w falls by a quarter.
  session.run("halved", {{"x", tn::view(x)}});
  session.run("halved", {{"x", tn::view(x)}});
  const double w = 3 * 0.75 * 0.75, average = 0.5 * 3 * 0.75 + 0.5 * w;
  CHECK(state.get("w").number() == w);
  const tn::Outputs out = session.run("both", {{"x", tn::view(x)}});
  CHECK(out["plain"].number() == w * w);
  CHECK(out["average"].number() == average * average);
}

TEST_CASE("value and gradients of one function") {
  const tn::Program program =
      tn::compile(tn::parse(cubic + "derive both = grad f {wrt = [x], value = true}\n"));
  tn::Session session(program, program.init(1));
  double x = 2;
  const tn::Outputs out = session.run("both", {{"x", tn::view(x)}});
  CHECK(out["value"].number() == 4);
  CHECK(out["x'"].number() == 10);
}

TEST_CASE("what cannot be called is told") {
  std::string message;
  // A directive below the call.
  CHECK(code_of("tenon 1\nmodule m\nfunc f(x: f64[]) -> f64[] {\n  y = call g(x)\n  return y\n}\n"
                "derive g = grad f {wrt = [x]}\n") == 103);
  // Two steps in one function write the same parameter.
  CHECK(code_of(
            "tenon 1\nmodule m\nparam w : f64[]\nfunc l(x: f64[]) -> f64[] {\n  y = mul w, x\n  return y\n}\n"
            "derive t = step l {with = sgd {lr = 0.1}}\n"
            "func f(x: f64[]) -> f64[] {\n  z = call t(x)\n  y = call t(z)\n  return y\n}\n",
            &message) == 115);
  CHECK(message.find(":11:") != std::string::npos);
  // What the directive says wrong, at its place.
  CHECK(code_of(cubic + "derive k = grad f {wrt = [z]}\nfunc n(x: f64[]) -> f64[] {\n  y = call k(x)\n"
                        "  return y\n}\n",
                &message) == 116);
  CHECK(message.find(":12:") != std::string::npos);
  CHECK(message.find("called in line 14") != std::string::npos);
  CHECK(code_of(cubic + "derive k = grad f {value = maybe, wrt = [x]}\n") == 116);
}
