// Rows of test_special_gradients.cpp: an operation, its operands, its derivatives.
#pragma once

#include <limits>
#include <span>

namespace tenon::test {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double qnan = std::numeric_limits<double>::quiet_NaN();
constexpr double most = std::numeric_limits<double>::max();
constexpr double least = std::numeric_limits<double>::denorm_min();

struct Unary {
  const char* op;
  double x, first, second;
};
// Of two operands: by x, by y; then xx, xy (first by x), yx, yy.
struct Binary {
  const char* op;
  double x, y, dx, dy, xx, xy, yx, yy;
};

// Those of special_points.cpp.
extern const std::span<const Unary> function_points;
extern const std::span<const Binary> pair_points;

}  // namespace tenon::test
