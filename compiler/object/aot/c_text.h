// Texts of the generated header and example.
#pragma once

#include <string>

#include "codegen/c_functions.h"

namespace tenon::object {

// `file`: the name of the files without their endings.
std::string c_header(const kernel::Module& module, const codegen::CInterface& interface,
                     const std::string& file, const std::string& target);
std::string c_example(const codegen::CInterface& interface, const std::string& file);

}  // namespace tenon::object
