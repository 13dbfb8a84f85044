#include "lower/inside.h"

#include "lower/fuse.h"

namespace tenon::lower {
namespace {

// The pieces of a node that lays its operands one behind the other along an axis; none where it does not.
std::vector<ir::IndexPiece> joined_pieces(const Graph& graph, const Node& node) {
  std::vector<ir::IndexPiece> pieces = pieces_of(graph, node);
  const ir::Type& whole = graph.type(node.results[0]);
  if (pieces.size() < 2 || pieces.size() != node.operands.size()) return {};
  Dim end = 0;
  for (size_t k = 0; k < pieces.size(); ++k) {
    const ir::IndexPiece& piece = pieces[k];
    const ir::Type& part = graph.type(node.operands[k]);
    if (piece.operand != k || piece.guards.size() != 1 || part.rank() != whole.rank()) return {};
    const ir::IndexPiece::Guard& guard = piece.guards[0];
    if (guard.axis != pieces[0].guards[0].axis) return {};
    for (uint32_t d = 0; d < whole.rank(); ++d) {
      const AffineIndex& at = piece.index[d];
      if (at.parts.size() != 1 || at.parts[0].axis != d || !(at.parts[0].coefficient == Dim(1))) return {};
      const bool along = d == guard.axis;
      if (!(at.constant == (along ? Dim(0) - guard.low : Dim(0)))) return {};
      if (!along && !(part.shape[d] == whole.shape[d])) return {};
    }
    if (!(guard.stride == Dim(1)) || !(guard.high - guard.low == part.shape[guard.axis])) return {};
    if (!(guard.low == end)) return {};
    end = guard.high;
  }
  if (!(end == whole.shape[pieces[0].guards[0].axis])) return {};
  return pieces;
}

// Elements of a concat's result before each of its parts, where each part is contiguous in it; nullopt where
// the node is something else.
std::optional<std::vector<Dim>> offsets_in_result(const Graph& graph, const Node& node) {
  const std::vector<ir::IndexPiece> pieces = joined_pieces(graph, node);
  if (pieces.empty()) return std::nullopt;
  const Shape& whole = graph.type(node.results[0]).shape;
  const uint32_t axis = pieces[0].guards[0].axis;
  // Before the axis all extents are 1.
  for (uint32_t d = 0; d < axis; ++d)
    if (!is_one(whole[d])) return std::nullopt;
  std::vector<Dim> offsets;
  for (const ir::IndexPiece& piece : pieces) {
    Dim offset = piece.guards[0].low;
    for (uint32_t d = axis + 1; d < whole.size(); ++d) offset = offset * whole[d];
    offsets.push_back(std::move(offset));
  }
  return offsets;
}

}  // namespace

bool joins_operands(const Graph& graph, const Node& node) { return !joined_pieces(graph, node).empty(); }

std::optional<Dim> offset_in_operand(const Graph& graph, const Node& node) {
  const std::vector<ir::IndexPiece> pieces = pieces_of(graph, node);
  if (node.operands.size() != 1 || pieces.size() != 1 || !pieces[0].guards.empty()) return std::nullopt;
  const Shape& shape = graph.type(node.results[0]).shape;
  Index at;
  for (uint32_t d = 0; d < shape.size(); ++d) at.push_back(affine_axis(d));
  AffineIndex from = affine_linear(pieces[0].index, graph.type(node.operands[0]).shape);
  const Dim offset = from.constant;
  from.constant = Dim(0);
  if (!affine_equal(from, affine_linear(at, shape))) return std::nullopt;
  return offset;
}

std::vector<Part> parts_of(const Graph& graph, ValueId whole, const std::function<bool(NodeId)>& inner) {
  std::vector<Part> work{{storage_of(graph, whole), Dim(0)}}, parts;
  while (!work.empty()) {
    const Part part = std::move(work.back());
    work.pop_back();
    const NodeId maker = graph.value(part.value).node;
    if (!maker.valid() || !inner(maker)) {
      parts.push_back(part);
      continue;
    }
    const Node& node = graph.node(maker);
    const std::optional<std::vector<Dim>> offsets = offsets_in_result(graph, node);
    if (!offsets) return {};
    for (size_t k = 0; k < node.operands.size(); ++k)
      work.push_back({storage_of(graph, node.operands[k]), part.offset + (*offsets)[k]});
  }
  return parts;
}

}  // namespace tenon::lower
