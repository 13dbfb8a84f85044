// Bits of integers in two's complement.
#include "ops/elementwise.h"
#include "ops/wide_functions.h"

namespace tenon::ops {
namespace {

constexpr auto and_form = elementwise<2>(
    IntTypes{}, [](auto x, auto y) { return x & y; }, [](auto x, auto y) { return wide::bit_and(x, y); });
constexpr auto or_form = elementwise<2>(
    IntTypes{}, [](auto x, auto y) { return x | y; }, [](auto x, auto y) { return wide::bit_or(x, y); });
constexpr auto xor_form = elementwise<2>(
    IntTypes{}, [](auto x, auto y) { return x ^ y; }, [](auto x, auto y) { return wide::bit_xor(x, y); });
constexpr auto not_form = elementwise<1>(
    IntTypes{}, [](auto x) { return x ^ static_cast<typename decltype(x)::type>(-1); },
    [](auto x) { return wide::bit_not(x); });
constexpr auto left_form = elementwise<2>(
    IntTypes{}, [](auto x, auto y) { return x << y; }, [](auto x, auto y) { return wide::shift_left(x, y); });
constexpr auto right_form = elementwise<2>(
    IntTypes{}, [](auto x, auto y) { return x >> y; },
    [](auto x, auto y) { return wide::shift_right(x, y); });

constexpr ir::OperandDef one_integer[] = {{"x", "the argument", ir::DTypes::ints}};
constexpr ir::OperandDef two_sides[] = {{"x", "left side", ir::DTypes::ints},
                                        {"y", "right side, of x's type", ir::DTypes::ints}};
constexpr ir::OperandDef shifted[] = {{"x", "what is shifted", ir::DTypes::ints},
                                      {"count", "by how many bits, of x's type", ir::DTypes::ints}};
constexpr ir::Domain counts[] = {{-100, 100}, {-2, 9}};

constexpr ir::OpDef bits(std::string_view name, std::string_view doc, const ir::ElementwiseForm& form,
                         std::span<const ir::OperandDef> operands, std::span<const ir::Domain> domains = {}) {
  ir::OpDef def;
  def.name = name;
  def.doc = doc;
  def.operands = operands;
  def.form = &form;
  def.infer = infer_same;
  def.zero_gradient = true;
  def.domains = domains;
  return def;
}

constexpr ir::OpDef defs[] = {
    bits("bit_and", "The bits that are set in both integers.", and_form, two_sides),
    bits("bit_not", "All bits the other way: -1 - x of a signed integer.", not_form, one_integer),
    bits("bit_or", "The bits that are set in one of both integers, or in both.", or_form, two_sides),
    bits("bit_xor", "The bits that are set in exactly one of both integers.", xor_form, two_sides),
    bits("shift_left",
         "x with its bits moved up by `count`: x 2^count, wrapping. 0 for a count that is negative or not "
         "below "
         "the number of bits.",
         left_form, shifted, counts),
    bits("shift_right",
         "x with its bits moved down by `count`: floor(x / 2^count). What enters from above is the sign of a "
         "signed integer, 0 of an unsigned one; a count that is negative or not below the number of bits "
         "leaves "
         "only that: 0, or -1 for a negative x.",
         right_form, shifted, counts),
};

}  // namespace

TENON_OP_FAMILY(elementwise_bits) = defs;

}  // namespace tenon::ops
