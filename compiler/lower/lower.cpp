#include "lower/lower.h"

#include <algorithm>

#include "ir/print.h"
#include "lower/canonical.h"
#include "lower/entry.h"

namespace tenon::lower {
namespace {

void explain(const std::string& function, const Scope& s, std::vector<Explanation>* out) {
  const std::vector<std::string> names = ir::value_names(*s.graph);
  const auto text = [&](NodeId node) { return ir::node_text(*s.graph, node, names); };
  for (const EdgeNote& n : s.fusion.notes)
    out->push_back({function, text(n.producer), text(n.consumer), n.reason, n.fused});
  for (const auto& regions : s.regions)
    for (const auto& region : regions) explain(function, *region, out);
}

}  // namespace

Result<kernel::Module> lower(const ir::Module& module, const Options& options,
                             std::vector<Explanation>* explanations) {
  TENON_CHECK(options.target != nullptr);
  kernel::Module out;
  out.name = module.name;
  out.target = std::string(options.target->name);
  Layout layout = layout_state(module);
  for (const std::string& name : options.functions)
    if (module.find_function(name) == nullptr)
      return error(Code::undefined_name, "no function is named " + name);
  for (const ir::Function& f : module.functions) {
    if (!options.functions.empty() &&
        std::find(options.functions.begin(), options.functions.end(), f.name) == options.functions.end())
      continue;
    ir::Function prepared;
    prepared.name = f.name;
    prepared.origin = f.origin;
    prepared.graph = f.graph;
    prepared.returns = f.returns;
    prepared.result_names = f.result_names;
    prepared.writes = f.writes;
    prepared.mode = f.mode;
    order_globals(module, &prepared);
    prepared.graph = prepare_contractions(prepared.graph, module);
    PlanOptions plan_options = options.plan;
    plan_options.target = options.target;
    Plan p = plan(module, prepared, &layout, plan_options);
    if (explanations != nullptr) explain(f.name, *p.scope, explanations);
    EntryEmitter(module, prepared, prepared.graph, p, options, &out).run();
  }
  out.state = layout.state;
  out.state_bytes = layout.state_bytes;
  out.constants = layout.constants;
  out.constant_bytes = layout.constant_bytes;
  return out;
}

}  // namespace tenon::lower
