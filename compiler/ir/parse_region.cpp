// Parser: loop and cond, whose regions are isolated graphs, and call.
//
// A value of the enclosing graph that a body uses without listing it becomes a capture at its first use
// (lookup()); both branches of a cond then get it, since they share one list of captures.
#include <algorithm>

#include "ir/apply.h"
#include "ir/parser.h"
#include "ir/print_detail.h"
#include "support/text.h"

namespace tenon::ir {

// True where the "{" that comes next ends its line: a block and not attributes.
bool Parser::opens_block() {
  if (!lexer_.peek().is("{")) return false;
  Lexer::Mark mark = lexer_.mark();
  lexer_.next();
  bool block = lexer_.peek().ends_line();
  lexer_.reset(mark);
  return block;
}

bool Parser::region_item(Scope& scope, ArgKind kind, std::vector<RegionArg>* args) {
  RegionArg a;
  a.kind = kind;
  if (!name("a name of the region", &a.name)) return false;
  if (kind == ArgKind::index) {
    args->push_back(std::move(a));
    return true;
  }
  Operand outer;
  if (kind == ArgKind::capture && !lexer_.peek().is("=")) {
    outer.token = a.name;
    const ValueId* found = lookup(scope, name_of(a.name));
    if (found == nullptr) {
      std::string near = near_value(scope, name_of(a.name));
      fail(Code::undefined_name, name_of(a.name) + " is not defined", a.name,
           near.empty() ? "" : "did you mean " + near + "?");
    } else {
      outer.value = *found;
    }
  } else {
    if (kind == ArgKind::slice) {
      if (!lexer_.peek().word("in")) return unexpected("'in'");
      lexer_.next();
    } else if (!expect("=")) {
      return false;
    }
    if (!operand(scope, &outer)) return false;
    if (outer.literal)
      return fail(Code::syntax, "a name is wanted here, not a literal", outer.token,
                  "define it before: c = const " + std::string(outer.token.text) + " : f32[]");
  }
  if (kind == ArgKind::slice && outer.value.valid() && scope.graph.type(outer.value).is_scalar()) {
    return fail(Code::rank_mismatch,
                "loop: " + name_of(outer.token) + " is " + scope.graph.type(outer.value).text() +
                    ", a sliced operand needs a leading dimension",
                outer.token);
  }
  a.outer = outer.value;
  args->push_back(std::move(a));
  return true;
}

bool Parser::loop_sections(Scope& scope, std::vector<RegionArg>* args) {
  static constexpr ArgKind kinds[] = {ArgKind::carry, ArgKind::slice, ArgKind::capture, ArgKind::index};
  if (!expect("(")) return false;
  size_t section = 0, count = 0;  // items of the section so far
  while (true) {
    lexer_.skip_newlines();
    if (lexer_.peek().is(")")) break;
    if (lexer_.peek().is(";")) {
      if (++section == 4) return unexpected("')'");
      lexer_.next();
      count = 0;
      continue;
    }
    if (count != 0) {
      if (!expect(",")) return false;
      lexer_.skip_newlines();
    }
    if (kinds[section] == ArgKind::index && count != 0) return unexpected("')'");
    if (!region_item(scope, kinds[section], args)) return false;
    ++count;
  }
  return expect(")");
}

bool Parser::add_region_arg(Scope& outer, Scope& inner, const RegionArg& arg) {
  ValueId id;
  if (arg.kind == ArgKind::index) {
    id = inner.graph.add_arg(Type{DType::i64, {}}, arg.kind, "");
  } else if (arg.outer.valid()) {
    Type t = outer.graph.type(arg.outer);
    if (arg.kind == ArgKind::slice) t.shape.erase(t.shape.begin());
    id = inner.graph.add_arg(std::move(t), arg.kind, "");
  }
  return define(inner, arg.name, id);
}

bool Parser::region_body(Scope& outer, Scope& inner, Statement& s) {
  bool good = block(inner, nullptr);
  if (inner.failed) {
    outer.failed = true;
    s.poisoned = true;
  }
  return good;
}

bool Parser::loop(Scope& scope, Statement& s) {
  if (scope.depth + 1 >= max_region_depth) return fail(Code::text_limit, "regions nest too deep", s.op_token);
  std::vector<RegionArg> args;
  if (!loop_sections(scope, &args) || !attributes(s) || !types_and_tail(s)) return false;
  if (!expect("{") || !line_end()) return false;
  auto body = std::make_unique<Graph>();
  Scope inner(*body, &module_, &scope);
  inner.depth = scope.depth + 1;
  std::vector<ValueId> captured;
  std::vector<std::string> captured_names;
  inner.captured = &captured;
  inner.captured_names = &captured_names;
  bool good = true;
  for (const RegionArg& a : args) {
    good = add_region_arg(scope, inner, a) && good;
    if (a.kind == ArgKind::index) continue;
    s.poisoned = s.poisoned || !a.outer.valid();
    Operand o;
    o.token = a.name;
    o.value = a.outer;
    s.operands.push_back(std::move(o));
  }
  if (!good) scope.failed = s.poisoned = true;
  if (!region_body(scope, inner, s)) return false;
  for (size_t i = 0; i < captured.size(); ++i) {
    Operand o;
    o.token = s.op_token;
    o.value = captured[i];
    s.operands.push_back(std::move(o));
  }
  s.regions.push_back(std::move(body));
  return line_end() && emit(scope, s);
}

bool Parser::cond(Scope& scope, Statement& s) {
  if (scope.depth + 1 >= max_region_depth) return fail(Code::text_limit, "regions nest too deep", s.op_token);
  Operand predicate;
  if (!operand(scope, &predicate)) return false;
  if (predicate.literal) return fail(Code::syntax, "a name is wanted here, not a literal", predicate.token);
  s.poisoned = !predicate.value.valid();
  s.operands.push_back(std::move(predicate));
  std::vector<RegionArg> args;
  if (lexer_.peek().is("(")) {
    lexer_.next();
    lexer_.skip_newlines();
    while (!lexer_.peek().is(")")) {
      if (!region_item(scope, ArgKind::capture, &args)) return false;
      lexer_.skip_newlines();
      if (!lexer_.peek().is(",")) break;
      lexer_.next();
      lexer_.skip_newlines();
    }
    if (!expect(")")) return false;
  }
  if (!attributes(s) || !types_and_tail(s) || !expect("{") || !line_end()) return false;

  std::vector<ValueId> captured;
  std::vector<std::string> captured_names;
  auto open = [&](Scope& inner) {
    inner.depth = scope.depth + 1;
    inner.captured = &captured;
    inner.captured_names = &captured_names;
  };
  auto add_args = [&](Scope& inner) {
    bool good = true;
    for (const RegionArg& a : args) good = add_region_arg(scope, inner, a) && good;
    return good;
  };
  for (const RegionArg& a : args) {
    s.poisoned = s.poisoned || !a.outer.valid();
    Operand o;
    o.token = a.name;
    o.value = a.outer;
    s.operands.push_back(std::move(o));
  }
  auto yes = std::make_unique<Graph>(), no = std::make_unique<Graph>();
  Scope then_scope(*yes, &module_, &scope);
  open(then_scope);
  if (!add_args(then_scope)) scope.failed = s.poisoned = true;
  if (!region_body(scope, then_scope, s)) return false;
  if (!lexer_.peek().word("else")) return unexpected("'else'");
  lexer_.next();
  if (!expect("{") || !line_end()) return false;
  Scope else_scope(*no, &module_, &scope);
  open(else_scope);
  if (!s.poisoned) add_args(else_scope);
  size_t shared = captured.size();
  for (size_t i = 0; i < shared; ++i)
    else_scope.implicit.emplace(captured_names[i],
                                no->add_arg(scope.graph.type(captured[i]), ArgKind::capture, ""));
  if (s.poisoned)
    for (const RegionArg& a : args) else_scope.names.emplace(name_of(a.name), ValueId());
  if (!region_body(scope, else_scope, s)) return false;
  // What only the else branch used, the then branch captures as well.
  Builder names(*yes);
  for (size_t i = shared; i < captured.size(); ++i)
    names.set_name(yes->add_arg(scope.graph.type(captured[i]), ArgKind::capture, ""), captured_names[i]);
  for (ValueId v : captured) {
    Operand o;
    o.token = s.op_token;
    o.value = v;
    s.operands.push_back(std::move(o));
  }
  s.regions.push_back(std::move(yes));
  s.regions.push_back(std::move(no));
  return line_end() && emit(scope, s);
}

bool Parser::call(Scope& scope, Statement& s) {
  Token callee;
  if (!name("a function's name", &callee)) return false;
  std::string key = name_of(callee);
  if (!expect("(") || !operands(scope, s) || !expect(")")) return false;
  if (!attributes(s) || !types_and_tail(s) || !line_end()) return false;
  if (key == function_)
    return fail(Code::undefined_name, "no function before this line is named " + key + ": it ends later",
                callee, "functions do not call themselves; a loop repeats");
  if (failed_functions_.count(key) != 0) {
    s.poisoned = true;
    return true;
  }
  bool unmade = false;
  if (!derived_callee(key, callee, &unmade)) return false;
  if (unmade) {
    s.poisoned = true;
    return true;
  }
  auto found = functions_.find(key);
  if (found == functions_.end()) {
    std::vector<std::string_view> names;
    for (const Function& f : module_.functions) names.push_back(f.name);
    for (const Derive& d : module_.derives) names.push_back(d.name);
    std::string_view near = nearest(key, names);
    return fail(Code::undefined_name, "no function before this line is named " + key, callee,
                near.empty() ? "" : "did you mean " + std::string(near) + "?");
  }
  if (s.poisoned) return true;
  s.attrs[positional_attr(*s.op)] = key;
  // A literal takes the type of the argument it stands for.
  const std::vector<AppliedArgument> arguments = applied_arguments(module_, module_.functions[found->second]);
  for (size_t i = 0; i < arguments.size() && i < s.operands.size(); ++i) {
    Operand& o = s.operands[i];
    if (!o.literal || (arguments[i].global && s.op->control()->what == Control::call)) continue;
    std::shared_ptr<const Array> array;
    if (!scalar_array(o, arguments[i].type->dtype, &array)) return false;
    o.value = scope.builder.constant(std::move(array));
    o.literal = false;
  }
  return emit(scope, s);
}

}  // namespace tenon::ir
