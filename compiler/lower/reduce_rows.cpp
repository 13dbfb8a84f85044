// Rows: the last reduced axis in vector lanes, which are folded at the end of a row.
//
// Logical lane and block of an element follow from its number in the row-major order of all reduced axes.
// Where those do not run on evenly in memory, a row is walked segment by segment, one for each index of the
// outer reduced axes: within a segment lanes are neighbours along the last axis, shifted to where the order
// puts them. Where the last axis is shorter than a vector, every lane counts its indices on. So no element's
// index is divided.
#include "lower/hoist.h"
#include "lower/reduce.h"

namespace tenon::lower {

// The batch's accumulators take the elements whose last reduced axis is set; `at` subscripts them.
void ReduceEmitter::row_elements(const Reductions& reductions, const Outputs& outputs,
                                 const Accumulators& accs, const std::vector<ExprId>& at) {
  auto memo = emitter_.save();
  size_t next = 0;
  if (tile_axis_) {
    hoist_for(reductions, outputs, [&](uint32_t axis) { return axis != *tile_axis_; });
    auto shared = emitter_.save();
    for (int64_t t = 0; t < tile_; ++t) {
      emitter_.restore(shared);
      emitter_.axes[*tile_axis_] = b_.index(tile_from_ + t);
      for (const Reduction* r : reductions) {
        b_.assign(accs[next], accumulate(*r, b_.use(accs[next], at)), at);
        ++next;
      }
    }
  } else {
    for (const Reduction* r : reductions) {
      b_.assign(accs[next], accumulate(*r, b_.use(accs[next], at)), at);
      ++next;
    }
  }
  for (const Output* o : outputs) store(*o);
  emitter_.restore(std::move(memo));
}

// Elements lo..hi of a row whose reduced axes are several; lo is a multiple of the width.
void ReduceEmitter::row_segments(const Reductions& reductions, const Outputs& outputs, ExprId lo, ExprId hi,
                                 int64_t width, ExprId l, const std::function<void(ExprId)>& each) {
  using kernel::Op;
  const Dim inner = extents_[inner_axis()];
  const bool blocked = frame_.may_pass(reduced_count(), reductions[0]->block);
  ExprId extent = frame_.dim(inner), w = b_.index(width), zero = b_.index(0);
  ExprId o_lo = zero, o_hi = frame_.dim(outer_count());
  if (blocked) {
    o_lo = b_.let("first", b_.binary(Op::div, lo, extent));
    ExprId last = b_.binary(Op::div, b_.add(hi, b_.sub(extent, b_.index(1))), extent);
    o_hi = b_.let("last", b_.binary(Op::min, last, o_hi));
  }
  ExprId o = b_.begin_for("o", o_lo, o_hi, b_.index(1));
  auto memo = emitter_.save();
  set_reduced(o, reduced_.size() - 1);
  hoist_for(reductions, outputs,
            [&](uint32_t axis) { return axis != inner_axis() && axis != flat_axis() && tile_axis_ != axis; });
  ExprId base = b_.let("base", b_.mul(o, extent)), i_lo = zero, i_hi = extent;
  if (blocked) {
    i_lo = b_.let("from", b_.binary(Op::max, zero, b_.sub(lo, base)));
    i_hi = b_.let("to", b_.binary(Op::min, extent, b_.sub(hi, base)));
  }
  const bool even = inner.is_constant() && inner.constant() % width == 0;
  auto element = [&](ExprId i) {
    emitter_.axes[flat_axis()] = b_.add(base, i);
    each(i);
  };
  ExprId start = i_lo;
  if (!even)
    start = b_.let("start", b_.sub(i_lo, b_.binary(Op::band, b_.add(base, i_lo), b_.sub(w, b_.index(1)))));
  ExprId i0 = b_.begin_for("i", start, i_hi, w);
  if (even) {
    element(b_.add(i0, l));
  } else {
    b_.begin_if(b_.binary(Op::band, b_.binary(Op::le, i_lo, i0), b_.binary(Op::le, b_.add(i0, w), i_hi)));
    element(b_.add(i0, l));
    b_.begin_else();
    ExprId i = b_.let("i", b_.add(i0, l));
    b_.begin_if(b_.binary(Op::band, b_.binary(Op::le, i_lo, i), b_.binary(Op::lt, i, i_hi)));
    element(i);
    b_.end();
    b_.end();
  }
  b_.end();
  b_.end();
  emitter_.restore(std::move(memo));
}

// Elements lo..hi of a row of two reduced axes, at indices that each lane counts.
void ReduceEmitter::counted_rows(ExprId lo, ExprId hi, int64_t width, ExprId l,
                                 const std::function<void()>& each) {
  using kernel::Op;
  ExprId extent = frame_.dim(extents_[inner_axis()]), w = b_.index(width);
  ExprId first = b_.let("first", b_.add(lo, l));
  const VarId outer = b_.declare("outer", DType::i64, b_.binary(Op::div, first, extent));
  const VarId inner = b_.declare("inner", DType::i64, b_.binary(Op::rem, first, extent));
  ExprId rows = b_.let("rows", b_.binary(Op::div, w, extent));
  ExprId rest = b_.let("rest", b_.sub(w, b_.mul(rows, extent)));
  auto element = [&](ExprId r) {
    emitter_.axes[flat_axis()] = r;
    emitter_.axes[reduced_[0]] = b_.use(outer);
    emitter_.axes[reduced_[1]] = b_.use(inner);
    each();
  };
  ExprId tail = b_.let("tail", b_.add(lo, b_.mul(b_.binary(Op::div, b_.sub(hi, lo), w), w)));
  ExprId r0 = b_.begin_for("r", lo, tail, w);
  element(b_.add(r0, l));
  ExprId next = b_.let("next", b_.add(b_.use(inner), rest));
  ExprId over = b_.let("over", b_.binary(Op::le, extent, next));
  b_.assign(inner, b_.select(over, b_.sub(next, extent), next));
  ExprId o = b_.add(b_.use(outer), rows);
  b_.assign(outer, b_.select(over, b_.add(o, b_.index(1)), o));
  b_.end();
  ExprId r = b_.let("r", b_.add(tail, l));
  b_.begin_if(b_.binary(Op::lt, r, hi));
  element(r);
  b_.end();
}

void ReduceEmitter::fold_all(const Reductions& reductions, const Accumulators& accs, int64_t width,
                             int64_t parts) {
  size_t next = 0;
  for (int64_t t = 0; t < tile_; ++t)
    for (const Reduction* r : reductions) {
      const VarId acc = accs[next++];
      kernel::FoldOp op = fold_of(combiner(*r));
      if (parts > 1) column_tree(*r, acc, parts);
      ExprId x = parts > 1 ? b_.use(acc, {b_.index(0)}) : b_.use(acc);
      b_.fold(totals_[r][static_cast<size_t>(t)], op, settle(*r, x, width));
    }
}

// Outputs alone, in any order.
void ReduceEmitter::rows_stored(const Outputs& outputs) {
  auto memo = emitter_.save();
  const Dim inner = extents_[inner_axis()];
  ExprId base = b_.index(0);
  if (reduced_.size() > 1) {
    ExprId o = b_.begin_for("o", b_.index(0), frame_.dim(outer_count()), b_.index(1));
    set_reduced(o, reduced_.size() - 1);
    base = b_.let("base", b_.mul(o, frame_.dim(inner)));
  }
  // Of short rows most lanes of wide blocks would be idle, and those of extents that vary may be short.
  const int64_t most = inner.is_constant() || kept_.empty() ? 64 : frame_.target().lanes(4);
  ExprId r = b_.begin_lanes("r", b_.index(0), frame_.dim(inner), b_.index(frame_.lanes_width(inner, most)));
  emitter_.axes[inner_axis()] = r;
  emitter_.axes[flat_axis()] = b_.add(base, r);
  for (const Output* o : outputs) store(*o);
  b_.end();
  if (reduced_.size() > 1) b_.end();
  emitter_.restore(std::move(memo));
}

// The whole reduction, of at most `narrow` elements.
void ReduceEmitter::narrow_rows(const Reductions& reductions, const Outputs& outputs, ExprId n,
                                int64_t narrow) {
  auto memo = emitter_.save();
  ExprId l = b_.begin_lanes("l", b_.index(0), n, b_.index(narrow));
  Accumulators accs;
  for (int64_t t = 0; t < tile_; ++t)
    for (const Reduction* r : reductions) accs.push_back(b_.declare("acc", r->dtype, identity(*r)));
  emitter_.axes[inner_axis()] = l;
  row_elements(reductions, outputs, accs, {});
  fold_all(reductions, accs, narrow, 1);
  b_.end();
  emitter_.restore(std::move(memo));
}

void ReduceEmitter::rows(const Reductions& reductions, const Outputs& outputs) {
  if (reductions.empty()) return rows_stored(outputs);
  const Dim count = reduced_count();
  ExprId n = frame_.dim(count);
  if (!spread_rows(reductions, outputs)) wide_rows(reductions, outputs, n);
  const bool blocked = frame_.may_pass(count, reductions[0]->block);
  if (tile_axis_) return store_tile(reductions, blocked, n);
  for (const Reduction* r : reductions)
    emitter_.hold(r->result, reduced(*r, b_.use(totals_[r][0]), blocked, n));
}

// In how many passes the lanes of a tile are taken, so that its results fit the registers: those that combine
// first in each.
int64_t ReduceEmitter::passes() const {
  if (!tile_axis_) return 1;
  const int64_t most = most_passes(frame_.target(), t_);
  int64_t passes = 1;
  while (passes < most &&
         tile_registers(frame_.target(), t_, tile_) > passes * (frame_.target().registers - 2))
    passes *= 2;
  return passes;
}

// Elements lo..hi along the only reduced axis, by vectors of width / parts lanes, each under its number; lane
// l is the first of those that it stands for.
void ReduceEmitter::row_vectors(ExprId lo, ExprId hi, int64_t width, int64_t parts, ExprId l,
                                const std::function<void(ExprId, const std::vector<ExprId>&)>& each) {
  using kernel::Op;
  const Dim count = reduced_count();
  const bool short_row = count.is_constant() && count.constant() < reductions_[0].lanes;
  const int64_t passes = this->passes();
  // Each of the vectors that lane l belongs to, under its number.
  auto vectors = [&](ExprId from, const std::function<void(ExprId, const std::vector<ExprId>&)>& body) {
    if (parts == 1) return body(from, {});
    ExprId q = b_.begin_unroll("q", b_.index(0), b_.index(parts));
    body(b_.add(from, b_.mul(q, b_.index(width / parts))), {q});
    b_.end();
  };
  ExprId tail = lo, w = b_.index(width);
  if (passes > 1) {
    tail = b_.let("tail", b_.add(lo, b_.mul(b_.binary(Op::div, b_.sub(hi, lo), w), w)));
    vectors(l, [&](ExprId lane, const std::vector<ExprId>& at) {
      ExprId r0 = b_.begin_for("r", lo, tail, w);
      each(b_.add(r0, lane), at);
      b_.end();
      if (count.is_constant() && count.constant() % width == 0) return;
      ExprId r = b_.let("r", b_.add(tail, lane));
      b_.begin_if(b_.binary(Op::lt, r, hi));
      each(r, at);
      b_.end();
    });
  } else if (!short_row) {
    tail = b_.let("tail", b_.add(lo, b_.mul(b_.binary(Op::div, b_.sub(hi, lo), w), w)));
    ExprId r0 = b_.begin_for("r", lo, tail, w);
    vectors(r0, [&](ExprId from, const std::vector<ExprId>& at) { each(b_.add(from, l), at); });
    b_.end();
  }
  const bool whole =
      passes > 1 || (count.is_constant() && count.constant() % width == 0 && count.constant() != 0);
  if (short_row && whole) {
    each(l, {});
  } else if (short_row || !whole) {
    vectors(tail, [&](ExprId from, const std::vector<ExprId>& at) {
      if (parts > 1) b_.begin_if(b_.binary(Op::lt, from, hi));
      ExprId r = b_.let("r", b_.add(from, l));
      b_.begin_if(b_.binary(Op::lt, r, hi));
      each(r, at);
      b_.end();
      if (parts > 1) b_.end();
    });
  }
}

// Into the totals, by vectors of all lanes.
void ReduceEmitter::wide_rows(const Reductions& reductions, const Outputs& outputs, ExprId n) {
  using kernel::Op;
  const Dim count = reduced_count();
  const bool single = reduced_.size() == 1;
  const int64_t lanes = reductions[0]->lanes, block = reductions[0]->block;
  int64_t width = lanes;
  const bool short_row = count.is_constant() && count.constant() < lanes;
  if (short_row)
    width = std::max<int64_t>(std::min<int64_t>(4, lanes),
                              static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(count.constant()))));
  const bool blocked = frame_.may_pass(count, block);
  // A full reduction over few elements, as in a small training step, should not pay for 64 lanes, nor should
  // the many results of a narrow product: narrower trees give the same bits, since lanes without an element
  // add nothing.
  std::vector<int64_t> narrower;
  if (single && !count.is_constant() && lanes == 64) {
    if (kept_.empty()) narrower = {16, 32};
    if (tile_axis_ || (!kept_.empty() && reductions[0]->operands.size() == 2)) narrower = {32};
  }
  for (int64_t narrow : narrower) {
    b_.begin_if(
        b_.binary(Op::band, b_.binary(Op::le, b_.index(1), n), b_.binary(Op::le, n, b_.index(narrow))));
    narrow_rows(reductions, outputs, n, narrow);
    b_.begin_else();
  }
  ExprId lo = b_.index(0), hi = n;
  if (blocked) {
    lo = b_.begin_for("block", b_.index(0), n, b_.index(block));
    hi = b_.let("stop", b_.binary(Op::min, b_.add(lo, b_.index(block)), n));
  }
  // Many rows of an extent that varies may all be short: their lanes are cut into vectors, and those without
  // an element are left out.
  const int64_t vector = frame_.target().lanes(4);
  const int64_t passes = this->passes();
  const bool cut = single && !kept_.empty() && !count.is_constant() && width > vector;
  const int64_t parts = passes > 1 ? passes : cut ? width / vector : 1;
  ExprId step = b_.index(width / parts);
  ExprId l = b_.begin_lanes("l", b_.index(0), step, step);
  Accumulators accs;
  std::vector<ExprId> extents;
  if (parts > 1) extents.push_back(b_.index(parts));
  for (int64_t t = 0; t < tile_; ++t)
    for (const Reduction* r : reductions) accs.push_back(b_.declare("acc", r->dtype, identity(*r), extents));
  auto each = [&](ExprId i, const std::vector<ExprId>& at) {
    emitter_.axes[inner_axis()] = i;
    row_elements(reductions, outputs, accs, at);
  };
  if (counts()) {
    counted_rows(lo, hi, width, l, [&] { row_elements(reductions, outputs, accs, {}); });
  } else if (!single) {
    row_segments(reductions, outputs, lo, hi, width, l, [&](ExprId i) { each(i, {}); });
  } else {
    row_vectors(lo, hi, width, parts, l, each);
  }
  fold_all(reductions, accs, width, parts);
  b_.end();
  if (blocked) b_.end();
  for (size_t i = 0; i < narrower.size(); ++i) b_.end();
}

void ReduceEmitter::store_tile(const Reductions& reductions, bool blocked, ExprId n) {
  auto memo = emitter_.save();
  for (int64_t t = 0; t < tile_; ++t) {
    emitter_.restore(memo);
    emitter_.axes[*tile_axis_] = b_.index(tile_from_ + t);
    for (const Reduction* r : reductions)
      emitter_.hold(r->result, reduced(*r, b_.use(totals_[r][static_cast<size_t>(t)]), blocked, n));
    for (const Output& o : outputs_) store(o);
  }
  emitter_.restore(std::move(memo));
}

}  // namespace tenon::lower
