// Control flow: the scopes of loops and branches, and what procedures are given.
#include "lower/planner.h"

namespace tenon::lower {

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

}  // namespace tenon::lower
