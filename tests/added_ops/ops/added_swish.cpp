// A composite with a derivative rule of its own, added by this file alone.
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

std::vector<ir::ValueId> body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  return {(x * sigmoid(x * c.node.get<double>("slope"))).id};
}

void vjp(ir::VjpContext& c) {
  const double slope = c.node.get<double>("slope");
  const V x{&c.b, c.operands[0]}, y{&c.b, c.results[0]}, g{&c.b, c.cotangents[0]};
  const V s = sigmoid(x * slope);
  c.out[0] = (g * (s + y * slope * (1.0 - s))).id;
}

constexpr ir::CompositeForm form{body};
constexpr OperandDef operands[] = {{.name = "x", .doc = "the value", .dtypes = DTypes::floats}};
constexpr AttrDef attrs[] = {
    {.name = "slope", .kind = AttrKind::number, .doc = "steepness of the gate", .preset = "1.5"}};

constexpr OpDef defs[] = {{.name = "added_swish",
                           .doc = "x times the logistic function of slope times x, added for a test.",
                           .operands = operands,
                           .attrs = attrs,
                           .form = &form,
                           .infer = infer_like_first,
                           .vjp = vjp}};

}  // namespace

TENON_OP_FAMILY(added_swish) = defs;

}  // namespace tenon::ops
