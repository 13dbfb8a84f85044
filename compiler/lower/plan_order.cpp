// The order of groups: reads of old values, and what may fail, before the writes that end them.
#include <algorithm>

#include "lower/group_order.h"
#include "lower/planner.h"

namespace tenon::lower {

std::vector<Planner::Read> Planner::reads(const Scope& s, const Group& group) const {
  std::vector<Read> out;
  const Graph& g = *s.graph;
  int32_t self = s.fusion.group_of[group.nodes[0].index];
  for (NodeId id : group.nodes) {
    const Node& node = g.node(id);
    const NodeDomain& domain = s.fusion.domains[id.index];
    for (size_t i = 0; i < node.operands.size(); ++i) {
      ValueId v = node.operands[i];
      bool indexed = i < domain.operands.size() && domain.operands[i].size() == g.type(v).rank();
      Index at = indexed ? domain.operands[i] : Index(g.type(v).rank(), affine_constant(Dim(0)));
      // The products of a chain stand side by side: over them, indices are constants.
      const bool chain = chain_length(g, node) > 1;
      if (chain) at = iteration_domain(g, node).operands[i];
      const uint32_t first_product = chain ? static_cast<uint32_t>(domain.domain.size()) : ~0u;
      std::vector<Source> sources;
      collect_sources(g, v, at, s.fusion.index_only, &sources);
      for (const Source& source : sources) {
        ValueId stored = storage_of(g, source.value);
        NodeId producer = g.value(stored).node;
        if (producer.valid() && s.fusion.group_of[producer.index] == self) continue;
        std::vector<uint32_t> axes;
        for (uint32_t a = 0; a < domain.domain.size(); ++a) axes.push_back(a);
        // Reductions and tiles read their operands at many elements before they write.
        bool aligned = indexed && !source.dynamic &&
                       (group.kind == GroupKind::pointwise || node.op->elementwise() != nullptr) &&
                       is_identity(source.at, g.type(source.value).shape, axes);
        if (group.kind == GroupKind::reduce && domain.domain == group.domain) aligned = false;
        // A scatter leaves its base as it is, but for the places that it writes.
        if (group.kind == GroupKind::scatter)
          aligned = described(g, node).base == i && stored == source.value;
        const bool dynamic = source.dynamic || (ir::gathers(*node.op) && domain.operands[i].empty());
        const bool constant =
            !dynamic && (indexed || chain) &&
            std::all_of(source.at.begin(), source.at.end(), [&](const AffineIndex& a) {
              return a.constant.is_constant() && (a.parts.empty() || a.parts[0].axis >= first_product);
            });
        out.push_back({stored, aligned, dynamic, constant});
      }
    }
  }
  return out;
}

bool Planner::group_fails(const Scope& s, const Group& group) const {
  for (NodeId id : group.nodes) {
    const Node& node = s.graph->node(id);
    if (s.fusion.ranges->may_fail(node)) return true;
    for (const auto& region : node.regions)
      if (s.fusion.ranges->may_fail(*region)) return true;
  }
  return false;
}

// Decides which results are written straight into the place of their old value, and reorders groups so that
// reads of old values and everything that may fail come before.
void Planner::order_groups(Scope* s, const std::vector<Destination>& results, std::vector<bool>* direct) {
  const Graph& graph = *s->graph;
  size_t n = s->fusion.groups.size();
  GroupOrder order(n);
  std::map<uint32_t, std::vector<std::pair<uint32_t, bool>>> readers;  // root -> (group, aligned)
  for (uint32_t g = 0; g < n; ++g) {
    for (const Read& r : reads(*s, s->fusion.groups[g])) {
      NodeId producer = graph.value(r.value).node;
      if (producer.valid()) order.add(static_cast<uint32_t>(s->fusion.group_of[producer.index]), g);
      const Place& p = s->places[r.value.index];
      if (!producer.valid() && p.root.valid()) readers[p.root.index].push_back({g, r.aligned});
    }
  }
  std::vector<uint32_t> failing;
  for (uint32_t g = 0; g < n; ++g)
    if (group_fails(*s, s->fusion.groups[g])) failing.push_back(g);

  auto commits = [&](const Node& node) {
    return node.op->control() != nullptr && node.op->control()->what == ir::Control::loop &&
           node.get<bool>("commit");
  };
  // Whether a value can be written straight into `place`, which holds an old value. `go_on`: a place that
  // another committing loop takes over; that one may fail later, for what is committed by then stays.
  auto claim = [&](ValueId v, const Place& place, bool go_on) {
    const NodeId producer = graph.value(v).node;
    uint32_t writer = static_cast<uint32_t>(s->fusion.group_of[producer.index]);
    const Group& group = s->fusion.groups[writer];
    bool control = group.kind == GroupKind::control;
    const Node& node = graph.node(producer);
    bool ok = true;
    bool is_loop = control && node.op->control()->what == ir::Control::loop;
    if (control && !is_loop) ok = false;
    std::vector<uint32_t> before;
    if (auto it = readers.find(place.root.index); it != readers.end()) {
      for (auto [g, aligned] : it->second) {
        if (g != writer) {
          before.push_back(g);
        } else if (is_loop) {
          // The loop may read the old value only as the initial value of the carry that it becomes.
          size_t uses = 0;
          for (ValueId o : node.operands)
            if (s->places[o.index].root == place.root) ++uses;
          size_t carry = graph.value(v).result;
          ok = ok && uses == 1 && s->places[node.operands[carry].index].root == place.root;
        } else {
          ok = ok && aligned;
        }
      }
    }
    // A failing iteration must leave state untouched unless iterations commit one by one.
    if (is_loop && s->fusion.ranges->may_fail(*node.regions[0]) && !node.get<bool>("commit")) ok = false;
    for (uint32_t g : failing)
      if (g != writer && !(go_on && commits(graph.node(s->fusion.groups[g].nodes[0])))) before.push_back(g);
    if (!is_loop && group_fails(*s, group) && !writes_after_checks(graph, group)) ok = false;
    for (uint32_t g : before) ok = ok && !order.reaches(writer, g);
    // Several outputs of one group: each reads the old values of the others at the same element only, which
    // holds because every read was checked as aligned above and all loads of an element precede its stores.
    if (ok)
      for (uint32_t g : before) order.add(g, writer);
    return ok;
  };
  std::vector<uint32_t> uses(graph.value_count(), 0);
  for (size_t i = 0; i < graph.node_count(); ++i)
    for (ValueId v : graph.node(NodeId(i)).operands) ++uses[v.index];
  for (ValueId v : graph.results) ++uses[v.index];

  direct->assign(results.size(), false);
  std::set<uint32_t> taken;  // values that have a destination
  for (size_t i = 0; i < results.size(); ++i) {
    ValueId v = graph.results[i];
    NodeId producer = graph.value(v).node;
    // Views share their operand's place: they are copied out.
    if (!producer.valid() || graph.node(producer).op->view() != nullptr ||
        s->fusion.group_of[producer.index] < 0)
      continue;
    if (taken.count(v.index) != 0) continue;
    if (results[i].holds_old && (!options_.in_place || !claim(v, results[i].place, false))) continue;
    (*direct)[i] = true;
    taken.insert(v.index);
    if (!results[i].holds_old) continue;
    // A loop that commits goes on from where the one before it has left the place, and from what that one has
    // committed if it fails.
    while (commits(graph.node(graph.value(v).node))) {
      v = graph.node(graph.value(v).node).operands[graph.value(v).result];
      producer = graph.value(v).node;
      if (!producer.valid() || uses[v.index] != 1 || s->fusion.group_of[producer.index] < 0) break;
      if (!commits(graph.node(producer)) || taken.count(v.index) != 0) break;
      if (!claim(v, results[i].place, true)) break;
      s->places[v.index] = results[i].place;
      taken.insert(v.index);
    }
  }
  // Groups in dependence order, ties by their old number.
  std::vector<uint32_t> waiting(n);
  std::vector<std::vector<uint32_t>> succs(n);
  std::set<uint32_t> ready;
  for (uint32_t g = 0; g < n; ++g) {
    waiting[g] = static_cast<uint32_t>(order.before(g).size());
    for (uint32_t p : order.before(g)) succs[p].push_back(g);
    if (waiting[g] == 0) ready.insert(g);
  }
  while (!ready.empty()) {
    uint32_t g = *ready.begin();
    ready.erase(ready.begin());
    Item item;
    item.group = static_cast<int32_t>(g);
    s->items.push_back(std::move(item));
    for (uint32_t t : succs[g])
      if (--waiting[t] == 0) ready.insert(t);
  }
  TENON_CHECK(s->items.size() == n, "in-place writes made a cycle");
}

}  // namespace tenon::lower
