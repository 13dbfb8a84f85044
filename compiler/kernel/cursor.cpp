#include "kernel/cursor.h"

#include <algorithm>

#include "kernel/syntax.h"
#include "support/text.h"

namespace tenon::kernel {
namespace {

constexpr size_t most_errors = 50;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

Cursor::Cursor(std::string_view text, std::string file) : text_(text), file_(std::move(file)) {
  token_ = scan();
}

Token Cursor::scan() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++at_;
    } else if (c == '/' && text_.substr(at_, 2) == "//") {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else {
      break;
    }
  }
  Token t;
  t.offset = at_;
  if (at_ >= text_.size()) {
    t.offset = text_.size();
    return t;
  }
  auto take_while = [&](auto keep) {
    while (at_ < text_.size() && keep(text_[at_])) ++at_;
  };
  const char c = text_[at_];
  const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
  if (is_name_start(c)) {
    t.kind = Token::Kind::name;
    take_while(is_name_char);
  } else if (is_digit(c)) {
    t.kind = Token::Kind::number;
    if (c == '0' && next == 'x') {
      at_ += 2;
      take_while([](char d) { return hex_digit(d) >= 0; });
    } else {
      take_while(is_digit);
      // `0 .. n` may be written `0..n`.
      if (at_ + 1 < text_.size() && text_[at_] == '.' && is_digit(text_[at_ + 1])) {
        ++at_;
        take_while(is_digit);
      }
      if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
        ++at_;
        if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
        take_while(is_digit);
      }
    }
    take_while(is_name_char);  // 12ab is one malformed number
  } else if (c == '$' && is_digit(next)) {
    t.kind = Token::Kind::named;
    ++at_;
    take_while(is_digit);
  } else if (c == '"') {
    t.kind = Token::Kind::bad;  // until the closing quote is seen
    ++at_;
    while (at_ < text_.size() && text_[at_] != '\n') {
      if (text_[at_] == '"') {
        t.kind = Token::Kind::string;
        ++at_;
        break;
      }
      at_ += text_[at_] == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] != '\n' ? 2 : 1;
    }
  } else {
    static constexpr std::string_view pairs[] = {"..", "==", "!=", "<=", ">=", "<<", ">>"};
    static constexpr std::string_view singles = "(){}[]<>=,:+-*/%&|^~";
    t.kind = Token::Kind::punct;
    if (std::find(std::begin(pairs), std::end(pairs), text_.substr(at_, 2)) != std::end(pairs)) {
      at_ += 2;
    } else {
      if (singles.find(c) == std::string_view::npos) t.kind = Token::Kind::bad;
      ++at_;
      // One character of UTF-8 is one token.
      if (static_cast<unsigned char>(c) >= 0x80)
        take_while([](char d) { return (static_cast<unsigned char>(d) & 0xc0) == 0x80; });
    }
  }
  t.text = text_.substr(t.offset, at_ - t.offset);
  return t;
}

Token Cursor::take() {
  Token taken = token_;
  last_end_ = at_;
  if (!gave_up_) token_ = scan();
  return taken;
}

bool Cursor::accept(std::string_view word) {
  if (!token_.is(word)) return false;
  take();
  return true;
}

std::string Cursor::found(const Token& token) {
  if (token.kind == Token::Kind::end) return "the end of the text";
  std::string shown;
  for (char c : token.text.substr(0, 40)) shown += static_cast<unsigned char>(c) < 32 ? '?' : c;
  return "`" + shown + "`";
}

bool Cursor::expect(std::string_view word, std::string_view where) {
  if (accept(word)) return true;
  error(Code::syntax, token_,
        std::string(where) + ": expected `" + std::string(word) + "`, found " + found(token_));
  return false;
}

bool Cursor::at_line_start() const {
  return text_.substr(last_end_, token_.offset - last_end_).find('\n') != std::string_view::npos;
}

std::string Cursor::trailing_comment() const {
  const std::string_view rest = text_.substr(last_end_, token_.offset - last_end_);
  const std::string_view line = trim(rest.substr(0, std::min(rest.find('\n'), rest.size())));
  return line.starts_with("//") ? std::string(trim(line.substr(2))) : std::string();
}

std::string Cursor::leading_comment() const {
  std::vector<std::string> lines;
  size_t end = text_.substr(0, token_.offset).rfind('\n');  // of the line above
  while (end != std::string_view::npos) {
    const size_t before = end == 0 ? std::string_view::npos : text_.rfind('\n', end - 1);
    const size_t start = before == std::string_view::npos ? 0 : before + 1;
    const std::string_view line = trim(text_.substr(start, end - start));
    if (!line.starts_with("//")) break;
    lines.emplace_back(trim(line.substr(2)));
    end = before;
  }
  std::reverse(lines.begin(), lines.end());
  return join(lines, "\n");
}

std::string Cursor::raw_until(std::string_view stops) {
  size_t end = token_.offset;
  int depth = 0;
  for (; end < text_.size() && text_[end] != '\n'; ++end) {
    if (depth == 0 && stops.find(text_[end]) != std::string_view::npos) break;
    depth += text_[end] == '(' ? 1 : text_[end] == ')' ? -1 : 0;
  }
  std::string raw(trim(text_.substr(token_.offset, end - token_.offset)));
  last_end_ = at_ = end;
  token_ = scan();
  return raw;
}

void Cursor::skip_line() {
  int depth = 0;
  bool first = true;
  while (token_.kind != Token::Kind::end) {
    if (depth == 0 && (token_.is("}") || (!first && at_line_start()))) return;
    if (token_.is("{")) ++depth;
    if (token_.is("}")) --depth;
    first = false;
    take();
  }
}

void Cursor::error(Code code, const Token& at, std::string message, std::string help) {
  if (gave_up_) return;
  // One error a place: what follows from the first says nothing new.
  Diagnostic d;
  d.code = code;
  d.message = std::move(message);
  d.help = std::move(help);
  d.file = file_;
  const std::string_view before = text_.substr(0, at.offset);
  d.line = static_cast<uint32_t>(std::count(before.begin(), before.end(), '\n')) + 1;
  const size_t start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  d.column = static_cast<uint32_t>(at.offset - start) + 1;
  d.length = static_cast<uint32_t>(std::clamp<size_t>(at.text.size(), 1, 80));
  if (!errors_.empty() && errors_.list.back().line == d.line && errors_.list.back().column == d.column)
    return;
  const std::string_view line = text_.substr(start, std::min(text_.find('\n', start), text_.size()) - start);
  d.excerpt = std::string(line.substr(0, 400));
  errors_.add(std::move(d));
  if (errors_.list.size() < most_errors) return;
  gave_up_ = true;
  token_ = Token{};
  token_.offset = text_.size();
}

bool unquote(std::string_view quoted, std::string* out) {
  out->clear();
  for (size_t i = 1; i + 1 < quoted.size(); ++i) {
    if (quoted[i] != '\\') {
      *out += quoted[i];
      continue;
    }
    if (++i + 1 >= quoted.size()) return false;
    switch (quoted[i]) {
      case 'n':
        *out += '\n';
        break;
      case 't':
        *out += '\t';
        break;
      case '"':
      case '\\':
        *out += quoted[i];
        break;
      case 'x': {
        if (i + 3 >= quoted.size()) return false;
        const int high = hex_digit(quoted[i + 1]), low = hex_digit(quoted[i + 2]);
        if (high < 0 || low < 0) return false;
        *out += static_cast<char>(high * 16 + low);
        i += 2;
        break;
      }
      default:
        return false;
    }
  }
  return true;
}

}  // namespace tenon::kernel
