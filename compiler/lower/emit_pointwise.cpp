// Pointwise groups: one flat loop where all accesses run on evenly, else a nest whose last axis is in lanes.
#include <algorithm>

#include "lower/cost.h"
#include "lower/emit.h"
#include "lower/hoist.h"
#include "lower/registers.h"

namespace tenon::lower {
namespace {

struct Pointwise {
  TermGraph terms;
  std::vector<TermId> values;
  std::vector<AffineIndex> addresses;
  Shape extents;
  const Group& group;

  Pointwise(const Scope& scope, int32_t number)
      : terms(*scope.graph, scope.fusion, number), group(scope.fusion.groups[static_cast<size_t>(number)]) {
    for (ValueId v : group.outputs) {
      const Shape& shape = scope.graph->type(v).shape;
      Index at = identity_index(shape, group.all_axes());
      values.push_back(terms.element(v, at));
      addresses.push_back(affine_linear(at, shape));
    }
    extents = group.domain;
    std::vector<int> classes(extents.size(), 0);
    std::vector<AffineIndex*> more;
    for (AffineIndex& a : addresses) more.push_back(&a);
    collapse_axes(&terms, more, &extents, &classes);
  }

  // All outputs at the element that the emitter's axes name: every value is made before the first store.
  void store(Frame& frame, const Scope& scope, TermEmitter& emitter) const {
    std::vector<ExprId> made;
    for (TermId t : values) made.push_back(emitter.emit(t));
    for (size_t i = 0; i < made.size(); ++i) {
      ValueId v = group.outputs[i];
      frame.store(scope.places[v.index], scope.graph->type(v).dtype,
                  affine_value(frame, addresses[i], emitter.axes), made[i]);
    }
  }
};

// Loads across memory along the last axis, but along memory on another axis, go through squares of as many
// registers as a vector has lanes: read along memory, exchanged, and used along the last axis.
class Squares {
 public:
  Squares(Frame& frame, const Scope& scope, const Pointwise& p, TermEmitter& emitter)
      : frame_(frame), b_(frame.b), scope_(scope), p_(p), emitter_(emitter) {
    find();
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
  static constexpr size_t most_loads = 2;

  bool divides(const Dim& extent) const { return extent.is_constant() && extent.constant() % side_ == 0; }

  void find() {
    if (p_.extents.size() < 2) return;
    const auto last = static_cast<uint32_t>(p_.extents.size() - 1);
    std::vector<bool> always(p_.terms.size(), false);
    for (TermId t : p_.values) mark(t, &always);
    size_t bytes = 0;
    for (size_t i = 0; i < p_.terms.size() && loads_.size() < most_loads; ++i) {
      const TermId id(i);
      const Term& t = p_.terms.term(id);
      if (!always[i] || !t.is_plain_load()) continue;
      const size_t size = dtype_bytes(t.dtype);
      if (size < 4 || (bytes != 0 && size != bytes) || frame_.keeps(scope_.places[t.value.index].root))
        continue;
      std::optional<uint32_t> along;
      bool across = false;
      for (const AffineIndex::Part& part : t.address.parts) {
        if (part.axis == last) across = !(part.coefficient == Dim(1));
        if (part.axis != last && part.coefficient == Dim(1)) along = part.axis;
      }
      if (!across || !along || (!loads_.empty() && *along != axis_)) continue;
      axis_ = *along;
      bytes = size;
      loads_.push_back(id);
    }
    if (any()) side_ = frame_.target().lanes(bytes);
  }
  // Terms that are made for every element, under no guard.
  void mark(TermId id, std::vector<bool>* always) const {
    std::vector<TermId> work = {id};
    while (!work.empty()) {
      const TermId at = work.back();
      work.pop_back();
      if ((*always)[at.index]) continue;
      (*always)[at.index] = true;
      const Term& t = p_.terms.term(at);
      for (const TermChosen& c : t.chosen) work.push_back(c.index);
      for (const auto& [offset, stride] : t.offsets) work.push_back(offset);
      work.insert(work.end(), t.args.begin(), t.args.end());
    }
  }

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
    p_.store(frame_, scope_, emitter_);
    close();
    emitter_.restore(std::move(memo));
  }

  Frame& frame_;
  kernel::Builder& b_;
  const Scope& scope_;
  const Pointwise& p_;
  TermEmitter& emitter_;
  std::vector<TermId> loads_;
  uint32_t axis_ = 0;
  int64_t side_ = 0;
};

}  // namespace

void emit_pointwise(Frame& frame, const Scope& scope, int32_t number, ExprId begin, ExprId end) {
  kernel::Builder& b = frame.b;
  Pointwise p(scope, number);
  TermEmitter emitter(frame, scope, p.terms);
  size_t n = p.extents.size();
  if (Squares squares(frame, scope, p, emitter); squares.any()) {
    hoist(emitter, p.terms, p.values, [](uint32_t) { return false; });
    squares.emit(begin, end);
    return;
  }
  // Little work is done on many lanes at once; much of it, which stands in the code once for each vector, on
  // few.
  constexpr size_t few_terms = 12;
  constexpr uint64_t few_instructions = 256;
  Costs costs(*scope.graph);
  uint64_t cost = 0;
  for (NodeId id : p.group.nodes) cost += costs.node(scope.graph->node(id));
  for (size_t a = 0; a < n; ++a) {
    hoist(emitter, p.terms, p.values, [a](uint32_t axis) { return axis < a; });
    ExprId lo = a == 0 ? begin : b.index(0);
    ExprId hi = a == 0 ? end : frame.dim(p.extents[a]);
    bool last = a + 1 == n;
    const int64_t most = p.terms.size() <= few_terms && cost <= few_instructions ? 64 : 16;
    emitter.axes.push_back(last ? b.begin_lanes("i", lo, hi, b.index(lanes_width(frame, p.extents[a], most)))
                                : b.begin_for("i", lo, hi, b.index(1)));
  }
  p.store(frame, scope, emitter);
  for (size_t a = 0; a < n; ++a) b.end();
}

void emit_scalar_pointwise(Frame& frame, const Scope& scope, int32_t number) {
  Pointwise p(scope, number);
  TermEmitter emitter(frame, scope, p.terms);
  each_point(p.extents, [&](const std::vector<int64_t>& at) {
    emitter.forget();
    emitter.axes.clear();
    for (int64_t i : at) emitter.axes.push_back(frame.b.index(i));
    p.store(frame, scope, emitter);
  });
}

Work pointwise_work(const Frame& frame, const Scope& scope, int32_t number) {
  Pointwise p(scope, number);
  Work work;
  double all = 1;
  for (const Dim& d : p.extents) all *= static_cast<double>(std::max<int64_t>(1, frame.usual(d)));
  if (p.extents.empty()) {
    work.serial = true;
  } else {
    work.extent = p.extents[0];
    // Neighbouring chunks do not share a cache line.
    if (p.extents.size() == 1) work.granule = 64;
  }
  work.cost = all * static_cast<double>(p.terms.size()) / 8 /
              static_cast<double>(std::max<int64_t>(1, frame.usual(work.extent)));
  return work;
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
  ExprId i = b.begin_lanes("i", begin, end, b.index(lanes_width(frame, copy.type.count(), 64)));
  frame.store(copy.to, dtype, i, b.let("v", frame.load(copy.from, dtype, i)));
  b.end();
}

}  // namespace tenon::lower
