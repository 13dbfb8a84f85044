// What a tile asks for ahead of time: its lines of the result, and its share of the panel that comes next.
//
// Both are spread over the tile's products. Asked for at once they would fill the buffers that the tile's own
// loads go through, and cost about what they save.
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
  if (!s_.prefetch_result && !s_.prefetch_panel) return;
  const std::vector<ExprId> axes = emitter_.axes;
  ExprId t = b_.sub(k, k_lo_);
  if (s_.prefetch_result) prefetch_result(i0, t);
  if (s_.prefetch_panel) prefetch_panel(i0, t);
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

void ContractEmitter::prefetch_panel(ExprId i0, ExprId t) {
  const int64_t line = line_bytes / static_cast<int64_t>(dtype_bytes(dtype_));
  const int64_t rows = block_rows(), tiles = rows / s_.tile_rows, width = s_.vectors * s_.lanes;
  ExprId next = b_.add(panel_lo_, panel_width_), above = b_.sub(i0, rows_lo_);
  ExprId count = b_.index(rows);
  auto share = [&](ExprId of) { return b_.binary(kernel::Op::div, of, count); };
  auto lines = [&](int64_t elements, auto&& each) {
    for (int64_t q = 0; q < elements; q += line) each(b_.index(q));
  };
  if (s_.packed()) {
    ExprId at = b_.add(b_.mul(next, frame_.dim(t_.k_extent())), b_.mul(k_lo_, panel_width_));
    at = b_.add(at, b_.mul(above, share(b_.mul(b_.index(block_products()), panel_width_))));
    at = b_.add(at, b_.mul(t, share(b_.mul(panel_width_, mr_))));
    lines(std::max<int64_t>(1, width * s_.tile_rows / rows),
          [&](ExprId q) { frame_.prefetch(pack_place(), dtype_, b_.add(at, q), false); });
    return;
  }
  const Term& term = terms_.term(t_.b);
  if (!term.is_plain_load() || k_axes_.size() != 1) return;
  for (const AffineIndex::Part& p : term.address.parts)
    if (p.axis == *n_axis_ && !(p.coefficient == Dim(1))) return;
  const int64_t shift = log2_below(tiles);
  ExprId s = b_.index(shift), part = b_.binary(kernel::Op::band, t, b_.index((int64_t{1} << shift) - 1));
  set_k(b_.add(b_.add(k_lo_, share(b_.mul(above, b_.index(block_products())))),
               b_.binary(kernel::Op::lshr, t, s)));
  next = b_.add(next, b_.binary(kernel::Op::lshr, b_.mul(part, panel_width_), s));
  lines(std::max<int64_t>(1, width >> shift), [&](ExprId q) {
    emitter_.axes[*n_axis_] = b_.add(next, q);
    frame_.prefetch(scope_.places[term.value.index], dtype_,
                    affine_value(frame_, term.address, emitter_.axes), false);
  });
}

}  // namespace tenon::lower
