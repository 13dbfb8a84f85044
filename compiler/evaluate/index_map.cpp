#include "evaluate/index_map.h"

#include <algorithm>

namespace tenon::evaluate {
namespace {

// A piece under known sizes: source element = base + sum factor[axis] * index[axis].
struct Piece {
  uint32_t operand = 0;
  int64_t base = 0, count = 0;
  std::vector<int64_t> factor;
  struct Guard {
    size_t axis;
    int64_t low, high, stride;
  };
  std::vector<Guard> guards;

  bool holds(const std::vector<int64_t>& index) const {
    for (const Guard& g : guards) {
      const int64_t i = index[g.axis];
      if (i < g.low || i >= g.high || (i - g.low) % g.stride != 0) return false;
    }
    return true;
  }
  int64_t element(const std::vector<int64_t>& index) const {
    int64_t e = base;
    for (size_t a = 0; a < index.size(); ++a) e += factor[a] * index[a];
    // An axis under a guard with a stride counts (index - low) / stride.
    for (const Guard& g : guards)
      if (g.stride != 1) e += factor[g.axis] * ((index[g.axis] - g.low) / g.stride - index[g.axis]);
    return e;
  }
};

// What a piece's guards leave of a shape: index[a] = low[a] + step[a] * (0..counts[a]-1).
struct Box {
  std::vector<int64_t> low, step, counts;
};
Box box_of(const Piece& piece, const std::vector<int64_t>& shape) {
  Box box{std::vector<int64_t>(shape.size(), 0), std::vector<int64_t>(shape.size(), 1), shape};
  std::vector<int64_t> high = shape;
  for (const Piece::Guard& g : piece.guards) {
    high[g.axis] = std::min(high[g.axis], g.high);
    // The first index from low on, in steps of the guard's stride, that the axis has.
    const int64_t first = g.low >= 0 ? g.low : g.low + (g.stride - 1 - g.low) / g.stride * g.stride;
    if (first < box.low[g.axis]) continue;
    box.low[g.axis] = first;
    box.step[g.axis] = g.stride;
  }
  for (size_t a = 0; a < shape.size(); ++a) {
    const int64_t extent = std::max<int64_t>(high[a] - box.low[a], 0);
    box.counts[a] = (extent + box.step[a] - 1) / box.step[a];
  }
  return box;
}

Result<Piece> resolve(const ir::IndexPiece& from, const ir::Type& operand, size_t rank,
                      const ir::DimBindings& dims) {
  Piece piece;
  piece.operand = from.operand;
  piece.factor.assign(rank, 0);
  TENON_ASSIGN(const std::vector<int64_t> shape, ir::evaluate_shape(operand.shape, dims));
  piece.count = element_count(shape);
  const std::vector<int64_t> strides = row_major(shape);
  TENON_CHECK(from.index.empty() || from.index.size() == shape.size());
  for (size_t d = 0; d < from.index.size(); ++d) {
    TENON_ASSIGN(const int64_t constant, dim_value(from.index[d].constant, dims));
    piece.base += constant * strides[d];
    for (const ir::AffineIndex::Part& part : from.index[d].parts) {
      TENON_ASSIGN(const int64_t coefficient, dim_value(part.coefficient, dims));
      piece.factor[part.axis] += coefficient * strides[d];
    }
  }
  for (const ir::IndexPiece::Guard& g : from.guards) {
    TENON_ASSIGN(const int64_t low, dim_value(g.low, dims));
    TENON_ASSIGN(const int64_t high, dim_value(g.high, dims));
    TENON_ASSIGN(const int64_t stride, dim_value(g.stride, dims));
    TENON_CHECK(stride > 0);
    piece.guards.push_back({g.axis, low, high, stride});
  }
  return piece;
}

}  // namespace

Result<std::vector<Source>> index_sources(const ir::Node& node, const std::vector<ir::Type>& operands,
                                          const ir::Type& result, const ir::DimBindings& dims) {
  std::vector<Piece> pieces;
  for (const ir::IndexPiece& p : node.op->index_map()->pieces(node, operands, result)) {
    TENON_ASSIGN(Piece piece, resolve(p, operands[p.operand], result.rank(), dims));
    pieces.push_back(std::move(piece));
  }
  TENON_ASSIGN(const std::vector<int64_t> shape, ir::evaluate_shape(result.shape, dims));
  const std::vector<int64_t> strides = row_major(shape);
  std::vector<Source> sources(static_cast<size_t>(element_count(shape)), Source{0, -1});
  size_t left = sources.size();
  // Piece by piece, the first that holds stays: each goes through what its guards leave, so that the parts of
  // a concat cost no more than their elements.
  for (const Piece& p : pieces) {
    const Box box = box_of(p, shape);
    std::vector<int64_t> index(shape.size());
    for_each_index(box.counts, [&](const std::vector<int64_t>& at) {
      int64_t place = 0;
      for (size_t a = 0; a < at.size(); ++a) {
        index[a] = box.low[a] + at[a] * box.step[a];
        place += index[a] * strides[a];
      }
      Source& source = sources[static_cast<size_t>(place)];
      if (source.element >= 0 || !p.holds(index)) return;
      const int64_t e = p.element(index);
      TENON_CHECK(e >= 0 && e < p.count, std::string(node.op->name) + " reads outside operand");
      source = {p.operand, e};
      --left;
    });
    if (left == 0) break;
  }
  TENON_CHECK(left == 0, std::string(node.op->name) + " leaves an element undefined");
  return sources;
}

}  // namespace tenon::evaluate
