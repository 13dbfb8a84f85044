// The largest element of each window along an axis, and where in the window it is: two results of one
// iteration, added by this file alone.
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

Status infer(InferContext& c) {
  const Type& x = c.operands[0];
  TENON_TRY(take_axis(c, "axis", x.rank()));
  const auto axis = static_cast<size_t>(c.get<int64_t>("axis"));
  const int64_t size = c.get<int64_t>("size"), stride = c.get<int64_t>("stride");
  if (size < 1 || size > 64 || stride < 1 || stride > 64)
    return c.fail(Code::bad_attribute, "size and stride want 1 to 64");
  const Dim free = x.shape[axis] - size;
  if (!provably_at_least(c, free, 0))
    return c.fail(Code::shape_mismatch, "no window of " + operand_text(c, 0) + " may fit",
                  "declare a range that starts at the window");
  Type value = x, position{DType::i64, x.shape};
  value.shape[axis] = position.shape[axis] = Dim::floor_div(free, stride) + 1;
  c.results = {std::move(value), std::move(position)};
  return Ok{};
}

ir::Iteration describe(const ir::Node& node, const std::vector<Type>& operands, const Type& result) {
  const auto axis = static_cast<uint32_t>(node.get<int64_t>("axis"));
  const auto place = static_cast<uint32_t>(operands[0].rank());
  ir::Iteration out = reduced(result, {});
  out.axes.push_back({node.get<int64_t>("size"), ir::Axis::Role::reduced});
  out.operands[0].index[axis] = {Dim(0), {{axis, node.get<int64_t>("stride")}, {place, 1}}};
  return out;
}

// Each place of the windows takes the cotangents of those whose largest element it is.
void vjp(ir::VjpContext& c) {
  const V g{&c.b, c.cotangents[0]}, x{&c.b, c.operands[0]}, position{&c.b, c.results[1]};
  const auto axis = static_cast<size_t>(c.node.get<int64_t>("axis"));
  const int64_t stride = c.node.get<int64_t>("stride");
  V total = zeros_like(x);
  for (int64_t k = 0; k < c.node.get<int64_t>("size"); ++k) {
    const Shape none(x.shape().size(), Dim(0));
    Shape low = none, high = none, between = none;
    low[axis] = k;
    between[axis] = stride - 1;
    high[axis] = x.shape()[axis] - k - ((g.shape()[axis] - 1) * stride + 1);
    total = total + pad(select(equal(position, number_like(position, static_cast<double>(k))), g, 0.0),
                        number(g, 0), low, high, between);
  }
  c.out[0] = total.id;
}

void sample(ir::SampleContext& s) {
  Shape shape;
  const int64_t rank = s.draw(s.state, 1, 3), axis = s.draw(s.state, 0, rank - 1);
  const int64_t size = s.draw(s.state, 1, 4);
  for (int64_t i = 0; i < rank; ++i)
    shape.push_back(i == axis ? Dim(s.draw(s.state, 0, 9) + size) : s.draw_dim(s.state));
  s.operands = {{s.dtype, std::move(shape)}};
  s.attrs = {axis, size, s.draw(s.state, 1, 3)};
}

constexpr ir::IterationForm form{
    .combiner = ir::Combiner::max, .yields = ir::Yields::value_and_position, .describe = describe};
constexpr OperandDef operands[] = {{.name = "x", .doc = "the value", .dtypes = DTypes::numbers}};
constexpr AttrDef attrs[] = {
    {.name = "axis",
     .kind = AttrKind::integer,
     .doc = "the dimension along which windows lie",
     .preset = "0"},
    {.name = "size", .kind = AttrKind::integer, .doc = "elements of a window", .preset = "2"},
    {.name = "stride", .kind = AttrKind::integer, .doc = "from a window to the next", .preset = "1"}};
constexpr std::string_view results[] = {"value", "position"};

constexpr OpDef defs[] = {
    {.name = "added_top",
     .doc = "The largest element of each window, and its place in it, added for a test.",
     .operands = operands,
     .attrs = attrs,
     .form = &form,
     .results = results,
     .infer = infer,
     .vjp = vjp,
     .sample = sample}};

}  // namespace

TENON_OP_FAMILY(added_top) = defs;

}  // namespace tenon::ops
