// Losses of class probabilities: soft_cross_entropy, nll, kl_divergence, multiclass_hinge. cross_entropy
// itself stands in losses.cpp.
#include "ops/composites/loss_rules.h"
#include "ops/composites/parts.h"
#include "ops/family.h"

namespace tenon::ops {
namespace {

Axes last_axis(V x) { return {x.rank() - 1}; }

// Also with targets that do not add up to 1: log_softmax's rule weighs softmax by their sum.
std::vector<ir::ValueId> soft_cross_entropy_body(ir::BodyContext& c) {
  const V logits{&c.b, c.operands[0]}, targets{&c.b, c.operands[1]};
  const V log_p = emit("log_softmax", {logits}, {{"axis", logits.rank() - 1}});
  return {reduce_rows(-reduce_sum(targets * log_p, last_axis(logits)), c.node).id};
}

// Chosen, not multiplied by one-hot rows: elsewhere log p may be -inf.
std::vector<ir::ValueId> nll_body(ir::BodyContext& c) {
  const V log_p{&c.b, c.operands[0]}, labels{&c.b, c.operands[1]};
  const V hit = hits(log_p, checked_labels(labels, log_p));
  return {reduce_rows(-reduce_sum(select(hit, log_p, 0.0), last_axis(log_p)), c.node).id};
}

// A class without probability adds nothing, whatever log q is there, and has no gradient: the slope of
// p log p is infinite there, and would make NaN of the zeros behind it where p is computed.
std::vector<ir::ValueId> kl_divergence_body(ir::BodyContext& c) {
  const V log_q{&c.b, c.operands[0]}, p{&c.b, c.operands[1]};
  const V present = p > 0.0, safe = select(present, p, 1.0);
  const V terms = select(present, safe * (log(safe) - log_q), 0.0);
  return {reduce_rows(reduce_sum(terms, last_axis(p)), c.node).id};
}

std::vector<ir::ValueId> multiclass_hinge_body(ir::BodyContext& c) {
  const V scores{&c.b, c.operands[0]}, labels{&c.b, c.operands[1]};
  const Axes axis = last_axis(scores);
  const V hit = hits(scores, checked_labels(labels, scores));
  const V own = spread(reduce_sum(select(hit, scores, 0.0), axis), scores.shape(), axis);
  const V lacking = emit("relu", {scores - own + c.node.get<double>("margin")});
  return {reduce_rows(reduce_sum(select(hit, 0.0, lacking), axis), c.node).id};
}

Status infer_multiclass_hinge(InferContext& c) {
  TENON_TRY(want_positive(c, "margin"));
  return infer_labelled_rows(c);
}

void sample_class_rows(ir::SampleContext& s) {
  sample_pair(s, 1);
  s.attrs = {draw_reduce(s)};
}
void sample_nll(ir::SampleContext& s) {
  sample_labelled(s);
  s.attrs = {draw_reduce(s)};
}
void sample_multiclass_hinge(ir::SampleContext& s) {
  sample_labelled(s);
  s.attrs = {draw_reduce(s), static_cast<double>(s.draw(s.state, 1, 8)) / 4};
}

constexpr ir::CompositeForm soft_cross_entropy_form{soft_cross_entropy_body}, nll_form{nll_body},
    kl_divergence_form{kl_divergence_body}, multiclass_hinge_form{multiclass_hinge_body};
constexpr ir::Domain soft_domains[] = {{}, {0, 1}}, kl_domains[] = {{-4, 0}, {0, 1}};
constexpr OperandDef soft_operands[] = {
    {.name = "logits", .doc = "scores before softmax, [..., classes]", .dtypes = DTypes::floats},
    {.name = "targets",
     .doc = "probability of each class, of the logits' type and shape",
     .dtypes = DTypes::floats}};
constexpr OperandDef nll_operands[] = {
    {.name = "log_p",
     .doc = "logarithms of probabilities as log_softmax gives them, [..., classes]",
     .dtypes = DTypes::floats},
    {.name = "labels", .doc = "class number of each row, any integer type", .dtypes = DTypes::index}};
constexpr OperandDef kl_operands[] = {
    {.name = "log_q",
     .doc = "prediction: logarithms of probabilities as log_softmax gives them, [..., classes]",
     .dtypes = DTypes::floats},
    {.name = "p",
     .doc = "target: probability of each class, of log_q's type and shape",
     .dtypes = DTypes::floats}};
constexpr OperandDef hinge_operands[] = {
    {.name = "scores", .doc = "score of each class, [..., classes]", .dtypes = DTypes::floats},
    {.name = "labels", .doc = "class number of each row, any integer type", .dtypes = DTypes::index}};
constexpr AttrDef rows_attrs[] = {reduce_over_rows};
constexpr AttrDef hinge_attrs[] = {reduce_over_rows,
                                   {.name = "margin",
                                    .kind = AttrKind::number,
                                    .doc = "by which the label's score is to lead, above 0",
                                    .preset = "1.0"}};

constexpr OpDef defs[] = {
    {.name = "kl_divergence",
     .doc =
         "Kullback-Leibler divergence of the target p from the prediction q (Kullback and Leibler 1951): the "
         "sum of p (log p - log q) over the classes of a row. A class with p = 0 adds 0 and has no gradient.",
     .operands = kl_operands,
     .attrs = rows_attrs,
     .form = &kl_divergence_form,
     .infer = infer_class_rows,
     .domains = kl_domains,
     .sample = sample_class_rows},
    {.name = "multiclass_hinge",
     .doc =
         "Hinge loss of several classes (Weston and Watkins 1999): the sum of max(0, margin + score - "
         "label's "
         "score) over the other classes of a row. The gradient at a corner is 0. A label that is not a class "
         "sets status T311.",
     .operands = hinge_operands,
     .attrs = hinge_attrs,
     .form = &multiclass_hinge_form,
     .infer = infer_multiclass_hinge,
     .may_fail = true,
     .domains = label_domains,
     .sample = sample_multiclass_hinge},
    {.name = "nll",
     .doc =
         "Negative log likelihood: -log p of each row's label. cross_entropy is log_softmax and nll in one. "
         "A label that is not a class sets status T311.",
     .operands = nll_operands,
     .attrs = rows_attrs,
     .form = &nll_form,
     .infer = infer_labelled_rows,
     .may_fail = true,
     .domains = label_domains,
     .sample = sample_nll},
    {.name = "soft_cross_entropy",
     .doc = "Cross-entropy with a distribution as target: the sum of -target log_softmax(logits) over the "
            "classes of a row. With one-hot targets it is cross_entropy.",
     .operands = soft_operands,
     .attrs = rows_attrs,
     .form = &soft_cross_entropy_form,
     .infer = infer_class_rows,
     .domains = soft_domains,
     .sample = sample_class_rows},
};

}  // namespace

TENON_OP_FAMILY(class_losses) = defs;

}  // namespace tenon::ops
