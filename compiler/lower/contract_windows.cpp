// Products over windows: those whose left factor lies outside of its array are left out.
//
// Products are numbered as if all took part, in runs along their last axis. Windows along axes outside of a
// tile bound the taps that meet anything. Along the window of the tile's own rows, taps are of three sorts:
// those that all rows meet, whose products are one run where memory runs on evenly over them; before them,
// those that the first rows lack; behind them, those that the last rows lack. A tile for each number of rows
// that lack a tap does no more than it must.
#include "lower/contract.h"

namespace tenon::lower {
using kernel::Op;

class WindowProducts {
 public:
  WindowProducts(ContractEmitter& e, VarId acc, ExprId rows, ExprId i0, ExprId k_lo, ExprId k_hi)
      : e_(e), b_(e.b_), t_(e.t_), acc_(acc), rows_(rows), i0_(i0), k_lo_(k_lo), k_hi_(k_hi) {
    if (t_.row_window && e_.s_.tile_rows != 1) own_ = &t_.windows[*t_.row_window];
    const std::vector<uint32_t>& k = t_.k_axes;
    outer_ = k.empty() ? 0 : k.size() - 1;
    if (own_ != nullptr && own_->tap) {
      outer_ = static_cast<size_t>(std::find(k.begin(), k.end(), *own_->tap) - k.begin());
      tap_ = own_->tap;
    }
    const size_t behind = outer_ + (tap_ ? 1 : 0);
    if (behind < k.size()) rest_ = k[behind];
  }

  void emit() {
    // Single rows are where they are from here on.
    if (own_ == nullptr && e_.m_axis_) axes()[*e_.m_axis_] = i0_;
    for (const Window& w : t_.windows) taps_.push_back(&w == own_ ? Taps{} : taps_of(w));
    if (own_ != nullptr && !known_taps()) take_own();
    const Dim count = run_extent() * tap_extent();
    if (outer_ == 0) return products_at(b_.index(0));
    ExprId inner = e_.frame_.dim(count);
    if (e_.frame_.low(count) < 1) inner = b_.binary(Op::max, inner, b_.index(1));
    ExprId first = b_.let("first", b_.binary(Op::div, k_lo_, inner));
    ExprId last = b_.let("last", b_.binary(Op::div, b_.add(k_hi_, b_.sub(inner, b_.index(1))), inner));
    // A window along the only axis outside says where it begins and ends.
    if (const std::optional<size_t> w = outermost()) {
      first = b_.let("first", b_.binary(Op::max, first, taps_[*w].lo));
      last = b_.let("last", b_.binary(Op::min, last, taps_[*w].hi));
    }
    ExprId o = b_.begin_for("o", first, last, b_.index(1));
    ExprId rest = o;
    for (size_t i = outer_; i-- > 0;) {
      const uint32_t axis = t_.k_axes[i];
      ExprId extent = e_.frame_.dim(t_.extents[axis]);
      if (e_.frame_.low(t_.extents[axis]) < 1) extent = b_.binary(Op::max, extent, b_.index(1));
      axes()[axis] = i == 0 ? rest : b_.let("i", b_.binary(Op::rem, rest, extent));
      if (i != 0) rest = b_.let("rest", b_.binary(Op::div, rest, extent));
    }
    products_at(b_.let("run", b_.mul(o, inner)));
    b_.end();
  }

 private:
  // Taps lo..hi lie inside; `from`: the window's index at tap 0.
  struct Taps {
    ExprId lo, hi, from;
  };

  std::vector<ExprId>& axes() { return e_.emitter_.axes; }
  std::optional<size_t> outermost() const {
    for (size_t i = 0; i < t_.windows.size(); ++i)
      if (outer_ == 1 && &t_.windows[i] != own_ && t_.windows[i].tap == t_.k_axes[0]) return i;
    return std::nullopt;
  }
  Dim tap_extent() const { return tap_ ? t_.extents[*tap_] : Dim(1); }
  Dim run_extent() const { return rest_ ? t_.extents[*rest_] : Dim(1); }
  ExprId dim(const Dim& d) { return e_.frame_.dim(d); }
  ExprId at_least_0(ExprId x) { return b_.binary(Op::max, x, b_.index(0)); }
  // The number of steps from x, at least 0, to or past 0; from x up to y, both counted.
  ExprId steps_to_0(ExprId x, const Dim& step) {
    return b_.binary(Op::div, b_.add(at_least_0(b_.sub(b_.index(0), x)), dim(step - 1)), dim(step));
  }
  ExprId steps_within(ExprId x, ExprId y, const Dim& step) {
    return b_.binary(Op::div, at_least_0(b_.add(b_.sub(y, x), dim(step))), dim(step));
  }
  ExprId below(ExprId x, const Dim& limit) { return b_.binary(Op::min, x, dim(limit)); }

  // The window's index without its tap, and without the rows of the tile where it is theirs.
  ExprId from(const Window& w) {
    AffineIndex rest{w.index.constant, {}};
    for (const AffineIndex::Part& p : w.index.parts)
      if (p.axis != w.tap && !(&w == own_ && p.axis == e_.m_axis_)) rest.parts.push_back(p);
    return b_.let("from", affine_value(e_.frame_, rest, axes()));
  }
  static Dim last_inside(const Window& w) { return (w.extent - 1) * w.by; }
  Dim dilation(const Window& w) const { return coefficient(w.index, *w.tap); }
  Dim row_step() const { return coefficient(own_->index, *e_.m_axis_); }

  Taps taps_of(const Window& w) {
    Taps taps;
    taps.from = from(w);
    ExprId last = dim(last_inside(w));
    if (!w.tap) {
      taps.lo = b_.index(0);
      taps.hi = b_.select(
          b_.binary(Op::band, b_.binary(Op::le, b_.index(0), taps.from), b_.binary(Op::le, taps.from, last)),
          b_.index(1), b_.index(0));
    } else {
      taps.lo = steps_to_0(taps.from, dilation(w));
      taps.hi = below(steps_within(taps.from, last, dilation(w)), t_.extents[*w.tap]);
    }
    taps.lo = b_.let("lo", taps.lo);
    taps.hi = b_.let("hi", taps.hi);
    return taps;
  }

  // Sets the quotient of a divided window at a tap; whether it has one there (invalid: always).
  ExprId divides(const Window& w, ExprId from, ExprId tap) {
    if (w.by == 1) return {};
    ExprId index = w.tap ? b_.add(from, b_.mul(tap, dim(dilation(w)))) : from;
    index = b_.let("at", index);
    ExprId quotient = b_.binary(Op::div, index, b_.index(w.by));
    // The rows' part of it stands in the factor's address already.
    if (&w != own_ && t_.phase_axis && !(coefficient(w.index, *t_.phase_axis) == Dim(0)))
      quotient =
          b_.sub(quotient, b_.mul(i0_, dim(Dim::floor_div(coefficient(w.index, *e_.m_axis_), Dim(w.by)))));
    axes()[w.quotient] = b_.let("q", quotient);
    return b_.binary(Op::eq, b_.binary(Op::rem, index, b_.index(w.by)), b_.index(0));
  }
  void both(ExprId* condition, ExprId other) {
    if (!other.valid()) return;
    *condition = condition->valid() ? b_.binary(Op::band, *condition, other) : other;
  }
  template <class Body>
  void where(ExprId condition, Body body) {
    if (condition.valid()) b_.begin_if(b_.let("meets", condition));
    body();
    if (condition.valid()) b_.end();
  }

  // The products from number `base` on, at the outer axes that are set.
  void products_at(ExprId base) {
    base_ = base;
    ExprId condition;
    const Window* along = nullptr;  // a window of the run's own axis
    Taps run;
    for (size_t i = 0; i < t_.windows.size(); ++i) {
      const Window& w = t_.windows[i];
      if (&w == own_) continue;
      if (w.tap && w.tap == rest_) {
        along = &w;
        run = taps_[i];
        continue;
      }
      ExprId tap = w.tap ? axes()[*w.tap] : b_.index(0);
      if (outermost() != i)
        both(&condition,
             b_.binary(Op::band, b_.binary(Op::le, taps_[i].lo, tap), b_.binary(Op::lt, tap, taps_[i].hi)));
      both(&condition, divides(w, taps_[i].from, tap));
    }
    where(condition, [&] {
      along_ = along;
      along_taps_ = run;
      if (own_ == nullptr) {
        run_of(b_.index(0), b_.index(1), b_.index(0), rows_);
      } else {
        own_taps();
      }
    });
  }

  // --- The rows' own window --------------------------------------------------------------------------------

  int64_t most_rows() const {
    const int64_t* n = b_.as_index(rows_);
    return n != nullptr ? *n : e_.s_.tile_rows;
  }
  // Rows that may lack a tap: at most so many at one end. `over`: how far that end lies outside at most.
  int64_t most_lacking(const Dim& over) const {
    const int64_t most = most_rows() - 1;
    const Dim step = row_step();
    if (!over.is_constant() || !step.is_constant()) return most;
    return std::clamp<int64_t>((over.constant() + step.constant() - 1) / step.constant(), 0, most);
  }

  // Where the tile's own window is: nothing of it depends on the taps outside.
  void take_own() {
    const Window& w = *own_;
    const Dim taps = tap_extent(), last = last_inside(w);
    from_ = from(w);
    // Of tap 0: where the first row is, and where the last one is.
    begin_ = b_.let("begin", b_.add(from_, b_.mul(i0_, dim(row_step()))));
    ExprId end = b_.let("end", b_.add(begin_, b_.mul(b_.sub(rows_, b_.index(1)), dim(row_step()))));
    ExprId lo, hi;
    if (w.tap) {
      lo = below(steps_to_0(begin_, dilation(w)), taps);
      hi = below(steps_within(end, dim(last), dilation(w)), taps);
    } else {
      lo = b_.select(b_.binary(Op::lt, begin_, b_.index(0)), b_.index(1), b_.index(0));
      hi = b_.select(b_.binary(Op::le, end, dim(last)), b_.index(1), b_.index(0));
    }
    own_lo_ = b_.let("lo", lo);
    own_hi_ = b_.let("hi", hi);
  }

  // Few products in a run: they are written out. Loops of a few trips cost more than what they go through.
  bool is_short() const {
    constexpr int64_t most = 9;
    const Dim count = tap_extent() * run_extent();
    return e_.s_.blocks == ContractSchedule::Blocks::one && own_->tap && count.is_constant() &&
           count.constant() <= most;
  }
  // The products of taps lo..hi, for rows first..last of the tile.
  void written_out(int64_t lo, int64_t hi, ExprId first, ExprId last) {
    const int64_t extent = run_extent().constant();
    for (int64_t q = lo * extent; q < hi * extent; ++q) {
      auto memo = e_.emitter_.save();
      const ExprId k = b_.add(base_, b_.index(q));
      axes()[*tap_] = b_.index(q / extent);
      if (rest_) axes()[*rest_] = b_.index(q % extent);
      e_.multiply_rows(acc_, rows_, i0_, k, first, last);
      e_.emitter_.restore(std::move(memo));
    }
  }

  // Rows that meet a tap: first..last of the tile.
  struct Rows {
    int64_t first, last;
    bool operator==(const Rows&) const = default;
  };
  // For each tap, where it is known in numbers: all rows of a tile inside, or those of a tile that is known.
  std::optional<std::vector<Rows>> known_taps() const {
    const std::optional<KnownWindow> w = known_window(t_);
    const int64_t *rows = b_.as_index(rows_), *i0 = b_.as_index(i0_);
    if (!w || rows == nullptr || (i0 == nullptr && !e_.inside_)) return std::nullopt;
    std::vector<Rows> all(static_cast<size_t>(w->taps), Rows{0, *rows});
    auto up = [&](int64_t n) { return n <= 0 ? 0 : (n + w->step - 1) / w->step; };
    for (int64_t tap = 0; !e_.inside_ && tap < w->taps; ++tap) {
      const int64_t at = w->from + *i0 * w->step + tap * w->dilation;
      Rows& r = all[static_cast<size_t>(tap)];
      r.last = std::min(*rows, up(w->last - at + 1));
      r.first = std::min(up(-at), r.last);
    }
    return all;
  }
  void each_known_tap(const std::vector<Rows>& taps) {
    const bool written = is_short(), joined = joins();
    const auto count = static_cast<int64_t>(taps.size());
    for (int64_t lo = 0, hi = 0; lo < count; lo = hi) {
      const Rows& rows = taps[static_cast<size_t>(lo)];
      for (hi = lo + 1; joined && hi < count && taps[static_cast<size_t>(hi)] == rows;) ++hi;
      if (rows.first == rows.last) continue;
      const ExprId first = b_.index(rows.first), last = b_.index(rows.last);
      if (written)
        written_out(lo, hi, first, last);
      else
        run_of(b_.index(lo), b_.index(hi), first, last);
    }
  }

  void own_taps() {
    if (const auto known = known_taps()) return each_known_tap(*known);
    const Window& w = *own_;
    const Dim step = row_step(), taps = tap_extent(), last = last_inside(w);
    const Dim first = w.index.constant, reach = w.tap ? (taps - 1) * dilation(w) : Dim(0);
    const ExprId lo = own_lo_, hi = own_hi_;
    const int64_t before = most_lacking(Dim(0) - first), behind = most_lacking(last_row() + reach - last);
    const Dim span = Dim(most_rows() - 1) * step - last;
    const bool may_cross = before > 0 && behind > 0 && !(span.is_constant() && span.constant() <= 0);
    auto three = [&] {
      if (before > 0) each_tap(b_.index(0), lo, [&](ExprId tap) { lacking(tap, before, true); });
      if (joins()) {
        run_of(lo, hi, b_.index(0), rows_);
      } else {
        each_tap(lo, hi, [&](ExprId tap) { run_of(tap, b_.add(tap, b_.index(1)), b_.index(0), rows_); });
      }
      if (behind > 0) each_tap(hi, dim(taps), [&](ExprId tap) { lacking(tap, behind, false); });
    };
    const bool written = is_short() && joins();
    if (written) {
      const ExprId all =
          b_.binary(Op::band, b_.binary(Op::eq, lo, b_.index(0)), b_.binary(Op::eq, hi, dim(taps)));
      b_.begin_if(b_.let("inside", all));
      written_out(0, taps.constant(), b_.index(0), rows_);
      b_.begin_else();
    }
    each_sort(lo, hi, may_cross, three);
    if (written) b_.end();
  }
  template <class Three>
  void each_sort(ExprId lo, ExprId hi, bool may_cross, Three three) {
    const Dim step = row_step(), taps = tap_extent(), last = last_inside(*own_);
    if (!may_cross) return three();
    // A tile longer than what it lies over: rows at both its ends lack one tap. They are taken one by one.
    b_.begin_if(b_.let("crosses", b_.binary(Op::lt, hi, lo)));
    each_tap(b_.index(0), dim(taps), [&](ExprId tap) {
      ExprId r = b_.begin_unroll("row", b_.index(0), rows_);
      ExprId at = b_.let("at", b_.add(index_at(tap), b_.mul(r, dim(step))));
      b_.begin_if(b_.binary(Op::band, b_.binary(Op::le, b_.index(0), at), b_.binary(Op::le, at, dim(last))));
      run_of(tap, b_.add(tap, b_.index(1)), r, b_.add(r, b_.index(1)));
      b_.end();
      b_.end();
    });
    b_.begin_else();
    three();
    b_.end();
  }
  // Where the last row of all lies at tap 0.
  Dim last_row() const {
    Dim at = own_->index.constant;
    for (const AffineIndex::Part& p : own_->index.parts)
      if (p.axis != own_->tap) at = at + (t_.extents[p.axis] - 1) * p.coefficient;
    return at;
  }
  ExprId index_at(ExprId tap) {
    return own_->tap ? b_.add(begin_, b_.mul(tap, dim(dilation(*own_)))) : begin_;
  }
  // Whether the products of neighbouring taps lie side by side, so that they are one run.
  bool joins() const {
    if (own_->by != 1 || !tap_) return false;
    if (!rest_) return true;
    auto even = [&](TermId id) {
      const AffineIndex& address = t_.terms.term(id).address;
      return coefficient(address, *tap_) == coefficient(address, *rest_) * run_extent();
    };
    return even(t_.a) && (e_.s_.packed() || even(t_.b));
  }
  template <class Body>
  void each_tap(ExprId lo, ExprId hi, Body body) {
    ExprId tap = b_.begin_for("tap", lo, hi, b_.index(1));
    where(divides(*own_, from_, tap), [&] { body(tap); });
    b_.end();
  }
  // A tap that the first, or the last, rows lack: at most so many, but not all.
  void lacking(ExprId tap, int64_t most, bool first) {
    const Dim step = row_step();
    ExprId at = index_at(tap);
    ExprId lack = first ? steps_to_0(at, step)
                        : b_.sub(rows_, below_rows(steps_within(at, dim(last_inside(*own_)), step)));
    ExprId n = b_.begin_specialize("lack", b_.index(1), b_.index(most), lack);
    run_of(tap, b_.add(tap, b_.index(1)), first ? n : b_.index(0), first ? rows_ : b_.sub(rows_, n));
    b_.end();
  }
  ExprId below_rows(ExprId x) { return b_.binary(Op::min, x, rows_); }

  // --- Runs

  // The products of taps lo..hi, for rows first..last of the tile.
  void run_of(ExprId tap_lo, ExprId tap_hi, ExprId first, ExprId last) {
    ExprId extent = dim(run_extent());
    ExprId start = b_.let("start", b_.add(base_, b_.mul(tap_lo, extent)));
    ExprId lo = start, hi = b_.add(base_, b_.mul(tap_hi, extent));
    if (along_ != nullptr) {
      lo = b_.add(base_, along_taps_.lo);
      hi = b_.add(base_, along_taps_.hi);
    }
    lo = b_.let("k_lo", b_.binary(Op::max, k_lo_, lo));
    hi = b_.let("k_hi", b_.binary(Op::min, k_hi_, hi));
    auto memo = e_.emitter_.save();
    ExprId k = b_.begin_for("k", lo, hi, b_.index(1));
    if (tap_) axes()[*tap_] = rest_ ? tap_lo : b_.sub(k, base_);
    if (rest_) axes()[*rest_] = b_.sub(k, start);
    where(along_ != nullptr ? divides(*along_, along_taps_.from, axes()[*rest_]) : ExprId(), [&] {
      if (e_.s_.rows_ahead != 0) e_.prefetch_rows(k);
      if (e_.s_.prefetch_panel)
        e_.prefetch_panel(b_.add(e_.rows_above_, i0_), b_.sub(k, e_.k_lo_), e_.rows_of_panel());
      e_.multiply_rows(acc_, rows_, i0_, k, first, last);
    });
    b_.end();
    e_.emitter_.restore(std::move(memo));
  }

  ContractEmitter& e_;
  kernel::Builder& b_;
  const ContractTerms& t_;
  const VarId acc_;
  const ExprId rows_, i0_, k_lo_, k_hi_;
  const Window* own_ = nullptr;
  size_t outer_ = 0;  // contracted axes outside of the taps and runs
  std::optional<uint32_t> tap_, rest_;
  std::vector<Taps> taps_;
  ExprId base_, from_, begin_, own_lo_, own_hi_;
  const Window* along_ = nullptr;
  Taps along_taps_;
};

void ContractEmitter::multiply_inside(VarId acc, ExprId rows, ExprId i0, ExprId k_lo, ExprId k_hi) {
  WindowProducts(*this, acc, rows, i0, k_lo, k_hi).emit();
}

}  // namespace tenon::lower
