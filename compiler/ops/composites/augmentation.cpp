// random_flip and cutout: augmentation of images. While training each sample of the batch is changed by draws
// of its own (see dropout); in inference, and in a graph whose mode is not resolved, x stays as it is.
//
// Source of cutout: DeVries and Taylor, "Improved regularization of convolutional neural networks with
// cutout", 2017.
#include "ops/composites/augmentation.h"

#include "ops/composites/parts.h"
#include "ops/family.h"
#include "ops/window.h"
#include "support/number.h"

namespace tenon::ops {

std::vector<V> draw_places(ir::ModeContext& c, const Dim& batch, const Shape& choices) {
  const Dim columns(static_cast<int64_t>(choices.size()));
  const V u{&c.b, c.b.emit("random_uniform", c.rng,
                           {{"shape", Shape{batch, columns}}, {"dtype", DType::f64}, {"stream", c.stream}})};
  std::vector<V> out;
  for (size_t i = 0; i < choices.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const V column = reshape(slice_along(u, 1, at, at + 1), {batch});
    // Below the choice: u is at most 1 - 2^-53, and what it is multiplied with less than 2^53.
    out.push_back(cast(column * cast(extent(c.b, choices[i]), DType::f64), DType::i64));
  }
  return out;
}

SpatialSample image_sample(ir::SampleContext& s) {
  const auto spatial = static_cast<size_t>(s.draw(s.state, 1, 3));
  SpatialSample x = spatial_sample(s, spatial, Dim(s.draw(s.state, 1, 3)), 2);
  s.operands = {{s.dtype, x.x}};
  return x;
}
std::string layout_of(const SpatialSample& x) { return x.first ? "channels_first" : "channels_last"; }
namespace {

// --- random_flip -----------------------------------------------------------------------------------------

ir::Attr derive_width(const InferContext& c) {
  return c.operands[0].rank() < 2 ? ir::Attr{} : static_cast<int64_t>(c.operands[0].rank()) - 2;
}

Status infer_flip(InferContext& c) {
  const Type& x = c.operands[0];
  if (x.rank() < 2)
    return c.fail(Code::rank_mismatch, operand_text(c, 0) + ", wants a batch, and a dimension to turn around",
                  "reshape it; a single image has a batch of 1");
  TENON_TRY(take_axis(c, "axis", x.rank()));
  if (c.get<int64_t>("axis") == 0)
    return c.fail(Code::bad_attribute, "axis 0 of " + operand_text(c, 0) + " is the batch",
                  "name the width: -2, or -1 where channels stand first");
  TENON_TRY(want_between(c, "p", 0, 1));
  return infer_like_first(c);
}

std::vector<ir::ValueId> same_body(ir::BodyContext& c) { return {c.operands[0]}; }

std::vector<ir::ValueId> flip_mode(ir::ModeContext& c) {
  const double p = c.node.get<double>("p");
  const V x{&c.b, c.operands[0]};
  if (!c.training || p == 0) return {x.id};
  const V turned = {&c.b, c.b.emit("random_bernoulli", c.rng,
                                   {{"shape", Shape{x.shape()[0]}}, {"stream", c.stream}, {"p", p}})};
  return {select(broadcast_to(turned, x.shape(), {0}), reverse(x, {c.node.get<int64_t>("axis")}), x).id};
}

// --- cutout ----------------------------------------------------------------------------------------------

Status infer_cutout(InferContext& c) {
  TENON_TRY(want_spatial(c));
  TENON_TRY(want_numbers(c, "size", 0, most_window_step));
  TENON_TRY(Number(c.get<double>("value")).check(c.operands[0].dtype, "cutout: value = "));
  return infer_like_first(c);
}

std::vector<ir::ValueId> cutout_mode(ir::ModeContext& c) {
  const V x{&c.b, c.operands[0]};
  if (!c.training) return {x.id};
  const bool first = channels_first(c.node);
  const Axes& size = c.node.get<Axes>("size");
  const Shape shape = x.shape();
  Shape choices, of{shape[0]};
  Axes axes{0};
  for (size_t i = 0; i < size.size(); ++i) {
    const size_t axis = spatial_axis(first, i);
    choices.push_back(shape[axis]);
    of.push_back(shape[axis]);
    axes.push_back(static_cast<int64_t>(axis));
  }
  const std::vector<V> centre = draw_places(c, shape[0], choices);
  V inside;
  for (size_t i = 0; i < size.size(); ++i) {
    const V at = iota(c.b, of, static_cast<int64_t>(i) + 1, DType::i64),
            from = broadcast_to(centre[i] - static_cast<double>(size[i] / 2), of, {0});
    const V here = at >= from && at < from + static_cast<double>(size[i]);
    inside = inside.b == nullptr ? here : inside && here;
  }
  return {select(broadcast_to(inside, shape, axes), number(x, c.node.get<double>("value")), x).id};
}

// --- Tables ----------------------------------------------------------------------------------------------

void flip_sample(ir::SampleContext& s) {
  const int64_t rank = s.draw(s.state, 2, 4);
  Shape x;
  for (int64_t i = 0; i < rank; ++i) x.push_back(s.draw_dim(s.state));
  s.operands = {{s.dtype, std::move(x)}};
  s.attrs = {0.5, s.draw(s.state, 1, rank - 1)};
}
void cutout_sample(ir::SampleContext& s) {
  const SpatialSample x = image_sample(s);
  Axes size;
  for (size_t i = 0; i < x.stride.size(); ++i) size.push_back(s.draw(s.state, 0, 3));
  s.attrs = {size, static_cast<double>(s.draw(s.state, 0, 2)), layout_of(x)};
}

constexpr ir::CompositeForm same_form{same_body};
constexpr OperandDef any_operands[] = {
    {.name = "x", .doc = "[batch, ...], a sample for each index of the batch"}};
constexpr OperandDef number_operands[] = {{.name = "x",
                                           .doc = "[batch, spatial..., channels], 1 to 3 spatial dimensions",
                                           .dtypes = DTypes::numbers}};
constexpr AttrDef flip_attrs[] = {
    {.name = "p",
     .kind = AttrKind::number,
     .doc = "probability that a sample is turned around",
     .preset = "0.5"},
    {.name = "axis",
     .kind = AttrKind::integer,
     .doc = "the dimension along which it is; the last but one where left out, the width",
     .derive = derive_width}};
constexpr AttrDef cutout_attrs[] = {
    {.name = "size", .kind = AttrKind::integers, .doc = "of each spatial dimension: elements of the box"},
    {.name = "value", .kind = AttrKind::number, .doc = "what the box is filled with", .preset = "0"},
    spatial_layout};

constexpr OpDef defs[] = {
    {.name = "cutout",
     .doc =
         "Training: a box of each sample is filled; its middle is drawn among all elements, so that a part "
         "of it may lie outside. Inference: x.",
     .operands = number_operands,
     .attrs = cutout_attrs,
     .form = &same_form,
     .infer = infer_cutout,
     .mode = cutout_mode,
     .sample = cutout_sample},
    {.name = "random_flip",
     .doc = "Training: each sample is turned around along `axis` with probability p. Inference: x.",
     .operands = any_operands,
     .attrs = flip_attrs,
     .form = &same_form,
     .infer = infer_flip,
     .mode = flip_mode,
     .sample = flip_sample},
};

}  // namespace

TENON_OP_FAMILY(augmentation) = defs;

}  // namespace tenon::ops
