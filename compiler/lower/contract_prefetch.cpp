// What a tile asks for ahead of time: its lines of the result; its share of the panel that comes next, or,
// where the right factor is read in place, the rows that it meets soon (they lie in pages of their own, where
// processors do not see by themselves what is read next).
//
// The first two are spread over the tile's products. Asked for at once they would fill the buffers that the
// tile's own loads go through, and cost about what they save.
#include <bit>

#include "lower/contract.h"

namespace tenon::lower {
namespace {

constexpr int64_t line_bytes = 64;

int64_t log2_below(int64_t n) {
  return n < 1 ? 0 : static_cast<int64_t>(std::bit_width(static_cast<uint64_t>(n))) - 1;
}

}  // namespace

int64_t ContractEmitter::block_rows() const {
  const int64_t mr = s_.tile_rows, most = row_block / mr * mr;
  const Dim m = t_.m_extent();
  return m.is_constant() ? std::clamp((m.constant() + mr - 1) / mr * mr, mr, most) : most;
}

int64_t ContractEmitter::block_products() const {
  const Dim k = t_.k_extent();
  return k.is_constant() ? std::min(k.constant(), t_.block) : t_.block;
}

void ContractEmitter::prefetch(ExprId i0, ExprId k) {
  if (!s_.prefetch_result && !s_.prefetch_panel && s_.rows_ahead == 0) return;
  const std::vector<ExprId> axes = emitter_.axes;
  if (s_.rows_ahead != 0) {
    set_k(k);
    prefetch_rows(k);
  }
  ExprId t = b_.sub(k, k_lo_);
  if (s_.prefetch_result) prefetch_result(i0, t);
  if (s_.prefetch_panel) {
    if (t_.rows_share())
      prefetch_panel(b_.add(rows_above_, i0), t, rows_of_panel());
    else
      prefetch_panel(b_.sub(i0, rows_lo_), t, block_rows());
  }
  emitter_.axes = axes;
}

// Row t >> s of the tile, a 2^s-th of its width further on with every product.
void ContractEmitter::prefetch_result(ExprId i0, ExprId t) {
  constexpr int64_t least_block = 64, least_shift = 2;
  const Dim k = t_.k_extent();
  int64_t products = block_products();
  // The last block of K may be shorter, and is the one whose lines are read.
  if (k.is_constant() && k.constant() % t_.block >= least_block) products = k.constant() % t_.block;
  const int64_t shift = log2_below(products / s_.tile_rows);
  if (shift < least_shift) return;
  ExprId s = b_.index(shift), part = b_.binary(kernel::Op::band, t, b_.index((int64_t{1} << shift) - 1));
  emitter_.axes[*m_axis_] = b_.add(i0, b_.binary(kernel::Op::lshr, t, s));
  emitter_.axes[*n_axis_] = b_.add(panel_lo_, b_.binary(kernel::Op::lshr, b_.mul(part, panel_width_), s));
  const bool summed = outer_blocks_ || s_.epilogue_apart;
  const Place place = summed ? sums() : scope_.places[group_.outputs[0].index];
  const DType dtype = summed ? dtype_ : scope_.graph->type(group_.outputs[0]).dtype;
  frame_.prefetch(place, dtype,
                  affine_value(frame_, summed ? t_.result_address : t_.addresses[0], emitter_.axes), true);
}

// The panel's row that the tile multiplies by some products later.
void ContractEmitter::prefetch_rows(ExprId k) {
  const int64_t line = line_bytes / static_cast<int64_t>(dtype_bytes(dtype_));
  const Term& term = terms_.term(t_.b);
  const std::vector<ExprId> axes = emitter_.axes;
  ExprId ahead = b_.index(s_.rows_ahead);
  // Along the last contracted axis, and past its end: the rows of the next one lie there.
  if (!k_axes_.empty()) emitter_.axes[k_axes_.back()] = b_.add(axes[k_axes_.back()], ahead);
  for (int64_t q = 0; q < panel_vectors_ * s_.lanes; q += line) {
    ExprId j = b_.add(panel_lo_, b_.index(q));
    emitter_.axes[*n_axis_] = j;
    if (s_.packed())
      frame_.prefetch(pack_place(), dtype_, pack_address(b_.add(k, ahead), j), false);
    else
      frame_.prefetch(scope_.places[term.value.index], dtype_,
                      affine_value(frame_, term.address, emitter_.axes), false);
  }
  emitter_.axes = axes;
}

// The share of product t of a tile whose first row is number `above` of the `rows` that meet a panel.
void ContractEmitter::prefetch_panel(ExprId above, ExprId t, int64_t rows) {
  const int64_t line = line_bytes / static_cast<int64_t>(dtype_bytes(dtype_));
  const int64_t width = s_.vectors * s_.lanes;
  ExprId next = b_.add(panel_lo_, panel_width_);
  ExprId count = b_.index(rows);
  auto share = [&](ExprId of) { return b_.binary(kernel::Op::div, of, count); };
  ExprId at = b_.add(b_.mul(next, frame_.dim(t_.k_extent())), b_.mul(k_lo_, panel_width_));
  at = b_.add(at, b_.mul(above, share(b_.mul(b_.index(block_products()), panel_width_))));
  at = b_.add(at, b_.mul(t, share(b_.mul(panel_width_, mr_))));
  for (int64_t q = 0; q < std::max<int64_t>(1, width * s_.tile_rows / rows); q += line)
    frame_.prefetch(pack_place(), dtype_, b_.add(at, b_.index(q)), false);
}

}  // namespace tenon::lower
