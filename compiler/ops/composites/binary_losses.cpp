// Losses of two outcomes: binary_cross_entropy and focal_loss from logits, hinge and squared_hinge.
#include "ops/composites/loss_rules.h"
#include "ops/composites/parts.h"
#include "ops/family.h"

namespace tenon::ops {
namespace {

// -log of the probability of either outcome: p = sigmoid(x), so -log p = softplus(-x), -log(1 - p) =
// softplus(x). Both keep their small values and neither overflows, nor do their slopes, which are sigmoids.
// The exponential and the logarithm in them are of |x|, so cse leaves one of each.
struct Surprisal {
  V yes, no;

  explicit Surprisal(V x) : yes(softplus(-x)), no(softplus(x)) {}
};

// --- binary_cross_entropy --------------------------------------------------------------------------------

Status infer_binary_cross_entropy(InferContext& c) {
  TENON_TRY(infer_elements(c));
  if (c.operands.size() < 3) return Ok{};
  TENON_TRY(same_dtype(c, 2, 0));
  const Shape &weight = c.operands[2].shape, &logits = c.operands[0].shape;
  if (weight.empty() || (weight.size() == 1 && !logits.empty() && weight[0] == logits.back())) return Ok{};
  return c.fail(weight.size() > 1 || logits.empty() ? Code::rank_mismatch : Code::shape_mismatch,
                operand_text(c, 2) + ", wants shape []" +
                    (logits.empty() ? "" : " or " + ir::shape_text(Shape{logits.back()})) + " as " +
                    operand_text(c, 0));
}

std::vector<ir::ValueId> binary_cross_entropy_body(ir::BodyContext& c) {
  const V logits{&c.b, c.operands[0]}, targets{&c.b, c.operands[1]};
  const Surprisal of(logits);
  V yes = targets * of.yes;
  if (c.operands.size() > 2) yes = yes * V{&c.b, c.operands[2]};
  return {reduce_rows(yes + (1.0 - targets) * of.no, c.node).id};
}

void sample_binary_cross_entropy(ir::SampleContext& s) {
  sample_pair(s);
  const Shape& shape = s.operands[0].shape;
  const int64_t weight = s.draw(s.state, 0, 2);
  if (weight == 1) s.operands.push_back({s.dtype, {}});
  if (weight == 2 && !shape.empty()) s.operands.push_back({s.dtype, {shape.back()}});
  s.attrs = {draw_reduce(s)};
}

// --- focal_loss ------------------------------------------------------------------------------------------

Status infer_focal_loss(InferContext& c) {
  TENON_TRY(want_between(c, "alpha", 0, 1));
  TENON_TRY(want_between(c, "gamma", 0, largest_finite(c.operands[0].dtype)));
  return infer_elements(c);
}

// (1 - p)^gamma as exp(gamma log(1 - p)): a power would have an infinite slope at 1 - p = 0 for gamma < 1.
std::vector<ir::ValueId> focal_loss_body(ir::BodyContext& c) {
  const V logits{&c.b, c.operands[0]}, targets{&c.b, c.operands[1]};
  const double gamma = c.node.get<double>("gamma"), alpha = c.node.get<double>("alpha");
  const Surprisal of(logits);
  const V yes = targets * alpha * (exp(of.no * -gamma) * of.yes);
  const V no = (1.0 - targets) * (1 - alpha) * (exp(of.yes * -gamma) * of.no);
  return {reduce_rows(yes + no, c.node).id};
}

void sample_focal_loss(ir::SampleContext& s) {
  sample_pair(s);
  s.attrs = {draw_reduce(s), static_cast<double>(s.draw(s.state, 0, 6)) / 2,
             static_cast<double>(s.draw(s.state, 0, 8)) / 8};
}

// --- hinge, squared_hinge --------------------------------------------------------------------------------

V lacking(const ir::BodyContext& c) {
  const V scores{&c.b, c.operands[0]}, targets{&c.b, c.operands[1]};
  return emit("relu", {1.0 - targets * scores});
}
std::vector<ir::ValueId> hinge_body(ir::BodyContext& c) { return {reduce_rows(lacking(c), c.node).id}; }
std::vector<ir::ValueId> squared_hinge_body(ir::BodyContext& c) {
  const V r = lacking(c);
  return {reduce_rows(r * r, c.node).id};
}

void sample_hinge(ir::SampleContext& s) {
  sample_pair(s);
  s.attrs = {draw_reduce(s)};
}

constexpr ir::CompositeForm binary_cross_entropy_form{binary_cross_entropy_body},
    focal_loss_form{focal_loss_body}, hinge_form{hinge_body}, squared_hinge_form{squared_hinge_body};
constexpr ir::Domain target_domains[] = {{}, {0, 1}}, weight_domains[] = {{}, {0, 1}, {0.5, 2}};
constexpr OperandDef weighted_operands[] = {
    {.name = "logits", .doc = "scores before sigmoid, any shape", .dtypes = DTypes::floats},
    {.name = "targets", .doc = "0, 1 or between, of the logits' type and shape", .dtypes = DTypes::floats},
    {.name = "positive_weight",
     .doc = "factor of the loss at targets of 1: [], or [classes], the last extent of the logits",
     .dtypes = DTypes::floats,
     .optional = true}};
constexpr OperandDef focal_operands[] = {weighted_operands[0], weighted_operands[1]};
constexpr OperandDef hinge_operands[] = {
    {.name = "scores", .doc = "scores of any sign and shape", .dtypes = DTypes::floats},
    {.name = "targets", .doc = "-1 or 1, of the scores' type and shape", .dtypes = DTypes::floats}};
constexpr AttrDef plain_attrs[] = {reduce_over_elements};
constexpr AttrDef focal_attrs[] = {reduce_over_elements,
                                   {.name = "gamma",
                                    .kind = AttrKind::number,
                                    .doc = "how much what is already right counts less; at least 0",
                                    .preset = "2.0"},
                                   {.name = "alpha",
                                    .kind = AttrKind::number,
                                    .doc = "weight of targets of 1; 1 - alpha that of 0. From 0 to 1",
                                    .preset = "0.25"}};

constexpr OpDef defs[] = {
    {.name = "binary_cross_entropy",
     .doc = "Cross-entropy of two outcomes, from logits: -w y log p - (1 - y) log(1 - p) with p = "
            "sigmoid(logit), "
            "target y and weight w, 1 by default. Computed as w y softplus(-x) + (1 - y) softplus(x).",
     .operands = weighted_operands,
     .attrs = plain_attrs,
     .form = &binary_cross_entropy_form,
     .infer = infer_binary_cross_entropy,
     .domains = weight_domains,
     .sample = sample_binary_cross_entropy},
    {.name = "focal_loss",
     .doc = "Focal loss from logits (Lin et al. 2017): -alpha y (1 - p)^gamma log p - (1 - alpha) (1 - y) "
            "p^gamma "
            "log(1 - p) with p = sigmoid(logit) and target y. gamma = 0, alpha = 0.5: half of "
            "binary_cross_entropy.",
     .operands = focal_operands,
     .attrs = focal_attrs,
     .form = &focal_loss_form,
     .infer = infer_focal_loss,
     .domains = target_domains,
     .sample = sample_focal_loss},
    {.name = "hinge",
     .doc = "Hinge loss (Cortes and Vapnik 1995): max(0, 1 - target score). The gradient at the corner is 0.",
     .operands = hinge_operands,
     .attrs = plain_attrs,
     .form = &hinge_form,
     .infer = infer_elements,
     .sample = sample_hinge},
    {.name = "squared_hinge",
     .doc = "Square of the hinge loss, without a factor of 1/2 and without a corner: max(0, 1 - target "
            "score)^2.",
     .operands = hinge_operands,
     .attrs = plain_attrs,
     .form = &squared_hinge_form,
     .infer = infer_elements,
     .sample = sample_hinge},
};

}  // namespace

TENON_OP_FAMILY(binary_losses) = defs;

}  // namespace tenon::ops
