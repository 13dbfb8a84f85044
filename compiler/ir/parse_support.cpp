// Parser: names, types, dimension expressions, and what diagnostics say.
#include <algorithm>

#include "ir/parser.h"
#include "support/text.h"

namespace tenon::ir {
namespace {

// Whole-word occurrence: "x" in "x has inner size" but not in "axis".
bool mentions(std::string_view text, std::string_view word) {
  auto part = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  };
  for (size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    bool left = at == 0 || !part(text[at - 1]);
    size_t end = at + word.size();
    if (left && (end == text.size() || !part(text[end]))) return true;
  }
  return false;
}

}  // namespace

bool Parser::fail(Diagnostic d) {
  if (errors_.list.size() < max_parse_errors) errors_.add(std::move(d));
  return false;
}

bool Parser::fail(Code code, std::string message, const Token& at, std::string help) {
  return fail(lexer_.diagnostic(code, std::move(message), at, std::move(help)));
}

bool Parser::unexpected(std::string_view wanted) {
  const Token& t = lexer_.peek();
  if (t.kind == Token::Kind::error) return fail(Code::syntax, t.value, t);
  std::string found = t.kind == Token::Kind::end       ? "the text ends"
                      : t.kind == Token::Kind::newline ? "the line ends"
                                                       : "found '" + std::string(t.text.substr(0, 40)) + "'";
  return fail(Code::syntax, std::string(wanted) + " expected, " + found, t);
}

bool Parser::expect(std::string_view punct) {
  if (!lexer_.peek().is(punct)) return unexpected("'" + std::string(punct) + "'");
  lexer_.next();
  return true;
}

bool Parser::name(std::string_view what, Token* out) {
  Token::Kind kind = lexer_.peek().kind;
  if (kind != Token::Kind::name && kind != Token::Kind::string) return unexpected(what);
  *out = lexer_.next();
  if (name_of(*out).empty()) return fail(Code::syntax, "a name is empty", *out);
  return true;
}

bool Parser::line_end() {
  if (!lexer_.peek().ends_line()) return unexpected("the line's end");
  return true;
}

bool Parser::integer(int64_t* out) {
  bool negative = lexer_.peek().is("-");
  if (negative) lexer_.next();
  Token t = lexer_.peek();
  if (t.kind != Token::Kind::number) return unexpected("an integer");
  std::optional<int64_t> v = parse_int((negative ? "-" : "") + std::string(t.text));
  if (!v) return fail(Code::bad_literal, std::string(t.text.substr(0, 40)) + " is no integer of 64 bits", t);
  lexer_.next();
  *out = *v;
  return true;
}

bool Parser::location(Location* out) {
  if (!lexer_.peek().is("@")) return true;
  Token at = lexer_.next();
  int64_t line = 0;
  if (!integer(&line)) return false;
  if (line < 1 || line > INT32_MAX) return fail(Code::bad_literal, "line number is out of range", at);
  if (module_.from.empty())
    return fail(Code::syntax, "a place is given, but the module line names no file", at,
                "module name from \"file\"");
  *out = {0, static_cast<uint32_t>(line), 0};
  return true;
}

const ValueId* Parser::lookup(Scope& scope, const std::string& wanted) {
  if (auto found = scope.names.find(wanted); found != scope.names.end()) return &found->second;
  if (auto found = scope.implicit.find(wanted); found != scope.implicit.end()) return &found->second;
  ValueId id;
  if (scope.parent != nullptr) {
    const ValueId* outer = lookup(*scope.parent, wanted);
    if (outer == nullptr) return nullptr;
    if (outer->valid()) {
      id = scope.graph.add_arg(scope.parent->graph.type(*outer), ArgKind::capture, wanted);
      // Captures stand before the index, which a listed section put there already.
      std::vector<ValueId>& args = scope.graph.args;
      if (args.size() > 1 && scope.graph.value(args[args.size() - 2]).arg == ArgKind::index) {
        std::swap(args[args.size() - 1], args[args.size() - 2]);
        for (size_t i = args.size() - 2; i < args.size(); ++i)
          scope.graph.value(args[i]).result = static_cast<uint32_t>(i);
      }
      scope.captured->push_back(*outer);
      scope.captured_names->push_back(wanted);
      size_t line = outer->index < scope.parent->lines.size() ? scope.parent->lines[outer->index] : 0;
      scope.lines.resize(std::max<size_t>(scope.lines.size(), id.index + 1));
      scope.lines[id.index] = static_cast<uint32_t>(line);
    }
  } else {
    auto global = globals_.find(wanted);
    if (global == globals_.end()) return nullptr;
    if (global_lines_[global->second] == 0) return &scope.names.emplace(wanted, id).first->second;
    id = scope.graph.add_arg(module_.globals[global->second].type, ArgKind::global, wanted);
    scope.lines.resize(std::max<size_t>(scope.lines.size(), id.index + 1));
    scope.lines[id.index] = global_lines_[global->second];
  }
  return &scope.names.emplace(wanted, id).first->second;
}

bool Parser::define(Scope& scope, const Token& named, ValueId value) {
  std::string key = name_of(named);
  auto [entry, fresh] = scope.names.emplace(key, value);
  if (!fresh) {
    uint32_t line = entry->second.valid() && entry->second.index < scope.lines.size()
                        ? scope.lines[entry->second.index]
                        : 0;
    return fail(
        Code::duplicate_name,
        key + " is defined twice" + (line == 0 ? "" : "; the first time in line " + std::to_string(line)),
        named, "values never change: give this one a name of its own");
  }
  if (!value.valid()) return true;
  scope.graph.value(value).name = key;
  scope.lines.resize(std::max<size_t>(scope.lines.size(), value.index + 1));
  scope.lines[value.index] = named.line;
  return true;
}

bool Parser::dim_expression(std::string_view stops, Dim* out) {
  Token raw = lexer_.raw_until(stops);
  Result<Dim> d = parse_dim(raw.text, &module_.dims);
  if (d) {
    *out = std::move(*d);
    return true;
  }
  Diagnostic e = d.take_errors().list.front();
  Token at = raw;
  at.offset += e.column - 1;
  at.column += e.column - 1;
  at.text = at.text.substr(std::min<size_t>(e.column - 1, at.text.size())).substr(0, e.length);
  return fail(e.code, e.message, at, e.help);
}

bool Parser::dim_list(std::vector<Dim>* out) {
  if (!expect("[")) return false;
  if (lexer_.peek().is("]")) {
    lexer_.next();
    return true;
  }
  while (true) {
    Dim d;
    if (!dim_expression(",]", &d)) return false;
    out->push_back(std::move(d));
    if (!lexer_.peek().is(",")) return expect("]");
    lexer_.next();
  }
}

bool Parser::type(Type* out, Token* token) {
  Token t = lexer_.peek();
  if (token != nullptr) *token = t;
  if (t.kind != Token::Kind::name) return unexpected("a type such as f32[batch,10]");
  std::optional<DType> dtype = parse_dtype(t.text);
  if (!dtype) {
    std::vector<std::string_view> names;
    for (size_t i = 0; i < dtype_count; ++i) names.push_back(dtype_name(static_cast<DType>(i)));
    std::string_view near = nearest(t.text, names);
    return fail(Code::syntax, "no element type is named " + std::string(t.text.substr(0, 40)), t,
                near.empty() ? "one of: " + join(std::vector<std::string>(names.begin(), names.end()), ", ")
                             : "did you mean " + std::string(near) + "?");
  }
  lexer_.next();
  out->dtype = *dtype;
  out->shape.clear();
  if (!dim_list(&out->shape)) return false;
  if (out->rank() > max_rank)
    return fail(Code::rank_mismatch,
                "type has " + std::to_string(out->rank()) + " dimensions, at most " +
                    std::to_string(max_rank) + " are possible",
                t);
  for (const Dim& d : out->shape)
    if (d.is_constant() && d.constant() < 0)
      return fail(Code::dim_range, "type " + out->text() + " has a negative extent", t);
  if (token != nullptr) {
    // The caret goes below the whole type.
    Lexer::Mark end = lexer_.mark();
    if (end.line == t.line && end.at > t.offset) token->text = {t.text.data(), end.at - t.offset};
  }
  return true;
}

std::string Parser::near_value(Scope& scope, const std::string& wanted) {
  constexpr size_t enough = 20000;  // comparing with more names than this takes longer than it helps
  std::vector<std::string_view> names;
  for (Scope* s = &scope; s != nullptr && names.size() < enough; s = s->parent)
    for (const auto& [key, id] : s->names) names.push_back(key);
  for (const Global& g : module_.globals) {
    if (names.size() >= enough) break;
    names.push_back(g.name);
  }
  std::sort(names.begin(), names.end());  // hash order must not choose among equals
  return std::string(nearest(wanted, names));
}

// The last value defined that would make the operation right in place of the operand; "" if none.
std::string Parser::other_operand(Scope& scope, const Statement& s, size_t position) {
  constexpr size_t tries = 32;
  if (s.op->elementwise() != nullptr || !s.regions.empty()) return "";
  InferContext context;
  context.op = s.op;
  context.module = &module_;
  for (const Operand& o : s.operands) context.operands.push_back(scope.graph.type(o.value));
  size_t count = scope.graph.value_count();
  for (size_t i = count; i-- > 0 && count - i <= tries;) {
    ValueId candidate(i);
    const Value& v = scope.graph.value(candidate);
    if (v.name.empty() || v.type == scope.graph.type(s.operands[position].value)) continue;
    context.operands[position] = v.type;
    Attrs attrs = s.attrs;
    context.attrs = &attrs;
    if (!infer_types(context)) continue;
    std::string out = v.name + " is " + v.type.text() + ": " + std::string(s.op->name);
    for (size_t o = 0; o < s.operands.size(); ++o)
      out += (o == 0 ? " " : ", ") + (o == position ? v.name : std::string(s.operands[o].token.text));
    return out;
  }
  return "";
}

void Parser::explain(Scope& scope, const Statement& s, Errors errors) {
  for (Diagnostic& e : errors.list) {
    std::string_view rest = e.message;
    if (rest.starts_with(std::string(s.op->name) + ":")) rest.remove_prefix(s.op->name.size() + 1);
    const Token* at = &s.op_token;
    std::vector<size_t> mentioned;
    for (size_t i = 0; i < s.operands.size() && !s.op->operands.empty(); ++i)
      if (mentions(rest, s.op->operands[std::min(i, s.op->operands.size() - 1)].name)) mentioned.push_back(i);
    if (!mentioned.empty()) at = &s.operands[mentioned.front()].token;
    if (e.code == Code::bad_attribute)
      for (const auto& [index, token] : s.attr_tokens)
        if (mentions(rest, s.op->attrs[index].name)) at = &token;
    Diagnostic d = lexer_.diagnostic(e.code, e.message, *at, e.help);
    bool about_types =
        e.code == Code::dtype_mismatch || e.code == Code::rank_mismatch || e.code == Code::shape_mismatch;
    if (mentioned.empty() && about_types)
      for (size_t i = 0; i < std::min<size_t>(s.operands.size(), 4); ++i) mentioned.push_back(i);
    for (size_t i : mentioned) {
      const Operand& o = s.operands[i];
      if (!o.value.valid() || o.literal) continue;
      uint32_t line = o.value.index < scope.lines.size() ? scope.lines[o.value.index] : 0;
      std::string note = std::string(o.token.text) + ": " + scope.graph.type(o.value).text() +
                         (line == 0 ? "" : " (line " + std::to_string(line) + ")");
      if (std::find(d.notes.begin(), d.notes.end(), note) == d.notes.end())
        d.notes.push_back(std::move(note));
      if (d.notes.size() == 8) break;
    }
    for (size_t i = 0; i < mentioned.size() && i < 2 && d.help.empty() && about_types; ++i)
      if (s.operands[mentioned[i]].value.valid()) d.help = other_operand(scope, s, mentioned[i]);
    fail(std::move(d));
  }
}

}  // namespace tenon::ir
