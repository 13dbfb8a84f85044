#include "lower/plan.h"

#include <algorithm>
#include <unordered_set>

#include "lower/planner.h"
#include "lower/registers.h"

namespace tenon::lower {
bool same_place(const Place& a, const Place& b) {
  if (!(a.root == b.root) || !(a.index == b.index) || a.steps.size() != b.steps.size()) return false;
  if (!(a.offset == b.offset)) return false;
  for (size_t i = 0; i < a.steps.size(); ++i)
    if (!(a.steps[i].loop == b.steps[i].loop) || !(a.steps[i].stride == b.steps[i].stride)) return false;
  return true;
}

Plan Planner::run(const ScheduledGraph& scheduled) {
  const Graph& graph = function_.graph;
  std::vector<Place> args(graph.args.size());
  uint32_t inputs = 0;
  std::unordered_set<std::string_view> hypers;
  for (const ir::Global& g : module_.globals)
    if (g.kind == ir::GlobalKind::hyper) hypers.insert(g.name);
  if (procedure_)
    for (const ir::AppliedArgument& a : ir::applied_arguments(module_, function_))
      if (a.global) out_.globals.emplace_back(a.name);
  for (size_t i = 0; i < graph.args.size(); ++i) {
    const ir::Value& v = graph.value(graph.args[i]);
    Root root;
    root.dtype = v.type.dtype;
    root.count = v.type.count();
    root.name = v.name;
    if (v.arg == ir::ArgKind::global) {
      args[i].root = hypers.contains(v.name) ? hyper_root(v.name, v.type.dtype) : global_root(v.name);
      continue;
    } else {
      root.base = RootBase::input;
      root.slot = inputs++;
      out_.inputs.push_back(graph.args[i]);
    }
    args[i].root = add(std::move(root));
  }
  std::vector<Destination> results(graph.results.size());
  for (size_t i = 0; i < graph.results.size(); ++i) {
    if (i < function_.returns) {
      Root root{RootBase::output, graph.type(graph.results[i]).dtype, graph.type(graph.results[i]).count()};
      root.name = i < function_.result_names.size() ? function_.result_names[i] : "";
      root.slot = static_cast<uint32_t>(i);
      results[i].place.root = add(std::move(root));
    } else {
      results[i].place.root = global_root(function_.writes[i - function_.returns].global);
      results[i].holds_old = true;
    }
  }
  out_.scope = scope(scheduled, args, results);
  place_arena();
  out_.uses.assign(out_.roots.size(), 0);
  count_uses(*out_.scope, &out_.uses);
  return std::move(out_);
}

RootId Planner::global_root(const std::string& name) {
  auto [it, fresh] = global_roots_.try_emplace(name);
  if (!fresh) return it->second;
  Root root;
  root.name = name;
  if (procedure_) {
    const ir::Type& type = module_.find_global(name)->type;
    root.base = RootBase::global;
    root.dtype = type.dtype;
    root.count = type.count();
    root.slot = static_cast<uint32_t>(std::find(out_.globals.begin(), out_.globals.end(), name) -
                                      out_.globals.begin());
  } else {
    const kernel::StateSlot* slot = layout_->find(name);
    TENON_CHECK(slot != nullptr, name);
    root.base = RootBase::state;
    root.dtype = slot->dtype;
    root.count = Dim(static_cast<int64_t>(slot->bytes / dtype_bytes(slot->dtype)));
    root.offset = slot->offset;
  }
  return it->second = add(std::move(root));
}

RootId Planner::hyper_root(const std::string& name, DType dtype) {
  auto [it, fresh] = hyper_roots_.try_emplace(name);
  if (fresh) it->second = add(Root{RootBase::hyper, dtype, Dim(1), name});
  return it->second;
}

RootId Planner::arena_root(const ir::Type& type, std::string name) {
  Root root{RootBase::arena, type.dtype, type.count()};
  root.name = std::move(name);
  return add(std::move(root));
}

RootId Planner::constant_root(const std::shared_ptr<const Array>& array) {
  Root root{RootBase::constants, array->dtype(), Dim(array->count())};
  root.offset = layout_->constant_offset(array);
  return add(std::move(root));
}

namespace {

// Of an arena, at usual sizes: enough to tell what is large.
int64_t usual_bytes(const Sizes& sizes, const Plan& plan) {
  int64_t all = 0;
  for (const Plan::Block& block : plan.arena)
    all += block.application == nullptr ? sizes.usual(block.bytes)
                                        : usual_bytes(sizes, *block.application->procedure->plan);
  return all;
}

}  // namespace

void Planner::place_arena() {
  // Large first. Symbolic sizes are compared at a usual value, so that the layout does not depend on ranges.
  std::vector<const Application*> applied(out_.roots.size());
  for (const auto& [root, application] : arenas_) applied[root.index] = application;
  std::vector<uint32_t> order;
  for (uint32_t r = 0; r < out_.roots.size(); ++r)
    if (out_.roots[r].base == RootBase::arena && out_.roots[r].first != ~0u) order.push_back(r);
  auto high = [&](uint32_t r) {
    return applied[r] != nullptr ? usual_bytes(sizes_, *applied[r]->procedure->plan)
                                 : sizes_.usual(out_.roots[r].count);
  };
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return high(a) != high(b) ? high(a) > high(b) : a < b; });
  for (uint32_t r : order)
    out_.arena.push_back({RootId(r),
                          out_.roots[r].count * Dim(static_cast<int64_t>(dtype_bytes(out_.roots[r].dtype))),
                          applied[r]});
}

Plan plan(const ir::Module& module, const ir::Function& function, const ScheduledGraph& graph,
          const Sizes& sizes, Layout* layout, const Procedures& procedures, bool procedure,
          const PlanOptions& options) {
  return Planner(module, function, sizes, layout, procedures, procedure, options).run(graph);
}

Places place_module(const ScheduledModule& scheduled, const Options& options) {
  const ir::Module& module = *scheduled.module;
  Places out;
  out.layout = layout_state(module, options.state_like);
  std::set<std::string> applied;
  for (const ScheduledFunction& f : scheduled.functions) ir::collect_applied(f.function->graph, &applied);
  for (const ScheduledFunction& f : scheduled.functions) {
    const bool procedure = applied.contains(f.function->name);
    out.procedures.push_back(procedure);
    out.plans.push_back(std::make_unique<const Plan>(plan(
        module, *f.function, *f.graph, *scheduled.sizes, &out.layout, out.applied, procedure, options.plan)));
    if (procedure) out.applied[f.function->name] = {f.function, out.plans.back().get()};
  }
  return out;
}

}  // namespace tenon::lower
