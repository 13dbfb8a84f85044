// Batch normalization in a model: the step normalizes by the batch and moves the running statistics, what
// predicts reads them and writes nothing.
#include <cmath>
#include <tenon/tenon.hpp>
#include <vector>

#include "schedules.h"

namespace tn = tenon;
using namespace tenon::test;

namespace {

std::string model(bool frozen) {
  return std::string(R"(tenon 1
module bn
dim n = 2..64
hyper lr = 0.1 : f32
param scale : f32[2] = ones
param offset : f32[2] = zeros
state mean : f32[2] = zeros
state variance : f32[2] = ones
func net(x: f32[n,2]) -> y: f32[n,2] {
  y, m, v = batch_norm x, scale, offset, mean, variance {momentum = 0.75, frozen = )") +
         (frozen ? "true" : "false") + R"(}
  set mean = m
  set variance = v
  return y
}
func predict(x: f32[n,2]) -> y: f32[n,2] {
  y = call net(x)
  return y
}
func loss(x: f32[n,2], t: f32[n,2]) -> l: f32[] {
  y = call net(x)
  l = mse y, t
  return l
}
derive train = step loss {with = sgd {lr = lr}}
)";
}

std::vector<float> values(const tn::State& state, const char* name) {
  const tn::Array array = state.get(name);
  const auto span = array.as<float>();
  return {span.begin(), span.end()};
}

}  // namespace

TEST_CASE("running statistics are those of a replay, and predictions use them") {
  const tn::Program program = tn::compile(tn::parse(model(false)));
  const tn::State state = program.init(1);
  tn::Session session(program, state);
  double mean[2] = {0, 0}, variance[2] = {1, 1};
  std::vector<float> x(8), t(8, 0.5f), loss(1), y(8);
  for (int step = 0; step < 20; ++step) {
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = std::sin(static_cast<float>(step * 8 + static_cast<int>(i))) * 3 + 1;
    session.bind("train", {tn::view(x, {4, 2}), tn::view(t, {4, 2})}, {tn::view(loss, {})}).run();
    for (int c = 0; c < 2; ++c) {
      double m = 0, v = 0;
      for (int i = 0; i < 4; ++i) m += double(x[static_cast<size_t>(2 * i + c)]) / 4;
      for (int i = 0; i < 4; ++i) v += std::pow(double(x[static_cast<size_t>(2 * i + c)]) - m, 2) / 4;
      mean[c] = 0.75 * mean[c] + 0.25 * m;
      variance[c] = 0.75 * variance[c] + 0.25 * v;
    }
  }
  const std::vector<float> m = values(state, "mean"), v = values(state, "variance"),
                           scale = values(state, "scale"), offset = values(state, "offset");
  for (size_t c = 0; c < 2; ++c) {
    CHECK(std::fabs(m[c] - mean[c]) < 1e-6);
    CHECK(std::fabs(v[c] - variance[c]) < 1e-6 * std::fabs(variance[c]) + 1e-6);
    CHECK(scale[c] != 1);
  }
  session.bind("predict", {tn::view(x, {4, 2})}, {tn::view(y, {4, 2})}).run();
  for (size_t i = 0; i < 8; ++i) {
    const size_t c = i % 2;
    const double wanted = (x[i] - mean[c]) / std::sqrt(variance[c] + 1e-5) * scale[c] + offset[c];
    CHECK(std::fabs(y[i] - wanted) < 1e-4);
  }
  CHECK(values(state, "mean") == m);
}

TEST_CASE("frozen statistics do not move, while scale and offset are trained") {
  const tn::Program program = tn::compile(tn::parse(model(true)));
  const tn::State state = program.init(1);
  tn::Session session(program, state);
  std::vector<float> x{1, 2, 3, 4, 5, 6, 7, 9}, t(8, 0.5f), loss(1);
  session.bind("train", {tn::view(x, {4, 2}), tn::view(t, {4, 2})}, {tn::view(loss, {})}).run();
  CHECK(values(state, "mean") == std::vector<float>{0, 0});
  CHECK(values(state, "variance") == std::vector<float>{1, 1});
  CHECK(values(state, "offset") != std::vector<float>{0, 0});
}

TEST_CASE("what predicts has no statistics of a batch, no random stream, and writes nothing") {
  const std::string text = shown(model(false), "optimized");
  const size_t from = text.find("func predict"), to = text.find("\n}", from);
  REQUIRE(to != std::string::npos);
  const std::string predict = text.substr(from, to - from);
  for (const char* part : {"reduce_", "rng", "set ", "mean = ", "variance = "}) {
    INFO(part);
    CHECK(predict.find(part) == std::string::npos);
  }
}
