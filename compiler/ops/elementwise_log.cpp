// Exponentials and logarithms that keep their relative accuracy where exp and log lose it, and those of
// base 2. Formulas stand in math/; bounds are checked over every f32 argument (docs/math.md).
#include "ops/elementwise.h"
#include "ops/math/hyperbolic.h"
#include "ops/math/log1p.h"
#include "ops/wide_functions.h"

namespace tenon::ops {
namespace {

TENON_FUNCTION_FORM(exp2, 1, 14, false);
TENON_FUNCTION_FORM(expm1, 1.5, 30, false);
TENON_FUNCTION_FORM(log1p, 1, 32, false);
TENON_FUNCTION_FORM(log2, 1, 30, false);

constexpr double ln2 = 0.6931471805599453, log2e = 1.4426950408889634;

void exp2_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) * (result(c) * ln2)); }
// Not from the result: e^x - 1 + 1 has lost e^x on the left.
void expm1_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) * exp(arg(c, 0))); }
void log1p_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) / (arg(c, 0) + 1.0)); }
void log2_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) * log2e / arg(c, 0)); }

constexpr ir::Domain positive[] = {{0.1, 4}};
constexpr ir::Domain above_minus_one[] = {{-0.8, 3}};

constexpr ir::OpDef defs[] = {
    {.name = "exp2",
     .doc = "2 to the power x, exact for integral x: 0 at -inf, inf at inf and from 128 (f64: 1024) on.",
     .operands = one_float,
     .form = &exp2_form,
     .infer = infer_same,
     .vjp = exp2_vjp},
    {.name = "expm1",
     .doc = "exp(x) - 1, without the loss of digits for small x: x + x^2/2! + x^3/3! + ... -1 at -inf, inf "
            "at inf; "
            "zeros keep their sign.",
     .operands = one_float,
     .form = &expm1_form,
     .infer = infer_same,
     .vjp = expm1_vjp},
    {.name = "log1p",
     .doc =
         "log(1 + x), without the loss of digits for small x: x - x^2/2 + x^3/3 - ... -inf at -1, NaN below, "
         "inf at inf; zeros keep their sign.",
     .operands = one_float,
     .form = &log1p_form,
     .infer = infer_same,
     .vjp = log1p_vjp,
     .domains = above_minus_one},
    {.name = "log2",
     .doc = "Logarithm of base 2, exact for powers of 2: -inf at zeros, NaN below, inf at inf.",
     .operands = one_float,
     .form = &log2_form,
     .infer = infer_same,
     .vjp = log2_vjp,
     .domains = positive},
};

}  // namespace

TENON_OP_FAMILY(elementwise_log) = defs;

}  // namespace tenon::ops
