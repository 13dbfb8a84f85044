// slice and pad, each the other's derivative.
//
// What an extent is must be known to be in range before anything runs, so bounds are shown from the declared
// ranges of dimensions; where they do not show it, the operation is refused.
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

Status want_entries(const InferContext& c, std::string_view name, size_t rank) {
  const size_t found = c.get<Shape>(name).size();
  if (found == rank) return Ok{};
  return c.fail(Code::bad_attribute, std::string(name) + " has " + std::to_string(found) + " entries, " +
                                         operand_text(c, 0) + " has " + std::to_string(rank) + " dimensions");
}

// --- slice -----------------------------------------------------------------------------------------------

ir::Attr derive_start(const InferContext& c) { return Shape(c.operands[0].rank(), Dim(0)); }
ir::Attr derive_limit(const InferContext& c) { return c.operands[0].shape; }
ir::Attr derive_stride(const InferContext& c) { return Shape(c.operands[0].rank(), Dim(1)); }

Status infer_slice(InferContext& c) {
  const Type& x = c.operands[0];
  for (std::string_view name : {"start", "limit", "stride"}) TENON_TRY(want_entries(c, name, x.rank()));
  const Shape &start = c.get<Shape>("start"), &limit = c.get<Shape>("limit"),
              &stride = c.get<Shape>("stride");
  Type result{x.dtype, {}};
  Errors errors;
  for (size_t i = 0; i < x.rank(); ++i) {
    const std::string where = " in dimension " + std::to_string(i) + " of " + operand_text(c, 0);
    if (!provably_at_least(c, stride[i], 1)) {
      errors.append(c.fail(Code::bad_attribute, "stride " + stride[i].text() + where + " is not positive"));
      continue;
    }
    // The whole extent of an array is inside, whatever the ranges show of it.
    const bool whole = start[i] == Dim(0) && limit[i] == x.shape[i];
    if (!whole && (!provably_at_least(c, start[i], 0) || !provably_at_least(c, limit[i] - start[i], 0) ||
                   !provably_at_least(c, x.shape[i] - limit[i], 0))) {
      errors.append(c.fail(Code::bad_attribute,
                           start[i].text() + ".." + limit[i].text() + where + " is not shown to be inside",
                           "0 <= start <= limit <= extent must follow from the ranges of the dimensions"));
      continue;
    }
    result.shape.push_back(Dim::ceil_div(limit[i] - start[i], stride[i]));
  }
  if (!errors.empty()) return errors;
  c.results = {std::move(result)};
  return Ok{};
}

std::vector<ir::IndexPiece> slice_pieces(const ir::Node& node, const std::vector<Type>&, const Type&) {
  const Shape &start = node.get<Shape>("start"), &stride = node.get<Shape>("stride");
  ir::IndexPiece piece;
  for (size_t i = 0; i < start.size(); ++i) {
    piece.index.push_back({.constant = start[i], .parts = {{static_cast<uint32_t>(i), stride[i]}}});
  }
  return {std::move(piece)};
}

// Zeros everywhere but at the positions taken. Where a stride meets an extent that may be empty, padding
// cannot be shown to fit, and the rows are added at their positions instead.
void slice_vjp(ir::VjpContext& c) {
  V g{&c.b, c.cotangents[0]};
  const V x{&c.b, c.operands[0]};
  const Shape start = c.node.get<Shape>("start"), limit = c.node.get<Shape>("limit"),
              stride = c.node.get<Shape>("stride"), full = x.shape();
  const size_t rank = full.size();
  Shape low(rank), high(rank), interior(rank);
  for (size_t i = 0; i < rank; ++i) {
    const Dim n = g.shape()[i];
    if (stride[i] == Dim(1)) {
      low[i] = start[i];
      high[i] = full[i] - limit[i];
    } else if (n.is_constant() && n.constant() > 0 && stride[i].is_constant()) {
      low[i] = start[i];
      high[i] = full[i] - start[i] - ((n - 1) * stride[i] + 1);
      interior[i] = stride[i] - 1;
    } else {
      Shape wide = g.shape();
      wide[i] = full[i];
      const V rows = iota(c.b, {n}, 0, DType::i64) * extent(c.b, stride[i]) + extent(c.b, start[i]);
      g = scatter_add(broadcast_to(number(g, 0), wide), rows, g, static_cast<int64_t>(i));
    }
  }
  if (g.shape() != full) g = pad(g, number(g, 0), low, high, interior);
  c.out[0] = g.id;
}

void slice_sample(ir::SampleContext& s) {
  Shape shape, start, limit, stride;
  const int64_t rank = s.draw(s.state, 0, 3);
  for (int64_t i = 0; i < rank; ++i) {
    const int64_t front = s.draw(s.state, 0, 2), back = s.draw(s.state, 0, 2);
    const Dim inner = s.draw_dim(s.state);
    shape.push_back(inner + front + back);
    start.push_back(front);
    limit.push_back(inner + front);
    stride.push_back(s.draw(s.state, 1, 3));
  }
  s.operands = {{s.dtype, std::move(shape)}};
  s.attrs = {std::move(start), std::move(limit), std::move(stride)};
}

// --- pad -------------------------------------------------------------------------------------------------

ir::Attr derive_none(const InferContext& c) { return Shape(c.operands[0].rank(), Dim(0)); }

Status infer_pad(InferContext& c) {
  const Type& x = c.operands[0];
  TENON_TRY(want_scalar(c, 1));
  TENON_TRY(same_dtype(c, 0, 1));
  for (std::string_view name : {"low", "high", "interior"}) TENON_TRY(want_entries(c, name, x.rank()));
  const Shape &low = c.get<Shape>("low"), &high = c.get<Shape>("high"), &interior = c.get<Shape>("interior");
  Type result{x.dtype, {}};
  Errors errors;
  for (size_t i = 0; i < x.rank(); ++i) {
    const std::string where = " in dimension " + std::to_string(i) + " of " + operand_text(c, 0);
    for (const Dim* d : {&low[i], &high[i], &interior[i]}) {
      if (!provably_at_least(c, *d, 0)) {
        errors.append(c.fail(Code::bad_attribute, d->text() + where + " may be negative",
                             "slice where less is wanted"));
      }
    }
    Dim inner = x.shape[i];
    if (interior[i] != Dim(0) && inner != Dim(0)) {
      if (!provably_at_least(c, inner, 1)) {
        errors.append(c.fail(Code::bad_attribute, "interior padding" + where + ", whose extent may be 0",
                             "declare a range that starts at 1"));
      }
      inner = (inner - 1) * (interior[i] + 1) + 1;
    }
    result.shape.push_back(low[i] + inner + high[i]);
  }
  if (!errors.empty()) return errors;
  c.results = {std::move(result)};
  return Ok{};
}

std::vector<ir::IndexPiece> pad_pieces(const ir::Node& node, const std::vector<Type>& operands,
                                       const Type& result) {
  const Shape &low = node.get<Shape>("low"), &high = node.get<Shape>("high"),
              &interior = node.get<Shape>("interior");
  ir::IndexPiece inside, outside;
  for (size_t i = 0; i < operands[0].rank(); ++i) {
    const uint32_t axis = static_cast<uint32_t>(i);
    // Under a guard with a stride the index is (position - low) / stride; else it is the position, shifted
    // here.
    const bool spread = interior[i] != Dim(0);
    inside.index.push_back({.constant = spread ? Dim(0) : Dim(0) - low[i], .parts = {{axis, 1}}});
    if (spread || low[i] != Dim(0) || high[i] != Dim(0)) {
      inside.guards.push_back(
          {.axis = axis, .low = low[i], .high = result.shape[i] - high[i], .stride = interior[i] + 1});
    }
  }
  outside.operand = 1;
  return {std::move(inside), std::move(outside)};
}

void pad_vjp(ir::VjpContext& c) {
  const V g{&c.b, c.cotangents[0]}, x{&c.b, c.operands[0]};
  const Shape low = c.node.get<Shape>("low"), high = c.node.get<Shape>("high"),
              interior = c.node.get<Shape>("interior"), full = g.shape();
  Shape limit(full.size()), stride(full.size());
  for (size_t i = 0; i < full.size(); ++i) {
    limit[i] = full[i] - high[i];
    stride[i] = interior[i] + 1;
  }
  if (c.wanted[0]) c.out[0] = slice(g, low, limit, stride).id;
  if (c.wanted[1]) {
    // The fill value stands wherever x does not.
    const V yes = {&c.b, c.b.constant(DType::bool_, 1)};
    const V inside =
        pad(broadcast_to(yes, x.shape()), {&c.b, c.b.constant(DType::bool_, 0)}, low, high, interior);
    c.out[1] = reduce_sum(select(inside, 0.0, g), all_axes(g)).id;
  }
}

void pad_sample(ir::SampleContext& s) {
  Shape shape, low, high, interior;
  const int64_t rank = s.draw(s.state, 0, 3);
  for (int64_t i = 0; i < rank; ++i) {
    shape.push_back(s.draw_dim(s.state));
    low.push_back(s.draw(s.state, 0, 2));
    high.push_back(s.draw(s.state, 0, 2));
    const bool known = shape.back().is_constant();
    interior.push_back(known ? s.draw(s.state, 0, 2) : 0);
  }
  s.operands = {{s.dtype, std::move(shape)}, {s.dtype, {}}};
  s.attrs = {std::move(low), std::move(high), std::move(interior)};
}

constexpr ir::IndexMapForm slice_form{slice_pieces}, pad_form{pad_pieces};

constexpr OperandDef slice_operands[] = {{.name = "x", .doc = "the value"}};
constexpr AttrDef slice_attrs[] = {
    {.name = "start",
     .kind = AttrKind::dims,
     .doc = "first index of each dimension; by default 0",
     .derive = derive_start},
    {.name = "limit",
     .kind = AttrKind::dims,
     .doc = "index behind the last of each dimension; by default the extents of x",
     .derive = derive_limit},
    {.name = "stride",
     .kind = AttrKind::dims,
     .doc = "step of each dimension; by default 1",
     .derive = derive_stride}};

constexpr OperandDef pad_operands[] = {{.name = "x", .doc = "the value"},
                                       {.name = "fill", .doc = "rank 0: stands wherever x does not"}};
constexpr AttrDef pad_attrs[] = {{.name = "low",
                                  .kind = AttrKind::dims,
                                  .doc = "fill elements before each dimension",
                                  .derive = derive_none},
                                 {.name = "high",
                                  .kind = AttrKind::dims,
                                  .doc = "fill elements behind each dimension",
                                  .derive = derive_none},
                                 {.name = "interior",
                                  .kind = AttrKind::dims,
                                  .doc = "fill elements between two neighbours of each dimension",
                                  .derive = derive_none}};

constexpr OpDef defs[] = {
    {.name = "slice",
     .doc = "The elements of x at start, start + stride, ... below limit, in each dimension.",
     .operands = slice_operands,
     .attrs = slice_attrs,
     .form = &slice_form,
     .infer = infer_slice,
     .vjp = slice_vjp,
     .sample = slice_sample},
    {.name = "pad",
     .doc = "x with fill elements around it and between its elements.",
     .operands = pad_operands,
     .attrs = pad_attrs,
     .form = &pad_form,
     .infer = infer_pad,
     .vjp = pad_vjp,
     .sample = pad_sample},
};

}  // namespace

TENON_OP_FAMILY(slice) = defs;

}  // namespace tenon::ops
