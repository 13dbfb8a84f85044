// Dim: canonical polynomials over named dimensions and floor quotients.
#include "ir/dim.h"

#include <algorithm>
#include <numeric>

#include "ir/dim_builder.h"
#include "support/check.h"

namespace tenon::ir {
namespace {

using Term = Dim::Term;
using Atom = Dim::Atom;

std::strong_ordering order(const Atom& a, const Atom& b) {
  if (a.quotient == nullptr || b.quotient == nullptr) {
    if ((a.quotient == nullptr) != (b.quotient == nullptr))
      return a.quotient == nullptr ? std::strong_ordering::less : std::strong_ordering::greater;
    return a.name <=> b.name;
  }
  if (a.quotient == b.quotient) return std::strong_ordering::equal;
  if (auto c = a.quotient->first <=> b.quotient->first; c != 0) return c;
  return a.quotient->second <=> b.quotient->second;
}

// Higher degrees first, then by factors; the texts read "n*n+2*n+1".
std::strong_ordering order_factors(const Term& a, const Term& b) {
  if (a.factors.size() != b.factors.size()) return b.factors.size() <=> a.factors.size();
  for (size_t i = 0; i < a.factors.size(); ++i)
    if (auto c = order(a.factors[i], b.factors[i]); c != 0) return c;
  return std::strong_ordering::equal;
}

bool same_factors(const Term& a, const Term& b) { return order_factors(a, b) == 0; }

int64_t floor_quotient(int64_t a, int64_t b) {
  int64_t q = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}

// The term t / d, where d's factors all occur in t and its coefficient divides; else nothing.
std::optional<Term> divide(const Term& t, const Term& d) {
  if (t.coefficient % d.coefficient != 0) return std::nullopt;
  Term out;
  out.coefficient = t.coefficient / d.coefficient;
  size_t i = 0;
  for (const Atom& f : d.factors) {
    while (i < t.factors.size() && order(t.factors[i], f) < 0) out.factors.push_back(t.factors[i++]);
    if (i == t.factors.size() || order(t.factors[i], f) != 0) return std::nullopt;
    ++i;
  }
  out.factors.insert(out.factors.end(), t.factors.begin() + static_cast<std::ptrdiff_t>(i), t.factors.end());
  return out;
}

// The polynomial q with q * b == a, where long division leaves nothing.
std::optional<Dim> divide_exactly(const Dim& a, const Dim& b) {
  const Term lead = b.terms().front();
  Dim rest = a, quotient = 0;
  for (size_t step = 0; step <= a.terms().size() + 8; ++step) {
    if (rest.overflowed()) return std::nullopt;
    if (rest.is_constant()) return rest.constant() == 0 ? std::optional<Dim>(quotient) : std::nullopt;
    if (rest.terms().front().coefficient == INT64_MIN) return std::nullopt;
    std::optional<Term> part = divide(rest.terms().front(), lead);
    if (!part) return std::nullopt;
    Dim q = part->factors.empty() ? Dim(part->coefficient) : DimBuilder::make(0, {*part});
    quotient = quotient + q;
    rest = rest - q * b;
  }
  return std::nullopt;
}

int64_t content(const Dim& d, int64_t start) {
  // INT64_MIN has no absolute value; a content of 1 just leaves the polynomial as it is.
  uint64_t g = static_cast<uint64_t>(start);
  for (const Term& t : d.terms()) {
    if (t.coefficient == INT64_MIN) return 1;
    g = std::gcd(g, static_cast<uint64_t>(t.coefficient < 0 ? -t.coefficient : t.coefficient));
  }
  return g == 0 || g > static_cast<uint64_t>(INT64_MAX) ? 1 : static_cast<int64_t>(g);
}

Dim divide_by_constant(const Dim& a, int64_t b) {
  if (b < 0) return b == INT64_MIN ? Dim::overflow() : divide_by_constant(Dim(0) - a, -b);
  if (b == 1) return a;
  if (a.is_constant()) return floor_quotient(a.constant(), b);
  // floor((b*p + r) / b) = p + floor(r / b): what divides leaves the quotient.
  std::vector<Term> out, rest;
  for (const Term& t : a.terms()) {
    if (t.coefficient % b == 0) {
      out.push_back(t);
      out.back().coefficient /= b;
    } else {
      rest.push_back(t);
    }
  }
  int64_t whole = floor_quotient(a.offset(), b);
  int64_t left = a.offset() - whole * b;
  if (rest.empty()) return DimBuilder::make(whole, std::move(out));
  // floor((g*p + c) / (g*d)) = floor((p + floor(c/g)) / d).
  Dim numerator = DimBuilder::make(left, std::move(rest));
  int64_t g = content(numerator, b);
  if (g > 1) {
    std::vector<Term> terms = numerator.terms();
    for (Term& t : terms) t.coefficient /= g;
    numerator = DimBuilder::make(left / g, std::move(terms));
    b /= g;
  }
  Dim quotient;
  const std::vector<Term>& terms = numerator.terms();
  const Atom* inner = terms.size() == 1 && terms[0].coefficient == 1 && terms[0].factors.size() == 1
                          ? &terms[0].factors[0]
                          : nullptr;
  int64_t product = 0;
  if (inner != nullptr && inner->quotient != nullptr && inner->quotient->second.is_constant() &&
      !__builtin_mul_overflow(inner->quotient->second.constant(), b, &product)) {
    // floor((floor(x/p) + c) / q) = floor((x + c*p) / (p*q)).
    quotient = divide_by_constant(inner->quotient->first + Dim(numerator.offset()) * inner->quotient->second,
                                  product);
  } else {
    quotient = DimBuilder::quotient(numerator, Dim(b));
  }
  return DimBuilder::make(whole, std::move(out)) + quotient;
}

Dim divide_content(const Dim& d, int64_t g) {
  std::vector<Term> terms = d.terms();
  for (Term& t : terms) t.coefficient /= g;
  return DimBuilder::make(d.offset() / g, std::move(terms));
}

}  // namespace

Dim DimBuilder::make(int64_t constant, std::vector<Term> terms) {
  std::sort(terms.begin(), terms.end(), [](const Term& a, const Term& b) { return order_factors(a, b) < 0; });
  auto poly = std::make_shared<Dim::Poly>();
  for (Term& t : terms) {
    if (!poly->terms.empty() && same_factors(poly->terms.back(), t)) {
      int64_t& sum = poly->terms.back().coefficient;
      if (__builtin_add_overflow(sum, t.coefficient, &sum)) return Dim::overflow();
      if (sum == 0) poly->terms.pop_back();
    } else if (t.coefficient != 0) {
      poly->terms.push_back(std::move(t));
    }
  }
  if (poly->terms.empty()) return constant;
  for (const Term& t : poly->terms) {
    poly->size += 1;
    for (const Atom& f : t.factors) {
      poly->size += 1;
      if (f.quotient == nullptr) continue;
      for (const Dim* part : {&f.quotient->first, &f.quotient->second}) {
        if (part->poly_ == nullptr) continue;
        poly->size += part->poly_->size;
        poly->depth = std::max(poly->depth, part->poly_->depth + 1);
      }
    }
    if (poly->size > max_dim_size) return Dim::overflow();
  }
  if (poly->depth > max_dim_depth) return Dim::overflow();
  Dim d(constant);
  d.poly_ = std::move(poly);
  return d;
}

Dim DimBuilder::quotient(Dim numerator, Dim denominator) {
  Atom atom;
  atom.quotient = std::make_shared<const std::pair<Dim, Dim>>(std::move(numerator), std::move(denominator));
  Term term;
  term.coefficient = 1;
  term.factors.push_back(std::move(atom));
  return make(0, {std::move(term)});
}

Dim Dim::symbol(std::string_view name) {
  Atom atom;
  atom.name = std::string(name);
  Term term;
  term.coefficient = 1;
  term.factors.push_back(std::move(atom));
  return DimBuilder::make(0, {std::move(term)});
}

Dim Dim::overflow() {
  static const std::shared_ptr<const Poly> poly = [] {
    auto p = std::make_shared<Poly>();
    p->overflowed = true;
    return p;
  }();
  Dim d;
  d.poly_ = poly;
  return d;
}

bool Dim::overflowed() const { return poly_ != nullptr && poly_->overflowed; }

int64_t Dim::constant() const {
  TENON_CHECK(is_constant(), "dimension " + text() + " is not a constant");
  return constant_;
}

const std::vector<Dim::Term>& Dim::terms() const {
  static const std::vector<Term> none;
  return poly_ == nullptr ? none : poly_->terms;
}

std::optional<std::string> Dim::as_symbol() const {
  const std::vector<Term>& t = terms();
  if (constant_ != 0 || t.size() != 1 || t[0].coefficient != 1 || t[0].factors.size() != 1 ||
      t[0].factors[0].quotient != nullptr)
    return std::nullopt;
  return t[0].factors[0].name;
}

Dim operator+(const Dim& a, const Dim& b) {
  if (a.overflowed() || b.overflowed()) return Dim::overflow();
  int64_t constant;
  if (__builtin_add_overflow(a.constant_, b.constant_, &constant)) return Dim::overflow();
  if (a.is_constant() && b.is_constant()) return constant;
  std::vector<Term> terms = a.terms();
  terms.insert(terms.end(), b.terms().begin(), b.terms().end());
  return DimBuilder::make(constant, std::move(terms));
}

Dim operator-(const Dim& a, const Dim& b) { return a + b * Dim(-1); }

Dim operator*(const Dim& a, const Dim& b) {
  if (a.overflowed() || b.overflowed()) return Dim::overflow();
  int64_t constant;
  if (__builtin_mul_overflow(a.constant_, b.constant_, &constant)) return Dim::overflow();
  if (a.is_constant() && b.is_constant()) return constant;
  if (a.terms().size() * b.terms().size() > max_dim_size) return Dim::overflow();
  std::vector<Term> terms;
  auto scale = [&](const Dim& d, int64_t by) {
    for (const Term& t : d.terms()) {
      terms.push_back(t);
      if (__builtin_mul_overflow(t.coefficient, by, &terms.back().coefficient)) return false;
    }
    return true;
  };
  if (!scale(a, b.constant_) || !scale(b, a.constant_)) return Dim::overflow();
  for (const Term& x : a.terms()) {
    for (const Term& y : b.terms()) {
      Term t;
      if (__builtin_mul_overflow(x.coefficient, y.coefficient, &t.coefficient)) return Dim::overflow();
      t.factors = x.factors;
      t.factors.insert(t.factors.end(), y.factors.begin(), y.factors.end());
      std::sort(t.factors.begin(), t.factors.end(),
                [](const Atom& p, const Atom& q) { return order(p, q) < 0; });
      terms.push_back(std::move(t));
    }
  }
  return DimBuilder::make(constant, std::move(terms));
}

Dim Dim::floor_div(const Dim& a, const Dim& b) {
  if (a.overflowed() || b.overflowed()) return overflow();
  if (b.is_constant()) return b.constant_ == 0 ? overflow() : divide_by_constant(a, b.constant_);
  if (a.is_constant() && a.constant_ == 0) return 0;
  // A divisor of 0 has no quotient at all, so a division without rest may be carried out here.
  if (std::optional<Dim> q = divide_exactly(a, b)) return *q;
  auto magnitude = [](int64_t v) { return v == INT64_MIN ? int64_t{1} : std::abs(v); };
  int64_t g = std::gcd(content(a, magnitude(a.constant_)), content(b, magnitude(b.constant_)));
  // The divisor keeps its sign: sizes are bound under the rule that divisors are positive.
  if (g == 1) return DimBuilder::quotient(a, b);
  return DimBuilder::quotient(divide_content(a, g), divide_content(b, g));
}

std::strong_ordering operator<=>(const Dim& a, const Dim& b) {
  if (a.poly_ == b.poly_) return a.constant_ <=> b.constant_;
  if (auto c = a.overflowed() <=> b.overflowed(); c != 0) return c;
  const std::vector<Term>&x = a.terms(), &y = b.terms();
  if (x.size() != y.size()) return x.size() <=> y.size();
  for (size_t i = 0; i < x.size(); ++i) {
    if (auto c = order_factors(x[i], y[i]); c != 0) return c;
    if (x[i].coefficient != y[i].coefficient) return x[i].coefficient <=> y[i].coefficient;
  }
  return a.constant_ <=> b.constant_;
}

bool operator==(const Dim& a, const Dim& b) { return (a <=> b) == 0; }

DimRanges usual_ranges(const DimRanges& dims) {
  constexpr int64_t usual = 64;
  DimRanges out;
  for (const auto& [name, range] : dims) {
    const int64_t value = std::max(usual, range.low);
    out[name] = {value, value};
  }
  return out;
}

}  // namespace tenon::ir
