// What is made from declarations: the builder functions of the C++ layer, and the references of operations
// and of optimizers. They list every row of the tables that are linked, and know none by name.
#pragma once

#include <string>

#include "ir/op_def.h"

namespace tenon::driver {

// A header with one function for each operation that is not written by hand.
std::string builders();
// The same for optimizers and schedules.
std::string optimizer_builders();
// docs/operations.md, docs/optimizers.md.
std::string reference();
std::string optimizer_reference();
// The body of a composite as text, for operands and attributes that its declaration draws; of one with two
// forms, the training form. Empty where no draw fits.
std::string example_body(const ir::OpDef& op);

// Of generated headers: "adam" and "Options" make AdamOptions; a paragraph as comment lines of at most 110
// columns.
std::string options_name(std::string_view name);
void comment(std::string* out, std::string_view indent, std::string_view text);

}  // namespace tenon::driver
