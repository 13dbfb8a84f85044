// Names that other libraries have for what is written otherwise here. Declared here so that the parser and
// the builder can speak of them; the table stands beside the operations (ops/foreign_names.cpp).
#pragma once

#include <string>
#include <string_view>

namespace tenon::ir {

// How the thing is written here; empty where the name is not known.
std::string_view foreign_name(std::string_view name);
// The mend for an operation that is not there: how it is written here, else the operation with the nearest
// name, else nothing.
std::string unknown_op_help(std::string_view name);

}  // namespace tenon::ir
