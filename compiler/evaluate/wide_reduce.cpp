// Reductions and contractions with bounds. A sum of n terms in which no term passes through more than d
// additions differs from the true sum by at most gamma(d) * sum |term|, gamma(d) = d u / (1 - d u), in any
// such order.
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
    if (magnitude >= W(ops::largest_finite(dtype)) / 2) return wide::undecided<W>(dtype);
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
  const auto pair = [&](const Wide<W>& a, const Wide<W>& b) {
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
      default:
        return wide::and_(a, b);
    }
  };
  const bool ordered = what == ir::Combiner::prod && is_float(dtype);
  if (!ordered) {
    if (terms.empty()) {
      const W edge = std::numeric_limits<W>::infinity();
      W value = 0;
      if (what == ir::Combiner::prod || what == ir::Combiner::all) value = 1;
      if (what == ir::Combiner::max || what == ir::Combiner::min) {
        const bool low = what == ir::Combiner::max;
        if (is_float(dtype)) {
          value = low ? -edge : edge;
        } else {
          const int bits = wide::integer_bits(dtype);
          const W span = std::ldexp(W(1), bits - (is_signed_int(dtype) ? 1 : 0));
          value = low ? (is_signed_int(dtype) ? -span : W(0)) : span - 1;
          if (!low && span - 1 == span) return wide::undecided<W>(dtype);
        }
      }
      return wide::exactly(value, dtype);
    }
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

}  // namespace

template <class W>
Result<WideTensor<W>> wide_reduce(const NodeContext& c, const WideOperands<W>& in) {
  const WideTensor<W>& x = *in[0];
  const ReducePlan plan = plan_reduce(x.shape(), c.node.get<std::vector<int64_t>>("axes"));
  TENON_ASSIGN(const std::vector<int64_t> shape, c.result_shape());
  WideTensor<W> out(x.dtype(), shape);
  std::vector<Wide<W>> terms(plan.inside.size());
  for (int64_t e = 0; e < out.count(); ++e) {
    for (size_t i = 0; i < terms.size(); ++i)
      terms[i] = x[plan.kept[static_cast<size_t>(e)] + plan.inside[i]];
    out[e] = reduce_one(c.node.op->reduce->combiner, terms, x.dtype(),
                        static_cast<size_t>(c.node.get<int64_t>("lanes")),
                        static_cast<size_t>(c.node.get<int64_t>("block")));
    out[e].dtype = x.dtype();
  }
  return out;
}

template <class W>
Result<WideTensor<W>> wide_arg_reduce(const NodeContext& c, const WideOperands<W>& in) {
  const bool largest = c.node.op->arg_reduce->largest;
  const WideTensor<W>& x = *in[0];
  const AxisPlan plan = plan_axis(x.shape(), c.node.get<int64_t>("axis"));
  TENON_ASSIGN(const std::vector<int64_t> shape, c.result_shape());
  WideTensor<W> out(DType::i64, shape);
  for (int64_t o = 0; o < plan.outer; ++o)
    for (int64_t i = 0; i < plan.inner; ++i) {
      const auto at = [&](int64_t k) -> const Wide<W>& { return x[(o * plan.extent + k) * plan.inner + i]; };
      const auto ahead = [&](const Wide<W>& a, const Wide<W>& b) {
        if (std::isnan(b.value)) return false;
        return std::isnan(a.value) || (largest ? a.value > b.value : a.value < b.value);
      };
      int64_t best = 0;
      for (int64_t k = 1; k < plan.extent; ++k)
        if (ahead(at(k), at(best))) best = k;
      bool sure = plan.extent > 0 && !at(best).undecided();
      for (int64_t k = 0; k < plan.extent && sure; ++k) {
        if (k == best) continue;
        const Wide<W>&a = at(best), &b = at(k);
        if (a.exact() && b.exact()) continue;
        const bool apart = largest ? a.low() > b.high() : a.high() < b.low();
        sure = apart || (std::isnan(a.value) && (k > best || !b.undecided()));
      }
      out[o * plan.inner + i] =
          sure || plan.extent == 0 ? wide::exactly(W(best), DType::i64) : wide::undecided<W>(DType::i64);
    }
  return out;
}

template <class W>
Result<WideTensor<W>> wide_contract(const NodeContext& c, const WideOperands<W>& in) {
  const WideTensor<W>&a = *in[0], &b = *in[1];
  const DType dtype = a.dtype();
  const ContractPlan plan = plan_contract(c.node, a.shape(), b.shape());
  const bool by_lanes = c.node.get<std::string>("order") == "lanes";
  const double block = static_cast<double>(c.node.get<int64_t>("block"));
  const size_t terms = plan.lhs_inside.size();
  const double depth = order_depth(static_cast<double>(terms), by_lanes ? 64 : 1, block);
  TENON_ASSIGN(const std::vector<int64_t> shape, c.result_shape());
  WideTensor<W> out(dtype, shape);
  for (int64_t e = 0; e < out.count(); ++e) {
    const int64_t l = plan.lhs[static_cast<size_t>(e)], r = plan.rhs[static_cast<size_t>(e)];
    Sum<W> sum;
    if (is_float(dtype)) {
      for (size_t k = 0; k < terms; ++k) {
        const Wide<W>&x = a[l + plan.lhs_inside[k]], &y = b[r + plan.rhs_inside[k]];
        sum.add(x.value * y.value,
                std::abs(x.value) * y.bound + std::abs(y.value) * x.bound + x.bound * y.bound,
                x.low() >= 0 && y.low() >= 0);
      }
      out[e] = sum.result(dtype, depth, static_cast<double>(terms));
    }
    if (!is_float(dtype) || !sum.finite || !sum.certain) {
      std::vector<Wide<W>> products;
      for (size_t k = 0; k < terms; ++k)
        products.push_back(wide::mul(a[l + plan.lhs_inside[k]], b[r + plan.rhs_inside[k]]));
      out[e] = special_sum(products, dtype);
    }
    out[e].dtype = dtype;
  }
  return out;
}

#define TENON_WIDE(W)                                                                            \
  template Result<WideTensor<W>> wide_reduce<W>(const NodeContext&, const WideOperands<W>&);     \
  template Result<WideTensor<W>> wide_arg_reduce<W>(const NodeContext&, const WideOperands<W>&); \
  template Result<WideTensor<W>> wide_contract<W>(const NodeContext&, const WideOperands<W>&);
TENON_WIDE(double)
TENON_WIDE(long double)
#undef TENON_WIDE

}  // namespace tenon::evaluate
