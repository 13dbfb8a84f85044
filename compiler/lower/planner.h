// The work behind plan(): one function's scopes, places and live ranges. See plan.h for what comes out.
#pragma once

#include <map>
#include <set>
#include <string_view>
#include <unordered_map>

#include "lower/plan.h"

namespace tenon::lower {

class Planner {
 public:
  Planner(const ir::Module& module, const ir::Function& function, const Sizes& sizes, Layout* layout,
          const Procedures& procedures, bool procedure, const PlanOptions& options)
      : module_(module),
        function_(function),
        sizes_(sizes),
        layout_(layout),
        procedures_(procedures),
        procedure_(procedure),
        options_(options) {}
  Plan run(const ScheduledGraph& graph);

 private:
  // Where a graph's result has to end up.
  struct Destination {
    Place place;
    bool holds_old = false;  // state or carry: the place also holds the value read in this graph
  };
  // A value that a group reads from memory.
  struct Read {
    ValueId value;
    bool aligned;            // only at the very element that is written
    bool dynamic, constant;  // at indices that are values; at known indices
  };

  RootId add(Root root) {
    out_.roots.push_back(std::move(root));
    return RootId(out_.roots.size() - 1);
  }
  // Of a parameter or state: its slot in the state, or what a procedure's caller gives.
  RootId global_root(const std::string& name);
  RootId hyper_root(const std::string& name, DType dtype);
  RootId arena_root(const ir::Type& type, std::string name);
  RootId constant_root(const std::shared_ptr<const Array>& array);
  void touch(const Place& p) {
    if (!p.root.valid()) return;
    Root& r = out_.roots[p.root.index];
    r.first = std::min(r.first, position_);
    r.last = std::max(r.last, position_);
  }
  // Whether kernels may rely on the alignment of what is state to them: not in a caller's memory, nor inside
  // of another value.
  bool aligned(const Place& p) const {
    const RootBase base = out_.roots[p.root.index].base;
    const bool ours = base == RootBase::state || base == RootBase::arena || base == RootBase::global;
    return ours && p.offset == Dim(0) && p.steps.empty();
  }
  void place_arena();

  // Scopes: plan_scope.cpp.
  std::unique_ptr<Scope> scope(const ScheduledGraph& scheduled, const std::vector<Place>& args,
                               const std::vector<Destination>& results);
  std::vector<bool> place_constants(const ScheduledGraph& scheduled, Scope* s);
  void copy_results(Scope* s, const std::vector<Destination>& results, const std::vector<bool>& direct,
                    const std::set<uint32_t>& overwritten);
  void place_group(Scope* s, int32_t group);
  void add_scratch(Scope* s, int32_t group);
  void cut_group(Scope* s, int32_t group);

  // Control flow: plan_control.cpp.
  void control(const ScheduledGraph& scheduled, Scope* s, int32_t group);
  Place operand_place(const Scope& s, const Node& node, size_t i) const;
  void loop(const ScheduledGraph& scheduled, Scope* s, int32_t group);
  void cond(const ScheduledGraph& scheduled, Scope* s, int32_t group);
  void apply(Scope* s, int32_t group);

  // Order: plan_order.cpp.
  class Order;
  std::vector<Read> reads(const Scope& s, const Group& group) const;
  bool group_fails(const Scope& s, const Group& group) const;
  void order_groups(Scope* s, const std::vector<Destination>& results, std::vector<bool>* direct);

  // Places that spare a copy: plan_places.cpp.
  std::vector<RootId> panel_constants(Scope* s);
  int32_t sums_output(const Scope& s, const Group& group) const;
  bool lies_inside(Scope* s, const Group& group, const std::vector<bool>& returned);
  bool movable(const Scope& s, ValueId stored, const std::vector<bool>& returned) const;
  std::set<int32_t> place_parts(Scope* s, const std::vector<bool>& returned,
                                const std::set<uint32_t>& overwritten);

  const ir::Module& module_;
  const ir::Function& function_;
  const Sizes& sizes_;
  Layout* layout_;
  const Procedures& procedures_;
  const bool procedure_;
  const PlanOptions& options_;
  Plan out_;
  std::map<std::string, RootId> global_roots_, hyper_roots_;
  std::vector<std::pair<RootId, const Application*>> arenas_;  // of procedures that are applied
  uint32_t position_ = 0;
};

}  // namespace tenon::lower
