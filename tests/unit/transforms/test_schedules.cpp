// Every schedule against its formula, written once more over numbers; the learning rate of an update is what
// a parameter of 0 with gradient -1 becomes.
#include <algorithm>
#include <functional>
#include <numbers>
#include <set>

#include "transforms/schedule.h"
#include "transforms/training.h"

using namespace tenon;
using namespace tenon::test;

namespace {

struct Case {
  const char* schedule;
  std::function<double(int t)> value;  // t: updates done
};

double cosine(double from, double to, double part) {
  return to + (from - to) * (1 + std::cos(std::numbers::pi * part)) / 2;
}
double line(double from, double to, double part) { return from + (to - from) * part; }

// As torch.optim.lr_scheduler.OneCycleLR goes through its phases.
double one_cycle(const std::vector<double>& ends, const std::vector<double>& values, int t,
                 bool linear = false) {
  double start = 0;
  for (size_t i = 0; i < ends.size(); ++i) {
    if (t <= ends[i] || i + 1 == ends.size()) {
      const double part = std::min((t - start) / (ends[i] - start), 1.0);
      return linear ? line(values[i], values[i + 1], part) : cosine(values[i], values[i + 1], part);
    }
    start = ends[i];
  }
  return 0;
}

const Case cases[] = {
    {"constant {value = 0.3}", [](int) { return 0.3; }},
    {"constant {value = rate, warmup = 10, warmup_from = 0.01}",
     [](int t) { return t < 10 ? 0.01 + 0.04 * t / 10 : 0.05; }},
    {"linear {from = 0.1, to = 0.02, steps = 40}",
     [](int t) { return line(0.1, 0.02, std::min(t / 40.0, 1.0)); }},
    {"linear {from = 0.1, steps = whole, warmup = 5}",
     [](int t) { return t < 5 ? 0.1 * t / 5 : line(0.1, 0, std::min((t - 5) / 20.0, 1.0)); }},
    {"polynomial {from = 0.1, to = 0.01, steps = 50, power = 2}",
     [](int t) { return 0.01 + 0.09 * std::pow(1 - std::min(t / 50.0, 1.0), 2); }},
    {"polynomial {from = 0.1, steps = 50, power = 0.5, warmup = 7, warmup_from = 0.2}",
     [](int t) {
       return t < 7 ? 0.2 - 0.1 * t / 7 : 0.1 * std::pow(1 - std::min((t - 7) / 50.0, 1.0), 0.5);
     }},
    {"exponential {from = 0.1, factor = 0.97}", [](int t) { return 0.1 * std::pow(0.97, t); }},
    {"exponential {from = 0.1, factor = 0.5, steps = 30}",
     [](int t) { return 0.1 * std::pow(0.5, t / 30.0); }},
    {"exponential {from = 0.1, factor = 0.5, steps = 30, staircase = true}",
     [](int t) { return 0.1 * std::pow(0.5, t / 30); }},
    {"inverse_time {from = 0.1, factor = 0.5, steps = 10}", [](int t) { return 0.1 / (1 + 0.5 * t / 10.0); }},
    {"inverse_time {from = 0.1, factor = 0.5, steps = 10, staircase = true, warmup = 3}",
     [](int t) { return t < 3 ? 0.1 * t / 3 : 0.1 / (1 + 0.5 * ((t - 3) / 10)); }},
    {"piecewise {values = [0.1, rate, 0.01], at = [20, 60]}",
     [](int t) { return t < 20   ? 0.1
                        : t < 60 ? 0.05
                                 : 0.01; }},
    {"piecewise {values = [0.1, 0.2], at = [whole], warmup = 4, warmup_from = 0.3}",
     [](int t) { return t < 4    ? 0.3 - 0.2 * t / 4
                        : t < 24 ? 0.1
                                 : 0.2; }},
    {"cosine {from = 0.1, to = 0.001, steps = 80}",
     [](int t) { return cosine(0.1, 0.001, std::min(t / 80.0, 1.0)); }},
    {"cosine {from = rate, steps = 50, warmup = 20, warmup_from = 0.001}",
     [](int t) { return t < 20 ? 0.001 + 0.049 * t / 20 : cosine(0.05, 0, std::min((t - 20) / 50.0, 1.0)); }},
    {"one_cycle {peak = 0.1, steps = 100}", [](int t) { return one_cycle({29, 99}, {0.004, 0.1, 4e-7}, t); }},
    {"one_cycle {peak = 0.1, steps = 90, rise = 0.5, anneal = linear, from = 0.02, to = 0.01}",
     [](int t) { return one_cycle({44, 89}, {0.02, 0.1, 0.01}, t, true); }},
    {"one_cycle {peak = 0.1, steps = 100, rise = 0.25, three_phase = true}",
     [](int t) { return one_cycle({24, 48, 99}, {0.004, 0.1, 0.004, 4e-7}, t); }},
    {"one_cycle {peak = 0.85, from = 0.95, to = 0.95, steps = 80}",
     [](int t) { return one_cycle({23, 79}, {0.95, 0.85, 0.95}, t); }},
    // A rise that has its first update alone, and one that has none.
    {"one_cycle {peak = 0.1, steps = 10, rise = 0.1, from = 0.05, to = 0}",
     [](int t) { return t == 0 ? 0.05 : cosine(0.1, 0, std::min(t / 9.0, 1.0)); }},
    {"one_cycle {peak = 0.1, steps = 2, rise = 0.25, from = 0.05, to = 0}",
     [](int t) { return cosine(0.1, 0, std::min((t + 0.5) / 1.5, 1.0)); }},
};

}  // namespace

TEST_CASE("every schedule is its formula, before, in and after its steps") {
  std::set<std::string> seen;
  for (const Case& c : cases) {
    INFO(c.schedule);
    const std::string text = c.schedule;
    seen.insert(text.substr(0, text.find(' ')));
    Training training("with = sgd {lr = " + text + "}");
    for (int t = 0; t < 120; ++t) {
      for (const char* name : {"w", "b"})
        for (double& p : training.globals[name].as<double>()) p = 0;
      CHECK(training.count("step") == t);
      training.step(std::vector<double>(6, -1.0), {-1, -1});
      INFO("t = " << t << ": " << training.value("w") << ", wants " << c.value(t));
      REQUIRE(std::fabs(training.value("w") - c.value(t)) <= 1e-12 * std::max(1e-3, std::fabs(c.value(t))));
      REQUIRE(training.value("b", 1) == training.value("w"));
    }
  }
  for (const transforms::Schedule* s : transforms::all_schedules()) {
    INFO(s->name);
    CHECK(seen.contains(std::string(s->name)));
    CHECK(s->doc.ends_with('.'));
    CHECK_FALSE(s->formula.empty());
    CHECK_FALSE(s->source.empty());
  }
}

TEST_CASE("any setting follows a schedule, and Adam's rate with it") {
  // A momentum that follows a line beside a rate that follows a cosine.
  Training training(
      "with = momentum {lr = cosine {from = 0.1, steps = 30}, momentum = linear {from = 0.9, to = 0.5, steps "
      "= 20}}");
  double p = training.value("w"), m = 0;
  for (int t = 0; t < 40; ++t) {
    training.step();
    m = line(0.9, 0.5, std::min(t / 20.0, 1.0)) * m + training.x[0];
    p -= cosine(0.1, 0, std::min(t / 30.0, 1.0)) * m;
    REQUIRE(near(training.value("w"), p));
  }
  Training adam("with = adam {lr = exponential {from = 0.1, factor = 0.9}}");
  double q = adam.value("w"), first = 0, second = 0;
  for (int t = 1; t <= 40; ++t) {
    adam.step();
    first = 0.9 * first + 0.1 * adam.x[0];
    second = 0.999 * second + 0.001 * adam.x[0] * adam.x[0];
    q -= 0.1 * std::pow(0.9, t - 1) * (first / (1 - std::pow(0.9, t))) /
         (std::sqrt(second / (1 - std::pow(0.999, t))) + 1e-8);
    REQUIRE(near(adam.value("w"), q));
  }
  CHECK(adam.count("step") == 40);
}

TEST_CASE("a schedule computes in f64 and is rounded once, to the parameter's type") {
  const std::string text =
      "tenon 1\nmodule m\nparam w : f32[]\nfunc loss(x: f32[]) -> f32[] {\n  l = mul w, x\n  return l\n}\n"
      "derive train = step loss {batch = none, with = sgd {lr = cosine {from = 0.1, to = 0.001, steps = "
      "77}}}\n";
  ir::Module m = parsed(text);
  if (Status s = transforms::expand_derives(m); !s) FAIL(s.errors().text());
  for (const int64_t t : {0, 1, 13, 76, 77, 20'000'001}) {
    evaluate::Inputs in;
    in.arguments = {Array::scalar<float>(-1)};
    in.globals = {{"w", Array::scalar<float>(0)},
                  {"step", Array::scalar<int64_t>(t)},
                  {"rng.step", Array::scalar<int64_t>(0)}};
    const float found = run(m, *m.find_function("train"), in).written.at("w").as<float>()[0];
    CHECK(found == static_cast<float>(cosine(0.1, 0.001, std::min(static_cast<double>(t) / 77, 1.0))));
  }
}
