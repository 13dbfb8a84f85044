// Texts of the generated header and example.
#pragma once

#include <string>

#include "c_interface/interface.h"

namespace tenon::object {

// `file`: the name of the files without their endings.
std::string c_header(const kernel::Module& module, const c_interface::CInterface& interface,
                     const std::string& file, const std::string& target);
std::string c_example(const c_interface::CInterface& interface, const std::string& file);

}  // namespace tenon::object
