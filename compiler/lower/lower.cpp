#include "lower/lower.h"

#include <algorithm>

#include "ir/made_names.h"
#include "ir/print.h"
#include "ir/substitute.h"
#include "lower/canonical.h"
#include "lower/entry.h"

namespace tenon::lower {
namespace {

void explain_graph(const std::string& function, const ScheduledGraph& s, std::vector<Explanation>* out) {
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
    for (const auto& region : regions) explain_graph(function, *region, out);
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

namespace {

// `kernel`: what runs as one, and calls nothing.
bool is_primitive(const ir::Graph& graph, bool kernel) {
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const ir::Node& node = graph.node(ir::NodeId(i));
    if (node.op->composite() != nullptr || ir::is_control(node, ir::Control::call)) return false;
    if (kernel && ir::is_apply(node)) return false;
    const bool inside = kernel || ir::is_control(node, ir::Control::cond) ||
                        (ir::is_control(node, ir::Control::loop) && node.get<bool>("predicate"));
    for (const auto& region : node.regions)
      if (!is_primitive(*region, inside)) return false;
  }
  return true;
}

}  // namespace

bool is_primitive(const ir::Graph& graph) { return is_primitive(graph, false); }

std::vector<Explanation> explain(const ScheduledModule& module) {
  std::vector<Explanation> out;
  for (const ScheduledFunction& f : module.functions) explain_graph(f.function->name, *f.graph, &out);
  return out;
}

Result<ScheduledModule> schedule_module(const ir::Module& given, const Options& options) {
  TENON_CHECK(options.target != nullptr);
  for (const std::string& name : options.functions)
    if (given.find_function(name) == nullptr)
      return error(Code::undefined_name, "no function is named " + name);
  ScheduledModule out;
  out.module = std::make_unique<ir::Module>(given);
  ir::Module& module = *out.module;
  module.stage = "scheduled";
  if (!options.functions.empty()) {
    const std::set<std::string_view> wanted(options.functions.begin(), options.functions.end());
    Named<ir::Function> kept;
    for (ir::Function& f : module.functions)
      if (wanted.contains(f.name) || f.procedure) kept.push_back(std::move(f));
    module.functions = std::move(kept);
  }
  std::map<std::string, std::vector<SizeGuard>> guards;
  if (!ir::computed_dims(module.dims).empty()) guards = take_out_computed(module);
  out.usual = std::make_unique<ir::DimRanges>(usual_ranges(module.dims));
  out.sizes = std::make_unique<Sizes>(module.dims, *out.usual, *options.target);
  for (ir::Function& f : module.functions) {
    order_globals(module, &f);
    f.graph = prepare_contractions(f.graph, module);
    // Kernels and explanations speak of values as the dump does.
    f.result_names = ir::result_names(f);
    ir::name_values(f.graph);
  }
  std::set<std::string> cannot_fail;
  for (const ir::Function& f : module.functions) {
    ScheduledFunction s{&f, std::move(guards[f.name])};
    s.ranges = std::make_unique<IndexRanges>(f.graph, module.dims, cannot_fail);
    if (!s.ranges->may_fail(f.graph) && s.guards.empty()) cannot_fail.insert(f.name);
    s.graph = schedule_graph(f.graph, *s.ranges, *out.sizes, options.fuse);
    out.functions.push_back(std::move(s));
  }
  return out;
}

kernel::Module emit_module(const ScheduledModule& scheduled, const Options& options) {
  const ir::Module& module = *scheduled.module;
  kernel::Module out;
  out.name = module.name;
  out.target = std::string(scheduled.sizes->target().name);
  Layout layout = layout_state(module, options.state_like);
  Kernels kernels;
  std::set<std::string> applied;
  for (const ScheduledFunction& f : scheduled.functions) ir::collect_applied(f.function->graph, &applied);
  Procedures procedures;
  std::vector<std::unique_ptr<const Plan>> plans;  // procedures' plans are read by those that apply them
  for (const ScheduledFunction& f : scheduled.functions) {
    const bool procedure = applied.contains(f.function->name);
    plans.push_back(std::make_unique<const Plan>(
        plan(module, *f.function, *f.graph, *scheduled.sizes, &layout, procedures, procedure, options.plan)));
    const Plan& p = *plans.back();
    auto emitter = [&] { return EntryEmitter(scheduled, f, p, layout, options, &out, &kernels); };
    if (!procedure) {
      emitter().run();
      plans.pop_back();
      continue;
    }
    emitter().run_procedure();
    if (!f.function->procedure) emitter().run_caller();
    procedures[f.function->name] = {f.function, &p};
  }
  out.state = layout.state;
  out.state_bytes = layout.state_bytes;
  out.constants = layout.constants;
  out.constant_bytes = layout.constant_bytes;
  return out;
}

}  // namespace tenon::lower
