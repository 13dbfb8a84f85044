// check: a value that is only passed on where a condition holds; else the call fails and commits nothing.
#include <limits>

#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

bool known_code(int64_t code) {
#define X(name, number, text) \
  if (code == number) return true;
  TENON_ERROR_CODES(X)
#undef X
  return false;
}

Status infer(InferContext& c) {
  const int64_t code = c.get<int64_t>("code");
  if (!known_code(code)) {
    return c.fail(Code::bad_attribute,
                  "code " + std::to_string(code) + " is not in the table of error codes");
  }
  return infer_like_first(c);
}

void vjp(ir::VjpContext& c) { c.out[0] = c.cotangents[0]; }

// --- check_range, check_finite ---------------------------------------------------------------------------

// Compared as i64, so that a bound which the element type cannot hold is no special case.
std::vector<ir::ValueId> range_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]}, wide = cast(x, DType::i64);
  const V inside = extent(c.b, c.node.get<Dim>("low")) <= wide && wide < extent(c.b, c.node.get<Dim>("high"));
  return {emit("check", {x, inside}, {{"code", c.node.get<int64_t>("code")}}).id};
}

std::vector<ir::ValueId> finite_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]};
  const V finite = abs(x) < std::numeric_limits<double>::infinity();  // a NaN is below nothing
  return {emit("check", {x, finite}, {{"code", int64_t{code_number(Code::nonfinite)}}}).id};
}

// In the samples the condition holds: drawn bools would fail nearly always.
void sample_check(ir::SampleContext& s) {
  Type x{s.dtype, {}}, condition{DType::bool_, {}};
  for (int64_t n = s.draw(s.state, 0, 3); n > 0; --n) x.shape.push_back(s.draw_dim(s.state));
  for (int64_t n = s.draw(s.state, 0, 2); n > 0; --n) condition.shape.push_back(s.draw_dim(s.state));
  s.operands = {std::move(x), std::move(condition)};
  s.attrs = {int64_t{code_number(Code::index_range)}};
}
void sample_range(ir::SampleContext& s) {
  Shape shape;
  for (int64_t n = s.draw(s.state, 0, 3); n > 0; --n) shape.push_back(s.draw_dim(s.state));
  s.operands = {{s.draw(s.state, 0, 1) == 0 ? DType::i32 : DType::i64, std::move(shape)}};
  s.attrs = {Dim(-10), Dim(10), int64_t{code_number(Code::index_range)}};
}

constexpr ir::CheckForm form{};
constexpr ir::CompositeForm range_form{range_body}, finite_form{finite_body};
constexpr ir::Domain domains[] = {{}, {1, 1}};
constexpr OperandDef operands[] = {
    {.name = "x", .doc = "the value that is passed on"},
    {.name = "condition", .doc = "must hold in every element; any shape", .dtypes = DTypes::bools}};
constexpr OperandDef range_operands[] = {{.name = "x", .doc = "the integers", .dtypes = DTypes::index}};
constexpr OperandDef finite_operands[] = {{.name = "x", .doc = "the value", .dtypes = DTypes::floats}};
constexpr AttrDef attrs[] = {
    {.name = "code", .kind = AttrKind::integer, .doc = "number of the error code, 605 for T605"}};
constexpr AttrDef range_attrs[] = {
    {.name = "low", .kind = AttrKind::dim, .doc = "smallest value allowed", .preset = "0"},
    {.name = "high", .kind = AttrKind::dim, .doc = "first value no longer allowed"},
    {.name = "code", .kind = AttrKind::integer, .doc = "number of the error code", .preset = "605"}};

constexpr OpDef defs[] = {
    {.name = "check",
     .doc = "x, unchanged. Where an element of `condition` is false, the call ends with status `code` and "
            "commits "
            "nothing; the status' detail is the row-major position of the first such element.",
     .operands = operands,
     .attrs = attrs,
     .form = &form,
     .infer = infer,
     .vjp = vjp,
     .may_fail = true,
     .domains = domains,
     .sample = sample_check},
    {.name = "check_range",
     .doc = "x, unchanged; where an element is not in low .. high-1, the call ends with status `code`.",
     .operands = range_operands,
     .attrs = range_attrs,
     .form = &range_form,
     .infer = infer,
     .zero_gradient = true,
     .may_fail = true,
     .sample = sample_range},
    {.name = "check_finite",
     .doc = "x, unchanged; where an element is infinite or NaN, the call ends with status T606.",
     .operands = finite_operands,
     .form = &finite_form,
     .infer = infer_like_first,
     .may_fail = true},
};

}  // namespace

TENON_OP_FAMILY(check) = defs;

}  // namespace tenon::ops
