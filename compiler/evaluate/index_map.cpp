#include "evaluate/index_map.h"

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
  for (const ir::IndexPiece& p : node.op->index_map->pieces(node, operands, result)) {
    TENON_ASSIGN(Piece piece, resolve(p, operands[p.operand], result.rank(), dims));
    pieces.push_back(std::move(piece));
  }
  TENON_ASSIGN(const std::vector<int64_t> shape, ir::evaluate_shape(result.shape, dims));
  std::vector<Source> sources;
  sources.reserve(static_cast<size_t>(element_count(shape)));
  for_each_index(shape, [&](const std::vector<int64_t>& index) {
    for (const Piece& p : pieces) {
      if (!p.holds(index)) continue;
      const int64_t e = p.element(index);
      TENON_CHECK(e >= 0 && e < p.count, std::string(node.op->name) + " reads outside operand");
      sources.push_back({p.operand, e});
      return;
    }
    TENON_CHECK(false, std::string(node.op->name) + " leaves an element undefined");
  });
  return sources;
}

}  // namespace tenon::evaluate
