// Convolutional layers: conv1d, conv2d, conv3d, and the transposed ones that undo their strides.
#include "ops/composites/spatial.h"
#include "ops/family.h"

namespace tenon::ops {
namespace {

constexpr int64_t most_groups = int64_t{1} << 20;

bool transposes(const OpDef& op) { return op.name.find("transpose") != std::string_view::npos; }

// Weights are [taps..., in / groups, out], or channels first [out, in / groups, taps...]; a transposed
// layer's are those of the layer whose strides it undoes: [taps..., out / groups, in].
struct Weights {
  bool first;
  size_t spatial;
  size_t tap(size_t i) const { return first ? i + 2 : i; }
  size_t inner() const { return first ? 1 : spatial; }
  size_t last() const { return first ? 0 : spatial + 1; }
};
Weights weights_of(const InferContext& c) { return {channels_first(c), spatial_rank(c)}; }

Shape taps_of(const InferContext& c) {
  const Weights w = weights_of(c);
  Shape out;
  if (c.operands.size() < 2 || c.operands[1].rank() != w.spatial + 2) return out;
  for (size_t i = 0; i < w.spatial; ++i) out.push_back(c.operands[1].shape[w.tap(i)]);
  return out;
}

// What the padding of a transposed layer is of: the layer it undoes, over its results. In all so much that
// there are extent * stride results: (extent - 1) * stride + reach - low - high.
Dim all_padding(const InferContext& c, size_t i, const Dim& taps) {
  const Axes &strides = c.get<Axes>("stride"), &dilations = c.get<Axes>("dilation");
  const int64_t stride = i < strides.size() ? strides[i] : 1,
                dilation = i < dilations.size() ? dilations[i] : 1;
  return (taps - 1) * dilation + 1 - stride;
}
Shape transposed_padding(const InferContext& c, bool high) {
  Shape out(spatial_rank(c), Dim(0));
  const Shape taps = taps_of(c);
  if (c.get<std::string>("padding") != "same" || taps.size() != out.size()) return out;
  for (size_t i = 0; i < out.size(); ++i) {
    const Dim all = all_padding(c, i, taps[i]);
    const bool none = all.is_constant() && all.constant() < 0;
    const Dim low = none ? Dim(0) : Dim::floor_div(all, Dim(2));
    out[i] = high ? all - low : low;
  }
  return out;
}
Shape padding(const InferContext& c, bool high) {
  return transposes(*c.op) ? transposed_padding(c, high)
                           : padding_of(c, spatial_extents(c), taps_of(c), high);
}
ir::Attr derive_low(const InferContext& c) { return padding(c, false); }
ir::Attr derive_high(const InferContext& c) { return padding(c, true); }

Status check_weights(const InferContext& c, const Dim& channels, Dim* result) {
  const Weights w = weights_of(c);
  TENON_TRY(same_dtype(c, 0, 1));
  const Type& weights = c.operands[1];
  const bool turned = transposes(*c.op);
  if (weights.rank() != w.spatial + 2)
    return c.fail(Code::rank_mismatch,
                  operand_text(c, 1) + " has " + std::to_string(weights.rank()) + " dimensions, wants " +
                      std::to_string(w.spatial + 2) + ", as " + operand_text(c, 0),
                  std::string("weights are ") +
                      (w.first  ? turned ? "[in, out / groups, taps]" : "[out, in / groups, taps]"
                       : turned ? "[taps, out / groups, in]"
                                : "[taps, in / groups, out]"));
  const int64_t groups = c.get<int64_t>("groups");
  const Dim &inner = weights.shape[w.inner()], &last = weights.shape[w.last()];
  if (groups < 1 || groups > most_groups)
    return c.fail(Code::bad_attribute,
                  "groups is " + std::to_string(groups) + ", wants 1 to 1048576; " + operands_text(c),
                  "1, or a number that divides the channels");
  const Dim wanted = turned ? last : inner * groups;
  const std::string in_groups = groups == 1 ? "" : " in " + std::to_string(groups) + " groups";
  if (wanted != channels)
    return c.fail(Code::shape_mismatch,
                  operand_name(c, 0) + " has " + channels.text() + " channels, " + operand_name(c, 1) +
                      " is for " + wanted.text() + in_groups + "; " + operands_text(c),
                  "channels of x are the " + std::string(w.first ? "second" : "last") +
                      " dimension, layout = " + (w.first ? "channels_last" : "channels_first") +
                      " takes the other; of w " +
                      (turned ? "they are `in`" : "`in / groups` times groups are as many"));
  if (Dim::floor_div(last, Dim(groups)) * groups != last)
    return c.fail(Code::shape_mismatch,
                  std::to_string(groups) + " groups do not divide the " + last.text() +
                      (turned ? " input" : " output") + " channels of " + operand_text(c, 1) + "; " +
                      operand_text(c, 0),
                  "take a number of groups that divides both numbers of channels");
  *result = turned ? inner * groups : last;
  if (c.operands.size() < 3) return Ok{};
  TENON_TRY(same_dtype(c, 2, 0));
  TENON_TRY(want_rank(c, 2, 1));
  if (c.operands[2].shape[0] == *result) return Ok{};
  return c.fail(Code::shape_mismatch,
                operand_name(c, 2) + " has " + c.operands[2].shape[0].text() + " entries, the result has " +
                    result->text() + " channels; " + operands_text(c),
                "a bias has one entry for each channel of the result");
}

Status infer(InferContext& c) {
  TENON_TRY(want_spatial(c));
  const bool first = channels_first(c);
  const size_t spatial = spatial_rank(c);
  Type out = c.operands[0];
  Dim& channels = out.shape[channel_axis(first, spatial)];
  TENON_TRY(check_weights(c, channels, &channels));
  const Shape taps = taps_of(c);
  TENON_TRY(check_windows(c, spatial_extents(c), taps));
  const SpatialWindows w = windows_of(c);
  for (size_t i = 0; i < spatial; ++i) {
    Dim& extent = out.shape[spatial_axis(first, i)];
    const Dim results = windows_along(extent, w, i, taps[i]);
    TENON_TRY(want_windows(c, results, extent, i, taps[i]));
    extent = results;
  }
  c.results = {std::move(out)};
  return Ok{};
}

Status infer_transpose(InferContext& c) {
  TENON_TRY(want_spatial(c));
  const bool first = channels_first(c);
  const size_t spatial = spatial_rank(c);
  Type out = c.operands[0];
  Dim& channels = out.shape[channel_axis(first, spatial)];
  TENON_TRY(check_weights(c, channels, &channels));
  const Shape taps = taps_of(c);
  TENON_TRY(check_steps(c));
  for (size_t i = 0; c.get<std::string>("padding") == "same" && i < spatial; ++i)
    if (const Dim all = all_padding(c, i, taps[i]); !all.is_constant() && !provably_at_least(c, all, 0))
      return c.fail(
          Code::bad_attribute,
          "the padding of " + taps[i].text() + " taps is not the same for all sizes; " + operands_text(c),
          "padding = valid with `low` and `high`");
  TENON_TRY(check_same(c, transposed_padding(c, false), transposed_padding(c, true)));
  const SpatialWindows w = windows_of(c);
  for (size_t i = 0; i < spatial; ++i) {
    Dim& extent = out.shape[spatial_axis(first, i)];
    const std::string of = extent.text() + " elements of spatial dimension " + std::to_string(i);
    extent = (extent - 1) * w.stride[i] + (taps[i] - 1) * w.dilation[i] + 1 - w.low[i] - w.high[i];
    if (extent.overflowed())
      return c.fail(Code::dim_range,
                    "the results of " + of + " are too many to compute with; " + operands_text(c),
                    "take a smaller stride, dilation or padding");
    if (!provably_at_least(c, extent, 1))
      return c.fail(
          Code::shape_mismatch,
          of + " with " + taps[i].text() + " taps may give no result once low = " + w.low[i].text() +
              " and high = " + w.high[i].text() + " are cut off; " + operands_text(c),
          "pad less: padding cuts the results of a transposed layer; or declare a range that starts at 1");
  }
  c.results = {std::move(out)};
  return Ok{};
}

// Channels as [groups, channels of one], and weights' likewise.
V grouped(V v, int64_t axis, int64_t groups) {
  Shape shape = v.shape();
  Dim& channels = shape[static_cast<size_t>(axis)];
  channels = Dim::floor_div(channels, Dim(groups));
  shape.insert(shape.begin() + axis, Dim(groups));
  return reshape(v, shape);
}

std::vector<ir::ValueId> body(ir::BodyContext& c) {
  const bool first = channels_first(c.node), turned = transposes(*c.node.op);
  const auto spatial = static_cast<int64_t>(spatial_rank(*c.node.op, 0));
  const int64_t groups = c.node.get<int64_t>("groups");
  V x = channels_to_last({&c.b, c.operands[0]}, first), w{&c.b, c.operands[1]};
  if (first) {
    Axes perm;
    for (int64_t i = 0; i < spatial; ++i) perm.push_back(i + 2);
    perm.insert(perm.end(), {1, 0});
    w = transpose(w, perm);
  }
  const SpatialWindows windows = windows_of(c.node);
  const Shape shape = x.shape(), taps = w.shape();
  Axes over, by, ones(static_cast<size_t>(spatial), 1),
      reversed(static_cast<size_t>(spatial), turned ? 1 : 0);
  Shape low, extents;
  for (int64_t i = 0; i < spatial; ++i) {
    const auto d = static_cast<size_t>(i);
    over.push_back(i + 1);
    by.push_back(i);
    const Dim reach = (taps[d] - 1) * windows.dilation[d] + 1;
    low.push_back(turned ? reach - 1 - windows.low[d] : windows.low[d]);
    extents.push_back(turned
                          ? (shape[d + 1] - 1) * windows.stride[d] + reach - windows.low[d] - windows.high[d]
                          : windows_along(shape[d + 1], windows, d, taps[d]));
  }
  Axes batch_x, batch_w;
  int64_t inner = spatial + 1, sum = turned ? spatial + 1 : spatial;
  if (groups != 1) {
    x = grouped(x, spatial + 1, groups);
    w = grouped(w, spatial + 1, groups);  // [taps, in or out of one, groups, the others of one]
    batch_x = {spatial + 1};
    batch_w = {spatial + 1};
    inner = spatial + 2;
    sum = turned ? spatial + 2 : spatial;
  }
  V y = emit("convolution", {x, w},
             {{"lhs_batch", batch_x},
              {"rhs_batch", batch_w},
              {"lhs_contract", Axes{inner}},
              {"rhs_contract", Axes{sum}},
              {"lhs_window", over},
              {"rhs_window", by},
              {"stride", turned ? ones : windows.stride},
              {"low", low},
              {"extents", extents},
              {"lhs_dilation", turned ? windows.stride : ones},
              {"rhs_dilation", windows.dilation},
              {"reversed", reversed}});
  if (groups != 1) {
    Shape flat = y.shape();
    const Dim last = flat.back();
    flat.pop_back();
    flat.back() = flat.back() * last;
    y = reshape(y, flat);
  }
  if (c.operands.size() > 2) y = y + V{&c.b, c.operands[2]};
  return {channels_back(y, first).id};
}

void sample(ir::SampleContext& s, size_t spatial, bool turned) {
  const int64_t groups = s.draw(s.state, 0, 2) == 0 ? 2 : 1, in = groups * s.draw(s.state, 1, 2),
                out = groups * s.draw(s.state, 1, 2);
  Shape taps;
  for (size_t i = 0; i < spatial; ++i) taps.push_back(Dim(s.draw(s.state, 1, 3)));
  const SpatialSample x = spatial_sample(s, spatial, Dim(in), turned ? 1 : 5);
  const Dim inner = turned ? out / groups : in / groups, last = turned ? in : out;
  Shape weights = taps;
  weights.insert(x.first ? weights.begin() : weights.end(), {x.first ? last : inner, x.first ? inner : last});
  s.operands = {{s.dtype, x.x}, {s.dtype, std::move(weights)}};
  if (s.draw(s.state, 0, 1) == 1) s.operands.push_back({s.dtype, {Dim(out)}});
  s.attrs = {x.stride, x.dilation, std::string(s.draw(s.state, 0, 1) == 1 ? "same" : "valid"), {},
             {},       groups,     std::string(x.first ? "channels_first" : "channels_last")};
}
template <size_t N, bool turned>
void sample_of(ir::SampleContext& s) {
  sample(s, N, turned);
}

constexpr ir::CompositeForm form{body};
constexpr OperandDef operands[] = {
    {.name = "x", .doc = "[batch, spatial..., in]", .dtypes = DTypes::floats},
    {.name = "w", .doc = "[taps..., in / groups, out]", .dtypes = DTypes::floats},
    {.name = "b", .doc = "bias, [out]", .dtypes = DTypes::floats, .optional = true}};
constexpr OperandDef transpose_operands[] = {
    {.name = "x", .doc = "[batch, spatial..., in]", .dtypes = DTypes::floats},
    {.name = "w", .doc = "[taps..., out / groups, in]", .dtypes = DTypes::floats},
    {.name = "b", .doc = "bias, [out]", .dtypes = DTypes::floats, .optional = true}};
constexpr AttrDef low{.name = "low",
                      .kind = AttrKind::dims,
                      .doc = "of each spatial dimension: padding before the first element; as `padding` says",
                      .derive = derive_low};
constexpr AttrDef high{.name = "high",
                       .kind = AttrKind::dims,
                       .doc = "of each spatial dimension: padding behind the last element; as `padding` says",
                       .derive = derive_high};
constexpr AttrDef groups{.name = "groups",
                         .kind = AttrKind::integer,
                         .doc =
                             "channels in so many groups, each with weights of its own; as many as channels: "
                             "depthwise",
                         .preset = "1"};
constexpr AttrDef attrs[] = {spatial_stride, spatial_dilation, spatial_padding, low,
                             high,           groups,           spatial_layout};

constexpr std::string_view conv_doc =
                               "Convolution with weights w (a cross-correlation, as is usual in deep "
                               "learning): result o sums x at o * stride + k "
                               "* dilation - low times w at k over taps k and channels; elements outside of "
                               "x are left out. Extents: (extent + "
                               "low + high - (taps - 1) * dilation - 1) / stride + 1, rounded down.",
                           transpose_doc =
                               "Transposed convolution: what the convolution with weights w, this stride and "
                               "padding takes to x's shape. It is "
                               "that convolution's derivative. Extents: (extent - 1) * stride + (taps - 1) * "
                               "dilation + 1 - low - high; extent * "
                               "stride for padding = same.";

constexpr OpDef layer(std::string_view name, void (*draw)(ir::SampleContext&)) {
  return {.name = name,
          .doc = conv_doc,
          .operands = operands,
          .attrs = attrs,
          .form = &form,
          .infer = infer,
          .sample = draw};
}
constexpr OpDef transposed(std::string_view name, void (*draw)(ir::SampleContext&)) {
  return {.name = name,
          .doc = transpose_doc,
          .operands = transpose_operands,
          .attrs = attrs,
          .form = &form,
          .infer = infer_transpose,
          .sample = draw};
}
constexpr OpDef defs[] = {layer("conv1d", sample_of<1, false>),
                          layer("conv2d", sample_of<2, false>),
                          layer("conv3d", sample_of<3, false>),
                          transposed("conv_transpose1d", sample_of<1, true>),
                          transposed("conv_transpose2d", sample_of<2, true>),
                          transposed("conv_transpose3d", sample_of<3, true>)};

}  // namespace

TENON_OP_FAMILY(convolutions) = defs;

}  // namespace tenon::ops
