#include "kernel/parse_function.h"

#include <algorithm>

#include "kernel/syntax.h"
#include "support/text.h"

namespace tenon::kernel {
namespace {

constexpr int deepest_blocks = 100;

}  // namespace

bool FunctionParser::dtype(DType* out, std::string_view where) {
  const Token at = c_.peek();
  const std::optional<DType> d = at.kind == Token::Kind::name ? parse_dtype(at.text) : std::nullopt;
  if (!d) {
    c_.error(Code::syntax, at, std::string(where) + ": expected an element type, found " + Cursor::found(at));
    return false;
  }
  c_.take();
  if (!dtype_computes(*d))
    c_.error(Code::dtype_unsupported, at,
             std::string(at.text) + " is declared but not computed with in this version");
  *out = *d;
  return true;
}

VarId FunctionParser::declare(VarKind kind, DType dtype, const Token& name, std::vector<ExprId> extents) {
  if (name.kind != Token::Kind::name || is_reserved(name.text)) {
    c_.error(Code::syntax, name, "expected a name, found " + Cursor::found(name),
             is_reserved(name.text) ? "the word is taken by the language" : "");
  } else if (names_.contains(name.text)) {
    c_.error(Code::duplicate_name, name, Cursor::found(name) + " names something in this function already");
  }
  Var v{.kind = kind, .dtype = dtype, .name = std::string(name.text)};
  v.extents = std::move(extents);
  const VarId id = b_.variable(std::move(v));
  names_[name.text] = {id};
  declared_.push_back(name.text);
  return id;
}

VarId FunctionParser::lookup(const Token& name) {
  const auto at = names_.find(name.text);
  if (at != names_.end() && at->second.open) return at->second.var;
  if (at != names_.end()) {
    c_.error(Code::undefined_name, name, Cursor::found(name) + " is declared in a block that has ended");
    return {};
  }
  std::vector<std::string_view> known;
  for (std::string_view n : declared_)
    if (names_[n].open) known.push_back(n);
  const std::string_view guess =
      name.kind == Token::Kind::name ? nearest(name.text, known) : std::string_view();
  c_.error(Code::undefined_name, name, Cursor::found(name) + " is not declared",
           guess.empty() ? "" : "did you mean `" + std::string(guess) + "`?");
  return {};
}

void FunctionParser::function() {
  f_.comment = c_.leading_comment();
  const Token word = c_.take();
  f_.entry = word.is("entry");
  f_.procedure = word.is("procedure");
  const Token name = c_.peek();
  if (name.kind == Token::Kind::name) {
    f_.name = std::string(c_.take().text);
  } else if (name.kind == Token::Kind::string) {
    if (!unquote(c_.take().text, &f_.name)) c_.error(Code::bad_literal, name, "malformed escape in a name");
  } else {
    c_.error(Code::syntax, name, "expected the name of a function, found " + Cursor::found(name));
  }
  if (!c_.expect("(", "parameters")) {
    c_.skip_line();
    return;
  }
  parameters();
  if (!c_.expect(")", "parameters") || (c_.accept("scratch") && !scratch())) {
    c_.skip_line();
    return;
  }
  if (!c_.expect("{", "function")) {
    c_.skip_line();
    return;
  }
  // `{MR = 8} {`: nothing is declared yet, so a body cannot start with an assignment.
  if (c_.peek().kind == Token::Kind::name && !is_reserved(c_.peek().text) &&
      !names_.contains(c_.peek().text)) {
    fixed();
    c_.expect("}", "static integers");
    if (!c_.expect("{", "function")) {
      c_.skip_line();
      return;
    }
  }
  block(f_.body, nullptr);
  c_.expect("}", "function");
}

void FunctionParser::parameters() {
  if (c_.peek().is(")")) return;
  do {
    const Token name = c_.take();
    c_.expect(":", "parameter");
    DType type = DType::i64;
    if (!dtype(&type, "parameter")) return;
    const bool buffer = c_.accept("*");
    const VarId id = declare(buffer ? VarKind::buffer : VarKind::scalar, type, name);
    f_.params.push_back(id);
    if (!buffer) continue;
    Var& v = f_.vars[id.index];
    if (c_.accept("read")) {
      v.written = false;
    } else if (c_.accept("write")) {
      v.read = false;
    } else if (c_.accept("untouched")) {
      v.read = v.written = false;
    }
    if (c_.accept("align")) {
      const Token at = c_.take();
      const std::optional<int64_t> align = parse_int(at.text);
      if (!align || *align < 1 || *align > 4096 || (*align & (*align - 1)) != 0)
        c_.error(Code::bad_literal, at,
                 "align: expected a power of two up to 4096, found " + Cursor::found(at));
      else
        v.align = static_cast<uint32_t>(*align);
    }
  } while (c_.accept(","));
}

// `scratch s: f32[1024], …`
bool FunctionParser::scratch() {
  do {
    const Token name = c_.take();
    c_.expect(":", "scratch");
    DType type = DType::i64;
    if (!dtype(&type, "scratch") || !c_.expect("[", "scratch")) return false;
    const Token at = c_.take();
    const std::optional<int64_t> elements = parse_int(at.text);
    if (!elements || *elements < 1)
      c_.error(Code::bad_literal, at, "scratch: expected a number of elements, found " + Cursor::found(at));
    const VarId id = declare(VarKind::buffer, type, name);
    f_.vars[id.index].value = elements.value_or(1);
    f_.scratch.push_back(id);
    if (!c_.expect("]", "scratch")) return false;
  } while (c_.accept(","));
  return true;
}

void FunctionParser::fixed() {
  do {
    const Token name = c_.take();
    if (!c_.expect("=", "static integer")) return;
    const bool negative = c_.accept("-");
    const Token at = c_.take();
    uint64_t bits = 0;
    if (at.kind != Token::Kind::number || !literal_bits(at.text, negative, DType::i64, &bits))
      c_.error(Code::bad_literal, at, "static integer: expected an integer, found " + Cursor::found(at));
    const VarId id = declare(VarKind::fixed, DType::i64, name);
    f_.vars[id.index].value = static_cast<int64_t>(bits);
    f_.fixed.push_back(id);
  } while (c_.accept(","));
}

// Up to the closing brace, which is left.
void FunctionParser::block(std::vector<Stmt>& body, std::vector<Fold>* folds) {
  const size_t outer = declared_.size();
  while (!c_.peek().is("}") && c_.peek().kind != Token::Kind::end) {
    const Token at = c_.peek();
    if (at.is("define")) {
      define();
      continue;
    }
    if (at.is("fold")) {
      if (folds == nullptr) {
        c_.error(Code::syntax, at, "a fold stands only at the end of a lanes body");
        c_.skip_line();
      } else {
        fold(*folds);
      }
      continue;
    }
    if (folds != nullptr && !folds->empty())
      c_.error(Code::syntax, at, "a fold is followed by folds only, found " + Cursor::found(at));
    Stmt s;
    if (!statement(s, at)) {
      if (c_.peek().offset == at.offset || !c_.at_line_start()) c_.skip_line();
      continue;
    }
    if (s.comment.empty()) s.comment = c_.trailing_comment();
    body.push_back(std::move(s));
  }
  for (size_t i = outer; i < declared_.size(); ++i) names_[declared_[i]].open = false;
  declared_.resize(outer);
}

void FunctionParser::define() {
  c_.take();
  const Token name = c_.take();
  const std::string expected = "$" + std::to_string(defined_.size() + 1);
  if (!name.is(expected))
    c_.error(Code::syntax, name, "define: expected " + expected + ", found " + Cursor::found(name));
  c_.expect("=", "define");
  defined_.push_back(any(expression()));
}

void FunctionParser::fold(std::vector<Fold>& folds) {
  c_.take();
  Fold f{{}, FoldOp::add, {}};
  const Token target = c_.take();
  f.target = lookup(target);
  c_.expect("=", "fold");
  const Token word = c_.take();
  const std::optional<FoldOp> op = find_fold(word.text);
  if (!op)
    c_.error(Code::syntax, word, "fold: expected add, mul, min, max, and, or; found " + Cursor::found(word));
  f.op = op.value_or(FoldOp::add);
  if (!c_.expect("(", "fold")) {
    c_.skip_line();
    return;
  }
  const Value value = expression();
  c_.expect(")", "fold");
  f.value = f.target.valid() ? typed(value, f_.var(f.target).dtype) : any(value);
  folds.push_back(f);
}

// Statements whose error leaves the reader lost return false: the rest of the line is skipped.
bool FunctionParser::statement(Stmt& s, const Token& at) {
  if (at.kind != Token::Kind::name) {
    c_.error(Code::syntax, at, "expected a statement, found " + Cursor::found(at));
    return false;
  }
  if (at.is("for") || at.is("lanes") || at.is("unroll") || at.is("specialize") || at.is("parallel")) {
    c_.take();
    loop(s, at.text);
    return true;
  }
  if (at.is("if")) {
    c_.take();
    return branch(s);
  }
  if (at.is("var")) {
    c_.take();
    return local(s);
  }
  if (at.is("let")) {
    c_.take();
    return let(s);
  }
  if (at.is("fail")) {
    c_.take();
    fail(s);
    return true;
  }
  if (at.is("prefetch")) {
    c_.take();
    return prefetch(s);
  }
  if (at.is("exchange")) {
    c_.take();
    s.kind = StmtKind::exchange;
    s.var = lookup(c_.take());
    return s.var.valid();
  }
  if (at.is("call")) {
    c_.take();
    call(s);
    return true;
  }
  if (at.is("stop_on_failure")) {
    c_.take();
    s.kind = StmtKind::stop_on_failure;
    return true;
  }
  if (at.is("exit_if")) {
    c_.take();
    s.kind = StmtKind::exit_if;
    s.value = condition();
    return true;
  }
  if (at.is("progress")) {
    c_.take();
    s.kind = StmtKind::progress;
    s.value = index();
    return true;
  }
  if (is_reserved(at.text)) {
    c_.error(Code::syntax, at, "expected a statement, found " + Cursor::found(at));
    return false;
  }
  c_.take();
  return assignment(s, at);
}

// `i = value`, `a[1] = value`, `buffer[index] = value`: what stands behind the name tells that it is one.
bool FunctionParser::assignment(Stmt& s, const Token& name) {
  if (!c_.peek().is("[") && !c_.peek().is("=")) {
    c_.error(Code::syntax, name, "expected a statement, found " + Cursor::found(name),
             "an assignment is `name = value`, a store `buffer[index] = value`");
    return false;
  }
  const VarId var = lookup(name);
  const bool store = var.valid() && f_.var(var).kind == VarKind::buffer;
  s.kind = store ? StmtKind::store : StmtKind::assign;
  s.var = var;
  if (c_.peek().is("[")) s.args = subscripts();
  if (store) {
    if (s.args.size() != 1) {
      c_.error(Code::syntax, name,
               "store: expected one index of the element, found " + std::to_string(s.args.size()));
      s.args.assign(1, b_.index(0));
    }
    s.index = s.args[0];
    s.args.clear();
  } else if (var.valid() && f_.var(var).kind != VarKind::local) {
    c_.error(Code::graph_invalid, name, Cursor::found(name) + " is not assigned: it is no `var`");
  }
  c_.expect("=", "assignment");
  const Value value = expression();
  s.value = var.valid() ? typed(value, f_.var(var).dtype) : any(value);
  return true;
}

bool FunctionParser::branch(Stmt& s) {
  s.kind = StmtKind::if_;
  s.value = condition();
  body(s, declared_.size());
  if (c_.accept("else")) {
    if (!c_.expect("{", "else")) return false;
    block(s.other, nullptr);
    c_.expect("}", "else");
  }
  return true;
}

// `var x: f32 = 0`, `var x: f32[4, 2] = 0`. The name is declared behind the value, which cannot use it.
bool FunctionParser::local(Stmt& s) {
  s.kind = StmtKind::declare;
  const Token name = c_.take();
  c_.expect(":", "var");
  DType type = DType::i64;
  if (!dtype(&type, "var")) return false;
  std::vector<ExprId> extents;
  if (c_.peek().is("[")) extents = subscripts();
  if (!c_.expect("=", "var")) return false;
  s.value = typed(expression(), type);
  s.var = declare(VarKind::local, type, name, std::move(extents));
  return true;
}

bool FunctionParser::let(Stmt& s) {
  s.kind = StmtKind::let;
  const Token name = c_.take();
  if (!c_.expect("=", "let")) return false;
  const Value v = expression();
  s.value = any(v);
  s.var = declare(VarKind::let, b_.dtype(s.value), name);
  names_[name.text].bad = v.bad;
  return true;
}

bool FunctionParser::prefetch(Stmt& s) {
  s.kind = StmtKind::prefetch;
  s.write = c_.accept("write");
  s.var = lookup(c_.take());
  if (!c_.expect("[", "prefetch")) return false;
  s.index = index();
  return c_.expect("]", "prefetch");
}

void FunctionParser::loop(Stmt& s, std::string_view keyword) {
  s.kind = keyword == "for"        ? StmtKind::for_
           : keyword == "lanes"    ? StmtKind::lanes
           : keyword == "unroll"   ? StmtKind::unroll
           : keyword == "parallel" ? StmtKind::parallel
                                   : StmtKind::specialize;
  const Token name = c_.take();
  const size_t before = declared_.size();
  if (!c_.expect("in", keyword)) {
    c_.skip_line();
    return;
  }
  const Token at = c_.peek();
  s.lo = index();
  c_.expect("..", keyword);
  s.hi = index();
  switch (s.kind) {
    case StmtKind::for_:
      s.step = c_.accept("step") ? index() : b_.index(1);
      break;
    case StmtKind::lanes:
      c_.expect("width", keyword);
      s.step = index();
      break;
    case StmtKind::specialize:
      c_.expect("=", keyword);
      s.value = index();
      break;
    case StmtKind::parallel:
      if (const int64_t* lo = b_.as_index(s.lo); lo == nullptr || *lo != 0)
        c_.error(Code::syntax, at, "parallel: chunks count from 0");
      s.lo = {};
      break;
    default:
      break;
  }
  s.var = declare(VarKind::loop, DType::i64, name);
  body(s, before);
}

// `{ ... }` of a statement. Names from `declared_before` on go out of scope behind it: the loop's variable
// too.
void FunctionParser::body(Stmt& s, size_t declared_before) {
  if (!c_.expect("{", stmt_name(s.kind))) {
    c_.skip_line();
    return;
  }
  s.comment = c_.trailing_comment();
  if (++nesting_ > deepest_blocks) {
    c_.error(Code::text_limit, c_.peek(), "blocks nest deeper than " + std::to_string(deepest_blocks));
    // To the end of this block, whatever it holds.
    for (int depth = 0; c_.peek().kind != Token::Kind::end; c_.take()) {
      if (c_.peek().is("}") && depth-- == 0) break;
      if (c_.peek().is("{")) ++depth;
    }
  } else {
    block(s.body, s.kind == StmtKind::lanes ? &s.folds : nullptr);
  }
  --nesting_;
  c_.expect("}", stmt_name(s.kind));
  for (size_t i = declared_before; i < declared_.size(); ++i) names_[declared_[i]].open = false;
  declared_.resize(std::min(declared_.size(), declared_before));
}

void FunctionParser::fail(Stmt& s) {
  s.kind = StmtKind::fail;
  const Token code = c_.take();
  std::optional<int64_t> number;
  if (code.kind == Token::Kind::name && code.text.size() > 1 && code.text[0] == 'T')
    number = parse_int(code.text.substr(1));
  if (!number || *number < 1 || *number > 999)
    c_.error(Code::syntax, code, "fail: expected an error code such as T605, found " + Cursor::found(code));
  s.code = static_cast<uint16_t>(number.value_or(0));
  c_.expect("if", "fail");
  s.value = condition();
  c_.expect(",", "fail");
  s.index = index();
}

void FunctionParser::call(Stmt& s) {
  s.kind = StmtKind::call;
  const Token callee = c_.take();
  if (callee.kind == Token::Kind::string) {
    if (!unquote(callee.text, &s.callee)) c_.error(Code::bad_literal, callee, "malformed escape in a name");
  } else if (callee.kind == Token::Kind::name) {
    s.callee = std::string(callee.text);
  } else {
    c_.error(Code::syntax, callee, "call: expected the name of a function, found " + Cursor::found(callee));
  }
  if (!c_.expect("(", "call")) {
    c_.skip_line();
    return;
  }
  if (!c_.peek().is(")")) {
    do s.args.push_back(any(expression()));
    while (c_.accept(","));
  }
  c_.expect(")", "call");
}

}  // namespace tenon::kernel
