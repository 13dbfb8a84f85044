// Reduction groups: stages of reductions with prologues, epilogues and several outputs.
//
// Schedules give the same bits, because the order of a reduction (logical lanes, blocks, tree) is part of the
// IR: rows put the last reduced axis in vector lanes and fold them, columns put a kept axis in lanes and keep
// the logical lanes as an array of registers. reduce_schedule.cpp chooses.
#include <algorithm>
#include <bit>

#include "lower/hoist.h"
#include "lower/reduce.h"
#include "lower/registers.h"

namespace tenon::lower {
void ReduceEmitter::set_reduced(ExprId r, size_t axes) {
  Dim stride(1);
  for (size_t i = axes; i-- > 0;) {
    ExprId v = r;
    if (axes > 1) {
      if (!(stride == Dim(1))) v = b_.binary(kernel::Op::div, v, frame_.dim(stride));
      if (i != 0) v = b_.binary(kernel::Op::rem, v, frame_.dim(extents_[reduced_[i]]));
    }
    emitter_.axes[reduced_[i]] = axes > 1 ? b_.let("at", v) : v;
    stride = stride * extents_[reduced_[i]];
  }
}

ExprId ReduceEmitter::neutral(const Reduction& r) {
  // -0 + x is x for every x, where +0 would lose the sign of -0, which sums of products may have. Blocks of
  // sums begin at +0 and never end as -0.
  return sums(r) ? zero_less(r) : identity_of(b_, combiner(r), r.dtype);
}

ExprId ReduceEmitter::zero_less(const Reduction& r) {
  if (!is_float(r.dtype)) return b_.constant(r.dtype, 0);
  return with_float(r.dtype, [&]<class T>() { return b_.literal(-T{0}); });
}

ExprId ReduceEmitter::identity(const Reduction& r) { return identity_of(b_, combiner(r), r.dtype); }

ExprId ReduceEmitter::combine(const Reduction& r, ExprId x, ExprId y) {
  return combined(b_, combiner(r), r.dtype, x, y);
}

ExprId ReduceEmitter::accumulate(const Reduction& r, ExprId acc) {
  ExprId x = emitter_.emit(r.operands[0]);
  if (r.operands.size() == 1) return combine(r, acc, x);
  ExprId y = emitter_.emit(r.operands[1]);
  return is_float(r.dtype) ? b_.fma(x, y, acc) : b_.add(acc, b_.mul(x, y));
}

// A contraction's lanes may end as -0; lanes that a narrower tree leaves out would have added +0 to them.
ExprId ReduceEmitter::settle(const Reduction& r, ExprId acc, int64_t width) {
  if (r.operands.size() == 2 && width < r.lanes && is_float(r.dtype))
    return b_.add(acc, b_.constant(r.dtype, 0));
  return acc;
}

// The reduced value. Of no block at all, it is the identity.
ExprId ReduceEmitter::reduced(const Reduction& r, ExprId total, bool blocked, ExprId n) {
  const Dim count = reduced_count();
  const bool filled = count.is_constant() && count.constant() > 0;
  if (sums(r) && is_float(r.dtype) && blocked && !filled)
    total = b_.select(b_.binary(kernel::Op::eq, n, b_.index(0)), b_.constant(r.dtype, 0), total);
  return b_.let("reduced", total);
}

void ReduceEmitter::store(const Output& o) {
  ExprId v = emitter_.emit(o.term);
  frame_.store(scope_.places[o.value.index], scope_.graph->type(o.value).dtype,
               affine_value(frame_, o.address, emitter_.axes), v);
}

std::vector<TermId> ReduceEmitter::roots(const Reductions& reductions, const Outputs& outputs) const {
  std::vector<TermId> out;
  for (const Reduction* r : reductions) out.insert(out.end(), r->operands.begin(), r->operands.end());
  for (const Output* o : outputs) out.push_back(o->term);
  return out;
}

void ReduceEmitter::hoist_for(const Reductions& reductions, const Outputs& outputs,
                              const std::function<bool(uint32_t)>& outer) {
  hoist(emitter_, terms_, roots(reductions, outputs), outer);
}

void ReduceEmitter::emit(ExprId begin, ExprId end) {
  emitter_.axes.assign(extents_.size() + 1, ExprId());
  Reductions all;
  Outputs stored;
  for (const Reduction& r : reductions_) all.push_back(&r);
  for (const Output& o : outputs_) stored.push_back(&o);
  hoist_for(all, stored, [](uint32_t) { return false; });
  auto bounds = [&](size_t i) {
    return i == 0 ? std::pair(begin, end) : std::pair(b_.index(0), frame_.dim(extents_[kept_[i]]));
  };
  // Rows lie in the last kept axis; tiles and lanes have theirs in any.
  const bool in_rows = !kept_.empty() && !lane_axis_ && !tile_axis_;
  size_t nest = 0;
  for (size_t i = 0; i + (in_rows ? 1 : 0) < kept_.size(); ++i) {
    if (tile_axis_ == kept_[i]) continue;
    const auto [lo, hi] = bounds(i);
    const bool lanes = lane_axis_ == kept_[i];
    emitter_.axes[kept_[i]] =
        lanes ? b_.begin_lanes("c", lo, hi, b_.index(width_)) : b_.begin_for("o", lo, hi, b_.index(1));
    ++nest;
  }
  if (in_rows) {
    const auto [lo, hi] = bounds(kept_.size() - 1);
    auto one_by_one = [&] {
      emitter_.axes[kept_.back()] = b_.begin_for("o", lo, hi, b_.index(1));
      results();
      b_.end();
    };
    if (!rows_beside(lo, hi, one_by_one)) one_by_one();
  } else {
    results();
  }
  for (size_t i = 0; i < nest; ++i) b_.end();
}

// All results of the kept indices that are set, or of the tiles of a row.
void ReduceEmitter::results() {
  auto stages = [&] {
    if (!lane_axis_)
      for (const Reduction& r : reductions_) {
        if (ir::finds_position(*r.node->op)) continue;
        std::vector<VarId>& totals = totals_[&r];
        totals.clear();
        for (int64_t t = 0; t < tile_; ++t) totals.push_back(b_.declare("total", r.dtype, neutral(r)));
      }
    for (int s = 0; s <= last_stage_; ++s) stage(s);
  };
  if (tile_axis_) {
    const int64_t widest = tile_, columns = extents_[*tile_axis_].constant();
    for (tile_from_ = 0; tile_from_ < columns; tile_from_ += widest) {
      tile_ = std::min(widest, columns - tile_from_);
      auto memo = emitter_.save();
      stages();
      emitter_.restore(std::move(memo));
    }
    return;
  }
  stages();
  // With everything reduced nothing was stored yet, and a failure is known before the first write.
  if (kept_.empty() && group_may_fail(*scope_.graph, *scope_.fusion.ranges, group_)) b_.stop_on_failure();
  for (const Output& o : outputs_)
    if (!o.full) store(o);
}

void ReduceEmitter::stage(int s) {
  auto kept = [&](uint32_t axis) { return classes_[axis] == 0 && tile_axis_ != axis; };
  Outputs outputs;
  for (const Output& o : outputs_)
    if (o.full && o.stage == s) outputs.push_back(&o);
  // Reductions of one order share a loop.
  std::vector<Reductions> batches;
  for (const Reduction& r : reductions_) {
    if (r.stage != s) continue;
    if (ir::finds_position(*r.node->op)) {
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
    auto here = i == 0 ? outputs : Outputs{};
    hoist_for(batches[i], here, kept);
    lane_axis_ ? columns(batches[i], here) : rows(batches[i], here);
  }
}

// The order written out for constant indices: lanes, then their tree; stages one after the other.
void ReduceEmitter::emit_unrolled() {
  emitter_.axes.assign(extents_.size() + 1, ExprId());
  Shape kept, reduced;
  for (uint32_t a : kept_) kept.push_back(extents_[a]);
  for (uint32_t a : reduced_) reduced.push_back(extents_[a]);
  auto set = [&](const std::vector<uint32_t>& axes, const std::vector<int64_t>& at) {
    for (size_t i = 0; i < axes.size(); ++i) emitter_.axes[axes[i]] = b_.index(at[i]);
    if (t_.joins() && axes == reduced_)
      emitter_.axes[flat_axis()] = b_.index(at[0] * extents_[inner_axis()].constant() + at[1]);
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

void emit_scalar_reduce(Frame& frame, const Scope& scope, int32_t number) {
  ReduceEmitter(frame, scope, number).emit_unrolled();
}

void emit_reduce(Frame& frame, const Scope& scope, int32_t number, ExprId begin, ExprId end) {
  ReduceEmitter(frame, scope, number).emit(begin, end);
}

}  // namespace tenon::lower
