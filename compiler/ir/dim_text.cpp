// Dim: its text and the parser of that text.
#include "ir/dim.h"
#include "support/text.h"

namespace tenon::ir {
namespace {

using Term = Dim::Term;
using Atom = Dim::Atom;

bool plain_product(const Dim& d) {
  // A sum of one term with a positive coefficient and no quotient reads the same without parentheses on the
  // left of a slash.
  if (d.is_constant()) return d.constant() >= 0;
  if (d.offset() != 0 || d.terms().size() != 1 || d.terms()[0].coefficient < 0) return false;
  for (const Atom& f : d.terms()[0].factors)
    if (f.quotient != nullptr) return false;
  return true;
}

std::string quotient_text(const Atom& f) {
  const Dim &n = f.quotient->first, &d = f.quotient->second;
  std::string numerator = plain_product(n) ? n.text() : "(" + n.text() + ")";
  bool simple = d.is_constant() ? d.constant() >= 0 : d.as_symbol().has_value();
  return numerator + "/" + (simple ? d.text() : "(" + d.text() + ")");
}

void append_term(const Term& t, std::string* out) {
  uint64_t magnitude =
      t.coefficient < 0 ? ~static_cast<uint64_t>(t.coefficient) + 1 : static_cast<uint64_t>(t.coefficient);
  if (t.coefficient < 0) {
    *out += "-";
  } else if (!out->empty()) {
    *out += "+";
  }
  bool first = true;
  if (magnitude != 1) {
    *out += std::to_string(magnitude);
    first = false;
  }
  bool alone = first && t.factors.size() == 1 && t.coefficient > 0;
  for (const Atom& f : t.factors) {
    if (!first) *out += "*";
    first = false;
    if (f.quotient == nullptr) {
      *out += f.name;
    } else {
      *out += alone ? quotient_text(f) : "(" + quotient_text(f) + ")";
    }
  }
}

bool name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool name_part(char c) { return name_start(c) || (c >= '0' && c <= '9') || c == '.' || c == '\''; }

class DimParser {
 public:
  DimParser(std::string_view text, const DimRanges* known) : text_(text), known_(known) {}

  Result<Dim> all() {
    TENON_ASSIGN(Dim d, sum(0));
    skip();
    if (at_ < text_.size()) return fail(Code::syntax, "dimension expression ends before '" + rest() + "'");
    if (d.overflowed()) return fail(Code::dim_range, "dimension expression is too large to compute with");
    return d;
  }

 private:
  Result<Dim> sum(int depth) {
    TENON_ASSIGN(Dim d, product(depth));
    while (true) {
      skip();
      if (take('+')) {
        TENON_ASSIGN(Dim right, product(depth));
        d = d + right;
      } else if (take('-')) {
        TENON_ASSIGN(Dim right, product(depth));
        d = d - right;
      } else {
        return d;
      }
    }
  }
  Result<Dim> product(int depth) {
    TENON_ASSIGN(Dim d, factor(depth));
    while (true) {
      skip();
      if (take('*')) {
        TENON_ASSIGN(Dim right, factor(depth));
        d = d * right;
      } else if (take('/')) {
        size_t place = at_;
        TENON_ASSIGN(Dim right, factor(depth));
        if (right.is_constant() && right.constant() == 0) {
          at_ = place;
          return fail(Code::dim_range, "dimension expression divides by 0");
        }
        d = Dim::floor_div(d, right);
      } else {
        return d;
      }
    }
  }
  Result<Dim> factor(int depth) {
    skip();
    bool negative = false;
    while (take('-')) {
      negative = !negative;
      skip();
    }
    TENON_ASSIGN(Dim d, atom(depth, negative));
    return d;
  }
  Result<Dim> atom(int depth, bool negative) {
    if (depth > static_cast<int>(2 * max_dim_depth) + 8)
      return fail(Code::text_limit, "dimension expression nests too deep");
    if (take('(')) {
      TENON_ASSIGN(Dim d, sum(depth + 1));
      skip();
      if (!take(')')) return fail(Code::syntax, "')' expected in a dimension expression");
      return negative ? Dim(0) - d : d;
    }
    size_t start = at_;
    if (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
      std::string digits = (negative ? "-" : "") + std::string(text_.substr(start, at_ - start));
      std::optional<int64_t> v = parse_int(digits);
      if (!v) {
        at_ = start;
        return fail(Code::bad_literal, "number in a dimension expression is out of range");
      }
      return Dim(*v);
    }
    if (at_ < text_.size() && name_start(text_[at_])) {
      while (at_ < text_.size() && name_part(text_[at_])) ++at_;
      std::string_view name = text_.substr(start, at_ - start);
      if (known_ != nullptr && known_->find(name) == known_->end()) {
        at_ = start;
        std::vector<std::string_view> names;
        for (const auto& [key, range] : *known_) names.push_back(key);
        std::string_view near = nearest(name, names);
        return fail(Code::undefined_name, "dimension " + std::string(name) + " is not declared",
                    near.empty() ? "declare it: dim " + std::string(name) + " = 1..256"
                                 : "did you mean " + std::string(near) + "?",
                    name.size());
      }
      return negative ? Dim(0) - Dim::symbol(name) : Dim::symbol(name);
    }
    return fail(Code::syntax, at_ < text_.size() ? "dimension expression has no meaning at '" + rest() + "'"
                                                 : std::string("dimension expression expected"));
  }

  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string rest() const { return std::string(text_.substr(at_, 12)); }
  Errors fail(Code code, std::string message, std::string help = {}, size_t length = 1) const {
    Diagnostic d;
    d.code = code;
    d.message = std::move(message);
    d.help = std::move(help);
    d.column = static_cast<uint32_t>(at_ + 1);
    d.length = static_cast<uint32_t>(length);
    return Errors(std::move(d));
  }

  std::string_view text_;
  const DimRanges* known_;
  size_t at_ = 0;
};

}  // namespace

std::string Dim::text() const {
  if (overflowed()) return "<overflow>";
  std::string out;
  for (const Term& t : terms()) append_term(t, &out);
  if (out.empty()) return std::to_string(constant_);
  if (constant_ > 0) out += "+";
  if (constant_ != 0) out += std::to_string(constant_);
  return out;
}

// A diagnostic's column counts from 1 within `text`.
Result<Dim> parse_dim(std::string_view text, const DimRanges* known) { return DimParser(text, known).all(); }

}  // namespace tenon::ir
