// const, iota, extent: values made from nothing but attributes. (random.cpp holds the random ones.)
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

Status infer_const(InferContext& c) {
  const Array& value = *c.get<std::shared_ptr<const Array>>("value");
  TENON_TRY(want_computed(c, value.dtype()));
  c.results = {{value.dtype(), Shape(value.shape().begin(), value.shape().end())}};
  return Ok{};
}

Status infer_iota(InferContext& c) {
  const Shape& shape = c.get<Shape>("shape");
  const DType dtype = c.get<DType>("dtype");
  TENON_TRY(want_computed(c, dtype));
  if (is_bool(dtype)) return c.fail(Code::dtype_mismatch, "dtype is bool, wants a number type");
  const int64_t axis = c.get<int64_t>("axis");
  if (axis < 0 || axis >= static_cast<int64_t>(shape.size())) {
    return c.fail(Code::bad_attribute,
                  "axis " + std::to_string(axis) + " is outside the shape " + ir::shape_text(shape));
  }
  c.results = {{dtype, shape}};
  return Ok{};
}

Status infer_extent(InferContext& c) {
  c.results = {{DType::i64, {}}};
  return Ok{};
}

void sample_const(ir::SampleContext& s) {
  std::vector<int64_t> shape;
  for (int64_t n = s.draw(s.state, 0, 2); n > 0; --n) shape.push_back(s.draw(s.state, 0, 4));
  auto value = std::make_shared<Array>(s.dtype, shape);
  with_dtype(s.dtype, [&]<class T>() {
    for (T& v : value->as<T>()) v = static_cast<T>(s.draw(s.state, 0, 2));
  });
  s.attrs = {std::shared_ptr<const Array>(std::move(value))};
}
void sample_iota(ir::SampleContext& s) {
  Shape shape;
  const int64_t rank = s.draw(s.state, 1, 3);
  for (int64_t i = 0; i < rank; ++i) shape.push_back(s.draw_dim(s.state));
  s.attrs = {s.draw(s.state, 0, rank - 1), std::move(shape), is_bool(s.dtype) ? DType::i32 : s.dtype};
}
void sample_extent(ir::SampleContext& s) { s.attrs = {s.draw_dim(s.state)}; }

constexpr ir::GenerateForm constant_form{ir::Generator::constant}, iota_form{ir::Generator::iota},
    extent_form{ir::Generator::extent};

constexpr AttrDef const_attrs[] = {
    {.name = "value", .kind = AttrKind::array, .doc = "the value: element type, extents and bits"}};
constexpr AttrDef iota_attrs[] = {
    {.name = "axis", .kind = AttrKind::integer, .doc = "the dimension along which it counts", .preset = "0"},
    {.name = "shape", .kind = AttrKind::dims, .doc = "shape of the result"},
    {.name = "dtype", .kind = AttrKind::dtype, .doc = "number type of the result", .preset = "i64"}};
constexpr AttrDef extent_attrs[] = {
    {.name = "dim", .kind = AttrKind::dim, .doc = "the dimension expression whose value is taken"}};

constexpr OpDef defs[] = {
    {.name = "const",
     .doc = "A constant tensor. The written result type gives a literal its element type.",
     .attrs = const_attrs,
     .form = &constant_form,
     .infer = infer_const,
     .zero_gradient = true,
     .sample = sample_const},
    {.name = "iota",
     .doc = "Position along one axis: element [.., i, ..] is i. Integers wrap, floats round to nearest even.",
     .attrs = iota_attrs,
     .form = &iota_form,
     .infer = infer_iota,
     .zero_gradient = true,
     .sample = sample_iota},
    {.name = "extent",
     .doc = "The run-time value of a dimension expression as i64[].",
     .attrs = extent_attrs,
     .form = &extent_form,
     .infer = infer_extent,
     .zero_gradient = true,
     .sample = sample_extent},
};

}  // namespace

TENON_OP_FAMILY(generate) = defs;

}  // namespace tenon::ops
