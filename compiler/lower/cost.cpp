#include "lower/cost.h"

#include <algorithm>

#include "lower/emit.h"

namespace tenon::lower {
namespace {

// Terms of one element of a recomputed value.
constexpr uint32_t most_terms = 64;

uint32_t operations(const kernel::Function& f) {
  const auto counted = [](const kernel::Expr& e) {
    return e.op != kernel::Op::constant && e.op != kernel::Op::variable;
  };
  return static_cast<uint32_t>(std::count_if(f.exprs.begin(), f.exprs.end(), counted));
}

// Terms of single elements, as trees where maps read them and as graphs where arithmetic does.
class Terms {
 public:
  Terms(const Graph& graph, std::vector<bool>* index_only)
      : graph_(graph), index_only_(*index_only), terms_(graph.node_count(), 1) {}

  std::vector<uint32_t> run() {
    for (uint32_t i = 0; i < graph_.node_count(); ++i) {
      if (!index_only_[i]) continue;
      uint32_t terms = count(i);
      // Its operands are stored, so that it stays a small read of them; or it is, where that is not enough.
      if (terms > most_terms) {
        for (ValueId v : graph_.node(NodeId(i)).operands) {
          const NodeId n = graph_.value(v).node;
          if (n.valid() && terms_[n.index] > 1) index_only_[n.index] = false;
        }
        terms = count(i);
      }
      if (terms > most_terms) index_only_[i] = false;
      terms_[i] = std::min(terms, most_terms + 1);
    }
    for (uint32_t i = 0; i < graph_.node_count(); ++i)
      if (!index_only_[i]) terms_[i] = 1;
    return std::move(terms_);
  }

 private:
  uint32_t terms_of(ValueId v) const {
    const NodeId n = graph_.value(v).node;
    return n.valid() && index_only_[n.index] ? terms_[n.index] : 1;
  }

  uint32_t count(uint32_t i) {
    const Node& node = graph_.node(NodeId(i));
    if (node.op->elementwise() != nullptr) return scalars(i);
    if (ir::gathers(*node.op)) {
      uint32_t all = 1;
      const ir::Iteration it = described(graph_, node);
      for (const ir::Access::Chosen& c : it.operands[it.elements[0]].chosen)
        all += terms_of(node.operands[c.operand]);
      return all;
    }
    const std::vector<ir::IndexPiece> pieces = pieces_of(graph_, node);
    if (pieces.empty()) return 1;
    uint32_t all = pieces.size() == 1 && pieces[0].guards.empty() ? 0 : 1;
    for (const ir::IndexPiece& piece : pieces)
      all = std::min(all + terms_of(node.operands[piece.operand]), most_terms + 1);
    return all;
  }

  // Arithmetic on single numbers, each counted once; what it reads through maps as often as it is read.
  uint32_t scalars(uint32_t root) {
    std::vector<uint32_t> work{root}, seen{root};
    uint32_t all = 0;
    while (!work.empty() && all <= most_terms) {
      const Node& node = graph_.node(NodeId(work.back()));
      work.pop_back();
      ++all;
      for (ValueId v : node.operands) {
        const NodeId n = graph_.value(v).node;
        if (!n.valid() || !index_only_[n.index]) continue;
        if (std::find(seen.begin(), seen.end(), n.index) != seen.end()) continue;
        seen.push_back(n.index);
        if (graph_.node(n).op->elementwise() != nullptr)
          work.push_back(n.index);
        else
          all += terms_[n.index];
      }
    }
    return all;
  }

  const Graph& graph_;
  std::vector<bool>& index_only_;
  std::vector<uint32_t> terms_;  // of each recomputed node
};

}  // namespace

uint32_t Costs::elementwise(const Node& node) {
  const ir::ElementwiseForm& form = *node.op->elementwise();
  const DType to = graph_.type(node.results[0]).dtype;
  const DType from = graph_.type(node.operands[form.key < node.operands.size() ? form.key : 0]).dtype;
  auto [at, fresh] = known_.try_emplace({node.op, from, to}, 0);
  if (!fresh) return at->second;
  kernel::Function scratch;
  kernel::Builder b(scratch);
  std::vector<ExprId> args;
  for (ValueId v : node.operands) args.push_back(b.use(b.scalar("x", graph_.type(v).dtype)));
  apply_scalar(b, form, from, to, args);
  return at->second = std::max(operations(scratch), 1u);
}

uint32_t Costs::node(const Node& node) {
  // Draws are a hash of some rounds; the others are an address and an access.
  constexpr uint32_t draw = 96, access = 4;
  if (node.op->elementwise() != nullptr) return elementwise(node);
  if (node.op->generate() != nullptr && !is_index_only(node)) return draw;
  const int64_t products = ir::multiplies(*node.op) ? chain_length(graph_, node) : 0;
  return access * static_cast<uint32_t>(std::max<int64_t>(products, 1));
}

std::vector<uint32_t> bound_terms(const Graph& graph, std::vector<bool>* index_only) {
  return Terms(graph, index_only).run();
}

}  // namespace tenon::lower
