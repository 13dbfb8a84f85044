// Every optimizer over 100 updates against its formula, written once more as a loop over numbers. The
// formulas are PyTorch's; tests/benchmarks/optimizers.py compares with PyTorch itself.
#include <functional>
#include <set>

#include "transforms/optimizer.h"
#include "transforms/training.h"

using namespace tenon;
using namespace tenon::test;

namespace {

using Slots = std::map<std::string, double>;  // of one element

struct Case {
  const char* with;
  Slots start;  // what slots begin with, where it is not 0
  // The parameter after update t with gradient g.
  std::function<double(Slots&, double p, double g, double t)> rule;
};

std::function<double(Slots&, double, double, double)> adam(double lr, double b1, double b2, double eps,
                                                           bool amsgrad, double decay) {
  return [=](Slots& s, double p, double g, double t) {
    p -= lr * decay * p;
    s["m"] = b1 * s["m"] + (1 - b1) * g;
    s["v"] = b2 * s["v"] + (1 - b2) * g * g;
    double top = s["v"];
    if (amsgrad) top = s["v_max"] = std::max(s["v_max"], s["v"]);
    const double m = s["m"] / (1 - std::pow(b1, t)), v = top / (1 - std::pow(b2, t));
    return p - lr * m / (std::sqrt(v) + eps);
  };
}

std::function<double(Slots&, double, double, double)> rmsprop(double lr, double rho, double eps,
                                                              double momentum, bool centered) {
  return [=](Slots& s, double p, double g, double) {
    s["v"] = rho * s["v"] + (1 - rho) * g * g;
    double spread = s["v"];
    if (centered) {
      s["mean"] = rho * s["mean"] + (1 - rho) * g;
      spread -= s["mean"] * s["mean"];
    }
    const double direction = g / (std::sqrt(spread) + eps);
    if (momentum == 0) return p - lr * direction;
    s["m"] = momentum * s["m"] + direction;
    return p - lr * s["m"];
  };
}

std::function<double(Slots&, double, double, double)> nadam(double lr, double b1, double b2, double eps,
                                                            double fall) {
  return [=](Slots& s, double p, double g, double t) {
    const double now = b1 * (1 - 0.5 * std::pow(0.96, t * fall)),
                 next = b1 * (1 - 0.5 * std::pow(0.96, (t + 1) * fall));
    s["mu"] *= now;
    s["m"] = b1 * s["m"] + (1 - b1) * g;
    s["v"] = b2 * s["v"] + (1 - b2) * g * g;
    const double root = std::sqrt(s["v"] / (1 - std::pow(b2, t))) + eps;
    return p - lr * (1 - now) / (1 - s["mu"]) * g / root - lr * next / (1 - s["mu"] * next) * s["m"] / root;
  };
}

std::function<double(Slots&, double, double, double)> adadelta(double lr, double rho, double eps) {
  return [=](Slots& s, double p, double g, double) {
    s["v"] = rho * s["v"] + (1 - rho) * g * g;
    const double taken = std::sqrt(s["d"] + eps) / std::sqrt(s["v"] + eps) * g;
    s["d"] = rho * s["d"] + (1 - rho) * taken * taken;
    return p - lr * taken;
  };
}

std::function<double(Slots&, double, double, double)> adagrad(double lr, double eps) {
  return [=](Slots& s, double p, double g, double) {
    s["v"] += g * g;
    return p - lr * g / (std::sqrt(s["v"]) + eps);
  };
}

std::function<double(Slots&, double, double, double)> adamax(double lr, double b1, double b2, double eps) {
  return [=](Slots& s, double p, double g, double t) {
    s["m"] = b1 * s["m"] + (1 - b1) * g;
    s["u"] = std::max(b2 * s["u"], std::fabs(g) + eps);
    return p - lr / (1 - std::pow(b1, t)) * s["m"] / s["u"];
  };
}

std::function<double(Slots&, double, double, double)> lion(double lr, double b1, double b2) {
  return [=](Slots& s, double p, double g, double) {
    const double c = b1 * s["m"] + (1 - b1) * g;
    s["m"] = b2 * s["m"] + (1 - b2) * g;
    return p - lr * static_cast<double>((c > 0) - (c < 0));
  };
}

std::function<double(Slots&, double, double, double)> momentum(double lr, double factor, bool nesterov) {
  return [=](Slots& s, double p, double g, double) {
    s["m"] = factor * s["m"] + g;
    return p - lr * (nesterov ? g + factor * s["m"] : s["m"]);
  };
}

const Case cases[] = {
    {"sgd {lr = 0.1}", {}, [](Slots&, double p, double g, double) { return p - 0.1 * g; }},
    {"sgd {lr = rate}", {}, [](Slots&, double p, double g, double) { return p - 0.05 * g; }},
    {"momentum {lr = 0.1}", {}, momentum(0.1, 0.9, false)},
    {"momentum {lr = 0.1, momentum = 0.5, nesterov = true}", {}, momentum(0.1, 0.5, true)},
    {"adagrad", {}, adagrad(0.01, 1e-10)},
    {"adagrad {lr = 0.1, eps = 0.001, initial = 0.5}", {{"v", 0.5}}, adagrad(0.1, 0.001)},
    {"adadelta", {}, adadelta(1, 0.9, 1e-6)},
    {"adadelta {lr = 0.5, rho = 0.8, eps = 0.01}", {}, adadelta(0.5, 0.8, 0.01)},
    {"rmsprop", {}, rmsprop(0.01, 0.99, 1e-8, 0, false)},
    {"rmsprop {lr = 0.1, rho = 0.8, eps = 0.01, momentum = 0.7}", {}, rmsprop(0.1, 0.8, 0.01, 0.7, false)},
    {"rmsprop {rho = 0.9, eps = 0.01, centered = true}", {}, rmsprop(0.01, 0.9, 0.01, 0, true)},
    {"rmsprop {eps = 0.01, momentum = 0.9, centered = true}", {}, rmsprop(0.01, 0.99, 0.01, 0.9, true)},
    {"adam", {}, adam(0.001, 0.9, 0.999, 1e-8, false, 0)},
    {"adam {lr = rate, beta1 = 0.8, beta2 = 0.95, eps = 0.01}", {}, adam(0.05, 0.8, 0.95, 0.01, false, 0)},
    {"adam {beta2 = 0.5, amsgrad = true}", {}, adam(0.001, 0.9, 0.5, 1e-8, true, 0)},
    {"adamw", {}, adam(0.001, 0.9, 0.999, 1e-8, false, 0.01)},
    {"adamw {lr = 0.1, eps = 0.01, amsgrad = true}", {}, adam(0.1, 0.9, 0.999, 0.01, true, 0.01)},
    {"adamax", {}, adamax(0.002, 0.9, 0.999, 1e-8)},
    {"adamax {lr = 0.1, beta1 = 0.5, beta2 = 0.9, eps = 0.01}", {}, adamax(0.1, 0.5, 0.9, 0.01)},
    {"nadam", {{"mu", 1}}, nadam(0.002, 0.9, 0.999, 1e-8, 0.004)},
    {"nadam {lr = 0.1, beta1 = 0.8, beta2 = 0.9, eps = 0.01, fall = 1}",
     {{"mu", 1}},
     nadam(0.1, 0.8, 0.9, 0.01, 1)},
    {"lion", {}, lion(1e-4, 0.9, 0.99)},
    {"lion {lr = 0.1, beta1 = 0.5, beta2 = 0.8}", {}, lion(0.1, 0.5, 0.8)},
};

// One element in the plain loop.
struct Element {
  double p;
  Slots slots;
};

}  // namespace

TEST_CASE("every optimizer is its formula over 100 updates") {
  std::set<std::string> seen;
  for (const Case& c : cases) {
    INFO(c.with);
    const std::string text = c.with, name = text.substr(0, text.find(' '));
    seen.insert(name);
    Training training("with = " + text);
    std::map<std::string, std::vector<Element>> plain;
    for (const char* param : {"w", "b"})
      for (const double p : training.values(param)) plain[param].push_back({p, c.start});
    double moved = 0;
    for (int t = 1; t <= 100; ++t) {
      training.step();
      for (auto& [param, elements] : plain) {
        const std::vector<double> found = training.values(param);
        for (size_t i = 0; i < elements.size(); ++i) {
          Element& e = elements[i];
          const double before = e.p, g = (param == "w" ? training.x : training.y)[i];
          e.p = c.rule(e.slots, e.p, g, t);
          moved = std::max(moved, std::fabs(e.p - before));
          INFO(param << "[" << i << "] after " << t << " updates: " << found[i] << ", wants " << e.p);
          REQUIRE(near(found[i], e.p));
          for (const auto& [slot, value] : e.slots) {
            INFO(slot);
            const std::vector<double> kept = training.values(param + "." + slot);
            REQUIRE(near(kept.size() == 1 ? kept[0] : kept[i], value));
          }
        }
      }
    }
    CHECK(moved > 0);
    // Slots are those that the formula has, and nothing is counted that nothing asks for.
    const transforms::Optimizer& o = *transforms::find_optimizer(name);
    for (const transforms::Slot& s : o.slots)
      CHECK(training.has("w." + std::string(s.name)) == plain["w"][0].slots.contains(std::string(s.name)));
    CHECK(training.has("step") == o.counts);
    if (o.counts) CHECK(training.count("step") == 100);
  }
  for (const transforms::Optimizer* o : transforms::all_optimizers()) {
    INFO(o->name);
    CHECK(seen.contains(std::string(o->name)));
  }
}

TEST_CASE("a rule that divides stays finite where gradients are 0") {
  for (const Case& c : cases) {
    INFO(c.with);
    Training training(std::string("with = ") + c.with);
    for (int t = 0; t < 3; ++t) training.step(std::vector<double>(6), {0, 0});
    for (const double p : training.values("w")) CHECK(std::isfinite(p));
  }
}

TEST_CASE("equal gradients leave the deviation of a centered rmsprop a number") {
  // For these, rounding makes the mean of squares less than the square of the mean.
  Training training("with = rmsprop {rho = 0.5, centered = true}");
  for (int t = 0; t < 100; ++t) {
    training.step({0.7, 1.1, 1.4, 1.7, 1.9, 2.2}, {2.5, 2.8});
    for (const double p : training.values("w")) REQUIRE(std::isfinite(p));
  }
}

TEST_CASE("declarations of optimizers are whole") {
  for (const transforms::Optimizer* o : transforms::all_optimizers()) {
    INFO(o->name);
    CHECK(o->doc.ends_with('.'));
    CHECK_FALSE(o->formula.empty());
    CHECK_FALSE(o->source.empty());
    CHECK(o->update != nullptr);
    std::set<std::string_view> names;
    bool rate = false;
    for (const transforms::SettingDef& s : o->settings) {
      CHECK(names.insert(s.name).second);
      CHECK_FALSE(s.doc.empty());
      CHECK((s.preset.empty() ? !s.usual.empty() : Number::parse(s.preset).has_value()));
      rate = rate || s.name == "lr";
    }
    CHECK(rate);
    for (const transforms::Slot& s : o->slots) {
      CHECK(names.insert(s.name).second);
      CHECK((s.when.empty() || names.contains(s.when)));
    }
  }
}
