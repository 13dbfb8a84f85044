// Places that spare a copy: constants in panels, sums in outputs, values that lie inside others.
#include <algorithm>

#include "lower/inside.h"
#include "lower/planner.h"
#include "lower/registers.h"

namespace tenon::lower {
namespace {

size_t carry_count(const Graph& body) {
  return static_cast<size_t>(std::count_if(body.args.begin(), body.args.end(), [&](ValueId v) {
    return body.value(v).arg == ir::ArgKind::carry;
  }));
}

}  // namespace

// Lays out the constant right factors of contractions. Returns, for each value that nothing reads in its
// own order any more, the panels that stand in its place.
std::vector<RootId> Planner::panel_constants(Scope* s) {
  const Graph& g = *s->graph;
  std::vector<size_t> uses(g.value_count(), 0);
  for (ValueId v : g.results) ++uses[v.index];
  for (size_t i = 0; i < g.node_count(); ++i)
    for (ValueId v : g.node(NodeId(i)).operands) ++uses[v.index];
  std::vector<RootId> out(g.value_count());
  s->panels.resize(s->fusion.groups.size());
  for (size_t n = 0; n < s->fusion.groups.size(); ++n) {
    const auto* schedule = std::get_if<ContractSchedule>(&s->schedules[n]);
    if (schedule == nullptr || schedule->right != ContractSchedule::Right::constant) continue;
    const ContractTerms& terms = std::get<ContractTerms>(s->composed[n]);
    s->panels[n] = constant_root(lay_out(terms, *schedule, *constant_factor(g, s->fusion, terms)));
    const ValueId v = terms.dot->operands[1];
    if (--uses[v.index] == 0) out[v.index] = s->panels[n];
  }
  return out;
}

// An output of a contraction with the elements of its sums, in memory that the group does not read and that
// holds no old value.
int32_t Planner::sums_output(const Scope& s, const Group& group) const {
  if (group.kind != GroupKind::contract) return -1;
  const Graph& g = *s.graph;
  const ir::Type* type = nullptr;
  for (NodeId id : group.nodes)
    if (is_tiled(g, g.node(id))) type = &g.type(g.node(id).results[0]);
  const std::vector<Read> all = reads(s, group);
  for (size_t i = 0; i < group.outputs.size(); ++i) {
    const ir::Type& t = g.type(group.outputs[i]);
    const Place& p = s.places[group.outputs[i].index];
    if (type == nullptr || t.dtype != type->dtype || !(t.shape == type->shape) || !p.root.valid()) continue;
    const RootBase base = out_.roots[p.root.index].base;
    if (base != RootBase::arena && base != RootBase::output) continue;
    const bool read = std::any_of(all.begin(), all.end(),
                                  [&](const Read& r) { return s.places[r.value.index].root == p.root; });
    if (!read) return static_cast<int32_t>(i);
  }
  return -1;
}

// A contiguous slice of a value that stays as it is needs no copy: it gets its place inside that value.
bool Planner::lies_inside(Scope* s, const Group& group, const std::vector<bool>& returned) {
  const Graph& graph = *s->graph;
  if (group.nodes.size() != 1 || group.outputs.size() != 1) return false;
  const Node& node = graph.node(group.nodes[0]);
  const std::optional<Dim> offset = offset_in_operand(graph, node);
  if (!offset) return false;
  const ValueId result = node.results[0], whole = storage_of(graph, node.operands[0]);
  if (!s->places[result.index].none() || returned[result.index]) return false;
  if (returned[whole.index] || !graph.value(whole).node.valid()) return false;
  const Place& place = s->places[whole.index];
  if (!place.root.valid() || out_.roots[place.root.index].base != RootBase::arena) return false;
  Place inside = place;
  inside.offset = inside.offset + *offset;
  s->places[result.index] = std::move(inside);
  touch(s->places[result.index]);
  return true;
}

// Whether a value's place can be chosen by what it is part of.
bool Planner::movable(const Scope& s, ValueId stored, const std::vector<bool>& returned) const {
  const Graph& graph = *s.graph;
  const NodeId maker = graph.value(stored).node;
  if (!maker.valid() || returned[stored.index] || !s.places[stored.index].none()) return false;
  // Carries live where their loop is told to keep them, for as long as it runs.
  const Node& node = graph.node(maker);
  if (ir::is_apply(node)) return false;  // what it updates is aligned
  if (ir::is_control(node, ir::Control::loop) && graph.value(stored).result < carry_count(*node.regions[0]))
    return false;
  const int32_t group = s.fusion.group_of[maker.index];
  if (group < 0) return false;
  const std::vector<ValueId>& outputs = s.fusion.groups[static_cast<size_t>(group)].outputs;
  return std::find(outputs.begin(), outputs.end(), stored) != outputs.end();  // else it is read through
}

// Nor do concats of values that are made in this graph: they get their places inside the result.
// `overwritten`: roots that hold old values, to be read before they are written.
std::set<int32_t> Planner::place_parts(Scope* s, const std::vector<bool>& returned,
                                       const std::set<uint32_t>& overwritten) {
  const Graph& graph = *s->graph;
  std::set<int32_t> done;
  if (!options_.in_place) return done;
  // Last first: the result may be part of another.
  for (size_t g = s->fusion.groups.size(); g-- > 0;) {
    const Group& group = s->fusion.groups[g];
    if (group.nodes.size() != 1 || group.outputs.size() != 1) continue;
    const ValueId result = group.outputs[0];
    Place whole = s->places[result.index];
    if (fits_registers(graph.type(result).count())) continue;
    if (!whole.none() && (!whole.root.valid() || overwritten.count(whole.root.index) != 0)) continue;
    const NodeId last = group.nodes.back();
    const auto parts =
        parts_of(graph, result, [&](NodeId n) { return n == last || s->fusion.group_of[n.index] < 0; });
    std::set<uint32_t> distinct;
    for (const Part& part : parts)
      if (movable(*s, part.value, returned)) distinct.insert(part.value.index);
    if (parts.empty() || distinct.size() != parts.size()) continue;
    if (whole.none()) whole.root = arena_root(graph.type(result), graph.value(result).name);
    s->places[result.index] = whole;
    for (const Part& part : parts) {
      Place inside = whole;
      inside.offset = inside.offset + part.offset;
      s->places[part.value.index] = std::move(inside);
    }
    done.insert(static_cast<int32_t>(g));
  }
  return done;
}

}  // namespace tenon::lower
