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

namespace {

bool commits(const Node& node) { return ir::is_control(node, ir::Control::loop) && node.get<bool>("commit"); }

std::vector<uint32_t> uses_of(const Graph& graph) {
  std::vector<uint32_t> uses(graph.value_count(), 0);
  for (size_t i = 0; i < graph.node_count(); ++i)
    for (ValueId v : graph.node(NodeId(i)).operands) ++uses[v.index];
  for (ValueId v : graph.results) ++uses[v.index];
  return uses;
}

}  // namespace

// The order of a scope's groups: what reads a value after what makes it, and before what overwrites it; what
// may fail before what overwrites anything.
class Planner::Order {
 public:
  Order(const Planner& planner, Scope* s)
      : planner_(planner), s_(*s), graph_(*s->graph), order_(s->fusion.groups.size()) {
    for (uint32_t g = 0; g < s_.fusion.groups.size(); ++g) {
      for (const Read& r : planner_.reads(s_, s_.fusion.groups[g])) {
        const NodeId producer = graph_.value(r.value).node;
        if (producer.valid()) order_.add(static_cast<uint32_t>(s_.fusion.group_of[producer.index]), g);
        const Place& p = s_.places[r.value.index];
        if (!producer.valid() && p.root.valid()) readers_[p.root.index].push_back({g, r.aligned});
      }
      if (planner_.group_fails(s_, s_.fusion.groups[g])) failing_.push_back(g);
    }
  }

  // Whether a value can be written straight into `place`, which holds an old value; what has to come before
  // is ordered so. `go_on`: a place that another committing loop takes over; that one may fail later, for
  // what is committed by then stays.
  bool claim(ValueId v, const Place& place, bool go_on) {
    const NodeId producer = graph_.value(v).node;
    const auto writer = static_cast<uint32_t>(s_.fusion.group_of[producer.index]);
    const Group& group = s_.fusion.groups[writer];
    const Node& node = graph_.node(producer);
    std::vector<uint32_t> before;
    if (ir::is_apply(node) && !planner_.aligned(place)) return false;
    if (!may_replace(group, node) || !reads_aside(v, node, writer, place, &before)) return false;
    for (uint32_t g : failing_)
      if (g != writer && !(go_on && commits(graph_.node(s_.fusion.groups[g].nodes[0])))) before.push_back(g);
    for (uint32_t g : before)
      if (order_.reaches(writer, g)) return false;
    // Several outputs of one group: each reads the old values of the others at the same element only, which
    // holds because every read was checked as aligned above and all loads of an element precede its stores.
    for (uint32_t g : before) order_.add(g, writer);
    return true;
  }

  // Whether a value is what a procedure updates, and cannot be made where it is wanted.
  bool wants_alignment(ValueId v, const Place& place) const {
    const Node& node = *graph_.producer(v);
    return ir::is_apply(node) && operand_of(node, graph_.value(v).result) < node.operands.size() &&
           !planner_.aligned(place);
  }

  // The value whose place a result takes over: of a loop that commits, its carry; of a procedure, what it
  // updates. Invalid: none.
  ValueId replaced(ValueId v) const {
    const Node& node = *graph_.producer(v);
    if (!commits(node) && !ir::is_apply(node)) return {};
    const size_t old = operand_of(node, graph_.value(v).result);
    return old < node.operands.size() ? node.operands[old] : ValueId();
  }

  // Groups in dependence order, ties by their old number.
  void run(std::vector<Item>* items) const {
    const size_t n = s_.fusion.groups.size(), first = items->size();
    std::vector<uint32_t> waiting(n);
    std::vector<std::vector<uint32_t>> succs(n);
    std::set<uint32_t> ready;
    for (uint32_t g = 0; g < n; ++g) {
      waiting[g] = static_cast<uint32_t>(order_.before(g).size());
      for (uint32_t p : order_.before(g)) succs[p].push_back(g);
      if (waiting[g] == 0) ready.insert(g);
    }
    while (!ready.empty()) {
      const uint32_t g = *ready.begin();
      ready.erase(ready.begin());
      items->emplace_back().group = static_cast<int32_t>(g);
      for (uint32_t t : succs[g])
        if (--waiting[t] == 0) ready.insert(t);
    }
    TENON_CHECK(items->size() - first == n, "in-place writes made a cycle");
  }

 private:
  // The operand that becomes a result where it lies. Past the last: the result replaces none.
  size_t operand_of(const Node& node, size_t result) const {
    if (!ir::is_apply(node)) return result;
    const std::vector<ir::AppliedArgument> arguments = ir::applied_arguments(
        planner_.module_, *planner_.procedures_.find(node.get<std::string>("callee"))->second.function);
    for (size_t i = 0; i < arguments.size(); ++i)
      if (arguments[i].result == result) return i;
    return node.operands.size();
  }

  // A failing call leaves state untouched, but for the iterations that were committed.
  bool may_replace(const Group& group, const Node& node) const {
    if (ir::is_control(node, ir::Control::loop))
      return node.get<bool>("commit") || !s_.fusion.ranges->may_fail(*node.regions[0]);
    if (group.kind == GroupKind::control) return ir::is_apply(node);  // it tests before it writes
    return !planner_.group_fails(s_, group) || writes_after_checks(graph_, group);
  }

  // Whether the writer itself reads the old value at the element that it writes, or as the operand that
  // becomes the new one. `before`: the others that read it.
  bool reads_aside(ValueId v, const Node& node, uint32_t writer, const Place& place,
                   std::vector<uint32_t>* before) const {
    const bool control = s_.fusion.groups[writer].kind == GroupKind::control;
    const size_t old = control ? operand_of(node, graph_.value(v).result) : 0;
    if (ir::is_apply(node) && old == node.operands.size()) return false;
    const auto readers = readers_.find(place.root.index);
    if (readers == readers_.end()) return true;
    for (const auto& [g, aligned] : readers->second) {
      if (g != writer) {
        before->push_back(g);
      } else if (control) {
        const auto uses = std::count_if(node.operands.begin(), node.operands.end(),
                                        [&](ValueId o) { return s_.places[o.index].root == place.root; });
        if (uses != 1 || old >= node.operands.size() ||
            !(s_.places[node.operands[old].index].root == place.root))
          return false;
      } else if (!aligned) {
        return false;
      }
    }
    return true;
  }

  const Planner& planner_;
  const Scope& s_;
  const Graph& graph_;
  GroupOrder order_;
  std::map<uint32_t, std::vector<std::pair<uint32_t, bool>>> readers_;  // root -> (group, aligned)
  std::vector<uint32_t> failing_;
};

// Decides which results are written straight into the place of their old value, and reorders groups so that
// reads of old values and everything that may fail come before.
void Planner::order_groups(Scope* s, const std::vector<Destination>& results, std::vector<bool>* direct) {
  const Graph& graph = *s->graph;
  Order order(*this, s);
  const std::vector<uint32_t> uses = uses_of(graph);
  // Views share their operand's place, which an output may be.
  auto is_made = [&](ValueId v) {
    const NodeId producer = graph.value(v).node;
    return producer.valid() && graph.node(producer).op->view() == nullptr &&
           s->fusion.group_of[producer.index] >= 0;
  };
  direct->assign(results.size(), false);
  std::set<uint32_t> taken;  // values that have a destination
  for (size_t i = 0; i < results.size(); ++i) {
    ValueId v = results[i].holds_old ? graph.results[i] : storage_of(graph, graph.results[i]);
    if (!is_made(v) || taken.count(v.index) != 0) continue;
    if (results[i].holds_old && (!options_.in_place || !order.claim(v, results[i].place, false))) continue;
    if (!results[i].holds_old && order.wants_alignment(v, results[i].place)) continue;
    (*direct)[i] = true;
    taken.insert(v.index);
    if (!results[i].holds_old) continue;
    // A loop that commits goes on from where the one before it has left the place, and from what that one has
    // committed if it fails. So does a procedure behind another, where neither may fail.
    for (ValueId old = order.replaced(v); old.valid(); old = order.replaced(v)) {
      const bool both = commits(*graph.producer(v));
      v = old;
      if (!is_made(v) || uses[v.index] != 1 || taken.count(v.index) != 0) break;
      const Node& maker = *graph.producer(v);
      if (!commits(maker) && !ir::is_apply(maker)) break;
      if (!order.claim(v, results[i].place, both && commits(maker))) break;
      s->places[v.index] = results[i].place;
      taken.insert(v.index);
    }
  }
  order.run(&s->items);
}

}  // namespace tenon::lower
