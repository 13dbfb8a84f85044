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

std::unique_ptr<Scope> Planner::scope(const ScheduledGraph& scheduled, const std::vector<Place>& args,
                                      const std::vector<Destination>& results) {
  const Graph& graph = *scheduled.graph;
  auto s = std::make_unique<Scope>(scheduled);
  s->places.resize(graph.value_count());
  const size_t groups = s->fusion.groups.size();
  s->regions.resize(groups);
  s->scratch.resize(groups);
  s->touches.resize(groups);
  s->works.resize(groups);
  s->packs.resize(groups);
  s->applications.resize(groups);
  s->moves.resize(groups);
  s->sums.assign(groups, -1);
  s->may_fail = s->fusion.ranges->may_fail(graph);
  for (size_t i = 0; i < graph.args.size(); ++i) s->places[graph.args[i].index] = args[i];
  const std::vector<RootId> panelled = panel_constants(s.get());
  // Stored constants live in the constants block, not in the arena.
  std::vector<bool> constant(graph.value_count(), false);
  for (const auto& [v, array] : scheduled.constants) {
    constant[v.index] = true;
    s->places[v.index].root = panelled[v.index].valid() ? panelled[v.index] : constant_root(array);
  }

  std::vector<bool> direct;
  order_groups(s.get(), results, &direct);

  // Results that are arguments (or constants, views): copied at the end, from a copy taken at the start where
  // this graph overwrites their source.
  std::set<uint32_t> overwritten;
  for (const Destination& d : results)
    if (d.holds_old && d.place.root.valid()) overwritten.insert(d.place.root.index);
  for (size_t i = 0; i < results.size(); ++i)
    if (direct[i] && !constant[graph.results[i].index]) s->places[graph.results[i].index] = results[i].place;
  std::vector<Item> first, last;
  for (size_t i = 0; i < results.size(); ++i) {
    ValueId v = graph.results[i];
    if (direct[i] && !constant[v.index]) continue;
    Place source = s->places[storage_of(graph, v).index];
    ValueId stored = storage_of(graph, v);
    bool is_arg = !graph.value(stored).node.valid();
    if (is_arg && same_place(source, results[i].place)) continue;
    if (is_arg && source.root.valid() && overwritten.count(source.root.index) != 0) {
      Place copy;
      copy.root = arena_root(graph.type(v), "old");
      Item item;
      item.copy = {source, copy, graph.type(v)};
      first.push_back(std::move(item));
      source = copy;
    }
    Item item;
    item.copy = {source, results[i].place, graph.type(v)};  // source: filled below where not yet placed
    item.writes_old = results[i].holds_old;
    item.copy.from = is_arg || source.root.valid() ? source : Place{};
    if (item.copy.from.none()) {
      // A value made here, without a place of its own yet.
      s->places[stored.index].root = arena_root(graph.type(stored), graph.value(stored).name);
      item.copy.from = s->places[stored.index];
    }
    last.push_back(std::move(item));
  }
  // Constants need no kernel.
  std::erase_if(s->items, [&](const Item& item) {
    // Control flow that is kept for what may fail in it has no results.
    const Node& node = graph.node(s->fusion.groups[static_cast<size_t>(item.group)].nodes[0]);
    return !node.results.empty() && constant[node.results[0].index];
  });
  s->items.insert(s->items.begin(), first.begin(), first.end());
  s->items.insert(s->items.end(), last.begin(), last.end());

  std::erase_if(s->items, [&](const Item& item) {
    if (item.group < 0) return false;
    const Group& group = s->fusion.groups[static_cast<size_t>(item.group)];
    bool computes = group.kind == GroupKind::pointwise || group.kind == GroupKind::reduce ||
                    group.kind == GroupKind::contract;
    return computes && group.outputs.empty();
  });
  std::vector<bool> returned(graph.value_count(), false);
  for (ValueId v : graph.results) returned[storage_of(graph, v).index] = true;
  const std::set<int32_t> nothing_to_do = place_parts(s.get(), returned, overwritten);
  std::erase_if(s->items, [&](Item& item) {
    ++position_;
    if (item.group < 0) {
      touch(item.copy.from);
      touch(item.copy.to);
      return false;
    }
    const Group& group = s->fusion.groups[static_cast<size_t>(item.group)];
    if (lies_inside(s.get(), group, returned)) return true;
    if (nothing_to_do.count(item.group) != 0) {
      touch(s->places[group.outputs[0].index]);
      return true;
    }
    const bool control_flow = group.kind == GroupKind::control;
    std::vector<Touch>& touches = s->touches[static_cast<size_t>(item.group)];
    for (const Read& r : reads(*s, group)) {
      const Place& p = s->places[r.value.index];
      touch(p);
      if (!control_flow) touches.push_back({p, graph.type(r.value).count(), false, r.dynamic, r.constant});
    }
    for (ValueId v : group.outputs) {
      Place& p = s->places[v.index];
      if (p.none()) p.root = arena_root(graph.type(v), graph.value(v).name);
      touch(p);
      if (!control_flow) touches.push_back({p, graph.type(v).count(), true, false, false});
    }
    int32_t& sums = s->sums[static_cast<size_t>(item.group)];
    sums = sums_output(*s, group);
    add_scratch(s.get(), item.group);
    for (NodeId id : group.nodes)
      for (ValueId v : graph.node(id).results)
        item.writes_old = item.writes_old || overwritten.count(s->places[v.index].root.index) != 0;
    if (group.kind == GroupKind::control) control(scheduled, s.get(), item.group);
    cut_group(s.get(), item.group);
    return false;
  });
  // Views have the place of what they show.
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const Node& node = graph.node(NodeId(i));
    if (node.op->view() == nullptr) continue;
    s->places[node.results[0].index] = s->places[storage_of(graph, node.results[0]).index];
  }
  return s;
}

void Planner::add_scratch(Scope* s, int32_t number) {
  const auto n = static_cast<size_t>(number);
  const auto* terms = std::get_if<ContractTerms>(&s->composed[n]);
  if (terms == nullptr) return;
  const Dim results = s->graph->type(terms->dot->results[0]).count();
  for (const Dim& count :
       contract_scratch(*terms, std::get<ContractSchedule>(s->schedules[n]), results, s->sums[n] >= 0)) {
    Place p;
    p.root = add(Root{RootBase::arena, terms->dtype, count, "scratch"});
    s->scratch[n].push_back(p.root);
    touch(p);
  }
}

void Planner::cut_group(Scope* s, int32_t number) {
  const auto n = static_cast<size_t>(number);
  const Group& group = s->fusion.groups[n];
  bool base_copied = false;
  if (const auto* o = std::get_if<OrderedTerms>(&s->composed[n]); o != nullptr && o->it.base)
    base_copied = !same_place(s->places[o->node->results[0].index],
                              s->places[storage_of(*s->graph, o->node->operands[*o->it.base]).index]);
  s->works[n] = group_work(*s->graph, group, sizes_, s->composed[n], s->schedules[n], base_copied);
  s->packs[n] = pack_work(s->composed[n], s->schedules[n]);
}

// Where the operands of a control operation lie.
Place Planner::operand_place(const Scope& s, const Node& node, size_t i) const {
  return s.places[storage_of(*s.graph, node.operands[i]).index];
}

void Planner::control(const ScheduledGraph& scheduled, Scope* s, int32_t number) {
  const Node& node = s->graph->node(s->fusion.groups[static_cast<size_t>(number)].nodes[0]);
  const uint32_t begin = position_;
  switch (node.op->control()->what) {
    case ir::Control::loop:
      loop(scheduled, s, number);
      break;
    case ir::Control::cond:
      cond(scheduled, s, number);
      break;
    case ir::Control::apply:
      apply(s, number);
      break;
    case ir::Control::call:
      TENON_CHECK(false, "a call is lowered");
  }
  ++position_;
  // What was live at the loop's entry and is used in it stays live until its end.
  for (Root& r : out_.roots)
    if (r.first <= begin && r.last >= begin) r.last = std::max(r.last, position_);
}

void Planner::loop(const ScheduledGraph& scheduled, Scope* s, int32_t group) {
  const Graph& graph = *s->graph;
  const auto number = static_cast<size_t>(group);
  const Node& node = graph.node(s->fusion.groups[number].nodes[0]);
  const Graph& body = *node.regions[0];
  Loop loop;
  loop.trip = std::get_if<Dim>(&node.attr("trip")) != nullptr ? node.get<Dim>("trip") : Dim(0);
  loop.predicate = node.get<bool>("predicate");
  loop.reverse = node.get<bool>("reverse");
  loop.commit = node.get<bool>("commit");
  out_.loops.push_back(loop);
  LoopId id(out_.loops.size() - 1);
  std::vector<Place> args;
  std::vector<Destination> results;
  size_t operand = 0, carries = 0;
  for (ValueId a : body.args) {
    const ir::Value& v = body.value(a);
    Place p;
    switch (v.arg) {
      case ir::ArgKind::carry:
        p = s->places[node.results[carries].index];
        results.push_back({p, true});
        ++carries;
        ++operand;
        break;
      case ir::ArgKind::slice:
        p = operand_place(*s, node, operand++);
        p.steps.push_back({id, v.type.count()});
        break;
      case ir::ArgKind::index:
        p.index = id;
        break;
      default:
        p = operand_place(*s, node, operand++);
        break;
    }
    args.push_back(std::move(p));
  }
  std::vector<std::pair<Place, ir::Type>> cleared;
  for (size_t r = carries; r < node.results.size(); ++r) {
    Place p = s->places[node.results[r].index];
    if (loop.predicate) cleared.push_back({p, graph.type(node.results[r])});
    p.steps.push_back({id, body.type(body.results[r]).count()});
    results.push_back({std::move(p), false});
  }
  Place go_on;
  if (loop.predicate) {
    go_on.root = arena_root(body.type(body.results.back()), "go_on");
    results.push_back({go_on, false});
    touch(go_on);
  }
  std::unique_ptr<Scope> inner = scope(*scheduled.regions[number][0], args, results);
  inner->loop = id;
  inner->go_on = go_on;
  inner->cleared = std::move(cleared);
  // Initial values: copied into the carries, unless they are there already.
  for (size_t c = 0; c < carries; ++c)
    inner->carries.push_back({operand_place(*s, node, c), s->places[node.results[c].index]});
  s->regions[number].push_back(std::move(inner));
}

void Planner::cond(const ScheduledGraph& scheduled, Scope* s, int32_t group) {
  const auto number = static_cast<size_t>(group);
  const Node& node = s->graph->node(s->fusion.groups[number].nodes[0]);
  for (const auto& branch : scheduled.regions[number]) {
    const Graph* region = branch->graph;
    std::vector<Place> args;
    std::vector<Destination> results;
    for (size_t i = 0; i < region->args.size(); ++i) args.push_back(operand_place(*s, node, i + 1));
    for (ValueId r : node.results) results.push_back({s->places[r.index], false});
    s->regions[number].push_back(scope(*branch, args, results));
  }
}

// What a procedure updates lies where its new value is wanted; it is moved there first, where it does not.
void Planner::apply(Scope* s, int32_t group) {
  const Graph& graph = *s->graph;
  const auto number = static_cast<size_t>(group);
  const Node& node = graph.node(s->fusion.groups[number].nodes[0]);
  const Procedure& procedure = procedures_.find(node.get<std::string>("callee"))->second;
  Application a;
  a.procedure = &procedure;
  a.sizes = ir::applied_sizes(module_, graph, node);
  auto in_memory = [&](const Place& p) {
    return p.root.valid() && out_.roots[p.root.index].base != RootBase::hyper;
  };
  const std::vector<ir::AppliedArgument> arguments = ir::applied_arguments(module_, *procedure.function);
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Place from = operand_place(*s, node, i);
    const ir::Type& type = graph.type(node.operands[i]);
    Place to = from;
    if (const size_t result = arguments[i].result; result != ~size_t{0}) {
      to = s->places[node.results[result].index];
    } else if (!in_memory(from) || (arguments[i].global && !aligned(from))) {
      to = {};
      to.root = arena_root(type, std::string(arguments[i].name));
      touch(to);
    }
    if (!same_place(from, to)) s->moves[number].push_back({from, to, type});
    (arguments[i].global ? a.globals : a.inputs).push_back(std::move(to));
  }
  for (size_t r = 0; r < procedure.function->returns; ++r)
    a.outputs.push_back(s->places[node.results[r].index]);
  for (const Root& root : procedure.plan->roots)
    if (root.base == RootBase::hyper) a.hypers[root.name] = hyper_root(root.name, root.dtype);
  a.arena = arena_root({DType::u8, {}}, "arena");
  Place arena;
  arena.root = a.arena;
  touch(arena);
  s->applications[number] = std::move(a);
  arenas_.emplace_back(s->applications[number]->arena, &*s->applications[number]);
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

}  // namespace tenon::lower
