// What is made from the declarations of the operations: the builder functions of the C++ layer, and the
// operations reference. Both list every operation of the table that is linked, and know none by name.
#pragma once

#include <string>

#include "ir/op_def.h"

namespace tenon::driver {

// A header with one function for each operation that is not written by hand.
std::string builders();
// docs/operations.md.
std::string reference();
// The body of a composite as text, for operands and attributes that its declaration draws; of one with two
// forms, the training form. Empty where no draw fits.
std::string example_body(const ir::OpDef& op);

}  // namespace tenon::driver
