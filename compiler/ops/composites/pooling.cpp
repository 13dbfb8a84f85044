// Pooling layers: max_pool and avg_pool over windows, and over all of each channel.
#include <algorithm>

#include "ops/composites/spatial.h"
#include "ops/family.h"
#include "ops/window.h"

namespace tenon::ops {
namespace {

ir::Attr derive_low(const InferContext& c) { return padding_of(c, spatial_extents(c), sizes_of(c), false); }
ir::Attr derive_high(const InferContext& c) { return padding_of(c, spatial_extents(c), sizes_of(c), true); }
ir::Attr derive_stride(const InferContext& c) { return c.get<Axes>("size"); }

// Windows along spatial dimension i. In ceil_mode also those that begin on x or before it and end behind the
// padding: the smaller of (extent + low + high - reach) / stride + 1 and (extent + low) / stride, both
// rounded up.
Dim pools_along(const Dim& extent, const SpatialWindows& w, size_t i, int64_t size, bool ceil_mode) {
  if (!ceil_mode) return windows_along(extent, w, i, Dim(size));
  const Dim over = w.high[i] - window_reach(Dim(size), w.dilation[i]) + w.stride[i];
  return Dim::ceil_div(extent + w.low[i] + std::min<int64_t>(over.constant(), 0), Dim(w.stride[i]));
}

Status infer(InferContext& c) {
  TENON_TRY(want_spatial(c));
  TENON_TRY(check_size(c, takes_max(*c.op) ? most_window_elements : int64_t{1} << 60));
  const Shape sizes = sizes_of(c);
  TENON_TRY(check_windows(c, spatial_extents(c), sizes));
  const SpatialWindows w = windows_of(c);
  const bool ceil_mode = c.get<bool>("ceil_mode");
  Type out = c.operands[0];
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (ceil_mode && !w.high[i].is_constant())
      return c.fail(Code::bad_attribute,
                    "high is " + w.high[i].text() + ", ceil_mode wants a number; " + operands_text(c),
                    "pad before, or leave ceil_mode out");
    Dim& extent = out.shape[spatial_axis(channels_first(c), i)];
    const Dim results = pools_along(extent, w, i, sizes[i].constant(), ceil_mode);
    TENON_TRY(want_windows(c, results, extent, i, sizes[i]));
    extent = results;
  }
  c.results = {std::move(out)};
  return Ok{};
}

struct Pool {
  V x;
  Axes size;
  SpatialWindows w;
  bool ceil_mode;

  // Windows that lie side by side and leave nothing: x as [.., windows, elements of one, ..] is reduced.
  bool tiles() const {
    for (size_t i = 0; i < size.size(); ++i) {
      const Dim extent = x.shape()[i + 1];
      const bool whole = extent.is_constant() && extent.constant() % size[i] == 0;
      if (!whole || w.stride[i] != size[i] || w.dilation[i] != 1 || w.low[i] != Dim(0) || w.high[i] != Dim(0))
        return false;
    }
    return true;
  }
  V reduce(bool largest) const {
    if (tiles()) {
      Shape shape{x.shape()[0]};
      Axes inside;
      for (size_t i = 0; i < size.size(); ++i) {
        shape.push_back(Dim(x.shape()[i + 1].constant() / size[i]));
        inside.push_back(static_cast<int64_t>(shape.size()));
        shape.push_back(Dim(size[i]));
      }
      shape.push_back(x.shape().back());
      const V apart = reshape(x, shape);
      return largest ? reduce_max(apart, inside) : reduce_sum(apart, inside);
    }
    return over(x, largest ? "window_max" : "window_sum", w.low);
  }
  // Windows over v, as many as over x.
  V over(V v, std::string_view op, const Shape& low) const {
    Axes axes;
    Shape extents;
    for (size_t i = 0; i < size.size(); ++i) {
      axes.push_back(static_cast<int64_t>(i) + 1);
      extents.push_back(pools_along(x.shape()[i + 1], w, i, size[i], ceil_mode));
    }
    return emit(op, {v},
                {{"axes", axes},
                 {"size", size},
                 {"stride", w.stride},
                 {"dilation", w.dilation},
                 {"low", low},
                 {"extents", extents}});
  }
  // How many elements of x each window has; of x and its padding.
  V inside(bool padded) const {
    Shape shape = x.shape(), low = w.low;
    shape.front() = shape.back() = Dim(1);
    for (size_t i = 0; padded && i < low.size(); ++i) {
      shape[i + 1] = shape[i + 1] + low[i] + w.high[i];
      low[i] = Dim(0);
    }
    return over(broadcast_to(number(x, 1), shape), "window_sum", low);
  }
  bool pads() const {
    auto some = [](const Shape& dims) {
      return std::any_of(dims.begin(), dims.end(), [](const Dim& d) { return d != Dim(0); });
    };
    return some(w.low) || some(w.high);
  }
};

// Windows of ceil_mode may end behind the padding, which counts neither way.
V average(const Pool& pool, V sums, bool count_padding) {
  const bool counted = count_padding || !pool.pads();
  if (pool.tiles() || (counted && !pool.ceil_mode)) {
    double all = 1;
    for (const int64_t s : pool.size) all *= static_cast<double>(s);
    return sums / all;
  }
  return sums / pool.inside(count_padding);
}

std::vector<ir::ValueId> body(ir::BodyContext& c) {
  const bool first = channels_first(c.node), largest = takes_max(*c.node.op);
  const Pool pool{channels_to_last({&c.b, c.operands[0]}, first), c.node.get<Axes>("size"),
                  windows_of(c.node), c.node.get<bool>("ceil_mode")};
  V y = pool.reduce(largest);
  if (!largest) y = average(pool, y, c.node.get<bool>("count_padding"));
  return {channels_back(y, first).id};
}

// --- Of all of a channel ---------------------------------------------------------------------------------

Status infer_global(InferContext& c) {
  const Type& x = c.operands[0];
  if (x.rank() < 3)
    return c.fail(Code::rank_mismatch,
                  operand_text(c, 0) + " has no spatial dimension between batch and channels");
  const bool first = channels_first(c);
  c.results = {{x.dtype, {x.shape[0], first ? x.shape[1] : x.shape.back()}}};
  return Ok{};
}
std::vector<ir::ValueId> global_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  const int64_t from = channels_first(c.node) ? 2 : 1;
  Axes axes;
  for (int64_t i = 0; i < x.rank() - 2; ++i) axes.push_back(from + i);
  return {(takes_max(*c.node.op) ? reduce_max(x, axes) : mean(x, axes)).id};
}

// --- Tables ----------------------------------------------------------------------------------------------

void sample(ir::SampleContext& s, size_t spatial, bool largest) {
  const SpatialSample x = spatial_sample(s, spatial, Dim(s.draw(s.state, 1, 3)), 5);
  Axes size;
  for (size_t i = 0; i < spatial; ++i) size.push_back(s.draw(s.state, 1, 3));
  s.operands = {{s.dtype, x.x}};
  s.attrs = {size,
             x.stride,
             x.dilation,
             std::string(s.draw(s.state, 0, 1) == 1 ? "same" : "valid"),
             {},
             {},
             std::string(x.first ? "channels_first" : "channels_last")};
  if (s.draw(s.state, 0, 1) == 1) s.attrs[1] = {};
  if (!largest) s.attrs.emplace_back(s.draw(s.state, 0, 1) == 1);
  s.attrs.emplace_back(s.draw(s.state, 0, 2) == 0);
}
template <size_t N, bool largest>
void sample_of(ir::SampleContext& s) {
  sample(s, N, largest);
}
void global_sample(ir::SampleContext& s) {
  const auto spatial = static_cast<size_t>(s.draw(s.state, 1, 3));
  const SpatialSample x = spatial_sample(s, spatial, Dim(s.draw(s.state, 1, 3)), 1);
  s.operands = {{s.dtype, x.x}};
  s.attrs = {std::string(x.first ? "channels_first" : "channels_last")};
}

constexpr ir::CompositeForm form{body}, global_form{global_body};
constexpr OperandDef operands[] = {
    {.name = "x", .doc = "[batch, spatial..., channels]", .dtypes = DTypes::floats}};
constexpr AttrDef size{
    .name = "size", .kind = AttrKind::integers, .doc = "of each spatial dimension: elements of a window"},
    stride{.name = "stride",
           .kind = AttrKind::integers,
           .doc = "of each spatial dimension: from a window to the next; the size where left out",
           .derive = derive_stride},
    low{.name = "low",
        .kind = AttrKind::dims,
        .doc = "of each spatial dimension: padding before the first element; as `padding` says",
        .derive = derive_low},
    high{.name = "high",
         .kind = AttrKind::dims,
         .doc = "of each spatial dimension: padding behind the last element; as `padding` says",
         .derive = derive_high},
    count_padding{.name = "count_padding",
                  .kind = AttrKind::boolean,
                  .doc = "whether padding counts in the number that the sum is divided by",
                  .preset = "false"},
    ceil_mode{.name = "ceil_mode",
              .kind = AttrKind::boolean,
              .doc = "whether a window that begins inside may end behind the padding: results are rounded up",
              .preset = "false"};
constexpr AttrDef max_attrs[] = {size, stride, spatial_dilation, spatial_padding,
                                 low,  high,   spatial_layout,   ceil_mode};
constexpr AttrDef avg_attrs[] = {size, stride,         spatial_dilation, spatial_padding, low,
                                 high, spatial_layout, count_padding,    ceil_mode};
constexpr AttrDef global_attrs[] = {spatial_layout};

constexpr std::string_view max_doc =
                               "Largest element of each window of each channel; padding is left out. The "
                               "gradient is divided equally among the "
                               "elements that equal it.",
                           avg_doc = "Mean of each window of each channel.";
constexpr OpDef pool(std::string_view name, std::string_view doc, std::span<const AttrDef> attrs,
                     void (*draw)(ir::SampleContext&)) {
  return {.name = name,
          .doc = doc,
          .operands = operands,
          .attrs = attrs,
          .form = &form,
          .infer = infer,
          .sample = draw};
}
constexpr OpDef global(std::string_view name, std::string_view doc) {
  return {.name = name,
          .doc = doc,
          .operands = operands,
          .attrs = global_attrs,
          .form = &global_form,
          .infer = infer_global,
          .sample = global_sample};
}
constexpr OpDef defs[] = {
    pool("max_pool1d", max_doc, max_attrs, sample_of<1, true>),
    pool("max_pool2d", max_doc, max_attrs, sample_of<2, true>),
    pool("max_pool3d", max_doc, max_attrs, sample_of<3, true>),
    pool("avg_pool1d", avg_doc, avg_attrs, sample_of<1, false>),
    pool("avg_pool2d", avg_doc, avg_attrs, sample_of<2, false>),
    pool("avg_pool3d", avg_doc, avg_attrs, sample_of<3, false>),
    global("global_max_pool",
           "Largest element of each channel, over all spatial dimensions: [batch, channels]."),
    global("global_avg_pool", "Mean of each channel, over all spatial dimensions: [batch, channels].")};

}  // namespace

TENON_OP_FAMILY(pooling) = defs;

}  // namespace tenon::ops
