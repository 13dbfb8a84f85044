// procedures: replaces what is applied and small by its nodes, so that it fuses with what stands around it;
// what is large stays one procedure, compiled once for all that apply it. Needs primitives, by whose
// operations it decides. Bits are kept: the same operations run in the same order.
#include "ir/apply.h"
#include "ir/counts.h"
#include "ir/inline_calls.h"
#include "passes/passes.h"

namespace tenon::passes {
namespace {

// Operations at usual sizes (ir::usual_ranges). Below it, what a call and the copies of its operands cost is
// much beside the work: some ten microseconds of one core.
constexpr int64_t least_work = int64_t{1} << 19;

// Conds and loops with a predicate run in one kernel, which calls nothing.
void collect_unfit(const ir::Graph& graph, bool inside, std::set<std::string>* names) {
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const ir::Node& node = graph.node(ir::NodeId(i));
    if (inside && ir::is_apply(node)) names->insert(node.get<std::string>("callee"));
    const bool kernel = ir::is_control(node, ir::Control::cond) ||
                        (ir::is_control(node, ir::Control::loop) && node.get<bool>("predicate"));
    for (const auto& region : node.regions) collect_unfit(*region, inside || kernel, names);
  }
}

Result<bool> run(ir::Module& module, const pass::Options& /*options*/, pass::Counts& counts) {
  const ir::DimRanges usual = ir::usual_ranges(module.dims);
  std::set<std::string> applied;
  for (const ir::Function& f : module.functions) ir::collect_applied(f.graph, &applied);
  if (applied.empty()) return false;
  std::set<std::string> small;
  for (const std::string& name : applied)
    if (ir::graph_flops(module, module.find_function(name)->graph).range(usual).high < least_work)
      small.insert(name);
  bool changed = false;
  for (ir::Function& f : module.functions) {
    std::set<std::string> own, out;
    ir::collect_applied(f.graph, &own);
    collect_unfit(f.graph, false, &out);
    for (const std::string& name : own)
      if (small.contains(name)) out.insert(name);
    if (out.empty()) continue;
    TENON_TRY(ir::inline_calls(module, f.graph,
                               [&](std::string_view name) { return out.contains(std::string(name)); }));
    counts["inlined procedure"] += out.size();
    changed = true;
  }
  applied.clear();
  for (const ir::Function& f : module.functions) ir::collect_applied(f.graph, &applied);
  module.functions.erase_if([&](const ir::Function& f) { return f.procedure && !applied.contains(f.name); });
  return changed;
}

}  // namespace

const Pass procedures{
    {"procedures",
     "needs primitives; puts in what is applied and small, the rest stays a procedure and is compiled once"},
    run};

}  // namespace tenon::passes
