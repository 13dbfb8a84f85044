// Optimizers, schedules and the options of a step from C++: what is built is the text of a directive, and
// trains as it.
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "catch.h"
#include "conformance/command_runner.h"

namespace tn = tenon;

namespace {

struct Net {
  explicit Net(tn::Model& m) {
    const tn::Dim n = m.dim("n", 1, 64);
    const tn::Value x = m.input<float>("x", {n, 2}), y = m.input<float>("y", {n, 1});
    p = tn::dense(tn::tanh(tn::dense(x, 6, {.name = "body"})), 1, {.name = "head"});
    loss = tn::mse(p, y);
    m.function("predict", {{"p", p}});
  }
  tn::Value p, loss;
};

// The directive that a step of these options becomes.
std::string directive(const tn::Optimizer& optimizer, const tn::StepOptions& options = {}) {
  tn::Model m("net");
  const Net net(m);
  m.step("train", net.loss, optimizer, options);
  const std::string text = m.finish().print();
  const std::string begin = "derive train = step train.loss {";
  const size_t at = text.find(begin);
  REQUIRE(at != std::string::npos);
  const std::string line = text.substr(at + begin.size(), text.find('\n', at) - at - begin.size());
  return line.substr(0, line.rfind('}'));
}

std::vector<float> values(const tn::State& state, const char* name) {
  const tn::Array array = state.get(name);
  return {array.as<float>().begin(), array.as<float>().end()};
}

}  // namespace

TEST_CASE("optimizers and schedules in C++ are directives, without what is at its preset") {
  CHECK(directive(tn::sgd()) == "with = sgd {lr = 0.01}");
  CHECK(directive(tn::momentum({.lr = 0.1, .nesterov = true})) ==
        "with = momentum {lr = 0.1, nesterov = true}");
  CHECK(directive(tn::adam()) == "with = adam");
  CHECK(directive(tn::adam({.beta1 = 0.5, .amsgrad = true})) == "with = adam {beta1 = 0.5, amsgrad = true}");
  CHECK(directive(tn::adagrad({.initial = 0.1})) == "with = adagrad {initial = 0.1}");
  CHECK(directive(tn::rmsprop({.momentum = 0.9, .centered = true})) ==
        "with = rmsprop {momentum = 0.9, centered = true}");
  CHECK(directive(tn::adamw({.lr = tn::schedule::cosine({.from = 0.1, .steps = 100, .warmup = 10})})) ==
        "with = adamw {lr = cosine {from = 0.1, steps = 100, warmup = 10}}");
  CHECK(directive(tn::sgd({.lr = tn::schedule::piecewise({.values = {0.1, 0.01}, .at = {50}})})) ==
        "with = sgd {lr = piecewise {values = [0.1, 0.01], at = [50]}}");
  CHECK(directive(tn::sgd({.lr = tn::schedule::one_cycle({.peak = 1, .steps = 10, .anneal = "linear"})})) ==
        "with = sgd {lr = one_cycle {peak = 1, steps = 10, anneal = linear}}");
  CHECK(directive(tn::sgd({.lr = {{"head.*", 1}, {"*", tn::schedule::linear({.from = 0.1, .steps = 5})}}})) ==
        "with = sgd {lr = {head.* = 1, * = linear {from = 0.1, steps = 5}}}");
  for (const tn::Optimizer& o : {tn::adadelta(), tn::adamax(), tn::nadam(), tn::lion()})
    CHECK(directive(o) == "with = " + o.text);
}

TEST_CASE("the options of a step in C++ are those of a directive") {
  CHECK(directive(tn::lion(), {.frozen = {"body.b"},
                               .lr_factor = {{"head.*", 10}},
                               .decay = {{"*.w", 0.01}},
                               .clip = {.value = 3, .global_norm = 1},
                               .accumulate = 4,
                               .average = 0.999,
                               .gradients = {"head.*"},
                               .gradient_norm = true,
                               .batch = "n"}) ==
        "with = lion, frozen = [body.b], lr_factor = {head.* = 10}, decay = {*.w = 0.01}, "
        "clip = {value = 3, global_norm = 1}, accumulate = 4, average = 0.999, gradients = [head.*], "
        "gradient_norm = true, batch = n");
  tn::Model m("net");
  const Net net(m);
  const tn::Value lr = m.hyper("lr", 0.1);
  const tn::Dim rows = m.dim("rows", 1, 64), columns = m.dim("columns", 1, 64);
  const tn::Value g = m.input<float>("g", {rows, columns});
  m.function("half", {{"r", g * 0.5}});
  m.step("train", net.loss, tn::sgd({.lr = lr}), {.decay = lr, .hook = {{"*.w", "half"}}});
  m.step("other", net.loss, tn::sgd({.lr = lr}), {.over = {"*.w"}, .hook = "half"});
  const std::string text = m.finish().print();
  CHECK(text.find("{with = sgd {lr = lr}, decay = lr, hook = {*.w = half}}") != std::string::npos);
  CHECK(text.find("{over = [*.w], with = sgd {lr = lr}, hook = half}") != std::string::npos);
  CHECK_FALSE(tn::compile(m).entries().empty());
}

TEST_CASE("training with schedules, accumulation and averages goes on across epochs, calls and files") {
  const tn::Data data = tn::make_regression({.samples = 50, .features = 2, .noise = 0.1, .seed = 3});
  tn::Model m("net");
  const Net net(m);
  m.step("train", net.loss, tn::adamw({.lr = tn::schedule::one_cycle({.peak = 0.05, .steps = 40})}),
         {.clip = {.global_norm = 1}, .accumulate = 3, .average = 0.9, .gradient_norm = true});
  m.averaged("smooth", "predict", "train");
  m.averaged("smooth_loss", "train.loss", "train");
  const tn::Program program = tn::compile(m);
  const tn::State native = program.init(5), single = program.init(5);
  tn::Session loops(program, native, {.threads = 1}), epochs(program, single, {.threads = 1});
  // 7 calls an epoch: what is left of one goes on in the next.
  const tn::History history = loops.fit(data, {.batch = 8, .epochs = 10});
  CHECK(history.size() == 10);
  const auto step_of = [](const tn::State& s, const char* name) { return s.get(name).as<int64_t>()[0]; };
  CHECK(step_of(native, "step") == 23);
  CHECK(step_of(native, "parts") == 1);
  // One call of ten epochs is ten calls of one.
  for (int epoch = 0; epoch < 10; ++epoch) epochs.fit(data, {.batch = 8});
  CHECK(native.hash() == single.hash());
  // Saved and loaded within three calls, training goes on as if nothing had been.
  const tn::State copy = program.init(9);
  const tenon::test::Folder folder;
  native.save(folder.path("state.safetensors"));
  copy.load(folder.path("state.safetensors"));
  tn::Session again(program, copy, {.threads = 1});
  again.fit(data, {.batch = 8, .epochs = 2});
  loops.fit(data, {.batch = 8, .epochs = 2});
  CHECK(native.hash() == copy.hash());

  // The average's loss is reported beside the parameters' own.
  const tn::Report report = loops.evaluate(data);
  CHECK(report["smooth_loss"] > 0);
  CHECK(report["smooth_loss"] != report.loss);
  CHECK(values(native, "body.w") != values(native, "body.w.average"));
  std::vector<float> at{0.5f, -0.5f};
  const tn::Outputs plain = loops.run("predict", {{"x", tn::view(at, {1, 2})}}),
                    smooth = loops.run("smooth", {{"x", tn::view(at, {1, 2})}});
  CHECK(plain["p"].as<float>()[0] != smooth["p"].as<float>()[0]);
}

// A training step counts: the mask of its next call is another.
TEST_CASE("a step of one's own draws anew in every call, from where its state stands") {
  tn::Model m("net");
  const tn::Value x = m.input<float>("x", {64});
  const tn::Value mask = m.state<float>("mask", {64}), sum = m.state<float>("sum", {64});
  const tn::Value drawn = tn::dropout(x, 0.5);
  m.step("draw", std::vector<tn::Assign>{{mask, drawn}});
  m.step("learn", std::vector<tn::Assign>{{sum, sum - tn::grad(tn::reduce_sum(drawn * drawn), x)}});
  const tn::Program program = tn::compile(m);
  std::vector<float> ones(64, 1.0f);
  const auto run = [&](const tn::State& state, const char* step, const char* global) {
    tn::Session(program, state, {.threads = 1}).run(step, {{"x", tn::view(ones, {64})}});
    return values(state, global);
  };
  const tn::State state = program.init(5), same = program.init(5);
  const std::vector<float> first = run(state, "draw", "mask"), second = run(state, "draw", "mask");
  CHECK(first != second);
  CHECK(run(same, "draw", "mask") == first);
  CHECK(run(same, "draw", "mask") == second);
  const std::vector<float> once = run(state, "learn", "sum");
  std::vector<float> twice = run(state, "learn", "sum");
  for (size_t i = 0; i < twice.size(); ++i) twice[i] -= once[i];
  CHECK(twice != once);
}

TEST_CASE("what a step in C++ cannot be given is told where it stands") {
  tn::Model m("net");
  const Net net(m);
  m.step("train", net.loss, tn::sgd({.lr = tn::schedule::cosine({.from = 0.1})}));
  const tn::Result<tn::Program> program = tn::try_compile(m);
  REQUIRE_FALSE(program);
  CHECK(program.error().code() == 116);
  CHECK(std::string(program.error().what()).find("option steps is missing") != std::string::npos);
  CHECK(std::string(program.error().what()).find("test_step_builder.cpp") != std::string::npos);
  const auto code_of = [&](auto&& call) {
    try {
      call();
    } catch (const tn::Error& e) {
      return e.code();
    }
    return 0;
  };
  CHECK(code_of([&] { m.averaged("smooth", "predicted", "train"); }) == 103);
  CHECK(code_of([&] { m.averaged("smooth", "predict", "trian"); }) == 103);
  CHECK(code_of([&] { m.averaged("predict", "predict", "train"); }) == 104);
}
