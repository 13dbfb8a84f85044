// Elementwise functions. Formulas and their sources stand in math/; bounds are checked over every f32
// argument (docs/math.md).
#include "ops/elementwise.h"
#include "ops/math/erf.h"
#include "ops/math/exp.h"
#include "ops/math/log.h"
#include "ops/math/pow.h"
#include "ops/math/trig.h"

namespace tenon::ops {
namespace {

TENON_FUNCTION_FORM(sqrt, 0.5, 1, true);
TENON_FUNCTION_FORM(rsqrt, 1, 8, false);
TENON_FUNCTION_FORM(exp, 1, 16, false);
TENON_FUNCTION_FORM(log, 1, 20, false);
TENON_FUNCTION_FORM(tanh, 2.5, 20, false);
TENON_FUNCTION_FORM(sigmoid, 2, 24, false);
TENON_FUNCTION_FORM(sin, 1.5, 60, false);
TENON_FUNCTION_FORM(cos, 1.5, 60, false);
TENON_FUNCTION_FORM(erf, 1.5, 40, false);
TENON_FUNCTION_FORM(erfc, 4, 50, false);
TENON_FUNCTION_FORM(floor, 0.5, 1, true);
constexpr auto pow_form = elementwise<2>(
    FloatTypes{}, [](auto x, auto y) { return pow(x, y); }, [](auto x, auto y) { return wide::pow(x, y); },
    {2, 60, false});

void sqrt_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) * 0.5 / result(c)); }
void rsqrt_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) * -0.5 * result(c) / arg(c, 0)); }
void exp_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) * result(c)); }
void log_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) / arg(c, 0)); }
void tanh_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) * (1.0 - result(c) * result(c))); }
void sigmoid_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) * (result(c) * (1.0 - result(c)))); }
void sin_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) * cos(arg(c, 0))); }
void cos_vjp(ir::VjpContext& c) { give(c, 0, -(cotangent(c) * sin(arg(c, 0)))); }
// e^-x^2. From 30 on it is 0 in every type, and so are its derivatives: infinity times 0 does not arise.
V bell(V x) { return select(abs(x) > 30.0, 0.0, exp(-(x * x))); }
constexpr double two_over_root_pi = 1.1283791670955126;
void erf_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) * two_over_root_pi * bell(arg(c, 0))); }
void erfc_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) * -two_over_root_pi * bell(arg(c, 0))); }
// d/dx = y x^(y-1), which is 0 for y = 0 also where x is 0 or NaN. d/dy = x^y log x, which is 0 where x^y is
// (x = 0 with y > 0, infinity with y < 0), and by convention for x = y = 0.
void pow_vjp(ir::VjpContext& c) {
  const V x = arg(c, 0), y = arg(c, 1), none = equal(y, number_like(y, 0));
  if (c.wanted[0]) {
    const V constant = none && !(abs(x) > 0.0);
    give(c, 0, cotangent(c) * select(constant, 0.0, y * pow(x, y - 1.0)));
  }
  if (!c.wanted[1]) return;
  const V zero = number_like(x, 0);
  const V flat = equal(result(c), zero) || (equal(x, zero) && none);
  give(c, 1, cotangent(c) * select(flat, 0.0, result(c) * log(x)));
}

constexpr ir::Domain positive[] = {{0.1, 4}};
constexpr ir::Domain power[] = {{0.1, 3}, {-2, 2}};
constexpr ir::Domain wide_range[] = {{-8, 8}};

constexpr ir::OpDef defs[] = {
    {.name = "cos",
     .doc = "Cosine of x in radians, accurate for all magnitudes. cos = 1 - x^2/2! + x^4/4! - ...",
     .operands = one_float,
     .form = &cos_form,
     .infer = infer_same,
     .vjp = cos_vjp,
     .domains = wide_range},
    {.name = "erf",
     .doc = "Error function: 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x.",
     .operands = one_float,
     .form = &erf_form,
     .infer = infer_same,
     .vjp = erf_vjp},
    {.name = "erfc",
     .doc = "1 - erf(x), without the loss of its small values: 2/sqrt(pi) times the integral of exp(-t^2) "
            "from x "
            "to infinity.",
     .operands = one_float,
     .form = &erfc_form,
     .infer = infer_same,
     .vjp = erfc_vjp},
    {.name = "exp",
     .doc = "e to the power x.",
     .operands = one_float,
     .form = &exp_form,
     .infer = infer_same,
     .vjp = exp_vjp},
    {.name = "floor",
     .doc = "The largest integral value that is at most x.",
     .operands = one_float,
     .form = &floor_form,
     .infer = infer_same,
     .zero_gradient = true},
    {.name = "log",
     .doc = "Natural logarithm: -inf at zero, NaN below.",
     .operands = one_float,
     .form = &log_form,
     .infer = infer_same,
     .vjp = log_vjp,
     .domains = positive},
    {.name = "pow",
     .doc =
         "x to the power y, special values as in IEEE 754 pow: 1 for y = 0 and for x = 1, NaN for a negative "
         "finite x with a fractional y.",
     .operands = two_floats,
     .form = &pow_form,
     .infer = infer_same,
     .vjp = pow_vjp,
     .domains = power},
    {.name = "rsqrt",
     .doc = "1 / sqrt(x), not an estimate: infinity at zero, NaN below.",
     .operands = one_float,
     .form = &rsqrt_form,
     .infer = infer_same,
     .vjp = rsqrt_vjp,
     .domains = positive},
    {.name = "sigmoid",
     .doc = "Logistic function 1 / (1 + exp(-x)).",
     .operands = one_float,
     .form = &sigmoid_form,
     .infer = infer_same,
     .vjp = sigmoid_vjp},
    {.name = "sin",
     .doc = "Sine of x in radians, accurate for all magnitudes. sin = x - x^3/3! + x^5/5! - ...",
     .operands = one_float,
     .form = &sin_form,
     .infer = infer_same,
     .vjp = sin_vjp,
     .domains = wide_range},
    {.name = "sqrt",
     .doc = "Square root, correctly rounded: -0 stays, NaN below zero.",
     .operands = one_float,
     .form = &sqrt_form,
     .infer = infer_same,
     .vjp = sqrt_vjp,
     .domains = positive},
    {.name = "tanh",
     .doc = "Hyperbolic tangent (e^2x - 1) / (e^2x + 1).",
     .operands = one_float,
     .form = &tanh_form,
     .infer = infer_same,
     .vjp = tanh_vjp},
};

}  // namespace

TENON_OP_FAMILY(elementwise_math) = defs;

}  // namespace tenon::ops
