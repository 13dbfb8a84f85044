// Short rows of an extent that varies, as many side by side as a vector has lanes: what runs along memory in
// a row is brought across through squares of registers into scratch, where element c of all rows is a vector.
// Every logical lane has one element at most, so that the tree of the order is one over vectors of rows, and
// results leave through squares again. All loops run over the elements that there are.
#include "lower/cost.h"
#include "lower/hoist.h"
#include "lower/reduce.h"

namespace tenon::lower {

class ReduceEmitter::Beside {
 public:
  explicit Beside(ReduceEmitter& e) : e_(e), b_(e.b_), side_(e.frame_.target().lanes(4)) {}

  // Whether the group can be computed so, and scratch for it.
  bool prepare() {
    if (e_.lane_axis_ || e_.tile_axis_ || e_.kept_.empty() || e_.reduced_.size() != 1 ||
        e_.t_.finds_position() || e_.extents_[e_.inner_axis()].is_constant())
      return false;
    // Rows of little work are folded faster than they are brought across, but where they are very short.
    constexpr uint64_t little = 24;
    Costs costs(*e_.scope_.graph);
    uint64_t work = 0;
    for (NodeId id : e_.group_.nodes) work += costs.node(e_.scope_.graph->node(id));
    longest_ = work <= little ? 16 : 64;
    for (const Reduction& r : e_.reductions_) longest_ = std::min(longest_, r.lanes);
    return find_loads() && find_outputs() && find_partials() && places();
  }

  ExprId chosen(ExprId lo, ExprId hi) {
    using kernel::Op;
    // Above, rows nearly fill the lanes of their own schedule.
    constexpr int64_t least_rows = 8, most = 44;
    const int64_t longest = std::min(longest_ - (fills_ ? 0 : 1), most);
    ExprId n = e_.frame_.dim(e_.extents_[e_.inner_axis()]);
    ExprId shorter =
        b_.binary(Op::band, b_.binary(Op::le, b_.index(1), n), b_.binary(Op::le, n, b_.index(longest)));
    return b_.binary(Op::band, shorter, b_.binary(Op::le, b_.index(least_rows), b_.sub(hi, lo)));
  }

  // Rows lo..hi of the last kept axis.
  void emit(ExprId lo, ExprId hi) {
    n_ = e_.frame_.dim(e_.extents_[e_.inner_axis()]);
    ExprId side = b_.index(side_);
    ExprId row = b_.begin_for("row", lo, hi, side);
    l_ = b_.begin_lanes("l", b_.index(0), side, side);
    b_.begin_if(b_.binary(kernel::Op::le, b_.add(row, side), hi));
    rows(row, {});
    b_.begin_else();
    rows(row, hi);
    b_.end();
    b_.end();
    b_.end();
  }

 private:
  uint32_t row_axis() const { return e_.kept_.back(); }
  // Along memory in a row, and across it over the rows.
  bool across(const AffineIndex& a) const {
    const Dim step = coefficient(a, row_axis());
    return coefficient(a, e_.inner_axis()) == Dim(1) && !(step == Dim(1)) && !(step == Dim(0));
  }

  bool find_loads() {
    std::vector<TermId> roots;
    for (const Reduction& r : e_.reductions_) roots.insert(roots.end(), r.operands.begin(), r.operands.end());
    for (const Output& o : e_.outputs_) roots.push_back(o.term);
    std::vector<bool> seen(e_.terms_.size(), false);
    bool wide = true;
    while (!roots.empty()) {
      const TermId id = roots.back();
      roots.pop_back();
      if (seen[id.index]) continue;
      seen[id.index] = true;
      const Term& t = e_.terms_.term(id);
      for_each_read(t, [&](TermId read) { roots.push_back(read); });
      if (t.kind != TermKind::load) continue;
      wide = wide && dtype_bytes(t.dtype) >= 4;
      if (!t.chosen.empty() || !t.offsets.empty()) continue;
      const auto stored = std::find_if(e_.outputs_.begin(), e_.outputs_.end(),
                                       [&](const Output& o) { return o.full && o.value == t.value; });
      if (stored != e_.outputs_.end()) {
        // What an earlier stage stored at this element stays in scratch.
        if (!affine_equal(stored->address, t.address)) return false;
        again_.push_back({id, static_cast<size_t>(stored - e_.outputs_.begin())});
      } else if (across(t.address)) {
        loads_.push_back(id);
      }
    }
    return wide;
  }
  bool find_outputs() {
    for (const Output& o : e_.outputs_) {
      if (!o.full) continue;
      if (dtype_bytes(e_.scope_.graph->type(o.value).dtype) < 4 || !across(o.address)) return false;
      const auto i = static_cast<size_t>(&o - e_.outputs_.data());
      outputs_.push_back(i);
    }
    return true;
  }
  DType dtype_of(const Output& o) const { return e_.scope_.graph->type(o.value).dtype; }
  // Partial results of a stage's reductions, each in one place for all stages.
  bool find_partials() {
    bool same = true;
    std::vector<size_t> used(static_cast<size_t>(e_.last_stage_) + 1, 0);
    for (const Reduction& r : e_.reductions_) {
      fills_ = fills_ && r.operands.size() == 1;
      const size_t i = used[static_cast<size_t>(r.stage)]++;
      if (i == partials_.size()) partials_.push_back(r.dtype);
      same = same && partials_[i] == r.dtype;
    }
    return same;
  }
  bool places() {
    // Outputs of a last stage that reduces nothing take the places of partial results.
    size_t free = 0;
    for (const Reduction& r : e_.reductions_)
      if (r.stage == e_.last_stage_) free = partials_.size();
    std::vector<std::optional<size_t>> shared(e_.outputs_.size());
    for (const size_t o : outputs_) {
      if (e_.outputs_[o].stage != e_.last_stage_ || free == partials_.size()) continue;
      if (partials_[free] == dtype_of(e_.outputs_[o])) shared[o] = free++;
    }
    for (; longest_ >= side_; longest_ /= 2) {
      std::vector<Frame::ScratchSize> sizes;
      const int64_t elements = longest_ * side_;
      for (const TermId t : loads_) sizes.push_back({e_.terms_.term(t).dtype, elements});
      for (const DType t : partials_) sizes.push_back({t, elements});
      for (const size_t o : outputs_)
        if (!shared[o]) sizes.push_back({dtype_of(e_.outputs_[o]), elements});
      const auto found = e_.frame_.scratch(sizes);
      if (!found) continue;
      auto next = found->begin();
      for (size_t i = 0; i < loads_.size(); ++i) load_at_.push_back(*next++);
      for (size_t i = 0; i < partials_.size(); ++i) partial_at_.push_back(*next++);
      output_at_.assign(e_.outputs_.size(), VarId());
      for (const size_t o : outputs_) output_at_[o] = shared[o] ? partial_at_[*shared[o]] : *next++;
      return true;
    }
    return false;
  }

  ExprId place(ExprId c) { return b_.add(b_.mul(c, b_.index(side_)), l_); }
  void if_lane(ExprId below) { b_.begin_if(b_.binary(kernel::Op::lt, below, n_)); }
  void each_square(const std::function<void(ExprId)>& body) {
    ExprId c0 = b_.begin_for("c", b_.index(0), n_, b_.index(side_));
    body(c0);
    b_.end();
  }
  // Row r of the square along memory, where it is below hi.
  void each_row(ExprId row, ExprId hi, ExprId c0, const std::function<void(ExprId)>& body) {
    e_.emitter_.axes[e_.inner_axis()] = b_.let("c", b_.add(c0, l_));
    if_lane(e_.emitter_.axes[e_.inner_axis()]);
    ExprId r = b_.begin_unroll("r", b_.index(0), b_.index(side_));
    ExprId at = b_.add(row, r);
    if (hi.valid()) b_.begin_if(b_.binary(kernel::Op::lt, at, hi));
    e_.emitter_.axes[row_axis()] = at;
    body(r);
    if (hi.valid()) b_.end();
    b_.end();
    b_.end();
  }

  // The rows from `row` on: as many as there are lanes, or those below hi.
  void rows(ExprId row, ExprId hi) {
    auto memo = e_.emitter_.save();
    for (size_t i = 0; i < loads_.size(); ++i) bring(loads_[i], load_at_[i], row, hi);
    e_.emitter_.restore(memo);
    e_.emitter_.axes[row_axis()] = b_.add(row, l_);
    if (hi.valid()) b_.begin_if(b_.binary(kernel::Op::lt, e_.emitter_.axes[row_axis()], hi));
    for (int s = 0; s <= e_.last_stage_; ++s) stage(s);
    for (const Output& o : e_.outputs_)
      if (!o.full) e_.store(o);
    if (hi.valid()) b_.end();
    for (const Reduction& r : e_.reductions_) e_.emitter_.release(r.result);
    e_.emitter_.restore(memo);
    for (const size_t o : outputs_) take(e_.outputs_[o], output_at_[o], row, hi);
    e_.emitter_.restore(std::move(memo));
  }

  void bring(TermId load, VarId to, ExprId row, ExprId hi) {
    const DType dtype = e_.terms_.term(load).dtype;
    each_square([&](ExprId c0) {
      VarId square = b_.declare("square", dtype, b_.constant(dtype, 0), {b_.index(side_)});
      each_row(row, hi, c0, [&](ExprId r) {
        e_.emitter_.forget();
        b_.assign(square, e_.emitter_.emit(load), {r});
      });
      b_.exchange(square);
      ExprId r = b_.begin_unroll("r", b_.index(0), b_.index(side_));
      b_.store(to, place(b_.add(c0, r)), b_.use(square, {r}));
      b_.end();
    });
  }
  void take(const Output& o, VarId from, ExprId row, ExprId hi) {
    const DType dtype = dtype_of(o);
    each_square([&](ExprId c0) {
      VarId square = b_.declare("square", dtype, b_.constant(dtype, 0), {b_.index(side_)});
      ExprId r = b_.begin_unroll("r", b_.index(0), b_.index(side_));
      b_.assign(square, b_.load(from, place(b_.add(c0, r))), {r});
      b_.end();
      b_.exchange(square);
      each_row(row, hi, c0, [&](ExprId q) {
        e_.frame_.store(e_.scope_.places[o.value.index], dtype,
                        affine_value(e_.frame_, o.address, e_.emitter_.axes), b_.use(square, {q}));
      });
    });
  }

  void stage(int s) {
    Reductions reductions;
    for (const Reduction& r : e_.reductions_)
      if (r.stage == s) reductions.push_back(&r);
    Outputs outputs;
    std::vector<VarId> to;
    for (const size_t o : outputs_)
      if (e_.outputs_[o].stage == s) {
        outputs.push_back(&e_.outputs_[o]);
        to.push_back(output_at_[o]);
      }
    if (reductions.empty() && outputs.empty()) return;
    e_.hoist_for(reductions, outputs, [&](uint32_t axis) { return e_.classes_[axis] == 0; });
    ExprId c = b_.begin_for("c", b_.index(0), n_, b_.index(1));
    auto memo = e_.emitter_.save();
    e_.emitter_.axes[e_.inner_axis()] = c;
    for (size_t i = 0; i < loads_.size(); ++i)
      e_.emitter_.preset(loads_[i], b_.let("v", b_.load(load_at_[i], place(c))));
    for (const auto& [term, output] : again_)
      if (e_.outputs_[output].stage < s)
        e_.emitter_.preset(term, b_.let("v", b_.load(output_at_[output], place(c))));
    for (size_t i = 0; i < reductions.size(); ++i) {
      const Reduction& r = *reductions[i];
      ExprId x = e_.accumulate(r, e_.identity(r));
      if (r.operands.size() == 2 && is_float(r.dtype)) x = b_.add(x, b_.constant(r.dtype, 0));
      b_.store(partial_at_[i], place(c), x);
    }
    for (size_t i = 0; i < outputs.size(); ++i) b_.store(to[i], place(c), e_.emitter_.emit(outputs[i]->term));
    e_.emitter_.restore(std::move(memo));
    b_.end();
    for (size_t i = 0; i < reductions.size(); ++i) {
      const Reduction& r = *reductions[i];
      tree(r, partial_at_[i]);
      ExprId first = b_.let("total", b_.load(partial_at_[i], l_));
      e_.emitter_.hold(r.result, e_.reduced(r, first, false, n_));
    }
  }
  // Lanes that have no element add nothing.
  void tree(const Reduction& r, VarId partial) {
    using kernel::Op;
    const int levels = std::countr_zero(static_cast<uint64_t>(longest_));
    ExprId level = b_.begin_for("level", b_.index(0), b_.index(levels), b_.index(1));
    ExprId half = b_.let("half", b_.binary(Op::lshr, b_.index(longest_ / 2), level));
    ExprId c = b_.begin_for("c", b_.index(0), b_.binary(Op::min, half, b_.sub(n_, half)), b_.index(1));
    ExprId x = b_.let("x", b_.load(partial, place(c)));
    ExprId y = b_.let("y", b_.load(partial, place(b_.add(c, half))));
    b_.store(partial, place(c), e_.combine(r, x, y));
    b_.end();
    b_.end();
  }

  ReduceEmitter& e_;
  kernel::Builder& b_;
  int64_t side_, longest_ = 0;  // rows; elements of a row
  bool fills_ = true;           // rows may have an element in every lane
  std::vector<DType> partials_;
  std::vector<TermId> loads_;
  std::vector<std::pair<TermId, size_t>> again_;  // loads of outputs
  std::vector<size_t> outputs_;                   // that go through scratch
  std::vector<VarId> load_at_, output_at_, partial_at_;
  ExprId n_, l_;
};

// Rows lo..hi of the last kept axis; `other` emits them one by one. False where only that can be.
bool ReduceEmitter::rows_beside(ExprId lo, ExprId hi, const std::function<void()>& other) {
  Beside beside(*this);
  if (!beside.prepare()) return false;
  auto memo = emitter_.save();
  b_.begin_if(beside.chosen(lo, hi));
  beside.emit(lo, hi);
  b_.begin_else();
  emitter_.restore(memo);
  other();
  b_.end();
  emitter_.restore(std::move(memo));
  return true;
}

}  // namespace tenon::lower
