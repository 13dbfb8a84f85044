// Dimension expressions: the extents of symbolic shapes, such as `batch`, `2*batch+1`, `rows/batch`.
//
// A Dim is an immutable value in canonical form: a polynomial with integer coefficients over atoms, where an
// atom is a named dimension or a floor quotient of two Dims. Equal Dims are therefore equal as texts, and two
// extents agree exactly if their canonical forms do (no theorem proving beyond that). Extents are >= 0; the
// named dimensions' ranges stand in the module. Arithmetic saturates to an "overflowed" Dim that every
// consumer refuses (T112), so that shape arithmetic never wraps.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/diagnostic.h"

namespace tenon::ir {
using namespace support;

class Dim;
// Bounds, inclusive. A named dimension with a `value` is computed from others, and no caller gives it: it is
// the value of an expression, which is refused outside the range when sizes are bound (T601). Everything that
// is shown of shapes holds for the range alone.
struct DimRange {
  int64_t low = 0, high = 0;
  std::shared_ptr<const Dim> value = {};
};
using DimRanges = std::map<std::string, DimRange, std::less<>>;
using DimBindings = std::map<std::string, int64_t, std::less<>>;

class Dim {
 public:
  struct Poly;

  Dim(int64_t constant = 0) : constant_(constant) {}
  static Dim symbol(std::string_view name);
  static Dim overflow();

  bool is_constant() const { return poly_ == nullptr; }
  bool overflowed() const;
  int64_t constant() const;  // only where is_constant()
  // The name, where this Dim is exactly one named dimension.
  std::optional<std::string> as_symbol() const;

  friend Dim operator+(const Dim& a, const Dim& b);
  friend Dim operator-(const Dim& a, const Dim& b);
  friend Dim operator*(const Dim& a, const Dim& b);
  // Quotient rounded to minus infinity. Exact division of a polynomial by a constant that divides all its
  // coefficients stays a polynomial. The divisor must not be the constant 0.
  static Dim floor_div(const Dim& a, const Dim& b);
  static Dim ceil_div(const Dim& a, const Dim& b) { return floor_div(a + b - 1, b); }
  static Dim mod(const Dim& a, const Dim& b) { return a - floor_div(a, b) * b; }

  friend bool operator==(const Dim& a, const Dim& b);
  friend std::strong_ordering operator<=>(const Dim& a, const Dim& b);  // any total order, stable over runs

  std::string text() const;  // "2*batch+1"; parses back
  // Value under bindings; T112 on a missing name, a negative intermediate extent or overflow.
  Result<int64_t> evaluate(const DimBindings& bindings) const;
  // Bounds over the given ranges (interval arithmetic; sound, not always tight).
  DimRange range(const DimRanges& ranges) const;
  Dim substitute(const std::map<std::string, Dim, std::less<>>& values) const;
  void collect_symbols(std::vector<std::string>* names) const;  // sorted, no duplicates

  // The canonical polynomial: constant + sum of coefficient * product of factors. For code generation.
  struct Atom;
  struct Term;
  const std::vector<Term>& terms() const;       // empty for a constant
  int64_t offset() const { return constant_; }  // the constant term

 private:
  friend struct DimBuilder;
  int64_t constant_ = 0;
  std::shared_ptr<const Poly> poly_;
};

// A factor: a named dimension (name not empty), or floor(numerator / denominator).
struct Dim::Atom {
  std::string name;
  std::shared_ptr<const std::pair<Dim, Dim>> quotient;
};
struct Dim::Term {
  int64_t coefficient = 0;
  std::vector<Atom> factors;  // sorted; repeated for powers
};
struct Dim::Poly {
  std::vector<Term> terms;  // sorted, coefficients not zero
  bool overflowed = false;
  // Nesting of quotients and number of atoms: bounded (max_dim_depth, max_dim_size), so that recursion over
  // them is safe and no text explodes. What passes the bounds is an overflow.
  uint32_t depth = 0, size = 0;
};
inline constexpr uint32_t max_dim_depth = 32, max_dim_size = 1024;

// The same range, computed from the same expression.
bool operator==(const DimRange& a, const DimRange& b);
// The expressions of the computed dimensions, by name.
std::map<std::string, Dim, std::less<>> computed_dims(const DimRanges& ranges);
// Adds, or corrects, the values of the computed dimensions for which `bindings` tells enough; T601 where one
// lies outside its range.
Status bind_computed(const DimRanges& ranges, DimBindings* bindings);

// Every dimension at a usual size, not below its range: what work is estimated by. How far a range reaches
// changes nothing.
DimRanges usual_ranges(const DimRanges& dims);

// Parses "2*batch+1", "rows/batch" (floor), parentheses; names must be known unless `known` is null.
Result<Dim> parse_dim(std::string_view text, const DimRanges* known);

}  // namespace tenon::ir
