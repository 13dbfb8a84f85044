// cse: of nodes with the same operation, operands, attributes and regions, the first is kept. Bits are kept:
// equal operations on equal bits give equal bits, random ones included (their operands are their state).
// Besides, a loop's or cond's equal operands become one argument, and equal stacked results one result. Left
// alone: what is not resolved yet (modes: two dropouts are two), calls, and loops that commit.
#include <unordered_map>

#include "ir/equal.h"
#include "ir/op_def.h"
#include "passes/rebuild.h"
#include "support/hash.h"

namespace tenon::passes {
namespace {

using ir::ArgKind;
using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

uint64_t hash_node(const Node& node) {
  Hasher h;
  h.add(node.op->name);
  for (ValueId v : node.operands) h.add(uint64_t{v.index});
  for (const ir::Attr& a : node.attrs) h.add(ir::attr_hash(a));
  for (const std::unique_ptr<Graph>& region : node.regions) {
    h.add(uint64_t{region->node_count()});
    for (ValueId v : region->results) h.add(uint64_t{v.index});
    for (size_t i = 0; i < region->node_count(); ++i) h.add(hash_node(region->node(NodeId(i))));
  }
  return h.low();
}

bool mergeable(const Node& node) {
  if (node.op->mode != nullptr) return false;
  if (node.op->control() == nullptr) return true;
  if (node.op->control()->what == ir::Control::call) return false;
  if (node.op->control()->what == ir::Control::loop && node.get<bool>("commit")) return false;
  // A mode inside a region is as unresolved as outside.
  for (const std::unique_ptr<Graph>& region : node.regions)
    for (size_t i = 0; i < region->node_count(); ++i)
      if (!mergeable(region->node(NodeId(i)))) return false;
  return true;
}

// Within regions, arguments of equal operands are read through the first of them. Returns the number
// replaced.
size_t unify_arguments(Node& node) {
  const size_t first = node.op->control()->what == ir::Control::cond ? 1 : 0;
  size_t n = 0;
  std::unordered_map<uint64_t, size_t> seen;  // (operand, kind) -> position
  for (size_t i = first; i < node.operands.size(); ++i) {
    const Graph& any = *node.regions[0];
    const ArgKind kind = any.value(any.args[i - first]).arg;
    if (kind == ArgKind::carry) continue;
    const uint64_t key = uint64_t{node.operands[i].index} * 8 + static_cast<uint64_t>(kind);
    const auto [at, fresh] = seen.try_emplace(key, i);
    if (fresh) continue;
    for (std::unique_ptr<Graph>& region : node.regions) {
      const ValueId from = region->args[i - first], to = region->args[at->second - first];
      bool used = false;
      for (size_t k = 0; k < region->node_count(); ++k)
        for (ValueId& v : region->node(NodeId(k)).operands)
          if (v == from) v = to, used = true;
      for (ValueId& v : region->results)
        if (v == from) v = to, used = true;
      n += used;
    }
  }
  return n;
}

class Merger {
 public:
  Merger(const ir::Module& module, pass::Counts& counts) : module_(module), counts_(counts) {}

  bool run(Graph& graph) {
    RebuildOptions options;
    options.enter = [&](Graph&) { tables_.emplace_back(); };
    options.leave = [&](Graph&) { tables_.pop_back(); };
    options.copied = [&](Graph& out, NodeId id) {
      if (mergeable(out.node(id))) tables_.back().emplace(hash_node(out.node(id)), id);
    };
    Graph next = rebuild(module_, graph, [&](Candidate& c) { return visit(c); }, options);
    if (changed_) graph = std::move(next);
    return changed_;
  }

 private:
  std::optional<std::vector<ValueId>> visit(Candidate& c) {
    Node node;
    node.op = c.node.op;
    node.operands = c.operands;
    node.attrs = c.node.attrs;
    node.regions = std::move(c.regions);
    Graph& out = c.b.graph();
    const bool control = node.op->control() != nullptr && !node.regions.empty();
    if (control) {
      const size_t n = unify_arguments(node);
      if (n != 0) {
        counts_["unified argument"] += n;
        changed_ = true;
      }
    }
    std::optional<std::vector<ValueId>> found;
    if (mergeable(node)) {
      const auto [low, high] = tables_.back().equal_range(hash_node(node));
      for (auto at = low; at != high && !found; ++at)
        if (const Node& other = out.node(at->second);
            node.operands == other.operands && ir::equal_nodes(node, other))
          found = other.results;
    }
    if (found) {
      counts_[std::string(node.op->name)] += 1;
      changed_ = true;
    } else if (control && node.op->control()->what == ir::Control::loop) {
      found = unify_results(c, std::move(node));
    } else {
      c.regions = std::move(node.regions);
    }
    return found;
  }

  // A loop whose stacked results are partly equal: later ones read the first.
  std::optional<std::vector<ValueId>> unify_results(Candidate& c, Node node) {
    const Graph& body = *node.regions[0];
    size_t carries = 0;
    for (ValueId a : body.args) carries += body.value(a).arg == ArgKind::carry;
    std::unordered_map<uint32_t, size_t> seen;
    std::vector<size_t> source(c.node.results.size());
    bool any = false;
    for (size_t r = 0; r < source.size(); ++r) {
      source[r] = r;
      if (r < carries) continue;
      source[r] = seen.try_emplace(body.results[r].index, r).first->second;
      any = any || source[r] != r;
    }
    c.regions = std::move(node.regions);
    if (!any || !used_twice(c, source)) return std::nullopt;
    std::vector<ir::Type> types;
    for (ValueId r : c.node.results) types.push_back(c.from.type(r));
    Graph& out = c.b.graph();
    const NodeId id = out.add_node(c.node.op, c.operands, c.node.attrs, types, std::move(c.regions),
                                   c.node.location, c.node.scope);
    std::vector<ValueId> results;
    for (size_t r = 0; r < source.size(); ++r) {
      results.push_back(out.node(id).results[source[r]]);
      counts_["unified result"] += source[r] != r;
    }
    changed_ = true;
    if (mergeable(out.node(id))) tables_.back().emplace(hash_node(out.node(id)), id);
    return results;
  }

  // Whether a duplicate is used at all: else there is nothing to do, and dce drops it.
  bool used_twice(const Candidate& c, const std::vector<size_t>& source) {
    auto [at, fresh] = uses_.try_emplace(&c.from);
    if (fresh) at->second = ir::count_uses(c.from);
    for (size_t r = 0; r < source.size(); ++r)
      if (source[r] != r && at->second[c.node.results[r].index] != 0) return true;
    return false;
  }

  const ir::Module& module_;
  pass::Counts& counts_;
  bool changed_ = false;
  std::vector<std::unordered_multimap<uint64_t, NodeId>> tables_;  // one per graph that is being built
  std::unordered_map<const Graph*, std::vector<uint32_t>> uses_;
};

Result<bool> run(ir::Module& module, const pass::Options& /*options*/, pass::Counts& counts) {
  return over_functions(module,
                        [&](Graph& graph) -> Result<bool> { return Merger(module, counts).run(graph); });
}

}  // namespace

const Pass cse{{"cse", "keeps the first of equal nodes, arguments of regions and stacked results"}, run};

}  // namespace tenon::passes
