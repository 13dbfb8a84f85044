#include "transforms/options.h"

#include <algorithm>

#include "support/text.h"

namespace tenon::transforms {

const ir::Option* find_option(const std::vector<ir::Option>& options, std::string_view name) {
  for (const ir::Option& o : options)
    if (o.name == name) return &o;
  return nullptr;
}

namespace {

Status check_form(const ir::Option& o, OptionForm form, const std::string& where) {
  const std::string who = where + ": " + o.name;
  const bool word = !o.word.empty() && !o.is_list && o.group.empty();
  switch (form) {
    case OptionForm::own:
      return Ok{};
    case OptionForm::word:
      if (word) return Ok{};
      return error(Code::derive_invalid, who + " wants one word");
    case OptionForm::flag:
      if (word && (o.word == "true" || o.word == "false")) return Ok{};
      return error(Code::derive_invalid, who + " is " + o.word + ", wants true or false");
    case OptionForm::names:
      if (word || (o.is_list && o.group.empty())) return Ok{};
      return error(Code::derive_invalid, who + " wants a name, or a list of them", o.name + " = [a, b]");
  }
  return Ok{};
}

}  // namespace

Status check_options(const std::vector<ir::Option>& options, std::span<const OptionDef> known,
                     const std::string& where,
                     const std::function<std::string(std::string_view)>& elsewhere) {
  std::vector<std::string_view> names;
  std::string all;
  for (const OptionDef& k : known) {
    names.push_back(k.name);
    all += (all.empty() ? "" : ", ") + std::string(k.name);
  }
  Errors errors;
  for (size_t i = 0; i < options.size(); ++i) {
    const std::string& name = options[i].name;
    const auto def =
        std::find_if(known.begin(), known.end(), [&](const OptionDef& k) { return k.name == name; });
    if (def == known.end()) {
      const std::string_view near = nearest(name, names);
      std::string help = elsewhere ? elsewhere(name) : "";
      if (help.empty() && !near.empty()) help = "did you mean " + std::string(near) + "?";
      if (help.empty()) help = known.empty() ? "it takes none" : "options: " + all;
      errors.append(error(Code::derive_invalid, where + ": no option is named " + name, std::move(help)));
    } else if (Status s = check_form(options[i], def->form, where); !s) {
      errors.append(s.take_errors());
    }
    for (size_t j = 0; j < i; ++j) {
      if (options[j].name == name)
        errors.append(error(Code::derive_invalid, where + ": option " + name + " is given twice"));
    }
  }
  if (!errors.empty()) return errors;
  return Ok{};
}

std::vector<std::string> names_of(const ir::Option& option) {
  if (option.is_list) return option.list;
  return {option.word};
}

bool is_true(const std::vector<ir::Option>& options, std::string_view name) {
  const ir::Option* option = find_option(options, name);
  return option != nullptr && option->word == "true";
}

Errors unknown_name(const std::string& what, const std::string& name, std::span<const std::string_view> known,
                    const std::string& where) {
  const std::string_view near = nearest(name, known);
  std::string help = near.empty() ? "" : "did you mean " + std::string(near) + "?";
  if (near.empty())
    for (const std::string_view k : known) help += (help.empty() ? "one of " : ", ") + std::string(k);
  return error(Code::derive_invalid, where + "no " + what + " is named " + name, std::move(help));
}

std::vector<std::string_view> function_names(const ir::Module& module) {
  std::vector<std::string_view> names;
  for (const ir::Function& f : module.functions) names.push_back(f.name);
  return names;
}

ir::BatchWords batch_words(const std::vector<ir::Option>& options) {
  ir::BatchWords out;
  if (const ir::Option* batch = find_option(options, "batch")) out.dim = batch->word;
  if (const ir::Option* same = find_option(options, "same")) out.same = names_of(*same);
  return out;
}

Errors derive_error(const ir::Module& module, const ir::Derive& derive, std::string message,
                    std::string help) {
  return at_derive(module, derive,
                   error(Code::derive_invalid, "derive " + derive.name + ": " + message, std::move(help)));
}

Errors at_derive(const ir::Module& module, const ir::Derive& derive, Errors errors) {
  for (Diagnostic& d : errors.list) {
    if (!d.file.empty() || !derive.location.known() || derive.location.file >= module.files.size()) continue;
    d.file = module.files[derive.location.file];
    d.line = derive.location.line;
    d.column = derive.location.column;
  }
  return errors;
}

}  // namespace tenon::transforms
