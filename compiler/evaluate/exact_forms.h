// Exact evaluation of each form: declared dtype and order, one scalar at a time.
#pragma once

#include "evaluate/index_map.h"
#include "evaluate/walker.h"
#include "support/array.h"

namespace tenon::evaluate {

using Operands = std::vector<const Array*>;

Result<Array> exact_elementwise(const NodeContext& c, const Operands& in);
Result<Array> exact_generate(const NodeContext& c, const Operands& in);
Result<Array> exact_reduce(const NodeContext& c, const Operands& in);
Result<Array> exact_arg_reduce(const NodeContext& c, const Operands& in);
Result<Array> exact_contract(const NodeContext& c, const Operands& in);

// How reductions, contractions and indexing see their operands under known sizes.
struct ReducePlan {
  std::vector<int64_t> kept;    // offset of the first reduced element, one per result element
  std::vector<int64_t> inside;  // offsets of the reduced elements, in order
};
ReducePlan plan_reduce(const std::vector<int64_t>& shape, const std::vector<int64_t>& axes);
struct ContractPlan {
  std::vector<int64_t> lhs, rhs;                // offsets of the first products, per result element
  std::vector<int64_t> lhs_inside, rhs_inside;  // offsets along the contracted elements, in order
};
ContractPlan plan_contract(const ir::Node& node, const std::vector<int64_t>& lhs,
                           const std::vector<int64_t>& rhs);
// x[outer, axis, inner] along an axis.
struct AxisPlan {
  int64_t outer = 1, extent = 1, inner = 1;
};
AxisPlan plan_axis(const std::vector<int64_t>& shape, int64_t axis);

}  // namespace tenon::evaluate
