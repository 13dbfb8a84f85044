// Parser: header and the module's declarations.
#include "ir/parse.h"

#include <limits>

#include "ir/made_names.h"
#include "ir/parser.h"
#include "support/text.h"

namespace tenon::ir {
Result<Module> parse(std::string_view text, const ParseOptions& options) {
  if (text.size() > options.max_bytes || text.size() > std::numeric_limits<uint32_t>::max()) {
    Diagnostic d;
    d.code = Code::text_limit;
    d.file = options.file;
    d.message = "text has " + std::to_string(text.size()) + " bytes, at most " +
                std::to_string(options.max_bytes) + " are read";
    return d;
  }
  return Parser(text, options).run();
}

Result<Attrs> parse_attributes(std::string_view text, const OpDef& op, const Module& module) {
  const std::string braced = "{" + std::string(text) + "}";
  ParseOptions options;
  options.file = std::string(op.name);
  return Parser(braced, options).run_attributes(op, module);
}

Result<std::vector<Option>> parse_options(std::string_view text) {
  const std::string braced = std::string(text) + "}";
  ParseOptions options;
  options.file = "options";
  return Parser(braced, options).run_options();
}

Result<Attrs> Parser::run_attributes(const OpDef& op, const Module& module) {
  module_.dims = module.dims;
  module_.dim_order = module.dim_order;
  Statement s;
  s.op = &op;
  s.attrs.resize(op.attrs.size());
  if (attributes(s) && lexer_.peek().kind != Token::Kind::end) unexpected("the end of the attributes");
  if (!errors_.empty()) return std::move(errors_);
  return std::move(s.attrs);
}

Result<std::vector<Option>> Parser::run_options() {
  std::vector<Option> out;
  if (options(&out, 0) && lexer_.peek().kind != Token::Kind::end) unexpected("the end of the options");
  if (!errors_.empty()) return std::move(errors_);
  return out;
}

Result<Module> Parser::run() {
  if (!header()) return std::move(errors_);
  while (true) {
    lexer_.skip_newlines();
    if (lexer_.peek().kind == Token::Kind::end) break;
    if (!declaration()) lexer_.skip_line();
  }
  if (!errors_.empty()) return std::move(errors_);
  return std::move(module_);
}

bool Parser::header() {
  lexer_.skip_newlines();
  Token first = lexer_.next();
  if (!first.word("tenon"))
    return fail(Code::bad_header, "the text does not begin with its form", first, "first line: tenon 1");
  Token version = lexer_.next();
  if (version.kind != Token::Kind::number || version.text != "1")
    return fail(Code::bad_header,
                "version '" + std::string(version.ends_line() ? "" : version.text) + "' is not known",
                version, "this build reads: tenon 1");
  if (!line_end()) return false;
  return true;
}

bool Parser::declaration() {
  Token word = lexer_.next();
  comment_ = lexer_.comment_above(word);
  if (word.word("stage")) {
    Token stage;
    if (!name("a stage's name", &stage)) return false;
    module_.stage = name_of(stage);
    return line_end();
  }
  if (word.word("module")) {
    Token named;
    if (!name("the module's name", &named)) return false;
    module_.name = name_of(named);
    if (lexer_.peek().word("from")) {
      lexer_.next();
      if (lexer_.peek().kind != Token::Kind::string) return unexpected("a file name in quotes");
      if (!module_.files.empty())
        return fail(Code::syntax, "the module line must stand before all that has a place", word);
      module_.from = lexer_.next().value;
      if (!module_.from.empty()) module_.files.push_back(module_.from);
    }
    return line_end();
  }
  if (word.word("dim")) return dim();
  if (word.word("hyper")) return hyper();
  if (word.word("param")) return global(GlobalKind::param);
  if (word.word("state")) return global(GlobalKind::state);
  if (word.word("func") || word.word("procedure")) return function(word.word("procedure"));
  if (word.word("derive")) return derive();
  static constexpr std::string_view words[] = {"stage", "module", "dim",       "hyper", "param",
                                               "state", "func",   "procedure", "derive"};
  if (word.kind == Token::Kind::error) return fail(Code::syntax, word.value, word);
  std::string_view near = word.kind == Token::Kind::name ? nearest(word.text, words) : std::string_view();
  return fail(Code::syntax, "declaration expected, found '" + std::string(word.text) + "'", word,
              near.empty() ? "one of: stage, module, dim, hyper, param, state, func, procedure, derive"
                           : "did you mean " + std::string(near) + "?");
}

bool Parser::dim() {
  Token named;
  if (!name("a dimension's name", &named)) return false;
  std::string key = name_of(named);
  bool plain = named.kind == Token::Kind::name && key.find('/') == std::string::npos;
  if (!plain) return fail(Code::syntax, "a dimension's name has letters, digits, _ and dots only", named);
  DimRange range;
  if (!expect("=")) return false;
  Token low = lexer_.peek();
  if (!integer(&range.low) || !expect("..") || !integer(&range.high)) return false;
  if (range.low < 0 || range.low > range.high) {
    // Declared all the same, lest every use of it be reported too.
    module_.dims.emplace(key, DimRange{0, 1});
    return fail(Code::dim_range,
                "dimension " + key + " has the empty range " + std::to_string(range.low) + ".." +
                    std::to_string(range.high),
                low, "write low..high with 0 <= low <= high");
  }
  if (lexer_.peek().word("from")) {
    lexer_.next();
    const Token text = lexer_.raw_until("\n");
    Result<Dim> value = parse_dim(text.value, &module_.dims);
    if (!value) return fail(Code::syntax, value.errors().list.front().message, text);
    range.value = std::make_shared<const Dim>(std::move(*value));
  }
  if (!module_.dims.emplace(key, range).second)
    return fail(Code::duplicate_name, "dimension " + key + " is declared twice", named);
  module_.dim_order.push_back(key);
  return line_end();
}

bool Parser::number(Number* out, Token* at) {
  const bool negative = lexer_.peek().is("-");
  if (negative) lexer_.next();
  const Token t = lexer_.peek();
  const bool word = t.word("inf") || t.word("nan") || (!negative && (t.word("true") || t.word("false")));
  if (t.kind != Token::Kind::number && !word) return unexpected("a number");
  const std::optional<Number> number = Number::parse((negative ? "-" : "") + std::string(t.text));
  if (!number) return fail(Code::bad_literal, std::string(t.text.substr(0, 40)) + " is no number", t);
  lexer_.next();
  if (at != nullptr) *at = t;
  *out = *number;
  return true;
}

bool Parser::fits(const Number& number, DType dtype, const Token& at) {
  if (!dtype_computes(dtype)) return true;  // which the verifier reports
  Status fit = number.check(dtype);
  return fit ? true : fail(Code::bad_literal, fit.errors().list.front().message, at);
}

bool Parser::hyper() {
  Token named;
  if (!name("a hyper-parameter's name", &named)) return false;
  Global g;
  g.kind = GlobalKind::hyper;
  g.comment = std::move(comment_);
  g.name = name_of(named);
  Number value;
  Token value_token;
  if (!expect("=") || !number(&value, &value_token) || !expect(":")) return false;
  g.init = {"constant", {value}};
  Token t = lexer_.peek();
  if (std::optional<DType> d = parse_dtype(t.text); t.kind == Token::Kind::name && d) {
    Lexer::Mark mark = lexer_.mark();
    lexer_.next();
    if (lexer_.peek().is("[")) {
      lexer_.reset(mark);
      if (!type(&g.type, nullptr)) return false;
    } else {
      g.type = Type{*d, {}};
    }
  } else if (!type(&g.type, nullptr)) {
    return false;
  }
  if (!fits(value, g.type.dtype, value_token) || !location(&g.location)) return false;
  declared_at(named, &g.location);
  if (!globals_.emplace(g.name, module_.globals.size()).second)
    return fail(Code::duplicate_name, g.name + " is declared twice", named);
  module_.globals.push_back(std::move(g));
  global_lines_.push_back(named.line);
  return line_end();
}

bool Parser::init(const Type& type, Init* out) {
  Token named;
  if (!name("an initial value: zeros, constant(0.1), glorot_uniform, ...", &named)) return false;
  out->name = name_of(named);
  bool known = is_counter_init(out->name);
  for (std::string_view n : init_names) known = known || n == out->name;
  if (!known) {
    std::string_view near = nearest(out->name, init_names);
    std::string all;
    for (std::string_view n : init_names) all += (all.empty() ? "one of: " : ", ") + std::string(n);
    return fail(Code::undefined_name, "no initial value is named " + out->name, named,
                near.empty() ? all : "did you mean " + std::string(near) + "?");
  }
  if (!lexer_.peek().is("(")) return true;
  lexer_.next();
  while (!lexer_.peek().is(")")) {
    Number v;
    Token at;
    if (!number(&v, &at) || !fits(v, type.dtype, at)) return false;
    out->args.push_back(std::move(v));
    if (!lexer_.peek().is(",")) break;
    lexer_.next();
  }
  return expect(")");
}

bool Parser::global(GlobalKind kind) {
  Token named;
  if (!name(kind == GlobalKind::param ? "a parameter's name" : "a state's name", &named)) return false;
  Global g;
  g.kind = kind;
  g.name = name_of(named);
  g.comment = std::move(comment_);
  // What cannot be read still declares its name, lest every use of it be reported too.
  bool fresh = globals_.emplace(g.name, module_.globals.size()).second;
  bool good = expect(":") && type(&g.type, nullptr);
  if (good && lexer_.peek().is("=")) {
    lexer_.next();
    good = init(g.type, &g.init);
  }
  if (good && kind == GlobalKind::param && lexer_.peek().word("frozen")) {
    lexer_.next();
    g.frozen = true;
  }
  good = good && location(&g.location);
  declared_at(named, &g.location);
  if (fresh) {
    module_.globals.push_back(std::move(g));
    global_lines_.push_back(good ? named.line : 0);
  }
  if (!fresh) fail(Code::duplicate_name, name_of(named) + " is declared twice", named);
  return good && fresh && line_end();
}

// A declaration without a place of its own stands where it was read.
void Parser::declared_at(const Token& named, Location* out) {
  if (out->known()) return;
  if (file_ == ~0u) file_ = module_.file_index(options_.file);
  *out = {file_, named.line, named.column};
}

}  // namespace tenon::ir
