// Columns: a kept axis in vector lanes, the logical lanes of the order as an array of registers. Outer
// reductions, short rows and argmax.
//
// Many logical lanes would not fit the registers. They are taken in passes: those that combine with each
// other first, lanes c, c + P, c + 2P, … of P passes, make one partial result each; the halving tree of the
// order is the tree within a pass followed by the tree over the passes.
#include "lower/reduce.h"

namespace tenon::lower {
// The reduced axes of consecutive elements. Several axes are counted on instead of divided.
class ReduceEmitter::Walk {
 public:
  explicit Walk(ReduceEmitter& e) : e_(e), counted_(e.reduced_.size() > 1) {}
  // The next element is number r.
  void begin(ExprId r) {
    if (!counted_) return;
    e_.set_reduced(r, e_.reduced_.size());
    for (uint32_t a : e_.reduced_) at_.push_back(e_.b_.declare("at", DType::i64, e_.emitter_.axes[a]));
  }
  void set(ExprId r) {
    if (!counted_) return e_.set_reduced(r, 1);
    for (size_t i = 0; i < at_.size(); ++i)
      e_.emitter_.axes[e_.reduced_[i]] = e_.b_.let("i", e_.b_.use(at_[i]));
  }
  void next() {
    if (!counted_) return;
    kernel::Builder& b = e_.b_;
    ExprId one = b.index(1);
    for (size_t i = at_.size(); i-- > 0;) {
      ExprId more = b.let("more", b.add(b.use(at_[i]), one));
      if (i == 0) {
        b.assign(at_[i], more);
        return;
      }
      ExprId over = b.let("over", b.binary(kernel::Op::eq, more, e_.frame_.dim(e_.extents_[e_.reduced_[i]])));
      b.assign(at_[i], b.select(over, b.index(0), more));
      one = b.let("carry", b.select(over, b.index(1), b.index(0)));
    }
  }

 private:
  ReduceEmitter& e_;
  bool counted_;
  std::vector<VarId> at_;
};

// The halving tree over the first `from` elements of an array, into the first.
void ReduceEmitter::column_tree(const Reduction& r, VarId array, int64_t from) {
  for (int64_t half = from / 2; half >= 1; half /= 2) {
    ExprId l = b_.begin_unroll("l", b_.index(0), b_.index(half));
    b_.assign(array, combine(r, b_.use(array, {l}), b_.use(array, {b_.add(l, b_.index(half))})), {l});
    b_.end();
  }
}

void ReduceEmitter::columns(const Reductions& reductions, const Outputs& outputs) {
  using kernel::Op;
  const Dim count = reduced_count();
  ExprId n = frame_.dim(count);
  if (reductions.empty()) {
    auto memo = emitter_.save();
    Walk walk(*this);
    walk.begin(b_.index(0));
    ExprId r = b_.begin_for("r", b_.index(0), n, b_.index(1));
    walk.set(r);
    for (const Output* o : outputs) store(*o);
    walk.next();
    b_.end();
    emitter_.restore(std::move(memo));
    return;
  }
  const int64_t lanes = reductions[0]->lanes, block = reductions[0]->block;
  const bool short_column = count.is_constant() && count.constant() <= lanes;
  int64_t active =
      short_column
          ? static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(count.constant(), 1))))
          : lanes;
  active = std::min(active, lanes);
  // Accumulators of a pass: as many as fit beside wide columns, which read longer pieces of a row.
  const bool in_passes = active > 16 && reduced_.size() == 1;
  const int64_t vector = frame_.target().lanes(4);
  int64_t most_lanes = width_ >= 4 * vector ? 4 : 8;
  if (tile_axis_) {
    const int64_t each =
        tile_ * static_cast<int64_t>(reductions.size()) * std::max<int64_t>(1, width_ / vector);
    most_lanes = std::clamp<int64_t>((frame_.target().registers - 2) / each, 1, 8);
    most_lanes = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(most_lanes)));
  }
  const int64_t taken = in_passes ? most_lanes : active, passes = active / taken;
  const bool blocked = frame_.may_pass(count, block);
  // Of every result of a tile, one reduction after the other.
  Accumulators totals, parts, accs;
  Reductions all;
  for (int64_t t = 0; t < tile_; ++t) all.insert(all.end(), reductions.begin(), reductions.end());
  for (const Reduction* r : all) totals.push_back(b_.declare("total", r->dtype, neutral(*r)));
  ExprId lo = b_.index(0), hi = n;
  if (blocked) {
    lo = b_.begin_for("block", b_.index(0), n, b_.index(block));
    hi = b_.let("stop", b_.binary(Op::min, b_.add(lo, b_.index(block)), n));
  }
  if (in_passes)
    for (const Reduction* r : all)
      parts.push_back(b_.declare("part", r->dtype, identity(*r), {b_.index(passes)}));
  Walk walk(*this);
  auto body = [&](ExprId r, ExprId l) {
    auto memo = emitter_.save();
    walk.set(r);
    row_elements(reductions, outputs, accs, {l});
    walk.next();
    emitter_.restore(std::move(memo));
  };
  // Logical lanes c, c + passes, …; `filled` of them have an element where the count is a short constant.
  auto pass = [&](ExprId c, int64_t filled) {
    accs.clear();
    for (const Reduction* r : all)
      accs.push_back(b_.declare("acc", r->dtype, identity(*r), {b_.index(taken)}));
    auto lane = [&](ExprId q) { return b_.add(c, b_.mul(q, b_.index(passes))); };
    walk.begin(lo);
    if (short_column) {
      ExprId q = b_.begin_unroll("l", b_.index(0), b_.index(filled));
      body(lane(q), q);
      b_.end();
    } else {
      ExprId w = b_.index(active);
      ExprId tail = b_.let("tail", b_.add(lo, b_.mul(b_.binary(Op::div, b_.sub(hi, lo), w), w)));
      ExprId r0 = b_.begin_for("r", lo, tail, w);
      ExprId q = b_.begin_unroll("l", b_.index(0), b_.index(taken));
      body(b_.add(r0, lane(q)), q);
      b_.end();
      b_.end();
      if (!count.is_constant() || count.constant() % active != 0) {
        q = b_.begin_unroll("l", b_.index(0), b_.index(in_passes ? taken : active - 1));
        ExprId r = b_.add(tail, lane(q));
        b_.begin_if(b_.binary(Op::lt, r, hi));
        body(r, q);
        b_.end();
        b_.end();
      }
    }
    for (size_t i = 0; i < all.size(); ++i) {
      const Reduction& r = *all[i];
      if (active < lanes && r.operands.size() == 2) {
        ExprId l = b_.begin_unroll("l", b_.index(0), b_.index(taken));
        b_.assign(accs[i], settle(r, b_.use(accs[i], {l}), active), {l});
        b_.end();
      }
      column_tree(r, accs[i], taken);
      if (in_passes) b_.assign(parts[i], b_.use(accs[i], {b_.index(0)}), {c});
    }
  };
  auto run_passes = [&](int64_t from, int64_t to, int64_t filled) {
    if (from >= to) return;
    ExprId c = b_.begin_unroll("c", b_.index(from), b_.index(to));
    pass(c, filled);
    b_.end();
  };
  if (!in_passes) {
    pass(b_.index(0), short_column ? count.constant() : 0);
  } else if (short_column) {
    const int64_t each = count.constant() / passes, more = count.constant() % passes;
    run_passes(0, more, each + 1);
    run_passes(more, passes, each);
  } else {
    run_passes(0, passes, 0);
  }
  for (size_t i = 0; i < all.size(); ++i) {
    const Reduction& r = *all[i];
    if (in_passes) column_tree(r, parts[i], passes);
    ExprId first = b_.use(in_passes ? parts[i] : accs[i], {b_.index(0)});
    b_.assign(totals[i], combine(r, b_.use(totals[i]), first));
  }
  if (blocked) b_.end();
  if (tile_axis_) {
    for (size_t i = 0; i < reductions.size(); ++i) totals_[reductions[i]].clear();
    for (size_t i = 0; i < all.size(); ++i) totals_[all[i]].push_back(totals[i]);
    return store_tile(reductions, blocked, n);
  }
  for (size_t i = 0; i < reductions.size(); ++i)
    emitter_.hold(reductions[i]->result, reduced(*reductions[i], b_.use(totals[i]), blocked, n));
}

// First of the largest (or smallest); a NaN beats every number.
void ReduceEmitter::arg_reduce(const Reduction& r) {
  bool largest = combiner(r) == ir::Combiner::max;
  hoist_for({&r}, {}, [&](uint32_t axis) { return classes_[axis] == 0; });
  ir::Combiner start = largest ? ir::Combiner::max : ir::Combiner::min;
  VarId best = b_.declare("best", r.dtype, identity_of(b_, start, r.dtype));
  VarId where = b_.declare("where", DType::i64, b_.index(0));
  auto memo = emitter_.save();
  Walk walk(*this);
  walk.begin(b_.index(0));
  ExprId i = b_.begin_for("r", b_.index(0), frame_.dim(reduced_count()), b_.index(1));
  walk.set(i);
  ExprId x = b_.let("x", emitter_.emit(r.operands[0]));
  ExprId old = b_.use(best);
  ExprId better = largest ? b_.binary(kernel::Op::lt, old, x) : b_.binary(kernel::Op::lt, x, old);
  if (is_float(r.dtype)) {
    ExprId x_nan = b_.binary(kernel::Op::ne, x, x), old_number = b_.binary(kernel::Op::eq, old, old);
    better = b_.binary(kernel::Op::bor, better, b_.binary(kernel::Op::band, x_nan, old_number));
  }
  better = b_.let("better", better);
  b_.assign(where, b_.select(better, i, b_.use(where)));
  b_.assign(best, b_.select(better, x, old));
  walk.next();
  b_.end();
  emitter_.restore(std::move(memo));
  emitter_.hold(r.result, b_.let("reduced", b_.use(where)));
  if (r.extreme.valid()) emitter_.hold(r.extreme, b_.let("extreme", b_.use(best)));
}

}  // namespace tenon::lower
