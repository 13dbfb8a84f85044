// Tiles of a contraction: blocks, panels, rows, and the multiply-adds of one tile.
#include <bit>

#include "lower/contract.h"
#include "lower/hoist.h"

namespace tenon::lower {

// Panels of nearly equal width: some of NV vectors, the others of one less, so that none runs thin.
void ContractEmitter::panels(ExprId lo, ExprId hi, const PanelBody& each) {
  const auto [narrow, wider] = panel_split(s_, t_.n_extent());
  auto run = [&](ExprId from, ExprId to, const Dim& columns, ExprId nr, int64_t width, int64_t vectors) {
    panel_vectors_ = vectors;
    if (columns.is_constant() && columns.constant() <= width && !s_.cuts_columns()) return each(from, to, nr);
    ExprId j0 = b_.begin_for("j0", from, to, nr);
    each(j0, b_.binary(kernel::Op::min, b_.add(j0, nr), to), nr);
    b_.end();
  };
  auto run_vectors = [&](ExprId from, ExprId to, const Dim& columns, int64_t nv) {
    run(from, to, columns, b_.mul(b_.use(b_.fixed("NV", nv)), b_.index(s_.lanes)), nv * s_.lanes, nv);
  };
  const Dim n = t_.n_extent(), wide = Dim(wider * (narrow + 1) * s_.lanes), edge = Dim(s_.edge);
  ExprId middle = wider == 0 ? lo : frame_.dim(wide), whole = s_.edge == 0 ? hi : frame_.dim(n - edge);
  if (wider != 0) run_vectors(lo, middle, wide, narrow + 1);
  run_vectors(middle, whole, n - edge - wide, narrow);
  const int64_t last = s_.edge <= 4 ? 4 : 8;
  if (s_.edge != 0) run(whole, hi, edge, b_.index(last), last, 1);
}

// The products of a tile: all, or, block after block outside of the tiles, those of one.
size_t ContractEmitter::open_blocks(ExprId rows_lo) {
  ExprId k = frame_.dim(t_.k_extent());
  ExprId kc = outer_blocks_ ? b_.use(b_.fixed("KC", t_.block)) : k;
  if (s_.left_copied) left_from_ = b_.let("from", b_.mul(rows_lo, left_products_ = kc));
  k_lo_ = b_.index(0);
  k_hi_ = k;
  if (!outer_blocks_) return 0;
  // An empty contraction still runs once and stores zeros.
  ExprId stop = b_.binary(kernel::Op::max, k, b_.index(1));
  k_lo_ = b_.begin_for("k0", b_.index(0), stop, kc);
  k_hi_ = b_.let("k1", b_.binary(kernel::Op::min, b_.add(k_lo_, kc), k));
  first_ = b_.let("first", b_.binary(kernel::Op::eq, k_lo_, b_.index(0)));
  last_ = b_.let("last", b_.binary(kernel::Op::le, k, b_.add(k_lo_, kc)));
  return 1;
}

void ContractEmitter::tiles(ExprId rows_lo, ExprId rows_hi, ExprId cols_lo, ExprId cols_hi) {
  size_t nest = open_blocks(rows_lo);
  auto open = [&](const char* name, ExprId lo, ExprId hi, ExprId step) {
    ++nest;
    return b_.begin_for(name, lo, hi, step);
  };
  if (frame_.may_pass(t_.m_extent(), row_block)) {
    ExprId mc = b_.use(b_.fixed("MC", row_block / s_.tile_rows * s_.tile_rows));
    ExprId lo = open("ic", rows_lo, rows_hi, mc);
    rows_hi = b_.let("ic1", b_.binary(kernel::Op::min, b_.add(lo, mc), rows_hi));
    rows_lo = lo;
  }
  rows_lo_ = rows_lo;
  const Dim m = t_.m_extent();
  bool rest = !(m.is_constant() && m.constant() % s_.tile_rows == 0 && phases_are_even());
  if (s_.left_copied) pack_left(rows_lo, rows_hi, rest);
  if (!n_axis_) {
    panel(b_.index(0), b_.index(1), b_.index(std::min<int64_t>(4, s_.lanes)), rows_lo, rows_hi, rest);
  } else {
    panels(cols_lo, cols_hi,
           [&](ExprId j0, ExprId j1, ExprId width) { panel(j0, j1, width, rows_lo, rows_hi, rest); });
  }
  for (size_t i = 0; i < nest; ++i) b_.end();
}

void ContractEmitter::panel(ExprId j0, ExprId j1, ExprId width, ExprId i_lo, ExprId i_hi, bool rest) {
  j1 = b_.let("j1", j1);
  panel_lo_ = j0;
  panel_width_ = width;
  row_tiles(j0, j1, width, i_lo, i_hi, rest);
  if (!s_.epilogue_apart) return;
  if (outer_blocks_) b_.begin_if(last_);
  panel_epilogue(j0, j1, i_lo, i_hi);
  if (outer_blocks_) b_.end();
}

// The epilogue of a panel whose sums stand in the scratch block: one copy of its code, close to the cache.
void ContractEmitter::panel_epilogue(ExprId j0, ExprId j1, ExprId i_lo, ExprId i_hi) {
  emitter_.release(t_.dot->results[0]);
  auto memo = emitter_.save();
  ExprId j = b_.begin_lanes("j", j0, j1, b_.index(n_axis_ ? s_.lanes : 4));
  if (n_axis_) emitter_.axes[*n_axis_] = j;
  hoist(emitter_, terms_, t_.outputs, [&](uint32_t axis) { return !m_axis_ || axis != *m_axis_; });
  ExprId i = b_.begin_for("i", i_lo, i_hi, b_.index(1));
  emitter_.hold(t_.dot->results[0], b_.let("sum", frame_.load(sums(), dtype_, sum_address(i))));
  store_outputs();
  b_.end();
  b_.end();
  emitter_.restore(std::move(memo));
}

ExprId ContractEmitter::sum_address(ExprId row) {
  if (m_axis_) emitter_.axes[*m_axis_] = row;
  return affine_value(frame_, t_.result_address, emitter_.axes);
}

void ContractEmitter::store_outputs() {
  std::vector<ExprId> values;
  for (TermId t : t_.outputs) values.push_back(emitter_.emit(t));
  for (size_t i = 0; i < values.size(); ++i) {
    ValueId v = group_.outputs[i];
    frame_.store(scope_.places[v.index], scope_.graph->type(v).dtype,
                 affine_value(frame_, t_.addresses[i], emitter_.axes), values[i]);
  }
}

// A panel of one vector has one chain of sums for each row of a tile, too few to keep the multipliers busy,
// and loads the right factor for few multiply-adds: it takes tiles of twice as many rows first.
bool ContractEmitter::tall() const {
  const int64_t rows = 2 * s_.tile_rows;
  if (panel_vectors_ != 1 || s_.left_copied || !t_.windows.empty() || !m_axis_ ||
      s_.tile_rows < frame_.target().tile_rows)
    return false;
  const Term& term = terms_.term(t_.a);
  return rows + 2 <= frame_.target().registers && frame_.may_pass(t_.m_extent(), rows - 1) &&
         term.is_plain_load();
}

// The tall tiles from i_lo; returns the row behind them. There are none where rows lie whole pages apart: the
// lines of that many would meet in one set of the cache.
ExprId ContractEmitter::tall_tiles(ExprId j0, ExprId j1, ExprId width, ExprId i_lo, ExprId i_hi) {
  constexpr int64_t page = 4096;
  const Dim apart = coefficient(terms_.term(t_.a).address, *m_axis_);
  const int64_t elements = page / static_cast<int64_t>(dtype_bytes(terms_.term(t_.a).dtype));
  ExprId meet = b_.constant(DType::bool_, 0);
  if (frame_.may_pass(apart, elements - 1))
    meet = b_.binary(kernel::Op::eq, b_.binary(kernel::Op::rem, frame_.dim(apart), b_.index(elements)),
                     b_.index(0));
  if (const auto known = b_.as_bool(meet); known && *known) return i_lo;
  ExprId rows = b_.mul(mr_, b_.index(2));
  ExprId tiled = b_.mul(b_.binary(kernel::Op::div, b_.sub(i_hi, i_lo), rows), rows);
  ExprId stop = b_.let("tall", b_.select(meet, i_lo, b_.add(i_lo, tiled)));
  ExprId i0 = b_.begin_for("i0", i_lo, stop, rows);
  tile(i0, rows, j0, j1, width);
  b_.end();
  return stop;
}

void ContractEmitter::row_tiles(ExprId j0, ExprId j1, ExprId width, ExprId i_lo, ExprId i_hi, bool rest) {
  int64_t mr = s_.tile_rows;
  if (mr == 1) {
    ExprId i0 = b_.begin_for("i0", i_lo, i_hi, mr_);
    tile(i0, mr_, j0, j1, width);
    b_.end();
    return;
  }
  if (tall()) i_lo = tall_tiles(j0, j1, width, i_lo, i_hi);
  // Whole tiles, then the rest of the rows with a tile of just their number.
  ExprId full = b_.mul(b_.binary(kernel::Op::div, b_.sub(i_hi, i_lo), mr_), mr_);
  ExprId whole = b_.let("whole", b_.add(i_lo, full));
  ExprId i0 = b_.begin_for("i0", i_lo, whole, mr_);
  tile(i0, mr_, j0, j1, width);
  b_.end();
  if (!rest) {
    // None is left as the schedule stands; one row at a time keeps an edited tile right.
    ExprId one = b_.begin_for("i0", whole, i_hi, b_.index(1));
    tile(one, b_.index(1), j0, j1, width);
    b_.end();
    return;
  }
  rest_tiles(whole, i_hi, mr_, [&](ExprId at, ExprId rows) { tile(at, rows, j0, j1, width); });
}

// The rows i_lo..i_hi, fewer than `most`: half a tile of them, where there are as many, and what is left by a
// tile of just its rows. A tile for each number of rows would be twice the code, for little.
void ContractEmitter::rest_tiles(ExprId i_lo, ExprId i_hi, ExprId most, const TileBody& each) {
  const auto half = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(s_.tile_rows)) / 2);
  // Blocks of the left factor are laid out for one tile of the rest.
  if (half > 2 && !s_.left_copied) {
    ExprId rows = b_.index(half);
    ExprId some = b_.mul(b_.binary(kernel::Op::div, b_.sub(i_hi, i_lo), rows), rows);
    ExprId stop = b_.let("half", b_.add(i_lo, some));
    ExprId i0 = b_.begin_for("i0", i_lo, stop, rows);
    each(i0, rows);
    b_.end();
    i_lo = stop;
    most = rows;
  }
  ExprId last = b_.sub(most, b_.index(1));
  ExprId rows = b_.begin_specialize("rows", b_.index(1), last, b_.sub(i_hi, i_lo));
  each(i_lo, rows);
  b_.end();
}

// acc[r] += A[i0 + r, k] * B[k, j] for k in k_lo .. k_hi.
void ContractEmitter::multiply(VarId acc, ExprId rows, ExprId i0, ExprId k_lo, ExprId k_hi) {
  if (!t_.windows.empty()) return multiply_inside(acc, rows, i0, k_lo, k_hi);
  auto memo = emitter_.save();
  runs(k_lo, k_hi, [&](ExprId lo, ExprId hi) {
    ExprId k = b_.begin_for("k", lo, hi, b_.index(1));
    prefetch(i0, k);
    set_k(k);
    multiply_rows(acc, rows, i0, k, b_.index(0), rows);
    b_.end();
  });
  emitter_.restore(std::move(memo));
}

// Product number k, of rows lo..hi of the tile.
void ContractEmitter::multiply_rows(VarId acc, ExprId rows, ExprId i0, ExprId k, ExprId lo, ExprId hi) {
  ExprId y = right(k);
  y = b_.let("b", y);
  ExprId r = b_.begin_unroll("r", lo, hi);
  ExprId x = left(i0, rows, r, k);
  ExprId old = b_.use(acc, {r});
  b_.assign(acc, is_float(dtype_) ? b_.fma(x, y, old) : b_.add(old, b_.mul(x, y)), {r});
  b_.end();
}

void ContractEmitter::tile(ExprId i0, ExprId rows, ExprId j0, ExprId j1, ExprId width) {
  ExprId j = b_.begin_lanes("j", j0, j1, width);
  if (n_axis_) emitter_.axes[*n_axis_] = j;
  auto memo = emitter_.save();
  ExprId zero = b_.constant(dtype_, 0);
  if (s_.blocks == Blocks::side_by_side) {
    const int64_t blocks = t_.k_extent().constant() / t_.block;
    VarId acc = b_.declare("acc", dtype_, zero, {b_.index(blocks)});
    if (m_axis_) emitter_.axes[*m_axis_] = i0;
    ExprId k = b_.begin_for("k", b_.index(0), b_.index(t_.block), b_.index(1));
    ExprId c = b_.begin_unroll("c", b_.index(0), b_.index(blocks));
    auto outside = emitter_.save();
    ExprId at = b_.add(b_.mul(c, b_.index(t_.block)), k);
    set_k(at);
    ExprId y = right(at), x = emitter_.emit(t_.a), old = b_.use(acc, {c});
    b_.assign(acc, is_float(dtype_) ? b_.fma(x, y, old) : b_.add(old, b_.mul(x, y)), {c});
    emitter_.restore(std::move(outside));
    b_.end();
    b_.end();
    ExprId sum = b_.let("sum", b_.use(acc, {b_.index(0)}));
    for (int64_t i = 1; i < blocks; ++i) sum = b_.let("sum", b_.add(sum, b_.use(acc, {b_.index(i)})));
    finish(i0, rows, [&](ExprId) { return sum; });
  } else if (s_.inner_blocks()) {
    VarId total = b_.declare("total", dtype_, zero, {rows});
    ExprId k0 = b_.begin_for("k0", b_.index(0), k_hi_, b_.index(t_.block));
    ExprId k1 = b_.let("k1", b_.binary(kernel::Op::min, b_.add(k0, b_.index(t_.block)), k_hi_));
    VarId acc = b_.declare("acc", dtype_, zero, {rows});
    multiply(acc, rows, i0, k0, k1);
    ExprId first = b_.let("first", b_.binary(kernel::Op::eq, k0, b_.index(0)));
    ExprId r = b_.begin_unroll("r", b_.index(0), rows);
    b_.assign(total, b_.select(first, b_.use(acc, {r}), b_.add(b_.use(total, {r}), b_.use(acc, {r}))), {r});
    b_.end();
    b_.end();
    finish(i0, rows, [&](ExprId row) { return b_.use(total, {row}); });
  } else {
    VarId acc = b_.declare("acc", dtype_, zero, {rows});
    multiply(acc, rows, i0, k_lo_, k_hi_);
    if (outer_blocks_) {
      auto address = [&](ExprId r) { return sum_address(b_.add(i0, r)); };
      b_.begin_if(b_.unary(kernel::Op::bnot, first_));
      ExprId r = b_.begin_unroll("r", b_.index(0), rows);
      b_.assign(acc, b_.add(frame_.load(sums(), dtype_, address(r)), b_.use(acc, {r})), {r});
      b_.end();
      b_.end();
      auto totals = [&](ExprId row) { return b_.use(acc, {row}); };
      if (s_.epilogue_apart) {
        finish(i0, rows, totals);
      } else {
        b_.begin_if(last_);
        finish(i0, rows, totals);
        b_.begin_else();
        r = b_.begin_unroll("r", b_.index(0), rows);
        frame_.store(sums(), dtype_, address(r), b_.use(acc, {r}));
        b_.end();
        b_.end();
      }
    } else {
      finish(i0, rows, [&](ExprId row) { return b_.use(acc, {row}); });
    }
  }
  emitter_.restore(std::move(memo));
  b_.end();
}

// Epilogue and stores of one tile.
void ContractEmitter::finish(ExprId i0, ExprId rows, const std::function<ExprId(ExprId)>& sum) {
  if (s_.epilogue_apart) {
    ExprId r = b_.begin_unroll("r", b_.index(0), rows);
    frame_.store(sums(), dtype_, sum_address(b_.add(i0, r)), sum(r));
    b_.end();
    return;
  }
  auto memo = emitter_.save();
  // What does not depend on the row (a bias) is read once a tile.
  emitter_.release(t_.dot->results[0]);
  hoist(emitter_, terms_, t_.outputs, [&](uint32_t axis) { return !m_axis_ || axis != *m_axis_; });
  ExprId r = b_.begin_unroll("r", b_.index(0), rows);
  if (m_axis_) emitter_.axes[*m_axis_] = b_.add(i0, r);
  emitter_.hold(t_.dot->results[0], b_.let("sum", sum(r)));
  store_outputs();
  b_.end();
  emitter_.restore(std::move(memo));
}

}  // namespace tenon::lower
