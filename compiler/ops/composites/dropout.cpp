// dropout: while training, each element is dropped with probability `rate`, and what stays is scaled so that
// the mean is kept; in inference, and in a graph whose mode is not resolved, the value itself.
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

Status infer(InferContext& c) {
  const double rate = c.get<double>("rate");
  if (!(rate >= 0 && rate < 1)) return c.fail(Code::bad_attribute, "rate must be at least 0 and less than 1");
  return infer_like_first(c);
}

std::vector<ir::ValueId> body(ir::BodyContext& c) { return {c.operands[0]}; }

std::vector<ir::ValueId> mode(ir::ModeContext& c) {
  const double rate = c.node.get<double>("rate");
  if (!c.training || rate == 0) return {c.operands[0]};
  const V x{&c.b, c.operands[0]};
  const double keep = 1 - rate;
  const V mask = {
      &c.b, c.b.emit("random_bernoulli", c.rng, {{"shape", x.shape()}, {"stream", c.stream}, {"p", keep}})};
  return {select(mask, x * (1 / keep), 0.0).id};
}

void sample(ir::SampleContext& s) {
  Type x{s.dtype, {}};
  for (int64_t n = s.draw(s.state, 0, 3); n > 0; --n) x.shape.push_back(s.draw_dim(s.state));
  s.operands = {std::move(x)};
  s.attrs = {static_cast<double>(s.draw(s.state, 0, 3)) / 4};
}

constexpr ir::CompositeForm form{body};
constexpr OperandDef operands[] = {{.name = "x", .doc = "the value", .dtypes = DTypes::floats}};
constexpr AttrDef attrs[] = {{.name = "rate",
                              .kind = AttrKind::number,
                              .doc = "probability of being dropped, at least 0 and less than 1"}};

constexpr OpDef defs[] = {
    {.name = "dropout",
     .doc = "Training: each element is 0 with probability `rate`, else x / (1 - rate). Inference: x.",
     .operands = operands,
     .attrs = attrs,
     .form = &form,
     .infer = infer,
     .mode = mode,
     .sample = sample},
};

}  // namespace

TENON_OP_FAMILY(dropout) = defs;

}  // namespace tenon::ops
