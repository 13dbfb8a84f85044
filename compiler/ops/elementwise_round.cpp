// Rounding to integral values, and the remainder of floored division (math/modulo.h).
#include "ops/elementwise.h"
#include "ops/math/modulo.h"
#include "ops/wide_functions.h"

namespace tenon::ops {
namespace {

constexpr auto ceil_form =
    elementwise<1>(FloatTypes{}, [](auto x) { return ceil(x); }, [](auto x) { return wide::ceil(x); });
constexpr auto round_form =
    elementwise<1>(FloatTypes{}, [](auto x) { return round_even(x); }, [](auto x) { return wide::round(x); });
constexpr auto trunc_form =
    elementwise<1>(FloatTypes{}, [](auto x) { return trunc(x); }, [](auto x) { return wide::trunc(x); });
constexpr auto floor_mod_form = elementwise<2>(
    NumberTypes{}, [](auto x, auto y) { return floor_mod(x, y); },
    [](auto x, auto y) { return wide::floor_mod(x, y); }, {0.5, 80, false});

// x - q y with the quotient q = floor(x / y), which between its jumps is a constant. It is had from the
// result: x / y rounded may already be the next integer. Where the result is y itself (an infinite y, or a
// sum that rounds to y) q is -1.
void floor_mod_vjp(ir::VjpContext& c) {
  give(c, 0, cotangent(c));
  if (!c.wanted[1]) return;
  const V r = result(c), y = arg(c, 1);
  const V minus_q = select(equal(r, y), 1.0, emit("round", {(r - arg(c, 0)) / y}));
  give(c, 1, cotangent(c) * minus_q);
}

constexpr ir::OperandDef quotient[] = {{"x", "dividend", ir::DTypes::numbers},
                                       {"y", "divisor, of x's type", ir::DTypes::numbers}};
constexpr ir::Domain divisor[] = {{-4, 4}, {0.5, 2}};

constexpr ir::OpDef defs[] = {
    {.name = "ceil",
     .doc =
         "The smallest integral value that is at least x. Zeros, infinities and NaN stay; above -1 and below "
         "0 it is -0.",
     .operands = one_float,
     .form = &ceil_form,
     .infer = infer_same,
     .zero_gradient = true},
    {.name = "floor_mod",
     .doc =
         "Remainder of floored division: x - y floor(x / y), with the sign of y (zeros too), exact however "
         "large the quotient; only where x and y differ in sign the sum with y rounds. Integers: the "
         "dividend where y is 0. Floats: NaN where x is infinite or y is 0; for an infinite y, x where the "
         "signs agree or x is 0, y where they differ. Gradient by y: -floor(x / y).",
     .operands = quotient,
     .form = &floor_mod_form,
     .infer = infer_same,
     .vjp = floor_mod_vjp,
     .domains = divisor},
    {.name = "round",
     .doc = "The integral value next to x, the even one of two equally near. Zeros, infinities and NaN stay; "
            "the "
            "sign is x's, also of a 0.",
     .operands = one_float,
     .form = &round_form,
     .infer = infer_same,
     .zero_gradient = true},
    {.name = "trunc",
     .doc = "x without its fraction: the integral value next to x towards 0. Zeros, infinities and NaN stay; "
            "the "
            "sign is x's, also of a 0.",
     .operands = one_float,
     .form = &trunc_form,
     .infer = infer_same,
     .zero_gradient = true},
};

}  // namespace

TENON_OP_FAMILY(elementwise_round) = defs;

}  // namespace tenon::ops
