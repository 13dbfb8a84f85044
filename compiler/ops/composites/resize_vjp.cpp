// The derivative of resize: each way transposed, one dimension after the other. Cotangents are moved to their
// elements before they are weighted, so that one kernel reads them where they lie.
#include <algorithm>

#include "ops/composites/parts.h"
#include "ops/composites/sampling.h"
#include "ops/composites/spatial.h"

namespace tenon::ops {
namespace {

void add(V* sum, V part) { *sum = sum->b == nullptr ? part : *sum + part; }

// v where `low` elements stand before it along the axis and `high` behind it, zeros.
V padded(V v, int64_t axis, const Dim& low, const Dim& high) {
  Shape before(v.shape().size(), Dim(0)), behind = before;
  before[static_cast<size_t>(axis)] = low;
  behind[static_cast<size_t>(axis)] = high;
  return pad(v, number(v, 0), before, behind, Shape(before.size(), Dim(0)));
}

// What stood at i + by, and beyond the ends at the first and the last, goes back there.
V shifted_back(V v, int64_t axis, int64_t by) {
  for (; by != 0; by += by < 0 ? 1 : -1) {
    const Dim n = v.shape()[static_cast<size_t>(axis)];
    const auto part = [&](const Dim& start, const Dim& limit) { return slice_along(v, axis, start, limit); };
    v = by < 0 ? padded(part(1, n), axis, 0, 1) + padded(part(0, 1), axis, 0, n - 1)
               : padded(part(0, n - 1), axis, 1, 0) + padded(part(n - 1, n), axis, n - 1, 0);
  }
  return v;
}

// Runs of several results are added up first: they are that much less.
V phases_back(V g, int64_t axis, const Sampling& s, int64_t factor, const Dim& in) {
  const V apart = split_axis(g, axis, in, Dim(factor));
  const std::vector<std::vector<Run>> taps = phases_of(s, factor);
  V sum;
  for (const std::vector<Run>& runs : taps) {
    int64_t first = 0;
    for (const Run& run : runs) {
      const auto count = static_cast<int64_t>(run.weights.size());
      V part = slice_along(apart, axis + 1, first, first + count);
      first += count;
      if (count == 1) {
        part = shifted_back(merge_axis(part, axis), axis, run.at);
        add(&sum, taps.size() == 1 ? part : part * run.weights[0]);
        continue;
      }
      if (taps.size() > 1) part = part * constant_along(*g.b, g.dtype(), run.weights, part.shape(), axis + 1);
      add(&sum, shifted_back(reduce_sum(part, {axis + 1}), axis, run.at));
    }
  }
  return sum;
}

V strides_back(V g, int64_t axis, const Sampling& s, int64_t factor) {
  const V one = split_axis(g, axis, g.shape()[static_cast<size_t>(axis)], Dim(1));
  const std::vector<Tap> taps = stride_taps(s, factor);
  const auto placed = [&](const Tap& tap) { return padded(one, axis + 1, tap.at, factor - 1 - tap.at); };
  if (taps.front().at == taps.back().at) return merge_axis(placed(taps[0]), axis);
  return merge_axis(placed(taps[0]) * taps[0].weight + placed(taps[1]) * taps[1].weight, axis);
}

// The results that each element is a part of, as many for each as the most have; where there are fewer, the
// rest counts as none.
V table_back(V g, int64_t axis, const Sampling& s, int64_t in, int64_t out) {
  const Table table = table_of(s, in, out);
  std::vector<std::vector<Tap>> uses(static_cast<size_t>(in));
  for (size_t t = 0; t < table.rows.size(); ++t)
    for (size_t i = 0; i < table.rows[t].size(); ++i)
      uses[static_cast<size_t>(table.rows[t][i])].push_back({static_cast<int64_t>(i), table.weights[t][i]});
  size_t most = 1;
  for (const std::vector<Tap>& u : uses) most = std::max(most, u.size());
  std::vector<int64_t> rows, counts;
  auto weights = std::make_shared<Array>(g.dtype(), std::vector{in, static_cast<int64_t>(most)});
  with_float(g.dtype(), [&]<class T>() {
    size_t at = 0;
    for (std::vector<Tap>& u : uses) {
      counts.push_back(static_cast<int64_t>(u.size()));
      u.resize(most, {0, 0});
      for (const Tap& use : u) {
        rows.push_back(use.at);
        weights->as<T>()[at++] = static_cast<T>(use.weight);
      }
    }
  });
  const V taken = take(g, row_numbers(*g.b, rows, weights->shape()), axis);
  const Axes of{axis, axis + 1};
  V part = taken * broadcast_to({g.b, g.b->constant(std::move(weights))}, taken.shape(), of);
  if (std::any_of(counts.begin(), counts.end(), [&](int64_t n) { return n != static_cast<int64_t>(most); })) {
    const Shape shape{Dim(in), Dim(static_cast<int64_t>(most))};
    const V there =
        iota(*g.b, shape, 1, DType::i64) < broadcast_to(row_numbers(*g.b, counts, {in}), shape, {0});
    part = select(broadcast_to(there, part.shape(), of), part, 0.0);
  }
  return reduce_sum(part, {axis + 1});
}

}  // namespace

void resize_vjp(ir::VjpContext& c) {
  const Sampling s = sampling_of(c.node);
  const Shape& size = c.node.get<Shape>("size");
  const Shape shape = V{&c.b, c.operands[0]}.shape();
  V g{&c.b, c.cotangents[0]};
  for (size_t i = size.size(); i-- > 0;) {
    const size_t axis = spatial_axis(channels_first(c.node), i);
    const auto at = static_cast<int64_t>(axis);
    const Dim& in = shape[axis];
    const Plan plan = plan_of(s, in, size[i]);
    if (plan.way == Way::phases) g = phases_back(g, at, s, plan.factor, in);
    if (plan.way == Way::strided) g = strides_back(g, at, s, plan.factor);
    if (plan.way == Way::table) g = table_back(g, at, s, in.constant(), size[i].constant());
  }
  c.out[0] = g.id;
}

}  // namespace tenon::ops
