// permutation: a random order of 0 .. n-1 as a function of seed and counters alone, element by element.
//
// Swap-or-not (Hoang, Morris, Rogaway, CRYPTO 2012) on the domain 0 .. n-1: in each of `rounds` rounds with
// its random number k in 0 .. n-1, position x is paired with (k - x) mod n, and the pair is swapped where one
// bit, hashed from the larger of the two and the round's keys, says so. Every round is a bijection for every
// n, so the result is one: no sorting, no memory, no order of steps, and any number of threads gives the same
// bits. The hash is two rounds of u32 multiplication with odd keys, an addition, and folding of the high
// half.
#include "ops/expr.h"
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
  if (!provably_at_least(c, n, 0)) return c.fail(Code::dim_range, "extent " + n.text() + " may be negative");
  if (c.module != nullptr && n.range(c.module->dims).high >= int64_t{1} << 31) {
    return c.fail(Code::dim_range, "extent " + n.text() + " may be 2^31 or more");
  }
  const int64_t rounds = c.get<int64_t>("rounds");
  if (rounds < 1 || rounds > 256) return c.fail(Code::bad_attribute, "rounds must be from 1 to 256");
  c.results = {{DType::u32, {n}}};
  return Ok{};
}

std::vector<ir::ValueId> body(ir::BodyContext& c) {
  ir::Builder& b = c.b;
  const Dim n = c.node.get<Dim>("n");
  const int64_t rounds = c.node.get<int64_t>("rounds"), stream = c.node.get<int64_t>("stream");
  const auto draw = [&](int64_t which) {
    return V{&b, b.emit("random_uniform", c.operands,
                        {{"shape", Shape{Dim(rounds)}}, {"dtype", DType::f64}, {"stream", stream + which}})};
  };
  // Per round: the pairing number below n, and the hash's keys (an odd factor, an addend).
  const V count = extent(b, n);
  const V pairing = cast(draw(0) * cast(count, DType::f64), DType::u32);
  const V factor = cast(draw(1) * 2147483648.0, DType::u32) * 2.0 + 1.0;
  const V addend = cast(draw(2) * 4294967296.0, DType::u32);

  auto region = std::make_unique<ir::Graph>();
  ir::Graph& g = *region;
  ir::Builder rb(g, b.module());
  const ir::Type row{DType::u32, {n}}, scalar{DType::u32, {}};
  const V x{&rb, g.add_arg(row, ir::ArgKind::carry, "x")};
  const V k{&rb, g.add_arg(scalar, ir::ArgKind::slice, "k")};
  const V f{&rb, g.add_arg(scalar, ir::ArgKind::slice, "f")};
  const V a{&rb, g.add_arg(scalar, ir::ArgKind::slice, "a")};
  const V extent32{&rb, g.add_arg(scalar, ir::ArgKind::capture, "n")};
  const V partner = select(x <= k, k - x, extent32 - x + k);
  V h = max(x, partner) * f + a;
  h = (h + h / 65536.0) * f + a;
  h = (h + h / 65536.0) * 0x9E3779B1p0;
  g.results = {select(h < 2147483648.0, partner, x).id};

  const OpDef& loop = *ir::op_table().find("loop");
  std::vector<std::unique_ptr<ir::Graph>> regions;
  regions.push_back(std::move(region));
  const V start = iota(b, {n}, 0, DType::u32);
  return b.emit_all(loop, {start.id, pairing.id, factor.id, addend.id, cast(count, DType::u32).id},
                    ir::Attrs(loop.attrs.size()), std::move(regions));
}

void sample(ir::SampleContext& s) {
  s.operands.assign(static_cast<size_t>(s.draw(s.state, 1, 3)), Type{DType::i64, {}});
  s.attrs = {s.draw_dim(s.state), int64_t{24}, s.draw(s.state, 0, 1 << 30)};
}

constexpr ir::CompositeForm form{body};
constexpr OperandDef operands[] = {
    {.name = "seed", .doc = "i64[]: the same seed gives the same order", .dtypes = DTypes::ints},
    {.name = "counters",
     .doc = "i64[] each: step number, loop indices",
     .dtypes = DTypes::ints,
     .variadic = true}};
constexpr AttrDef attrs[] = {
    {.name = "n", .kind = AttrKind::dim, .doc = "how many; below 2^31"},
    {.name = "rounds", .kind = AttrKind::integer, .doc = "rounds of swap-or-not, 1 to 256", .preset = "32"},
    {.name = "stream",
     .kind = AttrKind::integer,
     .doc = "tells operations of one seed apart; it takes this number and the next two",
     .preset = "0"}};

constexpr OpDef defs[] = {
    {.name = "permutation",
     .doc =
         "The numbers 0 .. n-1 in an order that seed and counters choose, as u32[n] (swap-or-not shuffle).",
     .operands = operands,
     .attrs = attrs,
     .composite = &form,
     .infer = infer,
     .zero_gradient = true,
     .sample = sample},
};

}  // namespace

TENON_OP_FAMILY(permutation) = defs;

}  // namespace tenon::ops
