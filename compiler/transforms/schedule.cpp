#include "transforms/schedule.h"

#include "transforms/scalars.h"

namespace tenon::transforms {
namespace {

using Kind = SettingDef::Kind;
using Range = SettingDef::Range;

constexpr SettingDef everyones[] = {
    {.name = "warmup",
     .doc = "updates before its t = 0, in which the value rises along a line from `warmup_from`",
     .kind = Kind::number,
     .range = Range::not_negative,
     .preset = "0"},
    {.name = "warmup_from",
     .doc = "value at the first update of a warm-up",
     .kind = Kind::number,
     .preset = "0"},
};

}  // namespace

std::vector<SettingDef> schedule_settings(const Schedule& schedule) {
  std::vector<SettingDef> out(schedule.settings.begin(), schedule.settings.end());
  out.insert(out.end(), std::begin(everyones), std::end(everyones));
  return out;
}

V Progress::number(std::string_view setting) const {
  const ir::Option* given = given_.find(setting);
  return given != nullptr ? scalars_.word(given->word, DType::f64)
                          : scalars_.word(std::string(given_.def(setting).preset), DType::f64);
}

std::vector<V> Progress::numbers(std::string_view setting) const {
  std::vector<V> out;
  for (const std::string& item : given_.find(setting)->list) out.push_back(scalars_.word(item, DType::f64));
  return out;
}

V part_done(const Progress& p) { return ops::min(p.t / p.number("steps"), 1.0); }

V schedule_value(const Schedule& schedule, const std::vector<ir::Option>& options, V count,
                 Scalars& scalars) {
  const std::vector<SettingDef> defs = schedule_settings(schedule);
  const Given given(defs, options);
  const Progress whole(count, scalars, given);
  if (given.literal("warmup") == 0) return schedule.value(whole);
  // The same until the warm-up has ended: what the line leads to.
  const V warmup = whole.number("warmup"), first = whole.number("warmup_from");
  const V value = schedule.value(Progress(ops::max(count - warmup, 0.0), scalars, given));
  return ops::select(count < warmup, first + (value - first) * (count / warmup), value);
}

}  // namespace tenon::transforms
