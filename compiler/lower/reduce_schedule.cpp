// Which axis of a reduction is put in lanes. Every choice gives the same bits, so costs decide: what the
// loads and stores of a vector take by their strides, how much of a vector is used, and what it takes to
// combine lanes at the end of a row.
#include <bit>
#include <cmath>

#include "lower/reduce.h"

namespace tenon::lower {
namespace {

constexpr double vector = 16;  // elements that the costs count for

double access_cost(const AffineIndex& address, uint32_t axis) {
  constexpr double uniform = 0.5, contiguous = 1, scattered = 16;
  for (const AffineIndex::Part& p : address.parts)
    if (p.axis == axis) return p.coefficient == Dim(1) ? contiguous : scattered;
  return uniform;
}

// Whether results side by side along the last kept axis can be a tile.
bool can_tile(const ReduceTerms& t) {
  constexpr int64_t most = 8;
  if (t.kept.size() < 2 || t.last_stage != 0) return false;
  const Dim& extent = t.extents[t.kept.back()];
  const Reduction& first = t.reductions[0];
  return extent.is_constant() && extent.constant() >= 2 && extent.constant() <= most &&
         std::none_of(t.outputs.begin(), t.outputs.end(), [](const auto& o) { return o.full; }) &&
         std::all_of(t.reductions.begin(), t.reductions.end(), [&](const Reduction& r) {
           return r.operands.size() == 2 && r.lanes == first.lanes && r.block == first.block;
         });
}

// Whether such a tile can have another kept axis in lanes: of enough elements to be taken in passes.
bool can_tile_columns(const ReduceTerms& t) {
  constexpr int64_t least = 16;
  const Dim count = t.reduced_count();
  return can_tile(t) && t.reduced.size() == 1 && t.reductions[0].lanes > least &&
         !(count.is_constant() && count.constant() <= least);
}

class ReduceScheduler {
 public:
  ReduceScheduler(const Sizes& sizes, const ReduceTerms& terms) : sizes_(sizes), t_(terms) {}

  ReduceSchedule run() {
    choose();
    if (s_.lane_axis) s_.width = column_width();
    return s_;
  }

 private:
  void choose() {
    if (t_.kept.empty()) return;
    const bool rows_serve = !t_.finds_position() && !t_.reduced.empty();
    double best = rows_serve ? cost(std::nullopt) : 0;
    if (!rows_serve) {
      s_.lane_axis = t_.kept.back();
      if (!t_.reduced.empty()) best = cost(s_.lane_axis);
    }
    if (t_.reduced.empty()) return;
    for (size_t i = t_.kept.size(); i-- > 0;) {
      const double c = cost(t_.kept[i]);
      if (c >= best) continue;
      best = c;
      s_.lane_axis = t_.kept[i];
    }
    if (s_.lane_axis) {
      // Of few columns the left factor stays in the cache: what is shared is too little for the passes it
      // takes.
      constexpr int64_t least = 128;
      if (*s_.lane_axis == t_.kept.back() || !can_tile_columns(t_)) return;
      if (sizes_.usual(t_.extents[*s_.lane_axis]) < least) return;
      s_.tile_axis = t_.kept.back();
      s_.tile = std::min<int64_t>(4, t_.extents[t_.kept.back()].constant());
      return;
    }
    const int64_t width = tile_width();
    if (width <= 1) return;
    s_.tile_axis = t_.kept.back();
    s_.tile = width;
  }

  // Of one vector along the axis, per point of the domain; what stays where it is in a row costs little.
  double accesses(uint32_t axis) const {
    auto varies = [&](const AffineIndex& a) {
      return std::any_of(a.parts.begin(), a.parts.end(),
                         [&](const AffineIndex::Part& p) { return t_.classes[p.axis] == 1; });
    };
    constexpr double outside = 0.1;
    double all = 0;
    for (size_t i = 0; i < t_.terms.size(); ++i) {
      const Term& t = t_.terms.term(TermId(i));
      if (t.kind != TermKind::load || !t.chosen.empty()) continue;
      all += access_cost(t.address, axis) * (varies(t.address) ? 1 : outside);
    }
    for (const ReduceTerms::Output& o : t_.outputs)
      if (o.full) all += access_cost(o.address, axis);
    return all;
  }

  double cost(std::optional<uint32_t> lane_axis) const {
    constexpr double fold = 18;  // instructions that combine the lanes of one row
    const double count = sizes_.at_least_one(t_.reduced_count());
    const double extent = sizes_.at_least_one(t_.extents[lane_axis ? *lane_axis : t_.inner_axis()]);
    const double used = extent / (std::ceil(extent / vector) * vector);
    double operations =
        accesses(lane_axis ? *lane_axis : t_.inner_axis()) + static_cast<double>(t_.terms.size());
    const auto reductions = static_cast<double>(t_.reductions.size());
    if (!lane_axis) return operations / used + vector * fold * reductions / count;
    for (const Reduction& r : t_.reductions) {
      if (ir::finds_position(*r.node->op)) continue;
      operations += std::min(static_cast<double>(r.lanes), count) / count;
    }
    return operations / used;
  }

  // Contractions with few columns: those of a row read the left factor once. Where their lanes do not fit the
  // registers, they are taken in passes.
  int64_t tile_width() const {
    if (!can_tile(t_)) return 1;
    const int64_t columns = t_.extents[t_.kept.back()].constant(), most = sizes_.target().registers - 2;
    const int64_t once = tile_registers(sizes_.target(), t_, 1);
    int64_t each = once / most_passes(sizes_.target(), t_);
    // Rows of an extent that varies may be short: those of half the lanes are taken at once, without passes.
    if (!t_.reduced_count().is_constant()) each = std::max(each, once / 2);
    const int64_t widest = std::max<int64_t>(1, most / std::max<int64_t>(1, each));
    const int64_t tiles = (columns + widest - 1) / widest;
    return (columns + tiles - 1) / tiles;
  }

  int64_t column_width() const {
    const std::vector<Reduction>& all = t_.reductions;
    const bool small = all.size() == 1 && t_.terms.size() <= 8;
    int64_t most = 16;
    if (small && all[0].lanes <= 4) most = 64;
    const int64_t vector = sizes_.target().lanes(4);
    if (small && all[0].lanes > 4 && dtype_bytes(all[0].dtype) <= 4 && t_.reduced.size() == 1)
      most = 4 * vector;
    // The results of a tile share the registers.
    if (s_.tile_axis)
      most =
          std::max(vector, 4 * vector / static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(s_.tile))));
    return sizes_.lanes_width(t_.extents[*s_.lane_axis], most);
  }

  const Sizes& sizes_;
  const ReduceTerms& t_;
  ReduceSchedule s_;
};

}  // namespace

int64_t tile_registers(const target::Target& target, const ReduceTerms& t, int64_t tile) {
  int64_t registers = 0;
  for (const Reduction& r : t.reductions) {
    const Dim count = t.reduced_count();
    int64_t lanes = r.lanes;
    if (count.is_constant() && count.constant() < lanes)
      lanes =
          static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(1, count.constant()))));
    registers += std::max<int64_t>(1, lanes / target.lanes(dtype_bytes(r.dtype)));
  }
  return tile * registers;
}

// A pass takes a vector of each reduction at least, and lanes that lie side by side in memory.
int64_t most_passes(const target::Target& target, const ReduceTerms& t) {
  const Dim count = t.reduced_count();
  int64_t most = t.reduced.size() == 1 ? 4 : 1;
  for (const Reduction& r : t.reductions) {
    if (count.is_constant() && count.constant() < r.lanes) return 1;
    most = std::min<int64_t>(most, std::max<int64_t>(1, r.lanes / target.lanes(dtype_bytes(r.dtype))));
  }
  return most;
}

ReduceSchedule schedule_reduce(const Sizes& sizes, const ReduceTerms& terms) {
  return ReduceScheduler(sizes, terms).run();
}

std::string why_not(const ReduceTerms& t, const ReduceSchedule& s) {
  if (s.lane_axis) {
    if (std::find(t.kept.begin(), t.kept.end(), *s.lane_axis) == t.kept.end())
      return "axis " + std::to_string(*s.lane_axis) +
             " is not kept: lanes take a kept axis, or the reduced one";
    if (!is_width(s.width)) return width_words;
    if (!s.tile_axis) return {};
    if (!can_tile_columns(t) || *s.tile_axis != t.kept.back() || *s.tile_axis == *s.lane_axis)
      return "tiles beside an axis in lanes are results of a product along the last kept axis, 2 to 8 of "
             "them, "
             "each of more than 16 elements";
  }
  if (t.reduced.empty() && !t.kept.empty()) return "nothing is reduced here: a kept axis is in lanes";
  if (t.finds_position() && !t.kept.empty()) return "a position is found with a kept axis in lanes";
  if (!s.tile_axis) return {};
  if (!can_tile(t) || *s.tile_axis != t.kept.back())
    return "tiles are results of a product side by side along the last kept axis, 2 to 8 of them";
  if (s.tile < 1 || s.tile > t.extents[t.kept.back()].constant())
    return "the axis has " + t.extents[t.kept.back()].text() + " results";
  return {};
}

}  // namespace tenon::lower
