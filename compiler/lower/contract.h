// The register-tile micro-kernel of contractions in block order; see emit_contract.cpp.
#pragma once

#include "lower/emit.h"

namespace tenon::lower {

// What an axis of a contraction belongs to: both operands, one of them, or their product's sum.
enum : int { batch_class, m_class, n_class, k_class };

constexpr int64_t row_block = 128;  // rows of A kept in L2 beside a panel of B

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

  // Of a vector of sums; narrow types do not fill one, for their tiles would be too wide to serve small
  // results. Columns that fit half a vector take no more: a mask and lines that are crossed cost as much as
  // the loads.
  int64_t lanes() const {
    int64_t lanes = frame_.target().lanes(std::max<size_t>(4, dtype_bytes(dtype_)));
    const Dim n = n_extent();
    while (n.is_constant() && lanes > 4 && n.constant() <= lanes / 2) lanes /= 2;
    return lanes;
  }
  int64_t vectors() const {
    int64_t n = frame_.high(n_extent()) - edge();
    // Accumulators, a vector of B each, and a broadcast of A fit the registers: mr * nv + nv + 1.
    int64_t most = std::clamp<int64_t>((frame_.target().registers - 2) / (tile_rows() + 1), 1, 8);
    if (interleaved()) most = std::max<int64_t>(1, most / blocks());
    return std::max<int64_t>(1, std::min(most, (n + lanes() - 1) / lanes()));
  }
  // The last columns, where they would leave most of a vector idle: half a vector, or four lanes, take them.
  // Behind a single vector they stay in its panel: read again for them, the left factor would cost as much.
  int64_t edge() const {
    const Dim n = n_extent();
    if (packed_ || !n.is_constant() || n.constant() < lanes() || cut() == Cut::columns) return 0;
    if (n.constant() > lanes() && n.constant() < 2 * lanes()) return 0;
    const int64_t rest = n.constant() % lanes();
    return rest <= lanes() / 2 ? rest : 0;
  }
  // A single row has too few independent chains: its blocks of K run side by side.
  bool interleaved() const {
    Dim k = k_extent();
    return inner_blocks_ && tile_rows() == 1 && k_axes_.size() == 1 && k.is_constant() &&
           k.constant() % block_ == 0 && blocks() <= 8;
  }
  int64_t blocks() const { return k_extent().constant() / block_; }
  int64_t tile_rows() const {
    return std::min<int64_t>(frame_.target().tile_rows, std::max<int64_t>(1, frame_.high(m_extent())));
  }

  void emit(ExprId begin, ExprId end);
  // Copies rows begin..end of the right factor into panels.
  void emit_pack(ExprId begin, ExprId end);
  // Whether the right factor is copied into panels in the call; those of constants are there.
  bool copies_right() const { return packed_ && !constant_root().valid(); }
  // Columns of all panels, the unused ones of the last among them.
  int64_t panel_columns() const;
  // Elements of the copy of blocks of the left factor; nullopt: it is read where it lies.
  std::optional<Dim> left_elements() const;
  // The right factor `array` in panels; null where it is read as it lies.
  std::shared_ptr<const Array> lay_out(const Array& array);

 private:
  using PanelBody = std::function<void(ExprId j0, ExprId j1, ExprId width)>;
  void panels(ExprId lo, ExprId hi, const PanelBody& each);
  // Vectors of each panel, and how many panels from the first are one vector wider.
  std::pair<int64_t, int64_t> split() const;
  int64_t panel_width(int64_t j0) const;
  // Where blocks of K leave their sums: in an output that holds nothing else meanwhile, or in scratch.
  Place sums() const {
    const auto n = static_cast<size_t>(number_);
    if (const int32_t output = scope_.sums[n]; output >= 0 && !heavy_)
      return scope_.places[group_.outputs[static_cast<size_t>(output)].index];
    return scratch(sum_scratch);
  }
  RootId constant_root() const {
    const auto n = static_cast<size_t>(number_);
    return n < scope_.panels.size() ? scope_.panels[n] : RootId();
  }
  Place scratch(Scratch what) const {
    Place p;
    p.root = scope_.scratch[static_cast<size_t>(number_)][what];
    return p;
  }
  Place pack_place() const {
    Place p;
    p.root = constant_root();
    return p.root.valid() ? p : scratch(panel_scratch);
  }
  // Element (k, j) of the right factor, read where it lies or from its panel; j is the lane.
  ExprId right(ExprId k);
  ExprId pack_address(ExprId k, ExprId j);
  ExprId right_element(ExprId k, ExprId j);
  void pack_row(ExprId k, ExprId lo, ExprId hi, ExprId width);
  void pack_transposed(ExprId begin, ExprId end, ExprId whole, ExprId j1);
  // The left factor in blocks of its rows and products, tile by tile: see contract_left.cpp.
  bool packs_left() const;
  void pack_left(ExprId lo, ExprId hi, bool rest);
  ExprId left_address(ExprId i0, ExprId rows, ExprId r, ExprId k);
  ExprId left(ExprId i0, ExprId rows, ExprId r, ExprId k);
  void compose();
  void tiles(ExprId rows_lo, ExprId rows_hi, ExprId cols_lo, ExprId cols_hi);
  bool tall() const;
  ExprId tall_tiles(ExprId j0, ExprId j1, ExprId width, ExprId i_lo, ExprId i_hi);
  void row_tiles(ExprId j0, ExprId j1, ExprId width, ExprId i_lo, ExprId i_hi, bool may_have_rest);
  void tile(ExprId i0, ExprId rows, ExprId j0, ExprId j1, ExprId width);
  void choose_prefetches();
  void prefetch(ExprId i0, ExprId k);
  void prefetch_result(ExprId i0, ExprId t);
  void prefetch_panel(ExprId i0, ExprId t);
  // Rows of a whole block, and products of a whole block of K.
  int64_t block_rows() const;
  int64_t block_products() const;
  void multiply(VarId acc, ExprId rows, ExprId i0, ExprId k_lo, ExprId k_hi);
  void finish(ExprId i0, ExprId rows, const std::function<ExprId(ExprId)>& sum);
  void panel_epilogue(ExprId j0, ExprId j1, ExprId i_lo, ExprId i_hi);
  void panel(ExprId j0, ExprId j1, ExprId width, ExprId i_lo, ExprId i_hi, bool rest);
  void store_outputs();
  ExprId sum_address(ExprId row);
  // Calls `each` with the products lo..hi cut where the last contracted axis begins anew, in their order:
  // within a piece set_k divides nothing.
  void runs(ExprId lo, ExprId hi, const std::function<void(ExprId, ExprId)>& each);
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
  bool packed_ = false, packed_left_ = false;
  bool prefetch_result_ = false, prefetch_panel_ = false;
  ExprId panel_lo_, panel_width_;
  ExprId run_;  // product number at which the last contracted axis began; none where it is the only one
  int64_t panel_vectors_ = 1;
  bool heavy_ = false;  // the epilogue runs over the stored panel, not on the accumulators
  ExprId mr_, rows_lo_, left_from_, left_products_, k_lo_, k_hi_, first_, last_;
};

}  // namespace tenon::lower
