// Reductions over windows: sums, products and extremes of the elements that a window lies over, those outside
// left out. The derivatives are made of slices, paddings and windows, so that any order follows.
//
// Along a window, result o meets the elements i = o * stride + k * dilation - low for k = 0 .. size - 1.
#include <algorithm>

#include "ops/family.h"
#include "ops/window.h"

namespace tenon::ops {
namespace {

// --- Shape rule ------------------------------------------------------------------------------------------

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
      return w < steps.size() ? std::clamp<int64_t>(steps[w], 1, most_window_step) : 1;
    };
    const int64_t axis = axes[w] < 0 ? axes[w] + rank : axes[w];
    const Shape& low = c.get<Shape>("low");
    if (axis < 0 || axis >= rank || w >= low.size()) return Shape(axes.size(), Dim(0));
    const Dim room = c.operands[0].shape[static_cast<size_t>(axis)] + low[w] -
                     window_reach(step("size"), step("dilation"));
    out.push_back(windows_in(room, step("stride")));
  }
  return out;
}

constexpr const char* give_one = "give one for each of `axes`";

Status infer(InferContext& c) {
  const Type& x = c.operands[0];
  TENON_TRY(take_axes(c, "axes", x.rank(), false));
  const Axes& axes = c.get<Axes>("axes");
  const std::string wanted =
      ", wants one for each of the " + std::to_string(axes.size()) + " axes; " + operand_text(c, 0);
  int64_t elements = 1;
  for (const std::string_view name : {"size", "stride", "dilation"}) {
    const Axes& steps = c.get<Axes>(name);
    if (steps.size() != axes.size())
      return c.fail(Code::bad_attribute, std::string(name) + " has " + std::to_string(steps.size()) + wanted,
                    give_one);
    for (const int64_t step : steps) {
      if (step < 1 || step > most_window_step)
        return c.fail(Code::bad_attribute,
                      std::string(name) + " is " + std::to_string(step) + ", wants 1 to " +
                          std::to_string(most_window_step) + "; " + operand_text(c, 0),
                      "take a number in that range");
      if (name == "size") elements = std::min(elements * step, most_window_elements + 1);
    }
  }
  // Derivatives of extremes and products look at each element of a window.
  if (c.op->iteration()->combiner != ir::Combiner::sum && elements > most_window_elements)
    return c.fail(
        Code::bad_attribute,
        "a window has more than " + std::to_string(most_window_elements) + " elements; " + operand_text(c, 0),
        "take it in steps, axis by axis, or reduce a reshaped value");
  const Shape &low = c.get<Shape>("low"), &extents = c.get<Shape>("extents");
  if (low.size() != axes.size())
    return c.fail(Code::bad_attribute, "low has " + std::to_string(low.size()) + wanted, give_one);
  if (extents.size() != axes.size())
    return c.fail(Code::bad_attribute, "extents has " + std::to_string(extents.size()) + wanted, give_one);
  Type result = x;
  for (size_t w = 0; w < axes.size(); ++w) {
    Dim& extent = result.shape[static_cast<size_t>(axes[w])];
    TENON_TRY(want_window(c, low[w], extents[w], Dim(c.get<Axes>("size")[w]), c.get<Axes>("dilation")[w],
                          c.get<Axes>("stride")[w]));
    if (!provably_at_least(c, extents[w], 0))
      return c.fail(Code::shape_mismatch,
                    "a window of " + std::to_string(c.get<Axes>("size")[w]) + " may not fit along axis " +
                        std::to_string(axes[w]) + " of " + operand_text(c, 0),
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
    const Dim behind =
        operands[0].shape[at] + low - window_reach(size, dilation) - (result.shape[at] - 1) * stride;
    const bool inside =
        low.is_constant() && low.constant() <= 0 && behind.is_constant() && behind.constant() >= 0;
    if (!inside) out.operands[0].guarded.push_back(at);
  }
  return out;
}

// --- Geometry --------------------------------------------------------------------------------------------

}  // namespace

Dim windows_in(const Dim& room, int64_t stride) {
  if (room.is_constant() && room.constant() < 0) return Dim(-1);
  return Dim::floor_div(room, Dim(stride)) + 1;
}

Status want_window(const InferContext& c, const Dim& low, const Dim& extents, const Dim& size,
                   int64_t dilation, int64_t stride) {
  constexpr int64_t most_low = int64_t{1} << 33, most_reach = int64_t{1} << 31, most_span = int64_t{1} << 40;
  const auto fail = [&](const std::string& what, const char* mend) {
    return c.fail(Code::bad_attribute, what + "; " + operands_text(c), mend);
  };
  if (low.is_constant() && (low.constant() < -most_low || low.constant() > most_low))
    return fail("low is " + low.text() + ", wants -2^33 to 2^33", "pad less");
  if (size.is_constant() && size.constant() > 0 && (size.constant() - 1) > most_reach / dilation)
    return fail("a window of " + size.text() + " at dilation " + std::to_string(dilation) +
                    " reaches past 2^31 places",
                "take a smaller window or dilation");
  if (extents.is_constant() && extents.constant() > most_span / stride)
    return fail(extents.text() + " results at stride " + std::to_string(stride) + " reach past 2^40 places",
                "take fewer results or a smaller stride");
  return Ok{};
}

namespace {

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
    // Sometimes no results, of an axis that may be empty, or as many as fit.
    const bool drawn = s.draw(s.state, 0, 2) == 0;
    extents.push_back(drawn ? s.draw_dim(s.state) : Dim(s.draw(s.state, 0, 4)));
    shape.push_back(s.draw(s.state, 0, 2) == 0 ? s.draw_dim(s.state) : Dim(s.draw(s.state, 1, 8)));
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
     .vjp = window_sum_vjp,
     .sample = sample},
    {.name = "window_prod",
     .doc = "Products over windows; what lies outside is left out.",
     .operands = numbers,
     .attrs = attrs,
     .form = &prod_form,
     .infer = infer,
     .vjp = window_prod_vjp,
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
     .vjp = window_extreme_vjp,
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
     .vjp = window_extreme_vjp,
     .sample = sample},
};

}  // namespace

TENON_OP_FAMILY(window) = defs;

}  // namespace tenon::ops
