// Printer and parser of the kernel stage. The text is complete: a program resumes from it (constants from a
// side file or inline), and editing a static integer or a literal changes the program.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "kernel/kernel.h"

namespace tenon::kernel {

struct PrintOptions {
  size_t large_constant = 64;  // elements from which a constant prints as a reference
  std::function<void(const std::string& hash, const Array& array)> side;
};
std::string print(const Module& module, const PrintOptions& options = {});
std::string print(const Function& function);
// Structure only: names of variables and comments do not count. Equal hashes: one kernel serves both.
Hasher structural_hash(const Function& function);
// Of everything that a dump says but names of variables and comments, the values of constants included. Tenon
// prints it under the modules that it made, so that a dump which comes back unchanged is known to be its own.
// It tells an edit from an original; it is no signature.
std::string seal(const Module& module);

struct ParseOptions {
  std::string file = "<text>";
  std::function<Result<std::shared_ptr<const Array>>(const std::string& hash)> side;
};
Result<Module> parse(std::string_view text, const ParseOptions& options = {});

}  // namespace tenon::kernel
