#include "transforms/optimizer.h"

namespace tenon::transforms {
namespace {

// What the schedule of the momentum falls by.
constexpr double base = 0.96;

V nadam(const Update& u) {
  const V beta1 = u.number("beta1"), beta2 = u.number("beta2");
  const V rest1 = u.once("1 - beta1", [&] { return 1.0 - beta1; });
  const V rest2 = u.once("1 - beta2", [&] { return 1.0 - beta2; });
  const V t = u.t();
  const auto momentum_at = [&](V steps) {
    return beta1 * (1.0 - 0.5 * ops::pow(ops::number(t, base), steps * u.number("fall")));
  };
  const V now = u.once("momentum", [&] { return momentum_at(t); });
  const V next = u.once("next momentum", [&] { return momentum_at(t + 1.0); });
  const V rest = u.once("1 - beta2^t", [&] { return 1.0 - ops::pow(beta2, t); });
  const V product = u.slot("mu") * now;
  const V m = beta1 * u.slot("m") + rest1 * u.g;
  const V v = beta2 * u.slot("v") + rest2 * (u.g * u.g);
  u.write("m", m);
  u.write("v", v);
  u.write("mu", product);
  const V of_gradient = u.lr() * (1.0 - now) / (1.0 - product);
  const V of_mean = u.lr() * next / (1.0 - product * next);
  return (of_gradient * u.g + of_mean * m) / (ops::sqrt(v / rest) + u.number("eps"));
}

constexpr SettingDef settings[] = {
    learning_rate("0.002"),
    share_kept("beta1", "0.9", "what is kept of the mean of gradients"),
    share_kept("beta2", "0.999", "what is kept of the mean of their squares"),
    epsilon("1e-8"),
    {.name = "fall",
     .doc = "how fast the momentum comes to beta1",
     .range = SettingDef::Range::not_negative,
     .preset = "0.004"},
};
constexpr Slot slots[] = {
    {.name = "m", .doc = "mean of gradients"},
    {.name = "v", .doc = "mean of their squares"},
    {.name = "mu", .doc = "product of the momenta so far", .initial = "1", .scalar = true},
};

constexpr Optimizer rows[] = {
    {.name = "nadam",
     .doc = "Adam with Nesterov's momentum.",
     .formula =
         "m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g g; c(t) = beta1 (1 - 0.96^(fall t) / 2); "
         "mu = mu c(t); p - lr ((1 - c(t)) / (1 - mu) g + c(t + 1) / (1 - mu c(t + 1)) m) / (sqrt(v / (1 - "
         "beta2^t)) + eps)",
     .source = "T. Dozat, Incorporating Nesterov momentum into Adam, 2016",
     .others = "PyTorch calls `fall` momentum_decay. Keras has lr = 0.001, eps = 1e-7 and fall = 1.",
     .settings = settings,
     .slots = slots,
     .counts = true,
     .update = nadam},
};

}  // namespace

TENON_OPTIMIZER_FAMILY(nadam) = rows;

}  // namespace tenon::transforms
