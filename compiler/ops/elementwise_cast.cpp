// Conversions and copies.
#include "ops/elementwise.h"

namespace tenon::ops {
namespace {

// One entry per pair of types that compute.
template <class From, class To>
struct CastRule {
  template <class S>
  auto operator()(S x) const {
    return cast<To>(x);
  }
};
using PerType = ir::ElementwiseForm::PerType;
PerType cast_functions(DType from, DType to) {
  if (!dtype_computes(from) || !dtype_computes(to)) return {};
  return with_dtype(from, [&]<class From>() {
    return with_dtype(to, [&]<class To>() { return Adapter<CastRule<From, To>, From>::functions; });
  });
}

// The evaluator has set the result's dtype in *out.
template <class W>
void wide_cast(const void* in, void* out) {
  auto* r = static_cast<Wide<W>*>(out);
  *r = wide::cast(*static_cast<const Wide<W>*>(in), r->dtype);
}
constexpr ir::ElementwiseForm make_cast() {
  ir::ElementwiseForm form;
  form.by_types = &cast_functions;
  form.wide32 = &wide_cast<double>;
  form.wide64 = &wide_cast<long double>;
  return form;
}
constexpr auto cast_form = make_cast();

constexpr auto copy_form =
    elementwise<1>(AnyTypes{}, [](auto x) { return x; }, [](auto x) { return x; }, {.ulp = 0, .flops = 0});

constexpr ir::AttrDef cast_attrs[] = {{"to", ir::AttrKind::dtype, "element type of the result"}};

Status infer_cast(ir::InferContext& c) {
  const DType to = c.get<DType>("to");
  for (DType d : {c.operands[0].dtype, to})
    if (!dtype_computes(d))
      return c.fail(Code::dtype_unsupported, "elements of type " + std::string(dtype_name(d)) +
                                                 " are declared but do not compute yet");
  c.results = {ir::Type{to, c.operands[0].shape}};
  return Ok{};
}
// Floats carry gradients; through integers none flows.
void cast_vjp(ir::VjpContext& c) {
  const DType from = arg(c, 0).dtype();
  if (is_float(from) && is_float(result(c).dtype())) give(c, 0, cast(cotangent(c), from));
}

constexpr ir::OperandDef one_any[] = {{"x", "the argument"}};

constexpr ir::OpDef defs[] = {
    {.name = "cast",
     .doc = "Conversion to another element type: floats round to nearest even; float to integer truncates, "
            "saturates, and gives 0 for NaN; integers wrap; to bool: not equal to zero.",
     .operands = one_any,
     .attrs = cast_attrs,
     .form = &cast_form,
     .infer = infer_cast,
     .vjp = cast_vjp},
    {.name = "stop_gradient",
     .doc = "x, taken as a constant by derivatives.",
     .operands = one_any,
     .form = &copy_form,
     .infer = infer_same,
     .zero_gradient = true},
};

}  // namespace

TENON_OP_FAMILY(elementwise_cast) = defs;

}  // namespace tenon::ops
