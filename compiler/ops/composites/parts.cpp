#include "ops/composites/parts.h"

#include "support/text.h"

namespace tenon::ops {

V log1p(V x) { return emit("log1p", {x}); }
V expm1(V x) { return emit("expm1", {x}); }
V softplus(V x) { return emit("softplus", {x}); }

V clamp(V x, double low, double high) { return select(x <= low, low, select(x >= high, high, x)); }

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
