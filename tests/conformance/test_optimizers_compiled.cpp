// Optimizers, schedules and options of steps, compiled: equal bits in every engine over the updates of a
// small network.
#include <set>

#include "conformance/models.h"
#include "transforms/optimizer.h"
#include "transforms/schedule.h"

namespace tenon::test {
namespace {

std::string network(const std::string& type, const std::string& options) {
  std::string text = R"(tenon 1
module network
dim batch = 1..64
dim height = 1..64
dim width = 1..64
hyper rate = 0.01 : T
param fc1.w : T[5,9] = glorot_uniform
param fc1.b : T[9] = zeros
param fc2.w : T[9,3] = glorot_uniform
param fc2.b : T[3] = zeros
func center(p: T[height,width], g: T[height,width]) -> T[height,width] {
  m = mean g {axes = [0]}
  c = sub g, m
  q = mul p, 0.01
  r = add c, q
  return r
}
func noisy(g: T[height]) -> T[height] {
  d = dropout g {rate = 0.25}
  return d
}
func loss(x: T[batch,5], y: i32[batch]) -> loss: T[] {
  h0 = dense x, fc1.w, fc1.b
  h = tanh h0
  z = dense h, fc2.w, fc2.b
  l = cross_entropy z, y
  return l
}
derive train = step loss {OPTIONS}
)";
  const auto put = [&](const std::string& mark, const std::string& value) {
    for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + value.size()))
      text.replace(at, mark.size(), value);
  };
  put("OPTIONS", options);
  put("T[", type + "[");
  put(" : T\n", " : " + type + "\n");
  return text;
}

// Some updates from the state that init makes: each engine makes the exact one's bits of it.
void require_updates(const std::string& type, const std::string& options, int updates) {
  INFO(type << ": " << options);
  EngineOptions engine;
  engine.integers = 3;
  const auto e = engines(network(type, options), "train", engine);
  evaluate::Inputs seed;
  seed.arguments = {Array::scalar<int64_t>(5)};
  auto made = evaluate::exact(e->source(), *e->source().find_function("init"), seed);
  if (!made) FAIL(made.errors().text());
  std::map<std::string, Array> state = made->written;
  const Array first = state.at("fc1.w");
  for (int t = 0; t < updates; ++t) {
    INFO("update " << t + 1);
    evaluate::Inputs in = e->draw({{"batch", 7 + t}}, static_cast<uint64_t>(t + 1));
    for (auto& [name, value] : in.globals)
      if (const auto at = state.find(name); at != state.end()) value = at->second;
    const std::string difference = e->compare(in);
    INFO(difference);
    REQUIRE(difference.empty());
    REQUIRE(e->expected().status == 0);
    for (const auto& [name, value] : e->expected().written) state[name] = value;
  }
  CHECK_FALSE(state.at("fc1.w") == first);
}

}  // namespace

TEST_CASE("compiled updates of every optimizer have the bits of the exact evaluator") {
  for (const transforms::Optimizer* o : transforms::all_optimizers()) {
    const std::string name(o->name);
    const std::string settings = o->settings[0].preset.empty() ? " {lr = rate}" : "";
    for (const char* type : {"f32", "f64"}) require_updates(type, "with = " + name + settings, 3);
  }
  require_updates("f32", "with = momentum {lr = 0.1, nesterov = true}", 3);
  require_updates("f32", "with = adam {amsgrad = true}", 3);
  require_updates("f32", "with = rmsprop {centered = true, momentum = 0.9}", 3);
  require_updates("f32", "with = adagrad {initial = 0.1}", 3);
}

TEST_CASE("compiled schedules have the bits of the exact evaluator") {
  const char* const schedules[] = {
      "constant {value = rate, warmup = 3}",
      "linear {from = 0.1, to = 0.01, steps = 4}",
      "polynomial {from = 0.1, steps = 4, power = 1.5}",
      "exponential {from = 0.1, factor = 0.9, steps = 2, staircase = true}",
      "inverse_time {from = 0.1, factor = 0.5}",
      "piecewise {values = [0.1, rate, 0.03], at = [1, 3]}",
      "cosine {from = 0.1, to = 0.01, steps = 4, warmup = 2, warmup_from = 0.001}",
      "one_cycle {peak = 0.1, steps = 5}",
      "one_cycle {peak = 0.1, steps = 6, three_phase = true, anneal = linear}",
  };
  std::set<std::string> seen;
  for (const std::string schedule : schedules) {
    seen.insert(schedule.substr(0, schedule.find(' ')));
    require_updates("f32", "with = momentum {lr = " + schedule + "}", 6);
  }
  CHECK(seen.size() == transforms::all_schedules().size());
}

TEST_CASE("compiled options of a step have the bits of the exact evaluator") {
  const std::string with = "with = adam {lr = cosine {from = 0.1, steps = 5}}";
  for (const char* options : {
           ", decay = {*.w = 0.1}, lr_factor = {fc2.* = 3}",
           ", clip = {value = 0.01}",
           ", clip = {norm = {*.w = 0.05}}",
           ", clip = {global_norm = 0.05}, gradient_norm = true, gradients = [fc1.*]",
           ", accumulate = 3",
           ", average = 0.9, frozen = [fc1.b]",
           ", hook = {*.w = center, *.b = noisy}",
           ", hook = {*.w = center}, accumulate = 2, average = 0.9, clip = {value = 1, global_norm = 0.1}, "
           "decay = 0.1",
       })
    require_updates("f32", with + options, 6);
}

TEST_CASE("the native loop of a step with all its options has the bits of the exact evaluator") {
  EngineOptions options;
  options.integers = 3;
  const auto loop = engines(
      network("f32",
              "with = adamw {lr = one_cycle {peak = 0.1, steps = 20}}, accumulate = 3, average = 0.9, clip = "
              "{global_norm = 1}, hook = {*.w = center}, gradients = [*], gradient_norm = true"),
      "train.epochs", options);
  for (const int64_t rows : {5, 23}) require_agreement(*loop, {{"rows", rows}, {"batch", 4}, {"epochs", 2}});
  // Gradients are not stacked, their norms are.
  CHECK(loop->function().result_names == std::vector<std::string>{"loss", "gradient_norm"});
}

}  // namespace tenon::test
