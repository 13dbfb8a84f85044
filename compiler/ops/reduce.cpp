// Reductions over axes, and the position of an extreme along one.
//
// The order of combination is part of the meaning (attributes lanes and block, see Order in
// ir/iteration.h). It is chosen from the declared axes only: 64 lanes in blocks of 8192 where the elements of
// a reduction lie side by side in memory (the last axis is among them); else 4 lanes in blocks of 256,
// because neighbouring results then fill the vector and each needs only a few chains of its own.
#include <bit>

#include "ops/combiner.h"
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

// Is the innermost dimension reduced? Trailing extents that are the constant 1 make no difference to it.
bool reduces_last(const InferContext& c) {
  const int64_t rank = static_cast<int64_t>(c.operands[0].rank());
  int64_t last = rank - 1;
  while (last > 0 && c.operands[0].shape[static_cast<size_t>(last)] == Dim(1)) --last;
  for (int64_t axis : c.get<Axes>("axes")) {
    if ((axis < 0 ? axis + rank : axis) == last) return true;
  }
  return false;
}
ir::Attr derive_lanes(const InferContext& c) { return int64_t{reduces_last(c) ? 64 : 4}; }
ir::Attr derive_block(const InferContext& c) { return int64_t{reduces_last(c) ? 8192 : 256}; }

Status infer_reduce(InferContext& c) {
  const Type& x = c.operands[0];
  TENON_TRY(take_axes(c, "axes", x.rank(), true));
  const int64_t lanes = c.get<int64_t>("lanes"), block = c.get<int64_t>("block");
  if (lanes < 1 || lanes > 64 || !std::has_single_bit(static_cast<uint64_t>(lanes))) {
    return c.fail(Code::bad_attribute,
                  "lanes is " + std::to_string(lanes) + ", wants a power of two up to 64");
  }
  if (block < lanes || block > (int64_t{1} << 20) || block % lanes != 0) {
    return c.fail(Code::bad_attribute, "block is " + std::to_string(block) + ", wants a multiple of lanes (" +
                                           std::to_string(lanes) + ") up to 1048576");
  }
  c.results = {{x.dtype, without_axes(x.shape, c.get<Axes>("axes"))}};
  return Ok{};
}

ir::Iteration describe_reduce(const ir::Node& node, const std::vector<Type>& operands, const Type&) {
  return reduced(operands[0], node.get<Axes>("axes"));
}
ir::Order order_of(const ir::Node& node) { return {node.get<int64_t>("lanes"), node.get<int64_t>("block")}; }
ir::Iteration describe_position(const ir::Node& node, const std::vector<Type>& operands, const Type&) {
  return reduced(operands[0], {node.get<int64_t>("axis")});
}

// --- Derivatives -----------------------------------------------------------------------------------------

struct Rule {
  V x, y, g;
  Axes axes;
  Shape shape;  // of x

  explicit Rule(ir::VjpContext& c)
      : x{&c.b, c.operands[0]},
        y{&c.b, c.results[0]},
        g{&c.b, c.cotangents[0]},
        axes(c.node.get<Axes>("axes")),
        shape(x.shape()) {}
  V over(V reduced) const { return spread(reduced, shape, axes); }
};

void sum_vjp(ir::VjpContext& c) {
  const Rule r(c);
  c.out[0] = r.over(r.g).id;
}

// The cotangent is divided equally among all elements that equal the extreme: the rule is then symmetric, and
// it is the mean of the one-sided derivatives where two elements tie. A NaN extreme gives no gradient.
void extreme_vjp(ir::VjpContext& c) {
  const Rule r(c);
  const V hit = equal(r.x, r.over(r.y));
  const V ties = reduce_sum(select(hit, 1.0, zeros_like(r.x)), r.axes);
  c.out[0] = select(hit, r.over(r.g / ties), 0.0).id;
}

// Along axis 0: the product of all elements before each one (behind, from the end); 1 at the first.
V exclusive_products(V x, bool from_the_end) {
  Shape row = x.shape();
  const Dim trip = row.front();
  row.erase(row.begin());
  auto body = std::make_unique<ir::Graph>();
  const ir::ValueId so_far = body->add_arg({x.dtype(), row}, ir::ArgKind::carry, "");
  const ir::ValueId element = body->add_arg({x.dtype(), row}, ir::ArgKind::slice, "");
  ir::Builder inside(*body, x.b->module());
  body->results = {inside.emit("mul", {so_far, element}), so_far};
  const ir::OpDef& loop = *ir::op_table().find("loop");
  ir::Attrs attrs(loop.attrs.size());
  attrs[loop.attr_index("trip")] = trip;
  attrs[loop.attr_index("reverse")] = from_the_end;
  std::vector<std::unique_ptr<ir::Graph>> regions;
  regions.push_back(std::move(body));
  const V one = broadcast_to(number(x, 1), row);
  return {x.b, x.b->emit_all(loop, {one.id, x.id}, std::move(attrs), std::move(regions))[1]};
}

// d y / d x_i is the product of the others: those before times those behind. No division, so it is right at
// zeros, infinities and NaN, and it is a polynomial: derivatives of any order are right there as well.
void prod_vjp(ir::VjpContext& c) {
  const Rule r(c);
  if (r.axes.empty()) {
    c.out[0] = r.g.id;
    return;
  }
  // The reduced axes first, as one; they are sorted, and keep their order among themselves.
  Axes perm = r.axes, back(r.shape.size());
  for (int64_t i = 0; i < r.x.rank(); ++i)
    if (!contains(r.axes, i)) perm.push_back(i);
  for (size_t i = 0; i < perm.size(); ++i) back[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  const V first = transpose(r.x, perm);
  Dim count = 1;
  for (int64_t axis : r.axes) count = count * r.shape[static_cast<size_t>(axis)];
  Shape rows = without_axes(r.shape, r.axes);
  rows.insert(rows.begin(), count);
  const V flat = reshape(first, rows);
  const V others = exclusive_products(flat, false) * exclusive_products(flat, true);
  c.out[0] = (r.over(r.g) * transpose(reshape(others, first.shape()), back)).id;
}

// --- argmax, argmin --------------------------------------------------------------------------------------

Status infer_arg(InferContext& c) {
  const Type& x = c.operands[0];
  TENON_TRY(take_axis(c, "axis", x.rank()));
  const int64_t axis = c.get<int64_t>("axis");
  const Dim& extent = x.shape[static_cast<size_t>(axis)];
  if (!provably_at_least(c, extent, 1)) {
    return c.fail(Code::shape_mismatch,
                  operand_text(c, 0) + " may have no element along axis " + std::to_string(axis),
                  "declare a range that starts at 1");
  }
  c.results = {{DType::i64, without_axes(x.shape, {axis})}};
  return Ok{};
}

// --- Samples ---------------------------------------------------------------------------------------------

void reduce_sample(ir::SampleContext& s) {
  Shape shape;
  Axes axes;
  const int64_t rank = s.draw(s.state, 0, 4);
  for (int64_t i = 0; i < rank; ++i) {
    shape.push_back(s.draw_dim(s.state));
    if (s.draw(s.state, 0, 1) == 1) axes.push_back(i);
  }
  s.operands = {{s.dtype, std::move(shape)}};
  s.attrs = {std::move(axes), {}, {}};
  if (s.draw(s.state, 0, 1) == 1) {  // several blocks, even in small operands
    const int64_t lanes = int64_t{1} << s.draw(s.state, 0, 3);
    s.attrs[1] = lanes;
    s.attrs[2] = lanes * s.draw(s.state, 1, 3);
  }
}
void bool_sample(ir::SampleContext& s) {
  s.dtype = DType::bool_;
  reduce_sample(s);
}
void arg_sample(ir::SampleContext& s) {
  Shape shape;
  const int64_t rank = s.draw(s.state, 1, 3), axis = s.draw(s.state, 0, rank - 1);
  for (int64_t i = 0; i < rank; ++i)
    shape.push_back(i == axis ? Dim(s.draw(s.state, 1, 20)) : s.draw_dim(s.state));
  s.operands = {{s.dtype, std::move(shape)}};
  s.attrs = {axis};
}

constexpr ir::IterationForm over_axes(ir::Combiner combiner) {
  return {.combiner = combiner, .describe = describe_reduce, .order = order_of};
}
constexpr ir::IterationForm position_of(ir::Combiner combiner) {
  return {.combiner = combiner, .yields = ir::Yields::position, .describe = describe_position};
}
constexpr ir::IterationForm sum_form = over_axes(ir::Combiner::sum),
                            prod_form = over_axes(ir::Combiner::prod),
                            max_form = over_axes(ir::Combiner::max), min_form = over_axes(ir::Combiner::min),
                            any_form = over_axes(ir::Combiner::any), all_form = over_axes(ir::Combiner::all),
                            argmax_form = position_of(ir::Combiner::max),
                            argmin_form = position_of(ir::Combiner::min);

constexpr OperandDef numbers[] = {{.name = "x", .doc = "the value", .dtypes = DTypes::numbers}};
constexpr OperandDef bools[] = {{.name = "x", .doc = "the value", .dtypes = DTypes::bools}};
constexpr AttrDef attrs[] = {
    {.name = "axes",
     .kind = AttrKind::integers,
     .doc = "dimensions that vanish; by default all",
     .derive = derive_all_axes},
    {.name = "lanes",
     .kind = AttrKind::integer,
     .doc = "logical lanes of the order of combination; by default 64 where the last axis (but for extents "
            "1) is reduced, else 4",
     .derive = derive_lanes},
    {.name = "block",
     .kind = AttrKind::integer,
     .doc = "elements of a block of the order of combination; by default 8192 where lanes is "
            "derived as 64, else 256",
     .derive = derive_block}};
constexpr AttrDef arg_attrs[] = {{.name = "axis",
                                  .kind = AttrKind::integer,
                                  .doc = "the dimension that vanishes; by default the last",
                                  .derive = derive_last_axis}};

constexpr OpDef defs[] = {
    {.name = "reduce_sum",
     .doc = "Sum over `axes`; of nothing: 0.",
     .operands = numbers,
     .attrs = attrs,
     .form = &sum_form,
     .infer = infer_reduce,
     .vjp = sum_vjp,
     .sample = reduce_sample},
    {.name = "reduce_prod",
     .doc = "Product over `axes`; of nothing: 1.",
     .operands = numbers,
     .attrs = attrs,
     .form = &prod_form,
     .infer = infer_reduce,
     .vjp = prod_vjp,
     .sample = reduce_sample},
    {.name = "reduce_max",
     .doc = "Largest element over `axes`, a NaN if there is one; of nothing: -inf or the lowest integer. The "
            "gradient is divided equally among the elements that equal it.",
     .operands = numbers,
     .attrs = attrs,
     .form = &max_form,
     .infer = infer_reduce,
     .vjp = extreme_vjp,
     .sample = reduce_sample},
    {.name = "reduce_min",
     .doc =
         "Smallest element over `axes`, a NaN if there is one; of nothing: +inf or the highest integer. The "
         "gradient is divided equally among the elements that equal it.",
     .operands = numbers,
     .attrs = attrs,
     .form = &min_form,
     .infer = infer_reduce,
     .vjp = extreme_vjp,
     .sample = reduce_sample},
    {.name = "reduce_any",
     .doc = "Whether any element over `axes` is true; of nothing: false.",
     .operands = bools,
     .attrs = attrs,
     .form = &any_form,
     .infer = infer_reduce,
     .zero_gradient = true,
     .sample = bool_sample},
    {.name = "reduce_all",
     .doc = "Whether all elements over `axes` are true; of nothing: true.",
     .operands = bools,
     .attrs = attrs,
     .form = &all_form,
     .infer = infer_reduce,
     .zero_gradient = true,
     .sample = bool_sample},
    {.name = "argmax",
     .doc = "Index (i64) of the first largest element along `axis`; a NaN counts as largest.",
     .operands = numbers,
     .attrs = arg_attrs,
     .form = &argmax_form,
     .infer = infer_arg,
     .zero_gradient = true,
     .sample = arg_sample},
    {.name = "argmin",
     .doc = "Index (i64) of the first smallest element along `axis`; a NaN counts as smallest.",
     .operands = numbers,
     .attrs = arg_attrs,
     .form = &argmin_form,
     .infer = infer_arg,
     .zero_gradient = true,
     .sample = arg_sample},
};

}  // namespace

TENON_OP_FAMILY(reduce) = defs;

std::string_view combining_operation(ir::Combiner combiner) {
  switch (combiner) {
    case ir::Combiner::sum:
      return "add";
    case ir::Combiner::prod:
      return "mul";
    case ir::Combiner::max:
      return "max";
    case ir::Combiner::min:
      return "min";
    case ir::Combiner::any:
      return "or";
    case ir::Combiner::all:
      return "and";
  }
  return "add";
}

}  // namespace tenon::ops
