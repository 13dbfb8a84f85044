#include "evaluate/exact_forms.h"

namespace tenon::evaluate {
namespace {

// Offsets of all positions along some axes, in row-major order of the axes as listed.
std::vector<int64_t> offsets(const std::vector<int64_t>& shape, const std::vector<int64_t>& axes) {
  const std::vector<int64_t> strides = row_major(shape);
  std::vector<int64_t> extents, out;
  for (int64_t a : axes) extents.push_back(shape[static_cast<size_t>(a)]);
  for_each_index(extents, [&](const std::vector<int64_t>& index) {
    int64_t at = 0;
    for (size_t i = 0; i < axes.size(); ++i) at += index[i] * strides[static_cast<size_t>(axes[i])];
    out.push_back(at);
  });
  return out;
}

std::vector<int64_t> others(size_t rank, const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < static_cast<int64_t>(rank); ++i)
    if (std::find(a.begin(), a.end(), i) == a.end() && std::find(b.begin(), b.end(), i) == b.end())
      out.push_back(i);
  return out;
}

}  // namespace

ReducePlan plan_reduce(const std::vector<int64_t>& shape, const std::vector<int64_t>& axes) {
  return {offsets(shape, others(shape.size(), axes, {})), offsets(shape, axes)};
}

ContractPlan plan_contract(const ir::Node& node, const std::vector<int64_t>& lhs,
                           const std::vector<int64_t>& rhs) {
  const auto axes = [&](std::string_view name) { return node.get<std::vector<int64_t>>(name); };
  const std::vector<int64_t> lhs_batch = axes("lhs_batch"), rhs_batch = axes("rhs_batch");
  const std::vector<int64_t> lhs_contract = axes("lhs_contract"), rhs_contract = axes("rhs_contract");
  ContractPlan plan;
  plan.lhs_inside = offsets(lhs, lhs_contract);
  plan.rhs_inside = offsets(rhs, rhs_contract);
  const std::vector<int64_t> lb = offsets(lhs, lhs_batch), rb = offsets(rhs, rhs_batch);
  const std::vector<int64_t> lf = offsets(lhs, others(lhs.size(), lhs_batch, lhs_contract));
  const std::vector<int64_t> rf = offsets(rhs, others(rhs.size(), rhs_batch, rhs_contract));
  for (size_t b = 0; b < lb.size(); ++b)
    for (int64_t l : lf)
      for (int64_t r : rf) {
        plan.lhs.push_back(lb[b] + l);
        plan.rhs.push_back(rb[b] + r);
      }
  return plan;
}

AxisPlan plan_axis(const std::vector<int64_t>& shape, int64_t axis) {
  AxisPlan plan;
  for (size_t d = 0; d < shape.size(); ++d) {
    const int64_t at = static_cast<int64_t>(d);
    (at < axis ? plan.outer : at == axis ? plan.extent : plan.inner) *= shape[d];
  }
  return plan;
}

}  // namespace tenon::evaluate
