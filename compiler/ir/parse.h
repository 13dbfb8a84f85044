// Parser of the text form. Reports all errors of a text at once, each with line, column and a mend where one
// is known. Bounds depth, counts and bytes before it allocates. The grammar stands in docs/ir.md.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "ir/graph.h"

namespace tenon::ir {

inline constexpr size_t max_parse_errors = 100;  // further ones are dropped

struct ParseOptions {
  std::string file = "<text>";  // for diagnostics
  // Resolves `data("hash")`; null or a failed result: T401.
  std::function<Result<std::shared_ptr<const Array>>(const std::string& hash)> side;
  // Appends the function that a directive makes; asked where a call names what a directive above it makes.
  // Null: such a call is T103.
  std::function<Status(Module&, const Derive&)> derive;
  size_t max_bytes = size_t{1} << 30;
};

Result<Module> parse(std::string_view text, const ParseOptions& options = {});

// Parts of the text form, as the building API takes them. Attributes of one operation, "axes = [0], rate =
// 0.2" (as many as op.attrs, those not given empty); options of a directive, "with = adam {lr = lr}".
Result<Attrs> parse_attributes(std::string_view text, const OpDef& op, const Module& module);
Result<std::vector<Option>> parse_options(std::string_view text);

}  // namespace tenon::ir
