// Which axis of a reduction is put in lanes. Every choice gives the same bits, so costs decide: what the
// loads and stores of a vector take by their strides, how much of a vector is used, and what it takes to
// combine lanes at the end of a row.
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

}  // namespace

// Of one vector along the axis, per point of the domain; what stays where it is in a row costs little.
double ReduceEmitter::accesses(uint32_t axis) const {
  auto varies = [&](const AffineIndex& a) {
    return std::any_of(a.parts.begin(), a.parts.end(),
                       [&](const AffineIndex::Part& p) { return classes_[p.axis] == 1; });
  };
  constexpr double outside = 0.1;
  double all = 0;
  for (size_t i = 0; i < terms_.size(); ++i) {
    const Term& t = terms_.term(TermId(i));
    if (t.kind != TermKind::load || !t.chosen.empty()) continue;
    all += access_cost(t.address, axis) * (varies(t.address) ? 1 : outside);
  }
  for (const Output& o : outputs_)
    if (o.full) all += access_cost(o.address, axis);
  return all;
}

double ReduceEmitter::cost(std::optional<uint32_t> lane_axis) const {
  constexpr double fold = 18;  // instructions that combine the lanes of one row
  const double count = static_cast<double>(std::max<int64_t>(1, frame_.usual(reduced_count())));
  const uint32_t axis = lane_axis ? *lane_axis : inner_axis();
  const auto extent = static_cast<double>(std::max<int64_t>(1, frame_.usual(extents_[axis])));
  const double used = extent / (std::ceil(extent / vector) * vector);
  double operations = accesses(axis) + static_cast<double>(terms_.size());
  const auto reductions = static_cast<double>(reductions_.size());
  if (!lane_axis) return operations / used + vector * fold * reductions / count;
  for (const Reduction& r : reductions_) {
    if (ir::finds_position(*r.node->op)) continue;
    operations += std::min(static_cast<double>(r.lanes), count) / count;
  }
  return operations / used;
}

// Contractions with few columns: those of a row read the left factor once.
int64_t ReduceEmitter::tile_width() const {
  constexpr int64_t most = 8;
  if (kept_.size() < 2 || last_stage_ != 0) return 1;
  const Dim& extent = extents_[kept_.back()];
  if (!extent.is_constant() || extent.constant() < 2 || extent.constant() > most) return 1;
  for (const Output& o : outputs_)
    if (o.full) return 1;
  int64_t registers = 0;
  for (const Reduction& r : reductions_) {
    if (r.operands.size() != 2) return 1;
    const Dim count = reduced_count();
    int64_t lanes = r.lanes;
    if (count.is_constant() && count.constant() < lanes)
      lanes =
          static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(1, count.constant()))));
    registers += std::max<int64_t>(1, lanes / frame_.target().lanes(dtype_bytes(r.dtype)));
  }
  return std::clamp<int64_t>((frame_.target().registers - 2) / registers, 1, extent.constant());
}

void ReduceEmitter::choose() {
  if (kept_.empty()) {
    if (joins()) join_even();
    return;
  }
  const bool rows_serve = !has_arg_reduce() && !reduced_.empty();
  double best = rows_serve ? cost(std::nullopt) : 0;
  if (!rows_serve) {
    lane_axis_ = kept_.back();
    if (!reduced_.empty()) best = cost(lane_axis_);
  }
  if (reduced_.empty()) return;
  for (size_t i = kept_.size(); i-- > 0;) {
    const double c = cost(kept_[i]);
    if (c >= best) continue;
    best = c;
    lane_axis_ = kept_[i];
  }
  if (lane_axis_) return;
  if (joins()) join_even();
  const int64_t width = tile_width();
  if (width <= 1) return;
  tile_axis_ = kept_.back();
  tile_ = width;
}

int64_t ReduceEmitter::column_width() const {
  const Dim& extent = extents_[*lane_axis_];
  const bool small = reductions_.size() == 1 && terms_.size() <= 8;
  int64_t most = 16;
  if (small && reductions_[0].lanes <= 4) most = 64;
  if (small && reductions_[0].lanes > 4 && dtype_bytes(reductions_[0].dtype) <= 4 && reduced_.size() == 1)
    most = 4 * static_cast<int64_t>(frame_.target().lanes(4));
  return lanes_width(frame_, extent, most);
}

}  // namespace tenon::lower
