// Parser: literals and constants.
#include <algorithm>

#include "ir/parser.h"

namespace tenon::ir {

bool Parser::literal(Literal* out) {
  out->start = lexer_.peek();
  if (lexer_.peek().word("data")) {
    lexer_.next();
    if (!expect("(")) return false;
    if (lexer_.peek().kind != Token::Kind::string) return unexpected("a hash in quotes");
    out->is_data = true;
    out->start = lexer_.next();
    out->hash = out->start.value;
    return expect(")");
  }
  // Nested lists without recursion: counts of the open lists, extents by depth from the first list of each.
  std::vector<int64_t> open;
  int64_t unset = -1;
  bool comma = false, closed = false;  // an item must follow; an item was just finished
  while (true) {
    if (!open.empty()) lexer_.skip_newlines();
    const Token t = lexer_.peek();
    if (t.is("[") && !closed) {
      if (open.size() == max_rank)
        return fail(Code::rank_mismatch, "a constant nests more than " + std::to_string(max_rank) + " lists",
                    t);
      lexer_.next();
      if (out->shape.size() == open.size()) {
        if (!out->elements.empty())
          return fail(Code::shape_mismatch, "rows of the constant nest differently", t);
        out->shape.push_back(unset);
      }
      open.push_back(0);
      comma = false;
      continue;
    }
    if (t.is("]") && !open.empty() && !comma) {
      lexer_.next();
      int64_t& extent = out->shape[open.size() - 1];
      if (extent == unset) extent = open.back();
      if (extent != open.back())
        return fail(Code::shape_mismatch,
                    "rows of the constant have " + std::to_string(extent) + " and " +
                        std::to_string(open.back()) + " elements",
                    t);
      open.pop_back();
    } else if (!closed) {
      bool negative = t.is("-");
      if (negative) lexer_.next();
      const Token v = lexer_.peek();
      bool word = v.kind == Token::Kind::name &&
                  (v.text == "true" || v.text == "false" || v.text == "inf" || v.text == "nan");
      if (v.kind != Token::Kind::number && !word)
        return unexpected(open.empty() ? "a constant" : "a number or list");
      if (open.size() != out->shape.size())
        return fail(Code::shape_mismatch, "rows of the constant nest differently", v);
      lexer_.next();
      out->elements.push_back({v.text, negative, v.offset, v.line, v.column});
    } else {
      return unexpected("',' or ']'");
    }
    // An item is complete.
    if (open.empty()) return true;
    ++open.back();
    lexer_.skip_newlines();
    comma = lexer_.peek().is(",");
    if (comma) lexer_.next();
    closed = !comma;
  }
}

bool Parser::store_element(const Literal::Element& e, DType dtype, std::byte* out) {
  auto at = [&] {
    Token t;
    t.kind = Token::Kind::number;
    t.text = e.text;
    t.offset = e.offset;
    t.line = e.line;
    t.column = e.column;
    return t;
  };
  const std::string shown = (e.negative ? "-" : "") + std::string(e.text.substr(0, 64));
  // Text says true and false, so that a number in a list of bools is a mistake.
  if (is_bool(dtype) && e.text != "true" && e.text != "false")
    return fail(Code::bad_literal, misfit_text(shown, Fit::none, dtype), at());
  const Fit fit =
      e.negative ? read_number("-" + std::string(e.text), dtype, out) : read_number(e.text, dtype, out);
  if (fit == Fit::fits) return true;
  return fail(Code::bad_literal, misfit_text(shown, fit, dtype), at());
}

bool Parser::literal_array(const Literal& literal, const Type& type, const Token& type_token,
                           std::shared_ptr<const Array>* out) {
  if (!type.is_static())
    return fail(Code::shape_mismatch, "a constant's extents are numbers, not " + type.text(), type_token);
  std::vector<int64_t> shape;
  for (const Dim& d : type.shape) shape.push_back(d.constant());
  int64_t count = 0;
  if (!checked_bytes(type.dtype, shape, &count, nullptr))
    return fail(Code::dim_range, "type " + type.text() + " has too many elements", type_token);
  if (literal.is_data) {
    if (options_.side == nullptr)
      return fail(Code::file_missing,
                  "constant data(\"" + literal.hash + "\") stands in a side file, and none is given",
                  literal.start);
    Result<std::shared_ptr<const Array>> side = options_.side(literal.hash);
    if (!side || *side == nullptr)
      return fail(Code::file_missing, "constant data(\"" + literal.hash + "\") is not in the side file",
                  literal.start);
    if ((*side)->dtype() != type.dtype || (*side)->shape() != shape) {
      std::vector<Dim> found((*side)->shape().begin(), (*side)->shape().end());
      return fail(Code::result_type,
                  "constant data(\"" + literal.hash + "\") is " +
                      Type{(*side)->dtype(), std::move(found)}.text() + ", written " + type.text(),
                  type_token);
    }
    *out = *side;
    return true;
  }
  if (!dtype_computes(type.dtype))
    return fail(Code::dtype_unsupported,
                "constants of type " + std::string(dtype_name(type.dtype)) + " are not computed with yet",
                type_token);
  bool same = static_cast<int64_t>(literal.elements.size()) == count;
  // Lists without elements cannot show all extents; then the type tells.
  if (same && count != 0) same = literal.shape == shape;
  if (same && count == 0) same = !literal.shape.empty();
  if (!same) {
    std::vector<Dim> found(literal.shape.begin(), literal.shape.end());
    return fail(Code::shape_mismatch,
                "the constant has shape " + shape_text(found) + ", its type is " + type.text(), type_token);
  }
  auto array = std::make_shared<Array>(type.dtype, std::move(shape));
  size_t size = dtype_bytes(type.dtype);
  for (size_t i = 0; i < literal.elements.size(); ++i)
    if (!store_element(literal.elements[i], type.dtype, array->data() + i * size)) return false;
  *out = std::move(array);
  return true;
}

bool Parser::scalar_array(const Operand& o, DType dtype, std::shared_ptr<const Array>* out) {
  if (!dtype_computes(dtype))
    return fail(Code::dtype_unsupported,
                "constants of type " + std::string(dtype_name(dtype)) + " are not computed with yet",
                o.token);
  auto array = std::make_shared<Array>(dtype, std::vector<int64_t>{});
  Literal::Element e{o.token.text, o.negative, o.token.offset, o.token.line, o.token.column};
  if (!store_element(e, dtype, array->data())) return false;
  *out = std::move(array);
  return true;
}

// A literal takes the type of the first other operand that may stand in its place; true and false are bool.
bool Parser::literal_operands(Scope& scope, Statement& s) {
  for (size_t i = 0; i < s.operands.size(); ++i) {
    Operand& o = s.operands[i];
    if (!o.literal) continue;
    std::optional<DType> dtype;
    DTypes set =
        s.op->operands.empty() ? DTypes::any : s.op->operands[std::min(i, s.op->operands.size() - 1)].dtypes;
    if (o.token.text == "true" || o.token.text == "false") {
      dtype = DType::bool_;
    } else if (set == DTypes::index) {
      dtype = DType::i64;
    } else {
      for (size_t j = 0; j < s.operands.size() && !dtype; ++j) {
        if (s.operands[j].literal) continue;
        DType d = scope.graph.type(s.operands[j].value).dtype;
        if (!is_bool(d) && dtype_in(d, set)) dtype = d;
      }
    }
    if (!dtype)
      return fail(Code::dtype_mismatch,
                  std::string(s.op->name) + ": no other operand gives " +
                      std::string(o.token.text.substr(0, 40)) + " a type",
                  o.token, "name it: c = const " + std::string(o.token.text.substr(0, 40)) + " : f32[]");
    std::shared_ptr<const Array> array;
    if (!scalar_array(o, *dtype, &array)) return false;
    o.value = scope.builder.constant(std::move(array));
  }
  // Only now: a constant made above must not lend its type to the next literal.
  for (Operand& o : s.operands) o.literal = false;
  return true;
}

}  // namespace tenon::ir
