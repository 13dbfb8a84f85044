#include "ops/composites/loss_rules.h"

namespace tenon::ops {

Type reduced_type(const InferContext& c, const Type& rows) {
  return c.get<std::string>("reduce") == "none" ? rows : Type{rows.dtype, {}};
}

V reduce_rows(V rows, const ir::Node& node) {
  const std::string& how = node.get<std::string>("reduce");
  if (how == "none") return rows;
  const V sum = reduce_sum(rows, all_axes(rows));
  return how == "mean" ? sum / count_along(rows, all_axes(rows)) : sum;
}

V row_cotangent(V g, V like, const Shape& rows, const ir::Node& node) {
  const std::string& how = node.get<std::string>("reduce");
  if (how == "none") return g;
  if (how == "mean") {
    Dim count = 1;
    for (const Dim& d : rows) count = count * d;
    const bool known = count.is_constant();
    g = g /
        (known ? number(like, static_cast<double>(count.constant())) : cast(extent(*g.b, count), g.dtype()));
  }
  return broadcast_to(g, rows);
}

Status want_same_type(const InferContext& c, size_t i) {
  TENON_TRY(same_dtype(c, 0, i));
  if (c.operands[0].rank() != c.operands[i].rank()) {
    return c.fail(Code::rank_mismatch, operand_text(c, 0) + ", " + operand_text(c, i), "reshape one of them");
  }
  if (c.operands[0].shape != c.operands[i].shape) {
    return c.fail(Code::shape_mismatch, operand_text(c, 0) + ", " + operand_text(c, i));
  }
  return Ok{};
}

Result<Shape> rows_of(const InferContext& c, std::string_view of) {
  const Type& x = c.operands[0];
  if (x.is_scalar())
    return c.fail(Code::rank_mismatch, operand_text(c, 0) + " has no dimension of " + std::string(of));
  return Shape(x.shape.begin(), x.shape.end() - 1);
}

Status infer_elements(InferContext& c) {
  TENON_TRY(want_same_type(c, 1));
  c.results = {reduced_type(c, c.operands[0])};
  return Ok{};
}

Status infer_class_rows(InferContext& c) {
  TENON_ASSIGN(const Shape rows, rows_of(c, "classes"));
  TENON_TRY(want_same_type(c, 1));
  c.results = {reduced_type(c, {c.operands[0].dtype, rows})};
  return Ok{};
}

Status infer_labelled_rows(InferContext& c) {
  TENON_ASSIGN(const Shape rows, rows_of(c, "classes"));
  const Type& labels = c.operands[1];
  if (labels.rank() != rows.size()) {
    return c.fail(Code::rank_mismatch, operand_text(c, 1) + ", wants shape " + ir::shape_text(rows),
                  "labels are class numbers, not one-hot rows");
  }
  if (labels.shape != rows) {
    return c.fail(Code::shape_mismatch,
                  operand_text(c, 1) + ", wants shape " + ir::shape_text(rows) + " as " + operand_text(c, 0));
  }
  c.results = {reduced_type(c, {c.operands[0].dtype, rows})};
  return Ok{};
}

V checked_labels(V labels, V scores) {
  return emit(
      "check_range", {labels},
      {{"low", Dim(0)}, {"high", scores.shape().back()}, {"code", int64_t{code_number(Code::label_range)}}});
}

V hits(V scores, V labels) {
  const int64_t axis = scores.rank() - 1;
  // Labels are classes, so they fit i32.
  const V classes = iota(*scores.b, scores.shape(), axis, DType::i32);
  return equal(classes, spread(cast(labels, DType::i32), scores.shape(), {axis}));
}

std::string draw_reduce(ir::SampleContext& s) {
  const char* const how[] = {"mean", "sum", "none"};
  return how[s.draw(s.state, 0, 2)];
}

void sample_pair(ir::SampleContext& s, int64_t low) {
  Type x{s.dtype, {}};
  for (int64_t n = s.draw(s.state, low, 3); n > 0; --n) x.shape.push_back(s.draw_dim(s.state));
  s.operands = {x, x};
}

void sample_labelled(ir::SampleContext& s) {
  Shape rows;
  for (int64_t n = s.draw(s.state, 0, 2); n > 0; --n) rows.push_back(s.draw_dim(s.state));
  Shape scores = rows;
  scores.push_back(s.draw(s.state, 3, 20));
  s.operands = {{s.dtype, std::move(scores)},
                {s.draw(s.state, 0, 1) == 0 ? DType::i32 : DType::i64, std::move(rows)}};
}

}  // namespace tenon::ops
