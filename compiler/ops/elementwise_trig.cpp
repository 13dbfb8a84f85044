// Tangent and the inverse trigonometric functions. Formulas stand in math/arc.h; bounds are checked over
// every f32 argument (docs/math.md).
#include "ops/elementwise.h"
#include "ops/math/arc.h"
#include "ops/slopes.h"
#include "ops/wide_functions.h"

namespace tenon::ops {
namespace {

TENON_FUNCTION_FORM(tan, 1, 90, false);
TENON_FUNCTION_FORM(asin, 1, 40, false);
TENON_FUNCTION_FORM(acos, 1, 44, false);
TENON_FUNCTION_FORM(atan, 1, 50, false);
constexpr auto atan2_form = elementwise<2>(
    FloatTypes{}, [](auto y, auto x) { return atan2(y, x); },
    [](auto y, auto x) { return wide::atan2(y, x); }, {1, 60, false});

void tan_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) * (result(c) * result(c) + 1.0)); }
void asin_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) * rsqrt(one_minus_square(arg(c, 0)))); }
void acos_vjp(ir::VjpContext& c) { give(c, 0, -(cotangent(c) * rsqrt(one_minus_square(arg(c, 0))))); }
// 1 / (1 + x^2), 0 at infinities in every order.
void atan_vjp(ir::VjpContext& c) {
  const V x = arg(c, 0);
  give(c, 0, cotangent(c) * select(emit("is_inf", {x}), 0.0, 1.0 / (x * x + 1.0)));
}
// x / (x^2 + y^2) and -y / (x^2 + y^2), of operands scaled by the larger of both, which as a constant leaves
// all derivatives as they are. At the origin none exists; 0 stands for them, and at infinities.
void atan2_vjp(ir::VjpContext& c) {
  const V y = arg(c, 0), x = arg(c, 1), size = stop_gradient(max(abs(y), abs(x)));
  const V edge = emit("is_inf", {size}) || equal(size, number_like(size, 0));
  const V scale = select(edge, 1.0, size);
  const V u = x / scale, v = y / scale, square = u * u + v * v;
  if (c.wanted[0]) give(c, 0, cotangent(c) * select(edge, 0.0, u / square / scale));
  if (c.wanted[1]) give(c, 1, -(cotangent(c) * select(edge, 0.0, v / square / scale)));
}

constexpr ir::Domain inside[] = {{-0.9, 0.9}};
constexpr ir::Domain between_poles[] = {{-1.2, 1.2}};
constexpr ir::Domain right_side[] = {{-2, 2}, {0.5, 3}};

constexpr ir::OperandDef point[] = {{"y", "the ordinate", ir::DTypes::floats},
                                    {"x", "the abscissa, of y's type", ir::DTypes::floats}};

constexpr ir::OpDef defs[] = {
    {.name = "acos",
     .doc = "Arc cosine in [0, pi]: pi/2 - asin(x). 0 at 1, pi at -1, NaN beyond.",
     .operands = one_float,
     .form = &acos_form,
     .infer = infer_same,
     .vjp = acos_vjp,
     .domains = inside},
    {.name = "asin",
     .doc =
         "Arc sine in [-pi/2, pi/2]: x + x^3/6 + 3x^5/40 + ... NaN beyond -1 and 1; zeros keep their sign.",
     .operands = one_float,
     .form = &asin_form,
     .infer = infer_same,
     .vjp = asin_vjp,
     .domains = inside},
    {.name = "atan",
     .doc =
         "Arc tangent in [-pi/2, pi/2]: x - x^3/3 + x^5/5 - ... pi/2 at inf, -pi/2 at -inf; zeros keep their "
         "sign.",
     .operands = one_float,
     .form = &atan_form,
     .infer = infer_same,
     .vjp = atan_vjp},
    {.name = "atan2",
     .doc =
         "Angle of the point (x, y) in [-pi, pi], the arc tangent of y / x in the quadrant of x and y. Signs "
         "of "
         "zeros count as in IEEE 754 atan2: with the sign of y, 0 for a zero y where x is positive or +0, pi "
         "where x is negative or -0; of two infinities pi/4 or 3 pi/4. Gradient at the origin: 0.",
     .operands = point,
     .form = &atan2_form,
     .infer = infer_same,
     .vjp = atan2_vjp,
     .domains = right_side},
    {.name = "tan",
     .doc = "Tangent sin(x) / cos(x) of x in radians, accurate for all magnitudes: x + x^3/3 + 2x^5/15 + ... "
            "NaN at "
            "infinities; zeros keep their sign.",
     .operands = one_float,
     .form = &tan_form,
     .infer = infer_same,
     .vjp = tan_vjp,
     .domains = between_poles},
};

}  // namespace

TENON_OP_FAMILY(elementwise_trig) = defs;

}  // namespace tenon::ops
