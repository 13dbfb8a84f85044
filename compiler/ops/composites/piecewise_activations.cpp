// Activations made of straight pieces: leaky_relu, prelu, relu6, and the hard forms of sigmoid, tanh and
// swish. relu itself stands in activations.cpp.
#include "ops/composites/parts.h"
#include "ops/family.h"
#include "support/text.h"

namespace tenon::ops {
namespace {

// --- leaky_relu, prelu -----------------------------------------------------------------------------------

std::vector<ir::ValueId> leaky_relu_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  return {select(x > 0.0, x, x * c.node.get<double>("slope")).id};
}
// One choice, where the body's derivative would add two.
void leaky_relu_vjp(ir::VjpContext& c) {
  const V x{&c.b, c.operands[0]}, g{&c.b, c.cotangents[0]};
  c.out[0] = select(x > 0.0, g, g * c.node.get<double>("slope")).id;
}

Status infer_prelu(InferContext& c) {
  TENON_TRY(same_dtype(c, 1, 0));
  TENON_TRY(take_axis(c, "axis", c.operands[0].rank()));
  TENON_TRY(want_rank(c, 1, 1));
  const Dim& channels = c.operands[0].shape[static_cast<size_t>(c.get<int64_t>("axis"))];
  const Dim& slopes = c.operands[1].shape[0];
  if (slopes != channels && slopes != Dim(1)) {
    return c.fail(Code::shape_mismatch, operand_text(c, 1) + ", wants " + channels.text() +
                                            (channels == Dim(1) ? " entry" : " entries, or 1,") + " as " +
                                            operand_text(c, 0) + " has along axis " +
                                            std::to_string(c.get<int64_t>("axis")));
  }
  return infer_like_first(c);
}
std::vector<ir::ValueId> prelu_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]}, slope{&c.b, c.operands[1]};
  const Shape shape = x.shape();
  const bool shared = slope.shape()[0] == Dim(1);
  const V along =
      shared ? broadcast_to(slope, shape) : broadcast_to(slope, shape, {c.node.get<int64_t>("axis")});
  return {select(x > 0.0, x, x * along).id};
}
void sample_prelu(ir::SampleContext& s) {
  Type x{s.dtype, {}};
  const int64_t rank = s.draw(s.state, 1, 3), axis = s.draw(s.state, 0, rank - 1);
  for (int64_t i = 0; i < rank; ++i) x.shape.push_back(s.draw_dim(s.state));
  const Dim slopes = s.draw(s.state, 0, 3) == 0 ? Dim(1) : x.shape[static_cast<size_t>(axis)];
  s.operands = {std::move(x), {s.dtype, {slopes}}};
  s.attrs = {axis};
}

// --- Between bounds --------------------------------------------------------------------------------------

std::vector<ir::ValueId> relu6_body(ir::BodyContext& c) { return {clamp({&c.b, c.operands[0]}, 0, 6).id}; }

std::vector<ir::ValueId> hard_sigmoid_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  return {clamp(x * c.node.get<double>("alpha") + c.node.get<double>("beta"), 0, 1).id};
}

// The sum first: it is exact near -3, where a product's rounding would stay.
std::vector<ir::ValueId> hard_swish_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  return {(x * (clamp(x + 3.0, 0, 6) / 6.0)).id};
}

Status infer_hard_tanh(InferContext& c) {
  const double low = c.get<double>("low"), high = c.get<double>("high");
  if (low <= high) return infer_like_first(c);
  return c.fail(Code::bad_attribute,
                "low is " + format_float(low) + ", wants a number up to high, " + format_float(high));
}
std::vector<ir::ValueId> hard_tanh_body(ir::BodyContext& c) {
  return {clamp({&c.b, c.operands[0]}, c.node.get<double>("low"), c.node.get<double>("high")).id};
}

constexpr ir::CompositeForm leaky_relu_form{leaky_relu_body}, prelu_form{prelu_body}, relu6_form{relu6_body},
    hard_sigmoid_form{hard_sigmoid_body}, hard_swish_form{hard_swish_body}, hard_tanh_form{hard_tanh_body};
constexpr ir::Domain wide_domain[] = {{-8, 8}};
constexpr OperandDef numbers[] = {{.name = "x", .doc = "the value, any shape", .dtypes = DTypes::numbers}};
constexpr OperandDef floats[] = {{.name = "x", .doc = "the value, any shape", .dtypes = DTypes::floats}};
constexpr OperandDef prelu_operands[] = {
    {.name = "x", .doc = "the value, of at least 1 dimension", .dtypes = DTypes::floats},
    {.name = "slope",
     .doc = "left of 0: [channels], the extent of x along `axis`, or [1] for all of x",
     .dtypes = DTypes::floats}};
constexpr AttrDef leaky_relu_attrs[] = {
    {.name = "slope", .kind = AttrKind::number, .doc = "left of 0", .preset = "0.01"}};
constexpr AttrDef prelu_attrs[] = {{.name = "axis",
                                    .kind = AttrKind::integer,
                                    .doc = "the dimension of channels; by default the last",
                                    .derive = derive_last_axis}};
constexpr AttrDef hard_sigmoid_attrs[] = {
    {.name = "alpha", .kind = AttrKind::number, .doc = "slope", .preset = "0.16666666666666666"},
    {.name = "beta", .kind = AttrKind::number, .doc = "value at 0", .preset = "0.5"}};
constexpr AttrDef hard_tanh_attrs[] = {
    {.name = "low", .kind = AttrKind::number, .doc = "lower bound", .preset = "-1.0"},
    {.name = "high", .kind = AttrKind::number, .doc = "upper bound, at least low", .preset = "1.0"}};

constexpr OpDef defs[] = {
    {.name = "hard_sigmoid",
     .doc = "Sigmoid of straight pieces (Courbariaux et al. 2015; alpha = 1/6: Howard et al. 2019): alpha x "
            "+ beta "
            "within 0 .. 1. The gradient at the corners is 0.",
     .operands = floats,
     .attrs = hard_sigmoid_attrs,
     .form = &hard_sigmoid_form,
     .infer = infer_like_first,
     .domains = wide_domain},
    {.name = "hard_swish",
     .doc = "silu of straight pieces (Howard et al. 2019): x relu6(x + 3) / 6. The gradient at the corners "
            "is that "
            "outside, 0 and 1. NaN at -inf, as -inf times 0 is, though the limit is 0.",
     .operands = floats,
     .form = &hard_swish_form,
     .infer = infer_like_first,
     .domains = wide_domain},
    {.name = "hard_tanh",
     .doc = "x within low .. high (Collobert 2004). The gradient at the corners is 0.",
     .operands = floats,
     .attrs = hard_tanh_attrs,
     .form = &hard_tanh_form,
     .infer = infer_hard_tanh},
    {.name = "leaky_relu",
     .doc = "x where it is positive, else slope x (Maas et al. 2013). The gradient at 0 is slope.",
     .operands = floats,
     .attrs = leaky_relu_attrs,
     .form = &leaky_relu_form,
     .infer = infer_like_first,
     .vjp = leaky_relu_vjp},
    {.name = "prelu",
     .doc = "Parametric relu (He et al. 2015): x where it is positive, else slope x with a slope for each "
            "channel, "
            "which can be trained. The gradient at 0 is that of the left side.",
     .operands = prelu_operands,
     .attrs = prelu_attrs,
     .form = &prelu_form,
     .infer = infer_prelu,
     .sample = sample_prelu},
    {.name = "relu6",
     .doc = "x within 0 .. 6 (Krizhevsky 2010). The gradient at the corners is 0.",
     .operands = numbers,
     .form = &relu6_form,
     .infer = infer_like_first,
     .domains = wide_domain},
};

}  // namespace

TENON_OP_FAMILY(piecewise_activations) = defs;

}  // namespace tenon::ops
