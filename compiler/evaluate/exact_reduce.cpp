// Reductions and contractions in their declared order (see ReduceForm and ContractForm in ir/op_def.h).
#include <array>

#include "evaluate/exact_forms.h"
#include "ops/scalar.h"

namespace tenon::evaluate {
namespace {

using ops::Num;

template <class T>
T identity(ir::Combiner what) {
  switch (what) {
    case ir::Combiner::prod:
      return T(1);
    case ir::Combiner::max:
      if constexpr (std::is_floating_point_v<T>)
        return -std::numeric_limits<T>::infinity();
      else
        return std::numeric_limits<T>::min();
    case ir::Combiner::min:
      if constexpr (std::is_floating_point_v<T>)
        return std::numeric_limits<T>::infinity();
      else
        return std::numeric_limits<T>::max();
    case ir::Combiner::all:
      return T(1);
    default:
      return T(0);
  }
}

template <class T>
T combine(ir::Combiner what, T a, T b) {
  const Num<T> x{a}, y{b};
  if constexpr (std::is_same_v<T, bool>) {
    return what == ir::Combiner::any ? (x | y).v : (x & y).v;
  } else {
    switch (what) {
      case ir::Combiner::sum:
        return (x + y).v;
      case ir::Combiner::prod:
        return (x * y).v;
      case ir::Combiner::max:
        return maximum(x, y).v;
      default:
        return minimum(x, y).v;
    }
  }
}

constexpr size_t max_lanes = 64;

// Cuts `count` elements into blocks, gives each lane of a block its elements in order through
// step(lane's value, element), then combines lanes by halving and blocks in order.
template <class T, class Step, class Combine>
T in_order(size_t count, size_t lanes, size_t block, T first, Step step, Combine combine) {
  TENON_CHECK(lanes <= max_lanes);
  std::array<T, max_lanes> lane;
  T total = first;
  for (size_t start = 0; start < count; start += block) {
    lane.fill(first);
    const size_t end = std::min(count, start + block);
    for (size_t i = start; i < end; ++i) {
      T& mine = lane[(i - start) % lanes];
      mine = step(mine, i);
    }
    for (size_t width = lanes / 2; width > 0; width /= 2)
      for (size_t l = 0; l < width; ++l) lane[l] = combine(lane[l], lane[l + width]);
    total = start == 0 ? lane[0] : combine(total, lane[0]);
  }
  return total;
}

}  // namespace

Result<Array> exact_reduce(const NodeContext& c, const Operands& in) {
  const ir::Combiner what = c.node.op->reduce->combiner;
  const size_t lanes = static_cast<size_t>(c.node.get<int64_t>("lanes"));
  const size_t block = static_cast<size_t>(c.node.get<int64_t>("block"));
  const ReducePlan plan = plan_reduce(in[0]->shape(), c.node.get<std::vector<int64_t>>("axes"));
  TENON_ASSIGN(const std::vector<int64_t> shape, c.result_shape());
  Array out(in[0]->dtype(), shape);
  with_dtype(out.dtype(), [&]<class T>() {
    const std::span<const T> x = in[0]->as<T>();
    const std::span<T> r = out.as<T>();
    const auto pair = [&](T a, T b) { return combine(what, a, b); };
    for (size_t e = 0; e < r.size(); ++e) {
      r[e] = in_order<T>(
          plan.inside.size(), lanes, block, identity<T>(what),
          [&](T mine, size_t i) {
            return combine(what, mine, x[static_cast<size_t>(plan.kept[e] + plan.inside[i])]);
          },
          pair);
    }
  });
  return out;
}

Result<Array> exact_arg_reduce(const NodeContext& c, const Operands& in) {
  const bool largest = c.node.op->arg_reduce->largest;
  const AxisPlan plan = plan_axis(in[0]->shape(), c.node.get<int64_t>("axis"));
  TENON_ASSIGN(const std::vector<int64_t> shape, c.result_shape());
  Array out(DType::i64, shape);
  with_dtype(in[0]->dtype(), [&]<class T>() {
    const T* x = in[0]->as<T>().data();
    int64_t* r = out.as<int64_t>().data();
    for (int64_t o = 0; o < plan.outer; ++o) {
      for (int64_t i = 0; i < plan.inner; ++i) {
        const T* row = x + o * plan.extent * plan.inner + i;
        int64_t best = 0;
        for (int64_t k = 1; k < plan.extent; ++k) {
          const T a = row[best * plan.inner], b = row[k * plan.inner];
          // A NaN is ahead of everything, the first one wins.
          const bool nan = a != a;
          const bool ahead = largest ? b > a : b < a;
          if (!nan && (ahead || b != b)) best = k;
        }
        r[o * plan.inner + i] = best;
      }
    }
  });
  return out;
}

Result<Array> exact_contract(const NodeContext& c, const Operands& in) {
  const bool by_lanes = c.node.get<std::string>("order") == "lanes";
  const size_t block = static_cast<size_t>(c.node.get<int64_t>("block"));
  const ContractPlan plan = plan_contract(c.node, in[0]->shape(), in[1]->shape());
  TENON_ASSIGN(const std::vector<int64_t> shape, c.result_shape());
  Array out(in[0]->dtype(), shape);
  with_dtype(out.dtype(), [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool>) {
      const T *a = in[0]->as<T>().data(), *b = in[1]->as<T>().data();
      const std::span<T> r = out.as<T>();
      const int64_t *ka = plan.lhs_inside.data(), *kb = plan.rhs_inside.data();
      const auto sum = [](T x, T y) { return (Num<T>{x} + Num<T>{y}).v; };
      for (size_t e = 0; e < r.size(); ++e) {
        const T *x = a + plan.lhs[e], *y = b + plan.rhs[e];
        r[e] = in_order<T>(
            plan.lhs_inside.size(), by_lanes ? 64 : 1, block, T(0),
            [&](T mine, size_t k) { return fma(Num<T>{x[ka[k]]}, Num<T>{y[kb[k]]}, Num<T>{mine}).v; }, sum);
      }
    }
  });
  return out;
}

}  // namespace tenon::evaluate
