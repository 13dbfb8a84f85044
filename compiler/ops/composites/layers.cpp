// Layers: dense, rnn_cell, flatten.
#include <algorithm>

#include "ops/contraction.h"
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

// The last dimension of x against the first of w (operand numbers), w of rank 2.
Status want_product(InferContext& c, size_t x, size_t w) {
  TENON_TRY(same_dtype(c, x, w));
  TENON_TRY(want_rank(c, w, 2));
  if (c.operands[x].is_scalar()) {
    return c.fail(Code::rank_mismatch, operand_text(c, x) + " has no features to multiply");
  }
  const Dim &inner = c.operands[x].shape.back(), &wanted = c.operands[w].shape[0];
  if (inner == wanted) return Ok{};
  return c.fail(Code::shape_mismatch, operand_name(c, x) + " has inner size " + inner.text() + ", " +
                                          operand_name(c, w) + " expects " + wanted.text());
}

Status want_bias(InferContext& c, size_t b, const Dim& features) {
  if (b >= c.operands.size()) return Ok{};
  TENON_TRY(same_dtype(c, b, 0));
  TENON_TRY(want_rank(c, b, 1));
  if (c.operands[b].shape[0] == features) return Ok{};
  return c.fail(Code::shape_mismatch, operand_name(c, b) + " has " + c.operands[b].shape[0].text() +
                                          " entries, the result has " + features.text() + " features");
}

// --- dense -----------------------------------------------------------------------------------------------

ir::Attr derive_order(const InferContext& c) { return product_order(c).order; }
ir::Attr derive_block(const InferContext& c) {
  return product_order(c).block_for(c.get<std::string>("order"));
}

Status infer_dense(InferContext& c) {
  TENON_TRY(check_order(c));
  TENON_TRY(want_product(c, 0, 1));
  Type result = c.operands[0];
  result.shape.back() = c.operands[1].shape[1];
  TENON_TRY(want_bias(c, 2, result.shape.back()));
  c.results = {std::move(result)};
  return Ok{};
}

std::vector<ir::ValueId> dense_body(ir::BodyContext& c) {
  V y = product({&c.b, c.operands[0]}, {&c.b, c.operands[1]}, c.node);
  if (c.operands.size() > 2) y = y + V{&c.b, c.operands[2]};
  return {y.id};
}

void dense_sample(ir::SampleContext& s) {
  const Dim in = s.draw_dim(s.state), out = s.draw_dim(s.state);
  Type x{s.dtype, {}};
  for (int64_t n = s.draw(s.state, 0, 2); n > 0; --n) x.shape.push_back(s.draw_dim(s.state));
  x.shape.push_back(in);
  s.operands = {std::move(x), {s.dtype, {in, out}}};
  if (s.draw(s.state, 0, 1) == 1) s.operands.push_back({s.dtype, {out}});
}

// --- rnn_cell --------------------------------------------------------------------------------------------

Status infer_rnn(InferContext& c) {
  TENON_TRY(want_product(c, 0, 2));
  TENON_TRY(want_product(c, 1, 3));
  TENON_TRY(same_dtype(c, 0, 1));
  const Type &x = c.operands[0], &h = c.operands[1];
  const Dim hidden = h.shape.back();
  for (size_t w : {size_t{2}, size_t{3}}) {
    if (c.operands[w].shape[1] != hidden) {
      return c.fail(Code::shape_mismatch, operand_name(c, w) + " gives " + c.operands[w].shape[1].text() +
                                              " features, " + operand_name(c, 1) + " has " + hidden.text());
    }
  }
  if (x.rank() != h.rank() || !std::equal(x.shape.begin(), x.shape.end() - 1, h.shape.begin())) {
    return c.fail(Code::shape_mismatch,
                  operand_text(c, 0) + " and " + operand_text(c, 1) + " have different batches");
  }
  TENON_TRY(want_bias(c, 4, hidden));
  c.results = {h};
  return Ok{};
}

V product(V x, V w) { return dot_general(x, w, {}, {}, {x.rank() - 1}, {0}); }

std::vector<ir::ValueId> rnn_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]}, h{&c.b, c.operands[1]}, w{&c.b, c.operands[2]}, u{&c.b, c.operands[3]};
  V z = product(x, w) + product(h, u);
  if (c.operands.size() > 4) z = z + V{&c.b, c.operands[4]};
  return {tanh(z).id};
}

void rnn_sample(ir::SampleContext& s) {
  const Dim in = s.draw_dim(s.state), hidden = s.draw_dim(s.state), batch = s.draw_dim(s.state);
  s.operands = {{s.dtype, {batch, in}},
                {s.dtype, {batch, hidden}},
                {s.dtype, {in, hidden}},
                {s.dtype, {hidden, hidden}}};
  if (s.draw(s.state, 0, 1) == 1) s.operands.push_back({s.dtype, {hidden}});
}

// --- flatten ---------------------------------------------------------------------------------------------

Shape flat_shape(const Shape& shape, int64_t axis) {
  Shape flat(shape.begin(), shape.begin() + axis);
  Dim rest = 1;
  for (size_t i = static_cast<size_t>(axis); i < shape.size(); ++i) rest = rest * shape[i];
  flat.push_back(rest);
  return flat;
}

Status infer_flatten(InferContext& c) {
  const Type& x = c.operands[0];
  const int64_t axis = c.get<int64_t>("axis");
  if (axis < 0 || axis > static_cast<int64_t>(x.rank())) {
    return c.fail(Code::bad_attribute,
                  "axis " + std::to_string(axis) + " is outside 0.." + std::to_string(x.rank()));
  }
  c.results = {{x.dtype, flat_shape(x.shape, axis)}};
  return Ok{};
}

std::vector<ir::ValueId> flatten_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  return {reshape(x, flat_shape(x.shape(), c.node.get<int64_t>("axis"))).id};
}

void flatten_sample(ir::SampleContext& s) {
  Type x{s.dtype, {}};
  const int64_t rank = s.draw(s.state, 0, 4);
  for (int64_t i = 0; i < rank; ++i) x.shape.push_back(s.draw_dim(s.state));
  s.operands = {std::move(x)};
  s.attrs = {s.draw(s.state, 0, rank)};
}

constexpr ir::CompositeForm dense_form{dense_body}, rnn_form{rnn_body}, flatten_form{flatten_body};
constexpr OperandDef dense_operands[] = {
    {.name = "x", .doc = "[..., in]", .dtypes = DTypes::floats},
    {.name = "w", .doc = "[in, out]", .dtypes = DTypes::floats},
    {.name = "b", .doc = "bias, [out]", .dtypes = DTypes::floats, .optional = true}};
constexpr AttrDef dense_attrs[] = {order_attr(derive_order), block_attr(derive_block)};
constexpr OperandDef rnn_operands[] = {
    {.name = "x", .doc = "input of the step, [..., in]", .dtypes = DTypes::floats},
    {.name = "h", .doc = "state before the step, [..., hidden]", .dtypes = DTypes::floats},
    {.name = "w", .doc = "[in, hidden]", .dtypes = DTypes::floats},
    {.name = "u", .doc = "[hidden, hidden]", .dtypes = DTypes::floats},
    {.name = "b", .doc = "bias, [hidden]", .dtypes = DTypes::floats, .optional = true}};
constexpr OperandDef flatten_operands[] = {{.name = "x", .doc = "the value"}};
constexpr AttrDef flatten_attrs[] = {{.name = "axis",
                                      .kind = AttrKind::integer,
                                      .doc = "first of the dimensions that become one",
                                      .preset = "1"}};

constexpr OpDef defs[] = {
    {.name = "dense",
     .doc = "Fully connected layer: x w + b.",
     .operands = dense_operands,
     .attrs = dense_attrs,
     .form = &dense_form,
     .infer = infer_dense,
     .sample = dense_sample},
    {.name = "flatten",
     .doc = "Makes one dimension of those from `axis` on.",
     .operands = flatten_operands,
     .attrs = flatten_attrs,
     .form = &flatten_form,
     .infer = infer_flatten,
     .sample = flatten_sample},
    {.name = "rnn_cell",
     .doc = "One step of a plain recurrent layer: tanh(x w + h u + b), the next state.",
     .operands = rnn_operands,
     .form = &rnn_form,
     .infer = infer_rnn,
     .sample = rnn_sample},
};

}  // namespace

TENON_OP_FAMILY(layers) = defs;

}  // namespace tenon::ops
