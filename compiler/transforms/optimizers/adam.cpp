#include "transforms/optimizer.h"

namespace tenon::transforms {
namespace {

using Kind = SettingDef::Kind;

V adam(const Update& u) {
  const V beta1 = u.number("beta1"), beta2 = u.number("beta2");
  const V rest1 = u.once("1 - beta1", [&] { return 1.0 - beta1; });
  const V rest2 = u.once("1 - beta2", [&] { return 1.0 - beta2; });
  const V t = u.t();
  const V rate = u.once("rate", [&] { return u.lr() / (1.0 - ops::pow(beta1, t)); });
  const V scale = u.once("scale", [&] { return 1.0 / ops::sqrt(1.0 - ops::pow(beta2, t)); });
  const V m = beta1 * u.slot("m") + rest1 * u.g;
  const V v = beta2 * u.slot("v") + rest2 * (u.g * u.g);
  u.write("m", m);
  u.write("v", v);
  V top = v;
  if (u.has("v_max")) {
    top = ops::max(u.slot("v_max"), v);
    u.write("v_max", top);
  }
  return rate * (m / (ops::sqrt(top) * scale + u.number("eps")));
}

constexpr SettingDef settings[] = {
    learning_rate("0.001"),
    share_kept("beta1", "0.9", "what is kept of the mean of gradients"),
    share_kept("beta2", "0.999", "what is kept of the mean of their squares"),
    epsilon("1e-8"),
    {.name = "amsgrad",
     .doc = "divides by the largest mean of squares so far",
     .kind = Kind::flag,
     .preset = "false"},
};
constexpr Slot slots[] = {
    {.name = "m", .doc = "mean of gradients"},
    {.name = "v", .doc = "mean of their squares"},
    {.name = "v_max", .doc = "the largest v so far", .when = "amsgrad"},
};
constexpr std::string_view formula =
    "m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g g; "
    "p - lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps), with amsgrad sqrt(v_max)";

constexpr Optimizer rows[] = {
    {.name = "adam",
     .doc = "Means of gradients and of their squares, without the bias of their zeros at the start.",
     .formula = formula,
     .source = "D. P. Kingma, J. Ba, Adam: a method for stochastic optimization, 2015; S. J. Reddi, S. Kale, "
               "S. Kumar, "
               "On the convergence of Adam and beyond, 2018 (amsgrad)",
     .others = "Keras has eps = 1e-7 and adds it before the bias of v is taken out, sqrt(v) + eps.",
     .settings = settings,
     .slots = slots,
     .counts = true,
     .update = adam},
    {.name = "adamw",
     .doc = "Adam, with a weight decay beside the update that gradients do not scale.",
     .formula = formula,
     .source = "I. Loshchilov, F. Hutter, Decoupled weight decay regularization, 2019",
     .others = "Keras has decay 0.004, eps as of its Adam.",
     .settings = settings,
     .slots = slots,
     .counts = true,
     .decay = Optimizer::Decay::decoupled,
     .decay_preset = "0.01",
     .update = adam},
};

}  // namespace

TENON_OPTIMIZER_FAMILY(adam) = rows;

}  // namespace tenon::transforms
