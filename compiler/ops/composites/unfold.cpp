// unfold and fold: the elements of every window side by side (im2col), and their sum at the places that they
// came from. Each is the other's derivative.
//
// One dimension after the other, by a window of one element for each tap: it cuts and pads at once, whatever
// the sizes.
#include "ops/composites/parts.h"
#include "ops/composites/spatial.h"
#include "ops/family.h"
#include "ops/window.h"

namespace tenon::ops {
namespace {

bool folds(const OpDef& op) { return op.name == "fold"; }

// What windows lie over: x, or the result of a fold.
Shape windowed(const InferContext& c) { return folds(*c.op) ? c.get<Shape>("extents") : spatial_extents(c); }
ir::Attr derive_low(const InferContext& c) { return padding_of(c, windowed(c), sizes_of(c), false); }
ir::Attr derive_high(const InferContext& c) { return padding_of(c, windowed(c), sizes_of(c), true); }

int64_t taps_of(const Axes& size) {
  int64_t out = 1;
  for (const int64_t s : size) out *= s;
  return out;
}

Status check(const InferContext& c, Shape* results) {
  TENON_TRY(want_spatial(c));
  if (folds(*c.op)) TENON_TRY(want_entries(c, "extents", c.get<Shape>("extents").size()));
  TENON_TRY(check_size(c, most_window_elements));
  const Shape extents = windowed(c), sizes = sizes_of(c);
  TENON_TRY(check_windows(c, extents, sizes));
  const SpatialWindows w = windows_of(c);
  for (size_t i = 0; i < sizes.size(); ++i) {
    results->push_back(windows_along(extents[i], w, i, sizes[i]));
    TENON_TRY(want_windows(c, results->back(), extents[i], i, sizes[i]));
  }
  return Ok{};
}

Status infer_unfold(InferContext& c) {
  Shape results;
  TENON_TRY(check(c, &results));
  const bool first = channels_first(c);
  Type out = c.operands[0];
  for (size_t i = 0; i < results.size(); ++i) out.shape[spatial_axis(first, i)] = results[i];
  Dim& channels = out.shape[channel_axis(first, results.size())];
  channels = channels * taps_of(c.get<Axes>("size"));
  c.results = {std::move(out)};
  return Ok{};
}

Status infer_fold(InferContext& c) {
  Shape results;
  TENON_TRY(check(c, &results));
  const bool first = channels_first(c);
  Type out = c.operands[0];
  for (size_t i = 0; i < results.size(); ++i) {
    Dim& extent = out.shape[spatial_axis(first, i)];
    const Dim& wanted = c.get<Shape>("extents")[i];
    if (extent != results[i])
      return c.fail(Code::shape_mismatch,
                    operand_text(c, 0) + " has " + extent.text() + " windows along spatial dimension " +
                        std::to_string(i) + ", over " + wanted.text() + " elements there are " +
                        results[i].text(),
                    "size, stride, dilation and padding are those of the unfold that it undoes");
    extent = wanted;
  }
  const int64_t taps = taps_of(c.get<Axes>("size"));
  Dim& channels = out.shape[channel_axis(first, results.size())];
  if (Dim::floor_div(channels, Dim(taps)) * taps != channels)
    return c.fail(Code::shape_mismatch,
                  operand_text(c, 0) + " has " + channels.text() + " channels, no multiple of the " +
                      std::to_string(taps) + " elements of a window",
                  "every channel of the result has an element of each tap");
  channels = Dim::floor_div(channels, Dim(taps));
  c.results = {std::move(out)};
  return Ok{};
}

// --- Bodies ----------------------------------------------------------------------------------------------

struct Taps {
  Axes size;
  SpatialWindows w;
  bool first;

  explicit Taps(const ir::Node& node)
      : size(node.get<Axes>("size")), w(windows_of(node)), first(channels_first(node)) {}
  size_t spatial() const { return size.size(); }
  // Elements before the first at which the window of tap k of dimension i begins.
  Dim low(size_t i, int64_t k) const { return w.low[i] - k * w.dilation[i]; }

  // From [batch, (windows, taps) of each dimension, channels] to the order of an unfold's result.
  Axes order() const {
    Axes windows, taps;
    const auto n = static_cast<int64_t>(spatial());
    for (int64_t i = 0; i < n; ++i) {
      windows.push_back(2 * i + 1);
      taps.push_back(2 * i + 2);
    }
    Axes out{0};
    const auto append = [&](const Axes& axes) { out.insert(out.end(), axes.begin(), axes.end()); };
    if (!first) append(windows);
    if (first) append({2 * n + 1});
    append(taps);
    if (!first) append({2 * n + 1});
    if (first) append(windows);
    return out;
  }
};

V one_element(V x, int64_t axis, int64_t stride, const Dim& low, const Dim& extent) {
  return emit("window_sum", {x},
              {{"axes", Axes{axis}},
               {"size", Axes{1}},
               {"stride", Axes{stride}},
               {"low", Shape{low}},
               {"extents", Shape{extent}}});
}

std::vector<ir::ValueId> unfold_body(ir::BodyContext& c) {
  const Taps t(c.node);
  V x = channels_to_last({&c.b, c.operands[0]}, t.first);
  for (size_t i = 0; i < t.spatial(); ++i) {
    const auto axis = static_cast<int64_t>(2 * i + 1);
    const Dim windows = windows_along(x.shape()[2 * i + 1], t.w, i, Dim(t.size[i]));
    std::vector<V> taps;
    for (int64_t k = 0; k < t.size[i]; ++k)
      taps.push_back(
          split_axis(one_element(x, axis, t.w.stride[i], t.low(i, k), windows), axis, windows, Dim(1)));
    x = taps.size() == 1 ? taps[0] : concat(taps, axis + 1);
  }
  const V apart = transpose(x, t.order());
  Shape shape = apart.shape();
  const auto begin = shape.begin() + static_cast<std::ptrdiff_t>(t.first ? 1 : t.spatial() + 1);
  const auto end = begin + static_cast<std::ptrdiff_t>(t.spatial() + 1);
  Dim channels(1);
  for (auto d = begin; d != end; ++d) channels = channels * *d;
  *begin = channels;
  shape.erase(begin + 1, end);
  return {reshape(apart, shape).id};
}

std::vector<ir::ValueId> fold_body(ir::BodyContext& c) {
  const Taps t(c.node);
  const Shape extents = c.node.get<Shape>("extents");
  V x{&c.b, c.operands[0]};
  // Taps and channels apart, then in the order that dimensions are folded in.
  Shape shape = x.shape();
  const size_t channel = channel_axis(t.first, t.spatial());
  const Dim channels = Dim::floor_div(shape[channel], Dim(taps_of(t.size)));
  Shape apart(t.size.begin(), t.size.end());
  apart.insert(t.first ? apart.begin() : apart.end(), channels);
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(channel));
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(channel), apart.begin(), apart.end());
  const Axes order = t.order();
  Axes back(order.size());
  for (size_t d = 0; d < order.size(); ++d) back[static_cast<size_t>(order[d])] = static_cast<int64_t>(d);
  x = transpose(reshape(x, shape), back);
  for (size_t i = 0; i < t.spatial(); ++i) {
    const auto axis = static_cast<int64_t>(i + 1);
    V sum;
    for (int64_t k = 0; k < t.size[i]; ++k) {
      V tap = merge_axis(slice_along(x, axis + 1, k, k + 1), axis);
      if (t.w.stride[i] != 1) {
        Shape none(tap.shape().size(), Dim(0)), between = none;
        between[i + 1] = Dim(t.w.stride[i] - 1);
        tap = pad(tap, number(tap, 0), none, none, between);
      }
      tap = one_element(tap, axis, 1, Dim(0) - t.low(i, k), extents[i]);
      sum = sum.b == nullptr ? tap : sum + tap;
    }
    x = sum;
  }
  return {channels_back(x, t.first).id};
}

// --- Tables ----------------------------------------------------------------------------------------------

template <bool back>
void sample(ir::SampleContext& s) {
  auto draw = [&](int64_t low, int64_t high) { return s.draw(s.state, low, high); };
  const auto spatial = static_cast<size_t>(draw(1, 3));
  SpatialSample x = spatial_sample(s, spatial, Dim(draw(1, 3)), spatial == 1 ? 6 : 4);
  Axes size;
  Shape low, high, extents;
  for (size_t i = 0; i < spatial; ++i) {
    Dim& extent = x.x[spatial_axis(x.first, i)];
    size.push_back(draw(0, 3) == 0 ? 1 : draw(2, spatial == 1 ? 3 : 2));
    low.push_back(Dim(draw(-1, 2)));
    high.push_back(Dim(draw(0, 1)));
    extents.push_back(extent);
    const Dim room = extent + low[i] + high[i] - ((size[i] - 1) * x.dilation[i] + 1);
    if (back) extent = Dim::floor_div(room, Dim(x.stride[i])) + 1;
  }
  Dim& channels = x.x[channel_axis(x.first, spatial)];
  if (back) channels = channels * taps_of(size);
  s.operands = {{s.dtype, x.x}};
  s.attrs = back ? ir::Attrs{extents} : ir::Attrs{};
  for (ir::Attr a :
       {ir::Attr(size), ir::Attr(x.stride), ir::Attr(x.dilation), ir::Attr(std::string("valid")),
        ir::Attr(low), ir::Attr(high), ir::Attr(std::string(x.first ? "channels_first" : "channels_last"))})
    s.attrs.push_back(std::move(a));
}

constexpr ir::CompositeForm unfold_form{unfold_body}, fold_form{fold_body};
constexpr OperandDef unfold_operands[] = {{.name = "x",
                                           .doc = "[batch, spatial..., channels], 1 to 3 spatial dimensions",
                                           .dtypes = DTypes::numbers}};
constexpr OperandDef fold_operands[] = {{.name = "x",
                                         .doc = "[batch, windows..., taps * channels], as unfold gives it",
                                         .dtypes = DTypes::numbers}};
constexpr AttrDef extents{
    .name = "extents", .kind = AttrKind::dims, .doc = "of each spatial dimension: extent of the result"},
    size{
        .name = "size", .kind = AttrKind::integers, .doc = "of each spatial dimension: elements of a window"},
    low{.name = "low",
        .kind = AttrKind::dims,
        .doc = "of each spatial dimension: padding before the first element; as `padding` says",
        .derive = derive_low},
    high{.name = "high",
         .kind = AttrKind::dims,
         .doc = "of each spatial dimension: padding behind the last element; as `padding` says",
         .derive = derive_high};
constexpr AttrDef unfold_attrs[] = {size, spatial_stride, spatial_dilation, spatial_padding,
                                    low,  high,           spatial_layout};
constexpr AttrDef fold_attrs[] = {extents,         size, spatial_stride, spatial_dilation,
                                  spatial_padding, low,  high,           spatial_layout};

constexpr OpDef defs[] = {
    {.name = "fold",
     .doc = "Sums of the elements of windows at the places that unfold takes them from; what fell on padding "
            "is dropped. It is unfold's derivative.",
     .operands = fold_operands,
     .attrs = fold_attrs,
     .form = &fold_form,
     .infer = infer_fold,
     .sample = sample<true>},
    {.name = "unfold",
     .doc = "The elements of each window side by side (im2col): [batch, windows..., taps * channels], by tap "
            "and then by channel, as the rows of weights [taps..., in, out] are; channels_first: [batch, "
            "channels * taps, windows...], by channel and then by tap. Padding reads as 0.",
     .operands = unfold_operands,
     .attrs = unfold_attrs,
     .form = &unfold_form,
     .infer = infer_unfold,
     .sample = sample<false>},
};

}  // namespace

TENON_OP_FAMILY(unfold) = defs;

}  // namespace tenon::ops
