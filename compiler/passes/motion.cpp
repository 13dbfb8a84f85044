// motion: transposes and reshapes are moved towards the inputs, through elementwise operations of which
// everything but one operand is a constant or a scalar spread out, and into the dimension numbers of
// contractions; lowering then reads them as index maps of loads. Bits are kept: the same scalar operations on
// the same elements.
//
// One backward sweep tells for each value the move that its only user asks for, one forward sweep carries it
// out: linear, however long the chain.
#include <algorithm>

#include "ops/contraction.h"
#include "passes/match.h"
#include "passes/rebuild.h"

namespace tenon::passes {
namespace {

using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::ValueId;
using ops::Axes;

// Elementwise with one operand that is not a scalar spread out; its position. -1: none or several.
int travels_through(const Graph& g, const Node& node) {
  if (node.op->elementwise() == nullptr || node.results.size() != 1) return -1;
  int found = -1;
  for (size_t i = 0; i < node.operands.size(); ++i) {
    const ValueId source = spread_source(g, node.operands[i]);
    if (g.type(source).is_scalar() && source != node.operands[i]) continue;
    if (found >= 0) return -1;
    found = static_cast<int>(i);
  }
  return found;
}

bool is_move(const Node& node) { return node.op->name == "transpose" || node.op->view() != nullptr; }

class Mover {
 public:
  Mover(const ir::Module& module, pass::Counts& counts) : module_(module), counts_(counts) {}

  bool run(Graph& graph) {
    plan(graph);
    Graph next = rebuild(module_, graph, [&](Candidate& c) { return visit(c); });
    if (changed_) graph = std::move(next);
    return changed_;
  }

 private:
  // The move (a transpose or reshape node) that a value's producer carries out in its stead, by value.
  using Wishes = std::vector<const Node*>;

  void plan(const Graph& g) {
    Wishes& wishes = plans_[&g];
    wishes.assign(g.value_count(), nullptr);
    const std::vector<uint32_t> uses = ir::count_uses(g);
    for (size_t i = g.node_count(); i-- > 0;) {
      const Node& node = g.node(NodeId(i));
      if (node.op->control() != nullptr)
        for (const std::unique_ptr<Graph>& region : node.regions) plan(*region);
      const Node* move = nullptr;
      ValueId source;
      if (is_move(node)) {
        move = &node;
        source = node.operands[0];
      } else if (node.results.size() == 1 && wishes[node.results[0].index] != nullptr) {
        move = wishes[node.results[0].index];
        source = node.operands[static_cast<size_t>(travels_through(g, node))];
      }
      if (move == nullptr || uses[source.index] != 1) continue;
      const Node* producer = g.producer(source);
      if (producer != nullptr && travels_through(g, *producer) >= 0) wishes[source.index] = move;
    }
  }

  ValueId moved(ir::Builder& b, ValueId v, const Node& move, const ir::Type& like) {
    const ops::V x{&b, v};
    if (b.type(v).is_scalar() && like.is_scalar()) return v;
    return move.op->name == "transpose" ? ops::transpose(x, move.get<Axes>("perm")).id
                                        : ops::reshape(x, like.shape).id;
  }

  std::optional<std::vector<ValueId>> visit(Candidate& c) {
    const Wishes& wishes = plans_[&c.from];
    const Node& node = c.node;
    if (is_move(node) && wishes[node.operands[0].index] != nullptr) {
      changed_ = true;
      ++counts_["moved " + std::string(node.op->name)];
      return std::vector<ValueId>{c.operands[0]};  // arrives moved
    }
    if (node.results.size() == 1 && wishes[node.results[0].index] != nullptr) {
      const Node& move = *wishes[node.results[0].index];
      const ir::Type& shape_like = c.from.type(move.results[0]);
      const size_t through = static_cast<size_t>(travels_through(c.from, node));
      std::vector<ValueId> operands = c.operands;
      for (size_t i = 0; i < operands.size(); ++i) {
        if (i == through) {
          if (wishes[node.operands[i].index] == nullptr)
            operands[i] = moved(c.b, operands[i], move, shape_like);
        } else {
          const ValueId scalar = spread_source(c.b.graph(), operands[i]);
          operands[i] = ops::broadcast_to({&c.b, scalar}, shape_like.shape).id;
        }
      }
      return c.b.emit_all(*node.op, std::move(operands), node.attrs);
    }
    if (ops::pairs_dimensions(*node.op)) return contraction(c);
    return std::nullopt;
  }

  // dot_general of a transposed operand reads the operand itself, where the order of the free dimensions
  // stays.
  std::optional<std::vector<ValueId>> contraction(Candidate& c) {
    std::vector<ValueId> operands = c.operands;
    ir::Attrs attrs = c.node.attrs;
    bool any = false;
    for (size_t side = 0; side < 2; ++side) {
      const Node* t = made_by(c.b, operands[side], "transpose");
      if (t == nullptr) continue;
      const Axes perm = t->get<Axes>("perm");
      const std::string prefix = side == 0 ? "lhs" : "rhs";
      const size_t batch = c.node.op->attr_index(prefix + "_batch");
      const size_t contract = c.node.op->attr_index(prefix + "_contract");
      Axes batches = std::get<Axes>(attrs[batch]), contracts = std::get<Axes>(attrs[contract]);
      Axes free;
      for (int64_t i = 0; i < static_cast<int64_t>(perm.size()); ++i) {
        const bool used = std::find(batches.begin(), batches.end(), i) != batches.end() ||
                          std::find(contracts.begin(), contracts.end(), i) != contracts.end();
        if (!used) free.push_back(perm[static_cast<size_t>(i)]);
      }
      if (!std::is_sorted(free.begin(), free.end())) continue;
      for (int64_t& a : batches) a = perm[static_cast<size_t>(a)];
      for (int64_t& a : contracts) a = perm[static_cast<size_t>(a)];
      attrs[batch] = std::move(batches);
      attrs[contract] = std::move(contracts);
      operands[side] = t->operands[0];
      any = true;
      ++counts_["transpose into contraction"];
    }
    if (!any) return std::nullopt;
    changed_ = true;
    return c.b.emit_all(*c.node.op, std::move(operands), std::move(attrs));
  }

  const ir::Module& module_;
  pass::Counts& counts_;
  bool changed_ = false;
  std::map<const Graph*, Wishes> plans_;
};

Result<bool> run(ir::Module& module, const pass::Options& /*options*/, pass::Counts& counts) {
  return over_functions(module,
                        [&](Graph& graph) -> Result<bool> { return Mover(module, counts).run(graph); });
}

}  // namespace

const Pass motion{{"motion", "transposes and reshapes towards the inputs and into contractions"}, run};

}  // namespace tenon::passes
