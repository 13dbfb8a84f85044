#include "ops/composites/parts.h"

#include <algorithm>

#include "support/text.h"

namespace tenon::ops {

V log1p(V x) { return emit("log1p", {x}); }
V expm1(V x) { return emit("expm1", {x}); }
V softplus(V x) { return emit("softplus", {x}); }

V clamp(V x, double low, double high) { return select(x <= low, low, select(x >= high, high, x)); }

V constant_along(ir::Builder& b, DType dtype, const std::vector<double>& values, const Shape& shape,
                 int64_t axis) {
  auto array = std::make_shared<Array>(dtype, std::vector{static_cast<int64_t>(values.size())});
  with_float(dtype, [&]<class T>() {
    std::transform(values.begin(), values.end(), array->as<T>().begin(),
                   [](double v) { return static_cast<T>(v); });
  });
  return broadcast_to({&b, b.constant(std::move(array))}, shape, {axis});
}

V row_numbers(ir::Builder& b, const std::vector<int64_t>& numbers, std::vector<int64_t> shape) {
  auto array = std::make_shared<Array>(DType::i64, std::move(shape));
  std::copy(numbers.begin(), numbers.end(), array->as<int64_t>().begin());
  return {&b, b.constant(std::move(array))};
}

V slice_along(V x, int64_t axis, const Dim& start, const Dim& limit) {
  const Shape shape = x.shape();
  Shape from(shape.size(), Dim(0)), to = shape;
  from[static_cast<size_t>(axis)] = start;
  to[static_cast<size_t>(axis)] = limit;
  return to == shape && start == Dim(0) ? x : slice(x, from, to, Shape(shape.size(), Dim(1)));
}

V split_axis(V x, int64_t axis, const Dim& outer, const Dim& inner) {
  Shape shape = x.shape();
  shape[static_cast<size_t>(axis)] = outer;
  shape.insert(shape.begin() + axis + 1, inner);
  return reshape(x, shape);
}

V merge_axis(V x, int64_t axis) {
  Shape shape = x.shape();
  const auto at = static_cast<size_t>(axis);
  shape[at] = shape[at] * shape[at + 1];
  shape.erase(shape.begin() + axis + 1);
  return reshape(x, shape);
}

Status want_positive(const InferContext& c, std::string_view name) {
  const double value = c.get<double>(name);
  const DType dtype = c.operands[0].dtype;
  const double least_normal = smallest_step(dtype) / (2 * half_unit(dtype));
  if (value >= least_normal && value <= largest_finite(dtype)) return Ok{};
  return c.fail(Code::bad_attribute, std::string(name) + " is " + format_float(value) +
                                         ", wants a number above 0 that " + std::string(dtype_name(dtype)) +
                                         " can hold");
}

Status want_between(const InferContext& c, std::string_view name, double low, double high) {
  const double value = c.get<double>(name);
  if (value >= low && value <= high) return Ok{};
  return c.fail(Code::bad_attribute, std::string(name) + " is " + format_float(value) +
                                         ", wants a number from " + format_float(low) + " to " +
                                         format_float(high));
}

}  // namespace tenon::ops
