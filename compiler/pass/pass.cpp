#include "pass/pass.h"

#include <algorithm>

#include "support/text.h"

namespace tenon::pass {
namespace {

std::string listed(const std::vector<std::string_view>& names) {
  std::string all;
  for (const std::string_view n : names) all += (all.empty() ? "" : ", ") + std::string(n);
  return all;
}

Errors unknown(const std::string& what, std::string_view word, const std::vector<std::string_view>& names,
               const std::string& kind) {
  const std::string_view near = nearest(word, names);
  return error(Code::pass_unknown, what,
               near.empty() ? kind + ": " + listed(names) : "did you mean " + std::string(near) + "?");
}

// Where the entry that begins at `at` ends: at a comma outside of braces.
size_t end_of_entry(std::string_view text, size_t at) {
  bool inside = false;
  for (; at < text.size() && (inside || text[at] != ','); ++at) {
    if (text[at] == '{') inside = true;
    if (text[at] == '}') inside = false;
  }
  return at;
}

// "{n = 8, t = 4}" of the pass.
Status read_options(const About& pass, std::string_view text, Options* out) {
  const std::string name(pass.name);
  if (!text.ends_with('}'))
    return error(Code::pass_unknown, "the options of pass " + name + " are not closed",
                 name + "{option = value, …}");
  for (const std::string_view part : split(text.substr(1, text.size() - 2), ',')) {
    const size_t equals = part.find('=');
    const std::string_view key = trim(part.substr(0, equals));
    const std::string_view value = equals == std::string_view::npos ? "" : trim(part.substr(equals + 1));
    if (key.empty() || value.empty())
      return error(Code::pass_unknown,
                   "an option of pass " + name + " is no \"option = value\": " + quote(trim(part)),
                   name + "{option = value, …}");
    std::vector<std::string_view> names;
    bool known = false;
    for (const OptionAbout& o : pass.options) {
      known = known || o.name.empty() || o.name == key;
      names.push_back(o.name);
    }
    if (!known && names.empty())
      return error(Code::pass_unknown, "pass " + name + " takes no options, found " + std::string(key));
    if (!known)
      return unknown("pass " + name + " has no option " + std::string(key), key, names, "its options");
    if (!out->emplace(key, value).second)
      return error(Code::pass_unknown,
                   "option " + std::string(key) + " of pass " + name + " stands there twice");
  }
  return Ok{};
}

}  // namespace

Result<std::vector<StepText>> parse_steps(std::string_view text, const std::vector<const About*>& known) {
  std::vector<std::string_view> names;
  for (const About* p : known) names.push_back(p->name);
  std::vector<StepText> out;
  Errors errors;
  if (trim(text).empty()) return out;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = end_of_entry(text, at);
    const std::string_view entry = trim(text.substr(at, end - at));
    at = end + 1;
    const size_t brace = std::min(entry.find('{'), entry.size());
    const std::string_view word = trim(entry.substr(0, brace));
    const auto found = std::find(names.begin(), names.end(), word);
    if (found == names.end()) {
      errors.append(
          unknown(word.empty() ? "a pipeline has an empty entry" : "no pass is named " + std::string(word),
                  word, names, "passes"));
      continue;
    }
    StepText step{std::string(word), {}};
    if (brace != entry.size())
      if (Status s = read_options(*known[static_cast<size_t>(found - names.begin())], entry.substr(brace),
                                  &step.options);
          !s)
        errors.append(s.take_errors());
    out.push_back(std::move(step));
  }
  if (!errors.empty()) return errors;
  return out;
}

Result<bool> yes_or_no(const Options& options, std::string_view name, bool otherwise) {
  const auto found = options.find(name);
  if (found == options.end()) return otherwise;
  if (found->second == "yes") return true;
  if (found->second == "no") return false;
  return error(Code::pass_unknown, std::string(name) + " takes yes or no, found " + quote(found->second));
}

}  // namespace tenon::pass
