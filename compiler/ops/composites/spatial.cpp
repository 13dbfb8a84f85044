#include "ops/composites/spatial.h"

#include <algorithm>

#include "ops/window.h"

namespace tenon::ops {
namespace {

constexpr int64_t most_padding = int64_t{1} << 31;

int64_t step_of(const Axes& steps, size_t i) {
  return i < steps.size() ? std::clamp<int64_t>(steps[i], 1, most_window_step) : 1;
}

}  // namespace

size_t spatial_rank(const OpDef& op, size_t rank) {
  const std::string_view name = op.name;
  const char digit = name.back() == 'd' ? name[name.size() - 2] : '\0';
  if (digit >= '1' && digit <= '3') return static_cast<size_t>(digit - '0');
  return rank < 2 ? 0 : rank - 2;
}

Shape spatial_extents(const InferContext& c) {
  Shape out;
  for (size_t i = 0; i < spatial_rank(c); ++i) {
    const size_t axis = spatial_axis(channels_first(c), i);
    if (axis >= c.operands[0].rank()) return {};
    out.push_back(c.operands[0].shape[axis]);
  }
  return out;
}

Status want_spatial(const InferContext& c) {
  const size_t rank = c.operands[0].rank(), spatial = spatial_rank(c);
  if (rank == spatial + 2 && spatial >= 1 && spatial <= 3) return Ok{};
  const bool any = spatial_rank(*c.op, 0) == 0;
  return c.fail(Code::rank_mismatch,
                operand_name(c, 0) + " has " + std::to_string(rank) + " dimensions, wants " +
                    (any ? "3 to 5: batch, 1 to 3"
                         : std::to_string(spatial + 2) + ": batch, " + std::to_string(spatial)) +
                    " spatial ones and channels; " + operands_text(c),
                "reshape it; a single image has a batch of 1");
}

ir::Attr derive_spatial_ones(const InferContext& c) { return Axes(spatial_rank(c), 1); }

Status want_entries(const InferContext& c, std::string_view name, size_t entries) {
  const size_t spatial = spatial_rank(c);
  if (entries == spatial) return Ok{};
  return c.fail(Code::bad_attribute,
                std::string(name) + " has " + std::to_string(entries) + " numbers, wants " +
                    std::to_string(spatial) + "; " + operands_text(c),
                "give one for each spatial dimension");
}

Status want_numbers(const InferContext& c, std::string_view name, int64_t low, int64_t high) {
  const Axes& numbers = c.get<Axes>(name);
  TENON_TRY(want_entries(c, name, numbers.size()));
  for (const int64_t n : numbers)
    if (n < low || n > high)
      return c.fail(Code::bad_attribute,
                    std::string(name) + " is " + std::to_string(n) + ", wants " + std::to_string(low) +
                        " to " + std::to_string(high) + "; " + operands_text(c),
                    "take a number in that range");
  return Ok{};
}

Status check_size(const InferContext& c, int64_t most) {
  TENON_TRY(want_numbers(c, "size", 1, most_window_step));
  int64_t elements = 1;
  for (const int64_t size : c.get<Axes>("size")) elements *= std::min(size, most / elements + 1);
  if (elements <= most) return Ok{};
  return c.fail(Code::bad_attribute,
                "a window has more than " + std::to_string(most) + " elements; " + operands_text(c),
                "take smaller windows, in steps; what is over all of a channel is a global pool");
}

Shape sizes_of(const InferContext& c) {
  Shape out;
  for (const int64_t size : c.get<Axes>("size")) out.push_back(Dim(std::max<int64_t>(size, 1)));
  return out;
}

Shape padding_of(const InferContext& c, const Shape& extents, const Shape& sizes, bool high) {
  const size_t spatial = spatial_rank(c);
  Shape out(spatial, Dim(0));
  if (c.get<std::string>("padding") != "same" || extents.size() != spatial || sizes.size() != spatial)
    return out;
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t stride = step_of(c.get<Axes>("stride"), i);
    const Dim& extent = extents[i];
    const Dim over = window_reach(sizes[i], step_of(c.get<Axes>("dilation"), i)) - 1;
    Dim all = over;
    if (stride != 1 && extent.is_constant() && over.is_constant()) {
      const int64_t results = (extent.constant() + stride - 1) / stride;
      all = Dim(std::max<int64_t>(0, (results - 1) * stride + 1 + over.constant() - extent.constant()));
    }
    const Dim low = Dim::floor_div(all, Dim(2));
    out[i] = high ? all - low : low;
  }
  return out;
}

Status check_steps(const InferContext& c) {
  for (const std::string_view name : {"stride", "dilation"})
    TENON_TRY(want_numbers(c, name, 1, most_window_step));
  for (const std::string_view name : {"low", "high"}) {
    const Shape& padding = c.get<Shape>(name);
    TENON_TRY(want_entries(c, name, padding.size()));
    for (const Dim& p : padding)
      if (p.is_constant() && (p.constant() > most_padding || p.constant() < -most_padding))
        return c.fail(Code::bad_attribute,
                      std::string(name) + " is " + p.text() + ", wants -2^31 to 2^31; " + operands_text(c),
                      "pad less");
  }
  return Ok{};
}

Status check_same(const InferContext& c, const Shape& low, const Shape& high) {
  if (c.get<std::string>("padding") != "same") return Ok{};
  for (size_t i = 0; i < low.size(); ++i) {
    const Dim &l = c.get<Shape>("low")[i], &h = c.get<Shape>("high")[i];
    if (l == low[i] && h == high[i]) continue;
    return c.fail(Code::bad_attribute,
                  "padding = same puts " + low[i].text() + " and " + high[i].text() +
                      " elements around spatial dimension " + std::to_string(i) + ", low and high are " +
                      l.text() + " and " + h.text() + "; " + operands_text(c),
                  "leave `low` and `high` out, or `padding`");
  }
  return Ok{};
}

Status check_windows(const InferContext& c, const Shape& extents, const Shape& sizes) {
  TENON_TRY(check_steps(c));
  if (c.get<std::string>("padding") != "same") return Ok{};
  for (size_t i = 0; i < extents.size(); ++i) {
    if (c.get<Axes>("stride")[i] == 1 || (extents[i].is_constant() && sizes[i].is_constant())) continue;
    return c.fail(Code::bad_attribute,
                  "the padding of " + extents[i].text() + " elements at stride " +
                      std::to_string(c.get<Axes>("stride")[i]) + " is not the same for all sizes; " +
                      operands_text(c),
                  "padding = valid with `low` and `high`");
  }
  return check_same(c, padding_of(c, extents, sizes, false), padding_of(c, extents, sizes, true));
}

Dim windows_along(const Dim& extent, const SpatialWindows& w, size_t i, const Dim& size) {
  const Dim room = extent + w.low[i] + w.high[i] - window_reach(size, w.dilation[i]);
  return Dim::floor_div(room, Dim(w.stride[i])) + 1;
}

Status want_windows(const InferContext& c, const Dim& results, const Dim& extent, size_t i, const Dim& size) {
  if (provably_at_least(c, results, 1)) return Ok{};
  if (results.overflowed())
    return c.fail(Code::dim_range,
                  "windows over spatial dimension " + std::to_string(i) + " of " + extent.text() +
                      " elements are too many to compute with; " + operands_text(c),
                  "pad less");
  return c.fail(Code::shape_mismatch,
                "a window of " + size.text() + " (dilation " + std::to_string(c.get<Axes>("dilation")[i]) +
                    ") may not fit into " + extent.text() + " elements of spatial dimension " +
                    std::to_string(i) + " with padding " + c.get<Shape>("low")[i].text() + " and " +
                    c.get<Shape>("high")[i].text() + "; " + operands_text(c),
                "pad more, take a smaller window, or declare a range that starts at the window");
}

V channels_to_last(V x, bool first) {
  if (!first) return x;
  Axes perm{0};
  for (int64_t d = 2; d < x.rank(); ++d) perm.push_back(d);
  perm.push_back(1);
  return transpose(x, perm);
}
V channels_back(V y, bool first) {
  if (!first) return y;
  Axes perm{0, y.rank() - 1};
  for (int64_t d = 1; d < y.rank() - 1; ++d) perm.push_back(d);
  return transpose(y, perm);
}

SpatialSample spatial_sample(ir::SampleContext& s, size_t spatial, const Dim& channels, int64_t least) {
  SpatialSample out;
  out.first = s.draw(s.state, 0, 3) == 0;
  out.x.push_back(s.draw_dim(s.state));
  for (size_t i = 0; i < spatial; ++i) {
    out.stride.push_back(s.draw(s.state, 1, 2));
    out.dilation.push_back(s.draw(s.state, 1, 2));
    out.x.push_back(Dim(least + s.draw(s.state, 0, 3)));
  }
  out.x.insert(out.first ? out.x.begin() + 1 : out.x.end(), channels);
  return out;
}

}  // namespace tenon::ops
