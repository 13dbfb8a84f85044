// Normalizations over parts of one sample: values less their mean, over their deviation.
//
// Sources: Ba, Kiros and Hinton, "Layer normalization", 2016;
// Wu and He, "Group normalization", 2018; Zhang and Sennrich, "Root mean square layer normalization", 2019;
// Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional networks", 2012, for
// local_response_norm.
#include <algorithm>

#include "ops/composites/normalization.h"
#include "ops/family.h"

namespace tenon::ops {
namespace {

// x less its mean over the axes, over the root of its variance and epsilon.
V standardized(V x, const Axes& axes, double epsilon) {
  const Shape shape = x.shape();
  const V centred = x - spread(mean(x, axes), shape, axes);
  return centred * spread(rsqrt(mean(centred * centred, axes) + epsilon), shape, axes);
}

// --- layer_norm, rms_norm --------------------------------------------------------------------------------

Status infer_last(InferContext& c) {
  TENON_TRY(want_epsilon(c));
  if (c.operands[0].is_scalar()) return c.fail(Code::rank_mismatch, operand_text(c, 0) + " has no features");
  for (size_t i = 1; i < c.operands.size(); ++i)
    TENON_TRY(want_each(c, i, c.operands[0].shape.back(), "features"));
  return infer_like_first(c);
}

V scaled(ir::BodyContext& c, V y, int64_t axis) {
  if (c.operands.size() > 1) y = y * along({&c.b, c.operands[1]}, y.shape(), axis);
  if (c.operands.size() > 2) y = y + along({&c.b, c.operands[2]}, y.shape(), axis);
  return y;
}

std::vector<ir::ValueId> layer_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  return {scaled(c, standardized(x, {x.rank() - 1}, epsilon_of(c.node)), x.rank() - 1).id};
}

std::vector<ir::ValueId> rms_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  const Axes last{x.rank() - 1};
  const V y = x * spread(rsqrt(mean(x * x, last) + epsilon_of(c.node)), x.shape(), last);
  return {scaled(c, y, last[0]).id};
}

// --- group_norm, instance_norm ---------------------------------------------------------------------------

Status infer_groups(InferContext& c) {
  TENON_TRY(want_epsilon(c));
  const Type& x = c.operands[0];
  if (x.rank() < 2)
    return c.fail(Code::rank_mismatch, operand_text(c, 0) + ", wants [batch, ..., channels]",
                  "reshape it; a single sample has a batch of 1");
  TENON_TRY(take_axis(c, "axis", x.rank()));
  const auto axis = static_cast<size_t>(c.get<int64_t>("axis"));
  if (axis == 0)
    return c.fail(Code::bad_attribute, "axis 0 of " + operand_text(c, 0) + " is the batch",
                  "name the dimension of channels: -1, or 1 where they stand first");
  const Dim& channels = x.shape[axis];
  for (size_t i = 1; i < c.operands.size(); ++i) TENON_TRY(want_each(c, i, channels, "channels"));
  if (c.op->find_attr("groups") == nullptr) return infer_like_first(c);
  const int64_t groups = c.get<int64_t>("groups");
  const bool divides = groups >= 1 && Dim::floor_div(channels, Dim(groups)) * groups == channels;
  if (divides) return infer_like_first(c);
  return c.fail(Code::bad_attribute,
                std::to_string(groups) + " groups do not divide the " + channels.text() + " channels of " +
                    operand_text(c, 0),
                "take a number that divides them; channels are along `axis`");
}

// Dimensions that statistics of one sample are over: all but the batch and `axis`.
Axes axes_of_sample(int64_t rank, int64_t axis) {
  Axes out;
  for (int64_t i = 1; i < rank; ++i)
    if (i != axis) out.push_back(i);
  return out;
}

std::vector<ir::ValueId> group_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  const Shape shape = x.shape();
  const int64_t groups = c.node.get<int64_t>("groups"), axis = c.node.get<int64_t>("axis");
  Shape apart = shape;
  Dim& channels = apart[static_cast<size_t>(axis)];
  channels = Dim::floor_div(channels, Dim(groups));
  apart.insert(apart.begin() + axis, Dim(groups));
  const Axes axes = axes_of_sample(x.rank() + 1, axis);
  const V y = reshape(standardized(reshape(x, apart), axes, epsilon_of(c.node)), shape);
  return {scaled(c, y, axis).id};
}

std::vector<ir::ValueId> instance_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  const int64_t axis = c.node.get<int64_t>("axis");
  return {scaled(c, standardized(x, axes_of_sample(x.rank(), axis), epsilon_of(c.node)), axis).id};
}

// --- local_response_norm ---------------------------------------------------------------------------------

Status infer_local(InferContext& c) {
  const Type& x = c.operands[0];
  if (x.is_scalar())
    return c.fail(Code::rank_mismatch, operand_text(c, 0) + " has no channels", "reshape it to [channels]");
  TENON_TRY(take_axis(c, "axis", x.rank()));
  if (const int64_t size = c.get<int64_t>("size"); size < 1 || size > (1 << 20))
    return c.fail(Code::bad_attribute,
                  "size is " + std::to_string(size) + ", wants 1 to 1048576; " + operand_text(c, 0),
                  "take a number of neighbouring channels, 5 as in the source");
  for (const std::string_view name : {"alpha", "beta", "k"})
    if (!(c.get<double>(name) >= 0))
      return c.fail(Code::bad_attribute, std::string(name) + " must be at least 0");
  return infer_like_first(c);
}
std::vector<ir::ValueId> local_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  const int64_t size = c.node.get<int64_t>("size"), axis = c.node.get<int64_t>("axis");
  const V squares = emit("window_sum", {x * x},
                         {{"axes", Axes{axis}},
                          {"size", Axes{size}},
                          {"stride", Axes{1}},
                          {"low", Shape{Dim(size / 2)}},
                          {"extents", Shape{x.shape()[static_cast<size_t>(axis)]}}});
  const double alpha = c.node.get<double>("alpha") / static_cast<double>(size);
  const V base = squares * alpha + c.node.get<double>("k");
  return {(x * pow(base, number_like(base, -c.node.get<double>("beta")))).id};
}

// --- Tables ----------------------------------------------------------------------------------------------

void draw_scale(ir::SampleContext& s, const Dim& extent) {
  for (int64_t n = s.draw(s.state, 0, 2); n > 0; --n) s.operands.push_back({s.dtype, {extent}});
}
void last_sample(ir::SampleContext& s) {
  Type x{s.dtype, {}};
  for (int64_t n = s.draw(s.state, 0, 2); n > 0; --n) x.shape.push_back(s.draw_dim(s.state));
  const Dim features(s.draw(s.state, 2, 6));
  x.shape.push_back(features);
  s.operands = {std::move(x)};
  draw_scale(s, features);
  s.attrs = {1e-3};
}
void rms_sample(ir::SampleContext& s) {
  last_sample(s);
  if (s.operands.size() > 2) s.operands.pop_back();
}
void image_sample(ir::SampleContext& s) {
  const int64_t groups = s.draw(s.state, 1, 2), each = s.draw(s.state, 1, 3);
  Type x{s.dtype, {s.draw_dim(s.state)}};
  for (int64_t n = s.draw(s.state, 1, 2); n > 0; --n) x.shape.push_back(Dim(s.draw(s.state, 2, 4)));
  const bool first = s.draw(s.state, 0, 2) == 0;
  x.shape.insert(first ? x.shape.begin() + 1 : x.shape.end(), Dim(groups * each));
  s.operands = {std::move(x)};
  draw_scale(s, Dim(groups * each));
  s.attrs = {groups, 1e-3, int64_t{first ? 1 : -1}};
}
void instance_sample(ir::SampleContext& s) {
  image_sample(s);
  s.attrs.erase(s.attrs.begin());
}
void local_sample(ir::SampleContext& s) {
  const bool first = s.draw(s.state, 0, 2) == 0;
  Shape shape{s.draw_dim(s.state), Dim(s.draw(s.state, 1, 7))};
  if (first) shape.push_back(s.draw_dim(s.state));
  s.operands = {{s.dtype, std::move(shape)}};
  s.attrs = {s.draw(s.state, 1, 5), 1e-1, 0.75, 1.0, int64_t{first ? 1 : -1}};
}

constexpr ir::CompositeForm layer_form{layer_body}, rms_form{rms_body}, group_form{group_body},
    instance_form{instance_body}, local_form{local_body};

constexpr OperandDef last_operands[] = {
    {.name = "x", .doc = "[..., features]", .dtypes = DTypes::floats},
    {.name = "scale", .doc = "[features]; none: 1", .dtypes = DTypes::floats, .optional = true},
    {.name = "offset", .doc = "[features]; none: 0", .dtypes = DTypes::floats, .optional = true}};
constexpr std::span<const OperandDef> rms_operands{last_operands, 2};
constexpr OperandDef image_operands[] = {
    {.name = "x", .doc = "[batch, ..., channels], or channels along `axis`", .dtypes = DTypes::floats},
    {.name = "scale", .doc = "[channels]; none: 1", .dtypes = DTypes::floats, .optional = true},
    {.name = "offset", .doc = "[channels]; none: 0", .dtypes = DTypes::floats, .optional = true}};
constexpr OperandDef local_operands[] = {
    {.name = "x", .doc = "[..., channels], or channels along `axis`", .dtypes = DTypes::floats}};
constexpr AttrDef groups{.name = "groups", .kind = AttrKind::integer, .doc = "channels in so many groups"};
constexpr AttrDef axis{.name = "axis",
                       .kind = AttrKind::integer,
                       .doc = "the dimension of channels; the last where left out",
                       .derive = derive_last_axis};
constexpr AttrDef last_attrs[] = {epsilon};
constexpr AttrDef group_attrs[] = {groups, epsilon, axis};
constexpr AttrDef instance_attrs[] = {epsilon, axis};
constexpr AttrDef local_attrs[] = {
    {.name = "size", .kind = AttrKind::integer, .doc = "channels that are summed", .preset = "5"},
    {.name = "alpha", .kind = AttrKind::number, .doc = "factor of the mean square", .preset = "1e-4"},
    {.name = "beta", .kind = AttrKind::number, .doc = "exponent", .preset = "0.75"},
    {.name = "k", .kind = AttrKind::number, .doc = "added to it", .preset = "1.0"},
    axis};

constexpr OpDef defs[] = {
    {.name = "layer_norm",
     .doc =
         "(x - mean) / sqrt(variance + epsilon) * scale + offset, mean and variance over the last dimension.",
     .operands = last_operands,
     .attrs = last_attrs,
     .form = &layer_form,
     .infer = infer_last,
     .sample = last_sample},
    {.name = "rms_norm",
     .doc = "x / sqrt(mean of x^2 + epsilon) * scale, the mean over the last dimension.",
     .operands = rms_operands,
     .attrs = last_attrs,
     .form = &rms_form,
     .infer = infer_last,
     .sample = rms_sample},
    {.name = "group_norm",
     .doc =
         "(x - mean) / sqrt(variance + epsilon) * scale + offset, mean and variance of each sample over all "
         "positions and the channels of each group.",
     .operands = image_operands,
     .attrs = group_attrs,
     .form = &group_form,
     .infer = infer_groups,
     .sample = image_sample},
    {.name = "instance_norm",
     .doc = "(x - mean) / sqrt(variance + epsilon) * scale + offset, mean and variance of each sample and "
            "channel "
            "over all positions.",
     .operands = image_operands,
     .attrs = instance_attrs,
     .form = &instance_form,
     .infer = infer_groups,
     .sample = instance_sample},
    {.name = "local_response_norm",
     .doc = "x / (k + alpha * mean of x^2 over `size` neighbouring channels)^beta; channels that are not "
            "there count "
            "as 0.",
     .operands = local_operands,
     .attrs = local_attrs,
     .form = &local_form,
     .infer = infer_local,
     .sample = local_sample},
};

}  // namespace

TENON_OP_FAMILY(normalization) = defs;

}  // namespace tenon::ops
