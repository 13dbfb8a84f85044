#include "lower/lower.h"

#include <algorithm>

#include "ir/print.h"
#include "ir/substitute.h"
#include "lower/canonical.h"
#include "lower/entry.h"

namespace tenon::lower {
namespace {

void explain(const std::string& function, const Scope& s, std::vector<Explanation>* out) {
  const std::vector<std::string> names = ir::value_names(*s.graph);
  // An operation of a thousand operands stands on a thousand edges: each text is made once, and cut.
  constexpr size_t longest = 400;
  std::unordered_map<uint32_t, std::string> texts;
  const auto text = [&](NodeId node) -> const std::string& {
    const auto [at, fresh] = texts.try_emplace(node.index);
    if (fresh) {
      at->second = ir::node_text(*s.graph, node, names);
      if (at->second.size() > longest) {
        size_t end = longest;
        while (end > 0 && (at->second[end] & 0xc0) == 0x80) --end;  // not within a character
        at->second.replace(end, std::string::npos, " …");
      }
    }
    return at->second;
  };
  for (const EdgeNote& n : s.fusion.notes)
    out->push_back({function, text(n.producer), text(n.consumer), n.reason, n.fused});
  for (const auto& regions : s.regions)
    for (const auto& region : regions) explain(function, *region, out);
}

// Kernels know the sizes that callers give: computed dimensions become what they are computed from. Their
// ranges, which the graph was checked by, are tested by the functions that use them, where they do not
// follow.
std::map<std::string, std::vector<SizeGuard>> take_out_computed(ir::Module& module) {
  std::map<std::string, std::vector<SizeGuard>> guards;
  const auto computed = ir::computed_dims(module.dims);
  for (ir::Function& f : module.functions) {
    std::set<std::string> used;
    collect_dims(f.graph, &used);
    for (const auto& [name, value] : computed) {
      if (!used.contains(name)) continue;
      const ir::DimRange declared = module.dims.at(name), follows = value.range(module.dims);
      if (follows.low < declared.low || follows.high > declared.high)
        guards[f.name].push_back({name, value, declared});
    }
    ir::substitute_dims(f.graph, computed);
  }
  for (const auto& [name, value] : computed) {
    module.dims.erase(name);
    std::erase(module.dim_order, name);
  }
  return guards;
}

}  // namespace

Result<kernel::Module> lower(const ir::Module& given, const Options& options,
                             std::vector<Explanation>* explanations) {
  ir::Module substituted;
  std::map<std::string, std::vector<SizeGuard>> guards;
  const bool computes = !ir::computed_dims(given.dims).empty();
  if (computes) guards = take_out_computed(substituted = given);
  const ir::Module& module = computes ? substituted : given;
  TENON_CHECK(options.target != nullptr);
  kernel::Module out;
  out.name = module.name;
  out.target = std::string(options.target->name);
  Layout layout = layout_state(module, options.state_like);
  Kernels kernels;
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
    prepared.batch = f.batch;
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
    EntryEmitter emitter(module, prepared, prepared.graph, p, options, &out, &kernels);
    emitter.guard(std::move(guards[f.name]));
    emitter.run();
  }
  out.state = layout.state;
  out.state_bytes = layout.state_bytes;
  out.constants = layout.constants;
  out.constant_bytes = layout.constant_bytes;
  return out;
}

}  // namespace tenon::lower
