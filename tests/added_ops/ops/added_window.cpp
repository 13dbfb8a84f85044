// Sums over windows along an axis, added by this file alone: stride, dilation and padding are parts of one
// affine index, and the derivative is a window over the spread cotangent.
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

int64_t reach(int64_t size, int64_t dilation) { return (size - 1) * dilation; }

Status infer(InferContext& c) {
  const Type& x = c.operands[0];
  TENON_TRY(take_axis(c, "axis", x.rank()));
  for (const std::string_view name : {"size", "stride", "dilation"})
    if (c.get<int64_t>(name) < 1 || c.get<int64_t>(name) > (1 << 20))
      return c.fail(Code::bad_attribute, std::string(name) + " is " + std::to_string(c.get<int64_t>(name)) +
                                             ", wants 1 to 1048576");
  const auto axis = static_cast<size_t>(c.get<int64_t>("axis"));
  const Dim whole = x.shape[axis] + c.get<int64_t>("low") + c.get<Dim>("high");
  const Dim free = whole - reach(c.get<int64_t>("size"), c.get<int64_t>("dilation")) - 1;
  if (!provably_at_least(c, free, 0))
    return c.fail(Code::shape_mismatch, "no window of " + operand_text(c, 0) + " may fit",
                  "declare a range that starts at the window, or pad");
  Type result = x;
  result.shape[axis] = Dim::floor_div(free, c.get<int64_t>("stride")) + 1;
  c.results = {std::move(result)};
  return Ok{};
}

ir::Iteration describe(const ir::Node& node, const std::vector<Type>& operands, const Type& result) {
  const auto axis = static_cast<size_t>(node.get<int64_t>("axis"));
  const auto window = static_cast<uint32_t>(operands[0].rank());
  ir::Iteration out = reduced(result, {});
  out.axes.push_back({node.get<int64_t>("size"), ir::Axis::Role::reduced});
  out.operands[0].index[axis] = {
      Dim(0) - node.get<int64_t>("low"),
      {{static_cast<uint32_t>(axis), node.get<int64_t>("stride")}, {window, node.get<int64_t>("dilation")}}};
  out.operands[0].guarded = {static_cast<uint32_t>(axis)};
  return out;
}

// Element i of x enters the windows o at place k where o * stride = i + low - k * dilation.
void vjp(ir::VjpContext& c) {
  V g{&c.b, c.cotangents[0]};
  const V x{&c.b, c.operands[0]};
  const int64_t axis = c.node.get<int64_t>("axis"), stride = c.node.get<int64_t>("stride"),
                low = c.node.get<int64_t>("low"), size = c.node.get<int64_t>("size"),
                dilation = c.node.get<int64_t>("dilation");
  if (stride > 1) {
    Shape none(g.shape().size(), Dim(0)), between = none;
    between[static_cast<size_t>(axis)] = stride - 1;
    g = pad(g, number(g, 0), none, none, between);
  }
  const auto at = static_cast<size_t>(axis);
  c.out[0] = emit("added_window", {g},
                  {{"axis", axis},
                   {"size", size},
                   {"dilation", dilation},
                   {"low", reach(size, dilation) - low},
                   {"high", x.shape()[at] - g.shape()[at] + low}})
                 .id;
}

void sample(ir::SampleContext& s) {
  Shape shape;
  const int64_t rank = s.draw(s.state, 1, 3), axis = s.draw(s.state, 0, rank - 1);
  const int64_t size = s.draw(s.state, 1, 4), dilation = s.draw(s.state, 1, 2);
  for (int64_t i = 0; i < rank; ++i)
    shape.push_back(i == axis ? Dim(s.draw(s.state, 1, 12) + reach(size, dilation)) : s.draw_dim(s.state));
  s.operands = {{s.dtype, std::move(shape)}};
  s.attrs = {axis, size, s.draw(s.state, 1, 3), dilation, s.draw(s.state, 0, 3), Dim(s.draw(s.state, 0, 3))};
}

constexpr ir::IterationForm form{.describe = describe};
constexpr OperandDef operands[] = {{.name = "x", .doc = "the value", .dtypes = DTypes::numbers}};
constexpr AttrDef attrs[] = {
    {.name = "axis",
     .kind = AttrKind::integer,
     .doc = "the dimension along which windows lie",
     .preset = "0"},
    {.name = "size", .kind = AttrKind::integer, .doc = "elements of a window", .preset = "2"},
    {.name = "stride", .kind = AttrKind::integer, .doc = "from a window to the next", .preset = "1"},
    {.name = "dilation", .kind = AttrKind::integer, .doc = "from an element to the next", .preset = "1"},
    {.name = "low", .kind = AttrKind::integer, .doc = "zeros in front", .preset = "0"},
    {.name = "high", .kind = AttrKind::dim, .doc = "zeros behind", .preset = "0"}};

constexpr OpDef defs[] = {{.name = "added_window",
                           .doc = "Sums over windows along an axis, added for a test.",
                           .operands = operands,
                           .attrs = attrs,
                           .form = &form,
                           .infer = infer,
                           .vjp = vjp,
                           .sample = sample}};

}  // namespace

TENON_OP_FAMILY(added_window) = defs;

}  // namespace tenon::ops
