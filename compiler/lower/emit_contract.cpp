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

#include "lower/emit.h"
#include "lower/hoist.h"

namespace tenon::lower {
namespace {

constexpr int64_t row_block = 128;  // rows of A kept in L2 beside a panel of B
constexpr int64_t outer_block =
    256;  // contraction blocks at least this long are looped over outside the tiles
enum : int { batch_class, m_class, n_class, k_class };

// Long epilogues (polynomials, random numbers, optimizer updates) on every accumulator would multiply the
// code and spill the tile.
bool heavy_epilogue(const Graph& graph, const Group& group) {
  constexpr size_t most_operations = 8;
  size_t operations = 0;
  for (NodeId id : group.nodes) {
    const Node& node = graph.node(id);
    if (node.op->contract != nullptr) continue;
    if (node.op->elementwise == nullptr || !node.op->elementwise->cheap) return true;
    ++operations;
  }
  return operations > most_operations;
}

class ContractEmitter {
 public:
  ContractEmitter(Frame& frame, const Scope& scope, int32_t number)
      : frame_(frame),
        b_(frame.b),
        scope_(scope),
        number_(number),
        group_(scope.fusion.groups[static_cast<size_t>(number)]),
        terms_(*scope.graph, scope.fusion, number),
        emitter_(frame, scope, terms_) {
    compose();
  }

  // What chunks cut: an outer axis where there is one, else rows, else columns.
  enum class Cut : uint8_t { outer, rows, columns };
  Cut cut() const {
    if (!outer_.empty()) return Cut::outer;
    return frame_.high(m_extent()) >= 2 * tile_rows() || !n_axis_ ? Cut::rows : Cut::columns;
  }
  Dim m_extent() const { return m_axis_ ? extents_[*m_axis_] : Dim(1); }
  Dim n_extent() const { return n_axis_ ? extents_[*n_axis_] : Dim(1); }
  Dim k_extent() const {
    Dim k(1);
    for (uint32_t a : k_axes_) k = k * extents_[a];
    return k;
  }
  Dim outer_extent() const { return extents_[outer_[0]]; }
  const Shape& extents() const { return extents_; }
  DType dtype() const { return dtype_; }

  int64_t lanes() const { return frame_.target().lanes(4); }
  int64_t vectors() const {
    int64_t n = frame_.high(n_extent());
    // Accumulators, a vector of B each, and a broadcast of A fit the registers: mr * nv + nv + 1.
    int64_t most = std::clamp<int64_t>((frame_.target().registers - 2) / (tile_rows() + 1), 1, 8);
    if (interleaved()) most = std::max<int64_t>(1, most / blocks());
    return std::max<int64_t>(1, std::min(most, (n + lanes() - 1) / lanes()));
  }
  // A single row has too few independent chains: its blocks of K run side by side.
  bool interleaved() const {
    Dim k = k_extent();
    return inner_blocks_ && tile_rows() == 1 && k.is_constant() && k.constant() % block_ == 0 &&
           blocks() <= 8;
  }
  int64_t blocks() const { return k_extent().constant() / block_; }
  int64_t tile_rows() const {
    return std::min<int64_t>(frame_.target().tile_rows, std::max<int64_t>(1, frame_.high(m_extent())));
  }

  void emit(ExprId begin, ExprId end);
  // Copies rows begin..end of the right factor into panels: element (k, j) of the panel from j0 stands at
  // j0 * K + k * width + j - j0.
  void emit_pack(ExprId begin, ExprId end);

 private:
  template <class F>
  void panels(ExprId lo, ExprId hi, F&& each);
  Place pack_place() const {
    Place p;
    p.root = scope_.scratch[static_cast<size_t>(number_)][1];
    return p;
  }
  ExprId pack_address(ExprId k, ExprId j) {
    ExprId start = b_.mul(panel_lo_, frame_.dim(k_extent()));
    return b_.add(b_.add(start, b_.mul(k, panel_width_)), b_.sub(j, panel_lo_));
  }
  void compose();
  void tiles(ExprId rows_lo, ExprId rows_hi, ExprId cols_lo, ExprId cols_hi);
  void row_tiles(ExprId j0, ExprId j1, ExprId width, ExprId i_lo, ExprId i_hi, bool may_have_rest);
  void tile(ExprId i0, ExprId rows, ExprId j0, ExprId j1, ExprId width);
  void multiply(VarId acc, ExprId rows, ExprId i0, ExprId k_lo, ExprId k_hi);
  void finish(ExprId i0, ExprId rows, const std::function<ExprId(ExprId)>& sum);
  void panel_epilogue(ExprId j0, ExprId j1, ExprId i_lo, ExprId i_hi);
  void panel(ExprId j0, ExprId j1, ExprId width, ExprId i_lo, ExprId i_hi, bool rest);
  void store_outputs();
  ExprId sum_address(ExprId row);
  void set_k(ExprId k);

  Frame& frame_;
  kernel::Builder& b_;
  const Scope& scope_;
  int32_t number_;
  const Group& group_;
  TermGraph terms_;
  TermEmitter emitter_;
  const Node* dot_ = nullptr;
  DType dtype_ = DType::f32;
  TermId a_, bt_;
  AffineIndex result_address_;
  std::vector<TermId> outputs_;
  std::vector<AffineIndex> addresses_;
  Shape extents_;
  std::vector<int> classes_;
  std::vector<uint32_t> outer_, k_axes_;
  std::optional<uint32_t> m_axis_, n_axis_;
  int64_t block_ = 512;
  bool outer_blocks_ = false, inner_blocks_ = false;
  bool packed_ = false;
  ExprId panel_lo_, panel_width_;
  bool heavy_ = false;  // the epilogue runs over the stored panel, not on the accumulators
  ExprId mr_, k_lo_, k_hi_, first_, last_;
};

void ContractEmitter::compose() {
  const Graph& graph = *scope_.graph;
  for (NodeId id : group_.nodes)
    if (graph.node(id).op->contract != nullptr) dot_ = &graph.node(id);
  TENON_CHECK(dot_ != nullptr);
  dtype_ = graph.type(dot_->results[0]).dtype;
  NodeDomain domain = contraction_domain(graph, *dot_);
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
  block_ = dot_->get<int64_t>("block");
  bool several = frame_.may_pass(k_extent(), block_);
  outer_blocks_ = several && block_ >= outer_block;
  inner_blocks_ = several && !outer_blocks_;
  packed_ = packs_right(*scope_.graph, *dot_);
  heavy_ = heavy_epilogue(*scope_.graph, group_);
}

void ContractEmitter::set_k(ExprId k) {
  Dim stride(1);
  for (size_t i = k_axes_.size(); i-- > 0;) {
    ExprId v = k;
    if (k_axes_.size() > 1) {
      if (!(stride == Dim(1))) v = b_.binary(kernel::Op::div, v, frame_.dim(stride));
      if (i != 0) v = b_.binary(kernel::Op::rem, v, frame_.dim(extents_[k_axes_[i]]));
    }
    emitter_.axes[k_axes_[i]] = v;
    stride = stride * extents_[k_axes_[i]];
  }
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

// Panels of nearly equal width: some of NV vectors, the others of one less, so that none runs thin.
template <class F>
void ContractEmitter::panels(ExprId lo, ExprId hi, F&& each) {
  Dim n = n_extent();
  const int64_t all = n.is_constant() ? (n.constant() + lanes() - 1) / lanes() : 0;
  const int64_t count = (all + vectors() - 1) / vectors();
  const bool even = cut() != Cut::columns && count > 1;
  const int64_t narrow = even ? all / count : vectors(), wider = even ? all % count : 0;
  auto run = [&](ExprId from, ExprId to, int64_t nv) {
    ExprId nr = b_.mul(b_.use(b_.fixed("NV", nv)), b_.index(lanes()));
    ExprId j0 = b_.begin_for("j0", from, to, nr);
    each(j0, b_.binary(kernel::Op::min, b_.add(j0, nr), to), nr);
    b_.end();
  };
  ExprId middle = wider == 0 ? lo : b_.index(wider * (narrow + 1) * lanes());
  if (wider != 0) run(lo, middle, narrow + 1);
  run(middle, hi, narrow);
}

void ContractEmitter::emit_pack(ExprId begin, ExprId end) {
  emitter_.axes.assign(extents_.size(), b_.index(0));
  panels(b_.index(0), frame_.dim(n_extent()), [&](ExprId j0, ExprId j1, ExprId width) {
    panel_lo_ = j0;
    panel_width_ = width;
    ExprId stop = b_.let("j1", j1);
    ExprId k = b_.begin_for("k", begin, end, b_.index(1));
    ExprId j = b_.begin_lanes("j", j0, stop, width);
    emitter_.axes[*n_axis_] = j;
    set_k(k);
    emitter_.forget();
    frame_.store(pack_place(), dtype_, pack_address(k, j), emitter_.emit(bt_));
    b_.end();
    b_.end();
  });
}

void ContractEmitter::tiles(ExprId rows_lo, ExprId rows_hi, ExprId cols_lo, ExprId cols_hi) {
  ExprId k = frame_.dim(k_extent());
  size_t nest = 0;
  auto open = [&](const char* name, ExprId lo, ExprId hi, ExprId step) {
    ++nest;
    return b_.begin_for(name, lo, hi, step);
  };
  k_lo_ = b_.index(0);
  k_hi_ = k;
  if (outer_blocks_) {
    // An empty contraction still runs once and stores zeros.
    ExprId stop = b_.binary(kernel::Op::max, k, b_.index(1));
    ExprId kc = b_.use(b_.fixed("KC", block_));
    k_lo_ = open("k0", b_.index(0), stop, kc);
    k_hi_ = b_.let("k1", b_.binary(kernel::Op::min, b_.add(k_lo_, kc), k));
    first_ = b_.let("first", b_.binary(kernel::Op::eq, k_lo_, b_.index(0)));
    last_ = b_.let("last", b_.binary(kernel::Op::le, k, b_.add(k_lo_, kc)));
  }
  if (frame_.may_pass(m_extent(), row_block)) {
    ExprId mc = b_.use(b_.fixed("MC", row_block / tile_rows() * tile_rows()));
    ExprId lo = open("ic", rows_lo, rows_hi, mc);
    rows_hi = b_.let("ic1", b_.binary(kernel::Op::min, b_.add(lo, mc), rows_hi));
    rows_lo = lo;
  }
  const Dim m = m_extent();
  bool rest = !(m.is_constant() && m.constant() % tile_rows() == 0);
  if (!n_axis_) {
    panel(b_.index(0), b_.index(1), b_.index(std::min<int64_t>(4, lanes())), rows_lo, rows_hi, rest);
  } else {
    panels(cols_lo, cols_hi,
           [&](ExprId j0, ExprId j1, ExprId width) { panel(j0, j1, width, rows_lo, rows_hi, rest); });
  }
  for (size_t i = 0; i < nest; ++i) b_.end();
}

void ContractEmitter::panel(ExprId j0, ExprId j1, ExprId width, ExprId i_lo, ExprId i_hi, bool rest) {
  j1 = b_.let("j1", j1);
  panel_lo_ = j0;
  panel_width_ = width;
  row_tiles(j0, j1, width, i_lo, i_hi, rest);
  if (!heavy_) return;
  if (outer_blocks_) b_.begin_if(last_);
  panel_epilogue(j0, j1, i_lo, i_hi);
  if (outer_blocks_) b_.end();
}

// The epilogue of a panel whose sums stand in the scratch block: one copy of its code, close to the cache.
void ContractEmitter::panel_epilogue(ExprId j0, ExprId j1, ExprId i_lo, ExprId i_hi) {
  emitter_.release(dot_->results[0]);
  auto memo = emitter_.save();
  ExprId j = b_.begin_lanes("j", j0, j1, b_.index(n_axis_ ? lanes() : 4));
  if (n_axis_) emitter_.axes[*n_axis_] = j;
  hoist(emitter_, terms_, outputs_, [&](uint32_t axis) { return !m_axis_ || axis != *m_axis_; });
  ExprId i = b_.begin_for("i", i_lo, i_hi, b_.index(1));
  Place partial;
  partial.root = scope_.scratch[static_cast<size_t>(number_)][0];
  emitter_.hold(dot_->results[0], b_.let("sum", frame_.load(partial, dtype_, sum_address(i))));
  store_outputs();
  b_.end();
  b_.end();
  emitter_.restore(std::move(memo));
}

ExprId ContractEmitter::sum_address(ExprId row) {
  if (m_axis_) emitter_.axes[*m_axis_] = row;
  return affine_value(frame_, result_address_, emitter_.axes);
}

void ContractEmitter::store_outputs() {
  std::vector<ExprId> values;
  for (TermId t : outputs_) values.push_back(emitter_.emit(t));
  for (size_t i = 0; i < values.size(); ++i) {
    ValueId v = group_.outputs[i];
    frame_.store(scope_.places[v.index], scope_.graph->type(v).dtype,
                 affine_value(frame_, addresses_[i], emitter_.axes), values[i]);
  }
}

void ContractEmitter::row_tiles(ExprId j0, ExprId j1, ExprId width, ExprId i_lo, ExprId i_hi, bool rest) {
  int64_t mr = tile_rows();
  if (mr == 1) {
    ExprId i0 = b_.begin_for("i0", i_lo, i_hi, mr_);
    tile(i0, mr_, j0, j1, width);
    b_.end();
    return;
  }
  // Whole tiles, then the rest of the rows with a tile of just their number.
  ExprId full = b_.mul(b_.binary(kernel::Op::div, b_.sub(i_hi, i_lo), mr_), mr_);
  ExprId whole = b_.let("whole", b_.add(i_lo, full));
  ExprId i0 = b_.begin_for("i0", i_lo, whole, mr_);
  tile(i0, mr_, j0, j1, width);
  b_.end();
  if (!rest) {
    // None is left as the schedule stands; one row at a time keeps an edited tile right.
    ExprId one = b_.begin_for("i0", whole, i_hi, b_.index(1));
    tile(one, b_.index(1), j0, j1, width);
    b_.end();
    return;
  }
  ExprId rows = b_.begin_specialize("rows", b_.index(1), b_.sub(mr_, b_.index(1)), b_.sub(i_hi, whole));
  tile(whole, rows, j0, j1, width);
  b_.end();
}

// acc[r] += A[i0 + r, k] * B[k, j] for k in k_lo .. k_hi.
void ContractEmitter::multiply(VarId acc, ExprId rows, ExprId i0, ExprId k_lo, ExprId k_hi) {
  auto memo = emitter_.save();
  ExprId k = b_.begin_for("k", k_lo, k_hi, b_.index(1));
  set_k(k);
  ExprId y = packed_ ? frame_.load(pack_place(), dtype_, pack_address(k, emitter_.axes[*n_axis_]))
                     : emitter_.emit(bt_);
  y = b_.let("b", y);
  ExprId r = b_.begin_unroll("r", b_.index(0), rows);
  if (m_axis_) emitter_.axes[*m_axis_] = b_.add(i0, r);
  ExprId x = emitter_.emit(a_);
  ExprId old = b_.use(acc, {r});
  b_.assign(acc, is_float(dtype_) ? b_.fma(x, y, old) : b_.add(old, b_.mul(x, y)), {r});
  b_.end();
  b_.end();
  emitter_.restore(std::move(memo));
}

void ContractEmitter::tile(ExprId i0, ExprId rows, ExprId j0, ExprId j1, ExprId width) {
  ExprId j = b_.begin_lanes("j", j0, j1, width);
  if (n_axis_) emitter_.axes[*n_axis_] = j;
  auto memo = emitter_.save();
  ExprId zero = b_.constant(dtype_, 0);
  if (interleaved()) {
    VarId acc = b_.declare("acc", dtype_, zero, {b_.index(blocks())});
    if (m_axis_) emitter_.axes[*m_axis_] = i0;
    ExprId k = b_.begin_for("k", b_.index(0), b_.index(block_), b_.index(1));
    ExprId c = b_.begin_unroll("c", b_.index(0), b_.index(blocks()));
    auto outside = emitter_.save();
    set_k(b_.add(b_.mul(c, b_.index(block_)), k));
    ExprId y = emitter_.emit(bt_), x = emitter_.emit(a_), old = b_.use(acc, {c});
    b_.assign(acc, is_float(dtype_) ? b_.fma(x, y, old) : b_.add(old, b_.mul(x, y)), {c});
    emitter_.restore(std::move(outside));
    b_.end();
    b_.end();
    ExprId sum = b_.let("sum", b_.use(acc, {b_.index(0)}));
    for (int64_t i = 1; i < blocks(); ++i) sum = b_.let("sum", b_.add(sum, b_.use(acc, {b_.index(i)})));
    finish(i0, rows, [&](ExprId) { return sum; });
  } else if (inner_blocks_) {
    VarId total = b_.declare("total", dtype_, zero, {rows});
    ExprId k0 = b_.begin_for("k0", b_.index(0), k_hi_, b_.index(block_));
    ExprId k1 = b_.let("k1", b_.binary(kernel::Op::min, b_.add(k0, b_.index(block_)), k_hi_));
    VarId acc = b_.declare("acc", dtype_, zero, {rows});
    multiply(acc, rows, i0, k0, k1);
    ExprId first = b_.let("first", b_.binary(kernel::Op::eq, k0, b_.index(0)));
    ExprId r = b_.begin_unroll("r", b_.index(0), rows);
    b_.assign(total, b_.select(first, b_.use(acc, {r}), b_.add(b_.use(total, {r}), b_.use(acc, {r}))), {r});
    b_.end();
    b_.end();
    finish(i0, rows, [&](ExprId row) { return b_.use(total, {row}); });
  } else {
    VarId acc = b_.declare("acc", dtype_, zero, {rows});
    multiply(acc, rows, i0, k_lo_, k_hi_);
    if (outer_blocks_) {
      Place partial;
      partial.root = scope_.scratch[static_cast<size_t>(number_)][0];
      auto address = [&](ExprId r) { return sum_address(b_.add(i0, r)); };
      b_.begin_if(b_.unary(kernel::Op::bnot, first_));
      ExprId r = b_.begin_unroll("r", b_.index(0), rows);
      b_.assign(acc, b_.add(frame_.load(partial, dtype_, address(r)), b_.use(acc, {r})), {r});
      b_.end();
      b_.end();
      auto sums = [&](ExprId row) { return b_.use(acc, {row}); };
      if (heavy_) {
        finish(i0, rows, sums);
      } else {
        b_.begin_if(last_);
        finish(i0, rows, sums);
        b_.begin_else();
        r = b_.begin_unroll("r", b_.index(0), rows);
        frame_.store(partial, dtype_, address(r), b_.use(acc, {r}));
        b_.end();
        b_.end();
      }
    } else {
      finish(i0, rows, [&](ExprId row) { return b_.use(acc, {row}); });
    }
  }
  emitter_.restore(std::move(memo));
  b_.end();
}

// Epilogue and stores of one tile.
void ContractEmitter::finish(ExprId i0, ExprId rows, const std::function<ExprId(ExprId)>& sum) {
  if (heavy_) {
    Place partial;
    partial.root = scope_.scratch[static_cast<size_t>(number_)][0];
    ExprId r = b_.begin_unroll("r", b_.index(0), rows);
    frame_.store(partial, dtype_, sum_address(b_.add(i0, r)), sum(r));
    b_.end();
    return;
  }
  auto memo = emitter_.save();
  // What does not depend on the row (a bias) is read once a tile.
  emitter_.release(dot_->results[0]);
  hoist(emitter_, terms_, outputs_, [&](uint32_t axis) { return !m_axis_ || axis != *m_axis_; });
  ExprId r = b_.begin_unroll("r", b_.index(0), rows);
  if (m_axis_) emitter_.axes[*m_axis_] = b_.add(i0, r);
  emitter_.hold(dot_->results[0], b_.let("sum", sum(r)));
  store_outputs();
  b_.end();
  emitter_.restore(std::move(memo));
}

}  // namespace

void emit_contract(Frame& frame, const Scope& scope, int32_t number, ExprId begin, ExprId end) {
  ContractEmitter(frame, scope, number).emit(begin, end);
}

void emit_pack(Frame& frame, const Scope& scope, int32_t number, ExprId begin, ExprId end) {
  ContractEmitter(frame, scope, number).emit_pack(begin, end);
}

std::optional<Work> pack_work(const Frame& frame, const Scope& scope, int32_t number) {
  const Group& group = scope.fusion.groups[static_cast<size_t>(number)];
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

std::vector<std::pair<DType, Dim>> group_scratch(const Graph& graph, const Fusion& fusion,
                                                 const Group& group) {
  if (group.kind != GroupKind::contract) return {};
  for (NodeId id : group.nodes) {
    const Node& node = graph.node(id);
    if (node.op->contract == nullptr) continue;
    NodeDomain domain = contraction_domain(graph, node);
    Dim k(1);
    for (size_t a = 0; a < domain.domain.size(); ++a)
      if (domain.reduced[a]) k = k * domain.domain[a];
    int64_t block = node.get<int64_t>("block");
    const ir::Type& type = graph.type(node.results[0]);
    std::vector<std::pair<DType, Dim>> out;
    if (heavy_epilogue(graph, group) || (block >= outer_block && !(k.is_constant() && k.constant() <= block)))
      out.push_back({type.dtype, type.count()});
    if (packs_right(graph, node)) {
      if (out.empty()) out.push_back({type.dtype, Dim(0)});
      constexpr int64_t widest = 16;  // lanes of any target
      const int64_t columns = squeeze(type.shape).back().constant();
      out.push_back({type.dtype, k * Dim((columns + widest - 1) / widest * widest)});
    }
    return out;
  }
  (void)fusion;
  return {};
}

}  // namespace tenon::lower
