#include "transforms/settings.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "support/text.h"
#include "transforms/options.h"
#include "transforms/schedule.h"
#include "transforms/step_graph.h"
#include "transforms/update.h"

namespace tenon::transforms {

using Kind = SettingDef::Kind;
using Range = SettingDef::Range;

namespace {

bool in_range(Range range, double x) {
  switch (range) {
    case Range::any:
      return std::isfinite(x);
    case Range::not_negative:
      return x >= 0 && std::isfinite(x);
    case Range::positive:
      return x > 0 && std::isfinite(x);
    case Range::below_one:
      return x >= 0 && x < 1;
    case Range::share:
      return x >= 0 && x <= 1;
  }
  return false;
}

std::string_view wanted(Kind kind) {
  switch (kind) {
    case Kind::literal:
      return "a number";
    case Kind::number:
      return "a number, or the name of one";
    case Kind::scalar:
      return "a number, the name of one, or a schedule";
    case Kind::value:
      return "a number, the name of one, a schedule, or these by patterns";
    case Kind::numbers:
      return "a list of numbers: [0.1, 0.01]";
    case Kind::flag:
      return "true or false";
    case Kind::word:
      return "a word";
  }
  return {};
}

Errors wrong_form(const SettingDef& def, const std::string& who) {
  return error(Code::derive_invalid, who + " wants " + std::string(wanted(def.kind)));
}

}  // namespace

std::string_view range_text(Range range) {
  switch (range) {
    case Range::any:
      return {};
    case Range::not_negative:
      return "0 or more";
    case Range::positive:
      return "above 0";
    case Range::below_one:
      return "from 0 to below 1";
    case Range::share:
      return "from 0 to 1";
  }
  return {};
}

const SettingDef& Given::def(std::string_view name) const {
  for (const SettingDef& d : defs_)
    if (d.name == name) return d;
  TENON_CHECK(false, "no setting is named " + std::string(name));
  return defs_.front();
}
const ir::Option* Given::find(std::string_view name) const { return find_option(*options_, name); }
std::string_view Given::word(std::string_view name) const {
  const ir::Option* given = find(name);
  return given != nullptr ? std::string_view(given->word) : def(name).preset;
}
bool Given::flag(std::string_view name) const { return word(name) == "true"; }
double Given::literal(std::string_view name) const {
  const std::optional<Number> number = Number::parse(word(name));
  return number ? number->approximate() : std::numeric_limits<double>::quiet_NaN();
}

bool by_pattern(const ir::Option& option) {
  return option.word.empty() && !option.is_list && !option.group.empty();
}

const ir::Option* choose(const ir::Option& option, std::string_view param) {
  if (!by_pattern(option)) return &option;
  for (const ir::Option& o : option.group)
    if (glob_match(o.name, param)) return &o;
  return nullptr;
}

bool has_schedule(const std::vector<ir::Option>& options) {
  for (const ir::Option& o : options)
    if ((!o.word.empty() && !o.group.empty() && find_schedule(o.word) != nullptr) || has_schedule(o.group))
      return true;
  return false;
}

Errors SettingCheck::settings(std::span<const SettingDef> defs, const std::vector<ir::Option>& given,
                              const std::string& who) const {
  std::vector<OptionDef> known;
  for (const SettingDef& d : defs) known.push_back({d.name});
  const auto of_step = [](std::string_view name) {
    const bool known =
        std::find(std::begin(update_options), std::end(update_options), name) != std::end(update_options);
    return known ? "it is an option of the step, and stands beside `with`" : std::string();
  };
  Errors errors;
  if (Status s = check_options(given, known, who, of_step); !s) errors.append(s.take_errors());
  for (const SettingDef& d : defs) {
    const std::string name(d.name);
    if (const ir::Option* option = find_option(given, d.name)) {
      errors.append(value(d, *option, who + ": " + name));
    } else if (d.preset.empty() && d.otherwise.empty()) {
      const std::string example = d.kind == Kind::numbers ? "[0.1, 0.01]" : std::string(d.usual);
      errors.append(error(Code::derive_invalid, who + ": option " + name + " is missing",
                          "give {" + name + " = " + example + "}" +
                              (d.kind == Kind::numbers ? "" : ", or the name of a hyper-parameter")));
    }
  }
  return errors;
}

Errors SettingCheck::patterns(const ir::Option& option, const std::string& who) const {
  Errors errors;
  std::vector<std::string_view> names(params_.begin(), params_.end());
  std::vector<const ir::Option*> taken(params_.size(), nullptr);
  for (const ir::Option& o : option.group) {
    bool matches = false, decides = false;
    std::string before;
    for (size_t i = 0; i < params_.size(); ++i) {
      if (!glob_match(o.name, params_[i])) continue;
      matches = true;
      decides = decides || taken[i] == nullptr;
      if (taken[i] == nullptr) taken[i] = &o;
      if (taken[i] != &o) before = taken[i]->name;
    }
    if (!matches) {
      const std::string_view near = nearest(o.name, names);
      errors.append(error(Code::derive_invalid, who + ": no parameter that is trained matches " + o.name,
                          near.empty() ? "" : "did you mean " + std::string(near) + "?"));
    } else if (!decides) {
      errors.append(error(Code::derive_invalid,
                          who + ": " + o.name + " decides nothing, what it matches is matched before it",
                          "the first pattern that matches holds: write it before " + before));
    }
  }
  return errors;
}

Errors SettingCheck::value(const SettingDef& def, const ir::Option& option, const std::string& who) const {
  if (!by_pattern(option)) return scalar(def, option, who);
  if (def.kind == Kind::scalar)
    return error(Code::derive_invalid, who + " is one for all parameters, and takes no patterns",
                 "give one number, or the name of a hyper-parameter");
  if (def.kind != Kind::value) return wrong_form(def, who);
  Errors errors = patterns(option, who);
  for (const ir::Option& o : option.group) {
    const std::string at = who + ": " + o.name;
    errors.append(by_pattern(o) ? error(Code::derive_invalid, at + ": patterns do not nest")
                                : scalar(def, o, at));
  }
  // Where a setting has to be given, it has to be given for every parameter.
  const bool required = def.preset.empty() && def.otherwise.empty();
  for (const std::string& param : params_) {
    if (!required || choose(option, param) != nullptr) continue;
    errors.append(error(Code::derive_invalid, who + ": no pattern matches " + param,
                        "end the list with * = " + std::string(def.usual)));
    break;
  }
  return errors;
}

Errors SettingCheck::scalar(const SettingDef& def, const ir::Option& o, const std::string& who) const {
  if (def.kind == Kind::numbers) {
    if (!o.is_list || o.list.empty() || !o.group.empty()) return wrong_form(def, who);
    Errors errors;
    for (const std::string& item : o.list) errors.append(word(def, item, who));
    return errors;
  }
  if (o.is_list || o.word.empty()) return wrong_form(def, who);
  if (def.kind == Kind::flag) {
    if ((o.word == "true" || o.word == "false") && o.group.empty()) return {};
    return error(Code::derive_invalid, who + " is " + o.word + ", wants true or false");
  }
  if (def.kind == Kind::word) {
    std::vector<std::string_view> choices = split(def.choices, '|');
    std::string all;
    for (const std::string_view c : choices) {
      if (o.word == c && o.group.empty()) return {};
      all += (all.empty() ? "" : ", ") + std::string(c);
    }
    const std::string_view near = nearest(o.word, choices);
    return error(Code::derive_invalid, who + " is " + o.word + ", wants one of " + all,
                 near.empty() ? "" : "did you mean " + std::string(near) + "?");
  }
  if (!o.group.empty()) {
    if (def.kind == Kind::scalar || def.kind == Kind::value) return schedule(o, who);
    return wrong_form(def, who);
  }
  return word(def, o.word, who);
}

Errors SettingCheck::schedule(const ir::Option& o, const std::string& who) const {
  const Schedule* found = find_schedule(o.word);
  if (found == nullptr) return unknown_name("schedule", o.word, schedule_names(), who + ": ");
  const std::string at = who + ": " + o.word;
  const std::vector<SettingDef> defs = schedule_settings(*found);
  Errors errors = settings(defs, o.group, at);
  if (errors.empty() && found->problem != nullptr)
    if (const std::string problem = found->problem(Given(defs, o.group)); !problem.empty())
      errors.append(error(Code::derive_invalid, at + ": " + problem));
  return errors;
}

Errors SettingCheck::word(const SettingDef& def, const std::string& text, const std::string& who) const {
  if (text == "true" || text == "false")
    return error(Code::derive_invalid, who + " is " + text + ", wants " + std::string(wanted(def.kind)));
  if (const std::optional<Number> literal = Number::parse(text)) {
    const double x = literal->approximate();
    if (!in_range(def.range, x)) {
      const std::string_view range = range_text(def.range);
      return error(Code::derive_invalid, who + " = " + text + ", wants " +
                                             (range.empty() ? "a finite number" : std::string(range)));
    }
    // Schedules compute in f64, whatever the parameters are.
    if (def.kind == Kind::number || def.kind == Kind::numbers) return {};
    for (const std::string& param : params_)
      if (Status fit = literal->check(graph_.find_global(param)->type.dtype, who + " = "); !fit)
        return fit.take_errors();
    return {};
  }
  if (def.kind == Kind::literal) return wrong_form(def, who);
  const ir::Global* global = graph_.find_global(text);
  if (global == nullptr) {
    if (find_schedule(text) != nullptr)
      return error(Code::derive_invalid, who + ": schedule " + text + " wants settings",
                   "write " + text + " {...}");
    return error(Code::derive_invalid, who + ": " + text + " is neither a number nor a declared name",
                 "declare it: hyper " + text + " = 0.001 : f32");
  }
  if (!global->type.is_scalar() || global->type.dtype == DType::bool_)
    return error(Code::derive_invalid,
                 who + " is " + global->name + ", which is " + global->type.text() + ", wants one number");
  if (graph_.has_input(text))
    return error(Code::duplicate_name,
                 who + ": " + text + " is an input of " + graph_.name() +
                     " as well, which hides the global of this name",
                 "name the input otherwise");
  return {};
}

}  // namespace tenon::transforms
