// random_crop and random_shift: of each sample of the batch, while training, a window at a place of its own
// (see dropout); in inference, and in a graph whose mode is not resolved, the one in the middle.
#include <algorithm>

#include "ops/composites/augmentation.h"
#include "ops/composites/parts.h"
#include "ops/family.h"

namespace tenon::ops {
namespace {

constexpr int64_t most_padding = int64_t{1} << 20;

bool shifts(const OpDef& op) { return op.name == "random_shift"; }
ir::Attr derive_size(const InferContext& c) { return spatial_extents(c); }
ir::Attr derive_no_padding(const InferContext& c) { return Axes(spatial_rank(c), 0); }

// How far a border goes, of the extent.
Status want_border(const InferContext& c, size_t i, const Dim& extent, int64_t padding) {
  const auto& border = c.get<std::string>("border");
  if (padding == 0) return Ok{};
  const bool repeats = border == "reflect" || border == "wrap";
  const Dim most = border == "reflect" ? extent - 1 : extent;
  if (repeats ? provably_at_least(c, most - padding, 0) : provably_at_least(c, extent, 1)) return Ok{};
  return c.fail(Code::bad_attribute,
                std::to_string(padding) + " elements around the " + extent.text() + " of spatial dimension " +
                    std::to_string(i) + " are more than border = " + border + " has; " + operand_text(c, 0),
                "take less, another border, or declare a range that starts higher");
}

Status infer_crop(InferContext& c) {
  TENON_TRY(want_spatial(c));
  const std::string_view padding = shifts(*c.op) ? "most" : "padding";
  TENON_TRY(want_numbers(c, padding, 0, most_padding));
  const Shape extents = spatial_extents(c), size = shifts(*c.op) ? extents : c.get<Shape>("size");
  if (!shifts(*c.op)) TENON_TRY(want_entries(c, "size", size.size()));
  Type out = c.operands[0];
  for (size_t i = 0; i < size.size(); ++i) {
    const int64_t p = c.get<Axes>(padding)[i];
    TENON_TRY(want_border(c, i, extents[i], p));
    const Dim less = extents[i] - size[i];
    if (!provably_at_least(c, size[i], 0) || !provably_at_least(c, less + 2 * p, 0))
      return c.fail(Code::shape_mismatch,
                    "size is " + size[i].text() + ", of " + extents[i].text() +
                        " elements of spatial dimension " + std::to_string(i) + " with " + std::to_string(p) +
                        " around them; " + operand_text(c, 0),
                    "take a smaller size, pad more, or declare a range that starts at the size");
    if (!less.is_constant() && !provably_at_least(c, less, 0))
      return c.fail(Code::shape_mismatch,
                    "size is " + size[i].text() + ", which may be more or less than the " +
                        extents[i].text() + " elements of spatial dimension " + std::to_string(i) + "; " +
                        operand_text(c, 0),
                    "declare a range that starts at the size");
    out.shape[spatial_axis(channels_first(c), i)] = size[i];
  }
  c.results = {std::move(out)};
  return Ok{};
}

// Without a draw: the middle of x, or x in the middle of its border.
V middle(V x, bool first, const Shape& size, const std::string& border) {
  for (size_t i = 0; i < size.size(); ++i) {
    const size_t axis = spatial_axis(first, i);
    const Dim less = x.shape()[axis] - size[i];
    if (less.is_constant() && less.constant() < 0) {
      Shape low(x.shape().size(), Dim(0)), high = low;
      high[axis] = Dim::floor_div(Dim(0) - less, Dim(2));
      low[axis] = Dim(0) - less - high[axis];
      x = border == "zeros" ? pad(x, number(x, 0), low, high, Shape(low.size(), Dim(0)))
                            : emit("pad_" + border, {x}, {{"low", low}, {"high", high}});
    } else if (less != Dim(0)) {
      const Dim from = Dim::floor_div(less, Dim(2));
      x = slice_along(x, static_cast<int64_t>(axis), from, from + size[i]);
    }
  }
  return x;
}

std::vector<ir::ValueId> crop_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  if (shifts(*c.node.op)) return {x.id};
  return {middle(x, channels_first(c.node), c.node.get<Shape>("size"), c.node.get<std::string>("border")).id};
}

// The element that stands at `at`, which may lie outside of 0 .. extent - 1.
V bordered(V at, V extent, const std::string& border) {
  if (border == "wrap") return emit("floor_mod", {at, broadcast_to(extent, at.shape())});
  const V last = extent - 1.0;
  if (border == "reflect") return last - abs(last - abs(at));
  return max(min(at, last), 0.0);
}

// A window of `size` of each sample, of x [batch, spatial..., channels] with padding around it. Rows of
// channels are taken by number.
V taken(ir::ModeContext& c, V x, const Shape& size, const Axes& padding, const std::string& border) {
  const Shape shape = x.shape();
  Shape choices, of{shape[0]};
  for (size_t i = 0; i < size.size(); ++i) {
    choices.push_back(shape[i + 1] + 2 * padding[i] - size[i] + 1);
    of.push_back(size[i]);
  }
  const std::vector<V> from = draw_places(c, shape[0], choices);
  V row = iota(c.b, of, 0, DType::i64), inside;
  Dim rows = shape[0];
  for (size_t i = 0; i < size.size(); ++i) {
    const V n = extent(c.b, shape[i + 1]);
    const V at = iota(c.b, of, static_cast<int64_t>(i) + 1, DType::i64) + broadcast_to(from[i], of, {0}) -
                 static_cast<double>(padding[i]);
    if (border == "zeros" && padding[i] != 0) {
      const V here = at >= 0.0 && at < n;
      inside = inside.b == nullptr ? here : inside && here;
    }
    row = row * n + bordered(at, n, border);
    rows = rows * shape[i + 1];
  }
  const V y = take(reshape(x, {rows, shape.back()}), row, 0);
  if (inside.b == nullptr) return y;
  Axes axes;
  for (int64_t d = 0; d < y.rank() - 1; ++d) axes.push_back(d);
  return select(broadcast_to(inside, y.shape(), axes), y, number(y, 0));
}

std::vector<ir::ValueId> crop_mode(ir::ModeContext& c) {
  const bool first = channels_first(c.node);
  const V x{&c.b, c.operands[0]};
  const auto& border = c.node.get<std::string>("border");
  const Axes padding = c.node.get<Axes>(shifts(*c.node.op) ? "most" : "padding");
  Shape size;
  bool moves = false;
  for (size_t i = 0; i < padding.size(); ++i) {
    const Dim extent = x.shape()[spatial_axis(first, i)];
    size.push_back(shifts(*c.node.op) ? extent : c.node.get<Shape>("size")[i]);
    moves = moves || extent + 2 * padding[i] != size[i];
  }
  if (!c.training || !moves) return {middle(x, first, size, border).id};
  return {channels_back(taken(c, channels_to_last(x, first), size, padding, border), first).id};
}

// --- Tables ----------------------------------------------------------------------------------------------

std::string draw_border(ir::SampleContext& s) {
  static constexpr const char* borders[] = {"zeros", "edge", "reflect", "wrap"};
  return borders[s.draw(s.state, 0, 3)];
}
void crop_sample(ir::SampleContext& s) {
  const SpatialSample x = image_sample(s);
  Shape size;
  Axes padding;
  for (size_t i = 0; i < x.stride.size(); ++i) {
    padding.push_back(s.draw(s.state, 0, 1));
    size.push_back(x.x[spatial_axis(x.first, i)] + s.draw(s.state, -2, 2 * padding[i]));
  }
  s.attrs = {size, padding, draw_border(s), layout_of(x)};
  if (s.draw(s.state, 0, 2) == 0) s.attrs[0] = {};
}
void shift_sample(ir::SampleContext& s) {
  const SpatialSample x = image_sample(s);
  Axes most;
  for (size_t i = 0; i < x.stride.size(); ++i) most.push_back(s.draw(s.state, 0, 1));
  s.attrs = {most, draw_border(s), layout_of(x)};
}
constexpr ir::CompositeForm form{crop_body};
constexpr OperandDef operands[] = {
    {.name = "x", .doc = "[batch, spatial..., channels], 1 to 3 spatial dimensions"}};
constexpr AttrDef border{.name = "border",
                         .kind = AttrKind::text,
                         .doc = "what stands around x, as pad_edge, pad_reflect and pad_wrap have it",
                         .preset = "zeros",
                         .choices = "zeros|edge|reflect|wrap"};
constexpr AttrDef crop_attrs[] = {
    {.name = "size",
     .kind = AttrKind::dims,
     .doc = "of each spatial dimension: extent of the result; that of x where left out",
     .derive = derive_size},
    {.name = "padding",
     .kind = AttrKind::integers,
     .doc = "of each spatial dimension: elements put on both sides before; 0 where left out",
     .derive = derive_no_padding},
    border,
    spatial_layout};
constexpr AttrDef shift_attrs[] = {
    {.name = "most",
     .kind = AttrKind::integers,
     .doc = "of each spatial dimension: how far a sample moves at most, to either side"},
    border,
    spatial_layout};
constexpr OpDef defs[] = {
    {.name = "random_crop",
     .doc = "Training: of each sample, with padding around it, a window at a place of its own, all equally "
            "likely. Inference: the window in the middle.",
     .operands = operands,
     .attrs = crop_attrs,
     .form = &form,
     .infer = infer_crop,
     .mode = crop_mode,
     .sample = crop_sample},
    {.name = "random_shift",
     .doc = "Training: each sample is moved along each spatial dimension by a whole number from -most to "
            "most, all equally likely; the border moves in. Inference: x.",
     .operands = operands,
     .attrs = shift_attrs,
     .form = &form,
     .infer = infer_crop,
     .mode = crop_mode,
     .sample = shift_sample},
};

}  // namespace

TENON_OP_FAMILY(random_crop) = defs;

}  // namespace tenon::ops
