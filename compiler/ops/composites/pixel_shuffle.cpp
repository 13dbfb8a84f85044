// pixel_shuffle and pixel_unshuffle: channels to blocks of space, and back.
// Source: Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel
// convolutional neural network", 2016; orders of channels as the ONNX operator DepthToSpace names them.
#include "ops/composites/parts.h"
#include "ops/composites/spatial.h"
#include "ops/family.h"

namespace tenon::ops {
namespace {

constexpr int64_t most_factor = 1024;

int64_t power(int64_t base, size_t exponent) {
  int64_t out = 1;
  while (exponent-- > 0) out *= base;
  return out;
}

Status want_factor(const InferContext& c) {
  TENON_TRY(want_spatial(c));
  const int64_t factor = c.get<int64_t>("factor");
  if (factor >= 1 && factor <= most_factor) return Ok{};
  return c.fail(Code::bad_attribute,
                "factor is " + std::to_string(factor) + ", wants 1 to " + std::to_string(most_factor) + "; " +
                    operand_text(c, 0),
                "take a number in that range");
}

// The quotient of an extent that is a multiple of `by` for all sizes; T107 where it is not.
Status want_multiple(const InferContext& c, Dim* extent, int64_t by, const std::string& what) {
  const Dim quotient = Dim::floor_div(*extent, Dim(by));
  if (quotient * by == *extent) {
    *extent = quotient;
    return Ok{};
  }
  return c.fail(Code::shape_mismatch,
                "the " + extent->text() + " " + what + " are no multiple of " + std::to_string(by) + "; " +
                    operand_text(c, 0),
                "an extent such as " + std::to_string(by) + " or " + std::to_string(by) + "*n");
}

Status infer_shuffle(InferContext& c) {
  TENON_TRY(want_factor(c));
  const bool first = channels_first(c);
  const size_t spatial = spatial_rank(c);
  const int64_t factor = c.get<int64_t>("factor");
  Type out = c.operands[0];
  TENON_TRY(want_multiple(c, &out.shape[channel_axis(first, spatial)], power(factor, spatial), "channels"));
  for (size_t i = 0; i < spatial; ++i) {
    Dim& extent = out.shape[spatial_axis(first, i)];
    extent = extent * factor;
  }
  c.results = {std::move(out)};
  return Ok{};
}

Status infer_unshuffle(InferContext& c) {
  TENON_TRY(want_factor(c));
  const bool first = channels_first(c);
  const size_t spatial = spatial_rank(c);
  const int64_t factor = c.get<int64_t>("factor");
  Type out = c.operands[0];
  for (size_t i = 0; i < spatial; ++i)
    TENON_TRY(want_multiple(c, &out.shape[spatial_axis(first, i)], factor,
                            "elements of spatial dimension " + std::to_string(i)));
  Dim& channels = out.shape[channel_axis(first, spatial)];
  channels = channels * power(factor, spatial);
  c.results = {std::move(out)};
  return Ok{};
}

// The dimensions of both sides apart. Deep: batch, spatial ones, and channels as `order` has them with the
// places in a block; wide: each spatial one followed by the place in its block, and channels.
struct Apart {
  Axes wide_of_deep;  // dimension of deep for each of wide
  Shape deep, wide;
};
Apart apart_of(const Shape& fine, bool first, bool channel_major, int64_t factor) {
  const size_t spatial = fine.size() - 2;
  const Dim channels = fine[channel_axis(first, spatial)];
  Apart out;
  const auto deep = [&](const Dim& extent) {
    out.deep.push_back(extent);
    return static_cast<int64_t>(out.deep.size()) - 1;
  };
  int64_t channel = 0;
  Axes blocks, places;
  const auto add_channels = [&] {
    if (channel_major) channel = deep(channels);
    for (size_t i = 0; i < spatial; ++i) places.push_back(deep(Dim(factor)));
    if (!channel_major) channel = deep(channels);
  };
  const int64_t batch = deep(fine[0]);
  if (first) add_channels();
  for (size_t i = 0; i < spatial; ++i)
    blocks.push_back(deep(Dim::floor_div(fine[spatial_axis(first, i)], Dim(factor))));
  if (!first) add_channels();
  out.wide_of_deep = {batch};
  if (first) out.wide_of_deep.push_back(channel);
  for (size_t i = 0; i < spatial; ++i)
    out.wide_of_deep.insert(out.wide_of_deep.end(), {blocks[i], places[i]});
  if (!first) out.wide_of_deep.push_back(channel);
  for (const int64_t d : out.wide_of_deep) out.wide.push_back(out.deep[static_cast<size_t>(d)]);
  return out;
}

bool channel_major(const ir::Node& node) { return node.get<std::string>("order") == "crd"; }

std::vector<ir::ValueId> shuffle_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  const bool first = channels_first(c.node);
  const int64_t factor = c.node.get<int64_t>("factor");
  const auto spatial = static_cast<size_t>(x.rank()) - 2;
  Shape fine = x.shape();
  Dim& channels = fine[channel_axis(first, spatial)];
  channels = Dim::floor_div(channels, Dim(power(factor, spatial)));
  for (size_t i = 0; i < spatial; ++i) fine[spatial_axis(first, i)] = fine[spatial_axis(first, i)] * factor;
  const Apart apart = apart_of(fine, first, channel_major(c.node), factor);
  return {reshape(transpose(reshape(x, apart.deep), apart.wide_of_deep), fine).id};
}

std::vector<ir::ValueId> unshuffle_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  const bool first = channels_first(c.node);
  const int64_t factor = c.node.get<int64_t>("factor");
  const auto spatial = static_cast<size_t>(x.rank()) - 2;
  const Apart apart = apart_of(x.shape(), first, channel_major(c.node), factor);
  Axes back(apart.wide_of_deep.size());
  for (size_t d = 0; d < back.size(); ++d)
    back[static_cast<size_t>(apart.wide_of_deep[d])] = static_cast<int64_t>(d);
  Shape coarse = x.shape();
  for (size_t i = 0; i < spatial; ++i) {
    Dim& extent = coarse[spatial_axis(first, i)];
    extent = Dim::floor_div(extent, Dim(factor));
  }
  Dim& channels = coarse[channel_axis(first, spatial)];
  channels = channels * power(factor, spatial);
  return {reshape(transpose(reshape(x, apart.wide), back), coarse).id};
}

template <bool back>
void sample(ir::SampleContext& s) {
  auto draw = [&](int64_t low, int64_t high) { return s.draw(s.state, low, high); };
  const auto spatial = static_cast<size_t>(draw(1, 3));
  const int64_t factor = draw(1, spatial == 3 ? 2 : 3);
  const bool first = draw(0, 2) == 0;
  Shape x{s.draw_dim(s.state)};
  for (size_t i = 0; i < spatial; ++i) {
    const Dim extent = spatial == 1 ? s.draw_dim(s.state) : Dim(draw(1, 3));
    x.push_back(back ? extent * factor : extent);
  }
  const Dim channels = s.draw_dim(s.state);
  x.insert(first ? x.begin() + 1 : x.end(), back ? channels : channels * power(factor, spatial));
  s.operands = {{s.dtype, std::move(x)}};
  s.attrs = {factor, std::string(draw(0, 1) == 0 ? "crd" : "dcr"),
             std::string(first ? "channels_first" : "channels_last")};
}

constexpr ir::CompositeForm shuffle_form{shuffle_body}, unshuffle_form{unshuffle_body};
constexpr OperandDef operands[] = {
    {.name = "x", .doc = "[batch, spatial..., channels], 1 to 3 spatial dimensions"}};
constexpr AttrDef attrs[] = {
    {.name = "factor", .kind = AttrKind::integer, .doc = "elements of a block along each spatial dimension"},
    {.name = "order",
     .kind = AttrKind::text,
     .doc = "how the larger number of channels counts: crd: by channel, then by place in the block; dcr: by "
            "place, then by channel",
     .preset = "crd",
     .choices = "crd|dcr"},
    spatial_layout};

constexpr OpDef defs[] = {
    {.name = "pixel_shuffle",
     .doc = "Depth to space: of each element's channels a block of elements, factor^spatial times fewer "
            "channels.",
     .operands = operands,
     .attrs = attrs,
     .form = &shuffle_form,
     .infer = infer_shuffle,
     .sample = sample<false>},
    {.name = "pixel_unshuffle",
     .doc = "Space to depth: the elements of a block become channels of one. It undoes pixel_shuffle.",
     .operands = operands,
     .attrs = attrs,
     .form = &unshuffle_form,
     .infer = infer_unshuffle,
     .sample = sample<true>},
};

}  // namespace

TENON_OP_FAMILY(pixel_shuffle) = defs;

}  // namespace tenon::ops
