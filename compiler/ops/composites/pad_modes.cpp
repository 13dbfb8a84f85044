// pad_edge, pad_reflect, pad_symmetric, pad_wrap: padding with elements of the value itself, in numpy's
// terms. (pad fills with a number.)
#include <algorithm>

#include "ops/composites/parts.h"
#include "ops/family.h"

namespace tenon::ops {
namespace {

enum class Mode { edge, reflect, symmetric, wrap };
Mode mode_of(const OpDef& op) {
  switch (op.name[4]) {
    case 'e':
      return Mode::edge;
    case 'r':
      return Mode::reflect;
    case 's':
      return Mode::symmetric;
    default:
      return Mode::wrap;
  }
}

ir::Attr derive_none(const InferContext& c) { return Shape(c.operands[0].rank(), Dim(0)); }

// How many elements a side can have, of the extent: those that are there to be repeated.
Status want_room(const InferContext& c, std::string_view name, size_t i) {
  const Type& x = c.operands[0];
  const Dim &extent = x.shape[i], &amount = c.get<Shape>(name)[i];
  const std::string what = std::string(name) + " is " + amount.text() + " in dimension " + std::to_string(i);
  if (!provably_at_least(c, amount, 0))
    return c.fail(Code::bad_attribute, what + ", wants at least 0; " + operand_text(c, 0),
                  "slice where less is wanted");
  if (amount == Dim(0)) return Ok{};
  const Mode mode = mode_of(*c.op);
  if (mode == Mode::edge) {
    if (provably_at_least(c, extent, 1)) return Ok{};
    return c.fail(Code::shape_mismatch, what + ", which may have no element to repeat; " + operand_text(c, 0),
                  "declare a range that starts at 1");
  }
  const Dim most = mode == Mode::reflect ? extent - 1 : extent;
  if (provably_at_least(c, most - amount, 0)) return Ok{};
  return c.fail(Code::bad_attribute,
                what + ", of whose " + extent.text() + " elements " + most.text() + " can be repeated; " +
                    operand_text(c, 0),
                "pad less at once, or declare a range that starts high enough");
}

Status infer(InferContext& c) {
  Type out = c.operands[0];
  for (const std::string_view name : {"low", "high"})
    if (const size_t entries = c.get<Shape>(name).size(); entries != out.rank())
      return c.fail(Code::bad_attribute,
                    std::string(name) + " has " + std::to_string(entries) + " entries, wants " +
                        std::to_string(out.rank()) + "; " + operand_text(c, 0),
                    "give one for each dimension, 0 where it is not padded");
  for (size_t i = 0; i < out.rank(); ++i) {
    TENON_TRY(want_room(c, "low", i));
    TENON_TRY(want_room(c, "high", i));
    out.shape[i] = c.get<Shape>("low")[i] + out.shape[i] + c.get<Shape>("high")[i];
  }
  c.results = {std::move(out)};
  return Ok{};
}

// What stands before, or behind, x along the axis.
V side(Mode mode, V x, int64_t axis, const Dim& amount, bool low) {
  const Dim n = x.shape()[static_cast<size_t>(axis)];
  const auto part = [&](const Dim& start, const Dim& limit) { return slice_along(x, axis, start, limit); };
  switch (mode) {
    case Mode::edge: {
      const V one = low ? part(0, 1) : part(n - 1, n);
      Shape shape = one.shape();
      shape[static_cast<size_t>(axis)] = amount;
      return broadcast_to(one, shape);
    }
    case Mode::reflect:
      return reverse(low ? part(1, amount + 1) : part(n - 1 - amount, n - 1), {axis});
    case Mode::symmetric:
      return reverse(low ? part(0, amount) : part(n - amount, n), {axis});
    case Mode::wrap:
      return low ? part(n - amount, n) : part(0, amount);
  }
  return x;
}

std::vector<ir::ValueId> body(ir::BodyContext& c) {
  const Mode mode = mode_of(*c.node.op);
  const Shape &low = c.node.get<Shape>("low"), &high = c.node.get<Shape>("high");
  V x{&c.b, c.operands[0]};
  for (size_t i = 0; i < low.size(); ++i) {
    const auto axis = static_cast<int64_t>(i);
    std::vector<V> parts;
    if (low[i] != Dim(0)) parts.push_back(side(mode, x, axis, low[i], true));
    parts.push_back(x);
    if (high[i] != Dim(0)) parts.push_back(side(mode, x, axis, high[i], false));
    if (parts.size() > 1) x = concat(parts, axis);
  }
  return {x.id};
}

void sample(ir::SampleContext& s) {
  Shape x, low, high;
  for (int64_t n = s.draw(s.state, 0, 3); n > 0; --n) {
    const int64_t l = s.draw(s.state, 0, 2), h = s.draw(s.state, 0, 2);
    low.push_back(l);
    high.push_back(h);
    x.push_back(l + h == 0 ? s.draw_dim(s.state) : s.draw_dim(s.state) + std::max(l, h) + 1);
  }
  s.operands = {{s.dtype, std::move(x)}};
  s.attrs = {std::move(low), std::move(high)};
  if (const int64_t side = s.draw(s.state, 0, 5); side < 2) s.attrs[static_cast<size_t>(side)] = {};
}

constexpr ir::CompositeForm form{body};
constexpr OperandDef operands[] = {{.name = "x", .doc = "the value"}};
constexpr AttrDef attrs[] = {{.name = "low",
                              .kind = AttrKind::dims,
                              .doc = "of each dimension: elements before the first; 0 where left out",
                              .derive = derive_none},
                             {.name = "high",
                              .kind = AttrKind::dims,
                              .doc = "of each dimension: elements behind the last; 0 where left out",
                              .derive = derive_none}};

constexpr OpDef mode(std::string_view name, std::string_view doc) {
  return {.name = name,
          .doc = doc,
          .operands = operands,
          .attrs = attrs,
          .form = &form,
          .infer = infer,
          .sample = sample};
}
constexpr OpDef defs[] = {
    mode("pad_edge", "x with its first and last elements repeated: a a | a b c | c c."),
    mode("pad_reflect",
         "x with its elements in a mirror that stands on the first and on the last: c b | a b c | b a. At "
         "most the extent less 1 on a side."),
    mode("pad_symmetric",
         "x with its elements in a mirror that stands before the first and behind the last: b a | a b c | c "
         "b. At most the extent on a side."),
    mode("pad_wrap", "x as if it went round: b c | a b c | a b. At most the extent on a side.")};

}  // namespace

TENON_OP_FAMILY(pad_modes) = defs;

}  // namespace tenon::ops
