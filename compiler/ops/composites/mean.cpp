// mean over axes: the sum, in its declared order, divided by the number of elements.
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

Status infer(InferContext& c) {
  const Type& x = c.operands[0];
  TENON_TRY(take_axes(c, "axes", x.rank(), true));
  c.results = {{x.dtype, without_axes(x.shape, c.get<Axes>("axes"))}};
  return Ok{};
}

std::vector<ir::ValueId> body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  const Axes axes = c.node.get<Axes>("axes");
  return {(reduce_sum(x, axes) / count_along(x, axes)).id};
}

void vjp(ir::VjpContext& c) {
  const V x{&c.b, c.operands[0]}, g{&c.b, c.cotangents[0]};
  const Axes axes = c.node.get<Axes>("axes");
  c.out[0] = spread(g / count_along(x, axes), x.shape(), axes).id;
}

constexpr ir::CompositeForm form{body};
constexpr OperandDef operands[] = {{.name = "x", .doc = "the value", .dtypes = DTypes::floats}};
constexpr AttrDef attrs[] = {{.name = "axes",
                              .kind = AttrKind::integers,
                              .doc = "dimensions that vanish; by default all",
                              .derive = derive_all_axes}};

constexpr OpDef defs[] = {
    {.name = "mean",
     .doc = "Mean over `axes`; of nothing: NaN.",
     .operands = operands,
     .attrs = attrs,
     .form = &form,
     .infer = infer,
     .vjp = vjp},
};

}  // namespace

TENON_OP_FAMILY(mean) = defs;

}  // namespace tenon::ops
