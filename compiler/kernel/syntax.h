// Words of the kernel text form, shared by builder, printer, parser and diagnostics.
#pragma once

#include <optional>
#include <string_view>

#include "kernel/kernel.h"

namespace tenon::kernel {

constexpr bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
constexpr bool is_name_char(char c) { return is_name_start(c) || (c >= '0' && c <= '9'); }
// Words that no variable may be named: keywords, operations, dtypes.
bool is_reserved(std::string_view name);

// "fma"; the word of a call. Infix operations have a word as well, for diagnostics ("add").
std::string_view op_name(Op op);
std::string_view op_infix(Op op);  // "+", empty: printed as a call
int op_precedence(Op op);          // of infix operations: 1 (loosest) to 7; 9: everything else
std::optional<Op> find_op(std::string_view name);
std::string_view fold_name(FoldOp op);
std::optional<FoldOp> find_fold(std::string_view name);
std::string_view stmt_name(StmtKind kind);
std::string_view role_name(ParamRole role);
std::optional<ParamRole> find_role(std::string_view name);

}  // namespace tenon::kernel
