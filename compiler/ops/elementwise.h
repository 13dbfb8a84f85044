// What the elementwise families share: forms from rules, type rules, and helpers of derivative rules.
#pragma once

#include "ops/expr.h"
#include "ops/family.h"
#include "ops/scalar_kernel.h"
#include "ops/wide.h"

namespace tenon::ops {

// Cost and accuracy of a form. ulp: bound for all arguments, in units in the last place of the result's type.
struct Traits {
  double ulp = 0.5;
  uint16_t flops = 1;
  bool cheap = true;
};

// A form of N operands: `rule` for the dtypes listed, `wide` its independent twin.
template <size_t N, class Types, class Rule, class WideRule>
constexpr ir::ElementwiseForm elementwise(Types types, Rule rule, WideRule, Traits traits = {}) {
  ir::ElementwiseForm form;
  fill_types<N>(form, rule, types);
  form.wide32 = &WideAdapter<WideRule, N>::template call<double>;
  form.wide64 = &WideAdapter<WideRule, N>::template call<long double>;
  form.ulp = traits.ulp;
  form.flops = traits.flops;
  form.cheap = traits.cheap;
  return form;
}

// name_form of the float function `name`: the scalar rule name(x), the wide twin wide::name(x). The declared
// bound is the larger one of f32's and f64's.
#define TENON_FUNCTION_FORM(name, ulp, flops, cheap)                                      \
  constexpr auto name##_form = elementwise<1>(                                            \
      FloatTypes{}, [](auto x) { return name(x); }, [](auto x) { return wide::name(x); }, \
      {ulp, flops, cheap})

// Type rules. All operands have one type; the result has it too, or is bool of its shape.
Status infer_same(ir::InferContext& context);
Status infer_compare(ir::InferContext& context);

// Derivative rules: operand, result and cotangent as expressions; storing an operand's cotangent.
inline V arg(ir::VjpContext& c, size_t i) { return {&c.b, c.operands[i]}; }
inline V result(ir::VjpContext& c) { return {&c.b, c.results[0]}; }
inline V cotangent(ir::VjpContext& c) { return {&c.b, c.cotangents[0]}; }
inline void give(ir::VjpContext& c, size_t i, V v) { c.out[i] = v.id; }

inline constexpr ir::OperandDef one_float[] = {{"x", "the argument", ir::DTypes::floats}};
inline constexpr ir::OperandDef one_number[] = {{"x", "the argument", ir::DTypes::numbers}};
inline constexpr ir::OperandDef two_floats[] = {{"x", "left side", ir::DTypes::floats},
                                                {"y", "right side, of x's type", ir::DTypes::floats}};
inline constexpr ir::OperandDef two_numbers[] = {{"x", "left side", ir::DTypes::numbers},
                                                 {"y", "right side, of x's type", ir::DTypes::numbers}};
inline constexpr ir::OperandDef two_integers[] = {{"x", "dividend", ir::DTypes::ints},
                                                  {"y", "divisor, of x's type", ir::DTypes::ints}};

}  // namespace tenon::ops
