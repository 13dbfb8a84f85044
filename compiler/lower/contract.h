// The register-tile micro-kernel of contractions in block order; see emit_contract.cpp.
#pragma once

#include "lower/emit.h"

namespace tenon::lower {

class ContractEmitter {
 public:
  ContractEmitter(Frame& frame, const Scope& scope, int32_t number)
      : ContractEmitter(frame, scope, number,
                        std::get<ContractTerms>(scope.composed[static_cast<size_t>(number)]),
                        std::get<ContractSchedule>(scope.schedules[static_cast<size_t>(number)])) {}

  void emit(ExprId begin, ExprId end);
  // Copies rows begin..end of the right factor into panels.
  void emit_pack(ExprId begin, ExprId end);

 private:
  using Cut = ContractSchedule::Cut;
  using Blocks = ContractSchedule::Blocks;

  ContractEmitter(Frame& frame, const Scope& scope, int32_t number, const ContractTerms& t,
                  const ContractSchedule& schedule)
      : frame_(frame),
        b_(frame.b),
        scope_(scope),
        number_(number),
        group_(scope.fusion.groups[static_cast<size_t>(number)]),
        s_(schedule),
        t_(t),
        terms_(t.terms),
        emitter_(frame, scope, terms_),
        dtype_(t.dtype),
        extents_(t.extents),
        outer_(t.outer),
        k_axes_(t.k_axes),
        m_axis_(t.m_axis),
        n_axis_(t.n_axis),
        outer_blocks_(schedule.blocks == Blocks::outer) {}

  using PanelBody = std::function<void(ExprId j0, ExprId j1, ExprId width)>;
  void panels(ExprId lo, ExprId hi, const PanelBody& each);
  // Where blocks of K leave their sums: in an output that holds nothing else meanwhile, or in scratch.
  Place sums() const {
    const auto n = static_cast<size_t>(number_);
    if (const int32_t output = scope_.sums[n]; output >= 0 && !s_.epilogue_apart)
      return scope_.places[group_.outputs[static_cast<size_t>(output)].index];
    return scratch(sum_scratch);
  }
  Place scratch(Scratch what) const {
    Place p;
    p.root = scope_.scratch[static_cast<size_t>(number_)][what];
    return p;
  }
  Place pack_place() const {
    Place p;
    p.root = scope_.panels[static_cast<size_t>(number_)];
    return p.root.valid() ? p : scratch(panel_scratch);
  }
  // Element (k, j) of the right factor, read where it lies or from its panel; j is the lane.
  ExprId right(ExprId k);
  ExprId pack_address(ExprId k, ExprId j);
  ExprId right_element(ExprId k, ExprId j);
  void pack_row(ExprId k, ExprId lo, ExprId hi, ExprId width);
  void pack_transposed(ExprId begin, ExprId end, ExprId whole, ExprId j1);
  // The left factor in blocks of its rows and products, tile by tile: see contract_left.cpp.
  void pack_left(ExprId lo, ExprId hi, bool rest);
  ExprId left_address(ExprId i0, ExprId rows, ExprId r, ExprId k);
  ExprId left(ExprId i0, ExprId rows, ExprId r, ExprId k);
  size_t open_blocks(ExprId rows_lo);
  void tiles(ExprId rows_lo, ExprId rows_hi, ExprId cols_lo, ExprId cols_hi);
  bool tall() const;
  ExprId tall_tiles(ExprId j0, ExprId j1, ExprId width, ExprId i_lo, ExprId i_hi);
  void row_tiles(ExprId j0, ExprId j1, ExprId width, ExprId i_lo, ExprId i_hi, bool may_have_rest);
  void tile(ExprId i0, ExprId rows, ExprId j0, ExprId j1, ExprId width);
  void prefetch(ExprId i0, ExprId k);
  void prefetch_result(ExprId i0, ExprId t);
  void prefetch_panel(ExprId above, ExprId t, int64_t rows);
  void prefetch_rows(ExprId k);
  // Rows of a whole block, and products of a whole block of K.
  int64_t block_rows() const;
  int64_t block_products() const;
  void multiply(VarId acc, ExprId rows, ExprId i0, ExprId k_lo, ExprId k_hi);
  void multiply_rows(VarId acc, ExprId rows, ExprId i0, ExprId k, ExprId lo, ExprId hi);
  // Rows along several axes, and windows: see contract_rows.cpp and contract_windows.cpp.
  void rows_along(ExprId begin, ExprId end);
  bool phases_are_even() const;
  ExprId rows_here();
  int64_t rows_of_panel() const;
  using TileBody = std::function<void(ExprId i0, ExprId rows)>;
  void rest_tiles(ExprId i_lo, ExprId i_hi, ExprId most, const TileBody& each);
  void each_row_tile(const TileBody& each);
  void row_epilogue(ExprId j0, ExprId j1);
  std::optional<std::pair<int64_t, int64_t>> inner_tiles() const;
  void multiply_inside(VarId acc, ExprId rows, ExprId i0, ExprId k_lo, ExprId k_hi);
  friend class WindowProducts;
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
  const ContractSchedule& s_;
  const ContractTerms& t_;
  const TermGraph& terms_;
  TermEmitter emitter_;
  const DType dtype_;
  const Shape& extents_;
  const std::vector<uint32_t>&outer_, &k_axes_;
  const std::optional<uint32_t> m_axis_, n_axis_;
  const bool outer_blocks_;
  ExprId panel_lo_, panel_width_;
  ExprId rows_above_;  // of the rows that meet a panel, those of outer indices before these
  ExprId run_;  // product number at which the last contracted axis began; none where it is the only one
  int64_t panel_vectors_ = 1;
  bool inside_ = false;  // no row of a tile lacks a tap of the rows' window
  ExprId mr_, rows_lo_, left_from_, left_products_, k_lo_, k_hi_, first_, last_;
};

}  // namespace tenon::lower
