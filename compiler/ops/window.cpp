// Reductions over windows: sums, products and extremes of the elements that a window lies over, those outside
// left out. The derivatives are made of slices, paddings and windows, so that any order follows.
//
// Along a window, result o meets the elements i = o * stride + k * dilation - low for k = 0 .. size - 1.
#include <algorithm>
#include <limits>

#include "ops/combiner.h"
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

constexpr int64_t most_step = int64_t{1} << 20;

// --- Shape rule ------------------------------------------------------------------------------------------

Dim reach(int64_t size, int64_t dilation) { return Dim((size - 1) * dilation + 1); }

ir::Attr derive_ones(const InferContext& c) { return Axes(c.get<Axes>("axes").size(), 1); }
ir::Attr derive_size(const InferContext& c) { return c.get<Axes>("size"); }
ir::Attr derive_low(const InferContext& c) { return Shape(c.get<Axes>("axes").size(), Dim(0)); }

// Windows that begin at -low and end inside. Lists that do not fit are refused behind this.
ir::Attr derive_extents(const InferContext& c) {
  const Axes& axes = c.get<Axes>("axes");
  const auto rank = static_cast<int64_t>(c.operands[0].rank());
  Shape out;
  for (size_t w = 0; w < axes.size(); ++w) {
    auto step = [&](std::string_view name) {
      const Axes& steps = c.get<Axes>(name);
      return w < steps.size() ? std::clamp<int64_t>(steps[w], 1, most_step) : 1;
    };
    const int64_t axis = axes[w] < 0 ? axes[w] + rank : axes[w];
    const Shape& low = c.get<Shape>("low");
    if (axis < 0 || axis >= rank || w >= low.size()) return Shape(axes.size(), Dim(0));
    const Dim room =
        c.operands[0].shape[static_cast<size_t>(axis)] + low[w] - reach(step("size"), step("dilation"));
    out.push_back(Dim::floor_div(room, step("stride")) + 1);
  }
  return out;
}

Status infer(InferContext& c) {
  const Type& x = c.operands[0];
  TENON_TRY(take_axes(c, "axes", x.rank(), false));
  const Axes& axes = c.get<Axes>("axes");
  for (const std::string_view name : {"size", "stride", "dilation"}) {
    const Axes& steps = c.get<Axes>(name);
    if (steps.size() != axes.size())
      return c.fail(Code::bad_attribute, std::string(name) + " has " + std::to_string(steps.size()) +
                                             " numbers, there are " + std::to_string(axes.size()) + " axes");
    for (const int64_t step : steps)
      if (step < 1 || step > most_step)
        return c.fail(Code::bad_attribute,
                      std::string(name) + " is " + std::to_string(step) + ", wants 1 to 1048576");
  }
  const Shape &low = c.get<Shape>("low"), &extents = c.get<Shape>("extents");
  if (low.size() != axes.size() || extents.size() != axes.size())
    return c.fail(Code::bad_attribute, "low has " + std::to_string(low.size()) + " entries, extents " +
                                           std::to_string(extents.size()) + ", there are " +
                                           std::to_string(axes.size()) + " axes");
  Type result = x;
  for (size_t w = 0; w < axes.size(); ++w) {
    Dim& extent = result.shape[static_cast<size_t>(axes[w])];
    if (low[w].is_constant() &&
        (low[w].constant() > (int64_t{1} << 31) || low[w].constant() < -(int64_t{1} << 31)))
      return c.fail(Code::bad_attribute, "low is " + low[w].text() + ", wants -2^31 to 2^31");
    // Derivatives cut and spread results, which must be shown to be there.
    if (!provably_at_least(c, extents[w], extents[w] == Dim(0) ? 0 : 1))
      return c.fail(Code::shape_mismatch,
                    "a window of " + std::to_string(c.get<Axes>("size")[w]) + " may not fit along axis " +
                        std::to_string(axes[w]) + " of " + operand_text(c, 0) + ": " + extents[w].text() +
                        " results",
                    "pad more (`low`, `extents`), or declare a range that starts at the window");
    extent = extents[w];
  }
  c.results = {std::move(result)};
  return Ok{};
}

ir::Iteration describe(const ir::Node& node, const std::vector<Type>& operands, const Type& result) {
  ir::Iteration out = reduced(result, {});
  const Axes& axes = node.get<Axes>("axes");
  for (size_t w = 0; w < axes.size(); ++w) {
    const auto at = static_cast<uint32_t>(axes[w]), tap = static_cast<uint32_t>(out.axes.size());
    const int64_t size = node.get<Axes>("size")[w], stride = node.get<Axes>("stride")[w],
                  dilation = node.get<Axes>("dilation")[w];
    const Dim low = node.get<Shape>("low")[w];
    out.axes.push_back({size, ir::Axis::Role::reduced});
    out.operands[0].index[at] = {Dim(0) - low, {{at, stride}, {tap, dilation}}};
    const Dim behind = operands[0].shape[at] + low - reach(size, dilation) - (result.shape[at] - 1) * stride;
    const bool inside =
        low.is_constant() && low.constant() <= 0 && behind.is_constant() && behind.constant() >= 0;
    if (!inside) out.operands[0].guarded.push_back(at);
  }
  return out;
}

// --- Derivatives -----------------------------------------------------------------------------------------

struct Rule {
  V x, y, g;
  Axes axes, size, stride, dilation;
  Shape low, extents;

  explicit Rule(ir::VjpContext& c)
      : x{&c.b, c.operands[0]},
        y{&c.b, c.results[0]},
        g{&c.b, c.cotangents[0]},
        axes(c.node.get<Axes>("axes")),
        size(c.node.get<Axes>("size")),
        stride(c.node.get<Axes>("stride")),
        dilation(c.node.get<Axes>("dilation")),
        low(c.node.get<Shape>("low")),
        extents(c.node.get<Shape>("extents")) {}

  bool empty() const { return contains_zero(extents); }
  void nothing(ir::VjpContext& c) const { c.out[0] = zeros_like(x).id; }
  static bool contains_zero(const Shape& dims) {
    return std::any_of(dims.begin(), dims.end(), [](const Dim& d) { return d == Dim(0); });
  }
  // How far the last window reaches, from the first one's begin.
  Dim span(size_t w) const { return (extents[w] - 1) * stride[w] + reach(size[w], dilation[w]); }
  Dim extent(size_t w) const { return x.shape()[static_cast<size_t>(axes[w])]; }

  // With `fill` where windows reach outside: from the first window's begin to the last one's end.
  V covered(double fill) const {
    V out = x;
    Shape before(x.shape().size(), Dim(0)), behind = before, none = before;
    for (size_t w = 0; w < axes.size(); ++w) {
      before[static_cast<size_t>(axes[w])] = low[w];
      behind[static_cast<size_t>(axes[w])] = span(w) - low[w] - extent(w);
    }
    return resized(out, fill, before, behind);
  }
  // Padded by what is positive, then cut by what is negative.
  static V resized(V v, double fill, Shape before, Shape behind) {
    const size_t rank = v.shape().size();
    const Shape none(rank, Dim(0));
    Shape start = none, back = none;
    bool cuts = false, pads = false;
    auto negative = [](const Dim& d) { return d.is_constant() && d.constant() < 0; };
    for (size_t d = 0; d < rank; ++d) {
      if (negative(before[d])) start[d] = Dim(0) - before[d], before[d] = Dim(0), cuts = true;
      if (negative(behind[d])) back[d] = Dim(0) - behind[d], behind[d] = Dim(0), cuts = true;
      pads = pads || before[d] != Dim(0) || behind[d] != Dim(0);
    }
    if (pads) v = pad(v, number(v, fill), before, behind, none);
    if (!cuts) return v;
    Shape limit = v.shape();
    for (size_t d = 0; d < rank; ++d) limit[d] = limit[d] - back[d];
    return slice(v, start, limit, Shape(rank, Dim(1)));
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
  // The element of each window at a tap, from what is covered.
  V at_tap(V all, const Axes& tap) const {
    Shape start(all.shape().size(), Dim(0)), limit = all.shape(), step(start.size(), Dim(1));
    for (size_t w = 0; w < axes.size(); ++w) {
      const auto d = static_cast<size_t>(axes[w]);
      start[d] = Dim(tap[w] * dilation[w]);
      step[d] = Dim(stride[w]);
      limit[d] = start[d] + (extents[w] - 1) * stride[w] + 1;
    }
    return slice(all, start, limit, step);
  }
  // The other way: where elements at a tap come from, zeros elsewhere.
  V from_tap(V v, const Axes& tap) const {
    Shape before(v.shape().size(), Dim(0)), behind = before, between = before;
    for (size_t w = 0; w < axes.size(); ++w) {
      const auto d = static_cast<size_t>(axes[w]);
      before[d] = Dim(tap[w] * dilation[w]);
      between[d] = Dim(stride[w] - 1);
      behind[d] = reach(size[w], dilation[w]) - 1 - before[d];
    }
    return pad(v, number(v, 0), before, behind, between);
  }
  // What is covered, cut or padded back to x.
  V of_x(V all) const {
    Shape before(all.shape().size(), Dim(0)), behind = before;
    for (size_t w = 0; w < axes.size(); ++w) {
      const auto d = static_cast<size_t>(axes[w]);
      before[d] = Dim(0) - low[w];
      behind[d] = extent(w) + low[w] - span(w);
    }
    return resized(all, 0, before, behind);
  }
};

// Element i is in window o at tap k where o * stride = i + low - k * dilation: a window over the spread
// cotangent, taps from the other end.
void sum_vjp(ir::VjpContext& c) {
  const Rule r(c);
  if (r.empty()) return r.nothing(c);
  V g = r.g;
  Shape none(g.shape().size(), Dim(0)), between = none, low, extents;
  bool spreads = false;
  for (size_t w = 0; w < r.axes.size(); ++w) {
    between[static_cast<size_t>(r.axes[w])] = Dim(r.stride[w] - 1);
    spreads = spreads || r.stride[w] > 1;
    low.push_back(reach(r.size[w], r.dilation[w]) - 1 - r.low[w]);
    extents.push_back(r.extent(w));
  }
  if (spreads) g = pad(g, number(g, 0), none, none, between);
  c.out[0] = emit("window_sum", {g},
                  {{"axes", r.axes},
                   {"size", r.size},
                   {"stride", Axes(r.axes.size(), 1)},
                   {"dilation", r.dilation},
                   {"low", low},
                   {"extents", extents}})
                 .id;
}

double identity_of(ir::Combiner combiner) {
  switch (combiner) {
    case ir::Combiner::max:
      return -std::numeric_limits<double>::infinity();
    case ir::Combiner::min:
      return std::numeric_limits<double>::infinity();
    case ir::Combiner::prod:
      return 1;
    default:
      return 0;
  }
}

// The cotangent is divided equally among a window's elements that equal the extreme (see reduce_max).
void extreme_vjp(ir::VjpContext& c) {
  const Rule r(c);
  if (r.empty()) return r.nothing(c);
  const V all = r.covered(identity_of(c.node.op->iteration()->combiner));
  V ties;
  r.each_tap([&](const Axes& tap) {
    const V hit = select(equal(r.at_tap(all, tap), r.y), 1.0, zeros_like(r.y));
    ties = ties.b == nullptr ? hit : ties + hit;
  });
  const V share = r.g / ties;
  V sum;
  r.each_tap([&](const Axes& tap) {
    const V part = r.from_tap(select(equal(r.at_tap(all, tap), r.y), share, 0.0), tap);
    sum = sum.b == nullptr ? part : sum + part;
  });
  c.out[0] = r.of_x(sum).id;
}

// The product of the others: those before times those behind, without a division (see reduce_prod).
void prod_vjp(ir::VjpContext& c) {
  const Rule r(c);
  if (r.empty()) return r.nothing(c);
  const V all = r.covered(1);
  std::vector<Axes> taps;
  std::vector<V> elements, behind;
  r.each_tap([&](const Axes& tap) {
    taps.push_back(tap);
    elements.push_back(r.at_tap(all, tap));
  });
  V after = number_like(r.y, 1);
  for (size_t i = taps.size(); i-- > 0;) {
    behind.push_back(after);
    after = after * elements[i];
  }
  V before = number_like(r.y, 1), sum;
  for (size_t i = 0; i < taps.size(); ++i) {
    const V part = r.from_tap(r.g * (before * behind[taps.size() - 1 - i]), taps[i]);
    sum = i == 0 ? part : sum + part;
    before = before * elements[i];
  }
  c.out[0] = r.of_x(sum).id;
}

// --- Sample ----------------------------------------------------------------------------------------------

void sample(ir::SampleContext& s) {
  Shape shape, low, extents;
  Axes axes, size, stride, dilation;
  const int64_t rank = s.draw(s.state, 0, 3);
  for (int64_t i = 0; i < rank; ++i) {
    if (s.draw(s.state, 0, 1) == 0) {
      shape.push_back(s.draw_dim(s.state));
      continue;
    }
    axes.push_back(i);
    size.push_back(s.draw(s.state, 1, 3));
    stride.push_back(s.draw(s.state, 1, 3));
    dilation.push_back(s.draw(s.state, 1, 2));
    low.push_back(Dim(s.draw(s.state, -1, 2)));
    extents.push_back(Dim(s.draw(s.state, 1, 4)));
    shape.push_back(Dim(s.draw(s.state, 1, 8)));
  }
  s.operands = {{s.dtype, std::move(shape)}};
  s.attrs = {axes, size, stride, dilation, low, extents};
}

constexpr ir::IterationForm over_windows(ir::Combiner combiner) {
  return {.combiner = combiner, .describe = describe};
}
constexpr ir::IterationForm sum_form = over_windows(ir::Combiner::sum),
                            prod_form = over_windows(ir::Combiner::prod),
                            max_form = over_windows(ir::Combiner::max),
                            min_form = over_windows(ir::Combiner::min);
constexpr OperandDef numbers[] = {{.name = "x", .doc = "the value", .dtypes = DTypes::numbers}};
constexpr AttrDef attrs[] = {
    {.name = "axes", .kind = AttrKind::integers, .doc = "dimensions that windows run along"},
    {.name = "size", .kind = AttrKind::integers, .doc = "of each axis: elements of a window"},
    {.name = "stride",
     .kind = AttrKind::integers,
     .doc = "of each axis: from a window to the next; the size where left out",
     .derive = derive_size},
    {.name = "dilation",
     .kind = AttrKind::integers,
     .doc = "of each axis: from an element of a window to the next; 1 where left out",
     .derive = derive_ones},
    {.name = "low",
     .kind = AttrKind::dims,
     .doc = "of each axis: elements before the first at which the first window begins; 0 where left out",
     .derive = derive_low},
    {.name = "extents",
     .kind = AttrKind::dims,
     .doc = "of each axis: windows; as many as end inside where left out",
     .derive = derive_extents}};

constexpr OpDef defs[] = {
    {.name = "window_sum",
     .doc = "Sums over windows; what lies outside is left out.",
     .operands = numbers,
     .attrs = attrs,
     .form = &sum_form,
     .infer = infer,
     .vjp = sum_vjp,
     .sample = sample},
    {.name = "window_prod",
     .doc = "Products over windows; what lies outside is left out.",
     .operands = numbers,
     .attrs = attrs,
     .form = &prod_form,
     .infer = infer,
     .vjp = prod_vjp,
     .sample = sample},
    {.name = "window_max",
     .doc =
         "Largest elements of windows, a NaN where there is one; what lies outside is left out, and a window "
         "that lies outside whole gives -inf or the lowest integer. The gradient is divided equally among a "
         "window's elements that equal it.",
     .operands = numbers,
     .attrs = attrs,
     .form = &max_form,
     .infer = infer,
     .vjp = extreme_vjp,
     .sample = sample},
    {.name = "window_min",
     .doc =
         "Smallest elements of windows, a NaN where there is one; what lies outside is left out, and a "
         "window "
         "that lies outside whole gives +inf or the highest integer. The gradient is divided equally among a "
         "window's elements that equal it.",
     .operands = numbers,
     .attrs = attrs,
     .form = &min_form,
     .infer = infer,
     .vjp = extreme_vjp,
     .sample = sample},
};

}  // namespace

TENON_OP_FAMILY(window) = defs;

}  // namespace tenon::ops
