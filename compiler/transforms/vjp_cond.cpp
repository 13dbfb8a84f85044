// Reverse mode through a cond: both branches yield the residuals of either (zeros for those of the other
// one), and a second cond with the same predicate turns the cotangents of the results into those of the
// captures.
#include "support/hash.h"
#include "transforms/residuals.h"
#include "transforms/sweep.h"

namespace tenon::transforms {

using ir::ArgKind;
using ir::Graph;
using ir::NodeId;
using ir::ValueId;

namespace {

// One branch, and the gradients of its captures behind its nodes.
struct Branch {
  Graph graph;
  size_t nodes = 0;
  std::vector<ValueId> cotangents;  // arguments
  std::vector<ValueId> of_arg;      // per capture: its cotangent, where a path leads
  ResidualPlan plan;
  std::vector<ValueId> residuals;  // results of the cond
};

// `results`: those that have a cotangent; `active`: per capture.
Result<Branch> differentiated(const Graph& region, const ir::Module& module, std::vector<uint64_t> seeds,
                              const std::vector<size_t>& results, const Flags& active, size_t captures) {
  Branch branch;
  branch.graph = region;
  branch.nodes = branch.graph.node_count();
  std::vector<ValueId> outputs, wrt, needed;
  std::vector<size_t> wrt_index;
  for (size_t r : results) {
    outputs.push_back(branch.graph.results[r]);
    const ir::Type type = branch.graph.type(branch.graph.results[r]);
    branch.cotangents.push_back(branch.graph.add_arg(type, ArgKind::capture, ""));
  }
  for (size_t i = 0; i < captures; ++i) {
    if (!active[i]) continue;
    wrt.push_back(branch.graph.args[i]);
    wrt_index.push_back(i);
  }
  seeds.resize(captures);
  for (size_t r : results) seeds.push_back(Hasher().add("cotangent").add(uint64_t{r}).low());
  Sweep inner(branch.graph, module, std::move(seeds));
  TENON_ASSIGN(std::vector<ValueId> found, inner.run(outputs, branch.cotangents, wrt));
  branch.of_arg.resize(captures);
  for (size_t w = 0; w < wrt.size(); ++w) {
    if (!found[w].valid()) continue;
    branch.of_arg[wrt_index[w]] = found[w];
    needed.push_back(found[w]);
  }
  branch.plan = plan_residuals(branch.graph, branch.cotangents, needed);
  return branch;
}

// Yields [results, then's residuals, else's residuals].
Graph forward_branch(const Branch (&branches)[2], size_t k, const ir::Module& module, size_t captures) {
  const Branch& branch = branches[k];
  Graph forward = forward_region(branch.graph, module, captures, branch.nodes, branch.plan);
  const size_t own = branch.plan.saved.size();
  std::vector<ValueId> saved(forward.results.end() - static_cast<ptrdiff_t>(own), forward.results.end());
  forward.results.resize(forward.results.size() - own);
  ir::Builder fb(forward, &module);
  for (size_t other = 0; other < 2; ++other) {
    if (other == k) {
      forward.results.insert(forward.results.end(), saved.begin(), saved.end());
      continue;
    }
    for (ValueId v : branches[other].plan.saved)
      forward.results.push_back(zeros(fb, branches[other].graph.type(v)));
  }
  return forward;
}

// Captures are [cotangents, then's residuals, else's residuals, the captures that are `used`]; yields the
// cotangents of those that are `wanted`.
std::unique_ptr<Graph> reverse_branch(const Branch (&branches)[2], size_t k, const ir::Module& module,
                                      const Flags& used, const Flags& wanted) {
  const Branch& branch = branches[k];
  auto reverse = std::make_unique<Graph>();
  std::vector<ValueId> map(branch.graph.value_count());
  for (ValueId v : branch.cotangents)
    map[v.index] = reverse->add_arg(branch.graph.type(v), ArgKind::capture, "");
  for (size_t other = 0; other < 2; ++other) {
    for (ValueId v : branches[other].plan.saved) {
      const ValueId arg = reverse->add_arg(branches[other].graph.type(v), ArgKind::capture, "");
      if (other == k) map[v.index] = arg;
    }
  }
  for (size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    const ir::Value& arg = branch.graph.value(branch.graph.args[i]);
    map[branch.graph.args[i].index] = reverse->add_arg(arg.type, ArgKind::capture, arg.name);
  }
  ir::Builder rb(*reverse, &module);
  copy_reverse_nodes(branch.graph, branch.plan, rb, &map);
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i]) continue;
    const ValueId found = branch.of_arg[i];
    reverse->results.push_back(found.valid() ? map[found.index]
                                             : zeros(rb, branch.graph.type(branch.graph.args[i])));
  }
  return reverse;
}

}  // namespace

Status Sweep::cond(NodeId id) {
  const std::vector<ValueId> operands = graph_.node(id).operands, results = graph_.node(id).results;
  Flags operand_flags;
  for (ValueId v : operands) operand_flags.push_back(active_[v.index]);
  const RegionActivity activity = cond_activity(graph_.node(id), operand_flags);
  std::vector<size_t> with_cotangent;
  for (size_t r = 0; r < results.size(); ++r)
    if (activity.results[r] && has_cotangent(results[r])) with_cotangent.push_back(r);

  Branch branches[2];
  const size_t captures = operands.size() - 1;
  Flags wanted(captures), used(captures);
  for (size_t k = 0; k < 2; ++k) {
    const Graph& region = *graph_.node(id).regions[k];
    TENON_ASSIGN(branches[k],
                 differentiated(region, module_, structure_.region_seeds(graph_.node(id), region),
                                with_cotangent, activity.args, captures));
    for (size_t i = 0; i < captures; ++i)
      if (branches[k].of_arg[i].valid()) wanted[i] = 1;
    for (ValueId a : branches[k].plan.args) used[branches[k].graph.value(a).result] = 1;
  }
  for (size_t k = 0; k < 2; ++k) *graph_.node(id).regions[k] = forward_branch(branches, k, module_, captures);
  for (Branch& branch : branches)
    for (ValueId v : branch.plan.saved)
      branch.residuals.push_back(graph_.add_result(id, branch.graph.type(v)));
  grow();

  std::vector<ValueId> inputs{operands[0]};
  for (size_t r : with_cotangent) inputs.push_back(settled_cotangent(results[r]));
  for (Branch& branch : branches)
    inputs.insert(inputs.end(), branch.residuals.begin(), branch.residuals.end());
  for (size_t i = 0; i < captures; ++i)
    if (used[i]) inputs.push_back(operands[i + 1]);
  std::vector<std::unique_ptr<Graph>> regions;
  for (size_t k = 0; k < 2; ++k) regions.push_back(reverse_branch(branches, k, module_, used, wanted));
  const ir::OpDef* op = ir::op_table().find("cond");
  const std::vector<ValueId> out =
      b_.emit_all(*op, std::move(inputs), ir::Attrs(op->attrs.size()), std::move(regions));
  grow();
  size_t at = 0;
  for (size_t i = 0; i < captures; ++i) {
    if (!wanted[i]) continue;
    const ValueId cotangent = out[at++];
    if (active_[operands[i + 1].index]) add_cotangent(operands[i + 1], cotangent);
  }
  return Ok{};
}

}  // namespace tenon::transforms
