// convolution: sums of products over windows, in any layout. The derivatives for both factors are
// convolutions again, of any order.
//
// Dimensions of lhs are batch, window, contracting or free, those of rhs likewise; a factor's window
// dimension pairs with one of the other's. Along a window, element i of lhs meets tap k of rhs in result o
// where
//   i * lhs_dilation = o * stride + k * rhs_dilation - low
// What lies outside of lhs is left out of the sum. Result: the dimensions of lhs in their order, the
// contracted ones left out, an extent of `extents` for each window; then the free ones of rhs. So [n, h, w,
// c] with [kh, kw, c, o] gives [n, h', w', o], and with the cotangent [n, h', w', o] in place of weights, n
// contracted, the weights' own layout [kh, kw, c, o].
#include <algorithm>

#include "ops/contraction.h"
#include "ops/convolution.h"
#include "ops/family.h"
#include "ops/rules.h"
#include "ops/window.h"

namespace tenon::ops {
namespace {

// --- Shape rule ------------------------------------------------------------------------------------------

Status check_side(InferContext& c, size_t operand, std::initializer_list<std::string_view> names) {
  const auto rank = static_cast<int64_t>(c.operands[operand].rank());
  Axes all;
  for (const std::string_view name : names) {
    Axes axes = c.get<Axes>(name);
    for (int64_t& axis : axes) {
      if (axis < -rank || axis >= rank)
        return c.fail(Code::bad_attribute,
                      std::string(name) + " " + std::to_string(axis) + " is outside the " +
                          std::to_string(rank) + " dimensions of " + operand_text(c, operand),
                      "dimensions count from 0, negative ones from the end");
      if (axis < 0) axis += rank;
      if (contains(all, axis))
        return c.fail(
            Code::bad_attribute,
            "dimension " + std::to_string(axis) + " of " + operand_text(c, operand) + " is named twice",
            "a dimension is batch, contracting, a window or free");
      all.push_back(axis);
    }
    c.set(name, std::move(axes));
  }
  return Ok{};
}

constexpr const char* give_one = "give one for each of `lhs_window`";

// A list of one number for each window, within low..high.
Status check_steps(const InferContext& c, std::string_view name, int64_t low, int64_t high) {
  const Axes& steps = c.get<Axes>(name);
  const size_t windows = c.get<Axes>("lhs_window").size();
  if (steps.size() != windows)
    return c.fail(Code::bad_attribute,
                  std::string(name) + " has " + std::to_string(steps.size()) + " numbers, there are " +
                      std::to_string(windows) + " windows; " + operands_text(c),
                  give_one);
  for (const int64_t step : steps)
    if (step < low || step > high)
      return c.fail(Code::bad_attribute,
                    std::string(name) + " is " + std::to_string(step) + ", wants " + std::to_string(low) +
                        " to " + std::to_string(high) + "; " + operands_text(c),
                    "take a number in that range");
  return Ok{};
}

Status check_windows(const InferContext& c) {
  for (const std::string_view name : {"stride", "lhs_dilation", "rhs_dilation"})
    TENON_TRY(check_steps(c, name, 1, most_window_step));
  TENON_TRY(check_steps(c, "reversed", 0, 1));
  const size_t windows = c.get<Axes>("lhs_window").size();
  const Shape &low = c.get<Shape>("low"), &extents = c.get<Shape>("extents");
  const std::string wanted =
      " entries, wants one for each of the " + std::to_string(windows) + " windows; " + operands_text(c);
  if (low.size() != windows)
    return c.fail(Code::bad_attribute, "low has " + std::to_string(low.size()) + wanted, give_one);
  if (extents.size() != windows)
    return c.fail(Code::bad_attribute, "extents has " + std::to_string(extents.size()) + wanted, give_one);
  for (size_t w = 0; w < windows; ++w) {
    const Dim &l = c.operands[0].shape[static_cast<size_t>(c.get<Axes>("lhs_window")[w])],
              &r = c.operands[1].shape[static_cast<size_t>(c.get<Axes>("rhs_window")[w])];
    TENON_TRY(
        want_window(c, low[w], extents[w], r, c.get<Axes>("rhs_dilation")[w], c.get<Axes>("stride")[w]));
    TENON_TRY(want_window(c, low[w], l, r, c.get<Axes>("rhs_dilation")[w], c.get<Axes>("lhs_dilation")[w]));
    if (!provably_at_least(c, extents[w], 0))
      return c.fail(Code::shape_mismatch,
                    "the window of " + r.text() + " may not fit into the " + l.text() +
                        " elements of window " + std::to_string(w) + "; " + operands_text(c),
                    "pad more (`low`, `extents`), or declare a range that starts at the window");
  }
  return Ok{};
}

ir::Attr derive_ones(const InferContext& c) { return Axes(c.get<Axes>("lhs_window").size(), 1); }
ir::Attr derive_zeros(const InferContext& c) { return Axes(c.get<Axes>("lhs_window").size(), 0); }
ir::Attr derive_low(const InferContext& c) { return Shape(c.get<Axes>("lhs_window").size(), Dim(0)); }

// Windows that begin at -low and end inside.
ir::Attr derive_extents(const InferContext& c) {
  const Axes &l = c.get<Axes>("lhs_window"), &r = c.get<Axes>("rhs_window");
  Shape out;
  // Lists that do not fit are refused behind this.
  for (size_t w = 0; w < l.size(); ++w) {
    auto step = [&](std::string_view name) {
      const Axes& steps = c.get<Axes>(name);
      return w < steps.size() ? std::clamp<int64_t>(steps[w], 1, most_window_step) : 1;
    };
    auto extent = [&](size_t operand, const Axes& axes) {
      const auto rank = static_cast<int64_t>(c.operands[operand].rank());
      const int64_t axis = w < axes.size() ? (axes[w] < 0 ? axes[w] + rank : axes[w]) : 0;
      return axis >= 0 && axis < rank ? c.operands[operand].shape[static_cast<size_t>(axis)] : Dim(1);
    };
    const Shape& low = c.get<Shape>("low");
    const Dim first = w < low.size() ? low[w] : Dim(0);
    const Dim room = window_reach(extent(0, l), step("lhs_dilation")) + first -
                     window_reach(extent(1, r), step("rhs_dilation"));
    out.push_back(windows_in(room, step("stride")));
  }
  return out;
}

Status infer(InferContext& c) {
  TENON_TRY(same_dtype(c, 0, 1));
  TENON_TRY(check_side(c, 0, {"lhs_batch", "lhs_contract", "lhs_window"}));
  TENON_TRY(check_side(c, 1, {"rhs_batch", "rhs_contract", "rhs_window"}));
  TENON_TRY(check_pairs(c, "lhs_batch", "rhs_batch", true));
  TENON_TRY(check_pairs(c, "lhs_contract", "rhs_contract", true));
  TENON_TRY(check_pairs(c, "lhs_window", "rhs_window", false));
  TENON_TRY(check_windows(c));
  if (const int64_t block = c.get<int64_t>("block"); block < 1 || block > most_window_step)
    return c.fail(Code::bad_attribute, "block is " + std::to_string(block) + ", wants 1 to 1048576",
                  "leave it out");
  const Factor l = factor_of(c, true, c.operands[0].rank()), r = factor_of(c, false, c.operands[1].rank());
  Type result{c.operands[0].dtype, {}};
  for (int64_t d = 0; d < static_cast<int64_t>(c.operands[0].rank()); ++d) {
    if (contains(l.contract, d)) continue;
    const auto window = std::find(l.window.begin(), l.window.end(), d);
    result.shape.push_back(window == l.window.end()
                               ? c.operands[0].shape[static_cast<size_t>(d)]
                               : c.get<Shape>("extents")[static_cast<size_t>(window - l.window.begin())]);
  }
  for (const int64_t d : r.free) result.shape.push_back(c.operands[1].shape[static_cast<size_t>(d)]);
  c.results = {std::move(result)};
  return Ok{};
}

// --- What it is ------------------------------------------------------------------------------------------

// Axes: the result's dimensions, then the window and contracting dimensions of rhs in their order.
ir::Iteration describe(const ir::Node& node, const std::vector<Type>& operands, const Type& result) {
  const Factor l = factor_of(node, true, operands[0].rank()), r = factor_of(node, false, operands[1].rank());
  const Shape& low = node.get<Shape>("low");
  ir::Iteration out;
  out.operands.resize(2);
  std::vector<ir::AffineIndex>&left = out.operands[0].index, &right = out.operands[1].index;
  left.assign(operands[0].rank(), ir::affine_constant(Dim(0)));
  right.assign(operands[1].rank(), ir::affine_constant(Dim(0)));
  auto partner = [](const Axes& of, const Axes& others, int64_t d) -> std::optional<size_t> {
    const auto at = std::find(of.begin(), of.end(), d);
    return at == of.end() ? std::nullopt
                          : std::optional<size_t>(others[static_cast<size_t>(at - of.begin())]);
  };
  for (uint32_t a = 0; a < result.rank(); ++a) {
    out.axes.push_back({result.shape[a], ir::Axis::Role::kept});
    out.result.index.push_back(ir::affine_axis(a));
  }
  uint32_t axis = 0;
  for (int64_t d = 0; d < static_cast<int64_t>(operands[0].rank()); ++d) {
    if (contains(l.contract, d)) continue;
    left[static_cast<size_t>(d)] = ir::affine_axis(axis);
    if (const auto other = partner(l.batch, r.batch, d)) right[*other] = ir::affine_axis(axis);
    ++axis;
  }
  for (const int64_t d : r.free) right[static_cast<size_t>(d)] = ir::affine_axis(axis++);
  for (int64_t d = 0; d < static_cast<int64_t>(operands[1].rank()); ++d) {
    const auto at = static_cast<size_t>(d);
    const Dim& extent = operands[1].shape[at];
    const auto reduced = static_cast<uint32_t>(out.axes.size());
    if (const auto other = partner(r.contract, l.contract, d)) {
      out.axes.push_back({extent, ir::Axis::Role::reduced});
      right[at] = left[*other] = ir::affine_axis(reduced);
      continue;
    }
    const auto window = std::find(r.window.begin(), r.window.end(), d);
    if (window == r.window.end()) continue;
    const auto w = static_cast<size_t>(window - r.window.begin());
    const int64_t stride = node.get<Axes>("stride")[w], by = node.get<Axes>("lhs_dilation")[w],
                  dilation = node.get<Axes>("rhs_dilation")[w];
    out.axes.push_back({extent, ir::Axis::Role::reduced});
    right[at] = ir::affine_axis(reduced);
    if (node.get<Axes>("reversed")[w] != 0) right[at] = {extent - 1, {{reduced, Dim(-1)}}};
    const auto dimension = static_cast<uint32_t>(l.window[w]);
    const uint32_t point = left[dimension].parts[0].axis;
    left[dimension] = {Dim(0) - low[w], {{point, Dim(stride)}, {reduced, Dim(dilation)}}};
    // Windows that are shown to lie inside need no guard.
    const Dim behind = operands[0].shape[dimension] - window_reach(extent, dilation) + low[w] -
                       (result.shape[point] - 1) * stride;
    const bool inside = by == 1 && low[w].is_constant() && low[w].constant() <= 0 && behind.is_constant() &&
                        behind.constant() >= 0;
    if (!inside) out.operands[0].guarded.push_back(dimension);
    if (by != 1) out.operands[0].divided.push_back({dimension, by});
  }
  out.elements = {0, 1};
  return out;
}

ir::Order order_of(const ir::Node& node) { return {1, node.get<int64_t>("block")}; }

// --- Sample ----------------------------------------------------------------------------------------------

void sample(ir::SampleContext& s) {
  enum Role { batch, contract, window, free };
  struct Place {
    Role role;
    size_t number;
  };
  auto draw = [&](int64_t low, int64_t high) { return s.draw(s.state, low, high); };
  std::vector<Place> left, right;
  Type lhs{s.dtype, {}}, rhs{s.dtype, {}};
  auto insert = [&](Type& type, std::vector<Place>& places, const Dim& extent, Place place) {
    const int64_t at = draw(0, static_cast<int64_t>(places.size()));
    type.shape.insert(type.shape.begin() + at, extent);
    places.insert(places.begin() + at, place);
  };
  size_t counts[3] = {static_cast<size_t>(draw(0, 1)), static_cast<size_t>(draw(0, 1)),
                      static_cast<size_t>(draw(0, 2))};
  Axes steps[4];  // stride, lhs_dilation, rhs_dilation, reversed
  Shape low, extents;
  for (size_t n = 0; n < counts[window]; ++n) {
    const Dim l = s.draw_dim(s.state);
    insert(lhs, left, l + draw(0, 3), {window, n});
    insert(rhs, right, Dim(draw(1, 3)), {window, n});
    for (size_t i = 0; i < 3; ++i) steps[i].push_back(draw(0, 1) == 0 ? 1 : draw(1, 3));
    steps[3].push_back(draw(0, 1));
    low.push_back(Dim(draw(-1, 3)));
    extents.push_back(draw(0, 3) == 0 ? l : Dim(draw(0, 5)));
  }
  for (const Role role : {batch, contract})
    for (size_t n = 0; n < counts[role]; ++n) {
      const Dim d = s.draw_dim(s.state);
      insert(lhs, left, d, {role, n});
      insert(rhs, right, d, {role, n});
    }
  if (draw(0, 1) != 0) insert(lhs, left, s.draw_dim(s.state), {free, 0});
  if (draw(0, 2) != 0) insert(rhs, right, s.draw_dim(s.state), {free, 0});
  Axes named[6];  // as attributes stand
  auto name = [&](const std::vector<Place>& places, size_t side) {
    for (const Role role : {batch, contract, window}) {
      named[2 * role + side].resize(counts[role]);
      for (size_t d = 0; d < places.size(); ++d)
        if (places[d].role == role) named[2 * role + side][places[d].number] = static_cast<int64_t>(d);
    }
  };
  name(left, 0);
  name(right, 1);
  s.operands = {std::move(lhs), std::move(rhs)};
  s.attrs = {named[0], named[1], named[2], named[3], named[4], named[5], steps[0],
             steps[1], steps[2], low,      extents,  steps[3], {}};
  if (draw(0, 2) == 0) s.attrs.back() = draw(1, 9);
}

constexpr ir::IterationForm form{.step = ir::Accumulate::multiply, .describe = describe, .order = order_of};
constexpr OperandDef operands[] = {
    {.name = "lhs", .doc = "what windows lie over", .dtypes = DTypes::numbers},
    {.name = "rhs", .doc = "the taps of a window, of lhs' type", .dtypes = DTypes::numbers}};
constexpr AttrDef attrs[] = {
    {.name = "lhs_batch",
     .kind = AttrKind::integers,
     .doc = "dimensions of lhs that run along with rhs' (groups)",
     .preset = "[]"},
    {.name = "rhs_batch",
     .kind = AttrKind::integers,
     .doc = "their partners in rhs, in order",
     .preset = "[]"},
    {.name = "lhs_contract",
     .kind = AttrKind::integers,
     .doc = "dimensions of lhs that are summed over (channels)",
     .preset = "[]"},
    {.name = "rhs_contract",
     .kind = AttrKind::integers,
     .doc = "their partners in rhs, in order",
     .preset = "[]"},
    {.name = "lhs_window",
     .kind = AttrKind::integers,
     .doc = "dimensions of lhs that windows run along",
     .preset = "[]"},
    {.name = "rhs_window",
     .kind = AttrKind::integers,
     .doc = "the taps' dimensions in rhs, in order",
     .preset = "[]"},
    {.name = "stride",
     .kind = AttrKind::integers,
     .doc = "of each window: from a result to the next; 1 where left out",
     .derive = derive_ones},
    {.name = "lhs_dilation",
     .kind = AttrKind::integers,
     .doc = "of each window: places from an element of lhs to the next; 1 where left out",
     .derive = derive_ones},
    {.name = "rhs_dilation",
     .kind = AttrKind::integers,
     .doc = "of each window: places from a tap to the next; 1 where left out",
     .derive = derive_ones},
    {.name = "low",
     .kind = AttrKind::dims,
     .doc = "of each window: elements before the first of lhs at which the first result's window begins; 0 "
            "where "
            "left out",
     .derive = derive_low},
    {.name = "extents",
     .kind = AttrKind::dims,
     .doc = "of each window: results; as many as end inside where left out",
     .derive = derive_extents},
    {.name = "reversed",
     .kind = AttrKind::integers,
     .doc = "of each window: 1 where the last tap comes first; 0 where left out",
     .derive = derive_zeros},
    {.name = "block",
     .kind = AttrKind::integer,
     .doc = "products, those left out among them, that are summed before they are added to others",
     .preset = "512"}};

constexpr OpDef defs[] = {
    {.name = "convolution",
     .doc =
         "Sum of products over windows and contracting dimensions, in any layout. Along a window, element i "
         "of "
         "lhs meets tap k in result o where i * lhs_dilation = o * stride + k * rhs_dilation - low; what "
         "lies "
         "outside of lhs is left out of the sum. Dimensions of the result: those of lhs in their order, the "
         "contracting ones left out, an extent for each window; then the free ones of rhs. Products enter by "
         "fused multiply-add in the order of rhs' window and contracting dimensions, in blocks of `block`.",
     .operands = operands,
     .attrs = attrs,
     .form = &form,
     .infer = infer,
     .vjp = convolution_vjp,
     .sample = sample},
};

}  // namespace

TENON_OP_FAMILY(convolution) = defs;

}  // namespace tenon::ops
