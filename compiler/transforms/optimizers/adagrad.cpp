#include "transforms/optimizer.h"

namespace tenon::transforms {
namespace {

V adagrad(const Update& u) {
  const V v = u.slot("v") + u.g * u.g;
  u.write("v", v);
  return u.lr() * (u.g / (ops::sqrt(v) + u.number("eps")));
}

constexpr SettingDef settings[] = {
    learning_rate("0.01"),
    epsilon("1e-10"),
    {.name = "initial",
     .doc = "what the sum of squares begins with",
     .kind = SettingDef::Kind::literal,
     .range = SettingDef::Range::not_negative,
     .preset = "0"},
};
constexpr Slot slots[] = {{.name = "v", .doc = "sum of the squares of gradients", .initial = "initial"}};

constexpr Optimizer rows[] = {
    {.name = "adagrad",
     .doc = "Each element has a rate of its own, which falls with the squares of its gradients.",
     .formula = "v = v + g g; p - lr g / (sqrt(v) + eps)",
     .source =
         "J. Duchi, E. Hazan, Y. Singer, Adaptive subgradient methods for online learning and stochastic "
         "optimization, 2011",
     .others = "PyTorch's lr_decay is the schedule `inverse_time`. Keras has lr = 0.001, initial = 0.1, eps "
               "= 1e-7 and adds it "
               "below the root, sqrt(v + eps).",
     .settings = settings,
     .slots = slots,
     .update = adagrad},
};

}  // namespace

TENON_OPTIMIZER_FAMILY(adagrad) = rows;

}  // namespace tenon::transforms
