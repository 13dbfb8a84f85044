// Derivatives of reductions over windows, made of windows: the element of each window at one tap is a window
// of one element, which cuts and pads at once, whatever the sizes; its cotangent goes back through another.
#include "ops/window.h"

#include <algorithm>

namespace tenon::ops {
namespace {

struct Rule {
  V x, y, g;
  Axes axes, size, stride, dilation, ones;
  Shape low, extents, of_x;

  explicit Rule(ir::VjpContext& c)
      : x{&c.b, c.operands[0]},
        y{&c.b, c.results[0]},
        g{&c.b, c.cotangents[0]},
        axes(c.node.get<Axes>("axes")),
        size(c.node.get<Axes>("size")),
        stride(c.node.get<Axes>("stride")),
        dilation(c.node.get<Axes>("dilation")),
        ones(axes.size(), 1),
        low(c.node.get<Shape>("low")),
        extents(c.node.get<Shape>("extents")) {
    for (const int64_t axis : axes) of_x.push_back(x.shape()[static_cast<size_t>(axis)]);
  }

  template <class F>
  void each_tap(F&& f) const {
    Axes tap(axes.size(), 0);
    while (true) {
      f(tap);
      size_t w = axes.size();
      while (w > 0 && ++tap[w - 1] == size[w - 1]) tap[--w] = 0;
      if (w == 0) return;
    }
  }
  Shape low_of(const Axes& tap) const {
    Shape out;
    for (size_t w = 0; w < axes.size(); ++w) out.push_back(low[w] - tap[w] * dilation[w]);
    return out;
  }
  // The element of each window at a tap; `op`'s identity where that is outside.
  V at_tap(std::string_view op, V of, const Axes& tap) const {
    return emit(
        op, {of},
        {{"axes", axes}, {"size", ones}, {"stride", stride}, {"low", low_of(tap)}, {"extents", extents}});
  }
  // The results a stride apart, zeros between. Where there may be none they are added at their places:
  // nothing can be put between.
  V spread_out(V v) const {
    Shape none(v.shape().size(), Dim(0)), between = none;
    bool pads = false;
    for (size_t w = 0; w < axes.size(); ++w) {
      if (stride[w] == 1) continue;
      const auto d = static_cast<size_t>(axes[w]);
      if (extents[w].is_constant() && extents[w].constant() > 0) {
        between[d] = Dim(stride[w] - 1);
        pads = true;
        continue;
      }
      Shape wide = v.shape();
      wide[d] = extents[w] * stride[w];
      const V rows = iota(*v.b, {extents[w]}, 0, DType::i64) * static_cast<double>(stride[w]);
      v = scatter_add(broadcast_to(number(v, 0), wide), rows, v, axes[w]);
    }
    return pads ? pad(v, number(v, 0), none, none, between) : v;
  }
  // Sums over windows of so many elements of what is spread out, at the places of x.
  V back(V spread, const Axes& sizes, const Shape& from) const {
    return emit("window_sum", {spread},
                {{"axes", axes},
                 {"size", sizes},
                 {"stride", ones},
                 {"dilation", dilation},
                 {"low", from},
                 {"extents", of_x}});
  }
  V from_tap(V v, const Axes& tap) const {
    Shape from;
    for (const Dim& l : low_of(tap)) from.push_back(Dim(0) - l);
    return back(spread_out(v), ones, from);
  }
};

void add(V* sum, V part) { *sum = sum->b == nullptr ? part : *sum + part; }

}  // namespace

// Element i is in window o at tap k where o * stride = i + low - k * dilation: a window over the spread
// cotangent, taps from the other end.
void window_sum_vjp(ir::VjpContext& c) {
  const Rule r(c);
  Shape from;
  for (size_t w = 0; w < r.axes.size(); ++w)
    from.push_back(window_reach(r.size[w], r.dilation[w]) - 1 - r.low[w]);
  c.out[0] = r.back(r.spread_out(r.g), r.size, from).id;
}

// The cotangent is divided equally among a window's elements that equal the extreme (see reduce_max). What is
// outside is none of them, though it reads as an infinity.
void window_extreme_vjp(ir::VjpContext& c) {
  const Rule r(c);
  const V inside = number_like(r.x, 1);
  std::vector<V> hits;
  V ties;
  r.each_tap([&](const Axes& tap) {
    const V there = r.at_tap("window_sum", inside, tap) > 0.0;
    hits.push_back(equal(r.at_tap(c.node.op->name, r.x, tap), r.y) && there);
    add(&ties, select(hits.back(), 1.0, zeros_like(r.y)));
  });
  const V share = r.g / ties;
  V sum;
  size_t i = 0;
  r.each_tap([&](const Axes& tap) { add(&sum, r.from_tap(select(hits[i++], share, 0.0), tap)); });
  c.out[0] = sum.id;
}

// The product of the others: those before times those behind, without a division (see reduce_prod).
void window_prod_vjp(ir::VjpContext& c) {
  const Rule r(c);
  std::vector<V> elements;
  r.each_tap([&](const Axes& tap) { elements.push_back(r.at_tap("window_prod", r.x, tap)); });
  std::vector<V> behind(elements.size());
  V after = number_like(r.y, 1);
  for (size_t i = elements.size(); i-- > 0;) {
    behind[i] = after;
    after = after * elements[i];
  }
  V before = number_like(r.y, 1), sum;
  size_t i = 0;
  r.each_tap([&](const Axes& tap) {
    add(&sum, r.from_tap(r.g * (before * behind[i]), tap));
    before = before * elements[i++];
  });
  c.out[0] = sum.id;
}

}  // namespace tenon::ops
