// Contractions in block order: the register-tile micro-kernel.
//
//   for i0 by MR, for panel j0 by NR = NV vectors: acc[MR] over NR lanes; for k: b = B[k, j0..], acc[r] =
//   fma(A[i0+r, k], b, acc[r])
//
// The panel order keeps a block of rows of A and one panel of B in L2: blocks of K outermost, then row
// blocks, then panels, then tiles. B is read in place, or through a transposed copy that a pass before fusion
// asked for. The epilogue runs on the accumulators. Sources: codegen facts measured for this project; the
// loop order follows Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008.
#include <algorithm>

#include "lower/contract.h"
#include "lower/hoist.h"

namespace tenon::lower {
namespace {

// Contraction blocks at least this long are looped over outside the tiles.
constexpr int64_t outer_block = 256;

// Long epilogues (polynomials, random numbers, optimizer updates) on every accumulator would multiply the
// code and spill the tile.
bool heavy_epilogue(const Graph& graph, const Group& group) {
  constexpr size_t most_operations = 8;
  size_t operations = 0;
  for (NodeId id : group.nodes) {
    const Node& node = graph.node(id);
    if (is_tiled(graph, node)) continue;
    if (ir::multiplies(*node.op)) operations += static_cast<size_t>(chain_length(graph, node));
    if (ir::multiplies(*node.op)) continue;
    if (node.op->elementwise() == nullptr || !node.op->elementwise()->cheap) return true;
    ++operations;
  }
  return operations > most_operations;
}

}  // namespace

void ContractEmitter::compose() {
  const Graph& graph = *scope_.graph;
  for (NodeId id : group_.nodes)
    if (is_tiled(graph, graph.node(id))) dot_ = &graph.node(id);
  TENON_CHECK(dot_ != nullptr);
  dtype_ = graph.type(dot_->results[0]).dtype;
  NodeDomain domain = iteration_domain(graph, *dot_);
  terms_.set_held(dot_->results[0]);
  a_ = terms_.element(dot_->operands[0], domain.operands[0]);
  bt_ = terms_.element(dot_->operands[1], domain.operands[1]);
  extents_ = domain.domain;
  // Classes by which operands an axis belongs to.
  auto uses = [&](const Index& at, uint32_t axis) {
    return std::any_of(at.begin(), at.end(), [&](const AffineIndex& a) { return affine_is_axis(a, axis); });
  };
  for (uint32_t a = 0; a < extents_.size(); ++a) {
    bool in_a = uses(domain.operands[0], a), in_b = uses(domain.operands[1], a);
    classes_.push_back(domain.reduced[a] ? k_class : in_a && in_b ? batch_class : in_a ? m_class : n_class);
  }
  std::vector<AffineIndex*> more;
  for (ValueId v : group_.outputs) {
    const Shape& shape = graph.type(v).shape;
    Index at = identity_index(shape, group_.all_axes());
    outputs_.push_back(terms_.element(v, at));
    addresses_.push_back(affine_linear(at, shape));
  }
  const Shape& shape = graph.type(dot_->results[0]).shape;
  result_address_ = affine_linear(identity_index(shape, group_.all_axes()), shape);
  for (AffineIndex& a : addresses_) more.push_back(&a);
  more.push_back(&result_address_);
  collapse_axes(&terms_, more, &extents_, &classes_);
  std::vector<uint32_t> rows, columns;
  for (uint32_t a = 0; a < extents_.size(); ++a) {
    if (classes_[a] == batch_class) outer_.push_back(a);
    if (classes_[a] == m_class) rows.push_back(a);
    if (classes_[a] == n_class) columns.push_back(a);
    if (classes_[a] == k_class) k_axes_.push_back(a);
  }
  if (!rows.empty()) {
    m_axis_ = rows.back();
    rows.pop_back();
  }
  if (!columns.empty()) {
    n_axis_ = columns.back();
    columns.pop_back();
  }
  outer_.insert(outer_.end(), rows.begin(), rows.end());
  outer_.insert(outer_.end(), columns.begin(), columns.end());
  block_ = order_of(*dot_).block;
  bool several = frame_.may_pass(k_extent(), block_);
  outer_blocks_ = several && block_ >= outer_block;
  inner_blocks_ = several && !outer_blocks_;
  packed_ = constant_root().valid() || packs_right(*scope_.graph, *dot_);
  packed_left_ = packs_left();
  heavy_ = heavy_epilogue(*scope_.graph, group_);
  choose_prefetches();
}

void ContractEmitter::set_k(ExprId k) {
  if (!k_axes_.empty()) emitter_.axes[k_axes_.back()] = run_.valid() ? b_.sub(k, run_) : k;
}

void ContractEmitter::runs(ExprId lo, ExprId hi, const std::function<void(ExprId, ExprId)>& each) {
  using kernel::Op;
  if (k_axes_.size() <= 1) return each(lo, hi);
  auto extent = [&](uint32_t axis) {
    ExprId e = frame_.dim(extents_[axis]);
    return frame_.low(extents_[axis]) < 1 ? b_.binary(Op::max, e, b_.index(1)) : e;
  };
  ExprId inner = extent(k_axes_.back());
  ExprId first = b_.let("first", b_.binary(Op::div, lo, inner));
  ExprId last = b_.let("last", b_.binary(Op::div, b_.add(hi, b_.sub(inner, b_.index(1))), inner));
  ExprId o = b_.begin_for("o", first, last, b_.index(1));
  ExprId rest = o;
  for (size_t i = k_axes_.size() - 1; i-- > 0;) {
    ExprId e = extent(k_axes_[i]);
    emitter_.axes[k_axes_[i]] = i == 0 ? rest : b_.let("i", b_.binary(Op::rem, rest, e));
    if (i != 0) rest = b_.let("rest", b_.binary(Op::div, rest, e));
  }
  run_ = b_.let("run", b_.mul(o, inner));
  each(b_.let("from", b_.binary(Op::max, lo, run_)),
       b_.let("to", b_.binary(Op::min, hi, b_.add(run_, inner))));
  run_ = {};
  b_.end();
}

void ContractEmitter::emit(ExprId begin, ExprId end) {
  emitter_.axes.assign(extents_.size(), b_.index(0));
  mr_ = b_.use(b_.fixed("MR", tile_rows()));
  hoist(emitter_, terms_, outputs_, [](uint32_t) { return false; });
  Cut c = cut();
  for (size_t i = 0; i < outer_.size(); ++i)
    emitter_.axes[outer_[i]] = b_.begin_for("o", i == 0 ? begin : b_.index(0),
                                            i == 0 ? end : frame_.dim(extents_[outer_[i]]), b_.index(1));
  ExprId zero = b_.index(0), m = frame_.dim(m_extent()), n = frame_.dim(n_extent());
  tiles(c == Cut::rows ? begin : zero, c == Cut::rows ? end : m, c == Cut::columns ? begin : zero,
        c == Cut::columns ? end : n);
  for (size_t i = 0; i < outer_.size(); ++i) b_.end();
}

void emit_contract(Frame& frame, const Scope& scope, int32_t number, ExprId begin, ExprId end) {
  ContractEmitter(frame, scope, number).emit(begin, end);
}

void emit_pack(Frame& frame, const Scope& scope, int32_t number, ExprId begin, ExprId end) {
  ContractEmitter(frame, scope, number).emit_pack(begin, end);
}

std::optional<Work> pack_work(const Frame& frame, const Scope& scope, int32_t number) {
  const Group& group = scope.fusion.groups[static_cast<size_t>(number)];
  if (scope.panels[static_cast<size_t>(number)].valid()) return std::nullopt;
  bool packs = false;
  for (NodeId id : group.nodes) packs = packs || packs_right(*scope.graph, scope.graph->node(id));
  if (!packs) return std::nullopt;
  kernel::Function scratch;
  Frame f(scratch, frame.module(), frame.plan(), frame.target());
  ContractEmitter e(f, scope, number);
  Work work;
  work.extent = e.k_extent();
  work.granule = 16;
  work.cost = static_cast<double>(e.n_extent().constant()) / 8;
  return work;
}

Work contract_work(const Frame& frame, const Scope& scope, int32_t number) {
  kernel::Function scratch;
  Frame f(scratch, frame.module(), frame.plan(), frame.target());
  ContractEmitter e(f, scope, number);
  Work work;
  double all = 1;
  for (const Dim& d : e.extents()) all *= static_cast<double>(std::max<int64_t>(1, frame.usual(d)));
  switch (e.cut()) {
    case ContractEmitter::Cut::outer:
      work.extent = e.outer_extent();
      break;
    case ContractEmitter::Cut::rows: {
      work.extent = e.m_extent();
      // Every chunk reads all of B: from L2 where it fits, else at least a row block makes up for it.
      double bytes = static_cast<double>(frame.usual(e.k_extent())) *
                     static_cast<double>(frame.usual(e.n_extent())) *
                     static_cast<double>(dtype_bytes(e.dtype()));
      bool fits = bytes <= static_cast<double>(frame.target().l2_bytes) / 2;
      int64_t tiles = fits ? 2 : row_block / e.tile_rows();
      work.granule = e.tile_rows() * tiles;
      break;
    }
    case ContractEmitter::Cut::columns:
      work.extent = e.n_extent();
      work.granule = e.vectors() * e.lanes();
      break;
  }
  work.cost = all / static_cast<double>(e.lanes()) /
              static_cast<double>(std::max<int64_t>(1, frame.usual(work.extent)));
  return work;
}

Copies copies(const ir::Module& module, const Plan& plan, const Scope& scope, int32_t group,
              const target::Target& target) {
  if (scope.fusion.groups[static_cast<size_t>(group)].kind != GroupKind::contract) return {};
  kernel::Function scratch;
  Frame frame(scratch, module, plan, target);
  const ContractEmitter e(frame, scope, group);
  return {e.copies_right() ? e.panel_columns() : 0, e.left_elements()};
}

std::vector<std::pair<DType, Dim>> group_scratch(const Graph& graph, const Group& group, int32_t sums_output,
                                                 const Copies& copies) {
  if (group.kind != GroupKind::contract) return {};
  for (NodeId id : group.nodes) {
    const Node& node = graph.node(id);
    if (!is_tiled(graph, node)) continue;
    NodeDomain domain = iteration_domain(graph, node);
    Dim k(1);
    for (size_t a = 0; a < domain.domain.size(); ++a)
      if (domain.reduced[a]) k = k * domain.domain[a];
    int64_t block = order_of(node).block;
    const ir::Type& type = graph.type(node.results[0]);
    const bool several = block >= outer_block && !(k.is_constant() && k.constant() <= block);
    const bool sums = heavy_epilogue(graph, group) || (several && sums_output < 0);
    std::vector<std::pair<DType, Dim>> out = {{type.dtype, sums ? type.count() : Dim(0)},
                                              {type.dtype, k * Dim(copies.panel_columns)},
                                              {type.dtype, copies.left_elements.value_or(Dim(0))}};
    out.resize(copies.left_elements ? 3 : copies.panel_columns > 0 ? 2 : sums ? 1 : 0);
    return out;
  }
  return {};
}

}  // namespace tenon::lower
