#include "ops/expr.h"

#include <algorithm>

namespace tenon::ops {

using ir::Dim;
using ir::NamedAttr;
using ir::Shape;

V emit(std::string_view op, std::initializer_list<V> operands, std::initializer_list<NamedAttr> attrs) {
  TENON_CHECK(operands.size() > 0);
  ir::Builder* b = operands.begin()->b;
  std::vector<ir::ValueId> ids;
  ids.reserve(operands.size());
  for (const V& v : operands) ids.push_back(v.id);
  return {b, b->emit(op, std::move(ids), attrs)};
}

V emit(ir::Builder& b, std::string_view op, std::initializer_list<NamedAttr> attrs) {
  return {&b, b.emit(op, std::vector<ir::ValueId>{}, attrs)};
}

// --- Constants -------------------------------------------------------------------------------------------

V number(V like, double value) { return {like.b, like.b->constant(like.dtype(), value)}; }
V number_like(V like, double value) { return broadcast_to(number(like, value), Shape(like.shape())); }
V zeros_like(V like) { return number_like(like, 0); }

V extent(ir::Builder& b, Dim dim) {
  if (dim.is_constant()) {
    return {&b, b.constant(std::make_shared<const Array>(Array::scalar<int64_t>(dim.constant())))};
  }
  return emit(b, "extent", {{"dim", std::move(dim)}});
}

V iota(ir::Builder& b, Shape shape, int64_t axis, DType dtype) {
  return emit(b, "iota", {{"axis", axis}, {"shape", std::move(shape)}, {"dtype", dtype}});
}

// --- Elementwise -----------------------------------------------------------------------------------------

Shape common_shape(const Shape& a, const Shape& b) {
  const size_t rank = std::max(a.size(), b.size());
  Shape result(rank);
  for (size_t i = 0; i < rank; ++i) {
    const Dim one = 1;
    const Dim& x = i + a.size() >= rank ? a[i + a.size() - rank] : one;
    const Dim& y = i + b.size() >= rank ? b[i + b.size() - rank] : one;
    TENON_CHECK(x == y || x == one || y == one,
                "cannot broadcast " + ir::shape_text(a) + " and " + ir::shape_text(b));
    result[i] = x == one ? y : x;
  }
  return result;
}

namespace {

V binary(std::string_view op, V a, V b) {
  const Shape shape = common_shape(a.shape(), b.shape());
  return emit(op, {broadcast_to(a, shape), broadcast_to(b, shape)});
}
V binary(std::string_view op, V a, double b) { return binary(op, a, number(a, b)); }
V binary(std::string_view op, double a, V b) { return binary(op, number(b, a), b); }
V unary(std::string_view op, V a) { return emit(op, {a}); }

}  // namespace

V operator+(V a, V b) { return binary("add", a, b); }
V operator-(V a, V b) { return binary("sub", a, b); }
V operator*(V a, V b) { return binary("mul", a, b); }
V operator/(V a, V b) { return binary("div", a, b); }
V operator-(V a) { return unary("neg", a); }
V operator+(V a, double b) { return binary("add", a, b); }
V operator-(V a, double b) { return binary("sub", a, b); }
V operator*(V a, double b) { return binary("mul", a, b); }
V operator/(V a, double b) { return binary("div", a, b); }
V operator+(double a, V b) { return binary("add", a, b); }
V operator-(double a, V b) { return binary("sub", a, b); }
V operator*(double a, V b) { return binary("mul", a, b); }
V operator/(double a, V b) { return binary("div", a, b); }
V operator<(V a, V b) { return binary("lt", a, b); }
V operator<=(V a, V b) { return binary("le", a, b); }
V operator>(V a, V b) { return binary("gt", a, b); }
V operator>=(V a, V b) { return binary("ge", a, b); }
V operator<(V a, double b) { return binary("lt", a, b); }
V operator<=(V a, double b) { return binary("le", a, b); }
V operator>(V a, double b) { return binary("gt", a, b); }
V operator>=(V a, double b) { return binary("ge", a, b); }
V equal(V a, V b) { return binary("eq", a, b); }
V not_equal(V a, V b) { return binary("ne", a, b); }
V operator&&(V a, V b) { return binary("and", a, b); }
V operator||(V a, V b) { return binary("or", a, b); }
V operator!(V a) { return unary("not", a); }
V max(V a, V b) { return binary("max", a, b); }
V min(V a, V b) { return binary("min", a, b); }
V max(V a, double b) { return binary("max", a, b); }
V min(V a, double b) { return binary("min", a, b); }
V pow(V a, V b) { return binary("pow", a, b); }
V abs(V x) { return unary("abs", x); }
V sign(V x) { return unary("sign", x); }
V exp(V x) { return unary("exp", x); }
V log(V x) { return unary("log", x); }
V sqrt(V x) { return unary("sqrt", x); }
V rsqrt(V x) { return unary("rsqrt", x); }
V tanh(V x) { return unary("tanh", x); }
V sigmoid(V x) { return unary("sigmoid", x); }
V sin(V x) { return unary("sin", x); }
V cos(V x) { return unary("cos", x); }
V erf(V x) { return unary("erf", x); }
V stop_gradient(V x) { return unary("stop_gradient", x); }

V select(V condition, V a, V b) {
  const Shape shape = common_shape(condition.shape(), common_shape(a.shape(), b.shape()));
  return emit("select", {broadcast_to(condition, shape), broadcast_to(a, shape), broadcast_to(b, shape)});
}
V select(V condition, V a, double b) { return select(condition, a, number(a, b)); }
V select(V condition, double a, V b) { return select(condition, number(b, a), b); }
V cast(V x, DType to) { return x.dtype() == to ? x : emit("cast", {x}, {{"to", to}}); }

// --- Structure -------------------------------------------------------------------------------------------

V broadcast_to(V x, const Shape& shape) {
  if (x.shape() == shape) return x;
  return emit("broadcast", {x}, {{"shape", Shape(shape)}});
}
V broadcast_to(V x, const Shape& shape, const Axes& axes) {
  if (x.shape() == shape) return x;
  return emit("broadcast", {x}, {{"shape", Shape(shape)}, {"axes", Axes(axes)}});
}
V reshape(V x, const Shape& shape) {
  if (x.shape() == shape) return x;
  return emit("reshape", {x}, {{"shape", Shape(shape)}});
}
V transpose(V x, const Axes& perm) {
  if (std::is_sorted(perm.begin(), perm.end())) return x;
  return emit("transpose", {x}, {{"perm", Axes(perm)}});
}
V slice(V x, const Shape& start, const Shape& limit, const Shape& stride) {
  return emit("slice", {x}, {{"start", Shape(start)}, {"limit", Shape(limit)}, {"stride", Shape(stride)}});
}
V pad(V x, V fill, const Shape& low, const Shape& high, const Shape& interior) {
  return emit("pad", {x, fill}, {{"low", Shape(low)}, {"high", Shape(high)}, {"interior", Shape(interior)}});
}
V concat(const std::vector<V>& parts, int64_t axis) {
  TENON_CHECK(!parts.empty());
  std::vector<ir::ValueId> ids;
  for (const V& v : parts) ids.push_back(v.id);
  ir::Builder* b = parts.front().b;
  return {b, b->emit("concat", std::move(ids), {{"axis", axis}})};
}
V reverse(V x, const Axes& axes) { return emit("reverse", {x}, {{"axes", Axes(axes)}}); }

namespace {

// Reducing over no axes changes nothing but may change the type of nothing either: the value itself.
V reduce(std::string_view op, V x, const Axes& axes) {
  return axes.empty() ? x : emit(op, {x}, {{"axes", Axes(axes)}});
}

}  // namespace

V reduce_sum(V x, const Axes& axes) { return reduce("reduce_sum", x, axes); }
V reduce_prod(V x, const Axes& axes) { return reduce("reduce_prod", x, axes); }
V reduce_max(V x, const Axes& axes) { return reduce("reduce_max", x, axes); }
V reduce_min(V x, const Axes& axes) { return reduce("reduce_min", x, axes); }
V reduce_any(V x, const Axes& axes) { return reduce("reduce_any", x, axes); }
V reduce_all(V x, const Axes& axes) { return reduce("reduce_all", x, axes); }
V mean(V x, const Axes& axes) { return reduce("mean", x, axes); }
V argmax(V x, int64_t axis) { return emit("argmax", {x}, {{"axis", axis}}); }
V dot(V x, V w) { return emit("dot", {x, w}); }
V dot_general(V lhs, V rhs, const Axes& lhs_batch, const Axes& rhs_batch, const Axes& lhs_contract,
              const Axes& rhs_contract) {
  return emit("dot_general", {lhs, rhs},
              {{"lhs_batch", Axes(lhs_batch)},
               {"rhs_batch", Axes(rhs_batch)},
               {"lhs_contract", Axes(lhs_contract)},
               {"rhs_contract", Axes(rhs_contract)}});
}
V take(V x, V indices, int64_t axis) { return emit("take", {x, indices}, {{"axis", axis}}); }
V scatter_add(V x, V indices, V updates, int64_t axis) {
  return emit("scatter_add", {x, indices, updates}, {{"axis", axis}});
}

// --- Helpers of rules ------------------------------------------------------------------------------------

Axes all_axes(V x) {
  Axes axes;
  for (int64_t i = 0; i < x.rank(); ++i) axes.push_back(i);
  return axes;
}

V spread(V reduced, const Shape& shape, const Axes& axes) {
  Axes kept;
  for (int64_t i = 0; i < static_cast<int64_t>(shape.size()); ++i) {
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) kept.push_back(i);
  }
  return broadcast_to(reduced, shape, kept);
}

V unbroadcast(V cotangent, const Shape& shape) {
  const Shape from = cotangent.shape();
  TENON_CHECK(from.size() >= shape.size());
  const size_t extra = from.size() - shape.size();
  Axes axes;
  for (size_t i = 0; i < from.size(); ++i) {
    if (i < extra || shape[i - extra] != from[i]) axes.push_back(static_cast<int64_t>(i));
  }
  return reshape(reduce_sum(cotangent, axes), shape);
}

V count_along(V x, const Axes& axes) {
  Dim count = 1;
  for (int64_t axis : axes) count = count * x.shape()[static_cast<size_t>(axis)];
  if (count.is_constant()) return number(x, static_cast<double>(count.constant()));
  return cast(extent(*x.b, count), x.dtype());
}

}  // namespace tenon::ops
