// optimizers.hpp: a function of the C++ layer for each optimizer and schedule, and docs/optimizers.md.
//
// An optimizer `adam {lr, beta1}` becomes `Optimizer adam(AdamOptions{lr, beta1})`, a schedule `cosine
// {from}` `Setting schedule::cosine(CosineOptions{from})`. What is left at its preset is left out of the
// text.
#include "driver/opgen/opgen.h"
#include "support/number.h"
#include "support/text.h"
#include "transforms/optimizer.h"
#include "transforms/schedule.h"

namespace tenon::driver {
namespace {

using transforms::Optimizer;
using transforms::Schedule;
using transforms::SettingDef;
using transforms::Slot;
using Kind = SettingDef::Kind;

std::string setting_doc(const SettingDef& s) {
  std::string doc(s.doc);
  if (!s.choices.empty()) {
    std::string words;
    for (const std::string_view word : support::split(s.choices, '|'))
      words += (words.empty() ? "" : ", ") + std::string(word);
    doc += " (" + words + ")";
  }
  if (const std::string_view range = transforms::range_text(s.range); !range.empty())
    doc += "; " + std::string(range);
  return doc;
}

// Has to be given in a text. In C++ what is usual holds, where there is such a value for an optimizer.
bool is_required(const SettingDef& s) { return s.preset.empty() && s.otherwise.empty(); }

std::string member(const SettingDef& s, bool schedule) {
  const std::string name(s.name), preset(s.preset);
  switch (s.kind) {
    case Kind::flag:
      return "bool " + name + " = " + preset + ";";
    case Kind::word:
      return "std::string " + name + " = \"" + preset + "\";";
    case Kind::numbers:
      return "std::vector<Setting> " + name + " = {};";
    default:
      if (!preset.empty()) return "Setting " + name + " = " + preset + ";";
      return "Setting " + name + " = " + (schedule ? "{}" : std::string(s.usual)) + ";";
  }
}

// What makes the text leave a member out.
std::string preset_text(const SettingDef& s) {
  if (s.kind == Kind::numbers) return "";
  if (s.kind == Kind::word) return ", \"" + std::string(s.preset) + "\"";
  if (!s.preset.empty()) return ", " + std::string(s.preset);
  return ", {}";
}

void builder(std::string* out, std::string_view name, const std::string& doc,
             std::span<const SettingDef> settings, bool schedule) {
  const std::string options = options_name(name), result = schedule ? "Setting" : "Optimizer";
  *out += "\nstruct " + options + " {\n";
  bool required = false;
  for (const SettingDef& s : settings) {
    std::string text = setting_doc(s);
    if (is_required(s) && schedule) {
      text += "; has to be given";
      required = true;
    } else if (s.preset.empty() && !s.otherwise.empty()) {
      text += "; left out: " + std::string(s.otherwise);
    }
    comment(out, "  ", text);
    *out += "  " + member(s, schedule) + "\n";
  }
  *out += "};\n";
  comment(out, "", doc);
  *out += "inline " + result + " " + std::string(name) + "(const " + options + "& o" +
          (required ? "" : " = {}") + ") {\n  detail::SettingList list;\n";
  for (const SettingDef& s : settings)
    *out += "  list.add(\"" + std::string(s.name) + "\", o." + std::string(s.name) + preset_text(s) + ");\n";
  *out += "  return " + std::string(schedule ? "Setting::written(" : "{") + "\"" + std::string(name) +
          "\" + list.text()" + (schedule ? ")" : "}") + ";\n}\n";
}

void setting_rows(std::string* out, std::span<const SettingDef> settings) {
  *out += "\n| setting | preset | meaning |\n| --- | --- | --- |\n";
  for (const SettingDef& s : settings) {
    const std::string preset = !s.preset.empty()      ? "`" + std::string(s.preset) + "`"
                               : !s.otherwise.empty() ? std::string(s.otherwise)
                                                      : "required";
    *out += "| `" + std::string(s.name) + "` | " + preset + " | " + setting_doc(s) + " |\n";
  }
}

std::string formula_block(std::string_view formula) {
  std::string out = "\n```text\n";
  for (const std::string_view line : support::split(formula, ';'))
    out += std::string(support::trim(line)) + "\n";
  return out + "```\n";
}

std::string slots_line(const Optimizer& o) {
  std::string out;
  for (const Slot& s : o.slots) {
    out += (out.empty() ? "" : ", ") + ("`" + std::string(s.name) + "` (" + std::string(s.doc));
    if (!s.when.empty()) out += "; with " + std::string(s.when);
    if (!s.initial.empty()) out += "; at first " + std::string(s.initial);
    out += ")";
  }
  if (out.empty()) out = "none";
  return "Slots: " + out + ". " +
         (o.counts ? "Counts in `step`." : "Counts in `step` only where a schedule or an average does.");
}

void optimizer(std::string* out, const Optimizer& o) {
  *out += "\n### " + std::string(o.name) + "\n\n" + std::string(o.doc) + "\n" + formula_block(o.formula);
  setting_rows(out, o.settings);
  *out +=
      "\n" + slots_line(o) + " Weight decay is " +
      (o.decay == Optimizer::Decay::coupled ? "added to the gradient, g + decay p"
                                            : "beside the update, p - lr decay p") +
      (o.decay_preset.empty() ? "" : "; " + std::string(o.decay_preset) + " where the step says nothing") +
      ".\n\nSource: " + std::string(o.source) + ".\n";
  if (!o.others.empty()) *out += "\n" + std::string(o.others) + (o.others.ends_with('.') ? "\n" : ".\n");
}

void schedule(std::string* out, const Schedule& s) {
  *out += "\n### " + std::string(s.name) + "\n\n" + std::string(s.doc) + "\n" + formula_block(s.formula);
  setting_rows(out, s.settings);
  *out += "\n" + std::string(s.source) + ".\n";
}

template <class Rows>
std::string links(const Rows& rows) {
  std::string out;
  for (const auto* row : rows)
    out += (out.empty() ? "" : ", ") + ("[" + std::string(row->name) + "](#" + std::string(row->name) + ")");
  return out;
}

}  // namespace

std::string optimizer_builders() {
  std::string out =
      "// Optimizers and schedules, made from their tables by tenon_opgen. Do not edit.\n"
      "#pragma once\n\n#include \"tenon/model.hpp\"\n\nTENON_NAMESPACE_BEGIN\n";
  for (const Optimizer* o : transforms::all_optimizers())
    builder(&out, o->name, std::string(o->doc) + " " + std::string(o->source) + ".", o->settings, false);
  out +=
      "\n/// Numbers that follow the count of updates, for any setting of an optimizer or step.\nnamespace "
      "schedule {\n";
  for (const Schedule* s : transforms::all_schedules())
    builder(&out, s->name, std::string(s->doc) + " " + std::string(s->formula),
            transforms::schedule_settings(*s), true);
  return out + "\n}  // namespace schedule\n\nTENON_NAMESPACE_END\n";
}

std::string optimizer_reference() {
  std::string out =
      "# Optimizers and schedules\n\n"
      "Made from the declarations in `compiler/transforms/optimizers/` and `schedules/` by `tenon_opgen`; do "
      "not edit. "
      "`TENON_BLESS=1` with\nthe test `ops.reference` writes it anew. How a step takes them, and its options "
      "for all of "
      "them, stands in [derive.md](derive.md).\n\n"
      "- Optimizers: " +
      links(transforms::all_optimizers()) + "\n- Schedules: " + links(transforms::all_schedules()) +
      "\n\n## Optimizers\n\n"
      "Formulas are of one parameter p with gradient g, at the t-th update. A line `m = ...` gives the slot "
      "`m` its new value, which the\nlines below it read; the last one is the new parameter. They are "
      "PyTorch's, to "
      "rounding; where another library does otherwise is said.\n";
  for (const Optimizer* o : transforms::all_optimizers()) optimizer(&out, *o);
  out +=
      "\n## Schedules\n\n"
      "A schedule stands in the place of a setting's number. t counts updates: 0 at the first, or, with "
      "`warmup`, at the "
      "first behind it.\nAll schedules take, beside their own settings:\n";
  const Schedule none{};
  setting_rows(&out, transforms::schedule_settings(none));
  for (const Schedule* s : transforms::all_schedules()) schedule(&out, *s);
  return out;
}

}  // namespace tenon::driver
