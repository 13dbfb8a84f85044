// Parser: statements.
#include <algorithm>

#include "ir/foreign_names.h"
#include "ir/parser.h"
#include "ir/print_detail.h"
#include "support/text.h"

namespace tenon::ir {

bool Parser::statement(Scope& scope) {
  Statement s;
  Lexer::Mark start = lexer_.mark();
  // "a, b = op ..." or, for an operation without results, "op ...".
  bool named = false;
  while (lexer_.peek().kind == Token::Kind::name || lexer_.peek().kind == Token::Kind::string) {
    s.defs.push_back(lexer_.next());
    if (lexer_.peek().is("=")) {
      lexer_.next();
      named = true;
      break;
    }
    if (!lexer_.peek().is(",")) break;
    lexer_.next();
  }
  if (!named && s.defs.empty()) return unexpected("a statement");
  if (!named) {
    s.defs.clear();
    lexer_.reset(start);
  }
  for (const Token& d : s.defs)
    if (name_of(d).empty()) return fail(Code::syntax, "a name is empty", d);
  bool good = statement_body(scope, s);
  if (!good || s.poisoned) {
    scope.failed = true;
    for (const Token& d : s.defs) scope.names.emplace(name_of(d), ValueId());
  }
  return good;
}

bool Parser::statement_body(Scope& scope, Statement& s) {
  s.op_token = lexer_.peek();
  if (s.op_token.kind != Token::Kind::name) return unexpected("an operation");
  lexer_.next();
  s.op = op_table().find(s.op_token.text);
  if (s.op == nullptr) {
    return fail(Code::unknown_op, "no operation is named " + std::string(s.op_token.text.substr(0, 80)),
                s.op_token, unknown_op_help(s.op_token.text));
  }
  s.attrs.resize(s.op->attrs.size());
  if (s.op->control() != nullptr) {
    switch (s.op->control()->what) {
      case Control::loop:
        return loop(scope, s);
      case Control::cond:
        return cond(scope, s);
      case Control::call:
      case Control::apply:
        return call(scope, s);
    }
  }
  size_t positional = positional_attr(*s.op);
  if (positional == s.op->attrs.size()) {
    return operands(scope, s) && attributes(s) && types_and_tail(s) && line_end() && emit(scope, s);
  }
  Literal written;
  if (!literal(&written) || !attributes(s) || !types_and_tail(s) || !line_end()) return false;
  if (s.types.size() != 1)
    return fail(Code::result_type, std::string(s.op->name) + " needs its type written", s.op_token,
                std::string(s.op->name) + " ... : f32[]");
  std::shared_ptr<const Array> array;
  if (!literal_array(written, s.types[0].first, s.types[0].second, &array)) return false;
  s.attrs[positional] = std::move(array);
  return emit(scope, s);
}

bool Parser::operand(Scope& scope, Operand* out) {
  if (lexer_.peek().is("-")) {
    lexer_.next();
    out->negative = true;
  }
  const Token& t = lexer_.peek();
  bool word = t.kind == Token::Kind::name &&
              (t.text == "true" || t.text == "false" || t.text == "nan" || t.text == "inf");
  if (t.kind == Token::Kind::number || (word && (!out->negative || t.text == "inf" || t.text == "nan"))) {
    out->literal = true;
    out->token = lexer_.next();
    return true;
  }
  if (out->negative) return unexpected("a number");
  if (!name("an operand", &out->token)) return false;
  std::string wanted = name_of(out->token);
  const ValueId* found = lookup(scope, wanted);
  if (found == nullptr) {
    std::string near = near_value(scope, wanted);
    fail(Code::undefined_name, wanted + " is not defined", out->token,
         near.empty() ? "" : "did you mean " + near + "?");
    // Reported once: from here on it counts as a definition that failed.
    scope.names.emplace(wanted, ValueId());
    scope.failed = true;
    return true;
  }
  out->value = *found;
  return true;
}

bool Parser::operands(Scope& scope, Statement& s) {
  auto stops = [&] {
    const Token& t = lexer_.peek();
    return t.ends_line() || t.is("{") || t.is(":") || t.is("@") || t.is(")") || t.is("}") || t.word("in");
  };
  if (stops()) return true;
  while (true) {
    Operand o;
    if (!operand(scope, &o)) return false;
    s.poisoned = s.poisoned || (!o.literal && !o.value.valid());
    s.operands.push_back(std::move(o));
    if (!lexer_.peek().is(",")) return true;
    lexer_.next();
    lexer_.skip_newlines();
  }
}

bool Parser::attribute_value(const AttrDef& def, Attr* out) {
  const Token t = lexer_.peek();
  switch (def.kind) {
    case AttrKind::boolean:
      if (!t.word("true") && !t.word("false")) return unexpected("true or false");
      *out = lexer_.next().text == "true";
      return true;
    case AttrKind::integer: {
      int64_t v = 0;
      if (!integer(&v)) return false;
      *out = v;
      return true;
    }
    case AttrKind::number: {
      Number v;
      Token at;
      if (!number(&v, &at) || !fits(v, DType::f64, at)) return false;
      *out = v.as<double>();
      return true;
    }
    case AttrKind::text:
      if (t.kind != Token::Kind::name && t.kind != Token::Kind::string) return unexpected("a word");
      *out = name_of(lexer_.next());
      return true;
    case AttrKind::dtype: {
      std::optional<DType> d = parse_dtype(t.text);
      if (t.kind != Token::Kind::name || !d) return unexpected("an element type");
      lexer_.next();
      *out = *d;
      return true;
    }
    case AttrKind::dim: {
      Dim d;
      if (!dim_expression(",}", &d)) return false;
      *out = std::move(d);
      return true;
    }
    case AttrKind::integers:
    case AttrKind::dims: {
      std::vector<Dim> list;
      if (!dim_list(&list)) return false;
      Attr value = std::move(list);
      if (!fit_attr(def.kind, &value))
        return fail(Code::bad_attribute, "attribute " + std::string(def.name) + " is a list of integers", t);
      *out = std::move(value);
      return true;
    }
    case AttrKind::array: {
      Type type_written;
      Token token;
      Literal written;
      std::shared_ptr<const Array> array;
      if (!type(&type_written, &token) || !literal(&written) ||
          !literal_array(written, type_written, token, &array))
        return false;
      *out = std::move(array);
      return true;
    }
  }
  return false;
}

bool Parser::attributes(Statement& s) {
  if (!lexer_.peek().is("{") || opens_block()) return true;
  lexer_.next();
  lexer_.skip_newlines();
  while (!lexer_.peek().is("}")) {
    Token named;
    if (!name("an attribute's name", &named)) return false;
    std::string key = name_of(named);
    const AttrDef* def = s.op->find_attr(key);
    if (def == nullptr) {
      std::vector<std::string_view> names;
      std::string all;
      for (const AttrDef& a : s.op->attrs) {
        names.push_back(a.name);
        all += (all.empty() ? "attributes: " : ", ") + std::string(a.name);
      }
      std::string_view near = nearest(key, names);
      return fail(Code::bad_attribute, std::string(s.op->name) + " has no attribute " + key, named,
                  near.empty() ? all : "did you mean " + std::string(near) + "?");
    }
    size_t index = static_cast<size_t>(def - s.op->attrs.data());
    if (s.attrs[index].index() != 0)
      return fail(Code::bad_attribute, "attribute " + key + " is given twice", named);
    if (!expect("=") || !attribute_value(*def, &s.attrs[index])) return false;
    s.attr_tokens.emplace_back(index, std::move(named));
    lexer_.skip_newlines();
    if (!lexer_.peek().is(",")) break;
    lexer_.next();
    lexer_.skip_newlines();
  }
  return expect("}");
}

bool Parser::types_and_tail(Statement& s) {
  if (lexer_.peek().is(":")) {
    do {
      lexer_.next();
      lexer_.skip_newlines();
      Type t;
      Token token;
      if (!type(&t, &token)) return false;
      s.types.emplace_back(std::move(t), std::move(token));
    } while (lexer_.peek().is(","));
  }
  if (lexer_.peek().word("in")) {
    lexer_.next();
    if (lexer_.peek().kind != Token::Kind::string) return unexpected("a scope in quotes");
    s.scope = lexer_.next().value;
  }
  return location(&s.location);
}

bool Parser::emit(Scope& scope, Statement& s) {
  if (s.poisoned) return true;
  if (!s.location.known()) {
    if (file_ == ~0u) file_ = module_.file_index(options_.file);
    s.location = {file_, s.op_token.line, s.op_token.column};
  }
  scope.builder.set_location(s.location);
  scope.builder.set_scope(s.scope);
  if (!literal_operands(scope, s)) return false;
  std::vector<ValueId> values;
  values.reserve(s.operands.size());
  for (const Operand& o : s.operands) values.push_back(o.value);
  std::vector<std::unique_ptr<Graph>> regions = std::move(s.regions);
  s.regions.clear();
  Result<std::vector<ValueId>> results =
      scope.builder.try_emit(*s.op, std::move(values), s.attrs, std::move(regions));
  if (!results) {
    explain(scope, s, results.take_errors());
    return false;
  }
  if (!writes_of_call(scope, s, &*results)) return false;
  if (!s.defs.empty() && s.defs.size() != results->size())
    return fail(Code::result_type,
                std::string(s.op->name) + " has " + std::to_string(results->size()) + " results, " +
                    std::to_string(s.defs.size()) + " names are given",
                s.defs.front());
  bool good = true;
  if (!s.types.empty() && s.types.size() != results->size())
    good = fail(Code::result_type,
                std::string(s.op->name) + " has " + std::to_string(results->size()) + " results, " +
                    std::to_string(s.types.size()) + " types are written",
                s.types.front().second);
  for (size_t i = 0; good && i < s.types.size(); ++i) {
    const Type& inferred = scope.graph.type((*results)[i]);
    if (inferred == s.types[i].first) continue;
    fail(Code::result_type,
         std::string(s.op->name) + ": written " + s.types[i].first.text() + ", inferred " + inferred.text(),
         s.types[i].second, "write " + inferred.text() + " or leave the type out");
  }
  for (size_t i = 0; i < s.defs.size(); ++i) good = define(scope, s.defs[i], (*results)[i]) && good;
  // What draws random numbers is known by its name: it has one from the start, so that the numbers stay the
  // same in every dump.
  if (s.op->mode != nullptr && s.defs.empty() && !results->empty())
    scope.builder.set_name(results->front(), s.op->name);
  return good;
}

}  // namespace tenon::ir
