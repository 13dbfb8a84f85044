// adaptive_avg_pool and adaptive_max_pool: as many results as are asked for, each over its share of x.
//
// Bin i of n, over e elements: from i * e / n, rounded down, to (i + 1) * e / n, rounded up (as PyTorch has
// it). Bins of one length lie side by side; others are taken by row, as many for each as the longest has,
// those too many being left out.
#include <algorithm>
#include <limits>

#include "ops/composites/parts.h"
#include "ops/composites/spatial.h"
#include "ops/family.h"

namespace tenon::ops {
namespace {

Status infer(InferContext& c) {
  TENON_TRY(want_spatial(c));
  constexpr int64_t most = int64_t{1} << 20;
  TENON_TRY(want_numbers(c, "size", 1, most));
  Type out = c.operands[0];
  const Axes& size = c.get<Axes>("size");
  for (size_t i = 0; i < size.size(); ++i) {
    Dim& extent = out.shape[spatial_axis(channels_first(c), i)];
    const std::string where = " of spatial dimension " + std::to_string(i) + "; " + operand_text(c, 0);
    if (!provably_at_least(c, extent, 1))
      return c.fail(Code::shape_mismatch, "there may be none of the " + extent.text() + " elements" + where,
                    "declare a range that starts at 1");
    if (extent.is_constant() && extent.constant() > most && extent.constant() % size[i] != 0)
      return c.fail(Code::shape_mismatch,
                    std::to_string(size[i]) + " bins over the " + extent.text() + " elements" + where +
                        " differ, which goes up to 1048576",
                    "take a number of bins that divides them, or pool before");
    extent = Dim(size[i]);
  }
  c.results = {std::move(out)};
  return Ok{};
}

// The bins along one dimension.
struct Bins {
  Dim in;
  int64_t out;

  // All of one length.
  bool whole() const { return Dim::floor_div(in, Dim(out)) * out == in; }
  int64_t begin(int64_t i) const { return i * in.constant() / out; }
  int64_t end(int64_t i) const { return ((i + 1) * in.constant() + out - 1) / out; }
  // Of the longest, or no less.
  Dim longest() const {
    if (whole()) return Dim::floor_div(in, Dim(out));
    if (!in.is_constant()) return Dim::ceil_div(in, Dim(out)) + 1;
    int64_t most = 0;
    for (int64_t i = 0; i < out; ++i) most = std::max(most, end(i) - begin(i));
    return Dim(most);
  }
};

// x with a dimension behind `axis` for the elements of a bin. Where bins differ: whether there is an element,
// [out, longest], and how many there are, [out], of x's type.
struct Binned {
  V x, there, count;
};

Binned side_by_side(V x, int64_t axis, const Bins& bins) {
  return {split_axis(x, axis, Dim(bins.out), bins.longest()), {}, {}};
}

Binned by_row(V x, int64_t axis, const Bins& bins) {
  const Dim longest = bins.longest();
  const Shape shape{Dim(bins.out), longest};
  ir::Builder& b = *x.b;
  V rows, there;
  if (bins.in.is_constant()) {
    std::vector<int64_t> numbers, lengths;
    for (int64_t i = 0; i < bins.out; ++i) {
      for (int64_t k = 0; k < longest.constant(); ++k)
        numbers.push_back(std::min(bins.begin(i) + k, bins.in.constant() - 1));
      lengths.push_back(bins.end(i) - bins.begin(i));
    }
    rows = row_numbers(b, numbers, {bins.out, longest.constant()});
    there = iota(b, shape, 1, DType::i64) < broadcast_to(row_numbers(b, lengths, {bins.out}), shape, {0});
  } else {
    const V i = iota(b, shape, 0, DType::i64), k = iota(b, shape, 1, DType::i64), in = extent(b, bins.in);
    const auto out = static_cast<double>(bins.out);
    const V row = i * in / out + k, end = ((i + 1) * in + (out - 1)) / out;
    rows = min(row, in - 1);
    there = row < end;
  }
  const V ones = select(there, broadcast_to(number(x, 1), shape), 0.0);
  return {take(x, rows, axis), there, reduce_sum(ones, {1})};
}

std::vector<ir::ValueId> body(ir::BodyContext& c) {
  const bool largest = takes_max(*c.node.op);
  const Axes& size = c.node.get<Axes>("size");
  const auto begin = static_cast<int64_t>(spatial_axis(channels_first(c.node), 0)),
             spatial = static_cast<int64_t>(size.size());
  V x{&c.b, c.operands[0]};
  std::vector<Binned> binned(size.size());
  for (int64_t i = spatial; i-- > 0;) {
    const Bins bins{x.shape()[static_cast<size_t>(begin + i)], size[static_cast<size_t>(i)]};
    Binned& made = binned[static_cast<size_t>(i)];
    made = bins.whole() ? side_by_side(x, begin + i, bins) : by_row(x, begin + i, bins);
    x = made.x;
  }
  // Spatial dimension i is begin + 2 i now, its bins' elements lie behind.
  Axes inside, whole;
  V there;
  for (int64_t i = 0; i < spatial; ++i) {
    const Binned& made = binned[static_cast<size_t>(i)];
    const int64_t at = begin + 2 * i;
    inside.push_back(at + 1);
    if (made.there.b == nullptr) {
      whole.push_back(at + 1);
      continue;
    }
    const V mask = broadcast_to(made.there, x.shape(), {at, at + 1});
    there = there.b == nullptr ? mask : there && mask;
  }
  if (there.b != nullptr) x = select(there, x, largest ? -std::numeric_limits<double>::infinity() : 0.0);
  if (largest) return {reduce_max(x, inside).id};
  V y = reduce_sum(x, inside), count = count_along(x, whole);
  for (int64_t i = 0; i < spatial; ++i)
    if (const V n = binned[static_cast<size_t>(i)].count; n.b != nullptr)
      count = count * broadcast_to(n, y.shape(), {begin + i});
  return {(y / count).id};
}

void sample(ir::SampleContext& s) {
  auto draw = [&](int64_t low, int64_t high) { return s.draw(s.state, low, high); };
  const auto spatial = static_cast<size_t>(draw(1, 3));
  SpatialSample x = spatial_sample(s, spatial, Dim(draw(1, 3)), 1);
  Axes size;
  for (size_t i = 0; i < spatial; ++i) {
    Dim& extent = x.x[spatial_axis(x.first, i)];
    size.push_back(draw(1, 5));
    if (spatial == 1) extent = s.draw_dim(s.state) + 1;
    if (draw(0, 2) == 0) extent = extent * size[i];
  }
  s.operands = {{s.dtype, x.x}};
  s.attrs = {size, std::string(x.first ? "channels_first" : "channels_last")};
}

constexpr ir::CompositeForm form{body};
constexpr OperandDef operands[] = {{.name = "x",
                                    .doc = "[batch, spatial..., channels], 1 to 3 spatial dimensions",
                                    .dtypes = DTypes::floats}};
constexpr AttrDef attrs[] = {
    {.name = "size", .kind = AttrKind::integers, .doc = "of each spatial dimension: results"},
    spatial_layout};

constexpr OpDef pool(std::string_view name, std::string_view doc) {
  return {.name = name,
          .doc = doc,
          .operands = operands,
          .attrs = attrs,
          .form = &form,
          .infer = infer,
          .sample = sample};
}
constexpr OpDef defs[] = {
    pool("adaptive_avg_pool",
         "Means over as many bins as are asked for: of n, bin i begins at i * extent / n, rounded down, and "
         "ends at (i + 1) * extent / n, rounded up."),
    pool("adaptive_max_pool",
         "Largest elements of as many bins as are asked for, which lie as those of adaptive_avg_pool. The "
         "gradient is divided equally among the elements of a bin that equal it.")};

}  // namespace

TENON_OP_FAMILY(adaptive_pooling) = defs;

}  // namespace tenon::ops
