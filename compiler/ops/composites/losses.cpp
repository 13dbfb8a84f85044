// Losses: cross_entropy, mse, and the norms l1 and l2 that are added to them.
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

// reduce = mean | sum | none of a loss per row.
Type reduced_type(const InferContext& c, const Type& rows) {
  return c.get<std::string>("reduce") == "none" ? rows : Type{rows.dtype, {}};
}
V reduce_rows(V rows, const ir::Node& node) {
  const std::string& how = node.get<std::string>("reduce");
  if (how == "none") return rows;
  const V sum = reduce_sum(rows, all_axes(rows));
  return how == "mean" ? sum / count_along(rows, all_axes(rows)) : sum;
}
// The cotangent of each row, of the shape of `rows`, from that of the result.
V row_cotangent(V g, V like, const Shape& rows, const ir::Node& node) {
  const std::string& how = node.get<std::string>("reduce");
  if (how == "none") return g;
  if (how == "mean") {
    Dim count = 1;
    for (const Dim& d : rows) count = count * d;
    const bool known = count.is_constant();
    g = g /
        (known ? number(like, static_cast<double>(count.constant())) : cast(extent(*g.b, count), g.dtype()));
  }
  return broadcast_to(g, rows);
}

// --- cross_entropy ---------------------------------------------------------------------------------------

Status infer_cross_entropy(InferContext& c) {
  const Type &logits = c.operands[0], &labels = c.operands[1];
  if (logits.is_scalar())
    return c.fail(Code::rank_mismatch, operand_text(c, 0) + " has no dimension of classes");
  const Type rows{logits.dtype, Shape(logits.shape.begin(), logits.shape.end() - 1)};
  if (labels.rank() != rows.rank()) {
    return c.fail(Code::rank_mismatch, operand_text(c, 1) + ", wants shape " + ir::shape_text(rows.shape),
                  "labels are class numbers, not one-hot rows");
  }
  if (labels.shape != rows.shape) {
    return c.fail(Code::shape_mismatch, operand_text(c, 1) + ", wants shape " + ir::shape_text(rows.shape) +
                                            " as " + operand_text(c, 0));
  }
  c.results = {reduced_type(c, rows)};
  return Ok{};
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
    // Labels were checked to be classes, so they fit i32.
    const V classes = iota(*logits.b, shape, axis[0], DType::i32);
    hit = equal(classes, spread(cast(labels, DType::i32), shape, axis));
  }
};

std::vector<ir::ValueId> cross_entropy_body(ir::BodyContext& c) {
  const V logits{&c.b, c.operands[0]}, labels{&c.b, c.operands[1]};
  const V checked = emit(
      "check_range", {labels},
      {{"low", Dim(0)}, {"high", logits.shape().back()}, {"code", int64_t{code_number(Code::label_range)}}});
  const Rows r(logits, checked);
  const V picked = reduce_sum(select(r.hit, r.shifted, 0.0), r.axis);
  return {reduce_rows(log(r.sum) - picked, c.node).id};
}

// (softmax - onehot) g, row by row.
void cross_entropy_vjp(ir::VjpContext& c) {
  const V logits{&c.b, c.operands[0]}, labels{&c.b, c.operands[1]}, g{&c.b, c.cotangents[0]};
  const Rows r(logits, labels);
  const V row = row_cotangent(g, logits, r.rows, c.node);
  const V softmax = r.e * spread(1.0 / r.sum, r.shape, r.axis);
  c.out[0] = ((softmax - select(r.hit, 1.0, zeros_like(softmax))) * spread(row, r.shape, r.axis)).id;
}

void cross_entropy_sample(ir::SampleContext& s) {
  Shape rows;
  for (int64_t n = s.draw(s.state, 0, 2); n > 0; --n) rows.push_back(s.draw_dim(s.state));
  Shape logits = rows;
  logits.push_back(s.draw(s.state, 3, 20));
  s.operands = {{s.dtype, std::move(logits)},
                {s.draw(s.state, 0, 1) == 0 ? DType::i32 : DType::i64, std::move(rows)}};
  const char* const how[] = {"mean", "sum", "none"};
  s.attrs = {std::string(how[s.draw(s.state, 0, 2)])};
}

// --- mse -------------------------------------------------------------------------------------------------

// No broadcasting here: [n] against [n,1] would silently compare every pair.
Status infer_mse(InferContext& c) {
  TENON_TRY(same_dtype(c, 0, 1));
  if (c.operands[0].rank() != c.operands[1].rank()) {
    return c.fail(Code::rank_mismatch, operand_text(c, 0) + ", " + operand_text(c, 1), "reshape one of them");
  }
  if (c.operands[0].shape != c.operands[1].shape) {
    return c.fail(Code::shape_mismatch, operand_text(c, 0) + ", " + operand_text(c, 1));
  }
  c.results = {reduced_type(c, c.operands[0])};
  return Ok{};
}

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
  Type x{s.dtype, {}};
  for (int64_t n = s.draw(s.state, 0, 3); n > 0; --n) x.shape.push_back(s.draw_dim(s.state));
  s.operands = {x, x};
  const char* const how[] = {"mean", "sum", "none"};
  s.attrs = {std::string(how[s.draw(s.state, 0, 2)])};
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
constexpr ir::Domain label_domains[] = {{}, {0, 2}};
constexpr OperandDef cross_entropy_operands[] = {
    {.name = "logits", .doc = "scores before softmax, classes last", .dtypes = DTypes::floats},
    {.name = "labels", .doc = "class number of each row, any integer type", .dtypes = DTypes::index}};
constexpr OperandDef mse_operands[] = {{.name = "p", .doc = "prediction", .dtypes = DTypes::floats},
                                       {.name = "y", .doc = "target, of p's type", .dtypes = DTypes::floats}};
constexpr OperandDef norm_operands[] = {{.name = "w",
                                         .doc = "parameters, of any shapes; at least one",
                                         .dtypes = DTypes::floats,
                                         .variadic = true}};
constexpr AttrDef reduce_attrs[] = {{.name = "reduce",
                                     .kind = AttrKind::text,
                                     .doc = "mean or sum over all rows (elements of mse), or none",
                                     .preset = "mean",
                                     .choices = "mean|sum|none"}};

constexpr OpDef defs[] = {
    {.name = "cross_entropy",
     .doc = "Negative logarithm of the softmax probability of each row's label. A label that is not a class "
            "sets "
            "status T311.",
     .operands = cross_entropy_operands,
     .attrs = reduce_attrs,
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
     .attrs = reduce_attrs,
     .form = &mse_form,
     .infer = infer_mse,
     .vjp = mse_vjp,
     .sample = mse_sample},
};

}  // namespace

TENON_OP_FAMILY(losses) = defs;

}  // namespace tenon::ops
