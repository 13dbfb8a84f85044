// Elements at pairs of indices, and their derivative, elements added at pairs of indices; added by this file
// alone.
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

// The indices' dimensions, then those of x behind its first two.
Shape picked_shape(const Shape& x, const Shape& indices) {
  Shape shape = indices;
  shape.insert(shape.end(), x.begin() + 2, x.end());
  return shape;
}
Status check(const InferContext& c) {
  if (c.operands[0].rank() < 2)
    return c.fail(Code::rank_mismatch, operand_text(c, 0) + ", wants two dimensions at least");
  if (c.operands[1].shape != c.operands[2].shape)
    return c.fail(Code::shape_mismatch, operand_text(c, 2) + ", wants the shape of " + operand_text(c, 1));
  return Ok{};
}

Status infer_pick(InferContext& c) {
  TENON_TRY(check(c));
  c.results = {{c.operands[0].dtype, picked_shape(c.operands[0].shape, c.operands[1].shape)}};
  return Ok{};
}
Status infer_place(InferContext& c) {
  TENON_TRY(check(c));
  TENON_TRY(same_dtype(c, 3, 0));
  const Shape wanted = picked_shape(c.operands[0].shape, c.operands[1].shape);
  if (c.operands[3].shape != wanted)
    return c.fail(Code::shape_mismatch, operand_text(c, 3) + ", wants shape " + ir::shape_text(wanted));
  c.results = {c.operands[0]};
  return Ok{};
}

ir::Access chosen_by_pairs(size_t rank, size_t indices) {
  ir::Access out{.index = {ir::affine_constant(Dim(0)), ir::affine_constant(Dim(0))},
                 .chosen = {{.dimension = 0, .operand = 1}, {.dimension = 1, .operand = 2}}};
  for (size_t d = 2; d < rank; ++d)
    out.index.push_back(ir::affine_axis(static_cast<uint32_t>(indices + d - 2)));
  return out;
}
ir::Iteration describe_picked(const Type& picked, size_t indices, ir::Axis::Role role) {
  ir::Iteration out = reduced(picked, {});
  out.operands.resize(3);
  out.operands[0].index.clear();
  for (uint32_t d = 0; d < indices; ++d) {
    out.axes[d].role = role;
    out.operands[1].index.push_back(ir::affine_axis(d));
    out.operands[2].index.push_back(ir::affine_axis(d));
  }
  return out;
}
ir::Iteration describe_pick(const ir::Node&, const std::vector<Type>& operands, const Type& result) {
  const size_t indices = operands[1].rank();
  ir::Iteration out = describe_picked(result, indices, ir::Axis::Role::kept);
  out.operands[0] = chosen_by_pairs(operands[0].rank(), indices);
  return out;
}
ir::Iteration describe_place(const ir::Node&, const std::vector<Type>& operands, const Type& result) {
  const size_t indices = operands[1].rank();
  ir::Iteration out = describe_picked(operands[3], indices, ir::Axis::Role::ordered);
  out.operands.push_back({.index = out.result.index});
  out.result = chosen_by_pairs(result.rank(), indices);
  out.elements = {3};
  out.base = 0;
  return out;
}

void pick_vjp(ir::VjpContext& c) {
  const V g{&c.b, c.cotangents[0]}, x{&c.b, c.operands[0]}, i{&c.b, c.operands[1]}, j{&c.b, c.operands[2]};
  c.out[0] = emit("added_place", {zeros_like(x), i, j, g}).id;
}
void place_vjp(ir::VjpContext& c) {
  const V g{&c.b, c.cotangents[0]}, i{&c.b, c.operands[1]}, j{&c.b, c.operands[2]};
  if (c.wanted[0]) c.out[0] = g.id;
  if (c.wanted[3]) c.out[3] = emit("added_pick", {g, i, j}).id;
}

// Indices are drawn from 0..1.
Shape sample_types(ir::SampleContext& s) {
  Shape x, indices;
  for (int64_t n = s.draw(s.state, 2, 4); n > 0; --n)
    x.push_back(x.size() < 2 ? Dim(s.draw(s.state, 2, 6)) : s.draw_dim(s.state));
  for (int64_t n = s.draw(s.state, 0, 2); n > 0; --n) indices.push_back(s.draw_dim(s.state));
  const Shape picked = picked_shape(x, indices);
  s.operands = {{s.dtype, std::move(x)}, {DType::i32, indices}, {DType::i64, indices}};
  return picked;
}
void pick_sample(ir::SampleContext& s) { sample_types(s); }
void place_sample(ir::SampleContext& s) {
  Shape picked = sample_types(s);
  s.operands.push_back({s.dtype, std::move(picked)});
}

constexpr ir::IterationForm pick_form{
    .step = ir::Accumulate::copy, .gathers = true, .describe = describe_pick},
    place_form{.scatters = true, .describe = describe_place};
constexpr ir::Domain domains[] = {{}, {0, 1}, {0, 1}, {}};
constexpr OperandDef operands[] = {
    {.name = "x", .doc = "the value", .dtypes = DTypes::numbers},
    {.name = "i", .doc = "indices of its first dimension", .dtypes = DTypes::index},
    {.name = "j", .doc = "indices of its second dimension", .dtypes = DTypes::index},
    {.name = "updates", .doc = "what is added at each pair", .dtypes = DTypes::numbers}};

constexpr OpDef defs[] = {{.name = "added_pick",
                           .doc = "Elements of x at pairs of indices, added for a test.",
                           .operands = std::span<const OperandDef>(operands).first(3),
                           .form = &pick_form,
                           .infer = infer_pick,
                           .vjp = pick_vjp,
                           .may_fail = true,
                           .domains = std::span<const ir::Domain>(domains).first(3),
                           .sample = pick_sample},
                          {.name = "added_place",
                           .doc = "The value x with elements added at pairs of indices, added for a test.",
                           .operands = operands,
                           .form = &place_form,
                           .infer = infer_place,
                           .vjp = place_vjp,
                           .may_fail = true,
                           .domains = domains,
                           .sample = place_sample}};

}  // namespace

TENON_OP_FAMILY(added_pick) = defs;

}  // namespace tenon::ops
