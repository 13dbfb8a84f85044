// What is known of sizes before anything runs: what schedules, estimates and emission decide by.
#pragma once

#include <algorithm>

#include "ir/type.h"
#include "target/target.h"

namespace tenon::lower {

class Sizes {
 public:
  // All outlive it. `usual`: every dimension at one size, see ir::usual_ranges.
  Sizes(const ir::DimRanges& ranges, const ir::DimRanges& usual, const target::Target& target)
      : ranges_(ranges), usual_(usual), target_(target) {}

  const target::Target& target() const { return target_; }
  // Whether an extent may pass a limit. Symbolic extents may, whatever their range: the code for a wider
  // range is the same.
  bool may_pass(const ir::Dim& d, int64_t limit) const { return !d.is_constant() || d.constant() > limit; }
  // A size to estimate work by: symbolic dimensions at a usual value, so that estimates do not depend on
  // ranges.
  int64_t usual(const ir::Dim& d) const { return d.range(usual_).high; }
  int64_t high(const ir::Dim& d) const { return d.range(ranges_).high; }
  int64_t low(const ir::Dim& d) const { return d.range(ranges_).low; }
  // Points of a domain at usual sizes; at least one along each axis.
  double points(const ir::Shape& extents) const {
    double all = 1;
    for (const ir::Dim& d : extents) all *= at_least_one(d);
    return all;
  }
  double at_least_one(const ir::Dim& d) const { return static_cast<double>(std::max<int64_t>(1, usual(d))); }
  // Lanes of a loop over `extent` elements: a multiple of the vector, at most `most`.
  int64_t lanes_width(const ir::Dim& extent, int64_t most) const {
    const int64_t vector = target_.lanes(4);
    int64_t width = most;
    while (width > vector && !may_pass(extent, width / 2)) width /= 2;
    return width;
  }

 private:
  const ir::DimRanges &ranges_, &usual_;
  const target::Target& target_;
};

}  // namespace tenon::lower
