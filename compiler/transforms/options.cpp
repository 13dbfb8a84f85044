#include "transforms/options.h"

#include "support/text.h"

namespace tenon::transforms {

const ir::Option* find_option(const std::vector<ir::Option>& options, std::string_view name) {
  for (const ir::Option& o : options)
    if (o.name == name) return &o;
  return nullptr;
}

Status check_options(const std::vector<ir::Option>& options, std::span<const std::string_view> known,
                     const std::string& where) {
  Errors errors;
  for (size_t i = 0; i < options.size(); ++i) {
    const std::string& name = options[i].name;
    bool found = false;
    std::string all;
    for (std::string_view k : known) {
      found = found || k == name;
      all += (all.empty() ? "" : ", ") + std::string(k);
    }
    if (!found) {
      const std::string_view near = nearest(name, known);
      std::string help = known.empty() ? "it takes none" : "options: " + all;
      if (!near.empty()) help = "did you mean " + std::string(near) + "?";
      errors.append(error(Code::derive_invalid, where + ": no option is named " + name, std::move(help)));
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
