// Reduction groups: stages of reductions with prologues, epilogues and several outputs; see emit_reduce.cpp.
#pragma once

#include <algorithm>
#include <bit>
#include <optional>

#include "lower/emit.h"

namespace tenon::lower {

struct Reduction {
  const Node* node;
  ValueId result;                // of a position: it
  std::vector<TermId> operands;  // one, or the two factors of a contraction
  int stage = 0;
  int64_t lanes = 64, block = 8192;
  DType dtype = DType::f32;
  ValueId extreme = {};            // of a position: the element there, where it is a result
  std::vector<VarId> totals = {};  // rows: the registers that hold the results of a tile
};

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
    choose();
  }

  const Shape& extents() const { return extents_; }
  Dim first_kept() const { return kept_.empty() ? Dim(1) : extents_[kept_[0]]; }
  bool has_kept() const { return !kept_.empty(); }
  // Chunks are cut at multiples of it.
  int64_t granule() const { return lane_axis_ && *lane_axis_ == kept_[0] ? column_width() : 1; }

  void emit(ExprId begin, ExprId end);
  // Element by element at constant indices.
  void emit_unrolled();

 private:
  struct Output {
    ValueId value;
    TermId term;
    AffineIndex address;
    bool full;
    int stage = 0;
  };
  using Reductions = std::vector<Reduction*>;
  using Outputs = std::vector<const Output*>;
  // Accumulators of each reduction of a batch, one after the other; a tile has several of each.
  using Accumulators = std::vector<VarId>;

  void compose();
  void join_even();
  // The axis in lanes, and how many results of a row share what they read: see reduce_schedule.cpp.
  void choose();
  double cost(std::optional<uint32_t> lane_axis) const;
  double accesses(uint32_t axis) const;
  int64_t tile_width() const;
  int64_t column_width() const;

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
  void columns(const Reductions& reductions, const Outputs& outputs);
  void column_tree(const Reduction& r, VarId array, int64_t from);
  void arg_reduce(Reduction& r);

  bool has_arg_reduce() const {
    return std::any_of(reductions_.begin(), reductions_.end(),
                       [](const Reduction& r) { return ir::finds_position(*r.node->op); });
  }
  Dim reduced_count() const {
    Dim n(1);
    for (uint32_t a : reduced_) n = n * extents_[a];
    return n;
  }
  // Reduced axes but for the last.
  Dim outer_count() const {
    Dim n(1);
    for (size_t i = 0; i + 1 < reduced_.size(); ++i) n = n * extents_[reduced_[i]];
    return n;
  }
  uint32_t inner_axis() const { return reduced_.back(); }
  // An axis of its own for the number of an element in the order of all reduced axes: what runs on evenly
  // over them is read by it.
  uint32_t flat_axis() const { return static_cast<uint32_t>(extents_.size()); }
  bool joins() const { return reduced_.size() == 2; }
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
  TermGraph terms_;
  TermEmitter emitter_;
  std::vector<Reduction> reductions_;
  std::vector<Output> outputs_;
  Shape extents_;
  std::vector<int> classes_;
  std::vector<uint32_t> kept_, reduced_;
  int last_stage_ = 0;
  std::optional<uint32_t> lane_axis_;  // a kept axis; none: the last reduced one
  // A tile: results of one row side by side, at constant indices from tile_from_ on.
  std::optional<uint32_t> tile_axis_;
  int64_t tile_from_ = 0, tile_ = 1;
};

}  // namespace tenon::lower
