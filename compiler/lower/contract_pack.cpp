// Panels of a right factor, copied before the product, or made once where it is a constant: element (k, j) of
// the panel from j0 stands at j0 * K + k * width + j - j0.
#include "lower/contract.h"

namespace tenon::lower {

ExprId ContractEmitter::pack_address(ExprId k, ExprId j) {
  ExprId start = b_.mul(panel_lo_, frame_.dim(t_.k_extent()));
  return b_.add(b_.add(start, b_.mul(k, panel_width_)), b_.sub(j, panel_lo_));
}

ExprId ContractEmitter::right_element(ExprId k, ExprId j) {
  emitter_.axes[*n_axis_] = j;
  set_k(k);
  emitter_.forget();
  return emitter_.emit(t_.b);
}

ExprId ContractEmitter::right(ExprId k) {
  if (!s_.packed()) return emitter_.emit(t_.b);
  return frame_.load(pack_place(), dtype_, pack_address(k, emitter_.axes[*n_axis_]));
}

void ContractEmitter::pack_row(ExprId k, ExprId lo, ExprId hi, ExprId width) {
  ExprId j = b_.begin_lanes("j", lo, hi, width);
  frame_.store(pack_place(), dtype_, pack_address(k, j), right_element(k, j));
  b_.end();
}

// Squares of as many rows of memory as a vector has lanes: read along the rows, exchanged in registers, and
// stored as pieces of the panel's rows. What is left at the edges goes element by element.
void ContractEmitter::pack_transposed(ExprId begin, ExprId end, ExprId whole, ExprId j1) {
  ExprId side = b_.index(frame_.target().lanes(dtype_bytes(dtype_)));
  ExprId squares = b_.mul(b_.binary(kernel::Op::div, b_.sub(j1, panel_lo_), side), side);
  ExprId edge = b_.let("edge", b_.add(panel_lo_, squares));
  ExprId jb = b_.begin_for("jb", panel_lo_, edge, side);
  ExprId kb = b_.begin_for("kb", begin, whole, side);
  ExprId l = b_.begin_lanes("l", b_.index(0), side, side);
  VarId square = b_.declare("square", dtype_, b_.constant(dtype_, 0), {side});
  ExprId r = b_.begin_unroll("r", b_.index(0), side);
  b_.assign(square, right_element(b_.add(kb, l), b_.add(jb, r)), {r});
  b_.end();
  b_.exchange(square);
  r = b_.begin_unroll("r", b_.index(0), side);
  frame_.store(pack_place(), dtype_, pack_address(b_.add(kb, r), b_.add(jb, l)), b_.use(square, {r}));
  b_.end();
  for (int i = 0; i < 3; ++i) b_.end();
  ExprId k = b_.begin_for("k", whole, end, b_.index(1));
  pack_row(k, panel_lo_, edge, side);
  b_.end();
  k = b_.begin_for("k", begin, end, b_.index(1));
  pack_row(k, edge, j1, side);
  b_.end();
}

void ContractEmitter::emit_pack(ExprId begin, ExprId end) {
  emitter_.axes.assign(extents_.size(), b_.index(0));
  ExprId n = frame_.dim(t_.n_extent());
  auto open = [&](ExprId j0, ExprId j1, ExprId width) {
    panel_lo_ = j0;
    panel_width_ = width;
    return b_.let("j1", j1);
  };
  if (right_is_even(*scope_.graph, *t_.dot)) {
    // Rows are read from end to end: the panels are many streams, each written in order.
    return runs(begin, end, [&](ExprId from, ExprId to) {
      ExprId k = b_.begin_for("k", from, to, b_.index(1));
      panels(b_.index(0), n, [&](ExprId j0, ExprId j1, ExprId width) {
        ExprId stop = open(j0, j1, width);
        pack_row(k, j0, stop, width);
      });
      b_.end();
    });
  }
  const bool loads = terms_.term(t_.b).kind == TermKind::load && terms_.term(t_.b).chosen.empty();
  ExprId side = b_.index(frame_.target().lanes(dtype_bytes(dtype_)));
  runs(begin, end, [&](ExprId from, ExprId to) {
    ExprId whole = from;
    if (loads)
      whole = b_.let("whole", b_.add(from, b_.mul(b_.binary(kernel::Op::div, b_.sub(to, from), side), side)));
    panels(b_.index(0), n, [&](ExprId j0, ExprId j1, ExprId width) {
      ExprId stop = open(j0, j1, width);
      if (loads) return pack_transposed(from, to, whole, stop);
      ExprId k = b_.begin_for("k", from, to, b_.index(1));
      pack_row(k, j0, stop, width);
      b_.end();
    });
  });
}

}  // namespace tenon::lower
