#include "transforms/optimizer.h"

namespace tenon::transforms {
namespace {

using Kind = SettingDef::Kind;

V sgd(const Update& u) { return u.lr() * u.g; }

V momentum(const Update& u) {
  const V factor = u.number("momentum");
  const V m = factor * u.slot("m") + u.g;
  u.write("m", m);
  return u.lr() * (u.flag("nesterov") ? u.g + factor * m : m);
}

constexpr SettingDef sgd_settings[] = {learning_rate({}, "0.01")};
constexpr SettingDef momentum_settings[] = {
    learning_rate({}, "0.01"),
    share_kept("momentum", "0.9", "what is kept of the velocity"),
    {.name = "nesterov", .doc = "looks ahead by the velocity", .kind = Kind::flag, .preset = "false"},
};
constexpr Slot momentum_slots[] = {{.name = "m", .doc = "velocity"}};

constexpr Optimizer rows[] = {
    {.name = "sgd",
     .doc = "Gradient descent.",
     .formula = "p - lr g",
     .source = "H. Robbins, S. Monro, A stochastic approximation method, 1951",
     .settings = sgd_settings,
     .update = sgd},
    {.name = "momentum",
     .doc = "Gradient descent with a velocity; with `nesterov`, from where the velocity leads.",
     .formula = "m = momentum m + g; p - lr m, with nesterov p - lr (g + momentum m)",
     .source = "B. T. Polyak, Some methods of speeding up the convergence of iteration methods, 1964; Y. "
               "Nesterov, A method "
               "of solving a convex programming problem with convergence rate O(1/k^2), 1983",
     .others = "PyTorch: `SGD` with `momentum`. Keras puts lr into the velocity, m = momentum m - lr g, "
               "which differs "
               "where lr changes.",
     .settings = momentum_settings,
     .slots = momentum_slots,
     .update = momentum},
};

}  // namespace

TENON_OPTIMIZER_FAMILY(sgd) = rows;

}  // namespace tenon::transforms
