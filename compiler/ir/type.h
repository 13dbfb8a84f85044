// Tensor types: element type and shape. Shapes are at most max_rank long and hold dimension expressions.
#pragma once

#include <string>
#include <vector>

#include "ir/dim.h"
#include "support/dtype.h"

namespace tenon::ir {

inline constexpr size_t max_rank = 8;
using Shape = std::vector<Dim>;

struct Type {
  DType dtype = DType::f32;
  Shape shape;

  size_t rank() const { return shape.size(); }
  bool is_scalar() const { return shape.empty(); }
  Dim count() const;  // product of extents
  bool is_static() const;
  std::string text() const;  // "f32[batch,784]"
  friend bool operator==(const Type&, const Type&) = default;
};

std::string shape_text(const Shape& shape);  // "[batch,784]"
Result<std::vector<int64_t>> evaluate_shape(const Shape& shape, const DimBindings& bindings);

}  // namespace tenon::ir
