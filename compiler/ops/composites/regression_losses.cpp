// Losses of numbers that bend where the error is large: huber and smooth_l1. mse stands in losses.cpp.
#include "ops/composites/loss_rules.h"
#include "ops/composites/parts.h"
#include "ops/family.h"

namespace tenon::ops {
namespace {

// Both are a square up to a bound and linear behind it. With q = min(|d|, bound) both sides are one formula,
// q (|d| - q / 2), whose square cannot overflow on the side that is not taken. Its slope by d is d within
// -bound .. bound; the rule says so, as |d| would have no second derivative at 0.
struct Error {
  V d, size;

  template <class Context>
  explicit Error(const Context& c) : d(V{&c.b, c.operands[0]} - V{&c.b, c.operands[1]}), size(abs(d)) {}
};

void give_slope(ir::VjpContext& c, V slope) {
  const V p{&c.b, c.operands[0]}, g{&c.b, c.cotangents[0]};
  const V out = slope * row_cotangent(g, p, p.shape(), c.node);
  if (c.wanted[0]) c.out[0] = out.id;
  if (c.wanted[1]) c.out[1] = (-out).id;
}

// --- huber -----------------------------------------------------------------------------------------------

Status infer_huber(InferContext& c) {
  TENON_TRY(want_positive(c, "delta"));
  return infer_elements(c);
}
std::vector<ir::ValueId> huber_body(ir::BodyContext& c) {
  const Error e(c);
  const V q = min(e.size, c.node.get<double>("delta"));
  return {reduce_rows(q * (e.size - q * 0.5), c.node).id};
}
void huber_vjp(ir::VjpContext& c) {
  const double delta = c.node.get<double>("delta");
  give_slope(c, clamp(Error(c).d, -delta, delta));
}

// --- smooth_l1 -------------------------------------------------------------------------------------------

Status infer_smooth_l1(InferContext& c) {
  TENON_TRY(want_positive(c, "beta"));
  return infer_elements(c);
}
std::vector<ir::ValueId> smooth_l1_body(ir::BodyContext& c) {
  const Error e(c);
  const double beta = c.node.get<double>("beta");
  const V q = min(e.size, beta);
  return {reduce_rows(q / beta * (e.size - q * 0.5), c.node).id};
}
void smooth_l1_vjp(ir::VjpContext& c) {
  give_slope(c, clamp(Error(c).d / c.node.get<double>("beta"), -1, 1));
}

void sample(ir::SampleContext& s) {
  sample_pair(s);
  s.attrs = {draw_reduce(s), static_cast<double>(s.draw(s.state, 1, 8)) / 4};
}

constexpr ir::CompositeForm huber_form{huber_body}, smooth_l1_form{smooth_l1_body};
constexpr OperandDef operands[] = {
    {.name = "p", .doc = "prediction, any shape", .dtypes = DTypes::floats},
    {.name = "y", .doc = "target, of p's type and shape", .dtypes = DTypes::floats}};
constexpr AttrDef huber_attrs[] = {reduce_over_elements,
                                   {.name = "delta",
                                    .kind = AttrKind::number,
                                    .doc = "error at which the square ends, and the largest slope; above 0",
                                    .preset = "1.0"}};
constexpr AttrDef smooth_l1_attrs[] = {reduce_over_elements,
                                       {.name = "beta",
                                        .kind = AttrKind::number,
                                        .doc = "error at which the square ends, above 0",
                                        .preset = "1.0"}};

constexpr OpDef defs[] = {
    {.name = "huber",
     .doc = "Huber loss (Huber 1964) of d = p - y: d^2 / 2 for |d| up to delta, behind it delta (|d| - delta "
            "/ 2).",
     .operands = operands,
     .attrs = huber_attrs,
     .form = &huber_form,
     .infer = infer_huber,
     .vjp = huber_vjp,
     .sample = sample},
    {.name = "smooth_l1",
     .doc = "Smooth L1 loss (Girshick 2015) of d = p - y: d^2 / (2 beta) for |d| up to beta, behind it |d| - "
            "beta / "
            "2. It is huber with delta = beta, divided by beta.",
     .operands = operands,
     .attrs = smooth_l1_attrs,
     .form = &smooth_l1_form,
     .infer = infer_smooth_l1,
     .vjp = smooth_l1_vjp,
     .sample = sample},
};

}  // namespace

TENON_OP_FAMILY(regression_losses) = defs;

}  // namespace tenon::ops
