// Rows of several reduced axes of which the last is short: what does not run on evenly over the elements is
// first laid out in scratch so that it does, a chunk of whole rows at a time, and then read in full lanes.
//
// Rows of few elements that stand evenly apart are not laid out: over as many vectors of lanes as it takes
// for lanes to begin a row again, each lane's place is a constant, and vectors are shuffled out of whole
// ones.
//
// What the outer axes do not change is laid out once, repeated for as many elements as there are lanes: lanes
// that begin at element r of the order begin in it at r modulo the row.
#include <numeric>

#include "lower/hoist.h"
#include "lower/narrow.h"
#include "lower/reduce.h"

namespace tenon::lower {

class ReduceEmitter::Spread {
 public:
  Spread(ReduceEmitter& e, const Reductions& reductions)
      : e_(e), b_(e.b_), reductions_(reductions), lanes_(reductions[0]->lanes) {}

  // Finds what is laid out, and a place for it.
  bool prepare() {
    const int64_t least_lanes = 16, least_bytes = 4;
    const Dim& row = e_.extents_[e_.inner_axis()];
    if (lanes_ < least_lanes || (row.is_constant() && (row.constant() < 1 || row.constant() > longest ||
                                                       row.constant() % lanes_ == 0)))
      return false;
    varies_.assign(e_.terms_.size(), false);
    turns_.assign(e_.terms_.size(), false);
    for (size_t i = 0; i < e_.terms_.size(); ++i) look(TermId(i));
    std::vector<TermId> roots = e_.roots(reductions_, {});
    std::vector<bool> seen(e_.terms_.size(), false);
    while (!roots.empty()) {
      const TermId id = roots.back();
      roots.pop_back();
      if (seen[id.index] || !varies_[id.index]) continue;
      seen[id.index] = true;
      const Term& t = e_.terms_.term(id);
      if (runs_on(t)) {
        for_each_read(t, [&](TermId read) { roots.push_back(read); });
      } else if (static_cast<int64_t>(dtype_bytes(t.dtype)) < least_bytes) {
        return false;
      } else {
        (turns_[id.index] ? rows_ : repeated_).push_back(id);
      }
    }
    if (stand_apart()) rows_.clear();
    return places();
  }

  void emit(ExprId n) {
    row_ = e_.frame_.dim(e_.extents_[e_.inner_axis()]);
    repeat();
    const int64_t block = reductions_[0]->block;
    const bool blocked = e_.frame_.may_pass(e_.reduced_count(), block);
    ExprId lo = b_.index(0), hi = n;
    if (blocked) {
      lo = b_.begin_for("block", b_.index(0), n, b_.index(block));
      hi = b_.let("stop", b_.binary(kernel::Op::min, b_.add(lo, b_.index(block)), n));
    }
    if (apart_) {
      turns(lo, hi);
    } else {
      chunks(lo, hi);
    }
    if (blocked) b_.end();
  }

  static constexpr int64_t longest = 128;  // elements of a row

 private:
  void chunks(ExprId lo, ExprId hi) {
    all_lanes([&](ExprId l) {
      for (size_t i = 0; i < reductions_.size(); ++i) b_.store(accs_[i], l, e_.identity(*reductions_[i]));
    });
    ExprId from = b_.begin_for("from", lo, hi, b_.index(chunk_));
    ExprId to = b_.let("to", b_.binary(kernel::Op::min, b_.add(from, b_.index(chunk_)), hi));
    lay_out(from, to);
    all_lanes([&](ExprId l) { add(from, to, l); });
    b_.end();
    ExprId l = b_.begin_lanes("l", b_.index(0), b_.index(lanes_), b_.index(lanes_));
    for (size_t i = 0; i < reductions_.size(); ++i)
      b_.fold(e_.totals_[reductions_[i]][0], fold_of(*reductions_[i]), b_.load(accs_[i], l));
    b_.end();
  }
  // Lanes at places that come again after some vectors of all lanes.
  void turns(ExprId lo, ExprId hi) {
    using kernel::Op;
    const int64_t row = e_.extents_[e_.inner_axis()].constant(), steps = row / std::gcd(row, lanes_);
    ExprId w = b_.index(lanes_), turn = b_.index(lanes_ * steps);
    ExprId l = b_.begin_lanes("l", b_.index(0), w, w);
    VarId outer = b_.declare("outer", DType::i64, b_.index(0), {b_.index(steps)});
    VarId inner = b_.declare("inner", DType::i64, b_.index(0), {b_.index(steps)});
    VarId phase = b_.declare("phase", DType::i64, b_.index(0), {b_.index(steps)});
    ExprId q = b_.begin_unroll("q", b_.index(0), b_.index(steps));
    b_.assign(phase, b_.binary(Op::rem, b_.mul(q, w), row_), {q});
    ExprId place = b_.add(b_.mul(q, w), l);
    b_.assign(outer, b_.binary(Op::div, place, row_), {q});
    b_.assign(inner, b_.binary(Op::rem, place, row_), {q});
    b_.end();
    Accumulators accs;
    for (const Reduction* r : reductions_) accs.push_back(b_.declare("acc", r->dtype, e_.identity(*r)));
    auto element = [&](ExprId start, ExprId from, ExprId o, ExprId i) {
      auto memo = e_.emitter_.save();
      e_.emitter_.axes[e_.flat_axis()] = b_.add(start, l);
      e_.emitter_.axes[e_.reduced_[0]] = o;
      e_.emitter_.axes[e_.reduced_[1]] = i;
      for (size_t k = 0; k < repeated_.size(); ++k)
        e_.emitter_.preset(repeated_[k], b_.let("v", b_.load(repeated_at(k), b_.add(from, l))));
      e_.row_elements(reductions_, {}, accs, {});
      e_.emitter_.restore(std::move(memo));
    };
    ExprId g = b_.begin_for("g", b_.binary(Op::div, lo, turn),
                            b_.binary(Op::div, b_.add(hi, b_.sub(turn, b_.index(1))), turn), b_.index(1));
    ExprId first = b_.let("first", b_.mul(g, b_.binary(Op::div, turn, row_)));
    ExprId from = b_.let("from", b_.mul(g, turn));
    q = b_.begin_unroll("q", b_.index(0), b_.index(steps));
    ExprId start = b_.let("start", b_.add(from, b_.mul(q, w)));
    b_.begin_if(b_.binary(Op::band, b_.binary(Op::le, lo, start), b_.binary(Op::le, b_.add(start, w), hi)));
    element(start, b_.use(phase, {q}), b_.add(first, b_.use(outer, {q})), b_.use(inner, {q}));
    b_.end();
    b_.end();
    b_.end();
    ExprId tail = b_.let("tail", b_.add(lo, b_.mul(b_.binary(Op::div, b_.sub(hi, lo), w), w)));
    ExprId at = b_.let("at", b_.add(tail, l));
    b_.begin_if(b_.binary(Op::lt, at, hi));
    const ExprId i = b_.let("i", b_.binary(Op::rem, at, row_)), o = b_.let("o", b_.binary(Op::div, at, row_));
    element(tail, b_.binary(Op::rem, tail, row_), o, i);
    b_.end();
    for (size_t i = 0; i < reductions_.size(); ++i)
      b_.fold(e_.totals_[reductions_[i]][0], fold_of(*reductions_[i]), b_.use(accs[i]));
    b_.end();
  }
  // Whether rows are few elements, each so far behind the one before.
  bool stand_apart() {
    constexpr int64_t longest_apart = 15, most_loads = 2, widest = 3;
    const Dim& row = e_.extents_[e_.inner_axis()];
    if (!row.is_constant() || row.constant() > longest_apart || e_.reduced_.size() != 2) return false;
    apart_ = !rows_.empty() && rows_.size() <= most_loads &&
             std::all_of(rows_.begin(), rows_.end(), [&](TermId id) {
               const Term& t = e_.terms_.term(id);
               if (!t.is_plain_load()) return false;
               const Dim step = coefficient(t.address, e_.reduced_[0]);
               const Dim next = coefficient(t.address, e_.reduced_[1]);
               return next == Dim(1) && step.is_constant() && step.constant() >= row.constant() &&
                      step.constant() <= widest * row.constant();
             });
    return apart_;
  }
  // Whether the term differs between elements, and between rows.
  void look(TermId id) {
    const Term& t = e_.terms_.term(id);
    auto affine = [&](const AffineIndex& a) {
      for (const AffineIndex::Part& p : a.parts) {
        if (e_.classes_[p.axis] != 1) continue;
        varies_[id.index] = true;
        turns_[id.index] = turns_[id.index] || p.axis != e_.inner_axis();
      }
    };
    auto read = [&](TermId r) {
      varies_[id.index] = varies_[id.index] || varies_[r.index];
      turns_[id.index] = turns_[id.index] || turns_[r.index];
    };
    affine(t.address);
    for_each_read(t, read);
    for (const TermPiece& p : t.pieces) {
      for (const TermGuard& g : p.guards) affine(g.index);
      read(p.term);
    }
  }
  // Made from its operands and its element's number alone.
  bool runs_on(const Term& t) const {
    if (t.kind == TermKind::choose || t.kind == TermKind::quotient || !t.chosen.empty() || !t.offsets.empty())
      return false;
    return std::all_of(t.address.parts.begin(), t.address.parts.end(), [&](const AffineIndex::Part& p) {
      return e_.classes_[p.axis] != 1 || p.axis == e_.flat_axis();
    });
  }
  // Chunks end where lanes begin anew; the rows at their ends lie in them whole.
  bool places() {
    chunk_ = 512;
    for (TermId t : rows_)
      if (dtype_bytes(e_.terms_.term(t).dtype) > 4) chunk_ = 256;
    while (chunk_ > lanes_ && reductions_[0]->block % chunk_ != 0) chunk_ /= 2;
    std::vector<Frame::ScratchSize> sizes;
    for (const Reduction* r : reductions_)
      if (!apart_) sizes.push_back({r->dtype, lanes_});
    for (TermId t : repeated_) sizes.push_back({e_.terms_.term(t).dtype, lanes_ + 2 * longest});
    for (TermId t : rows_) sizes.push_back({e_.terms_.term(t).dtype, chunk_ + longest + behind()});
    const auto found = e_.frame_.scratch(sizes);
    if (!found) return false;
    auto next = found->begin();
    for (size_t i = 0; !apart_ && i < reductions_.size(); ++i) accs_.push_back(*next++);
    at_.assign(next, found->end());
    return true;
  }
  // Elements behind a chunk that what lays it out may write: of a row, or of narrow rows in all lanes.
  int64_t behind() const {
    return crosses_memory()
               ? std::max(longest, e_.extents_[e_.inner_axis()].constant() * e_.frame_.target().lanes(4))
               : longest;
  }
  VarId repeated_at(size_t i) const { return at_[i]; }
  VarId row_at(size_t i) const { return at_[repeated_.size() + i]; }

  kernel::FoldOp fold_of(const Reduction& r) const { return lower::fold_of(combiner(r)); }
  void all_lanes(const std::function<void(ExprId)>& body) {
    ExprId l = b_.begin_lanes("l", b_.index(0), b_.index(lanes_), b_.index(lanes_));
    body(l);
    b_.end();
  }
  // The elements of one row, from element `number` of the order, from `to` on in scratch.
  void row(const std::vector<TermId>& terms, size_t first, ExprId number, ExprId to) {
    auto memo = e_.emitter_.save();
    ExprId i = b_.begin_lanes("i", b_.index(0), row_, b_.index(e_.frame_.target().lanes(4)));
    e_.emitter_.axes[e_.inner_axis()] = i;
    e_.emitter_.axes[e_.flat_axis()] = b_.add(number, i);
    std::vector<ExprId> made;
    for (TermId t : terms) made.push_back(e_.emitter_.emit(t));
    for (size_t k = 0; k < made.size(); ++k) b_.store(at_[first + k], b_.add(to, i), made[k]);
    b_.end();
    e_.emitter_.restore(std::move(memo));
  }
  void repeat() {
    if (repeated_.empty()) return;
    ExprId k = b_.begin_for("k", b_.index(0), b_.add(row_, b_.index(lanes_ - 1)), row_);
    row(repeated_, 0, b_.index(0), k);
    b_.end();
  }
  // Whether the elements of narrow rows lie, one axis further out, along memory: every load that is laid out.
  bool crosses_memory() const {
    const Dim& row = e_.extents_[e_.inner_axis()];
    if (!row.is_constant() || row.constant() > narrow_row || e_.reduced_.size() != 2 ||
        row.constant() > e_.frame_.target().lanes(4))
      return false;
    return std::all_of(rows_.begin(), rows_.end(), [&](TermId id) {
      const Term& t = e_.terms_.term(id);
      return t.is_plain_load() && dtype_bytes(t.dtype) >= 4 &&
             coefficient(t.address, e_.reduced_[0]) == Dim(1);
    });
  }
  // As many narrow rows as there are lanes, each lane one of them: their elements are read along memory, and
  // exchanged, so that rows lie one after the other.
  void cross(ExprId first, ExprId last, ExprId from) {
    const int64_t lanes = e_.frame_.target().lanes(4);
    ExprId side = b_.index(lanes);
    ExprId whole =
        b_.let("whole", b_.add(first, b_.mul(b_.binary(kernel::Op::div, b_.sub(last, first), side), side)));
    ExprId o = b_.begin_for("o", first, whole, side);
    cross_rows(o, {}, from);
    b_.end();
    b_.begin_if(b_.binary(kernel::Op::lt, whole, last));
    cross_rows(whole, last, from);
    b_.end();
  }
  // Rows from o on, those below `last` where it is given.
  void cross_rows(ExprId o, ExprId last, ExprId from) {
    ExprId side = b_.index(e_.frame_.target().lanes(4));
    ExprId l = b_.begin_lanes("l", b_.index(0), side, side);
    auto memo = e_.emitter_.save();
    ExprId at = b_.add(b_.sub(b_.mul(o, row_), from), b_.add(b_.index(longest), l));
    for (size_t k = 0; k < rows_.size(); ++k) {
      const DType dtype = e_.terms_.term(rows_[k]).dtype;
      VarId narrow = b_.declare("narrow", dtype, b_.constant(dtype, 0), {row_});
      if (last.valid()) b_.begin_if(b_.binary(kernel::Op::lt, b_.add(o, l), last));
      ExprId i = b_.begin_unroll("i", b_.index(0), row_);
      e_.emitter_.forget();
      e_.emitter_.axes[e_.reduced_[0]] = b_.add(o, l);
      e_.emitter_.axes[e_.inner_axis()] = i;
      b_.assign(narrow, e_.emitter_.emit(rows_[k]), {i});
      b_.end();
      if (last.valid()) b_.end();
      b_.exchange(narrow);
      i = b_.begin_unroll("i", b_.index(0), row_);
      b_.store(row_at(k), b_.add(at, b_.mul(i, side)), b_.use(narrow, {i}));
      b_.end();
      e_.emitter_.restore(memo);
    }
    b_.end();
    e_.emitter_.restore(std::move(memo));
  }
  void lay_out(ExprId from, ExprId to) {
    if (rows_.empty()) return;
    ExprId first = b_.let("first", b_.binary(kernel::Op::div, from, row_));
    ExprId last = b_.let("last", b_.binary(kernel::Op::div, b_.add(to, b_.sub(row_, b_.index(1))), row_));
    if (crosses_memory()) return cross(first, last, from);
    ExprId o = b_.begin_for("o", first, last, b_.index(1));
    auto memo = e_.emitter_.save();
    e_.set_reduced(o, e_.reduced_.size() - 1);
    hoist(e_.emitter_, e_.terms_, rows_,
          [&](uint32_t axis) { return axis != e_.inner_axis() && axis != e_.flat_axis(); });
    ExprId number = b_.let("number", b_.mul(o, row_));
    row(rows_, repeated_.size(), number, b_.add(b_.sub(number, from), b_.index(longest)));
    b_.end();
    e_.emitter_.restore(std::move(memo));
  }
  // Elements from..to into the accumulators of lane l.
  void add(ExprId from, ExprId to, ExprId l) {
    using kernel::Op;
    Accumulators accs;
    for (size_t i = 0; i < reductions_.size(); ++i)
      accs.push_back(b_.declare("acc", reductions_[i]->dtype, b_.load(accs_[i], l)));
    ExprId w = b_.index(lanes_);
    VarId phase;
    ExprId step;
    // Rows that all lanes hold whole stand in them as they did before.
    const Dim& row = e_.extents_[e_.inner_axis()];
    const bool stands = row.is_constant() && lanes_ % row.constant() == 0;
    std::vector<ExprId> standing;
    if (stands)
      for (size_t k = 0; k < repeated_.size(); ++k)
        standing.push_back(b_.let("v", b_.load(repeated_at(k), l)));
    if (!repeated_.empty() && !stands) {
      phase = b_.declare("phase", DType::i64, b_.binary(Op::rem, from, row_));
      step = b_.let("turn", b_.binary(Op::rem, w, row_));
    }
    auto element = [&](ExprId r) {
      auto memo = e_.emitter_.save();
      e_.emitter_.axes[e_.flat_axis()] = b_.add(r, l);
      for (size_t k = 0; k < repeated_.size(); ++k)
        e_.emitter_.preset(
            repeated_[k],
            stands ? standing[k] : b_.let("v", b_.load(repeated_at(k), b_.add(b_.use(phase), l))));
      for (size_t k = 0; k < rows_.size(); ++k) {
        ExprId at = b_.add(b_.add(b_.sub(r, from), b_.index(longest)), l);
        e_.emitter_.preset(rows_[k], b_.let("v", b_.load(row_at(k), at)));
      }
      e_.row_elements(reductions_, {}, accs, {});
      e_.emitter_.restore(std::move(memo));
    };
    ExprId tail = b_.let("tail", b_.add(from, b_.mul(b_.binary(Op::div, b_.sub(to, from), w), w)));
    ExprId r = b_.begin_for("r", from, tail, w);
    element(r);
    if (phase.valid()) {
      ExprId next = b_.let("next", b_.add(b_.use(phase), step));
      b_.assign(phase, b_.select(b_.binary(Op::le, row_, next), b_.sub(next, row_), next));
    }
    b_.end();
    b_.begin_if(b_.binary(Op::lt, b_.add(tail, l), to));
    element(tail);
    b_.end();
    for (size_t i = 0; i < reductions_.size(); ++i) b_.store(accs_[i], l, b_.use(accs[i]));
  }

  ReduceEmitter& e_;
  kernel::Builder& b_;
  const Reductions& reductions_;
  int64_t lanes_, chunk_ = 0;
  bool apart_ = false;
  std::vector<bool> varies_, turns_;
  std::vector<TermId> repeated_, rows_;
  std::vector<VarId> accs_, at_;
  ExprId row_;
};

// Into the totals; false where it cannot.
bool ReduceEmitter::spread_rows(const Reductions& reductions, const Outputs& outputs) {
  if (reduced_.size() < 2 || tile_axis_ || !outputs.empty()) return false;
  Spread spread(*this, reductions);
  if (!spread.prepare()) return false;
  const Dim& row = extents_[inner_axis()];
  ExprId n = frame_.dim(reduced_count());
  if (row.is_constant()) {
    spread.emit(n);
    return true;
  }
  auto memo = emitter_.save();
  // Rows of whole vectors of all lanes are read as they lie.
  using kernel::Op;
  ExprId w = frame_.dim(row), rest = b_.binary(Op::band, w, b_.index(reductions[0]->lanes - 1));
  ExprId fits =
      b_.binary(Op::band, b_.binary(Op::lt, b_.index(0), w), b_.binary(Op::le, w, b_.index(Spread::longest)));
  b_.begin_if(b_.binary(Op::band, fits, b_.binary(Op::ne, rest, b_.index(0))));
  spread.emit(n);
  b_.begin_else();
  emitter_.restore(memo);
  wide_rows(reductions, outputs, n);
  b_.end();
  emitter_.restore(std::move(memo));
  return true;
}

}  // namespace tenon::lower
