// Random tensors. What each bit is stands in random.h.
#include <cmath>

#include "ops/family.h"
#include "ops/rules.h"
#include "support/text.h"

namespace tenon::ops {
namespace {

Status infer(InferContext& c, DType dtype) {
  for (size_t i = 0; i < c.operands.size(); ++i) {
    TENON_TRY(want_scalar(c, i));
    if (c.operands[i].dtype != DType::i64) {
      return c.fail(Code::dtype_mismatch, operand_text(c, i) + ", wants i64[]");
    }
  }
  const Shape& shape = c.get<Shape>("shape");
  c.results = {{dtype, shape}};
  return Ok{};
}

Status infer_floats(InferContext& c) {
  const DType dtype = c.get<DType>("dtype");
  TENON_TRY(want_computed(c, dtype));
  if (!is_float(dtype)) {
    return c.fail(Code::dtype_mismatch,
                  "dtype is " + std::string(dtype_name(dtype)) + ", wants a float type");
  }
  return infer(c, dtype);
}

// The numbers become elements: what the type cannot hold is refused, as in a constant, and so is what nothing
// can be drawn around.
Status numbers_fit(const InferContext& c, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const double value = c.get<double>(name);
    TENON_TRY(Number(value).check(c.get<DType>("dtype"),
                                  std::string(c.op->name) + ": " + std::string(name) + " = "));
    if (!std::isfinite(value))
      return c.fail(Code::bad_attribute,
                    std::string(name) + " is " + format_float(value) + ", wants a finite number");
  }
  return Ok{};
}

Status infer_uniform(InferContext& c) {
  TENON_TRY(infer_floats(c));
  TENON_TRY(numbers_fit(c, {"low", "high"}));
  if (c.get<double>("low") > c.get<double>("high")) {
    return c.fail(Code::bad_attribute, "low must not be above high");
  }
  return Ok{};
}

Status infer_normal(InferContext& c) {
  TENON_TRY(infer_floats(c));
  TENON_TRY(numbers_fit(c, {"mean", "std"}));
  if (c.get<double>("std") < 0) return c.fail(Code::bad_attribute, "std must not be negative");
  return Ok{};
}

Status infer_bernoulli(InferContext& c) {
  const double p = c.get<double>("p");
  if (!(p >= 0 && p <= 1)) return c.fail(Code::bad_attribute, "p must be from 0 to 1");
  return infer(c, DType::bool_);
}

Shape sample_shape(ir::SampleContext& s) {
  Shape shape;
  for (int64_t n = s.draw(s.state, 0, 3); n > 0; --n) shape.push_back(s.draw_dim(s.state));
  s.operands.assign(static_cast<size_t>(s.draw(s.state, 1, 3)), Type{DType::i64, {}});
  return shape;
}
DType sample_float(const ir::SampleContext& s) { return s.dtype == DType::f64 ? DType::f64 : DType::f32; }
void uniform_sample(ir::SampleContext& s) {
  s.attrs = {sample_shape(s), sample_float(s), s.draw(s.state, 0, 1 << 30), -1.5, 2.5};
}
void normal_sample(ir::SampleContext& s) {
  s.attrs = {sample_shape(s), sample_float(s), s.draw(s.state, 0, 1 << 30), 0.25, 2.0};
}
void bernoulli_sample(ir::SampleContext& s) {
  s.attrs = {sample_shape(s), s.draw(s.state, 0, 1 << 30), static_cast<double>(s.draw(s.state, 0, 8)) / 8};
}

constexpr ir::GenerateForm uniform_form{ir::Generator::random_uniform},
    normal_form{ir::Generator::random_normal}, bernoulli_form{ir::Generator::random_bernoulli};

constexpr OperandDef operands[] = {
    {.name = "seed", .doc = "i64[]: the same seed gives the same bits", .dtypes = DTypes::ints},
    {.name = "counters",
     .doc = "i64[] each: step number, loop indices",
     .dtypes = DTypes::ints,
     .variadic = true}};

constexpr AttrDef shape_attr{.name = "shape", .kind = AttrKind::dims, .doc = "shape of the result"};
constexpr AttrDef dtype_attr{
    .name = "dtype", .kind = AttrKind::dtype, .doc = "float type of the result", .preset = "f32"};
constexpr AttrDef stream_attr{.name = "stream",
                              .kind = AttrKind::integer,
                              .doc = "tells operations of one seed apart, such as a hash of a scoped name",
                              .preset = "0"};
constexpr AttrDef uniform_attrs[] = {
    shape_attr,
    dtype_attr,
    stream_attr,
    {.name = "low", .kind = AttrKind::number, .doc = "lower bound, possible", .preset = "0"},
    {.name = "high",
     .kind = AttrKind::number,
     .doc = "upper bound, reached by rounding only",
     .preset = "1"}};
constexpr AttrDef normal_attrs[] = {
    shape_attr,
    dtype_attr,
    stream_attr,
    {.name = "mean", .kind = AttrKind::number, .doc = "mean", .preset = "0"},
    {.name = "std", .kind = AttrKind::number, .doc = "standard deviation", .preset = "1"}};
constexpr AttrDef bernoulli_attrs[] = {
    shape_attr,
    stream_attr,
    {.name = "p", .kind = AttrKind::number, .doc = "probability of true", .preset = "0.5"}};

constexpr OpDef defs[] = {
    {.name = "random_bernoulli",
     .doc = "Independent bools that are true with probability p, from Philox4x32-10.",
     .operands = operands,
     .attrs = bernoulli_attrs,
     .form = &bernoulli_form,
     .infer = infer_bernoulli,
     .zero_gradient = true,
     .sample = bernoulli_sample},
    {.name = "random_normal",
     .doc = "Independent normal deviates (Box-Muller), from Philox4x32-10.",
     .operands = operands,
     .attrs = normal_attrs,
     .form = &normal_form,
     .infer = infer_normal,
     .zero_gradient = true,
     .sample = normal_sample},
    {.name = "random_uniform",
     .doc = "Independent uniform deviates between low and high, from Philox4x32-10.",
     .operands = operands,
     .attrs = uniform_attrs,
     .form = &uniform_form,
     .infer = infer_uniform,
     .zero_gradient = true,
     .sample = uniform_sample},
};

}  // namespace

TENON_OP_FAMILY(random) = defs;

}  // namespace tenon::ops
