// The public API as its users have it: the C++ layer over the C functions.
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <tenon/tenon.hpp>
#include <thread>
#include <vector>

#include "catch.h"
#include "paths.h"

namespace tn = tenon;

namespace {

// A folder for this run's files, gone when it ends.
class Scratch {
 public:
  Scratch() { std::filesystem::create_directories(folder_); }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

 private:
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("tenon_test_api." + std::to_string(getpid()));
};

std::string scratch(const std::string& name) {
  static const Scratch folder;
  return folder.path(name);
}

// Code of the error that f throws; 0: none.
template <class F>
int code_of(F&& f, std::string* text = nullptr) {
  try {
    f();
  } catch (const tn::Error& error) {
    if (text != nullptr) *text = error.what();
    return error.code();
  }
  return 0;
}

tn::Model line_model(const std::string& name = "linear") {
  tn::Model m(name);
  const tn::Dim n = m.dim("n", 1, 4096);
  const tn::Value x = m.input<float>("x", {n, 1}), y = m.input<float>("y", {n, 1});
  const tn::Value p = tn::dense(x, 1, {.name = "fc"});
  m.function("predict", {{"p", p}});
  m.step("train", tn::mse(p, y), tn::sgd({.lr = m.hyper("lr", 0.01)}));
  return m;
}

}  // namespace

TEST_CASE("the surface page: linear regression") {
  auto data = tn::make_regression({.samples = 100, .features = 1, .noise = 0.1, .seed = 7});
  tn::Model lin("linear");
  tn::Dim n = lin.dim("n", 1, 4096);
  tn::Value x = lin.input<float>("x", {n, 1}), y = lin.input<float>("y", {n, 1});
  tn::Value p = tn::dense(x, 1, {.name = "fc"});
  lin.function("predict", {{"p", p}});
  lin.step("train", tn::mse(p, y), tn::sgd({.lr = 0.01}));
  tn::Program program = tn::compile(lin);
  tn::State state = program.init(/*seed*/ 7);
  tn::Session s(program, state);
  const double before = s.evaluate(data).loss;
  const tn::History history = s.fit(data, {.batch = 32, .epochs = 1000});
  const double after = s.evaluate(data).loss;
  CHECK(history.size() == 1000);
  CHECK(history.back().steps == 4);
  CHECK(before > 0.1);
  CHECK(after < 0.02);  // the noise's variance is 0.01
  const tn::Outputs out = s.run("predict", data);
  REQUIRE(out.find("p") != nullptr);
  CHECK(out["p"].shape() == std::vector<int64_t>{100, 1});
}

TEST_CASE("the surface page: a network, an update rule of one's own, an own loop") {
  tn::Model m("digits");
  tn::Dim b = m.dim("batch", 1, 256);
  tn::Value img = m.input<float>("image", {b, 1, 28, 28}), lab = m.input<int32_t>("label", {b});
  tn::Value h = tn::relu(tn::dense(tn::flatten(img), 32, {.name = "c1"}));
  tn::Value z = tn::dense(tn::dropout(tn::flatten(h), 0.25), 10, {.name = "fc"});
  tn::Value lr = m.hyper("lr", 1e-3);
  tn::Value loss = tn::cross_entropy(z, lab) + 1e-4 * tn::l2(m.params("*.w"));
  m.function("predict", {{"probs", tn::softmax(z)}, {"features", h}});
  m.metric("accuracy", tn::accuracy(z, lab));
  m.step("train", loss, tn::adam({.lr = lr}));
  std::vector<tn::Assign> rule;
  for (tn::Value v : m.params()) rule.push_back({v, v - lr * tn::sign(tn::grad(loss, v))});
  m.step("sign_sgd", rule);

  tn::Program net = tn::compile(m);
  tn::State w = net.init(7);
  tn::Session t(net, w);
  auto [train, held] =
      tn::make_digits({.samples = 600, .seed = 1}).train.scaled("image", 1.0 / 255).split(0.9, 7);
  const double before = t.evaluate(held)["accuracy"];
  const tn::History seen =
      t.fit(train, {.batch = 64, .epochs = 8, .validate = &held, .until = {"accuracy", 0.99}});
  CHECK(!seen.empty());
  CHECK(seen.front().steps == 9);
  const double after = t.evaluate(held)["accuracy"];
  CHECK(after > before);
  CHECK(after > 0.6);
  auto step = t.entry("sign_sgd");
  auto rate = t.hyper("lr");
  double eta = 1e-4;
  int64_t steps = 0;
  const uint64_t hash = w.hash();
  for (const tn::Batch& batch : train.batches(64, {.shuffle = 7})) {
    rate = (eta *= 0.999);
    ++steps;
    const double now = step(batch).loss;
    CHECK(std::isfinite(now));
    if (now < 0.01) break;
  }
  CHECK(steps == 9);
  CHECK(w.hash() != hash);
  CHECK(double(rate) == Approx(eta).epsilon(1e-6));

  const std::string file = scratch("digits.safetensors");
  w.save(file);
  const tn::State again = net.init(8);
  CHECK(again.hash() != w.hash());
  again.load(file);
  CHECK(again.hash() == w.hash());
  const std::string object = scratch("digits");
  net.export_object(object, {.functions = {"train", "predict"}, .cpu = "x86-64-v3"});
  for (const char* end : {".o", ".h", "_example.c"}) CHECK(std::filesystem::file_size(object + end) > 0);
  const std::string command = std::string(TENON_CC) + " -std=c99 -pedantic -Wall -Wextra -Werror -o " +
                              object + "_example " + object + "_example.c " + object + ".o && " + object +
                              "_example > /dev/null";
  CHECK(std::system(command.c_str()) == 0);
}

TEST_CASE("mistakes name their line and throw") {
  tn::Model m("wrong");
  const tn::Dim n = m.dim("n", 1, 16);
  const tn::Value x = m.input<float>("x", {n, 3}), w = m.param("w", {4, 2});
  std::string text;
  const int line = __LINE__ + 1;
  CHECK(code_of([&] { tn::dense(x, w); }, &text) == 107);
  CHECK(text.find("test_api.cpp:" + std::to_string(line)) != std::string::npos);
  CHECK(text.find("3") != std::string::npos);
  CHECK(code_of([&] { m.input<float>("x", {n}); }) == 104);
  CHECK(code_of([&] { m.dim("k", 5, 2); }) == 112);
  CHECK(code_of([&] { m.dim("n", 1, 2); }) == 104);
  CHECK(code_of([&] { m.param("v", {3}, {.init = "glorrot"}); }, &text) == 103);
  CHECK(code_of([&] { m.find("nothing"); }) == 103);
  const int sum = __LINE__ + 1;
  CHECK(code_of([&] { (void)(x + w); }, &text) == 107);
  CHECK(text.find("test_api.cpp:" + std::to_string(sum)) != std::string::npos);
  const tn::Value whole = m.input<int32_t>("whole", {3});
  CHECK(code_of([&] { (void)(whole * 0.5); }) == 202);
  CHECK((whole * 2.0).type() == "i32[3]");
  // A mistake leaves the model as it was.
  m.function("same", {{"x", x}});
  CHECK(code_of([&] { m.function("same", {{"x", x}}); }) == 104);
  CHECK(code_of([&] { m.function("init", {{"x", x}}); }, &text) == 104);
  CHECK(text.find("fills the state") != std::string::npos);
  CHECK(code_of([&] { m.function("twins", {{"r", x}, {"r", x + 1.0}}); }, &text) == 104);
  CHECK(text.find("two results are named r") != std::string::npos);
  CHECK(m.finish().print().find("twins") == std::string::npos);
  CHECK(m.finish().print().find("func same") != std::string::npos);
}

TEST_CASE("a model that collects keeps its first error") {
  tn::Model m("wrong", {.collect = true});
  const tn::Value x = m.input<float>("x", {4, 3}), w = m.param("w", {4, 2});
  const tn::Value bad = tn::dense(x, w);
  CHECK(!bad);
  const tn::Value later = tn::relu(bad + 1.0);
  CHECK(!later);
  m.function("f", {{"y", later}});
  const tn::Result<tn::Program> program = tn::try_compile(m);
  REQUIRE(!program);
  CHECK(program.error().code() == 107);
  CHECK(m.error() != nullptr);
}

TEST_CASE("the try_ twins give errors back") {
  const tn::Result<tn::Module> text =
      tn::try_parse("tenon 1\nmodule m\nfunc f(x: f32[3]) -> f32[3] {\n  y = nope x\n");
  REQUIRE(!text);
  CHECK(text.error().line() == 4);
  CHECK(!tn::try_read(scratch("none.tenon")));
  CHECK(tn::try_load_data("regresion:rows=3").error().code() != 0);
  const tn::Program program = tn::compile(line_model());
  const tn::State state = program.init(1);
  CHECK(state.try_get("fc.q").error().code() == 402);
  CHECK(tn::try_compile(line_model(), {.cpu = "i386"}).error().code() == 501);
  CHECK(tn::try_compile(line_model(), {.functions = {"predit"}}).error().code() == 103);
  tn::Session session(program, state);
  CHECK(session.try_set("rate", 1).error().code() == 103);
  CHECK(session.try_run("predict", {}).error().code() == 305);
  CHECK(session.try_run("nothing", {}).error().code() == 103);
  std::vector<float> x(4), big(5000);
  CHECK(session.try_run("predict", {{"z", tn::view(x, {4, 1})}}).error().code() == 301);
  CHECK(session.try_run("predict", {{"x", tn::view(x, {2, 2})}}).error().code() == 305);
  CHECK(session.try_run("predict", {{"x", tn::view(big, {5000, 1})}}).error().code() == 601);
  CHECK(session.try_run("predict", {{"x", tn::view(x, {4, 1})}}));
}

TEST_CASE("a bound call reads and writes where it was told") {
  const tn::Program program = tn::compile(line_model());
  const tn::State state = program.init(1);
  std::vector<float> w{2}, b{1}, x{0, 1, 2, 3}, p(4);
  state.set("fc.w", tn::view(w, {1, 1}));
  state.set("fc.b", tn::view(b, {1}));
  tn::Session session(program, state, {.threads = 1});
  tn::BoundCall call = session.bind("predict", {tn::view(x, {4, 1})}, {tn::view(p, {4, 1})});
  call.run();
  CHECK(p == std::vector<float>{1, 3, 5, 7});
  x = {10, 20, 30, 40};
  call.run();
  CHECK(p == std::vector<float>{21, 41, 61, 81});
  CHECK(code_of([&] { session.bind("predict", {tn::view(x, {4, 1})}, {tn::view(p, {2, 2})}); }) == 305);
  CHECK(code_of([&] { session.bind("predict", {tn::view(x, {4, 1})}, {tn::view(x, {4, 1})}); }) == 609);
}

TEST_CASE("two sessions on two threads share a program while a third compiles") {
  const tn::Program program = tn::compile(line_model());
  const tn::Data data = tn::make_regression({.samples = 200, .features = 1, .noise = 0.1, .seed = 3});
  uint64_t expected = 0;
  {
    const tn::State state = program.init(5);
    tn::Session session(program, state, {.threads = 1});
    session.fit(data, {.batch = 32, .epochs = 200});
    expected = state.hash();
  }
  uint64_t hashes[2] = {0, 1};
  std::atomic<int> failures{0}, compiled{0};
  auto work = [&](int i) {
    try {
      const tn::State state = program.init(5);
      tn::Session session(program, state, {.threads = static_cast<uint32_t>(1 + i)});
      session.fit(data, {.batch = 32, .epochs = 200});
      hashes[i] = state.hash();
    } catch (const tn::Error& error) {
      std::fprintf(stderr, "%s\n", error.what());
      ++failures;
    }
  };
  std::thread a(work, 0), b(work, 1), c([&] {
    for (int i = 0; i < 3; ++i) {
      const auto made = tn::try_compile(line_model("other"));
      if (made) ++compiled;
    }
  });
  a.join();
  b.join();
  c.join();
  CHECK(failures == 0);
  CHECK(compiled == 3);
  CHECK(hashes[0] == expected);
  CHECK(hashes[1] == expected);
}

TEST_CASE("a second writer of a state is told so") {
  const tn::Program program = tn::compile(line_model());
  const tn::State state = program.init(5);
  tn::Session first(program, state, {.threads = 1}), second(program, state, {.threads = 1});
  const tn::Data data = tn::make_regression({.samples = 2000, .features = 1, .noise = 0.1, .seed = 3});
  // Both train until one of them comes while the other does, and is refused.
  std::atomic<int> busy{0}, other{0};
  auto train = [&](tn::Session& session, const tn::Data& rows) {
    for (int i = 0; i < 1000000 && busy == 0 && other == 0; ++i) {
      const auto done = session.try_fit(rows, {.batch = 8, .epochs = 50});
      if (!done) ++(done.error().code() == 607 ? busy : other);
    }
  };
  std::thread writer([&] { train(first, data); });
  train(second, data.slice(0, 8));
  writer.join();
  CHECK(busy >= 1);
  CHECK(other == 0);
  // Afterwards the state is free again.
  CHECK(second.try_fit(data, {.batch = 32, .epochs = 1}));
}

TEST_CASE("loops of the builder: symbolic length, captures, gradients") {
  tn::Model m("sums");
  const tn::Dim steps = m.dim("steps", 1, 64);
  const tn::Value xs = m.input<float>("xs", {steps, 2}), w = m.param("w", {2}, {.init = "ones"});
  const tn::Value zero = tn::full(m, 0.0f, {2});
  const tn::LoopResult out = tn::loop({zero}, {xs}, [&](const tn::Iteration& i) -> tn::Yield {
    const tn::Value next = i.carry[0] + i.slice[0] * w;
    return {.next = {next}, .stack = {next}};
  });
  const tn::Value loss = tn::mean(out.last[0]);
  m.function("run", {{"last", out.last[0]}, {"all", out.stacked[0]}});
  m.function("slope", {{"g", tn::grad(loss, w)}});
  const tn::Program program = tn::compile(m);
  tn::Session session(program, program.init(1));
  std::vector<float> x{1, 2, 3, 4, 5, 6};
  const tn::Outputs got = session.run("run", {{"xs", tn::view(x, {3, 2})}});
  CHECK(got["last"].as<float>()[0] == 9);
  CHECK(got["last"].as<float>()[1] == 12);
  CHECK(got["all"].shape() == std::vector<int64_t>{3, 2});
  CHECK(got["all"].as<float>()[2] == 4);
  const tn::Outputs slope = session.run("slope", {{"xs", tn::view(x, {3, 2})}});
  CHECK(slope["g"].as<float>()[0] == 4.5f);
  CHECK(slope["g"].as<float>()[1] == 6);
  // A value of the body is gone when the loop has ended.
  tn::Value leaked;
  tn::loop({zero}, {xs}, [&](const tn::Iteration& i) -> tn::Yield {
    leaked = i.slice[0];
    return {.next = {i.carry[0] + i.slice[0]}};
  });
  CHECK(code_of([&] { (void)(leaked + zero); }) == 114);
}

TEST_CASE("loops nest, and capture through every level") {
  tn::Model m("table");
  const tn::Value rows = m.input<float>("rows", {3}), columns = m.input<float>("columns", {4}),
                  scale = m.input<float>("scale", {});
  const tn::Value zero = m.constant(0.0f);
  const tn::LoopResult outer = tn::loop({zero}, {rows}, [&](const tn::Iteration& i) -> tn::Yield {
    const tn::LoopResult inner = tn::loop({zero}, {columns}, [&](const tn::Iteration& k) -> tn::Yield {
      return {.next = {k.carry[0] + i.slice[0] * k.slice[0] * scale}};
    });
    return {.next = {i.carry[0] + inner.last[0]}, .stack = {inner.last[0], tn::cast<float>(i.index)}};
  });
  m.function("run", {{"all", outer.last[0]}, {"each", outer.stacked[0]}, {"number", outer.stacked[1]}});
  tn::Session session = [&] {
    const tn::Program program = tn::compile(m);
    return tn::Session(program, program.init(1));
  }();
  std::vector<float> r{1, 2, 3}, c{1, 1, 2, 2}, by{10};
  const tn::Outputs out = session.run(
      "run", {{"columns", tn::view(c, {4})}, {"scale", tn::view(by, {})}, {"rows", tn::view(r, {3})}});
  CHECK(out["all"].number() == 360);
  for (size_t i = 0; i < 3; ++i) {
    CHECK(out["each"].as<float>()[i] == 60 * r[i]);
    CHECK(out["number"].as<float>()[i] == static_cast<float>(i));
  }
}

TEST_CASE("conditions of the builder: captures of either branch, gradients") {
  tn::Model m("branches");
  const tn::Value x = m.input<float>("x", {3}), flag = m.input<bool>("flag", {});
  const tn::Value w = m.param("w", {3}, {.init = "constant(2)"}), b = m.param("b", {}, {.init = "ones"});
  const std::vector<tn::Value> y = tn::cond(
      flag, [&] { return std::vector<tn::Value>{x * w}; }, [&] { return std::vector<tn::Value>{x - b}; });
  const tn::Value loss = tn::reduce_sum(y.at(0));
  m.function("run", {{"y", y[0]}, {"dw", tn::grad(loss, w)}, {"db", tn::grad(loss, b)}});
  const tn::Program program = tn::compile(m);
  tn::Session session(program, program.init(1));
  std::vector<float> at{1, 2, 3};
  for (uint8_t on : {0, 1}) {
    const tn::Tensor condition{&on, tn::DType::bool_, {}};
    const tn::Outputs out = session.run("run", {{"x", tn::view(at, {3})}, {"flag", condition}});
    for (size_t i = 0; i < 3; ++i) {
      CHECK(out["y"].as<float>()[i] == (on != 0 ? 2 * at[i] : at[i] - 1));
      CHECK(out["dw"].as<float>()[i] == (on != 0 ? at[i] : 0));
    }
    CHECK(out["db"].number() == (on != 0 ? 0 : -3));
  }
  auto none = [] { return std::vector<tn::Value>{}; };
  CHECK(code_of([&] { tn::cond(flag, [&] { return std::vector<tn::Value>{x}; }, none); }) == 109);
  CHECK(code_of([&] { tn::cond(x, none, none); }) != 0);
  // A branch that throws leaves no open body behind.
  struct Stop {};
  CHECK_THROWS_AS(tn::cond(flag, [&]() -> std::vector<tn::Value> { throw Stop(); }, none), Stop);
  m.function("after", {{"z", tn::relu(x)}});
  CHECK(m.finish().print().find("func after") != std::string::npos);
}

TEST_CASE("what the epoch callback says ends training, and what it throws arrives") {
  const tn::Program program = tn::compile(line_model());
  const tn::Data data = tn::make_regression({.samples = 64, .features = 1, .noise = 0.1, .seed = 3});
  tn::Session session(program, program.init(5), {.threads = 1});
  uint64_t seen = 0;
  const tn::History history =
      session.fit(data, {.batch = 16, .epochs = 10, .on_epoch = [&](const tn::Report& r) {
                           seen += r.steps;
                           return r.epoch < 3;
                         }});
  CHECK(history.size() == 3);
  CHECK(seen == 12);
  struct Stop {};
  auto throws = [](const tn::Report&) -> bool { throw Stop(); };
  CHECK_THROWS_AS(session.fit(data, {.batch = 16, .epochs = 10, .on_epoch = throws}), Stop);
  CHECK(session.try_fit(data, {.batch = 16, .epochs = 1, .until = {"acuracy", 1}}).error().code() == 610);
  const std::string file = scratch("history.jsonl");
  session.fit(data, {.batch = 16, .epochs = 4, .history = file});
  std::ifstream in(file);
  int lines = 0;
  for (std::string line; std::getline(in, line);) ++lines;
  CHECK(lines == 4);
}

TEST_CASE("parameters can be frozen or left out of a step; steps may share a model") {
  tn::Model m("two");
  const tn::Dim n = m.dim("n", 1, 64);
  const tn::Value x = m.input<float>("x", {n, 1}), y = m.input<float>("y", {n, 1});
  const tn::Value h = tn::dense(x, 3, {.name = "first"});
  const tn::Value p = tn::dense(h, 1, {.name = "second"});
  const tn::Value fixed = m.param("fixed", {1}, {.init = "ones", .frozen = true});
  const tn::Value loss = tn::mse(p * fixed, y);
  m.step("lower", loss, tn::momentum({.lr = 0.01, .nesterov = true}), {.over = {"first.*"}});
  m.step("upper", loss, tn::sgd({.lr = 0.01}), {.over = {"second.*"}});
  m.step("both", loss, tn::adam());
  const tn::Program program = tn::compile(m);
  const tn::State state = program.init(5);
  tn::Session session(program, state, {.threads = 1});
  const tn::Data data = tn::make_regression({.samples = 64, .features = 1, .noise = 0.1, .seed = 3});
  auto values = [&](const char* name) {
    const tn::Array array = state.get(name);
    return std::vector<float>(array.as<float>().begin(), array.as<float>().end());
  };
  const auto first = values("first.w"), second = values("second.w");
  session.fit(data, {.batch = 16, .step = "lower"});
  CHECK(values("first.w") != first);
  CHECK(values("second.w") == second);
  const auto moved = values("first.w");
  session.fit(data, {.batch = 16, .step = "upper"});
  CHECK(values("first.w") == moved);
  CHECK(values("second.w") != second);
  session.fit(data, {.batch = 16, .step = "both"});
  CHECK(values("first.w") != moved);
  CHECK(values("fixed") == std::vector<float>{1});
  CHECK(code_of([&] { session.fit(data, {.batch = 16}); }) == 103);
}

TEST_CASE("a named value is fetched and differentiated without editing the model") {
  tn::Model m("tapped");
  const tn::Dim n = m.dim("n", 1, 64);
  const tn::Value x = m.input<float>("x", {n, 2}), y = m.input<float>("y", {n, 1});
  const tn::Value h = tn::tanh(tn::dense(x, 3, {.name = "first"}), {.name = "h"});
  const tn::Value p = tn::dense(h, 1, {.name = "second"});
  m.function("predict", {{"p", p}});
  m.step("train", tn::mse(p, y), tn::adam());
  const tn::Module module = m.finish();
  const tn::Program program = tn::compile(module);
  const tn::State state = program.init(5);
  std::vector<float> at{1, 2, 3, 4}, want{1, 2};
  // The state of the whole serves the part.
  tn::Session session(tn::compile(module.tap("predict", {"h"})), state);
  const tn::Outputs out = session.run("predict", {{"x", tn::view(at, {2, 2})}});
  REQUIRE(out.find("h") != nullptr);
  CHECK(out["h"].shape() == std::vector<int64_t>{2, 3});
  const auto w = state.get("second.w"), b = state.get("second.b");
  double sum = b.as<float>()[0];
  for (size_t i = 0; i < 3; ++i) sum += out["h"].as<float>()[i] * w.as<float>()[i];
  CHECK(out["p"].as<float>()[0] == Approx(sum).epsilon(1e-5));
  CHECK(module.try_tap("predict", {"hh"}).error().code() == 103);
  CHECK(module.try_tap("predicted", {"h"}).error().code() == 103);

  tn::Session slopes(tn::compile(module.grad("train.loss", "slopes", {"h", "second.b"})), state);
  const tn::Outputs g = slopes.run("slopes", {{"x", tn::view(at, {2, 2})}, {"y", tn::view(want, {2, 1})}});
  REQUIRE(g.list.size() == 2);
  CHECK(g.list[0].second.shape() == std::vector<int64_t>{2, 3});
  // d mse / d p = 2 (p - y) / rows, and p's slope along h is second.w.
  const double slope = 2 * (out["p"].as<float>()[0] - want[0]) / 2;
  CHECK(g.list[0].second.as<float>()[0] == Approx(slope * w.as<float>()[0]).epsilon(1e-4));
  CHECK(module.try_grad("nothing", "g").error().code() == 103);
}

TEST_CASE("every stage prints, and the graph reads back") {
  const tn::Module module = line_model().finish();
  const std::string text = module.print();
  CHECK(tn::parse(text).print() == text);
  for (const char* stage : {"graph", "optimized", "scheduled", "kernel", "llvm", "asm"})
    CHECK(module.print(stage).size() > 100);
  CHECK(code_of([&] { module.print("kernels"); }) == 610);
  CHECK(!module.explain("train").empty());
}

TEST_CASE("baked parameters and bound dimensions keep the values") {
  const tn::Model model = line_model();
  const tn::Program program = tn::compile(model);
  const tn::State state = program.init(3);
  std::vector<float> x{1, 2, 3, 4};
  tn::Session session(program, state);
  const tn::Outputs plain = session.run("predict", {{"x", tn::view(x, {4, 1})}});
  const tn::Program small =
      tn::compile(model, {.functions = {"predict"}, .bind = {{"n", 4}}, .baked = {"fc.*"}}, &state);
  const tn::State none = small.init(0);
  tn::Session baked(small, none);
  const tn::Outputs same = baked.run("predict", {{"x", tn::view(x, {4, 1})}});
  for (size_t i = 0; i < 4; ++i) CHECK(plain["p"].as<float>()[i] == same["p"].as<float>()[i]);

  // From a file, before anything was compiled; what a state holds comes before it.
  const std::string file = scratch("weights.safetensors");
  state.save(file);
  auto predicted = [&](const tn::Program& of) {
    tn::Session own(of, of.init(0));
    const tn::Outputs out = own.run("predict", {{"x", tn::view(x, {4, 1})}});
    return std::vector<float>(out["p"].as<float>().begin(), out["p"].as<float>().end());
  };
  const std::vector<float> expected = predicted(small);
  CHECK(predicted(tn::compile(model, {.functions = {"predict"}, .baked = {"*"}, .params = file})) ==
        expected);
  const tn::State other = program.init(4);
  const tn::CompileOptions both{.functions = {"predict"}, .baked = {"*"}, .params = file};
  CHECK(predicted(tn::compile(model, both, &other)) != expected);
  CHECK(code_of([&] { tn::compile(model, {.baked = {"*"}, .params = scratch("none.safetensors")}); }) == 401);
}

TEST_CASE("the C functions refuse NULL and foreign numbers") {
  tenon_error* error = nullptr;
  tenon_model* model = nullptr;
  CHECK(tenon_model_new(nullptr, &model, &error) == 608);
  REQUIRE(error != nullptr);
  CHECK(tenon_error_code(error) == 608);
  CHECK(std::string(tenon_error_text(error)).find("T608") != std::string::npos);
  tenon_error_free(error);
  REQUIRE(tenon_model_new("m", &model, &error) == 0);
  CHECK(error == nullptr);
  const tenon_value bogus[] = {12345, TENON_NO_VALUE, uint64_t{7} << 32};
  tenon_value out = 0;
  for (const tenon_value& v : bogus) {
    CHECK(tenon_model_op(model, "relu", &v, 1, nullptr, &out, 1, nullptr, nullptr) != 0);
    char* type = nullptr;
    CHECK(tenon_model_type(model, v, &type, nullptr) != 0);
  }
  CHECK(tenon_model_input(model, "x", "f32[3", &out, nullptr) == 201);
  CHECK(tenon_model_input(model, "x", "f16[3]", &out, nullptr) == 111);
  CHECK(tenon_model_input(model, "x", "f32[q]", &out, nullptr) != 0);
  tenon_model_free(model);
  tenon_model_free(nullptr);
  tenon_session_free(nullptr);
  CHECK(tenon_session_new(nullptr, nullptr, 1, nullptr, nullptr) == 608);
  CHECK(tenon_call_run(nullptr, nullptr) == 608);
  // Option structs tell their size: one that is too small is refused, one of a newer library is taken.
  struct Newer {
    tenon_batch_options known;
    int64_t unknown;
  } newer{};
  newer.known.size_of = sizeof newer;
  newer.known.size = 4;
  newer.unknown = -1;
  const tn::Data rows = tn::make_regression({.samples = 10});
  tenon_batches* batches = nullptr;
  CHECK(tenon_batches_new(rows.handle(), &newer.known, &batches, nullptr) == 0);
  CHECK(tenon_batches_count(batches) == 3);
  tenon_batches_free(batches);
  newer.known.size_of = 8;
  CHECK(tenon_batches_new(rows.handle(), &newer.known, &batches, nullptr) == 610);
  CHECK(tenon_api_version() == TENON_API_VERSION);
  CHECK(std::string(tenon_version()) == "0.1.0");
  CHECK(tenon_code_meaning(107) != nullptr);
  CHECK(tenon_code_meaning(108) != nullptr);
  CHECK(tenon_code_meaning(1) == nullptr);
}

TEST_CASE("the try_ twins build, train and run without exceptions") {
  const std::string source = scratch("plain.cpp"), program = scratch("plain");
  std::ofstream(source) << R"(#include <cstdio>
#include <tenon/tenon.hpp>
namespace tn = tenon;
int main() {
  tn::Model m("linear");
  const tn::Dim n = m.dim("n", 1, 64);
  const tn::Value x = m.input<float>("x", {n, 1}), y = m.input<float>("y", {n, 1});
  const tn::Value p = tn::dense(x, 1, {.name = "fc"});
  m.step("train", tn::mse(p, y), tn::sgd({.lr = 0.1}));
  auto program = tn::try_compile(m);
  if (!program) return std::puts(program.error().what()), 1;
  auto state = program->try_init(7);
  auto data = tn::try_make_regression({.samples = 64, .features = 1, .noise = 0, .seed = 7});
  if (!state || !data) return 2;
  auto session = tn::Session::try_make(*program, *state);
  if (!session || !session->try_fit(*data, {.batch = 16, .epochs = 50})) return 3;
  auto report = session->try_evaluate(*data);
  if (!report || !(report->loss < 1e-3)) return 4;
  tn::Model wrong("wrong");
  const tn::Value bad = tn::relu(wrong.input<float>("x", {3})) + wrong.input<float>("y", {4});
  wrong.function("f", {{"z", -bad}});
  auto refused = tn::try_compile(wrong);
  return !refused && refused.error().code() == 107 ? 0 : 5;
}
)";
  // Where the library has a sanitizer's calls, the program has to bring that sanitizer.
  const std::string sanitize = std::string(TENON_SANITIZE).empty() ? "" : " -fsanitize=" TENON_SANITIZE;
  const std::string command = std::string(TENON_CXX) + sanitize +
                              " -std=c++20 -fno-exceptions -Wall -Wextra -Werror -I" + TENON_SOURCE_DIR +
                              "/include -I" + TENON_BIN_DIR + "/../generated/include " + source + " -o " +
                              program + " -L" + TENON_BIN_DIR + " -ltenon -Wl,-rpath," + TENON_BIN_DIR;
  INFO(command);
  REQUIRE(std::system(command.c_str()) == 0);
  CHECK(std::system(program.c_str()) == 0);
}

TEST_CASE("numbers of the builder are exact, or refused") {
  constexpr int64_t odd = 9007199254740993;
  tn::Model m("numbers");
  tn::Value x = m.input<int64_t>("x", {}), u = m.input<uint8_t>("u", {}), f = m.input<float>("f", {});
  tn::Value big = m.hyper<int64_t>("big", odd);
  m.state<int64_t>("s", {}, "constant(9223372036854775807)");
  m.function("f", {{"a", x + odd}, {"b", big + x}, {"c", u + 255}, {"d", f * 0.1}});
  tn::Program program = tn::compile(m);
  tn::Session s(program, program.init(1));
  const auto zeros = [&] {
    const int64_t zero = 0;
    const uint8_t none = 0;
    const float one = 1;
    return s.run("f", {{"x", tn::view(std::span(&zero, 1), {})},
                       {"u", tn::view(std::span(&none, 1), {})},
                       {"f", tn::view(std::span(&one, 1), {})}});
  };
  CHECK(zeros()["a"].as<int64_t>()[0] == odd);
  CHECK(zeros()["b"].as<int64_t>()[0] == odd);
  CHECK(zeros()["c"].as<uint8_t>()[0] == 255);
  CHECK(zeros()["d"].as<float>()[0] == 0.1f);
  s.hyper("big") = INT64_MIN;
  CHECK(s.hyper("big").text() == "-9223372036854775808");
  CHECK(zeros()["b"].as<int64_t>()[0] == INT64_MIN);
  const auto refused = [](auto&& f) {
    try {
      f();
    } catch (const tn::Error& e) {
      return e.code() == 202;
    }
    return false;
  };
  CHECK(refused([&] { s.hyper("big") = 0x1p63; }));
  CHECK(refused([&] { s.hyper("big") = 0.5; }));
  CHECK(refused([&] { s.hyper("big") = UINT64_MAX; }));
  CHECK(refused([&] { (void)(u + 300); }));
  CHECK(refused([&] { (void)(u - -1); }));
  CHECK(refused([&] { (void)(x + 0.5); }));
  CHECK(refused([&] { (void)(f * 1e39); }));
  CHECK(refused([&] { (void)(f * 1e-60); }));
  CHECK(refused([&] { m.hyper<uint8_t>("small", 256); }));
  CHECK(refused([&] { m.hyper("lr", 1e39); }));
  CHECK(refused([&] { m.state<uint8_t>("t", {}, "constant(300)"); }));
  CHECK(refused([&] { m.param("w", {2}, {.init = "uniform(0, 1e39)"}); }));
}

TEST_CASE("public headers compile alone, with and without exceptions") {
  const std::string includes =
      std::string(" -I") + TENON_SOURCE_DIR + "/include -I" + TENON_BIN_DIR + "/../generated/include ";
  for (const char* header : {"error", "model", "ops", "layers", "data", "program", "tenon"})
    for (const char* mode : {"", " -fno-exceptions"}) {
      const std::string command = std::string("printf '#include <tenon/") + header + ".hpp>\\n' | " +
                                  TENON_CXX + " -std=c++20 -Wall -Wextra -Werror -fsyntax-only" + mode +
                                  includes + "-x c++ -";
      INFO(command);
      CHECK(std::system(command.c_str()) == 0);
    }
  const std::string c = std::string("printf '#include <tenon/tenon.h>\\n' | ") + TENON_CC +
                        " -std=c99 -pedantic -Wall -Wextra -Werror -fsyntax-only" + includes + "-x c -";
  CHECK(std::system(c.c_str()) == 0);
}
