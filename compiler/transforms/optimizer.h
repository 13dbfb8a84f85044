// Optimizers: update rules of one parameter, as ordinary graph operations.
//
// An optimizer is a row of a file in transforms/optimizers/: its settings with their presets, the slots it
// keeps beside each parameter (states named after it: fc1.w.m), whether it counts its updates, and the rule.
// All right sides read the values at entry. From the row follow the text form, the builder of the C++ layer,
// and its entry in docs/optimizers.md.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "ops/expr.h"
#include "transforms/family.h"
#include "transforms/settings.h"

namespace tenon::transforms {
using ops::V;

struct Slot {
  std::string_view name;  // "m": the state <parameter>.m
  std::string_view doc;
  std::string_view when = {};     // a setting; there is no slot where that is false or 0
  std::string_view initial = {};  // of every element: a number, or a setting that is a literal; empty: 0
  bool scalar = false;            // one number, not one for each element
};

class UpdateContext;

// What a rule sees of the parameter that it updates. Numbers are rank 0, of the parameter's element type.
class Update {
 public:
  Update(UpdateContext& context, std::string param, V p, V g)
      : p(p), g(g), context_(context), param_(std::move(param)) {}

  const V p, g;  // the parameter at entry; what is taken for its gradient, of the same type

  V lr() const;  // the setting `lr`, times the parameter's factor
  V number(std::string_view setting) const;
  bool flag(std::string_view setting) const;
  bool has(std::string_view slot) const;
  V slot(std::string_view slot) const;  // its value at entry
  void write(std::string_view slot, V value) const;
  V t() const;  // updates done, this one among them
  // A number that follows from settings and t alone: made for the first parameter, and taken for others with
  // the same settings.
  V once(std::string_view name, const std::function<V()>& make) const;

 private:
  UpdateContext& context_;
  std::string param_;
};

struct Optimizer {
  // Coupled: the decay is added to the gradient, g + decay p. Decoupled: the parameter is shrunk by
  // lr decay p beside the update.
  enum class Decay : uint8_t { coupled, decoupled };

  std::string_view name, doc;
  std::string_view formula;      // with p, g, t and slots as the rule has them; lines end with ';'
  std::string_view source;       // where it was published
  std::string_view others = {};  // where PyTorch or Keras do otherwise
  std::span<const SettingDef> settings;
  std::span<const Slot> slots = {};
  bool counts = false;  // its updates, in the state `step`
  Decay decay = Decay::coupled;
  std::string_view decay_preset = {};    // where the step says nothing; empty: none
  V (*update)(const Update&) = nullptr;  // what is taken from the parameter
};

// In the order of their names.
std::span<const Optimizer* const> all_optimizers();
std::span<const std::string_view> optimizer_names();
const Optimizer* find_optimizer(std::string_view name);

// Settings that several optimizers share.
inline constexpr SettingDef learning_rate(std::string_view preset, std::string_view usual = {}) {
  return {.name = "lr",
          .doc = "learning rate",
          .range = SettingDef::Range::not_negative,
          .preset = preset,
          .usual = usual};
}
inline constexpr SettingDef share_kept(std::string_view name, std::string_view preset, std::string_view doc) {
  return {.name = name, .doc = doc, .range = SettingDef::Range::below_one, .preset = preset};
}
inline constexpr SettingDef epsilon(std::string_view preset) {
  return {.name = "eps",
          .doc = "keeps the divisor from 0",
          .range = SettingDef::Range::not_negative,
          .preset = preset};
}

}  // namespace tenon::transforms
