#include "transforms/optimizer.h"

namespace tenon::transforms {
namespace {

V adadelta(const Update& u) {
  const V rho = u.number("rho"), eps = u.number("eps");
  const V rest = u.once("1 - rho", [&] { return 1.0 - rho; });
  const V v = rho * u.slot("v") + rest * (u.g * u.g);
  const V taken = ops::sqrt(u.slot("d") + eps) / ops::sqrt(v + eps) * u.g;
  u.write("v", v);
  u.write("d", rho * u.slot("d") + rest * (taken * taken));
  return u.lr() * taken;
}

constexpr SettingDef settings[] = {
    learning_rate("1"),
    share_kept("rho", "0.9", "what is kept of the means of squares"),
    epsilon("1e-6"),
};
constexpr Slot slots[] = {
    {.name = "v", .doc = "mean of the squares of gradients"},
    {.name = "d", .doc = "mean of the squares of updates"},
};

constexpr Optimizer rows[] = {
    {.name = "adadelta",
     .doc = "Updates as large as those before them: without a rate to choose.",
     .formula = "v = rho v + (1 - rho) g g; s = sqrt(d + eps) / sqrt(v + eps) g; d = rho d + (1 - rho) s s; "
                "p - lr s",
     .source = "M. D. Zeiler, Adadelta: an adaptive learning rate method, 2012",
     .others = "Keras has lr = 0.001, rho = 0.95, eps = 1e-7.",
     .settings = settings,
     .slots = slots,
     .update = adadelta},
};

}  // namespace

TENON_OPTIMIZER_FAMILY(adadelta) = rows;

}  // namespace tenon::transforms
