#include <limits>

#include "kernel/parse_function.h"
#include "kernel/scalar.h"
#include "kernel/syntax.h"
#include "kernel/typing.h"
#include "support/number.h"
#include "support/text.h"

namespace tenon::kernel {
namespace {

constexpr int deepest = 500;  // nested operands: far above what the printer makes, far below a stack

bool parse_hex(std::string_view text, uint64_t* bits) {
  if (!text.starts_with("0x") || text.size() < 3 || text.size() > 18) return false;
  *bits = 0;
  for (char c : text.substr(2)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return false;
    *bits = *bits << 4 | static_cast<uint64_t>(digit);
  }
  return true;
}

struct Infix {
  std::string_view symbol;
  Op op;
  bool swapped;
};
// `a > b` is `b < a`: the language has one of each pair.
constexpr Infix infixes[] = {
    {"+", Op::add, false},  {"-", Op::sub, false},   {"*", Op::mul, false}, {"/", Op::div, false},
    {"%", Op::rem, false},  {"&", Op::band, false},  {"|", Op::bor, false}, {"^", Op::bxor, false},
    {"<<", Op::shl, false}, {">>", Op::lshr, false}, {"==", Op::eq, false}, {"!=", Op::ne, false},
    {"<", Op::lt, false},   {"<=", Op::le, false},   {">", Op::lt, true},   {">=", Op::le, true}};

const Infix* find_infix(const Token& t) {
  if (t.kind != Token::Kind::punct) return nullptr;
  for (const Infix& i : infixes)
    if (i.symbol == t.text) return &i;
  return nullptr;
}

}  // namespace

bool literal_bits(std::string_view text, bool negative, DType dtype, uint64_t* bits) {
  uint64_t raw = 0;
  const bool is_hex = parse_hex(text, &raw);
  if (text.starts_with("0x") && !is_hex) return false;
  if (is_bool(dtype)) return false;
  if (is_hex) {
    // Bits: 0xffffffff is an i32 as well.
    *bits = raw;
    return !negative && (dtype_bytes(dtype) == 8 || raw >> (8 * dtype_bytes(dtype)) == 0);
  }
  if (!dtype_computes(dtype)) return false;
  *bits = 0;
  if (is_float(dtype) && text == "nan" && !negative) {
    *bits = quiet_nan_bits(dtype);
    return true;
  }
  return read_number((negative ? "-" : "") + std::string(text), dtype, reinterpret_cast<std::byte*>(bits)) ==
         Fit::fits;
}

FunctionParser::Value FunctionParser::placeholder(const Token& at) {
  Value v;
  v.expr = b_.index(0);
  v.token = at;
  v.bad = true;
  return v;
}

ExprId FunctionParser::literal(const Value& v, DType dtype) {
  uint64_t bits = 0;
  if (!literal_bits(v.token.text, v.negative, dtype, &bits)) {
    c_.error(Code::bad_literal, v.token,
             "expected a literal of " + std::string(dtype_name(dtype)) + ", found `" +
                 (v.negative ? "-" : "") + std::string(v.token.text.substr(0, 40)) + "`");
  }
  return b_.constant(dtype, bits);
}

ExprId FunctionParser::typed(const Value& v, DType want) {
  if (v.literal) return literal(v, want);
  if (const DType have = b_.dtype(v.expr); have != want && !v.bad) {
    c_.error(Code::dtype_mismatch, v.token,
             "expected " + std::string(dtype_name(want)) + ", found " + std::string(dtype_name(have)),
             "cast<" + std::string(dtype_name(want)) + ">(...)");
  }
  return v.expr;
}

ExprId FunctionParser::any(const Value& v) {
  if (!v.literal) return v.expr;
  uint64_t bits = 0;
  if (!literal_bits(v.token.text, v.negative, DType::i64, &bits)) {
    c_.error(Code::bad_literal, v.token, "nothing tells the type of this literal",
             "write f32(" + std::string(v.token.text.substr(0, 40)) + ")");
  }
  return b_.constant(DType::i64, bits);
}

// Literals take the type of the first operand that has one.
void FunctionParser::unify(std::vector<Value>& values, size_t from) {
  const DType* known = nullptr;
  DType type = DType::i64;
  for (size_t i = from; i < values.size() && known == nullptr; ++i) {
    if (values[i].literal) continue;
    type = b_.dtype(values[i].expr);
    known = &type;
  }
  for (size_t i = from; i < values.size(); ++i) {
    if (!values[i].literal) continue;
    values[i].expr = known != nullptr ? literal(values[i], type) : any(values[i]);
    values[i].literal = false;
  }
}

FunctionParser::Value FunctionParser::make(Op op, DType wanted, std::vector<Value> values, size_t typed_from,
                                           const Token& at) {
  for (size_t i = 0; i < typed_from && i < values.size(); ++i) {
    values[i].expr = any(values[i]);
    values[i].literal = false;
  }
  unify(values, typed_from);
  std::vector<ExprId> args;
  std::vector<DType> types;
  bool bad = false;
  for (const Value& v : values) {
    bad = bad || v.bad;
    args.push_back(v.expr);
    types.push_back(b_.dtype(v.expr));
  }
  const DType result = result_type(op, types.data(), types.size(), wanted);
  if (!bad) {
    if (std::string wrong = operand_error(op, result, types.data(), types.size()); !wrong.empty()) {
      c_.error(Code::dtype_mismatch, at, std::move(wrong));
      bad = true;
    }
  }
  Value v;
  v.bad = bad;
  v.expr = b_.intern({.op = op, .dtype = result, .var = {}, .bits = 0, .args = std::move(args)});
  v.token = values.empty() ? at : values.front().token;
  return v;
}

FunctionParser::Value FunctionParser::expression(int precedence) {
  if (++depth_ > deepest) {
    c_.error(Code::text_limit, c_.peek(), "an expression nests deeper than " + std::to_string(deepest),
             "name a part of it by let or define");
    c_.skip_line();
    --depth_;
    return placeholder(c_.peek());
  }
  Value left = operand();
  while (const Infix* infix = find_infix(c_.peek())) {
    const int mine = op_precedence(infix->op);
    if (mine < precedence) break;
    const Token at = c_.take();
    Value right = expression(mine + 1);
    if (infix->swapped) std::swap(left, right);
    left = make(infix->op, DType::i64, {left, right}, 0, at);
  }
  --depth_;
  return left;
}

FunctionParser::Value FunctionParser::operand() {
  const Token at = c_.peek();
  if (at.is("-")) {
    c_.take();
    if (c_.peek().kind == Token::Kind::number || c_.peek().is("inf") || c_.peek().is("nan")) {
      Value v;
      v.literal = v.negative = true;
      v.token = c_.take();
      return v;
    }
    return make(Op::neg, DType::i64, {expression(op_precedence(Op::neg))}, 0, at);
  }
  if (c_.accept("~")) return make(Op::bnot, DType::i64, {expression(op_precedence(Op::bnot))}, 0, at);
  return primary();
}

FunctionParser::Value FunctionParser::primary() {
  const Token at = c_.peek();
  switch (at.kind) {
    case Token::Kind::number: {
      Value v;
      v.literal = true;
      v.token = c_.take();
      return v;
    }
    case Token::Kind::named: {
      c_.take();
      const std::optional<int64_t> n = parse_int(at.text.substr(1));
      if (!n || *n < 1 || static_cast<uint64_t>(*n) > defined_.size()) {
        c_.error(Code::undefined_name, at, Cursor::found(at) + " is not defined above");
        return placeholder(at);
      }
      Value v;
      v.expr = defined_[static_cast<size_t>(*n) - 1];
      v.token = at;
      return v;
    }
    case Token::Kind::name:
      return named(c_.take());
    default:
      break;
  }
  if (c_.accept("(")) {
    Value v = expression();
    c_.expect(")", "expression");
    return v;
  }
  c_.error(Code::syntax, at, "expected an expression, found " + Cursor::found(at));
  return placeholder(at);
}

FunctionParser::Value FunctionParser::named(const Token& name) {
  Value v;
  v.token = name;
  if (name.text == "true" || name.text == "false") {
    v.expr = b_.constant(DType::bool_, name.text == "true");
    return v;
  }
  if (name.text == "inf" || name.text == "nan") {
    v.literal = true;
    return v;
  }
  if (const std::optional<DType> d = parse_dtype(name.text)) return typed_literal(*d, name);
  if (const std::optional<Op> op = find_op(name.text)) return operation(*op, name);
  const VarId var = lookup(name);
  if (!var.valid()) {
    if (c_.peek().is("[")) subscripts();
    return placeholder(name);
  }
  if (f_.var(var).kind == VarKind::buffer) {
    if (!c_.expect("[", "element of buffer " + f_.var(var).name)) return placeholder(name);
    const ExprId at = index();
    c_.expect("]", "element of buffer " + f_.var(var).name);
    v.expr = b_.intern({.op = Op::load, .dtype = f_.var(var).dtype, .var = var, .bits = 0, .args = {at}});
    return v;
  }
  std::vector<ExprId> list;
  if (c_.peek().is("[")) list = subscripts();
  v.bad = names_[name.text].bad;
  v.expr = b_.use(var, std::move(list));
  return v;
}

std::vector<ExprId> FunctionParser::subscripts() {
  std::vector<ExprId> list;
  c_.expect("[", "subscripts");
  do list.push_back(index());
  while (c_.accept(","));
  c_.expect("]", "subscripts");
  return list;
}

FunctionParser::Value FunctionParser::typed_literal(DType dtype, const Token& name) {
  Value v;
  v.literal = true;
  if (!c_.expect("(", "literal of a type")) return placeholder(name);
  v.negative = c_.accept("-");
  const Token number = c_.peek();
  if (number.kind != Token::Kind::number && !number.is("inf") && !number.is("nan")) {
    c_.error(Code::syntax, number, "expected a number, found " + Cursor::found(number),
             "to convert a value write cast<" + std::string(name.text) + ">(...)");
    return placeholder(name);
  }
  v.token = c_.take();
  c_.expect(")", "literal of a type");
  v.expr = literal(v, dtype);
  v.literal = v.negative = false;
  v.token = name;
  return v;
}

FunctionParser::Value FunctionParser::operation(Op op, const Token& name) {
  DType wanted = DType::i64;
  const bool names_type = op == Op::cast || op == Op::bitcast || op == Op::address;
  if (names_type) {
    c_.expect("<", name.text);
    if (!dtype(&wanted, name.text)) return placeholder(name);
    c_.expect(">", name.text);
  }
  if (!c_.expect("(", name.text)) return placeholder(name);
  if (op == Op::address) {
    const Token base = c_.take();
    const VarId var = lookup(base);
    c_.expect(",", "address");
    const ExprId offset = index();
    c_.expect(")", "address");
    Value v = placeholder(name);
    if (var.valid())
      v.expr = b_.intern({.op = Op::address, .dtype = wanted, .var = var, .bits = 0, .args = {offset}});
    return v;
  }
  if (operand_count(op) == 0) {
    c_.error(Code::syntax, name, Cursor::found(name) + " is not an operation to call");
    return placeholder(name);
  }
  std::vector<Value> values;
  if (!c_.peek().is(")")) {
    do values.push_back(expression());
    while (c_.accept(",") && values.size() < 8);
  }
  c_.expect(")", name.text);
  Value v = make(op, wanted, std::move(values), op == Op::select ? 1 : 0, name);
  v.token = name;
  return v;
}

}  // namespace tenon::kernel
