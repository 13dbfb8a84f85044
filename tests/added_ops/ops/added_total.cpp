// A reduction with attributes and a derivative rule, added by this file alone.
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

void vjp(ir::VjpContext& c) {
  const V x{&c.b, c.operands[0]}, g{&c.b, c.cotangents[0]};
  c.out[0] = spread(g, x.shape(), c.node.get<Axes>("axes")).id;
}

ir::Iteration describe(const ir::Node& node, const std::vector<Type>& operands, const Type&) {
  return reduced(operands[0], node.get<Axes>("axes"));
}
ir::Order order(const ir::Node& node) { return {node.get<int64_t>("lanes"), node.get<int64_t>("block")}; }

constexpr ir::IterationForm form{.describe = describe, .order = order};
constexpr OperandDef operands[] = {{.name = "x", .doc = "the value", .dtypes = DTypes::numbers}};
constexpr AttrDef attrs[] = {
    {.name = "axes", .kind = AttrKind::integers, .doc = "dimensions that vanish", .derive = derive_all_axes},
    {.name = "lanes", .kind = AttrKind::integer, .doc = "lanes of the order", .preset = "8"},
    {.name = "block", .kind = AttrKind::integer, .doc = "block of the order", .preset = "64"}};

constexpr OpDef defs[] = {{.name = "added_total",
                           .doc = "Sum in an order of its own, added for a test.",
                           .operands = operands,
                           .attrs = attrs,
                           .form = &form,
                           .infer = infer,
                           .vjp = vjp}};

}  // namespace

TENON_OP_FAMILY(added_total) = defs;

}  // namespace tenon::ops
