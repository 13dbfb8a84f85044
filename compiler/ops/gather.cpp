// take and scatter_add: rows at run-time indices, each the other's derivative. An index out of range is a
// status (T605), never a clamp.
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

// operand's shape with dimension `axis` replaced by the indices' shape.
Shape taken_shape(const Shape& operand, const Shape& indices, int64_t axis) {
  Shape shape(operand.begin(), operand.begin() + axis);
  shape.insert(shape.end(), indices.begin(), indices.end());
  shape.insert(shape.end(), operand.begin() + axis + 1, operand.end());
  return shape;
}

Status infer_take(InferContext& c) {
  TENON_TRY(take_axis(c, "axis", c.operands[0].rank()));
  const Type& x = c.operands[0];
  c.results = {{x.dtype, taken_shape(x.shape, c.operands[1].shape, c.get<int64_t>("axis"))}};
  return Ok{};
}

void take_vjp(ir::VjpContext& c) {
  const V g{&c.b, c.cotangents[0]}, x{&c.b, c.operands[0]}, indices{&c.b, c.operands[1]};
  c.out[0] = scatter_add(zeros_like(x), indices, g, c.node.get<int64_t>("axis")).id;
}

Status infer_scatter(InferContext& c) {
  TENON_TRY(take_axis(c, "axis", c.operands[0].rank()));
  TENON_TRY(same_dtype(c, 2, 0));
  const Type& x = c.operands[0];
  const Shape wanted = taken_shape(x.shape, c.operands[1].shape, c.get<int64_t>("axis"));
  if (c.operands[2].rank() != wanted.size()) {
    return c.fail(Code::rank_mismatch, operand_text(c, 2) + ", wants shape " + ir::shape_text(wanted));
  }
  if (c.operands[2].shape != wanted) {
    return c.fail(Code::shape_mismatch, operand_text(c, 2) + ", wants shape " + ir::shape_text(wanted));
  }
  c.results = {x};
  return Ok{};
}

void scatter_vjp(ir::VjpContext& c) {
  const V g{&c.b, c.cotangents[0]}, indices{&c.b, c.operands[1]};
  if (c.wanted[0]) c.out[0] = g.id;
  if (c.wanted[2]) c.out[2] = take(g, indices, c.node.get<int64_t>("axis")).id;
}

// Where a row of a value lies over the axes of what is taken from it, or added to it.
ir::Access chosen_rows(size_t rank, const Shape& indices, int64_t axis) {
  ir::Access out;
  for (uint32_t d = 0, at = 0; d < rank; ++d) {
    const bool chosen = d == static_cast<uint32_t>(axis);
    out.index.push_back(chosen ? ir::affine_constant(Dim(0)) : ir::affine_axis(at));
    at += chosen ? static_cast<uint32_t>(indices.size()) : 1;
  }
  out.chosen = {{.dimension = static_cast<uint32_t>(axis), .operand = 1}};
  return out;
}
// The axes are the dimensions of the rows together, the indices' among them.
ir::Iteration describe_rows(const Shape& rows, const Shape& indices, int64_t axis, ir::Axis::Role role) {
  ir::Iteration out;
  out.operands.resize(2);
  for (uint32_t d = 0; d < rows.size(); ++d) {
    const bool index = d >= static_cast<size_t>(axis) && d < static_cast<size_t>(axis) + indices.size();
    out.axes.push_back({rows[d], index ? role : ir::Axis::Role::kept});
    if (index) out.operands[1].index.push_back(ir::affine_axis(d));
  }
  return out;
}

ir::Iteration describe_take(const ir::Node& node, const std::vector<Type>& operands, const Type& result) {
  const int64_t axis = node.get<int64_t>("axis");
  const Shape& indices = operands[1].shape;
  ir::Iteration out = describe_rows(result.shape, indices, axis, ir::Axis::Role::kept);
  out.operands[0] = chosen_rows(operands[0].rank(), indices, axis);
  for (uint32_t d = 0; d < result.rank(); ++d) out.result.index.push_back(ir::affine_axis(d));
  out.elements = {0};
  return out;
}

ir::Iteration describe_scatter(const ir::Node& node, const std::vector<Type>& operands, const Type& result) {
  const int64_t axis = node.get<int64_t>("axis");
  const Shape& indices = operands[1].shape;
  ir::Iteration out = describe_rows(operands[2].shape, indices, axis, ir::Axis::Role::ordered);
  out.result = chosen_rows(result.rank(), indices, axis);
  out.operands.resize(3);
  for (uint32_t d = 0; d < operands[2].rank(); ++d) out.operands[2].index.push_back(ir::affine_axis(d));
  out.elements = {2};
  out.base = 0;
  return out;
}

// Indices are drawn from domain 0..1, so the axis has at least two rows.
void sample_types(ir::SampleContext& s, Shape* x, Shape* indices, int64_t* axis) {
  const int64_t rank = s.draw(s.state, 1, 3);
  *axis = s.draw(s.state, 0, rank - 1);
  for (int64_t i = 0; i < rank; ++i)
    x->push_back(i == *axis ? Dim(s.draw(s.state, 2, 9)) : s.draw_dim(s.state));
  for (int64_t n = s.draw(s.state, 0, 2); n > 0; --n) indices->push_back(s.draw_dim(s.state));
}
DType index_type(ir::SampleContext& s) { return s.draw(s.state, 0, 1) == 0 ? DType::i32 : DType::i64; }

void take_sample(ir::SampleContext& s) {
  Shape x, indices;
  int64_t axis = 0;
  sample_types(s, &x, &indices, &axis);
  const DType index = index_type(s);
  s.operands = {{s.dtype, std::move(x)}, {index, std::move(indices)}};
  s.attrs = {axis};
}
void scatter_sample(ir::SampleContext& s) {
  Shape x, indices;
  int64_t axis = 0;
  sample_types(s, &x, &indices, &axis);
  const DType index = index_type(s);
  const Shape updates = taken_shape(x, indices, axis);
  s.operands = {{s.dtype, std::move(x)}, {index, std::move(indices)}, {s.dtype, updates}};
  s.attrs = {axis};
}

constexpr ir::IterationForm take_form{
    .step = ir::Accumulate::copy, .gathers = true, .describe = describe_take};
constexpr ir::IterationForm scatter_form{.scatters = true, .describe = describe_scatter};
constexpr ir::Domain take_domains[] = {{}, {0, 1}}, scatter_domains[] = {{}, {0, 1}, {}};
constexpr OperandDef take_operands[] = {
    {.name = "x", .doc = "value whose rows are taken"},
    {.name = "indices", .doc = "row numbers along the axis, any integer type", .dtypes = DTypes::index}};
constexpr OperandDef scatter_operands[] = {
    {.name = "x", .doc = "value that is added to", .dtypes = DTypes::numbers},
    {.name = "indices", .doc = "row numbers along the axis, any integer type", .dtypes = DTypes::index},
    {.name = "updates", .doc = "one row per index", .dtypes = DTypes::numbers}};
constexpr AttrDef attrs[] = {{.name = "axis",
                              .kind = AttrKind::integer,
                              .doc = "the dimension that the indices number",
                              .preset = "0"}};

constexpr OpDef defs[] = {
    {.name = "take",
     .doc =
         "Rows of x along `axis` at run-time indices; the indices' dimensions stand in place of the axis. An "
         "index out of range sets status T605.",
     .operands = take_operands,
     .attrs = attrs,
     .form = &take_form,
     .infer = infer_take,
     .vjp = take_vjp,
     .may_fail = true,
     .domains = take_domains,
     .sample = take_sample},
    {.name = "scatter_add",
     .doc =
         "x with a row of `updates` added at each index along `axis`, in the order of the indices "
         "(row-major), "
         "so that equal indices add up to the same bits everywhere. An index out of range sets status T605.",
     .operands = scatter_operands,
     .attrs = attrs,
     .form = &scatter_form,
     .infer = infer_scatter,
     .vjp = scatter_vjp,
     .may_fail = true,
     .domains = scatter_domains,
     .sample = scatter_sample},
};

}  // namespace

TENON_OP_FAMILY(gather) = defs;

}  // namespace tenon::ops
