#include "ops/rules.h"

#include <algorithm>

#include "ir/dim_bounds.h"

namespace tenon::ops {

std::string operand_name(const InferContext& c, size_t i) {
  const std::span<const OperandDef> defs = c.op->operands;
  TENON_CHECK(!defs.empty());
  const size_t last = defs.size() - 1;
  if (i < last || !defs[last].variadic) return std::string(defs[std::min(i, last)].name);
  return std::string(defs[last].name) + "[" + std::to_string(i - last) + "]";
}

std::string operand_text(const InferContext& c, size_t i) {
  return operand_name(c, i) + ": " + c.operands[i].text();
}

std::string operands_text(const InferContext& c) {
  std::string out;
  for (size_t i = 0; i < c.operands.size(); ++i) out += (i == 0 ? "" : "; ") + operand_text(c, i);
  return out;
}

Status same_dtype(const InferContext& c, size_t i, size_t j) {
  if (c.operands[i].dtype == c.operands[j].dtype) return Ok{};
  return c.fail(Code::dtype_mismatch,
                operand_name(c, i) + " is " + c.operands[i].text() + ", " + operand_name(c, j) + " is " +
                    c.operands[j].text(),
                "cast one of them: there is no implicit promotion");
}

Status want_rank(const InferContext& c, size_t i, size_t rank) {
  if (c.operands[i].rank() == rank) return Ok{};
  return c.fail(Code::rank_mismatch, operand_name(c, i) + " is " + c.operands[i].text() + ", wants " +
                                         (rank == 1 ? "1 dimension" : std::to_string(rank) + " dimensions"));
}

Status want_scalar(const InferContext& c, size_t i) {
  if (c.operands[i].is_scalar()) return Ok{};
  return c.fail(Code::rank_mismatch, operand_name(c, i) + " is " + c.operands[i].text() + ", wants rank 0");
}

Status want_computed(const InferContext& c, DType dtype) {
  if (dtype_computes(dtype)) return Ok{};
  return c.fail(Code::dtype_unsupported, std::string(dtype_name(dtype)) +
                                             " is declared, but this version does not compute with it yet");
}

namespace {

Errors axis_error(const InferContext& c, std::string_view name, int64_t axis, size_t rank) {
  const std::string r = std::to_string(rank);
  return c.fail(
      Code::bad_attribute,
      std::string(name) + " " + std::to_string(axis) + " is outside the " + r +
          (rank == 1 ? " dimension" : " dimensions") +
          (c.operands.empty() ? std::string() : " of " + operand_text(c, 0)),
      rank == 0 ? "" : "axes are 0.." + std::to_string(rank - 1) + ", or -" + r + "..-1 from the end");
}

}  // namespace

Status take_axis(InferContext& c, std::string_view name, size_t rank) {
  if (!c.has(name)) {
    return c.fail(Code::rank_mismatch,
                  operand_text(c, 0) + " has no dimension to take as " + std::string(name));
  }
  const int64_t given = c.get<int64_t>(name), n = static_cast<int64_t>(rank);
  const int64_t axis = given < 0 ? given + n : given;
  if (axis < 0 || axis >= n) return axis_error(c, name, given, rank);
  c.set(name, axis);
  return Ok{};
}

Status take_axes(InferContext& c, std::string_view name, size_t rank, bool sorted) {
  Axes axes = c.get<Axes>(name);
  const int64_t n = static_cast<int64_t>(rank);
  for (int64_t& axis : axes) {
    if (axis < -n || axis >= n) return axis_error(c, name, axis, rank);
    if (axis < 0) axis += n;
  }
  Axes order = axes;
  std::sort(order.begin(), order.end());
  if (auto twice = std::adjacent_find(order.begin(), order.end()); twice != order.end()) {
    return c.fail(Code::bad_attribute,
                  std::string(name) + " names axis " + std::to_string(*twice) + " twice");
  }
  c.set(name, sorted ? std::move(order) : std::move(axes));
  return Ok{};
}

bool provably_at_least(const InferContext& c, const Dim& value, int64_t bound) {
  if (value.overflowed()) return false;
  if (value.is_constant()) return value.constant() >= bound;
  return c.module == nullptr || ir::always_at_least(value, c.module->dims, bound);
}

bool provably_below(const InferContext& c, const Dim& value, int64_t bound) {
  if (value.overflowed()) return false;
  if (value.is_constant()) return value.constant() < bound;
  return c.module != nullptr && ir::always_below(value, c.module->dims, bound);
}

bool same_extent(const InferContext& c, const Dim& a, const Dim& b) {
  if (a == b) return true;
  if (c.module == nullptr) return false;
  const std::map<std::string, Dim, std::less<>> computed = ir::computed_dims(c.module->dims);
  return !computed.empty() && a.substitute(computed) == b.substitute(computed);
}

ir::Attr derive_last_axis(const InferContext& c) {
  if (c.operands.empty() || c.operands[0].is_scalar()) return {};
  return static_cast<int64_t>(c.operands[0].rank()) - 1;
}

ir::Attr derive_all_axes(const InferContext& c) {
  Axes axes;
  for (size_t i = 0; !c.operands.empty() && i < c.operands[0].rank(); ++i) {
    axes.push_back(static_cast<int64_t>(i));
  }
  return axes;
}

ir::Attr derive_first_dtype(const InferContext& c) {
  if (c.operands.empty()) return {};
  return c.operands[0].dtype;
}

Status infer_like_first(InferContext& c) {
  c.results = {c.operands[0]};
  return Ok{};
}

ir::Iteration reduced(const Type& x, const Axes& axes) {
  ir::Iteration out;
  out.operands.resize(1);
  for (uint32_t d = 0; d < x.rank(); ++d) {
    const bool is_reduced = contains(axes, static_cast<int64_t>(d));
    out.axes.push_back({x.shape[d], is_reduced ? ir::Axis::Role::reduced : ir::Axis::Role::kept});
    out.operands[0].index.push_back(ir::affine_axis(d));
    if (!is_reduced) out.result.index.push_back(ir::affine_axis(d));
  }
  out.elements = {0};
  return out;
}

Shape without_axes(const Shape& shape, const Axes& axes) {
  Shape kept;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!contains(axes, static_cast<int64_t>(i))) kept.push_back(shape[i]);
  }
  return kept;
}

bool contains(const Axes& axes, int64_t axis) {
  return std::find(axes.begin(), axes.end(), axis) != axes.end();
}

}  // namespace tenon::ops
