// Iterations in their declared order (see Iteration in ir/iteration.h).
#include <array>

#include "evaluate/exact_forms.h"
#include "evaluate/iteration.h"
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

// One iteration over elements of type T. Where a chosen place is outside, `failure` is told and run() is
// false.
template <class T>
class Run {
 public:
  Run(const NodeContext& c, const IterationPlan& plan, const Operands& in, Failure* failure)
      : form_(*c.node.op->iteration()), plan_(plan), in_(in), failure_(failure) {
    for (const uint32_t e : plan.form.elements) {
      access_.push_back(&plan.operands[e]);
      data_.push_back(in[e]->as<T>().data());
    }
  }

  bool run(Array* out) {
    const std::span<T> r = out->as<T>();
    Point p;
    for (; p.kept < plan_.kept; ++p.kept) {
      T so_far = identity<T>(form_.combiner);
      for (p.ordered = 0; p.ordered < plan_.ordered; ++p.ordered) {
        int64_t at = plan_.result.element.outer(p);
        if (!choose(plan_.result, p, &at)) return false;
        T& target = r[static_cast<size_t>(at)];
        T value{};
        if (!point(p, &value)) return false;
        if (form_.step == ir::Accumulate::copy || (!form_.scatters && !plan_.in_order))
          target = value;
        else if (form_.scatters)
          target = combine(form_.combiner, target, value);
        else
          target = so_far = combine(form_.combiner, so_far, value);
      }
    }
    return true;
  }

  // `value`: where the extreme elements themselves go; null where they are no result.
  void positions(Array* value, Array* position) {
    const std::span<int64_t> r = position->as<int64_t>();
    Point p;
    for (; p.kept < plan_.kept; ++p.kept) {
      int64_t best = 0;
      Row x = row(0, p);
      T ahead = plan_.reduced == 0 ? identity<T>(form_.combiner) : x[0];
      for (size_t i = 1; i < plan_.reduced; ++i) {
        const T b = x[i];
        // A NaN is ahead of everything, the first one wins.
        const bool nan = ahead != ahead;
        const bool passes = form_.combiner == ir::Combiner::max ? b > ahead : b < ahead;
        if (nan || !(passes || b != b)) continue;
        best = static_cast<int64_t>(i);
        ahead = b;
      }
      const auto at = static_cast<size_t>(plan_.result.element.outer(p));
      r[at] = best;
      if (value != nullptr) value->as<T>()[at] = ahead;
    }
  }

 private:
  // Adds what other operands choose to an element number.
  bool choose(const AccessPlan& access, const Point& p, int64_t* at) {
    for (const AccessPlan::Chosen& chosen : access.chosen) {
      const Array& indices = *in_[chosen.operand];
      const auto i = static_cast<size_t>(plan_.operands[chosen.operand].element.outer(p));
      const int64_t index =
          with_dtype(indices.dtype(), [&]<class I>() { return static_cast<int64_t>(indices.as<I>()[i]); });
      if (index < 0 || index >= chosen.extent) {
        *failure_ = {static_cast<uint16_t>(code_number(Code::index_range)), index};
        return false;
      }
      *at += index * chosen.stride;
    }
    return true;
  }

  // The elements of an operand along the reduced axes of a point.
  struct Row {
    const AccessPlan& access;
    const T* all;
    int64_t first;  // a number, which padding may put before the first element there is
    Point p;
    T outside;

    bool inside(size_t i) {
      p.reduced = i;
      return access.inside(p);
    }
    T operator[](size_t i) {
      if (access.guards.empty()) return all[first + access.element.reduced[i]];
      return inside(i) ? all[access.number(p)] : outside;
    }
  };
  Row row(size_t which, const Point& p) const {
    const AccessPlan& access = *access_[which];
    return {access, data_[which], access.element.outer(p), p, identity<T>(form_.combiner)};
  }

  // What the reduced elements of a point come to; the element itself where none is reduced.
  bool point(const Point& p, T* value) {
    if (plan_.single) {
      int64_t at = access_[0]->number(p);
      if (!choose(*access_[0], p, &at)) return false;
      *value = access_[0]->inside(p) ? data_[0][at] : identity<T>(form_.combiner);
      return true;
    }
    const auto pair = [&](T a, T b) { return combine(form_.combiner, a, b); };
    const auto total = [&](auto step) {
      return in_order<T>(plan_.reduced, static_cast<size_t>(plan_.order.lanes),
                         static_cast<size_t>(plan_.order.block), identity<T>(form_.combiner), step, pair);
    };
    Row x = row(0, p);
    if (form_.step == ir::Accumulate::combine) {
      *value = total([&](T mine, size_t i) { return combine(form_.combiner, mine, x[i]); });
    } else if constexpr (!std::is_same_v<T, bool>) {  // no product of truths is declared
      Row y = row(1, p);
      *value = total([&](T mine, size_t i) {
        if (!x.inside(i) || !y.inside(i)) return mine;
        return fma(Num<T>{x[i]}, Num<T>{y[i]}, Num<T>{mine}).v;
      });
    }
    return true;
  }

  const ir::IterationForm& form_;
  const IterationPlan& plan_;
  const Operands& in_;
  Failure* failure_;
  std::vector<const AccessPlan*> access_;  // of the elements
  std::vector<const T*> data_;
};

}  // namespace

Result<bool> exact_iteration(const NodeContext& c, const Operands& in, std::vector<Array>* out,
                             Failure* failure) {
  TENON_ASSIGN(const IterationPlan plan, plan_iteration(c));
  TENON_ASSIGN(const std::vector<int64_t> shape, c.result_shape());
  const ir::Yields yields = c.node.op->iteration()->yields;
  for (size_t r = 0; r < c.node.results.size(); ++r) {
    const bool on_base = plan.form.base.has_value();
    out->push_back(on_base ? *in[*plan.form.base] : Array(c.result(r).dtype, shape));
  }
  return with_dtype(in[plan.form.elements[0]]->dtype(), [&]<class T>() {
    Run<T> run(c, plan, in, failure);
    if (yields == ir::Yields::value) return run.run(&out->front());
    run.positions(yields == ir::Yields::position ? nullptr : &out->front(), &out->back());
    return true;
  });
}

}  // namespace tenon::evaluate
