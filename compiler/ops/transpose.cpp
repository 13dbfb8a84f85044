// transpose and reverse: dimensions in another order, or run through backwards.
#include <algorithm>

#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

// --- transpose -------------------------------------------------------------------------------------------

ir::Attr derive_perm(const InferContext& c) {
  Axes perm;
  for (size_t i = c.operands[0].rank(); i-- > 0;) perm.push_back(static_cast<int64_t>(i));
  return perm;
}

Status infer_transpose(InferContext& c) {
  const Type& x = c.operands[0];
  TENON_TRY(take_axes(c, "perm", x.rank(), false));
  const Axes& perm = c.get<Axes>("perm");
  if (perm.size() != x.rank()) {
    return c.fail(Code::bad_attribute, "perm names " + std::to_string(perm.size()) + " dimensions, " +
                                           operand_text(c, 0) + " has " + std::to_string(x.rank()));
  }
  Type result{x.dtype, {}};
  for (int64_t p : perm) result.shape.push_back(x.shape[static_cast<size_t>(p)]);
  c.results = {std::move(result)};
  return Ok{};
}

std::vector<ir::IndexPiece> transpose_pieces(const ir::Node& node, const std::vector<Type>& operands,
                                             const Type&) {
  const Axes& perm = node.get<Axes>("perm");
  ir::IndexPiece piece;
  piece.index.resize(operands[0].rank());
  for (size_t i = 0; i < perm.size(); ++i) {
    piece.index[static_cast<size_t>(perm[i])].parts.push_back({static_cast<uint32_t>(i), 1});
  }
  return {std::move(piece)};
}

void transpose_vjp(ir::VjpContext& c) {
  const Axes perm = c.node.get<Axes>("perm");
  Axes inverse(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) inverse[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  c.out[0] = transpose({&c.b, c.cotangents[0]}, inverse).id;
}

void transpose_sample(ir::SampleContext& s) {
  Shape shape;
  Axes perm;
  const int64_t rank = s.draw(s.state, 0, 4);
  for (int64_t i = 0; i < rank; ++i) {
    shape.push_back(s.draw_dim(s.state));
    perm.insert(perm.begin() + s.draw(s.state, 0, i), i);
  }
  s.operands = {{s.dtype, std::move(shape)}};
  s.attrs = {std::move(perm)};
}

// --- reverse ---------------------------------------------------------------------------------------------

Status infer_reverse(InferContext& c) {
  TENON_TRY(take_axes(c, "axes", c.operands[0].rank(), true));
  return infer_like_first(c);
}

std::vector<ir::IndexPiece> reverse_pieces(const ir::Node& node, const std::vector<Type>& operands,
                                           const Type&) {
  const Axes& axes = node.get<Axes>("axes");
  ir::IndexPiece piece;
  for (size_t i = 0; i < operands[0].rank(); ++i) {
    const bool turned = contains(axes, static_cast<int64_t>(i));
    ir::AffineIndex index;
    if (turned) index.constant = operands[0].shape[i] - 1;
    index.parts.push_back({static_cast<uint32_t>(i), turned ? -1 : 1});
    piece.index.push_back(std::move(index));
  }
  return {std::move(piece)};
}

void reverse_vjp(ir::VjpContext& c) {
  c.out[0] = reverse({&c.b, c.cotangents[0]}, Axes(c.node.get<Axes>("axes"))).id;
}

constexpr ir::IndexMapForm transpose_form{transpose_pieces}, reverse_form{reverse_pieces};
constexpr OperandDef operands[] = {{.name = "x", .doc = "the value"}};
constexpr AttrDef transpose_attrs[] = {
    {.name = "perm",
     .kind = AttrKind::integers,
     .doc = "dimension i of the result is dimension perm[i] of x; by default all in reverse order",
     .derive = derive_perm}};
constexpr AttrDef reverse_attrs[] = {{.name = "axes",
                                      .kind = AttrKind::integers,
                                      .doc = "dimensions that are run through backwards; by default all",
                                      .derive = derive_all_axes}};

constexpr OpDef defs[] = {
    {.name = "transpose",
     .doc = "The dimensions of x in another order.",
     .operands = operands,
     .attrs = transpose_attrs,
     .form = &transpose_form,
     .infer = infer_transpose,
     .vjp = transpose_vjp,
     .sample = transpose_sample},
    {.name = "reverse",
     .doc = "x with the order of its elements turned around along `axes`.",
     .operands = operands,
     .attrs = reverse_attrs,
     .form = &reverse_form,
     .infer = infer_reverse,
     .vjp = reverse_vjp},
};

}  // namespace

TENON_OP_FAMILY(transpose) = defs;

}  // namespace tenon::ops
