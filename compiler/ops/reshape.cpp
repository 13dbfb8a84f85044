// reshape: the same elements in row-major order under another shape.
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

// One extent may be -1: what remains of x's elements.
Status fill_in(InferContext& c, Shape* shape) {
  Dim rest = 1;
  Dim* open = nullptr;
  for (Dim& d : *shape) {
    if (d != Dim(-1)) {
      rest = rest * d;
    } else if (open == nullptr) {
      open = &d;
    } else {
      return c.fail(Code::bad_attribute, "two extents of " + ir::shape_text(*shape) + " are -1");
    }
  }
  if (open == nullptr) return Ok{};
  const Dim count = c.operands[0].count();
  if (rest == Dim(0) || rest.overflowed() || count.overflowed() ||
      Dim::floor_div(count, rest) * rest != count) {
    return c.fail(Code::shape_mismatch,
                  operand_text(c, 0) + " does not divide into " + ir::shape_text(*shape));
  }
  *open = Dim::floor_div(count, rest);
  return Ok{};
}

Status infer(InferContext& c) {
  Shape shape = c.get<Shape>("shape");
  TENON_TRY(fill_in(c, &shape));
  const Type result{c.operands[0].dtype, shape};
  const Dim from = c.operands[0].count(), to = result.count();
  if (from.overflowed() || to.overflowed())
    return c.fail(Code::dim_range, "too many elements to compute with");
  if (!same_extent(c, from, to)) {
    return c.fail(Code::shape_mismatch, operand_text(c, 0) + " has " + from.text() + " elements, " +
                                            ir::shape_text(shape) + " has " + to.text());
  }
  c.set("shape", std::move(shape));
  c.results = {result};
  return Ok{};
}

void vjp(ir::VjpContext& c) {
  const V g{&c.b, c.cotangents[0]}, x{&c.b, c.operands[0]};
  c.out[0] = reshape(g, x.shape()).id;
}

// Merges two neighbouring dimensions, or adds one of extent 1.
void sample(ir::SampleContext& s) {
  Shape from, to;
  const int64_t rank = s.draw(s.state, 0, 4);
  for (int64_t i = 0; i < rank; ++i) from.push_back(s.draw_dim(s.state));
  const int64_t merged = rank >= 2 ? s.draw(s.state, 0, rank - 2) : -1;
  if (merged < 0) to.push_back(1);
  for (int64_t i = 0; i < rank; ++i) {
    const size_t at = static_cast<size_t>(i);
    if (i == merged + 1 && merged >= 0) {
      to.back() = to.back() * from[at];
    } else {
      to.push_back(from[at]);
    }
  }
  s.operands = {{s.dtype, std::move(from)}};
  s.attrs = {std::move(to)};
}

constexpr ir::ViewForm form{};
constexpr OperandDef operands[] = {{.name = "x", .doc = "the value"}};
constexpr AttrDef attrs[] = {
    {.name = "shape", .kind = AttrKind::dims, .doc = "new shape; one extent may be -1: what remains"}};

constexpr OpDef defs[] = {
    {.name = "reshape",
     .doc = "The elements of x in row-major order under another shape of as many elements.",
     .operands = operands,
     .attrs = attrs,
     .form = &form,
     .infer = infer,
     .vjp = vjp,
     .sample = sample},
};

}  // namespace

TENON_OP_FAMILY(reshape) = defs;

}  // namespace tenon::ops
