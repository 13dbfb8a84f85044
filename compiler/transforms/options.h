// Options of derive directives, read by name; what is unknown or malformed is T116 with the nearest name.
#pragma once

#include <span>
#include <string_view>

#include "ir/batch.h"

namespace tenon::transforms {
using namespace support;

const ir::Option* find_option(const std::vector<ir::Option>& options, std::string_view name);
// Every option has one of these names, each at most once.
Status check_options(const std::vector<ir::Option>& options, std::span<const std::string_view> known,
                     const std::string& where);
// The option's names: its list, or its one word.
std::vector<std::string> names_of(const ir::Option& option);

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
