// Elementwise arithmetic. Formulas: IEEE 754-2019 for floats (maximum and minimum of section 9.6 propagate
// NaN), wrapping two's complement for integers.
#include "ops/elementwise.h"
#include "ops/wide_functions.h"

namespace tenon::ops {

namespace {
// First operand decides; all others must equal it.
Status check_same(ir::InferContext& c) {
  const ir::Type& first = c.operands[0];
  for (const ir::Type& t : c.operands) {
    if (t.dtype != first.dtype)
      return c.fail(Code::dtype_mismatch,
                    "operands have types " + first.text() + " and " + t.text() + ", which must be one",
                    "there is no implicit promotion: cast one of them");
    if (t.shape != first.shape)
      return c.fail(Code::shape_mismatch, "operands have shapes " + ir::shape_text(first.shape) + " and " +
                                              ir::shape_text(t.shape));
  }
  if (c.op->elementwise() != nullptr && c.op->elementwise()->by_types == nullptr &&
      c.op->elementwise()->types[static_cast<size_t>(first.dtype)].exact == nullptr)
    return c.fail(dtype_computes(first.dtype) ? Code::dtype_mismatch : Code::dtype_unsupported,
                  "does not take elements of type " + std::string(dtype_name(first.dtype)));
  return Ok{};
}
}  // namespace

Status infer_same(ir::InferContext& c) {
  TENON_TRY(check_same(c));
  c.results = {c.operands[0]};
  return Ok{};
}

Status infer_compare(ir::InferContext& c) {
  TENON_TRY(check_same(c));
  c.results = {ir::Type{DType::bool_, c.operands[0].shape}};
  return Ok{};
}

namespace {

constexpr auto add_form = elementwise<2>(
    NumberTypes{}, [](auto x, auto y) { return x + y; }, [](auto x, auto y) { return wide::add(x, y); });
constexpr auto sub_form = elementwise<2>(
    NumberTypes{}, [](auto x, auto y) { return x - y; }, [](auto x, auto y) { return wide::sub(x, y); });
constexpr auto mul_form = elementwise<2>(
    NumberTypes{}, [](auto x, auto y) { return x * y; }, [](auto x, auto y) { return wide::mul(x, y); });
constexpr auto div_form = elementwise<2>(
    NumberTypes{}, [](auto x, auto y) { return x / y; }, [](auto x, auto y) { return wide::div(x, y); });
constexpr auto rem_form = elementwise<2>(
    IntTypes{}, [](auto x, auto y) { return x % y; }, [](auto x, auto y) { return wide::rem(x, y); });
constexpr auto neg_form =
    elementwise<1>(NumberTypes{}, [](auto x) { return -x; }, [](auto x) { return wide::neg(x); });
constexpr auto abs_form =
    elementwise<1>(NumberTypes{}, [](auto x) { return abs(x); }, [](auto x) { return wide::abs(x); });

// x itself where it is zero or NaN.
constexpr auto sign_form = elementwise<1>(
    NumberTypes{},
    [](auto x) {
      using T = typename decltype(x)::type;
      auto positive = select(x > T(0), T(1), x);
      if constexpr (std::is_unsigned_v<T>)
        return positive;
      else
        return select(x < T(0), static_cast<T>(-1), positive);
    },
    [](auto x) { return wide::sign(x); });

constexpr auto max_form = elementwise<2>(
    NumberTypes{}, [](auto x, auto y) { return maximum(x, y); },
    [](auto x, auto y) { return wide::max(x, y); });
constexpr auto min_form = elementwise<2>(
    NumberTypes{}, [](auto x, auto y) { return minimum(x, y); },
    [](auto x, auto y) { return wide::min(x, y); });
constexpr auto clamp_form = elementwise<3>(
    NumberTypes{}, [](auto x, auto low, auto high) { return minimum(maximum(x, low), high); },
    [](auto x, auto low, auto high) { return wide::clamp(x, low, high); }, {0.5, 2});
constexpr auto square_form =
    elementwise<1>(NumberTypes{}, [](auto x) { return x * x; }, [](auto x) { return wide::square(x); });
constexpr auto reciprocal_form = elementwise<1>(
    FloatTypes{}, [](auto x) { return typename decltype(x)::type(1) / x; },
    [](auto x) { return wide::reciprocal(x); });

void add_vjp(ir::VjpContext& c) {
  give(c, 0, cotangent(c));
  give(c, 1, cotangent(c));
}
void sub_vjp(ir::VjpContext& c) {
  give(c, 0, cotangent(c));
  if (c.wanted[1]) give(c, 1, -cotangent(c));
}
void mul_vjp(ir::VjpContext& c) {
  if (c.wanted[0]) give(c, 0, cotangent(c) * arg(c, 1));
  if (c.wanted[1]) give(c, 1, cotangent(c) * arg(c, 0));
}
void div_vjp(ir::VjpContext& c) {
  V g = cotangent(c) / arg(c, 1);
  give(c, 0, g);
  if (c.wanted[1]) give(c, 1, -(g * result(c)));
}
void neg_vjp(ir::VjpContext& c) { give(c, 0, -cotangent(c)); }
void abs_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) * sign(arg(c, 0))); }
// The one that is picked takes the cotangent; where both are equal each takes half: the mean of the one-sided
// derivatives, as in reduce_max. With a NaN neither does.
void pick_vjp(ir::VjpContext& c, V first, V second) {
  const V half = cotangent(c) * 0.5, tie = equal(arg(c, 0), arg(c, 1));
  const V share = select(tie, half, cotangent(c));
  if (c.wanted[0]) give(c, 0, select(first, share, 0.0));
  if (c.wanted[1]) give(c, 1, select(second, share, 0.0));
}
void max_vjp(ir::VjpContext& c) { pick_vjp(c, arg(c, 0) >= arg(c, 1), arg(c, 0) <= arg(c, 1)); }
void min_vjp(ir::VjpContext& c) { pick_vjp(c, arg(c, 0) <= arg(c, 1), arg(c, 0) >= arg(c, 1)); }
// As the rules of min and max one after the other would give it; each choice in one select, whose other side
// is 0.
void clamp_vjp(ir::VjpContext& c) {
  const V x = arg(c, 0), low = arg(c, 1), high = arg(c, 2), raised = max(x, low);
  const V passed = select(equal(raised, high), cotangent(c) * 0.5, cotangent(c)), kept = raised <= high;
  const V share = select(equal(x, low), passed * 0.5, passed);
  if (c.wanted[0]) give(c, 0, select(kept && x >= low, share, 0.0));
  if (c.wanted[1]) give(c, 1, select(kept && x <= low, share, 0.0));
  if (c.wanted[2]) give(c, 2, select(raised >= high, passed, 0.0));
}
void square_vjp(ir::VjpContext& c) { give(c, 0, cotangent(c) * (arg(c, 0) * 2.0)); }
void reciprocal_vjp(ir::VjpContext& c) { give(c, 0, -(cotangent(c) * result(c) * result(c))); }

constexpr ir::OperandDef bounded[] = {{"x", "the argument", ir::DTypes::numbers},
                                      {"low", "the least result, of x's type", ir::DTypes::numbers},
                                      {"high", "the largest result, of x's type", ir::DTypes::numbers}};
constexpr ir::Domain positive[] = {{0.5, 4}};
constexpr ir::Domain divisor[] = {{-2, 2}, {0.5, 2}};

constexpr ir::OpDef defs[] = {
    {.name = "abs",
     .doc = "Absolute value. The lowest integer stays itself.",
     .operands = one_number,
     .form = &abs_form,
     .infer = infer_same,
     .vjp = abs_vjp},
    {.name = "add",
     .doc = "Sum: x + y.",
     .operands = two_numbers,
     .form = &add_form,
     .infer = infer_same,
     .vjp = add_vjp},
    {.name = "clamp",
     .doc = "x brought into [low, high]: min(max(x, low), high) with the rules of `min` and `max`, so that a "
            "NaN of any operand wins, and `high` where low is above high. Gradient: to the operand that is "
            "taken, half to each where x equals a bound.",
     .operands = bounded,
     .form = &clamp_form,
     .infer = infer_same,
     .vjp = clamp_vjp},
    {.name = "div",
     .doc = "Quotient: x / y. Integers truncate; division by zero gives 0, the lowest by -1 the lowest.",
     .operands = two_numbers,
     .form = &div_form,
     .infer = infer_same,
     .vjp = div_vjp,
     .domains = divisor},
    {.name = "max",
     .doc = "The larger of x and y (IEEE maximum: a NaN wins, +0 is above -0). Gradient where both are "
            "equal: half "
            "to each; with a NaN: 0.",
     .operands = two_numbers,
     .form = &max_form,
     .infer = infer_same,
     .vjp = max_vjp},
    {.name = "min",
     .doc = "The smaller of x and y (IEEE minimum: a NaN wins, -0 is below +0). Gradient where both are "
            "equal: half "
            "to each; with a NaN: 0.",
     .operands = two_numbers,
     .form = &min_form,
     .infer = infer_same,
     .vjp = min_vjp},
    {.name = "mul",
     .doc = "Product: x * y.",
     .operands = two_numbers,
     .form = &mul_form,
     .infer = infer_same,
     .vjp = mul_vjp},
    {.name = "neg",
     .doc = "Negation: -x.",
     .operands = one_number,
     .form = &neg_form,
     .infer = infer_same,
     .vjp = neg_vjp},
    {.name = "reciprocal",
     .doc =
         "1 / x, correctly rounded, not an estimate: infinite at zeros, 0 at infinities, each with x's sign.",
     .operands = one_float,
     .form = &reciprocal_form,
     .infer = infer_same,
     .vjp = reciprocal_vjp,
     .domains = positive},
    {.name = "rem",
     .doc = "Remainder of integer division truncated to zero; the dividend where y is 0.",
     .operands = two_integers,
     .form = &rem_form,
     .infer = infer_same,
     .zero_gradient = true,
     .domains = divisor},
    {.name = "sign",
     .doc = "-1, 0 or 1 by the sign of x; zeros and NaN stay as they are.",
     .operands = one_number,
     .form = &sign_form,
     .infer = infer_same,
     .zero_gradient = true},
    {.name = "square",
     .doc = "x * x, rounded once. Integers wrap.",
     .operands = one_number,
     .form = &square_form,
     .infer = infer_same,
     .vjp = square_vjp},
    {.name = "sub",
     .doc = "Difference: x - y.",
     .operands = two_numbers,
     .form = &sub_form,
     .infer = infer_same,
     .vjp = sub_vjp},
};

}  // namespace

TENON_OP_FAMILY(elementwise_arithmetic) = defs;

}  // namespace tenon::ops
