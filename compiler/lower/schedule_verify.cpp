// What holds of a scheduled module after each pass: groups cover its operations and stand in an order in
// which they can run, schedules are of what their groups compute and can run so, and what is made has a
// place.
#include "lower/passes.h"
#include "lower/plan.h"
#include "lower/schedule_text.h"

namespace tenon::lower {
namespace {

class Verifier {
 public:
  Verifier(const ScheduledModule& module, const std::string& function)
      : module_(module), function_(function) {}

  void graph(const ScheduledGraph& g, const Scope* scope) {
    cover(g);
    order(g);
    if (module_.progress == Progress::scheduled) schedules(g);
    if (scope != nullptr) places(g, *scope);
    for (size_t n = 0; n < g.regions.size(); ++n) {
      const Group& group = g.fusion.groups[n];
      const size_t wanted =
          group.kind == GroupKind::control ? g.graph->node(group.nodes[0]).regions.size() : 0;
      if (g.regions[n].size() != wanted) return fail(n, "has not the groups of its regions");
      for (size_t r = 0; r < wanted; ++r)
        graph(*g.regions[n][r],
              scope != nullptr && r < scope->regions[n].size() ? scope->regions[n][r].get() : nullptr);
    }
  }
  Errors take() { return std::move(errors_); }

 private:
  void fail(size_t group, const std::string& what) {
    errors_.append(error(Code::schedule, function_ + ": group " + std::to_string(group) + " " + what));
  }

  void cover(const ScheduledGraph& g) {
    std::vector<int32_t> seen(g.graph->node_count(), -1);
    for (size_t n = 0; n < g.fusion.groups.size(); ++n)
      for (const NodeId id : g.fusion.groups[n].nodes) {
        if (seen[id.index] >= 0) fail(n, "holds what group " + std::to_string(seen[id.index]) + " holds");
        seen[id.index] = static_cast<int32_t>(n);
      }
    for (size_t i = 0; i < seen.size(); ++i)
      if (seen[i] != g.fusion.group_of[i])
        fail(static_cast<size_t>(std::max(seen[i], g.fusion.group_of[i])), "and its operations disagree");
  }

  // Values come from groups before, through what is made where it is read.
  void order(const ScheduledGraph& g) {
    std::vector<int32_t> latest(g.graph->node_count(), -1);
    for (size_t i = 0; i < latest.size(); ++i) {
      const int32_t own = g.fusion.group_of[i];
      int32_t needs = -1;
      for (const ValueId v : g.graph->node(NodeId(i)).operands)
        if (const NodeId from = g.graph->value(v).node; from.valid())
          needs = std::max(needs, latest[from.index]);
      if (own >= 0 && needs > own) fail(static_cast<size_t>(own), "reads what comes behind it");
      latest[i] = own >= 0 ? own : needs;
    }
  }

  void schedules(const ScheduledGraph& g) {
    if (g.schedules.size() != g.fusion.groups.size()) return fail(g.schedules.size(), "has no schedule");
    for (size_t n = 0; n < g.schedules.size(); ++n) {
      const Schedule& s = g.schedules[n];
      const Composed& c = g.composed[n];
      if (std::holds_alternative<PointwiseSchedule>(s) != std::holds_alternative<PointwiseTerms>(c) ||
          std::holds_alternative<ReduceSchedule>(s) != std::holds_alternative<ReduceTerms>(c) ||
          std::holds_alternative<ContractSchedule>(s) != std::holds_alternative<ContractTerms>(c)) {
        fail(n, "has the schedule of another kind");
      } else if (const std::string why = why_not(g, n, *module_.sizes, s); !why.empty()) {
        fail(n, "cannot run so: " + why);
      }
    }
  }

  void places(const ScheduledGraph& g, const Scope& scope) {
    for (size_t n = 0; n < g.fusion.groups.size(); ++n)
      for (const ValueId v : g.fusion.groups[n].outputs)
        if (scope.places[v.index].none()) fail(n, "makes a value without a place");
  }

  const ScheduledModule& module_;
  const std::string& function_;
  Errors errors_;
};

}  // namespace

Status verify(const ScheduledModule& module) {
  Errors errors;
  for (size_t i = 0; i < module.functions.size(); ++i) {
    const ScheduledFunction& f = module.functions[i];
    if (f.graph == nullptr) continue;
    Verifier v(module, f.function->name);
    v.graph(*f.graph, module.places == nullptr ? nullptr : module.places->plans[i]->scope.get());
    errors.append(v.take());
  }
  if (!errors.empty()) return errors;
  return Ok{};
}

}  // namespace tenon::lower
