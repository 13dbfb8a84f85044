// Activations made of exponentials: softplus and what follows from it, and the exponential linear units.
#include "ops/composites/parts.h"
#include "ops/family.h"

namespace tenon::ops {
namespace {

// --- softplus, log_sigmoid, mish -------------------------------------------------------------------------

// With e^-|x| nothing overflows, and the left tail keeps its accuracy.
std::vector<ir::ValueId> softplus_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  return {(max(x, 0.0) + log1p(exp(-abs(x)))).id};
}
void softplus_vjp(ir::VjpContext& c) {
  const V x{&c.b, c.operands[0]}, g{&c.b, c.cotangents[0]};
  c.out[0] = (g * sigmoid(x)).id;
}

std::vector<ir::ValueId> log_sigmoid_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  return {(-softplus(-x)).id};
}

std::vector<ir::ValueId> mish_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  return {(x * tanh(softplus(x))).id};
}

// --- elu, celu, selu -------------------------------------------------------------------------------------

// scale x for x > 0, else amplitude (e^(x / width) - 1).
struct Bent {
  double scale = 1, amplitude = 1, width = 1;

  V value(V x) const {
    const V right = x > 0.0;
    return select(right, times(x, scale), times(expm1(left(x, right)), amplitude));
  }
  // By the argument: from the result, e^(x / width) could only be had as a difference.
  V slope(V x) const {
    const V right = x > 0.0;
    return select(right, number_like(x, scale), times(exp(left(x, right)), amplitude / width));
  }

 private:
  // Where the right side is taken, the left one computes with 0 and does not overflow. Chosen, not min: at 0
  // its slope is 1.
  V left(V x, V right) const {
    const V chosen = select(right, 0.0, x);
    return width == 1 ? chosen : chosen / width;
  }
  static V times(V x, double factor) { return factor == 1 ? x : x * factor; }
};

template <Bent (*bent)(const ir::Node&)>
std::vector<ir::ValueId> bent_body(ir::BodyContext& c) {
  return {bent(c.node).value({&c.b, c.operands[0]}).id};
}
template <Bent (*bent)(const ir::Node&)>
void bent_vjp(ir::VjpContext& c) {
  const V x{&c.b, c.operands[0]}, g{&c.b, c.cotangents[0]};
  c.out[0] = (g * bent(c.node).slope(x)).id;
}

Bent elu(const ir::Node& node) { return {.amplitude = node.get<double>("alpha")}; }
Bent celu(const ir::Node& node) {
  const double alpha = node.get<double>("alpha");
  return {.amplitude = alpha, .width = alpha};
}
// The fixed point of mean 0 and variance 1.
Bent selu(const ir::Node&) {
  constexpr double alpha = 1.6732632423543772, scale = 1.0507009873554805;
  return {.scale = scale, .amplitude = scale * alpha};
}

Status infer_bent(InferContext& c) {
  TENON_TRY(want_positive(c, "alpha"));
  return infer_like_first(c);
}

void sample_bent(ir::SampleContext& s) {
  Type x{s.dtype, {}};
  for (int64_t n = s.draw(s.state, 0, 3); n > 0; --n) x.shape.push_back(s.draw_dim(s.state));
  s.operands = {std::move(x)};
  s.attrs = {static_cast<double>(s.draw(s.state, 2, 8)) / 4};
}

constexpr ir::CompositeForm softplus_form{softplus_body}, log_sigmoid_form{log_sigmoid_body},
    mish_form{mish_body}, elu_form{bent_body<elu>}, celu_form{bent_body<celu>}, selu_form{bent_body<selu>};
constexpr OperandDef operands[] = {{.name = "x", .doc = "the value, any shape", .dtypes = DTypes::floats}};
constexpr AttrDef elu_attrs[] = {{.name = "alpha",
                                  .kind = AttrKind::number,
                                  .doc = "what the left side tends to, without its sign; above 0",
                                  .preset = "1.0"}};

constexpr OpDef defs[] = {
    {.name = "celu",
     .doc = "Continuously differentiable exponential linear unit (Barron 2017): x for x > 0, else alpha "
            "(e^(x / alpha) - 1). The gradient at 0 is 1.",
     .operands = operands,
     .attrs = elu_attrs,
     .form = &celu_form,
     .infer = infer_bent,
     .vjp = bent_vjp<celu>,
     .sample = sample_bent},
    {.name = "elu",
     .doc = "Exponential linear unit (Clevert et al. 2016): x for x > 0, else alpha (e^x - 1). The gradient "
            "at 0 is "
            "that of the left side, alpha.",
     .operands = operands,
     .attrs = elu_attrs,
     .form = &elu_form,
     .infer = infer_bent,
     .vjp = bent_vjp<elu>,
     .sample = sample_bent},
    {.name = "log_sigmoid",
     .doc = "Logarithm of sigmoid, -softplus(-x): neither tail overflows or loses its small values.",
     .operands = operands,
     .form = &log_sigmoid_form,
     .infer = infer_like_first},
    {.name = "mish",
     .doc = "Mish (Misra 2019): x tanh(softplus(x)). NaN at -inf, as -inf times 0 is, though the limit is 0.",
     .operands = operands,
     .form = &mish_form,
     .infer = infer_like_first},
    {.name = "selu",
     .doc = "Scaled exponential linear unit (Klambauer et al. 2017): s x for x > 0, else s a (e^x - 1), with "
            "a = "
            "1.6732632423543772 and s = 1.0507009873554805. The gradient at 0 is that of the left side, s a.",
     .operands = operands,
     .form = &selu_form,
     .infer = infer_like_first,
     .vjp = bent_vjp<selu>},
    {.name = "softplus",
     .doc = "Smooth positive part (Dugas et al. 2001): log(1 + e^x), computed as max(x, 0) + log(1 + "
            "e^-|x|). Its "
            "derivative is sigmoid.",
     .operands = operands,
     .form = &softplus_form,
     .infer = infer_like_first,
     .vjp = softplus_vjp},
};

}  // namespace

TENON_OP_FAMILY(exponential_activations) = defs;

}  // namespace tenon::ops
