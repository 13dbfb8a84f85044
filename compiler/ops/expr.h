// V: a graph value with operators, so that derivative rules and bodies of composites read like mathematics.
//
// Each function emits one operation of its name (or a few, where said). Operands of different shapes are
// broadcast against each other by explicit broadcast nodes (trailing dimensions aligned, extents equal or 1).
// A number takes the other operand's dtype. Types that do not fit are our bug: these functions are for rules,
// whose operands were checked before, not for users.
#pragma once

#include <string_view>
#include <vector>

#include "ir/builder.h"

namespace tenon::ops {
using namespace support;

struct V {
  ir::Builder* b = nullptr;
  ir::ValueId id;

  // By value: a reference into the graph would not outlive the next node.
  ir::Type type() const { return b->type(id); }
  ir::Shape shape() const { return b->type(id).shape; }
  DType dtype() const { return b->type(id).dtype; }
  int64_t rank() const { return static_cast<int64_t>(b->type(id).rank()); }
};
using Axes = std::vector<int64_t>;

// Any operation by name, one result.
V emit(std::string_view op, std::initializer_list<V> operands,
       std::initializer_list<ir::NamedAttr> attrs = {});
V emit(ir::Builder& b, std::string_view op, std::initializer_list<ir::NamedAttr> attrs);

// --- Constants -------------------------------------------------------------------------------------------
V number(V like, double value);       // rank 0, of like's dtype
V number_like(V like, double value);  // like's dtype and shape
V zeros_like(V like);
V extent(ir::Builder& b, ir::Dim dim);  // i64[]; a constant where the extent is one
V iota(ir::Builder& b, ir::Shape shape, int64_t axis, DType dtype);

// --- Elementwise -----------------------------------------------------------------------------------------
V operator+(V a, V b);
V operator-(V a, V b);
V operator*(V a, V b);
V operator/(V a, V b);
V operator-(V a);
V operator+(V a, double b);
V operator-(V a, double b);
V operator*(V a, double b);
V operator/(V a, double b);
V operator+(double a, V b);
V operator-(double a, V b);
V operator*(double a, V b);
V operator/(double a, V b);
V operator<(V a, V b);
V operator<=(V a, V b);
V operator>(V a, V b);
V operator>=(V a, V b);
V operator<(V a, double b);
V operator<=(V a, double b);
V operator>(V a, double b);
V operator>=(V a, double b);
V equal(V a, V b);
V not_equal(V a, V b);
V operator&&(V a, V b);  // of bool; both sides are values, nothing is skipped
V operator||(V a, V b);
V operator!(V a);
V max(V a, V b);
V min(V a, V b);
V max(V a, double b);
V min(V a, double b);
V pow(V a, V b);
V abs(V x);
V sign(V x);
V exp(V x);
V log(V x);
V sqrt(V x);
V rsqrt(V x);
V tanh(V x);
V sigmoid(V x);
V sin(V x);
V cos(V x);
V erf(V x);
V stop_gradient(V x);
V select(V condition, V a, V b);
V select(V condition, V a, double b);
V select(V condition, double a, V b);
V cast(V x, DType to);  // x itself where it has the type already

// --- Structure -------------------------------------------------------------------------------------------
// x itself where the shape is x's already. `axes`: result dimension of each of x's; default: trailing.
V broadcast_to(V x, const ir::Shape& shape);
V broadcast_to(V x, const ir::Shape& shape, const Axes& axes);
V reshape(V x, const ir::Shape& shape);
V transpose(V x, const Axes& perm);  // x itself for the identity
V slice(V x, const ir::Shape& start, const ir::Shape& limit, const ir::Shape& stride);
V pad(V x, V fill, const ir::Shape& low, const ir::Shape& high, const ir::Shape& interior);
V concat(const std::vector<V>& parts, int64_t axis);
V reverse(V x, const Axes& axes);
V reduce_sum(V x, const Axes& axes);
V reduce_prod(V x, const Axes& axes);
V reduce_max(V x, const Axes& axes);
V reduce_min(V x, const Axes& axes);
V reduce_any(V x, const Axes& axes);
V reduce_all(V x, const Axes& axes);
V mean(V x, const Axes& axes);
V argmax(V x, int64_t axis);
V dot(V x, V w);
V dot_general(V lhs, V rhs, const Axes& lhs_batch, const Axes& rhs_batch, const Axes& lhs_contract,
              const Axes& rhs_contract);
V take(V x, V indices, int64_t axis);
V scatter_add(V x, V indices, V updates, int64_t axis);

// --- Helpers of rules ------------------------------------------------------------------------------------
Axes all_axes(V x);
// Spreads a value reduced over `axes` back over the shape it was reduced from.
V spread(V reduced, const ir::Shape& shape, const Axes& axes);
// Sums a cotangent over the dimensions along which a value of `shape` was broadcast (trailing alignment).
V unbroadcast(V cotangent, const ir::Shape& shape);
// Product of x's extents along the axes, as a rank-0 value of x's dtype.
V count_along(V x, const Axes& axes);
// The shape that both broadcast to; TENON_CHECK where there is none.
ir::Shape common_shape(const ir::Shape& a, const ir::Shape& b);

}  // namespace tenon::ops
