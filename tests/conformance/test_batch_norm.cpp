// Batch normalization in a model: the step normalizes by the batch and moves the running statistics, what
// predicts reads them and writes nothing.
#include <cmath>
#include <tenon/tenon.hpp>
#include <vector>

#include "conformance/command_runner.h"
#include "conformance/schedules.h"

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

namespace {
constexpr const char* residual = R"(tenon 1
module net
dim n = 2..64
param a.w : f32[3,3,3,8] = he_normal
param a.scale : f32[8] = uniform(0.5, 2.0)
param a.offset : f32[8] = uniform(-1.0, 1.0)
state a.mean : f32[8] = zeros
state a.variance : f32[8] = ones
param b.w : f32[3,3,1,8] = he_normal
param b.scale : f32[8] = uniform(0.5, 2.0)
param b.offset : f32[8] = uniform(-1.0, 1.0)
state b.mean : f32[8] = zeros
state b.variance : f32[8] = ones
param c.w : f32[8,4] = glorot_uniform
param c.b : f32[4] = uniform(-1.0, 1.0)
func net(x: f32[n,6,6,3]) -> z: f32[n,4] {
  a0 = conv2d x, a.w {padding = same}
  a1, am, av = batch_norm a0, a.scale, a.offset, a.mean, a.variance
  a2 = relu a1
  b0 = conv2d a2, b.w {padding = same, groups = 8}
  b1, bm, bv = batch_norm b0, b.scale, b.offset, b.mean, b.variance
  s = add a2, b1
  p = global_avg_pool s
  z = dense p, c.w, c.b
  set a.mean = am
  set a.variance = av
  set b.mean = bm
  set b.variance = bv
  return z
}
func predict(x: f32[n,6,6,3]) -> z: f32[n,4] {
  z = call net(x)
  return z
}
func loss(x: f32[n,6,6,3], y: i32[n]) -> l: f32[] {
  z = call net(x)
  l = cross_entropy z, y
  return l
}
derive train = step loss {with = sgd {lr = 0.1}}
)";
}  // namespace

TEST_CASE(
    "baked statistics are constants, and where it is asked for a normalization is weights and one sum") {
  const tn::Module module = tn::parse(residual);
  const tn::Program trained = tn::compile(module);
  const tn::State state = trained.init(3);
  tn::Session session(trained, state);
  std::vector<float> x(5 * 108);
  std::vector<int32_t> labels{0, 1, 2, 3, 1};
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i) * 0.7f);
  for (int step = 0; step < 4; ++step)
    session.run("train", {{"x", tn::view(x, {5, 6, 6, 3})}, {"y", tn::view(labels, {5})}});
  const auto predicted = [&](const tn::Program& program) {
    tn::Session own(program, program.init(0));
    const tn::Outputs out = own.run("predict", {{"x", tn::view(x, {5, 6, 6, 3})}});
    return std::vector<float>(out["z"].as<float>().begin(), out["z"].as<float>().end());
  };
  const tn::Outputs free = session.run("predict", {{"x", tn::view(x, {5, 6, 6, 3})}});
  const tn::Program baked = tn::compile(module, {.functions = {"predict"}, .baked = {"*"}}, &state),
                    folded = tn::compile(
                        module, {.functions = {"predict"}, .baked = {"*"}, .fold_scales = true}, &state);
  const std::vector<float> as_is = predicted(baked), other = predicted(folded);
  CHECK(as_is == std::vector<float>(free["z"].as<float>().begin(), free["z"].as<float>().end()));
  // How far each may be from the other is tested with the pass; here, that whole nets stay together.
  float most = 1;
  for (const float z : as_is) most = std::max(most, std::fabs(z));
  bool same = true;
  for (size_t i = 0; i < other.size(); ++i) {
    CHECK(std::fabs(other[i] - as_is[i]) < 1e-5f * most);
    same = same && other[i] == as_is[i];
  }
  CHECK_FALSE(same);

  const Folder folder;
  folder.write("net.tenon", residual);
  state.save(folder.path("w.safetensors"));
  const std::string baking = "compile net.tenon --fn predict --bake '*' --params w.safetensors ";
  CHECK(folder.tenon(baking + "-o plain").status == 0);
  CHECK(folder.tenon(baking + "--fold-scales -o folded").status == 0);
  CHECK(folder.read("plain.o") != folder.read("folded.o"));
  CHECK(folder.tenon("compile net.tenon --fn predict --fold-scales -o free").status == 2);
  // What a function compiled writes is no constant: statistics stay where they are.
  const Ran step =
      folder.tenon("compile net.tenon --fn train --bake 'a.mean' --params w.safetensors -o step");
  CHECK(step.status != 0);
  CHECK(step.err.find("no parameter or state that is only read matches a.mean") != std::string::npos);
}
