// Chains of operations that move elements without computing. Elements are the same, so are bits.
#include <algorithm>

#include "passes/match.h"

namespace tenon::passes {
namespace {

using ir::Dim;
using ir::Shape;
using ir::ValueId;
using ops::Axes;
using ops::V;
using Out = std::optional<ValueId>;

Out transpose_chain(ir::Builder& b, const Match& m) {
  const ir::Node* inner = made_by(b, m.operands[0], "transpose");
  if (inner == nullptr) return std::nullopt;
  const Axes &first = inner->get<Axes>("perm"), &second = m.node.get<Axes>("perm");
  Axes perm;
  for (int64_t p : second) perm.push_back(first[static_cast<size_t>(p)]);
  return ops::transpose({&b, inner->operands[0]}, perm).id;
}

Out reshape_chain(ir::Builder& b, const Match& m) {
  const ir::Node* inner = made_by(b, m.operands[0], "reshape");
  if (inner == nullptr) return std::nullopt;
  const ValueId x = inner->operands[0];
  return ops::reshape({&b, x}, m.type.shape).id;
}

// A value with one element (or of rank 0, spread) has the same elements in any shape.
Out reshape_of_spread_scalar(ir::Builder& b, const Match& m) {
  const ir::Node* inner = made_by(b, m.operands[0], "broadcast");
  if (inner == nullptr || !b.type(inner->operands[0]).is_scalar()) return std::nullopt;
  const ValueId x = inner->operands[0];
  return ops::broadcast_to({&b, x}, m.type.shape).id;
}

Out broadcast_chain(ir::Builder& b, const Match& m) {
  const ir::Node* inner = made_by(b, m.operands[0], "broadcast");
  if (inner == nullptr) return std::nullopt;
  const Axes &first = inner->get<Axes>("axes"), &second = m.node.get<Axes>("axes");
  Axes axes;
  for (int64_t a : first) axes.push_back(second[static_cast<size_t>(a)]);
  const ValueId x = inner->operands[0];
  return ops::broadcast_to({&b, x}, m.type.shape, axes).id;
}

// broadcast(reshape x) where the reshape only adds dimensions of extent 1: the broadcast can place x's own
// ones.
Out broadcast_of_added_ones(ir::Builder& b, const Match& m) {
  const ir::Node* inner = made_by(b, m.operands[0], "reshape");
  if (inner == nullptr) return std::nullopt;
  const ValueId x = inner->operands[0];
  const Shape from = b.type(x).shape, to = b.type(m.operands[0]).shape;
  const Axes& outer = m.node.get<Axes>("axes");
  Axes axes;
  for (size_t i = 0; i < to.size(); ++i) {
    if (axes.size() < from.size() && to[i] == from[axes.size()]) {
      axes.push_back(outer[i]);
    } else if (to[i] != Dim(1)) {
      return std::nullopt;
    }
  }
  if (axes.size() != from.size()) return std::nullopt;
  return ops::broadcast_to({&b, x}, m.type.shape, axes).id;
}

Out transpose_of_broadcast(ir::Builder& b, const Match& m) {
  const ir::Node* inner = made_by(b, m.operands[0], "broadcast");
  if (inner == nullptr) return std::nullopt;
  const Axes perm = m.node.get<Axes>("perm"), axes = inner->get<Axes>("axes");
  const ValueId x = inner->operands[0];
  std::vector<std::pair<int64_t, int64_t>> placed;  // (axis in the result, dimension of x)
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto at = std::find(perm.begin(), perm.end(), axes[i]);
    placed.push_back({at - perm.begin(), static_cast<int64_t>(i)});
  }
  std::sort(placed.begin(), placed.end());
  Axes order, to;
  for (const auto& [axis, dimension] : placed) {
    to.push_back(axis);
    order.push_back(dimension);
  }
  return ops::broadcast_to(ops::transpose({&b, x}, order), m.type.shape, to).id;
}

bool all_ones(const Shape& stride) {
  return std::all_of(stride.begin(), stride.end(), [](const Dim& d) { return d == Dim(1); });
}
Out slice_chain(ir::Builder& b, const Match& m) {
  const ir::Node* inner = made_by(b, m.operands[0], "slice");
  if (inner == nullptr || !all_ones(inner->get<Shape>("stride"))) return std::nullopt;
  const Shape offset = inner->get<Shape>("start"), stride = m.node.get<Shape>("stride");
  Shape start = m.node.get<Shape>("start"), limit = m.node.get<Shape>("limit");
  for (size_t i = 0; i < offset.size(); ++i) {
    start[i] = start[i] + offset[i];
    limit[i] = limit[i] + offset[i];
  }
  const ValueId x = inner->operands[0];
  return ops::slice({&b, x}, start, limit, stride).id;
}

Out reverse_twice(ir::Builder& b, const Match& m) {
  const ir::Node* inner = made_by(b, m.operands[0], "reverse");
  if (inner == nullptr || inner->get<Axes>("axes") != m.node.get<Axes>("axes")) return std::nullopt;
  return inner->operands[0];
}

constexpr std::string_view moves = "moves elements, computes nothing";
constexpr Rule rows[] = {
    {"transpose chain", "transpose", "transpose(transpose x) -> transpose x", moves, transpose_chain},
    {"transpose of broadcast", "transpose", "transpose(broadcast x) -> broadcast(transpose x)", moves,
     transpose_of_broadcast},
    {"reshape chain", "reshape", "reshape(reshape x) -> reshape x", moves, reshape_chain},
    {"reshape of spread scalar", "reshape", "reshape(broadcast scalar) -> broadcast scalar", moves,
     reshape_of_spread_scalar},
    {"broadcast chain", "broadcast", "broadcast(broadcast x) -> broadcast x", moves, broadcast_chain},
    {"broadcast of added ones", "broadcast", "broadcast(reshape x to add 1s) -> broadcast x", moves,
     broadcast_of_added_ones},
    {"slice chain", "slice", "slice(slice x) -> slice x",
     "the first has stride 1; bounds were shown for both", slice_chain},
    {"reverse twice", "reverse", "reverse(reverse x) -> x", moves, reverse_twice},
};

}  // namespace

std::span<const Rule> structure_rules() { return rows; }

}  // namespace tenon::passes
