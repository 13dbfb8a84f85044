// Records of a table in text: where fields, quotes and lines begin and end (RFC 4180).
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/text.h"

namespace tenon::runtime {

inline constexpr size_t max_columns = size_t{1} << 20;

// Cuts text into records of fields. A field is a view of the text, or of `decoded` where quotes had to be
// undone.
class Records {
 public:
  Records(std::string_view text, char separator) : text_(text), separator_(separator) {
    if (text_.substr(0, 3) == "\xEF\xBB\xBF") at_ = 3;
  }
  enum class Next { record, end, broken };

  // The next record that is not a blank line.
  Next next() {
    while (at_ < text_.size()) {
      fields_.clear();
      decoded_.clear();
      line_ = next_line_;
      const Next n = record();
      if (n == Next::broken || fields_.size() != 1 || !support::trim(field(0)).empty() || quoted_) return n;
    }
    return Next::end;
  }
  size_t size() const { return fields_.size(); }
  std::string_view field(size_t i) const {
    const Field& f = fields_[i];
    return (f.decoded ? std::string_view(decoded_) : text_).substr(f.begin, f.size);
  }
  uint32_t line() const { return line_; }
  uint32_t broken_line() const { return broken_line_; }
  const char* problem() const { return problem_; }

 private:
  struct Field {
    size_t begin, size;
    bool decoded;
  };
  Next fail(const char* what, uint32_t line) {
    problem_ = what;
    broken_line_ = line;
    return Next::broken;
  }
  bool at_break() const { return at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r'); }

  Next record() {
    quoted_ = false;
    while (true) {
      if (fields_.size() >= max_columns) return fail("the row has more than 2^20 fields", next_line_);
      if (at_ < text_.size() && text_[at_] == '"') {
        quoted_ = true;
        const uint32_t opened = next_line_;
        const size_t begin = decoded_.size();
        while (true) {
          const size_t end = text_.find('"', at_ + 1);
          if (end == std::string_view::npos) return fail("a quote is opened and never closed", opened);
          const std::string_view part = text_.substr(at_ + 1, end - at_ - 1);
          next_line_ += static_cast<uint32_t>(std::count(part.begin(), part.end(), '\n'));
          decoded_ += part;
          at_ = end + 1;
          if (at_ >= text_.size() || text_[at_] != '"') break;
          decoded_ += '"';  // a doubled quote
        }
        fields_.push_back({begin, decoded_.size() - begin, true});
        if (at_ < text_.size() && text_[at_] != separator_ && !at_break())
          return fail("text follows a closing quote", next_line_);
      } else {
        const size_t begin = at_;
        while (at_ < text_.size() && text_[at_] != separator_ && !at_break()) {
          if (text_[at_] == '\0') return fail("a zero byte: this is no text", next_line_);
          ++at_;
        }
        fields_.push_back({begin, at_ - begin, false});
      }
      if (at_ < text_.size() && text_[at_] == separator_) {
        ++at_;
        continue;
      }
      if (at_ < text_.size() && text_[at_] == '\r') ++at_;
      if (at_ < text_.size() && text_[at_] == '\n') ++at_;
      ++next_line_;
      return Next::record;
    }
  }

  std::string_view text_;
  char separator_;
  size_t at_ = 0;
  uint32_t line_ = 1, next_line_ = 1, broken_line_ = 0;
  const char* problem_ = "";
  std::vector<Field> fields_;
  std::string decoded_;
  bool quoted_ = false;
};

}  // namespace tenon::runtime
