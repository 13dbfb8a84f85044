// cosine_similarity of vectors, and the loss that is made of it.
#include "ops/composites/loss_rules.h"
#include "ops/composites/parts.h"
#include "ops/family.h"

namespace tenon::ops {
namespace {

// A vector over a factor m that makes its largest element 1, or the vector over eps where it is smaller: then
// no square overflows, nor do squares vanish that count. The quotient that follows does not depend on m, so
// derivatives take it for a constant.
struct Scaled {
  V x, length;  // length: at least eps, over m

  Scaled(V vector, const Axes& axis, double eps) {
    const V m = stop_gradient(max(reduce_max(abs(vector), axis), eps)), floor = eps / m;
    x = vector / spread(m, vector.shape(), axis);
    length = sqrt(max(reduce_sum(x * x, axis), floor * floor));
  }
};

// --- cosine_similarity -----------------------------------------------------------------------------------

Status infer_similarity(InferContext& c) {
  TENON_TRY(want_same_type(c, 1));
  TENON_TRY(want_positive(c, "eps"));
  const Type& x = c.operands[0];
  TENON_TRY(take_axis(c, "axis", x.rank()));
  c.results = {{x.dtype, without_axes(x.shape, {c.get<int64_t>("axis")})}};
  return Ok{};
}

std::vector<ir::ValueId> similarity_body(ir::BodyContext& c) {
  const Axes axis{c.node.get<int64_t>("axis")};
  const double eps = c.node.get<double>("eps");
  const Scaled x({&c.b, c.operands[0]}, axis, eps), y({&c.b, c.operands[1]}, axis, eps);
  return {(reduce_sum(x.x * y.x, axis) / (x.length * y.length)).id};
}

void sample_similarity(ir::SampleContext& s) {
  sample_pair(s, 1);
  s.attrs = {s.draw(s.state, 0, static_cast<int64_t>(s.operands[0].rank()) - 1)};
}

// --- cosine_embedding_loss -------------------------------------------------------------------------------

Status infer_embedding(InferContext& c) {
  TENON_TRY(want_between(c, "margin", -1, 1));
  TENON_TRY(want_positive(c, "eps"));
  TENON_ASSIGN(const Shape rows, rows_of(c, "features"));
  TENON_TRY(want_same_type(c, 1));
  TENON_TRY(same_dtype(c, 2, 0));
  if (c.operands[2].shape != rows) {
    return c.fail(c.operands[2].rank() == rows.size() ? Code::shape_mismatch : Code::rank_mismatch,
                  operand_text(c, 2) + ", wants shape " + ir::shape_text(rows) + " as " + operand_text(c, 0));
  }
  c.results = {reduced_type(c, {c.operands[0].dtype, rows})};
  return Ok{};
}

std::vector<ir::ValueId> embedding_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]}, y{&c.b, c.operands[1]}, targets{&c.b, c.operands[2]};
  const V cosine =
      emit("cosine_similarity", {x, y}, {{"axis", x.rank() - 1}, {"eps", c.node.get<double>("eps")}});
  const V apart = emit("relu", {cosine - c.node.get<double>("margin")});
  return {reduce_rows(select(targets > 0.0, 1.0 - cosine, apart), c.node).id};
}

void sample_embedding(ir::SampleContext& s) {
  sample_pair(s, 1);
  const Shape& shape = s.operands[0].shape;
  s.operands.push_back({s.dtype, Shape(shape.begin(), shape.end() - 1)});
  s.attrs = {draw_reduce(s), static_cast<double>(s.draw(s.state, -2, 2)) / 4};
}

constexpr ir::CompositeForm similarity_form{similarity_body}, embedding_form{embedding_body};
constexpr OperandDef similarity_operands[] = {
    {.name = "x", .doc = "vectors along `axis`, any shape", .dtypes = DTypes::floats},
    {.name = "y", .doc = "vectors, of x's type and shape", .dtypes = DTypes::floats}};
constexpr OperandDef embedding_operands[] = {
    {.name = "x", .doc = "vectors, [..., features]", .dtypes = DTypes::floats},
    {.name = "y", .doc = "vectors, of x's type and shape", .dtypes = DTypes::floats},
    {.name = "targets",
     .doc = "1 where x and y belong together, -1 elsewhere, [...] of x's type",
     .dtypes = DTypes::floats}};
constexpr AttrDef eps_attr{.name = "eps",
                           .kind = AttrKind::number,
                           .doc = "length that a shorter vector counts as, above 0",
                           .preset = "1e-8"};
constexpr AttrDef similarity_attrs[] = {{.name = "axis",
                                         .kind = AttrKind::integer,
                                         .doc = "the dimension that is a vector; by default the last",
                                         .derive = derive_last_axis},
                                        eps_attr};
constexpr AttrDef embedding_attrs[] = {
    reduce_over_rows,
    {.name = "margin",
     .kind = AttrKind::number,
     .doc = "cosine up to which vectors that do not belong together cost nothing; from -1 to 1",
     .preset = "0.0"},
    eps_attr};

constexpr OpDef defs[] = {
    {.name = "cosine_embedding_loss",
     .doc = "With the cosine of each row's x and y: 1 - cosine where the target is 1 (above 0), elsewhere "
            "max(0, "
            "cosine - margin). The gradient at the corner is 0.",
     .operands = embedding_operands,
     .attrs = embedding_attrs,
     .form = &embedding_form,
     .infer = infer_embedding,
     .sample = sample_embedding},
    {.name = "cosine_similarity",
     .doc = "Cosine of the angle between x and y: their inner product over max(|x|, eps) max(|y|, eps), so 0 "
            "for a "
            "vector of zeros, at any scale of the elements. `axis` vanishes.",
     .operands = similarity_operands,
     .attrs = similarity_attrs,
     .form = &similarity_form,
     .infer = infer_similarity,
     .sample = sample_similarity},
};

}  // namespace

TENON_OP_FAMILY(cosine) = defs;

}  // namespace tenon::ops
