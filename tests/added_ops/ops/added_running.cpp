// Sums of all elements up to each along an axis, from either end, added by this file alone.
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

Status infer(InferContext& c) {
  TENON_TRY(take_axis(c, "axis", c.operands[0].rank()));
  c.results = {c.operands[0]};
  return Ok{};
}

ir::Iteration describe(const ir::Node& node, const std::vector<Type>& operands, const Type&) {
  const auto axis = static_cast<uint32_t>(node.get<int64_t>("axis"));
  ir::Iteration out = reduced(operands[0], {});
  out.axes[axis].role = ir::Axis::Role::ordered;
  if (node.get<bool>("reverse"))
    out.operands[0].index[axis] = out.result.index[axis] = {operands[0].shape[axis] - 1, {{axis, Dim(-1)}}};
  return out;
}

void vjp(ir::VjpContext& c) {
  c.out[0] = emit("added_running", {V{&c.b, c.cotangents[0]}},
                  {{"axis", c.node.get<int64_t>("axis")}, {"reverse", !c.node.get<bool>("reverse")}})
                 .id;
}

constexpr ir::IterationForm form{.scans = true, .describe = describe};
constexpr OperandDef operands[] = {{.name = "x", .doc = "the value", .dtypes = DTypes::numbers}};
constexpr AttrDef attrs[] = {
    {.name = "axis",
     .kind = AttrKind::integer,
     .doc = "the dimension along which is summed",
     .derive = derive_last_axis},
    {.name = "reverse", .kind = AttrKind::boolean, .doc = "from the end", .preset = "false"}};

void sample(ir::SampleContext& s) {
  Shape shape;
  const int64_t rank = s.draw(s.state, 1, 3);
  for (int64_t i = 0; i < rank; ++i) shape.push_back(s.draw_dim(s.state));
  s.operands = {{s.dtype, std::move(shape)}};
  s.attrs = {s.draw(s.state, 0, rank - 1), s.draw(s.state, 0, 1) == 1};
}

constexpr OpDef defs[] = {{.name = "added_running",
                           .doc = "Sums of all elements up to each, added for a test.",
                           .operands = operands,
                           .attrs = attrs,
                           .form = &form,
                           .infer = infer,
                           .vjp = vjp,
                           .sample = sample}};

}  // namespace

TENON_OP_FAMILY(added_running) = defs;

}  // namespace tenon::ops
