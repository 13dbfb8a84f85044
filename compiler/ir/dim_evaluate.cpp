// Dim: values under bindings, bounds under ranges, substitution. Recursion is over nested quotients only,
// which max_dim_depth bounds.
#include <algorithm>

#include "ir/dim.h"

namespace tenon::ir {
namespace {

using Term = Dim::Term;
using Atom = Dim::Atom;

Errors too_large(const Dim& d) {
  return error(Code::dim_range, "dimension " + d.text() + " is too large to compute with");
}

int64_t floor_quotient(int64_t a, int64_t b) {
  int64_t q = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}

Result<int64_t> value_of(const Dim& d, const DimBindings& bindings) {
  if (d.overflowed()) return too_large(d);
  int64_t sum = d.offset();
  for (const Term& t : d.terms()) {
    int64_t product = t.coefficient;
    for (const Atom& f : t.factors) {
      int64_t v = 0;
      if (f.quotient == nullptr) {
        auto found = bindings.find(f.name);
        if (found == bindings.end())
          return error(Code::dim_range, "dimension " + f.name + " has no value", "bind " + f.name);
        v = found->second;
      } else {
        TENON_ASSIGN(int64_t numerator, value_of(f.quotient->first, bindings));
        TENON_ASSIGN(int64_t denominator, value_of(f.quotient->second, bindings));
        if (denominator <= 0)
          return error(Code::dim_range,
                       "dimension " + d.text() + " divides by " + std::to_string(denominator));
        v = floor_quotient(numerator, denominator);
      }
      if (__builtin_mul_overflow(product, v, &product)) return too_large(d);
    }
    if (__builtin_add_overflow(sum, product, &sum)) return too_large(d);
  }
  return sum;
}

int64_t saturate(__int128 v) { return static_cast<int64_t>(std::clamp<__int128>(v, INT64_MIN, INT64_MAX)); }

DimRange multiply(const DimRange& a, const DimRange& b) {
  __int128 c[4] = {static_cast<__int128>(a.low) * b.low, static_cast<__int128>(a.low) * b.high,
                   static_cast<__int128>(a.high) * b.low, static_cast<__int128>(a.high) * b.high};
  return {saturate(*std::min_element(c, c + 4)), saturate(*std::max_element(c, c + 4))};
}

}  // namespace

Result<int64_t> Dim::evaluate(const DimBindings& bindings) const {
  TENON_ASSIGN(int64_t v, value_of(*this, bindings));
  if (v < 0) return error(Code::dim_range, "dimension " + text() + " is " + std::to_string(v));
  return v;
}

namespace {

// Polynomials of more quotients than this are left to interval arithmetic: each is taken out in turn.
constexpr size_t most_quotients = 3;

size_t quotients(const Dim& dim) {
  size_t n = 0;
  for (const Term& t : dim.terms())
    for (const Atom& f : t.factors) n += f.quotient != nullptr ? 1 : 0;
  return n;
}

// What interval arithmetic cannot see, since it takes each quotient by itself. With q = n/d the product d*q
// lies in n-d+1..n: so a remainder n - d*q lies in 0..d-1, n - n/2 is not negative, and n/d - m/d is at most
// 1 where n - m < d (a last, shorter batch).
void tighten_quotients(const Dim& dim, const DimRanges& ranges, DimRange* out) {
  if (quotients(dim) > most_quotients) return;
  for (const Term& t : dim.terms()) {
    for (const Atom& f : t.factors) {
      if (f.quotient == nullptr) continue;
      const auto& [n, d] = *f.quotient;
      const DimRange divisor = d.range(ranges);
      if (divisor.low < 1) continue;
      const Dim q = Dim::floor_div(n, d), factor = t.coefficient;
      // dim = rest + c*(n - d*q)
      int64_t c = -t.coefficient;
      if (d.is_constant() && c % d.constant() == 0) c /= d.constant();
      if (const Dim rest = dim - Dim(c) * (n - d * q); quotients(rest) < quotients(dim)) {
        const DimRange around = rest.range(ranges), part = multiply({c, c}, {0, divisor.high - 1});
        out->low = std::max(out->low, saturate(static_cast<__int128>(around.low) + part.low));
        out->high = std::min(out->high, saturate(static_cast<__int128>(around.high) + part.high));
      }
      if (t.factors.size() != 1) continue;
      // d*dim = others + c*d*q, with d*q between its bounds.
      const Dim others = (dim - factor * q) * d;
      const Dim least = others + factor * (t.coefficient < 0 ? n : n - d + 1);
      const Dim most = others + factor * (t.coefficient < 0 ? n - d + 1 : n);
      if (const int64_t low = least.range(ranges).low; low != INT64_MIN)
        out->low = std::max(out->low, -floor_quotient(-low, low > 0 ? divisor.high : divisor.low));
      if (const int64_t high = most.range(ranges).high; high != INT64_MAX)
        out->high = std::min(out->high, floor_quotient(high, high > 0 ? divisor.low : divisor.high));
    }
  }
}

}  // namespace

DimRange Dim::range(const DimRanges& ranges) const {
  if (overflowed()) return {INT64_MIN, INT64_MAX};
  __int128 low = constant_, high = constant_;
  for (const Term& t : terms()) {
    DimRange product{t.coefficient, t.coefficient};
    for (const Atom& f : t.factors) {
      DimRange v{0, INT64_MAX};
      if (f.quotient == nullptr) {
        if (auto found = ranges.find(f.name); found != ranges.end()) v = found->second;
      } else {
        DimRange n = f.quotient->first.range(ranges), d = f.quotient->second.range(ranges);
        d.low = std::max<int64_t>(d.low, 1);  // a divisor below 1 is refused when sizes are bound
        d.high = std::max<int64_t>(d.high, 1);
        int64_t c[4] = {floor_quotient(n.low, d.low), floor_quotient(n.low, d.high),
                        floor_quotient(n.high, d.low), floor_quotient(n.high, d.high)};
        v = {*std::min_element(c, c + 4), *std::max_element(c, c + 4)};
      }
      product = multiply(product, v);
    }
    low += product.low;
    high += product.high;
  }
  DimRange out{saturate(low), saturate(high)};
  tighten_quotients(*this, ranges, &out);
  return out;
}

bool operator==(const DimRange& a, const DimRange& b) {
  if (a.low != b.low || a.high != b.high || (a.value == nullptr) != (b.value == nullptr)) return false;
  return a.value == nullptr || *a.value == *b.value;
}

std::map<std::string, Dim, std::less<>> computed_dims(const DimRanges& ranges) {
  std::map<std::string, Dim, std::less<>> out;
  for (const auto& [name, range] : ranges)
    if (range.value != nullptr) out.emplace(name, *range.value);
  return out;
}

Status bind_computed(const DimRanges& ranges, DimBindings* bindings) {
  for (const auto& [name, range] : ranges) {
    if (range.value == nullptr) continue;
    std::vector<std::string> wanted;
    range.value->collect_symbols(&wanted);
    if (!std::all_of(wanted.begin(), wanted.end(),
                     [&](const std::string& w) { return bindings->contains(w); }))
      continue;
    TENON_ASSIGN(const int64_t value, range.value->evaluate(*bindings));
    if (value < range.low || value > range.high)
      return error(Code::size_range, name + " = " + range.value->text() + " is " + std::to_string(value) +
                                         ", declared " + std::to_string(range.low) + ".." +
                                         std::to_string(range.high));
    (*bindings)[name] = value;
  }
  return Ok{};
}

Dim Dim::substitute(const std::map<std::string, Dim, std::less<>>& values) const {
  if (is_constant() || overflowed()) return *this;
  Dim sum = constant_;
  for (const Term& t : terms()) {
    Dim product = t.coefficient;
    for (const Atom& f : t.factors) {
      if (f.quotient != nullptr) {
        product =
            product * floor_div(f.quotient->first.substitute(values), f.quotient->second.substitute(values));
      } else {
        auto found = values.find(f.name);
        product = product * (found == values.end() ? symbol(f.name) : found->second);
      }
    }
    sum = sum + product;
  }
  return sum;
}

void Dim::collect_symbols(std::vector<std::string>* names) const {
  for (const Term& t : terms()) {
    for (const Atom& f : t.factors) {
      if (f.quotient != nullptr) {
        f.quotient->first.collect_symbols(names);
        f.quotient->second.collect_symbols(names);
      } else {
        auto at = std::lower_bound(names->begin(), names->end(), f.name);
        if (at == names->end() || *at != f.name) names->insert(at, f.name);
      }
    }
  }
}

}  // namespace tenon::ir
