// Parser: functions, their blocks, returns and writes.
#include <algorithm>

#include "ir/apply.h"
#include "ir/parser.h"
#include "ir/print_detail.h"
#include "support/text.h"

namespace tenon::ir {

bool Parser::function_results(Function* f, std::vector<Type>* types) {
  if (!lexer_.peek().is("->")) return true;
  lexer_.next();
  while (true) {
    lexer_.skip_newlines();
    // "probs: f32[]" or "f32[]": a name has a colon behind it.
    Lexer::Mark mark = lexer_.mark();
    std::string result_name;
    if (Token::Kind kind = lexer_.peek().kind; kind == Token::Kind::name || kind == Token::Kind::string) {
      Token named = lexer_.next();
      if (lexer_.peek().is(":")) {
        lexer_.next();
        result_name = name_of(named);
      } else {
        lexer_.reset(mark);
      }
    }
    Type t;
    if (!type(&t, nullptr)) return false;
    for (const std::string& other : f->result_names)
      if (!result_name.empty() && other == result_name)
        return fail(Code::duplicate_name, "two results are named " + result_name, lexer_.peek());
    f->result_names.push_back(std::move(result_name));
    types->push_back(std::move(t));
    if (!lexer_.peek().is(",")) return true;
    lexer_.next();
  }
}

// batch n (x 0, y 0 1, mask): each input with the axes that are cut, none where it is the same for every
// batch.
bool Parser::function_batch(Function* f) {
  lexer_.next();
  Token dim;
  if (!name("the batch dimension", &dim) || !expect("(")) return false;
  f->batch.dim = name_of(dim);
  while (!lexer_.peek().is(")")) {
    Token input;
    if (!name("an input's name", &input)) return false;
    BatchInput& to = f->batch.inputs.emplace_back();
    to.name = name_of(input);
    size_t rank = 0;
    bool known = false;
    for (ValueId a : f->graph.args) {
      if (f->graph.value(a).name != to.name) continue;
      known = true;
      rank = f->graph.type(a).rank();
    }
    if (!known) return fail(Code::undefined_name, "no input is named " + to.name, input);
    while (!lexer_.peek().is(",") && !lexer_.peek().is(")")) {
      const Token at = lexer_.peek();
      int64_t axis = 0;
      if (!integer(&axis)) return false;
      if (axis < 0 || axis >= static_cast<int64_t>(rank))
        return fail(Code::bad_attribute, to.name + " has no axis " + std::to_string(axis), at);
      to.axes.push_back(static_cast<uint32_t>(axis));
    }
    if (!lexer_.peek().is(",")) break;
    lexer_.next();
  }
  return expect(")");
}

bool Parser::function(bool procedure) {
  Token named;
  if (!name("a function's name", &named)) return false;
  Function f;
  f.name = name_of(named);
  f.procedure = procedure;
  f.comment = std::move(comment_);
  if (file_ == ~0u) file_ = module_.file_index(options_.file);
  f.location = {file_, named.line, named.column};
  bool fresh = functions_.count(f.name) == 0;
  if (!fresh) fail(Code::duplicate_name, "function " + f.name + " is defined twice", named);

  failed_functions_.insert(f.name);
  return function_rest(std::move(f), fresh);
}

bool Parser::function_rest(Function f, bool fresh) {
  Scope scope(f.graph, &module_, nullptr);
  if (!expect("(")) return false;
  lexer_.skip_newlines();
  while (!lexer_.peek().is(")")) {
    Token arg;
    Type t;
    if (!name("an argument's name", &arg) || !expect(":") || !type(&t, nullptr)) return false;
    ValueId id = f.graph.add_arg(std::move(t), ArgKind::input, "");
    if (!define(scope, arg, id)) return false;
    lexer_.skip_newlines();
    if (!lexer_.peek().is(",")) break;
    lexer_.next();
    lexer_.skip_newlines();
  }
  if (!expect(")")) return false;
  std::vector<Type> types;
  if (!function_results(&f, &types)) return false;
  if (lexer_.peek().word("mode")) {
    lexer_.next();
    Token mode;
    if (!name("training or inference", &mode)) return false;
    if (!mode.word("training") && !mode.word("inference"))
      return fail(Code::syntax, "a mode is training or inference", mode);
    f.mode = mode.word("training") ? Mode::training : Mode::inference;
  }
  if (lexer_.peek().word("batch") && !function_batch(&f)) return false;
  if (lexer_.peek().word("from")) {
    lexer_.next();
    const Token text = lexer_.raw_until("{");
    std::optional<Origin> origin = parse_origin(trim(text.value));
    if (!origin)
      return fail(Code::syntax,
                  "what a function is made from is init, or a directive's word and its function", text,
                  "from step(loss)");
    f.origin = std::move(*origin);
  }
  if (!expect("{") || !line_end()) return false;
  function_ = f.name;
  written_.clear();
  scope.function = &f;
  bool good = block(scope, &types);
  function_.clear();
  if (!good) {
    // A block that does not end where it should has no known end: go on at the next declaration.
    return false;
  }
  if (!line_end()) return false;
  if (fresh) {
    functions_.emplace(f.name, module_.functions.size());
    failed_functions_.erase(f.name);
    f.returns = types.size();
    if (scope.failed && f.graph.results.size() < f.returns + f.writes.size()) {
      // Callers still see the declared types; the module itself is refused in the end.
      TENON_CHECK(!errors_.empty());
      f.writes.clear();
      f.graph.results.clear();
      for (const Type& t : types) f.graph.results.push_back(f.graph.add_arg(t, ArgKind::capture, ""));
    }
    module_.functions.push_back(std::move(f));
  }
  return true;
}

// Statements up to the closing "}", which is consumed. `types`: of what a function returns.
bool Parser::block(Scope& scope, const std::vector<Type>* types) {
  Function* const function = scope.function;
  bool finished = false;
  while (true) {
    lexer_.skip_newlines();
    Token first = lexer_.peek();
    if (first.kind == Token::Kind::end) return unexpected("'}'");
    if (first.is("}")) {
      if (!finished && (function == nullptr || !types->empty())) {
        if (!scope.failed)
          fail(Code::syntax,
               function == nullptr ? "'yield' expected before the block ends"
                                   : "'return' expected before the function ends",
               first);
        scope.failed = true;
      }
      lexer_.next();
      return true;
    }
    bool good;
    std::string_view last = function == nullptr ? "yield" : "return";
    Lexer::Mark mark = lexer_.mark();
    bool word = first.word("return") || first.word("yield") || first.word("set");
    if (word) {
      lexer_.next();
      // "set = add a, b" defines a value of that name.
      word = !lexer_.peek().is("=") && !lexer_.peek().is(",");
      lexer_.reset(mark);
    }
    if (word && first.text == last) {
      good = !finished || fail(Code::syntax, "a second '" + std::string(last) + "'", first);
      good = good && finish(scope, types);
      finished = true;
    } else if (word && first.text == "set") {
      good = finished ? fail(Code::syntax, "writes stand before 'return'", first) : set(scope);
    } else if (word) {
      good = fail(Code::syntax, "'" + std::string(first.text) + "' does not stand here", first,
                  "this block ends with: " + std::string(last));
    } else if (finished) {
      good = fail(Code::syntax, "statement after '" + std::string(last) + "'", first);
    } else {
      good = statement(scope);
    }
    if (!good) {
      scope.failed = true;
      lexer_.skip_line();
    }
  }
}

bool Parser::name_list(Scope& scope, std::vector<Operand>* out) {
  bool good = true;
  while (true) {
    Operand o;
    if (!operand(scope, &o)) return false;
    if (o.literal)
      return fail(Code::syntax, "a name is wanted here, not a literal", o.token,
                  "name it: c = const " + std::string(o.token.text) + " : f32[]");
    good = good && o.value.valid();
    out->push_back(std::move(o));
    if (!lexer_.peek().is(",")) break;
    lexer_.next();
    lexer_.skip_newlines();
  }
  if (!good) scope.failed = true;
  return true;
}

bool Parser::finish(Scope& scope, const std::vector<Type>* types) {
  const Function* const function = scope.function;
  Token word = lexer_.next();
  std::vector<Operand> values;
  if (!lexer_.peek().ends_line() && !name_list(scope, &values)) return false;
  if (!line_end()) return false;
  for (const Operand& o : values)
    if (!o.value.valid()) return true;  // reported where it was to be defined
  std::vector<ValueId> results;
  for (const Operand& o : values) results.push_back(o.value);
  if (function != nullptr) {
    if (values.size() != types->size())
      return fail(Code::result_type,
                  "function " + function->name + " returns " + std::to_string(values.size()) +
                      " values, its first line declares " + std::to_string(types->size()),
                  word);
    bool good = true;
    for (size_t i = 0; i < values.size(); ++i) {
      const Type& found = scope.graph.type(values[i].value);
      if (found == (*types)[i]) continue;
      good = fail(Code::result_type,
                  "function " + function->name + " returns " + found.text() + ", its first line declares " +
                      (*types)[i].text(),
                  values[i].token, "declare " + found.text());
    }
    if (!good) return false;
    // Writes were collected before; returned values come first.
    results.insert(results.end(), scope.graph.results.begin(), scope.graph.results.end());
  }
  scope.graph.results = std::move(results);
  return true;
}

bool Parser::set(Scope& scope) {
  Token word = lexer_.next(), named;
  if (!name("the name of a parameter or state", &named) || !expect("=")) return false;
  std::string target = name_of(named);
  Operand value;
  if (!operand(scope, &value)) return false;
  if (value.literal) return fail(Code::syntax, "a name is wanted here, not a literal", value.token);
  if (!line_end()) return false;
  if (scope.function == nullptr)
    return fail(Code::state_write, "a region cannot write " + target, word,
                "yield the value and set it at the function's end");
  auto found = globals_.find(target);
  if (found == globals_.end() || module_.globals[found->second].kind == GlobalKind::hyper) {
    std::vector<std::string_view> names;
    for (const Global& g : module_.globals)
      if (g.kind != GlobalKind::hyper) names.push_back(g.name);
    std::string_view near = nearest(target, names);
    return fail(Code::state_write,
                found == globals_.end() ? "no parameter or state is named " + target
                                        : "hyper-parameter " + target + " cannot be written",
                named, near.empty() || near == target ? "" : "did you mean " + std::string(near) + "?");
  }
  if (written_.contains(target)) return fail(Code::state_write, target + " is written twice", named);
  if (module_.globals[found->second].frozen && scope.function->name != "init")
    return fail(Code::state_write, target + " is frozen and cannot be written", named,
                "leave out frozen, and name what steps train: over = [...]");
  if (!value.value.valid() || global_lines_[found->second] == 0) {
    scope.failed = true;
    return true;
  }
  const Type &from = scope.graph.type(value.value), &to = module_.globals[found->second].type;
  if (from != to)
    return fail(Code::state_write, target + " is " + to.text() + ", the value written is " + from.text(),
                value.token);
  write(scope, target, value.value);
  return true;
}

void Parser::write(Scope& scope, const std::string& target, ValueId value) {
  written_.insert(target);
  scope.function->writes.push_back({target});
  scope.graph.results.push_back(value);
}

// What a called function writes, its caller writes, where the statement names what it returns alone: the new
// values are the results behind those. Takes them off `results`.
bool Parser::writes_of_call(Scope& scope, const Statement& s, std::vector<ValueId>* results) {
  if (s.op->control() == nullptr || s.op->control()->what != Control::call) return true;
  const Function& callee =
      module_.functions[functions_.at(std::get<std::string>(s.attrs[positional_attr(*s.op)]))];
  const std::vector<size_t> from = applied_results(module_, callee);
  if (callee.returns == from.size() || (!s.defs.empty() && s.defs.size() != callee.returns)) return true;
  for (size_t r = callee.returns; r < from.size(); ++r) {
    const std::string& target = callee.writes[from[r] - callee.returns].global;
    if (scope.function == nullptr)
      return fail(
          Code::state_write, "a region cannot write " + target + ", which " + callee.name + " writes",
          s.op_token,
          "name the new values behind what it returns, yield them, and set them at the function's end");
    if (written_.contains(target))
      return fail(Code::state_write, target + " is written twice: " + callee.name + " writes it", s.op_token,
                  "hand it from one to the next: apply takes " + target +
                      " as an operand and gives its new "
                      "value as a result");
    write(scope, target, (*results)[r]);
  }
  results->resize(callee.returns);
  return true;
}

}  // namespace tenon::ir
