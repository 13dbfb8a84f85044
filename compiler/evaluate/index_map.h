// Index maps under known sizes: which operand element each output element is. Movement of elements only; both
// evaluators use it.
#pragma once

#include "evaluate/sizes.h"
#include "ir/op_def.h"

namespace tenon::evaluate {

// One output element's source.
struct Source {
  uint32_t operand = 0;
  int64_t element = 0;
};

// For every element of the node's result, in row-major order. T112 on sizes that do not evaluate.
Result<std::vector<Source>> index_sources(const ir::Node& node, const std::vector<ir::Type>& operands,
                                          const ir::Type& result, const ir::DimBindings& dims);

// Positions in row-major order: calls visit(index vector) for each.
template <class F>
void for_each_index(const std::vector<int64_t>& shape, F visit) {
  for (int64_t d : shape)
    if (d == 0) return;
  std::vector<int64_t> index(shape.size(), 0);
  for (;;) {
    visit(index);
    size_t d = shape.size();
    while (d > 0 && ++index[d - 1] == shape[d - 1]) index[--d] = 0;
    if (d == 0) return;
  }
}

}  // namespace tenon::evaluate
