// One row of a value replaced, the row's number known only when it runs; added by this file alone.
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

Status infer(InferContext& c) {
  const Type& x = c.operands[0];
  if (x.is_scalar()) return c.fail(Code::rank_mismatch, operand_text(c, 0) + " has no rows");
  TENON_TRY(want_scalar(c, 1));
  TENON_TRY(same_dtype(c, 2, 0));
  const Shape row(x.shape.begin() + 1, x.shape.end());
  if (c.operands[2].shape != row)
    return c.fail(Code::shape_mismatch, operand_text(c, 2) + ", wants shape " + ir::shape_text(row));
  c.results = {x};
  return Ok{};
}

ir::Iteration describe(const ir::Node&, const std::vector<Type>& operands, const Type&) {
  ir::Iteration out = reduced(operands[2], {});
  out.result.index.insert(out.result.index.begin(), ir::affine_constant(Dim(0)));
  out.result.chosen = {{.dimension = 0, .operand = 1}};
  out.operands = {{}, {}, out.operands[0]};
  out.elements = {2};
  out.base = 0;
  return out;
}

void vjp(ir::VjpContext& c) {
  const V g{&c.b, c.cotangents[0]}, at{&c.b, c.operands[1]}, row{&c.b, c.operands[2]};
  if (c.wanted[0]) c.out[0] = emit("added_put", {g, at, zeros_like(row)}).id;
  if (c.wanted[2]) c.out[2] = take(g, at, 0).id;
}

void sample(ir::SampleContext& s) {
  Shape row;
  for (int64_t n = s.draw(s.state, 0, 2); n > 0; --n) row.push_back(s.draw_dim(s.state));
  Shape x = row;
  x.insert(x.begin(), Dim(s.draw(s.state, 2, 6)));
  s.operands = {{s.dtype, std::move(x)}, {DType::i64, {}}, {s.dtype, std::move(row)}};
}

constexpr ir::IterationForm form{.step = ir::Accumulate::copy, .scatters = true, .describe = describe};
constexpr ir::Domain domains[] = {{}, {0, 1}, {}};
constexpr OperandDef operands[] = {{.name = "x", .doc = "the value", .dtypes = DTypes::numbers},
                                   {.name = "at", .doc = "number of the row", .dtypes = DTypes::index},
                                   {.name = "row", .doc = "what stands there", .dtypes = DTypes::numbers}};

constexpr OpDef defs[] = {{.name = "added_put",
                           .doc = "The value x with another row, added for a test.",
                           .operands = operands,
                           .form = &form,
                           .infer = infer,
                           .vjp = vjp,
                           .may_fail = true,
                           .domains = domains,
                           .sample = sample}};

}  // namespace

TENON_OP_FAMILY(added_put) = defs;

}  // namespace tenon::ops
