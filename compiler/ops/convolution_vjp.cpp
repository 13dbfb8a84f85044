// Derivatives of a convolution: for both factors convolutions of the cotangent with the other one.
#include "ops/convolution.h"

namespace tenon::ops {
namespace {

struct Pairs {
  Axes lhs, rhs;
};
// A convolution of the rule; `low` and `extents` by windows.
struct Windows {
  Axes stride, lhs_dilation, rhs_dilation, reversed;
  Shape low, extents;
};
V convolve(V lhs, V rhs, const Pairs& batch, const Pairs& contract, const Pairs& window, const Windows& w) {
  return emit("convolution", {lhs, rhs},
              {{"lhs_batch", batch.lhs},
               {"rhs_batch", batch.rhs},
               {"lhs_contract", contract.lhs},
               {"rhs_contract", contract.rhs},
               {"lhs_window", window.lhs},
               {"rhs_window", window.rhs},
               {"stride", w.stride},
               {"low", w.low},
               {"extents", w.extents},
               {"lhs_dilation", w.lhs_dilation},
               {"rhs_dilation", w.rhs_dilation},
               {"reversed", w.reversed}});
}

class Rule {
 public:
  explicit Rule(ir::VjpContext& c)
      : lhs_{&c.b, c.operands[0]},
        rhs_{&c.b, c.operands[1]},
        g_{&c.b, c.cotangents[0]},
        l_(factor_of(c.node, true, static_cast<size_t>(lhs_.rank()))),
        r_(factor_of(c.node, false, static_cast<size_t>(rhs_.rank()))) {
    w_.stride = c.node.get<Axes>("stride");
    w_.lhs_dilation = c.node.get<Axes>("lhs_dilation");
    w_.rhs_dilation = c.node.get<Axes>("rhs_dilation");
    w_.reversed = c.node.get<Axes>("reversed");
    w_.low = c.node.get<Shape>("low");
    int64_t next = 0;
    for (int64_t d = 0; d < lhs_.rank(); ++d) left_at_.push_back(contains(l_.contract, d) ? -1 : next++);
    for (int64_t d = 0; d < rhs_.rank(); ++d) right_at_.push_back(contains(r_.free, d) ? next++ : -1);
  }

  // i meets the results o where o * stride = i * lhs_dilation + (K - 1 - k) * rhs_dilation - (reach - low).
  V of_lhs() const {
    Windows w = turned();
    w.stride = w_.lhs_dilation;
    w.lhs_dilation = w_.stride;
    w.rhs_dilation = w_.rhs_dilation;
    w.reversed = w_.reversed;
    for (int64_t& r : w.reversed) r = 1 - r;
    for (const int64_t d : l_.window) w.extents.push_back(lhs_.shape()[static_cast<size_t>(d)]);
    const V out =
        convolve(g_, rhs_, {in_result(l_.batch, left_at_), r_.batch},
                 {in_result(r_.free, right_at_), r_.free}, {in_result(l_.window, left_at_), r_.window}, w);
    // [what lhs does not contract, rhs' contracted dimensions in their order].
    const auto front = lhs_.rank() - static_cast<int64_t>(l_.contract.size());
    Axes perm;
    for (int64_t d = 0; d < lhs_.rank(); ++d)
      perm.push_back(contains(l_.contract, d) ? front + place(l_.contract, r_.contract, d)
                                              : left_at_[static_cast<size_t>(d)]);
    return transpose(out, perm);
  }

  V of_rhs() const {
    // Of a dilated lhs, most taps would meet nothing: there the cotangent is what windows lie over.
    const auto many = [](int64_t step) { return step > 1; };
    const bool dilated = std::any_of(w_.lhs_dilation.begin(), w_.lhs_dilation.end(), many);
    return dilated && std::none_of(w_.stride.begin(), w_.stride.end(), many) ? of_rhs_over_results()
                                                                             : of_rhs_over_lhs();
  }

 private:
  // The tap k of a result o and an element i: i * lhs_dilation = k * rhs_dilation + o * stride - low.
  V of_rhs_over_lhs() const {
    Windows w = w_;
    w.stride = w_.rhs_dilation;
    w.rhs_dilation = w_.stride;
    w.reversed.assign(w_.reversed.size(), 0);
    w.extents = taps();
    V out = convolve(lhs_, g_, {l_.batch, in_result(l_.batch, left_at_)},
                     {l_.free, in_result(l_.free, left_at_)}, {l_.window, in_result(l_.window, left_at_)}, w);
    // [lhs without its free dimensions, rhs' free ones].
    std::vector<int64_t> at(static_cast<size_t>(lhs_.rank()), -1);
    int64_t next = 0;
    for (int64_t d = 0; d < lhs_.rank(); ++d)
      if (!contains(l_.free, d)) at[static_cast<size_t>(d)] = next++;
    return in_order_of_rhs(out, at, next, 1);
  }
  // o * stride = (K - 1 - k) * rhs_dilation + i * lhs_dilation - (reach - low).
  V of_rhs_over_results() const {
    Windows w = turned();
    w.stride = w_.rhs_dilation;
    w.rhs_dilation = w_.lhs_dilation;
    w.lhs_dilation = w_.stride;
    w.reversed.assign(w_.reversed.size(), 0);
    w.extents = taps();
    const V out =
        convolve(g_, lhs_, {in_result(l_.batch, left_at_), l_.batch}, {in_result(l_.free, left_at_), l_.free},
                 {in_result(l_.window, left_at_), l_.window}, w);
    // [batch and windows as lhs has them, rhs' free dimensions, lhs' contracted ones].
    std::vector<int64_t> at(static_cast<size_t>(lhs_.rank()), -1);
    int64_t next = 0;
    for (int64_t d = 0; d < lhs_.rank(); ++d)
      if (!contains(l_.free, d) && !contains(l_.contract, d)) at[static_cast<size_t>(d)] = next++;
    const int64_t free = next;
    next += static_cast<int64_t>(r_.free.size());
    for (int64_t d = 0; d < lhs_.rank(); ++d)
      if (contains(l_.contract, d)) at[static_cast<size_t>(d)] = next++;
    return in_order_of_rhs(out, at, free, 0);
  }
  // Transposed to rhs' order, its windows turned where `reversed` is the number. `at`: where the partner of a
  // dimension of lhs stands; rhs' free ones stand from `free` on.
  V in_order_of_rhs(V out, const std::vector<int64_t>& at, int64_t free, int64_t turned) const {
    Axes perm, back;
    for (int64_t d = 0; d < rhs_.rank(); ++d) {
      int64_t partner = -1;
      for (const auto& [own, other] : {std::pair(&r_.batch, &l_.batch), std::pair(&r_.contract, &l_.contract),
                                       std::pair(&r_.window, &l_.window)})
        if (const auto i = std::find(own->begin(), own->end(), d); i != own->end())
          partner = (*other)[static_cast<size_t>(i - own->begin())];
      perm.push_back(partner < 0 ? free++ : at[static_cast<size_t>(partner)]);
      const auto w = std::find(r_.window.begin(), r_.window.end(), d);
      if (w != r_.window.end() && w_.reversed[static_cast<size_t>(w - r_.window.begin())] == turned)
        back.push_back(d);
    }
    out = transpose(out, perm);
    return back.empty() ? out : reverse(out, back);
  }

  // Windows that run from the other end.
  Windows turned() const {
    Windows w;
    const Shape k = taps();
    for (size_t i = 0; i < k.size(); ++i) w.low.push_back((k[i] - 1) * w_.rhs_dilation[i] - w_.low[i]);
    return w;
  }
  Shape taps() const {
    Shape out;
    for (const int64_t d : r_.window) out.push_back(rhs_.shape()[static_cast<size_t>(d)]);
    return out;
  }
  static Axes in_result(const Axes& axes, const std::vector<int64_t>& at) {
    Axes out;
    for (const int64_t d : axes) out.push_back(at[static_cast<size_t>(d)]);
    return out;
  }
  // Among the others in their order, the place of d's partner.
  static int64_t place(const Axes& own, Axes others, int64_t d) {
    const int64_t partner = others[static_cast<size_t>(std::find(own.begin(), own.end(), d) - own.begin())];
    std::sort(others.begin(), others.end());
    return std::find(others.begin(), others.end(), partner) - others.begin();
  }

  V lhs_, rhs_, g_;
  Factor l_, r_;
  Windows w_;
  std::vector<int64_t> left_at_, right_at_;  // dimensions of the result; -1: contracted, or not free
};

}  // namespace

void convolution_vjp(ir::VjpContext& c) {
  const Rule rule(c);
  if (c.wanted[0]) c.out[0] = rule.of_lhs().id;
  if (c.wanted[1]) c.out[1] = rule.of_rhs().id;
}

}  // namespace tenon::ops
