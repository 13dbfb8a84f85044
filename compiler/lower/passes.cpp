// The passes of lowering: see passes.h. What each does stands in a file of its own; here is their order.
#include "lower/passes.h"

#include <algorithm>

#include "ir/canonical.h"
#include "ir/made_names.h"
#include "ir/substitute.h"
#include "lower/entry.h"
#include "lower/lower.h"
#include "lower/schedule_text.h"
#include "support/text.h"

namespace tenon::lower {
namespace {

using Guards = std::map<std::string, std::vector<SizeGuard>>;

// Kernels know the sizes that callers give: computed dimensions become what they are computed from. Their
// ranges, which the graph was checked by, are tested by the functions that use them, where they do not
// follow.
Guards take_out_computed(ir::Module& module) {
  Guards guards;
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

Status follows(const ScheduledModule& module, Progress wanted, const Pass& pass, std::string_view before) {
  if (module.progress == wanted) return Ok{};
  const std::string name(pass.name);
  if (module.progress > wanted)
    return error(Code::pass_unknown, "pass " + name + " has run already", "each pass of lowering runs once");
  return error(Code::pass_unknown, "pass " + name + " needs pass " + std::string(before) + " before it",
               "the passes of lowering run in this order: " + pipeline_text());
}

Result<bool> run_prepare(ScheduledModule& m, const pass::Options& options, pass::Counts& counts) {
  TENON_TRY(follows(m, Progress::begun, prepare, ""));
  ir::Module& module = *m.module;
  Guards guards;
  if (!ir::computed_dims(module.dims).empty()) guards = take_out_computed(module);
  *m.usual = usual_ranges(module.dims);
  if (const auto given = options.find("target"); given != options.end()) {
    m.options.target = target::find_target(given->second);
    if (m.options.target == nullptr)
      return error(Code::target_unsupported, "no target is named " + given->second);
  }
  m.sizes = std::make_unique<Sizes>(module.dims, *m.usual, *m.options.target);
  for (ir::Function& f : module.functions) {
    ir::order_globals(module, &f);
    const size_t nodes = f.graph.node_count();
    f.graph = prepare_contractions(f.graph, module);
    if (f.graph.node_count() > nodes) counts["copies for products"] += f.graph.node_count() - nodes;
    // Kernels and explanations speak of values as the dump does.
    f.result_names = ir::result_names(f);
    ir::name_values(f.graph);
  }
  for (const ir::Function& f : module.functions)
    m.functions.push_back({.function = &f, .guards = std::move(guards[f.name])});
  m.progress = Progress::prepared;
  return true;
}

// Of a graph and its regions.
void count_edges(const ScheduledGraph& graph, pass::Counts* counts) {
  for (const EdgeNote& n : graph.fusion.notes) ++(*counts)[n.fused ? "edges fused" : "edges refused"];
  for (const auto& regions : graph.regions)
    for (const auto& region : regions) count_edges(*region, counts);
}

Result<bool> run_fuse(ScheduledModule& m, const pass::Options& options, pass::Counts& counts) {
  TENON_TRY(follows(m, Progress::prepared, fuse_groups, prepare.name));
  TENON_ASSIGN(m.options.fuse.enabled, pass::yes_or_no(options, "enabled", m.options.fuse.enabled));
  std::set<std::string> cannot_fail;
  for (ScheduledFunction& f : m.functions) {
    const Graph& graph = f.function->graph;
    f.ranges = std::make_unique<IndexRanges>(graph, m.module->dims, cannot_fail);
    if (!f.ranges->may_fail(graph) && f.guards.empty()) cannot_fail.insert(f.function->name);
    f.graph = group_regions(graph, *f.ranges, m.options.fuse);
    count_edges(*f.graph, &counts);
  }
  m.progress = Progress::fused;
  return true;
}

void count_groups(const ScheduledGraph& graph, pass::Counts* counts) {
  for (size_t n = 0; n < graph.fusion.groups.size(); ++n) {
    ++(*counts)[std::string(kind_name(graph.fusion.groups[n].kind))];
    for (const auto& region : graph.regions[n]) count_groups(*region, counts);
  }
}

Result<bool> run_schedule(ScheduledModule& m, const pass::Options& /*options*/, pass::Counts& counts) {
  TENON_TRY(follows(m, Progress::fused, choose_schedules, fuse_groups.name));
  for (ScheduledFunction& f : m.functions) {
    schedule_groups(f.graph.get(), *m.sizes);
    count_groups(*f.graph, &counts);
  }
  m.progress = Progress::scheduled;
  return true;
}

Result<bool> run_place(ScheduledModule& m, const pass::Options& options, pass::Counts& counts) {
  TENON_TRY(follows(m, Progress::scheduled, place_values, choose_schedules.name));
  TENON_ASSIGN(m.options.plan.in_place, pass::yes_or_no(options, "in_place", m.options.plan.in_place));
  m.places = std::make_shared<const Places>(place_module(m, m.options));
  for (const auto& plan : m.places->plans) counts["blocks of arenas"] += plan->arena.size();
  return true;
}

constexpr pass::OptionAbout prepare_options[] = {{"target", "the processor that is compiled for"}};
constexpr pass::OptionAbout fuse_options[] = {{"enabled", "no: every operation is a group of its own"}};
constexpr pass::OptionAbout place_options[] = {
    {"in_place", "no: nothing is written over what it replaces before the end"}};

}  // namespace

const Pass prepare{
    {"prepare",
     "needs primitives; sizes are those that callers give, right factors of products lie so that "
     "tiles read vectors",
     prepare_options},
    run_prepare};
const Pass fuse_groups{
    {"fuse",
     "needs prepare; every operation is in one group that can be a kernel, or is made where it "
     "is read",
     fuse_options},
    run_fuse};
const Pass choose_schedules{
    {"schedule", "needs fuse; every group has a schedule, which decides its speed and no bit"}, run_schedule};
const Pass place_values{
    {"place",
     "needs schedule; every value has a place, and what is replaced is written in place where it can be",
     place_options},
    run_place};

const std::vector<const Pass*>& all() {
  static const std::vector<const Pass*> passes{&prepare, &fuse_groups, &choose_schedules, &place_values};
  return passes;
}

const std::vector<pass::Step<ScheduledModule>>& pipeline() {
  static const std::vector<pass::Step<ScheduledModule>> steps(all().begin(), all().end());
  return steps;
}

std::string pipeline_text() {
  std::vector<std::string> names;
  for (const Pass* p : all()) names.emplace_back(p->name);
  return join(names, ",");
}

std::string passes_reference() {
  std::string out =
      "\n## Lowering\n\nBehind them: each makes one kind of decision, which stands in the text of the stage "
      "[scheduled](schedule.md).\n\n"
      "| pass | what it needs, and what it guarantees | options |\n| --- | --- | --- |\n";
  for (const Pass* p : all()) {
    out += "| `" + std::string(p->name) + "` | " + std::string(p->about) + " | ";
    for (const pass::OptionAbout& o : p->options)
      out += "`" + std::string(o.name) + "`: " + std::string(o.about) + " ";
    out += "|\n";
  }
  return out;
}

Result<ScheduledModule> begin(ir::Module module, const Options& options) {
  TENON_CHECK(options.target != nullptr);
  for (const std::string& name : options.functions)
    if (module.find_function(name) == nullptr)
      return error(Code::undefined_name, "no function is named " + name);
  ScheduledModule out;
  out.options = options;
  out.module = std::make_unique<ir::Module>(std::move(module));
  out.module->stage = "scheduled";
  if (!options.functions.empty()) {
    const std::set<std::string_view> wanted(options.functions.begin(), options.functions.end());
    Named<ir::Function> kept;
    for (ir::Function& f : out.module->functions)
      if (wanted.contains(f.name) || f.procedure) kept.push_back(std::move(f));
    out.module->functions = std::move(kept);
  }
  out.usual = std::make_unique<ir::DimRanges>(usual_ranges(out.module->dims));
  out.sizes = std::make_unique<Sizes>(out.module->dims, *out.usual, *options.target);
  return out;
}

}  // namespace tenon::lower
