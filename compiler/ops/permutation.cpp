// permutation: the numbers 0..n-1 in random order.
//
// The inside-out form of the shuffle of Fisher and Yates (Durstenfeld, Algorithm 235, CACM 1964; Knuth, The
// Art of Computer Programming 2, 3.4.2 P): for i = 0 .. n-1, in order, with j = floor(w(i) * (i + 1) / 2^32),
// where w(i) is the one-word draw of position i (see random.h): result[i] = result[j]; result[j] = i. All
// draws are independent of each other, so they are made side by side; only the exchanges run one after
// another.
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

Status infer(InferContext& c) {
  for (size_t i = 0; i < c.operands.size(); ++i) {
    TENON_TRY(want_scalar(c, i));
    if (c.operands[i].dtype != DType::i64) {
      return c.fail(Code::dtype_mismatch, operand_text(c, i) + ", wants i64[]");
    }
  }
  const Dim& n = c.get<Dim>("n");
  if (c.module != nullptr && n.range(c.module->dims).high >= int64_t{1} << 32) {
    return c.fail(Code::dim_range, "n = " + n.text() + " may reach 2^32");
  }
  c.results = {{DType::u32, {n}}};
  return Ok{};
}

void sample(ir::SampleContext& s) {
  s.operands.assign(static_cast<size_t>(s.draw(s.state, 1, 3)), Type{DType::i64, {}});
  s.attrs = {s.draw_dim(s.state), s.draw(s.state, 0, 1 << 30)};
}

constexpr ir::GenerateForm form{ir::Generator::permutation};

constexpr OperandDef operands[] = {
    {.name = "seed", .doc = "i64[]: the same seed gives the same order", .dtypes = DTypes::ints},
    {.name = "counters", .doc = "i64[] each: step number, epoch", .dtypes = DTypes::ints, .variadic = true}};
constexpr AttrDef attrs[] = {{.name = "n", .kind = AttrKind::dim, .doc = "how many numbers; below 2^32"},
                             {.name = "stream",
                              .kind = AttrKind::integer,
                              .doc = "tells operations of one seed apart, such as a hash of a scoped name",
                              .preset = "0"}};

constexpr OpDef defs[] = {
    {.name = "permutation",
     .doc = "The numbers 0..n-1 in random order (shuffle of Fisher and Yates on Philox4x32-7), u32[n].",
     .operands = operands,
     .attrs = attrs,
     .form = &form,
     .infer = infer,
     .zero_gradient = true,
     .sample = sample},
};

}  // namespace

TENON_OP_FAMILY(permutation) = defs;

}  // namespace tenon::ops
