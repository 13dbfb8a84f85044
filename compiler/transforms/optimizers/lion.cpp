#include "transforms/optimizer.h"

namespace tenon::transforms {
namespace {

V lion(const Update& u) {
  const V beta1 = u.number("beta1"), beta2 = u.number("beta2");
  const V rest1 = u.once("1 - beta1", [&] { return 1.0 - beta1; });
  const V rest2 = u.once("1 - beta2", [&] { return 1.0 - beta2; });
  const V m = u.slot("m");
  u.write("m", beta2 * m + rest2 * u.g);
  return u.lr() * ops::sign(beta1 * m + rest1 * u.g);
}

constexpr SettingDef settings[] = {
    learning_rate("0.0001"),
    share_kept("beta1", "0.9", "what the direction has of the mean of gradients"),
    share_kept("beta2", "0.99", "what is kept of the mean of gradients"),
};
constexpr Slot slots[] = {{.name = "m", .doc = "mean of gradients"}};

constexpr Optimizer rows[] = {
    {.name = "lion",
     .doc = "Steps of one size, in the direction of a mean of gradients.",
     .formula = "s = sign(beta1 m + (1 - beta1) g); m = beta2 m + (1 - beta2) g; p - lr s",
     .source = "X. Chen and others, Symbolic discovery of optimization algorithms, 2023",
     .others = "PyTorch has none; Keras has lr = 0.001.",
     .settings = settings,
     .slots = slots,
     .decay = Optimizer::Decay::decoupled,
     .update = lion},
};

}  // namespace

TENON_OPTIMIZER_FAMILY(lion) = rows;

}  // namespace tenon::transforms
