// Schedules that fall without end, or to a last value.
#include "transforms/schedule.h"

namespace tenon::transforms {
namespace {

using Kind = SettingDef::Kind;
using Range = SettingDef::Range;

constexpr SettingDef from{.name = "from", .doc = "value at t = 0", .kind = Kind::number, .usual = "0.1"};
constexpr SettingDef to{.name = "to", .doc = "value from t = steps on", .kind = Kind::number, .preset = "0"};
constexpr SettingDef steps{.name = "steps",
                           .doc = "updates until it has ended",
                           .kind = Kind::number,
                           .range = Range::positive,
                           .usual = "1000"};
constexpr SettingDef period{.name = "steps",
                            .doc = "updates to which the factor belongs",
                            .kind = Kind::number,
                            .range = Range::positive,
                            .preset = "1"};
constexpr SettingDef staircase{.name = "staircase",
                               .doc = "changes once in `steps` updates, by whole steps",
                               .kind = Kind::flag,
                               .preset = "false"};

V constant(const Progress& p) { return p.number("value"); }

V linear(const Progress& p) {
  const V first = p.number("from");
  return first + (p.number("to") - first) * part_done(p);
}

V polynomial(const Progress& p) {
  const V last = p.number("to");
  return last + (p.number("from") - last) * ops::pow(1.0 - part_done(p), p.number("power"));
}

// How often `steps` have passed.
V periods(const Progress& p) {
  const V done = p.t / p.number("steps");
  return p.given().flag("staircase") ? ops::emit("floor", {done}) : done;
}
V exponential(const Progress& p) { return p.number("from") * ops::pow(p.number("factor"), periods(p)); }
V inverse_time(const Progress& p) { return p.number("from") / (1.0 + p.number("factor") * periods(p)); }

V piecewise(const Progress& p) {
  const std::vector<V> values = p.numbers("values"), at = p.numbers("at");
  V out = values[0];
  for (size_t i = 0; i < at.size(); ++i) out = ops::select(p.t >= at[i], values[i + 1], out);
  return out;
}

std::string piecewise_problem(const Given& given) {
  const std::vector<std::string>&values = given.find("values")->list, &at = given.find("at")->list;
  if (values.size() != at.size() + 1)
    return std::to_string(values.size()) + " values and " + std::to_string(at.size()) +
           " changes: one value more than changes is wanted";
  for (size_t i = 1; i < at.size(); ++i) {
    const std::optional<Number> before = Number::parse(at[i - 1]), after = Number::parse(at[i]);
    if (before && after && !(before->approximate() < after->approximate()))
      return "at: " + at[i] + " stands behind " + at[i - 1] + ", wants them to rise";
  }
  return {};
}

constexpr SettingDef constant_settings[] = {
    {.name = "value", .doc = "the value", .kind = Kind::number, .usual = "0.1"}};
constexpr SettingDef linear_settings[] = {from, to, steps};
constexpr SettingDef polynomial_settings[] = {from,
                                              to,
                                              steps,
                                              {.name = "power",
                                               .doc = "1 is a line, above it falls faster at first",
                                               .kind = Kind::number,
                                               .range = Range::positive,
                                               .usual = "2"}};
constexpr SettingDef exponential_settings[] = {from,
                                               {.name = "factor",
                                                .doc = "by which it is multiplied in `steps` updates",
                                                .kind = Kind::number,
                                                .usual = "0.9"},
                                               period,
                                               staircase};
constexpr SettingDef inverse_settings[] = {
    from,
    {.name = "factor", .doc = "how fast the divisor grows", .kind = Kind::number, .usual = "0.1"},
    period,
    staircase};
constexpr SettingDef piecewise_settings[] = {
    {.name = "values", .doc = "the value at first, then after each change", .kind = Kind::numbers},
    {.name = "at", .doc = "t from which each further value holds, rising", .kind = Kind::numbers},
};

constexpr Schedule rows[] = {
    {.name = "constant",
     .doc = "One value, for a warm-up before it.",
     .formula = "value",
     .source = "PyTorch `ConstantLR` with factor 1",
     .settings = constant_settings,
     .value = constant},
    {.name = "linear",
     .doc = "A line from one value to another, where it stays.",
     .formula = "from + (to - from) min(t / steps, 1)",
     .source = "PyTorch `LinearLR`; Keras `PolynomialDecay` of power 1",
     .settings = linear_settings,
     .value = linear},
    {.name = "polynomial",
     .doc = "A power of what is left of the way.",
     .formula = "to + (from - to) (1 - min(t / steps, 1))^power",
     .source = "Keras `PolynomialDecay`; PyTorch `PolynomialLR`, where `to` is 0",
     .settings = polynomial_settings,
     .value = polynomial},
    {.name = "exponential",
     .doc = "Falls by a factor.",
     .formula = "from factor^(t / steps), the exponent rounded down with `staircase`",
     .source = "Keras `ExponentialDecay`; PyTorch `ExponentialLR` (steps 1) and `StepLR` (staircase)",
     .settings = exponential_settings,
     .value = exponential},
    {.name = "inverse_time",
     .doc = "Falls as one over the time.",
     .formula = "from / (1 + factor t / steps), t / steps rounded down with `staircase`",
     .source = "Keras `InverseTimeDecay`; PyTorch lr_decay of `Adagrad`",
     .settings = inverse_settings,
     .value = inverse_time},
    {.name = "piecewise",
     .doc = "Constant between changes.",
     .formula = "values[k], where k changes have come: at[k - 1] <= t < at[k]",
     .source = "PyTorch `MultiStepLR`. Keras `PiecewiseConstantDecay` changes one update later, at t > at[k]",
     .settings = piecewise_settings,
     .value = piecewise,
     .problem = piecewise_problem},
};

}  // namespace

TENON_SCHEDULE_FAMILY(decays) = rows;

}  // namespace tenon::transforms
