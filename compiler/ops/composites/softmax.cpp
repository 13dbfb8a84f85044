// softmax and log_softmax along an axis, computed from differences to the largest element, so that nothing
// overflows. Their derivatives are written in the result.
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

Status infer(InferContext& c) {
  TENON_TRY(take_axis(c, "axis", c.operands[0].rank()));
  return infer_like_first(c);
}

struct Along {
  V x;
  Axes axis;
  Shape shape;

  Along(V value, const ir::Node& node) : x(value), axis{node.get<int64_t>("axis")}, shape(value.shape()) {}
  V over(V reduced) const { return spread(reduced, shape, axis); }
  V shifted() const { return x - over(reduce_max(x, axis)); }
};

std::vector<ir::ValueId> softmax_body(ir::BodyContext& c) {
  const Along a({&c.b, c.operands[0]}, c.node);
  const V e = exp(a.shifted());
  return {(e * a.over(1.0 / reduce_sum(e, a.axis))).id};
}

void softmax_vjp(ir::VjpContext& c) {
  const V y{&c.b, c.results[0]}, g{&c.b, c.cotangents[0]};
  const Along a(y, c.node);
  c.out[0] = (y * (g - a.over(reduce_sum(g * y, a.axis)))).id;
}

std::vector<ir::ValueId> log_softmax_body(ir::BodyContext& c) {
  const Along a({&c.b, c.operands[0]}, c.node);
  const V s = a.shifted();
  return {(s - a.over(log(reduce_sum(exp(s), a.axis)))).id};
}

void log_softmax_vjp(ir::VjpContext& c) {
  const V y{&c.b, c.results[0]}, g{&c.b, c.cotangents[0]};
  const Along a(y, c.node);
  c.out[0] = (g - exp(y) * a.over(reduce_sum(g, a.axis))).id;
}

void sample(ir::SampleContext& s) {
  Type x{s.dtype, {}};
  const int64_t rank = s.draw(s.state, 1, 3);
  for (int64_t i = 0; i < rank; ++i) x.shape.push_back(s.draw_dim(s.state));
  s.operands = {std::move(x)};
  s.attrs = {s.draw(s.state, 0, rank - 1)};
}

constexpr ir::CompositeForm softmax_form{softmax_body}, log_softmax_form{log_softmax_body};
constexpr OperandDef operands[] = {{.name = "x", .doc = "scores", .dtypes = DTypes::floats}};
constexpr AttrDef attrs[] = {
    {.name = "axis",
     .kind = AttrKind::integer,
     .doc = "the dimension along which exponentials are divided by their sum; by default the last",
     .derive = derive_last_axis}};

constexpr OpDef defs[] = {
    {.name = "log_softmax",
     .doc = "Logarithm of softmax, without computing the quotient.",
     .operands = operands,
     .attrs = attrs,
     .form = &log_softmax_form,
     .infer = infer,
     .vjp = log_softmax_vjp,
     .sample = sample},
    {.name = "softmax",
     .doc = "exp(x) divided by its sum along `axis`: positive, adding up to 1.",
     .operands = operands,
     .attrs = attrs,
     .form = &softmax_form,
     .infer = infer,
     .vjp = softmax_vjp,
     .sample = sample},
};

}  // namespace

TENON_OP_FAMILY(softmax) = defs;

}  // namespace tenon::ops
