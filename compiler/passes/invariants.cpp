// invariants: what a loop computes from captures alone is computed once, before the loop, and captured.
//
// Worth it are contractions, reductions, functions that cost more than a few instructions, and what a
// contraction reads from memory anyway; index maps stay, since every reader computes them. Nothing that may
// fail moves: a loop of no iterations does not fail. Bits are kept: the same operations on the same values.
#include "ir/apply.h"
#include "ir/op_def.h"
#include "passes/rebuild.h"

namespace tenon::passes {
namespace {

using ir::ArgKind;
using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

bool is_loop(const Node& node) { return ir::is_control(node, ir::Control::loop); }

class Loop {
 public:
  Loop(Candidate& c, const Graph& body) : c_(c), body_(body) {}

  // The loop with a new body, or nothing where all of it depends on the iteration.
  std::optional<std::vector<ValueId>> run(int64_t* moved) {
    judge();
    find_captured();
    if (captured_.empty()) return std::nullopt;
    *moved += static_cast<int64_t>(captured_.size());
    for (size_t i = 0; i < body_.args.size() && i < c_.operands.size(); ++i)
      if (body_.value(body_.args[i]).arg == ArgKind::capture) outside_[body_.args[i].index] = c_.operands[i];
    std::vector<ValueId> operands = c_.operands;
    for (ValueId v : captured_) operands.push_back(made_outside(v));
    std::vector<std::unique_ptr<Graph>> regions;
    regions.push_back(rest());
    std::vector<ir::Type> types;
    for (ValueId r : c_.node.results) types.push_back(c_.from.type(r));
    Graph& graph = c_.b.graph();
    const NodeId id = graph.add_node(c_.node.op, std::move(operands), c_.node.attrs, types,
                                     std::move(regions), c_.node.location, c_.node.scope);
    return graph.node(id).results;
  }

 private:
  static bool costs(const Graph& g, const Node& node) {
    const ir::OpDef& op = *node.op;
    if (ir::multiplies(op) || ir::reduces(op) || ir::finds_position(op)) return true;
    return op.elementwise() != nullptr && !op.elementwise()->cheap && !g.type(node.results[0]).shape.empty();
  }
  static bool may_move(const Node& node) {
    const ir::OpDef& op = *node.op;
    return op.control() == nullptr && op.check() == nullptr && !ir::gathers(op) && !ir::scatters(op) &&
           !op.may_fail && node.regions.empty() && node.results.size() == 1;
  }

  void judge() {
    invariant_.assign(body_.value_count(), false);
    moves_.assign(body_.node_count(), false);
    for (ValueId a : body_.args) invariant_[a.index] = body_.value(a).arg == ArgKind::capture;
    std::vector<bool> worth(body_.value_count(), false), read_by_contraction(body_.value_count(), false);
    for (size_t i = 0; i < body_.node_count(); ++i)
      if (ir::multiplies(*body_.node(NodeId(i)).op))
        for (ValueId v : body_.node(NodeId(i)).operands) read_by_contraction[v.index] = true;
    for (size_t i = 0; i < body_.node_count(); ++i) {
      const Node& node = body_.node(NodeId(i));
      bool same = may_move(node), dear = costs(body_, node);
      for (ValueId v : node.operands) {
        same = same && invariant_[v.index];
        dear = dear || worth[v.index];
      }
      if (!same) continue;
      const ValueId result = node.results[0];
      invariant_[result.index] = true;
      dear = dear || (node.op->elementwise() != nullptr && read_by_contraction[result.index]);
      worth[result.index] = dear;
      // Values without operands are no work, and index maps none of their own.
      moves_[i] =
          dear && !node.operands.empty() && node.op->index_map() == nullptr && node.op->view() == nullptr;
    }
  }

  // Moved values that something left in the loop reads.
  void find_captured() {
    std::vector<bool> seen(body_.value_count(), false);
    auto read = [&](ValueId v) {
      const NodeId n = body_.value(v).node;
      if (!n.valid() || !moves_[n.index] || seen[v.index]) return;
      seen[v.index] = true;
      captured_.push_back(v);
    };
    for (size_t i = 0; i < body_.node_count(); ++i)
      if (!moves_[i])
        for (ValueId v : body_.node(NodeId(i)).operands) read(v);
    for (ValueId v : body_.results) read(v);
  }

  // An invariant value in the graph around the loop. The body stands in program order, so what it reads was
  // made before it; no recursion.
  ValueId made_outside(ValueId wanted) {
    std::vector<NodeId> work{body_.value(wanted).node};
    while (!work.empty()) {
      const Node& node = body_.node(work.back());
      const ValueId result = node.results[0];
      if (outside_.count(result.index) != 0) {
        work.pop_back();
        continue;
      }
      bool ready = true;
      std::vector<ValueId> operands;
      for (ValueId v : node.operands) {
        if (auto it = outside_.find(v.index); it != outside_.end()) {
          operands.push_back(it->second);
        } else {
          ready = false;
          work.push_back(body_.value(v).node);
        }
      }
      if (!ready) continue;
      work.pop_back();
      Graph& graph = c_.b.graph();
      const NodeId id = graph.add_node(node.op, std::move(operands), node.attrs, {body_.type(result)}, {},
                                       node.location, node.scope);
      outside_[result.index] = graph.node(id).results[0];
    }
    return outside_.at(wanted.index);
  }

  // The body without what moved.
  std::unique_ptr<Graph> rest() {
    auto out = std::make_unique<Graph>();
    std::vector<ValueId> map(body_.value_count());
    auto add_captured = [&] {
      for (ValueId v : captured_)
        if (!map[v.index].valid())
          map[v.index] = out->add_arg(body_.type(v), ArgKind::capture, body_.value(v).name);
    };
    for (size_t i = 0; i < body_.args.size(); ++i) {
      const ir::Value& arg = body_.value(body_.args[i]);
      if (i >= c_.operands.size()) add_captured();  // in front of what is no operand
      map[body_.args[i].index] = out->add_arg(arg.type, arg.arg, arg.name);
    }
    add_captured();
    for (size_t i = 0; i < body_.node_count(); ++i) {
      if (moves_[i]) continue;
      const Node& node = body_.node(NodeId(i));
      std::vector<ValueId> operands;
      for (ValueId v : node.operands) operands.push_back(map[v.index]);
      std::vector<std::unique_ptr<Graph>> regions;
      for (const auto& region : node.regions) regions.push_back(std::make_unique<Graph>(*region));
      std::vector<ir::Type> types;
      for (ValueId r : node.results) types.push_back(body_.type(r));
      const NodeId id = out->add_node(node.op, std::move(operands), node.attrs, types, std::move(regions),
                                      node.location, node.scope);
      for (size_t r = 0; r < node.results.size(); ++r) {
        const ValueId to = out->node(id).results[r];
        out->value(to).name = body_.value(node.results[r]).name;
        map[node.results[r].index] = to;
      }
    }
    for (ValueId v : body_.results) out->results.push_back(map[v.index]);
    return out;
  }

  Candidate& c_;
  const Graph& body_;
  std::vector<bool> invariant_, moves_;  // by value; by node
  std::vector<ValueId> captured_;
  std::map<uint32_t, ValueId> outside_;
};

Result<bool> run(ir::Module& module, const pass::Options& /*options*/, pass::Counts& counts) {
  return over_functions(module, [&](Graph& graph) -> Result<bool> {
    int64_t moved = 0;
    Graph next = rebuild(module, graph, [&](Candidate& c) -> std::optional<std::vector<ValueId>> {
      if (!is_loop(c.node)) return std::nullopt;
      return Loop(c, *c.regions[0]).run(&moved);
    });
    if (moved == 0) return false;
    counts["moved before the loop"] += moved;
    graph = std::move(next);
    return true;
  });
}

}  // namespace

const Pass invariants{{"invariants", "what depends on captures alone is computed before the loop"}, run};

}  // namespace tenon::passes
