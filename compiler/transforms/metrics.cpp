#include "transforms/metrics.h"

#include <unordered_map>
#include <unordered_set>

#include "ir/equal.h"
#include "ir/inline_calls.h"
#include "support/hash.h"
#include "support/text.h"
#include "transforms/globals.h"
#include "transforms/options.h"

namespace tenon::transforms {

using ir::ArgKind;
using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

namespace {

uint64_t key_of(const Node& node, const std::vector<ValueId>& operands) {
  Hasher h;
  h.add(node.op->name);
  for (ValueId v : operands) h.add(uint64_t{v.index});
  for (const ir::Attr& a : node.attrs) h.add(ir::attr_hash(a));
  return h.low();
}

// The values of a metric's graph in the step's, node by node; those that are not there are added.
class Merger {
 public:
  Merger(const ir::Module& module, Graph& to) : to_(to), b_(to, &module) {
    for (size_t i = 0; i < to.node_count(); ++i) {
      const Node& node = to.node(NodeId(i));
      known_[key_of(node, node.operands)].push_back(NodeId(i));
    }
  }

  void run(const Graph& from, std::vector<ValueId>& map) {
    for (size_t i = 0; i < from.node_count(); ++i) {
      const Node& node = from.node(NodeId(i));
      std::vector<ValueId> operands;
      for (ValueId v : node.operands) operands.push_back(map[v.index]);
      const NodeId same = find(node, operands);
      const std::vector<ValueId> results = same.valid() ? to_.node(same).results : b_.copy(from, node, map);
      for (size_t r = 0; r < results.size(); ++r) map[node.results[r].index] = results[r];
    }
  }

 private:
  // The first equal node that no node of this metric has taken yet, so that two draws stay two.
  NodeId find(const Node& node, const std::vector<ValueId>& operands) {
    const auto found = known_.find(key_of(node, operands));
    if (found == known_.end()) return {};
    for (const NodeId id : found->second) {
      const Node& other = to_.node(id);
      if (other.operands != operands || !ir::equal_nodes(node, other) || !taken_.insert(id.index).second)
        continue;
      return id;
    }
    return {};
  }

  Graph& to_;
  ir::Builder b_;
  std::unordered_map<uint64_t, std::vector<NodeId>> known_;
  std::unordered_set<uint32_t> taken_;
};

}  // namespace

Status add_metric(const ir::Module& module, const ir::Derive& derive, const std::string& name,
                  ir::Function* function) {
  const ir::Function* metric = module.find_function(name);
  if (metric == nullptr) {
    const std::string_view near = nearest(name, function_names(module));
    return derive_error(module, derive, "no metric function is named " + name,
                        near.empty() ? "" : "did you mean " + std::string(near) + "?");
  }
  Graph from = metric->graph;
  if (Status s = ir::inline_calls(module, from, [](std::string_view) { return true; }); !s)
    return at_derive(module, derive, s.take_errors());
  Graph& to = function->graph;
  std::vector<ValueId> map(from.value_count());
  for (ValueId a : from.args) {
    const ir::Value& arg = from.value(a);
    if (arg.arg == ArgKind::global) {
      map[a.index] = global_value(module, to, arg.name);
      continue;
    }
    for (ValueId own : to.args)
      if (to.value(own).arg == ArgKind::input && to.value(own).name == arg.name) map[a.index] = own;
    if (!map[a.index].valid())
      return derive_error(
          module, derive,
          "metric " + name + " has an input " + arg.name + ", " + derive.source + " has none of that name");
    if (to.type(map[a.index]) != arg.type)
      return derive_error(module, derive,
                          "metric " + name + " takes " + arg.name + ": " + arg.type.text() + ", in " +
                              derive.source + " it is " + to.type(map[a.index]).text());
  }
  Merger(module, to).run(from, map);
  for (size_t r = 0; r < metric->returns; ++r) {
    std::string label = r < metric->result_names.size() ? metric->result_names[r] : "";
    if (label.empty()) label = metric->returns == 1 ? name : name + "." + std::to_string(r);
    add_result(*function, map[from.results[r].index], label);
  }
  return Ok{};
}

}  // namespace tenon::transforms
