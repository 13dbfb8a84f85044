// Lexer of the text form: tokens on demand, with the place of each. Newlines are tokens; comments are
// skipped, and found again above a declaration. Names hold letters, digits, _ . / and trailing primes; a name
// that reads as something else is written as a string. Refuses control characters outside strings by an
// `error` token.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "support/diagnostic.h"

namespace tenon::ir {
using namespace support;

struct Token {
  enum class Kind : uint8_t { end, newline, name, number, string, punct, error };
  Kind kind = Kind::end;
  std::string_view text;  // as written
  std::string value;      // string: the contents; error: what is wrong
  size_t offset = 0;
  uint32_t line = 1, column = 1;

  bool is(std::string_view punct) const { return kind == Kind::punct && text == punct; }
  bool word(std::string_view name) const { return kind == Kind::name && text == name; }
  bool ends_line() const { return kind == Kind::newline || kind == Kind::end; }
};

class Lexer {
 public:
  Lexer(std::string_view text, std::string_view file) : text_(text), file_(file) {}

  const Token& peek();
  Token next();
  // Text from the next token to the first of `stops` outside parentheses and brackets, or the line's end.
  Token raw_until(std::string_view stops);
  // Skips newline tokens (inside brackets, where a line may go on).
  void skip_newlines();
  // To the end of the line, which is left to be read; whole blocks that it opens are skipped.
  void skip_line();

  struct Mark {
    size_t at;
    uint32_t line;
    size_t line_start;
  };
  Mark mark();
  void reset(const Mark& mark);

  // The comment that stands alone on the lines right above a token's line: its lines, without the slashes.
  std::string comment_above(const Token& token) const;

  Diagnostic diagnostic(Code code, std::string message, const Token& at, std::string help = {}) const;
  Diagnostic diagnostic(Code code, std::string message, uint32_t line, uint32_t column, size_t length,
                        size_t line_start, std::string help) const;

 private:
  Token scan();
  Token make(Token::Kind kind, size_t start, size_t end);
  Token scan_string();
  Token scan_number();

  std::string_view text_, file_;
  size_t at_ = 0, line_start_ = 0;
  uint32_t line_ = 1;
  bool peeked_ = false;
  Token token_;
  Mark before_{0, 1, 0};  // state before the peeked token
};

bool is_plain_name(std::string_view name);
// Names with * and ? for any characters, which need no quotes where options name parameters: "fc?.*".
bool is_plain_pattern(std::string_view text);

}  // namespace tenon::ir
