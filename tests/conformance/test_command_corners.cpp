// Corners of the command and the language that once went wrong: each case keeps one of them right.
#include <fmt/format.h>
#include <cstring>
#include <set>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "catch.h"
#include "conformance/command_runner.h"

namespace tn = tenon;

namespace tenon::test {
namespace {

// A refusal with its code and exit status, told and not signalled.
void refused(const Folder& folder, const std::string& command, const std::string& code, int status,
             const std::string& telling) {
  INFO(command);
  const Ran ran = folder.tenon(command);
  INFO(ran.out << ran.err);
  CHECK(ran.status == status);
  CHECK(ran.signal == 0);
  CHECK(ran.err.starts_with("error[" + code + "]: "));
  CHECK(ran.err.find(telling) != std::string::npos);
}

// Jit, aot and the evaluators agree on a call.
void agrees(const Folder& folder, const std::string& call) {
  const Ran ran = folder.tenon("diff " + call);
  INFO(call << "\n" << ran.out << ran.err);
  CHECK(ran.status == 0);
}

const char* const line = R"(tenon 1
module line
dim batch = 1..64
param w : f32[1,1] = zeros
func loss(x: f32[batch,1], y: f32[batch,1]) -> loss: f32[] {
  p = dot x, w
  l = mse p, y
  return l
}
derive train = step loss {with = sgd {lr = 0.1}}
)";
const char* const rows = "regression:rows=20,features=1,noise=0.1,seed=7";

}  // namespace

TEST_CASE("an error in one branch leaves the other readable") {
  const Folder folder;
  for (const std::string wrong : {"    y = rellu x\n    yield y\n", "    yield absent\n"}) {
    folder.write("m.tenon", "tenon 1\nmodule m\nfunc f(x: f32[2], p: bool[]) -> f32[2] {\n  r = cond p {\n" +
                                wrong + "  } else {\n    y = neg x\n    yield y\n  }\n  return r\n}\n");
    const Ran ran = folder.tenon("check m.tenon");
    INFO(ran.err);
    CHECK(ran.signal == 0);
    CHECK(ran.status == 3);
    CHECK(ran.err.find(" --> m.tenon:") != std::string::npos);
  }
}

TEST_CASE("functions neither call themselves nor take the name of what fills the state") {
  const Folder folder;
  folder.write("m.tenon",
               "tenon 1\nmodule m\nfunc f(x: f32[2]) -> o: f32[2] {\n  y = call f(x)\n  return y\n}\n");
  refused(folder, "check m.tenon", "T103", 3, " --> m.tenon:4:");
  folder.write("m.tenon",
               "tenon 1\nmodule m\nfunc init(x: f32[]) -> o: f32[] {\n  o = neg x\n  return o\n}\n");
  refused(folder, "check m.tenon", "T104", 3, "init");
}

TEST_CASE("quotients in extents round down in compiled code as well") {
  const Folder folder;
  folder.write("m.tenon",
               "tenon 1\nmodule m\ndim n = 0..9\ndim k = 0..4\n"
               "func f(x: f32[(n-k)/2+3], y: f32[3], z: f32[n,k], w: f32[]) -> u: f32[((n-k)/2+3)*2], "
               "v: f32[(n-k)/2+6], c: f32[], s: i64[(n-k)/2+3] {\n"
               "  l = neg x\n  u = concat x, l\n  v = concat l, y\n"
               "  c, s = loop (c = w; ; ; i) {trip = (n-k)/2+3} {\n    d = add c, 1.0\n    yield d, i\n  }\n"
               "  return u, v, c, s\n}\n");
  for (const char* sizes : {"n=0 --size k=1", "n=0 --size k=3", "n=2 --size k=4", "n=9 --size k=0"})
    agrees(folder, std::string("m.tenon f --size ") + sizes);
  folder.write("h.tenon",
               "tenon 1\nmodule m\ndim n = 0..9\ndim k = 0..4\nfunc h(x: f32[n-k]) -> l: f32[n-k] {\n"
               "  l = neg x\n  return l\n}\n");
  refused(folder, "diff h.tenon h --size n=3 --size k=4", "T112", 3, "-1");
}

TEST_CASE("names are the caller's, whatever a callee's values are called") {
  const Folder folder;
  folder.write(
      "m.tenon",
      "tenon 1\nmodule m\nfunc h(x: f32[]) -> a: f32[] {\n  s = mul x, 100.0\n  t = sin s\n  return t\n}\n"
      "func f(x: f32[]) -> l: f32[] {\n  s = call h(x)\n  l = mul s, s\n  return l\n}\n"
      "func g(x: f32[]) -> l: f32[] {\n  q = call h(x)\n  l = mul q, q\n  return l\n}\n");
  CHECK(folder.tenon("run m.tenon f --input x=1 --tap s").out.find("s : f32[] = -0.50636") !=
        std::string::npos);
  CHECK(folder.tenon("run m.tenon g --input x=1 --tap q").out.find("q : f32[] = -0.50636") !=
        std::string::npos);
  const Ran grad = folder.shell("tenon grad m.tenon f --wrt s | tenon run - f.grad --input x=1");
  INFO(grad.out << grad.err);
  CHECK(grad.out.find("= -1.01273") != std::string::npos);
}

TEST_CASE(
    "a printed gradient has a printed gradient, through what a loop captures, whatever its values are "
    "called") {
  const Folder folder;
  // h w^3, once with names that gradients make themselves.
  for (const auto& [carry, next] : {std::pair("h", "d"), std::pair("d.h", "w'"), std::pair("d.w", "d.d.h")}) {
    folder.write("m.tenon",
                 fmt::format("tenon 1\nmodule m\nparam w : f64[] = constant(1.5)\n"
                             "func f(x: f64[]) -> y: f64[] {{\n  y = loop ({0} = x) {{trip = 3}} : f64[] {{\n"
                             "    {1} = mul {0}, w\n    yield {1}\n  }}\n  return y\n}}\n",
                             carry, next));
    const Ran third = folder.shell(
        "tenon grad m.tenon f | tenon grad - f.grad | tenon grad - f.grad.grad | "
        "tenon run - f.grad.grad.grad --input x=2");
    INFO(third.out << third.err);
    CHECK(third.out == "w' : f64[] = 12.0\n");
  }
}

TEST_CASE("functions in training mode run, and wide integers are judged exactly") {
  const Folder folder;
  folder.write("m.tenon",
               "tenon 1\nmodule m\nfunc g(x: f32[6]) -> y: f32[6] mode training {\n"
               "  y = dropout x {rate = 0.5}\n  return y\n}\n"
               "func a(x: i64[], y: i64[]) -> r: i64[], d: i64[] {\n  r = add x, y\n  d = div x, y\n"
               "  return r, d\n}\n");
  agrees(folder, "m.tenon g");
  agrees(folder, "m.tenon a --input x=9007199254740993 --input y=3");
}

TEST_CASE("the sign of a NaN survives in a dump") {
  const Folder folder;
  folder.write(
      "m.tenon",
      "tenon 1\nmodule m\nfunc f(x: f32[2]) -> b: f32[2], c: f32[2] {\n  z = const [0.0, 1.0] : f32[2]\n"
      "  q = const [0.0, 2.0] : f32[2]\n  b = div z, q\n  c = const [nan, -nan] : f32[2]\n"
      "  return b, c\n}\n");
  CHECK(folder.tenon("compile m.tenon --prefix p -o a").status == 0);
  for (const char* stage : {"graph", "optimized", "kernel"}) {
    CHECK(folder.tenon(std::string("show m.tenon -o d.tenon --stage ") + stage).status == 0);
    CHECK(folder.tenon("compile d.tenon --prefix p -o b").status == 0);
    INFO(stage);
    CHECK(folder.shell("cmp a.o b.o").status == 0);
  }
}

TEST_CASE("training that cannot begin leaves files as they are") {
  const Folder folder;
  folder.write("line.tenon", line);
  folder.write("old", "precious\n");
  const std::string train = std::string("train line.tenon --data ") + rows + " ";
  refused(folder, train + "--history old --batch 5000", "T601", 3, "5000");
  refused(folder, train + "--history old --until nope=1", "T610", 2, "nope");
  CHECK(folder.read("old") == "precious\n");
  CHECK(folder.tenon(train + "--history old --epochs 2").status == 0);
  CHECK(folder.read("old").starts_with("{\"epoch\":1,"));
  refused(folder, train + "-o .", "T404", 4, "folder");
  refused(folder, train + "-o same --history same", "T610", 2, "same");
  refused(folder, train + "-o ''", "T610", 2, "takes a value");
  refused(folder, std::string("eval line.tenon --params '' --data ") + rows, "T610", 2, "takes a value");
  refused(folder, std::string("eval line.tenon --step nope --data ") + rows, "T103", 3, "steps: train");
}

TEST_CASE("values of two models do not mix") {
  tn::Model a("a"), b("b");
  const tn::Value x = a.input<float>("x", {4}), p = b.input<float>("p", {4});
  CHECK_THROWS_AS(x + p, tn::Error);
  CHECK_THROWS_AS(a.function("f", {{"r", p}}), tn::Error);
}

TEST_CASE("a failing step of a native loop leaves the state of the steps before it") {
  const tn::Program program = tn::compile(tn::parse(
      "tenon 1\nmodule two\ndim batch = 1..64\nparam w : f32[2,3] = glorot_uniform\n"
      "func loss(x: f32[batch,2], y: i32[batch]) -> loss: f32[] {\n  z = dot x, w\n  l = cross_entropy z, y\n"
      "  return l\n}\nderive train = step loss {with = momentum {lr = 0.1, momentum = 0.9}}\n"));
  std::vector<float> x(200);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 37 % 19) / 9 - 1;
  std::set<int64_t> steps;
  for (size_t bad = 0; bad < 200; bad += 9) {
    std::vector<int32_t> y(100, 1);
    y[bad % 100] = 77;
    const tn::Data data = tn::make_data({{"x", tn::view(x, {100, 2})}, {"y", tn::view(y, {100})}});
    const tn::State state = program.init(5);
    tn::Session session(program, state);
    std::string told;
    try {
      // The native loop, or step by step in an order that is given.
      tn::FitOptions options{.batch = 30, .epochs = 2};
      if (bad >= 100) options.shuffle = 3;
      session.fit(data, options);
    } catch (const tn::Error& e) {
      told = e.what();
    }
    const auto counter = state.get("rng.step");
    const int64_t done = counter.as<int64_t>()[0];
    INFO(told);
    CHECK(told.find("tep " + std::to_string(done + 1) + " was not committed") != std::string::npos);
    steps.insert(done);
  }
  CHECK(steps.size() > 2);
}

TEST_CASE("extents that are products of what is not negative are taken, and have gradients") {
  const Folder folder;
  folder.write("m.tenon",
               "tenon 1\nmodule m\ndim k = 1..5\ndim n = 1..5\ndim j = 0..4\n"
               "func f(x: f32[k,n]) -> l: f32[(k-1)*(n-1)] {\n  a = slice x {start = [1, 1]}\n"
               "  l = flatten a {axis = 0}\n  return l\n}\n"
               "func s(x: f32[(k-1)*(n-1)]) -> l: f32[] {\n  l = reduce_sum x\n  return l\n}\n"
               "func p(x: f32[n]) -> l: f32[] {\n  p = pad x, 1.5 {low = [0], high = [0], interior = [j]}\n"
               "  q = sin p\n  l = reduce_sum q\n  return l\n}\n"
               "derive sg = grad s {wrt = [x]}\nderive pg = grad p {wrt = [x]}\n");
  for (const char* call :
       {"f --size k=3 --size n=4", "f --size k=1 --size n=4", "sg --size k=3 --size n=3",
        "sg --size k=1 --size n=3", "pg --size n=4 --size j=2", "pg --size n=1 --size j=0"})
    agrees(folder, std::string("m.tenon ") + call);
  folder.write("n.tenon",
               "tenon 1\nmodule m\ndim k = 1..5\ndim n = 1..5\nfunc f(x: f32[k,n]) -> l: f32[k*n] {\n"
               "  l = reshape x {shape = [k*n-6+6-k+k]}\n  m = reshape l {shape = [(k-2)*(n-2)+2*(k+n)-4]}\n"
               "  return m\n}\n");
  CHECK(folder.tenon("check n.tenon").status == 0);
  folder.write("r.tenon",
               "tenon 1\nmodule m\ndim k = 1..5\nfunc f(x: f32[1]) -> l: f32[k-2] {\n"
               "  l = broadcast x {shape = [k-2]}\n  return l\n}\n");
  refused(folder, "check r.tenon", "T112", 3, "may be negative");
}

TEST_CASE("check-grad judges f32 rules by the rounding of their constants, and slopes of zero") {
  const Folder folder;
  folder.write("m.tenon",
               "tenon 1\nmodule m\nparam w : f32[4] = normal(0.0, 0.7)\nparam v : f32[4] = ones\n"
               "func erfs() -> l: f32[] {\n  t = erf w\n  l = reduce_sum t\n  return l\n}\n"
               "func gelus() -> l: f32[] {\n  t = gelu w\n  l = reduce_sum t\n  return l\n}\n"
               "func flat() -> l: f32[] {\n  a = sub w, 9.0\n  b = relu a\n  c = mul v, 20.0\n"
               "  d = add b, c\n  l = reduce_sum d\n  return l\n}\n");
  for (const char* function : {"erfs", "gelus", "flat"})
    for (const char* seed : {"1", "2", "3"}) {
      const Ran ran = folder.tenon(std::string("check-grad m.tenon ") + function + " --seed " + seed);
      INFO(function << "\n" << ran.out << ran.err);
      CHECK(ran.status == 0);
    }
}

TEST_CASE("check-grad moves inputs, and says which values it cannot move") {
  const Folder folder;
  folder.write("m.tenon",
               "tenon 1\nmodule m\ndim n = 1..9\nparam w : f64[3] = normal(0.0, 1.0)\n"
               "func f(x: f64[n,3], k: f64[]) -> l: f64[] {\n  h = mul x, w\n  t = tanh h\n  s = mul t, k\n"
               "  l = reduce_sum s\n  return l\n}\n"
               "func flat(x: f64[3]) -> l: f64[] {\n  r = mul x, 0.0\n  q = stop_gradient x\n"
               "  p = add r, q\n  l = reduce_sum p\n  return l\n}\n");
  Ran ran = folder.tenon("check-grad m.tenon f --wrt x,k,w,t --json");
  INFO(ran.out << ran.err);
  CHECK(ran.status == 0);
  CHECK(ran.out.find("\"good\": 3") != std::string::npos);
  ran = folder.tenon("check-grad m.tenon f --wrt x,t");
  CHECK(ran.out.find("1/1 parameters and inputs") != std::string::npos);
  CHECK(ran.out.find("not checked: a value on the way") != std::string::npos);
  // The gradient of flat by x is 0 by its word, and 1 by differences: inputs are truly moved.
  ran = folder.tenon("check-grad m.tenon flat --wrt x");
  CHECK(ran.status == 1);
  CHECK(ran.out.find("WRONG") != std::string::npos);
}

TEST_CASE("diff tells how much the wide evaluator decided") {
  const Folder folder;
  folder.write("m.tenon",
               "tenon 1\nmodule m\nfunc f(x: f32[8]) -> y: f32[8] {\n  y = exp x\n  return y\n}\n"
               "func g(x: f32[8]) -> y: f32[] {\n  e = exp x\n  s = sub e, e\n  c = exp x\n  d = sub c, e\n"
               "  q = div 1.0, d\n  y = reduce_sum q\n  return y\n}\n");
  Ran ran = folder.tenon("diff m.tenon f");
  CHECK(ran.out.find("equal; wide decided 8 of 8 elements") != std::string::npos);
  ran = folder.tenon("diff m.tenon g");
  INFO(ran.out << ran.err);
  CHECK(ran.status == 0);
  CHECK(ran.out.find("equal bits; wide decided nothing") != std::string::npos);
  ran = folder.tenon("diff m.tenon g --json");
  CHECK(ran.out.find("\"wide_decided\": 0") != std::string::npos);
}

TEST_CASE("numbers too long are refused, and until takes the names of records") {
  const Folder folder;
  folder.write("line.tenon", line);
  const std::string train = std::string("train line.tenon --data ") + rows + " ";
  refused(folder, train + "--seed 18446744073709551616", "T610", 2, "18446744073709551615");
  refused(folder, train + "--seed -1", "T610", 2, "18446744073709551615");
  refused(folder, train + "--epochs 0x10", "T610", 2, "64 bits");
  const Ran ran = folder.tenon(train + "--validate 0.25 --until 'test loss=1e9' --epochs 50 --json");
  INFO(ran.out << ran.err);
  CHECK(ran.status == 0);
  CHECK(ran.out.find("\"reached\": true") != std::string::npos);
}

}  // namespace tenon::test
