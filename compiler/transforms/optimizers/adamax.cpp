#include "transforms/optimizer.h"

namespace tenon::transforms {
namespace {

V adamax(const Update& u) {
  const V beta1 = u.number("beta1");
  const V rest1 = u.once("1 - beta1", [&] { return 1.0 - beta1; });
  const V rate = u.once("rate", [&] { return u.lr() / (1.0 - ops::pow(beta1, u.t())); });
  const V m = beta1 * u.slot("m") + rest1 * u.g;
  const V top = ops::max(u.number("beta2") * u.slot("u"), ops::abs(u.g) + u.number("eps"));
  u.write("m", m);
  u.write("u", top);
  return rate * (m / top);
}

constexpr SettingDef settings[] = {
    learning_rate("0.002"),
    share_kept("beta1", "0.9", "what is kept of the mean of gradients"),
    share_kept("beta2", "0.999", "what is kept of the largest gradient"),
    epsilon("1e-8"),
};
constexpr Slot slots[] = {
    {.name = "m", .doc = "mean of gradients"},
    {.name = "u", .doc = "largest gradient, which fades"},
};

constexpr Optimizer rows[] = {
    {.name = "adamax",
     .doc = "Adam, with the largest gradient in place of the root of the mean of squares.",
     .formula = "m = beta1 m + (1 - beta1) g; u = max(beta2 u, |g| + eps); p - lr / (1 - beta1^t) m / u",
     .source = "D. P. Kingma, J. Ba, Adam: a method for stochastic optimization, 2015, section 7.1",
     .others = "Keras has lr = 0.001, eps = 1e-7 and adds it to u where it divides.",
     .settings = settings,
     .slots = slots,
     .counts = true,
     .update = adamax},
};

}  // namespace

TENON_OPTIMIZER_FAMILY(adamax) = rows;

}  // namespace tenon::transforms
