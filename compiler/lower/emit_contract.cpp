// Contractions in block order: the register-tile micro-kernel.
//
//   for i0 by MR, for panel j0 by NR = NV vectors: acc[MR] over NR lanes; for k: b = B[k, j0..], acc[r] =
//   fma(A[i0+r, k], b, acc[r])
//
// The panel order keeps a block of rows of A and one panel of B in L2: blocks of K outermost, then row
// blocks, then panels, then tiles. B is read in place, or through a transposed copy that a pass before fusion
// asked for. The epilogue runs on the accumulators. Sources: codegen facts measured for this project; the
// loop order follows Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008.
#include "lower/contract.h"
#include "lower/hoist.h"

namespace tenon::lower {

void ContractEmitter::set_k(ExprId k) {
  if (!k_axes_.empty()) emitter_.axes[k_axes_.back()] = run_.valid() ? b_.sub(k, run_) : k;
}

void ContractEmitter::runs(ExprId lo, ExprId hi, const std::function<void(ExprId, ExprId)>& each) {
  using kernel::Op;
  if (k_axes_.size() <= 1) return each(lo, hi);
  auto extent = [&](uint32_t axis) {
    ExprId e = frame_.dim(extents_[axis]);
    return frame_.low(extents_[axis]) < 1 ? b_.binary(Op::max, e, b_.index(1)) : e;
  };
  ExprId inner = extent(k_axes_.back());
  ExprId first = b_.let("first", b_.binary(Op::div, lo, inner));
  ExprId last = b_.let("last", b_.binary(Op::div, b_.add(hi, b_.sub(inner, b_.index(1))), inner));
  ExprId o = b_.begin_for("o", first, last, b_.index(1));
  ExprId rest = o;
  for (size_t i = k_axes_.size() - 1; i-- > 0;) {
    ExprId e = extent(k_axes_[i]);
    emitter_.axes[k_axes_[i]] = i == 0 ? rest : b_.let("i", b_.binary(Op::rem, rest, e));
    if (i != 0) rest = b_.let("rest", b_.binary(Op::div, rest, e));
  }
  run_ = b_.let("run", b_.mul(o, inner));
  // Statement by statement: the order in which C++ evaluates arguments is not told.
  const ExprId to = b_.let("to", b_.binary(Op::min, hi, b_.add(run_, inner)));
  const ExprId from = b_.let("from", b_.binary(Op::max, lo, run_));
  each(from, to);
  run_ = {};
  b_.end();
}

void ContractEmitter::emit(ExprId begin, ExprId end) {
  emitter_.axes.assign(extents_.size(), b_.index(0));
  mr_ = b_.use(b_.fixed("MR", s_.tile_rows));
  hoist(emitter_, terms_, t_.outputs, [](uint32_t) { return false; });
  if (t_.rows_share()) return rows_along(begin, end);
  const Cut c = s_.cut;
  for (size_t i = 0; i < outer_.size(); ++i)
    emitter_.axes[outer_[i]] = b_.begin_for("o", i == 0 ? begin : b_.index(0),
                                            i == 0 ? end : frame_.dim(extents_[outer_[i]]), b_.index(1));
  ExprId zero = b_.index(0), m = rows_here(), n = frame_.dim(t_.n_extent());
  const bool rows = c == Cut::rows || c == Cut::both;
  std::pair<ExprId, ExprId> columns{zero, n};
  if (c == Cut::columns) columns = {begin, end};
  if (c == Cut::both && frame_.across) columns = *frame_.across;
  tiles(rows ? begin : zero, rows ? end : m, columns.first, columns.second);
  for (size_t i = 0; i < outer_.size(); ++i) b_.end();
}

void emit_contract(Frame& frame, const Scope& scope, int32_t number, ExprId begin, ExprId end) {
  ContractEmitter(frame, scope, number).emit(begin, end);
}

void emit_pack(Frame& frame, const Scope& scope, int32_t number, ExprId begin, ExprId end) {
  ContractEmitter(frame, scope, number).emit_pack(begin, end);
}

}  // namespace tenon::lower
