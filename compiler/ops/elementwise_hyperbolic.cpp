// Hyperbolic functions and their inverses. Formulas stand in math/; bounds are checked over every f32
// argument (docs/math.md).
#include "ops/elementwise.h"
#include "ops/math/hyperbolic.h"
#include "ops/math/log1p.h"
#include "ops/slopes.h"
#include "ops/wide_functions.h"

namespace tenon::ops {
namespace {

TENON_FUNCTION_FORM(sinh, 1, 45, false);
TENON_FUNCTION_FORM(cosh, 1, 35, false);
TENON_FUNCTION_FORM(asinh, 1, 75, false);
TENON_FUNCTION_FORM(acosh, 1, 75, false);
TENON_FUNCTION_FORM(atanh, 1, 50, false);

void sinh_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) * emit("cosh", {arg(c, 0)})); }
void cosh_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) * emit("sinh", {arg(c, 0)})); }

// x over a constant that keeps x^2 in range, and 1 over it: for the slopes 1 / sqrt(x^2 +- 1), which at
// infinities are 0 in every order.
struct Scaled {
  V infinite, x, one, scale;
};
Scaled scaled(V x) {
  const V size = abs(x), infinite = emit("is_inf", {x});
  const V scale = stop_gradient(select(size > 1e8 && !infinite, size, 1.0));
  return {infinite, x / scale, 1.0 / scale, scale};
}
void asinh_vjp(ir::VjpContext& c) {
  const Scaled s = scaled(arg(c, 0));
  give(c, 0, cotangent(c) * select(s.infinite, 0.0, rsqrt(s.x * s.x + s.one * s.one) / s.scale));
}
void acosh_vjp(ir::VjpContext& c) {
  const Scaled s = scaled(arg(c, 0));
  give(c, 0, cotangent(c) * select(s.infinite, 0.0, rsqrt(difference_of_squares(s.x, s.one)) / s.scale));
}
void atanh_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) / one_minus_square(arg(c, 0))); }

constexpr ir::Domain above_one[] = {{1.2, 4}};
constexpr ir::Domain inside[] = {{-0.9, 0.9}};

constexpr ir::OpDef defs[] = {
    {.name = "acosh",
     .doc = "Inverse of the hyperbolic cosine, not negative: log(x + sqrt(x^2 - 1)). 0 at 1, NaN below, inf "
            "at inf.",
     .operands = one_float,
     .form = &acosh_form,
     .infer = infer_same,
     .vjp = acosh_vjp,
     .domains = above_one},
    {.name = "asinh",
     .doc = "Inverse of the hyperbolic sine: log(x + sqrt(x^2 + 1)), without the loss of digits for small "
            "and for "
            "negative x. Infinities stay; zeros keep their sign.",
     .operands = one_float,
     .form = &asinh_form,
     .infer = infer_same,
     .vjp = asinh_vjp},
    {.name = "atanh",
     .doc = "Inverse of the hyperbolic tangent: log((1 + x) / (1 - x)) / 2. Infinite at -1 and 1, NaN "
            "beyond; zeros "
            "keep their sign.",
     .operands = one_float,
     .form = &atanh_form,
     .infer = infer_same,
     .vjp = atanh_vjp,
     .domains = inside},
    {.name = "cosh",
     .doc = "Hyperbolic cosine (e^x + e^-x) / 2: inf at infinities.",
     .operands = one_float,
     .form = &cosh_form,
     .infer = infer_same,
     .vjp = cosh_vjp},
    {.name = "sinh",
     .doc = "Hyperbolic sine (e^x - e^-x) / 2, without the loss of digits for small x. Infinities stay; "
            "zeros keep "
            "their sign.",
     .operands = one_float,
     .form = &sinh_form,
     .infer = infer_same,
     .vjp = sinh_vjp},
};

}  // namespace

TENON_OP_FAMILY(elementwise_hyperbolic) = defs;

}  // namespace tenon::ops
