// One graph's scope: its groups in order, copies around them, and a place for every value in memory.
#include "lower/planner.h"

namespace tenon::lower {
namespace {

std::unique_ptr<Scope> empty_scope(const ScheduledGraph& scheduled) {
  auto s = std::make_unique<Scope>(scheduled);
  s->places.resize(s->graph->value_count());
  const size_t groups = s->fusion.groups.size();
  s->regions.resize(groups);
  s->scratch.resize(groups);
  s->touches.resize(groups);
  s->works.resize(groups);
  s->packs.resize(groups);
  s->applications.resize(groups);
  s->moves.resize(groups);
  s->sums.assign(groups, -1);
  s->may_fail = s->fusion.ranges->may_fail(*s->graph);
  return s;
}

// Constants need no kernel, nor does a group whose values are all computed where they are read. The items are
// groups, copies come later.
void drop_idle(Scope* s, const std::vector<bool>& constant) {
  std::erase_if(s->items, [&](const Item& item) {
    const Group& group = s->fusion.groups[static_cast<size_t>(item.group)];
    // Control flow that is kept for what may fail in it has no results.
    const Node& node = s->graph->node(group.nodes[0]);
    if (!node.results.empty() && constant[node.results[0].index]) return true;
    bool computes = group.kind == GroupKind::pointwise || group.kind == GroupKind::reduce ||
                    group.kind == GroupKind::contract;
    return computes && group.outputs.empty();
  });
}

// Views have the place of what they show.
void place_views(Scope* s) {
  const Graph& graph = *s->graph;
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const Node& node = graph.node(NodeId(i));
    if (node.op->view() == nullptr) continue;
    s->places[node.results[0].index] = s->places[storage_of(graph, node.results[0]).index];
  }
}

}  // namespace

std::unique_ptr<Scope> Planner::scope(const ScheduledGraph& scheduled, const std::vector<Place>& args,
                                      const std::vector<Destination>& results) {
  const Graph& graph = *scheduled.graph;
  std::unique_ptr<Scope> s = empty_scope(scheduled);
  for (size_t i = 0; i < graph.args.size(); ++i) s->places[graph.args[i].index] = args[i];
  const std::vector<bool> constant = place_constants(scheduled, s.get());

  std::vector<bool> direct;
  order_groups(s.get(), results, &direct);
  drop_idle(s.get(), constant);
  std::set<uint32_t> overwritten;
  for (const Destination& d : results)
    if (d.holds_old && d.place.root.valid()) overwritten.insert(d.place.root.index);
  for (size_t i = 0; i < results.size(); ++i) {
    const ValueId stored = storage_of(graph, graph.results[i]);
    direct[i] = direct[i] && !constant[stored.index];
    if (direct[i]) s->places[stored.index] = results[i].place;
  }
  copy_results(s.get(), results, direct, overwritten);

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
    place_group(s.get(), item.group);
    for (NodeId id : group.nodes)
      for (ValueId v : graph.node(id).results)
        item.writes_old = item.writes_old || overwritten.count(s->places[v.index].root.index) != 0;
    if (group.kind == GroupKind::control) control(scheduled, s.get(), item.group);
    cut_group(s.get(), item.group);
    return false;
  });
  place_views(s.get());
  return s;
}

// Stored constants live in the constants block, not in the arena. Returns which values they are.
std::vector<bool> Planner::place_constants(const ScheduledGraph& scheduled, Scope* s) {
  const std::vector<RootId> panelled = panel_constants(s);
  std::vector<bool> constant(s->graph->value_count(), false);
  for (const auto& [v, array] : scheduled.constants) {
    constant[v.index] = true;
    s->places[v.index].root = panelled[v.index].valid() ? panelled[v.index] : constant_root(array);
  }
  return constant;
}

// Results that are arguments, constants, or views where old values are: copied at the end, from a copy taken
// at the start where this graph overwrites their source. `direct`: those that are made where they are wanted.
// `overwritten`: roots that hold old values.
void Planner::copy_results(Scope* s, const std::vector<Destination>& results, const std::vector<bool>& direct,
                           const std::set<uint32_t>& overwritten) {
  const Graph& graph = *s->graph;
  std::vector<Item> first, last;
  for (size_t i = 0; i < results.size(); ++i) {
    if (direct[i]) continue;
    ValueId v = graph.results[i];
    ValueId stored = storage_of(graph, v);
    Place source = s->places[stored.index];
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
  s->items.insert(s->items.begin(), first.begin(), first.end());
  s->items.insert(s->items.end(), last.begin(), last.end());
}

// What a group reads, writes and works in: all of it is live while it runs.
void Planner::place_group(Scope* s, int32_t number) {
  const Graph& graph = *s->graph;
  const auto n = static_cast<size_t>(number);
  const Group& group = s->fusion.groups[n];
  const bool control_flow = group.kind == GroupKind::control;
  std::vector<Touch>& touches = s->touches[n];
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
  s->sums[n] = sums_output(*s, group);
  add_scratch(s, number);
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

}  // namespace tenon::lower
