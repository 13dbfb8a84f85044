// Arithmetic and logic that keep bits for all values. What does not, such as x * 0 -> 0 or x - x -> 0 on
// floats (NaN, infinity, signed zero), or x + 0 -> x (-0 + 0 is +0), is not here.
#include <cmath>

#include "passes/match.h"

namespace tenon::passes {
namespace {

using ir::ValueId;
using Out = std::optional<ValueId>;

bool integers(ir::Builder& b, const Match& m) { return is_int(b.type(m.operands[0]).dtype); }

Out times_one(ir::Builder& b, const Match& m) {
  if (!is_uniform(b.graph(), m.operands[1], 1)) return std::nullopt;
  return m.operands[0];
}
Out plus_neutral(ir::Builder& b, const Match& m) {
  if (!is_uniform(b.graph(), m.operands[1], integers(b, m) ? 0.0 : -0.0)) return std::nullopt;
  return m.operands[0];
}
Out minus_zero(ir::Builder& b, const Match& m) {
  if (!is_uniform(b.graph(), m.operands[1], 0.0)) return std::nullopt;
  return m.operands[0];
}
Out times_minus_one(ir::Builder& b, const Match& m) {
  if (integers(b, m) || !is_uniform(b.graph(), m.operands[1], -1)) return std::nullopt;
  return b.emit("neg", {m.operands[0]});
}
Out negative_zero_minus(ir::Builder& b, const Match& m) {
  if (integers(b, m) || !is_uniform(b.graph(), m.operands[0], -0.0)) return std::nullopt;
  return b.emit("neg", {m.operands[1]});
}
Out integer_times_zero(ir::Builder& b, const Match& m) {
  if (!integers(b, m) || !is_uniform(b.graph(), m.operands[1], 0)) return std::nullopt;
  return m.operands[1];
}
// Both are the exact quotient rounded once, as long as the reciprocal is a normal number.
Out divide_by_power_of_two(ir::Builder& b, const Match& m) {
  const DType dtype = b.type(m.operands[0]).dtype;
  const Array* a = uniform_constant(b.graph(), m.operands[1]);
  if (a == nullptr || !is_float(dtype)) return std::nullopt;
  const double d = with_float(dtype, [&]<class T>() { return double{a->as<T>()[0]}; });
  int exponent = 0;
  if (d == 1 || !std::isfinite(d) || std::fabs(std::frexp(d, &exponent)) != 0.5 || std::abs(exponent) > 100)
    return std::nullopt;
  return b.emit("mul", {m.operands[0], b.constant_like(m.operands[0], 1 / d)});
}

Out twice(ir::Builder& b, const Match& m) {
  const ir::Node* inner = made_by(b, m.operands[0], m.node.op->name);
  if (inner == nullptr) return std::nullopt;
  return inner->operands[0];
}
Out absolute_of_absolute(ir::Builder& b, const Match& m) {
  if (made_by(b, m.operands[0], "abs") == nullptr) return std::nullopt;
  return m.operands[0];
}
Out absolute_of_negative(ir::Builder& b, const Match& m) {
  const ir::Node* inner = made_by(b, m.operands[0], "neg");
  if (inner == nullptr) return std::nullopt;
  const ValueId x = inner->operands[0];
  const DType dtype = b.type(x).dtype;
  if (!is_float(dtype) && !is_signed_int(dtype)) return std::nullopt;  // |-1| is the highest, |1| is 1
  return b.emit("abs", {x});
}
Out of_itself(ir::Builder&, const Match& m) {
  if (m.operands[0] != m.operands[1]) return std::nullopt;
  return m.operands[0];
}
template <int operand, int value>
Out logic_constant(ir::Builder& b, const Match& m) {
  // and: true is neutral, false wins; or: the other way round.
  if (!is_uniform(b.graph(), m.operands[1], value)) return std::nullopt;
  return m.operands[operand];
}

Out select_equal(ir::Builder&, const Match& m) {
  if (m.operands[1] != m.operands[2]) return std::nullopt;
  return m.operands[1];
}
Out select_known(ir::Builder& b, const Match& m) {
  if (is_uniform(b.graph(), m.operands[0], 1)) return m.operands[1];
  if (is_uniform(b.graph(), m.operands[0], 0)) return m.operands[2];
  return std::nullopt;
}
Out select_of_not(ir::Builder& b, const Match& m) {
  const ir::Node* inner = made_by(b, m.operands[0], "not");
  if (inner == nullptr) return std::nullopt;
  const ValueId c = inner->operands[0];
  return b.emit("select", {c, m.operands[2], m.operands[1]});
}

Out cast_chain(ir::Builder& b, const Match& m) {
  const ir::Node* inner = made_by(b, m.operands[0], "cast");
  if (inner == nullptr) return std::nullopt;
  const ValueId x = inner->operands[0];
  const DType from = b.type(x).dtype, middle = b.type(m.operands[0]).dtype, to = m.type.dtype;
  if (!is_lossless(from, middle)) return std::nullopt;
  if (from == to) return x;
  // Out of range, integers wrap and floats do not: the middle type must be of the first one's kind, or the
  // target a float, which only rounds.
  const bool same_kind = is_float(from) == is_float(middle) && is_bool(from) == is_bool(middle);
  if (!same_kind && !is_float(to)) return std::nullopt;
  return ops::cast({&b, x}, to).id;
}
Out pass_gradient(ir::Builder&, const Match& m) { return m.operands[0]; }

constexpr std::string_view exact = "exact for all values, -0, infinities and NaN included";
constexpr std::string_view logic = "bool only";
constexpr Rule rows[] = {
    {"mul by one", "mul", "x * 1 -> x", exact, times_one},
    {"div by one", "div", "x / 1 -> x", exact, times_one},
    {"add neutral", "add", "x + -0 -> x; integers: x + 0 -> x", exact, plus_neutral},
    {"sub zero", "sub", "x - 0 -> x", exact, minus_zero},
    {"mul by minus one", "mul", "x * -1 -> -x", "floats; exact but for the sign of a NaN", times_minus_one},
    {"sub from negative zero", "sub", "-0 - x -> -x", "floats; exact but for the sign of a NaN",
     negative_zero_minus},
    {"mul by zero", "mul", "x * 0 -> 0", "integers only", integer_times_zero},
    {"div by power of two", "div", "x / 2^k -> x * 2^-k", "|k| <= 100: one rounding of the same number",
     divide_by_power_of_two},
    {"double negation", "neg", "-(-x) -> x", exact, twice},
    {"double not", "not", "not not x -> x", logic, twice},
    {"abs of abs", "abs", "||x|| -> |x|", exact, absolute_of_absolute},
    {"abs of neg", "abs", "|-x| -> |x|", "exact; signed integers wrap alike at the lowest value",
     absolute_of_negative},
    {"max of itself", "max", "max(x, x) -> x", exact, of_itself},
    {"min of itself", "min", "min(x, x) -> x", exact, of_itself},
    {"and of itself", "and", "x and x -> x", logic, of_itself},
    {"or of itself", "or", "x or x -> x", logic, of_itself},
    {"and true", "and", "x and true -> x", logic, logic_constant<0, 1>},
    {"and false", "and", "x and false -> false", logic, logic_constant<1, 0>},
    {"or false", "or", "x or false -> x", logic, logic_constant<0, 0>},
    {"or true", "or", "x or true -> true", logic, logic_constant<1, 1>},
    {"select of equals", "select", "select(c, x, x) -> x", exact, select_equal},
    {"select by constant", "select", "select(true, x, y) -> x, select(false, x, y) -> y", exact,
     select_known},
    {"select of not", "select", "select(not c, x, y) -> select(c, y, x)", exact, select_of_not},
    {"cast chain", "cast", "cast(cast x) -> cast x", "the first cast loses nothing", cast_chain},
    {"stop_gradient", "stop_gradient", "stop_gradient x -> x", "derivatives were taken before passes run",
     pass_gradient},
};

}  // namespace

std::span<const Rule> arithmetic_rules() { return rows; }

}  // namespace tenon::passes
