// Binding of symbolic dimensions to the shapes of the values given.
#pragma once

#include "evaluate/evaluate.h"
#include "ir/graph.h"

namespace tenon::evaluate {

// Values of all dimensions that the function's arguments name, from `inputs.dims` and from the arguments'
// shapes: an extent c*n+k with one unknown name n tells it, all others must follow. T305 where shapes do not
// fit, T601 where a size is outside its declared range.
Result<ir::DimBindings> bind_sizes(const ir::Module& module, const ir::Function& function,
                                   const Inputs& inputs);

// The entry value of a global: given, or the default of a hyper-parameter. T305 where missing or misshapen.
Result<Array> entry_value(const ir::Module& module, const std::string& name, const ir::Type& type,
                          const Inputs& inputs, const ir::DimBindings& dims);

// Value of a dimension expression that, unlike an extent, may be negative.
Result<int64_t> dim_value(const ir::Dim& dim, const ir::DimBindings& dims);

// Row-major strides in elements, number of elements.
std::vector<int64_t> row_major(const std::vector<int64_t>& shape);
int64_t element_count(const std::vector<int64_t>& shape);

}  // namespace tenon::evaluate
