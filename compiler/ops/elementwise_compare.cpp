// Comparisons, logic and choice. Comparisons of floats are ordered: with a NaN all but `ne` are false.
#include "ops/elementwise.h"
#include "ops/wide_functions.h"

namespace tenon::ops {
namespace {

constexpr auto eq_form = elementwise<2>(
    AnyTypes{}, [](auto x, auto y) { return x == y; }, [](auto x, auto y) { return wide::equal(x, y); });
constexpr auto ne_form = elementwise<2>(
    AnyTypes{}, [](auto x, auto y) { return x != y; },
    [](auto x, auto y) { return wide::not_(wide::equal(x, y)); });
constexpr auto lt_form = elementwise<2>(
    NumberTypes{}, [](auto x, auto y) { return x < y; }, [](auto x, auto y) { return wide::less(x, y); });
constexpr auto le_form = elementwise<2>(
    NumberTypes{}, [](auto x, auto y) { return x <= y; },
    [](auto x, auto y) { return wide::less_equal(x, y); });
constexpr auto gt_form = elementwise<2>(
    NumberTypes{}, [](auto x, auto y) { return x > y; }, [](auto x, auto y) { return wide::less(y, x); });
constexpr auto ge_form = elementwise<2>(
    NumberTypes{}, [](auto x, auto y) { return x >= y; },
    [](auto x, auto y) { return wide::less_equal(y, x); });
constexpr auto and_form = elementwise<2>(
    BoolTypes{}, [](auto x, auto y) { return x & y; }, [](auto x, auto y) { return wide::and_(x, y); });
constexpr auto or_form = elementwise<2>(
    BoolTypes{}, [](auto x, auto y) { return x | y; }, [](auto x, auto y) { return wide::or_(x, y); });
constexpr auto xor_form = elementwise<2>(
    BoolTypes{}, [](auto x, auto y) { return x ^ y; },
    [](auto x, auto y) { return wide::not_(wide::equal(x, y)); });
constexpr auto not_form =
    elementwise<1>(BoolTypes{}, [](auto x) { return !x; }, [](auto x) { return wide::not_(x); });
// x - x is 0 exactly for finite x.
constexpr auto is_finite_form = elementwise<1>(
    FloatTypes{}, [](auto x) { return x - x == x.literal(typename decltype(x)::type(0)); },
    [](auto x) { return wide::is_finite(x); });
constexpr auto is_inf_form = elementwise<1>(
    FloatTypes{},
    [](auto x) { return abs(x) == std::numeric_limits<typename decltype(x)::type>::infinity(); },
    [](auto x) { return wide::is_inf(x); });
constexpr auto is_nan_form =
    elementwise<1>(FloatTypes{}, [](auto x) { return x != x; }, [](auto x) { return wide::is_nan(x); });

// Keyed by the dtype of operand 1.
template <class... Ts>
constexpr ir::ElementwiseForm make_select(TypeList<Ts...>) {
  const auto rule = [](auto condition, auto x, auto y) { return select(condition, x, y); };
  const auto twin = [](auto condition, auto x, auto y) { return wide::select(condition, x, y); };
  using Rule = std::remove_const_t<decltype(rule)>;
  using Twin = std::remove_const_t<decltype(twin)>;
  ir::ElementwiseForm form;
  ((form.types[static_cast<size_t>(dtype_of<Ts>::value)] = Adapter<Rule, bool, Ts, Ts>::functions), ...);
  form.key = 1;
  form.wide32 = &WideAdapter<Twin, 3>::template call<double>;
  form.wide64 = &WideAdapter<Twin, 3>::template call<long double>;
  form.ulp = 0;
  return form;
}
constexpr auto select_form = make_select(AnyTypes{});

Status infer_select(ir::InferContext& c) {
  const ir::Type &condition = c.operands[0], &x = c.operands[1], &y = c.operands[2];
  if (condition.dtype != DType::bool_)
    return c.fail(Code::dtype_mismatch, "the condition is " + condition.text() + ", expected bool");
  if (x.dtype != y.dtype)
    return c.fail(Code::dtype_mismatch, "sides have types " + x.text() + " and " + y.text(),
                  "there is no implicit promotion: cast one of them");
  if (x.shape != y.shape || x.shape != condition.shape)
    return c.fail(Code::shape_mismatch, "operands have shapes " + ir::shape_text(condition.shape) + ", " +
                                            ir::shape_text(x.shape) + " and " + ir::shape_text(y.shape));
  c.results = {x};
  return Ok{};
}
void select_vjp(ir::VjpContext& c) {
  if (c.wanted[1]) give(c, 1, select(arg(c, 0), cotangent(c), 0.0));
  if (c.wanted[2]) give(c, 2, select(arg(c, 0), 0.0, cotangent(c)));
}

constexpr ir::OperandDef two_any[] = {{"x", "left side"}, {"y", "right side, of x's type"}};
constexpr ir::OperandDef one_bool[] = {{"x", "the argument", ir::DTypes::bools}};
constexpr ir::OperandDef two_bools[] = {{"x", "left side", ir::DTypes::bools},
                                        {"y", "right side", ir::DTypes::bools}};
constexpr ir::OperandDef choice[] = {{"condition", "true takes x", ir::DTypes::bools},
                                     {"x", "where the condition holds"},
                                     {"y", "elsewhere, of x's type"}};

constexpr ir::OpDef compare(std::string_view name, std::string_view doc, const ir::ElementwiseForm& form,
                            std::span<const ir::OperandDef> operands, Status (*infer)(ir::InferContext&)) {
  ir::OpDef def;
  def.name = name;
  def.doc = doc;
  def.operands = operands;
  def.form = &form;
  def.infer = infer;
  def.zero_gradient = true;
  return def;
}

constexpr ir::OpDef defs[] = {
    compare("and", "Both are true.", and_form, two_bools, infer_same),
    compare("eq", "x equals y (false with a NaN; -0 equals +0).", eq_form, two_any, infer_compare),
    compare("ge", "x is at least y.", ge_form, two_numbers, infer_compare),
    compare("gt", "x is greater than y.", gt_form, two_numbers, infer_compare),
    compare("is_finite", "x is neither infinite nor NaN.", is_finite_form, one_float, infer_compare),
    compare("is_inf", "x is inf or -inf.", is_inf_form, one_float, infer_compare),
    compare("is_nan", "x is not a number (NaN), of any sign and payload.", is_nan_form, one_float,
            infer_compare),
    compare("le", "x is at most y.", le_form, two_numbers, infer_compare),
    compare("lt", "x is less than y.", lt_form, two_numbers, infer_compare),
    compare("ne", "x differs from y (true with a NaN).", ne_form, two_any, infer_compare),
    compare("not", "The opposite.", not_form, one_bool, infer_same),
    compare("or", "At least one is true.", or_form, two_bools, infer_same),
    {.name = "select",
     .doc = "x where the condition is true, y elsewhere. The side not taken has no influence, a NaN there "
            "included; its gradient is 0, also behind elementwise operations whose slope is infinite there.",
     .operands = choice,
     .form = &select_form,
     .infer = infer_select,
     .vjp = select_vjp},
    compare("xor", "Exactly one is true.", xor_form, two_bools, infer_same),
};

}  // namespace

TENON_OP_FAMILY(elementwise_compare) = defs;

}  // namespace tenon::ops
