// batch_norm: each channel less its mean, over its deviation; both of the batch while training, running ones
// in inference. Source: Ioffe and Szegedy, "Batch normalization", 2015.
#include "ops/composites/normalization.h"
#include "ops/family.h"

namespace tenon::ops {
namespace {

Status infer_batch(InferContext& c) {
  TENON_TRY(want_epsilon(c));
  const Type& x = c.operands[0];
  if (x.rank() < 2) return c.fail(Code::rank_mismatch, operand_text(c, 0) + ", wants [batch, ..., channels]");
  TENON_TRY(take_axis(c, "axis", x.rank()));
  if (const double m = c.get<double>("momentum"); !(m >= 0 && m <= 1))
    return c.fail(Code::bad_attribute, "momentum must be from 0 to 1");
  const Dim& channels = x.shape[static_cast<size_t>(c.get<int64_t>("axis"))];
  for (size_t i = 1; i < c.operands.size(); ++i) TENON_TRY(want_each(c, i, channels, "channels"));
  c.results = {x, {x.dtype, {channels}}, {x.dtype, {channels}}};
  return Ok{};
}

struct BatchNorm {
  V x, scale, offset, mean, variance;
  int64_t axis;
  double epsilon;
  V over(V v) const { return along(v, x.shape(), axis); }
};
template <class Context>
BatchNorm batch_norm_of(Context& c) {
  auto v = [&](size_t i) { return V{&c.b, c.operands[i]}; };
  return {v(0), v(1), v(2), v(3), v(4), c.node.template get<int64_t>("axis"), epsilon_of(c.node)};
}

// By the running statistics: one factor and one number to add for each channel.
std::vector<ir::ValueId> by_running(const BatchNorm& n) {
  const V factor = n.scale * rsqrt(n.variance + n.epsilon);
  return {(n.x * n.over(factor) + n.over(n.offset - n.mean * factor)).id, n.mean.id, n.variance.id};
}
std::vector<ir::ValueId> batch_body(ir::BodyContext& c) { return by_running(batch_norm_of(c)); }

std::vector<ir::ValueId> batch_mode(ir::ModeContext& c) {
  const BatchNorm n = batch_norm_of(c);
  if (!c.training || c.node.get<bool>("frozen")) return by_running(n);
  Axes axes;
  for (int64_t i = 0; i < n.x.rank(); ++i)
    if (i != n.axis) axes.push_back(i);
  const V m = mean(n.x, axes), centred = n.x - n.over(m), variance = mean(centred * centred, axes);
  const V y = centred * n.over(rsqrt(variance + n.epsilon)) * n.over(n.scale) + n.over(n.offset);
  const double keep = c.node.get<double>("momentum");
  return {y.id, (n.mean * keep + m * (1 - keep)).id, (n.variance * keep + variance * (1 - keep)).id};
}

void batch_sample(ir::SampleContext& s) {
  const Dim channels(s.draw(s.state, 1, 5));
  Type x{s.dtype, {s.draw_dim(s.state)}};
  for (int64_t n = s.draw(s.state, 0, 2); n > 0; --n) x.shape.push_back(Dim(s.draw(s.state, 2, 4)));
  x.shape.push_back(channels);
  s.operands = {std::move(x)};
  for (int i = 0; i < 4; ++i) s.operands.push_back({s.dtype, {channels}});
  s.attrs = {int64_t{-1}, 1e-3, 0.9, s.draw(s.state, 0, 1) == 1};
}

constexpr ir::CompositeForm batch_form{batch_body};
constexpr OperandDef batch_operands[] = {
    {.name = "x", .doc = "[batch, ..., channels], or channels along `axis`", .dtypes = DTypes::floats},
    {.name = "scale", .doc = "[channels]", .dtypes = DTypes::floats},
    {.name = "offset", .doc = "[channels]", .dtypes = DTypes::floats},
    {.name = "mean", .doc = "running mean, [channels]", .dtypes = DTypes::floats},
    {.name = "variance", .doc = "running variance, [channels]", .dtypes = DTypes::floats}};
constexpr ir::Domain batch_domains[] = {{-2, 2}, {-2, 2}, {-2, 2}, {-2, 2}, {0.1, 2}};
constexpr std::string_view batch_results[] = {"y", "mean", "variance"};
constexpr AttrDef batch_attrs[] = {
    {.name = "axis", .kind = AttrKind::integer, .doc = "the dimension of channels", .preset = "-1"},
    epsilon,
    {.name = "momentum",
     .kind = AttrKind::number,
     .doc = "what is kept of the running statistics in each step, from 0 to 1",
     .preset = "0.9"},
    {.name = "frozen",
     .kind = AttrKind::boolean,
     .doc = "by the running statistics in training as well, which then stay as they are",
     .preset = "false"}};

constexpr OpDef defs[] = {
    {.name = "batch_norm",
     .doc =
         "(x - mean) / sqrt(variance + epsilon) * scale + offset for each channel. Training: mean and "
         "variance "
         "(of all elements, not less one) of the batch; results are y and the running statistics behind this "
         "step, momentum * old + (1 - momentum) * new, for the function to set. Inference: by the running "
         "statistics, which stay.",
     .operands = batch_operands,
     .attrs = batch_attrs,
     .form = &batch_form,
     .results = batch_results,
     .infer = infer_batch,
     .mode = batch_mode,
     .domains = batch_domains,
     .sample = batch_sample},
};

}  // namespace

TENON_OP_FAMILY(batch_norm) = defs;

}  // namespace tenon::ops
