// resize: x at other extents. Each result is made of the elements about its place in x, dimension by
// dimension.
#include "ops/composites/parts.h"
#include "ops/composites/sampling.h"
#include "ops/composites/spatial.h"
#include "ops/family.h"

namespace tenon::ops {
namespace {

// Element i + by in place of i along the axis; beyond the ends the first and the last.
V shifted(V x, int64_t axis, int64_t by) {
  for (; by != 0; by += by < 0 ? 1 : -1) {
    const Dim n = x.shape()[static_cast<size_t>(axis)];
    x = by < 0 ? concat({slice_along(x, axis, 0, 1), slice_along(x, axis, 0, n - 1)}, axis)
               : concat({slice_along(x, axis, 1, n), slice_along(x, axis, n - 1, n)}, axis);
  }
  return x;
}

// The sum of elements times weights, one for each index of `axis`. One element is that element.
V weighted(const std::vector<V>& elements, const std::vector<std::vector<double>>& weights, int64_t axis) {
  if (elements.size() == 1) return elements[0];
  V sum;
  for (size_t t = 0; t < elements.size(); ++t) {
    const V v = elements[t];
    const V part = v * constant_along(*v.b, v.dtype(), weights[t], v.shape(), axis);
    sum = sum.b == nullptr ? part : sum + part;
  }
  return sum;
}

// `factor` results for each element, those of one phase at one distance from their elements.
V by_phases(V x, int64_t axis, const Sampling& s, int64_t factor) {
  std::vector<V> elements;
  std::vector<std::vector<double>> weights;
  for (const std::vector<Run>& runs : phases_of(s, factor)) {
    std::vector<V> pieces;
    std::vector<double> all;
    for (const Run& run : runs) {
      const V piece =
          split_axis(shifted(x, axis, run.at), axis, x.shape()[static_cast<size_t>(axis)], Dim(1));
      Shape wide = piece.shape();
      wide[static_cast<size_t>(axis) + 1] = Dim(static_cast<int64_t>(run.weights.size()));
      pieces.push_back(broadcast_to(piece, wide));
      all.insert(all.end(), run.weights.begin(), run.weights.end());
    }
    elements.push_back(pieces.size() == 1 ? pieces[0] : concat(pieces, axis + 1));
    weights.push_back(std::move(all));
  }
  return merge_axis(weighted(elements, weights, axis + 1), axis);
}

// One result for each `factor` elements, of the same ones among them.
V by_strides(V x, int64_t axis, const Sampling& s, int64_t factor, const Dim& out) {
  const V apart = split_axis(x, axis, out, Dim(factor));
  const std::vector<Tap> taps = stride_taps(s, factor);
  const auto element = [&](const Tap& tap) {
    return merge_axis(slice_along(apart, axis + 1, tap.at, tap.at + 1), axis);
  };
  if (taps.front().at == taps.back().at) return element(taps[0]);
  return element(taps[0]) * taps[0].weight + element(taps[1]) * taps[1].weight;
}

V by_table(V x, int64_t axis, const Sampling& s, int64_t in, int64_t out) {
  const Table table = table_of(s, in, out);
  std::vector<V> elements;
  for (const std::vector<int64_t>& rows : table.rows)
    elements.push_back(take(x, row_numbers(*x.b, rows, {out}), axis));
  return weighted(elements, table.weights, axis);
}

std::vector<ir::ValueId> body(ir::BodyContext& c) {
  const Sampling s = sampling_of(c.node);
  const Shape& size = c.node.get<Shape>("size");
  V x{&c.b, c.operands[0]};
  for (size_t i = 0; i < size.size(); ++i) {
    const size_t axis = spatial_axis(channels_first(c.node), i);
    const auto at = static_cast<int64_t>(axis);
    const Dim in = x.shape()[axis];
    const Plan plan = plan_of(s, in, size[i]);
    if (plan.way == Way::phases) x = by_phases(x, at, s, plan.factor);
    if (plan.way == Way::strided) x = by_strides(x, at, s, plan.factor, size[i]);
    if (plan.way == Way::table) x = by_table(x, at, s, in.constant(), size[i].constant());
  }
  return {x.id};
}

// --- Declaration -----------------------------------------------------------------------------------------

ir::Attr derive_size(const InferContext& c) {
  const Axes& scale = c.get<Axes>("scale");
  Shape out = spatial_extents(c);
  if (scale.size() != out.size()) return Shape{};
  for (size_t i = 0; i < out.size(); ++i) out[i] = out[i] * scale[i];
  return out;
}

Status check_sizes(const InferContext& c) {
  const Shape &size = c.get<Shape>("size"), extents = spatial_extents(c);
  const Axes& scale = c.get<Axes>("scale");
  if (scale.empty() && size.empty())
    return c.fail(Code::bad_attribute, "neither size nor scale is given; " + operand_text(c, 0),
                  "size = [...] gives extents of the result, scale = [...] whole factors");
  if (!scale.empty()) TENON_TRY(want_numbers(c, "scale", 1, most_results));
  TENON_TRY(want_entries(c, "size", size.size()));
  for (size_t i = 0; i < size.size(); ++i) {
    const std::string where = " of spatial dimension " + std::to_string(i) + "; " + operand_text(c, 0);
    if (!scale.empty() && size[i] != extents[i] * scale[i])
      return c.fail(Code::bad_attribute,
                    "size is " + size[i].text() + ", scale = " + std::to_string(scale[i]) + " makes " +
                        (extents[i] * scale[i]).text() + where,
                    "give one of `size` and `scale`");
    if (!provably_at_least(c, size[i], 1))
      return c.fail(Code::bad_attribute, "size is " + size[i].text() + ", wants at least 1" + where,
                    "declare a range that starts at 1");
    if (!provably_at_least(c, extents[i], 1))
      return c.fail(Code::shape_mismatch,
                    "there may be none of the " + extents[i].text() + " elements" + where,
                    "declare a range that starts at 1");
    if (plan_of(sampling_of(c), extents[i], size[i]).way != Way::none) continue;
    return c.fail(Code::bad_attribute,
                  extents[i].text() + " elements do not become " + size[i].text() + where + ", method = " +
                      c.get<std::string>("method") + ", coordinates = " + c.get<std::string>("coordinates"),
                  "sizes that are known in the call only change by whole factors (not with align_corners, "
                  "cubic ones up); known ones go to 1048576");
  }
  return Ok{};
}

Status infer(InferContext& c) {
  TENON_TRY(want_spatial(c));
  Type out = c.operands[0];
  if (sampling_of(c).method != Method::nearest && !is_float(out.dtype))
    return c.fail(Code::dtype_mismatch,
                  operand_text(c, 0) + ", wants a float type for method = " + c.get<std::string>("method"),
                  "cast it, or take method = nearest");
  TENON_TRY(check_sizes(c));
  const Shape& size = c.get<Shape>("size");
  for (size_t i = 0; i < size.size(); ++i) out.shape[spatial_axis(channels_first(c), i)] = size[i];
  c.results = {std::move(out)};
  return Ok{};
}

void sample(ir::SampleContext& s) {
  auto draw = [&](int64_t low, int64_t high) { return s.draw(s.state, low, high); };
  const auto spatial = static_cast<size_t>(draw(1, 3));
  const bool by_scale = draw(0, 1) == 1, first = draw(0, 3) == 0;
  static constexpr const char* methods[] = {"nearest", "linear", "cubic"};
  static constexpr const char* coordinates[] = {"half_pixel", "align_corners", "asymmetric"};
  Shape x{s.draw_dim(s.state)}, size;
  Axes scale;
  for (size_t i = 0; i < spatial; ++i) {
    x.push_back(by_scale && spatial < 3 ? s.draw_dim(s.state) + 1 : Dim(draw(1, 5)));
    scale.push_back(draw(1, 3));
    size.push_back(Dim(draw(1, 7)));
  }
  x.insert(first ? x.begin() + 1 : x.end(), Dim(draw(1, 3)));
  s.operands = {{s.dtype, std::move(x)}};
  const auto method = static_cast<size_t>(is_float(s.dtype) ? draw(0, 2) : 0);
  s.attrs = {by_scale ? ir::Attr{} : ir::Attr{size}, by_scale ? scale : Axes{}, std::string(methods[method]),
             std::string(coordinates[by_scale ? 2 * draw(0, 1) : draw(0, 2)]),
             std::string(first ? "channels_first" : "channels_last")};
}

constexpr ir::CompositeForm form{body};
constexpr OperandDef operands[] = {
    {.name = "x", .doc = "[batch, spatial..., channels], 1 to 3 spatial dimensions"}};
constexpr AttrDef attrs[] = {
    {.name = "size",
     .kind = AttrKind::dims,
     .doc = "of each spatial dimension: extent of the result; that of x times `scale` where left out",
     .derive = derive_size},
    {.name = "scale",
     .kind = AttrKind::integers,
     .doc = "of each spatial dimension: a whole factor, in place of `size`",
     .preset = "[]"},
    {.name = "method",
     .kind = AttrKind::text,
     .doc = "nearest: the element next to the place, half way the later one (asymmetric: the one before); "
            "linear: of two; cubic: of four, a = -0.75",
     .preset = "nearest",
     .choices = "nearest|linear|cubic"},
    {.name = "coordinates",
     .kind = AttrKind::text,
     .doc = "place in x of result i: half_pixel (i + 1/2) in / out - 1/2; align_corners i (in - 1) / (out - "
            "1); asymmetric i in / out",
     .preset = "half_pixel",
     .choices = "half_pixel|align_corners|asymmetric"},
    spatial_layout};

constexpr OpDef defs[] = {
    {.name = "resize",
     .doc = "x with other extents: each result is made of the elements about its place, along one dimension "
            "after the other; beyond the ends stand the first and the last. Extents that are known in the "
            "call only change by whole factors. nearest takes any element type.",
     .operands = operands,
     .attrs = attrs,
     .form = &form,
     .infer = infer,
     .vjp = resize_vjp,
     .sample = sample},
};

}  // namespace

TENON_OP_FAMILY(resize) = defs;

}  // namespace tenon::ops
