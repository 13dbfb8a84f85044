// What layers over images and sequences share: x is [batch, spatial..., channels], or with layout =
// channels_first [batch, channels, spatial...].
#pragma once

#include "ops/expr.h"
#include "ops/rules.h"

namespace tenon::ops {

// Spatial dimensions: as many as the operation's name ends with (conv2d), of others what x has beside batch
// and channels.
size_t spatial_rank(const OpDef& op, size_t rank);
inline size_t spatial_rank(const InferContext& c) { return spatial_rank(*c.op, c.operands[0].rank()); }

// The largest element of a window, where others take their mean: max_pool2d, adaptive_max_pool1d, ...
inline bool takes_max(const OpDef& op) { return op.name.find("max") != std::string_view::npos; }

// Windows of a layer over x's spatial dimensions, from its attributes stride, dilation, padding, low, high.
struct SpatialWindows {
  Axes stride, dilation;
  Shape low, high;
};
template <class Attributes>
SpatialWindows windows_of(const Attributes& from) {
  return {from.template get<Axes>("stride"), from.template get<Axes>("dilation"),
          from.template get<Shape>("low"), from.template get<Shape>("high")};
}

template <class Attributes>
bool channels_first(const Attributes& from) {
  return from.template get<std::string>("layout") == "channels_first";
}
inline size_t spatial_axis(bool first, size_t i) { return i + (first ? 2 : 1); }
inline size_t channel_axis(bool first, size_t spatial) { return first ? 1 : spatial + 1; }

// x's spatial extents.
Shape spatial_extents(const InferContext& c);

// x has batch, channels and the operation's spatial dimensions, 1 to 3 of them (T106).
Status want_spatial(const InferContext& c);
// Attribute `name` has one entry for each spatial dimension (T108), each within low .. high.
Status want_entries(const InferContext& c, std::string_view name, size_t entries);
Status want_numbers(const InferContext& c, std::string_view name, int64_t low, int64_t high);
// Attribute `size`: elements of a window along each spatial dimension, in all at most `most` (T108).
Status check_size(const InferContext& c, int64_t most);
Shape sizes_of(const InferContext& c);
// The attributes are one number, or extent, for each spatial dimension, in their ranges (T108); and padding
// can be told whatever the sizes, and is told once.
Status check_steps(const InferContext& c);
Status check_windows(const InferContext& c, const Shape& extents, const Shape& sizes);
// `low` and `high` are what `padding` = same asks for (T108).
Status check_same(const InferContext& c, const Shape& low, const Shape& high);
// Results along spatial dimension i of a window of `size`; (extent + low + high - reach) / stride + 1.
Dim windows_along(const Dim& extent, const SpatialWindows& w, size_t i, const Dim& size);
// There is a window in `extent` elements (T107).
Status want_windows(const InferContext& c, const Dim& results, const Dim& extent, size_t i, const Dim& size);

// Padding of windows over `extents` as the attribute `padding` says: none for valid; for same so much that
// there are extent / stride results, rounded up, the odd one behind (as TensorFlow and Keras do).
Shape padding_of(const InferContext& c, const Shape& extents, const Shape& sizes, bool high);

ir::Attr derive_spatial_ones(const InferContext& c);
inline constexpr AttrDef spatial_stride{.name = "stride",
                                        .kind = AttrKind::integers,
                                        .doc = "of each spatial dimension; 1 where left out",
                                        .derive = derive_spatial_ones};
inline constexpr AttrDef spatial_dilation{
    .name = "dilation",
    .kind = AttrKind::integers,
    .doc = "of each spatial dimension: from a tap to the next; 1 where left out",
    .derive = derive_spatial_ones};
inline constexpr AttrDef spatial_padding{.name = "padding",
                                         .kind = AttrKind::text,
                                         .doc =
                                             "valid: windows lie inside; same: extent / stride results, "
                                             "rounded up, the odd element of padding behind",
                                         .preset = "valid",
                                         .choices = "valid|same"};
inline constexpr AttrDef spatial_layout{
    .name = "layout",
    .kind = AttrKind::text,
    .doc =
        "channels_last: [batch, spatial, channels]; channels_first: [batch, "
        "channels, spatial], weights [out, in, taps]",
    .preset = "channels_last",
    .choices = "channels_last|channels_first"};

// To channels last, and back.
V channels_to_last(V x, bool first);
V channels_back(V y, bool first);

// Attributes and shape of a layer's x in a sample: small, sometimes symbolic in the batch.
struct SpatialSample {
  Shape x;
  Axes stride, dilation;
  bool first = false;
};
SpatialSample spatial_sample(ir::SampleContext& s, size_t spatial, const Dim& channels, int64_t least);

}  // namespace tenon::ops
