// Activations that multiply a value by a gate, silu and glu; and softsign, which divides it.
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

// --- silu ------------------------------------------------------------------------------------------------

std::vector<ir::ValueId> silu_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  return {(x * sigmoid(x)).id};
}

// --- glu -------------------------------------------------------------------------------------------------

Dim half_of(const Dim& extent) { return Dim::floor_div(extent, 2); }

Status infer_glu(InferContext& c) {
  Type x = c.operands[0];
  TENON_TRY(take_axis(c, "axis", x.rank()));
  Dim& extent = x.shape[static_cast<size_t>(c.get<int64_t>("axis"))];
  const Dim half = half_of(extent);
  if (half * 2 != extent) {
    return c.fail(Code::shape_mismatch,
                  operand_text(c, 0) + " has " + extent.text() + " elements along axis " +
                      std::to_string(c.get<int64_t>("axis")) + ", which do not divide into halves",
                  "an extent such as 6 or 2*n");
  }
  extent = half;
  c.results = {std::move(x)};
  return Ok{};
}

std::vector<ir::ValueId> glu_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  const size_t axis = static_cast<size_t>(c.node.get<int64_t>("axis"));
  const Shape shape = x.shape(), stride(shape.size(), 1);
  Shape start(shape.size(), 0), middle = shape;
  middle[axis] = half_of(shape[axis]);
  const V value = slice(x, start, middle, stride);
  start[axis] = middle[axis];
  return {(value * sigmoid(slice(x, start, shape, stride))).id};
}

void sample_glu(ir::SampleContext& s) {
  Type x{s.dtype, {}};
  const int64_t rank = s.draw(s.state, 1, 3), axis = s.draw(s.state, 0, rank - 1);
  for (int64_t i = 0; i < rank; ++i) {
    const Dim extent = s.draw_dim(s.state);
    x.shape.push_back(i == axis ? extent * 2 : extent);
  }
  s.operands = {std::move(x)};
  s.attrs = {axis};
}

// --- softsign --------------------------------------------------------------------------------------------

std::vector<ir::ValueId> softsign_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  return {(x / (abs(x) + 1.0)).id};
}
// The body's derivative would be a difference of almost equal numbers where |x| is large.
void softsign_vjp(ir::VjpContext& c) {
  const V x{&c.b, c.operands[0]}, g{&c.b, c.cotangents[0]};
  const V inverse = 1.0 / (abs(x) + 1.0);
  c.out[0] = (g * (inverse * inverse)).id;
}

constexpr ir::CompositeForm silu_form{silu_body}, glu_form{glu_body}, softsign_form{softsign_body};
constexpr OperandDef operands[] = {{.name = "x", .doc = "the value, any shape", .dtypes = DTypes::floats}};
constexpr OperandDef glu_operands[] = {
    {.name = "x", .doc = "values, then gates, along `axis`", .dtypes = DTypes::floats}};
constexpr AttrDef glu_attrs[] = {
    {.name = "axis",
     .kind = AttrKind::integer,
     .doc = "the dimension that is halved, of an even extent; by default the last",
     .derive = derive_last_axis}};

constexpr OpDef defs[] = {
    {.name = "glu",
     .doc = "Gated linear unit (Dauphin et al. 2017): a sigmoid(b), where a is the first half of x along "
            "`axis` and b "
            "the second.",
     .operands = glu_operands,
     .attrs = glu_attrs,
     .form = &glu_form,
     .infer = infer_glu,
     .sample = sample_glu},
    {.name = "silu",
     .doc = "Sigmoid linear unit, also called swish (Elfwing et al. 2018): x sigmoid(x). NaN at -inf, as "
            "-inf times 0 "
            "is, though the limit is 0.",
     .operands = operands,
     .form = &silu_form,
     .infer = infer_like_first},
    {.name = "softsign",
     .doc = "x / (1 + |x|) (Turian et al. 2009), between -1 and 1. NaN at both infinities.",
     .operands = operands,
     .form = &softsign_form,
     .infer = infer_like_first,
     .vjp = softsign_vjp},
};

}  // namespace

TENON_OP_FAMILY(gated_activations) = defs;

}  // namespace tenon::ops
