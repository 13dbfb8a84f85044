// What lies between the gradients of a loss and the update: calls whose gradients are gathered, hooks,
// clipping; and the gradients that a step returns.
#include <algorithm>
#include <functional>

#include "transforms/training.h"

using namespace tenon;
using namespace tenon::test;

namespace {

double norm(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}
double norm(const std::vector<double>& v, const std::vector<double>& w) {
  return std::hypot(norm(v), norm(w));
}

const std::vector<double> x{3, -4, 0, 0.5, -0.25, 12}, y{-2, 0.1};

// The state has the names of both and equal values.
void same_states(const Training& a, const Training& b, double tolerance) {
  for (const auto& [name, value] : a.globals) {
    if (value.dtype() != DType::f64 || !b.globals.contains(name)) continue;
    INFO(name);
    for (size_t i = 0; i < a.values(name).size(); ++i)
      CHECK(near(b.value(name, i), a.value(name, i), tolerance));
  }
}

}  // namespace

TEST_CASE("gradients are clipped by value, by their norm and by the norm of all") {
  struct Row {
    const char* clip;
    std::function<double(double g, const std::vector<double>& own)> clipped;
  };
  const auto cut = [](double g, double c) { return std::min(std::max(g, -c), c); };
  const auto shrink = [](double n, double c) { return std::min(1.0, c / (n + 1e-6)); };
  std::vector<double> xc, yc;
  for (const double g : x) xc.push_back(cut(g, 1));
  for (const double g : y) yc.push_back(cut(g, 1));
  const Row rows[] = {
      {"{value = 1}", [=](double g, const auto&) { return cut(g, 1); }},
      {"{value = {b = 0.5}}", [=](double g, const auto& own) { return own == y ? cut(g, 0.5) : g; }},
      {"{value = rate}", [=](double g, const auto&) { return cut(g, 0.05); }},
      {"{norm = 5}", [=](double g, const auto& own) { return g * shrink(norm(own), 5); }},
      {"{norm = {w = 0.5}}",
       [=](double g, const auto& own) { return own == x ? g * shrink(norm(own), 0.5) : g; }},
      {"{global_norm = 3}", [=](double g, const auto&) { return g * shrink(norm(x, y), 3); }},
      {"{global_norm = 1000}", [](double g, const auto&) { return g; }},
      {"{value = 1, norm = 1.5, global_norm = 0.5}",
       [=](double g, const auto& own) {
         const double by_w = shrink(norm(xc), 1.5), by_b = shrink(norm(yc), 1.5);
         const double all = std::hypot(norm(xc) * by_w, norm(yc) * by_b);
         return cut(g, 1) * (own == x ? by_w : by_b) * shrink(all, 0.5);
       }},
      {"{global_norm = linear {from = 3, to = 1, steps = 10}}",
       [=](double g, const auto&) { return g * shrink(norm(x, y), 3); }},
  };
  for (const Row& row : rows) {
    INFO(row.clip);
    Training training(std::string("with = sgd {lr = 1}, clip = ") + row.clip);
    const std::vector<double> w = training.values("w"), b = training.values("b");
    training.step(x, y);
    for (size_t i = 0; i < 6; ++i) CHECK(near(training.value("w", i), w[i] - row.clipped(x[i], x)));
    for (size_t i = 0; i < 2; ++i) CHECK(near(training.value("b", i), b[i] - row.clipped(y[i], y)));
  }
  // Decay is no part of what is clipped.
  Training training("with = sgd {lr = 1}, clip = {value = 1}, decay = 10");
  const double w = training.value("w");
  training.step(x, y);
  CHECK(near(training.value("w"), w - (1 + 10 * w)));
  // A gradient that is no number stays one.
  training.step({std::nan(""), 1, 1, 1, 1, 1}, y);
  CHECK(std::isnan(training.value("w")));
  Training global("with = sgd {lr = 1}, clip = {global_norm = 1}");
  global.step({std::nan(""), 1, 1, 1, 1, 1}, y);
  CHECK(std::isnan(global.value("b")));
}

TEST_CASE("accumulated calls are one call with the mean of their gradients") {
  const std::string options =
      "with = adam {lr = cosine {from = 0.1, steps = 8}, beta2 = 0.9}, decay = 0.1, clip = {global_norm = "
      "2}, "
      "average = 0.8, hook = {w = center}";
  const std::string center =
      "func center(p: f64[rows,columns], g: f64[rows,columns]) -> f64[rows,columns] {\n"
      "  m = mean g {axes = [0]}\n  c = sub g, m\n  q = mul p, 0.25\n  r = add c, q\n  return r\n}\n";
  Training whole(options, center), parts(options + ", accumulate = 4", center);
  for (int update = 0; update < 10; ++update) {
    std::vector<double> gx(6), gy(2);
    const std::map<std::string, Array> before = parts.globals;
    for (int call = 0; call < 4; ++call) {
      parts.step();
      for (size_t i = 0; i < 6; ++i) gx[i] += parts.x[i] / 4;
      for (size_t i = 0; i < 2; ++i) gy[i] += parts.y[i] / 4;
      CHECK(parts.count("parts") == (call + 1) % 4);
      CHECK(parts.count("rng.step") == 4 * update + call + 1);
      if (call == 3) continue;
      for (const char* name : {"w", "b", "w.m", "w.v", "w.average", "step"}) {
        INFO(name << " in call " << call);
        CHECK(parts.globals.at(name) == before.at(name));
      }
      CHECK(near(parts.value("w.sum"), 4 * gx[0], 1e-14));
    }
    whole.step(gx, gy);
    same_states(whole, parts, 1e-12);
    CHECK(parts.count("step") == update + 1);
    CHECK(parts.values("w.sum") == std::vector<double>(6));
    CHECK(parts.values("b.sum") == std::vector<double>(2));
  }
  // One call an update is what a step does anyway.
  Training once("with = sgd {lr = 0.1}, accumulate = 1");
  CHECK_FALSE(once.has("parts"));
  CHECK_FALSE(once.has("w.sum"));
}

TEST_CASE("a hook stands between gradient and update") {
  const std::string scaled =
      "state gain : f64[] = constant(3)\nfunc scaled(g: f64[rows]) -> f64[rows] {\n  r = mul g, gain\n"
      "  s = mul r, rate\n  return s\n}\n"
      "func shaped(p: f64[rows,columns], g: f64[rows,columns]) -> f64[rows,columns] {\n  r = mul p, g\n  "
      "return r\n}\n";
  Training training("with = sgd {lr = 1}, hook = {b = scaled, w = shaped}", scaled);
  const std::vector<double> w = training.values("w"), b = training.values("b");
  training.step(x, y);
  CHECK(near(training.value("w"), w[0] - w[0] * 3));
  CHECK(near(training.value("b"), b[0] + 2 * 3 * 0.05));
  // One function for all parameters, where it fits them.
  const std::string plain = "func twice(g: f64[3,2]) -> f64[3,2] {\n  r = mul g, 2.0\n  return r\n}\n";
  Training all("with = sgd {lr = 1}, over = w, hook = twice", plain);
  const double before = all.value("w");
  all.step(x, y);
  CHECK(near(all.value("w"), before - 6));
}

TEST_CASE("a hook that draws has a mask of its own for every parameter, and counts as a step does") {
  const std::string noisy =
      "func noisy(g: f64[rows]) -> f64[rows] {\n  d = dropout g {rate = 0.5}\n  return d\n}\n";
  const std::string text =
      "tenon 1\nmodule m\ndim rows = 1..512\nparam u : f64[256]\nparam v : f64[256]\n" + noisy +
      "func loss(x: f64[256]) -> f64[] {\n  a = mul u, x\n  b = mul v, x\n  c = add a, b\n  l = reduce_sum "
      "c\n"
      "  return l\n}\nderive train = step loss {batch = none, with = sgd {lr = 1}, hook = noisy}\n";
  ir::Module m = parsed(text);
  if (Status s = transforms::expand_derives(m); !s) FAIL(s.errors().text());
  verified(m);
  const auto masks = [&](int64_t step) {
    evaluate::Inputs in;
    in.arguments = {Array(DType::f64, {256})};
    for (double& g : in.arguments[0].as<double>()) g = 1;
    for (const ir::Global& g : m.globals) {
      in.globals[g.name] =
          g.type.dtype == DType::f64 ? Array(DType::f64, {256}) : Array::scalar<int64_t>(step);
    }
    const evaluate::Outputs out = run(m, *m.find_function("train"), in);
    CHECK(out.written.at("rng.step").as<int64_t>()[0] == step + 1);
    return std::pair{out.written.at("u"), out.written.at("v")};
  };
  const auto [u, v] = masks(5);
  CHECK_FALSE(u == v);
  const auto [again, other] = masks(5);
  CHECK(again == u);
  CHECK_FALSE(masks(6).first == u);
  size_t kept = 0;
  for (const double p : u.as<double>()) kept += p == -2;
  CHECK(kept > 90);
  CHECK(kept < 166);
}

TEST_CASE("a step returns gradients and their norm as they come from the loss") {
  Training training(
      "with = sgd {lr = 1}, gradients = [b, w*], gradient_norm = true, accumulate = 2, clip = {value = 0.1}, "
      "metrics = [size]",
      "func size(x: f64[3,2]) -> f64[] {\n  s = reduce_sum x\n  return s\n}\n");
  const ir::Function& train = *training.module().find_function("train");
  CHECK(train.result_names == std::vector<std::string>{"loss", "size", "w'", "b'", "gradient_norm"});
  const evaluate::Outputs out = training.step(x, y);
  for (size_t i = 0; i < 6; ++i) CHECK(out.returned[2].as<double>()[i] == x[i]);
  for (size_t i = 0; i < 2; ++i) CHECK(out.returned[3].as<double>()[i] == y[i]);
  CHECK(near(out.returned[4].as<double>()[0], norm(x, y), 1e-14));
}
