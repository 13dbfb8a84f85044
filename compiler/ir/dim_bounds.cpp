#include "ir/dim_bounds.h"

namespace tenon::ir {
namespace {

// Bounds of a value whose dimensions are counted from their low ends: of k*n - k - n + 1 their own intervals
// say little, these that it is (k - 1)(n - 1). nullopt: it is too large for them.
std::optional<DimRange> bounds_from_low(const Dim& value, const DimRanges& ranges) {
  std::map<std::string, Dim, std::less<>> from_low;
  DimRanges rest;
  for (const auto& [name, range] : ranges) {
    from_low.emplace(name, Dim::symbol(name) + Dim(range.low));
    rest[name] = {0, range.high - range.low};
  }
  const Dim shifted = value.substitute(from_low);
  if (shifted.overflowed()) return std::nullopt;
  return shifted.range(rest);
}

}  // namespace

bool always_at_least(const Dim& value, const DimRanges& ranges, int64_t bound) {
  if (value.overflowed()) return false;
  if (value.is_constant()) return value.constant() >= bound;
  if (value.range(ranges).low >= bound) return true;
  const std::optional<DimRange> tight = bounds_from_low(value, ranges);
  return tight && tight->low >= bound;
}

bool always_below(const Dim& value, const DimRanges& ranges, int64_t bound) {
  if (value.overflowed()) return false;
  if (value.is_constant()) return value.constant() < bound;
  if (value.range(ranges).high < bound) return true;
  const std::optional<DimRange> tight = bounds_from_low(value, ranges);
  return tight && tight->high < bound;
}

}  // namespace tenon::ir
