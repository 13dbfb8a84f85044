// Options of a step, whatever its optimizer: each with values by hand, alone and with others.
#include <algorithm>

#include "transforms/training.h"

using namespace tenon;
using namespace tenon::test;

namespace {

const std::vector<double> x{3, -4, 0, 0.5, -0.25, 12}, y{-2, 0.1};

}  // namespace

TEST_CASE("weight decay is added to the gradient, or beside the update where the optimizer has it so") {
  struct Row {
    const char* options;
    double (*w)(double p);  // the first element of w after a step with gradient 3
    double (*b)(double p);  // of b, -2
  };
  const Row rows[] = {
      {"with = sgd {lr = 0.1}, decay = 0.5", [](double p) { return p - 0.1 * (3 + 0.5 * p); },
       [](double p) { return p - 0.1 * (-2 + 0.5 * p); }},
      {"with = sgd {lr = 0.1}, decay = {w = 0.5}", [](double p) { return p - 0.1 * (3 + 0.5 * p); },
       [](double p) { return p + 0.1 * 2; }},
      {"with = sgd {lr = 0.1}, decay = {b = 0.25, * = rate}",
       [](double p) { return p - 0.1 * (3 + 0.05 * p); }, [](double p) { return p - 0.1 * (-2 + 0.25 * p); }},
      {"with = sgd {lr = 0.1}, lr_factor = {w = 10}, decay = 0.5",
       [](double p) { return p - 1 * (3 + 0.5 * p); }, [](double p) { return p - 0.1 * (-2 + 0.5 * p); }},
      {"with = lion {lr = 0.1}, decay = 0.5", [](double p) { return p - 0.1 * 0.5 * p - 0.1; },
       [](double p) { return p - 0.1 * 0.5 * p + 0.1; }},
      {"with = lion {lr = 0.1}, decay = {w = 0.5}, lr_factor = {w = 2}",
       [](double p) { return p - 0.2 * 0.5 * p - 0.2; }, [](double p) { return p + 0.1; }},
      {"with = lion {lr = 0.1}", [](double p) { return p - 0.1; }, [](double p) { return p + 0.1; }},
      {"with = adamw {lr = 0.1, eps = 0}", [](double p) { return p - 0.1 * 0.01 * p - 0.1; },
       [](double p) { return p - 0.1 * 0.01 * p + 0.1; }},
      {"with = adamw {lr = 0.1, eps = 0}, decay = 0.5", [](double p) { return p - 0.1 * 0.5 * p - 0.1; },
       [](double p) { return p - 0.1 * 0.5 * p + 0.1; }},
      {"with = adamw {lr = 0.1, eps = 0}, decay = {b = 0.5}", [](double p) { return p - 0.1; },
       [](double p) { return p - 0.1 * 0.5 * p + 0.1; }},
      {"with = adam {lr = 0.1, eps = 0}, decay = 0.5",
       [](double p) { return p - 0.1 * (3 + 0.5 * p > 0 ? 1 : -1); },
       [](double p) { return p - 0.1 * (-2 + 0.5 * p > 0 ? 1 : -1); }},
  };
  for (const Row& row : rows) {
    INFO(row.options);
    Training training(row.options);
    const double w = training.value("w"), b = training.value("b");
    training.step(x, y);
    CHECK(near(training.value("w"), row.w(w)));
    CHECK(near(training.value("b"), row.b(b)));
  }
}

TEST_CASE("settings differ by patterns of parameters, of which the first that matches holds") {
  Training training("with = adam {lr = {b = 0.5, * = 0.1}, beta1 = {w = 0.5}, eps = 0}, lr_factor = {w = 3}");
  std::vector<double> w = training.values("w"), b = training.values("b");
  double mw = 0, vw = 0, mb = 0, vb = 0;
  for (int t = 1; t <= 5; ++t) {
    training.step();
    mw = 0.5 * mw + 0.5 * training.x[0];
    vw = 0.999 * vw + 0.001 * training.x[0] * training.x[0];
    mb = 0.9 * mb + 0.1 * training.y[0];
    vb = 0.999 * vb + 0.001 * training.y[0] * training.y[0];
    const double c2 = 1 - std::pow(0.999, t);
    w[0] -= 0.3 * mw / (1 - std::pow(0.5, t)) / std::sqrt(vw / c2);
    b[0] -= 0.5 * mb / (1 - std::pow(0.9, t)) / std::sqrt(vb / c2);
    CHECK(near(training.value("w"), w[0]));
    CHECK(near(training.value("b"), b[0]));
  }
  // Both count in one counter.
  CHECK(training.count("step") == 5);
}

TEST_CASE("frozen parameters stay, and have no slots") {
  Training training("with = momentum {lr = 0.1}, frozen = [b*]");
  const std::vector<double> b = training.values("b"), w = training.values("w");
  training.step(x, y);
  CHECK(training.values("b") == b);
  CHECK(training.value("w") == w[0] - 0.1 * 3);
  CHECK_FALSE(training.has("b.m"));
  CHECK(training.has("w.m"));
}

TEST_CASE("a moving average begins with the first update and follows those behind it") {
  Training training("with = sgd {lr = 0.1}, average = {w = 0.9}");
  CHECK_FALSE(training.has("b.average"));
  double average = 0;
  for (int t = 0; t < 20; ++t) {
    training.step();
    average = t == 0 ? training.value("w") : 0.9 * average + 0.1 * training.value("w");
    CHECK(near(training.value("w.average"), average));
  }
  CHECK(training.count("step") == 20);
}

TEST_CASE("functions are derived on the averages that a step keeps") {
  Training training("with = sgd {lr = 0.1}, average = {w = 0.5}", "",
                    "derive smooth = averaged loss {of = train}\n");
  training.step();
  training.step();
  evaluate::Inputs in;
  in.globals = training.globals;
  in.arguments = {Array(DType::f64, {3, 2}), Array(DType::f64, {2})};
  double expected = 0;
  for (size_t i = 0; i < 6; ++i)
    expected += (in.arguments[0].as<double>()[i] = x[i]) * training.value("w.average", i);
  for (size_t i = 0; i < 2; ++i)
    expected += (in.arguments[1].as<double>()[i] = y[i]) * training.value("b", i);
  const ir::Function& smooth = *training.module().find_function("smooth");
  CHECK(near(run(training.module(), smooth, in).returned[0].as<double>()[0], expected));
  CHECK(smooth.writes.empty());
  // Where the step's slots bear its name, so do its averages.
  Training second("with = sgd {lr = 0.1}, average = 0.5", "",
                  "derive other = step loss {batch = none, with = sgd {lr = 0.2}, average = 0.9}\n"
                  "derive mine = averaged loss {of = train}\nderive others = averaged loss {of = other}\n");
  const auto reads = [&](const char* function, const char* global) {
    const ir::Function& f = *second.module().find_function(function);
    return std::any_of(f.graph.args.begin(), f.graph.args.end(),
                       [&](ir::ValueId a) { return f.graph.value(a).name == global; });
  };
  CHECK(reads("mine", "w.average"));
  CHECK(reads("others", "other.w.average"));
  CHECK_FALSE(reads("others", "w.average"));
  CHECK_FALSE(reads("others", "w"));
}

TEST_CASE("names of slots are free, or the step's own") {
  Training training("with = nadam {lr = constant {value = 0.1}}, accumulate = 2, average = 0.9",
                    "state w.average : f64[] = ones\n");
  for (const char* name : {"train.w.m", "train.w.v", "train.w.mu", "train.w.sum", "train.w.average",
                           "train.parts", "train.step", "train.b.sum"}) {
    INFO(name);
    CHECK(training.has(name));
  }
  for (const char* name : {"w.m", "parts", "step", "b.sum"}) CHECK_FALSE(training.has(name));
  CHECK(training.value("train.w.mu") == 1);
  CHECK(training.value("w.average") == 1);
}

TEST_CASE("the loop over epochs is its steps, whatever follows the count of updates") {
  const std::string text =
      "tenon 1\nmodule m\ndim n = 1..8\nparam w : f64[2] = uniform(-1, 1)\n"
      "func loss(x: f64[n,2]) -> f64[] {\n  a = mul x, w\n  b = mul a, a\n  l = mean b\n  return l\n}\n"
      "derive train = step loss {with = adam {lr = one_cycle {peak = 0.1, steps = 6}}, accumulate = 2, "
      "average = 0.8, "
      "clip = {norm = 0.5}, gradients = [w], gradient_norm = true}\n"
      "derive all = epochs train {order = given}\n";
  ir::Module m = parsed(text);
  if (Status s = transforms::expand_derives(m); !s) FAIL(s.errors().text());
  verified(m);
  const ir::Function &train = *m.find_function("train"), &all = *m.find_function("all");
  // As many gradients as there are steps are not returned.
  CHECK(all.result_names == std::vector<std::string>{"loss", "gradient_norm"});
  const int64_t rows = 10, batch = 4, epochs = 3;
  evaluate::Inputs in = random_inputs(m, all, {{"rows", rows}, {"n", batch}, {"epochs", epochs}}, 3);
  for (const char* name : {"step", "parts"}) in.globals[name] = Array::scalar<int64_t>(0);
  for (double& v : in.globals["w.v"].as<double>()) v *= v;
  for (int64_t i = 0; i < epochs * rows; ++i)
    in.arguments[1].as<uint32_t>()[static_cast<size_t>(i)] = static_cast<uint32_t>(i * 7 % rows);
  const evaluate::Outputs looped = run(m, all, in);
  evaluate::Inputs single = in;
  size_t step = 0;
  for (int64_t e = 0; e < epochs; ++e)
    for (int64_t start = 0; start < rows; start += batch, ++step) {
      const int64_t n = std::min(batch, rows - start);
      Array part(DType::f64, {n, 2});
      for (int64_t i = 0; i < n; ++i)
        for (size_t k = 0; k < 2; ++k)
          part.as<double>()[static_cast<size_t>(i) * 2 + k] =
              in.arguments[0].as<double>()[static_cast<size_t>((e * rows + start + i) * 7 % rows) * 2 + k];
      single.arguments = {part};
      single.dims = {{"n", n}};
      const evaluate::Outputs one = run(m, train, single);
      CHECK(one.returned[0].as<double>()[0] == looped.returned[0].as<double>()[step]);
      CHECK(one.returned[2].as<double>()[0] == looped.returned[1].as<double>()[step]);
      for (const auto& [name, value] : one.written) single.globals[name] = value;
    }
  // Nine calls: four updates, and one call of the next.
  CHECK(single.globals["step"].as<int64_t>()[0] == 4);
  CHECK(single.globals["parts"].as<int64_t>()[0] == 1);
  for (const auto& [name, value] : looped.written) {
    INFO(name);
    CHECK(single.globals[name] == value);
  }
}
