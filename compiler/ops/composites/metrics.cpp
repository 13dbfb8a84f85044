// Metrics of a classifier: how many rows have their largest score at the label, as a count or a fraction.
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

Status check_rows(InferContext& c) {
  const Type &logits = c.operands[0], &labels = c.operands[1];
  if (logits.is_scalar())
    return c.fail(Code::rank_mismatch, operand_text(c, 0) + " has no dimension of classes");
  if (!provably_at_least(c, logits.shape.back(), 1)) {
    return c.fail(Code::shape_mismatch, operand_text(c, 0) + " may have no classes");
  }
  const Shape rows(logits.shape.begin(), logits.shape.end() - 1);
  if (labels.shape == rows) return Ok{};
  return c.fail(labels.rank() == rows.size() ? Code::shape_mismatch : Code::rank_mismatch,
                operand_text(c, 1) + ", wants shape " + ir::shape_text(rows) + " as " + operand_text(c, 0));
}

Status infer_count(InferContext& c) {
  TENON_TRY(check_rows(c));
  c.results = {{DType::i64, {}}};
  return Ok{};
}

Status infer_accuracy(InferContext& c) {
  TENON_TRY(check_rows(c));
  c.results = {{DType::f32, {}}};
  return Ok{};
}

V correct(ir::BodyContext& c) {
  const V logits{&c.b, c.operands[0]}, labels{&c.b, c.operands[1]};
  const V hit = equal(argmax(logits, logits.rank() - 1), cast(labels, DType::i64));
  return reduce_sum(cast(hit, DType::i64), all_axes(labels));
}

std::vector<ir::ValueId> count_body(ir::BodyContext& c) { return {correct(c).id}; }

std::vector<ir::ValueId> accuracy_body(ir::BodyContext& c) {
  const V count = correct(c), labels{&c.b, c.operands[1]};
  Dim rows = 1;
  for (const Dim& d : labels.shape()) rows = rows * d;
  return {(cast(count, DType::f32) / cast(extent(c.b, rows), DType::f32)).id};
}

void sample(ir::SampleContext& s) {
  Shape rows;
  for (int64_t n = s.draw(s.state, 0, 2); n > 0; --n) rows.push_back(s.draw_dim(s.state));
  Shape logits = rows;
  logits.push_back(s.draw(s.state, 3, 20));
  s.operands = {{s.dtype, std::move(logits)},
                {s.draw(s.state, 0, 1) == 0 ? DType::i32 : DType::i64, std::move(rows)}};
}

constexpr ir::CompositeForm count_form{count_body}, accuracy_form{accuracy_body};
constexpr ir::Domain domains[] = {{}, {0, 2}};
constexpr OperandDef operands[] = {
    {.name = "logits", .doc = "scores, classes last", .dtypes = DTypes::numbers},
    {.name = "labels", .doc = "class number of each row, any integer type", .dtypes = DTypes::index}};

constexpr OpDef defs[] = {
    {.name = "accuracy",
     .doc = "Fraction of the rows whose largest score stands at the label, as f32; of no rows: NaN.",
     .operands = operands,
     .form = &accuracy_form,
     .infer = infer_accuracy,
     .zero_gradient = true,
     .domains = domains,
     .sample = sample},
    {.name = "count_correct",
     .doc = "Number of rows whose largest score stands at the label, as i64.",
     .operands = operands,
     .form = &count_form,
     .infer = infer_count,
     .zero_gradient = true,
     .domains = domains,
     .sample = sample},
};

}  // namespace

TENON_OP_FAMILY(metrics) = defs;

}  // namespace tenon::ops
