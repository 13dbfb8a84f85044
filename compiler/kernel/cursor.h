// Tokens of the kernel text form, with the errors found on the way. Any bytes are safe: nothing here recurses
// or allocates by what the text says.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "support/diagnostic.h"

namespace tenon::kernel {
using namespace support;

struct Token {
  enum class Kind : uint8_t { end, name, number, string, named, punct, bad };  // named: $12
  Kind kind = Kind::end;
  std::string_view text;
  size_t offset = 0;

  bool is(std::string_view word) const { return kind != Kind::string && text == word; }
};

class Cursor {
 public:
  Cursor(std::string_view text, std::string file);

  const Token& peek() const { return token_; }
  Token take();
  bool accept(std::string_view word);
  // Takes the word, or reports what stands there instead.
  bool expect(std::string_view word, std::string_view where);
  // The current token starts a line.
  bool at_line_start() const;
  // `// ...` behind the last token taken; lines of comment right above the current token.
  std::string trailing_comment() const;
  std::string leading_comment() const;
  // Text from here to the first of `stops` outside parentheses, at most to the end of the line; trimmed.
  std::string raw_until(std::string_view stops);
  // After an error: to the next line, over blocks that open on the way, and never past a block's end.
  void skip_line();

  void error(Code code, const Token& at, std::string message, std::string help = {});
  bool failed() const { return !errors_.empty(); }
  bool gave_up() const { return gave_up_; }
  Errors take_errors() { return std::move(errors_); }
  // "`x`", or "the end of the text".
  static std::string found(const Token& token);

 private:
  Token scan();

  std::string_view text_;
  std::string file_;
  size_t at_ = 0;        // behind the current token
  size_t last_end_ = 0;  // behind the last token taken
  Token token_;
  Errors errors_;
  bool gave_up_ = false;
};

// Contents of a string token; false on a malformed escape.
bool unquote(std::string_view quoted, std::string* out);

}  // namespace tenon::kernel
