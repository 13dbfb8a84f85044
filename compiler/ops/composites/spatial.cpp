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

size_t spatial_rank(const OpDef& op) { return static_cast<size_t>(op.name[op.name.size() - 2] - '0'); }

Status want_spatial(const InferContext& c) {
  const size_t rank = spatial_rank(*c.op) + 2;
  if (c.operands[0].rank() == rank) return Ok{};
  return c.fail(Code::rank_mismatch,
                operand_text(c, 0) + " has " + std::to_string(c.operands[0].rank()) + " dimensions, wants " +
                    std::to_string(rank) + ": batch, " + std::to_string(rank - 2) +
                    " spatial ones and channels",
                "reshape it; a single image has a batch of 1");
}

ir::Attr derive_spatial_ones(const InferContext& c) { return Axes(spatial_rank(*c.op), 1); }

Shape padding_of(const InferContext& c, const Shape& sizes, bool high) {
  const size_t spatial = spatial_rank(*c.op);
  Shape out(spatial, Dim(0));
  const Type& x = c.operands[0];
  if (c.get<std::string>("padding") != "same" || x.rank() != spatial + 2 || sizes.size() != spatial)
    return out;
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t stride = step_of(c.get<Axes>("stride"), i);
    const Dim extent = x.shape[spatial_axis(channels_first(c), i)],
              over = window_reach(sizes[i], step_of(c.get<Axes>("dilation"), i)) - 1;
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
  const size_t spatial = spatial_rank(*c.op);
  for (const std::string_view name : {"stride", "dilation"}) {
    const Axes& steps = c.get<Axes>(name);
    if (steps.size() != spatial)
      return c.fail(Code::bad_attribute, std::string(name) + " has " + std::to_string(steps.size()) +
                                             " numbers, wants " + std::to_string(spatial));
    for (const int64_t step : steps)
      if (step < 1 || step > most_window_step)
        return c.fail(Code::bad_attribute,
                      std::string(name) + " is " + std::to_string(step) + ", wants 1 to 1048576");
  }
  for (const std::string_view name : {"low", "high"}) {
    const Shape& padding = c.get<Shape>(name);
    if (padding.size() != spatial)
      return c.fail(Code::bad_attribute, std::string(name) + " has " + std::to_string(padding.size()) +
                                             " entries, wants " + std::to_string(spatial));
    for (const Dim& p : padding)
      if (p.is_constant() && (p.constant() > most_padding || p.constant() < -most_padding))
        return c.fail(Code::bad_attribute, std::string(name) + " is " + p.text() + ", wants -2^31 to 2^31");
  }
  return Ok{};
}

Status check_windows(const InferContext& c, const Shape& sizes) {
  TENON_TRY(check_steps(c));
  if (c.get<std::string>("padding") != "same") return Ok{};
  for (size_t i = 0; i < spatial_rank(*c.op); ++i) {
    const Dim& extent = c.operands[0].shape[spatial_axis(channels_first(c), i)];
    if (c.get<Axes>("stride")[i] == 1 || (extent.is_constant() && sizes[i].is_constant())) continue;
    return c.fail(Code::bad_attribute,
                  "the padding of " + extent.text() + " elements at stride " +
                      std::to_string(c.get<Axes>("stride")[i]) + " is not the same for all sizes; " +
                      operand_text(c, 0),
                  "padding = valid with `low` and `high`");
  }
  return Ok{};
}

Dim windows_along(const Dim& extent, const SpatialWindows& w, size_t i, const Dim& size) {
  const Dim room = extent + w.low[i] + w.high[i] - window_reach(size, w.dilation[i]);
  return Dim::floor_div(room, Dim(w.stride[i])) + 1;
}

Status want_windows(const InferContext& c, const Dim& results, size_t i, const Dim& size) {
  if (provably_at_least(c, results, 1)) return Ok{};
  const Dim& extent = c.operands[0].shape[spatial_axis(channels_first(c), i)];
  return c.fail(Code::shape_mismatch,
                "a window of " + size.text() + " (dilation " + std::to_string(c.get<Axes>("dilation")[i]) +
                    ") may not fit into " + extent.text() + " elements of spatial dimension " +
                    std::to_string(i) + " with padding " + c.get<Shape>("low")[i].text() + " and " +
                    c.get<Shape>("high")[i].text() + "; " + operand_text(c, 0),
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
