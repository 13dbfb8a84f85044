// Parts that several composites are made of, and checks of their attributes.
#pragma once

#include "ops/expr.h"
#include "ops/rules.h"

namespace tenon::ops {

V log1p(V x);
V expm1(V x);

// The composite: log(1 + e^x), with sigmoid as its slope.
V softplus(V x);

// x within low .. high; a NaN stays. Chosen, not max and min: at both corners the slope is 0, as relu's is.
V clamp(V x, double low, double high);

// A constant over `shape`: a value for each index of `axis`, rounded to the element type once.
V constant_along(ir::Builder& b, DType dtype, const std::vector<double>& values, const Shape& shape,
                 int64_t axis);
// Rows for take: an i64 constant.
V row_numbers(ir::Builder& b, const std::vector<int64_t>& numbers, std::vector<int64_t> shape);

// One dimension: a slice along it, two in its place, one in place of it and the next.
V slice_along(V x, int64_t axis, const Dim& start, const Dim& limit);
V split_axis(V x, int64_t axis, const Dim& outer, const Dim& inner);
V merge_axis(V x, int64_t axis);

// Attribute `name` is a number above 0, and still is one in operand 0's element type (T108).
Status want_positive(const InferContext& c, std::string_view name);
// Attribute `name` lies in low .. high, both allowed (T108).
Status want_between(const InferContext& c, std::string_view name, double low, double high);

}  // namespace tenon::ops
