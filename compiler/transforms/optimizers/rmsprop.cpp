#include "transforms/optimizer.h"

namespace tenon::transforms {
namespace {

using Kind = SettingDef::Kind;

V rmsprop(const Update& u) {
  const V rho = u.number("rho");
  const V rest = u.once("1 - rho", [&] { return 1.0 - rho; });
  const V v = rho * u.slot("v") + rest * (u.g * u.g);
  u.write("v", v);
  V spread = v;
  if (u.has("mean")) {
    const V mean = rho * u.slot("mean") + rest * u.g;
    u.write("mean", mean);
    // Where all gradients are equal, rounding alone may lead below 0.
    spread = ops::max(v - mean * mean, 0.0);
  }
  V direction = u.g / (ops::sqrt(spread) + u.number("eps"));
  if (u.has("m")) {
    direction = u.number("momentum") * u.slot("m") + direction;
    u.write("m", direction);
  }
  return u.lr() * direction;
}

constexpr SettingDef settings[] = {
    learning_rate("0.01"),
    share_kept("rho", "0.99", "what is kept of the means"),
    epsilon("1e-8"),
    share_kept("momentum", "0", "what is kept of the velocity"),
    {.name = "centered",
     .doc = "divides by the deviation of gradients, not by the root of their squares",
     .kind = Kind::flag,
     .preset = "false"},
};
constexpr Slot slots[] = {
    {.name = "v", .doc = "mean of the squares of gradients"},
    {.name = "mean", .doc = "mean of gradients", .when = "centered"},
    {.name = "m", .doc = "velocity", .when = "momentum"},
};

constexpr Optimizer rows[] = {
    {.name = "rmsprop",
     .doc = "Gradients over the root of the mean of their squares.",
     .formula = "v = rho v + (1 - rho) g g; s = g / (sqrt(v) + eps), centered: mean = rho mean + (1 - rho) g "
                "and sqrt(v - "
                "mean mean); p - lr s, with momentum m = momentum m + s and p - lr m",
     .source =
         "T. Tieleman, G. Hinton, Lecture 6.5: rmsprop, 2012; A. Graves, Generating sequences with recurrent "
         "neural networks, 2013 (centered)",
     .others = "PyTorch calls rho alpha. Keras has lr = 0.001, rho = 0.9, eps = 1e-7, adds it below the root "
               "and puts "
               "lr into the velocity.",
     .settings = settings,
     .slots = slots,
     .update = rmsprop},
};

}  // namespace

TENON_OPTIMIZER_FAMILY(rmsprop) = rows;

}  // namespace tenon::transforms
