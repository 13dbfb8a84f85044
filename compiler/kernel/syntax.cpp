#include "kernel/syntax.h"

#include <algorithm>
#include <iterator>

namespace tenon::kernel {
namespace {

struct OpWord {
  Op op;
  std::string_view name, infix;
  int precedence;
};
constexpr OpWord op_words[] = {
    {Op::constant, "constant", "", 9}, {Op::variable, "variable", "", 9},
    {Op::load, "load", "", 9},         {Op::address, "address", "", 9},
    {Op::add, "add", "+", 6},          {Op::sub, "sub", "-", 6},
    {Op::mul, "mul", "*", 7},          {Op::div, "div", "/", 7},
    {Op::rem, "rem", "%", 7},          {Op::neg, "neg", "", 8},
    {Op::fma, "fma", "", 9},           {Op::sqrt, "sqrt", "", 9},
    {Op::floor, "floor", "", 9},       {Op::ceil, "ceil", "", 9},
    {Op::trunc, "trunc", "", 9},       {Op::round_even, "round_even", "", 9},
    {Op::abs, "abs", "", 9},           {Op::min, "min", "", 9},
    {Op::max, "max", "", 9},           {Op::band, "and", "&", 3},
    {Op::bor, "or", "|", 1},           {Op::bxor, "xor", "^", 2},
    {Op::bnot, "not", "", 8},          {Op::shl, "shl", "<<", 5},
    {Op::lshr, "lshr", ">>", 5},       {Op::ashr, "ashr", "", 9},
    {Op::mulhi, "mulhi", "", 9},       {Op::eq, "eq", "==", 4},
    {Op::ne, "ne", "!=", 4},           {Op::lt, "lt", "<", 4},
    {Op::le, "le", "<=", 4},           {Op::select, "select", "", 9},
    {Op::cast, "cast", "", 9},         {Op::bitcast, "bitcast", "", 9},
};
constexpr std::string_view fold_words[] = {"add", "mul", "min", "max", "and", "or"};
constexpr std::string_view stmt_words[] = {
    "var",        "let",     "assignment", "store",    "for",  "lanes",    "unroll",
    "specialize", "if",      "fail",       "prefetch", "call", "parallel", "stop_on_failure",
    "progress",   "exit_if", "exchange"};
constexpr std::string_view role_words[] = {"state", "arena", "constants", "input", "output", "hyper", "dim"};
constexpr std::string_view keywords[] = {
    "exit_if", "kernel", "procedure", "entry",           "module",     "var",  "let",    "for",  "in",
    "step",    "lanes",  "width",     "unroll",          "specialize", "if",   "else",   "fail", "prefetch",
    "write",   "call",   "parallel",  "stop_on_failure", "progress",   "fold", "define", "true", "false",
    "inf",     "nan",    "as",        "exchange"};

const OpWord& word(Op op) { return op_words[static_cast<size_t>(op)]; }

template <class T, size_t N>
std::optional<T> position(const std::string_view (&words)[N], std::string_view name) {
  const auto at = std::find(std::begin(words), std::end(words), name);
  if (at == std::end(words)) return std::nullopt;
  return static_cast<T>(at - std::begin(words));
}

}  // namespace

std::string_view op_name(Op op) { return word(op).name; }
std::string_view op_infix(Op op) { return word(op).infix; }
int op_precedence(Op op) { return word(op).precedence; }
std::optional<Op> find_op(std::string_view name) {
  for (const OpWord& w : op_words)
    if (w.name == name) return w.op;
  return std::nullopt;
}
std::string_view fold_name(FoldOp op) { return fold_words[static_cast<size_t>(op)]; }
std::optional<FoldOp> find_fold(std::string_view name) { return position<FoldOp>(fold_words, name); }
std::string_view stmt_name(StmtKind kind) { return stmt_words[static_cast<size_t>(kind)]; }
std::string_view role_name(ParamRole role) { return role_words[static_cast<size_t>(role)]; }
std::optional<ParamRole> find_role(std::string_view name) { return position<ParamRole>(role_words, name); }

bool is_reserved(std::string_view name) {
  return std::find(std::begin(keywords), std::end(keywords), name) != std::end(keywords) ||
         find_op(name).has_value() || parse_dtype(name).has_value();
}

}  // namespace tenon::kernel
