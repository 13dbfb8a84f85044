// A left factor whose rows lie across memory. Each product of a tile would read a line of its own: the lines
// of a block of K fill L1, mostly with what the tile does not use. Blocks of rows and products are copied
// before the panels that they meet, tile by tile: element (i0 + r, k) of the tile of `rows` rows from i0
// stands at from + (i0 - ic) * KC + (k - k0) * rows + r. Chunks of rows keep to the copy's part of their
// rows, of which they use the first block only, whatever their number.
#include "lower/contract.h"

namespace tenon::lower {
ExprId ContractEmitter::left_address(ExprId i0, ExprId rows, ExprId r, ExprId k) {
  ExprId tile = b_.add(left_from_, b_.mul(b_.sub(i0, rows_lo_), left_products_));
  return b_.add(b_.add(tile, b_.mul(b_.sub(k, k_lo_), rows)), r);
}

ExprId ContractEmitter::left(ExprId i0, ExprId rows, ExprId r, ExprId k) {
  if (s_.left_copied) return frame_.load(scratch(left_scratch), dtype_, left_address(i0, rows, r, k));
  if (m_axis_) emitter_.axes[*m_axis_] = b_.add(i0, r);
  return emitter_.emit(t_.a);
}

// Tiles as row_tiles makes them.
void ContractEmitter::pack_left(ExprId lo, ExprId hi, bool rest) {
  ExprId whole = b_.let("tiled", b_.add(lo, b_.mul(b_.binary(kernel::Op::div, b_.sub(hi, lo), mr_), mr_)));
  auto copy = [&](ExprId i0, ExprId rows, ExprId r, ExprId k) {
    emitter_.axes[*m_axis_] = b_.add(i0, r);
    set_k(k);
    emitter_.forget();
    frame_.store(scratch(left_scratch), dtype_, left_address(i0, rows, r, k), emitter_.emit(t_.a));
  };
  runs(k_lo_, k_hi_, [&](ExprId lo_k, ExprId hi_k) {
    ExprId k = b_.begin_for("k", lo_k, hi_k, b_.index(1));
    ExprId i0 = b_.begin_for("i0", lo, whole, mr_);
    // One vector where the tile has as many rows as one has lanes.
    const bool vector = s_.tile_rows % 4 == 0;
    ExprId r = vector ? b_.begin_lanes("r", b_.index(0), mr_, b_.index(s_.tile_rows))
                      : b_.begin_unroll("r", b_.index(0), mr_);
    copy(i0, mr_, r, k);
    b_.end();
    b_.end();
    if (rest) {
      ExprId rows = b_.sub(hi, whole);
      r = b_.begin_for("r", b_.index(0), rows, b_.index(1));
      copy(whole, rows, r, k);
    } else {
      i0 = b_.begin_for("i0", whole, hi, b_.index(1));
      copy(i0, b_.index(1), b_.index(0), k);
    }
    b_.end();
    b_.end();
  });
}

}  // namespace tenon::lower
