// Models as text that several tests run, and the call that makes engines of them.
#pragma once

#include "catch.h"
#include "common/engines.h"

namespace tenon::test {

inline std::unique_ptr<Engines> engines(std::string_view text, const std::string& function,
                                        const EngineOptions& options = {}) {
  auto out = Engines::make(text, function, options);
  if (!out) FAIL(out.errors().text());
  return std::move(*out);
}

// All engines agree at these sizes, and no check failed.
inline void require_agreement(Engines& e, const ir::DimBindings& dims, uint64_t seed = 1) {
  std::string sizes;
  for (const auto& [name, value] : dims) sizes += name + "=" + std::to_string(value) + " ";
  INFO(sizes);
  const std::string difference = e.compare(dims, seed);
  INFO(difference);
  REQUIRE(difference.empty());
  REQUIRE(e.expected().status == 0);
}

inline const char* const linear_text = R"(tenon 1
module linear
dim batch = 1..4096
hyper lr = 0.01 : f32
param fc.w : f32[3,1] = glorot_uniform
param fc.b : f32[1] = zeros
func predict(x: f32[batch,3]) -> p: f32[batch,1] {
  p = dense x, fc.w, fc.b
  return p
}
func loss(x: f32[batch,3], y: f32[batch,1]) -> loss: f32[] {
  p = call predict(x)
  l = mse p, y
  return l
}
derive train = step loss {with = sgd {lr = lr}}
)";

inline const char* const mlp_text = R"(tenon 1
module mlp
dim batch = 1..300
hyper lr = 1e-3 : f32
param fc1.w : f32[20,33] = glorot_uniform
param fc1.b : f32[33] = zeros
param fc2.w : f32[33,10] = glorot_uniform
param fc2.b : f32[10] = zeros
func logits(x: f32[batch,20]) -> z: f32[batch,10] {
  h0 = dense x, fc1.w, fc1.b
  h = relu h0
  d = dropout h {rate = 0.2}
  z = dense d, fc2.w, fc2.b
  return z
}
func predict(x: f32[batch,20]) -> probs: f32[batch,10] {
  z = call logits(x)
  p = softmax z
  return p
}
func loss(x: f32[batch,20], y: i32[batch]) -> loss: f32[] {
  z = call logits(x)
  l = cross_entropy z, y {reduce = mean}
  return l
}
func accuracy(x: f32[batch,20], y: i32[batch]) -> accuracy: f32[] {
  z = call logits(x)
  a = accuracy z, y
  return a
}
derive train = step loss {with = adam {lr = lr}, metrics = [accuracy]}
)";

}  // namespace tenon::test
