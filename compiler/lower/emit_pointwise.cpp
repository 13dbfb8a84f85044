// Pointwise groups: one flat loop where all accesses run on evenly, else a nest whose last axis is in lanes.
#include <algorithm>

#include "lower/emit.h"
#include "lower/hoist.h"
#include "lower/registers.h"

namespace tenon::lower {
namespace {

// All outputs of a group at the element that the emitter's axes name: every value is made before the first
// store.
struct Results {
  Frame& frame;
  const Scope& scope;
  const Group& group;
  const PointwiseTerms& p;

  Results(Frame& f, const Scope& s, int32_t number)
      : frame(f),
        scope(s),
        group(s.fusion.groups[static_cast<size_t>(number)]),
        p(std::get<PointwiseTerms>(s.composed[static_cast<size_t>(number)])) {}

  void store(TermEmitter& emitter) const {
    std::vector<ExprId> made;
    for (TermId t : p.values) made.push_back(emitter.emit(t));
    for (size_t i = 0; i < made.size(); ++i) {
      ValueId v = group.outputs[i];
      frame.store(scope.places[v.index], scope.graph->type(v).dtype,
                  affine_value(frame, p.addresses[i], emitter.axes), made[i]);
    }
  }
};

// The squares of registers of a schedule.
class Squares {
 public:
  // What is kept in registers is read from there.
  Squares(Frame& frame, const Results& results, const PointwiseSchedule& schedule, TermEmitter& emitter)
      : frame_(frame),
        b_(frame.b),
        results_(results),
        p_(results.p),
        emitter_(emitter),
        axis_(schedule.along),
        side_(schedule.side) {
    for (TermId t : schedule.exchanged)
      if (!frame.keeps(results.scope.places[p_.terms.term(t).value.index].root)) loads_.push_back(t);
  }
  bool any() const { return !loads_.empty(); }

  void emit(ExprId begin, ExprId end) {
    const auto last = static_cast<uint32_t>(p_.extents.size() - 1);
    auto lo = [&](uint32_t a) { return a == 0 ? begin : b_.index(0); };
    auto hi = [&](uint32_t a) { return a == 0 ? end : frame_.dim(p_.extents[a]); };
    emitter_.axes.assign(p_.extents.size(), b_.index(0));
    for (uint32_t a = 0; a < last; ++a) {
      if (a == axis_) continue;
      emitter_.axes[a] = b_.begin_for("i", lo(a), hi(a), b_.index(1));
    }
    ExprId side = b_.index(side_), zero = b_.index(0), a1 = hi(axis_), c1 = hi(last);
    ExprId a0 = b_.begin_for("i0", lo(axis_), a1, side);
    const bool even = axis_ != 0 && divides(p_.extents[axis_]);
    if (!even) b_.begin_if(b_.binary(kernel::Op::le, b_.add(a0, side), a1));
    // Whole squares, and what is left at the end of the last axis.
    const bool rest = !divides(p_.extents[last]);
    ExprId whole = rest ? b_.let("whole", b_.mul(b_.binary(kernel::Op::div, c1, side), side)) : c1;
    squares(a0, {}, zero, whole, {});
    if (rest) squares(a0, {}, whole, c1, c1);
    if (!even) {
      b_.begin_else();
      squares(a0, a1, zero, c1, rest ? c1 : ExprId());
      b_.end();
    }
    for (size_t i = 0; i < p_.extents.size() - 1; ++i) b_.end();
  }

 private:
  bool divides(const Dim& extent) const { return extent.is_constant() && extent.constant() % side_ == 0; }

  // From `from` to `to` along the last axis; with bounds, what lies inside of them.
  void squares(ExprId a0, ExprId a1, ExprId from, ExprId to, ExprId c1) {
    ExprId side = b_.index(side_), c0 = from;
    int64_t columns = side_;
    if (b_.as_index(from) != nullptr && b_.as_index(to) != nullptr)
      columns = *b_.as_index(to) - *b_.as_index(from);
    if (columns <= 0) return;
    const bool once = b_.as_index(to) != nullptr && columns <= side_;
    if (!once) c0 = b_.begin_for("j0", from, to, side);
    ExprId l = b_.begin_lanes("l", b_.index(0), side, side);
    square(a0, a1, c0, c1, l, std::min(columns, side_));
    b_.end();
    if (!once) b_.end();
  }
  // One square, of so many columns at most.
  void square(ExprId a0, ExprId a1, ExprId c0, ExprId c1, ExprId l, int64_t columns) {
    const auto last = static_cast<uint32_t>(p_.extents.size() - 1);
    ExprId side = b_.index(side_);
    auto memo = emitter_.save();
    int open = 0;
    auto bound = [&](ExprId i, ExprId hi) {
      if (!hi.valid()) return;
      b_.begin_if(b_.binary(kernel::Op::lt, i, hi));
      ++open;
    };
    auto close = [&] {
      for (; open > 0; --open) b_.end();
      b_.end();
    };
    const Dim& rows = p_.extents[axis_];
    const bool few = a1.valid() && rows.is_constant() && rows.constant() < side_;
    std::vector<VarId> squares;
    for (TermId t : loads_) {
      const DType dtype = p_.terms.term(t).dtype;
      squares.push_back(b_.declare("square", dtype, b_.constant(dtype, 0), {side}));
    }
    ExprId r = b_.begin_unroll("r", b_.index(0), b_.index(columns));
    emitter_.axes[axis_] = b_.add(a0, l);
    emitter_.axes[last] = b_.add(c0, r);
    if (columns == side_) bound(emitter_.axes[last], c1);
    bound(emitter_.axes[axis_], a1);
    for (size_t i = 0; i < loads_.size(); ++i) {
      emitter_.forget();
      b_.assign(squares[i], emitter_.emit(loads_[i]), {r});
    }
    close();
    for (VarId v : squares) b_.exchange(v);
    r = b_.begin_unroll("r", b_.index(0), few ? b_.index(rows.constant()) : side);
    emitter_.restore(memo);
    emitter_.axes[axis_] = b_.add(a0, r);
    emitter_.axes[last] = b_.add(c0, l);
    bound(emitter_.axes[axis_], a1);
    bound(emitter_.axes[last], c1);
    for (size_t i = 0; i < loads_.size(); ++i) emitter_.preset(loads_[i], b_.use(squares[i], {r}));
    results_.store(emitter_);
    close();
    emitter_.restore(std::move(memo));
  }

  Frame& frame_;
  kernel::Builder& b_;
  const Results& results_;
  const PointwiseTerms& p_;
  TermEmitter& emitter_;
  std::vector<TermId> loads_;
  const uint32_t axis_;
  const int64_t side_;
};

}  // namespace

void emit_pointwise(Frame& frame, const Scope& scope, int32_t number, ExprId begin, ExprId end) {
  kernel::Builder& b = frame.b;
  const Results results(frame, scope, number);
  const PointwiseTerms& p = results.p;
  const auto& schedule = std::get<PointwiseSchedule>(scope.schedules[static_cast<size_t>(number)]);
  TermEmitter emitter(frame, scope, p.terms);
  if (Squares squares(frame, results, schedule, emitter); squares.any()) {
    hoist(emitter, p.terms, p.values, [](uint32_t) { return false; });
    squares.emit(begin, end);
    return;
  }
  const size_t n = p.extents.size();
  for (size_t a = 0; a < n; ++a) {
    hoist(emitter, p.terms, p.values, [a](uint32_t axis) { return axis < a; });
    ExprId lo = a == 0 ? begin : b.index(0);
    ExprId hi = a == 0 ? end : frame.dim(p.extents[a]);
    emitter.axes.push_back(a + 1 == n ? b.begin_lanes("i", lo, hi, b.index(schedule.width))
                                      : b.begin_for("i", lo, hi, b.index(1)));
  }
  results.store(emitter);
  for (size_t a = 0; a < n; ++a) b.end();
}

void emit_scalar_pointwise(Frame& frame, const Scope& scope, int32_t number) {
  const Results results(frame, scope, number);
  TermEmitter emitter(frame, scope, results.p.terms);
  each_point(results.p.extents, [&](const std::vector<int64_t>& at) {
    emitter.forget();
    emitter.axes.clear();
    for (int64_t i : at) emitter.axes.push_back(frame.b.index(i));
    results.store(emitter);
  });
}

void emit_copy(Frame& frame, const Copy& copy, ExprId begin, ExprId end) {
  kernel::Builder& b = frame.b;
  DType dtype = copy.type.dtype;
  if (copy.type.shape.empty()) {
    frame.store(copy.to, dtype, b.index(0), frame.load(copy.from, dtype, b.index(0)));
    return;
  }
  if (frame.keeps(copy.from.root) || frame.keeps(copy.to.root)) {
    for (int64_t i = 0; i < copy.type.count().constant(); ++i)
      frame.store(copy.to, dtype, b.index(i), b.let("v", frame.load(copy.from, dtype, b.index(i))));
    return;
  }
  ExprId i = b.begin_lanes("i", begin, end, b.index(frame.lanes_width(copy.type.count(), 64)));
  frame.store(copy.to, dtype, i, b.let("v", frame.load(copy.from, dtype, i)));
  b.end();
}

}  // namespace tenon::lower
