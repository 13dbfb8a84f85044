// Reduction groups: stages of reductions with prologues, epilogues and several outputs.
//
// Two schedules give the same bits, because the order of a reduction (logical lanes, blocks, tree) is part of
// the IR: `rows` puts the reduced axis in vector lanes and folds them; `columns` puts the last kept axis in
// lanes and keeps the logical lanes as an array of registers. Columns serve outer reductions, short rows and
// argmax.
#include <algorithm>
#include <bit>

#include "lower/emit.h"
#include "lower/hoist.h"
#include "lower/registers.h"

namespace tenon::lower {
namespace {

struct Reduction {
  const Node* node;
  ValueId result;
  std::vector<TermId> operands;  // one, or the two factors of a contraction
  int stage = 0;
  int64_t lanes = 64, block = 8192;
  DType dtype = DType::f32;
  VarId total = {};  // rows: the register that holds the result
};
struct Output {
  ValueId value;
  TermId term;
  AffineIndex address;
  bool full;
  int stage = 0;
};

bool reduces(const NodeDomain& d) {
  return std::find(d.reduced.begin(), d.reduced.end(), true) != d.reduced.end();
}

class ReduceEmitter {
 public:
  ReduceEmitter(Frame& frame, const Scope& scope, int32_t number)
      : frame_(frame),
        b_(frame.b),
        scope_(scope),
        group_(scope.fusion.groups[static_cast<size_t>(number)]),
        terms_(*scope.graph, scope.fusion, number),
        emitter_(frame, scope, terms_) {
    compose();
  }

  const Shape& extents() const { return extents_; }
  Dim first_kept() const { return kept_.empty() ? Dim(1) : extents_[kept_[0]]; }
  bool has_kept() const { return !kept_.empty(); }

  void emit(ExprId begin, ExprId end) {
    emitter_.axes.assign(extents_.size(), ExprId());
    columns_ = choose_columns();
    std::vector<TermId> roots;
    for (const Reduction& r : reductions_) roots.insert(roots.end(), r.operands.begin(), r.operands.end());
    for (const Output& o : outputs_) roots.push_back(o.term);
    hoist(emitter_, terms_, roots, [](uint32_t) { return false; });
    size_t nest = 0;
    for (size_t i = 0; i < kept_.size(); ++i) {
      ExprId lo = i == 0 ? begin : b_.index(0), hi = i == 0 ? end : frame_.dim(extents_[kept_[i]]);
      bool lanes = columns_ && i + 1 == kept_.size();
      ExprId v = lanes ? b_.begin_lanes("c", lo, hi, b_.index(column_width()))
                       : b_.begin_for("o", lo, hi, b_.index(1));
      emitter_.axes[kept_[i]] = v;
      ++nest;
    }
    if (!columns_)
      for (Reduction& r : reductions_)
        if (r.node->op->arg_reduce == nullptr) r.total = b_.declare("total", r.dtype, neutral(r));
    for (int s = 0; s <= last_stage_; ++s) stage(s);
    // With everything reduced nothing was stored yet, and a failure is known before the first write.
    if (kept_.empty() && group_may_fail(*scope_.graph, *scope_.fusion.ranges, group_)) b_.stop_on_failure();
    for (const Output& o : outputs_)
      if (!o.full) store(o);
    for (size_t i = 0; i < nest; ++i) b_.end();
  }

  void emit_unrolled();

 private:
  void compose();
  void stage(int s);
  void rows(const std::vector<Reduction*>& reductions, const std::vector<const Output*>& outputs);
  void fold_all(const std::vector<Reduction*>& reductions, const std::vector<VarId>& accs, int64_t width);
  void columns(const std::vector<Reduction*>& reductions, const std::vector<const Output*>& outputs);
  void arg_reduce(Reduction& r);

  // Short rows are read faster with many rows side by side than with most lanes idle.
  bool choose_columns() const {
    if (kept_.empty()) return false;
    bool last_reduced = !extents_.empty() && classes_.back() == 1;
    if (!last_reduced) return true;
    for (const Reduction& r : reductions_)
      if (r.node->op->arg_reduce != nullptr) return true;
    Dim count = reduced_count();
    return count.is_constant() && count.constant() <= 16 && frame_.high(extents_[kept_.back()]) > 1;
  }
  int64_t column_width() const {
    const Dim& extent = extents_[kept_.back()];
    bool wide = reductions_.size() == 1 && reductions_[0].lanes <= 4 && terms_.size() <= 8;
    return lanes_width(frame_, extent, wide ? 64 : 16);
  }
  Dim reduced_count() const {
    Dim n(1);
    for (uint32_t a : reduced_) n = n * extents_[a];
    return n;
  }
  // Sets the reduced axes to element r of their row-major order.
  void set_reduced(ExprId r) {
    Dim stride(1);
    for (size_t i = reduced_.size(); i-- > 0;) {
      ExprId v = r;
      if (reduced_.size() > 1) {
        if (!(stride == Dim(1))) v = b_.binary(kernel::Op::div, v, frame_.dim(stride));
        if (i != 0) v = b_.binary(kernel::Op::rem, v, frame_.dim(extents_[reduced_[i]]));
      }
      emitter_.axes[reduced_[i]] = v;
      stride = stride * extents_[reduced_[i]];
    }
  }
  // The value from which block results are combined: x itself comes out of combining it with x.
  ExprId neutral(const Reduction& r) {
    if (r.node->op->reduce == nullptr) {
      // -0 + x is x for every x, where +0 would lose the sign of -0, which sums of products may have. Blocks
      // of sums begin at +0 and never end as -0.
      return zero_less(r);
    }
    if (sums(r)) return zero_less(r);
    return identity_of(b_, r.node->op->reduce->combiner, r.dtype);
  }
  bool sums(const Reduction& r) const {
    return r.node->op->reduce == nullptr || r.node->op->reduce->combiner == ir::Combiner::sum;
  }
  ExprId zero_less(const Reduction& r) {
    if (r.dtype == DType::f32) return b_.literal(-0.0f);
    if (r.dtype == DType::f64) return b_.literal(-0.0);
    return b_.constant(r.dtype, 0);
  }
  ExprId identity(const Reduction& r) {
    return r.node->op->reduce != nullptr ? identity_of(b_, r.node->op->reduce->combiner, r.dtype)
                                         : b_.constant(r.dtype, 0);
  }
  ExprId combine(const Reduction& r, ExprId x, ExprId y) {
    std::string_view op = r.node->op->reduce != nullptr ? combine_of(r.node->op->reduce->combiner).op : "add";
    return apply_binary(b_, op, r.dtype, x, y);
  }
  ExprId accumulate(const Reduction& r, ExprId acc) {
    ExprId x = emitter_.emit(r.operands[0]);
    if (r.operands.size() == 1) return combine(r, acc, x);
    ExprId y = emitter_.emit(r.operands[1]);
    return is_float(r.dtype) ? b_.fma(x, y, acc) : b_.add(acc, b_.mul(x, y));
  }
  // A contraction's lanes may end as -0; lanes that a narrower tree leaves out would have added +0 to them.
  ExprId settle(const Reduction& r, ExprId acc, int64_t width) {
    if (r.operands.size() == 2 && width < r.lanes && is_float(r.dtype))
      return b_.add(acc, b_.constant(r.dtype, 0));
    return acc;
  }
  // The reduced value. Of no block at all, it is the identity.
  ExprId reduced(const Reduction& r, ExprId total, bool blocked, ExprId n) {
    const Dim count = reduced_count();
    const bool filled = count.is_constant() && count.constant() > 0;
    if (sums(r) && is_float(r.dtype) && blocked && !filled)
      total = b_.select(b_.binary(kernel::Op::eq, n, b_.index(0)), b_.constant(r.dtype, 0), total);
    return b_.let("reduced", total);
  }
  void store(const Output& o) {
    ExprId v = emitter_.emit(o.term);
    frame_.store(scope_.places[o.value.index], scope_.graph->type(o.value).dtype,
                 affine_value(frame_, o.address, emitter_.axes), v);
  }
  void hoist_for(const std::vector<Reduction*>& reductions, const std::vector<const Output*>& outputs) {
    std::vector<TermId> roots;
    for (const Reduction* r : reductions) roots.insert(roots.end(), r->operands.begin(), r->operands.end());
    for (const Output* o : outputs) roots.push_back(o->term);
    hoist(emitter_, terms_, roots, [&](uint32_t axis) { return classes_[axis] == 0; });
  }

  Frame& frame_;
  kernel::Builder& b_;
  const Scope& scope_;
  const Group& group_;
  TermGraph terms_;
  TermEmitter emitter_;
  std::vector<Reduction> reductions_;
  std::vector<Output> outputs_;
  Shape extents_;
  std::vector<int> classes_;
  std::vector<uint32_t> kept_, reduced_;
  int last_stage_ = 0;
  bool columns_ = false;
};

void ReduceEmitter::compose() {
  const Graph& graph = *scope_.graph;
  std::map<uint32_t, int> level;  // value -> stage at which it can be computed
  std::vector<uint32_t> held;
  for (NodeId id : group_.nodes) {
    const Node& node = graph.node(id);
    NodeDomain domain = node_domain(graph, node);
    int stage = 0;
    for (ValueId operand : node.operands) {
      std::vector<Source> sources;
      Index at(graph.type(operand).rank(), affine_constant(Dim(0)));
      collect_sources(graph, operand, at, scope_.fusion.index_only, &sources);
      for (const Source& s : sources)
        if (auto it = level.find(s.value.index); it != level.end()) stage = std::max(stage, it->second);
    }
    ValueId result = node.results[0];
    if (reduces(domain)) {
      Reduction r{&node, result, {}, stage};
      r.dtype = graph.type(node.operands[0]).dtype;
      if (node.op->arg_reduce == nullptr) {
        if (node.op->reduce != nullptr) r.lanes = node.get<int64_t>("lanes");
        r.block = node.get<int64_t>("block");
      }
      reductions_.push_back(std::move(r));
      terms_.set_held(result);
      level[result.index] = stage + 1;
      last_stage_ = std::max(last_stage_, stage);
    } else {
      level[result.index] = stage;
    }
  }
  for (ValueId v : group_.outputs) {
    Output o{v, {}, {}, false, level[v.index]};
    bool is_held = std::any_of(reductions_.begin(), reductions_.end(),
                               [&](const Reduction& r) { return r.result == v; });
    o.full = !is_held && squeeze(graph.type(v).shape) == group_.domain;
    if (o.full) last_stage_ = std::max(last_stage_, o.stage);
    outputs_.push_back(std::move(o));
  }
  // Stage by stage: what an earlier stage stored is loaded by later ones.
  for (int s = 0; s <= last_stage_; ++s) {
    for (Reduction& r : reductions_) {
      if (r.stage != s) continue;
      NodeDomain domain = node_domain(graph, *r.node);
      for (size_t i = 0; i < domain.operands.size(); ++i)
        r.operands.push_back(terms_.element(r.node->operands[i], domain.operands[i]));
    }
    for (Output& o : outputs_) {
      if (!o.full || o.stage != s) continue;
      Index at = identity_index(graph.type(o.value).shape, group_.all_axes());
      o.term = terms_.element(o.value, at);
      o.address = affine_linear(at, graph.type(o.value).shape);
    }
    for (Output& o : outputs_)
      if (o.full && o.stage == s) terms_.set_stored(o.value);
  }
  for (Output& o : outputs_) {
    if (o.full) continue;
    Index at = identity_index(graph.type(o.value).shape, group_.kept_axes());
    o.term = terms_.element(o.value, at);
    o.address = affine_linear(at, graph.type(o.value).shape);
  }
  extents_ = group_.domain;
  for (bool r : group_.reduced) classes_.push_back(r ? 1 : 0);
  std::vector<AffineIndex*> more;
  for (Output& o : outputs_) more.push_back(&o.address);
  collapse_axes(&terms_, more, &extents_, &classes_);
  for (uint32_t a = 0; a < extents_.size(); ++a) (classes_[a] == 1 ? reduced_ : kept_).push_back(a);
}

void ReduceEmitter::stage(int s) {
  std::vector<const Output*> outputs;
  for (const Output& o : outputs_)
    if (o.full && o.stage == s) outputs.push_back(&o);
  // Reductions of one order share a loop.
  std::vector<std::vector<Reduction*>> batches;
  for (Reduction& r : reductions_) {
    if (r.stage != s) continue;
    if (r.node->op->arg_reduce != nullptr) {
      arg_reduce(r);
      continue;
    }
    auto it = std::find_if(batches.begin(), batches.end(), [&](const auto& batch) {
      return batch[0]->lanes == r.lanes && batch[0]->block == r.block;
    });
    if (it == batches.end()) {
      batches.push_back({&r});
    } else {
      it->push_back(&r);
    }
  }
  if (batches.empty() && !outputs.empty()) batches.emplace_back();
  for (size_t i = 0; i < batches.size(); ++i) {
    // Full outputs ride on the first loop of the stage.
    auto here = i == 0 ? outputs : std::vector<const Output*>{};
    hoist_for(batches[i], here);
    columns_ ? columns(batches[i], here) : rows(batches[i], here);
  }
}

void ReduceEmitter::fold_all(const std::vector<Reduction*>& reductions, const std::vector<VarId>& accs,
                             int64_t width) {
  for (size_t i = 0; i < reductions.size(); ++i) {
    const Reduction& r = *reductions[i];
    kernel::FoldOp op =
        r.node->op->reduce != nullptr ? combine_of(r.node->op->reduce->combiner).fold : kernel::FoldOp::add;
    b_.fold(r.total, op, settle(r, b_.use(accs[i]), width));
  }
}

void ReduceEmitter::rows(const std::vector<Reduction*>& reductions,
                         const std::vector<const Output*>& outputs) {
  Dim count = reduced_count();
  ExprId n = frame_.dim(count);
  auto body = [&](ExprId r, const std::vector<VarId>& accs) {
    auto memo = emitter_.save();
    set_reduced(r);
    for (size_t i = 0; i < reductions.size(); ++i)
      b_.assign(accs[i], accumulate(*reductions[i], b_.use(accs[i])));
    for (const Output* o : outputs) store(*o);
    emitter_.restore(std::move(memo));
  };
  if (reductions.empty()) {
    ExprId r = b_.begin_lanes("r", b_.index(0), n, b_.index(lanes_width(frame_, count, 64)));
    body(r, {});
    b_.end();
    return;
  }
  int64_t lanes = reductions[0]->lanes, block = reductions[0]->block;
  int64_t width = lanes;
  bool short_row = count.is_constant() && count.constant() < lanes;
  if (short_row)
    width = std::max<int64_t>(std::min<int64_t>(4, lanes),
                              static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(count.constant()))));
  bool blocked = frame_.may_pass(count, block);
  // A full reduction over few elements, as in a small training step, should not pay for 64 lanes: narrower
  // trees give the same bits, since lanes without an element add nothing.
  const bool may_be_narrow = kept_.empty() && !count.is_constant() && lanes == 64 && !short_row;
  size_t branches = 0;
  if (may_be_narrow) {
    for (int64_t narrow : {int64_t{16}, int64_t{32}}) {
      b_.begin_if(b_.binary(kernel::Op::band, b_.binary(kernel::Op::le, b_.index(1), n),
                            b_.binary(kernel::Op::le, n, b_.index(narrow))));
      auto memo = emitter_.save();
      ExprId l = b_.begin_lanes("l", b_.index(0), n, b_.index(narrow));
      std::vector<VarId> accs;
      for (Reduction* r : reductions) accs.push_back(b_.declare("acc", r->dtype, identity(*r)));
      body(l, accs);
      fold_all(reductions, accs, narrow);
      b_.end();
      emitter_.restore(std::move(memo));
      b_.begin_else();
      ++branches;
    }
  }
  ExprId lo = b_.index(0), hi = n;
  if (blocked) {
    lo = b_.begin_for("block", b_.index(0), n, b_.index(block));
    hi = b_.let("stop", b_.binary(kernel::Op::min, b_.add(lo, b_.index(block)), n));
  }
  ExprId l = b_.begin_lanes("l", b_.index(0), b_.index(width), b_.index(width));
  std::vector<VarId> accs;
  for (Reduction* r : reductions) accs.push_back(b_.declare("acc", r->dtype, identity(*r)));
  ExprId tail = lo;
  if (!short_row) {
    ExprId w = b_.index(width);
    ExprId full = b_.mul(b_.binary(kernel::Op::div, b_.sub(hi, lo), w), w);
    tail = b_.let("tail", b_.add(lo, full));
    ExprId r0 = b_.begin_for("r", lo, tail, w);
    body(b_.add(r0, l), accs);
    b_.end();
  }
  bool even = count.is_constant() && count.constant() % width == 0 && !blocked &&
              !(short_row && count.constant() < width);
  if (short_row && count.constant() == width) {
    body(l, accs);
  } else if (short_row || !even) {
    ExprId r = b_.let("r", b_.add(tail, l));
    b_.begin_if(b_.binary(kernel::Op::lt, r, hi));
    body(r, accs);
    b_.end();
  }
  fold_all(reductions, accs, width);
  b_.end();
  if (blocked) b_.end();
  for (size_t i = 0; i < branches; ++i) b_.end();
  for (Reduction* r : reductions) emitter_.hold(r->result, reduced(*r, b_.use(r->total), blocked, n));
}

void ReduceEmitter::columns(const std::vector<Reduction*>& reductions,
                            const std::vector<const Output*>& outputs) {
  Dim count = reduced_count();
  ExprId n = frame_.dim(count);
  if (reductions.empty()) {
    auto memo = emitter_.save();
    ExprId r = b_.begin_for("r", b_.index(0), n, b_.index(1));
    set_reduced(r);
    for (const Output* o : outputs) store(*o);
    b_.end();
    emitter_.restore(std::move(memo));
    return;
  }
  int64_t lanes = reductions[0]->lanes, block = reductions[0]->block;
  bool short_column = count.is_constant() && count.constant() <= lanes;
  int64_t active =
      short_column
          ? static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(count.constant(), 1))))
          : lanes;
  active = std::min(active, lanes);
  bool blocked = frame_.may_pass(count, block);
  std::vector<VarId> totals, accs;
  for (Reduction* r : reductions) totals.push_back(b_.declare("total", r->dtype, neutral(*r)));
  ExprId lo = b_.index(0), hi = n;
  if (blocked) {
    lo = b_.begin_for("block", b_.index(0), n, b_.index(block));
    hi = b_.let("stop", b_.binary(kernel::Op::min, b_.add(lo, b_.index(block)), n));
  }
  for (Reduction* r : reductions)
    accs.push_back(b_.declare("acc", r->dtype, identity(*r), {b_.index(active)}));
  auto body = [&](ExprId r, ExprId l) {
    auto memo = emitter_.save();
    set_reduced(r);
    for (size_t i = 0; i < reductions.size(); ++i)
      b_.assign(accs[i], accumulate(*reductions[i], b_.use(accs[i], {l})), {l});
    for (const Output* o : outputs) store(*o);
    emitter_.restore(std::move(memo));
  };
  if (short_column) {
    ExprId l = b_.begin_unroll("l", b_.index(0), b_.index(count.constant()));
    body(l, l);
    b_.end();
  } else {
    ExprId w = b_.index(active);
    ExprId tail = b_.let("tail", b_.add(lo, b_.mul(b_.binary(kernel::Op::div, b_.sub(hi, lo), w), w)));
    ExprId r0 = b_.begin_for("r", lo, tail, w);
    ExprId l = b_.begin_unroll("l", b_.index(0), w);
    body(b_.add(r0, l), l);
    b_.end();
    b_.end();
    if (!count.is_constant() || count.constant() % active != 0) {
      ExprId t = b_.begin_unroll("l", b_.index(0), b_.index(active - 1));
      ExprId r = b_.add(tail, t);
      b_.begin_if(b_.binary(kernel::Op::lt, r, hi));
      body(r, t);
      b_.end();
      b_.end();
    }
  }
  for (size_t i = 0; i < reductions.size(); ++i) {
    Reduction& r = *reductions[i];
    if (active < lanes && r.operands.size() == 2) {
      ExprId l = b_.begin_unroll("l", b_.index(0), b_.index(active));
      b_.assign(accs[i], settle(r, b_.use(accs[i], {l}), active), {l});
      b_.end();
    }
    for (int64_t half = active / 2; half >= 1; half /= 2) {
      ExprId l = b_.begin_unroll("l", b_.index(0), b_.index(half));
      b_.assign(accs[i], combine(r, b_.use(accs[i], {l}), b_.use(accs[i], {b_.add(l, b_.index(half))})), {l});
      b_.end();
    }
    b_.assign(totals[i], combine(r, b_.use(totals[i]), b_.use(accs[i], {b_.index(0)})));
  }
  if (blocked) b_.end();
  for (size_t i = 0; i < reductions.size(); ++i)
    emitter_.hold(reductions[i]->result, reduced(*reductions[i], b_.use(totals[i]), blocked, n));
}

// First of the largest (or smallest); a NaN beats every number.
void ReduceEmitter::arg_reduce(Reduction& r) {
  bool largest = r.node->op->arg_reduce->largest;
  hoist_for({&r}, {});
  ir::Combiner start = largest ? ir::Combiner::max : ir::Combiner::min;
  VarId best = b_.declare("best", r.dtype, identity_of(b_, start, r.dtype));
  VarId where = b_.declare("where", DType::i64, b_.index(0));
  auto memo = emitter_.save();
  ExprId i = b_.begin_for("r", b_.index(0), frame_.dim(reduced_count()), b_.index(1));
  set_reduced(i);
  ExprId x = b_.let("x", emitter_.emit(r.operands[0]));
  ExprId old = b_.use(best);
  ExprId better = largest ? b_.binary(kernel::Op::lt, old, x) : b_.binary(kernel::Op::lt, x, old);
  if (is_float(r.dtype)) {
    ExprId x_nan = b_.binary(kernel::Op::ne, x, x), old_number = b_.binary(kernel::Op::eq, old, old);
    better = b_.binary(kernel::Op::bor, better, b_.binary(kernel::Op::band, x_nan, old_number));
  }
  better = b_.let("better", better);
  b_.assign(where, b_.select(better, i, b_.use(where)));
  b_.assign(best, b_.select(better, x, old));
  b_.end();
  emitter_.restore(std::move(memo));
  emitter_.hold(r.result, b_.let("reduced", b_.use(where)));
}

// The order written out for constant indices: lanes, then their tree; stages one after the other.
void ReduceEmitter::emit_unrolled() {
  emitter_.axes.assign(extents_.size(), ExprId());
  Shape kept, reduced;
  for (uint32_t a : kept_) kept.push_back(extents_[a]);
  for (uint32_t a : reduced_) reduced.push_back(extents_[a]);
  auto set = [&](const std::vector<uint32_t>& axes, const std::vector<int64_t>& at) {
    for (size_t i = 0; i < axes.size(); ++i) emitter_.axes[axes[i]] = b_.index(at[i]);
  };
  each_point(kept, [&](const std::vector<int64_t>& outer) {
    emitter_.forget();
    set(kept_, outer);
    for (const Reduction& r : reductions_) emitter_.release(r.result);
    for (int s = 0; s <= last_stage_; ++s) {
      for (const Reduction& r : reductions_) {
        if (r.stage != s) continue;
        std::vector<ExprId> lanes;
        int64_t element = 0;
        each_point(reduced, [&](const std::vector<int64_t>& inner) {
          emitter_.forget();
          set(reduced_, inner);
          const auto lane = static_cast<size_t>(element++ % r.lanes);
          if (lane == lanes.size()) lanes.push_back(identity(r));
          lanes[lane] = b_.let("acc", accumulate(r, lanes[lane]));
        });
        const auto active = static_cast<int64_t>(std::bit_ceil(lanes.size()));
        lanes.resize(static_cast<size_t>(active), identity(r));
        if (active < r.lanes)
          for (ExprId& lane : lanes) lane = settle(r, lane, active);
        for (auto half = static_cast<size_t>(active / 2); half >= 1; half /= 2)
          for (size_t l = 0; l < half; ++l) lanes[l] = b_.let("acc", combine(r, lanes[l], lanes[l + half]));
        emitter_.hold(r.result, lanes[0]);
      }
      for (const Output& o : outputs_) {
        if (!o.full || o.stage != s) continue;
        each_point(reduced, [&](const std::vector<int64_t>& inner) {
          emitter_.forget();
          set(reduced_, inner);
          store(o);
        });
      }
    }
    emitter_.forget();
    for (const Output& o : outputs_)
      if (!o.full) store(o);
  });
}

}  // namespace

void emit_scalar_reduce(Frame& frame, const Scope& scope, int32_t number) {
  ReduceEmitter(frame, scope, number).emit_unrolled();
}

void emit_reduce(Frame& frame, const Scope& scope, int32_t number, ExprId begin, ExprId end) {
  ReduceEmitter(frame, scope, number).emit(begin, end);
}

Work reduce_work(const Frame& frame, const Scope& scope, int32_t number) {
  // A frame of its own: composing needs no statements.
  kernel::Function scratch;
  Frame f(scratch, frame.module(), frame.plan(), frame.target());
  ReduceEmitter e(f, scope, number);
  Work work;
  work.serial = !e.has_kept();
  work.extent = e.first_kept();
  double all = 1;
  for (const Dim& d : e.extents()) all *= static_cast<double>(std::max<int64_t>(1, frame.usual(d)));
  work.cost = all * static_cast<double>(scope.fusion.groups[static_cast<size_t>(number)].nodes.size()) *
              0.25 / static_cast<double>(std::max<int64_t>(1, frame.usual(work.extent)));
  return work;
}

}  // namespace tenon::lower
