// Whole models, training steps, training loops and loops over sequences: equal bits in every engine.
#include "conformance/models.h"

namespace tenon::test {
namespace {

// Chunks and phases even where the work is small.
EngineOptions split_up() {
  EngineOptions o;
  o.compile.chunk_cycles = 50;
  o.compile.inline_cycles = 0;
  return o;
}

const char* const recurrent_text = R"(tenon 1
module recurrent
dim batch = 1..64
dim steps = 1..64
hyper lr = 1e-2 : f32
param w : f32[8,8] = glorot_uniform
param u : f32[8,8] = glorot_uniform
param b : f32[8] = zeros
param fc.w : f32[8,5] = glorot_uniform
param fc.b : f32[5] = zeros
func last(xs: f32[steps,batch,8], h0: f32[batch,8]) -> f32[batch,8] {
  h = loop (s = h0; x in xs; w = w, u = u, b = b) : f32[batch,8] {
    p = dot x, w
    q = dot s, u
    r = add p, q
    z = add r, b
    n = tanh z
    yield n
  }
  return h
}
func loss(xs: f32[steps,batch,8], h0: f32[batch,8], y: i32[batch]) -> f32[] {
  h = call last(xs, h0)
  z = dense h, fc.w, fc.b
  l = cross_entropy z, y {reduce = mean}
  return l
}
derive gradients = grad loss {wrt = [w, u, b, fc.w]}
derive train = step loss {with = momentum {lr = lr, momentum = 0.9}}
)";

}  // namespace

TEST_CASE("linear regression: prediction, loss, step, native loop, initialization") {
  for (const bool small : {false, true}) {
    for (const char* function : {"predict", "loss", "train"}) {
      INFO(function);
      const auto e = engines(linear_text, function, small ? split_up() : EngineOptions{});
      for (const int64_t batch : {1, 2, 7, 16, 33, 64, 100, 513}) require_agreement(*e, {{"batch", batch}});
    }
    const auto init = engines(linear_text, "init", small ? split_up() : EngineOptions{});
    require_agreement(*init, {});
    const auto loop = engines(linear_text, "train.epochs", small ? split_up() : EngineOptions{});
    for (const int64_t rows : {1, 7, 100, 103})
      for (const int64_t batch : {1, 7, 32})
        require_agreement(*loop, {{"rows", rows}, {"batch", batch}, {"epochs", 3}});
  }
}

TEST_CASE("a network with dropout and Adam: step and native loop") {
  for (const bool small : {false, true}) {
    const auto step = engines(mlp_text, "train", small ? split_up() : EngineOptions{});
    for (const int64_t batch : {1, 2, 5, 31, 64}) require_agreement(*step, {{"batch", batch}});
    const auto loop = engines(mlp_text, "train.epochs", small ? split_up() : EngineOptions{});
    for (const int64_t rows : {5, 40})
      require_agreement(*loop, {{"rows", rows}, {"batch", 16}, {"epochs", 2}});
  }
}

TEST_CASE("a loop over a sequence: forward, gradients and step") {
  EngineOptions options;
  options.integers = 5;
  for (const char* function : {"last", "loss", "gradients", "train"}) {
    INFO(function);
    const auto e = engines(recurrent_text, function, options);
    for (const auto& [batch, steps] : {std::pair<int64_t, int64_t>{1, 1}, {1, 9}, {5, 3}, {16, 20}, {33, 2}})
      require_agreement(*e, {{"batch", batch}, {"steps", steps}});
  }
}

TEST_CASE("a failing step commits nothing, in every engine") {
  const auto e = engines(mlp_text, "train");
  evaluate::Inputs inputs = e->draw({{"batch", 9}}, 3);
  inputs.arguments[1].as<int32_t>()[4] = 10;
  const std::string difference = e->compare(inputs);
  INFO(difference);
  REQUIRE(difference.empty());
  REQUIRE(e->expected().status == 311);
}

}  // namespace tenon::test
