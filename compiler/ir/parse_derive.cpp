// Parser: derive directives and their options, and what a call makes of them.
#include <algorithm>
#include <set>
#include <unordered_map>

#include "ir/parser.h"

namespace tenon::ir {

namespace {

constexpr size_t max_option_depth = 16;

// Words of options, at any depth: some name functions that other directives make.
void collect_words(const std::vector<Option>& options, std::vector<std::string>* words) {
  for (const Option& o : options) {
    words->push_back(o.word);
    words->insert(words->end(), o.list.begin(), o.list.end());
    collect_words(o.group, words);
  }
}

}  // namespace

// A name, or a pattern of names as it stands: `*.w = 0.01`.
bool Parser::option_name(std::string* out) {
  if (lexer_.peek().kind != Token::Kind::string) {
    const Lexer::Mark mark = lexer_.mark();
    Token pattern = lexer_.raw_until("=,{}");
    if (is_plain_pattern(pattern.value)) {
      *out = std::move(pattern.value);
      return true;
    }
    lexer_.reset(mark);
  }
  Token named;
  if (!name("an option's name", &named)) return false;
  *out = name_of(named);
  return true;
}

bool Parser::options(std::vector<Option>* out, size_t depth) {
  if (depth > max_option_depth) return fail(Code::text_limit, "options nest too deep", lexer_.peek());
  lexer_.skip_newlines();
  while (!lexer_.peek().is("}")) {
    Option o;
    if (!option_name(&o.name)) return false;
    if (lexer_.peek().is("=")) {
      lexer_.next();
      if (lexer_.peek().is("[")) {
        o.is_list = true;
        lexer_.next();
        lexer_.skip_newlines();
        while (!lexer_.peek().is("]")) {
          Token item = lexer_.raw_until(",]{}");
          if (item.text.empty()) return unexpected("a name or number");
          o.list.push_back(item.value);
          lexer_.skip_newlines();
          if (!lexer_.peek().is(",")) break;
          lexer_.next();
          lexer_.skip_newlines();
        }
        if (!expect("]")) return false;
      } else if (!lexer_.peek().is("{")) {
        Token item = lexer_.raw_until(",]{}");
        if (item.text.empty()) return unexpected("an option's value");
        if (item.text.find_first_of(" \t") != std::string_view::npos)
          return fail(Code::syntax, "an option's value is one word, number, list or group", item);
        o.word = item.value;
      }
    }
    if (lexer_.peek().is("{")) {
      lexer_.next();
      if (!options(&o.group, depth + 1)) return false;
    }
    out->push_back(std::move(o));
    lexer_.skip_newlines();
    if (!lexer_.peek().is(",")) break;
    lexer_.next();
    lexer_.skip_newlines();
  }
  return expect("}");
}

bool Parser::derive() {
  Token named, kind, source;
  if (!name("the name of what is derived", &named) || !expect("=")) return false;
  if (!name("what to derive: step, grad, epochs", &kind) || !name("a function's name", &source)) return false;
  Derive d;
  d.name = name_of(named);
  d.kind = name_of(kind);
  d.source = name_of(source);
  d.comment = std::move(comment_);
  if (lexer_.peek().is("{")) {
    lexer_.next();
    if (!options(&d.options, 0)) return false;
  }
  if (!location(&d.location)) return false;
  declared_at(named, &d.location);
  for (const Derive& other : module_.derives)
    if (other.name == d.name) return fail(Code::duplicate_name, d.name + " is derived twice", named);
  if (functions_.count(d.name) != 0)
    return fail(Code::duplicate_name, d.name + " is already a function", named);
  module_.derives.push_back(std::move(d));
  return line_end();
}

// Where a directive makes the callee, it does so now, after those that it is made of: from here on the
// functions stand in the module like ones that were written. `failed` where errors of the text forbid it.
bool Parser::derived_callee(const std::string& callee, const Token& token, bool* failed) {
  if (!options_.derive || functions_.count(callee) != 0) return true;
  std::unordered_map<std::string_view, size_t> directives;
  for (size_t i = 0; i < module_.derives.size(); ++i) directives.emplace(module_.derives[i].name, i);
  std::set<size_t> chain;  // in the order of the text: what a directive is made of stands above it
  std::vector<std::pair<std::string, size_t>> wanted{{callee, module_.derives.size()}};
  while (!wanted.empty()) {
    const auto [name, below] = std::move(wanted.back());
    wanted.pop_back();
    const auto at = directives.find(name);
    if (functions_.count(name) != 0 || at == directives.end() || at->second >= below) continue;
    if (!chain.insert(at->second).second) continue;
    const Derive& derive = module_.derives[at->second];
    std::vector<std::string> sources{derive.source};
    collect_words(derive.options, &sources);
    for (std::string& source : sources) wanted.emplace_back(std::move(source), at->second);
  }
  if (chain.empty()) return true;
  *failed = !errors_.empty();
  if (*failed) return true;
  for (const size_t i : chain) {
    const Derive derive = module_.derives[i];
    const size_t first = module_.functions.size();
    Status made = options_.derive(module_, derive);
    for (size_t g = globals_.size(); g < module_.globals.size(); ++g) {
      globals_.emplace(module_.globals[g].name, g);
      global_lines_.push_back(token.line);
    }
    for (size_t f = first; f < module_.functions.size(); ++f)
      functions_.emplace(module_.functions[f].name, f);
    if (!made) {
      for (Diagnostic& d : made.take_errors().list) {
        d.notes.push_back("called in line " + std::to_string(token.line));
        fail(std::move(d));
      }
      return false;
    }
  }
  auto made = [&](const Derive& d) { return functions_.count(d.name) != 0; };
  module_.derives.erase(std::remove_if(module_.derives.begin(), module_.derives.end(), made),
                        module_.derives.end());
  return true;
}

}  // namespace tenon::ir
