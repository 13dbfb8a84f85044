#include "lower/fuse.h"
#include "lower/narrow.h"

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>

#include "ir/print.h"
#include "lower/cost.h"

namespace tenon::lower {

std::vector<uint32_t> Group::kept_axes() const {
  std::vector<uint32_t> out;
  for (uint32_t i = 0; i < reduced.size(); ++i)
    if (!reduced[i]) out.push_back(i);
  return out;
}
std::vector<uint32_t> Group::reduced_axes() const {
  std::vector<uint32_t> out;
  for (uint32_t i = 0; i < reduced.size(); ++i)
    if (reduced[i]) out.push_back(i);
  return out;
}
std::vector<uint32_t> Group::all_axes() const {
  std::vector<uint32_t> out;
  for (uint32_t i = 0; i < reduced.size(); ++i) out.push_back(i);
  return out;
}

bool group_may_fail(const Graph& graph, const IndexRanges& ranges, const Group& group) {
  for (NodeId id : group.nodes)
    if (ranges.may_fail(graph.node(id))) return true;
  return false;
}

bool is_tiled(const Graph& graph, const Node& node) {
  return multiplies_in_blocks(node) && chain_length(graph, node) == 0;
}

bool writes_after_checks(const Graph& graph, const Group& group) {
  if (group.kind == GroupKind::scatter) return true;
  if (group.kind != GroupKind::reduce || !group.kept_axes().empty()) return false;
  for (ValueId v : group.outputs)
    if (squeeze(graph.type(v).shape) == group.domain) return false;
  return true;
}

ValueId storage_of(const Graph& graph, ValueId value) {
  while (true) {
    const Node* node = graph.producer(value);
    if (node == nullptr || node->op->view() == nullptr) return value;
    value = node->operands[0];
  }
}

namespace {

bool any(const std::vector<bool>& flags) {
  return std::find(flags.begin(), flags.end(), true) != flags.end();
}

bool constant_node(const Node& node) {
  return node.op->generate() != nullptr && node.op->generate()->what == ir::Generator::constant;
}

class Fuser {
 public:
  Fuser(const Graph& graph, const FuseOptions& options, const IndexRanges& ranges,
        const std::vector<int32_t>* wanted)
      : graph_(graph), options_(options), ranges_(ranges), wanted_(wanted), costs_(graph) {
    out_.ranges = &ranges;
    domains_.resize(graph.node_count());
  }

  Fusion run() {
    out_.index_only.assign(graph_.node_count(), false);
    out_.group_of.assign(graph_.node_count(), -1);
    for (size_t i = 0; i < graph_.node_count(); ++i) out_.index_only[i] = recomputed(graph_.node(NodeId(i)));
    see_through_gathers();
    // Twice: the first bounds what is composed to see which values must be stored.
    bound_terms(graph_, &out_.index_only);
    force_stored();
    terms_ = bound_terms(graph_, &out_.index_only);
    for (size_t i = 0; i < graph_.node_count(); ++i) place(NodeId(i));
    return finish();
  }

 private:
  // A working group; merged ones point on.
  struct Work {
    Group group;
    uint64_t cost = 0;             // instructions of one element
    size_t arguments = 0;          // values that lie in memory before, read by its nodes
    uint32_t first = 0, last = 0;  // node numbers, for pruning path searches
    std::set<uint32_t> preds;
    std::set<uint32_t> refused;  // producers whose values must be in memory first
    uint32_t forward;
  };
  struct Edge {
    uint32_t group;
    ValueId source;
    Index at;
    bool barrier;
  };

  const NodeDomain& domain_of(NodeId id) {
    std::optional<NodeDomain>& known = domains_[id.index];
    if (!known) known = node_domain(graph_, graph_.node(id));
    return *known;
  }

  bool recomputed(const Node& node) const {
    return is_index_only(node) || is_scalar_arithmetic(graph_, node) || is_unit_view(graph_, node);
  }

  // Rows taken by indices that cannot fail are read where they lie, unless a consumer wants them side by
  // side.
  void see_through_gathers() {
    constexpr uint32_t most_users = 8;
    std::vector<uint32_t> users(graph_.node_count(), 0);
    std::vector<bool> stored(graph_.node_count(), false);
    auto store = [&](ValueId v) {
      if (NodeId n = graph_.value(v).node; n.valid()) stored[n.index] = true;
    };
    for (ValueId v : graph_.results) store(v);
    for (size_t i = 0; i < graph_.node_count(); ++i) {
      const Node& node = graph_.node(NodeId(i));
      const ir::OpDef& op = *node.op;
      const bool element = op.elementwise() != nullptr || ir::reduces(op) || op.index_map() != nullptr ||
                           (ir::multiplies(op) && domain_of(NodeId(i)).kind != GroupKind::contract);
      for (ValueId v : node.operands) {
        if (!element) store(v);
        if (NodeId n = graph_.value(v).node; n.valid()) ++users[n.index];
      }
    }
    for (size_t i = 0; i < graph_.node_count(); ++i) {
      const Node& node = graph_.node(NodeId(i));
      if (ir::gathers(*node.op) && !ranges_.may_fail(node) && !stored[i] && users[i] <= most_users)
        out_.index_only[i] = true;
    }
  }

  // Index-only nodes whose buffer something needs: results, operands of views, control flow and scatters,
  // gathered operands, and contraction operands that are not one plain affine read.
  void force_stored() {
    auto force = [&](ValueId v) {
      // A view has its buffer from its operand.
      for (NodeId n = graph_.value(v).node; n.valid(); n = graph_.value(v).node) {
        out_.index_only[n.index] = false;
        if (graph_.node(n).op->view() == nullptr) break;
        v = graph_.node(n).operands[0];
      }
    };
    for (ValueId v : graph_.results) force(v);
    store_across();
    auto gathered = [&](const Node& node) { return node.operands[described(graph_, node).elements[0]]; };
    for (size_t i = graph_.node_count(); i-- > 0;) {
      const Node& node = graph_.node(NodeId(i));
      const ir::OpDef& op = *node.op;
      const bool shared = op.view() != nullptr && !out_.index_only[i];
      if (shared || op.control() != nullptr || ir::scatters(op) || ir::scans(op) || op.check() != nullptr)
        for (ValueId v : node.operands) force(v);
      if (ir::gathers(op)) force(gathered(node));
      if (op.index_map() != nullptr && divides(node)) force(node.operands[0]);
      if (is_tiled(graph_, node))
        for (size_t k = 0; k < 2; ++k)
          if (!plain_read(node.operands[k], k == 1 && !packs_right(graph_, node))) force(node.operands[k]);
      // The right factor is met once a row: where it does not run along memory, a copy does.
      if (multiplies_in_lanes(node) && !right_is_even(graph_, node) && runs_along(graph_, node, 0) &&
          runs_along(graph_, node, 1) && !plain_read(node.operands[1], true))
        force(node.operands[1]);
    }
  }

  // A reduction of everything goes along memory: what it would read across is copied before, in squares.
  // Narrow rows that nothing else is made of it lays out itself.
  void store_across() {
    std::vector<bool> summed(graph_.value_count(), false), alone(graph_.value_count(), false);
    std::vector<uint32_t> uses(graph_.value_count(), 0);
    for (ValueId v : graph_.results) ++uses[v.index];
    for (size_t i = 0; i < graph_.node_count(); ++i)
      for (ValueId v : graph_.node(NodeId(i)).operands) ++uses[v.index];
    for (size_t i = graph_.node_count(); i-- > 0;) {
      const Node& node = graph_.node(NodeId(i));
      const bool all = ir::reduces(*node.op) && squeeze(graph_.type(node.results[0]).shape).empty();
      const bool passes = node.op->elementwise() != nullptr || is_unit_view(graph_, node);
      const bool passed = passes && summed[node.results[0].index];
      if (all || passed)
        for (ValueId v : node.operands) {
          summed[v.index] = true;
          alone[v.index] = uses[v.index] == 1 && (all || alone[node.results[0].index]);
        }
      if (node.op->index_map() == nullptr) continue;
      const ValueId result = node.results[0];
      if (summed[result.index] && reads_across(result, alone[result.index])) {
        out_.index_only[i] = false;
        across_.insert(static_cast<uint32_t>(i));
      }
    }
  }
  bool reads_across(ValueId v, bool alone) const {
    constexpr int64_t near = 4, narrow = narrow_row;
    const Shape& shape = graph_.type(v).shape;
    std::vector<Source> sources;
    Index at;
    for (uint32_t d = 0; d < shape.size(); ++d) at.push_back(affine_axis(d));
    collect_sources(graph_, v, at, out_.index_only, &sources);
    if (sources.size() != 1 || sources[0].guarded || sources[0].dynamic) return false;
    const AffineIndex address = affine_linear(sources[0].at, graph_.type(sources[0].value).shape);
    uint32_t last = 0, axes = 0;
    for (uint32_t d = 0; d < shape.size(); ++d)
      if (!is_one(shape[d])) last = d, ++axes;
    const bool laid_out =
        alone && axes == 2 && dtype_bytes(graph_.type(v).dtype) >= 4 && shape[last].is_constant() &&
        shape[last].constant() <= narrow &&
        std::any_of(address.parts.begin(), address.parts.end(),
                    [&](const AffineIndex::Part& p) { return p.axis != last && p.coefficient == Dim(1); });
    for (const AffineIndex::Part& p : address.parts)
      if (p.axis == last && axes > 1)
        return !laid_out && (!p.coefficient.is_constant() || std::abs(p.coefficient.constant()) > near);
    return false;
  }

  // Interior padding reads its operand at a quotient of positions.
  bool divides(const Node& node) const {
    for (const ir::IndexPiece& piece : pieces_of(graph_, node))
      if (has_quotient(piece)) return true;
    return false;
  }

  // One unguarded affine read of a stored value through index-only nodes; `even`: neighbours along the last
  // dimension are neighbours in memory, as vector loads want it.
  bool plain_read(ValueId v, bool even) {
    std::vector<Source> sources;
    std::vector<uint32_t> axes(graph_.type(v).rank());
    for (uint32_t i = 0; i < axes.size(); ++i) axes[i] = i;
    Index at;
    for (uint32_t d = 0; d < axes.size(); ++d) at.push_back(affine_axis(d));
    collect_sources(graph_, v, at, out_.index_only, &sources);
    if (sources.size() != 1 || sources[0].guarded) return false;
    NodeId n = graph_.value(sources[0].value).node;
    if (n.valid() && out_.index_only[n.index]) return false;
    if (!even) return true;
    const Shape& shape = graph_.type(v).shape;
    uint32_t last = 0;
    for (uint32_t d = 0; d < shape.size(); ++d)
      if (!is_one(shape[d])) last = d;
    AffineIndex address = affine_linear(sources[0].at, graph_.type(sources[0].value).shape);
    for (const AffineIndex::Part& p : address.parts)
      if (p.axis == last) return p.coefficient == Dim(1);
    return true;
  }

  uint32_t find(uint32_t g) {
    while (works_[g].forward != g) {
      works_[g].forward = works_[works_[g].forward].forward;
      g = works_[g].forward;
    }
    return g;
  }

  void place(NodeId id) {
    const Node& node = graph_.node(id);
    if (out_.index_only[id.index] || node.op->view() != nullptr) return;
    const NodeDomain& domain = domain_of(id);
    uint32_t self = static_cast<uint32_t>(works_.size());
    Work work;
    work.group.kind = domain.kind;
    work.group.nodes = {id};
    work.group.domain = domain.domain;
    work.group.reduced = domain.reduced;
    if (work.group.kind == GroupKind::reduce && !any(domain.reduced)) work.group.kind = GroupKind::pointwise;
    work.first = work.last = id.index;
    work.cost = cost(node);
    for (ValueId v : node.operands) work.arguments += !graph_.type(v).shape.empty() && !can_be_made_here(v);
    work.forward = self;
    works_.push_back(std::move(work));
    out_.group_of[id.index] = static_cast<int32_t>(self);

    std::vector<Edge> edges;
    for (size_t i = 0; i < node.operands.size(); ++i) {
      bool indexed =
          i < domain.operands.size() && domain.operands[i].size() == graph_.type(node.operands[i]).rank();
      std::vector<Source> sources;
      Index at;
      if (indexed) {
        at = domain.operands[i];
      } else {
        for (size_t d = 0; d < graph_.type(node.operands[i]).rank(); ++d)
          at.push_back(affine_constant(Dim(0)));
      }
      collect_sources(graph_, node.operands[i], at, out_.index_only, &sources);
      for (Source& s : sources) {
        ValueId stored = storage_of(graph_, s.value);
        NodeId producer = graph_.value(stored).node;
        if (!producer.valid()) continue;
        uint32_t g = find(static_cast<uint32_t>(out_.group_of[producer.index]));
        // What is read under a guard is evaluated there: in one kernel it would be made once more outside.
        const bool guarded = s.guarded || (i < domain.guarded.size() && domain.guarded[i]);
        const bool barrier = !indexed || s.dynamic || guarded || !(stored == s.value);
        edges.push_back({g, stored, std::move(s.at), barrier});
        works_[self].preds.insert(g);
      }
    }
    if (!options_.enabled) return;
    // The producer met last is tried first: it is the one most likely in cache and shares most operands. What
    // has no reductions goes before: with it the consumer still fits into the epilogue of one that has, while
    // the other way round it would have to be in memory.
    std::vector<uint32_t> producers;
    for (const Edge& e : edges)
      if (std::find(producers.begin(), producers.end(), e.group) == producers.end())
        producers.push_back(e.group);
    auto rank = [&](uint32_t g) { return std::pair(works_[g].group.kind == GroupKind::pointwise, g); };
    std::sort(producers.begin(), producers.end(), [&](uint32_t x, uint32_t y) { return rank(x) > rank(y); });
    for (uint32_t g : producers) {
      std::string reason = refuse(id, find(self), find(g), edges);
      NodeId producer = works_[g].group.nodes.back();
      for (const Edge& e : edges)
        if (e.group == g) producer = graph_.value(e.source).node;
      if (reason.empty()) {
        merge(find(g), find(self));
        out_.notes.push_back({producer, id, true, "same domain, aligned indices"});
      } else {
        works_[find(self)].refused.insert(g);
        out_.notes.push_back({producer, id, false, reason});
      }
    }
  }

  // Instructions of one element, with those of what is recomputed for it.
  uint64_t cost(const Node& node) {
    constexpr uint64_t access = 4, shared = 8;
    const bool scalar = node.results.size() == 1 && graph_.type(node.results[0]).shape.empty();
    uint64_t all = costs_.node(node);
    for (ValueId v : node.operands) {
      const NodeId n = graph_.value(v).node;
      if (!n.valid() || terms_[n.index] <= 1) continue;
      // Single numbers are made once, outside of loops, for all that read them.
      const bool number = graph_.node(n).op->elementwise() != nullptr && !scalar;
      all += number ? terms_[n.index] / shared : terms_[n.index] * access;
    }
    return all;
  }

  // Position of a node in a group: 1 full, 2 outer, 0 neither.
  int position(const Shape& domain, const Group& g) const {
    if (domain == g.domain) return 1;
    if (g.kind != GroupKind::reduce) return 0;
    Shape outer;
    for (uint32_t a : g.kept_axes()) outer.push_back(g.domain[a]);
    return domain == outer ? 2 : 0;
  }
  int value_position(ValueId v, const Group& g) const { return position(squeeze(graph_.type(v).shape), g); }

  static bool fusible(GroupKind k) {
    return k == GroupKind::pointwise || k == GroupKind::reduce || k == GroupKind::contract;
  }
  // Whether what makes a value is of a kind that can stand in the kernel of its reader.
  bool can_be_made_here(ValueId v) const {
    const NodeId from = graph_.value(v).node;
    if (!from.valid()) return false;
    const int32_t group = out_.group_of[from.index];
    return group < 0 || fusible(works_[static_cast<size_t>(group)].group.kind);
  }

  // Why group `a` (holding the new node) and its producer group `b` cannot be one kernel; empty: they can.
  std::string refuse(NodeId id, uint32_t a, uint32_t b, const std::vector<Edge>& edges) {
    if (a == b) return "already one kernel";
    if (wanted_ != nullptr && (*wanted_)[works_[a].last] != (*wanted_)[works_[b].last])
      return "the schedule keeps them apart";
    const Group &ga = works_[a].group, &gb = works_[b].group;
    if (is_constant(gb)) return "the constant is in memory already";
    if (!fusible(gb.kind)) return "the producer lowers on its own";
    if (!fusible(ga.kind)) return "the consumer lowers on its own";
    if (ga.kind == GroupKind::contract) return "a contraction reads its operands from memory";
    if (works_[a].cost + works_[b].cost > options_.most_cost) return "the kernel would grow past its limit";
    // LLVM looks through a block once for each load that becomes an operand.
    constexpr size_t most_arguments = 256;
    if (works_[a].arguments + works_[b].arguments > most_arguments)
      return "the kernel would read more arguments than its limit";
    if (ga.kind == GroupKind::reduce &&
        std::any_of(gb.nodes.begin(), gb.nodes.end(), [&](NodeId n) { return across_.count(n.index) != 0; }))
      return "the producer reads across memory, the reduction along it";
    if (gb.kind == GroupKind::contract && ga.kind == GroupKind::reduce)
      return "a reduction does not run inside a contraction's tile";
    std::optional<Group> merged = combined(ga, gb);
    if (!merged) return "domains differ";
    // Every edge from b into the new node must be aligned with the common domain.
    int at_node = node_position(id, *merged);
    if (at_node == 0) return "domains differ";
    for (const Edge& e : edges) {
      if (find(e.group) != b) continue;
      if (e.barrier) return "the consumer needs the whole value in memory";
      int at_value = result_position(e.source, *merged);
      if (at_value == 0) return "domains differ";
      if (at_value == 1 && at_node == 2) return "a reduced value would be read per element";
      // Axes of the node's own numbering: all domain axes when full, kept ones renumbered when outer.
      std::vector<uint32_t> axes;
      if (at_node == 1 && at_value == 2) {
        axes = merged->kept_axes();
      } else {
        for (uint32_t i = 0; i < squeeze(graph_.type(e.source).shape).size(); ++i) axes.push_back(i);
      }
      if (!is_identity(e.at, graph_.type(e.source).shape, axes))
        return "the element is read at another index";
    }
    for (uint32_t p : works_[a].refused)
      if (find(p) == b) return "another value of the producer must be in memory first";
    if (path_around(b, a)) return "another kernel must run in between";
    constexpr int most_stages = 8;
    if (ga.kind == GroupKind::reduce && gb.kind == GroupKind::reduce && stages(ga, gb) > most_stages)
      return "each of many reductions in a row would make anew what those before it read";
    return {};
  }
  // Reductions of one kernel that wait for one another.
  int stages(const Group& a, const Group& b) const {
    std::vector<NodeId> nodes = a.nodes;
    nodes.insert(nodes.end(), b.nodes.begin(), b.nodes.end());
    std::sort(nodes.begin(), nodes.end(), [](NodeId x, NodeId y) { return x.index < y.index; });
    std::unordered_map<uint32_t, int> depth;
    int most = 0;
    for (NodeId n : nodes) {
      const Node& node = graph_.node(n);
      int before = 0;
      for (ValueId v : node.operands) {
        NodeId from = graph_.value(v).node;
        while (from.valid() && out_.index_only[from.index] && !graph_.node(from).operands.empty())
          from = graph_.value(graph_.node(from).operands[0]).node;
        if (const auto d = from.valid() ? depth.find(from.index) : depth.end(); d != depth.end())
          before = std::max(before, d->second);
      }
      depth[n.index] = before + (ir::reduces(*node.op) ? 1 : 0);
      most = std::max(most, depth[n.index]);
    }
    return most;
  }

  bool is_constant(const Group& g) const {
    return g.nodes.size() == 1 && constant_node(graph_.node(g.nodes[0]));
  }
  int node_position(NodeId id, const Group& g) {
    const NodeDomain& d = domain_of(id);
    if (any(d.reduced)) return d.domain == g.domain ? 1 : 0;
    return position(d.domain, g);
  }
  // Where a value produced in the group stands: results of reductions are outer.
  int result_position(ValueId v, const Group& g) {
    NodeId n = graph_.value(v).node;
    if (g.kind == GroupKind::reduce && n.valid() && any(domain_of(n).reduced)) return 2;
    return value_position(v, g);
  }

  std::optional<Group> combined(const Group& a, const Group& b) const {
    auto with = [](const Group& base, GroupKind kind) {
      Group g;
      g.kind = kind;
      g.domain = base.domain;
      g.reduced = base.reduced;
      return g;
    };
    if (a.kind == b.kind && a.domain == b.domain && a.reduced == b.reduced) return with(a, a.kind);
    if (a.kind == GroupKind::pointwise && position(a.domain, b) != 0) return with(b, b.kind);
    if (b.kind == GroupKind::pointwise && position(b.domain, a) == 1) return with(a, a.kind);
    return std::nullopt;
  }

  // Is there a path from group `from` to group `to` through a third group?
  bool path_around(uint32_t from, uint32_t to) {
    std::vector<uint32_t> work;
    std::set<uint32_t> seen;
    auto push = [&](uint32_t g, bool direct) {
      for (uint32_t p : works_[g].preds) {
        p = find(p);
        if (p == g || (direct && p == from)) continue;
        if (works_[p].last < works_[from].first) continue;
        if (seen.insert(p).second) work.push_back(p);
      }
    };
    push(to, true);
    constexpr size_t visit_limit = 4096;
    while (!work.empty()) {
      uint32_t g = work.back();
      work.pop_back();
      if (g == from) return true;
      if (seen.size() > visit_limit) return true;
      push(g, false);
    }
    return false;
  }

  void merge(uint32_t into, uint32_t from) {
    Work &a = works_[into], &b = works_[from];
    Group merged = *combined(b.group, a.group);
    merged.nodes = a.group.nodes;
    merged.nodes.insert(merged.nodes.end(), b.group.nodes.begin(), b.group.nodes.end());
    std::sort(merged.nodes.begin(), merged.nodes.end());
    a.group = std::move(merged);
    a.first = std::min(a.first, b.first);
    a.last = std::max(a.last, b.last);
    a.cost += b.cost;
    a.arguments += b.arguments;
    a.preds.insert(b.preds.begin(), b.preds.end());
    a.refused.insert(b.refused.begin(), b.refused.end());
    b.preds.clear();
    b.group.nodes.clear();
    b.forward = into;
    a.preds.erase(into);
    a.preds.erase(from);
  }

  Fusion finish();

  const Graph& graph_;
  const FuseOptions& options_;
  const IndexRanges& ranges_;
  const std::vector<int32_t>* wanted_;
  Costs costs_;
  std::vector<uint32_t> terms_;  // of one element of each recomputed node
  Fusion out_;
  std::vector<Work> works_;
  std::vector<std::optional<NodeDomain>> domains_;
  std::set<uint32_t> across_;  // nodes: see store_across
};

Fusion Fuser::finish() {
  // Order: groups by readiness, ties by the number of their last node.
  std::vector<uint32_t> alive;
  for (uint32_t g = 0; g < works_.size(); ++g)
    if (find(g) == g) alive.push_back(g);
  std::vector<uint32_t> waiting(works_.size(), 0);
  std::vector<std::vector<uint32_t>> succs(works_.size());
  for (uint32_t g : alive) {
    std::set<uint32_t> preds;
    for (uint32_t p : works_[g].preds)
      if (find(p) != g) preds.insert(find(p));
    waiting[g] = static_cast<uint32_t>(preds.size());
    for (uint32_t p : preds) succs[p].push_back(g);
  }
  std::set<std::pair<uint32_t, uint32_t>> ready;
  for (uint32_t g : alive)
    if (waiting[g] == 0) ready.insert({works_[g].last, g});
  std::vector<int32_t> number(works_.size(), -1);
  while (!ready.empty()) {
    uint32_t g = ready.begin()->second;
    ready.erase(ready.begin());
    number[g] = static_cast<int32_t>(out_.groups.size());
    out_.groups.push_back(std::move(works_[g].group));
    for (uint32_t s : succs[g])
      if (--waiting[s] == 0) ready.insert({works_[s].last, s});
  }
  TENON_CHECK(out_.groups.size() == alive.size(), "fusion made a cycle");
  for (int32_t& g : out_.group_of)
    if (g >= 0) g = number[find(static_cast<uint32_t>(g))];

  // Outputs: values read by another group, by a view, or returned.
  std::vector<bool> needed(graph_.value_count(), false);
  for (ValueId v : graph_.results) needed[storage_of(graph_, v).index] = true;
  for (size_t i = 0; i < graph_.node_count(); ++i) {
    const Node& node = graph_.node(NodeId(i));
    if (node.op->view() != nullptr && !out_.index_only[i])
      needed[storage_of(graph_, node.operands[0]).index] = true;
    if (out_.group_of[i] < 0) continue;
    for (ValueId operand : node.operands) {
      std::vector<Source> sources;
      Index at(graph_.type(operand).rank(), affine_constant(Dim(0)));
      collect_sources(graph_, operand, at, out_.index_only, &sources);
      for (const Source& s : sources) {
        NodeId p = graph_.value(storage_of(graph_, s.value)).node;
        if (p.valid() && out_.group_of[p.index] != out_.group_of[i])
          needed[storage_of(graph_, s.value).index] = true;
      }
    }
  }
  // What reaches a result or a store.
  std::vector<bool> live(graph_.value_count(), false);
  for (ValueId v : graph_.results) live[v.index] = true;
  for (size_t i = graph_.node_count(); i-- > 0;) {
    const Node& node = graph_.node(NodeId(static_cast<uint32_t>(i)));
    bool needs = ranges_.may_fail(node) || node.op->control() != nullptr || node.op->check() != nullptr;
    for (ValueId v : node.results) needs = needs || live[v.index];
    if (needs)
      for (ValueId v : node.operands) live[v.index] = true;
  }
  for (Group& g : out_.groups)
    for (NodeId n : g.nodes) {
      const Node& node = graph_.node(n);
      const ir::OpDef& op = *node.op;
      // These write a buffer of their own, whoever reads it.
      const bool stores = op.control() != nullptr || op.check() != nullptr || ir::scatters(op) ||
                          ir::scans(op) || g.kind == GroupKind::permute;
      // What may fail runs even where nothing reads it.
      for (ValueId v : graph_.node(n).results)
        if (needed[v.index] || stores || (ranges_.may_fail(node) && !live[v.index])) g.outputs.push_back(v);
    }
  out_.terms = std::move(terms_);
  out_.domains.resize(graph_.node_count());
  for (size_t i = 0; i < graph_.node_count(); ++i)
    if (out_.group_of[i] >= 0) out_.domains[i] = std::move(*domains_[i]);
  return std::move(out_);
}

}  // namespace

Fusion fuse(const Graph& graph, const FuseOptions& options, const IndexRanges& ranges,
            const std::vector<int32_t>* wanted) {
  return Fuser(graph, options, ranges, wanted).run();
}

}  // namespace tenon::lower
