// Options of derive directives, read by name; what is unknown or malformed is T116 with the nearest name.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "ir/batch.h"

namespace tenon::transforms {
using namespace support;

// What an option may be given as; `own`: who reads it checks it.
enum class OptionForm : uint8_t { own, word, flag, names };
struct OptionDef {
  std::string_view name;
  OptionForm form = OptionForm::own;
};

const ir::Option* find_option(const std::vector<ir::Option>& options, std::string_view name);
// Every option has one of these names, each at most once, and its form. `elsewhere`: where an unknown name
// belongs, in users' words; empty where nowhere.
Status check_options(const std::vector<ir::Option>& options, std::span<const OptionDef> known,
                     const std::string& where,
                     const std::function<std::string(std::string_view)>& elsewhere = {});
// The option's names: its list, or its one word.
std::vector<std::string> names_of(const ir::Option& option);
// Whether a flag is given as true.
bool is_true(const std::vector<ir::Option>& options, std::string_view name);

// T116: "no optimizer is named adm", with the nearest name, or all of them.
Errors unknown_name(const std::string& what, const std::string& name, std::span<const std::string_view> known,
                    const std::string& where = {});

std::vector<std::string_view> function_names(const ir::Module& module);

// What `batch` says of a step that no data are cut for.
inline constexpr std::string_view no_batch = "none";
// The options `batch` and `same`.
ir::BatchWords batch_words(const std::vector<ir::Option>& options);

// T116 at the directive's place.
Errors derive_error(const ir::Module& module, const ir::Derive& derive, std::string message,
                    std::string help = {});
// Gives errors without a place the directive's.
Errors at_derive(const ir::Module& module, const ir::Derive& derive, Errors errors);

}  // namespace tenon::transforms
