// Activations: relu and gelu.
#include <numbers>

#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

std::vector<ir::ValueId> relu_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  return {select(x <= 0.0, 0.0, x).id};  // a NaN stays
}

// By the result, not the argument: the argument need not be kept.
void relu_vjp(ir::VjpContext& c) {
  const V y{&c.b, c.results[0]}, g{&c.b, c.cotangents[0]};
  c.out[0] = select(y > 0.0, g, 0.0).id;
}

std::vector<ir::ValueId> gelu_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  if (c.node.get<std::string>("approximate") == "none") {
    // Not 1 + erf: it loses the left tail.
    return {(x * 0.5 * emit("erfc", {x * (-std::numbers::sqrt2 / 2)})).id};
  }
  const V inner = (x + x * x * x * 0.044715) * (std::numbers::sqrt2 * std::numbers::inv_sqrtpi);
  return {(x * 0.5 * (tanh(inner) + 1.0)).id};
}

constexpr ir::CompositeForm relu_form{relu_body}, gelu_form{gelu_body};
constexpr OperandDef numbers[] = {{.name = "x", .doc = "the value", .dtypes = DTypes::numbers}};
constexpr OperandDef floats[] = {{.name = "x", .doc = "the value", .dtypes = DTypes::floats}};
constexpr AttrDef gelu_attrs[] = {
    {.name = "approximate",
     .kind = AttrKind::text,
     .doc = "none: by erfc; tanh: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))",
     .preset = "none",
     .choices = "none|tanh"}};

constexpr OpDef defs[] = {
    {.name = "gelu",
     .doc =
         "Gaussian error linear unit (Hendrycks and Gimpel 2016): x times the normal distribution function, "
         "0.5 x erfc(-x / sqrt 2). NaN at -inf, as -inf times 0 is, though the limit is 0.",
     .operands = floats,
     .attrs = gelu_attrs,
     .form = &gelu_form,
     .infer = infer_like_first},
    {.name = "relu",
     .doc = "x where it is positive, else 0; the gradient at 0 is 0.",
     .operands = numbers,
     .form = &relu_form,
     .infer = infer_like_first,
     .vjp = relu_vjp},
};

}  // namespace

TENON_OP_FAMILY(activations) = defs;

}  // namespace tenon::ops
