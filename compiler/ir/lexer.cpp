#include "ir/lexer.h"

#include <algorithm>
#include <vector>

#include "support/text.h"

namespace tenon::ir {
namespace {

bool name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool name_part(char c) { return name_start(c) || digit(c) || c == '.'; }

// Length of the name at the start of the text.
size_t name_length(std::string_view t) {
  if (t.empty() || !name_start(t[0])) return 0;
  size_t n = 1;
  // A slash belongs to a name only before a letter or digit: "a//" starts a comment.
  while (n < t.size() &&
         (name_part(t[n]) || (t[n] == '/' && n + 1 < t.size() && t[n + 1] != '.' && name_part(t[n + 1]))))
    ++n;
  while (n < t.size() && t[n] == '\'') ++n;
  return n;
}

constexpr std::string_view reserved[] = {"true",  "false", "nan",  "inf", "return",
                                         "yield", "set",   "data", "in"};

}  // namespace

bool is_plain_name(std::string_view name) {
  return name_length(name) == name.size() && !name.empty() &&
         std::find(std::begin(reserved), std::end(reserved), name) == std::end(reserved);
}

bool is_plain_pattern(std::string_view text) {
  const auto fits = [](char c) { return name_part(c) || c == '/' || c == '\'' || c == '*' || c == '?'; };
  return text.find_first_of("*?") != std::string_view::npos && text.find("//") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), fits);
}

Token Lexer::make(Token::Kind kind, size_t start, size_t end) {
  Token t;
  t.kind = kind;
  t.text = text_.substr(start, end - start);
  t.offset = start;
  t.line = line_;
  t.column = static_cast<uint32_t>(start - line_start_ + 1);
  at_ = end;
  return t;
}

Token Lexer::scan() {
  while (at_ < text_.size()) {
    char c = text_[at_];
    if (c == ' ' || c == '\t' || c == '\r') {
      ++at_;
    } else if (c == '/' && at_ + 1 < text_.size() && text_[at_ + 1] == '/') {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else {
      break;
    }
  }
  if (at_ >= text_.size()) return make(Token::Kind::end, text_.size(), text_.size());
  char c = text_[at_];
  if (c == '\n') {
    Token t = make(Token::Kind::newline, at_, at_ + 1);
    ++line_;
    line_start_ = at_;
    return t;
  }
  if (size_t n = name_length(text_.substr(at_)); n != 0) return make(Token::Kind::name, at_, at_ + n);
  if (digit(c)) return scan_number();
  if (c == '"') return scan_string();
  if (text_.substr(at_, 2) == "->" || text_.substr(at_, 2) == "..")
    return make(Token::Kind::punct, at_, at_ + 2);
  if (std::string_view("(){}[],:;=@-+*?.").find(c) != std::string_view::npos)
    return make(Token::Kind::punct, at_, at_ + 1);
  Token t = make(Token::Kind::error, at_, at_ + 1);
  if (c < 32 && c >= 0) {
    t.value = "control character " + std::to_string(static_cast<int>(c)) + " in the text";
  } else {
    // A whole UTF-8 character, so that the message is valid text where the input was.
    while (at_ < text_.size() && (static_cast<unsigned char>(text_[at_]) & 0xC0) == 0x80) ++at_;
    t.text = text_.substr(t.offset, at_ - t.offset);
    t.value = "character '" + std::string(t.text) + "' has no meaning here";
  }
  return t;
}

Token Lexer::scan_number() {
  size_t i = at_;
  auto digits = [&] {
    while (i < text_.size() && digit(text_[i])) ++i;
  };
  digits();
  // "1..256" is a range: its first dot is no decimal point.
  if (i + 1 < text_.size() && text_[i] == '.' && text_[i + 1] != '.') {
    ++i;
    digits();
  }
  if (i < text_.size() && (text_[i] == 'e' || text_[i] == 'E')) {
    size_t exponent = i++;
    if (i < text_.size() && (text_[i] == '+' || text_[i] == '-')) ++i;
    if (i < text_.size() && digit(text_[i])) {
      digits();
    } else {
      i = exponent;
    }
  }
  return make(Token::Kind::number, at_, i);
}

Token Lexer::scan_string() {
  std::string value;
  size_t i = at_ + 1;
  auto hex = [](char c) { return digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  while (i < text_.size() && text_[i] != '"' && text_[i] != '\n') {
    char c = text_[i++];
    if (c != '\\') {
      value += c;
      continue;
    }
    char e = i < text_.size() ? text_[i++] : '\0';
    if (e == 'n') {
      value += '\n';
    } else if (e == 't') {
      value += '\t';
    } else if (e == '"' || e == '\\') {
      value += e;
    } else if (e == 'x' && i + 1 < text_.size() && hex(text_[i]) >= 0 && hex(text_[i + 1]) >= 0) {
      value += static_cast<char>(hex(text_[i]) * 16 + hex(text_[i + 1]));
      i += 2;
    } else {
      Token t = make(Token::Kind::error, at_, std::min(i, text_.size()));
      if (e == '\n') at_ -= 1;
      t.value = "string has an unknown escape";
      return t;
    }
  }
  if (i >= text_.size() || text_[i] != '"') {
    Token t = make(Token::Kind::error, at_, std::min(i, text_.size()));
    t.value = "string is not closed";
    return t;
  }
  Token t = make(Token::Kind::string, at_, i + 1);
  t.value = std::move(value);
  return t;
}

const Token& Lexer::peek() {
  if (!peeked_) {
    before_ = {at_, line_, line_start_};
    token_ = scan();
    peeked_ = true;
  }
  return token_;
}

Token Lexer::next() {
  peek();
  peeked_ = false;
  return std::move(token_);
}

Lexer::Mark Lexer::mark() { return peeked_ ? before_ : Mark{at_, line_, line_start_}; }

void Lexer::reset(const Mark& mark) {
  at_ = mark.at;
  line_ = mark.line;
  line_start_ = mark.line_start;
  peeked_ = false;
}

Token Lexer::raw_until(std::string_view stops) {
  reset(mark());
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  size_t start = at_, end = at_;
  int depth = 0;
  while (end < text_.size() && text_[end] != '\n') {
    char c = text_[end];
    if (depth == 0 && stops.find(c) != std::string_view::npos) break;
    if (c == '/' && end + 1 < text_.size() && text_[end + 1] == '/') break;
    if (c == '(' || c == '[') ++depth;
    if (c == ')' || c == ']') --depth;
    ++end;
  }
  size_t last = end;
  while (last > start && (text_[last - 1] == ' ' || text_[last - 1] == '\t' || text_[last - 1] == '\r'))
    --last;
  Token t = make(Token::Kind::string, start, last);
  t.value = std::string(t.text);
  at_ = end;
  return t;
}

void Lexer::skip_newlines() {
  while (peek().kind == Token::Kind::newline) next();
}

void Lexer::skip_line() {
  // A statement that opens a block ends its line with "{"; the block goes with it.
  int depth = 0;
  bool open = false;
  while (peek().kind != Token::Kind::end) {
    if (peek().kind == Token::Kind::newline) {
      if (open) ++depth;
      open = false;
      if (depth == 0) return;
    }
    Token t = next();
    if (t.kind == Token::Kind::newline) {
      // "}" at the start of a line closes a block; "} else {" opens the next one.
      if (depth > 0 && peek().is("}")) --depth;
      continue;
    }
    open = t.is("{");
  }
}

Diagnostic Lexer::diagnostic(Code code, std::string message, uint32_t line, uint32_t column, size_t length,
                             size_t line_start, std::string help) const {
  Diagnostic d;
  d.code = code;
  d.message = std::move(message);
  d.file = std::string(file_);
  d.line = line;
  d.column = column;
  size_t end = std::min(text_.find('\n', std::min(line_start, text_.size())), text_.size());
  std::string_view excerpt =
      text_.substr(std::min(line_start, text_.size()), end - std::min(line_start, end));
  while (!excerpt.empty() && excerpt.back() == '\r') excerpt.remove_suffix(1);
  // A caret below a line that no terminal shows whole helps nobody.
  if (excerpt.size() <= 240) {
    for (char c : excerpt) d.excerpt += c == '\t' ? ' ' : (c >= 0 && c < 32) ? '?' : c;
    d.length = static_cast<uint32_t>(std::max<size_t>(1, std::min(length, excerpt.size())));
  }
  d.help = std::move(help);
  return d;
}

Diagnostic Lexer::diagnostic(Code code, std::string message, const Token& at, std::string help) const {
  size_t length = at.kind == Token::Kind::newline || at.kind == Token::Kind::end ? 1 : at.text.size();
  return diagnostic(code, std::move(message), at.line, at.column, length, at.offset - (at.column - 1),
                    std::move(help));
}

std::string Lexer::comment_above(const Token& token) const {
  auto line_start = [&](size_t at) {
    const size_t before = at == 0 ? std::string_view::npos : text_.rfind('\n', at - 1);
    return before == std::string_view::npos ? 0 : before + 1;
  };
  std::vector<std::string> lines;
  for (size_t below = line_start(token.offset); below > 0;) {
    const size_t start = line_start(below - 1);
    std::string_view line = trim(text_.substr(start, below - 1 - start));
    if (!line.starts_with("//")) break;
    line.remove_prefix(line.starts_with("// ") ? 3 : 2);
    lines.emplace_back(line);
    below = start;
  }
  std::reverse(lines.begin(), lines.end());
  return join(lines, "\n");
}

}  // namespace tenon::ir
