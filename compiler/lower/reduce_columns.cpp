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

// A batch of reductions, by columns.
class ReduceEmitter::Columns {
 public:
  Columns(ReduceEmitter& e, const Reductions& reductions, const Outputs& outputs)
      : e_(e),
        b_(e.b_),
        reductions_(reductions),
        outputs_(outputs),
        count_(e.reduced_count()),
        lanes_(reductions[0]->lanes),
        block_(reductions[0]->block),
        walk_(e) {
    choose_passes();
    for (int64_t t = 0; t < e_.tile_; ++t) all_.insert(all_.end(), reductions.begin(), reductions.end());
  }

  void emit(ExprId n) {
    const bool blocked = e_.frame_.may_pass(count_, block_);
    Accumulators totals;
    for (const Reduction* r : all_) totals.push_back(b_.declare("total", r->dtype, e_.neutral(*r)));
    lo_ = b_.index(0);
    hi_ = n;
    if (blocked) {
      lo_ = b_.begin_for("block", b_.index(0), n, b_.index(block_));
      hi_ = b_.let("stop", b_.binary(kernel::Op::min, b_.add(lo_, b_.index(block_)), n));
    }
    all_passes();
    for (size_t i = 0; i < all_.size(); ++i) {
      const Reduction& r = *all_[i];
      if (in_passes_) e_.column_tree(r, parts_[i], passes_);
      ExprId first = b_.use(in_passes_ ? parts_[i] : accs_[i], {b_.index(0)});
      b_.assign(totals[i], e_.combine(r, b_.use(totals[i]), first));
    }
    if (blocked) b_.end();
    hold(totals, blocked, n);
  }

 private:
  void choose_passes() {
    short_column_ = count_.is_constant() && count_.constant() <= lanes_;
    active_ = lanes_;
    if (short_column_) {
      const auto elements = static_cast<uint64_t>(std::max<int64_t>(count_.constant(), 1));
      active_ = std::min(static_cast<int64_t>(std::bit_ceil(elements)), lanes_);
    }
    in_passes_ = active_ > 16 && e_.reduced_.size() == 1;
    taken_ = in_passes_ ? most_lanes() : active_;
    passes_ = active_ / taken_;
  }

  // Accumulators of a pass: as many as fit beside wide columns, which read longer pieces of a row.
  int64_t most_lanes() const {
    const int64_t vector = e_.frame_.target().lanes(4);
    if (!e_.tile_axis_) return e_.width_ >= 4 * vector ? 4 : 8;
    const int64_t each =
        e_.tile_ * static_cast<int64_t>(reductions_.size()) * std::max<int64_t>(1, e_.width_ / vector);
    const int64_t most = std::clamp<int64_t>((e_.frame_.target().registers - 2) / each, 1, 8);
    return static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(most)));
  }

  void all_passes() {
    if (in_passes_)
      for (const Reduction* r : all_)
        parts_.push_back(b_.declare("part", r->dtype, e_.identity(*r), {b_.index(passes_)}));
    if (!in_passes_) {
      pass(b_.index(0), short_column_ ? count_.constant() : 0);
    } else if (short_column_) {
      const int64_t each = count_.constant() / passes_, more = count_.constant() % passes_;
      passes(0, more, each + 1);
      passes(more, passes_, each);
    } else {
      passes(0, passes_, 0);
    }
  }
  void passes(int64_t from, int64_t to, int64_t filled) {
    if (from >= to) return;
    ExprId c = b_.begin_unroll("c", b_.index(from), b_.index(to));
    pass(c, filled);
    b_.end();
  }

  // Logical lanes c, c + passes, …; `filled` of them have an element where the count is a short constant.
  void pass(ExprId c, int64_t filled) {
    accs_.clear();
    for (const Reduction* r : all_)
      accs_.push_back(b_.declare("acc", r->dtype, e_.identity(*r), {b_.index(taken_)}));
    walk_.begin(lo_);
    if (short_column_) {
      ExprId q = b_.begin_unroll("l", b_.index(0), b_.index(filled));
      element(lane(c, q), q);
      b_.end();
    } else {
      long_column(c);
    }
    fold(c);
  }
  // The logical lane of accumulator q.
  ExprId lane(ExprId c, ExprId q) { return b_.add(c, b_.mul(q, b_.index(passes_))); }

  // Full rounds of all lanes, and what is left of the last.
  void long_column(ExprId c) {
    using kernel::Op;
    ExprId w = b_.index(active_);
    ExprId tail = b_.let("tail", b_.add(lo_, b_.mul(b_.binary(Op::div, b_.sub(hi_, lo_), w), w)));
    ExprId r0 = b_.begin_for("r", lo_, tail, w);
    ExprId q = b_.begin_unroll("l", b_.index(0), b_.index(taken_));
    element(b_.add(r0, lane(c, q)), q);
    b_.end();
    b_.end();
    if (count_.is_constant() && count_.constant() % active_ == 0) return;
    q = b_.begin_unroll("l", b_.index(0), b_.index(in_passes_ ? taken_ : active_ - 1));
    ExprId r = b_.add(tail, lane(c, q));
    b_.begin_if(b_.binary(Op::lt, r, hi_));
    element(r, q);
    b_.end();
    b_.end();
  }

  // Element r goes to accumulator q.
  void element(ExprId r, ExprId q) {
    auto memo = e_.emitter_.save();
    walk_.set(r);
    e_.row_elements(reductions_, outputs_, accs_, {q});
    walk_.next();
    e_.emitter_.restore(std::move(memo));
  }

  // The accumulators of a pass into its part.
  void fold(ExprId c) {
    for (size_t i = 0; i < all_.size(); ++i) {
      const Reduction& r = *all_[i];
      if (active_ < lanes_ && r.operands.size() == 2) {
        ExprId l = b_.begin_unroll("l", b_.index(0), b_.index(taken_));
        b_.assign(accs_[i], e_.settle(r, b_.use(accs_[i], {l}), active_), {l});
        b_.end();
      }
      e_.column_tree(r, accs_[i], taken_);
      if (in_passes_) b_.assign(parts_[i], b_.use(accs_[i], {b_.index(0)}), {c});
    }
  }

  void hold(const Accumulators& totals, bool blocked, ExprId n) {
    if (e_.tile_axis_) {
      for (const Reduction* r : reductions_) e_.totals_[r].clear();
      for (size_t i = 0; i < all_.size(); ++i) e_.totals_[all_[i]].push_back(totals[i]);
      return e_.store_tile(reductions_, blocked, n);
    }
    for (size_t i = 0; i < reductions_.size(); ++i)
      e_.emitter_.hold(reductions_[i]->result, e_.reduced(*reductions_[i], b_.use(totals[i]), blocked, n));
  }

  ReduceEmitter& e_;
  kernel::Builder& b_;
  const Reductions& reductions_;
  const Outputs& outputs_;
  const Dim count_;
  const int64_t lanes_, block_;
  Walk walk_;
  // Lanes that can have an element at all; of those, how many a pass takes.
  int64_t active_ = 0, taken_ = 0, passes_ = 1;
  bool short_column_ = false, in_passes_ = false;
  Reductions all_;             // of every result of a tile, one reduction after the other
  ExprId lo_, hi_;             // the block at hand
  Accumulators parts_, accs_;  // of each of them: what all passes give, and the lanes of the pass at hand
};

void ReduceEmitter::columns(const Reductions& reductions, const Outputs& outputs) {
  ExprId n = frame_.dim(reduced_count());
  if (!reductions.empty()) return Columns(*this, reductions, outputs).emit(n);
  auto memo = emitter_.save();
  Walk walk(*this);
  walk.begin(b_.index(0));
  ExprId r = b_.begin_for("r", b_.index(0), n, b_.index(1));
  walk.set(r);
  for (const Output* o : outputs) store(*o);
  walk.next();
  b_.end();
  emitter_.restore(std::move(memo));
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
