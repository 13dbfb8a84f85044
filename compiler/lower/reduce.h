// Reduction groups: stages of reductions with prologues, epilogues and several outputs; see emit_reduce.cpp.
#pragma once

#include <algorithm>
#include <bit>
#include <optional>

#include "lower/emit.h"

namespace tenon::lower {

// Vector registers that the lanes of a tile's results take, and in how many passes those lanes can be taken.
int64_t tile_registers(const target::Target& target, const ReduceTerms& t, int64_t tile);
int64_t most_passes(const target::Target& target, const ReduceTerms& t);

class ReduceEmitter {
 public:
  ReduceEmitter(Frame& frame, const Scope& scope, int32_t number)
      : ReduceEmitter(frame, scope, number,
                      std::get<ReduceTerms>(scope.composed[static_cast<size_t>(number)]),
                      std::get<ReduceSchedule>(scope.schedules[static_cast<size_t>(number)])) {}

  void emit(ExprId begin, ExprId end);
  // Element by element at constant indices.
  void emit_unrolled();

 private:
  ReduceEmitter(Frame& frame, const Scope& scope, int32_t number, const ReduceTerms& t,
                const ReduceSchedule& schedule)
      : frame_(frame),
        b_(frame.b),
        scope_(scope),
        group_(scope.fusion.groups[static_cast<size_t>(number)]),
        t_(t),
        terms_(t.terms),
        emitter_(frame, scope, terms_),
        reductions_(t.reductions),
        outputs_(t.outputs),
        extents_(t.extents),
        classes_(t.classes),
        kept_(t.kept),
        reduced_(t.reduced),
        last_stage_(t.last_stage),
        lane_axis_(schedule.lane_axis),
        width_(schedule.width),
        tile_axis_(schedule.tile_axis),
        tile_(schedule.tile) {}

  using Output = ReduceTerms::Output;
  using Reductions = std::vector<const Reduction*>;
  using Outputs = std::vector<const Output*>;
  // Accumulators of each reduction of a batch, one after the other; a tile has several of each.
  using Accumulators = std::vector<VarId>;

  void results();
  void stage(int s);
  // Reduced axis in lanes: see reduce_rows.cpp.
  void rows(const Reductions& reductions, const Outputs& outputs);
  void wide_rows(const Reductions& reductions, const Outputs& outputs, ExprId n);
  void rows_stored(const Outputs& outputs);
  void row_elements(const Reductions& reductions, const Outputs& outputs, const Accumulators& accs,
                    const std::vector<ExprId>& at);
  void row_segments(const Reductions& reductions, const Outputs& outputs, ExprId lo, ExprId hi, int64_t width,
                    ExprId l, const std::function<void(ExprId)>& each);
  void counted_rows(ExprId lo, ExprId hi, int64_t width, ExprId l, const std::function<void()>& each);
  int64_t passes() const;
  void row_vectors(ExprId lo, ExprId hi, int64_t width, int64_t parts, ExprId l,
                   const std::function<void(ExprId, const std::vector<ExprId>&)>& each);
  void narrow_rows(const Reductions& reductions, const Outputs& outputs, ExprId n, int64_t narrow);
  void fold_all(const Reductions& reductions, const Accumulators& accs, int64_t width, int64_t parts);
  void store_tile(const Reductions& reductions, bool blocked, ExprId n);
  // Elements that do not run on evenly, by way of scratch: see reduce_spread.cpp.
  class Spread;
  bool spread_rows(const Reductions& reductions, const Outputs& outputs);
  // Rows side by side in lanes, by way of scratch: see reduce_beside.cpp.
  class Beside;
  bool rows_beside(ExprId lo, ExprId hi, const std::function<void()>& other);
  // Kept axis in lanes: see reduce_columns.cpp.
  class Walk;
  class Columns;
  void columns(const Reductions& reductions, const Outputs& outputs);
  void column_tree(const Reduction& r, VarId array, int64_t from);
  void arg_reduce(const Reduction& r);

  Dim reduced_count() const { return t_.reduced_count(); }
  Dim outer_count() const { return t_.outer_count(); }
  uint32_t inner_axis() const { return t_.inner_axis(); }
  uint32_t flat_axis() const { return t_.flat_axis(); }
  // Whether lanes count the indices of two reduced axes, the last of which is too short for segments.
  bool counts() const {
    constexpr int64_t least_segment = 16;
    return reduced_.size() == 2 && extents_[inner_axis()].is_constant() &&
           extents_[inner_axis()].constant() < least_segment;
  }
  // Sets the first `axes` reduced axes to element r of their row-major order.
  void set_reduced(ExprId r, size_t axes);

  // The value from which block results are combined: x itself comes out of combining it with x.
  ExprId neutral(const Reduction& r);
  ExprId zero_less(const Reduction& r);
  ExprId identity(const Reduction& r);
  ExprId combine(const Reduction& r, ExprId x, ExprId y);
  ExprId accumulate(const Reduction& r, ExprId acc);
  ExprId settle(const Reduction& r, ExprId acc, int64_t width);
  ExprId reduced(const Reduction& r, ExprId total, bool blocked, ExprId n);
  static ir::Combiner combiner(const Reduction& r) { return r.node->op->iteration()->combiner; }
  static bool sums(const Reduction& r) { return combiner(r) == ir::Combiner::sum; }
  void store(const Output& o);
  std::vector<TermId> roots(const Reductions& reductions, const Outputs& outputs) const;
  void hoist_for(const Reductions& reductions, const Outputs& outputs,
                 const std::function<bool(uint32_t)>& outer);

  Frame& frame_;
  kernel::Builder& b_;
  const Scope& scope_;
  const Group& group_;
  const ReduceTerms& t_;
  const TermGraph& terms_;
  TermEmitter emitter_;
  const std::vector<Reduction>& reductions_;
  const std::vector<Output>& outputs_;
  const Shape& extents_;
  const std::vector<int>& classes_;
  const std::vector<uint32_t>&kept_, &reduced_;
  const int last_stage_;
  const std::optional<uint32_t> lane_axis_;
  const int64_t width_;  // lanes of a kept axis
  const std::optional<uint32_t> tile_axis_;
  // The tile at hand: so many results from tile_from_ on.
  int64_t tile_from_ = 0, tile_;
  // Rows: the registers that hold the results of a tile, of each reduction.
  std::map<const Reduction*, std::vector<VarId>> totals_;
};

}  // namespace tenon::lower
