// Losses: cross_entropy, mse, and the norms l1 and l2 that are added to them.
#include "ops/composites/loss_rules.h"
#include "ops/composites/parts.h"
#include "ops/family.h"

namespace tenon::ops {
namespace {

// --- cross_entropy ---------------------------------------------------------------------------------------

Status infer_cross_entropy(InferContext& c) {
  TENON_TRY(want_between(c, "smoothing", 0, 1));
  return infer_labelled_rows(c);
}

// The shared part of loss and gradient: built the same way in both, so that cse finds it once.
struct Rows {
  Axes axis;
  Shape shape, rows;
  V shifted, e, sum, hit;

  Rows(V logits, V labels) : axis{logits.rank() - 1}, shape(logits.shape()), rows(labels.shape()) {
    shifted = logits - spread(reduce_max(logits, axis), shape, axis);
    e = exp(shifted);
    sum = reduce_sum(e, axis);
    hit = hits(logits, labels);
  }
};

// With smoothing s the target is s / classes everywhere, and 1 - s more at the label.
std::vector<ir::ValueId> cross_entropy_body(ir::BodyContext& c) {
  const V logits{&c.b, c.operands[0]}, labels{&c.b, c.operands[1]};
  const double smoothing = c.node.get<double>("smoothing");
  const Rows r(logits, checked_labels(labels, logits));
  const V picked = reduce_sum(select(r.hit, r.shifted, 0.0), r.axis);
  if (smoothing == 0) return {reduce_rows(log(r.sum) - picked, c.node).id};
  const V mean_shifted = reduce_sum(r.shifted, r.axis) / count_along(r.shifted, r.axis);
  const V expected = picked * (1 - smoothing) + mean_shifted * smoothing;
  return {reduce_rows(log(r.sum) - expected, c.node).id};
}

// (softmax - target) g, row by row.
void cross_entropy_vjp(ir::VjpContext& c) {
  const V logits{&c.b, c.operands[0]}, labels{&c.b, c.operands[1]}, g{&c.b, c.cotangents[0]};
  const double smoothing = c.node.get<double>("smoothing");
  const Rows r(logits, labels);
  const V row = row_cotangent(g, logits, r.rows, c.node);
  const V softmax = r.e * spread(1.0 / r.sum, r.shape, r.axis);
  V slope = softmax - select(r.hit, 1 - smoothing, zeros_like(softmax));
  if (smoothing != 0) slope = slope - number(softmax, smoothing) / count_along(softmax, r.axis);
  c.out[0] = (slope * spread(row, r.shape, r.axis)).id;
}

void cross_entropy_sample(ir::SampleContext& s) {
  sample_labelled(s);
  s.attrs = {draw_reduce(s), static_cast<double>(s.draw(s.state, 0, 2)) / 8};
}

// --- mse -------------------------------------------------------------------------------------------------

std::vector<ir::ValueId> mse_body(ir::BodyContext& c) {
  const V d = V{&c.b, c.operands[0]} - V{&c.b, c.operands[1]};
  return {reduce_rows(d * d, c.node).id};
}

void mse_vjp(ir::VjpContext& c) {
  const V p{&c.b, c.operands[0]}, y{&c.b, c.operands[1]}, g{&c.b, c.cotangents[0]};
  const V slope = (p - y) * row_cotangent(g * 2.0, p, p.shape(), c.node);
  if (c.wanted[0]) c.out[0] = slope.id;
  if (c.wanted[1]) c.out[1] = (-slope).id;
}

void mse_sample(ir::SampleContext& s) {
  sample_pair(s);
  s.attrs = {draw_reduce(s)};
}

// --- l1, l2 ----------------------------------------------------------------------------------------------

Status infer_norm(InferContext& c) {
  if (c.operands.empty()) return c.fail(Code::operand_count, "wants at least 1 operand");
  for (size_t i = 1; i < c.operands.size(); ++i) TENON_TRY(same_dtype(c, i, 0));
  c.results = {{c.operands[0].dtype, {}}};
  return Ok{};
}

template <class Term>
std::vector<ir::ValueId> norm_body(ir::BodyContext& c, Term term) {
  V total;
  for (ir::ValueId id : c.operands) {
    const V w{&c.b, id}, t = term(w), sum = reduce_sum(t, all_axes(t));
    total = total.b == nullptr ? sum : total + sum;
  }
  return {total.id};
}
std::vector<ir::ValueId> l1_body(ir::BodyContext& c) {
  return norm_body(c, [](V w) { return abs(w); });
}
std::vector<ir::ValueId> l2_body(ir::BodyContext& c) {
  return norm_body(c, [](V w) { return w * w; });
}

template <class Slope>
void norm_vjp(ir::VjpContext& c, Slope slope) {
  for (size_t i = 0; i < c.operands.size(); ++i) {
    if (c.wanted[i]) c.out[i] = slope(V{&c.b, c.operands[i]}, V{&c.b, c.cotangents[0]}).id;
  }
}
void l1_vjp(ir::VjpContext& c) {
  norm_vjp(c, [](V w, V g) { return sign(w) * g; });
}
void l2_vjp(ir::VjpContext& c) {
  norm_vjp(c, [](V w, V g) { return w * (g * 2.0); });
}

void norm_sample(ir::SampleContext& s) {
  for (int64_t count = s.draw(s.state, 1, 3); count > 0; --count) {
    Type w{s.dtype, {}};
    for (int64_t n = s.draw(s.state, 0, 2); n > 0; --n) w.shape.push_back(s.draw_dim(s.state));
    s.operands.push_back(std::move(w));
  }
}

constexpr ir::CompositeForm cross_entropy_form{cross_entropy_body}, mse_form{mse_body}, l1_form{l1_body},
    l2_form{l2_body};
constexpr OperandDef cross_entropy_operands[] = {
    {.name = "logits", .doc = "scores before softmax, classes last", .dtypes = DTypes::floats},
    {.name = "labels", .doc = "class number of each row, any integer type", .dtypes = DTypes::index}};
constexpr OperandDef mse_operands[] = {{.name = "p", .doc = "prediction", .dtypes = DTypes::floats},
                                       {.name = "y", .doc = "target, of p's type", .dtypes = DTypes::floats}};
constexpr OperandDef norm_operands[] = {{.name = "w",
                                         .doc = "parameters, of any shapes; at least one",
                                         .dtypes = DTypes::floats,
                                         .variadic = true}};
constexpr AttrDef cross_entropy_attrs[] = {
    reduce_over_rows,
    {.name = "smoothing",
     .kind = AttrKind::number,
     .doc = "part of the target that is divided equally among all classes, the label's too; from 0 to 1",
     .preset = "0.0"}};
constexpr AttrDef mse_attrs[] = {reduce_over_elements};

constexpr OpDef defs[] = {
    {.name = "cross_entropy",
     .doc =
         "Negative logarithm of the softmax probability of each row's label. With label smoothing s (Szegedy "
         "et al. 2016): 1 - s times that, plus s times its mean over all classes as labels. A label that is "
         "not a class sets status T311.",
     .operands = cross_entropy_operands,
     .attrs = cross_entropy_attrs,
     .form = &cross_entropy_form,
     .infer = infer_cross_entropy,
     .vjp = cross_entropy_vjp,
     .may_fail = true,
     .domains = label_domains,
     .sample = cross_entropy_sample},
    {.name = "l1",
     .doc = "Sum of the absolute values of all elements of all operands.",
     .operands = norm_operands,
     .form = &l1_form,
     .infer = infer_norm,
     .vjp = l1_vjp,
     .sample = norm_sample},
    {.name = "l2",
     .doc = "Sum of the squares of all elements of all operands, without a factor of 1/2.",
     .operands = norm_operands,
     .form = &l2_form,
     .infer = infer_norm,
     .vjp = l2_vjp,
     .sample = norm_sample},
    {.name = "mse",
     .doc = "Squared differences, their mean by default. Both operands have one shape.",
     .operands = mse_operands,
     .attrs = mse_attrs,
     .form = &mse_form,
     .infer = infer_elements,
     .vjp = mse_vjp,
     .sample = mse_sample},
};

}  // namespace

TENON_OP_FAMILY(losses) = defs;

}  // namespace tenon::ops
