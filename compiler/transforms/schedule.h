// Schedules: numbers that follow the count of updates, in the place of any setting of an optimizer or step.
//   lr = cosine {from = 0.1, to = 0.001, steps = 1000, warmup = 100}
//
// A schedule is a row of a file in transforms/schedules/: its settings, and its value as a graph. It computes
// in f64, whatever the parameters are. The count is the optimizer's state `step`: updates done before this
// one, so 0 at the first.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ops/expr.h"
#include "transforms/family.h"
#include "transforms/settings.h"

namespace tenon::transforms {
using ops::V;

class Scalars;

// What a schedule's rule sees.
class Progress {
 public:
  Progress(V t, Scalars& scalars, Given given) : t(t), scalars_(scalars), given_(given) {}

  const V t;  // f64[]: updates done since the warm-up, 0 and more

  V number(std::string_view setting) const;  // f64[]
  std::vector<V> numbers(std::string_view setting) const;
  bool has(std::string_view setting) const { return given_.find(setting) != nullptr; }
  const Given& given() const { return given_; }

 private:
  Scalars& scalars_;
  Given given_;
};

struct Schedule {
  std::string_view name, doc;
  std::string_view formula;              // of t, updates done since the warm-up
  std::string_view source;               // the same in other libraries, and where they differ
  std::span<const SettingDef> settings;  // its own; `warmup` and `warmup_from` are everyone's
  V (*value)(const Progress&);
  // What is wrong with what is given, in users' words; empty where nothing is. Null: nothing can be.
  std::string (*problem)(const Given&) = nullptr;
};

// In the order of their names.
std::span<const Schedule* const> all_schedules();
std::span<const std::string_view> schedule_names();
const Schedule* find_schedule(std::string_view name);
// Its own settings, then those of all schedules.
std::vector<SettingDef> schedule_settings(const Schedule& schedule);
// The schedule's value, f64[], at `count` updates done (f64[]).
V schedule_value(const Schedule& schedule, const std::vector<ir::Option>& given, V count, Scalars& scalars);

// t over the setting `steps`, and no more than 1: how far a schedule is that ends.
V part_done(const Progress& p);

}  // namespace tenon::transforms
