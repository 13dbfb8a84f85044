// Layers of the C++ form that hold state, and what steps write besides the parameters: running statistics.
#include <cstring>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "catch.h"

namespace tn = tenon;

namespace {

template <class F>
tn::Error error_of(F&& f) {
  try {
    f();
  } catch (const tn::Error& error) {
    return error;
  }
  return tn::Error(0, "");
}

std::vector<float> values(const tn::State& state, const std::string& name) {
  const tn::Array array = state.get(name);
  const auto span = array.as<float>();
  return {span.begin(), span.end()};
}

// A row of numbers that differ from step to step.
std::vector<float> numbers(size_t count, size_t step) {
  std::vector<float> out(count);
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<float>((i * 7 + step * 3) % 11) / 4 - 1;
  return out;
}

}  // namespace

TEST_CASE("a batch_norm layer is the text that sets its running statistics") {
  tn::Model m("net");
  const tn::Dim n = m.dim("n", 2, 64);
  const tn::Value x = m.input<float>("x", {n, 3}), t = m.input<float>("t", {n, 2});
  const tn::Value h = tn::dense(x, 2, {.name = "fc", .init = "ones", .bias = false});
  const tn::Value y = tn::batch_norm(h, {.name = "norm", .epsilon = 1e-3, .momentum = 0.75});
  m.function("predict", {{"y", y}});
  m.metric("error", tn::mse(y, t));
  m.step("train", tn::mse(y, t), tn::sgd({.lr = 0.1}));
  const char* text = R"(tenon 1
module net
dim n = 2..64
param fc.w : f32[3,2] = ones
param norm.scale : f32[2] = ones
param norm.offset : f32[2] = zeros
state norm.mean : f32[2] = zeros
state norm.variance : f32[2] = ones
func net(x: f32[n,3]) -> y: f32[n,2] {
  h = dense x, fc.w
  y, m, v = batch_norm h, norm.scale, norm.offset, norm.mean, norm.variance {epsilon = 1e-3, momentum = 0.75}
  set norm.mean = m
  set norm.variance = v
  return y
}
func predict(x: f32[n,3]) -> y: f32[n,2] {
  y = call net(x)
  return y
}
func loss(x: f32[n,3], t: f32[n,2]) -> l: f32[] {
  y = call net(x)
  l = mse y, t
  return l
}
derive train = step loss {with = sgd {lr = 0.1}}
)";
  const tn::Program built = tn::compile(m), written = tn::compile(tn::parse(text));
  const tn::State a = built.init(1), b = written.init(1);
  tn::Session in_cpp(built, a), in_text(written, b);
  for (size_t step = 0; step < 5; ++step) {
    std::vector<float> rows = numbers(12, step), targets = numbers(8, step + 5);
    const std::vector<tn::Input> inputs{{"x", tn::view(rows, {4, 3})}, {"t", tn::view(targets, {4, 2})}};
    CHECK(in_cpp.run("train", inputs).loss == in_text.run("train", inputs).loss);
  }
  for (const char* name : {"fc.w", "norm.scale", "norm.offset", "norm.mean", "norm.variance"}) {
    INFO(name);
    CHECK(values(a, name) == values(b, name));
  }
  CHECK(values(a, "norm.mean") != std::vector<float>{0, 0});
  // Neither predictions nor evaluation write.
  const uint64_t before = a.hash();
  std::vector<float> rows = numbers(12, 9), targets = numbers(8, 9);
  const tn::Outputs p = in_cpp.run("predict", {{"x", tn::view(rows, {4, 3})}}),
                    q = in_text.run("predict", {{"x", tn::view(rows, {4, 3})}});
  for (size_t i = 0; i < 8; ++i) CHECK(p["y"].as<float>()[i] == q["y"].as<float>()[i]);
  const tn::Data data = tn::make_data({{"x", tn::view(rows, {4, 3})}, {"t", tn::view(targets, {4, 2})}});
  CHECK(in_cpp.evaluate(data)["error"] == in_cpp.evaluate(data).loss);
  CHECK(a.hash() == before);
  // Its module is a text like any other.
  const std::string printed = m.finish().print();
  CHECK(tn::parse(printed).print() == printed);
}

TEST_CASE("batch_norm layers have names, an axis and a frozen form, and refuse an axis that is not there") {
  tn::Model m("net");
  const tn::Value x = m.input<double>("x", {4, 3, 2});
  const tn::Value a = tn::batch_norm(x, {.axis = 1}),
                  b = tn::batch_norm(a, {.name = "still", .frozen = true});
  CHECK(b.type() == "f64[4,3,2]");
  m.step("train", tn::mean(tn::square(b)), tn::sgd({.lr = 0.1}), {.batch = "none"});
  const tn::Program program = tn::compile(m);
  const tn::State state = program.init(1);
  tn::Session session(program, state);
  std::vector<double> rows(24);
  for (size_t i = 0; i < 24; ++i) rows[i] = static_cast<double>(i % 7);
  session.run("train", {{"x", tn::view(rows, {4, 3, 2})}});
  REQUIRE(state.get("norm1.mean").as<double>().size() == 3);
  CHECK(state.get("norm1.mean").as<double>()[0] != 0);
  REQUIRE(state.get("still.mean").as<double>().size() == 2);
  CHECK(state.get("still.mean").as<double>()[0] == 0);
  const tn::Error error = error_of([&] { tn::batch_norm(x, {.axis = 3}); });
  CHECK(error.code() == 106);
  CHECK(std::strstr(error.what(), "f64[4,3,2], it has no axis 3") != nullptr);
  CHECK(error_of([&] { tn::batch_norm(x, {.name = "still"}); }).code() == 104);
}

TEST_CASE("updates belong to the steps that compute what they are of") {
  tn::Model m("counts");
  const tn::Value x = m.input<float>("x", {2});
  const tn::Value w = m.param("w", {2}, {.init = "ones"}), v = m.param("v", {2}, {.init = "ones"});
  const tn::Value calls = m.state("calls", {}), trail = m.state("trail", {2});
  const tn::Value h = w * x, loss = tn::reduce_sum(h), other = tn::reduce_sum(v * v);
  m.update(calls, calls + 1.0, h);         // with h, which does not need it
  m.update(trail, 0.5 * trail + 0.5 * h);  // with the sum that makes it: nothing needs that
  m.step("train", loss, tn::sgd({.lr = 0.5}), {.batch = "none"});
  m.step("rule", {{w, w - tn::grad(loss, w)}});
  m.step("elsewhere", other, tn::sgd({.lr = 0.5}), {.batch = "none"});
  m.step("own", {{w, w - tn::grad(loss, w)}, {calls, calls + 100.0}});
  m.function("look", {{"loss", loss}});
  m.metric("size", loss);
  const tn::Program program = tn::compile(m);
  const tn::State state = program.init(1);
  tn::Session session(program, state);
  std::vector<float> one{1, 2};
  const std::vector<tn::Input> inputs{{"x", tn::view(one, {2})}};
  const auto count = [&] { return state.get("calls").number(); };
  session.run("train", inputs);
  CHECK(count() == 1);
  session.run("rule", inputs);
  CHECK(count() == 2);
  session.run("elsewhere", {});
  CHECK(count() == 2);
  session.run("look", inputs);
  CHECK(count() == 2);
  session.run("own", inputs);
  CHECK(count() == 102);
  CHECK(values(state, "trail") == std::vector<float>{0, 0});
}

TEST_CASE("an average of parameters is an update with the loss") {
  tn::Model m("average");
  const tn::Value x = m.input<float>("x", {});
  const tn::Value w = m.param("w", {}, {.init = "ones"}), mean = m.state_like(w, "mean", "ones");
  const tn::Value loss = w * x;
  m.update(mean, 0.5 * mean + 0.5 * w, loss);
  m.step("train", loss, tn::sgd({.lr = 1}), {.batch = "none"});
  const tn::Program program = tn::compile(m);
  const tn::State state = program.init(1);
  tn::Session session(program, state);
  float one = 1;
  for (int step = 0; step < 3; ++step) session.run("train", {{"x", tn::view(one)}});
  // All right sides read the old state: 1, 0, -1.
  CHECK(state.get("w").number() == -2);
  CHECK(state.get("w.mean").number() == -0.25);
}

TEST_CASE("evaluation leaves what a loss updates as it is") {
  tn::Model m("average");
  const tn::Dim n = m.dim("n", 1, 64);
  const tn::Value x = m.input<float>("x", {n, 1}), y = m.input<float>("y", {n, 1});
  const tn::Value p = tn::dense(x, 1, {.name = "fc"}), mean = m.state_like(m.params("fc.w").at(0), "mean");
  const tn::Value loss = tn::mse(p, y);
  m.update(mean, 0.9 * mean + 0.1 * m.params("fc.w").at(0), loss);
  m.step("learn", loss, tn::sgd({.lr = 0.1}));
  const tn::Program program = tn::compile(m);
  const tn::State state = program.init(1);
  tn::Session session(program, state);
  const tn::Data data = tn::make_regression({.samples = 40, .seed = 1});
  session.fit(data, {.batch = 8, .epochs = 2});  // the one step: what it is derived from is none
  CHECK(state.get("fc.w.mean").as<float>()[0] != 0);
  const uint64_t before = state.hash();
  const double first = session.evaluate(data, {.batch = 8}).loss;
  CHECK(state.hash() == before);
  CHECK(session.evaluate(data, {.batch = 8}).loss == first);
}

TEST_CASE("of two updates of one state the one that follows from the other counts") {
  const auto two = [](tn::Model& m, bool chained) {
    const tn::Value x = m.input<float>("x", {4, 1}), y = m.input<float>("y", {4, 1});
    const tn::Value scale = m.param("scale", {1}, {.init = "ones"}), offset = m.param("offset", {1}),
                    mean = m.state("mean", {1}), variance = m.state("variance", {1}, "ones");
    const auto a = tn::batch_norm(x, scale, offset, mean, variance, {.momentum = 0.5});
    const auto b =
        tn::batch_norm(y, scale, offset, chained ? a[1] : mean, chained ? a[2] : variance, {.momentum = 0.5});
    for (const auto& made : {b, a}) {  // in whatever order they are given
      m.update(mean, made[1]);
      m.update(variance, made[2]);
    }
    m.step("both", tn::mse(a[0], b[0]), tn::sgd({.lr = 0.1}), {.batch = "none"});
    m.step("first", tn::mean(a[0]), tn::sgd({.lr = 0.1}), {.batch = "none"});
  };
  tn::Model m("twice");
  two(m, true);
  const tn::Program program = tn::compile(m);
  const tn::State state = program.init(1);
  tn::Session session(program, state);
  std::vector<float> x{2, 2, 2, 2}, y{4, 4, 4, 4};
  session.run("both", {{"x", tn::view(x, {4, 1})}, {"y", tn::view(y, {4, 1})}});
  CHECK(values(state, "mean") == std::vector<float>{2.5});  // (0 + 2) / 2, then (1 + 4) / 2
  session.run("first", {{"x", tn::view(x, {4, 1})}});
  CHECK(values(state, "mean") == std::vector<float>{2.25});

  tn::Model bad("twice");
  two(bad, false);
  const tn::Error error = error_of([&] { tn::compile(bad); });
  CHECK(error.code() == 115);
  CHECK(std::strstr(error.what(), "both: mean is updated twice") != nullptr);
  CHECK(std::strstr(error.what(), "test_layers.cpp:") != nullptr);
}

TEST_CASE("updates of what is no state, of other types and from bodies are refused in their places") {
  tn::Model m("bad");
  const tn::Value x = m.input<float>("x", {2}), lr = m.hyper("lr", 0.1), s = m.state("s", {2});
  CHECK(error_of([&] { m.update(lr, lr + 1.0); }).code() == 115);
  CHECK(error_of([&] { m.update(x, x + 1.0); }).code() == 115);
  const tn::Error type = error_of([&] { m.update(s, tn::reduce_sum(x)); });
  CHECK(type.code() == 115);
  CHECK(std::strstr(type.what(), "s is f32[2], the value is f32[]") != nullptr);
  CHECK(std::strstr(type.what(), "test_layers.cpp:") != nullptr);
  const tn::Error body = error_of([&] {
    tn::loop({x}, {},
             [&](const tn::Iteration& i) -> tn::Yield {
               m.update(s, i.carry[0]);
               return {.next = {i.carry[0]}};
             },
             {.trip = 2});
  });
  CHECK(body.code() == 114);
  CHECK(tenon_model_update(nullptr, 0, 0, TENON_NO_VALUE, nullptr) == 608);
  // A step that trains what is updated.
  const tn::Value w = m.param("w", {2}, {.init = "ones"}), loss = tn::reduce_sum(w * x);
  m.update(w, 0.5 * w, loss);
  m.step("train", loss, tn::sgd({.lr = 0.1}), {.batch = "none"});
  CHECK(error_of([&] { tn::compile(m); }).code() == 116);

  tn::Model collecting("bad", {.collect = true});
  const tn::Value c = collecting.hyper("lr", 0.1);
  collecting.update(c, c + 1.0);
  REQUIRE(collecting.error() != nullptr);
  CHECK(collecting.error()->code() == 115);
}

TEST_CASE("a transposed convolutional layer makes pictures larger, with weights of its own") {
  tn::Model m("larger");
  const tn::Dim n = m.dim("n", 1, 8);
  const tn::Value x = m.input<float>("x", {n, 3, 5, 4});
  const tn::Value a = tn::conv_transpose2d(x, 6, {2, 2}, {.name = "up", .stride = {2, 2}}),
                  b = tn::conv_transpose2d(a, 2, {3, 3}, {.stride = {2, 2}, .padding = "same", .groups = 2});
  CHECK(a.type() == "f32[n,6,10,6]");
  CHECK(b.type() == "f32[n,12,20,2]");
  const auto type_of = [&](const char* name) { return m.params(name).at(0).type(); };
  CHECK(type_of("up.w") == "f32[2,2,6,4]");
  CHECK(type_of("up.b") == "f32[6]");
  CHECK(type_of("conv1.w") == "f32[3,3,1,6]");
  CHECK(type_of("conv1.b") == "f32[2]");
  const tn::Value c = tn::conv_transpose2d(x, 6, {2, 2}, {.name = "plain", .bias = false});
  CHECK(m.params("plain.*").size() == 1);
  CHECK(c.type() == "f32[n,4,6,6]");
  const tn::Error groups = error_of([&] { tn::conv_transpose2d(x, 5, {2, 2}, {.groups = 2}); });
  CHECK(groups.code() == 106);
  CHECK(std::strstr(groups.what(), "conv_transpose2d: 2 groups do not divide 5 filters") != nullptr);
  const tn::Error rank = error_of([&] { tn::conv_transpose2d(x, 5, {2}); });
  CHECK(std::strstr(rank.what(), "conv_transpose2d: wants x [batch, height, width, in]") != nullptr);
  const tn::Error channels = error_of([&] { tn::conv2d(x, 6, {2, 2}, {.groups = 3}); });
  CHECK(std::strstr(channels.what(), "conv2d: 3 groups do not divide 4 channels") != nullptr);

  // One tap that doubles: each element stands where its stride puts it.
  tn::Model one("one");
  const tn::Value p = one.input<float>("p", {1, 1, 2, 1});
  one.function(
      "f",
      {{"q", tn::conv_transpose2d(p, 1, {1, 1}, {.name = "t", .init = "constant(2)", .stride = {1, 2}})}});
  const tn::Program program = tn::compile(one);
  tn::Session session(program, program.init(1));
  std::vector<float> in{3, 5};
  const tn::Outputs out = session.run("f", {{"p", tn::view(in, {1, 1, 2, 1})}});
  const auto q = out["q"].as<float>();
  CHECK(std::vector<float>(q.begin(), q.end()) == std::vector<float>{6, 0, 10});
}
