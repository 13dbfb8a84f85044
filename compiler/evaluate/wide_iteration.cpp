// Iterations with bounds. A sum of n terms in which no term passes through more than d
// additions differs from the true sum by at most gamma(d) * sum |term|, gamma(d) = d u / (1 - d u), in any
// such order.
#include "evaluate/iteration.h"
#include "evaluate/wide_forms.h"

namespace tenon::evaluate {
namespace {

using ops::Wide;
namespace wide = ops::wide;

// The most additions that one term passes through in the declared order.
double order_depth(double count, double lanes, double block) {
  const double in_block = std::min(count, block);
  return std::ceil(in_block / lanes) + std::log2(lanes) + std::ceil(count / block);
}

// Accumulates a sum in W beside what its bound needs.
template <class W>
struct Sum {
  W value = 0, magnitude = 0, bound = 0;
  bool certain = true, finite = true, positive = true;

  // `not_negative`: the declared term surely is not.
  void add(W term, W term_bound, bool not_negative) {
    positive = positive && not_negative;
    if (!(term_bound < std::numeric_limits<W>::infinity())) certain = false;
    if (!std::isfinite(term)) finite = false;
    value += term;
    magnitude += std::abs(term) + term_bound;
    bound += term_bound;
  }
  Wide<W> result(DType dtype, double depth, double terms) const {
    if (!certain) return wide::undecided<W>(dtype);
    if (!finite) return wide::exactly(value, dtype);
    if (terms == 0) return wide::exactly(W(0), dtype);
    if (magnitude >= W(largest_finite(dtype)) / 2) return wide::undecided<W>(dtype);
    const W own = magnitude * std::numeric_limits<W>::epsilon() * W(terms + 2);
    const W declared =
        magnitude * W(rounding_growth(dtype, depth)) + W(smallest_step(dtype)) * W(terms + depth);
    return wide::within<W>(value, bound + own + declared, dtype).above(positive ? W(0) : wide::no_floor<W>);
  }
};

// One of the terms is not finite: infinities and NaN follow the order of operands no more than their signs
// do.
template <class W>
Wide<W> special_sum(const std::vector<Wide<W>>& terms, DType dtype) {
  Wide<W> total{0, 0, dtype};
  for (const Wide<W>& t : terms) total = wide::add(total, t);
  return total;
}

template <class W>
Wide<W> combine(ir::Combiner what, const Wide<W>& a, const Wide<W>& b) {
  switch (what) {
    case ir::Combiner::sum:
      return wide::add(a, b);
    case ir::Combiner::prod:
      return ops::round_to(wide::mul(a, b), 0.5);
    case ir::Combiner::max:
      return wide::max(a, b);
    case ir::Combiner::min:
      return wide::min(a, b);
    case ir::Combiner::any:
      return wide::or_(a, b);
    case ir::Combiner::all:
      return wide::and_(a, b);
  }
  return a;
}

// Of no element.
template <class W>
Wide<W> identity(ir::Combiner what, DType dtype) {
  W value = 0;
  if (what == ir::Combiner::prod || what == ir::Combiner::all) value = 1;
  if (what == ir::Combiner::max || what == ir::Combiner::min) {
    const bool low = what == ir::Combiner::max;
    if (is_float(dtype)) {
      value = low ? -std::numeric_limits<W>::infinity() : std::numeric_limits<W>::infinity();
    } else {
      const int bits = wide::integer_bits(dtype);
      const W span = std::ldexp(W(1), bits - (is_signed_int(dtype) ? 1 : 0));
      value = low ? (is_signed_int(dtype) ? -span : W(0)) : span - 1;
      if (!low && span - 1 == span) return wide::undecided<W>(dtype);
    }
  }
  return wide::exactly(value, dtype);
}

template <class W>
Wide<W> reduce_one(ir::Combiner what, const std::vector<Wide<W>>& terms, DType dtype, size_t lanes,
                   size_t block) {
  if (what == ir::Combiner::sum && is_float(dtype)) {
    Sum<W> sum;
    for (const Wide<W>& t : terms) sum.add(t.value, t.bound, t.low() >= 0);
    if (terms.size() == 1 && terms[0].exact()) return wide::add(Wide<W>{0, 0, dtype}, terms[0]);
    if (sum.certain && !sum.finite) return special_sum(terms, dtype);
    return sum.result(dtype, order_depth(double(terms.size()), double(lanes), double(block)),
                      double(terms.size()));
  }
  const auto pair = [&](const Wide<W>& a, const Wide<W>& b) { return combine(what, a, b); };
  const bool ordered = what == ir::Combiner::prod && is_float(dtype);
  if (!ordered) {
    if (terms.empty()) return identity<W>(what, dtype);
    Wide<W> total = terms[0];
    for (size_t i = 1; i < terms.size(); ++i) total = pair(total, terms[i]);
    return total;
  }
  // A product may overflow or vanish on the way in one order and not in another: the declared one is
  // followed.
  Wide<W> total{1, 0, dtype};
  for (size_t start = 0; start < terms.size(); start += block) {
    std::vector<Wide<W>> lane(lanes, Wide<W>{1, 0, dtype});
    for (size_t i = start; i < std::min(terms.size(), start + block); ++i)
      lane[(i - start) % lanes] = pair(lane[(i - start) % lanes], terms[i]);
    while (lane.size() > 1) {
      const size_t half = lane.size() / 2;
      for (size_t l = 0; l < half; ++l) lane[l] = pair(lane[l], lane[l + half]);
      lane.resize(half);
    }
    total = start == 0 ? lane[0] : pair(total, lane[0]);
  }
  return total;
}

// Sum of the products of two rows, of which the order counts `count`: those that are outside among them.
template <class W>
Wide<W> multiply_one(const std::vector<Wide<W>>& a, const std::vector<Wide<W>>& b, DType dtype, size_t count,
                     size_t lanes, size_t block) {
  Sum<W> sum;
  if (is_float(dtype)) {
    for (size_t k = 0; k < a.size(); ++k) {
      const Wide<W>&x = a[k], &y = b[k];
      sum.add(x.value * y.value,
              std::abs(x.value) * y.bound + std::abs(y.value) * x.bound + x.bound * y.bound,
              x.low() >= 0 && y.low() >= 0);
    }
    if (sum.finite && sum.certain)
      return sum.result(dtype, order_depth(double(count), double(lanes), double(block)), double(a.size()));
  }
  std::vector<Wide<W>> products;
  for (size_t k = 0; k < a.size(); ++k) products.push_back(wide::mul(a[k], b[k]));
  return special_sum(products, dtype);
}

// Number of the first extreme element.
template <class W>
Wide<W> position_of(const std::vector<Wide<W>>& terms, bool largest) {
  const auto ahead = [&](const Wide<W>& a, const Wide<W>& b) {
    if (std::isnan(b.value)) return false;
    return std::isnan(a.value) || (largest ? a.value > b.value : a.value < b.value);
  };
  size_t best = 0;
  for (size_t k = 1; k < terms.size(); ++k)
    if (ahead(terms[k], terms[best])) best = k;
  bool sure = terms.empty() || !terms[best].undecided();
  for (size_t k = 0; k < terms.size() && sure; ++k) {
    if (k == best) continue;
    const Wide<W>&a = terms[best], &b = terms[k];
    if (a.exact() && b.exact()) continue;
    const bool apart = largest ? a.low() > b.high() : a.high() < b.low();
    sure = apart || (std::isnan(a.value) && (k > best || !b.undecided()));
  }
  return sure ? wide::exactly(W(best), DType::i64) : wide::undecided<W>(DType::i64);
}

template <class W>
class Run {
 public:
  Run(const NodeContext& c, const IterationPlan& plan, const WideOperands<W>& in, Failure* failure)
      : form_(*c.node.op->iteration()),
        plan_(plan),
        in_(in),
        dtype_(in[plan.form.elements[0]]->dtype()),
        failure_(failure) {}

  void positions(WideTensor<W>* value, WideTensor<W>* position) {
    Point p;
    for (; p.kept < plan_.kept; ++p.kept) {
      const std::vector<Wide<W>> terms = row(0, p);
      const int64_t at = plan_.result.element.outer(p);
      (*position)[at] = position_of(terms, form_.combiner == ir::Combiner::max);
      (*position)[at].dtype = DType::i64;
      if (value == nullptr) continue;
      (*value)[at] = reduce_one(form_.combiner, terms, dtype_, 1, size_t{1} << 20);
      (*value)[at].dtype = dtype_;
    }
  }

  bool run(WideTensor<W>* out) {
    Point p;
    for (; p.kept < plan_.kept; ++p.kept) {
      Wide<W> so_far = identity<W>(form_.combiner, dtype_);
      for (p.ordered = 0; p.ordered < plan_.ordered; ++p.ordered) {
        int64_t at = plan_.result.element.outer(p);
        bool known = true;
        if (!choose(plan_.result, p, &at, &known)) return false;
        if (!known) {
          // Wherever it is, no element is certain any more.
          for (int64_t e = 0; e < out->count(); ++e) (*out)[e] = wide::undecided<W>(dtype_);
          continue;
        }
        Wide<W>& target = (*out)[at];
        Wide<W> value;
        if (!point(p, &value)) return false;
        const auto joined = [&](const Wide<W>& a) {
          const Wide<W> both = combine(form_.combiner, a, value);
          return form_.combiner == ir::Combiner::sum ? ops::round_to(both, 0.5) : both;
        };
        if (form_.step == ir::Accumulate::copy || (!form_.scatters && !plan_.in_order))
          target = value;
        else if (form_.scatters)
          target = joined(target);
        else
          target = so_far = joined(so_far);
        target.dtype = out->dtype();
      }
    }
    return true;
  }

 private:
  // Adds what other operands choose; `known` is cleared where that is not known. False where it is outside.
  bool choose(const AccessPlan& access, const Point& p, int64_t* at, bool* known) {
    for (const AccessPlan::Chosen& chosen : access.chosen) {
      const Wide<W>& index = (*in_[chosen.operand])[plan_.operands[chosen.operand].element.outer(p)];
      if (!index.exact()) {
        *known = false;
        continue;
      }
      const auto row = static_cast<int64_t>(index.value);
      if (row < 0 || row >= chosen.extent) {
        *failure_ = {static_cast<uint16_t>(code_number(Code::index_range)), row};
        return false;
      }
      *at += row * chosen.stride;
    }
    return true;
  }

  Wide<W> element(size_t which, const Point& p) const {
    const uint32_t operand = plan_.form.elements[which];
    const AccessPlan& access = plan_.operands[operand];
    if (!access.inside(p)) return identity<W>(form_.combiner, dtype_);
    return (*in_[operand])[access.number(p)];
  }
  bool inside(size_t which, const Point& p) const {
    return plan_.operands[plan_.form.elements[which]].inside(p);
  }
  std::vector<Wide<W>> row(size_t which, Point p) const {
    std::vector<Wide<W>> out;
    for (p.reduced = 0; p.reduced < plan_.reduced; ++p.reduced) out.push_back(element(which, p));
    return out;
  }

  bool point(const Point& p, Wide<W>* value) {
    const auto lanes = static_cast<size_t>(plan_.order.lanes), block = static_cast<size_t>(plan_.order.block);
    if (plan_.single) {
      const AccessPlan& access = plan_.operands[plan_.form.elements[0]];
      int64_t at = access.number(p);
      bool known = true;
      if (!choose(access, p, &at, &known)) return false;
      if (!known)
        *value = wide::undecided<W>(dtype_);
      else
        *value = access.inside(p) ? (*in_[plan_.form.elements[0]])[at] : identity<W>(form_.combiner, dtype_);
    } else if (form_.step == ir::Accumulate::combine) {
      *value = reduce_one(form_.combiner, row(0, p), dtype_, lanes, block);
    } else {
      std::vector<Wide<W>> a, b;
      for (Point q = p; q.reduced < plan_.reduced; ++q.reduced) {
        if (!inside(0, q) || !inside(1, q)) continue;
        a.push_back(element(0, q));
        b.push_back(element(1, q));
      }
      *value = multiply_one(a, b, dtype_, plan_.reduced, lanes, block);
    }
    return true;
  }

  const ir::IterationForm& form_;
  const IterationPlan& plan_;
  const WideOperands<W>& in_;
  DType dtype_;
  Failure* failure_;
};

}  // namespace

template <class W>
Result<bool> wide_iteration(const NodeContext& c, const WideOperands<W>& in, std::vector<WideTensor<W>>* out,
                            Failure* failure) {
  TENON_ASSIGN(const IterationPlan plan, plan_iteration(c));
  TENON_ASSIGN(const std::vector<int64_t> shape, c.result_shape());
  const ir::Yields yields = c.node.op->iteration()->yields;
  for (size_t r = 0; r < c.node.results.size(); ++r) {
    const bool on_base = plan.form.base.has_value();
    out->push_back(on_base ? *in[*plan.form.base] : WideTensor<W>(c.result(r).dtype, shape));
  }
  Run<W> run(c, plan, in, failure);
  if (yields == ir::Yields::value) return run.run(&out->front());
  run.positions(yields == ir::Yields::position ? nullptr : &out->front(), &out->back());
  return true;
}

#define TENON_WIDE(W)                                                                 \
  template Result<bool> wide_iteration<W>(const NodeContext&, const WideOperands<W>&, \
                                          std::vector<WideTensor<W>>*, Failure*);
TENON_WIDE(double)
TENON_WIDE(long double)
#undef TENON_WIDE

}  // namespace tenon::evaluate
