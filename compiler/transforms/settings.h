// Settings: what optimizers, schedules and steps declare that they can be given, and the check of what a
// directive gives. A value is a number, the name of a hyper-parameter, parameter or state of one number, a
// schedule, or these by patterns of parameters, of which the first that matches holds:
//   lr = 0.1    lr = rate    lr = cosine {from = 0.1, steps = 1000}    lr = {head.* = 0.1, * = 0.01}
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace tenon::transforms {
using namespace support;

class StepGraph;

struct SettingDef {
  // Each kind but the last three takes what the one before it does.
  enum class Kind : uint8_t {
    literal,  // a number
    number,   // or a name
    scalar,   // or a schedule
    value,    // or these by patterns of parameters
    numbers,  // a list of numbers and names
    flag,     // true or false
    word,     // one of `choices`
  };
  enum class Range : uint8_t { any, not_negative, positive, below_one, share };

  std::string_view name, doc;
  Kind kind = Kind::value;
  Range range = Range::any;         // of a number that is written
  std::string_view preset = {};     // as it would be written; empty: see below
  std::string_view otherwise = {};  // what holds where nothing is given and there is no preset: "peak / 25"
  std::string_view usual = {};      // of one that has to be given: what to begin with
  std::string_view choices = {};    // "cosine|linear"
};
// "0 or more"; empty for any number.
std::string_view range_text(SettingDef::Range range);

// What is given for declared settings.
class Given {
 public:
  Given(std::span<const SettingDef> defs, const std::vector<ir::Option>& options)
      : defs_(defs), options_(&options) {}
  const SettingDef& def(std::string_view name) const;
  const ir::Option* find(std::string_view name) const;  // null: not given
  bool flag(std::string_view name) const;
  std::string_view word(std::string_view name) const;
  // A number that is written, or the preset's; NaN for what is known only at run time.
  double literal(std::string_view name) const;

 private:
  std::span<const SettingDef> defs_;
  const std::vector<ir::Option>* options_;
};

bool by_pattern(const ir::Option& option);
// What holds for a parameter: the option itself, or that of the first pattern; null where none matches.
const ir::Option* choose(const ir::Option& option, std::string_view param);
// Whether anything here is a schedule, at any depth.
bool has_schedule(const std::vector<ir::Option>& options);

// Checks options against declarations; all errors at once, without a place.
class SettingCheck {
 public:
  // `params`: the trained ones, which patterns have to match and whose element types numbers have to fit.
  SettingCheck(const StepGraph& graph, std::span<const std::string> params)
      : graph_(graph), params_(params) {}

  Errors settings(std::span<const SettingDef> defs, const std::vector<ir::Option>& given,
                  const std::string& who) const;
  Errors value(const SettingDef& def, const ir::Option& option, const std::string& who) const;
  // Every pattern of the group matches a parameter that none before it matches.
  Errors patterns(const ir::Option& option, const std::string& who) const;

 private:
  Errors scalar(const SettingDef& def, const ir::Option& option, const std::string& who) const;
  Errors schedule(const ir::Option& option, const std::string& who) const;
  Errors word(const SettingDef& def, const std::string& text, const std::string& who) const;

  const StepGraph& graph_;
  std::span<const std::string> params_;
};

}  // namespace tenon::transforms
