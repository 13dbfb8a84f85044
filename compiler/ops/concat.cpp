// concat: values one behind the other along an axis.
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

Status infer(InferContext& c) {
  if (c.operands.empty()) return c.fail(Code::operand_count, "wants at least 1 operand");
  TENON_TRY(take_axis(c, "axis", c.operands[0].rank()));
  const size_t axis = static_cast<size_t>(c.get<int64_t>("axis"));
  Type result = c.operands[0];
  Errors errors;
  for (size_t i = 1; i < c.operands.size(); ++i) {
    const Type& part = c.operands[i];
    if (Status s = same_dtype(c, i, 0); !s) errors.append(s.take_errors());
    if (part.rank() != result.rank()) {
      errors.append(c.fail(Code::rank_mismatch, operand_text(c, i) + " and " + operand_text(c, 0)));
      continue;
    }
    for (size_t d = 0; d < part.rank(); ++d) {
      if (d != axis && part.shape[d] != c.operands[0].shape[d]) {
        errors.append(c.fail(Code::shape_mismatch, operand_text(c, i) + " and " + operand_text(c, 0) +
                                                       " differ in dimension " + std::to_string(d)));
      }
    }
    result.shape[axis] = result.shape[axis] + part.shape[axis];
  }
  if (!errors.empty()) return errors;
  c.results = {std::move(result)};
  return Ok{};
}

std::vector<ir::IndexPiece> pieces(const ir::Node& node, const std::vector<Type>& operands, const Type&) {
  const uint32_t axis = static_cast<uint32_t>(node.get<int64_t>("axis"));
  std::vector<ir::IndexPiece> pieces;
  Dim at = 0;
  for (size_t k = 0; k < operands.size(); ++k) {
    ir::IndexPiece piece;
    piece.operand = static_cast<uint32_t>(k);
    for (uint32_t d = 0; d < operands[k].rank(); ++d) {
      piece.index.push_back({.constant = d == axis ? Dim(0) - at : Dim(0), .parts = {{d, 1}}});
    }
    const Dim end = at + operands[k].shape[axis];
    if (operands.size() > 1) piece.guards.push_back({.axis = axis, .low = at, .high = end});
    at = end;
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

void vjp(ir::VjpContext& c) {
  const V g{&c.b, c.cotangents[0]};
  const size_t axis = static_cast<size_t>(c.node.get<int64_t>("axis"));
  const Shape full = g.shape();
  Dim at = 0;
  for (size_t k = 0; k < c.operands.size(); ++k) {
    const Dim end = at + V{&c.b, c.operands[k]}.shape()[axis];
    if (c.wanted[k]) {
      Shape start(full.size()), limit = full;
      start[axis] = at;
      limit[axis] = end;
      c.out[k] = slice(g, start, limit, Shape(full.size(), Dim(1))).id;
    }
    at = end;
  }
}

void sample(ir::SampleContext& s) {
  Type part{s.dtype, {}};
  const int64_t rank = s.draw(s.state, 1, 3), axis = s.draw(s.state, 0, rank - 1),
                parts = s.draw(s.state, 1, 3);
  for (int64_t i = 0; i < rank; ++i) part.shape.push_back(s.draw_dim(s.state));
  for (int64_t k = 0; k < parts; ++k) {
    part.shape[static_cast<size_t>(axis)] = s.draw_dim(s.state);
    s.operands.push_back(part);
  }
  s.attrs = {axis};
}

constexpr ir::IndexMapForm form{pieces};
constexpr OperandDef operands[] = {
    {.name = "parts", .doc = "values that agree in every other dimension; at least one", .variadic = true}};
constexpr AttrDef attrs[] = {{.name = "axis",
                              .kind = AttrKind::integer,
                              .doc = "the dimension along which they follow each other",
                              .preset = "0"}};

constexpr OpDef defs[] = {
    {.name = "concat",
     .doc = "Several values one behind the other along an axis.",
     .operands = operands,
     .attrs = attrs,
     .form = &form,
     .infer = infer,
     .vjp = vjp,
     .sample = sample},
};

}  // namespace

TENON_OP_FAMILY(concat) = defs;

}  // namespace tenon::ops
