#include "evaluate/iteration.h"

#include "evaluate/index_map.h"

namespace tenon::evaluate {
namespace {

class Planner {
 public:
  explicit Planner(const NodeContext& c) : c_(c) {}

  Result<IterationPlan> run() {
    IterationPlan plan;
    plan.order = c_.node.op->iteration()->order(c_.node);
    plan.form = c_.node.op->iteration()->describe(c_.node, c_.operands(), c_.result());
    for (uint32_t a = 0; a < plan.form.axes.size(); ++a) {
      const ir::Axis& axis = plan.form.axes[a];
      Axes& of_role = axis.role == ir::Axis::Role::kept      ? kept_
                      : axis.role == ir::Axis::Role::ordered ? ordered_
                                                             : reduced_;
      TENON_ASSIGN(const int64_t extent, dim_value(axis.extent, c_.dims));
      of_role.axes.push_back(a);
      of_role.extents.push_back(extent);
    }
    plan.kept = static_cast<size_t>(element_count(kept_.extents));
    plan.ordered = static_cast<size_t>(element_count(ordered_.extents));
    plan.reduced = static_cast<size_t>(element_count(reduced_.extents));
    plan.in_order = !ordered_.axes.empty();
    const ir::IterationForm& form = *c_.node.op->iteration();
    plan.single =
        form.step == ir::Accumulate::copy || (reduced_.axes.empty() && (form.scatters || plan.in_order));
    for (size_t i = 0; i < plan.form.operands.size(); ++i) {
      AccessPlan access;
      if (plan.form.base != i) {
        TENON_ASSIGN(access, access_plan(plan.form.operands[i], c_.operand(i)));
      }
      plan.operands.push_back(std::move(access));
    }
    TENON_ASSIGN(plan.result, access_plan(plan.form.result, c_.result()));
    return plan;
  }

 private:
  struct Axes {
    std::vector<uint32_t> axes;
    std::vector<int64_t> extents;
  };
  // An affine index with numbers in place of dimensions.
  struct Affine {
    int64_t constant = 0;
    std::vector<int64_t> factor;  // per axis
  };

  Result<Affine> affine(const ir::AffineIndex& from) const {
    Affine out;
    out.factor.assign(kept_.axes.size() + ordered_.axes.size() + reduced_.axes.size(), 0);
    TENON_ASSIGN(out.constant, dim_value(from.constant, c_.dims));
    for (const ir::AffineIndex::Part& part : from.parts) {
      TENON_ASSIGN(const int64_t coefficient, dim_value(part.coefficient, c_.dims));
      out.factor[part.axis] += coefficient;
    }
    return out;
  }

  static std::vector<int64_t> sums(const Affine& affine, const Axes& role, int64_t constant) {
    std::vector<int64_t> out;
    for_each_index(role.extents, [&](const std::vector<int64_t>& index) {
      int64_t at = constant;
      for (size_t i = 0; i < index.size(); ++i) at += index[i] * affine.factor[role.axes[i]];
      out.push_back(at);
    });
    return out;
  }
  AxisSum sum_of(const Affine& affine) const {
    return {sums(affine, kept_, affine.constant), sums(affine, ordered_, 0), sums(affine, reduced_, 0)};
  }

  Result<AccessPlan> access_plan(const ir::Access& access, const ir::Type& type) const {
    TENON_ASSIGN(const std::vector<int64_t> shape, ir::evaluate_shape(type.shape, c_.dims));
    const std::vector<int64_t> strides = row_major(shape);
    TENON_CHECK(access.index.size() == shape.size());
    AccessPlan out;
    Affine element;
    element.factor.assign(kept_.axes.size() + ordered_.axes.size() + reduced_.axes.size(), 0);
    std::vector<Affine> indices;
    std::vector<int64_t> by(shape.size(), 1);
    for (const ir::Access::Divided& d : access.divided) by[d.dimension] = d.by;
    for (size_t d = 0; d < shape.size(); ++d) {
      TENON_ASSIGN(Affine index, affine(access.index[d]));
      if (by[d] != 1) {
        indices.push_back(std::move(index));
        continue;
      }
      element.constant += index.constant * strides[d];
      for (size_t a = 0; a < index.factor.size(); ++a) element.factor[a] += index.factor[a] * strides[d];
      indices.push_back(std::move(index));
    }
    out.element = sum_of(element);
    for (const uint32_t d : access.guarded)
      out.guards.push_back({sum_of(indices[d]), shape[d], by[d], by[d] == 1 ? 0 : strides[d]});
    for (const ir::Access::Chosen& chosen : access.chosen)
      out.chosen.push_back({chosen.operand, strides[chosen.dimension], shape[chosen.dimension]});
    return out;
  }

  const NodeContext& c_;
  Axes kept_, ordered_, reduced_;
};

}  // namespace

Result<IterationPlan> plan_iteration(const NodeContext& c) { return Planner(c).run(); }

}  // namespace tenon::evaluate
