// broadcast: repeats a value along new dimensions, or along dimensions of extent 1.
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

// Trailing alignment. Where the operand has more dimensions than the result, the rule below refuses.
ir::Attr derive_axes(const InferContext& c) {
  const int64_t rank = static_cast<int64_t>(c.operands[0].rank());
  const int64_t extra = static_cast<int64_t>(c.get<Shape>("shape").size()) - rank;
  Axes axes;
  for (int64_t i = 0; i < rank; ++i) axes.push_back(i + extra);
  return axes;
}

Status infer(InferContext& c) {
  const Type& x = c.operands[0];
  const Shape& shape = c.get<Shape>("shape");
  if (x.rank() > shape.size()) {
    return c.fail(Code::rank_mismatch,
                  operand_text(c, 0) + " has more dimensions than " + ir::shape_text(shape));
  }
  const Axes& axes = c.get<Axes>("axes");
  if (axes.size() != x.rank()) {
    return c.fail(Code::bad_attribute, "axes names " + std::to_string(axes.size()) + " dimensions, " +
                                           operand_text(c, 0) + " has " + std::to_string(x.rank()));
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] < 0 || axes[i] >= static_cast<int64_t>(shape.size()) || (i > 0 && axes[i] <= axes[i - 1])) {
      return c.fail(Code::bad_attribute, "axes must increase and stay inside " + ir::shape_text(shape),
                    "transpose first where the order changes");
    }
    const Dim& to = shape[static_cast<size_t>(axes[i])];
    if (x.shape[i] != to && x.shape[i] != Dim(1)) {
      return c.fail(Code::shape_mismatch,
                    operand_text(c, 0) + " does not broadcast to " + ir::shape_text(shape) + ": " +
                        x.shape[i].text() + " against " + to.text(),
                    "extents must be equal, or 1 in the operand");
    }
  }
  c.results = {{x.dtype, shape}};
  return Ok{};
}

std::vector<ir::IndexPiece> pieces(const ir::Node& node, const std::vector<Type>& operands, const Type&) {
  const Shape& shape = node.get<Shape>("shape");
  const Axes& axes = node.get<Axes>("axes");
  ir::IndexPiece piece;
  for (size_t i = 0; i < axes.size(); ++i) {
    const uint32_t axis = static_cast<uint32_t>(axes[i]);
    ir::AffineIndex index;
    if (operands[0].shape[i] == shape[axis]) index.parts.push_back({axis, 1});
    piece.index.push_back(std::move(index));
  }
  return {std::move(piece)};
}

// The sum over everything along which the value was repeated.
void vjp(ir::VjpContext& c) {
  const V g{&c.b, c.cotangents[0]}, x{&c.b, c.operands[0]};
  const Shape from = x.shape(), to = g.shape();
  const Axes axes = c.node.get<Axes>("axes");
  Axes repeated;
  for (int64_t i = 0, next = 0; i < g.rank(); ++i) {
    const bool mapped = next < x.rank() && axes[static_cast<size_t>(next)] == i;
    const bool kept = mapped && from[static_cast<size_t>(next)] == to[static_cast<size_t>(i)];
    if (!kept) repeated.push_back(i);
    next += mapped;
  }
  c.out[0] = reshape(reduce_sum(g, repeated), from).id;
}

void sample(ir::SampleContext& s) {
  Shape from, to;
  Axes axes;
  const int64_t rank = s.draw(s.state, 0, 3);
  for (int64_t i = 0; i < rank; ++i) {
    const int64_t how = s.draw(s.state, 0, 2);  // new dimension, extent 1, equal extent
    to.push_back(s.draw_dim(s.state));
    if (how == 0) continue;
    axes.push_back(i);
    from.push_back(how == 1 ? Dim(1) : to.back());
  }
  s.operands = {{s.dtype, std::move(from)}};
  s.attrs = {std::move(to), std::move(axes)};
}

constexpr ir::IndexMapForm form{pieces};
constexpr OperandDef operands[] = {{.name = "x", .doc = "the value that is repeated"}};
constexpr AttrDef attrs[] = {
    {.name = "shape", .kind = AttrKind::dims, .doc = "shape of the result"},
    {.name = "axes",
     .kind = AttrKind::integers,
     .doc = "dimension of the result for each dimension of x, increasing; by default the last ones",
     .derive = derive_axes}};

constexpr OpDef defs[] = {
    {.name = "broadcast",
     .doc =
         "Repeats x along the dimensions of `shape` that `axes` does not name, and along those where x has "
         "extent 1.",
     .operands = operands,
     .attrs = attrs,
     .form = &form,
     .infer = infer,
     .vjp = vjp,
     .sample = sample},
};

}  // namespace

TENON_OP_FAMILY(broadcast) = defs;

}  // namespace tenon::ops
