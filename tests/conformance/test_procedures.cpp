// Functions that others apply: one procedure for all of them, at sizes of their own, updated in place; equal
// bits on every engine, as text, and under the guards of an edited dump.
#include <algorithm>
#include <atomic>

#include "catch.h"
#include "common/engines.h"
#include "conformance/command_runner.h"
#include "driver/compile/compile.h"
#include "ir/print.h"
#include "kernel/print.h"
#include "runtime/abi.h"

namespace tenon::test {
namespace {
using namespace support;

const std::string net = R"(tenon 1
module net
dim batch = 1..256
hyper lr = 0.05 : f32
param a.w : f32[64,96] = glorot_uniform
param a.b : f32[96]
param c.w : f32[96,10] = glorot_uniform
param c.b : f32[10]
func logits(x: f32[batch,64]) -> z: f32[batch,10] {
  h0 = dense x, a.w, a.b
  h  = relu h0
  d  = dropout h {rate = 0.1}
  z  = dense d, c.w, c.b
  return z
}
func loss(x: f32[batch,64], label: i32[batch]) -> loss: f32[] {
  z = call logits(x)
  l = cross_entropy z, label
  return l
}
func accuracy(x: f32[batch,64], label: i32[batch]) -> accuracy: f32[] {
  z = call logits(x)
  a = accuracy z, label
  return a
}
derive train = step loss {with = adam {lr = lr}, metrics = [accuracy]}
)";

// `grow` is large enough to stay a procedure.
const std::string grown = R"(tenon 1
module m
dim n = 1..64
dim m = 1..32
hyper scale = 0.001 : f32
state w : f32[64,64] = glorot_uniform
func grow(x: f32[n,64]) -> s: f32[] {
  y    = dot_general x, w {lhs_contract = [1], rhs_contract = [0]}
  t    = tanh y
  g    = dot_general x, t {lhs_contract = [0], rhs_contract = [0]}
  part = mul g, scale
  next = add w, part
  s    = mean t
  set w = next
  return s
}
func twice(x: f32[n,64], z: f32[m,64]) -> a: f32[], b: f32[] {
  a, w1 = apply grow(x, w)
  b, w2 = apply grow(z, w1)
  set w = w2
  return a, b
}
func both(x: f32[n,64], z: f32[m,64]) -> a: f32[], u: f32[64,64] {
  a, w1 = apply grow(x, w)
  b, w2 = apply grow(z, w)
  u     = sub w1, w2
  return a, u
}
func many(x: f32[n,64]) -> s: f32[4], last: f32[64,64], all: f32[4,64,64] {
  last, s, all = loop (v = w; ; x) {trip = 4} {
    a, next = apply grow(x, v)
    yield next, a, next
  }
  return s, last, all
}
func after(x: f32[n,64]) -> next: f32[64,64] {
  a, next = apply grow(x, w)
  return next
}
func chosen(x: f32[n,64]) -> s: f32[] {
  go = le 0.0, scale
  s  = cond go (x, w) {
    a, next = apply grow(x, w)
    yield a
  } else {
    z = mean x
    yield z
  }
  return s
}
)";

size_t count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

ir::Module optimized(const std::string& text, const driver::CompileOptions& options) {
  auto unit = driver::read_unit(text, "m.tenon");
  if (!unit) FAIL(unit.errors().text());
  auto m = driver::optimize(std::move(std::get<ir::Module>(unit->code)), options);
  if (!m) FAIL(m.errors().text());
  return std::move(*m);
}

driver::CompileOptions of(std::vector<std::string> functions) {
  driver::CompileOptions options;
  options.functions = std::move(functions);
  return options;
}

}  // namespace

TEST_CASE("a step stands once, whatever loops run it") {
  driver::CompileOptions options = of({"train"});
  const size_t products = count(ir::print(optimized(net, options)), "dot_general");
  options.step_loops = true;
  const ir::Module loops = optimized(net, options);
  const std::string text = ir::print(loops);
  CHECK(loops.find_function("train.epochs.order") != nullptr);
  CHECK(products == 5);
  CHECK(count(text, "dot_general") == products);
  CHECK(count(text, "apply train(") == 4);
  CHECK(count(text, "procedure ") == 0);
  auto kernels = driver::to_kernels({loops, driver::Stage::optimized}, options);
  REQUIRE(bool(kernels));
  const std::string dump = kernel::print(*kernels);
  CHECK(count(dump, "\nprocedure ") == 1);
  CHECK(count(dump, "call procedure_train(") == 5);
  // Named alone, a loop brings the step along, which is no entry then.
  const ir::Module alone = optimized(net, of({"train.epochs"}));
  CHECK(alone.find_function("train")->procedure);
  CHECK(count(ir::print(alone), "procedure train(") == 1);
  auto entries = driver::to_kernels({alone, driver::Stage::optimized}, of({"train.epochs"}));
  REQUIRE(bool(entries));
  for (const kernel::Entry& e : entries->entries) CHECK(e.name != "train");
}

TEST_CASE("what is small is put where it is applied") {
  std::string text = net;
  for (const char* wide : {"96", "64"})
    for (size_t at = text.find(wide); at != std::string::npos; at = text.find(wide)) text.replace(at, 2, "4");
  const ir::Module m = optimized(text, of({"train.epochs"}));
  CHECK(count(ir::print(m), "apply") == 0);
  CHECK(m.find_function("train") == nullptr);
}

TEST_CASE("loops over a procedure give the bits of the exact evaluator") {
  for (const bool in_place : {true, false})
    for (const bool bound : {false, true})
      for (const char* function : {"train.epochs", "train.epochs.order"}) {
        if (bound && !in_place) continue;
        INFO(function << (bound ? " bound" : "") << (in_place ? "" : " out of place"));
        EngineOptions options;
        options.compile.in_place = in_place;
        options.compile.threads = 2;
        options.compile.quick = true;
        options.evaluator_limit = 0;
        options.compile.functions = {function};
        if (bound) options.compile.bind = {{"batch", 8}};
        auto engines = Engines::make(net, function, options);
        if (!engines) FAIL(engines.errors().text());
        for (const int64_t rows : {int64_t{21}, int64_t{24}}) {
          ir::DimBindings dims{{"rows", rows}, {"epochs", 2}};
          if (!bound) dims["batch"] = 8;
          // Positions of rows: any that are there.
          evaluate::Inputs inputs = (*engines)->draw(dims, 3);
          if (inputs.arguments.size() == 3) {
            Array& order = inputs.arguments[2];
            for (int64_t i = 0; i < order.count(); ++i)
              order.as<uint32_t>()[static_cast<size_t>(i)] = static_cast<uint32_t>((i * 7 + 3) % rows);
          }
          for (auto& [name, value] : inputs.globals)
            if (name.ends_with(".v"))
              for (float& v : value.as<float>()) v = v * v;
          CHECK((*engines)->compare(inputs) == "");
        }
      }
}

TEST_CASE("functions are applied at sizes of their own, in place where nothing reads the old value") {
  for (const char* function : {"twice", "both", "many", "after", "chosen"})
    for (const bool in_place : {true, false}) {
      INFO(function);
      EngineOptions options;
      options.compile.in_place = in_place;
      options.compile.threads = 1;
      options.compile.functions = {function};
      auto engines = Engines::make(grown, function, options);
      if (!engines) FAIL(engines.errors().text());
      CHECK((*engines)->compare({{"n", 13}, {"m", 5}}, 4) == "");
      CHECK((*engines)->compare({{"n", 64}, {"m", 32}}, 5) == "");
    }
  auto entry = [&](const char* function) {
    auto unit = driver::read_unit(grown, "m.tenon");
    auto kernels = driver::to_kernels(std::move(*unit), of({function}));
    REQUIRE(bool(kernels));
    const std::string text = kernel::print(*kernels);
    const size_t at = text.find("entry entry_" + std::string(function));
    return text.substr(at, text.find("\n}\n", at) - at);
  };
  CHECK(count(entry("twice"), "call ") == 2);   // procedures alone
  CHECK(count(entry("both"), "// copy") == 2);  // each begins with the old value
}

TEST_CASE("the short last batch takes its phases on all workers") {
  driver::CompileOptions options = of({"train.epochs"});
  auto unit = driver::read_unit(net, "m.tenon");
  options.chunk_cycles = 500;  // so that a batch of this net has several chunks
  EngineOptions engine;
  engine.compile = options;
  auto engines = Engines::make(net, "train.epochs", engine);
  if (!engines) FAIL(engines.errors().text());
  static std::atomic<int> several;
  runtime::Parallel counting{nullptr, 2,
                             [](void*, uint32_t n, runtime::TaskFunction task, void* arg) {
                               several += n > 1;
                               for (uint32_t i = 0; i < n; ++i) task(arg, i, 0);
                             },
                             nullptr};
  auto phases = [&](int64_t rows) {
    several = 0;
    const evaluate::Inputs inputs = (*engines)->draw({{"rows", rows}, {"epochs", 1}, {"batch", 128}}, 3);
    CHECK((*engines)->run_compiled(inputs, &counting).status.code == 0);
    return several.load();
  };
  const int whole = phases(128), with_rest = phases(128 + 96);
  CHECK(whole > 5);
  CHECK(with_rest >= 2 * whole - 2);
}

TEST_CASE("what cannot be applied is an error at its line") {
  auto errors = [](const std::string& line, const std::string& before = "") {
    const std::string text = grown + before + "func f(x: f32[n,64], long: f32[100,64]) -> a: f32[] {\n  " +
                             line + "\n  return a\n}\n";
    auto unit = driver::read_unit(text, "m.tenon");
    if (!unit) return unit.errors().text();
    const auto made = driver::optimize(std::move(std::get<ir::Module>(unit->code)), {});
    return made ? std::string() : made.errors().text();
  };
  CHECK(errors("a, v = apply grow(x, w)").empty());
  std::string found = errors("a, v = apply grow(x)");
  CHECK(found.find("T109") != std::string::npos);
  CHECK(found.find("parameters and states that it reads or writes: x, w") != std::string::npos);
  CHECK(found.find("m.tenon:" + std::to_string(count(grown, "\n") + 2)) != std::string::npos);
  found = errors("a, v = apply grow(long, w)");
  INFO(found);
  CHECK(found.find("applied at n = 100, which is 100..100; n is 1..64") != std::string::npos);
  CHECK(errors("a, v = apply grow(w, x)").find("grow is") != std::string::npos);
  CHECK(errors("a = apply calls(x)",
               "func plain(x: f32[n,64]) -> y: f32[n,64] {\n  y = tanh x\n  return y\n}\n"
               "func calls(x: f32[n,64]) -> s: f32[] {\n  y = call plain(x)\n  s = mean y\n  return s\n}\n")
            .find("calls functions") != std::string::npos);
  CHECK(errors("a, v = apply grown(x, w)").find("grow") != std::string::npos);
}

TEST_CASE("a procedure is no entry, unless it is asked for by its name") {
  std::string text = grown;
  text.replace(text.find("func grow"), 4, "procedure");
  for (const bool named : {false, true}) {
    auto unit = driver::read_unit(text, "m.tenon");
    REQUIRE(bool(unit));
    const auto kernels = driver::to_kernels(
        std::move(*unit), of(named ? std::vector<std::string>{"grow"} : std::vector<std::string>{}));
    REQUIRE(bool(kernels));
    const bool found = std::any_of(kernels->entries.begin(), kernels->entries.end(),
                                   [](const kernel::Entry& e) { return e.name == "grow"; });
    CHECK(found == named);
  }
}

TEST_CASE("applied functions print, read back, and are differentiated through") {
  auto unit = driver::read_unit(grown +
                                    "func l(x: f32[n,64]) -> l: f32[] {\n  a, v = apply grow(x, w)\n  "
                                    "b = mul v, v\n  c = mean b\n  l = add a, c\n  return l\n}\n"
                                    "derive g = grad l {wrt = [x]}\n",
                                "m.tenon");
  if (!unit) FAIL(unit.errors().text());
  const ir::Module& m = std::get<ir::Module>(unit->code);
  const std::string text = ir::print(m);
  auto again = driver::read_unit(text, "m.tenon");
  REQUIRE(bool(again));
  CHECK(ir::print(std::get<ir::Module>(again->code)) == text);
  EngineOptions options;
  options.compile.functions = {"g"};
  auto engines = Engines::make(ir::Module(m), "g", options);
  if (!engines) FAIL(engines.errors().text());
  CHECK((*engines)->compare({{"n", 7}, {"m", 3}}, 1) == "");
  CHECK(text.find("apply grow(x, w)") != std::string::npos);
}

TEST_CASE("an edited procedure runs under guards") {
  const Folder folder;
  folder.write("m.tenon", grown);
  REQUIRE(folder.tenon("show m.tenon --stage kernel --fn twice -o k.tenon").status == 0);
  const std::string dump = folder.read("k.tenon");
  folder.write("same.tenon", dump.substr(0, dump.find("\nseal ")));
  auto row = [](const std::string& first, const std::string& rest) {
    std::string text = "[[" + first;
    for (int i = 1; i < 64; ++i) text += ", " + rest;
    return text + "]]";
  };
  const std::string inputs =
      " twice --input 'x=" + row("0.5", "0.25") + "' --input 'z=" + row("1", "-0.5") + "'";
  const Ran whole = folder.tenon("run k.tenon" + inputs), same = folder.tenon("run same.tenon" + inputs);
  INFO(same.err);
  CHECK(whole.status == 0);
  CHECK(same.status == 0);
  CHECK(same.out == whole.out);
  // A procedure that reaches beyond what it is given: told, not done.
  std::string edited = dump;
  const size_t body = edited.find("\nprocedure "), arena = edited.find("(arena, ", body);
  INFO(edited.substr(body, 1500));
  REQUIRE(arena != std::string::npos);
  edited.insert(arena + 8, "100000000000 + ");
  folder.write("e.tenon", edited);
  const Ran ran = folder.tenon("run e.tenon" + inputs);
  INFO(ran.out << ran.err);
  CHECK(ran.signal == 0);
  CHECK(ran.status == 3);
}

}  // namespace tenon::test
