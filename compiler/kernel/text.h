// Pieces of the text form, for diagnostics: one expression, the head line of one statement.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernel/kernel.h"

namespace tenon::kernel {

// Cut to about `limit` characters; any depth of expression is safe.
std::string expr_text(const Function& function, ExprId expr, size_t limit = 160);
std::string statement_text(const Function& function, const Stmt& stmt, size_t limit = 160);
// A literal as the text form writes it: bare ("0.5") where its type is known from around it, else "f32(0.5)".
std::string literal_text(DType dtype, uint64_t bits, bool bare);
// Of each expression the first one of equal structure: what a reader of the text makes one.
std::vector<uint32_t> equal_expressions(const Function& function);

}  // namespace tenon::kernel
