// Emission: groups -> kernel IR statements. Each kind of group has its schedule in a file of its own; all
// read elements through terms, so that prologues and epilogues are the same composition everywhere.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "lower/frame.h"
#include "lower/terms.h"

namespace tenon::lower {

ExprId dim_value(kernel::Builder& b, const Dim& d, const ir::DimRanges& ranges,
                 const std::function<ExprId(const std::string&)>& symbol);

// Emits terms into the innermost open block; terms used more than once are bound by `let`.
class TermEmitter {
 public:
  TermEmitter(Frame& frame, const Scope& scope, const TermGraph& terms)
      : frame_(frame), scope_(scope), terms_(terms) {}

  // The expression of each axis of the domain.
  std::vector<ExprId> axes;
  // Registers: values of TermKind::held.
  void hold(ValueId value, ExprId expression) { held_[value.index] = expression; }
  void release(ValueId value) { held_.erase(value.index); }
  bool is_held(ValueId value) const { return held_.count(value.index) != 0; }
  ExprId emit(TermId id);
  // `id` was made already, as this expression.
  void preset(TermId id, ExprId expression) { memo_[id.index] = expression; }
  // Forget what was emitted: the block it stands in was closed, or memory was written.
  void forget() {
    memo_.clear();
    remembered_.clear();
  }
  std::unordered_map<uint32_t, ExprId> save() const { return memo_; }
  void restore(std::unordered_map<uint32_t, ExprId> memo) { memo_ = std::move(memo); }

 private:
  ExprId emitted(TermId id) const;  // invalid: not yet
  void emit_one(TermId id);
  void remember(uint32_t key, ExprId e);
  void forget_since(size_t mark);
  ExprId emit_load(const Term& term);
  ExprId emit_checked(const Term& term, const TermChosen& chosen, ExprId* all_inside);
  ExprId emit_choose(const Term& term);
  ExprId emit_scalar(const Term& term);
  ExprId emit_literal(const Term& term);
  ExprId emit_folded(const Term& term);

  Frame& frame_;
  const Scope& scope_;
  const TermGraph& terms_;
  // Memo keys of checked run-time indices, beside those of terms.
  static constexpr uint32_t checked_key = 1u << 31;
  std::unordered_map<uint32_t, ExprId> memo_, held_;
  std::vector<uint32_t> remembered_;                   // keys of memo_ in the order in which they came
  std::unordered_map<uint32_t, std::string> checked_;  // key -> bound
};

// Statements for indices begin..end of the group's axis.
void emit_group(Frame& frame, const Scope& scope, int32_t group, ExprId begin, ExprId end);
void emit_pointwise(Frame& frame, const Scope& scope, int32_t group, ExprId begin, ExprId end);
void emit_reduce(Frame& frame, const Scope& scope, int32_t group, ExprId begin, ExprId end);
void emit_contract(Frame& frame, const Scope& scope, int32_t group, ExprId begin, ExprId end);
// Before a contraction that copies its right factor into panels: the copy, cut over rows of the factor.
void emit_pack(Frame& frame, const Scope& scope, int32_t group, ExprId begin, ExprId end);
void emit_scan(Frame& frame, const Scope& scope, int32_t group, ExprId begin, ExprId end);
void emit_scatter(Frame& frame, const Scope& scope, int32_t group, ExprId begin, ExprId end);
void emit_check(Frame& frame, const Scope& scope, int32_t group);
void emit_permutation(Frame& frame, const Scope& scope, int32_t group);
void emit_copy(Frame& frame, const Copy& copy, ExprId begin, ExprId end);

// Calls `f` with every index of constant extents, in row-major order.
void each_point(const Shape& extents, const std::function<void(const std::vector<int64_t>&)>& f);
// One comment line naming what a group computes.
std::string group_comment(const Scope& scope, int32_t group);
// What a fail statement says of the operation that fails there: "take -> h, m.tenon:5". Hosts show it.
std::string place_comment(const Frame& frame, const Graph& graph, const Node& node);
// What two kernel expressions combine to, as the combiner's operation of the table says.
ExprId combined(kernel::Builder& b, ir::Combiner c, DType dtype, ExprId x, ExprId y);
ExprId apply_scalar(kernel::Builder& b, const ir::ElementwiseForm& form, DType from, DType to,
                    const std::vector<ExprId>& args);

// One random value of a random_* node (ops/random.h).
ExprId random_element(Frame& frame, const Node& node, ExprId position, const std::vector<ExprId>& args);
// The four words of call number `call` of a permutation (positions below 2^32).
std::array<ExprId, 4> permutation_call(Frame& frame, const Node& node, ExprId call,
                                       const std::vector<ExprId>& args);

kernel::FoldOp fold_of(ir::Combiner c);
ExprId identity_of(kernel::Builder& b, ir::Combiner c, DType dtype);

}  // namespace tenon::lower
