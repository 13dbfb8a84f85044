// Schedules along half a cosine.
#include <numbers>

#include "transforms/schedule.h"

namespace tenon::transforms {
namespace {

using Kind = SettingDef::Kind;
using Range = SettingDef::Range;

// From `first` at 0 to `last` at 1.
V half_cosine(V first, V last, V part) {
  return last + (first - last) * (0.5 * (1.0 + ops::cos(std::numbers::pi * part)));
}
V line(V first, V last, V part) { return first + (last - first) * part; }

V cosine(const Progress& p) { return half_cosine(p.number("from"), p.number("to"), part_done(p)); }

// Up in `rise` of the steps, and down in the others; with three phases down to `from` as fast as it rose,
// then on to `to`. Ends of phases are those of PyTorch: the last update of all, steps - 1, has the value
// `to`.
V one_cycle(const Progress& p) {
  const V peak = p.number("peak"), steps = p.number("steps"), rise = p.number("rise");
  const V first = p.has("from") ? p.number("from") : peak / 25.0;
  const V last = p.has("to") ? p.number("to") : first / 1e4;
  const auto between = p.given().word("anneal") == "linear" ? line : half_cosine;
  const V top = rise * steps - 1.0, end = steps - 1.0;
  // A rise of less than one update has only its beginning.
  const V up = between(first, peak, p.t / ops::max(top, 1.0));
  const auto down = [&](V from, V to, V start, V stop) {
    return between(from, to, ops::min((p.t - start) / (stop - start), 1.0));
  };
  if (!p.given().flag("three_phase")) return ops::select(p.t <= top, up, down(peak, last, top, end));
  const V back = 2.0 * (rise * steps) - 2.0;
  return ops::select(p.t <= top, up,
                     ops::select(p.t <= back, down(peak, first, top, back), down(first, last, back, end)));
}

std::string one_cycle_problem(const Given& given) {
  if (given.flag("three_phase") && given.literal("rise") > 0.5)
    return "rise = " + std::string(given.word("rise")) +
           ", wants at most 0.5 where it falls as fast as it rose";
  return {};
}

constexpr SettingDef cosine_settings[] = {
    {.name = "from", .doc = "value at t = 0", .kind = Kind::number, .usual = "0.1"},
    {.name = "to", .doc = "value from t = steps on", .kind = Kind::number, .preset = "0"},
    {.name = "steps",
     .doc = "updates until it has ended",
     .kind = Kind::number,
     .range = Range::positive,
     .usual = "1000"},
};
constexpr SettingDef one_cycle_settings[] = {
    {.name = "peak", .doc = "the value at the end of the rise", .kind = Kind::number, .usual = "0.1"},
    {.name = "steps",
     .doc = "updates of the whole cycle",
     .kind = Kind::number,
     .range = Range::positive,
     .usual = "1000"},
    {.name = "from", .doc = "value at t = 0", .kind = Kind::number, .otherwise = "peak / 25"},
    {.name = "to", .doc = "value from t = steps - 1 on", .kind = Kind::number, .otherwise = "from / 1e4"},
    {.name = "rise",
     .doc = "part of the steps in which it rises",
     .kind = Kind::number,
     .range = Range::share,
     .preset = "0.3"},
    {.name = "anneal",
     .doc = "the way between the values",
     .kind = Kind::word,
     .preset = "cosine",
     .choices = "cosine|linear"},
    {.name = "three_phase",
     .doc = "falls to `from` in as many updates as it rose, then to `to`",
     .kind = Kind::flag,
     .preset = "false"},
};

constexpr Schedule rows[] = {
    {.name = "cosine",
     .doc = "Half a cosine from one value to another, where it stays.",
     .formula = "to + (from - to) (1 + cos(pi min(t / steps, 1))) / 2",
     .source = "I. Loshchilov, F. Hutter, SGDR, 2017. Keras `CosineDecay`; PyTorch `CosineAnnealingLR`, "
               "which rises again "
               "after T_max",
     .settings = cosine_settings,
     .value = cosine},
    {.name = "one_cycle",
     .doc = "Up and down once; for a momentum that falls and rises with it, a peak below `from`.",
     .formula = "from -> peak until t = rise steps - 1, peak -> to until t = steps - 1",
     .source = "L. N. Smith, N. Topin, Super-convergence, 2019. PyTorch `OneCycleLR`: from = max_lr / "
               "div_factor, to = from / "
               "final_div_factor",
     .settings = one_cycle_settings,
     .value = one_cycle,
     .problem = one_cycle_problem},
};

}  // namespace

TENON_SCHEDULE_FAMILY(cosine) = rows;

}  // namespace tenon::transforms
